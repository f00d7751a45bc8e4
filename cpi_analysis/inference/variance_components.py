"""Variance components of crossed and nested groupings by REML, fast for many random effects.

The grouping with the most levels is eliminated in closed form (its block of the mixed-model
equations is diagonal) and enters through one matrix per number of rows of a level; what is left
to factorise has the size of the other groupings. The gradient is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import fail
from cpi_analysis.inference.linear_mixed_model import check_model

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

#: A ratio to the residual variance below this, tried at zero.
NEAR_ZERO = 1e-6
#: Gradient in the root ratios at which the optimum is found.
POLISHED = 1e-7
STEP = 1e-5
MOST_ROUNDS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class VarianceComponentFit:
    """Variance components by REML.

    Parameters
    ----------
    components
        Variance of each grouping, in the order given, and of the residual, last.
    cov
        Their large-sample covariance, from the observed information; missing for components at
        zero.
    beta, beta_cov
        Fixed coefficients and ``(X'V^-1X)^-1``.
    log_likelihood
        Restricted, with all constants (as in lme4).
    is_zero
        Whether a component lies at zero; the residual never does.
    n_levels
        Levels of each grouping.
    n
        Rows.
    """

    components: FloatArray
    cov: FloatArray
    beta: FloatArray
    beta_cov: FloatArray
    log_likelihood: float
    is_zero: NDArray[np.bool_]
    n_levels: tuple[int, ...]
    n: int

    @property
    def std_error(self) -> FloatArray:
        """Standard errors of the components."""
        return np.sqrt(np.diag(self.cov))


class _Products(NamedTuple):
    """Cross-products: ``a`` is the eliminated grouping, ``b`` are the others side by side.

    ``kernels`` hold, for each number of rows that a level of ``a`` has (``sizes``), the sum
    over such levels of the products of their rows of ``cross`` (b × a).
    """

    n: int
    p: int
    joined: FloatArray
    counts: FloatArray
    sums_a: FloatArray
    sums_b: FloatArray
    gram_b: FloatArray
    cross: Any
    sizes: FloatArray
    kernels: FloatArray
    term_b: IntArray
    order: tuple[int, ...]


class _State(NamedTuple):
    log_det: float
    information: FloatArray
    beta: FloatArray
    rest: float
    traces: FloatArray
    information_parts: FloatArray
    squares: FloatArray


def fit_variance_components(
    response: ArrayLike, groupings: Sequence[ArrayLike], *, design: ArrayLike | None = None
) -> VarianceComponentFit:
    """Fit a model with one random intercept per grouping by restricted maximum likelihood.

    Parameters
    ----------
    response
        Outcome, shape (n,).
    groupings
        Codes of each grouping, shape (n,): nested or crossed, in any order.
    design
        Fixed-effects columns, shape (n, p); None for the mean alone.

    Returns
    -------
    VarianceComponentFit

    Raises
    ------
    ModelError
        CPI-M001, M002, M003, M004, M006 as :func:`fit_linear_mixed_model`; M005 no optimum;
        M007 two groupings are the same, or every row is a group of its own.

    Notes
    -----
    With ratios ``g_t`` of the components to the residual variance, ``V = I + sum g_t Z_t Z_t'``,
    ``d(-2 log L) / d g_t = tr(Z_t' V^-1 Z_t) - tr(Phi B_t' B_t) - |Z_t' P y|^2 / s^2`` with
    ``B_t = Z_t' V^-1 X`` and ``Phi = (X' V^-1 X)^-1``. Roots of the ratios are bounded by zero;
    a ratio of zero is kept only when the derivative does not fall there.

    References
    ----------
    Bates D, Mächler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models using
    lme4. Journal of Statistical Software 67(1).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 3.0, 4.0])
    >>> fit = fit_variance_components(y, [np.array([0, 0, 1, 1, 2, 2])])
    >>> fit.components.round(6).tolist()
    [2.083333, 0.5]
    """
    columns = np.ones((np.shape(response)[0], 1)) if design is None else design
    ones = np.ones((np.shape(response)[0], 1))
    y, X, terms, _ = check_model(response, columns, [(ones, codes) for codes in groupings])
    codes = [term.groups for term in terms]
    _refuse_equal(codes)
    start = np.asarray(np.linalg.lstsq(X, y, rcond=None)[0], dtype=np.float64)
    rest = y - X @ start
    spread = float(np.sqrt(np.mean(rest**2)))
    if spread <= 1e-12 * max(float(np.abs(y).max()), np.finfo(float).tiny):
        fail("CPI-M003", "the columns explain the outcome exactly", "check the outcome")
    products = _multiply(rest / spread, X, codes)
    roots = _optimise(products)
    return _finish(products, roots, start, spread, codes)


def _refuse_equal(codes: list[IntArray]) -> None:
    for later in range(1, len(codes)):
        for earlier in range(later):
            pairs = np.unique(np.column_stack([codes[earlier], codes[later]]), axis=0)
            if len(pairs) == codes[earlier].max() + 1 == codes[later].max() + 1:
                fail(
                    "CPI-M007",
                    f"groupings {earlier + 1} and {later + 1} divide the rows alike",
                    "leave one of them out: their variances cannot be told apart",
                )


def _multiply(y: FloatArray, X: FloatArray, codes: list[IntArray]) -> _Products:
    import scipy.sparse as sparse

    n = len(y)
    levels = [int(code.max()) + 1 for code in codes]
    first = int(np.argmax(levels))
    others = [t for t in range(len(codes)) if t != first]

    def indicate(t: int) -> Any:
        return sparse.csr_matrix((np.ones(n), (np.arange(n), codes[t])), shape=(n, levels[t]))

    Za = indicate(first)
    Zb = sparse.hstack([indicate(t) for t in others], format="csr") if others else None
    joined = np.column_stack([X, y])
    counts = np.bincount(codes[first]).astype(np.float64)
    cross = sparse.csr_matrix((0, levels[first])) if Zb is None else (Zb.T @ Za).tocsr()
    sizes = np.unique(counts)
    kernels = np.array([_square(cross[:, np.flatnonzero(counts == size)]) for size in sizes])
    return _Products(
        n=n,
        p=X.shape[1],
        joined=joined.T @ joined,
        counts=counts,
        sums_a=np.asarray(Za.T @ joined, dtype=np.float64),
        sums_b=np.zeros((0, joined.shape[1])) if Zb is None else np.asarray(Zb.T @ joined),
        gram_b=np.zeros((0, 0)) if Zb is None else (Zb.T @ Zb).toarray(),
        cross=cross,
        sizes=sizes,
        kernels=kernels,
        term_b=np.repeat(np.arange(len(others)), [levels[t] for t in others]).astype(np.intp),
        order=(first, *others),
    )


def _square(part: Any) -> FloatArray:
    return np.asarray((part @ part.T).toarray(), dtype=np.float64)


def _solve(products: _Products, roots: FloatArray) -> _State:
    """Return likelihood parts and derivatives in the ratios, in the order of elimination."""
    from scipy.linalg import solve_triangular

    p, ratio = products.p, roots[0] ** 2
    shrink = 1 / (1 + ratio * products.counts)
    used = ratio / (1 + ratio * products.sizes)
    C = products.gram_b - np.tensordot(used, products.kernels, axes=1)
    scale = roots[1:][products.term_b]
    inner = np.eye(len(C)) + scale[:, None] * C * scale
    lower = np.asarray(np.linalg.cholesky(inner), dtype=np.float64)
    weighted = (ratio * shrink)[:, None] * products.sums_a
    Q = products.sums_b - products.cross @ weighted
    total = products.joined - products.sums_a.T @ weighted
    half = _lower_solve(solve_triangular, lower, scale[:, None] * Q)
    total = total - half.T @ half
    effects = scale[:, None] * _lower_solve(solve_triangular, lower, half, transposed=True)
    information = total[:p, :p]
    beta = np.linalg.solve(information, total[:p, p])
    rest = float(total[p, p] - total[p, :p] @ beta)
    # Z'V^-1 [X y] of the eliminated grouping and of the others.
    B_a = shrink[:, None] * (products.sums_a - products.cross.T @ effects)
    B_b = Q - C @ effects
    half_C = _lower_solve(solve_triangular, lower, scale[:, None] * C)
    trace_b = np.diag(C) - (half_C**2).sum(axis=0)
    curved = np.asarray(
        np.tensordot((1 + ratio * products.sizes) ** -2.0, products.kernels, axes=1)
    )
    half_a = _lower_solve(solve_triangular, lower, scale[:, None] * curved * scale)
    inverse_trace = np.trace(_lower_solve(solve_triangular, lower, half_a.T) if len(C) else half_a)
    traces = [float(products.counts @ shrink - inverse_trace)]
    parts, squares = [B_a[:, :p].T @ B_a[:, :p]], [_norm(B_a, beta)]
    for t in range(len(roots) - 1):
        mine = products.term_b == t
        traces.append(float(trace_b[mine].sum()))
        parts.append(B_b[mine, :p].T @ B_b[mine, :p])
        squares.append(_norm(B_b[mine], beta))
    log_det = -float(np.log(shrink).sum()) + 2 * float(np.log(np.diag(lower)).sum())
    return _State(
        log_det, information, beta, rest, np.array(traces), np.array(parts), np.array(squares)
    )


def _lower_solve(
    solve: Callable[..., Any], lower: FloatArray, right: FloatArray, *, transposed: bool = False
) -> FloatArray:
    if not len(lower):
        return right
    found = solve(lower, right, lower=True, trans=1 if transposed else 0, check_finite=False)
    return np.asarray(found, dtype=np.float64)


def _norm(B: FloatArray, beta: FloatArray) -> float:
    p = len(beta)
    return float(((B[:, p] - B[:, :p] @ beta) ** 2).sum())


def _evaluate(products: _Products, roots: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """Return the criterion, its gradient in the roots and its derivatives in the ratios."""
    state = _solve(products, roots)
    df = products.n - products.p
    variance = state.rest / df
    value = state.log_det + df * (1 + np.log(2 * np.pi * variance))
    value += float(np.linalg.slogdet(state.information)[1])
    slopes = _differentiate(state, variance)
    return float(value), 2 * roots * slopes, slopes


def _differentiate(state: _State, variance: float) -> FloatArray:
    inverse = np.linalg.inv(state.information)
    fixed = np.einsum("ij,tji->t", inverse, state.information_parts)
    return np.asarray(state.traces - fixed - state.squares / variance, dtype=np.float64)


def _optimise(products: _Products) -> FloatArray:
    from scipy.optimize import minimize

    roots: FloatArray = np.full(len(products.order), 0.5)

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        value, gradient, _ = _evaluate(products, point)
        return value, gradient

    for _ in range(MOST_ROUNDS):
        found = minimize(
            objective,
            roots,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * len(roots),
            options={"maxiter": 300, "ftol": 1e-9, "gtol": 1e-5},
        )
        roots = np.asarray(found.x, dtype=np.float64)
        roots = _try_zero(products, _polish(products, _try_zero(products, roots)))
        _, gradient, slopes = _evaluate(products, roots)
        falls = (roots == 0) & (slopes < -POLISHED * products.n)
        if not falls.any():
            if np.abs(gradient).max() < 1e-4:
                return roots
            break
        roots = np.where(falls, 0.1, roots)
    return fail(
        "CPI-M005",
        "no optimum of the variances was found",
        "leave out a grouping that has few levels",
    )


def _try_zero(products: _Products, roots: FloatArray) -> FloatArray:
    trial = np.where(roots**2 < NEAR_ZERO, 0.0, roots)
    if (trial == roots).all():
        return roots
    better = _evaluate(products, trial)[0] <= _evaluate(products, roots)[0] + 1e-9
    return trial if better else roots


def _polish(products: _Products, roots: FloatArray) -> FloatArray:
    """Take Newton steps in the roots that are not zero, by differences of the exact gradient."""
    free = np.flatnonzero(roots > 0)
    value, gradient, _ = _evaluate(products, roots)
    for _ in range(10):
        if not len(free) or np.abs(gradient[free]).max() < POLISHED:
            break
        hessian = np.empty((len(free), len(free)))
        for row, place in enumerate(free):
            moved = roots.copy()
            moved[place] += STEP
            hessian[row] = (_evaluate(products, moved)[1][free] - gradient[free]) / STEP
        values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
        safe = np.maximum(np.abs(values), 1e-8 * max(float(np.abs(values).max()), 1.0))
        step = vectors @ ((vectors.T @ gradient[free]) / safe)
        for shorten in (1.0, 0.3, 0.05):
            trial = roots.copy()
            trial[free] = np.maximum(roots[free] - shorten * step, 0.0)
            new_value, new_gradient, _ = _evaluate(products, trial)
            smaller = np.abs(new_gradient[free]).max() < np.abs(gradient[free]).max()
            if new_value < value or (new_value <= value + 1e-9 and smaller):
                break
        else:
            break
        roots, value, gradient = trial, new_value, new_gradient
    return roots


def _finish(
    products: _Products,
    roots: FloatArray,
    start: FloatArray,
    spread: float,
    codes: list[IntArray],
) -> VarianceComponentFit:
    df = products.n - products.p
    state = _solve(products, roots)
    variance = state.rest / df
    value = _evaluate(products, roots)[0]
    cov = _compute_covariance(products, roots, variance) * spread**4
    components = np.append(roots**2 * variance, variance) * spread**2
    back = np.argsort(np.append(products.order, len(roots)))
    return VarianceComponentFit(
        components=components[back],
        cov=cov[np.ix_(back, back)],
        beta=start + state.beta * spread,
        beta_cov=np.asarray(np.linalg.inv(state.information), dtype=np.float64)
        * variance
        * spread**2,
        log_likelihood=float(-0.5 * value - df * np.log(spread)),
        is_zero=np.append(roots == 0, False)[back],
        n_levels=tuple(int(code.max()) + 1 for code in codes),
        n=products.n,
    )


def _compute_covariance(products: _Products, roots: FloatArray, variance: float) -> FloatArray:
    """Return twice the inverse of the second derivatives of -2 log L in the components."""
    df = products.n - products.p
    free = np.append(roots > 0, True)
    point = np.append(roots**2, variance)

    def slope(at: FloatArray) -> FloatArray:
        state = _solve(products, np.sqrt(at[:-1]))
        last = df / at[-1] - state.rest / at[-1] ** 2
        return np.append(_differentiate(state, float(at[-1])), last)

    size = len(point)
    hessian = np.full((size, size), np.nan)
    for place in np.flatnonzero(free):
        step = 1e-4 * point[place]
        sides = []
        for sign in (1, -1):
            moved = point.copy()
            moved[place] += sign * step
            sides.append(slope(moved))
        hessian[place] = (sides[0] - sides[1]) / (2 * step)
    cov = np.full((size, size), np.nan)
    inner = hessian[np.ix_(free, free)]
    inner = 2 * np.linalg.inv((inner + inner.T) / 2)
    # From ratios and residual variance to components.
    change = np.eye(size) * variance
    change[:, -1] = point
    change[-1, -1] = 1.0
    change = change[np.ix_(free, free)]
    cov[np.ix_(free, free)] = change @ inner @ change.T
    return cov
