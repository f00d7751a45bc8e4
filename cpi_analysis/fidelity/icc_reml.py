"""Intraclass correlations of ratings with gaps: variance components by REML, and their limits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.fidelity.mean_squares import MeanSquares
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model

IntArray = NDArray[np.intp]
#: Up to this share of missing ratings the table counts as full, as R's psych takes it always.
FEW_MISSING = 0.05


class RatingComponents(NamedTuple):
    """Variances between targets, between raters (0 in the one-way model) and of error.

    ``squares`` are the mean squares that a full table with these variances would have; its
    ``n_raters`` is the number of ratings per target that the intervals use. ``n_raters`` is
    the number of raters averaged in the forms k.
    """

    targets: float
    raters: float
    error: float
    squares: MeanSquares
    n_targets: int
    n_raters: int
    n_missing: int
    n_ratings: int
    is_singular: bool


def codes_of(values: pd.Series) -> IntArray:
    """Return the place of each value among the sorted ones."""
    return np.asarray(pd.factorize(values, sort=True)[0], dtype=np.intp)


def fit_rating_components(
    ratings: pd.DataFrame, *, target: str, rater: str, rating: str, is_one_way: bool
) -> RatingComponents:
    """Fit the random-effects model of ratings with gaps.

    Raises
    ------
    ModelError
        CPI-M008 when raters are not connected by targets, or ratings do not differ; M005 when
        the fit finds no optimum.
    """
    known = ratings[ratings[rating].notna()]
    targets, raters = codes_of(known[target]), codes_of(known[rater])
    values = known[rating].to_numpy(dtype=np.float64)
    if np.ptp(values) == 0:
        raise refuse_items(
            "all ratings are the same", "targets that do not differ cannot be told apart"
        )
    n, k, n_ratings = int(targets.max()) + 1, int(raters.max()) + 1, len(values)
    sizes = np.bincount(targets)
    if is_one_way:
        variances, singular = _fit(values, [targets])
        per_target = int(pd.Series(sizes[sizes >= 2]).mode().iloc[-1])
        numbers = (per_target, n, float(1 / np.mean(1 / sizes)))
        return _assemble((variances[0], 0.0, variances[1]), numbers, (0, n_ratings), singular)
    if count_error_df(targets, raters) < 1:
        raise refuse_items(
            "the raters are not connected by targets that they rated in common",
            "have raters overlap; if every target has raters of its own, ask for ICC(1,1) or "
            "ICC(1,k)",
        )
    variances, singular = _fit(values, [targets, raters])
    missing = n * k - n_ratings
    counted = float(k) if missing <= FEW_MISSING * n * k else float(1 / np.mean(1 / sizes))
    return _assemble(
        (variances[0], variances[1], variances[2]),
        (k, n, counted),
        (missing, n_ratings),
        singular,
    )


def count_error_df(targets: IntArray, raters: IntArray) -> int:
    """Return the ratings left once every target and rater has a level of its own.

    Examples
    --------
    >>> import numpy as np
    >>> count_error_df(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    1
    >>> count_error_df(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]))
    0
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n, k = int(targets.max()) + 1, int(raters.max()) + 1
    graph = coo_matrix((np.ones(len(targets)), (targets, n + raters)), shape=(n + k, n + k))
    n_parts, _ = connected_components(graph, directed=False)
    return int(len(targets) - n - k + n_parts)


def _fit(values: NDArray[np.float64], groupings: list[IntArray]) -> tuple[list[float], bool]:
    ones = np.ones((len(values), 1))
    fit = fit_linear_mixed_model(values, ones, [(ones, codes) for codes in groupings])
    variances = [float(G[0, 0]) for G in fit.random_covariances]
    return [*variances, float(fit.residual_variances[0])], fit.is_singular


def _assemble(
    variances: tuple[float, float, float],
    numbers: tuple[int, int, float],
    counts: tuple[int, int],
    singular: bool,
) -> RatingComponents:
    between, raters, error = variances
    k, n, per_target = numbers
    square_raters = n * raters + error
    squares = MeanSquares(
        n_targets=n,
        n_raters=per_target,
        targets=per_target * between + error,
        raters=square_raters,
        error=error,
        within=(square_raters + (n - 1) * error) / n,
    )
    return RatingComponents(between, raters, error, squares, n, k, *counts, singular)
