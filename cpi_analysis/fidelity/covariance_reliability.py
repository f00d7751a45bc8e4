"""Reliability coefficients that are arithmetic on a covariance matrix of items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def compute_alpha_of(covariance: Array) -> Array:
    """Return Cronbach's alpha of one covariance matrix, or of a stack of them.

    Examples
    --------
    >>> float(compute_alpha_of(np.array([[1.0, 0.5], [0.5, 1.0]])).round(4))
    0.6667
    """
    k = covariance.shape[-1]
    total = covariance.sum(axis=(-1, -2))
    own = np.trace(covariance, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(k / (k - 1) * (1 - own / total))


def compute_alpha_if_deleted(covariance: Array) -> Array:
    """Return alpha without each item in turn; NaN with fewer than three items."""
    k = len(covariance)
    if k < 3:
        return np.full(k, np.nan)
    own = np.diag(covariance)
    with_others = covariance.sum(axis=0) - own
    total = covariance.sum() - own - 2 * with_others
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((k - 1) / (k - 2) * (1 - (own.sum() - own) / total))


def compute_item_rest(covariance: Array) -> Array:
    """Return the correlation of each item with the sum of the others; NaN where one is constant."""
    own = np.diag(covariance)
    with_rest = covariance.sum(axis=0) - own
    rest = covariance.sum() - own - 2 * with_rest
    with np.errstate(divide="ignore", invalid="ignore"):
        found = with_rest / np.sqrt(own * rest)
    return np.asarray(np.where((own > 0) & (rest > 0), found, np.nan))


@dataclass(frozen=True, kw_only=True)
class GuttmanLambdas:
    """Guttman's six lower bounds of the reliability; the fourth is the best split half."""

    lambda_1: float
    lambda_2: float
    lambda_3: float
    lambda_4: float
    lambda_5: float
    lambda_6: float


def compute_lambdas(covariance: Array, best_split: float) -> GuttmanLambdas:
    """Return Guttman's bounds.

    Parameters
    ----------
    covariance
        Of the items; it must be positive definite for the sixth, which is NaN otherwise.
    best_split
        The fourth: the largest reliability of any split in halves.

    References
    ----------
    Guttman L. Psychometrika 1945;10:255-282.
    """
    k = len(covariance)
    total = covariance.sum()
    own = np.diag(covariance)
    off = covariance - np.diag(own)
    first = 1 - own.sum() / total
    squares = (off**2).sum()
    second = first + np.sqrt(k / (k - 1) * squares) / total
    fifth = first + 2 * np.sqrt((off**2).sum(axis=0).max()) / total
    return GuttmanLambdas(
        lambda_1=float(first),
        lambda_2=float(second),
        lambda_3=float(k / (k - 1) * first),
        lambda_4=best_split,
        lambda_5=float(fifth),
        lambda_6=float(1 - _compute_errors(covariance).sum() / total),
    )


def _compute_errors(covariance: Array) -> Array:
    """Return the variance of each item that the others do not predict."""
    values = np.linalg.eigvalsh(covariance)
    if values[0] <= 1e-12 * values[-1]:
        return np.full(len(covariance), np.nan)
    return np.asarray(1 / np.diag(np.linalg.inv(covariance)))
