"""Differences in cost and effect between two groups, and the net benefit they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_not_imputed
from cpi_analysis.economics.comparison import (
    Comparison,
    ComparisonSettings,
    Covariates,
    arrange_covariates,
    build_comparison,
)
from cpi_analysis.economics.estimation import tabulate
from cpi_analysis.economics.incremental_notes import WEIGHTED_TO
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.incremental_settings import (
    IGNORED_NOTE,
    MODEL_METHODS,
    IncrementalSettings,
    check_clusters,
    check_incremental_settings,
)
from cpi_analysis.economics.model_methods import estimate_by_model
from cpi_analysis.economics.resampled_methods import estimate_by_resampling
from cpi_analysis.economics.wording import name_effect
from cpi_analysis.inference.balance import Target
from cpi_analysis.inference.resampling import ResamplingPlan

FloatArray = NDArray[np.float64]


def estimate_incremental(
    data: pd.DataFrame,
    *,
    cost: str,
    effect: str,
    arm: str,
    cluster: str | None,
    covariates: Covariates = (),
    method: str = "rao_wu",
    replicates: int | None = None,
    seed: int | None = None,
    plan: ResamplingPlan | None = None,
    workers: int | None = None,
    thresholds: Sequence[float] = (),
    headline_threshold: float | None = None,
    confidence_level: float = 0.95,
    target: object = None,
    reference: object = None,
    effect_label: str | None = None,
    propensity_covariates: Sequence[str] = (),
    weighted_to: Target | None = None,
    change_from: Mapping[str, str] | None = None,
    ignore_clusters: bool = False,
) -> IncrementalResult:
    """Estimate the differences in mean cost and mean effect, and the incremental net benefit.

    The estimand is the difference in means per participant, target minus reference, at equal
    values of the covariates, among participants with complete data.

    Parameters
    ----------
    data
        One row per participant.
    cost
        Column of the cost in GBP.
    effect
        Column of the effect, such as QALYs; more is better.
    arm
        Column of the group: 1 (target) and 0 (reference), or any values with ``target`` and
        ``reference``.
    cluster
        Column of the agency; None for an individually randomised trial, in which each
        participant is resampled by themselves.
    covariates
        Columns for both equations, or ``{"cost": [...], "effect": [...]}``.
    method
        ``"rao_wu"`` (default): K − 1 agencies of each stratum drawn with replacement;
        ``"bayesian"``: Dirichlet weights of agencies; ``"two_stage"``: agencies with shrunken
        means, then residuals of people; ``"people"``: participants, stratified. By models, with
        covariances robust to agencies: ``"sur"``, ``"net_benefit_regression"``,
        ``"gamma_glm"`` (cost by a gamma model, recycled predictions); with agency effects:
        ``"bivariate_multilevel"``.
    replicates
        Number of replicates, 100 or more; 10,000 when not given.
    seed
        Seed of the random numbers; required without a plan.
    plan
        From :func:`build_resampling_plan`, in place of ``replicates`` and ``seed``: every
        analysis that is given the same plan uses the same replicates.
    workers
        Number of processes, −1 for all cores; the numbers do not depend on it. None: this
        process, or the backend of a surrounding ``joblib.parallel_config``.
    thresholds
        Willingness to pay for one unit of effect, in GBP, increasing: one row ``inb`` each.
    headline_threshold
        One of ``thresholds``, for the summary; with a single threshold it is that one.
    confidence_level
        Level of the intervals.
    target, reference
        The values of ``arm`` that are compared, target minus reference; a list makes one
        group of several values.
    effect_label
        What to call one unit of the effect; its column in words when not given.
    propensity_covariates, weighted_to
        For groups that were not randomised: columns of a logistic model of who is in the
        target group, and whom the weighted groups stand for: ``"everybody"`` (inverse
        probability), ``"target"``, or ``"overlap"``. The model is fitted anew in every
        replicate.
    change_from
        For a difference in differences: ``{"cost": "cost_before", "effect": "utility_before"}``
        subtracts the baseline from the outcome of each person.
    ignore_clusters
        Lets ``method="people"`` treat people of one agency as independent.

    Returns
    -------
    IncrementalResult
        Rows ``delta_cost``, ``delta_effect`` and ``inb`` at each threshold, with their unit.

    Raises
    ------
    DataError
        When columns are missing or their values cannot be used, or a setting is missing.
    ModelError
        When a group has fewer than two agencies, an outcome does not vary, a design is
        collinear, or the method is not available.

    Notes
    -----
    Cost and effect have an ordinary least-squares equation each; INB(λ) = λ ΔE − ΔC. Standard
    errors are standard deviations over the replicates, which draw cost and effect together;
    intervals are estimate ± t × standard error with (agencies − 2) degrees of freedom. Models
    have degrees of freedom of their own, and their draws are normal. When
    each agency belongs to one group the groups are the strata; when groups are compared within
    agencies there is one stratum of all agencies. With six or seven agencies an arm
    ``"people"`` has intervals that are much too short; ``"rao_wu"`` holds its level
    (``docs/studies/economics_coverage.md``).

    References
    ----------
    Rao JNK, Wu CFJ, Yue K (1992). Survey Methodology 18:209-217.
    Rubin DB (1981). The Annals of Statistics 9:130-134.
    Gomes M, Ng ES, Grieve R, Nixon R, Carpenter J, Thompson SG (2012). Medical Decision Making
    32:350-361.
    Li F, Morgan KL, Zaslavsky AM (2018). Journal of the American Statistical Association 113.
    Stinnett AA, Mullahy J (1998). Medical Decision Making 18(2 Suppl):S68-S80.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({
    ...     "group": [1, 1, 1, 1, 0, 0, 0, 0],
    ...     "agency": ["a", "a", "b", "b", "c", "c", "d", "d"],
    ...     "cost": [400.0, 600.0, 300.0, 500.0, 200.0, 400.0, 100.0, 300.0],
    ...     "qaly": [0.7, 0.8, 0.6, 0.7, 0.6, 0.6, 0.5, 0.7],
    ... })
    >>> result = estimate_incremental(
    ...     people, cost="cost", effect="qaly", arm="group", cluster="agency",
    ...     replicates=100, seed=1, thresholds=[20000],
    ... )
    >>> result.tidy()["estimate"].round(3).tolist()
    [200.0, 0.1, 1800.0]
    """
    settings = check_incremental_settings(
        method=method,
        replicates=replicates,
        seed=seed,
        plan=plan,
        workers=workers,
        thresholds=thresholds,
        headline_threshold=headline_threshold,
        confidence_level=confidence_level,
        is_weighted=weighted_to is not None,
    )
    if isinstance(data, pd.DataFrame):
        check_not_imputed(data)
    comparison = build_comparison(
        data,
        cost=cost,
        effect=effect,
        arm=arm,
        cluster=check_clusters(method, cluster, ignore_clusters=ignore_clusters),
        covariates=arrange_covariates(covariates, method),
        settings=ComparisonSettings(
            target=target,
            reference=reference,
            propensity_covariates=propensity_covariates,
            weighted_to=weighted_to,
            change_from=change_from,
        ),
    )
    label = effect_label or name_effect(effect)
    result = _estimate(comparison, settings, label, plan=plan, workers=workers)
    if not ignore_clusters or cluster is None:
        return result
    return replace(result, notes=(*result.notes, IGNORED_NOTE))


def _estimate(
    comparison: Comparison,
    settings: IncrementalSettings,
    effect_label: str,
    *,
    plan: ResamplingPlan | None,
    workers: int | None,
) -> IncrementalResult:
    if settings.method in MODEL_METHODS:
        found = estimate_by_model(
            comparison,
            method=settings.method,
            replicates=settings.replicates,
            seed=settings.seed,
            effect_label=effect_label,
        )
    else:
        found = estimate_by_resampling(
            comparison,
            method=settings.method,
            plan=plan,
            replicates=settings.replicates,
            seed=settings.seed,
            workers=workers,
            effect_label=effect_label,
        )
    thresholds = settings.thresholds
    estimates = tabulate(found, thresholds, confidence_level=settings.confidence_level)
    estimates.insert(2, "unit", ["GBP", effect_label, *["GBP"] * len(thresholds)])
    return IncrementalResult(
        estimates=estimates,
        n_participants=comparison.n_participants,
        n_agencies=comparison.n_clusters if comparison.is_clustered else None,
        method=found.method,
        seed=settings.seed,
        confidence_level=settings.confidence_level,
        estimand=_phrase_estimand(comparison, effect_label),
        notes=(*comparison.notes, *found.notes),
        draws=_frame_draws(found.draws, comparison, effect_label),
        target=comparison.target,
        reference=comparison.reference,
        effect_label=effect_label,
        replicates=settings.replicates,
        df=float(estimates["df"][0]),
        thresholds=thresholds,
        headline_threshold=settings.headline_threshold,
        probability=_share_positive(found.draws, settings.headline_threshold),
        influence=found.influence,
        model_covariance=found.model_covariance,
        fewest_units=int(np.unique(comparison.strata, return_counts=True)[1].min()),
    )


def _phrase_estimand(comparison: Comparison, effect_label: str) -> str:
    among = (
        "participants with complete data"
        if comparison.weighted_to is None
        else f"{WEIGHTED_TO[comparison.weighted_to]}, of those with complete data"
    )
    what = "difference in the change from baseline of" if comparison.is_change else "difference in"
    return (
        f"{what} mean cost and mean {effect_label} per participant, "
        f"{comparison.target} minus {comparison.reference}, at equal values of the "
        f"covariates, in {among}"
    )


def _frame_draws(deltas: FloatArray, comparison: Comparison, effect_label: str) -> pd.DataFrame:
    draws = pd.DataFrame(
        {
            "draw": np.arange(1, len(deltas) + 1),
            "delta_cost": deltas[:, 0],
            "delta_effect": deltas[:, 1],
        }
    )
    # So that an analysis of the draws alone still knows what is compared.
    draws.attrs = {
        "target": comparison.target,
        "reference": comparison.reference,
        "effect_label": effect_label,
    }
    return draws


def _share_positive(deltas: FloatArray, threshold: float | None) -> float | None:
    if threshold is None:
        return None
    return float(np.mean(threshold * deltas[:, 1] > deltas[:, 0]))
