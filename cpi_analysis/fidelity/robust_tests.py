"""Covariances and test corrections that do not need normal answers or independent people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpi_analysis.fidelity.factor_structure import (
    Array,
    Codes,
    Structure,
    compute_jacobian,
    fill_matrices,
)
from cpi_analysis.fidelity.likelihood_fit import (
    LikelihoodFit,
    compute_model_information,
    moment_slice,
)
from cpi_analysis.fidelity.normal_likelihood import (
    NormalTerms,
    PatternData,
    compute_information,
    compute_scores,
    evaluate_normal,
)

#: A matrix with a smaller eigenvalue has no likelihood to speak of.
_SMALLEST = 1.5e-8


@dataclass(frozen=True)
class Sandwich:
    """Robust covariance of the estimates with the trace that corrects a test.

    Parameters
    ----------
    covariance
        A⁻¹ B A⁻¹.
    trace
        Of A⁻¹ B.
    """

    covariance: Array
    trace: float


def compute_sandwich(
    structure: Structure,
    data: list[PatternData],
    fit: LikelihoodFit,
    clusters: list[Codes] | None = None,
) -> Sandwich:
    """Return the Huber–White covariance of maximum-likelihood estimates.

    Parameters
    ----------
    structure, data, fit
        The model, the measurements and the estimates.
    clusters
        Per group, the number of each person's cluster; scores are summed within. None: people
        are independent.

    Notes
    -----
    A is the observed information, B the sum of the squared scores of people or of clusters.
    """
    information = compute_model_information(
        structure, data, fit.theta, fit.terms, is_expected=False
    )
    scores = []
    matrices = fill_matrices(structure, fit.theta)
    for group, jacobian in enumerate(compute_jacobian(structure, fit.theta)):
        one = data[group]
        mean = matrices[group].mean() if structure.has_means else one.mean[0]
        person = compute_scores(one, fit.terms[group], mean)
        scores.append(person[:, moment_slice(structure)] @ jacobian)
    whole = np.vstack(scores)
    together = None if clusters is None else np.concatenate(clusters)
    bread = np.linalg.inv(information)
    filling = _square_scores(whole, together)
    return Sandwich(bread @ filling @ bread, float((bread * filling).sum()))


def compute_moment_traces(
    data: list[PatternData],
    saturated: list[tuple[Array, Array]],
    *,
    has_means: bool,
    clusters: list[Codes] | None = None,
) -> float:
    """Return the trace of A⁻¹ B of the moments themselves, summed over groups."""
    total = 0.0
    for group, (one, (mean, covariance)) in enumerate(zip(data, saturated, strict=True)):
        information, filling = _moment_matrices(
            one, mean, covariance, None if clusters is None else clusters[group]
        )
        keep = slice(None) if has_means else slice(len(mean), None)
        total += float(np.trace(np.linalg.solve(information[keep, keep], filling[keep, keep])))
    return total


def _moment_matrices(
    one: PatternData, mean: Array, covariance: Array, clusters: Codes | None
) -> tuple[Array, Array]:
    terms = _require(evaluate_normal(one, mean, covariance))
    information = compute_information(one, terms, is_expected=False)
    return information, _square_scores(compute_scores(one, terms, mean), clusters)


def _require(terms: NormalTerms | None) -> NormalTerms:
    if terms is None:  # a fitted model has been evaluated before
        raise AssertionError("the covariance of a fitted model is positive definite")
    return terms


def _square_scores(scores: Array, clusters: Codes | None) -> Array:
    if clusters is not None:
        sums = np.zeros((int(clusters.max()) + 1, scores.shape[1]))
        np.add.at(sums, clusters, scores)
        # Few clusters: the sums have lost one degree of freedom to their mean of zero.
        scores = sums * np.sqrt(len(sums) / (len(sums) - 1))
    return np.asarray(scores.T @ scores)


def compute_moment_sandwich(
    structure: Structure, data: list[PatternData], fit: LikelihoodFit
) -> Sandwich:
    """Return the Satorra–Bentler covariance and trace: fourth moments, expected information.

    Notes
    -----
    With V the normal weight at the estimates, Γ the sampling covariance of the observed
    covariances times n, Δ the derivatives: the covariance is (Δ'VΔ)⁻¹ Δ'VΓVΔ (Δ'VΔ)⁻¹ / n and
    the trace that of [V − VΔ (Δ'VΔ)⁻¹ Δ'V] Γ. Needs complete answers of one group.

    References
    ----------
    Satorra A, Bentler PM. Corrections to test statistics and standard errors in covariance
    structure analysis. In: von Eye A, Clogg CC (eds). Latent variables analysis. Sage 1994.
    """
    one, n = data[0], float(data[0].n.sum())
    weight = compute_information(one, fit.terms[0], is_expected=True) / n
    keep = moment_slice(structure)
    weight = weight[keep, keep]
    jacobian = compute_jacobian(structure, fit.theta)[0]
    gamma = _fourth_moments(one)[keep, keep]
    half = weight @ jacobian
    bread = np.linalg.inv(jacobian.T @ half)
    filling = half.T @ gamma @ half
    trace = float((weight * gamma).sum() - (bread * filling).sum())
    return Sandwich(bread @ filling @ bread / n, trace)


def _fourth_moments(one: PatternData) -> Array:
    rest = one.values - one.values.mean(axis=0)
    first, second = np.triu_indices(rest.shape[1])
    products = np.hstack([rest, rest[:, first] * rest[:, second]])
    products = products - products.mean(axis=0)
    return np.asarray(products.T @ products / len(rest))


@dataclass(frozen=True)
class CorrectedChiSquare:
    """A likelihood-based chi-square of a model with its expected size per degree of freedom."""

    statistic: float
    factor: float


def correct_for_missing(
    structure: Structure,
    data: list[PatternData],
    fit: LikelihoodFit,
    saturated: list[tuple[Array, Array]],
    *,
    is_robust: bool,
) -> CorrectedChiSquare:
    """Return the chi-square of complete data with the means and covariances estimated.

    With missing values the usual indices depend on how much is missing. These are those of the
    estimated moments, taken as if complete, with a factor for their true sampling error.

    References
    ----------
    Zhang X, Savalei V. Psychol Methods 2023;28:263-283 (versions 3 and 6).
    """
    total = sum(float(one.n.sum()) for one in data)
    jacobian = np.vstack(compute_jacobian(structure, fit.theta))
    complete, missing, filling = _weights_of_moments(data, saturated, total)
    half = missing @ jacobian
    rest = missing - half @ np.linalg.solve(jacobian.T @ half, half.T)
    back = np.linalg.inv(missing)
    if is_robust:
        gamma = back @ filling @ back
        trace = np.trace(rest @ back @ complete @ back @ rest @ gamma)
    else:
        trace = np.trace(complete @ back @ rest @ back)
    statistic = 0.0
    for one, (mean, covariance), implied in zip(
        data, saturated, fill_matrices(structure, fit.theta), strict=True
    ):
        distance = mean - implied.mean()
        inverse = np.linalg.inv(implied.covariance())
        log_ratio = np.linalg.slogdet(implied.covariance())[1] - np.linalg.slogdet(covariance)[1]
        discrepancy = log_ratio + np.trace(inverse @ covariance) - len(mean)
        statistic += float(one.n.sum()) * float(discrepancy + distance @ inverse @ distance)
    return CorrectedChiSquare(statistic, float(trace) / structure.df)


def _weights_of_moments(
    data: list[PatternData], saturated: list[tuple[Array, Array]], total: float
) -> tuple[Array, Array, Array]:
    """Return information of the moments as if complete, as observed, and squared scores."""
    size = sum(len(mean) + len(mean) * (len(mean) + 1) // 2 for mean, _ in saturated)
    complete, missing, filling = (np.zeros((size, size)) for _ in range(3))
    place = 0
    for one, (mean, covariance) in zip(data, saturated, strict=True):
        whole = PatternData(
            values=one.values,
            pattern=np.zeros(len(one.values), dtype=np.intp),
            is_observed=np.ones((1, len(mean)), dtype=np.bool_),
            n=np.array([one.n.sum()]),
            mean=mean[None, :],
            covariance=covariance[None, :, :],
        )
        terms = _require(evaluate_normal(whole, mean, covariance))
        here = slice(place, place + len(mean) + len(mean) * (len(mean) + 1) // 2)
        complete[here, here] = compute_information(whole, terms, is_expected=True) / total
        information, squares = _moment_matrices(one, mean, covariance, None)
        missing[here, here] = information / total
        # Γ of one group counts its own people: the share goes in twice.
        filling[here, here] = squares / total
        place = here.stop
    return complete, missing, filling


def correct_for_categories(
    correlation: Array,
    implied: Array,
    gamma: Array,
    projection: Array,
    n: int,
    df: int,
) -> tuple[CorrectedChiSquare, CorrectedChiSquare] | None:
    """Return the normal-theory chi-squares of polychoric correlations, of model and baseline.

    The usual indices of weighted least squares are out of scale with those of continuous data;
    these are on that scale. None when a matrix is not positive definite.

    Parameters
    ----------
    correlation, implied
        Polychoric matrix and that of the model.
    gamma
        Covariance of the correlations times n, in the order of the upper triangle.
    projection
        I − Δ (Δ'WΔ)⁻¹ Δ'W of the fit.
    n, df
        People, and degrees of freedom.

    References
    ----------
    Savalei V. Improving fit indices in structural equation modeling with categorical data.
    Multivariate Behav Res 2021;56:390-407.
    """
    if min(float(np.linalg.eigvalsh(one)[0]) for one in (correlation, implied)) < _SMALLEST:
        return None
    inverse = np.linalg.inv(implied)
    first, second = np.triu_indices(len(implied), 1)
    i, j = first[:, None], second[:, None]
    weight = inverse[i, first] * inverse[j, second] + inverse[i, second] * inverse[j, first]
    log_determinant = np.linalg.slogdet(correlation)[1]
    discrepancy = np.linalg.slogdet(implied)[1] - log_determinant
    discrepancy += np.trace(inverse @ correlation) - len(implied)
    trace = float(np.trace(projection.T @ weight @ projection @ gamma))
    model = CorrectedChiSquare(float(n * discrepancy), trace / df if df else np.nan)
    baseline = CorrectedChiSquare(float(-n * log_determinant), float(np.trace(gamma)) / len(first))
    return model, baseline
