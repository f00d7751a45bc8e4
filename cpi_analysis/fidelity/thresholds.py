"""Ordered answers as category numbers, their counts, and the thresholds of a normal behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.input_checks import check_table

#: Stands for an infinite threshold: the normal has no mass beyond it in double precision.
INFINITE = 40.0
#: Items with more distinct answers than this are measurements rather than categories.
MOST_CATEGORIES = 20
#: Code of a missing answer.
MISSING = -1
#: Answers that are whole numbers of a range shorter than this are counted, not sorted.
_WIDEST_RANGE = 200

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class CodedItems:
    """Answers as numbers of categories.

    Parameters
    ----------
    names
        Of the items.
    codes
        People × items, from 0; −1 where the answer is missing.
    n_categories
        Per item, how many categories were used.
    values
        Per item, the answers that stand behind the codes, in order.
    lost
        Items that lack a category, with the values that nobody chose.
    n_empty_people
        People without any answer, who were left out.
    """

    names: tuple[str, ...]
    codes: Codes
    n_categories: Codes
    values: tuple[Array, ...]
    lost: dict[str, tuple[float, ...]]
    n_empty_people: int


def encode_items(
    items: pd.DataFrame,
    *,
    categories: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
) -> CodedItems:
    """Return the answers as category numbers, and which items lost a category.

    Parameters
    ----------
    items
        People × items, numeric; missing answers are NaN.
    categories
        Answers that were on offer: one list for all items, or a list per item. None takes the
        answers that occur in any of the items.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 for the table, CPI-E036 for an answer that is not on offer.
    ModelError
        CPI-M006 for an infinite answer, CPI-M008 for fewer than two items, an item without two
        categories or with more than 20.
    """
    answers = check_items(items)
    names = tuple(map(str, items.columns))
    is_missing = np.isnan(answers)
    is_empty = is_missing.all(axis=1)
    if is_empty.any():
        answers, is_missing = answers[~is_empty], is_missing[~is_empty]
    codes, values = _number_categories(answers, is_missing)
    faulty = [
        _fault_categories(name, len(used))
        for name, used in zip(names, values, strict=True)
        if not 2 <= len(used) <= MOST_CATEGORIES
    ]
    if faulty:
        raise ModelError(faulty)
    offered = _list_offered(names, values, categories)
    lost = {
        name: tuple(float(value) for value in offered[name] if value not in used)
        for name, used in zip(names, values, strict=True)
        if len(offered[name]) > len(used)
    }
    return CodedItems(
        names=names,
        codes=codes,
        n_categories=np.array([len(used) for used in values]),
        values=values,
        lost=lost,
        n_empty_people=int(is_empty.sum()),
    )


def check_items(items: pd.DataFrame) -> Array:
    """Return the items as numbers, or raise for a table that does not hold items."""
    check_table(items, "items")
    text = [str(name) for name in items.columns if not pd.api.types.is_numeric_dtype(items[name])]
    if text:
        raise DataError(
            Fault(
                code="CPI-E020",
                table="items",
                column=", ".join(text),
                rule="the column is not numeric",
                cure="give only items, as numbers; set people as the index",
            )
        )
    if items.shape[1] < 2:
        raise refuse_items("there are fewer than two items", "give at least two items")
    answers = items.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(answers).any():
        raise ModelError(
            Fault(
                code="CPI-M006",
                rule="an answer is infinite",
                cure="set impossible answers to missing",
            )
        )
    return answers


def count_pairs(codes: Codes, n_levels: int) -> Array:
    """Return the cross-tables of all items: items × levels × items × levels.

    The diagonal blocks hold the counts of each item alone.
    """
    n_people, n_items = codes.shape
    indicators = np.zeros((n_people, n_items * n_levels), dtype=np.float32)
    rows, columns = np.nonzero(codes >= 0)
    indicators[rows, columns * n_levels + codes[rows, columns]] = 1
    # Single precision counts exactly up to 16 million people.
    counts = indicators.T @ indicators
    return counts.astype(np.float64).reshape(n_items, n_levels, n_items, n_levels)


def compute_thresholds(counts: Array, n_categories: Codes) -> Array:
    """Return the normal quantiles of the cumulative shares: items × (levels − 1).

    Items with fewer categories than levels end with infinite thresholds.
    """
    totals = counts.sum(axis=1)
    shares = np.cumsum(counts, axis=1)[:, :-1] / totals[:, None]
    is_real = np.arange(counts.shape[1] - 1)[None, :] < n_categories[:, None] - 1
    thresholds = np.full(shares.shape, INFINITE)
    thresholds[is_real] = ndtri(shares[is_real])
    return thresholds


def _number_categories(
    answers: Array, is_missing: NDArray[np.bool_]
) -> tuple[Codes, tuple[Array, ...]]:
    """Return category numbers (−1 where missing), and the answers of each item in order."""
    n_items = answers.shape[1]
    lowest = np.min(answers, where=~is_missing, initial=np.inf)
    shifted = np.where(is_missing, 0.0, answers - lowest)
    highest = shifted.max(initial=0.0)
    if highest < _WIDEST_RANGE and (shifted == np.rint(shifted)).all():
        # Whole numbers of a short range are counted, which is faster than sorting them.
        places = shifted.astype(np.intp)
        width = int(highest) + 1
        flat = places + np.arange(n_items) * width
        counts = np.bincount(flat[~is_missing], minlength=n_items * width)
        is_used = counts.reshape(n_items, width) > 0
        numbers = (np.cumsum(is_used, axis=1) - 1).ravel()
        codes = np.where(is_missing, MISSING, numbers[flat])
        return codes, tuple(np.flatnonzero(used) + lowest for used in is_used)
    codes = np.full(answers.shape, MISSING, dtype=np.intp)
    values = []
    for column in range(n_items):
        here = ~is_missing[:, column]
        used, codes[here, column] = np.unique(answers[here, column], return_inverse=True)
        values.append(used)
    return codes, tuple(values)


def _list_offered(
    names: tuple[str, ...],
    values: tuple[Array, ...],
    categories: Sequence[float] | Mapping[str, Sequence[float]] | None,
) -> dict[str, Array]:
    if categories is None:
        return dict.fromkeys(names, np.unique(np.concatenate(values)))
    if isinstance(categories, Mapping):
        offered = {name: np.unique(np.asarray(categories.get(name, ()), float)) for name in names}
    else:
        offered = dict.fromkeys(names, np.unique(np.asarray(categories, float)))
    foreign = [
        name
        for name, used in zip(names, values, strict=True)
        if not np.isin(used, offered[name]).all()
    ]
    if foreign:
        raise DataError(
            Fault(
                code="CPI-E036",
                table="items",
                column=", ".join(foreign),
                rule="an answer is not one of the categories on offer",
                cure="correct the answers, or give every category that was on offer",
            )
        )
    return offered


def _fault_categories(name: str, found: int) -> Fault:
    if found < 2:
        return Fault(
            code="CPI-M008",
            table="items",
            column=name,
            rule="everybody gave the same answer, or nobody answered",
            cure="leave the item out and say so: an item without variation has no correlation",
        )
    return Fault(
        code="CPI-M008",
        table="items",
        column=name,
        rule=f"{found} different answers are too many for ordered categories",
        allowed=f"2 to {MOST_CATEGORIES} categories",
        cure="treat the item as a measurement (Pearson correlation), or group its answers",
    )
