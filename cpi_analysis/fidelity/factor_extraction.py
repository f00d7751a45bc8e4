"""Loadings of common factors from a correlation matrix: least squares and maximum likelihood.

Plain functions of arrays. Both criteria are minimised over the uniquenesses alone, by Newton
steps with the exact second derivatives, because the best loadings for given uniquenesses are
known in closed form from eigenvectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.fidelity.refusals import refuse_items

#: Uniquenesses are kept in this range, as factanal and psych do. At the lower end the factors
#: explain an item entirely: a Heywood case, which is flagged.
LOWEST_UNIQUENESS = 0.005
HIGHEST_UNIQUENESS = 1.0
#: A matrix whose smallest eigenvalue is not above this is singular but for rounding.
SMALLEST_EIGENVALUE = 1e-12
#: The largest element of the projected gradient at which the search stops.
GRADIENT_TOLERANCE = 1e-11
#: A gradient below this is accepted when rounding stops the search before.
ACCEPTED_GRADIENT = 1e-7
MAX_ITERATIONS = 500
#: Two minima whose criteria differ by less than this (relative to 1) are the same minimum.
SAME_MINIMUM = 1e-8

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Extraction:
    """Unrotated factors of a correlation matrix.

    Parameters
    ----------
    loadings
        Items × factors, in order of the variance explained, each column with a positive sum.
    uniquenesses
        Per item, the variance that the factors leave.
    objective
        The criterion at the minimum: half the sum of squared residuals (minres), or the
        maximum-likelihood discrepancy.
    gradient
        Largest element of the projected gradient: how sharply the minimum was met.
    is_at_bound
        Per item, whether its uniqueness stopped at the lowest allowed value (Heywood case).
    n_starts, n_best
        How many starting points were tried, and how many of them led to the best minimum.
    """

    loadings: Array
    uniquenesses: Array
    objective: float
    gradient: float
    is_at_bound: NDArray[np.bool_]
    n_starts: int
    n_best: int


#: Criterion, gradient and Hessian in the parameters of the search.
_Criterion = Callable[[Array], tuple[float, Array, Array]]


def extract_minres(
    correlation: Array, n_factors: int, *, starts: Array | None = None
) -> Extraction:
    """Return the factors that leave the smallest residual correlations.

    Parameters
    ----------
    correlation
        Items × items; it may be indefinite.
    n_factors
        Number of factors.
    starts
        Further starting uniquenesses, starts × items, besides the usual one.

    Raises
    ------
    ModelError
        CPI-M008 when there are too many factors for the items, CPI-M006 when a correlation is
        not finite, CPI-M005 when no start converged.

    Notes
    -----
    Minimises f(ψ) = ½ Σ_{m>k} θ²ₘ over the uniquenesses ψ, where θ are the eigenvalues of
    R − diag(ψ) in falling order; with vectors e, the loadings are e √θ of the first k. The
    gradient is −diag of the residual matrix, so at the minimum the diagonal is reproduced.

    References
    ----------
    Harman HH, Jones WH. Psychometrika 1966;31:351-368.
    Jöreskog KG. Factor analysis by least-squares and maximum-likelihood methods. In: Enslein
    K, Ralston A, Wilf HS (eds). Statistical methods for digital computers. Wiley 1977.

    Examples
    --------
    >>> loadings = np.array([[0.8], [0.7], [0.6], [0.5]])
    >>> correlation = loadings @ loadings.T
    >>> np.fill_diagonal(correlation, 1)
    >>> extract_minres(correlation, 1).loadings.round(6).ravel().tolist()
    [0.8, 0.7, 0.6, 0.5]
    """
    check_extraction(correlation, n_factors)

    def criterion(psi: Array) -> tuple[float, Array, Array]:
        return _minres_criterion(correlation, psi, n_factors)

    bounds = (LOWEST_UNIQUENESS, HIGHEST_UNIQUENESS)
    psi, gradient, count = _search(criterion, _stack_starts(correlation, n_factors, starts), bounds)
    theta, vectors = _sorted_eigen(correlation - np.diag(psi))
    loadings = vectors[:, :n_factors] * np.sqrt(np.maximum(theta[:n_factors], 0.0))
    return _finish(loadings, psi, criterion(psi)[0], gradient, count)


def extract_maximum_likelihood(
    correlation: Array, n_factors: int, *, starts: Array | None = None
) -> Extraction:
    """Return the maximum-likelihood factors of a positive definite correlation matrix.

    Parameters
    ----------
    correlation
        Items × items, positive definite.
    n_factors
        Number of factors.
    starts
        Further starting uniquenesses, starts × items, besides the usual one.

    Raises
    ------
    ModelError
        As for :func:`extract_minres`; also CPI-M008 when the matrix is not positive definite.

    Notes
    -----
    Minimises f(ψ) = Σ_{m>k} (γₘ − log γₘ − 1), γ the eigenvalues of ψ^{−½} R ψ^{−½} in falling
    order; the loadings are ψ^{½} e √(γ − 1) of the first k. This is the likelihood's
    discrepancy log|Σ| + tr(R Σ⁻¹) − log|R| − p at the best loadings.

    References
    ----------
    Jöreskog KG. Psychometrika 1967;32:443-482.
    Lawley DN, Maxwell AE. Factor analysis as a statistical method. Butterworths 1971.

    Examples
    --------
    >>> loadings = np.array([[0.8], [0.7], [0.6], [0.5]])
    >>> correlation = loadings @ loadings.T
    >>> np.fill_diagonal(correlation, 1)
    >>> extract_maximum_likelihood(correlation, 1).uniquenesses.round(6).tolist()
    [0.36, 0.51, 0.64, 0.75]
    """
    check_extraction(correlation, n_factors)
    if np.linalg.eigvalsh(correlation)[0] <= SMALLEST_EIGENVALUE:
        raise refuse_items(
            "the correlation matrix is not positive definite, so there is no likelihood",
            "use extraction='minres', leave out items that repeat others, or smooth the matrix "
            "and say so",
        )

    def criterion(log_psi: Array) -> tuple[float, Array, Array]:
        return _likelihood_criterion(correlation, log_psi, n_factors)

    bounds = (float(np.log(LOWEST_UNIQUENESS)), float(np.log(HIGHEST_UNIQUENESS)))
    points = np.log(_stack_starts(correlation, n_factors, starts))
    log_psi, gradient, count = _search(criterion, points, bounds)
    psi = np.exp(log_psi)
    gamma, vectors = _sorted_eigen(correlation / np.sqrt(np.outer(psi, psi)))
    strength = np.sqrt(np.maximum(gamma[:n_factors] - 1, 0.0))
    loadings = np.sqrt(psi)[:, None] * vectors[:, :n_factors] * strength
    return _finish(loadings, psi, criterion(log_psi)[0], gradient, count)


def count_degrees_of_freedom(n_items: int, n_factors: int) -> int:
    """Return ((p − k)² − (p + k)) / 2, what is left of the correlations by k factors.

    Examples
    --------
    >>> count_degrees_of_freedom(25, 5)
    185
    """
    return ((n_items - n_factors) ** 2 - (n_items + n_factors)) // 2


def check_extraction(correlation: Array, n_factors: int) -> None:
    """Raise unless so many factors can be taken from such a matrix."""
    n_items = len(correlation)
    if not np.isfinite(correlation).all():
        raise ModelError(
            Fault(
                code="CPI-M006",
                rule="a correlation is not finite",
                cure="leave out items that do not vary or share too few people with another item",
            )
        )
    if n_factors < 1 or count_degrees_of_freedom(n_items, n_factors) < 0:
        most = max(
            (k for k in range(n_items) if count_degrees_of_freedom(n_items, k) >= 0), default=0
        )
        raise refuse_items(
            f"{n_factors} factors cannot be told apart by the correlations of {n_items} items",
            "ask for fewer factors",
            allowed=f"1 to {most} factors" if most else "at least 3 items",
        )


def _minres_criterion(correlation: Array, psi: Array, n_factors: int) -> tuple[float, Array, Array]:
    theta, vectors = _sorted_eigen(correlation - np.diag(psi))
    is_rest = _find_rest(theta, n_factors, 0.0)
    rest, kept = theta[is_rest], theta[~is_rest]
    inner, outer = vectors[:, is_rest], vectors[:, ~is_rest]
    gradient = -(inner**2) @ rest
    # Σ over residual m and kept n of 2 θₘ / (θₘ − θₙ) e_im e_in e_jm e_jn, as one product.
    weights = 2 * rest[:, None] / (rest[:, None] - kept[None, :])
    hessian = (inner @ inner.T) ** 2 + _cross_products(inner, outer, weights)
    return 0.5 * float(rest @ rest), gradient, hessian


def _likelihood_criterion(
    correlation: Array, log_psi: Array, n_factors: int
) -> tuple[float, Array, Array]:
    scale = np.exp(-log_psi / 2)
    gamma, vectors = _sorted_eigen(correlation * np.outer(scale, scale))
    is_rest = _find_rest(gamma, n_factors, 1.0)
    rest, kept = gamma[is_rest], gamma[~is_rest]
    inner, outer = vectors[:, is_rest], vectors[:, ~is_rest]
    value = float((rest - np.log(rest) - 1).sum())
    gradient = inner**2 @ (1 - rest)
    weights = (rest[:, None] - 1) * (rest[:, None] + kept) / (rest[:, None] - kept)
    hessian = (inner @ inner.T) * ((inner * rest) @ inner.T)
    return value, gradient, hessian + _cross_products(inner, outer, weights)


def _cross_products(inner: Array, outer: Array, weights: Array) -> Array:
    products = (inner[:, :, None] * outer[:, None, :]).reshape(len(inner), -1)
    return np.asarray((products * weights.ravel()) @ products.T)


def _sorted_eigen(matrix: Array) -> tuple[Array, Array]:
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1], vectors[:, ::-1]


def _find_rest(values: Array, n_factors: int, floor: float) -> NDArray[np.bool_]:
    # A factor needs an eigenvalue above the floor; what is below belongs to the residual.
    is_rest = values <= floor
    is_rest[n_factors:] = True
    return is_rest


def _stack_starts(correlation: Array, n_factors: int, starts: Array | None) -> Array:
    n_items = len(correlation)
    smoothed = correlation + 1e-6 * np.eye(n_items)
    inverse = np.diag(np.linalg.pinv(smoothed, hermitian=True))
    share = 1 - 0.5 * n_factors / n_items
    usual = share / np.where(inverse > 1, inverse, 1.0)
    points = usual[None, :] if starts is None else np.vstack([usual, starts])
    return np.clip(points, 0.02, 0.98)


def _search(
    criterion: _Criterion, points: Array, bounds: tuple[float, float]
) -> tuple[Array, float, tuple[int, int]]:
    """Return the best minimum over all starts, its gradient, and (starts, starts that met it)."""
    found = [_descend(criterion, point, bounds) for point in points]
    met = [one for one in found if one[2] <= ACCEPTED_GRADIENT]
    if not met:
        raise ModelError(
            Fault(
                code="CPI-M005",
                rule="the search for the factors did not converge from any start",
                cure="ask for fewer factors, leave out items that correlate with no other, or "
                "give more random starts",
            )
        )
    values = np.array([one[1] for one in met])
    best = int(values.argmin())
    n_best = int((values <= values[best] + SAME_MINIMUM * max(1.0, values[best])).sum())
    return met[best][0], met[best][2], (len(points), n_best)


def _descend(
    criterion: _Criterion, point: Array, bounds: tuple[float, float]
) -> tuple[Array, float, float]:
    """Return the minimum from one start by projected Newton steps: point, value, gradient."""
    x = point.copy()
    value, gradient, hessian = criterion(x)
    norm = _projected_norm(x, gradient, bounds)
    for _ in range(MAX_ITERATIONS):
        if norm <= GRADIENT_TOLERANCE:
            break
        step = _newton_step(x, gradient, hessian, bounds)
        moved = _line_search(criterion, x, value, gradient, step, bounds)
        if moved is None:
            break
        x, (value, gradient, hessian) = moved
        norm = _projected_norm(x, gradient, bounds)
    return x, value, norm


def _newton_step(x: Array, gradient: Array, hessian: Array, bounds: tuple[float, float]) -> Array:
    held = ((x <= bounds[0]) & (gradient > 0)) | ((x >= bounds[1]) & (gradient < 0))
    free = np.flatnonzero(~held)
    step = np.zeros_like(x)
    curvature, axes = np.linalg.eigh(hessian[np.ix_(free, free)])
    # Away from the minimum the curvature may be negative: its size still scales the step.
    size = np.maximum(np.abs(curvature), 1e-6 * max(float(np.abs(curvature).max()), 1e-12))
    step[free] = -axes @ ((axes.T @ gradient[free]) / size)
    return step


def _line_search(
    criterion: _Criterion,
    x: Array,
    value: float,
    gradient: Array,
    step: Array,
    bounds: tuple[float, float],
) -> tuple[Array, tuple[float, Array, Array]] | None:
    norm = _projected_norm(x, gradient, bounds)
    # A bounded step: uniquenesses live on a short interval, and Newton may leap across it.
    length = min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
    for _ in range(40):
        trial = np.clip(x + length * step, *bounds)
        result = criterion(trial)
        gain = float(gradient @ (trial - x))
        if result[0] <= value + 1e-4 * gain and result[0] < value:
            return trial, result
        # Near the minimum the criterion is flat to rounding: the gradient decides.
        is_flat = abs(result[0] - value) <= 1e-13 * max(1.0, abs(value))
        if is_flat and _projected_norm(trial, result[1], bounds) < 0.9 * norm:
            return trial, result
        length /= 2
    return None


def _projected_norm(x: Array, gradient: Array, bounds: tuple[float, float]) -> float:
    return float(np.abs(np.clip(x - gradient, *bounds) - x).max())


def _finish(
    loadings: Array, psi: Array, objective: float, gradient: float, count: tuple[int, int]
) -> Extraction:
    signs = np.where(loadings.sum(axis=0) < 0, -1.0, 1.0)
    return Extraction(
        loadings=loadings * signs,
        uniquenesses=psi,
        objective=objective,
        gradient=gradient,
        is_at_bound=psi <= LOWEST_UNIQUENESS * (1 + 1e-9),
        n_starts=count[0],
        n_best=count[1],
    )
