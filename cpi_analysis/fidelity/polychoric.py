"""Polychoric and tetrachoric correlations of ordered answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.fidelity.polychoric_covariance import Influence
from cpi_analysis.fidelity.polychoric_matrix import (
    PolychoricMatrix,
    check_overlap,
    count_empty_cells,
    estimate_covariance,
    estimate_influence,
    estimate_matrix,
    find_smallest_expected,
    smooth_matrix,
)
from cpi_analysis.fidelity.polychoric_pairs import compute_cell_probabilities, is_at_limit
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.fidelity.thresholds import CodedItems, encode_items
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Tables with a smaller expected count than this say little about the correlation. A convention.
SMALL_EXPECTED = 1.0
#: An eigenvalue at or below this is zero to rounding.
ZERO_EIGENVALUE = 1e-10
#: How many names a note shows.
SHOWN = 5


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PolychoricResult(Result):
    """Polychoric correlations of all pairs of items.

    Parameters
    ----------
    correlation
        Items × items, smoothed if that was asked for. The table always has the estimates.
    thresholds
        Per item and threshold: ``item``, ``threshold`` (1 is the lowest), ``estimate``,
        ``std_error``.
    covariance
        Sampling covariance of the thresholds, in the order of their table, followed by the
        correlations in the order of ``estimates``; None unless it was asked for.
    smallest_eigenvalue
        Of the matrix as estimated: not above 0 means that it is not positive definite.
    is_smoothed
        Whether ``correlation`` was changed to be positive definite.
    lost_categories
        Items of which a category was chosen by nobody.
    n_targets
        Number of people with at least one answer.
    n_items
        Number of items.
    """

    title: ClassVar[str] = "Polychoric correlations"

    correlation: pd.DataFrame
    thresholds: pd.DataFrame
    covariance: pd.DataFrame | None
    smallest_eigenvalue: float
    is_smoothed: bool
    lost_categories: tuple[str, ...]
    n_targets: int
    n_items: int

    @property
    def is_positive_definite(self) -> bool:
        """Whether the matrix as estimated is positive definite."""
        return self.smallest_eigenvalue > ZERO_EIGENVALUE

    def summary(self) -> str:
        """Return the range of the correlations in one sentence."""
        low, high = (
            round_half_up(float(value), 2)
            for value in (self.estimates["estimate"].min(), self.estimates["estimate"].max())
        )
        return (
            f"Polychoric correlations of {self.n_items} items in {self.n_targets} people go from "
            f"{low} to {high}."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.structural_figures import draw_matrix

        draw_matrix(ax, self.correlation, label="Polychoric correlation")


def compute_polychoric(
    items: pd.DataFrame,
    *,
    categories: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    empty_cells: str = "keep",
    is_smoothed: bool = False,
    with_covariance: bool = False,
) -> PolychoricResult:
    """Compute the correlations of the normal variables that are thought behind ordered answers.

    Parameters
    ----------
    items
        People × items: one row per person, one numeric column per item; a missing answer is
        NaN. With two categories the correlations are tetrachoric.
    categories
        The answers that were on offer, one list for all items or a list per item, so that
        categories that nobody chose are noticed. None takes what occurs in any item.
    empty_cells
        ``keep``: cells without people count as they are. ``add_half``: in a two-by-two table
        with one empty cell, half a person is moved into it with the margins kept.
    is_smoothed
        Whether to make a matrix that is not positive definite positive definite.
    with_covariance
        Whether to compute the covariance of all thresholds and correlations.

    Returns
    -------
    PolychoricResult
        One row per pair: ``item_1``, ``item_2``, ``estimate``, ``std_error``, ``n`` (people who
        answered both), ``smallest_expected`` (people expected in the emptiest cell),
        ``n_empty_cells``.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 when the table does not hold items, CPI-E036 when an answer is not
        on offer, CPI-E045 when a choice is not known.
    ModelError
        CPI-M006 when an answer is infinite; CPI-M008 when an item has one category or more than
        20, or one of two items does not vary among the people who answered both.

    Notes
    -----
    Two steps: thresholds τ from all answers to each item, Φ(τⱼ) = share of answers up to j;
    then for each pair the ρ that maximises Σ nᵢⱼ log πᵢⱼ(τ, ρ) over those who answered both.
    Standard errors and covariance are those of the two steps together, by influence functions.
    Answers are assumed to be missing at random given nothing: people who answered only some
    items are used where they answered.

    References
    ----------
    Olsson U. Psychometrika 1979;44:443-460.
    Muthén B. Psychometrika 1984;49:115-132.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import compute_polychoric
    >>> items = pd.DataFrame({"a": [1, 1, 2, 2, 1, 2, 1, 2], "b": [1, 1, 2, 2, 1, 2, 2, 1]})
    >>> compute_polychoric(items).tidy()["estimate"].round(4).tolist()
    [0.7071]
    """
    if empty_cells not in ("keep", "add_half"):
        raise refuse_choice("empty_cells", empty_cells, ("keep", "add_half"))
    coded = encode_items(items, categories=categories)
    matrix = estimate_matrix(
        coded.codes, coded.n_categories, is_half_added=empty_cells == "add_half"
    )
    check_overlap(matrix, coded.names)
    influence = estimate_influence(matrix, coded.n_categories)
    estimates = _tabulate(coded, matrix, influence)
    correlation = matrix.correlation()
    smallest = float(np.linalg.eigvalsh(correlation)[0])
    is_changed = is_smoothed and smallest <= ZERO_EIGENVALUE
    shown = smooth_matrix(correlation) if is_changed else correlation
    return PolychoricResult(
        estimates=estimates,
        n_participants=None,
        n_agencies=None,
        method="two-step maximum likelihood: thresholds from all answers to an item, correlations "
        "from everybody who answered both",
        estimand="correlation of two normal variables of which the answers show the ranges",
        notes=(
            *describe_coding(coded),
            *_describe_pairs(estimates, matrix, coded, is_half_added=empty_cells == "add_half"),
            *_describe_definiteness(smallest, shown - correlation, is_changed=is_changed),
        ),
        correlation=pd.DataFrame(shown, index=list(coded.names), columns=list(coded.names)),
        thresholds=_tabulate_thresholds(coded, matrix, influence),
        covariance=_label_covariance(coded, influence) if with_covariance else None,
        smallest_eigenvalue=smallest,
        is_smoothed=is_changed,
        lost_categories=tuple(coded.lost),
        n_targets=len(coded.codes),
        n_items=len(coded.names),
    )


def describe_coding(coded: CodedItems) -> tuple[str, ...]:
    """Return notes on people without answers, lost categories, and too few people."""
    notes = []
    n, k = coded.codes.shape
    if coded.n_empty_people:
        notes.append(
            f"{coded.n_empty_people} of {n + coded.n_empty_people} people left out: they "
            "answered no item."
        )
    if coded.lost:
        names = list(coded.lost)
        shown = ", ".join(names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
        notes.append(
            f"{len(names)} of {k} items lost a category that others have or that was on offer "
            f"({shown}): their thresholds stand for fewer categories. Nothing was merged."
        )
    if n < k:
        notes.append(f"Fewer people ({n}) than items ({k}): not to be relied on.")
    return tuple(notes)


def _tabulate(coded: CodedItems, matrix: PolychoricMatrix, influence: Influence) -> pd.DataFrame:
    tables = matrix.tables
    names = np.array(coded.names, dtype=object)
    probabilities = compute_cell_probabilities(tables, matrix.rho)
    return pd.DataFrame(
        {
            "item_1": names[tables.first],
            "item_2": names[tables.second],
            "estimate": matrix.rho,
            "std_error": np.where(is_at_limit(matrix.rho), np.nan, influence.std_error),
            "n": tables.counts.sum(axis=(1, 2)).round().astype(int),
            "smallest_expected": find_smallest_expected(matrix, probabilities, coded.n_categories),
            "n_empty_cells": count_empty_cells(matrix, coded.n_categories),
        }
    )


def _tabulate_thresholds(
    coded: CodedItems, matrix: PolychoricMatrix, influence: Influence
) -> pd.DataFrame:
    variance = np.einsum("ik,ikt->it", matrix.item_counts, influence.of_item[:, :-1] ** 2)
    item = np.repeat(np.arange(len(coded.names)), coded.n_categories - 1)
    number = np.concatenate([np.arange(count - 1) for count in coded.n_categories])
    return pd.DataFrame(
        {
            "item": np.array(coded.names, dtype=object)[item],
            "threshold": number + 1,
            "estimate": matrix.tables.thresholds[item, number],
            "std_error": np.sqrt(variance[item, number]),
        }
    )


def _label_covariance(coded: CodedItems, influence: Influence) -> pd.DataFrame:
    labels = [
        f"{name}|{number}"
        for name, count in zip(coded.names, coded.n_categories, strict=True)
        for number in range(1, count)
    ]
    first, second = np.triu_indices(len(coded.names), 1)
    labels += [f"{coded.names[a]}~{coded.names[b]}" for a, b in zip(first, second, strict=True)]
    return pd.DataFrame(estimate_covariance(coded, influence), index=labels, columns=labels)


def _describe_pairs(
    estimates: pd.DataFrame, matrix: PolychoricMatrix, coded: CodedItems, *, is_half_added: bool
) -> tuple[str, ...]:
    notes = []
    total = len(estimates)
    at_limit = int(is_at_limit(matrix.rho).sum())
    if at_limit:
        notes.append(
            f"{at_limit} of {total} correlations ran into ±1: the cells with people lie on one "
            "line, so there is no finite maximum and no standard error. Leave out an item that "
            "repeats another, or use empty_cells='add_half' for two-by-two tables."
        )
    n_empty = int((estimates["n_empty_cells"] > 0).sum())
    if n_empty:
        how = (
            "half a person was moved into the empty cell of two-by-two tables"
            if is_half_added
            else "they count as they are, nothing was added"
        )
        notes.append(f"{n_empty} of {total} tables have an empty cell: {how}.")
    n_small = int((estimates["smallest_expected"] < SMALL_EXPECTED).sum())
    if n_small:
        notes.append(
            f"{n_small} of {total} tables have a cell in which fewer than {SMALL_EXPECTED:.0f} "
            "person is expected: their standard errors are rough."
        )
    fewest, most = int(estimates["n"].min()), int(estimates["n"].max())
    if fewest < len(coded.codes):
        notes.append(f"Answers are missing: pairs rest on {fewest} to {most} people.")
    return tuple(notes)


def _describe_definiteness(
    smallest: float, change: np.ndarray, *, is_changed: bool
) -> tuple[str, ...]:
    if smallest > ZERO_EIGENVALUE:
        return ()
    value = f"smallest eigenvalue {smallest:.3g}"
    if is_changed:
        return (
            f"The matrix was not positive definite ({value}); in .correlation it was smoothed, "
            f"which changed a correlation by up to {np.abs(change).max():.2g}. The table has the "
            "correlations as estimated.",
        )
    return (
        f"The matrix is not positive definite ({value}): no maximum likelihood from it. Leave out "
        "items that repeat others, or ask for is_smoothed=True and say so.",
    )
