"""Figures of the economic analysis; colours from the Okabe-Ito palette."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.economics.wording import phrase_money, phrase_probability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY, BLACK = "#0072B2", "#D55E00", "#8C8C8C", "#000000"
PALETTE = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", BLACK)

#: More thresholds than this are not marked by lines.
SHOWN_MARKS = 12

_STYLES = ("-", "--", "-.", ":")

#: Share of a normal cloud inside the ellipse of the plane.
ELLIPSE_LEVEL = 0.95

#: More points than this only darken the cloud and swell a vector file.
SHOWN_DRAWS = 2000

_CORNERS = {
    "more costly, less effect": (0.02, 0.97, "left", "top"),
    "more costly, more effect": (0.98, 0.97, "right", "top"),
    "less costly, less effect": (0.02, 0.03, "left", "bottom"),
    "less costly, more effect": (0.98, 0.03, "right", "bottom"),
}

_QUADRANTS = {
    "more costly, less effect": "north-west",
    "more costly, more effect": "north-east",
    "less costly, less effect": "south-west",
    "less costly, more effect": "south-east",
}


def draw_plane(
    ax: Axes,
    draws: pd.DataFrame,
    *,
    point: tuple[float, float],
    effect_label: str,
    threshold: float | None = None,
) -> None:
    """Draw the cost-effectiveness plane: effect across, cost up, one dot per draw."""
    shown = draws.iloc[:: max(1, len(draws) // SHOWN_DRAWS)]
    effect, cost = shown["delta_effect"].to_numpy(), shown["delta_cost"].to_numpy()
    effect_of_all, cost_of_all = draws["delta_effect"].to_numpy(), draws["delta_cost"].to_numpy()
    ax.scatter(effect, cost, s=6, color=BLUE, alpha=0.25, linewidths=0, label="replicate")
    _draw_ellipse(ax, effect_of_all, cost_of_all, point)
    ax.plot(*point, marker="D", color=ORANGE, markeredgecolor=BLACK, ls="", label="estimate")
    for draw_line in (ax.axhline, ax.axvline):
        draw_line(0, color=BLACK, linewidth=0.8)
    _set_plane_limits(ax, np.append(effect, point[0]), np.append(cost, point[1]))
    if threshold is not None:
        label = f"{phrase_money(threshold)} per {effect_label}"
        ax.axline((0, 0), slope=threshold, color=GREY, ls="--", linewidth=1.2, label=label)
    shares = _share_corners(effect_of_all, cost_of_all)
    for words, (x, y, horizontal, vertical) in _CORNERS.items():
        ax.text(
            x,
            y,
            f"{words}: {phrase_probability(shares[words])}",
            transform=ax.transAxes,
            ha=horizontal,
            va=vertical,
            fontsize=7,
            color=BLACK,
            # The margin keeps the dots away from the words; the lines end at the white ground.
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            zorder=5,
        )
    ax.set_xlabel(f"Difference in {effect_label}")
    ax.set_ylabel("Difference in cost (£)")
    _format_pounds(ax, "y")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.1), ncols=4, fontsize=7, frameon=False)


def _share_corners(effect: np.ndarray, cost: np.ndarray) -> dict[str, float]:
    """Return the share of draws in each quadrant, as the table of the ratio counts them."""
    from cpi_analysis.economics.ratio import classify_quadrants

    quadrants = classify_quadrants(np.column_stack([cost, effect]))
    return {words: float(np.mean(quadrants == name)) for words, name in _QUADRANTS.items()}


def _draw_ellipse(
    ax: Axes, effect: np.ndarray, cost: np.ndarray, point: tuple[float, float]
) -> None:
    """Draw the ellipse that holds 95% of a normal cloud with the draws' covariance."""
    if len(effect) < 3:
        return
    covariance = np.cov(effect, cost)
    values, vectors = np.linalg.eigh(covariance)
    angle = np.linspace(0, 2 * np.pi, 181)
    # -2 ln(1 - level): the quantile of chi-square with two degrees of freedom.
    radius = np.sqrt(-2 * np.log(1 - ELLIPSE_LEVEL) * np.maximum(values, 0.0))
    edge = vectors @ (radius[:, None] * np.array([np.cos(angle), np.sin(angle)]))
    ax.plot(
        point[0] + edge[0],
        point[1] + edge[1],
        color=BLACK,
        linewidth=1,
        label=f"{ELLIPSE_LEVEL:.0%} ellipse",
    )


def _set_plane_limits(ax: Axes, effect: np.ndarray, cost: np.ndarray) -> None:
    for values, set_limits in ((effect, ax.set_xlim), (cost, ax.set_ylim)):
        low, high = min(values.min(), 0.0), max(values.max(), 0.0)
        margin = 0.12 * ((high - low) or 1.0)
        set_limits(low - margin, high + margin)


