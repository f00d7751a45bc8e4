"""Drawing that several results of this room share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours, which colour-blind readers can tell apart, with one marker each.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")


def draw_forest(
    ax: Axes,
    table: pd.DataFrame,
    labels: Sequence[str],
    *,
    axis_label: str,
    groups: Sequence[str] | None = None,
) -> None:
    """Draw estimates with their intervals, the first row on top.

    Parameters
    ----------
    ax
        Where to draw.
    table
        ``estimate``, ``conf_low``, ``conf_high``; one row a line.
    labels
        Text at the left of each line.
    axis_label
        What the numbers are.
    groups
        What colour and marker tell apart; None for one colour.
    """
    names = list(groups) if groups is not None else [""] * len(table)
    heights = np.arange(len(table))[::-1]
    for index, name in enumerate(dict.fromkeys(names)):
        chosen = np.array([other == name for other in names])
        rows = table[chosen]
        estimate = rows["estimate"].to_numpy()
        ax.errorbar(
            estimate,
            heights[chosen],
            xerr=np.abs(rows[["conf_low", "conf_high"]].to_numpy().T - estimate),
            fmt=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            capsize=2,
            label=name or None,
        )
    ax.set_yticks(heights, labels)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.set_xlabel(axis_label)
    ax.spines[["top", "right"]].set_visible(False)
    if groups is not None:
        ax.legend(frameon=False, loc="best")


def draw_limits(
    ax: Axes,
    points: pd.DataFrame,
    table: pd.DataFrame,
    *,
    line: tuple[float, float],
    names: tuple[str, str],
) -> None:
    """Draw differences against means, with bias, limits and the line of proportional bias.

    Parameters
    ----------
    ax
        Where to draw.
    points
        ``mean`` and ``difference`` of each target.
    table
        Rows ``bias``, ``lower_limit``, ``upper_limit`` with intervals.
    line
        Intercept and slope of the difference on the mean.
    names
        The two measurements: first minus second.
    """
    rows = table.set_index("quantity")[["estimate", "conf_low", "conf_high"]]
    ax.plot(points["mean"], points["difference"], "o", color=COLOURS[0], markersize=4, alpha=0.7)
    for name, style in (("bias", "-"), ("lower_limit", "--"), ("upper_limit", "--")):
        middle, low, high = (float(rows[column][name]) for column in rows.columns)
        ax.axhline(middle, color="black", linestyle=style, linewidth=1)
        ax.axhspan(low, high, color="0.85", zorder=0)
    if np.isfinite(line[1]):
        ends = np.array([points["mean"].min(), points["mean"].max()])
        ax.plot(ends, line[0] + line[1] * ends, color=COLOURS[1], linewidth=1.5)
    ax.set_xlabel(f"Mean of {names[0]} and {names[1]}")
    ax.set_ylabel(f"{names[0]} − {names[1]}")
    ax.spines[["top", "right"]].set_visible(False)


def draw_heat_map(ax: Axes, table: pd.DataFrame, *, label: str) -> None:
    """Draw a table of percentages as colours with the numbers in the cells.

    Parameters
    ----------
    ax
        Where to draw.
    table
        Rows from top to bottom, columns from left to right; missing cells stay white.
    label
        What the numbers are.
    """
    values = table.to_numpy(dtype=np.float64)
    ax.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        number = values[row, column]
        ax.text(
            column,
            row,
            f"{number:.0f}",
            ha="center",
            va="center",
            fontsize=6,
            color="black" if number > 55 else "white",
        )
    ax.set_xticks(range(table.shape[1]), [str(name) for name in table.columns])
    ax.set_yticks(range(len(table)), [str(name) for name in table.index], fontsize=6)
    ax.set_xlabel(label)
