"""Maximum likelihood of a confirmatory factor model: search, information and scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.fidelity.factor_structure import (
    Array,
    Matrices,
    Structure,
    compute_curvature,
    compute_jacobian,
    fill_matrices,
    orient,
)
from cpi_analysis.fidelity.normal_likelihood import (
    NormalTerms,
    PatternData,
    compute_gradient,
    compute_information,
    evaluate_normal,
)

#: The search stops when no derivative of log L per person exceeds this.
GRADIENT_TOLERANCE = 1e-10
#: A gradient below this is accepted when rounding stops the search before.
ACCEPTED_GRADIENT = 1e-6
MAX_ITERATIONS = 300
MAX_HALVINGS = 40


@dataclass(frozen=True)
class LikelihoodFit:
    """Maximum-likelihood estimates.

    Parameters
    ----------
    theta
        The free parameters.
    log_likelihood
        At its maximum.
    gradient
        Largest derivative of log L per person: how sharply the maximum was met.
    terms
        Per group, at the maximum.
    """

    theta: Array
    log_likelihood: float
    gradient: float
    terms: list[NormalTerms]


@dataclass(frozen=True)
class _Point:
    theta: Array
    value: float
    terms: list[NormalTerms]


def fit_likelihood(structure: Structure, data: list[PatternData]) -> LikelihoodFit:
    """Return the maximum-likelihood estimates.

    Raises
    ------
    ModelError
        CPI-M005 when the search did not reach a maximum.

    Notes
    -----
    Newton's method with exact second derivatives; where they do not curve downwards, a step of
    Fisher scoring. Without means in the model the means are those observed.
    """
    point = _evaluate(structure, data, structure.table.start())
    if point is None:
        raise _refuse_search()
    total = sum(float(one.n.sum()) for one in data)
    gradient = _gradient(structure, data, point)
    for _ in range(MAX_ITERATIONS):
        if np.abs(gradient).max(initial=0.0) <= GRADIENT_TOLERANCE * total:
            break
        step = _find_step(structure, data, point, gradient)
        moved = _search_line(structure, data, point, gradient, step)
        if moved is None:
            break
        point = moved
        gradient = _gradient(structure, data, point)
    norm = float(np.abs(gradient).max(initial=0.0)) / total
    if norm > ACCEPTED_GRADIENT:
        raise _refuse_search()
    return LikelihoodFit(orient(structure, point.theta), -point.value, norm, point.terms)


def compute_model_information(
    structure: Structure,
    data: list[PatternData],
    theta: Array,
    terms: list[NormalTerms],
    *,
    is_expected: bool,
) -> Array:
    """Return the information in the free parameters, expected or observed."""
    jacobians = compute_jacobian(structure, theta)
    information = np.zeros((len(theta), len(theta)))
    slopes = []
    for one, term, jacobian in zip(data, terms, jacobians, strict=True):
        of_moments = compute_information(one, term, is_expected=is_expected)
        keep = moment_slice(structure)
        information += jacobian.T @ of_moments[keep, keep] @ jacobian
        slopes.append(compute_gradient(one, term)[keep])
    if not is_expected:
        information += compute_curvature(structure, theta, slopes)
    return np.asarray((information + information.T) / 2)


def moment_slice(structure: Structure) -> slice:
    """Return which of (means, upper triangle of Σ) are moments of the model."""
    return slice(None) if structure.has_means else slice(structure.n_items, None)


def evaluate_groups(
    structure: Structure, data: list[PatternData], matrices: list[Matrices]
) -> list[NormalTerms] | None:
    """Return the normal terms of every group, or None when a Σ is not positive definite."""
    found = []
    for one, matrix in zip(data, matrices, strict=True):
        mean = matrix.mean() if structure.has_means else one.mean[0]
        terms = evaluate_normal(one, mean, matrix.covariance())
        if terms is None or not np.isfinite(terms.log_likelihood):
            return None
        found.append(terms)
    return found


def _evaluate(structure: Structure, data: list[PatternData], theta: Array) -> _Point | None:
    terms = evaluate_groups(structure, data, fill_matrices(structure, theta))
    if terms is None:
        return None
    return _Point(theta, -sum(one.log_likelihood for one in terms), terms)


def _gradient(structure: Structure, data: list[PatternData], point: _Point) -> Array:
    keep = moment_slice(structure)
    parts = [
        jacobian.T @ compute_gradient(one, term)[keep]
        for one, term, jacobian in zip(
            data, point.terms, compute_jacobian(structure, point.theta), strict=True
        )
    ]
    return np.asarray(np.sum(parts, axis=0))


def _find_step(
    structure: Structure, data: list[PatternData], point: _Point, gradient: Array
) -> Array:
    for is_expected in (False, True):
        information = compute_model_information(
            structure, data, point.theta, point.terms, is_expected=is_expected
        )
        try:
            np.linalg.cholesky(information)
        except np.linalg.LinAlgError:
            continue
        return np.asarray(-np.linalg.solve(information, gradient))
    ridge = 1e-3 * np.abs(np.diag(information)).max() * np.eye(len(gradient))
    return np.asarray(-np.linalg.solve(information + ridge, gradient))


def _search_line(
    structure: Structure, data: list[PatternData], point: _Point, gradient: Array, step: Array
) -> _Point | None:
    length = 1.0
    slope = float(gradient @ step)
    slack = 1e-13 * max(1.0, abs(point.value))
    for _ in range(MAX_HALVINGS):
        trial = _evaluate(structure, data, point.theta + length * step)
        if trial is not None:
            if trial.value <= point.value + 1e-4 * length * slope:
                return trial
            # Near the maximum the value is flat to rounding: the gradient decides.
            is_flat = abs(trial.value - point.value) <= slack
            norm = np.abs(_gradient(structure, data, trial)).max() if is_flat else np.inf
            if norm < 0.9 * np.abs(gradient).max():
                return trial
        length /= 2
    return None


def _refuse_search() -> ModelError:
    return ModelError(
        Fault(
            code="CPI-M005",
            rule="the search for the factor model did not reach a maximum",
            cure="ask for fewer factors or residual correlations, give every factor three items "
            "or more, and leave out items that repeat others",
        )
    )
