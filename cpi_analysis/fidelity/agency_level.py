"""Is the agency a unit: ICC(1), ICC(2), agreement within agencies, and their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.mean_squares import MeanSquares, compute_icc_interval
from cpi_analysis.fidelity.rating_matrix import check_finite
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.inference.variance_components import fit_variance_components
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AgencyLevelResult(Result):
    """Agreement within agencies and differences between them.

    Parameters
    ----------
    n_rows
        Number of sheets analysed.
    """

    title: ClassVar[str] = "Fidelity at the level of the agency"

    n_rows: int

    def summary(self) -> str:
        """Return the coefficients in one sentence."""
        table = self.estimates[self.estimates["agency_id"].isna()].set_index("quantity")
        icc1, icc2, rwg = (
            round_half_up(float(table.loc[name, "estimate"]), 2)  # type: ignore[arg-type]
            for name in ("icc_1", "icc_2", "rwg_median")
        )
        return (
            f"ICC(1) = {icc1}, ICC(2) = {icc2}, median rwg = {rwg} in {self.n_agencies} agencies."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_rows} sheets", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        agencies = self.estimates[self.estimates["agency_id"].notna()]
        ordered = agencies.sort_values("estimate", ascending=False, kind="stable")
        labels = [
            f"{name} (n = {n})" for name, n in zip(ordered["agency_id"], ordered["n"], strict=True)
        ]
        draw_forest(ax, ordered, labels, axis_label="Mean of the agency, with its interval")


def estimate_agency_level(
    data: pd.DataFrame,
    *,
    items: Sequence[str],
    agency: str,
    n_options: int,
    confidence_level: float = 0.95,
) -> AgencyLevelResult:
    """Estimate whether people of an agency agree, and whether agencies differ.

    Estimands: share of the variance of one person's score between agencies (ICC(1)); reliability
    of the agencies' means (ICC(2)); share of the disagreement to be expected from answers at
    random that is absent within an agency (rwg).

    Parameters
    ----------
    data
        One row per person who answered about the agency.
    items
        Columns of the items, answered with the same options; their mean is the score.
    agency
        Column of the agencies.
    n_options
        Number of options of an item (5 for answers 1 to 5).
    confidence_level
        Level of the intervals.

    Returns
    -------
    AgencyLevelResult
        Rows ``icc_1``, ``icc_2`` (analysis of variance), ``icc_reml``, ``rwg_median``,
        ``rwg_j_median``, then ``agency_mean`` for each agency with its interval, ``rwg`` and
        ``rwg_j``. Agencies with one person have no rwg.

    Raises
    ------
    DataError
        CPI-E011, E014, E020, E024 columns, cells or numbers that cannot be used.
    ModelError
        CPI-M008 fewer than two agencies with two people, or scores that do not vary; M006 an
        infinite answer.

    Notes
    -----
    ``ICC(1) = (B - W) / (B + (k - 1) W)`` with k people per agency on average, ``ICC(2) = (B -
    W) / B``. ``rwg = 1 - s^2 / ((A^2 - 1) / 12)`` for A options, set to 0 when the variance
    exceeds that of answers at random; rwg.j uses the mean of the items' variances. An agency's
    interval uses the pooled variance within agencies. Agencies are not ranked: with a dozen
    people each their intervals overlap.

    References
    ----------
    Bliese PD (2000). Within-group agreement, non-independence, and reliability. In: Klein KJ,
    Kozlowski SWJ (eds). James LR, Demaree RG, Wolf G (1984). Journal of Applied Psychology 69,
    85-98.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_agency_level
    >>> data = pd.DataFrame({"a": ["x", "x", "y", "y"], "i": [4, 5, 1, 2], "j": [5, 5, 2, 2]})
    >>> result = estimate_agency_level(data, items=["i", "j"], agency="a", n_options=5)
    >>> result.tidy()["estimate"].round(3).tolist()[:2]
    [0.973, 0.986]
    """
    check_confidence_level(confidence_level)
    used = _pick(data, list(items), agency, n_options)
    answers = used[list(items)].to_numpy(dtype=np.float64)
    codes, names = pd.factorize(used[agency], sort=True)
    score = answers.mean(axis=1)
    squares = _compute_squares(score, codes)
    table = _describe_agencies(answers, codes, [str(name) for name in names], n_options)
    half = stats.t.isf((1 - confidence_level) / 2, len(score) - len(names)) * np.sqrt(
        squares.within / table["n"].to_numpy()
    )
    table = table.assign(conf_low=table["estimate"] - half, conf_high=table["estimate"] + half)
    rows = pd.DataFrame(_summary_rows(score, codes, squares, table, confidence_level))
    found = pd.concat([rows, table], ignore_index=True)
    return AgencyLevelResult(
        estimates=found,
        n_participants=None,
        n_agencies=len(names),
        method=f"analysis of variance and REML; rwg against {n_options} options at random",
        confidence_level=confidence_level,
        estimand="share of the variance of a score between agencies (1), reliability of their "
        "means (2), agreement within them (rwg)",
        notes=_describe(table, squares, len(data) - len(used)),
        n_rows=len(score),
    )


def _pick(data: pd.DataFrame, items: list[str], agency: str, n_options: int) -> pd.DataFrame:
    check_table(data, "data")
    faults = [
        Fault(
            code="CPI-E011",
            table="data",
            column=name,
            rule="the column is missing",
            cure="name a column of the table",
        )
        for name in [*items, agency]
        if name not in data.columns
    ]
    faults = faults or [
        Fault(
            code="CPI-E020",
            table="data",
            column=name,
            rule="the column is not numeric",
            cure="give numbers",
        )
        for name in items
        if not pd.api.types.is_numeric_dtype(data[name])
    ]
    if n_options < 2:
        faults.append(
            Fault(
                code="CPI-E024",
                column="n_options",
                rule="an item has at least two options",
                cure="give the number of options of an item, such as 5",
            )
        )
    if faults:
        raise DataError(faults)
    for name in items:
        check_finite(data[name])
    used = data[[*items, agency]].dropna()
    if not items or (used[agency].value_counts() >= 2).sum() < 2:
        raise refuse_items(
            "fewer than two agencies have answers of two people",
            "agreement within agencies needs several people in several agencies",
        )
    return used


def _compute_squares(score: FloatArray, codes: IntArray) -> MeanSquares:
    counts = np.bincount(codes)
    means = np.bincount(codes, score) / counts
    n_agencies, n = len(counts), len(score)
    between = float((counts * (means - score.mean()) ** 2).sum()) / (n_agencies - 1)
    within = float(((score - means[codes]) ** 2).sum()) / (n - n_agencies)
    if between + within == 0:
        raise refuse_items("all scores are the same", "agencies cannot be told apart")
    return MeanSquares(
        n_targets=n_agencies,
        n_raters=n / n_agencies,
        targets=between,
        raters=within,
        error=within,
        within=within,
    )


def _summary_rows(
    score: FloatArray, codes: IntArray, squares: MeanSquares, table: pd.DataFrame, level: float
) -> list[dict[str, object]]:
    k, between, within = squares.n_raters, squares.targets, squares.within
    one = (between - within) / (between + (k - 1) * within)
    low, high = compute_icc_interval(squares, "ICC(1,1)", confidence_level=level)
    two = (between - within) / between if between > 0 else np.nan
    low2, high2 = compute_icc_interval(squares, "ICC(1,k)", confidence_level=level)
    rows: list[dict[str, object]] = [
        {"quantity": "icc_1", "estimate": one, "conf_low": low, "conf_high": high},
        {"quantity": "icc_2", "estimate": two, "conf_low": low2, "conf_high": high2},
    ]
    if within > 0:
        components = fit_variance_components(score, [codes]).components
        rows.append({"quantity": "icc_reml", "estimate": float(components[0] / components.sum())})
    rows += [
        {"quantity": f"{name}_median", "estimate": float(table[name].median())}
        for name in ("rwg", "rwg_j")
    ]
    return [{**row, "n": len(score)} for row in rows]


def _describe_agencies(
    answers: FloatArray, codes: IntArray, names: list[str], n_options: int
) -> pd.DataFrame:
    at_random = (n_options**2 - 1) / 12
    n_items = answers.shape[1]
    rows = []
    for place, name in enumerate(names):
        mine = answers[codes == place]
        rwg = rwg_j = np.nan
        if len(mine) > 1:
            rwg = max(1 - float(mine.mean(axis=1).var(ddof=1)) / at_random, 0.0)
            left = 1 - float(mine.var(axis=0, ddof=1).mean()) / at_random
            rwg_j = max(n_items * left / (n_items * left + 1 - left), 0.0) if left > 0 else 0.0
        rows.append(
            {
                "quantity": "agency_mean",
                "agency_id": name,
                "estimate": float(mine.mean()),
                "n": len(mine),
                "rwg": rwg,
                "rwg_j": rwg_j,
            }
        )
    return pd.DataFrame(rows)


def _describe(table: pd.DataFrame, squares: MeanSquares, n_missing: int) -> tuple[str, ...]:
    notes = ["Agencies differ by chance too: read the intervals, do not rank the agencies."]
    if n_missing:
        notes.append(f"{n_missing} rows lack an answer or the agency and are left out.")
    if squares.targets < squares.within:
        notes.append("Agencies differ less than people within them would by chance.")
    zero = int((table["rwg_j"] == 0).sum())
    if zero:
        notes.append(
            f"{zero} agencies disagree as much as answers at random, or more: rwg.j is set to 0."
        )
    return tuple(notes)
