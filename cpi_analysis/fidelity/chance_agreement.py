"""Agreement beyond chance as arithmetic: coefficients as functions of sums over the targets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.fidelity.category_table import CategoryTable
from cpi_analysis.fidelity.linearisation import Linearised, linearise

FloatArray = NDArray[np.float64]
#: Sums over targets, real or complex, with any leading axes.
Sums = Any

#: Weights of agreement for pairs of categories.
WEIGHTS = ("unweighted", "linear", "quadratic", "ordinal")
#: Distances between categories for Krippendorff's alpha.
METRICS = ("nominal", "ordinal", "interval", "ratio")


class Chance(NamedTuple):
    """One coefficient: features of the targets, and functions of their sums.

    ``coefficient`` is (observed − expected) / (1 − expected).
    """

    features: FloatArray
    observed: Callable[[Sums], Sums]
    expected: Callable[[Sums], Sums]

    def coefficient(self, sums: Sums) -> Sums:
        """Return agreement beyond chance."""
        expected = self.expected(sums)
        return (self.observed(sums) - expected) / (1 - expected)


def build_weights(values: FloatArray, kind: str) -> FloatArray:
    """Return the weight of agreement of each pair of categories, 1 for the same category.

    Notes
    -----
    Linear ``1 - |v_k - v_l| / range``; quadratic the same with squares; ordinal
    ``1 - M_kl / max M`` with ``M_kl`` the number of pairs of categories from k to l.

    Examples
    --------
    >>> import numpy as np
    >>> build_weights(np.array([1.0, 2.0, 3.0]), "quadratic")[0].tolist()
    [1.0, 0.75, 0.0]
    """
    distance = np.abs(values[:, None] - values)
    if kind == "unweighted":
        return np.eye(len(values))
    if kind == "ordinal":
        ranks = np.arange(len(values))
        steps = np.abs(ranks[:, None] - ranks) + 1
        distance = steps * (steps - 1) / 2
    power = 2 if kind == "quadratic" else 1
    return np.asarray(1 - (distance / distance.max()) ** power, dtype=np.float64)


def _observe_pairs(counts: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the agreement of the pairs of raters of each target, and who has a pair."""
    n_ratings = counts.sum(axis=1)
    has_pair = n_ratings >= 2
    pairs = np.where(has_pair, n_ratings * (n_ratings - 1), 1.0)
    agreement = (counts * (counts @ weights - 1)).sum(axis=1) / pairs
    return np.where(has_pair, agreement, 0.0), has_pair.astype(np.float64)


def _prepare_shares(table: CategoryTable, weights: FloatArray) -> FloatArray:
    """Features: agreement of pairs, has a pair, has a rating, share of each category."""
    counts = table.tally()
    agreement, has_pair = _observe_pairs(counts, weights)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.column_stack([agreement, has_pair, np.ones(len(counts)), shares])


def _observe(sums: Sums) -> Sums:
    return sums[..., 0] / sums[..., 1]


def _share(sums: Sums) -> Sums:
    return sums[..., 3:] / sums[..., 2:3]


def _weigh(left: Sums, weights: FloatArray, right: Sums) -> Sums:
    return np.einsum("...k,kl,...l->...", left, weights, right)


def build_fleiss(table: CategoryTable, weights: FloatArray) -> Chance:
    """Fleiss' kappa: chance by the categories' shares over all raters (Gwet 2014, ch. 3)."""

    def expected(sums: Sums) -> Sums:
        return _weigh(_share(sums), weights, _share(sums))

    return Chance(_prepare_shares(table, weights), _observe, expected)


def build_gwet(table: CategoryTable, weights: FloatArray) -> Chance:
    """Gwet's AC1 (no weights) and AC2: chance of ratings given at random (Gwet 2014, ch. 4)."""
    q = table.n_categories
    factor = float(weights.sum()) / (q * (q - 1))

    def expected(sums: Sums) -> Sums:
        return factor * (_share(sums) * (1 - _share(sums))).sum(axis=-1)

    return Chance(_prepare_shares(table, weights), _observe, expected)


def build_brennan_prediger(table: CategoryTable, weights: FloatArray) -> Chance:
    """Brennan and Prediger: every category equally likely by chance."""
    chance = float(weights.sum()) / table.n_categories**2

    def expected(sums: Sums) -> Sums:
        return np.full(sums.shape[:-1], chance)

    return Chance(_prepare_shares(table, weights), _observe, expected)


