"""How well a number of common factors reproduces a matrix of correlations, as arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from cpi_analysis.fidelity.factor_extraction import count_degrees_of_freedom

#: The customary level of the interval of RMSEA.
RMSEA_LEVEL = 0.90

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FactorFit:
    """Fit of an exploratory factor model.

    Parameters
    ----------
    df
        Degrees of freedom of the model.
    rms_residual
        Root mean square of the residual correlations.
    discrepancy
        Maximum-likelihood discrepancy between matrix and model; None without a likelihood.
    statistic, p_value
        Chi-square with Bartlett's factor, and its p-value; None without a likelihood or without
        degrees of freedom.
    rmsea, rmsea_low, rmsea_high
        Root mean square error of approximation with its 90% interval.
    tli
        Tucker and Lewis' index.
    bic
        Chi-square minus df log n.
    """

    df: int
    rms_residual: float
    discrepancy: float | None = None
    statistic: float | None = None
    p_value: float | None = None
    rmsea: float | None = None
    rmsea_low: float | None = None
    rmsea_high: float | None = None
    tli: float | None = None
    bic: float | None = None


def compute_factor_fit(
    correlation: Array, loadings: Array, uniquenesses: Array, *, n_people: int, has_likelihood: bool
) -> FactorFit:
    """Return the fit of unrotated or orthogonal factors.

    Parameters
    ----------
    correlation
        Items × items.
    loadings
        Items × factors, of uncorrelated factors.
    uniquenesses
        Per item.
    n_people
        People that the matrix rests on.
    has_likelihood
        Whether the matrix is a positive definite matrix of Pearson correlations.

    Notes
    -----
    With F = log|Σ| + tr(R Σ⁻¹) − log|R| − p, χ² = (n − 1 − (2p + 5)/6 − 2k/3) F.
    RMSEA = √max(0, (χ² − df) / (df (n − 1))); its interval inverts the noncentral χ².
    TLI = (F₀/df₀ − F/df) / (F₀/df₀ − 1/m), with m the factor before F above and F₀ = −log|R|.

    References
    ----------
    Bartlett MS. British Journal of Psychology, Statistical Section 1950;3:77-85.
    Tucker LR, Lewis C. Psychometrika 1973;38:1-10.
    Browne MW, Cudeck R. Sociological Methods & Research 1992;21:230-258.
    """
    n_items, n_factors = loadings.shape
    df = count_degrees_of_freedom(n_items, n_factors)
    residual = correlation - loadings @ loadings.T
    rms = float(np.sqrt((residual[np.triu_indices(n_items, 1)] ** 2).mean()))
    factor = n_people - 1 - (2 * n_items + 5) / 6 - 2 * n_factors / 3
    if not has_likelihood or factor <= 0:
        return FactorFit(df=df, rms_residual=rms)
    discrepancy = compute_discrepancy(correlation, loadings, uniquenesses)
    if df == 0:
        return FactorFit(df=df, rms_residual=rms, discrepancy=discrepancy)
    statistic = factor * discrepancy
    low, high = compute_rmsea_interval(statistic, df, n_people)
    return FactorFit(
        df=df,
        rms_residual=rms,
        discrepancy=discrepancy,
        statistic=statistic,
        p_value=float(stats.chi2.sf(statistic, df)),
        rmsea=float(np.sqrt(max(0.0, (statistic - df) / (df * (n_people - 1))))),
        rmsea_low=low,
        rmsea_high=high,
        tli=_compute_tli(correlation, discrepancy, df, factor),
        bic=statistic - df * float(np.log(n_people)),
    )


def compute_discrepancy(correlation: Array, loadings: Array, uniquenesses: Array) -> float:
    """Return log|Σ| + tr(R Σ⁻¹) − log|R| − p for Σ = ΛΛ′ + Ψ.

    Examples
    --------
    >>> correlation = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> round(compute_discrepancy(correlation, np.zeros((2, 1)), np.ones(2)), 4)
    0.2877
    """
    implied = loadings @ loadings.T + np.diag(uniquenesses)
    log_implied, log_observed = (
        float(np.linalg.slogdet(matrix)[1]) for matrix in (implied, correlation)
    )
    trace = float(np.trace(np.linalg.solve(implied, correlation)))
    return max(0.0, log_implied + trace - log_observed - len(correlation))


def compute_log_likelihood(answers: Array, loadings: Array, uniquenesses: Array) -> float:
    """Return the normal log-likelihood of complete answers under standardised factors.

    Parameters
    ----------
    answers
        People × items, complete.
    loadings, uniquenesses
        Of the maximum-likelihood solution for their correlations.

    Notes
    -----
    −n/2 (p log 2π + Σ log s² + log|Σ| + tr(R Σ⁻¹)), with variances s² that divide by n.
    """
    n_people, n_items = answers.shape
    implied = loadings @ loadings.T + np.diag(uniquenesses)
    correlation = np.corrcoef(answers, rowvar=False)
    inner = (
        n_items * np.log(2 * np.pi)
        + np.log(answers.var(axis=0)).sum()
        + np.linalg.slogdet(implied)[1]
        + np.trace(np.linalg.solve(implied, correlation))
    )
    return float(-n_people / 2 * inner)


def compute_rmsea_interval(
    statistic: float, df: int, n_people: int, *, level: float = RMSEA_LEVEL
) -> tuple[float, float]:
    """Return the interval of RMSEA by inversion of the noncentral chi-square.

    Examples
    --------
    >>> low, high = compute_rmsea_interval(85.306, 24, 301)
    >>> round(low, 3), round(high, 3)
    (0.072, 0.114)
    """
    tail = (1 - level) / 2
    low, high = (
        np.sqrt(_invert_noncentrality(statistic, df, share) / (df * (n_people - 1)))
        for share in (1 - tail, tail)
    )
    return float(low), float(high)


def _invert_noncentrality(statistic: float, df: int, share: float) -> float:
    """Return the noncentrality at which P(χ² ≤ statistic) is ``share``; 0 when none is."""
    if stats.chi2.cdf(statistic, df) <= share:
        return 0.0

    def distance(noncentrality: float) -> float:
        return float(stats.ncx2.cdf(statistic, df, noncentrality)) - share

    top = 4 * statistic + 100.0
    return float(optimize.brentq(distance, 1e-12, top, xtol=1e-10, rtol=1e-14))


def _compute_tli(correlation: Array, discrepancy: float, df: int, factor: float) -> float:
    n_items = len(correlation)
    null = -float(np.linalg.slogdet(correlation)[1]) / (n_items * (n_items - 1) / 2)
    return (null - discrepancy / df) / (null - 1 / factor)
