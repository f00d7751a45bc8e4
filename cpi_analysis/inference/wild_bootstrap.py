"""Wild cluster bootstrap-t: every sign pattern of the clusters where that is possible."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.group_sums import fail
from cpi_analysis.inference.inversion import find_limit

FloatArray = NDArray[np.float64]

#: Up to this many clusters all 2^G patterns of signs are used, and nothing is random.
MOST_EXACT_CLUSTERS = 16
#: Webb's six weights, which have more patterns than signs.
WEBB_WEIGHTS = np.sqrt([0.5, 1.0, 1.5])
#: Two statistics that differ by less than this share are the same statistic.
SAME = 1e-9


class WildTest(NamedTuple):
    """p-value and interval of one coefficient."""

    p_value: float
    conf_low: float
    conf_high: float
    patterns: int
    is_exact: bool


class _Pieces(NamedTuple):
    """Everything that the statistic of any pattern and any null needs, per cluster.

    With the null value v of the coefficient the restricted residuals are
    ``base - v * tilt``; the bootstrap outcome adds pattern times residual to the fitted values.
    """

    numerator_base: FloatArray
    numerator_tilt: FloatArray
    score_base: FloatArray
    score_tilt: FloatArray
    influence: FloatArray


def draw_patterns(n_clusters: int, *, replicates: int | None, seed: int | None) -> FloatArray:
    """Return multipliers of the clusters: all patterns of signs, or Webb's weights at random.

    Parameters
    ----------
    n_clusters
        Up to 16 clusters give all ``2^(G-1)`` patterns, as a pattern and its opposite give the
        same size of the statistic.
    replicates, seed
        Of the random patterns beyond 16 clusters; None below.
    """
    if n_clusters <= MOST_EXACT_CLUSTERS:
        numbers = np.arange(2 ** (n_clusters - 1))[:, None]
        bits = (numbers >> np.arange(n_clusters)) & 1
        return np.asarray(1.0 - 2.0 * bits)
    if replicates is None or seed is None:
        fail(
            "CPI-M004",
            f"{n_clusters} clusters have too many patterns of signs to use them all",
            "give replicates= and seed= for random patterns",
        )
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    weights = np.concatenate([-WEBB_WEIGHTS, WEBB_WEIGHTS])
    drawn: FloatArray = generator.choice(weights, size=(replicates, n_clusters))
    return np.concatenate([np.ones((1, n_clusters)), drawn])


def compute_wild_test(
    response: FloatArray,
    design: FloatArray,
    clusters: NDArray[np.intp],
    patterns: FloatArray,
    *,
    column: int,
    null: float = 0.0,
    confidence_level: float = 0.95,
) -> WildTest:
    """Test one coefficient, and invert the test into an interval.

    Parameters
    ----------
    response, design, clusters
        Outcome (n,), columns (n, p), code of the cluster 0 … G-1 (n,).
    patterns
        From :func:`draw_patterns`; the first row is the data themselves.
    column
        Place of the coefficient in the design.
    null
        Value that the test takes for true.
    confidence_level
        Level of the interval.

    Notes
    -----
    The null is imposed: residuals of the fit without the column, of ``y - null x``, are
    multiplied by one pattern per cluster. The statistic is the coefficient less the null over
    its CR1 standard error, two-sided, and counts as large when it is at least as large as the
    one seen (ties included). The interval holds the null values whose p-value is above
    ``1 - confidence_level``; it need not be symmetric.

    References
    ----------
    Cameron AC, Gelbach JB, Miller DL (2008). Bootstrap-based improvements for inference with
    clustered errors. Review of Economics and Statistics 90, 414-427. Webb MD (2023). Reworking
    wild bootstrap-based inference for clustered errors. Canadian Journal of Economics 56.
    """
    estimate, std_error, pieces = _prepare(response, design, clusters, column)

    def p_of(value: float) -> float:
        return _compute_p(pieces, patterns, value)

    low = find_limit(p_of, estimate=estimate, step=-std_error, level=1 - confidence_level)
    high = find_limit(p_of, estimate=estimate, step=std_error, level=1 - confidence_level)
    is_exact = len(patterns) == 2 ** (patterns.shape[1] - 1) and bool((abs(patterns) == 1).all())
    return WildTest(p_of(null), low, high, len(patterns), is_exact)


def _prepare(
    y: FloatArray, X: FloatArray, clusters: NDArray[np.intp], column: int
) -> tuple[float, float, _Pieces]:
    n_clusters = int(clusters.max()) + 1
    others = np.delete(X, column, axis=1)
    x = X[:, column]
    # The column without what the others explain: beta is its regression on the outcome.
    unique = x - others @ np.linalg.lstsq(others, x, rcond=None)[0]
    scale = float(unique @ unique)
    restricted = y - others @ np.linalg.lstsq(others, y, rcond=None)[0]
    beta = float(unique @ y) / scale
    pieces = _sum_pieces(unique, restricted, X, clusters, n_clusters, scale)
    scores = pieces.numerator_base - beta * pieces.numerator_tilt
    std_error = float(np.sqrt(np.sum(scores**2)))
    return beta, std_error, pieces


def _sum_pieces(
    unique: FloatArray,
    restricted: FloatArray,
    X: FloatArray,
    clusters: NDArray[np.intp],
    n_clusters: int,
    scale: float,
) -> _Pieces:
    def total(values: FloatArray) -> FloatArray:
        columns = np.atleast_2d(values.T).T
        sums = np.zeros((n_clusters, columns.shape[1]))
        np.add.at(sums, clusters, columns)
        return sums

    share = unique / scale
    # Row g: the score of cluster g for the coefficient, had all clusters kept their residuals.
    loads = total(share[:, None] * X)
    bread = np.linalg.inv(X.T @ X)
    cross_base = total(X * restricted[:, None])
    cross_tilt = total(X * unique[:, None])
    return _Pieces(
        numerator_base=total(share * restricted)[:, 0],
        numerator_tilt=total(share * unique)[:, 0],
        score_base=cross_base,
        score_tilt=cross_tilt,
        influence=loads @ bread,
    )


def _compute_p(pieces: _Pieces, patterns: FloatArray, null: float) -> float:
    """Return the share of patterns with a statistic at least as large as that of the data."""
    direct = pieces.numerator_base - null * pieces.numerator_tilt
    cross = pieces.score_base - null * pieces.score_tilt
    difference = patterns @ direct
    # The residuals of a replicate: pattern times restricted residual, less their fitted part.
    fitted = (patterns @ cross) @ pieces.influence.T
    scores = patterns * direct - fitted
    variance = np.einsum("rg,rg->r", scores, scores)
    size = difference**2
    threshold = size[0] * (1 - SAME)
    # Both sides are multiplied by the variances: a variance of zero then needs no division.
    return float(np.mean(size * variance[0] >= threshold * variance))
