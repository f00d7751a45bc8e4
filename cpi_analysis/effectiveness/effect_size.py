"""How large is a difference: standardised by the right standard deviation, with agencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.groups import build_groups
from cpi_analysis.effectiveness.wording import format_interval
from cpi_analysis.inference.effect_size import (
    ClusterEffect,
    ClusterSums,
    compute_hedges_g,
    compute_total_effect,
    compute_within_effect,
    find_noncentral_f,
    sum_clusters,
)
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.inference.mixed_model import fit_random_intercept
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOTAL, WITHIN = "d_T: over the total SD", "d_W: over the SD within agencies"
IGNORED, ETA = "Hedges' g, agencies ignored", "partial eta squared, agencies ignored"
ICC_NOTE = (
    "The intracluster correlation is taken as known: with few agencies it is not, and a "
    "zero is common even when agencies differ. Give icc= from other studies as a check."
)
IGNORED_NOTE = (
    "The rows that ignore agencies are there to be compared with other reports; their intervals "
    "are too narrow."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EffectSizeResult(Result):
    """Standardised differences of two groups.

    Parameters
    ----------
    icc
        Intracluster correlation that was used.
    difference
        Difference that was standardised, in the unit of the outcome.
    """

    title: ClassVar[str] = "Effect size"

    outcome: str
    icc: float
    difference: float

    def summary(self) -> str:
        """Return d_T with its interval, in one sentence."""
        row = self.estimates.iloc[0].to_dict()
        estimate, low, high = format_interval(row["estimate"], row["conf_low"], row["conf_high"])
        return (
            f"The difference in {self.outcome} is {estimate} standard deviations "
            f"({self.confidence_level:.0%} CI {low} to {high}; agencies allowed for)."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[self.estimates["quantity"] != ETA]
        draw_intervals(
            ax,
            labels=list(rows["quantity"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Standard deviations ({self.confidence_level:.0%} CI)",
        )


def estimate_effect_size(
    data: pd.DataFrame,
    *,
    outcome: str,
    exposure: str,
    cluster: str,
    icc: float | None = None,
    difference: float | None = None,
    std_error: float | None = None,
    confidence_level: float = 0.95,
) -> EffectSizeResult:
    """Estimate standardised differences in a trial of agencies: d_T, d_W, g, eta squared.

    Estimand: the difference in means over the standard deviation of people in the population
    (``d_T``, to be compared with trials of people) or within one agency (``d_W``).

    Parameters
    ----------
    data
        One row per participant.
    outcome
        Column of the outcome.
    exposure
        Column with 1 for the target group and 0 for the reference.
    cluster
        Column of the agencies; each is in one group.
    icc
        Intracluster correlation given the group; None estimates it by REML.
    difference, std_error
        An adjusted difference with its small-sample standard error, such as a row of
        :func:`fit_outcome_model`, to be standardised in place of the crude one. Both or none.
    confidence_level
        Level of the intervals.

    Returns
    -------
    EffectSizeResult
        ``d_T`` and ``d_W`` of Hedges (2007) with intervals by t with the number of agencies
        less two; Hedges' ``g`` and partial eta squared, which ignore agencies, with intervals
        by the noncentral t and F.

    Raises
    ------
    DataError
        CPI-E006, E024, E045 table, confidence level.
    ModelError
        CPI-M001 a group has fewer than two people or one agency; M003 the outcome does not vary;
        M004 a column cannot be used, an agency is in both groups, or only one of difference
        and std_error is given; M006 not finite; M007 every row is its own agency.

    Notes
    -----
    See :func:`cpi_analysis.inference.effect_size.compute_total_effect` for the equations. The
    standard deviation is that of the outcome, not of what is left after adjustment.

    References
    ----------
    Hedges LV (2007). Effect sizes in cluster-randomized designs. Journal of Educational and
    Behavioral Statistics 32, 341-370.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": ["A", "A", "B", "B", "C", "C", "D", "D"],
    ...         "arm": [1, 1, 1, 1, 0, 0, 0, 0],
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 3.0, 4.0, 5.0, 5.5],
    ...     }
    ... )
    >>> result = estimate_effect_size(
    ...     data, outcome="outcome", exposure="arm", cluster="agency_id", icc=0.5
    ... )
    >>> result.tidy()["estimate"].round(3).tolist()
    [1.243, 2.15, 1.433, 0.476]
    """
    check_confidence_level(confidence_level)
    if (difference is None) != (std_error is None):
        raise fault("CPI-M004", "difference and std_error belong together", "give both, or none")
    groups = build_groups(data, exposure=exposure, covariates=[outcome], further=[cluster])
    if groups.covariates.shape[1] != 1 or str(groups.covariates.columns[0]) != outcome:
        raise fault("CPI-M004", "the outcome is not numeric", "name a number", column=outcome)
    y = groups.covariates[outcome].to_numpy(dtype=np.float64)
    codes = pd.factorize(groups.rows[cluster], sort=True)[0].astype(np.intp)
    _check_agencies(groups.is_target, codes, cluster)
    sums = sum_clusters(y, groups.is_target, codes)
    rho = _choose_icc(icc, y, groups.is_target, codes)
    effects = [
        _as_row(name, compute(sums, rho, difference, std_error), sums.m - 2, confidence_level)
        for name, compute in ((TOTAL, compute_total_effect), (WITHIN, compute_within_effect))
    ]
    return EffectSizeResult(
        estimates=pd.DataFrame([*effects, *_ignore_agencies(sums, confidence_level)]),
        n_participants=sums.n,
        n_agencies=sums.m,
        method=(
            f"Hedges (2007), ICC {rho:.3f} "
            f"({'estimated by REML' if icc is None else 'as given'}), t with {sums.m - 2} df"
        ),
        confidence_level=confidence_level,
        estimand=(
            f"Difference in mean {outcome}, target minus reference, in standard deviations of the "
            "population of people (d_T) or of people within an agency (d_W)."
        ),
        notes=(*groups.notes, ICC_NOTE, IGNORED_NOTE),
        outcome=outcome,
        icc=rho,
        difference=sums.difference if difference is None else difference,
    )


def _check_agencies(
    is_target: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], cluster: str
) -> None:
    both = set(codes[is_target]) & set(codes[~is_target])
    if both:
        raise fault(
            "CPI-M004",
            f"{len(both)} agencies have people in both groups: d_T is for groups of agencies",
            "compare groups that agencies belong to as a whole",
            column=cluster,
        )
    fewest = min(len(set(codes[is_target])), len(set(codes[~is_target])))
    if fewest < 2:
        raise fault(
            "CPI-M001",
            "a group has one agency: its difference from the others cannot be told apart",
            "compare groups of two agencies at least",
            column=cluster,
        )


def _choose_icc(
    icc: float | None,
    y: np.ndarray[Any, Any],
    is_target: np.ndarray[Any, Any],
    codes: np.ndarray[Any, Any],
) -> float:
    design = np.column_stack([np.ones(len(y)), is_target.astype(float)])
    fit = fit_random_intercept(y, design, codes)
    if icc is None:
        return fit.icc
    if not (np.isfinite(icc) and 0 <= icc < 1):
        raise fault("CPI-M004", "icc is not a share", "give a number from 0 to below 1")
    return float(icc)


def _as_row(name: str, effect: ClusterEffect, df: int, level: float) -> dict[str, Any]:
    from scipy import stats

    reach = float(stats.t.ppf((1 + level) / 2, df)) * effect.std_error
    return {
        "quantity": name,
        "estimate": effect.estimate,
        "std_error": effect.std_error,
        "df": float(df),
        "conf_low": effect.estimate - reach,
        "conf_high": effect.estimate + reach,
    }


def _ignore_agencies(sums: ClusterSums, level: float) -> list[dict[str, Any]]:
    g, low, high = compute_hedges_g(sums, level)
    df = sums.n - 2
    size = sums.people[0] * sums.people[1] / sums.n
    statistic = (sums.difference / sums.total) ** 2 * size
    limits = [ncp / (ncp + sums.n) for ncp in find_noncentral_f(statistic, 1.0, df, level)]
    empty = {"std_error": np.nan, "df": np.nan}
    return [
        {"quantity": IGNORED, "estimate": g, **empty, "conf_low": low, "conf_high": high},
        {
            "quantity": ETA,
            "estimate": statistic / (statistic + df),
            **empty,
            "conf_low": limits[0],
            "conf_high": limits[1],
        },
    ]
