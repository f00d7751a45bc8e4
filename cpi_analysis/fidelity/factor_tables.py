"""From a model in words (factor → items) to tables of parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cpi_analysis.fidelity.factor_structure import (
    FIXED,
    Array,
    Codes,
    ParameterTable,
    Part,
    Structure,
)

#: Share of an item's variance that a factor explains at least and at most at the start.
_START_RANGE = (0.2, 0.9)


@dataclass(frozen=True)
class FactorModel:
    """Which items belong to which factors.

    Parameters
    ----------
    items, factors
        Names.
    loads
        Items × factors: whether the item belongs to the factor.
    residual_pairs
        Pairs of items whose residuals correlate.
    is_marker
        Whether the first loading of each factor is fixed at 1; else its variance is.
    """

    items: tuple[str, ...]
    factors: tuple[str, ...]
    loads: Array
    residual_pairs: tuple[tuple[int, int], ...] = ()
    is_marker: bool = False


@dataclass
class TableBuilder:
    """Collects the rows of a parameter table; a label makes parameters equal."""

    rows: list[tuple[int, int, int, int, int, float]] = field(default_factory=list)
    labels: dict[object, int] = field(default_factory=dict)

    def free(
        self, group: int, part: Part, row: int, column: int, start: float, label: object = None
    ) -> None:
        """Add a free element; those with one label are equal."""
        key = (group, part, row, column) if label is None else label
        number = self.labels.setdefault(key, len(self.labels))
        self.rows.append((group, part, row, column, number, start))

    def fix(self, group: int, part: Part, row: int, column: int, value: float) -> None:
        """Add a fixed element."""
        self.rows.append((group, part, row, column, FIXED, value))

    def build(self) -> ParameterTable:
        """Return the table."""
        whole = np.array([row[:5] for row in self.rows], dtype=np.intp).reshape(-1, 5)
        value = np.array([row[5] for row in self.rows], dtype=np.float64)
        group, part, row, column, free = whole.T
        return ParameterTable(group, part, row, column, free, value)


def guess_loadings(model: FactorModel, correlation: Array) -> Array:
    """Return starting loadings, items × factors, from the first eigenvector of each block."""
    loadings = np.zeros(model.loads.shape)
    for factor in range(len(model.factors)):
        mine = np.flatnonzero(model.loads[:, factor])
        block = correlation[np.ix_(mine, mine)]
        values, vectors = np.linalg.eigh(block)
        vector = vectors[:, -1] * (-1.0 if vectors[:, -1].sum() < 0 else 1.0)
        # The unit diagonal is not common variance: take off what the mean correlation says.
        scale = np.sqrt(max(values[-1] - 1, 0.1) * len(mine) / max(len(mine) - 1, 1))
        guess = vector * scale
        size = np.clip(np.abs(guess), *np.sqrt(_START_RANGE))
        loadings[mine, factor] = np.where(guess < 0, -size, size)
    return loadings


def add_factors(
    builder: TableBuilder, model: FactorModel, loadings: Array, spread: Array, group: int = 0
) -> None:
    """Add loadings, factor variances and covariances of a model that stands alone.

    Parameters
    ----------
    builder, model
        Where to add what.
    loadings
        Starting values in standardised units.
    spread
        Standard deviations of the items.
    group
        Number of the group.
    """
    for factor in range(len(model.factors)):
        mine = list(map(int, np.flatnonzero(model.loads[:, factor])))
        first = mine[0]
        unit = loadings[first, factor] * spread[first] if model.is_marker else 1.0
        for item in mine:
            start = loadings[item, factor] * spread[item] / unit
            if model.is_marker and item == first:
                builder.fix(group, Part.LOADING, item, factor, 1.0)
            else:
                builder.free(group, Part.LOADING, item, factor, start)
    for factor in range(len(model.factors)):
        first = int(np.flatnonzero(model.loads[:, factor])[0])
        if model.is_marker:
            start = (loadings[first, factor] * spread[first]) ** 2
            builder.free(group, Part.FACTOR, factor, factor, start)
        else:
            builder.fix(group, Part.FACTOR, factor, factor, 1.0)
    for one, other in zip(*np.triu_indices(len(model.factors), 1), strict=True):
        builder.free(group, Part.FACTOR, int(one), int(other), 0.0)
    for pair in model.residual_pairs:
        builder.free(group, Part.RESIDUAL, *pair, 0.0)


def add_measurement_errors(
    builder: TableBuilder, loadings: Array, spread: Array, group: int = 0
) -> None:
    """Add a residual variance for every measured item."""
    explained = np.clip((loadings**2).sum(axis=1), 0.0, _START_RANGE[1])
    for item, start in enumerate((1 - explained) * spread**2):
        builder.free(group, Part.RESIDUAL, item, item, float(start))


def build_ordinal_structure(model: FactorModel, correlation: Array) -> Structure:
    """Return the model of polychoric correlations of one group, thresholds left out."""
    builder = TableBuilder()
    loadings = guess_loadings(model, correlation)
    add_factors(builder, model, loadings, np.ones(len(model.items)))
    return _finish(builder, model, is_ordinal=True, has_means=False)


def build_continuous_structure(
    model: FactorModel, mean: Array, covariance: Array, *, has_means: bool
) -> Structure:
    """Return the model of measured items in one group."""
    builder = TableBuilder()
    spread = np.sqrt(np.diag(covariance))
    loadings = guess_loadings(model, covariance / np.outer(spread, spread))
    add_factors(builder, model, loadings, spread)
    add_measurement_errors(builder, loadings, spread)
    if has_means:
        for item, start in enumerate(mean):
            builder.free(0, Part.INTERCEPT, item, 0, float(start))
    return _finish(builder, model, is_ordinal=False, has_means=has_means)


def build_independence_structure(
    n_items: int, means: list[Array], variances: list[Array], *, has_means: bool
) -> Structure:
    """Return the baseline: measured items that do not correlate, each group for itself."""
    builder = TableBuilder()
    for group, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        for item in range(n_items):
            builder.free(group, Part.RESIDUAL, item, item, float(variance[item]))
        for item in range(n_items if has_means else 0):
            builder.free(group, Part.INTERCEPT, item, 0, float(mean[item]))
    empty: Codes = np.empty(0, dtype=np.intp)
    return Structure(n_items, 0, len(means), has_means, False, empty, builder.build())


def build_saturated_structure(
    n_items: int, means: list[Array], covariances: list[Array], *, has_means: bool
) -> Structure:
    """Return the model that reproduces every moment."""
    builder = TableBuilder()
    for group, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        for item in range(n_items if has_means else 0):
            builder.free(group, Part.INTERCEPT, item, 0, float(mean[item]))
        for first, second in zip(*np.triu_indices(n_items), strict=True):
            start = float(covariance[first, second])
            builder.free(group, Part.RESIDUAL, int(first), int(second), start)
    empty: Codes = np.empty(0, dtype=np.intp)
    return Structure(n_items, 0, len(means), has_means, False, empty, builder.build())


def _finish(
    builder: TableBuilder, model: FactorModel, *, is_ordinal: bool, has_means: bool
) -> Structure:
    return Structure(
        n_items=len(model.items),
        n_factors=len(model.factors),
        n_groups=1,
        has_means=has_means,
        is_ordinal=is_ordinal,
        threshold_item=np.empty(0, dtype=np.intp),
        table=builder.build(),
    )
