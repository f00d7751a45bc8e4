"""The incremental analysis of imputed data sets: Rubin's rules on cost and effect together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import (
    IMPUTATION,
    check_columns,
    check_replicates,
    check_thresholds,
)
from cpi_analysis.economics.comparison import (
    Comparison,
    ComparisonSettings,
    Covariates,
    arrange_covariates,
    build_comparison,
)
from cpi_analysis.economics.estimation import Estimation, draw_from_model, tabulate
from cpi_analysis.economics.imputation import ImputationResult
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.linear_outcomes import Outcome, add_up, check_outcome
from cpi_analysis.economics.model_methods import fit_net_benefit
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_confidence_level, check_table, is_whole
from cpi_analysis.inference.pooling import PooledEstimates, pool_imputations
from cpi_analysis.results import round_half_up

FloatArray = NDArray[np.float64]

#: Draws of the two differences for probabilities.
DEFAULT_REPLICATES = 10_000
_COST, _EFFECT = "_cost", "_effect"


class ImputedAnalysis(NamedTuple):
    """What is compared in each imputed data set."""

    cost: dict[str, float]
    effect: dict[str, float]
    arm: str
    cluster: str | None
    covariates: Covariates
    target: object
    reference: object


class PooledAnalysis(NamedTuple):
    """The combined differences, those of single data sets, and what they had in common.

    ``points`` (data sets × 2) and ``covariances`` are those of (ΔC, ΔE); ``compute_df`` gives the
    degrees of freedom of complete data for combinations of the two.
    """

    pooled: PooledEstimates
    points: FloatArray
    covariances: FloatArray
    compute_df: Callable[[FloatArray], FloatArray]
    comparison: Comparison


class ReportSettings(NamedTuple):
    """Settings of the table and of the draws."""

    thresholds: tuple[float, ...]
    headline_threshold: float | None
    replicates: int
    seed: int
    confidence_level: float
    effect_label: str


def estimate_imputed_incremental(
    imputed: ImputationResult | pd.DataFrame,
    *,
    cost: Outcome,
    effect: Outcome,
    arm: str,
    cluster: str | None,
    seed: int,
    covariates: Covariates = (),
    thresholds: Sequence[float] = (),
    headline_threshold: float | None = None,
    replicates: int = DEFAULT_REPLICATES,
    confidence_level: float = 0.95,
    target: object = None,
    reference: object = None,
    effect_label: str = "QALY",
) -> IncrementalResult:
    """Estimate the differences in cost and effect over imputed data sets.

    The estimand is the difference in means per participant, target minus reference, at equal
    values of the covariates, among all participants, when values are missing at random.

    Parameters
    ----------
    imputed
        From :func:`build_imputations`, or a table of imputed data sets below each other with a
        column ``imputation``.
    cost, effect
        A column, or weights of columns that are added up, such as ``{"cost_6": 1, "cost_12": 1}``
        and :func:`compute_qaly_weights`.
    arm, cluster, covariates, target, reference
        As in :func:`estimate_incremental`; covariates are in both equations.
    seed
        Of the draws for probabilities.
    thresholds, headline_threshold, confidence_level, effect_label
        As in :func:`estimate_incremental`.
    replicates
        Draws for probabilities.

    Returns
    -------
    IncrementalResult
        As from :func:`estimate_incremental`: everything that works on its draws works here. The
        intervals are of Barnard and Rubin with the degrees of freedom of the agencies.

    Raises
    ------
    DataError
        CPI-E011 for a missing column, E024 when there are fewer than two data sets, E047 for
        settings, and as :func:`estimate_incremental`.
    ModelError
        As :func:`estimate_incremental`.

    Notes
    -----
    In each data set: least squares with covariances robust to agencies (CR2). With means Q̄ and Ū
    of the m estimates and of their 2 × 2 covariances, and B between data sets,
    T = Ū + (1 + 1/m) B. The net benefit at λ has the variance (−1, λ) T (−1, λ)′. Complete-data
    degrees of freedom are Satterthwaite's, means over the data sets.

    References
    ----------
    Rubin DB. Multiple imputation for nonresponse in surveys. Wiley 1987.
    Faria R, et al. PharmacoEconomics 2014;32:1157-1170.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.economics import build_imputations, estimate_imputed_incremental
    >>> rng = np.random.default_rng(1)
    >>> people = pd.DataFrame({"arm": np.arange(80) % 12 % 2, "agency": np.arange(80) % 12})
    >>> people["cost"], people["qaly"] = rng.gamma(2, 500, 80), rng.normal(0.7, 0.1, 80)
    >>> people.loc[:5, "cost"] = np.nan
    >>> drawn = build_imputations(
    ...     people, columns=["cost", "qaly"], arm="arm", cluster="agency", n_imputations=3, seed=1
    ... )
    >>> estimate_imputed_incremental(
    ...     drawn, cost="cost", effect="qaly", arm="arm", cluster="agency", seed=1
    ... ).n_participants
    80
    """
    table = check_imputed(imputed)
    settings = check_report_settings(
        thresholds, headline_threshold, replicates, seed, confidence_level, effect_label
    )
    analysis = ImputedAnalysis(
        cost=check_outcome(table, cost, argument="cost"),
        effect=check_outcome(table, effect, argument="effect"),
        arm=arm,
        cluster=cluster,
        covariates=arrange_covariates(covariates, "net_benefit_regression"),
        target=target,
        reference=reference,
    )
    found = pool_data_sets(table, analysis)
    return report_pooled(
        found.comparison,
        _estimation_of(found),
        settings,
        method=f"Rubin's rules over {found.pooled.n_imputations} imputed data sets; in each, least "
        "squares with a covariance robust to agencies (CR2); degrees of freedom of Barnard and "
        "Rubin with those of the agencies",
        among="all participants, when values are missing at random",
    )


def check_imputed(imputed: ImputationResult | pd.DataFrame) -> pd.DataFrame:
    """Return the imputed data sets as a table, or raise when they are not several."""
    table = imputed.imputed if isinstance(imputed, ImputationResult) else imputed
    check_table(table, "imputed")
    check_columns(table, [IMPUTATION], table="imputed")
    sizes = table[IMPUTATION].value_counts()
    if len(sizes) < 2 or sizes.nunique() != 1 or table[IMPUTATION].isna().any():
        raise DataError(
            Fault(
                code="CPI-E024",
                table="imputed",
                column=IMPUTATION,
                rule="there must be two or more imputed data sets, all of the same people",
                cure="one imputed data set hides what is not known: draw several with "
                "build_imputations",
            )
        )
    return table


def check_report_settings(
    thresholds: Sequence[float],
    headline_threshold: float | None,
    replicates: int,
    seed: object,
    confidence_level: float,
    effect_label: str,
) -> ReportSettings:
    """Return the settings, or raise for one that cannot be used."""
    check_thresholds(thresholds)
    check_confidence_level(confidence_level)
    check_replicates(replicates)
    faults = []
    if not is_whole(seed) or int(seed) < 0:  # type: ignore[call-overload]
        faults.append(
            Fault(
                code="CPI-E047",
                column="seed",
                rule="random numbers need a seed: a whole number, 0 or more",
                cure="give seed=, and keep it with the results",
            )
        )
    if headline_threshold is None and len(thresholds) == 1:
        headline_threshold = thresholds[0]
    if headline_threshold is not None and headline_threshold not in thresholds:
        faults.append(
            Fault(
                code="CPI-E045",
                column="headline_threshold",
                rule="headline_threshold is not one of thresholds",
                cure="give one of thresholds",
            )
        )
    if faults:
        raise DataError(faults)
    return ReportSettings(
        tuple(map(float, thresholds)),
        headline_threshold,
        replicates,
        int(seed),  # type: ignore[call-overload]
        confidence_level,
        effect_label,
    )


def pool_data_sets(table: pd.DataFrame, analysis: ImputedAnalysis) -> PooledAnalysis:
    """Return the combined differences of all imputed data sets."""
    sets = [compare_data_set(part, analysis) for _, part in table.groupby(IMPUTATION, sort=True)]
    fits = [fit_net_benefit(one) for one in sets]
    points = np.array([fit.point for fit in fits])
    covariances = np.array([fit.covariance for fit in fits])

    def compute_df(loadings: FloatArray) -> FloatArray:
        return np.asarray(np.mean([fit.compute_df(loadings) for fit in fits], axis=0))

    return PooledAnalysis(
        pool_imputations(points, covariances), points, covariances, compute_df, sets[0]
    )


def compare_data_set(data: pd.DataFrame, analysis: ImputedAnalysis) -> Comparison:
    """Return the arrays of one completed data set."""
    cost = add_up(data, analysis.cost)
    # Imputed costs may be negative. The same amount for everybody changes no difference.
    cost = cost - min(0.0, float(np.nanmin(cost)))
    known = data.assign(**{_COST: cost, _EFFECT: add_up(data, analysis.effect)})
    return build_comparison(
        known,
        cost=_COST,
        effect=_EFFECT,
        arm=analysis.arm,
        cluster=analysis.cluster,
        covariates=analysis.covariates,
        settings=ComparisonSettings(target=analysis.target, reference=analysis.reference),
    )


def report_pooled(
    comparison: Comparison,
    estimation: Estimation,
    settings: ReportSettings,
    *,
    method: str,
    among: str,
) -> IncrementalResult:
    """Return the result of differences that were combined over imputed data sets."""
    draws = draw_from_model(
        estimation.point,
        estimation.covariance,
        replicates=settings.replicates,
        seed=settings.seed,
    )
    estimates = tabulate(
        estimation, settings.thresholds, confidence_level=settings.confidence_level
    )
    units = ["GBP", settings.effect_label, *["GBP"] * len(settings.thresholds)]
    estimates.insert(2, "unit", units)
    frame = pd.DataFrame(
        {
            "draw": np.arange(1, len(draws) + 1),
            "delta_cost": draws[:, 0],
            "delta_effect": draws[:, 1],
        }
    )
    frame.attrs = {
        "target": comparison.target,
        "reference": comparison.reference,
        "effect_label": settings.effect_label,
    }
    headline = settings.headline_threshold
    return IncrementalResult(
        estimates=estimates,
        n_participants=comparison.n_participants,
        n_agencies=comparison.n_clusters if comparison.is_clustered else None,
        method=method,
        seed=settings.seed,
        confidence_level=settings.confidence_level,
        estimand=f"difference in mean cost and mean {settings.effect_label} per participant, "
        f"{comparison.target} minus {comparison.reference}, at equal values of the covariates, "
        f"among {among}",
        notes=(*comparison.notes, *comparison.level_notes, *estimation.notes),
        draws=frame,
        target=comparison.target,
        reference=comparison.reference,
        effect_label=settings.effect_label,
        replicates=settings.replicates,
        df=float(estimates["df"][0]),
        thresholds=settings.thresholds,
        headline_threshold=headline,
        probability=None
        if headline is None
        else float(np.mean(headline * draws[:, 1] > draws[:, 0])),
        model_covariance=estimation.covariance,
        fewest_units=int(np.unique(comparison.strata, return_counts=True)[1].min()),
    )


def _estimation_of(found: PooledAnalysis) -> Estimation:
    pooled = found.pooled

    def compute_df(loadings: FloatArray) -> FloatArray:
        complete = found.compute_df(loadings)
        pairs = zip(loadings, complete, strict=True)
        return np.array([pooled.combine(one, float(df))[2] for one, df in pairs])

    each = np.eye(2)
    pairs = zip(each, found.compute_df(each), strict=True)
    shares = [pooled.combine(one, float(df))[3] for one, df in pairs]
    told = [round_half_up(100 * share, 0) for share in shares]
    return Estimation(
        point=pooled.estimate,
        covariance=pooled.covariance,
        draws=np.empty((0, 2)),
        method="",
        compute_df=compute_df,
        notes=(
            f"Of the information on the difference in cost {told[0]}% is missing, on the "
            f"difference in effect {told[1]}%.",
            "Draws for probabilities come from the bivariate normal distribution with the "
            "combined differences and covariance.",
        ),
    )
