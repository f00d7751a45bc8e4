"""The kinds of column that a table may have, each made by one function.

A column is declared once; pandera checks it, and typing and the dictionary read its metadata.
Columns carry no pandera dtype, because pandas stores text differently with and without
pyarrow: :mod:`cpi_analysis.io.schemas.conform` gives each kind its dtype before the check.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Literal

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera import extensions

from cpi_analysis.io.labels import mark, split

Kind = Literal["identifier", "category", "text", "integer", "number", "boolean", "date"]

#: Letters, digits, underscore and hyphen of ASCII, and nothing else (no trailing newline).
IDENTIFIER_PATTERN = "[A-Za-z0-9_-]+"
EARLIEST_DATE = pd.Timestamp("1900-01-01")
LATEST_DATE = pd.Timestamp("2100-12-31")
#: A label that stands for missing in many files must not become the name of somebody.
MISSING_TEXTS = frozenset(
    {".", "-", "--", "?", "n/k", "nk", "n/a", "na", "nan", "null", "none", "missing", "unknown"}
)
#: The same in small letters, capitals, and any mixture of both.
MISSING_SPELLINGS = frozenset(
    "".join(letters)
    for text in MISSING_TEXTS
    for letters in itertools.product(*zip(text, text.upper(), strict=True))
)
#: Numbers that files often use for missing.
MISSING_NUMBERS = (-999, -998, -997, -99, -98, -97, -9, -8, -7, -1, 99, 998, 999, 9998, 9999, 99999)

_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)


def _is_identifier(series: pd.Series[Any], *, enabled: bool) -> pd.Series[bool]:
    codes, texts = split(series)
    names = texts.tolist()
    if all(names) and _IDENTIFIER.fullmatch("".join(names) or "-"):
        bad = np.zeros(len(texts), dtype=bool)
    else:
        bad = np.array([not _IDENTIFIER.fullmatch(text) for text in names], dtype=bool)
    return pd.Series(~mark(bad, codes) | (not enabled), index=series.index)


def _is_finite(series: pd.Series[Any], *, enabled: bool) -> pd.Series[bool]:
    infinite = np.isinf(series.to_numpy(dtype=float, na_value=np.nan))
    return pd.Series(~infinite | (not enabled), index=series.index)


def _is_whole(series: pd.Series[Any], *, enabled: bool) -> pd.Series[bool]:
    values = series.to_numpy(dtype=float, na_value=np.nan)
    passes = np.isnan(values) | (np.floor(values) == values)
    return pd.Series(passes | (not enabled), index=series.index)


for _name, _check in (
    ("cpi_identifier", _is_identifier),
    ("cpi_finite", _is_finite),
    ("cpi_whole", _is_whole),
):
    if not hasattr(pa.Check, _name):
        _check.__name__ = _name
        extensions.register_check_method(statistics=["enabled"])(_check)


def _field(description: str, *, kind: Kind, nullable: bool, checks: Any = None, **meta: Any) -> Any:
    metadata = {"kind": kind, **meta}
    # One failing case is enough: which rows fail is worked out again, without their values.
    return pa.Field(
        description=description,
        nullable=nullable,
        metadata=metadata,
        n_failure_cases=1,
        **(checks or {}),
    )


def rules(
    *,
    row: str,
    key: tuple[str, ...],
    references: dict[str, str] | None = None,
    required: bool = False,
) -> dict[str, Any]:
    """Return the metadata of a table: what a row is, its key, and what its columns refer to."""
    return {"row": row, "key": key, "references": references or {}, "required": required}


def identifier(description: str, *, nullable: bool = False) -> Any:
    """Return a column of codes: names of people, agencies, items, timepoints."""
    checks = {"cpi_identifier": {"enabled": True}}
    return _field(description, kind="identifier", nullable=nullable, checks=checks)


def category(
    description: str, *, allowed: tuple[str, ...] | None = None, nullable: bool = True
) -> Any:
    """Return a column of labels; without ``allowed`` the trial chooses them."""
    checks = {"isin": list(allowed)} if allowed else None
    return _field(description, kind="category", nullable=nullable, checks=checks, allowed=allowed)


def text(description: str, *, nullable: bool = True) -> Any:
    """Return a column of free text."""
    return _field(description, kind="text", nullable=nullable)


def number(
    description: str,
    *,
    unit: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    whole: bool = False,
    nullable: bool = True,
) -> Any:
    """Return a column of numbers, stored as float64; ``whole`` refuses fractions."""
    checks: dict[str, Any] = {"cpi_finite": {"enabled": True}, **_limits(minimum, maximum)}
    if whole:
        checks["cpi_whole"] = {"enabled": True}
    meta = {"unit": unit, "minimum": minimum, "maximum": maximum, "is_whole": whole}
    return _field(description, kind="number", nullable=nullable, checks=checks, **meta)


def integer(
    description: str,
    *,
    unit: str | None = None,
    minimum: int | None = None,
    maximum: int | None = None,
    nullable: bool = True,
) -> Any:
    """Return a column of whole numbers, stored as Int64."""
    meta = {"unit": unit, "minimum": minimum, "maximum": maximum, "is_whole": True}
    checks = _limits(minimum, maximum)
    return _field(description, kind="integer", nullable=nullable, checks=checks, **meta)


def boolean(description: str, *, nullable: bool = True) -> Any:
    """Return a column of true and false."""
    return _field(description, kind="boolean", nullable=nullable)


def date(description: str, *, nullable: bool = True) -> Any:
    """Return a column of days between 1900 and 2100."""
    checks = _limits(EARLIEST_DATE, LATEST_DATE)
    return _field(description, kind="date", nullable=nullable, checks=checks)


def _limits(minimum: Any, maximum: Any) -> dict[str, Any]:
    limits = {"ge": minimum, "le": maximum}
    return {name: limit for name, limit in limits.items() if limit is not None}
