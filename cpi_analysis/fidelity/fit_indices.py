"""Indices of how well a factor model fits, from chi-squares and residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

Array = NDArray[np.float64]

#: Level of the interval of the root mean square error of approximation: 90% by custom.
RMSEA_LEVEL = 0.90
#: Root mean square error of approximation called close, tested against. By custom.
CLOSE_RMSEA = 0.05


@dataclass(frozen=True)
class ChiSquare:
    """A chi-square of the model against its baseline, and the indices that rest on them.

    Parameters
    ----------
    statistic, df
        Of the model.
    baseline, baseline_df
        Of the model in which the items do not correlate.
    n
        People that the indices divide by.
    n_groups
        Number of groups.
    factor, baseline_factor
        Expected size of the statistics per degree of freedom: 1 unless the indices are corrected
        for it.
    reference
        The statistic over its factor, which the interval rests on.
    """

    statistic: float
    df: float
    baseline: float
    baseline_df: float
    n: float
    n_groups: int = 1
    factor: float = 1.0
    baseline_factor: float = 1.0
    reference: float | None = None

    @property
    def p_value(self) -> float:
        """Probability of a larger statistic if the model holds."""
        return float(chi2.sf(self.statistic, self.df)) if self.df > 0 else np.nan

    @property
    def cfi(self) -> float:
        """Comparative fit index."""
        excess = max(self.statistic - self.factor * self.df, 0.0)
        baseline = max(self.baseline - self.baseline_factor * self.baseline_df, excess)
        return 1.0 if baseline == 0 else 1 - excess / baseline

    @property
    def tli(self) -> float:
        """Tucker–Lewis index."""
        top = (self.statistic - self.factor * self.df) * self.baseline_df
        bottom = (self.baseline - self.baseline_factor * self.baseline_df) * self.df
        return 1 - top / bottom if self.df > 0 and bottom != 0 else 1.0

    @property
    def rmsea(self) -> float:
        """Root mean square error of approximation."""
        if self.df == 0:
            return 0.0
        excess = self.statistic / self.n / self.df - self.factor / self.n
        return float(np.sqrt(max(excess, 0.0) * self.n_groups))

    def rmsea_interval(self, level: float = RMSEA_LEVEL) -> tuple[float, float]:
        """Return the limits of the root mean square error of approximation."""
        if self.df == 0:
            return 0.0, 0.0
        reference = self.statistic if self.reference is None else self.reference
        low, high = (
            _noncentrality(reference, self.df, share)
            for share in ((1 + level) / 2, (1 - level) / 2)
        )
        scale = self.factor * self.n_groups / (self.n * self.df)
        return float(np.sqrt(low * scale)), float(np.sqrt(high * scale))

    def close_fit_p_value(self, limit: float = CLOSE_RMSEA) -> float:
        """Return the probability of a larger statistic if the true value were ``limit``."""
        if self.df == 0:
            return np.nan
        reference = self.statistic if self.reference is None else self.reference
        distance = self.n * self.df * limit**2 / (self.factor * self.n_groups)
        return float(ncx2.sf(reference, self.df, distance))


def _noncentrality(statistic: float, df: float, share: float) -> float:
    """Return the noncentrality at which a smaller statistic has probability ``share``."""
    if chi2.cdf(statistic, df) < share:
        return 0.0

    def miss(value: float) -> float:
        return float(ncx2.cdf(statistic, df, value)) - share

    high = max(statistic, 1.0)
    while miss(high) > 0:
        high *= 2
    return float(brentq(miss, 1e-12, high, xtol=1e-12, rtol=1e-14))


def compute_srmr(
    observed: list[Array], implied: list[Array], mean_residuals: list[Array], weights: Array
) -> float:
    """Return the standardised root mean square residual.

    Parameters
    ----------
    observed, implied
        Covariances per group.
    mean_residuals
        Per group, observed minus implied means over the items' standard deviations; empty when
        means are not part of the model.
    weights
        Share of people per group.

    Notes
    -----
    Bentler's form: residual covariances over the observed standard deviations, the variances
    among them.
    """
    groups = []
    for one, other, means in zip(observed, implied, mean_residuals, strict=True):
        spread = np.sqrt(np.diag(one))
        residual = ((one - other) / np.outer(spread, spread))[np.triu_indices(len(one))]
        groups.append(np.sqrt(np.mean(np.concatenate([residual, means]) ** 2)))
    return float(np.asarray(groups) @ weights)
