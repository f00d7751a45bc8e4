"""Test-retest: agreement of two occasions, and the change that is beyond error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.mean_squares import (
    MeanSquares,
    compute_icc,
    compute_icc_interval,
    compute_mean_squares,
)
from cpi_analysis.fidelity.rating_matrix import check_matrix
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Below this number of people the standard error of measurement is imprecise. A convention.
FEW_PEOPLE = 50
#: A smallest detectable change has this level by convention.
DETECTABLE_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RetestResult(Result):
    """Agreement of the scores of two occasions.

    Parameters
    ----------
    scores
        People × 2 as analysed, without identifiers of people.
    smallest_detectable_change
        Of one person, in points of the score.
    n_targets, n_missing
        People with both scores, and people left out.
    """

    title: ClassVar[str] = "Test-retest reliability"

    scores: np.ndarray
    smallest_detectable_change: float
    n_targets: int
    n_missing: int

    def summary(self) -> str:
        """Return ICC(A,1) with its interval and the smallest detectable change."""
        row = self.estimates.iloc[0]
        estimate, low, high = (
            round_half_up(float(row[column]), 2) for column in ("estimate", "conf_low", "conf_high")
        )
        return (
            f"ICC(A,1) of two occasions in {self.n_targets} people is {estimate} "
            f"({self.confidence_level:.0%} CI {low} to {high}); a person's change below "
            f"{round_half_up(self.smallest_detectable_change, 2)} points may be error."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        ax.plot(self.scores[:, 0], self.scores[:, 1], "o", color="#0072B2", markersize=4, alpha=0.7)
        ends = np.array([self.scores.min(), self.scores.max()])
        ax.plot(ends, ends, "-", color="black", linewidth=1)
        for side in (-1, 1):
            ax.plot(
                ends, ends + side * self.smallest_detectable_change, "--", color="black", lw=0.8
            )
        ax.set_xlabel("First occasion")
        ax.set_ylabel("Second occasion")
        ax.spines[["top", "right"]].set_visible(False)


def estimate_test_retest(
    scores: pd.DataFrame, *, first: str, second: str, confidence_level: float = 0.95
) -> RetestResult:
    """Estimate how well the scores of two occasions agree in people who have not changed.

    Parameters
    ----------
    scores
        One row per person.
    first, second
        Columns with the score of the first and of the second occasion.
    confidence_level
        Level of the intervals.

    Returns
    -------
    RetestResult
        ``quantity``, ``estimate``, ``conf_low``, ``conf_high``, ``n``: ICC(A,1), ICC(C,1), mean
        change (second minus first), standard error of measurement (agreement and consistency),
        smallest detectable change of a person and of the mean of the group.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, CPI-E020 not numeric, CPI-E024, CPI-E045.
    ModelError
        CPI-M008 with fewer than three people with both scores, or scores that do not vary;
        CPI-M006 for infinite scores.

    Notes
    -----
    With mean squares of people × occasions, SEM (consistency) = √MSₑ, SEM (agreement) =
    √(MSₑ + (MS occasions − MSₑ)/n, at least MSₑ); the smallest detectable change of a person is
    z √2 SEM (agreement) with z = 1.96, that of a group this over √n. The interval of the
    consistency SEM is that of a variance: (n − 1) MSₑ over χ² quantiles.

    References
    ----------
    McGraw KO, Wong SP. Psychological Methods 1996;1:30-46.
    de Vet HCW, Terwee CB, Mokkink LB, Knol DL. Measurement in medicine. Cambridge 2011,
    chapter 5.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_test_retest
    >>> scores = pd.DataFrame({"may": [1.0, 2.0, 3.0, 4.0], "june": [1.0, 3.0, 3.0, 5.0]})
    >>> table = estimate_test_retest(scores, first="may", second="june").tidy()
    >>> table["estimate"].round(3).tolist()[0]
    0.889
    """
    check_table(scores, "scores")
    check_confidence_level(confidence_level)
    _check_columns(scores, (first, second))
    both = scores[[first, second]].dropna()
    matrix = both.to_numpy(dtype=np.float64)
    if len(matrix) < 3:
        raise refuse_items(
            f"{len(matrix)} of {len(scores)} people have both scores, which is fewer than three",
            "check that the two occasions have people in common",
        )
    check_matrix(matrix)
    squares = compute_mean_squares(matrix)
    if squares.targets == 0:
        raise refuse_items(
            "people do not differ in their mean score", "an ICC needs people who differ"
        )
    rows, detectable = _tabulate(matrix, squares, confidence_level)
    n_missing = len(scores) - len(matrix)
    estimates = pd.DataFrame(rows, columns=["quantity", "estimate", "conf_low", "conf_high"])
    return RetestResult(
        estimates=estimates.assign(n=len(matrix)),
        n_participants=None,
        n_agencies=None,
        method="two-way model of people and occasions, absolute agreement; intervals of McGraw "
        "and Wong",
        confidence_level=confidence_level,
        estimand="share of the variance of a single score that is between people who have not "
        "changed (ICC), and the error of a single score (SEM)",
        notes=_describe(rows, len(matrix), n_missing),
        scores=matrix,
        smallest_detectable_change=detectable,
        n_targets=len(matrix),
        n_missing=n_missing,
    )


_Row = tuple[str, float, float, float]


def _tabulate(
    matrix: np.ndarray, squares: MeanSquares, confidence_level: float
) -> tuple[list[_Row], float]:
    n = squares.n_targets
    rows: list[_Row] = []
    for form in ("ICC(A,1)", "ICC(C,1)"):
        low, high = compute_icc_interval(squares, form, confidence_level=confidence_level)
        rows.append((form, compute_icc(squares, form), low, high))
    change = matrix[:, 1] - matrix[:, 0]
    error = change.std(ddof=1) / np.sqrt(n)
    reach = float(stats.t.ppf((1 + confidence_level) / 2, n - 1) * error)
    mean = float(change.mean())
    rows.append(("mean change", mean, mean - reach, mean + reach))
    occasions = max(0.0, (squares.raters - squares.error) / n)
    agreement = float(np.sqrt(squares.error + occasions))
    consistency = float(np.sqrt(squares.error))
    tail = (1 - confidence_level) / 2
    low, high = (
        float(np.sqrt((n - 1) * squares.error / stats.chi2.isf(share, n - 1)))
        for share in (tail, 1 - tail)
    )
    rows.append(("SEM, agreement", agreement, np.nan, np.nan))
    rows.append(("SEM, consistency", consistency, low, high))
    z = float(stats.norm.ppf((1 + DETECTABLE_LEVEL) / 2))
    detectable = z * float(np.sqrt(2)) * agreement
    rows.append(("smallest detectable change, person", detectable, np.nan, np.nan))
    rows.append(("smallest detectable change, group", detectable / np.sqrt(n), np.nan, np.nan))
    return rows, detectable


def _describe(rows: list[_Row], n: int, n_missing: int) -> tuple[str, ...]:
    notes = [
        "Test-retest takes for granted that nobody changed between the occasions. During training "
        "people change: give only those whose stability was asked for or is known, and say how."
    ]
    _, mean, low, high = rows[2]
    if low > 0 or high < 0:
        word = "higher" if mean > 0 else "lower"
        notes.append(
            f"The second score is {word} on average (the interval of the mean change leaves out "
            "0): people changed or practised, so the error and the ICC mix change with error."
        )
    if n_missing:
        notes.append(f"{n_missing} of {n + n_missing} people left out: a score is missing.")
    if n < FEW_PEOPLE:
        notes.append(f"Fewer than {FEW_PEOPLE} people: the estimates are imprecise.")
    return tuple(notes)


def _check_columns(scores: pd.DataFrame, columns: tuple[str, str]) -> None:
    faults = []
    for column in columns:
        if column not in scores.columns:
            rule, code = "the column is missing", "CPI-E011"
            cure = "name a column of the table"
        elif not pd.api.types.is_numeric_dtype(scores[column]):
            rule, code, cure = "the column is not numeric", "CPI-E020", "give scores as numbers"
        else:
            continue
        faults.append(Fault(code=code, table="scores", column=str(column), rule=rule, cure=cure))
    if columns[0] == columns[1]:
        faults.append(
            Fault(
                code="CPI-E045",
                column="second",
                rule="both occasions are the same column",
                cure="name two columns",
            )
        )
    if faults:
        raise DataError(faults)
