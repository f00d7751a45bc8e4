"""Figures of single items: how their answers are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_diverging_bars(ax: Axes, frequencies: pd.DataFrame) -> None:
    """Draw the shares of the answers to each item, low ones to the left, high ones to the right.

    Parameters
    ----------
    ax
        Where to draw.
    frequencies
        Items × categories in order, as shares of those who answered. With an odd number of
        categories the middle one is split at zero.
    """
    import matplotlib as mpl

    shares = np.nan_to_num(frequencies.to_numpy(dtype=np.float64))[::-1]
    n_items, n_categories = shares.shape
    half = n_categories // 2
    lower = shares[:, :half].sum(axis=1)
    if n_categories % 2:
        lower = lower + shares[:, half] / 2
    left = -lower
    colours = mpl.colormaps["PuOr"](np.linspace(0.1, 0.9, n_categories))
    for category in range(n_categories):
        width = shares[:, category]
        ax.barh(
            np.arange(n_items),
            width,
            left=left,
            color=colours[category],
            edgecolor="white",
            linewidth=0.5,
            label=str(frequencies.columns[category]),
        )
        left = left + width
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(np.arange(n_items), [str(name) for name in frequencies.index[::-1]])
    ax.set_xlim(-1, 1)
    ax.set_xticks([-1, -0.5, 0, 0.5, 1], ["100%", "50%", "0", "50%", "100%"])
    ax.set_xlabel("Share of answers")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        frameon=False, ncols=min(n_categories, 7), loc="lower center", bbox_to_anchor=(0.5, 1.0)
    )
