"""Polychoric correlations of many pairs of items at once, from their cross-tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from cpi_analysis.fidelity.bivariate_normal import compute_density, compute_distribution

#: No correlation is let nearer to ±1 than this; one that gets there is flagged.
NEAREST_TO_ONE = 1e-7
#: A step below this is the last: Newton's next would be its square.
LAST_STEP = 1e-8
MAX_STEPS = 100
#: Slope and curvature of a log-likelihood that is flat.
FLAT = 1e-6
#: Pairs worked on together, so that the work stays in the cache of the processor.
CHUNK = 512
#: A cell that holds people has at least this probability; rounding may say less.
LEAST_PROBABILITY = 1e-15

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class PairTables:
    """Cross-tables of pairs of items with the thresholds of their items.

    Parameters
    ----------
    first, second
        Positions of the two items of each pair.
    counts
        Pairs × levels × levels.
    thresholds
        Items × (levels − 1); infinite ones are 40.
    """

    first: Indices
    second: Indices
    counts: Array
    thresholds: Array


def stack_pairs(counts: Array, thresholds: Array) -> PairTables:
    """Return the tables of all pairs (first before second) from the cross-tables of all items."""
    first, second = np.triu_indices(len(thresholds), 1)
    return PairTables(first, second, counts[first, :, second, :], thresholds)


def estimate_correlations(tables: PairTables) -> Array:
    """Return the maximum-likelihood correlation of every pair, the thresholds held fixed.

    Notes
    -----
    The log-likelihood of a table is Σ nᵢⱼ log πᵢⱼ(ρ), with π the probability of the rectangle
    between the thresholds under the bivariate normal. Its root is found by Newton's method with
    exact first and second derivatives (dΦ₂ / dρ is the density φ₂), kept inside a bracket.

    References
    ----------
    Olsson U. Psychometrika 1979;44:443-460.
    """
    n_pairs = len(tables.first)
    parts = [
        _solve_chunk(
            tables.counts[chunk],
            tables.thresholds[tables.first[chunk]],
            tables.thresholds[tables.second[chunk]],
        )
        for chunk in (slice(start, start + CHUNK) for start in range(0, n_pairs, CHUNK))
    ]
    return np.concatenate(parts)


def compute_cell_probabilities(tables: PairTables, rho: Array) -> Array:
    """Return the probabilities of the cells, pairs × levels × levels."""
    lower = tables.thresholds[tables.first][:, :, None]
    upper = tables.thresholds[tables.second][:, None, :]
    return _cells(lower, upper, rho)


def compute_cell_slopes(tables: PairTables, rho: Array) -> Array:
    """Return the derivatives of the cell probabilities in ρ, pairs × levels × levels."""
    lower = tables.thresholds[tables.first][:, :, None]
    upper = tables.thresholds[tables.second][:, None, :]
    return _rectangles(_pad(compute_density(lower, upper, rho[:, None, None])))


def is_at_limit(rho: Array) -> NDArray[np.bool_]:
    """Return which correlations ran into ±1: their tables have no finite maximum."""
    return np.asarray(np.abs(rho) >= 1 - 2 * NEAREST_TO_ONE)


def _solve_chunk(counts: Array, tau_1: Array, tau_2: Array) -> Array:
    n_pairs = len(counts)
    # All that does not depend on the correlation is worked out once.
    x, y = np.broadcast_arrays(tau_1[:, :, None], tau_2[:, None, :])
    end = 1 - NEAREST_TO_ONE
    rho = _guess_correlations(counts, tau_1, tau_2)
    low, high = np.full(n_pairs, -end), np.full(n_pairs, end)
    active = np.arange(n_pairs)
    for _ in range(MAX_STEPS):
        score, curvature = _score(counts[active], x[active], y[active], rho[active])
        now = rho[active]
        low[active] = np.where(score > 0, now, low[active])
        high[active] = np.where(score < 0, now, high[active])
        with np.errstate(divide="ignore", invalid="ignore"):
            new = now - score / curvature
        is_inside = (new > low[active]) & (new < high[active]) & (curvature < 0)
        new = np.where(is_inside, new, (low[active] + high[active]) / 2)
        new = np.where(score == 0, now, new)
        # A plateau towards ±1: every person lies on one line of cells, and nothing curves.
        is_flat = (np.abs(score) < FLAT) & (curvature > -FLAT) & (np.abs(now) > 0.9)
        new = np.where(is_flat, np.copysign(end, now), new)
        rho[active] = new
        moving = np.abs(new - now) > LAST_STEP
        if not moving.any():
            break
        active = active[moving]
    return rho


def _score(counts: Array, x: Array, y: Array, rho: Array) -> tuple[Array, Array]:
    """Return the first and second derivative of the log-likelihoods of the tables."""
    r = rho[:, None, None]
    density = compute_density(x, y, r)
    rest = 1 - r**2
    bend = density * (r / rest + (x * y * (1 + r**2) - r * (x**2 + y**2)) / rest**2)
    probability = np.maximum(_cells_of_grid(x, y, rho), LEAST_PROBABILITY)
    slope = _rectangles(_pad(density)) / probability
    bend = _rectangles(_pad(bend)) / probability
    weighted = counts * slope
    first = weighted.sum(axis=(1, 2))
    second = (counts * bend - weighted * slope).sum(axis=(1, 2))
    return first, second


def _cells(lower: Array, upper: Array, rho: Array) -> Array:
    x, y = np.broadcast_arrays(lower, upper)
    return np.maximum(_cells_of_grid(x, y, rho), 0.0)


def _cells_of_grid(x: Array, y: Array, rho: Array) -> Array:
    n_pairs, n_rows, n_columns = x.shape
    grid = np.zeros((n_pairs, n_rows + 2, n_columns + 2))
    grid[:, 1:-1, 1:-1] = compute_distribution(x, y, rho)
    grid[:, 1:-1, -1] = ndtr(x[:, :, 0])
    grid[:, -1, 1:-1] = ndtr(y[:, 0, :])
    grid[:, -1, -1] = 1
    return _rectangles(grid)


def _pad(inside: Array) -> Array:
    n_pairs, n_rows, n_columns = inside.shape
    grid = np.zeros((n_pairs, n_rows + 2, n_columns + 2))
    grid[:, 1:-1, 1:-1] = inside
    return grid


def _rectangles(grid: Array) -> Array:
    return grid[:, 1:, 1:] - grid[:, :-1, 1:] - grid[:, 1:, :-1] + grid[:, :-1, :-1]


def _guess_correlations(counts: Array, tau_1: Array, tau_2: Array) -> Array:
    """Return where to start: covariances of the category numbers, to first order in ρ.

    The covariance of two category numbers is ρ Σφ(τ₁) Σφ(τ₂) plus terms of ρ².
    """
    levels = np.arange(counts.shape[1], dtype=np.float64)
    total = np.maximum(counts.sum(axis=(1, 2)), 1)
    mean_1 = counts.sum(axis=2) @ levels / total
    mean_2 = counts.sum(axis=1) @ levels / total
    covariance = (counts @ levels) @ levels / total - mean_1 * mean_2
    height_1, height_2 = (
        np.exp(-(tau**2) / 2).sum(axis=1) / np.sqrt(2 * np.pi) for tau in (tau_1, tau_2)
    )
    return np.asarray(np.clip(covariance / (height_1 * height_2), -0.95, 0.95))
