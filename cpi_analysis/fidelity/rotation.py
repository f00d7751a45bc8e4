"""Rotation of factors by gradient projection, from many starts at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: The norm of the projected gradient at which the starts are compared, and at which the best of
#: them stops.
ROUGH_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-10
#: Near the optimum the criterion is flat to rounding and the gradient wanders: after this many
#: iterations without a smaller gradient the search stops, and a gradient below this is accepted.
MOST_IDLE = 50
ACCEPTED_GRADIENT = 1e-7
MAX_ITERATIONS = 5000
#: Two optima whose criteria differ by less than this are the same optimum.
SAME_OPTIMUM = 1e-7
#: The power of promax, as in R's promax.
PROMAX_POWER = 4

Array = NDArray[np.float64]
#: Criterion and gradient of loadings, starts × items × factors.
_Criterion = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True)
class Rotation:
    """Rotated factors.

    Parameters
    ----------
    loadings
        Items × factors (pattern loadings when the factors correlate).
    factor_correlation
        Factors × factors.
    criterion
        Value of the criterion at the optimum; None where there is none.
    is_converged
        Whether the gradient vanished.
    n_starts, n_best
        Starting positions tried, and how many of them led to the best optimum.
    """

    loadings: Array
    factor_correlation: Array
    criterion: float | None
    is_converged: bool
    n_starts: int
    n_best: int


def rotate_oblimin(loadings: Array, *, starts: Array | None = None) -> Rotation:
    """Return the direct quartimin rotation (oblimin with γ = 0), without Kaiser's weights.

    Parameters
    ----------
    loadings
        Items × factors, unrotated.
    starts
        Orthogonal matrices to start from, starts × factors × factors, besides no rotation.

    Notes
    -----
    Minimises ¼ Σᵢ Σ_{r≠s} λ²ᵢᵣ λ²ᵢₛ over Λ = A (T′)⁻¹ with diag(T′T) = 1.

    References
    ----------
    Jennrich RI. Psychometrika 2002;67:7-19.
    """
    return _rotate(loadings, _quartimin, starts, is_oblique=True)


def rotate_varimax(loadings: Array, *, starts: Array | None = None) -> Rotation:
    """Return the varimax rotation with Kaiser's weights: rows of unit length while rotating.

    Parameters
    ----------
    loadings, starts
        As in :func:`rotate_oblimin`.

    References
    ----------
    Kaiser HF. Psychometrika 1958;23:187-200.
    Jennrich RI. Psychometrika 2001;66:289-306.
    """
    length = _row_lengths(loadings)
    found = _rotate(loadings / length, _varimax, starts, is_oblique=False)
    return _replace(found, found.loadings * length, found.factor_correlation)


def rotate_promax(loadings: Array, *, starts: Array | None = None) -> Rotation:
    """Return the promax rotation with Kaiser's weights: varimax bent towards fourth powers.

    Parameters
    ----------
    loadings, starts
        As in :func:`rotate_oblimin`.

    Notes
    -----
    The target has λ |λ|³ for every varimax loading λ of rows of unit length; the factors are
    its least-squares approximation, scaled to unit variance. psych::fa does the same;
    stats::promax of R does not weight the rows in its second step.

    References
    ----------
    Hendrickson AE, White PO. British Journal of Statistical Psychology 1964;17:65-70.
    """
    straight = rotate_varimax(loadings, starts=starts)
    if loadings.shape[1] == 1:
        return straight
    weighted = straight.loadings / _row_lengths(straight.loadings)
    target = weighted * np.abs(weighted) ** (PROMAX_POWER - 1)
    bend = np.linalg.lstsq(weighted, target, rcond=None)[0]
    bend = bend * np.sqrt(np.diag(np.linalg.inv(bend.T @ bend)))
    inverse = np.linalg.inv(bend)
    correlation = inverse @ inverse.T
    return _replace(straight, straight.loadings @ bend, (correlation + correlation.T) / 2)


def leave_unrotated(loadings: Array) -> Rotation:
    """Return the factors as they are."""
    return Rotation(loadings, np.eye(loadings.shape[1]), None, True, 1, 1)


def draw_starts(rng: np.random.Generator, n_starts: int, n_factors: int) -> Array:
    """Return random orthogonal matrices, starts × factors × factors."""
    normal = rng.normal(size=(n_starts, n_factors, n_factors))
    vectors, triangle = np.linalg.qr(normal)
    return np.asarray(vectors * np.sign(np.einsum("sii->si", triangle))[:, None, :])


def order_factors(rotation: Rotation) -> Rotation:
    """Return the factors by falling variance, each with a positive sum of loadings."""
    loadings, correlation = rotation.loadings, rotation.factor_correlation
    explained = np.diag(correlation @ loadings.T @ loadings)
    order = np.argsort(-explained, kind="stable")
    signs = np.where(loadings.sum(axis=0) < 0, -1.0, 1.0)[order]
    turned = correlation[np.ix_(order, order)] * np.outer(signs, signs)
    return _replace(rotation, loadings[:, order] * signs, turned)


def _row_lengths(loadings: Array) -> Array:
    length = np.sqrt((loadings**2).sum(axis=1, keepdims=True))
    return np.where(length > 0, length, 1.0)


def _replace(rotation: Rotation, loadings: Array, factor_correlation: Array) -> Rotation:
    return Rotation(
        loadings,
        factor_correlation,
        rotation.criterion,
        rotation.is_converged,
        rotation.n_starts,
        rotation.n_best,
    )


def _quartimin(loadings: Array) -> tuple[Array, Array]:
    squares = loadings**2
    others = squares.sum(axis=-1, keepdims=True) - squares
    return (squares * others).sum(axis=(-1, -2)) / 4, loadings * others


def _varimax(loadings: Array) -> tuple[Array, Array]:
    squares = loadings**2
    centred = squares - squares.mean(axis=-2, keepdims=True)
    return -(centred**2).sum(axis=(-1, -2)) / 4, -loadings * centred


def _rotate(
    loadings: Array, criterion: _Criterion, starts: Array | None, *, is_oblique: bool
) -> Rotation:
    k = loadings.shape[1]
    if k == 1:
        return leave_unrotated(loadings)
    identity = np.eye(k)[None]
    turns = identity if starts is None else np.concatenate([identity, starts])
    rough, values, _ = _project(
        loadings, turns, criterion, tolerance=ROUGH_TOLERANCE, is_oblique=is_oblique
    )
    best = int(values.argmin())
    n_best = int((values <= values[best] + SAME_OPTIMUM).sum())
    polished, values, norms = _project(
        loadings,
        rough[best : best + 1],
        criterion,
        tolerance=GRADIENT_TOLERANCE,
        is_oblique=is_oblique,
    )
    turn = polished[0]
    rotated = loadings @ (np.linalg.inv(turn).T if is_oblique else turn)
    return Rotation(
        loadings=rotated,
        factor_correlation=turn.T @ turn if is_oblique else np.eye(k),
        criterion=float(values[0]),
        is_converged=bool(norms[0] <= ACCEPTED_GRADIENT),
        n_starts=len(turns),
        n_best=n_best,
    )


def _project(
    loadings: Array, turns: Array, criterion: _Criterion, *, tolerance: float, is_oblique: bool
) -> tuple[Array, Array, Array]:
    """Return the turns at the optima, the criteria, and the norms of the projected gradients."""
    turns = turns.copy()
    n_starts = len(turns)
    values, gradients = _evaluate(loadings, turns, criterion, is_oblique=is_oblique)
    length = np.ones(n_starts)
    norms, idle = np.full(n_starts, np.inf), np.zeros(n_starts, dtype=int)
    active = np.arange(n_starts)
    for _ in range(MAX_ITERATIONS):
        projected = _project_gradient(turns[active], gradients[active], is_oblique=is_oblique)
        now = np.sqrt((projected**2).sum(axis=(1, 2)))
        idle[active] = np.where(now < norms[active], 0, idle[active] + 1)
        norms[active] = np.minimum(now, norms[active])
        moving = (now > tolerance) & (idle[active] < MOST_IDLE)
        active, projected, now = active[moving], projected[moving], now[moving]
        if not len(active):
            break
        length[active] *= 2
        left = np.arange(len(active))
        for _ in range(30):
            chosen = active[left]
            trial = _retract(
                turns[chosen] - length[chosen, None, None] * projected[left], is_oblique=is_oblique
            )
            value, gradient = _evaluate(loadings, trial, criterion, is_oblique=is_oblique)
            wanted = values[chosen] - 0.5 * now[left] ** 2 * length[chosen]
            # Where the criterion is flat to rounding, not to rise is enough.
            is_good = value <= np.maximum(wanted, values[chosen] - 1e-15 * np.abs(values[chosen]))
            done = chosen[is_good]
            turns[done], values[done] = trial[is_good], value[is_good]
            gradients[done] = gradient[is_good]
            left = left[~is_good]
            if not len(left):
                break
            length[active[left]] /= 2
        # Who cannot improve by rounding is done.
        active = np.setdiff1d(active, active[left])
    return turns, values, norms


def _evaluate(
    loadings: Array, turns: Array, criterion: _Criterion, *, is_oblique: bool
) -> tuple[Array, Array]:
    if not is_oblique:
        value, slope = criterion(loadings @ turns)
        return value, loadings.T @ slope
    inverse = np.linalg.inv(turns)
    rotated = loadings @ inverse.transpose(0, 2, 1)
    value, slope = criterion(rotated)
    return value, -(rotated.transpose(0, 2, 1) @ slope @ inverse).transpose(0, 2, 1)


def _project_gradient(turns: Array, gradients: Array, *, is_oblique: bool) -> Array:
    if is_oblique:
        return np.asarray(gradients - turns * (turns * gradients).sum(axis=1, keepdims=True))
    product = turns.transpose(0, 2, 1) @ gradients
    return np.asarray(gradients - turns @ (product + product.transpose(0, 2, 1)) / 2)


def _retract(points: Array, *, is_oblique: bool) -> Array:
    if is_oblique:
        return np.asarray(points / np.sqrt((points**2).sum(axis=1, keepdims=True)))
    left, _, right = np.linalg.svd(points)
    return np.asarray(left @ right)
