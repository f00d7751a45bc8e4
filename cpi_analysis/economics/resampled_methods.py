"""The incremental analysis by resampling: of agencies, in two stages, or of people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.economics.comparison import GROUP_COLUMN, Comparison
from cpi_analysis.economics.estimation import Estimation, constant_df
from cpi_analysis.economics.incremental_notes import (
    describe_estimator,
    remark_comparison,
    remark_weights,
)
from cpi_analysis.economics.replicate_statistics import (
    RegressionStatistic,
    Statistic,
    build_statistic,
    compute_jackknife,
)
from cpi_analysis.economics.resampling_plan import MatchedPlan, match_plan
from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.replicates import (
    BlockStatistic,
    Replicates,
    WeightedStatistic,
    compute_replicates,
)
from cpi_analysis.inference.resampling import ResamplingPlan, Scheme, check_strata
from cpi_analysis.inference.two_stage import TwoStageStatistic, prepare_two_stage
from cpi_analysis.inference.weighted_regression import compute_least_squares_loadings

FloatArray = NDArray[np.float64]

#: How each method draws.
SCHEMES: dict[str, Scheme] = {
    "rao_wu": "rao_wu",
    "bayesian": "dirichlet",
    "people": "with_replacement",
}

#: Above so many units their influence is not computed: the square of their number is work.
MOST_INFLUENCES = 3000


def estimate_by_resampling(
    comparison: Comparison,
    *,
    method: str,
    plan: ResamplingPlan | None,
    replicates: int,
    seed: int,
    workers: int | None,
    effect_label: str,
) -> Estimation:
    """Return the differences with the replicates of a resampling method."""
    matched = match_plan(comparison, plan, replicates=replicates, seed=seed)
    comparison = matched.comparison
    statistic = build_statistic(comparison)
    point, found, notes = draw_replicates(
        matched, statistic, method=method, effect_label=effect_label, workers=workers
    )
    notes += remark_weights(comparison, statistic)
    notes += remark_comparison(
        matched, method, n_redrawn=found.n_redrawn, effect_label=effect_label
    )
    is_small = comparison.n_clusters <= MOST_INFLUENCES
    return Estimation(
        point=point,
        covariance=np.cov(found.values, rowvar=False),
        draws=found.values,
        method=_describe(matched, method),
        compute_df=constant_df(comparison.n_clusters - 2),
        notes=tuple(notes),
        influence=compute_jackknife(statistic, comparison.strata) if is_small else None,
    )


def draw_replicates(
    matched: MatchedPlan,
    statistic: Statistic,
    *,
    method: str,
    effect_label: str,
    workers: int | None = None,
) -> tuple[FloatArray, Replicates, list[str]]:
    """Return the estimates of the data, their replicates, and notes about how they were drawn."""
    point = _find_point(matched.comparison, statistic)
    notes: list[str] = []
    drawn: BlockStatistic
    if method == "two_stage":
        drawn, notes = _build_two_stage(matched, point, effect_label)
    else:
        check_strata(matched.plan, SCHEMES[method])
        drawn = WeightedStatistic(
            plan=matched.plan,
            scheme=SCHEMES[method],
            statistic=statistic,
            columns=matched.columns,
        )
    found = compute_replicates(drawn, replicates=matched.plan.replicates, workers=workers)
    return point, found, notes


def _find_point(comparison: Comparison, statistic: Statistic) -> FloatArray:
    if isinstance(statistic, RegressionStatistic):
        # From the people themselves, not from cross-products: a few digits more.
        return np.array(
            [
                np.linalg.lstsq(design, values, rcond=None)[0][GROUP_COLUMN]
                for design, values in comparison.equations
            ]
        )
    point = statistic(np.ones((1, comparison.n_clusters)))[0]
    if not np.isfinite(point).all():
        raise ModelError(
            Fault(
                code="CPI-M007",
                rule="the covariates say for some people with certainty which group they are in, "
                "or repeat each other",
                cure="leave out the covariate that separates the groups, or compare the people "
                "who could be in either group only",
            )
        )
    return np.asarray(point, dtype=np.float64)


def _build_two_stage(
    matched: MatchedPlan, point: FloatArray, effect_label: str
) -> tuple[TwoStageStatistic, list[str]]:
    comparison = matched.comparison
    residuals, loadings = [], []
    for design, values in comparison.equations:
        beta = np.linalg.lstsq(design, values, rcond=None)[0]
        residuals.append(values - design @ beta)
        loadings.append(compute_least_squares_loadings(design)[GROUP_COLUMN])
    strata, factors = prepare_two_stage(
        np.column_stack(residuals),
        np.column_stack(loadings),
        comparison.clusters,
        comparison.strata,
    )
    notes = []
    for place, outcome in enumerate(("cost", effect_label)):
        unclustered = int((factors[:, place] == 1).sum())
        if unclustered:
            of = "one of the groups" if unclustered == 1 < len(factors) else "every group"
            notes.append(
                f"In {of} agencies differ in {outcome} by less than chance: the two-stage "
                "resampling treats it as unclustered there."
            )
    return TwoStageStatistic(plan=matched.plan, point=point, strata=strata), notes


def _describe(matched: MatchedPlan, method: str) -> str:
    comparison, plan = matched.comparison, matched.plan
    unit = "agencies" if comparison.is_clustered else "participants"
    strata = "within each group" if int(comparison.strata.max()) else "over all agencies"
    count = f"{plan.replicates:,} replicates"
    drawn = {
        "rao_wu": f"Rao-Wu resampling of {unit} (K - 1 {strata}, {count})",
        "bayesian": f"Bayesian bootstrap of {unit} (Dirichlet weights {strata}, scaled to the "
        f"variance between {unit}; {count})",
        "two_stage": "two-stage bootstrap (agencies with shrunken means, then residuals of "
        f"people; {strata}, centred at the estimate; {count})",
        "people": f"bootstrap of participants ({strata}, {count})",
    }[method]
    return (
        f"{describe_estimator(comparison)}; {drawn}; t distribution with "
        f"{comparison.n_clusters - 2} degrees of freedom ({unit} - 2)"
    )
