"""The REML and ML criterion of a linear mixed model, and its derivatives in the variances."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.lmm_structure import Bucket, Structure

FloatArray = NDArray[np.float64]
Method = Literal["REML", "ML"]


class BlockState(NamedTuple):
    """Of one bucket: ``gram`` Z'WZ, ``shrink`` H = L (I + L'Z'WZ L)^-1 L'."""

    gram: FloatArray
    shrink: FloatArray


class State(NamedTuple):
    """The model at one set of variances, relative to the residual variance.

    ``projected`` is Z'V^-1 [X y], ``information`` X'V^-1X and ``inverse`` its inverse,
    ``rest`` the generalised residual sum of squares, ``effects`` Z'P y.
    """

    weights: FloatArray
    blocks: tuple[BlockState, ...]
    log_det: float
    projected: FloatArray
    information: FloatArray
    inverse: FloatArray
    beta: FloatArray
    rest: float
    effects: FloatArray
    shrunk: FloatArray


def evaluate(structure: Structure, roots: FloatArray, ratios: FloatArray) -> State:
    """Solve the model.

    Parameters
    ----------
    structure
        The data.
    roots
        Entries of the matrices L with G = L L', relative to the residual variance; flat, each
        matrix full.
    ratios
        Residual variance of each residual group, relative to the first.
    """
    weights = 1.0 / ratios
    S = np.einsum("k,kqc->qc", weights, structure.random_products)
    padded = np.vstack([S, np.zeros((1, S.shape[1]))])
    log_det = float(structure.counts @ np.log(ratios))
    projected = np.zeros_like(padded)
    shrunk = np.zeros_like(padded)
    blocks = []
    for bucket in structure.buckets:
        state, log_det_part = _evaluate_bucket(bucket, roots, weights)
        log_det += log_det_part
        mine = padded[bucket.columns]
        inner = state.shrink @ mine
        shrunk[bucket.columns] = inner
        projected[bucket.columns] = mine - state.gram @ inner
        blocks.append(state)
    shrunk, projected = shrunk[:-1], projected[:-1]
    total = np.einsum("k,kab->ab", weights, structure.fixed_products) - S.T @ shrunk
    information = total[:-1, :-1]
    inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    beta = inverse @ total[:-1, -1]
    rest = float(total[-1, -1] - total[-1, :-1] @ beta)
    return State(
        weights=weights,
        blocks=tuple(blocks),
        log_det=log_det,
        projected=projected,
        information=information,
        inverse=(inverse + inverse.T) / 2,
        beta=beta,
        rest=rest,
        effects=projected[:, -1] - projected[:, :-1] @ beta,
        shrunk=shrunk,
    )


def _evaluate_bucket(
    bucket: Bucket, roots: FloatArray, weights: FloatArray
) -> tuple[BlockState, float]:
    gram = np.tensordot(weights, bucket.grams, axes=1)
    L = spread_entries(bucket, roots)
    inner = np.swapaxes(L, 1, 2) @ gram @ L
    m = inner.shape[1]
    inner[:, np.arange(m), np.arange(m)] += 1.0
    lower = np.linalg.cholesky(inner)
    half = np.linalg.solve(lower, np.swapaxes(L, 1, 2))
    shrink = np.swapaxes(half, 1, 2) @ half
    diagonal = lower[:, np.arange(m), np.arange(m)]
    return BlockState(gram, shrink), float(2 * np.log(diagonal).sum())


def spread_entries(bucket: Bucket, entries: FloatArray) -> FloatArray:
    """Return block-diagonal matrices with the entries of all terms in their places."""
    n_blocks, m = bucket.columns.shape
    flat = np.zeros(n_blocks * m * m)
    flat[bucket.places] = entries[bucket.entries]
    return flat.reshape(n_blocks, m, m)


def gather_entries(bucket: Bucket, blocks: FloatArray, n_entries: int) -> FloatArray:
    """Return for each entry of the terms the sum over its places."""
    values = blocks.reshape(-1)[bucket.places]
    return np.asarray(np.bincount(bucket.entries, values, minlength=n_entries), dtype=np.float64)


def count_df(structure: Structure, method: Method) -> int:
    """Return the divisor of the residual variance."""
    return structure.n - structure.p if method == "REML" else structure.n


def compute_criterion(structure: Structure, state: State, method: Method) -> float:
    """Return -2 log-likelihood, with the residual variance profiled out."""
    df = count_df(structure, method)
    value = state.log_det + df * (1 + np.log(2 * np.pi * state.rest / df))
    if method == "REML":
        value += float(np.linalg.slogdet(state.information)[1])
    return float(value)


def compute_gradient(
    structure: Structure, state: State, method: Method
) -> tuple[FloatArray, FloatArray]:
    """Return the derivatives of the criterion in the entries of G and the residual ratios.

    Notes
    -----
    ``dD/dG = C - B Phi B' - h h' / s^2`` summed over the levels, with ``C = Z'V^-1Z``,
    ``B = Z'V^-1X`` and ``h = Z'Py``; ML has no middle term.
    """
    variance = state.rest / count_df(structure, method)
    n_entries = structure.n_entries
    entries = np.zeros(n_entries)
    B = np.vstack([state.projected[:, :-1], np.zeros((1, structure.p))])
    h = np.append(state.effects, 0.0)
    for bucket, block in zip(structure.buckets, state.blocks, strict=True):
        slope = block.gram - block.gram @ block.shrink @ block.gram
        if method == "REML":
            mine = B[bucket.columns]
            slope = slope - mine @ state.inverse @ np.swapaxes(mine, 1, 2)
        mine = h[bucket.columns]
        slope = slope - mine[:, :, None] * mine[:, None, :] / variance
        entries += gather_entries(bucket, slope, n_entries)
    if structure.n_residual == 1:
        return entries, np.zeros(1)
    return entries, _compute_ratio_gradient(structure, state, method, variance)


def project_rows(structure: Structure, state: State) -> FloatArray:
    """Return V^-1 [X y], shape (n, p + 1)."""
    fitted = structure.matrix @ state.shrunk
    weights = state.weights[structure.residual_groups]
    return np.asarray(weights[:, None] * (structure.joined - fitted), dtype=np.float64)


def _compute_ratio_gradient(
    structure: Structure, state: State, method: Method, variance: float
) -> FloatArray:
    rows = project_rows(structure, state)
    X = rows[:, :-1]
    py = rows[:, -1] - X @ state.beta
    codes, n_residual = structure.residual_groups, structure.n_residual
    squares = py**2 / variance
    if method == "REML":
        squares = squares + np.einsum("ia,ab,ib->i", X, state.inverse, X)
    traces = structure.counts * state.weights
    for bucket, block in zip(structure.buckets, state.blocks, strict=True):
        used = np.einsum("bij,kbij->k", block.shrink, bucket.grams)
        traces = traces - state.weights**2 * used
    return np.asarray(traces - np.bincount(codes, squares, minlength=n_residual))
