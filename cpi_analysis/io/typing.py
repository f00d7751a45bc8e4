"""Text becomes typed columns as the schema says; nothing is guessed."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cpi_analysis.errors import Fault
from cpi_analysis.io.labels import clear, encode, mark, split, spread
from cpi_analysis.io.schemas.conform import DATE_DTYPE
from cpi_analysis.io.schemas.fields import EARLIEST_DATE, LATEST_DATE
from cpi_analysis.io.schemas.specs import ColumnSpec, TableSpec
from cpi_analysis.io.schemas.validation import FaultMaker
from cpi_analysis.io.schemas.wording import NOT_OF_KIND, say_allowed

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER_CHARACTERS = re.compile(r"[0-9.eE+|-]*")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

MissingCodes = Sequence[str] | Mapping[str, Sequence[str]]
Read = tuple[Any, dict[str, np.ndarray]]


def type_table(
    text: pd.DataFrame,
    *,
    spec: TableSpec,
    missing_codes: MissingCodes = (),
    date_format: str | None = None,
    file: str | None = None,
    row_numbers: Sequence[int] | np.ndarray | None = None,
) -> tuple[pd.DataFrame, tuple[Fault, ...]]:
    """Return the table with each column in the type that ``spec`` gives it.

    Parameters
    ----------
    text
        Cells as text, exactly as in the file; an empty text or NaN is missing. Columns that
        ``spec`` does not have are passed through: :func:`check_table` refuses them.
    spec
        What the table holds.
    missing_codes
        Texts that mean missing, for all columns; or for a column its texts, where the key
        ``"*"`` stands for all columns.
    date_format
        How dates are written, as ``strptime`` has it (``"%d/%m/%Y"``); ISO dates when None.
    file, row_numbers
        For the faults: the file, and one row number per row (positions from 1 when None).

    Returns
    -------
    tuple of DataFrame and tuple of Fault
        A cell that cannot be read is missing, and named in a fault. Columns of text are
        encoded (see :mod:`cpi_analysis.io.labels`). Ranges are checked later, with the whole
        table.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.io.schemas import table_spec
    >>> text = pd.DataFrame({"timepoint": ["baseline"], "months": ["0"], "order": ["1.0"]})
    >>> typed, faults = type_table(text, spec=table_spec("timepoints"))
    >>> typed.loc[0, "order"], faults
    (np.int64(1), ())
    """
    maker = FaultMaker(spec.name, file=file, rows=row_numbers)
    columns: dict[str, pd.Series[Any]] = {}
    faults: list[Fault] = []
    for name in text.columns:
        cells = text[name].reset_index(drop=True)
        if name not in spec.column_names:
            columns[name] = cells
            continue
        column = spec.column(name)
        labels = clear(encode(cells), ["", *_codes_for(name, missing_codes)])
        typed, broken = _read_column(labels, column, date_format)
        columns[name] = typed
        for code, rows in sorted(broken.items()):
            if rows.any():
                rule, cure = _date_words(date_format) if code == "CPI-E022" else (None, None)
                allowed = say_allowed(column)
                faults.append(
                    maker.fault(
                        code, column=name, broken=rows, allowed=allowed, rule=rule, cure=cure
                    )
                )
    return pd.DataFrame(columns, index=pd.RangeIndex(len(text)), copy=False), tuple(faults)


def _date_words(date_format: str | None) -> tuple[str | None, str | None]:
    """Return rule and cure of a bad date in a file that declares how it writes dates."""
    if date_format is None:
        return None, None
    return (
        f'the cell must be a date of the calendar, written as date_format = "{date_format}" says',
        "write the date so, or correct date_format in study.toml; if it stands for a missing "
        "value, declare it under missing_codes",
    )


def _codes_for(name: str, codes: MissingCodes) -> list[str]:
    if isinstance(codes, Mapping):
        return [*codes.get("*", ()), *codes.get(name, ())]
    return list(codes)


def _read_column(labels: pd.Series[Any], column: ColumnSpec, date_format: str | None) -> Read:
    codes, texts = split(labels)
    if column.kind == "number":
        return _read_numbers(codes, texts)
    if column.kind == "integer":
        return _read_integers(codes, texts)
    if column.kind == "boolean":
        return _read_truth(codes, texts)
    if column.kind == "date":
        return _read_dates(codes, texts, date_format)
    return labels, {}


def _parse_numbers(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers, and which texts are not finite numbers in plain digits."""
    joined = "|".join(texts)
    if _NUMBER_CHARACTERS.fullmatch(joined) and joined.count("|") == max(len(texts) - 1, 0):
        try:
            values = np.fromiter(map(float, texts), dtype=float, count=len(texts))
        except ValueError:
            pass
        else:
            bad = np.isinf(values)
            return np.where(bad, np.nan, values), bad
    good = np.array([bool(_NUMBER.fullmatch(cell)) for cell in texts], dtype=bool)
    values = np.full(len(texts), np.nan)
    values[good] = texts[good].astype(float)
    bad = ~good | np.isinf(values)
    return np.where(bad, np.nan, values), bad


def _read_numbers(codes: np.ndarray, texts: np.ndarray) -> Read:
    values, bad = _parse_numbers(texts)
    broken = {"CPI-E020": mark(bad, codes)}
    return pd.Series(spread(values, codes, missing=np.nan)), broken


def _read_integers(codes: np.ndarray, texts: np.ndarray) -> Read:
    values, bad = _parse_numbers(texts)
    # Beyond 2**53 neighbouring whole numbers are the same float.
    fraction = (np.floor(values) != values) & ~np.isnan(values) | (np.abs(values) > 2.0**53)
    whole = np.where(fraction, np.nan, values)
    broken = {"CPI-E020": bad, "CPI-E021": fraction}
    return pd.Series(spread(whole, codes, missing=np.nan)).astype("Int64"), {
        code: mark(is_wrong, codes) for code, is_wrong in broken.items()
    }


def _read_truth(codes: np.ndarray, texts: np.ndarray) -> Read:
    values = np.array([_TRUTH.get(text.lower()) for text in texts], dtype=object)
    bad = np.array([value is None for value in values], dtype=bool)
    typed = pd.Series(pd.array(spread(values, codes, missing=None), dtype="boolean"))
    return typed, {NOT_OF_KIND["boolean"]: mark(bad, codes)}


def _read_dates(codes: np.ndarray, texts: np.ndarray, date_format: str | None) -> Read:
    parsed = [_read_day(text, date_format) for text in texts]
    bad = np.array([day is None for day in parsed], dtype=bool)
    days = np.array(["NaT" if day is None else day for day in parsed], dtype=DATE_DTYPE)
    impossible = (days < EARLIEST_DATE.to_datetime64()) | (days > LATEST_DATE.to_datetime64())
    days[impossible] = np.datetime64("NaT", "us")
    broken = {"CPI-E022": bad, "CPI-E028": impossible}
    return pd.Series(spread(days, codes, missing="NaT")), {
        code: mark(is_wrong, codes) for code, is_wrong in broken.items()
    }


def _read_day(cell: str, date_format: str | None) -> np.datetime64 | None:
    try:
        if date_format is None:
            match = _ISO_DATE.fullmatch(cell)
            if match is None:
                return None
            day = datetime.date(*map(int, match.groups()))
        elif not cell.isascii():
            return None
        else:
            day = datetime.datetime.strptime(cell, date_format).date()
    except ValueError:
        return None
    return np.datetime64(day, "us")
