"""What is said beside the numbers of an incremental analysis, and the check of its errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.economics.comparison import GROUP_COLUMN, Comparison
from cpi_analysis.inference.resampling import ResamplingPlan, compute_linearised_covariance
from cpi_analysis.inference.weighted_regression import compute_cluster_influence
from cpi_analysis.results import format_value

FloatArray = NDArray[np.float64]

#: Fewer agencies than this in a group that is compared within agencies calls for a warning.
FEW_AGENCIES = 6

#: Groups that were allocated to agencies and are mixed in so few of them hint at a slip of coding.
SUSPECT_SHARE = 0.25

#: Fewer replicates than this call for a warning.
FEW_REPLICATES = 1000


def describe_method(comparison: Comparison, replicates: int) -> str:
    """Return model, resampling and reference distribution in words."""
    unit = "agencies" if comparison.is_clustered else "participants"
    strata = "within each group" if comparison.is_nested else "over all agencies"
    return (
        f"one least-squares equation each for cost and effect; Rao-Wu resampling of {unit} "
        f"(K - 1 {strata}, {replicates:,} replicates); t distribution with "
        f"{comparison.n_clusters - 2} degrees of freedom ({unit} - 2)"
    )


def remark_comparison(
    comparison: Comparison, plan: ResamplingPlan, effect_label: str
) -> tuple[str, ...]:
    """Return what a reader must know about the replicates behind the numbers."""
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
    if plan.n_redrawn:
        notes.append(
            f"{plan.n_redrawn} of {plan.replicates:,} replicates could not be estimated (a group "
            "or a covariate had no weight) and were drawn again."
        )
    notes.append(_remark_closed_form(comparison, effect_label))
    notes += comparison.level_notes
    if comparison.cost_design.shape[1] == 2 or comparison.effect_design.shape[1] == 2:
        notes.append("At least one of the two equations is not adjusted for any covariate.")
    return tuple(notes)


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


def compute_closed_form_covariance(comparison: Comparison) -> FloatArray:
    """Return the covariance of (ΔC, ΔE) that infinitely many replicates tend to."""
    influence = [
        compute_cluster_influence(
            design, values, comparison.clusters, n_clusters=comparison.n_clusters
        )[:, GROUP_COLUMN]
        for design, values in (
            (comparison.cost_design, comparison.cost),
            (comparison.effect_design, comparison.effect),
        )
    ]
    return compute_linearised_covariance(np.column_stack(influence), comparison.strata)


def _remark_closed_form(comparison: Comparison, effect_label: str) -> str:
    cost_error, effect_error = np.sqrt(np.diag(compute_closed_form_covariance(comparison)))
    exactness = "exactly" if _is_linear(comparison) else "to first order"
    return (
        "Check: infinitely many replicates would give standard errors of "
        f"£{format_value(float(cost_error))} for the difference in cost and "
        f"{format_value(float(effect_error))} for the difference in {effect_label} ({exactness})."
    )


def _is_linear(comparison: Comparison) -> bool:
    unadjusted = comparison.cost_design.shape[1] == comparison.effect_design.shape[1] == 2
    sizes = np.bincount(comparison.clusters)
    equal = all(
        np.unique(sizes[comparison.strata == stratum]).size == 1
        for stratum in np.unique(comparison.strata)
    )
    return unadjusted and equal and comparison.is_nested
