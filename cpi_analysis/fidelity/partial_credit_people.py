"""Places of people under a partial credit model, and how well each item fits them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.fidelity.partial_credit_fit import compute_category_probabilities
from cpi_analysis.fidelity.thresholds import Codes

#: The trait is looked for in this range, in logits.
_LIMIT = 30.0
#: Halvings of that range: the place is then known to rounding.
_HALVINGS = 70

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ItemMoments:
    """Of each item's answer at each person's trait: people × items.

    ``mean``, ``variance`` and the third and fourth central moments.
    """

    mean: Array
    variance: Array
    third: Array
    fourth: Array


@dataclass(frozen=True)
class ItemFit:
    """Mean squares of standardised residuals per item, and their approximate z values.

    ``outfit`` counts people alike; ``infit`` weights them by what the item says about them.
    """

    outfit: Array
    outfit_z: Array
    infit: Array
    infit_z: Array
    n: Codes


def compute_moments(difficulties: list[Array], trait: Array) -> ItemMoments:
    """Return the moments of every item's answer at each value of the trait."""
    columns: list[list[Array]] = [[], [], [], []]
    for sums in difficulties:
        probability = compute_category_probabilities(sums, trait)
        category = np.arange(len(probability), dtype=float)
        mean = category @ probability
        centred = category[:, None] - mean
        columns[0].append(mean)
        for power in (2, 3, 4):
            columns[power - 1].append((centred**power * probability).sum(axis=0))
    return ItemMoments(*(np.array(one).T for one in columns))


def locate_people(
    difficulties: list[Array], codes: Codes, *, is_weighted: bool
) -> tuple[Array, Array]:
    """Return each person's trait and its standard error.

    Parameters
    ----------
    difficulties
        Per item the sums of its thresholds.
    codes
        People × items; −1 where missing.
    is_weighted
        Warm's weighted likelihood, finite for every score; else maximum likelihood, missing for
        the lowest and highest scores.

    Notes
    -----
    Solves r − Σ E(xᵢ) = 0, or r − Σ E(xᵢ) + Σ μ₃ᵢ / (2 Σ Var xᵢ) = 0 (Warm), by halving: the
    left side falls in θ.

    References
    ----------
    Warm TA. Psychometrika 1989;54:427-450.
    """
    is_answered = codes >= 0
    keys = np.column_stack([is_answered, np.where(is_answered, codes, 0).sum(axis=1)])
    different, of_person = np.unique(keys, axis=0, return_inverse=True)
    masks, scores = different[:, :-1].astype(float), different[:, -1].astype(float)
    low, high = np.full(len(scores), -_LIMIT), np.full(len(scores), _LIMIT)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        moments = compute_moments(difficulties, middle)
        excess = scores - (moments.mean * masks).sum(axis=1)
        if is_weighted:
            total = (moments.variance * masks).sum(axis=1)
            excess = excess + (moments.third * masks).sum(axis=1) / (2 * total)
        low, high = np.where(excess > 0, middle, low), np.where(excess > 0, high, middle)
    trait = (low + high) / 2
    information = (compute_moments(difficulties, trait).variance * masks).sum(axis=1)
    highest = masks @ np.array([len(one) for one in difficulties])
    if not is_weighted:
        trait = np.where((scores > 0) & (scores < highest), trait, np.nan)
    error = np.where(np.isnan(trait), np.nan, 1 / np.sqrt(information))
    return trait[of_person.ravel()], error[of_person.ravel()]


def compute_item_fit(difficulties: list[Array], codes: Codes) -> ItemFit:
    """Return infit and outfit of every item, without people of the lowest or highest score.

    Notes
    -----
    With residual variance V and fourth moment C of each answer, outfit = Σ(r²/V)/n and infit =
    Σ r² / Σ V. Their z values use the Wilson–Hilferty cube root with variances
    Σ(C/V²)/n² − 1/n and Σ(C − V²)/(ΣV)².

    References
    ----------
    Wright BD, Masters GN. Rating scale analysis. MESA Press 1982, p. 100.

    """
    trait, _ = locate_people(difficulties, codes, is_weighted=False)
    is_inner = ~np.isnan(trait)
    moments = compute_moments(difficulties, trait[is_inner])
    answers = codes[is_inner]
    is_answered = answers >= 0
    squared = np.where(is_answered, (answers - moments.mean) ** 2, 0.0)
    variance = np.where(is_answered, moments.variance, 0.0)
    ratio = np.where(is_answered, moments.fourth / moments.variance**2, 0.0)
    n = is_answered.sum(axis=0)
    outfit = np.where(is_answered, squared / moments.variance, 0.0).sum(axis=0) / n
    infit = squared.sum(axis=0) / variance.sum(axis=0)
    spread_out = np.sqrt(ratio.sum(axis=0) / n**2 - 1 / n)
    excess = np.where(is_answered, moments.fourth - moments.variance**2, 0.0).sum(axis=0)
    spread_in = np.sqrt(excess) / variance.sum(axis=0)
    return ItemFit(
        outfit=outfit,
        outfit_z=_standardise(outfit, spread_out),
        infit=infit,
        infit_z=_standardise(infit, spread_in),
        n=n,
    )


def _standardise(mean_square: Array, spread: Array) -> Array:
    return np.asarray((np.cbrt(mean_square) - 1) * 3 / spread + spread / 3)
