"""The matrix of correlations that factor methods start from, with what is to be known about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.fidelity.polychoric import compute_polychoric
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.fidelity.thresholds import check_items

#: Which correlations factor methods may start from.
CORRELATIONS = ("pearson", "polychoric")
#: The matrix counts as positive definite when its smallest eigenvalue is above this.
ZERO_EIGENVALUE = 1e-10
#: A correlation rests on at least this many people.
FEWEST_IN_COMMON = 3

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ItemCorrelations:
    """Correlations of items.

    Parameters
    ----------
    matrix
        Items × items.
    names
        Of the items.
    kind
        ``pearson`` or ``polychoric``.
    n_people
        People with at least one answer.
    n_fewest
        The fewest people that a correlation rests on; all of them when nothing is missing.
    smallest_eigenvalue
        Not above 0 means that the matrix is not positive definite.
    lost_categories
        Items of which a category was chosen by nobody; empty for Pearson correlations.
    smallest_expected
        People expected in the emptiest cell of two items; None for Pearson correlations.
    notes
        What a reader must know about the matrix.
    """

    matrix: Array
    names: tuple[str, ...]
    kind: str
    n_people: int
    n_fewest: int
    smallest_eigenvalue: float
    lost_categories: tuple[str, ...] = ()
    smallest_expected: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_positive_definite(self) -> bool:
        """Whether the matrix is positive definite."""
        return self.smallest_eigenvalue > ZERO_EIGENVALUE

    @property
    def is_complete(self) -> bool:
        """Whether every correlation rests on all people."""
        return self.n_fewest == self.n_people


def correlate_items(items: pd.DataFrame, *, correlation: str) -> ItemCorrelations:
    """Return the correlations of the items, each from everybody who answered both.

    Parameters
    ----------
    items
        People × items, numeric; a missing answer is NaN.
    correlation
        ``pearson``, or ``polychoric`` for ordered categories.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 when the table does not hold items or the choice is not known.
    ModelError
        CPI-M006 when an answer is infinite; CPI-M008 for a constant item, or two items that
        fewer than three people answered both.

    Examples
    --------
    >>> items = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 1, 4, 3]})
    >>> correlate_items(items, correlation="pearson").matrix.round(3).tolist()
    [[1.0, 0.6], [0.6, 1.0]]
    """
    if correlation not in CORRELATIONS:
        raise refuse_choice("correlation", str(correlation), CORRELATIONS)
    if correlation == "polychoric":
        return _use_polychoric(items)
    answers = check_items(items)
    answers = answers[~np.isnan(answers).all(axis=1)]
    names = tuple(map(str, items.columns))
    matrix, counts = correlate_pairwise(answers)
    _check_pearson(answers, matrix, counts, names)
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    fewest = int(counts.min())
    return ItemCorrelations(
        matrix=matrix,
        names=names,
        kind="pearson",
        n_people=len(answers),
        n_fewest=fewest,
        smallest_eigenvalue=smallest,
        notes=(
            *describe_missing(fewest, int(counts.max()), len(answers)),
            *describe_definiteness(smallest),
        ),
    )


def correlate_pairwise(answers: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return Pearson correlations of those who answered both items, and how many they are.

    A pair that fewer than three people answered, or that does not vary among them, is NaN.
    """
    is_there = ~np.isnan(answers)
    weight = is_there.astype(np.float64)
    totals = np.maximum(weight.sum(axis=0), 1)
    # Centring first keeps the digits when all answers lie far from zero.
    filled = np.where(is_there, answers, 0.0)
    centred = (filled - filled.sum(axis=0) / totals) * weight
    matrix, counts = correlate_centred(centred, weight)
    matrix[counts < FEWEST_IN_COMMON] = np.nan
    return matrix, counts


def correlate_centred(centred: Array, weight: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return correlations of pairs from answers with 0 and weight 0 where one is missing."""
    if weight.all():
        counts = np.full((centred.shape[1],) * 2, len(centred))
        spread = np.sqrt((centred**2).sum(axis=0))
        products, scale = centred.T @ centred, np.outer(spread, spread)
    else:
        n = weight.T @ weight
        counts = np.rint(n).astype(np.intp)
        n = np.maximum(n, 1)
        # Sums of the row item over those who also answered the column item.
        first, second = centred.T @ weight, (centred**2).T @ weight
        products = centred.T @ centred - first * first.T / n
        left = np.maximum(second - first**2 / n, 0.0)
        scale = np.sqrt(left * left.T)
    is_flat = scale <= 1e-13 * float(np.max(scale, initial=0.0))
    matrix = np.where(is_flat, np.nan, products / np.where(is_flat, 1.0, scale))
    matrix = np.asarray(np.clip((matrix + matrix.T) / 2, -1, 1))
    np.fill_diagonal(matrix, np.where(np.isnan(np.diag(matrix)), np.nan, 1.0))
    return matrix, counts


def describe_missing(fewest: int, most: int, n_people: int) -> tuple[str, ...]:
    """Return the note on missing answers; nothing when every pair has all people."""
    if fewest == n_people:
        return ()
    return (
        f"Answers are missing: correlations rest on {fewest} to {most} of {n_people} people, "
        "whoever answered both items.",
    )


def describe_definiteness(smallest_eigenvalue: float) -> tuple[str, ...]:
    """Return the note on a matrix that is not positive definite."""
    if smallest_eigenvalue > ZERO_EIGENVALUE:
        return ()
    return (
        "The matrix of correlations is not positive definite (smallest eigenvalue "
        f"{smallest_eigenvalue:.3g}): there is no likelihood and no chi-square. Leave out items "
        "that repeat others, or collect more answers.",
    )


def _check_pearson(
    answers: Array, matrix: Array, counts: NDArray[np.intp], names: tuple[str, ...]
) -> None:
    faults = [
        _fault(
            name,
            "everybody gave the same answer, or nobody answered",
            "leave the item out and say so: an item without variation has no correlation",
        )
        for name, column in zip(names, answers.T, strict=True)
        if len(np.unique(column[~np.isnan(column)])) < 2
    ]
    if not faults:
        faults = [
            _fault(
                f"{names[first]} and {names[second]}",
                f"{counts[first, second]} people answered both items, or one of them does not "
                "vary among these",
                "leave one of the two items out and say so, or look for the missing answers",
            )
            for first, second in np.argwhere(np.triu(np.isnan(matrix)))
        ]
    if faults:
        raise ModelError(faults)


def _fault(column: str, rule: str, cure: str) -> Fault:
    return Fault(code="CPI-M008", table="items", column=column, rule=rule, cure=cure)


def _use_polychoric(items: pd.DataFrame) -> ItemCorrelations:
    found = compute_polychoric(items)
    counts = found.estimates["n"]
    return ItemCorrelations(
        matrix=found.correlation.to_numpy(copy=True),
        names=tuple(map(str, found.correlation.columns)),
        kind="polychoric",
        n_people=found.n_targets,
        n_fewest=int(counts.min()),
        smallest_eigenvalue=found.smallest_eigenvalue,
        lost_categories=found.lost_categories,
        smallest_expected=float(found.estimates["smallest_expected"].min()),
        notes=found.notes,
    )
