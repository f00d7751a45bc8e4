"""Thousands of random-intercept models fitted in one call."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.batch_criterion import (
    BatchState,
    Method,
    compute_batch_criterion,
    compute_batch_derivatives,
    compute_batch_moments,
    count_batch_df,
    evaluate_batch,
)
from cpi_analysis.inference.batch_sums import BatchSums
from cpi_analysis.inference.group_sums import fail

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: Start values: (variance ratio x mean rows of an agency, or person), zero among them.
AGENCY_GRID = np.array([0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1e4])
PERSON_GRID = np.array([0.0, 0.1, 0.5, 2.0, 20.0])
#: What another Newton step would gain at most, in units of the criterion.
SETTLED = 1e-13
#: A variance ratio above this has left all that data can tell.
LARGEST_RATIO = 1e12
MOST_STEPS = 100
MOST_HALVINGS = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchFit:
    """Fits of R data sets; what was not found is NaN, and ``converged`` says so.

    Parameters
    ----------
    beta
        Coefficients, (R, p).
    agency_variance, residual_variance
        Variance components, (R,).
    person_variance
        Of persons within agencies, (R,); zeros in a model without persons.
    log_likelihood
        Maximised, restricted under REML, (R,).
    is_singular
        A variance was estimated as zero, (R,).
    converged
        The optimum was found and satisfies the conditions of Karush, Kuhn and Tucker, (R,).
        A replicate whose rows cannot carry the model is not converged either.
    ratios
        Variances relative to the residual, (R, 1) or (R, 2).
    """

    beta: FloatArray
    agency_variance: FloatArray
    person_variance: FloatArray
    residual_variance: FloatArray
    log_likelihood: FloatArray
    is_singular: BoolArray
    converged: BoolArray
    ratios: FloatArray
    method: Method
    sums: BatchSums = field(repr=False)
    state: BatchState = field(repr=False)

    @property
    def icc(self) -> FloatArray:
        """Share of the variance that lies between agencies, (R,)."""
        total = self.agency_variance + self.person_variance + self.residual_variance
        return self.agency_variance / total

    @property
    def n_failed(self) -> int:
        """Replicates without a fit."""
        return int((~self.converged).sum())


def fit_batch_mixed_model(
    sums: BatchSums, *, method: Method = "REML", start: ArrayLike | None = None
) -> BatchFit:
    """Fit an intercept per agency, and per person if the sums have persons, to every replicate.

    Parameters
    ----------
    sums
        From :func:`cpi_analysis.inference.batch_sums.summarise_batch`.
    method
        ``"REML"`` or ``"ML"``.
    start
        Variance ratios to start from besides a coarse grid, such as those that the replicates
        were drawn with: (1,) or (2,), agency first.

    Returns
    -------
    BatchFit
        The same numbers as single fits of each replicate.

    Raises
    ------
    ModelError
        CPI-M004 the method is not known.

    Notes
    -----
    The criterion profiled over coefficients and residual variance is minimised over the ratios
    of variances by projected Newton steps with exact second derivatives, from the best point of
    a grid. A ratio may only stay at zero where the criterion does not fall from there. Steps
    are halved until the criterion falls; a Hessian that is not positive definite is replaced by
    the one with its eigenvalues' absolute values.

    Examples
    --------
    >>> import numpy as np
    >>> from cpi_analysis.inference.batch_sums import summarise_batch
    >>> y = np.array([[1.0, 2.0, 4.0, 5.0, 3.0, 4.0], [1.0, 2.0, 4.0, 5.0, 1.0, 2.0]])
    >>> fit = fit_batch_mixed_model(summarise_batch(y, np.ones((6, 1)), [0, 0, 1, 1, 2, 2]))
    >>> fit.agency_variance.round(6).tolist(), fit.converged.tolist()
    ([2.083333, 2.75], [True, True])
    """
    if method not in ("REML", "ML"):
        fail("CPI-M004", "the method is not known", "use method='REML' or method='ML'")
    usable = np.flatnonzero(sums.is_estimable)
    ratios = np.full((sums.replicates, 2 if sums.has_persons else 1), np.nan)
    converged = np.zeros(sums.replicates, dtype=bool)
    if len(usable):
        part = sums if len(usable) == sums.replicates else sums.take(usable)
        ratios[usable], converged[usable] = _minimise(part, method, start)
    return _finish(sums, ratios, converged, method)


def _minimise(
    sums: BatchSums, method: Method, start: ArrayLike | None
) -> tuple[FloatArray, BoolArray]:
    ratios = _scan(sums, method, start)
    converged = np.zeros(len(ratios), dtype=bool)
    active = np.arange(len(ratios))
    part = sums
    for _ in range(MOST_STEPS):
        found, gain = _step(part, ratios[active], method)
        ratios[active] = found
        done = gain <= SETTLED
        converged[active[done]] = True
        gone = ~done & (found.max(axis=1) > LARGEST_RATIO)
        stay = ~(done | gone)
        if not stay.any():
            break
        if not stay.all():
            active = active[stay]
            part = part.take(stay)
    return ratios, converged


def _step(sums: BatchSums, ratios: FloatArray, method: Method) -> tuple[FloatArray, FloatArray]:
    """Take one projected Newton step; return the new ratios and what was left to gain."""
    state = evaluate_batch(sums, ratios)
    moments = compute_batch_moments(sums, state)
    gradient, hessian = compute_batch_derivatives(sums, state, moments, method)
    value = compute_batch_criterion(sums, state, method)
    held = (ratios <= 0.0) & (gradient >= 0.0)
    free = np.where(held, 0.0, gradient)
    direction = _solve(hessian, free, held)
    gain = np.einsum("rm,rm->r", direction, free)
    trial = np.maximum(ratios - direction, 0.0)
    size = np.ones(len(ratios))
    rounding = 1e-14 * np.abs(value)
    for _ in range(MOST_HALVINGS):
        new = compute_batch_criterion(sums, evaluate_batch(sums, trial), method)
        worse = new > value + rounding
        if not worse.any():
            break
        size[worse] /= 3.0
        trial = np.where(worse[:, None], np.maximum(ratios - size[:, None] * direction, 0.0), trial)
    return trial, gain


def _solve(hessian: FloatArray, gradient: FloatArray, held: BoolArray) -> FloatArray:
    """Return Newton directions in the free ratios, downhill whatever the Hessian."""
    free = ~held
    inner = hessian * (free[:, :, None] & free[:, None, :])
    # In units in which the diagonal is one: the ratios of agencies and persons may be far apart.
    diagonal = np.einsum("rmm->rm", inner)
    scale = 1.0 / np.sqrt(np.where(np.abs(diagonal) > 0, np.abs(diagonal), 1.0))
    inner = inner * scale[:, :, None] * scale[:, None, :]
    values, vectors = np.linalg.eigh(inner)
    safe = np.maximum(np.abs(values), 1e-6)
    turned = np.einsum("rab,ra->rb", vectors, gradient * scale) / safe
    direction = np.einsum("rab,rb->ra", vectors, turned) * scale
    return np.where(held, 0.0, direction)


def _scan(sums: BatchSums, method: Method, start: ArrayLike | None) -> FloatArray:
    """Return for each replicate the best of the starting points."""
    rows = float(sums.n.mean())
    agencies = float((sums.weights * (sums.counts.sum(axis=-1) > 0)).sum(axis=1).mean())
    grid = (AGENCY_GRID * agencies / rows)[:, None]
    if sums.has_persons:
        people = float((sums.counts.sum(axis=-1) * sums.weights).sum(axis=1).mean())
        person = PERSON_GRID * people / rows
        grid = np.array([[a, b] for a in grid[:, 0] for b in person])
    if start is not None:
        grid = np.vstack([grid, np.atleast_2d(np.asarray(start, dtype=np.float64))])
    if sums.replicates == 1:
        # One data set: all points at once, by broadcasting.
        value = compute_batch_criterion(sums, evaluate_batch(sums, grid), method)
        return grid[[int(np.argmin(value))]]
    best = np.full(sums.replicates, np.inf)
    place = np.zeros(sums.replicates, dtype=np.intp)
    for k, point in enumerate(grid):
        value = _value_at(sums, point, method)
        better = value < best
        best[better], place[better] = value[better], k
    return grid[place].copy()


def _value_at(sums: BatchSums, point: FloatArray, method: Method) -> FloatArray:
    """Return the criterion of all replicates at one point; cheap when they share their rows."""
    ratios = np.tile(point, (sums.replicates, 1))
    if not sums.is_shared:
        return compute_batch_criterion(sums, evaluate_batch(sums, ratios), method)
    one = sums.take(np.array([0]))
    state = evaluate_batch(one, ratios[:1])
    rest = _rest_at(sums, state)
    n = sums.n if method == "ML" else sums.n - sums.p
    value = state.log_det + n * (1.0 + np.log(2 * np.pi * np.maximum(rest, 1e-300) / n))
    if method == "REML":
        value = value + np.linalg.slogdet(state.information)[1] + sums.log_det_basis
    return np.asarray(value, dtype=np.float64)


def _rest_at(sums: BatchSums, state: BatchState) -> FloatArray:
    """Return the residual sums of squares when the design, and so V^-1X, is shared."""
    p, v = sums.p, state.precision[0]
    mass = (sums.counts[0] * v * sums.weights[0][:, None]).ravel()
    design = sums.means[0, :, :, :p].reshape(-1, p)
    y = sums.means[:, :, :, p].reshape(sums.replicates, -1)
    pull = state.ratios[0, 0] * state.shrink[0] * sums.weights[0]
    persons = (sums.counts[0] * v)[None]
    loads_y = (y.reshape(sums.replicates, *sums.counts.shape[1:]) * persons).sum(axis=-1)
    loads_x = state.loads[0, :, :p]
    cross = sums.within[:, :p, p] + np.einsum("k,rka->ra", v, sums.spread[:, :, :p, p])
    cross = cross + y @ (design * mass[:, None]) - loads_y @ (loads_x * pull[:, None])
    square = sums.within[:, p, p] + sums.spread[:, :, p, p] @ v
    square = square + y**2 @ mass - loads_y**2 @ pull
    return np.asarray(square - np.einsum("ra,ab,rb->r", cross, state.inverse[0], cross))


def _finish(sums: BatchSums, ratios: FloatArray, converged: BoolArray, method: Method) -> BatchFit:
    at = np.where(converged[:, None], ratios, 0.0)
    with np.errstate(all="ignore"):
        state = _evaluate_usable(sums, at, converged)
        variance = state.rest / count_batch_df(sums, method)
        criterion = compute_batch_criterion(sums, state, method)
    beta = sums.ols_coefficients + state.gamma @ sums.to_coefficients.T
    finite = np.isfinite(beta).all(axis=1) & np.isfinite(criterion) & (variance > 0)
    kept = converged & finite

    def keep(values: FloatArray) -> FloatArray:
        return np.where(kept if values.ndim == 1 else kept[:, None], values, np.nan)

    person = at[:, 1] if sums.has_persons else np.zeros(len(at))
    return BatchFit(
        beta=keep(beta),
        agency_variance=keep(at[:, 0] * variance),
        person_variance=keep(person * variance),
        residual_variance=keep(variance),
        log_likelihood=keep(-criterion / 2),
        is_singular=kept & (at.min(axis=1) <= 0.0),
        converged=kept,
        ratios=keep(at),
        method=method,
        sums=sums,
        state=state,
    )


def _evaluate_usable(sums: BatchSums, ratios: FloatArray, usable: BoolArray) -> BatchState:
    """Solve the usable replicates, and fill the others with NaN."""
    if usable.all():
        return evaluate_batch(sums, ratios)
    if not usable.any():
        return _make_empty(sums)
    places = np.flatnonzero(usable)
    state = evaluate_batch(sums.take(places), ratios[places])
    full = []
    for values in state:
        out = np.full((sums.replicates, *values.shape[1:]), np.nan)
        out[places] = values
        full.append(out)
    return BatchState(*full)


def _make_empty(sums: BatchSums) -> BatchState:
    """Return a state in which nothing is known."""
    R, p, G, K = sums.replicates, sums.p, sums.means.shape[1], len(sums.class_sizes)
    shapes = [(p, p), (p, p), (p,), (), (), (1,), (K,), (G, p + 1), (G,), (G,)]
    return BatchState(*(np.full((R, *shape), np.nan) for shape in shapes))
