"""What every method of the incremental analysis hands over, and the table made from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimation:
    """Differences in cost and effect with their joint uncertainty, by one method.

    Parameters
    ----------
    point
        (ΔC, ΔE).
    covariance
        Shape (2, 2).
    draws
        Replicates, or draws from the distribution that a model gives, shape (R, 2).
    method
        Model, resampling and reference distribution in words.
    compute_df
        From linear combinations of (ΔC, ΔE), shape (m, 2), to their degrees of freedom.
    notes
        What a reader must know.
    influence
        Jackknife influence of each unit, shape (units, 2); None when the method has none.
    model_covariance
        The covariance when it comes from a model and not from the draws.
    """

    point: FloatArray
    covariance: FloatArray
    draws: FloatArray
    method: str
    compute_df: Callable[[FloatArray], FloatArray]
    notes: tuple[str, ...]
    influence: FloatArray | None = None
    model_covariance: FloatArray | None = None


def constant_df(df: float) -> Callable[[FloatArray], FloatArray]:
    """Return a function that gives the same degrees of freedom to every combination."""
    return lambda loadings: np.full(len(loadings), float(df))


def tabulate(
    estimation: Estimation, thresholds: Sequence[float], *, confidence_level: float
) -> pd.DataFrame:
    """Return rows for ΔC, ΔE and the net benefit at each threshold."""
    # Rows are linear in (ΔC, ΔE): (1, 0), (0, 1), and (−1, λ) for the net benefit.
    loadings = np.array([[1.0, 0.0], [0.0, 1.0], *([-1.0, level] for level in thresholds)])
    estimate = loadings @ estimation.point
    variance = np.einsum("mi,ij,mj->m", loadings, estimation.covariance, loadings)
    std_error = np.sqrt(variance)
    df = estimation.compute_df(loadings)
    margin = stats.t.ppf((1 + confidence_level) / 2, df) * std_error
    statistic = estimate / std_error
    return pd.DataFrame(
        {
            "quantity": ["delta_cost", "delta_effect", *["inb"] * len(thresholds)],
            "threshold": [np.nan, np.nan, *map(float, thresholds)],
            "estimate": estimate,
            "std_error": std_error,
            "df": df,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), df),
            "conf_low": estimate - margin,
            "conf_high": estimate + margin,
        }
    )


def draw_from_model(
    point: FloatArray, covariance: FloatArray, *, replicates: int, seed: int
) -> FloatArray:
    """Return draws of (ΔC, ΔE) from the bivariate normal distribution of a model."""
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(9, 0, 0)))
    values, vectors = np.linalg.eigh(_to_correlation(covariance))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    normal = generator.standard_normal((replicates, 2))
    return np.asarray(point + (normal @ root.T) * np.sqrt(np.diag(covariance)), dtype=np.float64)


def _to_correlation(covariance: FloatArray) -> FloatArray:
    scale = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(scale, scale), dtype=np.float64)
