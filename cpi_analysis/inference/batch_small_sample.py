"""Kenward-Roger and Satterthwaite for one contrast of many fits at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.batch_criterion import (
    BatchMoments,
    BatchState,
    compute_batch_moments,
)
from cpi_analysis.inference.batch_mixed_model import BatchFit
from cpi_analysis.inference.group_sums import fail

FloatArray = NDArray[np.float64]


class BatchInference(NamedTuple):
    """A contrast of every replicate, (R,) each; NaN where the fit has not converged."""

    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray

    @property
    def p_value(self) -> FloatArray:
        """Two-sided p-values against t."""
        from scipy import stats

        return np.asarray(2 * stats.t.sf(np.abs(self.estimate / self.std_error), self.df))


class _Derivatives(NamedTuple):
    """Of all variances, the residual one last, relative to it: see Kenward and Roger."""

    P: FloatArray
    Q: FloatArray
    traces: FloatArray


def adjust_batch(fit: BatchFit, contrast: ArrayLike) -> BatchInference:
    """Return the contrast with its Kenward-Roger standard error and degrees of freedom.

    Parameters
    ----------
    fit
        Fits by REML.
    contrast
        Weights of the coefficients, (p,).

    Raises
    ------
    ModelError
        CPI-M004 for fits by ML, or a contrast of another length.

    Notes
    -----
    Expected information, as :func:`cpi_analysis.inference.kenward_roger.adjust_kenward_roger`
    with the same formulas; the derivatives in the residual variance follow from
    ``sum_r g_r G_r = V``.
    """
    if fit.method != "REML":
        fail("CPI-M004", "Kenward–Roger needs REML fits", "use method='REML'")
    row = _read_contrast(fit, contrast)
    places = np.flatnonzero(fit.converged)
    if not len(places):
        return _spread(fit, row, places, np.empty(0), np.empty(0))
    part = fit.sums.take(places)
    state = BatchState(*(values[places] for values in fit.state))
    moments = compute_batch_moments(part, state)
    pieces = _complete(moments, state, part.n, part.p)
    phi = state.inverse
    carried = phi[:, None] @ pieces.P
    information = pieces.traces / 2
    information = information - np.einsum("rab,rmsba->rms", phi, pieces.Q)
    information = information + np.einsum("rmab,rsba->rms", carried, carried) / 2
    precision = _invert(information)
    inner = np.einsum("rms,rmsab->rab", precision, pieces.Q)
    weighted = np.einsum("rms,rsab->rmab", precision, carried)
    inner = inner - np.einsum("rmab,rmbc->rac", pieces.P, weighted)
    reach = row @ fit.sums.to_coefficients @ phi
    plain = reach @ (row @ fit.sums.to_coefficients)
    adjusted = plain + 2 * np.einsum("ra,rab,rb->r", reach, inner, reach)
    slopes = np.einsum("ra,rmab,rb->rm", reach, pieces.P, reach)
    df = 2 * plain**2 / np.einsum("rm,rms,rs->r", slopes, precision, slopes)
    return _spread(fit, row, places, adjusted, df)


def _read_contrast(fit: BatchFit, contrast: ArrayLike) -> FloatArray:
    row = np.asarray(contrast, dtype=np.float64)
    if row.shape != (fit.sums.p,):
        fail("CPI-M004", "the contrast needs one weight per coefficient", "give (p,) weights")
    return row


def _spread(
    fit: BatchFit,
    row: FloatArray,
    places: NDArray[np.intp],
    variance: FloatArray,
    df: FloatArray,
) -> BatchInference:
    std_error, every = np.full((2, fit.sums.replicates), np.nan)
    std_error[places] = np.sqrt(variance * fit.residual_variance[places])
    every[places] = df
    return BatchInference(fit.beta @ row, std_error, every)


def _complete(moments: BatchMoments, state: BatchState, n: FloatArray, p: int) -> _Derivatives:
    """Add the residual variance to the derivatives, by ``sum_r g_r G_r = V``."""
    g = state.ratios
    first, second = moments.first[:, :, :p, :p], moments.second[:, :, :, :p, :p]
    P_e = state.information - np.einsum("rm,rmab->rab", g, first)
    Q_e = first - np.einsum("rs,rmsab->rmab", g, second)
    Q_ee = P_e - np.einsum("rm,rmab->rab", g, np.swapaxes(Q_e, 2, 3))
    m = g.shape[1]
    Q = np.empty((len(g), m + 1, m + 1, p, p))
    Q[:, :m, :m], Q[:, m, m] = second, Q_ee
    Q[:, :m, m], Q[:, m, :m] = Q_e, np.swapaxes(Q_e, 2, 3)
    trace_e = n - np.einsum("rm,rm->r", g, moments.trace)
    traces_e = moments.trace - np.einsum("rs,rms->rm", g, moments.traces)
    traces = np.empty((len(g), m + 1, m + 1))
    traces[:, :m, :m] = moments.traces
    traces[:, :m, m] = traces[:, m, :m] = traces_e
    traces[:, m, m] = trace_e - np.einsum("rm,rm->r", g, traces_e)
    P = -np.concatenate([first, P_e[:, None]], axis=1)
    return _Derivatives(P, Q, traces)


def _invert(information: FloatArray) -> FloatArray:
    diagonal = np.einsum("rmm->rm", information)
    scale = 1.0 / np.sqrt(diagonal)
    scaled = information * scale[:, :, None] * scale[:, None, :]
    inverse = np.linalg.inv(scaled)
    return np.asarray(inverse * scale[:, :, None] * scale[:, None, :])
