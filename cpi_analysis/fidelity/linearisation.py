"""Standard errors and bootstraps of smooth functions of sums over targets.

Every coefficient of agreement is a smooth function T of sums S of features of the targets. The
influence of a target is the gradient of T times its features; the gradient is exact (a complex
step, no differences), so one function serves estimate, standard error and bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
#: A coefficient: from sums (..., d), real or complex, to numbers (...).
Coefficient = Callable[[Any], Any]
#: So small that its square is below rounding: the derivative has no error of differences.
_STEP = 1e-30


class Linearised(NamedTuple):
    """``value`` of the coefficient and the ``influence`` of each target, of mean zero."""

    value: float
    influence: FloatArray


def linearise(coefficient: Coefficient, features: FloatArray) -> Linearised:
    """Return a coefficient of the sums of ``features`` (targets, d) and its influences.

    References
    ----------
    Squire W, Trapp G (1998). Using complex variables to estimate derivatives of real functions.
    SIAM Review 40, 110-112.

    Examples
    --------
    >>> import numpy as np
    >>> ratio = linearise(lambda s: s[..., 1] / s[..., 0], np.array([[1.0, 2.0], [1.0, 4.0]]))
    >>> ratio.value, ratio.influence.tolist()
    (3.0, [-1.0, 1.0])
    """
    n, d = features.shape
    sums = features.sum(axis=0)
    value = float(np.real(coefficient(sums.astype(complex))))
    gradient = np.imag(coefficient(sums + 1j * _STEP * np.eye(d))) / _STEP
    influence = n * (features @ gradient)
    return Linearised(value, influence - influence.mean())


def compute_std_error(influence: FloatArray, clusters: FloatArray | NDArray[np.intp]) -> float:
    """Return the standard error; targets of a cluster may be alike.

    Notes
    -----
    ``sqrt(G / (G - 1) sum_g (sum_{i in g} I_i)^2) / n``. With a cluster per target it is the
    usual ``sqrt(sum_i I_i^2 / (n (n - 1)))``.
    """
    sums = np.bincount(clusters, weights=influence)
    n_clusters = len(sums)
    return float(np.sqrt(n_clusters / (n_clusters - 1) * (sums**2).sum()) / len(influence))


def resample(
    coefficient: Coefficient,
    features: FloatArray,
    clusters: NDArray[np.intp],
    *,
    replicates: int,
    seed: int,
) -> FloatArray:
    """Return the coefficient in bootstrap samples of whole clusters, shape (replicates,)."""
    n_clusters = int(clusters.max()) + 1
    sums = np.zeros((n_clusters, features.shape[1]))
    np.add.at(sums, clusters, features)
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    draws = generator.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), replicates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.real(coefficient(draws @ sums)), dtype=np.float64)
