"""How far two groups differ before they are compared, and how far weights bring them together."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Denominator = Literal["pooled", "target"]
Target = Literal["everybody", "target", "overlap"]


def compute_balance(
    values: FloatArray,
    is_target: NDArray[np.bool_],
    weights: FloatArray,
    *,
    denominator: Denominator,
) -> dict[str, float]:
    """Return the weighted means, their standardised difference and the ratio of variances.

    Parameters
    ----------
    values
        One covariate, shape (n,), without missing values.
    is_target
        True in the target group, shape (n,).
    weights
        Shape (n,); ones for the unweighted groups.
    denominator
        Standard deviation that divides the difference: ``"pooled"``, the root of the mean of
        both variances, or ``"target"``. It is always the unweighted one, so that weighted and
        unweighted differences have the same unit.

    Returns
    -------
    dict
        ``mean_target``, ``mean_reference``, ``standardised_difference``, ``variance_ratio``
        (target over reference, weighted; missing for a covariate with two values).

    Notes
    -----
    Austin PC (2009). Balance diagnostics for comparing the distribution of baseline covariates
    between treatment groups in propensity-score matched samples. Statistics in Medicine 28,
    section 2. The weighted variance has the factor ``1 / (1 - sum w^2)`` of weights that sum
    to one.

    Examples
    --------
    >>> import numpy as np
    >>> balance = compute_balance(
    ...     np.array([2.0, 4.0, 1.0, 3.0]), np.array([True, True, False, False]), np.ones(4),
    ...     denominator="pooled",
    ... )
    >>> float(round(balance["standardised_difference"], 4)), balance["variance_ratio"]
    (0.7071, 1.0)
    """
    groups = [(values[part], weights[part]) for part in (is_target, ~is_target)]
    means = [float(np.average(value, weights=weight)) for value, weight in groups]
    spread = [float(np.var(value, ddof=1)) for value, _ in groups]
    variance = spread[0] if denominator == "target" else (spread[0] + spread[1]) / 2
    difference = means[0] - means[1]
    weighted = [_weighted_variance(*group) for group in groups]
    has_ratio = len(np.unique(values)) > 2 and weighted[1] > 0
    return {
        "mean_target": means[0],
        "mean_reference": means[1],
        "standardised_difference": difference / np.sqrt(variance) if variance > 0 else np.nan,
        "variance_ratio": weighted[0] / weighted[1] if has_ratio else np.nan,
    }


def _weighted_variance(values: FloatArray, weights: FloatArray) -> float:
    share = weights / weights.sum()
    mean = share @ values
    room = 1.0 - share @ share
    return float(share @ (values - mean) ** 2 / room) if room > 0 else np.nan


def compute_effective_size(weights: FloatArray) -> float:
    """Return Kish's effective number of people, ``(sum w)^2 / sum w^2``.

    Examples
    --------
    >>> import numpy as np
    >>> compute_effective_size(np.array([1.0, 1.0, 2.0])) == 16 / 6
    True
    """
    return float(weights.sum() ** 2 / (weights @ weights))


def compute_weights(
    probability: FloatArray, is_target: NDArray[np.bool_], *, target: Target
) -> FloatArray:
    """Return the weight of each person from the probability of being in the target group.

    Parameters
    ----------
    probability
        Propensity, between 0 and 1, shape (n,).
    is_target
        True in the target group.
    target
        Whom the weighted groups stand for: ``"everybody"`` (ATE), the people of the
        ``"target"`` group (ATT), or the ``"overlap"``, people who could be in either.

    Notes
    -----
    Li F, Morgan KL, Zaslavsky AM (2018). Balancing covariates via propensity score weighting.
    Journal of the American Statistical Association 113, table 1. With ``e`` the propensity:
    ``1/e`` and ``1/(1-e)``; ``1`` and ``e/(1-e)``; ``1-e`` and ``e``.

    Examples
    --------
    >>> import numpy as np
    >>> compute_weights(np.array([0.25, 0.25]), np.array([True, False]), target="overlap").tolist()
    [0.75, 0.25]
    """
    tilt = {
        "everybody": np.ones_like(probability),
        "target": probability,
        "overlap": probability * (1 - probability),
    }[target]
    return tilt / np.where(is_target, probability, 1 - probability)
