"""Whether one cluster alone decides a coefficient, so that its error cannot be known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import fail

FloatArray = NDArray[np.float64]

#: An eigenvalue this small beside the largest is a direction that the other clusters leave open.
OPEN = 1e-10
#: And a contrast that leans this little towards it does not depend on it.
APART = 1e-6


def find_single_cluster(
    design: FloatArray, clusters: NDArray[np.integer], contrasts: ArrayLike
) -> NDArray[np.bool_]:
    """Return, for each contrast, whether it cannot be estimated without some one cluster.

    Parameters
    ----------
    design
        Columns, shape (n, p), of full rank.
    clusters
        Code of the cluster of each row, from 0.
    contrasts
        Rows of weights of the coefficients, shape (m, p).

    Notes
    -----
    Without cluster g the null space N of X₋g′X₋g holds what only g decides: c′β depends on it
    when c′N is not zero. A robust covariance then counts the variation of g as none, since its
    residuals are zero in that direction.

    Examples
    --------
    >>> arm = np.array([1.0, 1, 0, 0, 0, 0])
    >>> design = np.column_stack([np.ones(6), arm])
    >>> find_single_cluster(design, np.array([0, 0, 1, 1, 2, 2]), np.eye(2)).tolist()
    [False, True]
    """
    scale = np.linalg.norm(design, axis=0)
    scaled = design / scale
    rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64)) / scale
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    total = scaled.T @ scaled
    largest = float(np.linalg.eigvalsh(total)[-1])
    is_single = np.zeros(len(rows), dtype=bool)
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(clusters)[order], prepend=-1))[1:]
    for own in np.split(order, starts):
        values, vectors = np.linalg.eigh(total - scaled[own].T @ scaled[own])
        null = vectors[:, values <= OPEN * largest]
        if null.shape[1]:
            is_single |= np.linalg.norm(rows @ null, axis=1) > APART
    return is_single


def check_several_clusters(
    design: FloatArray, clusters: NDArray[np.integer], contrasts: ArrayLike, *, what: str
) -> None:
    """Raise CPI-M007 when one cluster alone decides a contrast, which is ``what`` in words."""
    if find_single_cluster(design, clusters, contrasts).any():
        fail(
            "CPI-M007",
            f"one agency alone decides {what}: how it would vary between agencies cannot be seen",
            "have at least two agencies in each group, or leave out the column that only this "
            "agency carries",
        )
