"""One answer from several imputed data sets: Rubin, and von Hippel and Bartlett."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PooledEstimates:
    """Estimates of several quantities over imputed data sets.

    Parameters
    ----------
    estimate
        Means over the data sets.
    covariance
        Total: within data sets, and between them with the correction for their number.
    within, between
        Its two parts, as matrices.
    n_imputations
        Number of data sets.
    """

    estimate: Array
    covariance: Array
    within: Array
    between: Array
    n_imputations: int

    def combine(self, weights: Array, complete_df: float) -> tuple[float, float, float, float]:
        """Return estimate, standard error, degrees of freedom and missing share of a sum.

        Parameters
        ----------
        weights
            One per quantity.
        complete_df
            Degrees of freedom of the analysis without missing data; with few agencies, those
            of the agencies; infinite for none.

        Notes
        -----
        With λ = (1 + 1/m) B / T, the degrees of freedom are those of Barnard and Rubin:
        1 / (1/ν_m + 1/ν_obs), ν_m = (m − 1)/λ², ν_obs = (1 − λ) ν (ν + 1)/(ν + 3), ν those of
        complete data. The missing share is the fraction of missing information.
        """
        value = float(weights @ self.estimate)
        total = float(weights @ self.covariance @ weights)
        extra = (1 + 1 / self.n_imputations) * float(weights @ self.between @ weights)
        share = extra / total if total > 0 else 0.0
        df = _barnard_rubin(share, self.n_imputations, complete_df)
        ratio = share / (1 - share) if share < 1 else np.inf
        missing = (ratio + 2 / (df + 3)) / (ratio + 1) if np.isfinite(ratio) else 1.0
        return value, float(np.sqrt(total)), df, float(missing)


def pool_imputations(estimates: Array, covariances: Array) -> PooledEstimates:
    """Return Rubin's combination of the estimates of several imputed data sets.

    Parameters
    ----------
    estimates
        Data sets × quantities; at least two data sets.
    covariances
        Data sets × quantities × quantities.

    References
    ----------
    Rubin DB. Multiple imputation for nonresponse in surveys. Wiley 1987, equations 3.1.2-3.1.8.
    Barnard J, Rubin DB. Biometrika 1999;86:948-955.

    Examples
    --------
    >>> pooled = pool_imputations(np.array([[1.0], [3.0]]), np.ones((2, 1, 1)))
    >>> pooled.estimate.tolist(), pooled.covariance.tolist()
    ([2.0], [[4.0]])
    """
    m = len(estimates)
    mean = estimates.mean(axis=0)
    deviation = estimates - mean
    between = deviation.T @ deviation / (m - 1)
    within = covariances.mean(axis=0)
    return PooledEstimates(
        estimate=mean,
        covariance=within + (1 + 1 / m) * between,
        within=within,
        between=between,
        n_imputations=m,
    )


@dataclass(frozen=True)
class BootstrapPool:
    """Estimates of several quantities over imputations inside a bootstrap.

    Parameters
    ----------
    estimate
        Means over everything.
    between, within
        Mean squares and products between replicates and within them, as matrices.
    n_replicates, n_imputations
        Bootstrap replicates, and imputations of each.
    """

    estimate: Array
    between: Array
    within: Array
    n_replicates: int
    n_imputations: int

    @property
    def covariance(self) -> Array:
        """Covariance of the estimates; not sure to be positive with few replicates."""
        b, m = self.n_replicates, self.n_imputations
        return np.asarray((1 + 1 / b) * (self.between - self.within) / m + self.within / (b * m))

    def combine(self, weights: Array) -> tuple[float, float, float]:
        """Return estimate, variance and degrees of freedom of a sum of the quantities.

        Notes
        -----
        Degrees of freedom by Satterthwaite, not below 3.
        """
        b, m = self.n_replicates, self.n_imputations
        between = float(weights @ self.between @ weights)
        within = float(weights @ self.within @ weights)
        variance = float(weights @ self.covariance @ weights)
        spread = ((b + 1) / (b * m)) ** 2 * between**2 / (b - 1)
        spread += within**2 / (b * m**2 * (m - 1))
        df = variance**2 / spread if spread > 0 else np.inf
        return float(weights @ self.estimate), variance, max(3.0, float(df))


def pool_bootstrap(estimates: Array) -> BootstrapPool:
    """Return the combination of imputations inside a bootstrap.

    Parameters
    ----------
    estimates
        Bootstrap replicates × imputations of each × quantities; two or more of the first two.

    Notes
    -----
    A one-way analysis of variance: with mean squares B between and W within b replicates of m
    imputations, the variance is (1 + 1/b)(B − W)/m + W/(b m).

    References
    ----------
    von Hippel PT, Bartlett JW. Statistical Science 2021;36:400-420, section 5.

    Examples
    --------
    >>> pool_bootstrap(np.array([[[1.0], [1.0]], [[2.0], [2.0]], [[3.0], [3.0]]])).estimate
    array([2.])
    """
    n, m, _ = estimates.shape
    rows = estimates.mean(axis=1)
    mean = rows.mean(axis=0)
    apart = rows - mean
    inner = estimates - rows[:, None]
    return BootstrapPool(
        estimate=mean,
        between=m * apart.T @ apart / (n - 1),
        within=np.einsum("bmi,bmj->ij", inner, inner) / (n * (m - 1)),
        n_replicates=n,
        n_imputations=m,
    )


def _barnard_rubin(share: float, m: int, complete_df: float) -> float:
    if share <= 0:
        return _observed_df(0.0, complete_df)
    between = (m - 1) / share**2
    observed = _observed_df(share, complete_df)
    if np.isinf(observed):
        return float(between)
    return float(between * observed / (between + observed))


def _observed_df(share: float, complete_df: float) -> float:
    if np.isinf(complete_df):
        return float(np.inf)
    return float((complete_df + 1) / (complete_df + 3) * complete_df * (1 - share))
