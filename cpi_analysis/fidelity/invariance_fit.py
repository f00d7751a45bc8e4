"""Factor models of several groups, level by level, and the tests between the levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, null_space

from cpi_analysis.fidelity.confirmatory_fit import FitTest, fit_saturated, shift_statistic
from cpi_analysis.fidelity.factor_structure import (
    Array,
    Codes,
    Structure,
    compute_jacobian,
    compute_moments,
    fill_matrices,
)
from cpi_analysis.fidelity.factor_tables import FactorModel, build_independence_structure
from cpi_analysis.fidelity.fit_indices import ChiSquare, compute_srmr
from cpi_analysis.fidelity.invariance_tables import (
    CONTINUOUS_LEVELS,
    ORDINAL_LEVELS,
    build_continuous_level,
    build_ordinal_level,
)
from cpi_analysis.fidelity.least_squares_fit import OrdinalMoments, fit_least_squares
from cpi_analysis.fidelity.likelihood_fit import fit_likelihood
from cpi_analysis.fidelity.normal_likelihood import sum_up_patterns
from cpi_analysis.fidelity.polychoric_matrix import fill_matrix
from cpi_analysis.fidelity.robust_tests import compute_moment_traces, compute_sandwich


@dataclass(frozen=True)
class LevelFit:
    """The model at one level of invariance.

    Parameters
    ----------
    level
        Its name.
    structure, theta, covariance
        The model, its free parameters and their sampling covariance.
    test
        What is reported: the scaled test where the estimator has one.
    srmr
        Standardised root mean square residual.
    plain_statistic, scaling_factor
        Unscaled statistic, and its expected size per degree of freedom.
    log_likelihood
        Of maximum likelihood; None otherwise.
    """

    level: str
    structure: Structure
    theta: Array
    covariance: Array
    test: FitTest
    srmr: float
    plain_statistic: float
    scaling_factor: float
    log_likelihood: float | None


@dataclass(frozen=True)
class Difference:
    """Test of one level against the one before."""

    statistic: float
    df: int


def fit_continuous_levels(
    model: FactorModel, groups: list[Array], *, is_robust: bool
) -> tuple[list[LevelFit], list[Difference]]:
    """Fit all levels to measured items by maximum likelihood.

    Parameters
    ----------
    model
        Items and factors.
    groups
        People × items, per group; complete.
    is_robust
        Whether tests and errors are those of ``mlr``.
    """
    data = [sum_up_patterns(answers) for answers in groups]
    found = [fit_saturated(one, answers) for one, answers in zip(data, groups, strict=True)]
    saturated = [moments for moments, _ in found]
    ceiling = sum(value for _, value in found)
    means, covariances = [one[0] for one in saturated], [one[1] for one in saturated]
    n = float(sum(one.n.sum() for one in data))
    share = np.array([one.n.sum() for one in data]) / n
    null = build_independence_structure(
        len(model.items), means, [np.diag(one) for one in covariances], has_means=True
    )
    null_fit = fit_likelihood(null, data)
    baseline = 2 * (ceiling - null_fit.log_likelihood)
    whole = compute_moment_traces(data, saturated, has_means=True) if is_robust else 0.0
    null_factor = (
        (whole - compute_sandwich(null, data, null_fit).trace) / null.df if is_robust else 1.0
    )
    levels = []
    for level in CONTINUOUS_LEVELS:
        structure = build_continuous_level(model, level, means, covariances)
        fit = fit_likelihood(structure, data)
        sandwich = compute_sandwich(structure, data, fit)
        factor = (whole - sandwich.trace) / structure.df if is_robust else 1.0
        statistic = 2 * (ceiling - fit.log_likelihood)
        chi = ChiSquare(
            statistic / factor, structure.df, baseline / null_factor, null.df, n, len(data)
        )
        near = ChiSquare(statistic, factor * structure.df, baseline, null.df, n, len(data))
        matrices = fill_matrices(structure, fit.theta)
        srmr = compute_srmr(
            covariances,
            [one.covariance() for one in matrices],
            [
                (mean - one.mean()) / np.sqrt(np.diag(covariance))
                for mean, one, covariance in zip(means, matrices, covariances, strict=True)
            ],
            share,
        )
        levels.append(
            LevelFit(
                level=level,
                structure=structure,
                theta=fit.theta,
                covariance=sandwich.covariance,
                test=FitTest("scaled" if is_robust else "standard", chi, near),
                srmr=srmr,
                plain_statistic=statistic,
                scaling_factor=factor,
                log_likelihood=fit.log_likelihood,
            )
        )
    pairs = zip(levels[1:], levels[:-1], strict=True)
    return levels, [_compare_likelihoods(one, other) for one, other in pairs]


def _compare_likelihoods(narrow: LevelFit, wide: LevelFit) -> Difference:
    """Return the likelihood-ratio test, scaled as Satorra and Bentler (2001) do."""
    df = narrow.structure.df - wide.structure.df
    expected = (
        narrow.structure.df * narrow.scaling_factor - wide.structure.df * wide.scaling_factor
    ) / df
    statistic = narrow.plain_statistic - wide.plain_statistic
    # The correction may turn negative in small samples: then there is no test.
    return Difference(statistic / expected if expected > 0 else np.nan, df)


@dataclass(frozen=True)
class OrderedGroup:
    """Thresholds and correlations of one group, with their covariance times n."""

    n: int
    thresholds: Array
    rho: Array
    gamma: Array


def fit_ordinal_levels(
    model: FactorModel, groups: list[OrderedGroup], threshold_item: Codes
) -> tuple[list[LevelFit], list[Difference]]:
    """Fit all levels to ordered items by diagonally weighted least squares.

    Parameters
    ----------
    model
        Items and factors.
    groups
        Moments per group.
    threshold_item
        Per threshold, its item.
    """
    n_items = len(model.items)
    data = [
        OrdinalMoments(
            n=one.n,
            values=np.concatenate([one.thresholds, one.rho]),
            covariance=one.gamma,
            weights=1 / np.diag(one.gamma),
        )
        for one in groups
    ]
    n = float(sum(one.n for one in groups))
    share = np.array([one.n for one in groups]) / n
    correlations = [fill_matrix(one.rho, n_items) for one in groups]
    baseline, baseline_df = _test_baseline(groups, len(threshold_item))
    levels = []
    for level in ORDINAL_LEVELS:
        structure = build_ordinal_level(
            model, level, [one.thresholds for one in groups], correlations, threshold_item
        )
        fit = fit_least_squares(structure, data)
        slope, shift = shift_statistic(fit.trace, fit.trace_square, structure.df)
        chi = ChiSquare(
            slope * fit.chi_square + shift,
            structure.df,
            baseline,
            baseline_df,
            n - len(groups),
            len(groups),
        )
        implied = [
            fill_matrix(one[len(threshold_item) :], n_items)
            for one in compute_moments(structure, fit.theta)
        ]
        levels.append(
            LevelFit(
                level=level,
                structure=structure,
                theta=fit.theta,
                covariance=fit.covariance,
                test=FitTest("scaled", chi, chi),
                srmr=compute_srmr(correlations, implied, [np.empty(0)] * len(groups), share),
                plain_statistic=fit.chi_square,
                scaling_factor=1 / slope,
                log_likelihood=None,
            )
        )
    pairs = zip(levels[1:], levels[:-1], strict=True)
    return levels, [_compare_least_squares(one, other, data) for one, other in pairs]


def _test_baseline(groups: list[OrderedGroup], n_thresholds: int) -> tuple[float, int]:
    """Return the scaled test of no correlation in any group, and its degrees of freedom."""
    statistic, trace, trace_square, df = 0.0, 0.0, 0.0, 0
    for one in groups:
        gamma = one.gamma[n_thresholds:, n_thresholds:]
        weights = 1 / np.diag(gamma)
        statistic += (one.n - 1) * float(one.rho**2 @ weights)
        weighted = weights[:, None] * gamma
        trace += float(np.trace(weighted))
        trace_square += float((weighted * weighted.T).sum())
        df += len(one.rho)
    slope, shift = shift_statistic(trace, trace_square, df)
    return slope * statistic + shift, df


def _compare_least_squares(
    narrow: LevelFit, wide: LevelFit, data: list[OrdinalMoments]
) -> Difference:
    """Return the difference of two statistics with its mean and variance adjusted.

    Notes
    -----
    With Δ and W of the wider model, P = Δ'WΔ and A the restrictions that take it to the narrower
    one (what its derivatives do not reach), the difference has the weights of
    WΔP⁻¹A'(AP⁻¹A')⁻¹AP⁻¹Δ'W Γ.

    References
    ----------
    Satorra A. Scaled and adjusted restricted tests in multi-sample analysis of moment structures.
    In: Heijmans RDH, Pollock DSG, Satorra A (eds). Innovations in multivariate statistical
    analysis. Kluwer 2000.
    """
    total = sum(one.n for one in data)
    outer = np.vstack(compute_jacobian(wide.structure, wide.theta))
    inner = np.vstack(compute_jacobian(narrow.structure, narrow.theta))
    reach = np.linalg.lstsq(outer, inner, rcond=None)[0]
    restrictions = null_space(reach.T).T
    weights = np.concatenate([one.weights * one.n / total for one in data])
    gamma = block_diag(*(one.covariance * total / one.n for one in data))
    half = weights[:, None] * outer
    bread = np.linalg.inv(outer.T @ half)
    path = half @ bread @ restrictions.T
    middle = np.linalg.inv(restrictions @ bread @ restrictions.T)
    weighted = path @ middle @ (path.T @ gamma)
    df = narrow.structure.df - wide.structure.df
    slope, shift = shift_statistic(
        float(np.trace(weighted)), float((weighted * weighted.T).sum()), df
    )
    statistic = narrow.plain_statistic - wide.plain_statistic
    return Difference(slope * statistic + shift, df)
