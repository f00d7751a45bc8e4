"""Tests of a multivariate linear model: Pillai, Wilks, Hotelling-Lawley, Roy, and sphericity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.group_sums import fail

FloatArray = NDArray[np.float64]


class Hypothesis(NamedTuple):
    """Sums of squares and products of ``L B M = 0``: hypothesis, error, and their df.

    ``H`` and ``E`` (r, r); ``df_hypothesis`` the rank of L, ``df_error`` of the residuals.
    """

    H: FloatArray
    E: FloatArray
    df_hypothesis: int
    df_error: int


class MultivariateTest(NamedTuple):
    """One statistic with its approximate F and the partial eta squared."""

    name: str
    value: float
    statistic: float
    df1: float
    df2: float
    p_value: float
    partial_eta_squared: float


def build_hypothesis(Y: FloatArray, X: FloatArray, L: FloatArray, M: FloatArray) -> Hypothesis:
    """Return the matrices of the hypothesis ``L B M = 0`` in the model ``Y = X B + E``.

    Parameters
    ----------
    Y, X
        Responses (n, k) and design (n, p), of full column rank.
    L, M
        Contrasts of the coefficients (q, p) and of the responses (k, r), of full rank.

    Raises
    ------
    ModelError
        CPI-M001 fewer residual degrees of freedom than combinations of responses, M003 these
        are collinear or do not vary.
    """
    B, _, rank, _ = np.linalg.lstsq(X, Y, rcond=None)
    df_error = len(X) - int(rank)
    residual = (Y - X @ B) @ M
    E = residual.T @ residual
    r = M.shape[1]
    if df_error < r:
        fail("CPI-M001", "too few rows for so many outcomes", "analyse fewer outcomes at once")
    scale = np.sqrt(np.diag(E))
    size = np.sqrt(np.sum(Y**2, axis=0)) @ np.abs(M)
    if (scale <= 1e-12 * size).any() or np.linalg.matrix_rank(E / np.outer(scale, scale)) < r:
        fail(
            "CPI-M003",
            "an outcome does not vary, or follows from the others",
            "leave out totals of other outcomes, and what is the same for everybody",
        )
    inverse = np.linalg.inv(X.T @ X)
    estimate = L @ B @ M
    H = estimate.T @ np.linalg.solve(L @ inverse @ L.T, estimate)
    return Hypothesis(H, E, len(L), df_error)


def compute_multivariate_tests(hypothesis: Hypothesis) -> list[MultivariateTest]:
    """Return the four statistics of a hypothesis, with the F approximations of R and SPSS.

    Notes
    -----
    With the roots ``l_i`` of ``E^-1 H``, ``s = min(r, q)``, ``m = (|r - q| - 1)/2`` and
    ``n = (v - r - 1)/2``: Pillai ``sum l/(1+l)``, Wilks ``prod 1/(1+l)`` with Rao's F,
    Hotelling-Lawley ``sum l`` with denominator ``2(sn + 1)``, Roy ``max l`` with an F that is
    an upper bound. Partial eta squared are ``V/s``, ``1 - W^(1/s)``, ``(T/s)/(1 + T/s)`` and
    ``l/(1 + l)``.

    References
    ----------
    Rencher AC, Christensen WF (2012). Methods of multivariate analysis, 3rd ed., section 6.1.
    """
    H, E, q, v = hypothesis
    r = len(E)
    root = np.linalg.cholesky(E)
    half = np.linalg.solve(root, np.linalg.solve(root, H).T)
    roots = np.maximum(np.linalg.eigvalsh((half + half.T) / 2)[::-1], 0.0)
    s = min(r, q)
    m, n = (abs(r - q) - 1) / 2, (v - r - 1) / 2
    pillai = float(np.sum(roots / (1 + roots)))
    wilks = float(np.prod(1 / (1 + roots)))
    hotelling, roy = float(roots.sum()), float(roots.max())
    df1_full, most = s * (2 * m + s + 1), max(r, q)
    df2_pillai, df2_hotelling = s * (2 * n + s + 1), 2 * (s * n + 1)
    return [
        _finish(
            "Pillai",
            pillai,
            df2_pillai / df1_full * pillai / (s - pillai),
            (df1_full, df2_pillai),
            pillai / s,
        ),
        _finish("Wilks", wilks, *_approximate_wilks(wilks, r, q, v), 1 - wilks ** (1 / s)),
        _finish(
            "Hotelling-Lawley",
            hotelling,
            df2_hotelling * hotelling / (s * df1_full),
            (df1_full, df2_hotelling),
            hotelling / s / (1 + hotelling / s),
        ),
        _finish(
            "Roy",
            roy,
            roy * (v - most + q) / most,
            (float(most), float(v - most + q)),
            roy / (1 + roy),
        ),
    ]


def _approximate_wilks(wilks: float, r: int, q: int, v: int) -> tuple[float, tuple[float, float]]:
    below = r * r + q * q - 5
    t = float(np.sqrt((r * r * q * q - 4) / below)) if below > 0 else 1.0
    df1 = float(r * q)
    df2 = (v - (r - q + 1) / 2) * t - (r * q - 2) / 2
    share = wilks ** (1 / t)
    return (1 - share) / share * df2 / df1, (df1, df2)


def _finish(
    name: str, value: float, statistic: float, df: tuple[float, float], eta: float
) -> MultivariateTest:
    from scipy import stats

    return MultivariateTest(name, value, statistic, *df, float(stats.f.sf(statistic, *df)), eta)


def compute_univariate_test(hypothesis: Hypothesis) -> MultivariateTest:
    """Return the F test of one outcome over its ``r`` orthonormal contrasts of time.

    Notes
    -----
    ``F = (tr H / (q r)) / (tr E / (v r))``; both degrees of freedom are multiplied by the
    epsilon of Greenhouse and Geisser, ``(tr S)^2 / (r tr S^2)`` with ``S = E/v``, which is the
    ``value``, and one with a single contrast.

    References
    ----------
    Greenhouse SW, Geisser S (1959). On methods in the analysis of profile data.
    Psychometrika 24, 95-112.
    """
    H, E, q, v = hypothesis
    r = len(E)
    total = float(np.trace(E))
    epsilon = total**2 / (r * float(np.sum(E * E)))
    effect = float(np.trace(H))
    statistic = (effect / q) / (total / v)
    df = (epsilon * q * r, epsilon * v * r)
    return _finish("univariate", epsilon, statistic, df, effect / (effect + total))


def build_orthonormal_contrasts(n_times: int) -> FloatArray:
    """Return contrasts of times, shape (t, t - 1), with orthonormal columns (Helmert)."""
    M = np.zeros((n_times, n_times - 1))
    for k in range(1, n_times):
        M[:k, k - 1] = -1.0
        M[k, k - 1] = float(k)
    return np.asarray(M / np.linalg.norm(M, axis=0), dtype=np.float64)
