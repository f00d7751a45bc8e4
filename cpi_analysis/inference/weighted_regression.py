"""Least squares repeated over many sets of cluster weights, from cross-products per cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.integer]

#: Replicates in one pass: small enough for the processor's cache. It never changes a number.
CHUNK_SIZE = 512

#: A design whose correlation-scaled Gram matrix has a smaller determinant is called singular.
SINGULAR_DETERMINANT = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterProducts:
    """Cross-products of a design and a response within each cluster.

    Parameters
    ----------
    gram
        X'X of each cluster, shape (clusters, columns, columns).
    moment
        X'y of each cluster, shape (clusters, columns).
    """

    gram: FloatArray
    moment: FloatArray


def compute_cluster_products(
    design: FloatArray, response: FloatArray, clusters: IntArray, *, n_clusters: int
) -> ClusterProducts:
    """Return X'X and X'y of each cluster.

    Parameters
    ----------
    design
        One row per person, shape (n, p).
    response
        Shape (n,).
    clusters
        Cluster of each person, coded 0 … ``n_clusters`` − 1.
    n_clusters
        Number of clusters.

    Examples
    --------
    >>> import numpy as np
    >>> products = compute_cluster_products(
    ...     np.ones((3, 1)), np.array([1.0, 2.0, 6.0]), np.array([0, 0, 1]), n_clusters=2
    ... )
    >>> products.gram.ravel().tolist(), products.moment.ravel().tolist()
    ([2.0, 1.0], [3.0, 6.0])
    """
    columns = design.shape[1]
    gram = np.zeros((n_clusters, columns, columns))
    moment = np.zeros((n_clusters, columns))
    np.add.at(gram, clusters, design[:, :, None] * design[:, None, :])
    np.add.at(moment, clusters, design * response[:, None])
    return ClusterProducts(gram=gram, moment=moment)


def solve_replicates(
    products: ClusterProducts, weights: NDArray[np.number], *, chunk_size: int = CHUNK_SIZE
) -> FloatArray:
    """Return the least-squares coefficients under each row of cluster weights.

    Parameters
    ----------
    products
        From :func:`compute_cluster_products`.
    weights
        Weight of every cluster in every replicate, shape (replicates, clusters).
    chunk_size
        Replicates in one pass; memory only, the result is the same to the last bit.

    Returns
    -------
    ndarray of shape (replicates, columns)

    Notes
    -----
    Replicate r solves (Σ_g w_rg X_g'X_g) β = Σ_g w_rg X_g'y_g. Every replicate must leave the
    design of full rank: see :func:`find_solvable`.
    """
    coefficients = np.empty((weights.shape[0], products.moment.shape[1]))
    for rows in _iterate_chunks(weights.shape[0], chunk_size):
        gram = accumulate(products.gram, weights[rows])
        moment = accumulate(products.moment, weights[rows])
        coefficients[rows] = np.linalg.solve(gram, moment[:, :, None])[:, :, 0]
    return coefficients


def find_solvable(gram: FloatArray, weights: NDArray[np.number]) -> NDArray[np.bool_]:
    """Return which rows of cluster weights leave a design of full rank.

    The Gram matrix of each replicate is scaled to a unit diagonal, so that its determinant
    lies between 0 (collinear) and 1 (orthogonal) whatever the units of the columns.
    """
    solvable = np.zeros(weights.shape[0], dtype=bool)
    for rows in _iterate_chunks(weights.shape[0], CHUNK_SIZE):
        total = accumulate(gram, weights[rows])
        diagonal = np.diagonal(total, axis1=1, axis2=2)
        positive = (diagonal > 0).all(axis=1)
        scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        scaled = total / (scale[:, :, None] * scale[:, None, :])
        solvable[rows] = positive & (np.linalg.det(scaled) > SINGULAR_DETERMINANT)
    return solvable


def accumulate(values: FloatArray, weights: NDArray[np.number]) -> FloatArray:
    """Return Σ_g weights[:, g] × values[g], added in the order of the clusters.

    A matrix product would be as quick, but its rounding depends on the number of rows given
    to it; adding one cluster at a time does not.
    """
    flat = values.reshape(values.shape[0], -1)
    total = np.zeros((weights.shape[0], flat.shape[1]))
    for cluster in range(flat.shape[0]):
        total += weights[:, cluster, None] * flat[cluster]
    return total.reshape(weights.shape[0], *values.shape[1:])


def compute_cluster_influence(
    design: FloatArray, response: FloatArray, clusters: IntArray, *, n_clusters: int
) -> FloatArray:
    """Return the influence of each cluster on the least-squares coefficients.

    Returns
    -------
    ndarray of shape (clusters, columns)
        (X'X)⁻¹ X_g'e_g for cluster g with residuals e_g. Their outer products add up to the
        cluster-robust covariance without small-sample factor (CR0).

    References
    ----------
    Liang K-Y, Zeger SL (1986). Biometrika 73:13-22.
    """
    coefficients, *_ = np.linalg.lstsq(design, response, rcond=None)
    scores = design * (response - design @ coefficients)[:, None]
    totals = np.zeros((n_clusters, design.shape[1]))
    np.add.at(totals, clusters, scores)
    return np.asarray(np.linalg.solve(design.T @ design, totals.T).T)


def _iterate_chunks(length: int, chunk_size: int) -> Iterator[slice]:
    for start in range(0, length, chunk_size):
        yield slice(start, start + chunk_size)
