"""Two measurements of the same targets as arithmetic: differences, limits and concordance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]


class Concordance(NamedTuple):
    """Lin's coefficient with its interval, precision (r) and accuracy (C_b)."""

    estimate: float
    low: float
    high: float
    correlation: float
    accuracy: float
    location_shift: float
    scale_shift: float


def compute_concordance(
    first: FloatArray, second: FloatArray, *, confidence_level: float
) -> Concordance:
    """Return Lin's concordance correlation with an interval by the z-transformation.

    Notes
    -----
    ``2 s_xy / (s_x^2 + s_y^2 + (m_x - m_y)^2)`` with divisor n, and Lin's variance of its
    hyperbolic arctangent (with n − 2, as corrected in 2000).

    References
    ----------
    Lin LI (1989). A concordance correlation coefficient to evaluate reproducibility. Biometrics
    45, 255-268; correction 2000;56:324-325.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 5])
    >>> round(compute_concordance(x, y, confidence_level=0.95).estimate, 4)
    0.7143
    """
    n = len(first)
    shift = float(first.mean() - second.mean())
    spread = float(first.std() * second.std())
    covariance = float(((first - first.mean()) * (second - second.mean())).mean())
    estimate = 2 * covariance / (first.var() + second.var() + shift**2)
    r = covariance / spread
    location = shift / np.sqrt(spread)
    scale = float(first.std() / second.std())
    accuracy = 2 / (scale + 1 / scale + location**2)
    low, high = _bound(estimate, r, location, n, confidence_level)
    return Concordance(float(estimate), low, high, r, float(accuracy), float(location), scale)


def _bound(estimate: float, r: float, location: float, n: int, level: float) -> tuple[float, float]:
    rest = 1 - estimate**2
    if rest <= 1e-15:
        return float(estimate), float(estimate)
    if n < 3 or abs(r) < 1e-12:
        return float("nan"), float("nan")
    squared = location**2
    variance = (
        (1 - r**2) * estimate**2 / (rest * r**2)
        + 2 * estimate**3 * (1 - estimate) * squared / (r * rest**2)
        - estimate**4 * squared**2 / (2 * r**2 * rest**2)
    ) / (n - 2)
    half = float(stats.norm.isf((1 - level) / 2)) * np.sqrt(max(variance, 0.0))
    middle = np.arctanh(estimate)
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))


class Slope(NamedTuple):
    """Change of the difference per unit of the mean: proportional bias."""

    estimate: float
    std_error: float
    df: float
    residual_sd: float
    intercept: float


def compute_limit_error(std_dev: float, n: int, quantile: float) -> float:
    """Return the standard error of a limit of agreement (Bland and Altman 1999, section 2).

    Notes
    -----
    ``s sqrt(1/n + z^2 / (2 (n - 1)))``.
    """
    return float(std_dev * np.sqrt(1 / n + quantile**2 / (2 * (n - 1))))