def build_conger(table: CategoryTable, weights: FloatArray) -> Chance:
    """Conger's kappa: chance by each rater's own shares; Cohen's kappa with two raters."""
    indicators = table.indicate()
    n, n_raters, q = indicators.shape
    agreement, has_pair = _observe_pairs(table.tally(), weights)
    features = np.column_stack([agreement, has_pair, indicators.reshape(n, n_raters * q)])

    def expected(sums: Sums) -> Sums:
        tables = sums[..., 2:].reshape(*sums.shape[:-1], n_raters, q)
        shares = tables / tables.sum(axis=-1, keepdims=True)
        total = shares.sum(axis=-2)
        own = np.einsum("...gk,kl,...gl->...", shares, weights, shares)
        return (_weigh(total, weights, total) - own) / (n_raters * (n_raters - 1))

    return Chance(features, _observe, expected)


def linearise_light(table: CategoryTable, weights: FloatArray) -> Linearised | None:
    """Return Light's kappa, the mean of Cohen's kappa over pairs of raters, or None.

    Pairs that rated fewer than two targets together, or that used one category, have none.
    """
    q = table.n_categories
    values, influences = [], []

    def cohen(sums: Sums) -> Sums:
        joint = sums.reshape(*sums.shape[:-1], q, q)
        joint = joint / joint.sum(axis=(-2, -1), keepdims=True)
        observed = (joint * weights).sum(axis=(-2, -1))
        expected = _weigh(joint.sum(axis=-1), weights, joint.sum(axis=-2))
        return (observed - expected) / (1 - expected)

    for left, right in combinations(range(table.codes.shape[1]), 2):
        a, b = table.codes[:, left], table.codes[:, right]
        both = (a >= 0) & (b >= 0)
        if both.sum() < 2 or len(np.unique(np.concatenate([a[both], b[both]]))) < 2:
            continue
        cells = np.zeros((len(a), q * q))
        cells[np.flatnonzero(both), a[both] * q + b[both]] = 1.0
        found = linearise(cohen, cells)
        values.append(found.value)
        influences.append(found.influence)
    if not values:
        return None
    return Linearised(float(np.mean(values)), np.mean(influences, axis=0))


class Alpha(NamedTuple):
    """Krippendorff's alpha: coincidences of each target, and the function of their sums."""

    features: FloatArray
    coefficient: Callable[[Sums], Sums]


def build_krippendorff(table: CategoryTable, metric: str) -> Alpha:
    """Krippendorff's alpha: ``1 - (N - 1) sum o_kl d_kl / sum n_k n_l d_kl``.

    ``o`` are coincidences of pairs of ratings of the same target, ``n`` their margins, ``N``
    their total, and ``d`` the squared distance of the metric (Krippendorff 2013, ch. 12).
    """
    counts = table.tally()
    n_ratings = counts.sum(axis=1)
    q = table.n_categories
    pairs = counts[:, :, None] * (counts[:, None, :] - np.eye(q))
    scale = np.where(n_ratings >= 2, n_ratings - 1, np.inf)
    features = (pairs / scale[:, None, None]).reshape(len(counts), q * q)

    def coefficient(sums: Sums) -> Sums:
        joint = sums.reshape(*sums.shape[:-1], q, q)
        margins = joint.sum(axis=-1)
        distance = _measure(margins, table.values, metric)
        observed = (joint * distance).sum(axis=(-2, -1))
        expected = (margins[..., :, None] * margins[..., None, :] * distance).sum(axis=(-2, -1))
        return 1 - (margins.sum(axis=-1) - 1) * observed / expected

    return Alpha(features, coefficient)


def _measure(margins: Sums, values: FloatArray, metric: str) -> Sums:
    """Return the squared distances of categories; the ordinal ones depend on their use."""
    if metric == "ordinal":
        # Ratings between two categories, half of those in them: a difference of mean ranks.
        middle = np.cumsum(margins, axis=-1) - margins / 2
        return (middle[..., :, None] - middle[..., None, :]) ** 2
    difference, total = values[:, None] - values, values[:, None] + values
    if metric == "nominal":
        return (difference != 0).astype(np.float64)
    if metric == "interval":
        return difference**2
    return (difference / np.where(total == 0, 1.0, total)) ** 2