def draw_acceptability(
    ax: Axes, curve: pd.DataFrame, *, marked: Sequence[float], effect_label: str
) -> None:
    """Draw the probability of being the best strategy, and the frontier, against the threshold."""
    for number, (strategy, rows) in enumerate(curve.groupby("strategy", sort=False)):
        colour = PALETTE[number % len(PALETTE)]
        # One step further in each round of colours: no two of 32 strategies look the same.
        style = _STYLES[(number + number // len(PALETTE)) % len(_STYLES)]
        ax.plot(rows["threshold"], rows["probability"], color=colour, ls=style, label=str(strategy))
    optimal = curve[curve["is_optimal"]]
    ax.plot(
        optimal["threshold"],
        optimal["probability"],
        color=BLACK,
        linewidth=4,
        alpha=0.25,
        label="frontier (highest mean net benefit)",
        zorder=1,
    )
    _mark_thresholds(ax, marked)
    ax.set_ylim(0, 1)
    ax.set_xlim(curve["threshold"].min(), curve["threshold"].max() or 1.0)
    _label_thresholds(ax, effect_label)
    ax.set_ylabel("Probability of being cost-effective")
    ax.legend(fontsize=7, frameon=False)


def draw_value_of_information(
    ax: Axes, curve: pd.DataFrame, *, marked: Sequence[float], effect_label: str
) -> None:
    """Draw the value of perfect information against the threshold."""
    ax.plot(curve["threshold"], curve["evpi"], color=BLUE)
    _mark_thresholds(ax, marked)
    ax.set_xlim(0, curve["threshold"].max() or 1.0)
    ax.set_ylim(bottom=0)
    _label_thresholds(ax, effect_label)
    ax.set_ylabel("Value of perfect information per person (£)")
    _format_pounds(ax, "y")


def draw_lines_by_threshold(
    ax: Axes, table: pd.DataFrame, *, group: str, value: str, effect_label: str, label: str
) -> None:
    """Draw one line per group against the threshold."""
    for number, (name, rows) in enumerate(table.groupby(group, sort=False)):
        ax.plot(
            rows["threshold"],
            rows[value],
            marker=".",
            color=PALETTE[number % len(PALETTE)],
            ls=_STYLES[(number + number // len(PALETTE)) % len(_STYLES)],
            label=str(name),
        )
    ax.set_ylim(bottom=0)
    _label_thresholds(ax, effect_label)
    ax.set_ylabel(label)
    _format_pounds(ax, "y")
    ax.legend(fontsize=7, frameon=False)


def draw_net_benefit(
    ax: Axes,
    thresholds: np.ndarray,
    estimate: np.ndarray,
    margin: tuple[np.ndarray, np.ndarray] | np.ndarray,
    *,
    effect_label: str = "unit of effect",
) -> None:
    """Draw the incremental net benefit with its interval against the threshold.

    ``margin`` is how far the interval reaches below and above; one array when equally far.
    """
    below, above = margin if isinstance(margin, tuple) else (margin, margin)
    ax.plot(thresholds, estimate, color=BLUE, label="estimate")
    ax.fill_between(thresholds, estimate - below, estimate + above, color=BLUE, alpha=0.2)
    ax.axhline(0, color=BLACK, linewidth=0.8)
    _label_thresholds(ax, effect_label)
    ax.set_ylabel("Incremental net benefit (£)")
    _format_pounds(ax, "y")


def _mark_thresholds(ax: Axes, marked: Sequence[float]) -> None:
    # A grid of thresholds is the curve itself, and marks nothing.
    for threshold in marked if len(marked) <= SHOWN_MARKS else ():
        ax.axvline(threshold, color=GREY, linewidth=0.8, ls=":")


def _label_thresholds(ax: Axes, effect_label: str) -> None:
    ax.set_xlabel(f"Willingness to pay for one {effect_label} (£)")
    _format_pounds(ax, "x")


def draw_bars(ax: Axes, labels: Sequence[str], values: Sequence[float], *, label: str) -> None:
    """Draw one horizontal bar per label, the first at the top."""
    positions = np.arange(len(labels))
    ax.barh(positions, values, color=BLUE)
    ax.set_yticks(positions, labels)
    ax.invert_yaxis()
    ax.set_xlabel(label)


def draw_grouped_bars(ax: Axes, wide: pd.DataFrame, *, label: str) -> None:
    """Draw horizontal bars, one row per index and one colour per column, the first at the top."""
    height = 0.8 / max(len(wide.columns), 1)
    for number, name in enumerate(wide.columns):
        ax.barh(
            np.arange(len(wide)) + height * (number - (len(wide.columns) - 1) / 2),
            wide[name],
            height=height,
            color=PALETTE[number % len(PALETTE)],
            label=str(name),
        )
    ax.set_yticks(np.arange(len(wide)), [str(name).replace("_", " ") for name in wide.index])
    ax.invert_yaxis()
    ax.set_xlabel(label)
    # Above the bars: none of them can hide it.
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=7, frameon=False)


def draw_tornado(ax: Axes, table: pd.DataFrame, *, centre: float) -> None:
    """Draw one bar per parameter between its two ends, the widest at the top."""
    positions = np.arange(len(table))
    for column, colour, words in (
        ("at_minimum", "#56B4E9", "lowest price"),
        ("at_maximum", ORANGE, "highest price"),
    ):
        ax.barh(positions, table[column] - centre, left=centre, color=colour, label=words)
    ax.axvline(centre, color=BLACK, linewidth=0.8)
    ax.set_yticks(positions, [str(name).replace("_", " ") for name in table["parameter"]])
    ax.invert_yaxis()
    _format_pounds(ax, "x")
    ax.legend(fontsize=7, frameon=False)


def draw_estimates(
    ax: Axes, labels: Sequence[str], estimate: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    """Draw estimates with their intervals, one row each, the first at the top."""
    positions = np.arange(len(labels))
    ax.errorbar(
        estimate, positions, xerr=[estimate - low, high - estimate], fmt="o", color=BLUE, capsize=3
    )
    ax.axvline(0, color=BLACK, linewidth=0.8)
    ax.set_yticks(positions, labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)


def _format_pounds(ax: Axes, axis: str) -> None:
    from matplotlib.ticker import FuncFormatter

    chosen = ax.xaxis if axis == "x" else ax.yaxis
    chosen.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
