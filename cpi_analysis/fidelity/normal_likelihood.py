"""Normal log-likelihood of measurements with or without missing values, and its derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class PatternData:
    """Measurements of one group, summed up by which of them are missing.

    Parameters
    ----------
    values
        People × items; missing values are 0.
    pattern
        Per person, the row of ``is_observed``.
    is_observed
        Patterns × items.
    n
        People per pattern.
    mean, covariance
        Per pattern, over its people (divisor n); 0 where missing.
    """

    values: Array
    pattern: Codes
    is_observed: NDArray[np.bool_]
    n: Array
    mean: Array
    covariance: Array

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return bool(self.is_observed.all())


@dataclass(frozen=True)
class NormalTerms:
    """What a normal model with mean μ and covariance Σ says of a group.

    Parameters
    ----------
    log_likelihood
        Of all people.
    inverse
        Patterns × items × items: inverse of the observed part of Σ, 0 elsewhere.
    distance
        Patterns × items: observed mean minus μ.
    product
        Patterns × items × items: Σ⁻¹ T Σ⁻¹, T the mean square about μ.
    """

    log_likelihood: float
    inverse: Array
    distance: Array
    product: Array


def sum_up_patterns(values: Array) -> PatternData:
    """Return the measurements by pattern of missing values (NaN)."""
    is_there = ~np.isnan(values)
    patterns, pattern = np.unique(is_there, axis=0, return_inverse=True)
    pattern = pattern.ravel()
    filled = np.where(is_there, values, 0.0)
    n = np.bincount(pattern).astype(np.float64)
    people = [filled[pattern == one] for one in range(len(n))]
    mean = np.stack([rows.mean(axis=0) for rows in people])
    rests = [rows - rows.mean(axis=0) for rows in people]
    covariance = np.stack([rest.T @ rest / len(rest) for rest in rests])
    return PatternData(filled, pattern, patterns, n, mean, covariance)


def evaluate_normal(data: PatternData, mean: Array, covariance: Array) -> NormalTerms | None:
    """Return the terms, or None when Σ is not positive definite."""
    seen = data.is_observed
    both = seen[:, :, None] & seen[:, None, :]
    identity = np.eye(len(mean))
    # A missing item stands aside: variance 1, no covariance.
    padded = np.where(both, covariance, identity)
    try:
        factor = np.linalg.cholesky(padded)
    except np.linalg.LinAlgError:
        return None
    log_determinant = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    inverse = np.where(both, np.linalg.inv(padded), 0.0)
    distance = np.where(seen, data.mean - mean, 0.0)
    square = data.covariance + distance[:, :, None] * distance[:, None, :]
    square = np.where(both, square, 0.0)
    trace = (inverse * square).sum(axis=(1, 2))
    constant = seen.sum(axis=1) * np.log(2 * np.pi)
    value = -0.5 * float(data.n @ (constant + log_determinant + trace))
    return NormalTerms(value, inverse, distance, inverse @ square @ inverse)


def compute_gradient(data: PatternData, terms: NormalTerms) -> Array:
    """Return the gradient of −log L in the means and the upper triangle of Σ."""
    slope_mean = -np.einsum("p,pij,pj->i", data.n, terms.inverse, terms.distance)
    slope = 0.5 * np.einsum("p,pij->ij", data.n, terms.inverse - terms.product)
    first, second = np.triu_indices(len(slope))
    return np.concatenate([slope_mean, slope[first, second] * np.where(first == second, 1, 2)])


def compute_information(data: PatternData, terms: NormalTerms, *, is_expected: bool) -> Array:
    """Return the second derivatives of −log L in the means and the upper triangle of Σ.

    Notes
    -----
    With A = Σ⁻¹, T the mean square about μ and M = 2 A T A − A, the derivative along the
    symmetric matrices E and F is (n/4) [tr(A E M F) + tr(M E A F)] × 2; its expectation has
    M = A. One matrix product sums Σ n A ⊗ M over the patterns.
    """
    n, p = data.n, data.is_observed.shape[1]
    inverse = terms.inverse
    other = inverse if is_expected else 2 * terms.product - inverse
    flat = inverse.reshape(len(n), -1)
    kron = ((flat * n[:, None]).T @ other.reshape(len(n), -1)).reshape(p, p, p, p)
    i, j = np.triu_indices(p)
    half = np.where(i == j, 0.5, 1.0)
    # kron[l, i, j, k] is Σ n A_li M_jk: the four ways to pair the ends of two symmetric units.
    k, m = i[None, :], j[None, :]
    i, j = i[:, None], j[:, None]
    sides = kron[m, i, j, k] + kron[m, j, i, k] + kron[k, i, j, m] + kron[k, j, i, m]
    sides = (sides + sides.T) / 2
    information = np.zeros((p + len(half), p + len(half)))
    information[:p, :p] = np.einsum("p,pij->ij", n, inverse)
    information[p:, p:] = 0.5 * np.outer(half, half) * sides
    if not is_expected:
        information[:p, p:] = _cross(n, inverse, terms.distance, half)
        information[p:, :p] = information[:p, p:].T
    return information


def _cross(n: Array, inverse: Array, distance: Array, half: Array) -> Array:
    pull = np.einsum("pij,pj->pi", inverse, distance)
    outer = np.einsum("p,pqi,pj->qij", n, inverse, pull)
    first, second = np.triu_indices(inverse.shape[1])
    return np.asarray(half * (outer[:, first, second] + outer[:, second, first]))


def compute_scores(data: PatternData, terms: NormalTerms, mean: Array) -> Array:
    """Return each person's gradient of log L: people × (means, upper triangle of Σ)."""
    seen = data.is_observed[data.pattern]
    rest = np.where(seen, data.values - mean, 0.0)
    pull = np.empty_like(rest)
    for one, inverse in enumerate(terms.inverse):
        here = data.pattern == one
        pull[here] = rest[here] @ inverse
    first, second = np.triu_indices(len(mean))
    weight = np.where(first == second, 0.5, 1.0)
    spread = terms.inverse[:, first, second][data.pattern]
    return np.hstack([pull, weight * (pull[:, first] * pull[:, second] - spread)])
