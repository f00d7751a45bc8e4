"""The rules of one table: pandera finds what is broken, faults say it without a value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from cpi_analysis.errors import Fault
from cpi_analysis.io.labels import mark, split
from cpi_analysis.io.schemas.conform import conform_column
from cpi_analysis.io.schemas.fields import MISSING_NUMBERS, MISSING_SPELLINGS
from cpi_analysis.io.schemas.specs import ColumnSpec, TableSpec, table_schema
from cpi_analysis.io.schemas.wording import CURES, NOT_OF_KIND, RULES, say_allowed

#: Keys are counted directly while the counters are not many more than the rows.
MOST_COUNTERS = 4
_SHOWABLE_NAME = re.compile("[A-Za-z_][A-Za-z0-9_ .-]{0,63}")
_IDENTIFYING = re.compile(
    r"name|birth|dob|nhs|address|street|post_?code|zip|phone|mobile|e_?mail|insurance|passport",
    re.IGNORECASE,
)


class FaultMaker:
    """Makes the faults of one table: knows its name, its file and its row numbers."""

    def __init__(
        self, table: str, *, file: str | None = None, rows: Sequence[int] | np.ndarray | None = None
    ) -> None:
        self.table = table
        self.file = file
        self._rows = None if rows is None else np.asarray(rows)

    def row_numbers(self, broken: np.ndarray) -> tuple[int, ...]:
        """Return the row numbers where ``broken`` is True."""
        positions = np.flatnonzero(broken)
        numbers = positions + 1 if self._rows is None else self._rows[positions]
        return tuple(numbers.tolist())

    def fault(
        self,
        code: str,
        *,
        column: str | None = None,
        broken: np.ndarray | None = None,
        allowed: str | None = None,
        rule: str | None = None,
        cure: str | None = None,
    ) -> Fault:
        """Return one fault; rule and cure come from the code unless they are given."""
        return Fault(
            code=code,
            rule=rule or RULES[code],
            cure=cure or CURES[code],
            table=self.table,
            file=self.file,
            column=column,
            rows=() if broken is None else self.row_numbers(broken),
            allowed=allowed,
        )


def check_table(
    table: pd.DataFrame,
    *,
    spec: TableSpec,
    rows: Sequence[int] | np.ndarray | None = None,
    file: str | None = None,
) -> tuple[pd.DataFrame, tuple[Fault, ...]]:
    """Return the table in the dtypes and column order of ``spec``, and all its faults.

    Parameters
    ----------
    table
        Any number of rows; the index is ignored.
    spec
        What the table should hold.
    rows
        Row numbers of the file, one per row; positions counted from 1 when None.
    file
        File that the table came from, for the faults.

    Returns
    -------
    tuple of DataFrame and tuple of Fault
        Cells of the wrong kind are missing in the table that is returned, and columns of text
        are encoded (see :mod:`cpi_analysis.io.labels`), which the rules between tables need.
    """
    maker = FaultMaker(spec.name, file=file, rows=rows)
    faults = _check_columns(table, spec, maker)
    names = [name for name in spec.column_names if list(table.columns).count(name) == 1]
    columns: dict[str, pd.Series[Any]] = {}
    for name in names:
        column = spec.column(name)
        series, bad = conform_column(table[name].reset_index(drop=True), kind=column.kind)
        columns[name] = series
        if bad.any():
            faults.append(_fault_of_kind(column, maker, bad))
        empty = series.isna().to_numpy(dtype=bool) & ~bad
        if empty.any() and not column.is_nullable:
            faults.append(maker.fault("CPI-E014", column=name, broken=empty))
    checked = pd.DataFrame(columns, index=pd.RangeIndex(len(table)), copy=False)
    faults += _check_key(checked, spec, maker)
    faults += _check_cells(checked, spec, maker)
    return checked, tuple(faults)


def _check_columns(table: pd.DataFrame, spec: TableSpec, maker: FaultMaker) -> list[Fault]:
    names = [str(name) for name in table.columns]
    faults = [
        maker.fault("CPI-E011", column=column.name)
        for column in spec.columns
        if column.is_required and column.name not in names
    ]
    for position, name in enumerate(names, start=1):
        if names.index(name) + 1 < position:
            faults.append(maker.fault("CPI-E006", column=_shown(name, position)))
        elif name not in spec.column_names:
            code = "CPI-E015" if _IDENTIFYING.search(name) else "CPI-E012"
            allowed = ", ".join(spec.column_names)
            faults.append(maker.fault(code, column=_shown(name, position), allowed=allowed))
    return faults


def _shown(name: str, position: int) -> str:
    # In a file without a header the heading is a cell: show only what can be a heading.
    return name if _SHOWABLE_NAME.fullmatch(name) else f"number {position}"


def _fault_of_kind(column: ColumnSpec, maker: FaultMaker, bad: np.ndarray) -> Fault:
    code = NOT_OF_KIND[column.kind]
    return maker.fault(code, column=column.name, broken=bad, allowed=say_allowed(column))


def _check_key(table: pd.DataFrame, spec: TableSpec, maker: FaultMaker) -> list[Fault]:
    if not set(spec.key) <= set(table.columns) or table.empty:
        return []
    repeated = find_repeated(table, spec.key)
    if not repeated.any():
        return []
    key = " + ".join(spec.key)
    return [maker.fault("CPI-E013", column=key, broken=repeated, allowed=f"one row for each {key}")]


def find_repeated(table: pd.DataFrame, key: Sequence[str]) -> np.ndarray:
    """Return True for every row whose key, complete, occurs more than once."""
    numbers = np.zeros(len(table), dtype=np.int64)
    n_numbers = 1
    complete = np.ones(len(table), dtype=bool)
    for name in key:
        codes, texts = split(table[name])
        if codes.min(initial=0) < 0:
            complete &= codes >= 0
        n_numbers *= len(texts) + 1
        numbers *= len(texts) + 1
        numbers += codes
        # The code of a missing cell is -1.
        numbers += 1
        if n_numbers > MOST_COUNTERS * (len(table) + 1):
            # Renumbered after each step the numbers stay small: no overflow with any key.
            numbers, unique = pd.factorize(numbers)
            n_numbers = len(unique)
    counted = numbers if complete.all() else numbers[complete]
    counts = np.bincount(counted, minlength=n_numbers)
    if counts.max(initial=0) <= 1:
        return np.zeros(len(table), dtype=bool)
    return np.asarray(complete & (counts[numbers] > 1))


@cache
def _schema_without_required(name: str, columns: tuple[str, ...]) -> pa.DataFrameSchema:
    schema = table_schema(name).select_columns(list(columns))
    return schema.update_columns({column: {"nullable": True} for column in columns})


def _check_cells(table: pd.DataFrame, spec: TableSpec, maker: FaultMaker) -> list[Fault]:
    # Empty cells are reported already: pandera would list them one by one.
    schema = _schema_without_required(spec.name, tuple(table.columns))
    broken: list[Any] = []
    try:
        schema.validate(table, lazy=True, inplace=True)
    except pa.errors.SchemaErrors as error:
        # Said outside of this block: what pandera raises shows cells, and would be chained.
        broken = list(error.schema_errors)
    return _translate(broken, table, spec, maker) + _suspect_names(table, spec, maker)


def _translate(
    problems: Sequence[Any], table: pd.DataFrame, spec: TableSpec, maker: FaultMaker
) -> list[Fault]:
    faults: list[Fault] = []
    found: dict[tuple[str, str], np.ndarray] = {}
    for problem in problems:
        check, name = problem.check, str(getattr(problem.schema, "name", ""))
        if not isinstance(check, pa.Check) or name not in table.columns:
            raise RuntimeError(f"the schema of {spec.name} has a rule that no fault can say")
        code = _code_of(str(check.name), spec.column(name))
        is_broken = found.setdefault((name, code), np.zeros(len(table), dtype=bool))
        # Pandera leaves empty cells out of what it returns: rows are found by their index.
        passes = pd.Series(check(table[name]).check_output)
        is_broken[passes.index[~passes.to_numpy(dtype=bool)]] = True
    for (name, code), broken in found.items():
        faults += _faults_of_check(code, spec.column(name), maker, broken, table[name])
    return faults


def _code_of(check: str, column: ColumnSpec) -> str:
    by_name = {
        "cpi_identifier": "CPI-E025",
        "cpi_whole": "CPI-E021",
        "cpi_finite": "CPI-E020",
        "isin": "CPI-E023",
    }
    return by_name.get(check, "CPI-E028" if column.kind == "date" else "CPI-E024")


def _faults_of_check(
    code: str, column: ColumnSpec, maker: FaultMaker, broken: np.ndarray, series: pd.Series[Any]
) -> list[Fault]:
    allowed = say_allowed(column)
    if code != "CPI-E024":
        return [maker.fault(code, column=column.name, broken=broken, allowed=allowed)]
    suspect = broken & is_missing_number(series)
    parts = (("CPI-E024", broken & ~suspect), ("CPI-E026", suspect))
    return [
        maker.fault(part, column=column.name, broken=rows, allowed=allowed)
        for part, rows in parts
        if rows.any()
    ]


def is_missing_number(series: pd.Series[Any]) -> np.ndarray:
    """Return True where a number is one that files often use for missing."""
    return np.isin(series.to_numpy(dtype=float, na_value=np.nan), MISSING_NUMBERS)


def _suspect_names(table: pd.DataFrame, spec: TableSpec, maker: FaultMaker) -> list[Fault]:
    faults = []
    for name in table.columns:
        if spec.column(name).kind != "identifier":
            continue
        codes, texts = split(table[name])
        if MISSING_SPELLINGS.isdisjoint(texts.tolist()):
            continue
        broken = mark(np.array([text in MISSING_SPELLINGS for text in texts], dtype=bool), codes)
        if broken.any():
            rule = "an identifier must not be a word for missing"
            faults.append(maker.fault("CPI-E026", column=name, broken=broken, rule=rule))
    return faults
