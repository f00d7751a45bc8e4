"""Linear mixed models with any random effects, by (restricted) maximum likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import check_arrays, fail
from cpi_analysis.inference.lmm_criterion import (
    Method,
    State,
    compute_criterion,
    compute_gradient,
    count_df,
    evaluate,
)
from cpi_analysis.inference.lmm_start import start_nested
from cpi_analysis.inference.lmm_structure import RandomTerm, Structure, build_structure

FloatArray = NDArray[np.float64]

#: A root of G below this, relative to the residual, is taken to the boundary.
NEAR_ZERO = 1e-4
#: Gradient of the criterion at which the optimum is polished enough.
POLISHED = 1e-8
#: A direction in which the criterion falls more steeply than this leaves a boundary.
FALLS = 1e-6
#: Step of the differences of the exact gradient.
STEP = 1e-5
MOST_ESCAPES = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearMixedModelFit:
    """A fitted linear mixed model.

    Parameters
    ----------
    beta, cov
        Coefficients (p,), and ``(X'V^-1X)^-1`` (p, p) without small-sample correction.
    random_covariances
        For each random term its covariance matrix G (k, k), in the units of the data.
    residual_variances
        Variance of each residual group.
    log_likelihood
        Maximised, restricted under REML, with all constants (as in lme4).
    is_singular
        Some matrix G has no full rank: a variance of zero or a correlation of one.
    effects
        For each random term the predicted effects (levels, k).
    n, n_levels
        Rows, and levels of each term.
    """

    beta: FloatArray
    cov: FloatArray
    random_covariances: tuple[FloatArray, ...]
    residual_variances: FloatArray
    log_likelihood: float
    is_singular: bool
    effects: tuple[FloatArray, ...]
    method: Method
    n: int
    n_levels: tuple[int, ...]
    structure: Structure = field(repr=False)
    state: State = field(repr=False)

    @property
    def std_error(self) -> FloatArray:
        """Standard errors without small-sample correction."""
        return np.sqrt(np.diag(self.cov))


class _Layout(NamedTuple):
    """Parameters: lower triangles of each root, row by row, then log residual ratios."""

    sizes: tuple[int, ...]
    n_residual: int

    @property
    def diagonal(self) -> NDArray[np.bool_]:
        parts = [np.equal(*np.tril_indices(k)) for k in self.sizes]
        return np.concatenate([*parts, np.zeros(self.n_residual - 1, dtype=bool)])

    def roots(self, theta: FloatArray) -> list[FloatArray]:
        matrices, start = [], 0
        for k in self.sizes:
            L = np.zeros((k, k))
            count = k * (k + 1) // 2
            L[np.tril_indices(k)] = theta[start : start + count]
            matrices.append(L)
            start += count
        return matrices

    def ratios(self, theta: FloatArray) -> FloatArray:
        if self.n_residual == 1:
            return np.ones(1)
        logs = np.concatenate([[0.0], theta[len(theta) - self.n_residual + 1 :]])
        return np.asarray(np.exp(logs), dtype=np.float64)

    def pack(self, roots: Sequence[FloatArray], ratios: FloatArray) -> FloatArray:
        parts = [L[np.tril_indices(len(L))] for L in roots]
        return np.concatenate([*parts, np.log(ratios[1:] / ratios[0])])


def fit_linear_mixed_model(
    response: ArrayLike,
    design: ArrayLike,
    random_terms: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    method: Method = "REML",
    residual_groups: ArrayLike | None = None,
    column_names: Sequence[str] | None = None,
) -> LinearMixedModelFit:
    """Fit a linear model with nested, crossed or correlated random effects.

    Parameters
    ----------
    response
        Outcome, shape (n,).
    design
        Fixed-effects columns, shape (n, p).
    random_terms
        Pairs of columns (n, k) and codes of the groups (n,): an intercept is a column of ones.
        Effects of one pair are correlated; pairs are independent of each other.
    method
        ``"REML"`` or ``"ML"``.
    residual_groups
        Code of the residual variance of each row, for a variance that differs by time or arm.
    column_names
        Names of the columns of the design, for error messages.

    Returns
    -------
    LinearMixedModelFit

    Raises
    ------
    ModelError
        CPI-M001 too few rows or groups, M002 collinear columns, M003 the outcome does not
        vary, M004 shapes or method, M005 no optimum was found, M006 not finite, M007 every
        row is its own group, so that its variance cannot be told from the residual.

    Notes
    -----
    ``y = X beta + sum_t Z_t b_t + e``. The criterion is profiled over coefficients and residual
    variance and minimised over Cholesky roots, on least-squares residuals so that a large mean
    costs no precision, then polished by Newton steps. A root of zero is always stationary: at
    a boundary the derivative in the *variances*, restricted to the null space of G, must not
    fall in any direction (Karush-Kuhn-Tucker), or the fit goes on along the direction that
    falls.

    References
    ----------
    Bates D, Mächler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models using
    lme4. Journal of Statistical Software 67(1).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 3.0, 4.0])
    >>> fit = fit_linear_mixed_model(
    ...     y, np.ones((6, 1)), [(np.ones((6, 1)), np.array([0, 0, 1, 1, 2, 2]))]
    ... )
    >>> float(fit.random_covariances[0][0, 0].round(6)), float(fit.residual_variances[0].round(6))
    (2.083333, 0.5)
    """
    if method not in ("REML", "ML"):
        fail("CPI-M004", "the method is not known", "use method='REML' or method='ML'")
    y, X, terms, residual = check_model(
        response, design, random_terms, residual_groups, column_names
    )
    start = np.asarray(np.linalg.lstsq(X, y, rcond=None)[0], dtype=np.float64)
    rest = y - X @ start
    spread = float(np.sqrt(np.mean(rest**2)))
    if spread <= 1e-12 * max(float(np.abs(y).max()), np.finfo(float).tiny):
        fail("CPI-M003", "the columns explain the outcome exactly", "check the outcome")
    structure = build_structure(rest / spread, X, terms, residual)
    layout = _Layout(structure.sizes, structure.n_residual)
    nested = start_nested(rest / spread, X, terms, residual, method)
    theta = _optimise(structure, layout, method, nested)
    return _finish(structure, layout, theta, method, start, spread)


def check_model(
    response: ArrayLike,
    design: ArrayLike,
    random_terms: Sequence[tuple[ArrayLike, ArrayLike]],
    residual_groups: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> tuple[FloatArray, FloatArray, list[RandomTerm], NDArray[np.intp]]:
    """Return response, design, terms and residual groups, or raise when there is no such model."""
    if not random_terms:
        fail("CPI-M004", "there is no random term", "give at least an intercept per agency")
    terms = []
    y, X = np.empty(0), np.empty((0, 0))
    for columns, groups in random_terms:
        y, X, codes = check_arrays(response, design, groups)
        Z = np.asarray(columns, dtype=np.float64)
        if Z.ndim != 2 or len(Z) != len(y) or not np.isfinite(Z).all() or not Z.any(axis=0).all():
            fail("CPI-M004", "the columns of a random term cannot be used", "check its formula")
        codes = np.unique(codes, return_inverse=True)[1]
        if codes.max() < 1:
            fail("CPI-M001", "a grouping has one group", "a variance needs several groups")
        if codes.max() + 1 == len(y):
            fail(
                "CPI-M007",
                "every row is a group of its own",
                "its variance cannot be told from the residual: leave the grouping out",
            )
        terms.append(RandomTerm(Z, np.asarray(codes, dtype=np.intp)))
    scaled = X / np.maximum(np.abs(X).max(axis=0), np.finfo(float).tiny)
    if np.linalg.matrix_rank(scaled) < X.shape[1]:
        said = "" if names is None else f" ({', '.join(names)})"
        fail("CPI-M002", f"columns are collinear{said}", "leave out those that follow")
    if len(y) <= X.shape[1] + 1:
        fail("CPI-M001", "there are hardly more rows than columns", "use fewer covariates")
    residual = np.zeros(len(y), dtype=np.intp)
    if residual_groups is not None:
        residual = np.unique(np.asarray(residual_groups), return_inverse=True)[1].astype(np.intp)
    return y, X, terms, residual


def _optimise(
    structure: Structure, layout: _Layout, method: Method, nested: FloatArray | None
) -> FloatArray:
    best = nested
    if best is None:
        best = _descend(structure, layout, method, _start(layout, 1.0))
    for _ in range(MOST_ESCAPES):
        theta = _settle(structure, layout, method, best)
        away = _find_escape(structure, layout, method, theta)
        if away is None:
            return theta
        best = _descend(structure, layout, method, away)
    return fail(
        "CPI-M005",
        "no optimum of the variances was found",
        "leave out a random term, or put its columns on a scale near one",
    )


def _start(layout: _Layout, size: float) -> FloatArray:
    return layout.pack([np.eye(k) * size for k in layout.sizes], np.ones(layout.n_residual))


def _value_and_gradient(
    structure: Structure, layout: _Layout, method: Method, theta: FloatArray
) -> tuple[float, FloatArray]:
    roots, ratios = layout.roots(theta), layout.ratios(theta)
    state = evaluate(structure, np.concatenate([L.ravel() for L in roots]), ratios)
    entries, slopes = compute_gradient(structure, state, method)
    parts, start = [], 0
    for L in roots:
        k = len(L)
        S = entries[start : start + k * k].reshape(k, k)
        parts.append(((S + S.T) @ L)[np.tril_indices(k)])
        start += k * k
    gradient = np.concatenate([*parts, slopes[1:] * ratios[1:]])
    return compute_criterion(structure, state, method), gradient


def _descend(
    structure: Structure, layout: _Layout, method: Method, start: FloatArray
) -> FloatArray:
    from scipy.optimize import minimize

    bounds = [(0.0, None) if is_diagonal else (None, None) for is_diagonal in layout.diagonal]

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        return _value_and_gradient(structure, layout, method, theta)

    found = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-6},
    )
    return np.asarray(found.x, dtype=np.float64)


def _settle(structure: Structure, layout: _Layout, method: Method, theta: FloatArray) -> FloatArray:
    """Put roots near zero on the boundary where that is no worse, and polish the others."""
    trial = np.where(layout.diagonal & (theta < NEAR_ZERO), 0.0, theta)
    if (trial != theta).any():
        value, _ = _value_and_gradient(structure, layout, method, theta)
        if _value_and_gradient(structure, layout, method, trial)[0] <= value + 1e-9:
            theta = trial
    free = ~(layout.diagonal & (theta == 0.0))
    # A column of a root below a zero on the diagonal has nothing left to say.
    return _polish(structure, layout, method, theta, free)


def _polish(
    structure: Structure,
    layout: _Layout,
    method: Method,
    theta: FloatArray,
    free: NDArray[np.bool_],
) -> FloatArray:
    places = np.flatnonzero(free)
    value, gradient = _value_and_gradient(structure, layout, method, theta)
    for _ in range(12):
        if not len(places) or np.abs(gradient[places]).max() < POLISHED:
            break
        step = _newton_step(structure, layout, method, theta, gradient, places)
        for shorten in (1.0, 0.5, 0.1, 0.01):
            trial = theta.copy()
            trial[places] -= shorten * step
            trial = np.where(layout.diagonal, np.maximum(trial, 0.0), trial)
            new_value, new_gradient = _value_and_gradient(structure, layout, method, trial)
            smaller = np.abs(new_gradient[places]).max() < np.abs(gradient[places]).max()
            if new_value < value or (new_value <= value + 1e-9 and smaller):
                break
        else:
            break
        theta, value, gradient = trial, new_value, new_gradient
    return theta


def _newton_step(
    structure: Structure,
    layout: _Layout,
    method: Method,
    theta: FloatArray,
    gradient: FloatArray,
    places: NDArray[np.intp],
) -> FloatArray:
    hessian = np.empty((len(places), len(places)))
    for row, place in enumerate(places):
        step = STEP * max(1.0, abs(theta[place]))
        sides = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[place] += sign * step
            sides.append(_value_and_gradient(structure, layout, method, moved)[1][places])
        hessian[row] = (sides[0] - sides[1]) / (2 * step)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    safe = np.maximum(np.abs(values), 1e-8 * max(float(np.abs(values).max()), 1.0))
    return np.asarray(vectors @ ((vectors.T @ gradient[places]) / safe), dtype=np.float64)


def _find_escape(
    structure: Structure, layout: _Layout, method: Method, theta: FloatArray
) -> FloatArray | None:
    """Return a better starting point when the boundary is not an optimum, or None."""
    roots, ratios = layout.roots(theta), layout.ratios(theta)
    if not any(_find_null(L).shape[1] for L in roots):
        return None
    state = evaluate(structure, np.concatenate([L.ravel() for L in roots]), ratios)
    value = compute_criterion(structure, state, method)
    entries, _ = compute_gradient(structure, state, method)
    start = 0
    for index, L in enumerate(roots):
        k = len(L)
        slope = entries[start : start + k * k].reshape(k, k)
        start += k * k
        G, null = L @ L.T, _find_null(L)
        if not null.shape[1]:
            continue
        inner = null.T @ (slope + slope.T) @ null / 2
        fall, direction = np.linalg.eigh(inner)
        if fall[0] >= -FALLS:
            continue
        away = null @ direction[:, 0]
        for size in (1.0, 0.3, 0.1, 0.03, 0.01, 1e-3):
            changed = list(roots)
            changed[index] = _take_root(G + size**2 * np.outer(away, away))
            trial = layout.pack(changed, ratios)
            if _value_and_gradient(structure, layout, method, trial)[0] < value - 1e-10:
                return trial
    return None


def _find_null(L: FloatArray) -> FloatArray:
    """Return directions in which G = L L' has no variance, as columns."""
    values, vectors = np.linalg.eigh(L @ L.T)
    return np.asarray(vectors[:, values <= NEAR_ZERO**2 * max(1.0, values.max())])


