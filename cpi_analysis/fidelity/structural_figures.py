"""Figures of the structure of a questionnaire: matrix, scree, path diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: With more items than this the numbers in the cells could not be read.
MOST_NUMBERED = 12


def draw_matrix(ax: Axes, matrix: pd.DataFrame, *, label: str) -> None:
    """Draw a matrix of correlations as coloured cells, from −1 to 1.

    Parameters
    ----------
    ax
        Where to draw.
    matrix
        Items × items, or items × factors.
    label
        What the numbers are.
    """
    values = matrix.to_numpy()
    ax.imshow(values, vmin=-1, vmax=1, cmap="RdBu_r", aspect="auto")
    n_rows, n_columns = values.shape
    ax.set_xticks(np.arange(n_columns), [str(name) for name in matrix.columns], rotation=90)
    ax.set_yticks(np.arange(n_rows), [str(name) for name in matrix.index])
    ax.set_xlabel(label)
    if n_columns <= MOST_NUMBERED:
        for row in range(n_rows):
            for column in range(n_columns):
                value = values[row, column]
                colour = "white" if abs(value) > 0.6 else "black"
                ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour)


def draw_scree(ax: Axes, table: pd.DataFrame, *, quantile: float) -> None:
    """Draw eigenvalues with those of answers that have nothing in common.

    Parameters
    ----------
    ax
        Where to draw.
    table
        ``component``, ``estimate``, ``reference_mean``, ``reference_quantile``.
    quantile
        Which quantile the reference has.
    """
    number = table["component"]
    ax.plot(number, table["estimate"], "o-", color="#0072B2", label="Items")
    ax.plot(
        number,
        table["reference_quantile"],
        "s--",
        color="#D55E00",
        markersize=4,
        label=f"Nothing in common, {quantile:.0%} quantile",
    )
    ax.plot(number, table["reference_mean"], ":", color="#D55E00", label="Nothing in common, mean")
    ax.set_xlabel("Component")
    ax.set_ylabel("Eigenvalue")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
