"""Parameter tables of factor models that are more and more the same in several groups."""

from __future__ import annotations

import numpy as np

from cpi_analysis.fidelity.factor_structure import Array, Codes, Part, Structure
from cpi_analysis.fidelity.factor_tables import FactorModel, TableBuilder, guess_loadings

#: What is held equal, level by level; each level keeps what the one before holds.
CONTINUOUS_LEVELS = ("configural", "metric", "scalar", "strict")
ORDINAL_LEVELS = ("configural", "thresholds", "loadings", "intercepts")

#: Share of an item's variance that is residual at the start.
_LEAST_RESIDUAL = 0.1


def build_continuous_level(
    model: FactorModel, level: str, means: list[Array], covariances: list[Array]
) -> Structure:
    """Return the model of measured items in several groups at one level of invariance.

    Notes
    -----
    The factors of the first group have variance 1 and mean 0. Variances are free in the others
    once the loadings are equal (``metric``), means once the intercepts are (``scalar``).
    ``strict`` holds the residual variances equal too.
    """
    rank = CONTINUOUS_LEVELS.index(level)
    builder = TableBuilder()
    for group, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        spread = np.sqrt(np.diag(covariance))
        standard = guess_loadings(model, covariance / np.outer(spread, spread))
        _add_loadings(builder, model, standard * spread[:, None], group, is_equal=rank >= 1)
        _add_factors(builder, model, group, has_variance=rank >= 1, has_mean=rank >= 2)
        rest = np.maximum(1 - (standard**2).sum(axis=1), _LEAST_RESIDUAL) * spread**2
        for item in range(len(model.items)):
            label = ("residual", item) if rank >= 3 else None
            builder.free(group, Part.RESIDUAL, item, item, float(rest[item]), label)
            label = ("intercept", item) if rank >= 2 else None
            builder.free(group, Part.INTERCEPT, item, 0, float(mean[item]), label)
        for pair in model.residual_pairs:
            builder.free(group, Part.RESIDUAL, *pair, 0.0)
    return Structure(
        n_items=len(model.items),
        n_factors=len(model.factors),
        n_groups=len(means),
        has_means=True,
        is_ordinal=False,
        threshold_item=np.empty(0, dtype=np.intp),
        table=builder.build(),
    )


def build_ordinal_level(
    model: FactorModel,
    level: str,
    thresholds: list[Array],
    correlations: list[Array],
    threshold_item: Codes,
) -> Structure:
    """Return the model of ordered items in several groups at one level of invariance.

    Notes
    -----
    In the first group the normal variables behind the answers have variance 1 and intercept 0,
    the factors variance 1 and mean 0. In the others, once thresholds are equal, scales and
    intercepts of the normal variables are free; once loadings are, the factors' variances; once
    intercepts are (at 0), the factors' means.

    References
    ----------
    Wu H, Estabrook R. Psychometrika 2016;81:1014-1045.
    """
    rank = ORDINAL_LEVELS.index(level)
    builder = TableBuilder()
    for group, (values, correlation) in enumerate(zip(thresholds, correlations, strict=True)):
        loadings = guess_loadings(model, correlation)
        _add_loadings(builder, model, loadings, group, is_equal=rank >= 2)
        _add_factors(builder, model, group, has_variance=rank >= 2, has_mean=rank >= 3)
        for pair in model.residual_pairs:
            builder.free(group, Part.RESIDUAL, *pair, 0.0)
        for place, value in enumerate(values):
            label = ("threshold", place) if rank >= 1 else None
            builder.free(group, Part.THRESHOLD, place, 0, float(value), label)
        is_free = rank >= 1 and group > 0
        for item in range(len(model.items) if is_free else 0):
            builder.free(group, Part.SCALE, item, 0, 1.0)
            if rank < 3:
                builder.free(group, Part.INTERCEPT, item, 0, 0.0)
    return Structure(
        n_items=len(model.items),
        n_factors=len(model.factors),
        n_groups=len(thresholds),
        has_means=True,
        is_ordinal=True,
        threshold_item=threshold_item,
        table=builder.build(),
    )


def _add_loadings(
    builder: TableBuilder, model: FactorModel, loadings: Array, group: int, *, is_equal: bool
) -> None:
    for item, factor in zip(*np.nonzero(model.loads), strict=True):
        label = ("loading", int(item), int(factor)) if is_equal else None
        start = float(loadings[item, factor])
        builder.free(group, Part.LOADING, int(item), int(factor), start, label)


def _add_factors(
    builder: TableBuilder, model: FactorModel, group: int, *, has_variance: bool, has_mean: bool
) -> None:
    for factor in range(len(model.factors)):
        if has_variance and group > 0:
            builder.free(group, Part.FACTOR, factor, factor, 1.0)
        else:
            builder.fix(group, Part.FACTOR, factor, factor, 1.0)
        if has_mean and group > 0:
            builder.free(group, Part.FACTOR_MEAN, factor, 0, 0.0)
    for first, second in zip(*np.triu_indices(len(model.factors), 1), strict=True):
        builder.free(group, Part.FACTOR, int(first), int(second), 0.0)
