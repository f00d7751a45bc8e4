"""The economic evaluation that a protocol plans, from its set of participants."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cpi_analysis.economics.acceptability import AcceptabilityResult, compute_acceptability
from cpi_analysis.economics.cross_check import IncrementalModelsResult, fit_incremental_models
from cpi_analysis.economics.economic_set import EconomicSet
from cpi_analysis.economics.incremental import estimate_incremental
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.net_benefit import NetBenefitResult, compute_net_benefit
from cpi_analysis.economics.ratio import IcerResult, compute_icer
from cpi_analysis.economics.value_of_information import (
    ValueOfInformationResult,
    compute_value_of_information,
)

#: Said beside every comparison of groups that were not allocated.
OBSERVED_GROUPS_NOTE = (
    "The groups were formed by what was measured after the start, not by allocation: differences "
    "in cost and effect describe the groups, and need not be caused by what divides them."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class EconomicEvaluation:
    """The results of one economic evaluation, all from the same participants and replicates."""

    incremental: IncrementalResult
    icer: IcerResult
    acceptability: AcceptabilityResult
    models: IncrementalModelsResult
    net_benefit: NetBenefitResult
    information: ValueOfInformationResult

    def summary(self) -> str:
        """Return the headline: differences, net benefit, probability, and the quadrant."""
        return f"{self.incremental.summary()} Ratio: {self.icer.summary()}"


def estimate_planned_evaluation(
    economic_set: EconomicSet, *, seed: int, replicates: int | None = None
) -> EconomicEvaluation:
    """Estimate everything that the economic plan of a protocol asks for.

    Parameters
    ----------
    economic_set
        From :func:`build_economic_set`.
    seed
        Seed of the random numbers.
    replicates
        Number of replicates; the plan's when not given.

    Returns
    -------
    EconomicEvaluation
    """
    plan, contrast = economic_set.plan, economic_set.contrast
    incremental = estimate_incremental(
        economic_set.data,
        cost="follow_up_cost",
        effect="effect",
        arm="exposure",
        cluster="agency_id",
        covariates=economic_set.covariates,
        replicates=plan.replicates if replicates is None else replicates,
        seed=seed,
        thresholds=plan.thresholds,
        headline_threshold=plan.headline_threshold,
        confidence_level=economic_set.confidence_level,
        target=contrast.target,
        reference=contrast.reference,
        effect_label=economic_set.effect_label,
    )
    caveat = () if contrast.variable == "arm" else (OBSERVED_GROUPS_NOTE,)
    incremental = replace(incremental, notes=(*caveat, *economic_set.notes, *incremental.notes))
    models = fit_incremental_models(
        economic_set.data,
        cost="follow_up_cost",
        effect="effect",
        arm="exposure",
        cluster="agency_id",
        covariates=economic_set.covariates,
        confidence_level=economic_set.confidence_level,
        target=contrast.target,
        reference=contrast.reference,
        effect_label=economic_set.effect_label,
    )
    return EconomicEvaluation(
        incremental=incremental,
        icer=compute_icer(incremental),
        acceptability=compute_acceptability(
            incremental, thresholds=plan.thresholds, curve_maximum=plan.threshold_maximum
        ),
        models=models,
        net_benefit=compute_net_benefit(incremental, thresholds=plan.thresholds),
        information=compute_value_of_information(incremental, thresholds=plan.thresholds),
    )
