"""Intraclass correlations as arithmetic: from a matrix of ratings to points and intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

#: The forms: the model or definition, and whether one rater or the mean of the k raters is used.
FORMS = ("ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)")
#: A sum of squares below this share of the total is rounding error and counts as zero.
_ROUNDING = 1e-13


@dataclass(frozen=True, kw_only=True)
class MeanSquares:
    """Mean squares of targets × raters: between targets, between raters, error, within targets.

    ``n_raters`` is a mean number of ratings per target when the ratings have gaps.
    """

    n_targets: int
    n_raters: float
    targets: float
    raters: float
    error: float
    within: float


def compute_mean_squares(matrix: NDArray[np.float64]) -> MeanSquares:
    """Return the mean squares of a complete matrix of targets × raters."""
    n, k = matrix.shape
    # Centring first keeps the digits when all ratings lie far from zero.
    centred = matrix - matrix.mean()
    total = float((centred**2).sum())
    between_targets = k * float((centred.mean(axis=1) ** 2).sum())
    between_raters = n * float((centred.mean(axis=0) ** 2).sum())
    residual = centred - centred.mean(axis=1, keepdims=True) - centred.mean(axis=0, keepdims=True)
    error = float((residual**2).sum())
    floor = _ROUNDING * total
    targets, raters, error = (
        0.0 if part <= floor else part for part in (between_targets, between_raters, error)
    )
    return MeanSquares(
        n_targets=n,
        n_raters=k,
        targets=targets / (n - 1),
        raters=raters / (k - 1),
        error=error / ((n - 1) * (k - 1)),
        within=(raters + error) / (n * (k - 1)),
    )


def compute_icc(squares: MeanSquares, form: str) -> float:
    """Return the point estimate of one form."""
    n, k, noise = squares.n_targets, squares.n_raters, noise_of(squares, form)
    between = squares.targets - noise
    offset = (squares.raters - squares.error) / n if form[4] == "A" else 0.0
    if form.endswith("k)"):
        return between / (squares.targets + offset)
    return between / (squares.targets + (k - 1) * noise + k * offset)


def compute_icc_interval(
    squares: MeanSquares, form: str, *, confidence_level: float, n_averaged: int | None = None
) -> tuple[float, float]:
    """Return the interval of one form (McGraw and Wong 1996, table 7).

    ``n_averaged`` raters are averaged in the forms k; None for as many as rated.
    """
    tail = (1 - confidence_level) / 2
    single = _agreement_interval if form[4] == "A" else _exact_interval
    low, high = single(squares, form, tail)
    if form.endswith("k)"):
        k = squares.n_raters if n_averaged is None else n_averaged
        return step_up(low, k), step_up(high, k)
    return low, high


def step_up(single: float, k: float) -> float:
    """Return the reliability of the mean of k ratings from that of one (Spearman–Brown)."""
    return k * single / (1 + (k - 1) * single)


def noise_of(squares: MeanSquares, form: str) -> float:
    """Return the mean square that a form holds against the one between targets."""
    return squares.within if form[4] == "1" else squares.error


def noise_df_of(squares: MeanSquares, form: str) -> float:
    """Return the degrees of freedom of that mean square."""
    n = squares.n_targets if form[4] == "1" else squares.n_targets - 1
    return n * (squares.n_raters - 1)


def _exact_interval(squares: MeanSquares, form: str, tail: float) -> tuple[float, float]:
    n, k = squares.n_targets, squares.n_raters
    noise, noise_df = noise_of(squares, form), noise_df_of(squares, form)
    if noise == 0:
        return 1.0, 1.0
    ratio = squares.targets / noise
    low = ratio / stats.f.isf(tail, n - 1, noise_df)
    high = ratio * stats.f.isf(tail, noise_df, n - 1)
    return float((low - 1) / (low + k - 1)), float((high - 1) / (high + k - 1))


def _agreement_interval(squares: MeanSquares, form: str, tail: float) -> tuple[float, float]:
    n, k = squares.n_targets, squares.n_raters
    between, raters, error = squares.targets, squares.raters, squares.error
    single = compute_icc(squares, "ICC(A,1)")
    if raters == 0 and error == 0:
        return 1.0, 1.0
    odds = k * single / (n * (1 - single))
    weight_raters, weight_error = odds * raters, (1 + odds * (n - 1)) * error
    df = (weight_raters + weight_error) ** 2 / (
        weight_raters**2 / (k - 1) + weight_error**2 / ((n - 1) * (k - 1))
    )
    rest = k * raters + (k * n - k - n) * error
    quantile = stats.f.isf(tail, n - 1, df)
    low = n * (between - quantile * error) / (quantile * rest + n * between)
    quantile = stats.f.isf(tail, df, n - 1)
    high = n * (quantile * between - error) / (rest + n * quantile * between)
    return float(low), float(high)
