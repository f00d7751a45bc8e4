"""Receiver operating characteristic from counts at each score, over many replicates at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class CutoffCounts(NamedTuple):
    """People by cluster, score and class.

    Parameters
    ----------
    scores
        The different scores, rising, shape (s,).
    positive, negative
        People with and without the criterion: clusters × scores.
    """

    scores: FloatArray
    positive: FloatArray
    negative: FloatArray


def count_by_score(
    score: FloatArray, has_criterion: NDArray[np.bool_], clusters: NDArray[np.integer]
) -> CutoffCounts:
    """Return how many people each cluster has at each score, with the criterion and without."""
    scores, place = np.unique(score, return_inverse=True)
    shape = (int(clusters.max()) + 1, len(scores))
    tables = []
    for part in (has_criterion, ~has_criterion):
        table = np.zeros(shape)
        np.add.at(table, (clusters[part], place[part]), 1.0)
        tables.append(table)
    return CutoffCounts(scores, *tables)


def compute_rates(positive: FloatArray, negative: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return sensitivity and specificity of calling each score and all above it positive.

    Parameters
    ----------
    positive, negative
        Counts at the rising scores in the last axis; any number of replicates before.

    Examples
    --------
    >>> import numpy as np
    >>> sensitivity, specificity = compute_rates(np.array([0.0, 1, 3]), np.array([2.0, 2, 0]))
    >>> sensitivity.tolist(), specificity.tolist()
    ([1.0, 1.0, 0.75], [0.0, 0.5, 1.0])
    """
    above = np.cumsum(positive[..., ::-1], axis=-1)[..., ::-1]
    below = np.cumsum(negative, axis=-1) - negative
    return above / positive.sum(-1, keepdims=True), below / negative.sum(-1, keepdims=True)


def compute_area(positive: FloatArray, negative: FloatArray) -> FloatArray:
    """Return the area under the curve: the chance of a higher score, ties counted half."""
    below = np.cumsum(negative, axis=-1) - negative / 2
    return np.asarray(
        (positive * below).sum(-1) / (positive.sum(-1) * negative.sum(-1)), dtype=np.float64
    )


def compute_delong_variance(
    score: FloatArray, has_criterion: NDArray[np.bool_]
) -> tuple[float, FloatArray, FloatArray]:
    """Return DeLong's variance of the area, and the placements of both classes.

    Notes
    -----
    The placement of a person is the share of the other class that they are on the right side
    of; the variance is the sum of both placements' variances over their numbers.

    References
    ----------
    DeLong ER, DeLong DM, Clarke-Pearson DL (1988). Comparing the areas under two or more
    correlated receiver operating characteristic curves. Biometrics 44, 837-845, equation 6.
    """
    high, low = score[has_criterion], score[~has_criterion]
    order = np.sort(low)
    mine = (np.searchsorted(order, high, "left") + np.searchsorted(order, high, "right")) / 2
    order = np.sort(high)
    theirs = (np.searchsorted(order, low, "left") + np.searchsorted(order, low, "right")) / 2
    placed_high, placed_low = mine / len(low), 1 - theirs / len(high)
    variance = placed_high.var(ddof=1) / len(high) + placed_low.var(ddof=1) / len(low)
    return float(variance), placed_high, placed_low
