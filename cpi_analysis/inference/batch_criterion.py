"""Criterion, first and second derivatives of many random-intercept models at once.

Variances are relative to the residual variance: the first is that of agencies, the second, if
there is one, that of persons. Arrays run over replicates first.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.batch_sums import BatchSums

FloatArray = NDArray[np.float64]
Method = Literal["REML", "ML"]


class BatchState(NamedTuple):
    """The models at one set of variance ratios each.

    ``information`` X'V^-1X and its ``inverse`` (R, p, p), in the basis Q; ``gamma`` (R, p) the
    coefficients there; ``rest`` (R,) the generalised residual sum of squares; ``log_det`` (R,)
    of V. ``precision`` (R, K) is that of a person's mean, ``loads`` (R, G, q) and ``total``
    (R, G) are the sums of precision times mean, and of precision; ``shrink`` is
    1/(1 + ratio total).
    """

    information: FloatArray
    inverse: FloatArray
    gamma: FloatArray
    rest: FloatArray
    log_det: FloatArray
    ratios: FloatArray
    precision: FloatArray
    loads: FloatArray
    total: FloatArray
    shrink: FloatArray


class BatchMoments(NamedTuple):
    """What the derivatives are made of, for the m variance ratios; columns are [X, Py].

    ``first`` (R, m, q, q) is A'V^-1 G_r V^-1 A, ``second`` (R, m, m, q, q)
    A'V^-1 G_r V^-1 G_s V^-1 A, ``trace`` (R, m) tr(V^-1 G_r) and ``traces`` (R, m, m)
    tr(V^-1 G_r V^-1 G_s).
    """

    first: FloatArray
    second: FloatArray
    trace: FloatArray
    traces: FloatArray


def evaluate_batch(sums: BatchSums, ratios: FloatArray) -> BatchState:
    """Solve every model at its variance ratios (R, 1) or (R, 2)."""
    p = sums.p
    agency = ratios[:, :1]
    person = ratios[:, 1:] if sums.has_persons else np.zeros((len(ratios), 1))
    precision = sums.class_sizes / (1.0 + person * sums.class_sizes)
    mass = sums.counts * precision[:, None, :]
    total = mass.sum(axis=-1)
    loads = (mass[:, :, None, :] @ sums.means)[:, :, 0, :]
    shrink = 1.0 / (1.0 + agency * total)
    centre = loads / np.maximum(total, np.finfo(float).tiny)[:, :, None]
    matrix = sums.within + np.einsum("rk,rkab->rab", precision, sums.spread)
    if len(sums.class_sizes) > 1:
        about = sums.means - centre[:, :, None, :]
        matrix = matrix + _gram(about, mass * sums.weights[:, :, None])
    heavy = centre * (sums.weights * total * shrink)[:, :, None]
    matrix = matrix + np.swapaxes(centre, 1, 2) @ heavy
    information = matrix[:, :p, :p]
    inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    gamma = (inverse @ matrix[:, :p, p:])[:, :, 0]
    rest = matrix[:, p, p] - np.einsum("ra,ra->r", matrix[:, :p, p], gamma)
    log_det = (sums.weights * np.log1p(agency * total)).sum(axis=1)
    if sums.has_persons:
        people = (sums.counts * sums.weights[:, :, None]).sum(axis=1)
        log_det = log_det + (people * np.log1p(person * sums.class_sizes)).sum(axis=1)
    return BatchState(
        information, inverse, gamma, rest, log_det, ratios, precision, loads, total, shrink
    )


def _gram(values: FloatArray, mass: FloatArray) -> FloatArray:
    """Return sums over agencies and classes of mass times outer products."""
    replicates, q = len(values), values.shape[-1]
    flat = values.reshape(replicates, -1, q)
    heavy = (values * mass[..., None]).reshape(replicates, -1, q)
    return np.asarray(np.swapaxes(flat, 1, 2) @ heavy)


def count_batch_df(sums: BatchSums, method: Method) -> FloatArray:
    """Return the divisor of the residual variance, (R,)."""
    return sums.n - sums.p if method == "REML" else sums.n


def compute_batch_criterion(sums: BatchSums, state: BatchState, method: Method) -> FloatArray:
    """Return -2 log-likelihood of each replicate, with the residual variance profiled out."""
    df = count_batch_df(sums, method)
    tiny = np.finfo(float).tiny
    value = state.log_det + df * (1.0 + np.log(2 * np.pi * np.maximum(state.rest, tiny) / df))
    if method == "REML":
        value = value + np.linalg.slogdet(state.information)[1] + sums.log_det_basis
    return np.asarray(value, dtype=np.float64)


def compute_batch_moments(sums: BatchSums, state: BatchState) -> BatchMoments:
    """Return the moments of first and second derivatives in the variance ratios.

    Notes
    -----
    With ``t_i = 1_i'V^-1 A`` for an agency and ``b_j = v_j (a_j - ratio t_i)`` for a person of
    it, every product is a sum over agencies and classes; no matrix of size n is formed.
    """
    project = _project(state)
    weights, shrink = sums.weights, state.shrink
    t = (state.loads * shrink[:, :, None]) @ project
    tau = state.total * shrink
    one_a = _outer(t, t, weights)
    two_aa = _outer(t, t, weights * tau)
    trace_a, traces_aa = (weights * tau).sum(axis=1), (weights * tau**2).sum(axis=1)
    if not sums.has_persons:
        return BatchMoments(
            one_a[:, None], two_aa[:, None, None], trace_a[:, None], traces_aa[:, None, None]
        )
    v = state.precision
    pulled = state.ratios[:, :1, None] * t
    about = sums.means @ project[:, None] - pulled[:, :, None, :]
    spread = np.swapaxes(project, 1, 2)[:, None] @ sums.spread @ project[:, None]
    counts = sums.counts * weights[:, :, None]
    one_p = np.einsum("rk,rkab->rab", v**2, spread) + _gram(about, counts * v[:, None, :] ** 2)
    two_pp = np.einsum("rk,rkab->rab", v**3, spread) + _gram(about, counts * v[:, None, :] ** 3)
    mass = sums.counts * v[:, None, :] ** 2
    u = (mass[:, :, None, :] @ about)[:, :, 0, :]
    phi = state.ratios[:, :1] * shrink
    two_pp = two_pp - _outer(u, u, weights * phi)
    two_ap = _outer(t, u, weights * shrink)
    s2, s3 = mass.sum(axis=-1), (sums.counts * v[:, None, :] ** 3).sum(axis=-1)
    trace_p = (weights * (state.total - phi * s2)).sum(axis=1)
    traces_ap = (weights * s2 * shrink**2).sum(axis=1)
    traces_pp = (weights * (s2 - 2 * phi * s3 + (phi * s2) ** 2)).sum(axis=1)
    second = np.stack(
        [
            np.stack([two_aa, two_ap], axis=1),
            np.stack([np.swapaxes(two_ap, 1, 2), two_pp], axis=1),
        ],
        axis=1,
    )
    traces = np.stack([traces_aa, traces_ap, traces_ap, traces_pp], axis=1).reshape(-1, 2, 2)
    return BatchMoments(
        np.stack([one_a, one_p], axis=1), second, np.stack([trace_a, trace_p], axis=1), traces
    )


def _project(state: BatchState) -> FloatArray:
    """Return what turns the columns [X, y] into [X, y - X gamma]."""
    p = state.gamma.shape[1]
    project = np.zeros((len(state.gamma), p + 1, p + 1))
    project[:, np.arange(p + 1), np.arange(p + 1)] = 1.0
    project[:, :p, p] = -state.gamma
    return project


def _outer(left: FloatArray, right: FloatArray, mass: FloatArray) -> FloatArray:
    return np.asarray(np.swapaxes(left * mass[:, :, None], 1, 2) @ right)


def compute_batch_derivatives(
    sums: BatchSums, state: BatchState, moments: BatchMoments, method: Method
) -> tuple[FloatArray, FloatArray]:
    """Return gradient (R, m) and Hessian (R, m, m) of the criterion in the variance ratios."""
    p = sums.p
    df, rest = count_batch_df(sums, method)[:, None], state.rest[:, None]
    share = moments.first[:, :, p, p] / rest
    gradient = moments.trace - df * share
    loads = moments.first[:, :, p, :p]
    reach = loads @ state.inverse
    squares = moments.second[:, :, :, p, p] - reach @ np.swapaxes(loads, 1, 2)
    falls = 2 * squares / rest[:, :, None] - share[:, :, None] * share[:, None, :]
    hessian = -moments.traces + df[:, :, None] * falls
    if method == "REML":
        carried = state.inverse[:, None] @ moments.first[:, :, :p, :p]
        gradient = gradient - np.einsum("rmaa->rm", carried)
        hessian = hessian + 2 * np.einsum(
            "rab,rmsba->rms", state.inverse, moments.second[..., :p, :p]
        )
        hessian = hessian - np.einsum("rmab,rsba->rms", carried, carried)
    return gradient, (hessian + np.swapaxes(hessian, 1, 2)) / 2
