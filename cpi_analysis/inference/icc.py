"""The intracluster correlation of agencies: analysis of variance, and profile likelihood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import COLLINEAR, GroupSums, fail
from cpi_analysis.inference.mixed_model import Method, compute_profile, fit_random_intercept

FloatArray = NDArray[np.float64]

#: The largest ratio of variances that is looked at: an ICC of 1 - 1e-9.
LARGEST_RATIO = 1e9


class IccInterval(NamedTuple):
    """An intracluster correlation with its interval."""

    icc: float
    conf_low: float
    conf_high: float


class AnovaIcc(NamedTuple):
    """ICC by the analysis of variance, with the mean squares that it was made from.

    ``size`` is n0, the size that agencies count for when they are unequal.
    """

    icc: float
    conf_low: float
    conf_high: float
    between: float
    within: float
    df_between: float
    df_within: float
    size: float


def compute_anova_icc(sums: GroupSums, *, confidence_level: float = 0.95) -> AnovaIcc:
    """Return the ICC by the analysis of variance, with Searle's F interval.

    Parameters
    ----------
    sums
        From :func:`cpi_analysis.inference.group_sums.summarise_groups`.
    confidence_level
        Level of the interval.

    Notes
    -----
    ``(B - W) / (B + (n0 - 1) W)`` with the mean squares B between agencies beside the columns
    of the model, and W within them; ``n0 = tr(Z'MZ) / df`` (Henderson's method 3), which
    without covariates is ``(n - sum n_i^2 / n) / (K - 1)``. The interval replaces ``F = B/W``
    by F over its upper and lower quantile; it is exact for agencies of equal size without
    covariates, and Donner's approximation otherwise. It may be negative.

    References
    ----------
    Searle SR (1971). Linear Models, Wiley. Donner A, Wells G (1986). A comparison of
    confidence interval methods for the intraclass correlation coefficient. Biometrics 42,
    401-412.
    """
    from scipy import stats

    sizes, means = sums.sizes, sums.design_means
    values, vectors = np.linalg.eigh(sums.within_design)
    keep = values > COLLINEAR
    used = (vectors[:, keep].T @ sums.within_cross) ** 2 / values[keep]
    error = sums.within_residual - float(used.sum())
    total = sums.within_residual + float(sizes @ sums.residual_means**2)
    df_between = float(len(sizes) + sums.within_rank - sums.p)
    df_within = float(sums.n - len(sizes) - sums.within_rank)
    between, within = (total - error) / df_between, error / df_within
    size = float(sizes.sum() - np.sum(sizes**2 * np.sum(means**2, axis=1))) / df_between
    if within <= 0:
        fail("CPI-M003", "the outcome does not vary within agencies", "check the outcome")
    ratio = between / within
    tail = (1 - confidence_level) / 2
    quantiles = [float(stats.f.ppf(q, df_between, df_within)) for q in (1 - tail, tail)]

    def icc(value: float) -> float:
        return float((value - 1) / (value + size - 1))

    low, high = (icc(ratio / quantile) for quantile in quantiles)
    return AnovaIcc(icc(ratio), low, high, between, within, df_between, df_within, size)


def compute_profile_icc(
    response: ArrayLike,
    design: ArrayLike,
    groups: ArrayLike,
    *,
    method: Method = "REML",
    confidence_level: float = 0.95,
) -> IccInterval:
    """Return the ICC of a random-intercept model with its profile-likelihood interval.

    Parameters
    ----------
    response, design, groups
        Outcome (n,), columns (n, p), codes of the agencies (n,).
    method
        ``"REML"`` or ``"ML"``.
    confidence_level
        Level of the interval.

    Notes
    -----
    The interval has the values whose criterion, minimised over everything else, is above the
    minimum by less than the quantile of chi-squared with one degree of freedom. It ends at 0
    when 0 is among them.

    References
    ----------
    Bates D, Mächler M, Bolker B, Walker S (2015). Fitting linear mixed-effects models using
    lme4. Journal of Statistical Software 67(1), section 5.1.
    """
    from scipy import stats
    from scipy.optimize import brentq

    fit = fit_random_intercept(response, design, groups, method=method)
    best = fit.agency_variance / fit.residual_variance
    limit = -2 * fit.log_likelihood + float(stats.chi2.ppf(confidence_level, 1))

    def excess(log_ratio: float) -> float:
        return float(compute_profile(fit.sums, np.exp([log_ratio]), method)[0]) - limit

    # On the scale of the logarithm: ratios of 0.001 and of 1,000 are both possible.
    start = np.log(best) if best > 0 else np.log(1e-9)
    low = 0.0
    if float(compute_profile(fit.sums, np.zeros(1), method)[0]) > limit:
        low = float(np.exp(brentq(excess, np.log(1e-15), start, xtol=1e-12)))
    high = LARGEST_RATIO
    if excess(np.log(LARGEST_RATIO)) > 0:
        high = float(np.exp(brentq(excess, start, np.log(LARGEST_RATIO), xtol=1e-12)))
    low, middle, high = (float(value / (1 + value)) for value in (low, best, high))
    return IccInterval(middle, low, high)


def compute_design_effect(icc: float, sizes: ArrayLike) -> float:
    """Return by how much agencies inflate the variance of a mean.

    Parameters
    ----------
    icc
        Intracluster correlation; below zero it counts as zero.
    sizes
        Participants of each agency.

    Notes
    -----
    ``1 + ((1 + cv^2) m - 1) icc`` with mean m and coefficient of variation cv of the sizes (of
    these agencies: divisor K).

    References
    ----------
    Eldridge SM, Ashby D, Kerry S (2006). Sample size for cluster randomized trials: effect of
    coefficient of variation of cluster size and analysis method. International Journal of
    Epidemiology 35, 1292-1300, equation 5.

    Examples
    --------
    >>> [round(compute_design_effect(0.05, sizes), 3) for sizes in ([10, 10, 10], [5, 15])]
    [1.45, 1.575]
    """
    counts = np.asarray(sizes, dtype=np.float64)
    return float(1 + (np.sum(counts**2) / counts.sum() - 1) * max(icc, 0.0))
