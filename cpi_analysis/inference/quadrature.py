"""Likelihood of a model with one random intercept, by adaptive Gauss-Hermite quadrature."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.outcome_families import Family, FloatArray, Terms

#: Newton steps for the modes; the log-likelihoods are concave, so that few are needed.
MOST_STEPS = 100
MODE_TOLERANCE = 1e-11


class Model(NamedTuple):
    """Design, offset, groups (codes 0 ... G - 1) and outcome; each group has an intercept."""

    design: FloatArray
    offset: FloatArray
    groups: NDArray[np.intp]
    n_groups: int
    family: Family

    def add(self, values: FloatArray) -> FloatArray:
        """Return the sum of the rows of each group; ``values`` has shape (n,) or (n, k)."""
        if values.ndim == 1:
            return np.asarray(np.bincount(self.groups, values, self.n_groups), dtype=np.float64)
        columns = (np.bincount(self.groups, column, self.n_groups) for column in values.T)
        return np.stack(list(columns), axis=1)


class Nodes(NamedTuple):
    """Gauss-Hermite nodes with the logarithm of their weights, the kernel taken out."""

    places: FloatArray
    log_weights: FloatArray


def make_nodes(points: int) -> Nodes:
    """Return nodes for integrals over the real line; one point is the Laplace approximation."""
    places, weights = np.polynomial.hermite.hermgauss(points)
    return Nodes(places, np.log(weights) + places**2 - 0.5 * np.log(2 * np.pi))


def split_parameters(model: Model, theta: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Return coefficients, extra parameters and the standard deviation of the intercepts."""
    p = model.design.shape[1]
    return theta[:p], theta[p:-1], float(theta[-1])


def find_modes(model: Model, theta: FloatArray, start: FloatArray | None = None) -> FloatArray:
    """Return for each group the standardised intercept where the integrand is largest.

    Raises
    ------
    FloatingPointError
        When Newton's method does not settle: the parameters are out of reach.
    """
    beta, extra, sd = split_parameters(model, theta)
    base = model.design @ beta + model.offset

    def height(u: FloatArray) -> tuple[FloatArray, Terms]:
        terms = model.family.evaluate(base + sd * u[model.groups], extra)
        return model.add(terms.value) - 0.5 * u**2, terms

    u = np.zeros(model.n_groups) if start is None else start.copy()
    value, terms = height(u)
    for _ in range(MOST_STEPS):
        slope = sd * model.add(terms.first) - u
        step = slope / (1.0 - sd**2 * model.add(terms.second))
        if not np.isfinite(step).all():
            break
        if np.abs(step).max(initial=0.0) < MODE_TOLERANCE:
            return u + step
        new, terms = height(u + step)
        # Halve the steps that overshoot; near the top only rounding tells them apart.
        for _ in range(MOST_STEPS):
            worse = ~(new >= value - 1e-9 * (1 + np.abs(value)))
            if not worse.any():
                break
            step = np.where(worse, step / 2, step)
            new, terms = height(u + step)
        u, value = u + step, new
    raise FloatingPointError("the modes of the random intercepts were not found")


class Likelihood(NamedTuple):
    """Log-likelihood, its gradient, and modes with the curvature of the integrand there."""

    value: float
    gradient: FloatArray
    modes: FloatArray
    curvatures: FloatArray


def compute_likelihood(
    model: Model, theta: FloatArray, nodes: Nodes, start: FloatArray | None = None
) -> Likelihood:
    """Return the marginal log-likelihood with its exact gradient.

    Notes
    -----
    With ``g(u)`` the log-likelihood of a group at standardised intercept ``u`` less ``u^2 / 2``,
    mode ``m`` and curvature ``H = -g''(m)``, the likelihood of the group is
    ``sum_k w_k exp(z_k^2) exp(g(m + s z_k)) s / sqrt(2 pi)``, ``s = sqrt(2 / H)``. The gradient
    follows mode and curvature: ``dm = (d g') / H``, ``ds / s = -dH / 2 H``.
    """
    beta, extra, sd = split_parameters(model, theta)
    modes = find_modes(model, theta, start)
    base = model.design @ beta + model.offset
    top = model.family.evaluate(base + sd * modes[model.groups], extra)
    first, second, third = model.add(top.first), model.add(top.second), model.add(top.third)
    curvature = 1.0 - sd**2 * second
    scale = np.sqrt(2.0 / curvature)
    u = modes[:, None] + scale[:, None] * nodes.places
    at = model.family.evaluate(base[:, None] + sd * u[model.groups], extra)
    logs = model.add(at.value) - 0.5 * u**2 + nodes.log_weights
    highest = logs.max(axis=1)
    shares = np.exp(logs - highest[:, None])
    total = shares.sum(axis=1)
    shares /= total[:, None]
    value = float(np.sum(highest + np.log(total) + np.log(scale)))
    # How the log-likelihood changes with the mode, and with the logarithm of the scale.
    score = model.add(at.first)
    slope = (sd * score - u) * shares
    by_log_scale = -0.5 * ((slope * nodes.places).sum(axis=1) * scale + 1.0) / curvature
    by_mode = (slope.sum(axis=1) - by_log_scale * sd**3 * third) / curvature
    of_mode, of_scale = by_mode[model.groups], by_log_scale[model.groups]
    row_shares = shares[model.groups]
    per_row = (
        (at.first * row_shares).sum(axis=1)
        + of_mode * sd * top.second
        - of_scale * sd**2 * top.third
    )
    per_extra = (at.extra[:, 0] * row_shares).sum(axis=(1, 2)) + (
        of_mode * sd * top.extra[:, 1] - of_scale * sd**2 * top.extra[:, 2]
    ).sum(axis=1)
    per_sd = np.sum(
        (score * u * shares).sum(axis=1)
        + by_mode * (first + sd * modes * second)
        - by_log_scale * (2 * sd * second + sd**2 * modes * third)
    )
    gradient = np.concatenate([model.design.T @ per_row, per_extra, [per_sd]])
    return Likelihood(value, gradient, modes, curvature)


def compute_variance_slope(model: Model, terms: Terms) -> float:
    """Return the derivative of the log-likelihood in the variance of the intercepts, at zero."""
    return float(0.5 * np.sum(model.add(terms.first) ** 2 + model.add(terms.second)))
