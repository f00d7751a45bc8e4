"""Standardised differences of two groups of clusters, and their sampling variance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class ClusterEffect(NamedTuple):
    """A standardised difference: estimate, standard error, df of its standard deviation."""

    estimate: float
    std_error: float
    df_scale: float


class ClusterSums(NamedTuple):
    """What the effect sizes need of two groups of clusters.

    ``difference`` of the group means; ``total`` and ``within`` the pooled standard deviations
    about the group means and about the cluster means; ``n`` people and ``m`` clusters in all;
    ``share`` (target, reference) people; ``a`` is ``sum n_i^2 / N_g`` over both groups,
    ``b`` ``sum n_i^2 / N_g^2``, ``c`` ``tr((A ZZ')^2)``.
    """

    difference: float
    total: float
    within: float
    n: int
    m: int
    people: tuple[int, int]
    a: float
    b: float
    c: float


def sum_clusters(
    outcome: FloatArray, is_target: NDArray[np.bool_], clusters: NDArray[np.intp]
) -> ClusterSums:
    """Return the sums of two groups whose clusters belong to one of them each."""
    squares, within, m = 0.0, 0.0, 0
    a = b = c = 0.0
    means, people = [], []
    for member in (is_target, ~is_target):
        y, code = outcome[member], np.unique(clusters[member], return_inverse=True)[1]
        sizes = np.bincount(code).astype(float)
        cluster_means = np.bincount(code, weights=y) / sizes
        squares += float(np.sum((y - y.mean()) ** 2))
        within += float(np.sum((y - cluster_means[code]) ** 2))
        total = float(sizes.sum())
        second = float(np.sum(sizes**2)) / total
        a += second
        b += second / total
        c += float(np.sum(sizes**2) - 2 * np.sum(sizes**3) / total + second**2)
        m += len(sizes)
        means.append(float(y.mean()))
        people.append(len(y))
    n = len(outcome)
    return ClusterSums(
        means[0] - means[1],
        float(np.sqrt(squares / (n - 2))),
        float(np.sqrt(within / (n - m))) if n > m else float("nan"),
        n,
        m,
        (people[0], people[1]),
        a,
        b,
        c,
    )


def compute_total_effect(
    sums: ClusterSums, icc: float, difference: float | None = None, std_error: float | None = None
) -> ClusterEffect:
    """Return ``d_T``: the difference over the standard deviation of people in the population.

    Notes
    -----
    The pooled variance about the group means is too small by the factor ``g = 1 - rho (a -
    2)/(N - 2)``, as people of one cluster share its effect; with clusters of equal size ``a``
    is twice that size. Its df are ``h = (N - 2)^2 g^2 / ((N - 2)(1 - rho)^2 + 2 (N - a) rho (1
    - rho) + c rho^2)``, and ``V = V(difference)/sigma_T^2 + d^2/(2h)``. The estimate has the
    correction ``1 - 3/(4h - 1)``.

    References
    ----------
    Hedges LV (2007). Effect sizes in cluster-randomized designs. Journal of Educational and
    Behavioral Statistics 32, 341-370, equations 14 to 22.
    """
    n = sums.n
    factor = 1 - icc * (sums.a - 2) / (n - 2)
    spread = (n - 2) * (1 - icc) ** 2 + 2 * (n - sums.a) * icc * (1 - icc) + sums.c * icc**2
    df = ((n - 2) * factor) ** 2 / spread
    scale = sums.total / np.sqrt(factor)
    people = 1 / sums.people[0] + 1 / sums.people[1]
    sampling = (1 - icc) * people + icc * sums.b
    return _finish(sums, float(scale), float(df), sampling, difference, std_error)


def compute_within_effect(
    sums: ClusterSums, icc: float, difference: float | None = None, std_error: float | None = None
) -> ClusterEffect:
    """Return ``d_W``: the difference over the standard deviation within a cluster.

    Notes
    -----
    ``V = V(difference)/sigma_W^2 + d^2/(2 (N - M))`` with M clusters.
    """
    people = 1 / sums.people[0] + 1 / sums.people[1]
    sampling = people + icc / (1 - icc) * sums.b
    return _finish(sums, sums.within, float(sums.n - sums.m), sampling, difference, std_error)


def _finish(
    sums: ClusterSums,
    scale: float,
    df: float,
    sampling: float,
    difference: float | None,
    std_error: float | None,
) -> ClusterEffect:
    correction = 1 - 3 / (4 * df - 1)
    d = correction * (sums.difference if difference is None else difference) / scale
    first = sampling if std_error is None else (std_error / scale) ** 2
    variance = correction**2 * first + d**2 / (2 * df)
    return ClusterEffect(float(d), float(np.sqrt(variance)), df)


def compute_hedges_g(sums: ClusterSums, confidence_level: float) -> tuple[float, float, float]:
    """Return Hedges' g and its interval, as if people were independent.

    Notes
    -----
    ``d = difference / S`` times the exact correction ``Gamma(v/2) / (sqrt(v/2) Gamma((v -
    1)/2))``; limits are those of the noncentral t, with the same correction.
    """
    from scipy import special

    df = sums.n - 2
    size = np.sqrt(sums.people[0] * sums.people[1] / sums.n)
    t = sums.difference / sums.total * size
    low, high = find_noncentral_t(float(t), df, confidence_level)
    log_factor = special.gammaln(df / 2) - special.gammaln((df - 1) / 2) - np.log(df / 2) / 2
    factor = float(np.exp(log_factor)) / size
    return float(t * factor), float(low * factor), float(high * factor)


def find_noncentral_t(t: float, df: float, confidence_level: float) -> tuple[float, float]:
    """Return the noncentralities at which ``t`` is the upper and the lower limit."""
    from scipy import optimize, stats

    tail = (1 - confidence_level) / 2

    def solve(probability: float) -> float:
        def miss(ncp: float) -> float:
            return float(stats.nct.cdf(t, df, ncp)) - probability

        # Outwards in small steps: far in the tails some versions of scipy give no number.
        low = high = t
        while miss(low) < 0:
            low -= 0.5
        while miss(high) > 0:
            high += 0.5
        return low if low == high else float(optimize.brentq(miss, low, high, xtol=1e-12))

    return solve(1 - tail), solve(tail)


def find_noncentral_f(
    statistic: float, df1: float, df2: float, confidence_level: float
) -> tuple[float, float]:
    """Return the noncentralities of an F at both limits; 0 where none is that small."""
    from scipy import optimize, stats

    tail = (1 - confidence_level) / 2

    def solve(probability: float) -> float:
        def miss(ncp: float) -> float:
            return float(stats.ncf.cdf(statistic, df1, df2, ncp)) - probability

        if float(stats.f.cdf(statistic, df1, df2)) <= probability:
            return 0.0
        return float(optimize.brentq(miss, 1e-10, 10 * (statistic * df1 + 20), xtol=1e-10))

    return solve(1 - tail), solve(tail)
