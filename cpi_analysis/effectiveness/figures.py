"""Figures that several results share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

#: Okabe-Ito blue: told apart by readers with any colour vision, and in print.
BLUE = "#0072B2"


def draw_intervals(
    ax: Axes,
    *,
    labels: Sequence[str],
    estimates: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    title: str,
    is_difference: bool = True,
) -> None:
    """Draw one horizontal interval per row, the first on top.

    ``is_difference`` adds a line at no difference.
    """
    places = np.arange(len(labels))[::-1]
    if is_difference:
        ax.axvline(0.0, color="0.5", linewidth=1.0, linestyle="--", zorder=0)
    ax.hlines(places, low, high, color=BLUE, linewidth=2.0)
    ax.plot(estimates, places, "s", color=BLUE, markersize=7.0)
    ax.set_yticks(places, list(labels))
    ax.set_ylim(-0.7, len(labels) - 0.3)
    ax.set_xlabel(title)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
