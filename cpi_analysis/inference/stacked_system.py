"""Two regressions of the same people, fitted together with a cluster-robust covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.cluster_robust import ClusterRobustFit, Kind, fit_cluster_robust

FloatArray = NDArray[np.float64]
Equation = tuple[FloatArray, FloatArray]

#: With more clusters Satterthwaite's degrees of freedom are not worth their square in memory.
MOST_CLUSTERS = 1500


@dataclass(frozen=True, kw_only=True, eq=False)
class StackedFit:
    """Coefficients of two equations and their joint covariance.

    Parameters
    ----------
    beta, cov
        Coefficients of the first, then of the second equation, and their robust covariance.
    model_cov
        The covariance if people were independent and the working covariance right.
    n_first
        Number of coefficients of the first equation.
    """

    beta: FloatArray
    cov: FloatArray
    model_cov: FloatArray
    n_first: int
    scale: FloatArray
    fit: ClusterRobustFit

    def compute_df(self, contrasts: FloatArray) -> FloatArray:
        """Return the Satterthwaite degrees of freedom of each row of ``contrasts``."""
        if self.fit.n_clusters > MOST_CLUSTERS:
            return np.full(len(contrasts), float(self.fit.n_clusters - 2))
        # One by one: together they would need a matrix of clusters for every pair.
        return np.array([float(self.fit.compute_df(row * self.scale)[0]) for row in contrasts])


def fit_stacked_system(
    first: Equation,
    second: Equation,
    clusters: NDArray[np.integer],
    *,
    working: FloatArray | None = None,
    kind: Kind = "CR2",
) -> StackedFit:
    """Fit two equations by generalised least squares, robust to dependence within clusters.

    Parameters
    ----------
    first, second
        Response (n,) and design (n, p) of each equation, on the same people.
    clusters
        Code of the cluster of each person.
    working
        Covariance of the two errors of a person, shape (2, 2); independent errors when not
        given, which is least squares for each equation.
    kind
        Small-sample correction of the robust covariance.

    Returns
    -------
    StackedFit

    Raises
    ------
    ModelError
        As :func:`~cpi_analysis.inference.cluster_robust.fit_cluster_robust`.

    Notes
    -----
    The two rows of a person are multiplied by the root of the inverse working covariance, so
    that the working model of the corrections is a unit variance.

    References
    ----------
    Zellner A (1962). Journal of the American Statistical Association 57:348-368.
    Pustejovsky JE, Tipton E (2018). Journal of Business & Economic Statistics 36:672-683.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 3.0, 4.0])
    >>> ones = np.ones((6, 1))
    >>> fit = fit_stacked_system((y, ones), (2 * y, ones), np.array([0, 0, 1, 1, 2, 2]))
    >>> fit.cov.round(4).tolist()
    [[0.7778, 1.5556], [1.5556, 3.1111]]
    """
    unit = np.eye(2) if working is None else working
    spread = np.array([_spread(first), _spread(second)])
    root = np.linalg.cholesky(np.linalg.inv(unit * np.outer(spread, spread) ** -1)).T
    if working is None:
        root = np.eye(2)
    responses = np.array([first[0] / spread[0], second[0] / spread[1]])
    p, q = first[1].shape[1], second[1].shape[1]
    rows = [np.column_stack([root[k, 0] * first[1], root[k, 1] * second[1]]) for k in range(2)]
    fit = fit_cluster_robust(
        (root @ responses).ravel(), np.concatenate(rows), np.tile(clusters, 2), kind=kind
    )
    scale = np.repeat(spread, [p, q])
    return StackedFit(
        beta=fit.beta * scale,
        cov=fit.cov * np.outer(scale, scale),
        model_cov=fit.loadings.bread * np.outer(scale, scale),
        n_first=p,
        scale=scale,
        fit=fit,
    )


def estimate_error_covariance(first: Equation, second: Equation) -> FloatArray:
    """Return the covariance of the least-squares residuals of two equations.

    Notes
    -----
    Entry (k, l) is r_k'r_l / √(df_k df_l), with df the people less the coefficients.
    """
    residuals, df = [], []
    for response, design in (first, second):
        beta = np.linalg.lstsq(design, response, rcond=None)[0]
        residuals.append(response - design @ beta)
        df.append(float(len(response) - design.shape[1]))
    matrix = np.array(residuals)
    return np.asarray(matrix @ matrix.T / np.sqrt(np.outer(df, df)), dtype=np.float64)


def _spread(equation: Equation) -> float:
    response, design = equation
    beta = np.linalg.lstsq(design, response, rcond=None)[0]
    rest = float(np.sqrt(np.mean((response - design @ beta) ** 2)))
    return rest if rest > 0 else 1.0
