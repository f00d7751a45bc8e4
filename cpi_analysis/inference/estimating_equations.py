"""Generalised estimating equations with covariances for few clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cpi_analysis.inference.group_sums import FloatArray, build_basis, check_arrays, fail

Working = Literal["exchangeable", "independence"]
Moments = Literal["liang_zeger", "geepack"]
CovarianceKind = Literal["mancl_derouen", "kauermann_carroll", "fay_graubard", "robust"]
MeanFamily = Literal["binomial", "poisson", "gaussian"]

#: Change of the linear predictor, over its size, when the iterations end.
CONVERGED = 1e-11
MOST_STEPS = 200
#: Largest diagonal leverage that Fay and Graubard correct in full.
FAY_GRAUBARD_BOUND = 0.75
#: A group decides a coefficient alone when its leverage is this close to 1.
FULL_LEVERAGE = 1e-8
#: A sandwich variance below this share of the inverse information is only rounding.
NO_VARIANCE = 1e-20


@dataclass(frozen=True, kw_only=True, eq=False)
class GeeFit:
    """Solution of the estimating equations.

    Parameters
    ----------
    beta
        Coefficients.
    alpha
        Correlation of two rows of a group; 0 under independence.
    is_held
        The estimated correlation left the range of correlations of so many rows (as a negative
        one may with large groups) or did not settle, and independence was used.
    scale
        Dispersion: mean squared Pearson residual, with the denominator of ``moments``.
    scores
        Contribution of each group to the equations, shape (groups, p).
    informations
        Contribution of each group to the derivative, shape (groups, p, p).
    """

    beta: FloatArray
    alpha: float
    is_held: bool
    scale: float
    scores: FloatArray
    informations: FloatArray
    n: int

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.scores)


class _State(NamedTuple):
    """Rows in units of their standard deviation: residuals, columns, and sums per group."""

    residual: FloatArray
    columns: FloatArray
    column_sums: FloatArray
    residual_sums: FloatArray


def solve_gee(
    response: FloatArray,
    design: FloatArray,
    groups: NDArray[np.intp],
    *,
    family: MeanFamily,
    working: Working = "exchangeable",
    moments: Moments = "liang_zeger",
    offset: FloatArray | None = None,
    column_names: Sequence[str] | None = None,
) -> GeeFit:
    """Solve generalised estimating equations.

    Parameters
    ----------
    response, design, groups
        Shapes (n,), (n, p) and (n,).
    family
        Mean and variance: ``"binomial"`` (logit), ``"poisson"`` (log), ``"gaussian"``.
    working
        Working correlation within a group.
    moments
        What the sums of squares and products are divided by: rows and pairs less p
        (``"liang_zeger"``, as SAS and statsmodels), or rows and pairs (``"geepack"``).
    offset
        Known part of the linear predictor.
    column_names
        Used in error messages only.

    Raises
    ------
    ModelError
        CPI-M001, M002, M004, M005, M006.

    Notes
    -----
    ``sum_i D_i' V_i^-1 (y_i - mu_i) = 0`` with ``V_i = phi A_i^1/2 R(alpha) A_i^1/2``. With equal
    correlations ``R^-1 = (I - c_i J) / (1 - alpha)``, ``c_i = alpha / (1 + (n_i - 1) alpha)``, so
    that sums per group are all that is needed. The correlation is estimated from where the
    equations under independence are solved; when it leaves the range in which ``R`` is positive
    definite, or does not settle at its edge, independence is kept: the equations are right under
    any working correlation.

    References
    ----------
    Liang KY, Zeger SL (1986). Longitudinal data analysis using generalized linear models.
    Biometrika 73:13-22.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0.0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0])
    >>> fit = solve_gee(y, np.ones((12, 1)), np.repeat(np.arange(4), 3), family="binomial")
    >>> round(float(fit.beta[0]), 6), round(fit.alpha, 3)
    (0.0, -0.333)
    """
    y, X, codes = check_arrays(response, design, groups)
    names = [f"column {k + 1}" for k in range(X.shape[1])] if column_names is None else column_names
    n, p = X.shape
    if n <= p:
        fail(
            "CPI-M001",
            f"{n} participants are too few for {p} coefficients",
            "analyse more participants or adjust for fewer columns",
        )
    if codes.max() == 0:
        fail(
            "CPI-M001",
            "all participants belong to one agency",
            "standard errors need several agencies",
        )
    Q, back, _ = build_basis(X, names)
    Q, back = Q * np.sqrt(n), back * np.sqrt(n)
    known = np.zeros(n) if offset is None else offset
    sizes = np.bincount(codes).astype(np.float64)
    equations = _Equations(y, Q, codes, sizes, known, family, moments)
    gamma, alpha, is_held = _solve(equations, working)
    return _finish(equations, gamma, alpha, is_held, back)


class _Equations(NamedTuple):
    """Everything that the equations need but the parameters."""

    y: FloatArray
    Q: FloatArray
    codes: NDArray[np.intp]
    sizes: FloatArray
    offset: FloatArray
    family: MeanFamily
    moments: Moments


def _solve(equations: _Equations, working: Working) -> tuple[FloatArray, float, bool]:
    """Return coefficients, correlation, and whether independence was kept."""
    start = _start(equations.y, equations.family) - equations.offset
    plain = _iterate(equations, equations.Q.T @ start / len(start), "independence")
    if plain is None:
        fail(
            "CPI-M005",
            "the estimating equations did not converge",
            "adjust for fewer columns, and look for groups with hardly any events",
        )
    if working == "independence":
        return *plain, False
    found = _iterate(equations, plain[0], working)
    return (*plain, True) if found is None else (*found, False)


def _iterate(
    equations: _Equations, gamma: FloatArray, working: Working
) -> tuple[FloatArray, float] | None:
    """Return coefficients and correlation; None without an end or outside of its range."""
    sizes, codes = equations.sizes, equations.codes
    alpha = 0.0
    for _ in range(MOST_STEPS):
        state = _standardise(equations, gamma)
        last = alpha
        if working == "exchangeable":
            alpha = _estimate_alpha(state, codes, sizes, equations.moments, equations.Q.shape[1])
            if not -1.0 / (sizes.max() - 1.0) < alpha < 1.0:
                return None
        weights = alpha / (1.0 + (sizes - 1.0) * alpha)
        information = state.columns.T @ state.columns
        information -= (state.column_sums * weights[:, None]).T @ state.column_sums
        score = state.columns.T @ state.residual
        score -= state.column_sums.T @ (weights * state.residual_sums)
        step = np.linalg.solve(information, score)
        # A step of a few units is far, in columns of length one.
        step *= min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-300))
        gamma = gamma + step
        change = max(float(np.abs(step).max()), abs(alpha - last))
        if change < CONVERGED * (1.0 + float(np.abs(gamma).max())):
            return gamma, alpha
    return None


def _start(y: FloatArray, family: MeanFamily) -> FloatArray:
    if family == "gaussian":
        return y
    if family == "poisson":
        return np.asarray(np.log(y + 0.5))
    return np.asarray(special.logit((y + 0.5) / 2))


def _standardise(equations: _Equations, gamma: FloatArray) -> _State:
    """Return residuals and derivatives of the mean over the standard deviation of each row."""
    y, Q, codes, family = equations.y, equations.Q, equations.codes, equations.family
    eta = Q @ gamma + equations.offset
    if family == "gaussian":
        mean, spread = eta, np.ones_like(eta)
    elif family == "poisson":
        mean = np.exp(np.minimum(eta, 500.0))
        spread = np.sqrt(mean)
    else:
        mean = special.expit(eta)
        spread = np.sqrt(mean * special.expit(-eta))
    spread = np.maximum(spread, 1e-150)
    # Links are canonical: the derivative of the mean is the variance.
    residual, columns = (y - mean) / spread, Q * spread[:, None]
    return _State(residual, columns, _add(columns, codes), _add(residual[:, None], codes)[:, 0])


def _add(values: FloatArray, codes: NDArray[np.intp]) -> FloatArray:
    """Return the sums of each group, shape (groups, columns)."""
    sums = [np.bincount(codes, column) for column in values.T]
    return np.stack(sums, axis=1).astype(np.float64)


def _estimate_alpha(
    state: _State, codes: NDArray[np.intp], sizes: FloatArray, moments: Moments, p: int
) -> float:
    """Return the correlation of two rows of a group."""
    squares = float(state.residual @ state.residual)
    pairs = float(np.sum(sizes * (sizes - 1) / 2))
    less = p if moments == "liang_zeger" else 0
    scale = squares / (len(codes) - less)
    if pairs <= less:
        fail(
            "CPI-M001",
            "too few pairs of participants share an agency for a correlation",
            "use working='independence'",
        )
    products = (float(state.residual_sums @ state.residual_sums) - squares) / 2
    return products / (pairs - less) / scale


def _finish(
    equations: _Equations, gamma: FloatArray, alpha: float, is_held: bool, back: FloatArray
) -> GeeFit:
    state = _standardise(equations, gamma)
    y, Q, codes, sizes = equations.y, equations.Q, equations.codes, equations.sizes
    n_groups, p = len(sizes), Q.shape[1]
    weights = alpha / (1.0 + (sizes - 1.0) * alpha)
    cross = np.zeros((n_groups, p, p))
    np.add.at(cross, codes, state.columns[:, :, None] * state.columns[:, None, :])
    sums = state.column_sums
    informations = cross - weights[:, None, None] * sums[:, :, None] * sums[:, None, :]
    scores = _add(state.columns * state.residual[:, None], codes)
    scores = scores - (weights * state.residual_sums)[:, None] * sums
    less = p if equations.moments == "liang_zeger" else 0
    to_gamma = np.linalg.inv(back)
    return GeeFit(
        beta=back @ gamma,
        alpha=alpha,
        is_held=is_held,
        scale=float(state.residual @ state.residual) / (len(y) - less),
        scores=scores / (1.0 - alpha) @ to_gamma,
        informations=to_gamma.T @ informations @ to_gamma / (1.0 - alpha),
        n=len(y),
    )


def compute_gee_covariance(fit: GeeFit, kind: CovarianceKind) -> FloatArray:
    """Return a sandwich covariance of the coefficients.

    Parameters
    ----------
    fit
        Solution of the equations.
    kind
        ``"robust"`` without correction, too small with few groups; ``"mancl_derouen"`` (residuals
        over ``1 - leverage``, as leaving each group out), ``"kauermann_carroll"`` (over its square
        root), ``"fay_graubard"`` (the square root of the diagonal, bounded).

    Raises
    ------
    ModelError
        CPI-M007 when a group decides a coefficient alone, M003 when groups do not differ.

    Notes
    -----
    With ``G_i`` the information of group i, ``M = (sum G_i)^-1`` and ``U_i`` its score, the
    covariance is ``M (sum F_i U_i U_i' F_i') M``, ``F_i = (I - G_i M)^-1`` (Mancl-DeRouen),
    ``(I - G_i M)^-1/2`` (Kauermann-Carroll), ``diag(1 - min(3/4, (G_i M)_kk))^-1/2``
    (Fay-Graubard). The published forms have n_i x n_i leverages ``D_i M D_i' V_i^-1``; for any
    function f, ``D' V^-1 f(D M D' V^-1) = f(G M) D' V^-1``, so that p x p is enough.

    References
    ----------
    Mancl LA, DeRouen TA (2001). A covariance estimator for GEE with improved small-sample
    properties. Biometrics 57:126-134. Kauermann G, Carroll RJ (2001). A note on the efficiency
    of sandwich covariance matrix estimation. JASA 96:1387-1396. Fay MP, Graubard BI (2001).
    Small-sample adjustments for Wald-type tests using sandwich estimators. Biometrics
    57:1198-1206.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0.0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 0])
    >>> fit = solve_gee(y, np.ones((12, 1)), np.repeat(np.arange(4), 3), family="binomial")
    >>> robust, corrected = (
    ...     compute_gee_covariance(fit, kind)[0, 0] for kind in ("robust", "mancl_derouen")
    ... )
    >>> bool(np.isclose(corrected / robust, (4 / 3) ** 2))
    True
    """
    total = fit.informations.sum(axis=0)
    inverse = np.linalg.inv(total)
    scores = fit.scores
    if kind == "fay_graubard":
        leverage = np.einsum("gij,ji->gi", fit.informations, inverse)
        scores = scores / np.sqrt(1.0 - np.minimum(leverage, FAY_GRAUBARD_BOUND))
        return _require_positive(inverse @ (scores.T @ scores) @ inverse, inverse)
    # M = L L': G M has the eigenvalues of the symmetric L' G L.
    root = np.linalg.cholesky((inverse + inverse.T) / 2)
    moved = scores @ root
    if kind != "robust":
        power = -1.0 if kind == "mancl_derouen" else -0.5
        roots, vectors = np.linalg.eigh(root.T @ fit.informations @ root)
        if roots.max() > 1.0 - FULL_LEVERAGE:
            fail(
                "CPI-M007",
                "one agency decides a coefficient alone, so that its error cannot be estimated",
                "leave out the column that only this agency carries, or have at least two "
                "agencies in each group",
            )
        along = np.einsum("gji,gj->gi", vectors, moved) * (1.0 - roots) ** power
        moved = np.einsum("gij,gj->gi", vectors, along)
    influence = moved @ root.T
    return _require_positive(influence.T @ influence, inverse)


def _require_positive(covariance: FloatArray, inverse: FloatArray) -> FloatArray:
    """Refuse a variance of zero: agencies that agree to the last digit show no error."""
    if (np.diag(covariance) <= NO_VARIANCE * np.diag(inverse)).any():
        fail(
            "CPI-M003",
            "the agencies do not differ in the outcome at all: a robust standard error is zero",
            "check that the outcome was not made from the agency, and use fit_glmm",
        )
    return np.asarray(covariance)
