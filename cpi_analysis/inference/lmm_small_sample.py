"""Small-sample inference for any linear mixed model: Kenward-Roger and Satterthwaite."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import fail
from cpi_analysis.inference.linear_mixed_model import LinearMixedModelFit
from cpi_analysis.inference.lmm_criterion import State, gather_entries, project_rows
from cpi_analysis.inference.lmm_structure import Bucket, Structure

FloatArray = NDArray[np.float64]
Information = Literal["expected", "observed"]

#: Eigenvalues of the information below this share of the largest say nothing.
NO_INFORMATION = 1e-12


class VarianceDerivatives(NamedTuple):
    """How the fit moves with each variance and covariance (m of them).

    ``P`` (m, p, p) is ``-X'V^-1 G_r V^-1 X``; ``Q`` (m, m, p, p) is
    ``X'V^-1 G_r V^-1 G_s V^-1 X``; ``traces`` (m, m) is ``tr(V^-1 G_r V^-1 G_s)``; ``squares``
    (m, m) is ``y'P G_r P G_s P y``; ``phi`` (p, p) the covariance of the coefficients.
    """

    phi: FloatArray
    P: FloatArray
    Q: FloatArray
    traces: FloatArray
    squares: FloatArray


class AdjustedFit(NamedTuple):
    """Covariance of the coefficients, and what their tests need.

    ``pieces`` are the derivatives, ``precision`` the covariance of the variance parameters.
    """

    covariance: FloatArray
    pieces: VarianceDerivatives
    precision: FloatArray

    def compute_df(self, contrasts: ArrayLike | None = None) -> FloatArray:
        """Return the degrees of freedom of each row of ``contrasts``, or coefficient."""
        phi, P = self.pieces.phi, self.pieces.P
        C = np.eye(len(phi)) if contrasts is None else np.atleast_2d(np.asarray(contrasts, float))
        variance = np.einsum("ka,ab,kb->k", C, phi, C)
        moved = C @ phi
        slopes = np.einsum("ka,rab,kb->kr", moved, P, moved)
        spread = np.einsum("kr,rs,ks->k", slopes, self.precision, slopes)
        return np.asarray(2 * variance**2 / spread, dtype=np.float64)


class JointF(NamedTuple):
    """A test of several contrasts at once."""

    statistic: float
    df1: float
    df2: float
    p_value: float


def adjust_mixed_model(
    fit: LinearMixedModelFit, *, information: Information = "expected"
) -> AdjustedFit:
    """Return the Kenward-Roger covariance and what its degrees of freedom need.

    Parameters
    ----------
    fit
        A REML fit.
    information
        ``"expected"`` as pbkrtest, ``"observed"`` as SAS PROC MIXED.

    Raises
    ------
    ModelError
        CPI-M004 for a fit by ML; CPI-M005 when observed information is not positive definite,
        as may happen at a variance of zero.

    Notes
    -----
    ``Phi_A = Phi + 2 Phi [sum_rs W_rs (Q_rs - P_r Phi P_s)] Phi`` with ``W`` the inverse of the
    information of all variances and covariances, those at zero included. V is linear in them,
    so that no second derivatives occur. Nothing of size n by n is formed.

    References
    ----------
    Kenward MG, Roger JH (1997). Small sample inference for fixed effects from restricted
    maximum likelihood. Biometrics 53, 983-997.
    """
    if fit.method != "REML":
        fail("CPI-M004", "Kenward–Roger needs a REML fit", "use method='REML'")
    pieces = compute_derivatives(fit)
    expected = _compute_expected(pieces)
    chosen = expected if information == "expected" else pieces.squares - expected
    precision = _invert(chosen, information)
    phi = pieces.phi
    inner = pieces.Q - np.einsum("rab,bc,scd->rsad", pieces.P, phi, pieces.P)
    correction = np.einsum("rs,rsab->ab", precision, inner)
    covariance = phi + 2 * phi @ correction @ phi
    return AdjustedFit((covariance + covariance.T) / 2, pieces, precision)


def approximate_satterthwaite(fit: LinearMixedModelFit) -> AdjustedFit:
    """Return the uncorrected covariance, with what Satterthwaite's df need.

    Notes
    -----
    The df are ``2 v^2 / (g' A g)`` with ``A`` the inverse of half the observed Hessian of the
    deviance in the variances. Directions without positive information, which occur at the
    boundary, are left out, as lmerTest does.
    """
    pieces = compute_derivatives(fit)
    half = _compute_expected(pieces) if fit.method == "REML" else pieces.traces / 2
    values, vectors = np.linalg.eigh(pieces.squares - half)
    keep = values > NO_INFORMATION * values.max()
    precision = (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
    return AdjustedFit(pieces.phi, pieces, precision)


def compute_joint_f(
    fit: LinearMixedModelFit, adjusted: AdjustedFit, contrasts: ArrayLike
) -> JointF:
    """Test that all contrasts are zero, by the scaled Wald F of Kenward and Roger.

    Parameters
    ----------
    contrasts
        Shape (l, p), of full row rank.
    """
    L = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
    if np.linalg.matrix_rank(L) < len(L):
        fail("CPI-M002", "the contrasts are collinear", "leave out those that follow")
    pieces = adjusted.pieces
    return compute_scaled_wald(
        fit.beta, adjusted.covariance, pieces.phi, pieces.P, adjusted.precision, L
    )


def compute_scaled_wald(
    beta: FloatArray,
    covariance: FloatArray,
    phi: FloatArray,
    P: FloatArray,
    W: FloatArray,
    L: FloatArray,
) -> JointF:
    """Return Kenward and Roger's scaled F of the rows of L (l, p), which has full row rank.

    ``covariance`` is the corrected one, ``phi`` the other; ``P`` (m, p, p) and ``W`` (m, m)
    belong to the m variances.
    """
    from scipy import stats

    n_rows = len(L)
    theta = L.T @ np.linalg.solve(L @ phi @ L.T, L)
    moved = np.einsum("ab,bc,rcd,de->rae", theta, phi, P, phi)
    traces = np.einsum("raa->r", moved)
    A1 = float(traces @ W @ traces)
    A2 = float(np.einsum("rs,rab,sba->", W, moved, moved))
    scale, df2 = _scale_f(A1, A2, n_rows)
    estimate = L @ beta
    wald = float(estimate @ np.linalg.solve(L @ covariance @ L.T, estimate)) / n_rows
    statistic = scale * wald
    return JointF(statistic, float(n_rows), df2, float(stats.f.sf(statistic, n_rows, df2)))


def _scale_f(A1: float, A2: float, n_rows: int) -> tuple[float, float]:
    B = (A1 + 6 * A2) / (2 * n_rows)
    g = ((n_rows + 1) * A1 - (n_rows + 4) * A2) / ((n_rows + 2) * A2)
    below = 3 * n_rows + 2 * (1 - g)
    c1, c2, c3 = g / below, (n_rows - g) / below, (n_rows + 2 - g) / below
    expected = 1 / (1 - A2 / n_rows)
    variance = 2 / n_rows * (1 + c1 * B) / ((1 - c2 * B) ** 2 * (1 - c3 * B))
    rho = variance / (2 * expected**2)
    df2 = 4 + (n_rows + 2) / (n_rows * rho - 1)
    return df2 / (expected * (df2 - 2)), df2


def _compute_expected(pieces: VarianceDerivatives) -> FloatArray:
    """Return the expected information of the variances under REML."""
    phi = pieces.phi
    second = np.einsum("ab,rsba->rs", phi, pieces.Q)
    third = np.einsum("ab,rbc,cd,sda->rs", phi, pieces.P, phi, pieces.P)
    return np.asarray((pieces.traces - 2 * second + third) / 2, dtype=np.float64)


def _invert(information: FloatArray, kind: Information) -> FloatArray:
    values, vectors = np.linalg.eigh((information + information.T) / 2)
    if values[0] <= NO_INFORMATION * values[-1]:
        fail(
            "CPI-M005",
            f"the {kind} information of the variances is not positive definite",
            "use information='expected', or leave out a random term",
        )
    return np.asarray((vectors / values) @ vectors.T, dtype=np.float64)


def compute_derivatives(fit: LinearMixedModelFit) -> VarianceDerivatives:
    """Return P, Q, traces and squares of every variance and covariance of the model."""
    structure, state = fit.structure, fit.state
    variance = float(fit.residual_variances[0])
    spread = _find_spread(fit)
    rows = project_rows(structure, state)
    joined = np.column_stack([rows[:, :-1], rows[:, -1] - rows[:, :-1] @ state.beta])
    masks = _build_masks(structure)
    B = np.column_stack([state.projected[:, :-1], state.effects])
    moved = _apply_masks(structure, masks, B)
    through = _Multiplier(structure, [b.gram - b.gram @ b.shrink @ b.gram for b in state.blocks])
    # Everything is in units of the residual variance; the response in units of its spread.
    unit = np.append(np.full(structure.p, 1.0), spread / np.sqrt(variance))
    first, cross = _combine_random(moved, B, through)
    residual_first, residual_cross, mixed = _combine_residual(structure, state, joined, moved)
    one = np.concatenate([first, residual_first]) * np.outer(unit, unit)
    two = _join(cross, residual_cross, mixed) * np.outer(unit, unit)
    traces = _compute_traces(structure, state, masks)
    return _assemble(structure, state, one, two, traces, variance)


def _find_spread(fit: LinearMixedModelFit) -> float:
    """Return the unit in which the response of the structure is measured."""
    inner = fit.state.rest / (fit.n - (fit.structure.p if fit.method == "REML" else 0))
    return float(np.sqrt(fit.residual_variances[0] / inner))


def _build_masks(structure: Structure) -> list[tuple[int, int, int]]:
    """Return term, row and column of each variance and covariance."""
    return [
        (term, a, b)
        for term, k in enumerate(structure.sizes)
        for a in range(k)
        for b in range(a + 1)
    ]


def _apply_masks(
    structure: Structure, masks: list[tuple[int, int, int]], values: FloatArray
) -> FloatArray:
    """Return J_r times values for every random parameter r: (r, effects, columns)."""
    starts = np.concatenate(
        [[0], np.cumsum([k * n for k, n in zip(structure.sizes, structure.levels, strict=True)])]
    )
    out = np.zeros((len(masks), *values.shape))
    for r, (term, a, b) in enumerate(masks):
        k = structure.sizes[term]
        part = slice(starts[term], starts[term + 1])
        inner = values[part].reshape(structure.levels[term], k, -1)
        view = out[r, part].reshape(structure.levels[term], k, -1)
        view[:, a] += inner[:, b]
        if a != b:
            view[:, b] += inner[:, a]
    return out


class _Multiplier(NamedTuple):
    """A block-diagonal matrix over the random effects."""

    structure: Structure
    blocks: list[FloatArray]

    def times(self, values: FloatArray) -> FloatArray:
        padded = np.vstack([values, np.zeros((1, values.shape[1]))])
        out = np.zeros_like(padded)
        for bucket, block in zip(self.structure.buckets, self.blocks, strict=True):
            out[bucket.columns] = block @ padded[bucket.columns]
        return out[:-1]


def _combine_random(
    moved: FloatArray, B: FloatArray, through: _Multiplier
) -> tuple[FloatArray, FloatArray]:
    """Return [X Py]'V^-1-type products of one and of two random derivatives."""
    n_random, n_effects, width = moved.shape
    first = np.einsum("qa,rqb->rab", B, moved)
    flat = np.swapaxes(moved, 0, 1).reshape(n_effects, n_random * width)
    carried = through.times(flat).reshape(n_effects, n_random, width)
    cross = np.einsum("rqa,qsb->rsab", moved, carried)
    return first, cross


def _combine_residual(
    structure: Structure, state: State, joined: FloatArray, moved: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    K, width = structure.n_residual, joined.shape[1]
    weights = state.weights
    parts = [structure.residual_groups == k for k in range(K)]
    first = np.array([joined[part].T @ joined[part] for part in parts])
    loads = np.array(
        [weights[k] * (structure.matrix[part].T @ joined[part]) for k, part in enumerate(parts)]
    )
    shrink = _Multiplier(structure, [block.shrink for block in state.blocks])
    gram = _Multiplier(structure, [block.gram for block in state.blocks])
    cross = np.zeros((K, K, width, width))
    mixed = np.zeros((K, len(moved), width, width))
    for k in range(K):
        carried = shrink.times(loads[k])
        cross[k, k] += weights[k] * first[k]
        for other in range(K):
            cross[other, k] -= loads[other].T @ carried
        left = loads[k] - gram.times(carried)
        mixed[k] = np.einsum("qa,rqb->rab", left, moved)
    return first, cross, mixed


def _join(cross: FloatArray, residual: FloatArray, mixed: FloatArray) -> FloatArray:
    n_random, n_residual = len(cross), len(residual)
    total = n_random + n_residual
    out = np.zeros((total, total, *cross.shape[2:]))
    out[:n_random, :n_random] = cross
    out[n_random:, n_random:] = residual
    out[n_random:, :n_random] = mixed
    out[:n_random, n_random:] = np.einsum("krab->rkba", mixed)
    return out


def _compute_traces(
    structure: Structure, state: State, masks: list[tuple[int, int, int]]
) -> FloatArray:
    n_random, K = len(masks), structure.n_residual
    weights = state.weights
    traces = np.zeros((n_random + K, n_random + K))
    places = np.arange(K) + n_random
    traces[places, places] = structure.counts * weights**2
    entries = _entry_numbers(structure, masks)
    for bucket, block in zip(structure.buckets, state.blocks, strict=True):
        C = block.gram - block.gram @ block.shrink @ block.gram
        eye = np.eye(C.shape[1])
        outer = eye - block.shrink @ block.gram
        products = [_mask_product(bucket, entries[r], C) for r in range(n_random)]
        for r in range(n_random):
            for s in range(r + 1):
                value = np.einsum("bij,bji->", products[r], products[s])
                traces[r, s] += value
                if r != s:
                    traces[s, r] += value
        used = [block.shrink @ bucket.grams[k] for k in range(K)]
        for k in range(K):
            row = n_random + k
            seen = np.swapaxes(outer, 1, 2) @ (weights[k] ** 2 * bucket.grams[k]) @ outer
            gathered = gather_entries(bucket, seen, structure.n_entries)
            for r in range(n_random):
                value = float(sum(gathered[entry] for entry in entries[r]))
                traces[row, r] += value
                traces[r, row] += value
            traces[row, row] -= 2 * weights[k] ** 3 * np.einsum("bii->", used[k])
            for other in range(K):
                traces[row, n_random + other] += (
                    weights[k] ** 2
                    * weights[other] ** 2
                    * np.einsum("bij,bji->", used[k], used[other])
                )
    return traces


def _entry_numbers(
    structure: Structure, masks: list[tuple[int, int, int]]
) -> list[tuple[int, ...]]:
    starts = np.concatenate([[0], np.cumsum(np.square(structure.sizes))])
    numbers = []
    for term, a, b in masks:
        k, first = structure.sizes[term], int(starts[term])
        pair = {first + a * k + b, first + b * k + a}
        numbers.append(tuple(sorted(pair)))
    return numbers


def _mask_product(bucket: Bucket, entries: tuple[int, ...], C: FloatArray) -> FloatArray:
    chosen = np.isin(bucket.entries, entries)
    n_blocks, m = bucket.columns.shape
    mask = np.zeros(n_blocks * m * m)
    mask[bucket.places[chosen]] = 1.0
    return np.asarray(mask.reshape(n_blocks, m, m) @ C, dtype=np.float64)


def _assemble(
    structure: Structure,
    state: State,
    one: FloatArray,
    two: FloatArray,
    traces: FloatArray,
    variance: float,
) -> VarianceDerivatives:
    p = structure.p
    phi = state.inverse * variance
    P = -one[:, :p, :p] / variance**2
    Q = two[:, :, :p, :p] / variance**3
    # y'P G_r P G_s P y: the columns of X are projected out of the inner inverse.
    carried = one[:, :p, p]
    inner = two[:, :, p, p] - np.einsum("ra,ab,sb->rs", carried, state.inverse, carried)
    squares = inner / variance**2
    return VarianceDerivatives(phi, P, Q, traces / variance**2, squares)
