"""The incremental analysis by models: stacked regressions, a multilevel model, a gamma model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.economics.comparison import GROUP_COLUMN, Comparison
from cpi_analysis.economics.estimation import Estimation, draw_from_model
from cpi_analysis.economics.incremental_notes import describe_outcomes, remark_covariates
from cpi_analysis.inference.bivariate_mixed_model import BivariateFit, fit_bivariate_mixed
from cpi_analysis.inference.cluster_robust import Kind
from cpi_analysis.inference.gamma_model import (
    compute_park_test,
    fit_gamma_log,
    recycle_predictions,
)
from cpi_analysis.inference.stacked_system import (
    StackedFit,
    estimate_error_covariance,
    fit_stacked_system,
)
from cpi_analysis.results import format_value

FloatArray = NDArray[np.float64]

_ROBUST = "cluster-robust covariance (CR2) over {unit} with Satterthwaite degrees of freedom"


def estimate_by_model(
    comparison: Comparison, *, method: str, replicates: int, seed: int, effect_label: str
) -> Estimation:
    """Return the differences with the covariance that a model gives them."""
    fit = {
        "sur": fit_sur,
        "net_benefit_regression": fit_net_benefit,
        "bivariate_multilevel": fit_multilevel,
        "gamma_glm": fit_gamma,
    }[method]
    found = fit(comparison)
    return Estimation(
        point=found.point,
        covariance=found.covariance,
        draws=draw_from_model(found.point, found.covariance, replicates=replicates, seed=seed),
        method=found.method,
        compute_df=found.compute_df,
        notes=(
            *found.notes,
            *remark_covariates(comparison),
            f"The {replicates:,} draws come from the bivariate normal distribution with the "
            f"differences in cost and {effect_label} and their covariance: they are for "
            "probabilities, not for the intervals.",
        ),
        model_covariance=found.covariance,
    )


def fit_sur(comparison: Comparison, kind: Kind = "CR2") -> Estimation:
    """Fit seemingly unrelated regressions of cost and effect.

    References
    ----------
    Willan AR, Briggs AH, Hoch JS (2004). Health Economics 13:461-475.
    """
    cost, effect = _equations(comparison)
    working = estimate_error_covariance(cost, effect)
    fit = fit_stacked_system(cost, effect, comparison.clusters, working=working, kind=kind)
    correlation = working[0, 1] / np.sqrt(working[0, 0] * working[1, 1])
    return _from_stack(
        comparison,
        fit,
        f"seemingly unrelated regressions of {describe_outcomes(comparison)}",
        [f"Correlation between the errors of the two equations: {correlation:.2f}."],
    )


def fit_net_benefit(comparison: Comparison, kind: Kind = "CR2") -> Estimation:
    """Fit net-benefit regressions, at every threshold at once.

    Notes
    -----
    λ e − c = α + INB(λ) T + x'β + error, robust to agencies. With the same covariates in the
    equations of cost and effect, the regression at λ is their combination, coefficient and
    covariance alike.

    References
    ----------
    Hoch JS, Briggs AH, Willan AR (2002). Health Economics 11:415-430.
    """
    fit = fit_stacked_system(*_equations(comparison), comparison.clusters, kind=kind)
    return _from_stack(
        comparison,
        fit,
        f"net-benefit regression at each threshold on {describe_outcomes(comparison)}, all "
        "covariates in both equations",
        [],
    )


def fit_gamma(comparison: Comparison, kind: Kind = "CR2") -> Estimation:
    """Fit a gamma model with logarithmic link to costs, least squares to effects.

    Notes
    -----
    ΔC is the mean of recycled predictions, everybody in the target group less everybody in the
    reference group; its variance by the delta method from the covariance robust to agencies.
    """
    (cost, design), effect = _equations(comparison)
    model = fit_gamma_log(cost, design)
    recycled = recycle_predictions(model, design, GROUP_COLUMN)
    fit = fit_stacked_system(
        (model.working_response, design), effect, comparison.clusters, kind=kind
    )
    transfer = np.zeros((2, len(fit.beta)))
    transfer[0, : fit.n_first] = recycled.gradient
    transfer[1, fit.n_first + GROUP_COLUMN] = 1.0
    park = compute_park_test(cost, model.fitted)
    notes = [] if np.isnan(park.slope) else [_phrase_park(park.slope, park.family)]
    return Estimation(
        point=np.array([recycled.difference, fit.beta[fit.n_first + GROUP_COLUMN]]),
        covariance=transfer @ fit.cov @ transfer.T,
        draws=np.empty((0, 2)),
        method=(
            "gamma model with logarithmic link of cost, recycled predictions; least squares for "
            f"effect; {_ROBUST.format(unit=_unit(comparison))}"
        ),
        compute_df=lambda loadings: fit.compute_df(loadings @ transfer),
        notes=tuple(notes),
    )


def fit_multilevel(comparison: Comparison) -> Estimation:
    """Fit a bivariate model with correlated agency effects by REML."""
    cost, effect = _equations(comparison)
    fit = fit_bivariate_mixed(cost, effect, comparison.clusters)
    transfer = np.zeros((2, len(fit.beta)))
    transfer[0, GROUP_COLUMN] = 1.0
    transfer[1, cost[1].shape[1] + GROUP_COLUMN] = 1.0
    return Estimation(
        point=transfer @ fit.beta,
        covariance=transfer @ fit.cov @ transfer.T,
        draws=np.empty((0, 2)),
        method=(
            f"bivariate multilevel model of {describe_outcomes(comparison)} by REML, agency "
            "effects and errors correlated; Satterthwaite degrees of freedom"
        ),
        compute_df=lambda loadings: fit.compute_df(loadings @ transfer),
        notes=_remark_variances(fit),
    )


def _equations(
    comparison: Comparison,
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    return (
        (comparison.cost, comparison.cost_design),
        (comparison.effect, comparison.effect_design),
    )


def _from_stack(
    comparison: Comparison, fit: StackedFit, words: str, notes: list[str]
) -> Estimation:
    transfer = np.zeros((2, len(fit.beta)))
    transfer[0, GROUP_COLUMN] = 1.0
    transfer[1, fit.n_first + GROUP_COLUMN] = 1.0
    return Estimation(
        point=transfer @ fit.beta,
        covariance=transfer @ fit.cov @ transfer.T,
        draws=np.empty((0, 2)),
        method=f"{words}; {_ROBUST.format(unit=_unit(comparison))}",
        compute_df=lambda loadings: fit.compute_df(loadings @ transfer),
        notes=tuple(notes),
    )


def _unit(comparison: Comparison) -> str:
    return "agencies" if comparison.is_clustered else "participants"


def _phrase_park(slope: float, family: str) -> str:
    verdict = (
        "the gamma family fits" if family == "gamma" else f"the {family} family would be nearer"
    )
    return (
        f"Modified Park test: the variance of costs grows with their mean to the power "
        f"{slope:.2f} (2 for the gamma family): {verdict}."
    )


def _remark_variances(fit: BivariateFit) -> tuple[str, ...]:
    between = np.sqrt(np.maximum(np.diag(fit.agency_covariance), 0.0))
    within = np.sqrt(np.diag(fit.error_covariance))
    notes = [
        "Standard deviations between agencies, and within: cost "
        f"£{format_value(float(between[0]))}, £{format_value(float(within[0]))}; effect "
        f"{format_value(float(between[1]))}, {format_value(float(within[1]))}."
    ]
    if fit.is_singular:
        notes.append(
            "The effects of agencies have no full rank (a variance of zero, or a correlation of "
            f"one): {fit.n_agencies - 2} degrees of freedom, agencies - 2."
        )
    return tuple(notes)
