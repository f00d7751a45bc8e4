"""Profile-likelihood intervals of a linear mixed model: coefficients, deviations, correlations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.group_sums import fail
from cpi_analysis.inference.linear_mixed_model import LinearMixedModelFit
from cpi_analysis.inference.lmm_criterion import State, compute_gradient, evaluate
from cpi_analysis.inference.lmm_structure import Structure

FloatArray = NDArray[np.float64]
Kind = Literal["std_dev", "correlation", "residual"]

#: A correlation is looked at up to here, and a deviation up to this many times its start.
NEARLY_ONE = 1 - 1e-6
WIDEST = 1e4
#: Where a deviation was estimated as zero, the search starts at this share of the residual.
RESTART = 0.3
#: Share of a first step to which a limit is found.
PRECISION = 1e-7


class Interval(NamedTuple):
    """An estimate by maximum likelihood with its profile-likelihood limits."""

    estimate: float
    conf_low: float
    conf_high: float


class VarianceInterval(NamedTuple):
    """Limits of one parameter of the random part.

    ``term`` counts the random terms; ``row`` and ``column`` are places in its G, equal for a
    standard deviation; both are 0 and ``term`` is -1 for the residual.
    """

    kind: Kind
    term: int
    row: int
    column: int
    interval: Interval


class ProfileIntervals(NamedTuple):
    """Intervals of every coefficient, and of every deviation and correlation."""

    coefficients: tuple[Interval, ...]
    variances: tuple[VarianceInterval, ...]


class _Parameter(NamedTuple):
    kind: Kind
    term: int
    row: int
    column: int


class _Problem(NamedTuple):
    """The likelihood in deviations, correlations and the logarithm of the residual deviation."""

    structure: Structure
    parameters: tuple[_Parameter, ...]

    @property
    def bounds(self) -> list[tuple[float | None, float | None]]:
        limits: dict[Kind, tuple[float | None, float | None]] = {
            "std_dev": (0.0, None),
            "correlation": (-NEARLY_ONE, NEARLY_ONE),
            "residual": (None, None),
        }
        return [limits[parameter.kind] for parameter in self.parameters]

    def solve(self, values: FloatArray) -> tuple[State, list[FloatArray], float]:
        """Return the model, the correlation matrices with the deviations, and sigma."""
        sigma = float(np.exp(values[-1]))
        blocks = [np.eye(size) for size in self.structure.sizes]
        deviations = [np.zeros(size) for size in self.structure.sizes]
        for parameter, value in zip(self.parameters[:-1], values[:-1], strict=True):
            if parameter.kind == "std_dev":
                deviations[parameter.term][parameter.row] = value
            else:
                block, row, column = blocks[parameter.term], parameter.row, parameter.column
                block[row, column] = block[column, row] = value
        roots = [
            (d[:, None] / sigma) * np.linalg.cholesky(R)
            for d, R in zip(deviations, blocks, strict=True)
        ]
        state = evaluate(self.structure, np.concatenate([L.ravel() for L in roots]), np.ones(1))
        joined = [np.column_stack([R, d]) for R, d in zip(blocks, deviations, strict=True)]
        return state, joined, sigma

    def value_and_gradient(
        self, values: FloatArray, coefficient: tuple[int, float] | None
    ) -> tuple[float, FloatArray]:
        """Return -2 log-likelihood, with one coefficient held at a value if there is one."""
        n = self.structure.n
        state, blocks, sigma = self.solve(values)
        if coefficient is not None:
            state = _hold(state, *coefficient)
        value = state.log_det + n * np.log(2 * np.pi * sigma**2) + state.rest / sigma**2
        # The gradient in G takes the residual variance from ``rest``: here it is a parameter.
        entries, _ = compute_gradient(self.structure, state._replace(rest=n * sigma**2), "ML")
        gradient, start = np.zeros(len(values)), 0
        slopes = []
        for block in blocks:
            size = len(block)
            slope = entries[start : start + size**2].reshape(size, size)
            slopes.append((slope + slope.T) / 2)
            start += size**2
        scaled = 0.0
        for block, slope in zip(blocks, slopes, strict=True):
            G = block[:, :-1] * np.outer(block[:, -1], block[:, -1]) / sigma**2
            scaled += float(np.sum(slope * G))
        for place, parameter in enumerate(self.parameters[:-1]):
            block, slope = blocks[parameter.term], slopes[parameter.term]
            d, row, column = block[:, -1] / sigma, parameter.row, parameter.column
            if parameter.kind == "std_dev":
                gradient[place] = 2 * float((slope[row] * block[row, :-1]) @ d) / sigma
            else:
                gradient[place] = 2 * slope[row, column] * d[row] * d[column]
        gradient[-1] = -2 * scaled + 2 * n - 2 * state.rest / sigma**2
        return float(value), gradient


def _hold(state: State, place: int, value: float) -> State:
    """Return the model with one coefficient held: only what depends on the residuals moves."""
    away = value - state.beta[place]
    pivot = state.inverse[place, place]
    beta = state.beta + state.inverse[:, place] / pivot * away
    return state._replace(
        beta=beta,
        rest=state.rest + away**2 / pivot,
        effects=state.projected[:, -1] - state.projected[:, :-1] @ beta,
    )


def compute_profile_intervals(
    fit: LinearMixedModelFit, *, confidence_level: float = 0.95
) -> ProfileIntervals:
    """Return profile-likelihood intervals of every parameter.

    Parameters
    ----------
    fit
        A fit by maximum likelihood with one residual variance.
    confidence_level
        Level of the intervals.

    Raises
    ------
    ModelError
        CPI-M004 for a REML fit, several residual variances, or more than two effects in a term.

    Notes
    -----
    An interval has the values of a parameter at which -2 log-likelihood, minimised over all
    others, exceeds its minimum by less than the quantile of chi-squared on one degree of
    freedom. Deviations and correlations are in the units of the data, as in lme4's
    ``confint(profile(...))``; the interval of a deviation ends at zero when zero is in it.

    References
    ----------
    Bates D, Mächler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models using
    lme4. Journal of Statistical Software 67(1), section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 3.0, 4.0])
    >>> one = np.ones((6, 1))
    >>> fit = fit_linear_mixed_model(y, one, [(one, np.array([0, 0, 1, 1, 2, 2]))], method="ML")
    >>> found = compute_profile_intervals(fit).coefficients[0]
    >>> round(found.conf_low, 3), round(found.conf_high, 3)
    (1.156, 5.177)
    """
    from scipy import stats

    _check(fit)
    problem = _Problem(fit.structure, _list_parameters(fit.structure))
    spread = float(np.sqrt(fit.residual_variances[0] / (fit.state.rest / fit.n)))
    start = _read_start(fit, problem, spread)
    best = problem.value_and_gradient(start, None)[0]
    limit = best + float(stats.chi2.ppf(confidence_level, 1))
    offset = fit.beta - fit.state.beta * spread
    coefficients = []
    for place, middle in enumerate(offset):
        found = _profile_coefficient(problem, start, limit, place)
        low, high = (float(middle + spread * value) for value in found)
        coefficients.append(Interval(float(fit.beta[place]), low, high))
    variances = []
    for place, parameter in enumerate(problem.parameters):
        low, high = _profile_parameter(problem, start, limit, place)
        unit = _find_unit(fit, parameter, spread)
        if parameter.kind == "residual":
            low, high = np.exp(low), np.exp(high)
        estimate = _read_value(start[place], parameter) * unit
        interval = Interval(float(estimate), float(low * unit), float(high * unit))
        variances.append(VarianceInterval(*parameter, interval))
    return ProfileIntervals(tuple(coefficients), tuple(variances))


def _check(fit: LinearMixedModelFit) -> None:
    if fit.method != "ML":
        fail("CPI-M004", "profile intervals need a fit by maximum likelihood", "use method='ML'")
    if len(fit.residual_variances) > 1 or max(fit.structure.sizes) > 2:
        fail(
            "CPI-M004",
            "profile intervals are for one residual variance and at most two effects in a term",
            "use intervals='t', or a simpler random part",
        )


def _list_parameters(structure: Structure) -> tuple[_Parameter, ...]:
    parameters: list[_Parameter] = []
    for term, size in enumerate(structure.sizes):
        for row in range(size):
            parameters += [_Parameter("correlation", term, row, c) for c in range(row)]
            parameters.append(_Parameter("std_dev", term, row, row))
    return (*parameters, _Parameter("residual", -1, 0, 0))


def _find_unit(fit: LinearMixedModelFit, parameter: _Parameter, spread: float) -> float:
    if parameter.kind == "correlation":
        return 1.0
    if parameter.kind == "residual":
        return spread
    return float(spread / fit.structure.scales[parameter.term][parameter.row])


def _read_value(value: float, parameter: _Parameter) -> float:
    return float(np.exp(value)) if parameter.kind == "residual" else float(value)


def _read_start(fit: LinearMixedModelFit, problem: _Problem, spread: float) -> FloatArray:
    """Return the parameters of the fit in the units of its structure."""
    values = []
    for parameter in problem.parameters:
        if parameter.kind == "residual":
            values.append(np.log(np.sqrt(fit.residual_variances[0]) / spread))
            continue
        scale = fit.structure.scales[parameter.term] / spread
        G = fit.random_covariances[parameter.term] * np.outer(scale, scale)
        row, column = parameter.row, parameter.column
        if parameter.kind == "std_dev":
            values.append(np.sqrt(G[row, row]))
        else:
            product = np.sqrt(G[row, row] * G[column, column])
            correlation = G[row, column] / product if product > 0 else 0.0
            values.append(np.clip(correlation, -NEARLY_ONE, NEARLY_ONE))
    return np.array(values, dtype=np.float64)


def _minimise(
    problem: _Problem,
    start: FloatArray,
    *,
    held: int | None = None,
    coefficient: tuple[int, float] | None = None,
) -> tuple[float, FloatArray]:
    """Minimise over all parameters but one that is held, or with a coefficient held."""
    from scipy.optimize import minimize

    free = np.arange(len(start)) != (-1 if held is None else held)
    bounds = [bound for bound, is_free in zip(problem.bounds, free, strict=True) if is_free]

    def objective(inner: FloatArray) -> tuple[float, FloatArray]:
        values = start.copy()
        values[free] = inner
        value, gradient = problem.value_and_gradient(values, coefficient)
        return value, gradient[free]

    best, where = np.inf, start
    for point in _list_starts(problem, start)[: 2 if free.any() else 1]:
        found = minimize(
            objective,
            point[free],
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": 1e-14, "gtol": 1e-7, "maxiter": 200},
        )
        if found.fun < best:
            best, where = float(found.fun), start.copy()
            where[free] = found.x
    return best, where


def _list_starts(problem: _Problem, start: FloatArray) -> list[FloatArray]:
    """Return the start, and one away from deviations of zero, where nothing seems to change."""
    kinds = [parameter.kind for parameter in problem.parameters]
    is_zero = (np.array(kinds) == "std_dev") & (start < 1e-6)
    if not is_zero.any():
        return [start]
    return [start, np.where(is_zero, RESTART * np.exp(start[-1]), start)]


def _profile_coefficient(
    problem: _Problem, start: FloatArray, limit: float, place: int
) -> tuple[float, float]:
    state, _, sigma = problem.solve(start)
    middle = float(state.beta[place])
    step = float(np.sqrt(state.inverse[place, place])) * sigma

    def excess(value: float, near: FloatArray) -> tuple[float, FloatArray]:
        found, where = _minimise(problem, near, coefficient=(place, value))
        return found - limit, where

    low = _find_root(excess, start, middle, -step, -np.inf)
    return low, _find_root(excess, start, middle, step, np.inf)


def _profile_parameter(
    problem: _Problem, start: FloatArray, limit: float, place: int
) -> tuple[float, float]:
    kind, middle = problem.parameters[place].kind, float(start[place])
    ends: dict[Kind, tuple[float, float]] = {
        "std_dev": (0.0, WIDEST),
        "correlation": (-NEARLY_ONE, NEARLY_ONE),
        "residual": (middle - 10.0, middle + 10.0),
    }
    sizes: dict[Kind, float] = {
        "std_dev": max(0.3 * middle, 0.1 * float(np.exp(start[-1]))),
        "correlation": 0.2,
        "residual": 0.1,
    }

    def excess(value: float, near: FloatArray) -> tuple[float, FloatArray]:
        point = near.copy()
        point[place] = value
        found, where = _minimise(problem, point, held=place)
        return found - limit, where

    end_low, end_high = ends[kind]
    step = sizes[kind]
    low = _find_root(excess, start, middle, -step, end_low)
    return low, _find_root(excess, start, middle, step, end_high)


def _find_root(
    excess: Callable[[float, FloatArray], tuple[float, FloatArray]],
    start: FloatArray,
    middle: float,
    step: float,
    end: float,
) -> float:
    """Return where the profile crosses the limit between the estimate and an end."""
    from scipy.optimize import brentq

    near = start

    def look(value: float) -> float:
        nonlocal near
        found, near = excess(value, near)
        return found

    inside, size = middle, step
    while True:
        outside = min(middle + size, end) if step > 0 else max(middle + size, end)
        if look(outside) > 0:
            break
        if outside == end:
            return end
        inside, size = outside, 2 * size
    return float(brentq(look, inside, outside, xtol=PRECISION * abs(step), rtol=1e-10))
