"""A random-intercept linear mixed model, fitted by (restricted) maximum likelihood.

The model is ``y = X beta + b[group] + e`` with ``b ~ N(0, tau^2)`` and ``e ~ N(0, sigma^2)``.
Everything that the likelihood needs is a handful of sums per group, so one evaluation costs
the same whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import (
    GroupSums,
    check_arrays,
    check_identified,
    fail,
    summarise_groups,
)

FloatArray = NDArray[np.float64]
Method = Literal["REML", "ML"]

#: Trial values of (variance ratio x mean group size); zero is added to them. The profile
#: criterion may have two minima: each downward-to-upward change of slope is polished.
RATIO_GRID = np.logspace(-6, 9, 61)


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomInterceptFit:
    """A fitted random-intercept model.

    Parameters
    ----------
    beta
        Coefficients, shape (p,), in the order of the columns of the design.
    cov
        Their covariance ``(X' V^-1 X)^-1``, shape (p, p), without small-sample correction.
    agency_variance, residual_variance
        Variance between groups and within groups.
    log_likelihood
        Maximised log-likelihood, restricted under REML, with all constants (as in lme4).
    is_singular
        The variance between groups was estimated as zero: the fit equals least squares.
    n, n_groups
        Number of rows and of groups.
    between_df
        Degrees of freedom that the groups have left after the columns that do not vary
        within groups.
    method
        ``"REML"`` or ``"ML"``.
    """

    beta: FloatArray
    cov: FloatArray
    agency_variance: float
    residual_variance: float
    log_likelihood: float
    is_singular: bool
    n: int
    n_groups: int
    between_df: int
    method: Method
    sums: GroupSums = field(repr=False)

    @property
    def std_error(self) -> FloatArray:
        """Standard errors without small-sample correction."""
        return np.sqrt(np.diag(self.cov))

    @property
    def icc(self) -> float:
        """Share of the variance that lies between groups."""
        return self.agency_variance / (self.agency_variance + self.residual_variance)


def fit_random_intercept(
    response: ArrayLike,
    design: ArrayLike,
    groups: ArrayLike,
    *,
    method: Method = "REML",
    column_names: Sequence[str] | None = None,
) -> RandomInterceptFit:
    """Fit a linear model with a random intercept per group.

    Parameters
    ----------
    response
        Outcome, shape (n,).
    design
        Fixed-effects columns, shape (n, p), with the intercept if there is to be one.
    groups
        Integer code of the group of each row, shape (n,).
    method
        ``"REML"`` (restricted) or ``"ML"``.
    column_names
        Names of the columns of ``design``, used in error messages only.

    Returns
    -------
    RandomInterceptFit

    Raises
    ------
    ModelError
        CPI-M001 too few groups or rows, M002 collinear columns, M003 nothing varies, M004 the
        shapes or the method are not usable, M006 values that are not finite, M007 too little
        is left within groups.

    Notes
    -----
    With ``lambda = tau^2 / sigma^2`` and ``V0 = I + lambda Z Z'`` the REML criterion, profiled
    over ``beta`` and ``sigma^2``, is

    ``log|V0| + log|X' V0^-1 X| + (n - p) (1 + log(2 pi r^2 / (n - p)))``

    where ``r^2`` is the generalised residual sum of squares; ML drops the second term and
    divides by ``n``. Its derivative in ``lambda`` is closed-form. The criterion is scanned over
    a grid, every minimum is polished to the root of the derivative, and the lowest wins. Zero
    is a solution when the slope there is not negative (Karush-Kuhn-Tucker on the variance
    scale; on the scale of the standard deviation zero is always stationary and proves nothing).
    The fit is done on least-squares residuals so that a large mean costs no precision.

    References
    ----------
    Bates D, Mächler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models using
    lme4. Journal of Statistical Software 67(1), equations 33-42.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 3.0, 4.0])
    >>> fit = fit_random_intercept(y, np.ones((6, 1)), np.array([0, 0, 1, 1, 2, 2]))
    >>> round(fit.agency_variance, 6), round(fit.residual_variance, 6)
    (2.083333, 0.5)
    """
    if method not in ("REML", "ML"):
        fail("CPI-M004", "the method is not known", "use method='REML' or method='ML'")
    y, X, codes = check_arrays(response, design, groups)
    names = [f"column {k + 1}" for k in range(X.shape[1])] if column_names is None else column_names
    sums = summarise_groups(y, X, codes, names)
    check_identified(sums)
    ratio = _minimise(sums, method)
    return _finish(sums, ratio, method)


class _State(NamedTuple):
    """The model at each of some variance ratios; the first axis runs over the ratios."""

    weights: FloatArray
    information: FloatArray
    inverse: FloatArray
    gamma: FloatArray
    between: FloatArray
    rest: FloatArray


def _evaluate(sums: GroupSums, ratios: FloatArray) -> _State:
    """Solve for the coefficients (in the basis ``Q``) at each variance ratio."""
    q, r, p = sums.design_means, sums.residual_means, sums.p
    weights = sums.sizes / (1.0 + ratios[:, None] * sums.sizes)
    information = (weights @ sums.outer + sums.within_design.ravel()).reshape(-1, p, p)
    inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    score = sums.within_cross + weights @ (q * r[:, None])
    gamma = (inverse @ score[:, :, None])[:, :, 0]
    between = r - gamma @ q.T
    within = np.sum(gamma * (gamma @ sums.within_design - 2 * sums.within_cross), axis=1)
    rest = sums.within_residual + within + np.sum(weights * between**2, axis=1)
    return _State(weights, information, inverse, gamma, between, rest)


def compute_profile(sums: GroupSums, ratios: FloatArray, method: Method) -> FloatArray:
    """Return the profiled criterion (-2 log-likelihood) at each variance ratio."""
    state = _evaluate(sums, ratios)
    df = _count_df(sums, method)
    value: FloatArray = np.log1p(ratios[:, None] * sums.sizes).sum(axis=1)
    value = value + df * (1.0 + np.log(2 * np.pi * state.rest / df))
    if method == "REML":
        value = value + np.linalg.slogdet(state.information)[1] + sums.log_det_basis
    return value


def _compute_slope(sums: GroupSums, ratios: FloatArray, method: Method) -> FloatArray:
    """Return the derivative of the profiled criterion in the variance ratio."""
    state = _evaluate(sums, ratios)
    fall = np.sum((state.weights * state.between) ** 2, axis=1) / state.rest
    slope: FloatArray = state.weights.sum(axis=1) - _count_df(sums, method) * fall
    if method == "REML":
        leverage = state.inverse.reshape(len(ratios), -1) @ sums.outer.T
        slope = slope - np.sum(state.weights**2 * leverage, axis=1)
    return slope


def _count_df(sums: GroupSums, method: Method) -> int:
    return sums.n - sums.p if method == "REML" else sums.n


def _minimise(sums: GroupSums, method: Method) -> float:
    """Return the variance ratio with the lowest criterion; a zero is exact."""
    grid = np.concatenate([[0.0], RATIO_GRID / sums.sizes.mean()])
    slope = _compute_slope(sums, grid, method)
    candidates = [0.0] if slope[0] >= 0 else []
    turns = np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0))
    candidates += [_polish(sums, grid[k], grid[k + 1], method) for k in turns]
    if not candidates:
        fail(
            "CPI-M003",
            "the outcome does not vary within agencies",
            "analyse the means of the agencies instead",
        )
    if len(candidates) == 1:
        return candidates[0]
    values = compute_profile(sums, np.array(candidates), method)
    return candidates[int(np.argmin(values))]


def _polish(sums: GroupSums, low: float, high: float, method: Method) -> float:
    """Return the root of the slope between two neighbours of the grid."""
    from scipy.optimize import brentq

    def slope(ratio: float) -> float:
        return float(_compute_slope(sums, np.array([ratio]), method)[0])

    # Alone and in a batch the slope may differ by rounding: then ``high`` is the root.
    if slope(low) >= 0 or slope(high) <= 0:
        return float(high)
    return float(brentq(slope, low, high, xtol=1e-300, rtol=1e-13))


def _finish(sums: GroupSums, ratio: float, method: Method) -> RandomInterceptFit:
    at = np.array([ratio])
    state = _evaluate(sums, at)
    residual_variance = float(state.rest[0] / _count_df(sums, method))
    back = sums.to_coefficients
    cov = back @ state.inverse[0] @ back.T * residual_variance
    return RandomInterceptFit(
        beta=sums.ols_coefficients + back @ state.gamma[0],
        cov=(cov + cov.T) / 2,
        agency_variance=ratio * residual_variance,
        residual_variance=residual_variance,
        log_likelihood=float(-compute_profile(sums, at, method)[0] / 2),
        is_singular=ratio == 0.0,
        n=sums.n,
        n_groups=len(sums.sizes),
        between_df=len(sums.sizes) + sums.within_rank - sums.p,
        method=method,
        sums=sums,
    )
