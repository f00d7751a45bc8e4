"""Cluster-robust, agency-means and permutation tests of many outcomes with one design."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.cluster_robust import compute_transfers, fit_cluster_robust

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

#: Two statistics that differ by less than this share are the same statistic.
SAME = 1e-9


class BatchTests(NamedTuple):
    """Estimates, standard errors and two-sided p-values, (R,) each, on shared df."""

    estimate: FloatArray
    std_error: FloatArray
    df: float
    p_value: FloatArray


def compute_robust_tests(
    responses: FloatArray, design: FloatArray, clusters: IntArray, *, column: int
) -> BatchTests:
    """Test a coefficient of least squares with CR2 and Satterthwaite df in every replicate.

    Parameters
    ----------
    responses
        Outcomes, (R, n).
    design, clusters
        Columns (n, p) and code of the cluster of each row (n,), shared by all replicates.
    column
        Place of the coefficient.

    Notes
    -----
    The score of a cluster is a fixed linear function of its residuals, so that all replicates
    need one product of matrices. See
    :func:`cpi_analysis.inference.cluster_robust.fit_cluster_robust`.
    """
    one = fit_cluster_robust(responses[0], design, clusters, kind="CR2")
    df = float(one.compute_df(np.eye(design.shape[1])[[column]])[0])
    transfers = compute_transfers(design, clusters, kind="CR2")[:, column]
    beta = responses @ np.linalg.pinv(design).T
    residuals = responses - beta @ design.T
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    scores = np.add.reduceat((residuals * transfers)[:, order], starts, axis=1)
    std_error = np.sqrt(np.sum(scores**2, axis=1))
    return _test(beta[:, column], std_error, df)


def compute_means_tests(
    responses: FloatArray, design: FloatArray, agencies: IntArray, *, column: int
) -> tuple[BatchTests, FloatArray]:
    """Compare the agencies' means by t, after the covariates, in every replicate.

    Returns
    -------
    tuple
        The tests on K - 2 df, and the adjusted means (R, K); see
        :func:`cpi_analysis.inference.agency_means.compute_agency_means`.
    """
    others = np.delete(design, column, axis=1)
    rest = responses - (responses @ np.linalg.pinv(others).T) @ others.T
    n_agencies = int(agencies.max()) + 1
    sizes = np.bincount(agencies, minlength=n_agencies)
    average = (agencies[:, None] == np.arange(n_agencies)) / sizes
    means = rest @ average
    is_target = np.bincount(agencies, design[:, column], minlength=n_agencies) > 0
    target, reference = means[:, is_target], means[:, ~is_target]
    estimate = target.mean(axis=1) - reference.mean(axis=1)
    df = float(n_agencies - 2)
    spread = sum(
        ((part - part.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) for part in (target, reference)
    )
    counts = 1 / target.shape[1] + 1 / reference.shape[1]
    return _test(estimate, np.sqrt(spread / df * counts), df), means


def compute_permutation_p(means: FloatArray, labellings: NDArray[np.bool_]) -> FloatArray:
    """Return p-values by exchanging labels; the first labelling is the real one.

    Notes
    -----
    With as many target agencies in every labelling, t goes up with the size of the sum over
    the target agencies about its expectation, and nothing else needs to be computed.
    """
    about = means - means.mean(axis=1, keepdims=True)
    sums = np.abs(about @ labellings.T.astype(np.float64))
    return np.asarray(np.mean(sums >= sums[:, :1] * (1 - SAME), axis=1))


def _test(estimate: FloatArray, std_error: FloatArray, df: float) -> BatchTests:
    from scipy import stats

    p_value = 2 * stats.t.sf(np.abs(estimate) / std_error, df)
    return BatchTests(estimate, std_error, df, np.asarray(p_value))
