"""Settings of the incremental analysis: what is allowed, and what goes together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cpi_analysis.economics.checks import check_choice, check_replicates, check_thresholds
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_confidence_level, check_resampling
from cpi_analysis.inference.replicates import check_workers
from cpi_analysis.inference.resampling import ResamplingPlan

#: Methods of the incremental analysis that resample.
RESAMPLING_METHODS = ("rao_wu", "bayesian", "two_stage", "people")

#: Methods whose standard errors come from a model.
MODEL_METHODS = ("sur", "net_benefit_regression", "bivariate_multilevel", "gamma_glm")

METHODS = (*RESAMPLING_METHODS, *MODEL_METHODS)

#: Methods in whose replicates a propensity model can be fitted anew.
WEIGHTED_METHODS = ("rao_wu", "bayesian", "people")

#: Replicates unless asked otherwise: the Monte Carlo error of a standard error is then 0.7%.
DEFAULT_REPLICATES = 10_000

IGNORED_NOTE = (
    "People of one agency were treated as independent, as asked: with few agencies the intervals "
    "are much too short, and the probabilities too near to 0 or 1."
)


class IncrementalSettings(NamedTuple):
    """Settings that were checked."""

    method: str
    replicates: int
    seed: int
    thresholds: tuple[float, ...]
    headline_threshold: float | None
    confidence_level: float


def check_incremental_settings(
    *,
    method: str,
    replicates: int | None,
    seed: int | None,
    plan: ResamplingPlan | None,
    workers: int | None,
    thresholds: Sequence[float],
    headline_threshold: float | None,
    confidence_level: float,
    is_weighted: bool,
) -> IncrementalSettings:
    """Raise when a setting is not allowed, or contradicts another."""
    check_choice(method, argument="method", allowed=METHODS)
    if is_weighted:
        check_choice(method, argument="method", allowed=WEIGHTED_METHODS)
    count, root = _check_plan(plan, replicates, seed)
    check_workers(workers)
    if method in MODEL_METHODS and plan is not None:
        check_choice(method, argument="method", allowed=RESAMPLING_METHODS)
    check_confidence_level(confidence_level)
    check_thresholds(thresholds)
    if headline_threshold is None and len(thresholds) == 1:
        headline_threshold = float(thresholds[0])
    if headline_threshold is not None and headline_threshold not in thresholds:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="headline_threshold",
                rule="the headline threshold must be one of the thresholds",
                cure="add it to thresholds",
            )
        )
    return IncrementalSettings(
        method=method,
        replicates=count,
        seed=root,
        thresholds=tuple(float(threshold) for threshold in thresholds),
        headline_threshold=headline_threshold,
        confidence_level=confidence_level,
    )


def _check_plan(
    plan: ResamplingPlan | None, replicates: int | None, seed: int | None
) -> tuple[int, int]:
    if plan is None:
        count = DEFAULT_REPLICATES if replicates is None else replicates
        check_replicates(count)
        check_resampling(count, seed)
        return int(count), int(seed)  # type: ignore[arg-type]
    if not isinstance(plan, ResamplingPlan):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="plan",
                rule=f"plan is of type {type(plan).__name__}",
                cure="make it by build_resampling_plan",
            )
        )
    check_replicates(plan.replicates)
    if replicates not in (None, plan.replicates) or seed not in (None, plan.seed):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="plan",
                rule="the plan has another seed, or another number of replicates",
                cure="leave out seed= and replicates=: the plan has them",
            )
        )
    return plan.replicates, plan.seed


def check_clusters(method: str, cluster: str | None, *, ignore_clusters: bool) -> str | None:
    """Return the column of agencies to resample, None for participants by themselves.

    Raises
    ------
    DataError
        CPI-E045 when people of agencies would be resampled as if they were independent.
    """
    if method == "people" and cluster is not None and not ignore_clusters:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="method",
                rule="people of one agency are not independent: resampling them by themselves "
                "gives intervals that cover the truth in 66 to 84 trials of 100, not in 95",
                cure='use method="rao_wu"; or say ignore_clusters=True to see how much it matters',
            )
        )
    if ignore_clusters and method != "people":
        raise DataError(
            Fault(
                code="CPI-E045",
                column="ignore_clusters",
                rule="only method='people' can ignore agencies",
                cure="leave it out, or give cluster=None for a trial without agencies",
            )
        )
    return None if method == "people" else cluster
