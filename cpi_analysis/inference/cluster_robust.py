"""Covariance of regression coefficients that is robust to any dependence within clusters.

Bias-reduced linearisation (CR2) with Satterthwaite degrees of freedom holds its level with a
dozen clusters, where the usual sandwich (CR0, CR1) and its normal tests do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import check_arrays, fail

FloatArray = NDArray[np.float64]
Kind = Literal["CR0", "CR1", "CR1S", "CR2", "CR3"]
KINDS: tuple[Kind, ...] = ("CR0", "CR1", "CR1S", "CR2", "CR3")

#: Eigenvalues of an adjustment below this are directions that the cluster's fit uses up.
USED_UP = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterRobustFit:
    """Coefficients with their cluster-robust covariance.

    Parameters
    ----------
    beta, cov
        Coefficients, shape (p,), and their covariance, shape (p, p).
    kind
        Which small-sample correction.
    n, n_clusters
        Number of rows and of clusters.
    loadings
        Per cluster the matrix that turns working errors into the coefficients' contributions.
    """

    beta: FloatArray
    cov: FloatArray
    kind: Kind
    n: int
    n_clusters: int
    loadings: _Loadings = field(repr=False)

    @property
    def std_error(self) -> FloatArray:
        """Standard errors."""
        return np.sqrt(np.diag(self.cov))

    def compute_df(self, contrasts: ArrayLike) -> FloatArray:
        """Return the Satterthwaite degrees of freedom of each row of ``contrasts`` (m, p)."""
        rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
        products = _cross(self.loadings, rows)
        return np.array(
            [np.trace(products[k, k]) ** 2 / np.sum(products[k, k] ** 2) for k in range(len(rows))]
        )


class JointTest(NamedTuple):
    """A joint test of several contrasts against an F distribution."""

    statistic: float
    df1: float
    df2: float
    p_value: float


class _Loadings(NamedTuple):
    """``within``: t'Phi t per cluster and pair of coefficients; ``across``: X't per cluster."""

    within: FloatArray
    across: FloatArray
    bread: FloatArray


def fit_cluster_robust(
    response: ArrayLike,
    design: ArrayLike,
    clusters: ArrayLike,
    *,
    kind: Kind = "CR2",
    weights: ArrayLike | None = None,
    variance_ratio: float = 0.0,
    column_names: Sequence[str] | None = None,
) -> ClusterRobustFit:
    """Fit by (weighted, or generalised) least squares, with a cluster-robust covariance.

    Parameters
    ----------
    response
        Outcome, shape (n,).
    design
        Columns, shape (n, p), with the intercept if there is to be one.
    clusters
        Code of the cluster of each row, shape (n,).
    kind
        ``"CR0"`` the sandwich; ``"CR1"`` times G/(G-1); ``"CR1S"`` as Stata, times
        G (n-1) / ((G-1)(n-p)); ``"CR2"`` unbiased when the working model holds; ``"CR3"``
        close to leaving out one cluster at a time.
    weights
        Weights of the rows, shape (n,); the working variance of a row is one over its weight.
    variance_ratio
        Variance between clusters over the variance within, of the working model: the
        coefficients are then those of a random-intercept model with that ratio.
    column_names
        Names of the columns, for error messages only.

    Returns
    -------
    ClusterRobustFit

    Raises
    ------
    ModelError
        CPI-M001 too few clusters, M002 collinear columns, M004 shapes, kind or weights that
        cannot be used, M006 values that are not finite.

    Notes
    -----
    With ``M = (X' W X)^-1``, working covariance ``Phi = W^-1`` and residuals ``e``,

    ``V = M [ sum_g X_g' W_g A_g e_g e_g' A_g' W_g X_g ] M``.

    CR2 takes ``A_g = D_g' B_g^{+1/2} D_g`` with ``Phi_g = D_g' D_g`` and
    ``B_g = D_g (Phi_g - X_g M X_g') D_g'``; CR3 ``A_g = (I - X_g M X_g' W_g)^-1``. The degrees
    of freedom of ``c' beta`` are ``tr(P)^2 / tr(P^2)`` with
    ``P_gh = t_g' ([g = h] Phi_g - X_g M X_h') t_h`` and ``t_g = A_g' W_g X_g M c``.

    References
    ----------
    Bell RM, McCaffrey DF (2002). Bias reduction in standard errors for linear regression with
    multi-stage samples. Survey Methodology 28, 169-181. Pustejovsky JE, Tipton E (2018).
    Small-sample methods for cluster-robust variance estimation and hypothesis testing in fixed
    effects models. Journal of Business & Economic Statistics 36, equations 7 to 13.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 3.0, 4.0])
    >>> fit = fit_cluster_robust(y, np.ones((6, 1)), np.array([0, 0, 1, 1, 2, 2]))
    >>> round(float(fit.std_error[0]), 6), round(float(fit.compute_df([[1.0]])[0]), 6)
    (0.881917, 2.0)
    """
    if kind not in KINDS:
        fail("CPI-M004", "the kind of covariance is not known", f"use one of {', '.join(KINDS)}")
    y, X, codes = check_arrays(response, design, clusters)
    order, starts = _sort(codes)
    y, X = y[order], X[order]
    weight = _check_weights(weights, len(y))[order]
    blocks = [slice(a, b) for a, b in zip(starts, [*starts[1:], len(y)], strict=True)]
    if len(blocks) < 2:
        fail("CPI-M001", "there is one cluster", "a robust covariance needs several clusters")
    weighted = np.concatenate([_apply_inverse(X[b], weight[b], variance_ratio) for b in blocks])
    gram = X.T @ weighted
    _check_rank(X, column_names)
    bread = np.asarray(np.linalg.inv(gram), dtype=np.float64)
    beta = bread @ (weighted.T @ y)
    residuals = y - X @ beta
    scores, within, across = [], [], []
    for block in blocks:
        work = _Block(X[block], weighted[block], weight[block], variance_ratio)
        transfer = _adjust(work, bread, kind) @ bread
        scores.append(transfer.T @ residuals[block])
        within.append(transfer.T @ _apply_working(transfer, work))
        across.append(work.design.T @ transfer)
    score = np.array(scores)
    cov = score.T @ score * _scale(kind, len(blocks), *X.shape)
    return ClusterRobustFit(
        beta=beta,
        cov=(cov + cov.T) / 2,
        kind=kind,
        n=len(y),
        n_clusters=len(blocks),
        loadings=_Loadings(np.array(within), np.array(across), bread),
    )


def compute_transfers(design: FloatArray, clusters: NDArray[np.intp], *, kind: Kind) -> FloatArray:
    """Return what turns residuals of least squares into scores of the clusters, (n, p).

    The score of a cluster is the sum over its rows of transfer times residual; the covariance
    is the sum of their outer products. Nothing of it depends on the outcome.
    """
    order, starts = _sort(clusters)
    X = design[order]
    bread = np.asarray(np.linalg.inv(X.T @ X), dtype=np.float64)
    transfers = np.empty_like(X)
    for a, b in zip(starts, [*starts[1:], len(X)], strict=True):
        work = _Block(X[a:b], X[a:b], np.ones(b - a), 0.0)
        transfers[order[a:b]] = _adjust(work, bread, kind) @ bread
    return transfers


class _Block(NamedTuple):
    design: FloatArray
    weighted: FloatArray
    weight: FloatArray
    ratio: float


def _sort(codes: NDArray[np.intp]) -> tuple[NDArray[np.intp], list[int]]:
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    return order, starts.tolist()


def _check_weights(weights: ArrayLike | None, n: int) -> FloatArray:
    if weights is None:
        return np.ones(n)
    weight = np.asarray(weights, dtype=np.float64)
    if weight.shape != (n,) or not np.isfinite(weight).all() or (weight <= 0).any():
        fail("CPI-M004", "weights must be finite and more than 0, one for each row", "check them")
    return weight


def _check_rank(X: FloatArray, names: Sequence[str] | None) -> None:
    scaled = X / np.maximum(np.abs(X).max(axis=0), np.finfo(float).tiny)
    if np.linalg.matrix_rank(scaled) < X.shape[1]:
        said = "" if names is None else f": {', '.join(names)}"
        fail("CPI-M002", f"the columns are collinear{said}", "leave out those that follow")


def _apply_inverse(X: FloatArray, weight: FloatArray, ratio: float) -> FloatArray:
    """Return ``W X`` of one cluster, with the inverse of diag(1/w) + ratio 11'."""
    direct = weight[:, None] * X
    if ratio == 0.0:
        return direct
    shrink = ratio / (1 + ratio * weight.sum())
    return np.asarray(direct - shrink * np.outer(weight, direct.sum(axis=0)))


def _apply_working(values: FloatArray, block: _Block) -> FloatArray:
    return np.asarray(values / block.weight[:, None] + block.ratio * values.sum(axis=0))


def _adjust(block: _Block, bread: FloatArray, kind: Kind) -> FloatArray:
    """Return ``A_g' W_g X_g``."""
    if kind not in ("CR2", "CR3"):
        return block.weighted
    is_plain = block.ratio == 0.0 and bool((block.weight == 1.0).all())
    if is_plain:
        return _adjust_plain(block.design, bread, kind)
    if kind == "CR3":
        hat = block.weighted @ bread @ block.design.T
        return np.asarray(np.linalg.solve(np.eye(len(hat)) - hat, block.weighted))
    covariance = np.diag(1 / block.weight) + block.ratio
    upper = np.linalg.cholesky(covariance).T
    middle = covariance - block.design @ bread @ block.design.T
    values, vectors = np.linalg.eigh(upper @ middle @ upper.T)
    power = _invert_root(values, values.max(initial=1.0))
    half = (vectors * power) @ vectors.T
    return np.asarray(upper.T @ half @ upper @ block.weighted)


def _adjust_plain(X: FloatArray, bread: FloatArray, kind: Kind) -> FloatArray:
    # I - U U' has the eigenvalue 1 outside of the columns of U: only p directions change.
    U = X @ np.linalg.cholesky(bread)
    Q, singular, _ = np.linalg.svd(U, full_matrices=False)
    values = 1 - singular**2
    factor = _invert_root(values, 1.0)
    if kind == "CR3":
        factor = factor**2
    return np.asarray(X + (Q * (factor - 1)) @ (Q.T @ X))


def _invert_root(values: FloatArray, largest: float) -> FloatArray:
    is_left = values > USED_UP * largest
    return np.where(is_left, 1 / np.sqrt(np.where(is_left, values, 1.0)), 0.0)


def _scale(kind: Kind, n_clusters: int, n: int, p: int) -> float:
    if kind == "CR1":
        return n_clusters / (n_clusters - 1)
    if kind == "CR1S":
        return n_clusters * (n - 1) / ((n_clusters - 1) * (n - p))
    return 1.0


def _cross(loadings: _Loadings, contrasts: FloatArray) -> FloatArray:
    """Return P for every pair of contrasts: (m, m, clusters, clusters)."""
    across = np.einsum("gij,mj->mgi", loadings.across, contrasts)
    products = -np.einsum("agi,ij,bhj->abgh", across, loadings.bread, across)
    diagonal = np.einsum("ai,gij,bj->abg", contrasts, loadings.within, contrasts)
    places = np.arange(len(loadings.within))
    products[:, :, places, places] += diagonal
    return np.asarray(products, dtype=np.float64)


def compute_joint_test(fit: ClusterRobustFit, contrasts: ArrayLike) -> JointTest:
    """Test that all ``contrasts`` of the coefficients are zero.

    Parameters
    ----------
    fit
        From :func:`fit_cluster_robust`.
    contrasts
        Shape (q, p), of full row rank.

    Returns
    -------
    JointTest
        Approximate Hotelling's T-squared (HTZ): ``F = (eta - q + 1) / (eta q) Q`` on ``q`` and
        ``eta - q + 1`` degrees of freedom, with ``Q`` the Wald statistic.

    Raises
    ------
    ModelError
        CPI-M001 when the clusters leave too few degrees of freedom for so many contrasts,
        M002 when the contrasts are collinear.

    References
    ----------
    Tipton E, Pustejovsky JE (2015). Small-sample adjustments for tests of moderators and model
    fit using robust variance estimation in meta-regression. Journal of Educational and
    Behavioral Statistics 40, 604-634, section 3.
    """
    from scipy import stats

    C = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
    q = len(C)
    if np.linalg.matrix_rank(C) < q:
        fail("CPI-M002", "the contrasts are collinear", "leave out those that follow")
    raw = _cross(fit.loadings, C)
    omega = np.einsum("abgg->ab", raw)
    values, vectors = np.linalg.eigh(omega)
    root = (vectors / np.sqrt(values)) @ vectors.T
    products = np.einsum("ai,bj,ijgh->abgh", root, root, raw)
    total = 0.0
    for s in range(q):
        for t in range(q):
            total += np.sum(products[s, s] * products[t, t])
            total += np.sum(products[s, t] * products[s, t].T)
    eta = q * (q + 1) / total
    if eta - q + 1 <= 0:
        fail(
            "CPI-M001",
            f"the {fit.n_clusters} clusters leave {eta:.1f} degrees of freedom for {q} contrasts",
            "test fewer at a time",
        )
    difference = C @ fit.beta
    wald = float(difference @ np.linalg.solve(C @ fit.cov @ C.T, difference))
    statistic = (eta - q + 1) / (eta * q) * wald
    return JointTest(
        statistic, float(q), float(eta - q + 1), float(stats.f.sf(statistic, q, eta - q + 1))
    )
