"""Generalised linear models with one random intercept, fitted by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.group_sums import FloatArray, build_basis, check_arrays, fail
from cpi_analysis.inference.outcome_families import Cumulative, Family, NegativeBinomial
from cpi_analysis.inference.quadrature import (
    Model,
    Nodes,
    compute_likelihood,
    compute_variance_slope,
    make_nodes,
)
from cpi_analysis.inference.separation import check_separation

#: The gain in log-likelihood that a further Newton step promises, when the fit is finished.
CONVERGED = 1e-13
MOST_STEPS = 60
#: Step of the differences of the exact gradient that give the Hessian.
HESSIAN_STEP = 1e-3
#: Standard deviations from which the search starts, when the one before leads nowhere.
STARTS = (0.5, 1.5, 0.1)
#: Below this the standard deviation is zero; above it, agencies have nothing in common.
SMALLEST_SD, LARGEST_SD = 1e-4, 50.0
#: The logarithm of the size of a negative binomial that is a Poisson distribution.
LARGEST_LOG_SIZE = 12.0


@dataclass(frozen=True, kw_only=True, eq=False)
class GlmmFit:
    """Estimates of a model with one random intercept.

    Parameters
    ----------
    beta, extra
        Coefficients; cut-points, or the logarithm of the size.
    sd
        Standard deviation of the intercepts, on the scale of the linear predictor.
    sd_std_error
        Its standard error; not a number on the boundary.
    covariance
        Of ``beta`` and ``extra``: from the inverse of the Hessian in all parameters.
    log_likelihood
        With all constants.
    modes
        Intercept of each group where its posterior is largest.
    is_singular
        ``sd`` is zero, the boundary of what is possible.
    """

    beta: FloatArray
    extra: FloatArray
    sd: float
    sd_std_error: float
    covariance: FloatArray
    log_likelihood: float
    modes: FloatArray
    is_singular: bool
    n: int
    n_groups: int
    points: int


class Objective(NamedTuple):
    """A log-likelihood with gradient as a function of the parameters, and where it was last."""

    evaluate: Callable[[FloatArray], tuple[float, FloatArray]]
    n: int


def fit_random_intercept_glmm(
    design: FloatArray,
    groups: NDArray[np.intp],
    family: Family,
    *,
    offset: FloatArray | None = None,
    points: int = 15,
    column_names: Sequence[str] | None = None,
) -> GlmmFit:
    """Fit a generalised linear model with an intercept per group by maximum likelihood.

    Parameters
    ----------
    design
        Fixed-effects columns, shape (n, p): with an intercept, except for a
        :class:`~cpi_analysis.inference.outcome_families.Cumulative` outcome, whose cut-points
        take its place.
    groups
        Integer code of the group of each row.
    family
        The outcome.
    offset
        Known part of the linear predictor.
    points
        Points of the adaptive Gauss-Hermite quadrature; 1 is the Laplace approximation.
    column_names
        Names of the columns of ``design``, used in error messages only.

    Returns
    -------
    GlmmFit

    Raises
    ------
    ModelError
        CPI-M001 too few groups or rows, M002 collinear columns, M005 no convergence, M006
        values that are not finite, M007 separation.

    Notes
    -----
    See :func:`cpi_analysis.inference.quadrature.compute_likelihood` for the likelihood. The
    integrand is expanded at its mode with the observed curvature, for every family (glmmTMB
    does the same; glmer uses expected curvature, which differs for negative binomial outcomes).
    The log-likelihood is even in the standard deviation of the intercepts, so that zero is
    always stationary: zero is the estimate only when the derivative in the *variance* is not
    positive there and no other maximum is higher.

    References
    ----------
    Pinheiro JC, Bates DM (1995). Approximations to the log-likelihood function in the nonlinear
    mixed-effects model. Journal of Computational and Graphical Statistics 4:12-35.

    Examples
    --------
    >>> import numpy as np
    >>> from cpi_analysis.inference.outcome_families import Binomial
    >>> agency = np.repeat(np.arange(6), 4)
    >>> events = np.array([0, 1, 1, 2, 0, 0, 1, 0, 3, 2, 3, 3] * 2, dtype=float)
    >>> fit = fit_random_intercept_glmm(
    ...     np.ones((24, 1)), agency, Binomial(events, np.full(24, 3.0))
    ... )
    >>> fit.is_singular, round(fit.sd, 2)
    (False, 1.93)
    """
    _, X, codes = check_arrays(np.zeros(len(design)), design, groups)
    names = [f"column {k + 1}" for k in range(X.shape[1])] if column_names is None else column_names
    n_groups = int(codes.max()) + 1
    if n_groups < 2:
        fail(
            "CPI-M001",
            "all participants belong to one agency",
            "a random intercept needs at least two agencies, an arm effect at least three",
        )
    model, back = _standardise(X, codes, n_groups, family, offset, names)
    check_separation(family, X, names)
    nodes = make_nodes(points)
    plain, plain_value = _fit_plain(model)
    terms = family.evaluate(model.design @ plain[: X.shape[1]] + model.offset, plain[X.shape[1] :])
    slope = compute_variance_slope(model, terms)
    best = _climb_from_starts(model, nodes, plain, needs_interior=slope > 0)
    if best is None or (slope <= 0 and best[1] <= plain_value + 1e-9):
        return _finish_plain(model, back, plain, plain_value, points)
    return _finish(model, nodes, back, best[0], points)


def _standardise(
    X: FloatArray,
    codes: NDArray[np.intp],
    n_groups: int,
    family: Family,
    offset: FloatArray | None,
    names: Sequence[str],
) -> tuple[Model, FloatArray]:
    """Return the model in orthogonal columns, and what takes coefficients and extras back."""
    n, p = X.shape
    if n <= p + family.n_extra:
        fail(
            "CPI-M001",
            f"{n} participants are too few for {p + family.n_extra} coefficients",
            "analyse more participants or adjust for fewer columns",
        )
    back = np.eye(p + family.n_extra)
    if isinstance(family, Cumulative):
        centre = X.mean(axis=0)
        build_basis(np.column_stack([np.ones(n), X]), ["the intercept", *names])
        Q, to_beta, _ = build_basis(X - centre, names)
        to_beta = to_beta * np.sqrt(n)
        back[p:, :p] = centre @ to_beta
    else:
        Q, to_beta, _ = build_basis(X, names)
        to_beta = to_beta * np.sqrt(n)
    back[:p, :p] = to_beta
    known = np.zeros(n) if offset is None else offset
    return Model(Q * np.sqrt(n), known, codes, n_groups, family), back


def _start_extra(model: Model) -> FloatArray:
    family = model.family
    if isinstance(family, Cumulative):
        shares = np.cumsum(np.bincount(family.categories, minlength=family.n_extra + 1))
        inner = shares[:-1] / shares[-1]
        return np.asarray(np.log(inner / (1 - inner)) / (1.0 if family.link == "logit" else 1.7))
    return np.zeros(family.n_extra)


def _fit_plain(model: Model) -> tuple[FloatArray, float]:
    """Fit without random intercepts."""
    p = model.design.shape[1]
    start = np.concatenate([np.zeros(p), _start_extra(model)])
    if not isinstance(model.family, Cumulative):
        # A level that is not far from the data, whatever the unit of the offset.
        start[:p] = model.design.T @ (_level(model) - model.offset) / len(model.design)

    def evaluate(theta: FloatArray) -> tuple[float, FloatArray]:
        terms = model.family.evaluate(model.design @ theta[:p] + model.offset, theta[p:])
        gradient = [model.design.T @ terms.first, terms.extra[:, 0].sum(axis=1)]
        return float(terms.value.sum()), np.concatenate(gradient)

    theta, value, is_done = climb(evaluate, start)
    if not is_done:
        _refuse_divergence(model, theta[p:])
    return theta, value


def _level(model: Model) -> FloatArray:
    family = model.family
    counts = getattr(family, "counts", None)
    if counts is not None:
        return np.asarray(np.log(counts + 0.5))
    y, m = family.successes, family.trials  # type: ignore[attr-defined]
    return np.asarray(np.log((y + 0.5) / (m - y + 0.5)))


def _refuse_divergence(model: Model, extra: FloatArray) -> None:
    if isinstance(model.family, NegativeBinomial) and extra[0] > LARGEST_LOG_SIZE / 2:
        fail(
            "CPI-M005",
            "the counts vary no more than Poisson counts: the negative binomial has no size",
            "use family='poisson'",
        )
    fail(
        "CPI-M005",
        "the model did not converge",
        "adjust for fewer columns, and look for groups of participants with hardly any events",
    )


def _climb_from_starts(
    model: Model, nodes: Nodes, plain: FloatArray, *, needs_interior: bool
) -> tuple[FloatArray, float] | None:
    """Return the highest maximum with a positive standard deviation, or None at zero."""
    evaluate = _make_objective(model, nodes)
    for sd in STARTS:
        theta, value, is_done = climb(evaluate, np.append(plain, sd))
        theta[-1] = abs(theta[-1])
        if isinstance(model.family, NegativeBinomial) and theta[-2] > LARGEST_LOG_SIZE:
            _refuse_divergence(model, theta[-2:-1])
        if theta[-1] > LARGEST_SD:
            fail(
                "CPI-M007",
                "the intercepts of the agencies have no finite variance: within agencies the "
                "outcome hardly varies",
                "analyse the share of each agency instead",
            )
        if is_done and theta[-1] > SMALLEST_SD:
            return theta, value
        if is_done and not needs_interior:
            return None
    if needs_interior:
        _refuse_divergence(model, plain[model.design.shape[1] :])
    return None


def _make_objective(model: Model, nodes: Nodes) -> Callable[[FloatArray], tuple[float, FloatArray]]:
    modes: list[FloatArray] = [np.zeros(model.n_groups)]

    def evaluate(theta: FloatArray) -> tuple[float, FloatArray]:
        try:
            found = compute_likelihood(model, theta, nodes, modes[0])
        except FloatingPointError:
            return -np.inf, np.full(len(theta), np.nan)
        if np.isfinite(found.value):
            modes[0] = found.modes
        return found.value, found.gradient

    return evaluate


def climb(
    evaluate: Callable[[FloatArray], tuple[float, FloatArray]], start: FloatArray
) -> tuple[FloatArray, float, bool]:
    """Maximise by Newton's method; where the Hessian is not negative, its signs are turned.

    Returns the parameters, the value, and whether no step promises anything more.
    """
    theta = start.copy()
    value, gradient = evaluate(theta)
    for _ in range(MOST_STEPS):
        if not np.isfinite(value):
            return theta, value, False
        roots, vectors = np.linalg.eigh(-compute_hessian(evaluate, theta))
        along = vectors.T @ gradient
        step = vectors @ (along / np.maximum(np.abs(roots), 1e-6 * np.abs(roots).max()))
        # A step of a few units is far, in columns of length one.
        step *= min(1.0, 4.0 / np.abs(step).max()) if np.abs(step).max() > 0 else 1.0
        gain = float(step @ gradient)
        if gain < CONVERGED * max(1.0, abs(value)):
            return theta, value, bool(roots.min() > 0)
        share = 1.0
        new, new_gradient = evaluate(theta + step)
        while not new >= value + 1e-4 * share * gain - 1e-13 * abs(value) and share > 1e-8:
            share /= 2
            new, new_gradient = evaluate(theta + share * step)
        if not new >= value - 1e-13 * abs(value):
            return theta, value, gain < 1e-6
        theta, value, gradient = theta + share * step, new, new_gradient
    return theta, value, False


def compute_hessian(
    evaluate: Callable[[FloatArray], tuple[float, FloatArray]],
    theta: FloatArray,
    *,
    is_refined: bool = False,
) -> FloatArray:
    """Return the Hessian by central differences of the exact gradient (refined: Richardson's)."""

    def difference(step: float) -> FloatArray:
        rows = []
        for k in range(len(theta)):
            move = np.zeros(len(theta))
            move[k] = step
            rows.append((evaluate(theta + move)[1] - evaluate(theta - move)[1]) / (2 * step))
        return np.array(rows)

    near = difference(HESSIAN_STEP)
    if is_refined:
        near = (4 * near - difference(2 * HESSIAN_STEP)) / 3
    return np.asarray((near + near.T) / 2)


def _finish(
    model: Model, nodes: Nodes, back: FloatArray, theta: FloatArray, points: int
) -> GlmmFit:
    evaluate = _make_objective(model, nodes)
    found = compute_likelihood(model, theta, nodes)
    inverse = np.linalg.inv(-compute_hessian(evaluate, theta, is_refined=True))
    p = model.design.shape[1]
    values = back @ theta[:-1]
    return GlmmFit(
        beta=values[:p],
        extra=values[p:],
        sd=float(theta[-1]),
        sd_std_error=float(np.sqrt(inverse[-1, -1])),
        covariance=back @ inverse[:-1, :-1] @ back.T,
        log_likelihood=found.value,
        modes=theta[-1] * found.modes,
        is_singular=False,
        n=len(model.design),
        n_groups=model.n_groups,
        points=points,
    )


def _finish_plain(
    model: Model, back: FloatArray, theta: FloatArray, value: float, points: int
) -> GlmmFit:
    p = model.design.shape[1]

    def evaluate(at: FloatArray) -> tuple[float, FloatArray]:
        terms = model.family.evaluate(model.design @ at[:p] + model.offset, at[p:])
        gradient = [model.design.T @ terms.first, terms.extra[:, 0].sum(axis=1)]
        return float(terms.value.sum()), np.concatenate(gradient)

    inverse = np.linalg.inv(-compute_hessian(evaluate, theta, is_refined=True))
    values = back @ theta
    return GlmmFit(
        beta=values[:p],
        extra=values[p:],
        sd=0.0,
        sd_std_error=float("nan"),
        covariance=back @ inverse @ back.T,
        log_likelihood=value,
        modes=np.zeros(model.n_groups),
        is_singular=True,
        n=len(model.design),
        n_groups=model.n_groups,
        points=points,
    )
