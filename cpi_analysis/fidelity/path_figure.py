"""Path diagram of a factor model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.results import round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ITEM_AT, _FACTOR_AT = 1.0, 0.0
_INK, _POSITIVE, _NEGATIVE = "#333333", "#1f5a96", "#b04a2f"


def draw_paths(ax: Axes, estimates: pd.DataFrame) -> None:
    """Draw factors, items and standardised loadings; the wider a line, the stronger.

    Parameters
    ----------
    ax
        Where to draw.
    estimates
        The table of a confirmatory model.
    """
    loadings = estimates[estimates["parameter"] == "loading"]
    items = list(dict.fromkeys(loadings["item"]))
    factors = list(dict.fromkeys(loadings["factor"]))
    item_at = {name: -float(place) for place, name in enumerate(items)}
    factor_at = {
        str(name): float(np.mean([item_at[item] for item in group["item"]]))
        for name, group in loadings.groupby("factor", sort=False)
    }
    for row in loadings.itertuples():
        value = float(row.standardised)  # type: ignore[arg-type]
        if not np.isfinite(value):
            continue
        ends = factor_at[str(row.factor)], item_at[str(row.item)]
        colour = _POSITIVE if value >= 0 else _NEGATIVE
        style = "-" if value >= 0 else "--"
        width = 0.4 + 2.4 * min(abs(value), 1.0)
        ax.plot([_FACTOR_AT, _ITEM_AT], ends, style, color=colour, linewidth=width, zorder=1)
        ax.text(
            0.72,
            ends[0] + 0.72 * (ends[1] - ends[0]),
            round_half_up(value, 2),
            ha="center",
            va="center",
            fontsize=8,
            color=_INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
    box = {"boxstyle": "square,pad=0.3", "facecolor": "white", "edgecolor": _INK}
    for name in items:
        ax.text(_ITEM_AT, item_at[name], name, ha="left", va="center", fontsize=9, bbox=box)
    round_box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": _INK}
    for name in factors:
        ax.text(
            _FACTOR_AT, factor_at[name], name, ha="center", va="center", fontsize=9, bbox=round_box
        )
    _draw_covariances(ax, estimates, factor_at)
    ax.set_xlim(-0.75, 1.35)
    ax.set_ylim(-len(items) + 0.4, 0.6)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("Standardised loadings (right) and correlations of factors (left)")
    for side in ax.spines.values():
        side.set_visible(False)


def _draw_covariances(ax: Axes, estimates: pd.DataFrame, factor_at: dict[str, float]) -> None:
    rows = estimates[estimates["parameter"] == "factor covariance"]
    for row in rows.itertuples():
        value = float(row.standardised)  # type: ignore[arg-type]
        if not np.isfinite(value):
            continue
        top, bottom = factor_at[str(row.factor)], factor_at[str(row.other)]
        angle = np.linspace(-np.pi / 2, np.pi / 2, 40)
        reach = 0.12 + 0.45 * abs(top - bottom) / max(abs(min(factor_at.values())) + 1, 1)
        x = -0.1 - reach * np.cos(angle)
        y = (top + bottom) / 2 + (top - bottom) / 2 * np.sin(angle)
        ax.plot(x, y, color=_INK, linewidth=0.8, zorder=0)
        ax.text(
            -0.1 - reach,
            (top + bottom) / 2,
            round_half_up(value, 2),
            ha="center",
            va="center",
            fontsize=8,
            color=_INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
