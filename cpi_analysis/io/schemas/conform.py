"""Each kind of column gets its one dtype, without guessing what a cell means."""

from __future__ import annotations

import datetime
import numbers
from typing import Any

import numpy as np
import pandas as pd

from cpi_analysis.io.labels import encode
from cpi_analysis.io.schemas.fields import Kind

DATE_DTYPE = "datetime64[us]"


def conform_column(series: pd.Series[Any], *, kind: Kind) -> tuple[pd.Series[Any], np.ndarray]:
    """Return the column in the dtype of its kind, and which cells could not be taken over.

    Parameters
    ----------
    series
        The column as it came, with any index.
    kind
        ``identifier``, ``category`` and ``text`` become encoded text (see
        :mod:`cpi_analysis.io.labels`), ``integer`` Int64, ``number`` float64, ``boolean``
        boolean, ``date`` datetime64[us] at midnight.

    Returns
    -------
    tuple of Series and boolean array
        Cells that could not be taken over are missing in the series and True in the array.
    """
    if kind in ("identifier", "category", "text"):
        return _conform_text(series, numbers_too=kind == "identifier")
    if kind == "date":
        return _conform_dates(series)
    if kind == "boolean":
        return _conform_booleans(series)
    values, bad = _conform_numbers(series)
    if kind == "number":
        return pd.Series(values, index=series.index, name=series.name), bad
    fraction = ~np.isnan(values) & (np.floor(values) != values) | np.isinf(values)
    whole = pd.Series(np.where(fraction, np.nan, values), index=series.index, name=series.name)
    return whole.astype("Int64"), bad | fraction


def _conform_text(
    series: pd.Series[Any], *, numbers_too: bool
) -> tuple[pd.Series[Any], np.ndarray]:
    all_good = np.zeros(len(series), dtype=bool)
    if isinstance(series.dtype, pd.StringDtype) or _is_encoded(series):
        return encode(series), all_good
    if numbers_too and pd.api.types.is_integer_dtype(series.dtype):
        return encode(series.map(str, na_action="ignore")), all_good
    cells = series.astype(object)
    bad = ~(cells.map(lambda cell: isinstance(cell, str)).to_numpy(dtype=bool)) & _present(cells)
    return encode(cells.mask(bad)), bad


def _is_encoded(series: pd.Series[Any]) -> bool:
    if not isinstance(series.dtype, pd.CategoricalDtype) or series.cat.ordered:
        return False
    kind = pd.api.types.infer_dtype(series.cat.categories, skipna=False)
    return series.cat.categories.dtype == object and kind in ("string", "empty")


def _conform_numbers(series: pd.Series[Any]) -> tuple[np.ndarray, np.ndarray]:
    dtype = series.dtype
    is_number = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
    if is_number and not pd.api.types.is_bool_dtype(dtype):
        return series.to_numpy(dtype=float, na_value=np.nan), np.zeros(len(series), dtype=bool)
    cells = series.astype(object)
    good = cells.map(_is_number).to_numpy(dtype=bool)
    values = np.full(len(cells), np.nan)
    values[good] = cells[good].to_numpy(dtype=float)
    return values, ~good & _present(cells)


def _is_number(cell: object) -> bool:
    is_missing = cell is None or cell is pd.NA or cell is pd.NaT
    return isinstance(cell, numbers.Real) and not isinstance(cell, bool) and not is_missing


def _conform_booleans(series: pd.Series[Any]) -> tuple[pd.Series[Any], np.ndarray]:
    if pd.api.types.is_bool_dtype(series.dtype):
        return series.astype("boolean"), np.zeros(len(series), dtype=bool)
    cells = series.astype(object)
    good = cells.map(lambda cell: isinstance(cell, bool | np.bool_)).to_numpy(dtype=bool)
    return cells.where(good, None).astype("boolean"), ~good & _present(cells)


def _conform_dates(series: pd.Series[Any]) -> tuple[pd.Series[Any], np.ndarray]:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        return series.dt.normalize().astype(DATE_DTYPE), np.zeros(len(series), dtype=bool)
    cells = series.astype(object)
    good = cells.map(_is_day).to_numpy(dtype=bool)
    days = np.full(len(cells), np.datetime64("NaT", "us"), dtype=DATE_DTYPE)
    # datetime64[D] first: it drops the time of day, and it reads dates and Timestamps alike.
    days[good] = [np.datetime64(cell, "D") for cell in cells[good]]
    return pd.Series(days, index=series.index, name=series.name), ~good & _present(cells)


def _is_day(cell: object) -> bool:
    if cell is pd.NaT or not isinstance(cell, datetime.date):
        return False
    return getattr(cell, "tzinfo", None) is None


def _present(cells: pd.Series[Any]) -> np.ndarray:
    return cells.notna().to_numpy(dtype=bool)
