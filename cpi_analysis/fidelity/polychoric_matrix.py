"""From coded answers to a matrix of polychoric correlations, and what is to be known about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.fidelity.polychoric_covariance import (
    Influence,
    compute_asymptotic_covariance,
    compute_influence,
)
from cpi_analysis.fidelity.polychoric_pairs import (
    PairTables,
    estimate_correlations,
    stack_pairs,
)
from cpi_analysis.fidelity.thresholds import (
    CodedItems,
    Codes,
    compute_thresholds,
    count_pairs,
)

#: What is added to the empty cell of a two-by-two table when it is asked for.
HALF = 0.5
#: A smoothed matrix has no eigenvalue below this share of the mean eigenvalue, which is 1.
SMALLEST_SMOOTHED = 1e-6

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PolychoricMatrix:
    """Two-step estimates for every pair of items.

    Parameters
    ----------
    tables
        Cross-tables with the thresholds.
    rho
        Per pair, in the order of the upper triangle, row by row.
    item_counts
        Items × levels.
    """

    tables: PairTables
    rho: Array
    item_counts: Array

    def correlation(self) -> Array:
        """Return the matrix of correlations."""
        return fill_matrix(self.rho, len(self.item_counts))


def estimate_matrix(
    codes: Codes, n_categories: Codes, *, is_half_added: bool = False
) -> PolychoricMatrix:
    """Return thresholds from all answers and the correlation of every pair.

    Parameters
    ----------
    codes
        People × items; −1 is a missing answer.
    n_categories
        Per item.
    is_half_added
        Whether half a person is put into the empty cell of a two-by-two table.
    """
    counts = count_pairs(codes, int(n_categories.max()))
    n_items = len(n_categories)
    each = np.arange(n_items)
    level = np.arange(counts.shape[1])
    item_counts = counts[each[:, None], level, each[:, None], level]
    tables = stack_pairs(counts, compute_thresholds(item_counts, n_categories))
    if is_half_added:
        tables = replace(tables, counts=_fill_empty(tables, n_categories))
    return PolychoricMatrix(tables, estimate_correlations(tables), item_counts)


def estimate_influence(matrix: PolychoricMatrix, n_categories: Codes) -> Influence:
    """Return the influence of every answer, which holds the standard errors."""
    return compute_influence(matrix.tables, matrix.rho, matrix.item_counts, n_categories)


def estimate_covariance(coded: CodedItems, influence: Influence) -> Array:
    """Return the covariance of the thresholds, item by item, and of the correlations."""
    return compute_asymptotic_covariance(coded.codes, influence, coded.n_categories)


def fill_matrix(rho: Array, n_items: int) -> Array:
    """Return the symmetric matrix with a unit diagonal from its upper triangle.

    Examples
    --------
    >>> fill_matrix(np.array([0.5]), 2).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    matrix = np.eye(n_items)
    upper = np.triu_indices(n_items, 1)
    matrix[upper] = rho
    matrix.T[upper] = rho
    return matrix


def check_overlap(matrix: PolychoricMatrix, names: tuple[str, ...]) -> None:
    """Raise CPI-M008 for pairs that too few people answered for a correlation to exist."""
    tables = matrix.tables
    rows = (tables.counts.sum(axis=2) > 0).sum(axis=1)
    columns = (tables.counts.sum(axis=1) > 0).sum(axis=1)
    bad = np.flatnonzero((rows < 2) | (columns < 2))
    if len(bad):
        raise ModelError(
            Fault(
                code="CPI-M008",
                table="items",
                column=f"{names[tables.first[pair]]} and {names[tables.second[pair]]}",
                rule="among the people who answered both items, one of them does not vary",
                cure="leave one of the two items out and say so, or look for the missing answers",
            )
            for pair in bad
        )


def smooth_matrix(correlation: Array) -> Array:
    """Return the matrix with its small eigenvalues raised, and the diagonal set to 1 again.

    Examples
    --------
    >>> matrix = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    >>> bool(np.linalg.eigvalsh(smooth_matrix(matrix))[0] > 0)
    True
    """
    values, vectors = np.linalg.eigh(correlation)
    raised = (vectors * np.maximum(values, SMALLEST_SMOOTHED)) @ vectors.T
    spread = np.sqrt(np.diag(raised))
    smoothed = raised / np.outer(spread, spread)
    np.fill_diagonal(smoothed, 1.0)
    return np.asarray((smoothed + smoothed.T) / 2)


def count_empty_cells(matrix: PolychoricMatrix, n_categories: Codes) -> NDArray[np.intp]:
    """Return how many cells of each pair's table hold nobody."""
    is_real = _mark_cells(matrix.tables, n_categories)
    return np.asarray((is_real & (matrix.tables.counts == 0)).sum(axis=(1, 2)))


def find_smallest_expected(
    matrix: PolychoricMatrix, probabilities: Array, n_categories: Codes
) -> Array:
    """Return, per pair, the smallest number of people that the model expects in a cell."""
    tables = matrix.tables
    is_real = _mark_cells(tables, n_categories)
    smallest = np.min(probabilities, axis=(1, 2), where=is_real, initial=1.0)
    return np.asarray(smallest * tables.counts.sum(axis=(1, 2)))


def _mark_cells(tables: PairTables, n_categories: Codes) -> NDArray[np.bool_]:
    level = np.arange(tables.counts.shape[1])
    rows = level[None, :] < n_categories[tables.first][:, None]
    columns = level[None, :] < n_categories[tables.second][:, None]
    return rows[:, :, None] & columns[:, None, :]


def _fill_empty(tables: PairTables, n_categories: Codes) -> Array:
    counts = tables.counts.copy()
    is_small = (n_categories[tables.first] == 2) & (n_categories[tables.second] == 2)
    square = counts[:, :2, :2]
    chosen = is_small & ((square == 0).sum(axis=(1, 2)) == 1)
    # Half a person goes to the empty cell and its opposite, and comes from the other two, so
    # that the margins and with them the thresholds stay as they are.
    is_diagonal = (square[:, 0, 0] == 0) | (square[:, 1, 1] == 0)
    shift = np.where(is_diagonal, HALF, -HALF) * chosen
    square += shift[:, None, None] * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return counts
