"""Least squares repeated over many sets of cluster weights, from cross-products per cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.integer]

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


def solve_replicates(products: ClusterProducts, weights: NDArray[np.number]) -> FloatArray:
    """Return the least-squares coefficients under each row of cluster weights.

    Parameters
    ----------
    products
        From :func:`compute_cluster_products`.
    weights
        Weight of every cluster in every replicate, shape (replicates, clusters).

    Returns
    -------
    ndarray of shape (replicates, columns)
        NaN in the rows whose weights leave the design without full rank.

    Notes
    -----
    Replicate r solves (Σ_g w_rg X_g'X_g) β = Σ_g w_rg X_g'y_g.
    """
    return solve_systems(accumulate(products.gram, weights), accumulate(products.moment, weights))


def solve_systems(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """Return the solutions of many normal equations, NaN where one has no full rank.

    Parameters
    ----------
    gram, moment
        Shapes (systems, p, p) and (systems, p).
    """
    solvable = find_solvable(gram)
    if solvable.all():
        return np.asarray(np.linalg.solve(gram, moment[:, :, None])[:, :, 0], dtype=np.float64)
    coefficients = np.full(moment.shape, np.nan)
    coefficients[solvable] = np.linalg.solve(gram[solvable], moment[solvable, :, None])[:, :, 0]
    return coefficients


def find_solvable(gram: FloatArray) -> NDArray[np.bool_]:
    """Return which of many Gram matrices, shape (systems, p, p), have full rank.

    Each is scaled to a unit diagonal, so that its determinant lies between 0 (collinear) and 1
    (orthogonal) whatever the units of the columns.
    """
    diagonal = np.diagonal(gram, axis1=1, axis2=2)
    positive = np.asarray((diagonal > 0).all(axis=1) & np.isfinite(gram).all(axis=(1, 2)))
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = np.where(positive[:, None, None], gram / (scale[:, :, None] * scale[:, None, :]), 0.0)
    return np.asarray(positive & (np.linalg.det(scaled) > SINGULAR_DETERMINANT))


def accumulate(values: FloatArray, weights: NDArray[np.number]) -> FloatArray:
    """Return Σ_g weights[:, g] × values[g], each row summed by itself.

    A matrix product would be quicker, but its rounding depends on the number of rows and of
    threads; this does not.
    """
    flat = np.ascontiguousarray(values.reshape(values.shape[0], -1).T)
    total = np.einsum("rg,fg->rf", np.ascontiguousarray(weights, dtype=np.float64), flat)
    return np.asarray(total.reshape(weights.shape[0], *values.shape[1:]), dtype=np.float64)


def compute_least_squares_loadings(design: FloatArray) -> FloatArray:
    """Return (X'X)⁻¹X', shape (columns, n): what each response adds to each coefficient."""
    orthonormal, triangle = np.linalg.qr(design)
    return np.asarray(np.linalg.solve(triangle, orthonormal.T), dtype=np.float64)


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
