"""Contrasts of fitted coefficients: their standard errors, degrees of freedom and joint tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import fail
from cpi_analysis.inference.lmm_small_sample import JointF, compute_scaled_wald

FloatArray = NDArray[np.float64]

#: Singular values of a set of contrasts below this share of the largest add no rank.
NO_RANK = 1e-10


class ContrastBasis(NamedTuple):
    """What every contrast of one fitted model needs.

    ``beta`` (p,); ``covariance`` (p, p), with the small-sample correction if there is one;
    ``phi`` (p, p) without it; ``P`` (m, p, p) the derivatives ``-X'V^-1 G_r V^-1 X`` in the m
    variances; ``precision`` (m, m) the covariance of the variances; ``is_scaled`` whether the
    joint test is Kenward and Roger's, else Satterthwaite's.
    """

    beta: FloatArray
    covariance: FloatArray
    phi: FloatArray
    P: FloatArray
    precision: FloatArray
    is_scaled: bool


class ContrastTests(NamedTuple):
    """One entry per contrast."""

    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray


def estimate_rows(
    basis: ContrastBasis, contrasts: ArrayLike, *, confidence_level: float
) -> ContrastTests:
    """Return estimate, t test and interval of each row of ``contrasts``, shape (k, p)."""
    from scipy import stats

    L = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
    estimate = L @ basis.beta
    std_error = np.sqrt(np.einsum("ka,ab,kb->k", L, basis.covariance, L))
    df = compute_row_df(basis, L)
    # A contrast of nothing, such as a level minus itself, has no test.
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    reach = stats.t.ppf((1 + confidence_level) / 2, df) * std_error
    p_value = np.asarray(2 * stats.t.sf(np.abs(statistic), df), dtype=np.float64)
    return ContrastTests(
        estimate, std_error, df, statistic, p_value, estimate - reach, estimate + reach
    )


def compute_row_df(basis: ContrastBasis, L: FloatArray) -> FloatArray:
    """Return ``2 v^2 / (q'Wq)`` for each row: Kenward-Roger's or Satterthwaite's df."""
    variance = np.einsum("ka,ab,kb->k", L, basis.phi, L)
    moved = L @ basis.phi
    slopes = np.einsum("ka,rab,kb->kr", moved, basis.P, moved)
    spread = np.einsum("kr,rs,ks->k", slopes, basis.precision, slopes)
    return np.asarray(2 * variance**2 / spread, dtype=np.float64)


def compute_joint_test(basis: ContrastBasis, contrasts: ArrayLike) -> JointF:
    """Test that all contrasts are zero; rows that follow from others do not count.

    Notes
    -----
    Kenward and Roger's scaled F, or with Satterthwaite the F of Fai and Cornelius: the
    contrasts are rotated until they are independent, each has its own df ``nu_k``, and with
    ``E = sum nu_k / (nu_k - 2)`` over those above 2 the denominator df are ``2E / (E - l)``.

    References
    ----------
    Fai AHT, Cornelius PL (1996). Approximate F-tests of multiple degree of freedom hypotheses
    in generalized least squares analyses of unbalanced split-plot experiments. Journal of
    Statistical Computation and Simulation 54, 363-378.
    """
    from scipy import stats

    L = reduce_to_rank(np.atleast_2d(np.asarray(contrasts, dtype=np.float64)))
    if not len(L):
        fail("CPI-M002", "the contrasts are all zero", "name contrasts that compare something")
    if basis.is_scaled:
        return compute_scaled_wald(
            basis.beta, basis.covariance, basis.phi, basis.P, basis.precision, L
        )
    values, vectors = np.linalg.eigh(L @ basis.covariance @ L.T)
    rotated = vectors.T @ L
    statistic = float(np.mean((rotated @ basis.beta) ** 2 / values))
    df2 = _combine_df(compute_row_df(basis, rotated))
    return JointF(statistic, float(len(L)), df2, float(stats.f.sf(statistic, len(L), df2)))


def _combine_df(df: FloatArray) -> float:
    """Return the denominator df of independent t statistics, as lmerTest does."""
    if len(df) == 1 or np.ptp(df) < 1e-8:
        return float(df.mean())
    if (df <= 2).any():
        return 2.0
    expected = float(np.sum(df / (df - 2)))
    return 2 * expected / (expected - len(df))


def reduce_to_rank(L: FloatArray) -> FloatArray:
    """Return orthonormal rows that span the same contrasts."""
    _, values, rows = np.linalg.svd(L, full_matrices=False)
    if not values.size or values[0] == 0:
        return np.empty((0, L.shape[1]))
    return np.asarray(rows[values > NO_RANK * values[0]], dtype=np.float64)
