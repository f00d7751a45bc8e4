"""The figure of departures from missing at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.economics.figures import BLACK, ORANGE
from cpi_analysis.economics.wording import phrase_money

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: With more cells than this the amounts in them could not be read.
MOST_NUMBERED = 49


def draw_tipping_map(
    ax: Axes,
    estimates: pd.DataFrame,
    *,
    tipping: tuple[float, float, float],
    target: str,
    reference: str,
    effect_label: str,
) -> None:
    """Draw the net benefit over the factors of the effect, and the line on which it is zero."""
    base = estimates[
        (estimates["cost_factor_target"] == estimates["cost_factor_target"].iloc[0])
        & (estimates["cost_factor_reference"] == estimates["cost_factor_reference"].iloc[0])
    ]
    grid = base.pivot(
        index="effect_factor_reference", columns="effect_factor_target", values="estimate"
    )
    x, y = grid.columns.to_numpy(float), grid.index.to_numpy(float)
    limit = float(np.abs(grid.to_numpy()).max())
    ax.pcolormesh(x, y, grid, cmap="RdBu", vmin=-limit, vmax=limit, shading="nearest", alpha=0.7)
    if grid.size <= MOST_NUMBERED:
        for row in y:
            for column in x:
                amount = phrase_money(float(grid.loc[row, column]))
                ax.text(column, row, amount, ha="center", va="center", fontsize=7)
    low, high = ax.get_xlim(), ax.get_ylim()
    _draw_line(ax, tipping, low)
    ax.plot(1, 1, marker="D", color=ORANGE, markeredgecolor=BLACK, ls="", label="missing at random")
    ax.set_xlim(low)
    ax.set_ylim(high)
    ax.set_xlabel(f"factor on imputed {effect_label}, {target}")
    ax.set_ylabel(f"factor on imputed {effect_label}, {reference}")
    ax.legend(loc="upper right", fontsize=8)


def _draw_line(ax: Axes, tipping: tuple[float, float, float], limits: tuple[float, float]) -> None:
    intercept, by_target, by_reference = tipping
    if by_reference == 0:
        return
    ends = np.array(limits)
    ax.plot(
        ends,
        -(intercept + by_target * ends) / by_reference,
        color=BLACK,
        linestyle="--",
        label="net benefit zero",
    )
