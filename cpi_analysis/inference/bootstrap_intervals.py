"""Confidence intervals from bootstrap replicates, as R's boot.ci computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from cpi_analysis.errors import Fault, ModelError

FloatArray = NDArray[np.float64]
IntervalKind = Literal["percentile", "bca", "basic", "normal", "expanded"]


def compute_interval(
    estimate: float,
    replicates: FloatArray,
    *,
    kind: IntervalKind,
    confidence_level: float,
    influence: FloatArray | None = None,
    df: float = np.inf,
) -> tuple[float, float]:
    """Return the limits of a bootstrap interval.

    Parameters
    ----------
    estimate
        Estimate from the data.
    replicates
        Estimates from the replicates, shape (R,).
    kind
        ``"percentile"``; ``"bca"``, corrected for bias and acceleration; ``"basic"``, the
        percentiles mirrored at the estimate; ``"normal"``, estimate less bias ± z × standard
        deviation; ``"expanded"``, percentiles at Φ(t) in place of α/2, for few units.
    confidence_level
        Level of the interval.
    influence
        Jackknife influence of each unit, for ``"bca"``.
    df
        Degrees of freedom of t, for ``"expanded"``.

    Raises
    ------
    ModelError
        CPI-M003 when the correction cannot be computed: every replicate lies on one side of the
        estimate, or no unit has influence.

    Notes
    -----
    BCa: with z₀ = Φ⁻¹(share of replicates below the estimate) and
    a = Σ L³/(6 (Σ L²)^1.5), the limits are the quantiles at
    Φ(z₀ + (z₀ + z_α)/(1 − a (z₀ + z_α))). Quantiles between two order statistics are
    interpolated on the normal scale.

    References
    ----------
    Davison AC, Hinkley DV (1997). Bootstrap Methods and their Application, chapter 5.
    Hesterberg TC (2015). The American Statistician 69:371-386.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.arange(1.0, 1000.0)
    >>> low, high = compute_interval(500, draws, kind="percentile", confidence_level=0.9)
    >>> round(low, 6), round(high, 6)
    (50.0, 950.0)
    """
    tail = (1 - confidence_level) / 2
    tails = np.array([tail, 1 - tail])
    if kind == "normal":
        centre = 2 * estimate - replicates.mean()
        margin = float(ndtri(1 - tail)) * replicates.std(ddof=1)
        return float(centre - margin), float(centre + margin)
    choose: dict[str, Callable[[], FloatArray]] = {
        "percentile": lambda: tails,
        "basic": lambda: tails[::-1],
        "expanded": lambda: np.asarray(ndtr(stdtrit(df, tails))),
        "bca": lambda: _correct(estimate, replicates, tails, influence),
    }
    limits = interpolate_quantiles(replicates, choose[kind]())
    if kind == "basic":
        limits = 2 * estimate - limits
    return float(limits[0]), float(limits[1])


def interpolate_quantiles(replicates: FloatArray, probabilities: FloatArray) -> FloatArray:
    """Return quantiles, interpolated on the normal scale between order statistics.

    Notes
    -----
    The order statistic of rank k stands for the probability k/(R + 1). Below the first and
    above the last there is nothing to interpolate: they are the limits.

    References
    ----------
    Davison AC, Hinkley DV (1997), equation 5.8.
    """
    ordered = np.sort(replicates)
    count = len(ordered)
    rank = (count + 1) * probabilities
    # Rounding must not make 49.999... of a rank of 50.
    whole = np.where(np.abs(rank - np.round(rank)) < 1e-9 * count, np.round(rank), np.floor(rank))
    below = np.clip(whole.astype(np.int64), 1, count)
    above = np.clip(below + 1, 1, count)
    z_below, z_above = ndtri(below / (count + 1)), ndtri(above / (count + 1))
    width = np.where(above > below, z_above - z_below, 1.0)
    share = np.clip((ndtri(probabilities) - z_below) / width, 0.0, 1.0)
    share = np.where(whole == rank, 0.0, share)
    return np.asarray(
        ordered[below - 1] + share * (ordered[above - 1] - ordered[below - 1]), dtype=np.float64
    )


def _correct(
    estimate: float, replicates: FloatArray, tails: FloatArray, influence: FloatArray | None
) -> FloatArray:
    below = float(np.mean(replicates < estimate))
    square = 0.0 if influence is None else float(influence @ influence)
    if influence is None or not 0 < below < 1 or not square > 0:
        raise ModelError(
            Fault(
                code="CPI-M003",
                rule="the BCa correction cannot be computed: all replicates lie on one side of "
                "the estimate, or a unit cannot be left out",
                cure='ask for another kind of interval, such as "expanded"',
            )
        )
    bias = float(ndtri(below))
    acceleration = float((influence**3).sum()) / (6 * square**1.5)
    moved = bias + ndtri(tails)
    return np.asarray(ndtr(bias + moved / (1 - acceleration * moved)), dtype=np.float64)
