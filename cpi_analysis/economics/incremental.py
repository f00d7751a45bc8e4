"""Differences in cost and effect between two groups, and the net benefit they make."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.economics.checks import (
    check_replicates,
    check_thresholds,
)
from cpi_analysis.economics.comparison import (
    GROUP_COLUMN,
    Comparison,
    Covariates,
    build_comparison,
)
from cpi_analysis.economics.incremental_notes import describe_method, remark_comparison
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.wording import name_effect
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.inference.resampling import ResamplingPlan, build_rao_wu_plan
from cpi_analysis.inference.weighted_regression import (
    compute_cluster_products,
    find_solvable,
    solve_replicates,
)

FloatArray = NDArray[np.float64]

#: Methods of :func:`estimate_incremental`.
METHODS = ("rao_wu",)

#: Replicates unless asked otherwise: the Monte Carlo error of a standard error is then 0.7%.
DEFAULT_REPLICATES = 10_000


def estimate_incremental(
    data: pd.DataFrame,
    *,
    cost: str,
    effect: str,
    arm: str,
    cluster: str | None,
    covariates: Covariates = (),
    method: str = "rao_wu",
    replicates: int = DEFAULT_REPLICATES,
    seed: int | None = None,
    thresholds: Sequence[float] = (),
    headline_threshold: float | None = None,
    confidence_level: float = 0.95,
    target: object = None,
    reference: object = None,
    effect_label: str | None = None,
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
        ``"rao_wu"``: K − 1 agencies of each stratum drawn with replacement.
    replicates
        Number of replicates, 100 or more; 10,000 for a report.
    seed
        Seed of the random numbers; required.
    thresholds
        Willingness to pay for one unit of effect, in GBP, increasing: one row ``inb`` each.
    headline_threshold
        One of ``thresholds``, for the summary; with a single threshold it is that one.
    confidence_level
        Level of the intervals.
    target, reference
        The values of ``arm`` that are compared, target minus reference.
    effect_label
        What to call one unit of the effect; its column in words when not given.

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
    errors are standard deviations over the Rao-Wu replicates, which draw cost and effect
    together; intervals are estimate ± t × standard error with (agencies − 2) degrees of
    freedom. When each agency belongs to one group the groups are the strata; when groups are
    compared within agencies there is one stratum of all agencies.

    References
    ----------
    Rao JNK, Wu CFJ, Yue K (1992). Survey Methodology 18:209-217.
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
    _check_settings(method, seed, thresholds, headline_threshold, confidence_level)
    check_replicates(replicates)
    effect_label = effect_label or name_effect(effect)
    comparison = build_comparison(
        data,
        cost=cost,
        effect=effect,
        arm=arm,
        cluster=cluster,
        covariates=covariates,
        target=target,
        reference=reference,
    )
    plan, deltas = _resample(comparison, replicates=replicates, seed=seed)
    point = _fit(comparison)
    df = float(comparison.n_clusters - 2)
    estimates = _tabulate(point, deltas, thresholds, df=df, confidence_level=confidence_level)
    units = ["GBP", effect_label, *["GBP"] * len(thresholds)]
    estimates.insert(2, "unit", units)
    if headline_threshold is None and len(thresholds) == 1:
        headline_threshold = float(thresholds[0])
    return IncrementalResult(
        estimates=estimates,
        n_participants=comparison.n_participants,
        n_agencies=comparison.n_clusters if comparison.is_clustered else None,
        method=describe_method(comparison, replicates),
        seed=seed,
        confidence_level=confidence_level,
        estimand=(
            f"difference in mean cost and mean {effect_label} per participant, "
            f"{comparison.target} minus {comparison.reference}, at equal values of the "
            "covariates, in participants with complete data"
        ),
        notes=(*comparison.notes, *remark_comparison(comparison, plan, effect_label)),
        draws=_frame_draws(deltas, comparison, effect_label),
        target=comparison.target,
        reference=comparison.reference,
        effect_label=effect_label,
        replicates=int(replicates),
        df=df,
        thresholds=tuple(float(threshold) for threshold in thresholds),
        headline_threshold=headline_threshold,
        probability=_share_positive(deltas, headline_threshold),
    )


def _check_settings(
    method: str,
    seed: int | None,
    thresholds: Sequence[float],
    headline_threshold: float | None,
    confidence_level: float,
) -> None:
    if method not in METHODS:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="method",
                rule="the method is not available yet",
                cure="use a method that is",
                allowed=", ".join(METHODS),
            )
        )
    if seed is None:
        raise DataError(
            Fault(
                code="CPI-E047",
                column="seed",
                rule="random numbers need a seed, so that the result can be made again",
                cure="give seed=, for example seed=1",
            )
        )
    check_confidence_level(confidence_level)
    check_thresholds(thresholds)
    if headline_threshold is not None and headline_threshold not in thresholds:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="headline_threshold",
                rule="the headline threshold must be one of the thresholds",
                cure="add it to thresholds",
            )
        )


def _fit(comparison: Comparison) -> FloatArray:
    pairs = (
        (comparison.cost_design, comparison.cost),
        (comparison.effect_design, comparison.effect),
    )
    return np.array(
        [np.linalg.lstsq(design, values, rcond=None)[0][GROUP_COLUMN] for design, values in pairs]
    )


def _resample(
    comparison: Comparison, *, replicates: int, seed: int | None
) -> tuple[ResamplingPlan, FloatArray]:
    multiply = partial(
        compute_cluster_products,
        clusters=comparison.clusters,
        n_clusters=comparison.n_clusters,
    )
    products = (
        multiply(comparison.cost_design, comparison.cost),
        multiply(comparison.effect_design, comparison.effect),
    )
    plan = build_rao_wu_plan(
        comparison.strata,
        replicates=replicates,
        seed=-1 if seed is None else seed,
        is_usable=lambda counts: (
            find_solvable(products[0].gram, counts) & find_solvable(products[1].gram, counts)
        ),
    )
    weights = plan.weights
    return plan, np.column_stack(
        [solve_replicates(part, weights)[:, GROUP_COLUMN] for part in products]
    )


def _tabulate(
    point: FloatArray,
    deltas: FloatArray,
    thresholds: Sequence[float],
    *,
    df: float,
    confidence_level: float,
) -> pd.DataFrame:
    # Rows are linear in (ΔC, ΔE): (1, 0), (0, 1), and (−1, λ) for the net benefit.
    loadings = np.array([[1.0, 0.0], [0.0, 1.0], *([-1.0, level] for level in thresholds)])
    estimate = loadings @ point
    std_error = (deltas @ loadings.T).std(axis=0, ddof=1)
    margin = stats.t.ppf((1 + confidence_level) / 2, df) * std_error
    statistic = estimate / std_error
    return pd.DataFrame(
        {
            "quantity": ["delta_cost", "delta_effect", *["inb"] * len(thresholds)],
            "threshold": [np.nan, np.nan, *map(float, thresholds)],
            "estimate": estimate,
            "std_error": std_error,
            "df": df,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), df),
            "conf_low": estimate - margin,
            "conf_high": estimate + margin,
        }
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
