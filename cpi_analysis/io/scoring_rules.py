"""The arithmetic of scores: arrays of answers in, arrays of scores out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cpi_analysis.io.instruments import Item, MissingRule, Scale

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def reverse_answers(
    answers: FloatArray, *, minimum: FloatArray, maximum: FloatArray, is_reversed: BoolArray
) -> FloatArray:
    """Return the answers with the reversed items turned round in their declared range.

    Parameters
    ----------
    answers
        Respondents × items; NaN where missing.
    minimum, maximum, is_reversed
        One entry per item. The range is the one declared, never the one observed.

    Returns
    -------
    ndarray
        minimum + maximum − answer for the reversed items, the answer for the others.

    Examples
    --------
    >>> import numpy as np
    >>> one, five = np.array([1.0]), np.array([5.0])
    >>> reverse_answers(np.array([[2.0]]), minimum=one, maximum=five, is_reversed=np.array([True]))
    array([[4.]])
    """
    return np.where(is_reversed, minimum + maximum - answers, answers)


def score_answers(
    answers: FloatArray,
    *,
    scale: Scale,
    items: tuple[Item, ...],
    missing: MissingRule | None = None,
) -> FloatArray:
    """Return the score of one scale for each row of answers.

    Parameters
    ----------
    answers
        Respondents × items of the scale, in the order of ``items``; NaN where missing. The
        answers are as given: reversed items are turned round here.
    scale, items
        The scale and its items.
    missing
        Rule for missing items; the scale's own when None.

    Returns
    -------
    ndarray
        One score per row, NaN where the rule gives none.

    Notes
    -----
    With J the items and A the answered ones, a ``sum`` under proration is
    |J| / |A| × Σ_A x_j, a ``mean`` is Σ_A x_j / |A|, and ``percent_of_range`` is
    100 / |A| × Σ_A (x_j − min_j) / (max_j − min_j). With every item answered they are the
    ordinary sum, mean and percent. ``table`` and ``weighted_sum`` need every item.
    """
    low = np.array([item.minimum for item in items], dtype=np.float64)
    high = np.array([item.maximum for item in items], dtype=np.float64)
    turned = reverse_answers(
        answers,
        minimum=low,
        maximum=high,
        is_reversed=np.array([item.is_reversed for item in items]),
    )
    rule = scale.missing if missing is None else missing
    scored = (~np.isnan(turned)).sum(axis=1) >= rule.required(len(items))
    values = _combine(turned, low, high, scale, items)
    # Proration divides and multiplies: 4.999999999999999 must not leave the declared range.
    return np.where(scored, np.clip(values, scale.minimum, scale.maximum), np.nan)


def _combine(
    answers: FloatArray,
    low: FloatArray,
    high: FloatArray,
    scale: Scale,
    items: tuple[Item, ...],
) -> FloatArray:
    if scale.method == "weighted_sum":
        return scale.intercept + scale.slope * _sum_weights(answers, scale, items)
    if scale.table is not None:
        return _look_up(answers.sum(axis=1), scale.table.raw, scale.table.score)
    if scale.method == "percent_of_range":
        return 100.0 * _mean((answers - low) / (high - low))
    if scale.method == "mean":
        return _mean(answers)
    # The plain sum where nothing is missing, so that whole numbers stay whole.
    total = answers.sum(axis=1)
    return np.where(np.isnan(total), _mean(answers) * len(items), total)


def _mean(values: FloatArray) -> FloatArray:
    answered = ~np.isnan(values)
    total = np.where(answered, values, 0.0).sum(axis=1)
    mean: FloatArray = total / np.maximum(answered.sum(axis=1), 1)
    return mean


def _look_up(raw: FloatArray, keys: tuple[int, ...], scores: tuple[float, ...]) -> FloatArray:
    # The keys of a valid table are consecutive whole numbers.
    known = ~np.isnan(raw)
    position = np.where(known, raw, keys[0]).astype(np.intp) - keys[0]
    return np.where(known, np.asarray(scores, dtype=np.float64)[position], np.nan)


def _sum_weights(answers: FloatArray, scale: Scale, items: tuple[Item, ...]) -> FloatArray:
    total = np.zeros(answers.shape[0])
    for column, item in enumerate(items):
        levels = tuple(range(item.minimum, item.maximum + 1))
        total += _look_up(answers[:, column], levels, scale.weights[item.id])
    return total
