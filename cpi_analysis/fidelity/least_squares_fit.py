"""Weighted least squares for a factor model of thresholds and polychoric correlations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.fidelity.factor_structure import (
    Array,
    Structure,
    compute_jacobian,
    compute_moments,
    orient,
)

#: The search stops when no derivative of the criterion exceeds this.
GRADIENT_TOLERANCE = 1e-11
#: A gradient below this is accepted when rounding stops the search before.
ACCEPTED_GRADIENT = 1e-7
MAX_ITERATIONS = 1000
MAX_HALVINGS = 40


@dataclass(frozen=True)
class OrdinalMoments:
    """Thresholds and polychoric correlations of one group.

    Parameters
    ----------
    n
        Number of people.
    values
        Thresholds, item by item, then correlations, pair by pair.
    covariance
        Their sampling covariance times n.
    weights
        Of the squared residuals.
    """

    n: int
    values: Array
    covariance: Array
    weights: Array


@dataclass(frozen=True)
class LeastSquaresFit:
    """Least-squares estimates with what a robust test needs.

    Parameters
    ----------
    theta
        The free parameters.
    chi_square
        Σ (n − 1) × weighted sum of squared residuals of the group.
    gradient
        Largest derivative of the criterion.
    covariance
        Of the estimates (sandwich).
    bread
        (Δ'WΔ)⁻¹ with the groups' shares in W.
    trace, trace_square
        Of UΓ and (UΓ)².
    """

    theta: Array
    chi_square: float
    gradient: float
    covariance: Array
    bread: Array
    trace: float
    trace_square: float


def fit_least_squares(structure: Structure, data: list[OrdinalMoments]) -> LeastSquaresFit:
    """Return the estimates by diagonally weighted least squares.

    Raises
    ------
    ModelError
        CPI-M005 when the search did not reach a minimum, CPI-M008 when the model is not
        identified.

    Notes
    -----
    Minimises F(θ) = ½ Σ_g f_g (s − σ(θ))' W (s − σ(θ)), f_g the share of people in the group, by
    Gauss–Newton steps with exact derivatives. Covariance, with Δ = ∂σ/∂θ and N people:
    (Δ'WΔ)⁻¹ Δ'WΓWΔ (Δ'WΔ)⁻¹ / (N − 1).

    References
    ----------
    Muthén B, du Toit SHC, Spisic D. Robust inference using weighted least squares. 1997.
    """
    theta, norm = _search(structure, data)
    jacobian, weights, gamma = _stack(structure, data, theta)
    bread = _invert(jacobian.T @ (weights[:, None] * jacobian))
    total = sum(one.n for one in data)
    half = jacobian * weights[:, None]
    covariance = bread @ (half.T @ gamma @ half) @ bread / (total - 1)
    projected = weights[:, None] * gamma - half @ (bread @ (half.T @ gamma))
    residuals = [
        one.values - implied
        for one, implied in zip(data, compute_moments(structure, theta), strict=True)
    ]
    return LeastSquaresFit(
        theta=theta,
        chi_square=sum(
            (one.n - 1) * float(rest**2 @ one.weights)
            for one, rest in zip(data, residuals, strict=True)
        ),
        gradient=norm,
        covariance=covariance,
        bread=bread,
        trace=float(np.trace(projected)),
        trace_square=float((projected * projected.T).sum()),
    )


def _search(structure: Structure, data: list[OrdinalMoments]) -> tuple[Array, float]:
    total = sum(one.n for one in data)
    roots = np.concatenate([np.sqrt(one.weights * one.n / total) for one in data])
    target = np.concatenate([one.values for one in data])
    theta = structure.table.start()
    residual = _residual(structure, theta, target, roots)
    norm = np.inf
    for _ in range(MAX_ITERATIONS):
        scaled = np.vstack(compute_jacobian(structure, theta)) * roots[:, None]
        gradient = -scaled.T @ residual
        norm = float(np.abs(gradient).max())
        if norm <= GRADIENT_TOLERANCE:
            break
        step = _solve(scaled, gradient)
        moved = _search_line(structure, theta, residual, (gradient, step), (target, roots))
        if moved is None:
            break
        theta, residual = moved
    if norm > ACCEPTED_GRADIENT:
        raise ModelError(
            Fault(
                code="CPI-M005",
                rule="the search for the factor model did not reach a minimum",
                cure="ask for fewer factors or residual correlations, give every factor three "
                "items or more, and leave out items that repeat others",
            )
        )
    return orient(structure, theta), norm


def _residual(structure: Structure, theta: Array, target: Array, roots: Array) -> Array:
    return np.asarray((target - np.concatenate(compute_moments(structure, theta))) * roots)


def _solve(scaled: Array, gradient: Array) -> Array:
    square = scaled.T @ scaled
    # A little of the diagonal keeps a step finite where the start is degenerate.
    ridge = 1e-12 * np.diag(square).max()
    return np.asarray(-np.linalg.solve(square + ridge * np.eye(len(square)), gradient))


def _search_line(
    structure: Structure,
    theta: Array,
    residual: Array,
    direction: tuple[Array, Array],
    goal: tuple[Array, Array],
) -> tuple[Array, Array] | None:
    gradient, step = direction
    value = 0.5 * float(residual @ residual)
    slope = float(gradient @ step)
    slack = 1e-14 * max(1.0, value)
    length = 1.0
    for _ in range(MAX_HALVINGS):
        trial = theta + length * step
        rest = _residual(structure, trial, *goal)
        found = 0.5 * float(rest @ rest)
        if found <= value + 1e-4 * length * slope or (length == 1.0 and found <= value + slack):
            return trial, rest
        length /= 2
    return None


def _stack(
    structure: Structure, data: list[OrdinalMoments], theta: Array
) -> tuple[Array, Array, Array]:
    """Return Δ of all groups, the weights times each group's share, and Γ over the share."""
    total = sum(one.n for one in data)
    jacobian = np.vstack(compute_jacobian(structure, theta))
    weights = np.concatenate([one.weights * one.n / total for one in data])
    if len(data) == 1:
        return jacobian, weights, data[0].covariance
    gamma = np.zeros((len(weights), len(weights)))
    place = 0
    for one in data:
        here = slice(place, place + len(one.values))
        gamma[here, here] = one.covariance * total / one.n
        place += len(one.values)
    return jacobian, weights, gamma


def _invert(square: Array) -> Array:
    values = np.linalg.eigvalsh(square)
    if values[0] <= 1e-10 * values[-1]:
        raise ModelError(
            Fault(
                code="CPI-M008",
                rule="the factor model is not identified: the answers say nothing about one of "
                "its parameters",
                cure="give every factor three items or more (two, if factors correlate), and ask "
                "for fewer residual correlations",
            )
        )
    return np.asarray(np.linalg.inv(square))
