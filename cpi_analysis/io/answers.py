"""Long answers to a checked matrix of respondents × items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.instruments import Instrument, list_instruments, load_instrument


@dataclass(frozen=True, kw_only=True)
class AnswerMatrix:
    """Who answered, and what.

    Parameters
    ----------
    units
        One row per respondent and timepoint (or target and rater), sorted.
    answers
        Units × items of the instrument, in the order of its key; NaN where missing.
    """

    units: pd.DataFrame
    answers: npt.NDArray[np.float64]


def build_answer_matrix(
    table: pd.DataFrame,
    *,
    units: Sequence[str],
    answer: str,
    instrument: Instrument,
    chosen: npt.NDArray[np.bool_] | None = None,
) -> AnswerMatrix:
    """Return the answers to an instrument as a matrix, refusing what does not fit its key.

    Parameters
    ----------
    table
        Long answers; messages count its rows from 1.
    units
        Columns that say whose answer a row is.
    answer
        Column of the answers, whole numbers.
    instrument
        The scoring key.
    chosen
        Which rows are used; all when None.

    Raises
    ------
    DataError
        CPI-E011, CPI-E013, CPI-E020, CPI-E036, CPI-E037; every fault at once.
    """
    _check_columns(table, [*units, "item", answer])
    rows = np.arange(1, len(table) + 1, dtype=np.int64)
    if chosen is not None:
        table, rows = table.loc[chosen], rows[chosen]
    answers, is_number = _to_numbers(table[answer])
    item_codes = _code_items(table["item"], instrument)
    grouped = table.groupby(list(units), sort=True, dropna=False)
    unit_codes: npt.NDArray[np.intp] = grouped.ngroup().to_numpy().astype(np.intp)
    faults = [
        *_find_unknown(table["item"], item_codes, rows, instrument),
        *_find_repeated(unit_codes, item_codes, rows),
        *_find_text(is_number, rows, answer),
        *_find_outside(answers, item_codes, rows, instrument, answer),
    ]
    if faults:
        raise DataError(faults)

    first = np.unique(unit_codes, return_index=True)[1]
    keys = table[list(units)].iloc[first].reset_index(drop=True)
    shape = (len(keys), len(instrument.item_ids))
    matrix = np.full(shape, np.nan)
    own = item_codes >= 0
    matrix[unit_codes[own], item_codes[own]] = answers[own]
    return AnswerMatrix(units=keys, answers=matrix)


def _check_columns(table: pd.DataFrame, needed: list[str]) -> None:
    absent = [column for column in needed if column not in table.columns]
    if absent:
        raise DataError(
            Fault(
                code="CPI-E011",
                column=column,
                rule="the column is needed to compute scores",
                cure="add the column; one row holds one answer",
            )
            for column in absent
        )


def _to_numbers(column: pd.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    numbers = pd.to_numeric(column, errors="coerce")
    is_number = (numbers.notna() | column.isna()).to_numpy(dtype=bool)
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan), is_number


def _code_items(items: pd.Series, instrument: Instrument) -> npt.NDArray[np.intp]:
    """Return the position of each item in the key, -1 of a longer form's, -2 of no key's."""
    index = pd.Index(instrument.item_ids)
    codes = index.get_indexer(pd.Index(items)).astype(np.intp)
    if instrument.answers_from == instrument.id:
        return np.where(codes < 0, -2, codes)
    if instrument.answers_from not in list_instruments():
        # The longer form is a user's own file: it is checked when it is scored itself.
        return codes
    longer = load_instrument(instrument.answers_from).item_ids
    return np.where(codes >= 0, codes, np.where(items.isin(longer).to_numpy(bool), -1, -2))


def _numbers(rows: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(row) for row in rows[chosen])


def _find_unknown(
    items: pd.Series,
    codes: npt.NDArray[np.intp],
    rows: npt.NDArray[np.int64],
    instrument: Instrument,
) -> list[Fault]:
    strange = codes == -2
    if not strange.any():
        return []
    ids = instrument.item_ids
    return [
        Fault(
            code="CPI-E037",
            column="item",
            rows=_numbers(rows, strange),
            rule=f"the item does not belong to {instrument.id}",
            allowed=", ".join(ids) if len(ids) <= 8 else f"{ids[0]} ... {ids[-1]} ({len(ids)})",
            cure="correct the id of the item, or add the item to a copy of the scoring key",
        )
    ]


def _find_repeated(
    units: npt.NDArray[np.intp], codes: npt.NDArray[np.intp], rows: npt.NDArray[np.int64]
) -> list[Fault]:
    pairs = pd.DataFrame({"unit": units, "item": codes})
    repeated = (pairs.duplicated(keep=False) & (pairs["item"] >= 0)).to_numpy(dtype=bool)
    if not repeated.any():
        return []
    return [
        Fault(
            code="CPI-E013",
            column="item",
            rows=_numbers(rows, repeated),
            rule="an item is answered more than once by the same person at the same time",
            cure="keep one answer; the package does not choose for you",
        )
    ]


def _find_text(
    is_number: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64], answer: str
) -> list[Fault]:
    if is_number.all():
        return []
    return [
        Fault(
            code="CPI-E020",
            column=answer,
            rows=_numbers(rows, ~is_number),
            rule="an answer is not a number",
            cure="give the number of the answer, or leave the cell empty when it is missing",
        )
    ]


def _find_outside(
    answers: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    rows: npt.NDArray[np.int64],
    instrument: Instrument,
    column: str,
) -> list[Fault]:
    items = instrument.items
    low = np.array([item.minimum for item in items], dtype=np.float64)
    high = np.array([item.maximum for item in items], dtype=np.float64)
    own = (codes >= 0) & ~np.isnan(answers)
    safe = np.where(own, codes, 0)
    wrong = own & ((answers < low[safe]) | (answers > high[safe]) | (answers != np.round(answers)))
    return [
        Fault(
            code="CPI-E036",
            column=column,
            rows=_numbers(rows, wrong & (codes == code)),
            rule=f"an answer to {items[code].id} is outside the range of the item",
            allowed=f"whole numbers from {items[code].minimum} to {items[code].maximum}, or empty",
            cure="correct the answer, or declare the code that stands for missing",
        )
        for code in np.unique(codes[wrong])
    ]
