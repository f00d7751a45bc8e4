"""What is said beside the numbers of an incremental analysis, and the check of its errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.economics.comparison import GROUP_COLUMN, Comparison
from cpi_analysis.economics.replicate_statistics import BalancedStatistic, Statistic
from cpi_analysis.economics.resampling_plan import MatchedPlan
from cpi_analysis.inference.balance import compute_effective_size
from cpi_analysis.inference.resampling import compute_linearised_covariance
from cpi_analysis.inference.weighted_regression import compute_cluster_influence
from cpi_analysis.results import format_value

FloatArray = NDArray[np.float64]

#: Whom weighted groups stand for, in words.
WEIGHTED_TO = {
    "everybody": "everybody analysed",
    "target": "the people of the target group",
    "overlap": "people who could have been in either group",
}

#: Fewer agencies than this in a group that is compared within agencies calls for a warning.
FEW_AGENCIES = 6

#: Groups that were allocated to agencies and are mixed in so few of them hint at a slip of coding.
SUSPECT_SHARE = 0.25

#: Fewer replicates than this call for a warning.
FEW_REPLICATES = 1000


def describe_estimator(comparison: Comparison) -> str:
    """Return how the differences are estimated, in words."""
    outcomes = describe_outcomes(comparison)
    if comparison.weighted_to is None:
        return f"one least-squares equation each for {outcomes}"
    return (
        f"one least-squares equation each for {outcomes}, weighted by a logistic model of the "
        f"group to stand for {WEIGHTED_TO[comparison.weighted_to]} (estimated anew in every "
        "replicate)"
    )


def describe_outcomes(comparison: Comparison) -> str:
    """Return what is compared, in words."""
    if comparison.is_change:
        return "changes in cost and effect from baseline (difference in differences)"
    return "cost and effect"


def remark_weights(comparison: Comparison, statistic: Statistic) -> list[str]:
    """Return how many people the weighted groups are worth."""
    if not isinstance(statistic, BalancedStatistic):
        return []
    weights = statistic.weigh(np.ones((1, comparison.n_clusters)))[0]
    worth = [
        f"{label} {compute_effective_size(weights[rows]):.0f} of {int(rows.sum())}"
        for label, rows in (
            (comparison.target, comparison.is_target == 1),
            (comparison.reference, comparison.is_target == 0),
        )
    ]
    return [
        f"After weighting the groups are worth as many people as: {'; '.join(worth)}. What was "
        "not measured is not balanced."
    ]


def remark_comparison(
    matched: MatchedPlan, method: str, *, n_redrawn: int, effect_label: str
) -> list[str]:
    """Return what a reader must know about the replicates behind the numbers."""
    comparison, plan = matched.comparison, matched.plan
    notes = []
    if plan.replicates < FEW_REPLICATES:
        error = 100 / np.sqrt(2 * plan.replicates)
        notes.append(
            f"Only {plan.replicates} replicates: the standard errors are rough (by about "
            f"{error:.0f}% from one seed to another), and so are intervals and p-values."
        )
    if not comparison.is_nested:
        notes.append(_remark_mixed(comparison))
        notes += _remark_few_agencies(comparison)
    if n_redrawn:
        notes.append(
            f"{n_redrawn} of {plan.replicates:,} replicates could not be estimated (a group "
            "or a covariate had no weight) and were drawn again."
        )
    if method == "rao_wu" and comparison.weighted_to is None:
        notes.append(_remark_closed_form(matched, effect_label))
    return [*notes, *remark_covariates(comparison)]


def remark_covariates(comparison: Comparison) -> list[str]:
    """Return how levels are compared, and whether an equation has no covariate."""
    notes = list(comparison.level_notes)
    is_bare = comparison.cost_design.shape[1] == 2 or comparison.effect_design.shape[1] == 2
    if is_bare and comparison.weighted_to is None and not comparison.is_change:
        notes.append("At least one of the two equations is not adjusted for any covariate.")
    return notes


def _remark_mixed(comparison: Comparison) -> str:
    mixed, count = comparison.n_mixed, comparison.n_clusters
    has = "agencies has" if mixed == 1 else "agencies have"
    doubt = ": check that this is meant" if mixed <= SUSPECT_SHARE * count else ""
    return (
        f"{mixed} of {count} {has} participants in both groups{doubt}. All agencies therefore form "
        "one stratum, not one for each group."
    )


def _remark_few_agencies(comparison: Comparison) -> list[str]:
    fewest = min(
        np.unique(comparison.clusters[comparison.is_target == group]).size for group in (0, 1)
    )
    if fewest >= FEW_AGENCIES:
        return []
    return [f"One group occurs in {fewest} agencies only: the interval is likely to be too narrow."]


def compute_closed_form_covariance(
    comparison: Comparison, matched: MatchedPlan | None = None
) -> FloatArray:
    """Return the covariance of (ΔC, ΔE) that infinitely many replicates tend to."""
    influence = np.column_stack(
        [
            compute_cluster_influence(
                design, values, comparison.clusters, n_clusters=comparison.n_clusters
            )[:, GROUP_COLUMN]
            for design, values in comparison.equations
        ]
    )
    if matched is None:
        return compute_linearised_covariance(influence, comparison.strata)
    # Units of the plan that are not compared are drawn too: they contribute nothing.
    padded = np.zeros((matched.plan.n_units, 2))
    padded[matched.columns] = influence
    return compute_linearised_covariance(padded, matched.plan.strata)


def _remark_closed_form(matched: MatchedPlan, effect_label: str) -> str:
    comparison = matched.comparison
    covariance = compute_closed_form_covariance(comparison, matched)
    cost_error, effect_error = np.sqrt(np.diag(covariance))
    exactness = "exactly" if _is_linear(matched) else "to first order"
    return (
        "Check: infinitely many replicates would give standard errors of "
        f"£{format_value(float(cost_error))} for the difference in cost and "
        f"{format_value(float(effect_error))} for the difference in {effect_label} ({exactness})."
    )


def _is_linear(matched: MatchedPlan) -> bool:
    comparison = matched.comparison
    if len(matched.columns) < matched.plan.n_units:
        return False
    unadjusted = comparison.cost_design.shape[1] == comparison.effect_design.shape[1] == 2
    sizes = np.bincount(comparison.clusters)
    equal = all(
        np.unique(sizes[comparison.strata == stratum]).size == 1
        for stratum in np.unique(comparison.strata)
    )
    return unadjusted and equal and comparison.is_nested