def _take_root(G: FloatArray) -> FloatArray:
    """Return a lower triangle L with G = L L', for G without full rank too."""
    values, vectors = np.linalg.eigh(G)
    half = vectors * np.sqrt(np.maximum(values, 0.0))
    upper = np.linalg.qr(half.T, mode="r")
    signs = np.where(np.diag(upper) < 0, -1.0, 1.0)
    return np.asarray((signs[:, None] * upper).T, dtype=np.float64)


def _finish(
    structure: Structure,
    layout: _Layout,
    theta: FloatArray,
    method: Method,
    start: FloatArray,
    spread: float,
) -> LinearMixedModelFit:
    roots, ratios = layout.roots(theta), layout.ratios(theta)
    state = evaluate(structure, np.concatenate([L.ravel() for L in roots]), ratios)
    df = count_df(structure, method)
    variance = state.rest / df * spread**2
    criterion = compute_criterion(structure, state, method) + 2 * df * np.log(spread)
    covariances, effects, first = [], [], 0
    predicted = (state.shrunk[:, -1] - state.shrunk[:, :-1] @ state.beta) * spread
    for L, scale, n_levels in zip(roots, structure.scales, structure.levels, strict=True):
        k = len(L)
        covariances.append(L @ L.T * variance / np.outer(scale, scale))
        effects.append(predicted[first : first + k * n_levels].reshape(n_levels, k) / scale)
        first += k * n_levels
    singular = any(
        np.linalg.eigvalsh(L @ L.T)[0] <= NEAR_ZERO**2 * max(1.0, float(np.max(L @ L.T)))
        for L in roots
    )
    return LinearMixedModelFit(
        beta=start + state.beta * spread,
        cov=state.inverse * variance,
        random_covariances=tuple(covariances),
        residual_variances=ratios * variance,
        log_likelihood=float(-criterion / 2),
        is_singular=singular,
        effects=tuple(effects),
        method=method,
        n=structure.n,
        n_levels=structure.levels,
        structure=structure,
        state=state,
    )
