"""All checks of a trial in their order: tables, then what is between them, all faults at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.instruments import Instrument, load_instrument
from cpi_analysis.io.integrity import check_answers, check_integrity
from cpi_analysis.io.labels import PlainTables, decode_table
from cpi_analysis.io.protocol import Protocol
from cpi_analysis.io.schemas import OUTCOME_TABLES, TABLES, check_table, table_spec
from cpi_analysis.io.schemas.validation import FaultMaker
from cpi_analysis.io.schemas.wording import CURES, RULES
from cpi_analysis.io.value_ranges import Key

Rows = Sequence[int] | np.ndarray
#: Faults of reading that leave a cell without a value.
_UNREAD = ("CPI-E020", "CPI-E021", "CPI-E022", "CPI-E023", "CPI-E025", "CPI-E026", "CPI-E027")


def check_tables(
    tables: Mapping[str, pd.DataFrame],
    *,
    protocol: Protocol | None,
    row_labels: Mapping[str, Rows],
    files: Mapping[str, str],
    instruments: Mapping[str, Key],
    earlier_faults: tuple[Fault, ...] = (),
) -> tuple[PlainTables, tuple[Fault, ...]]:
    """Return the tables in the shape of the data model, and every fault, sorted."""
    faults = list(_check_presence(tables))
    encoded: dict[str, pd.DataFrame] = {}
    makers: dict[str, FaultMaker] = {}
    for name in TABLES:
        if name not in tables:
            continue
        rows, file = row_labels.get(name), files.get(name)
        makers[name] = FaultMaker(name, file=file, rows=rows)
        encoded[name], found = check_table(
            tables[name], spec=table_spec(name), rows=rows, file=file
        )
        faults += found
        if tables[name].empty and (table_spec(name).is_required):
            faults.append(makers[name].fault("CPI-E003"))
    checked = PlainTables(encoded)
    faults += check_integrity(checked, encoded, makers=makers, protocol=protocol)
    faults += _check_responses(encoded, makers, protocol, instruments)
    return checked, sort_faults(_merge(earlier_faults, faults))


def _check_presence(tables: Mapping[str, pd.DataFrame]) -> list[Fault]:
    required = [name for name in TABLES if table_spec(name).is_required and name not in tables]
    faults = [_missing_table(name, RULES["CPI-E010"]) for name in required]
    if not any(name in tables for name in OUTCOME_TABLES):
        either = " or ".join(OUTCOME_TABLES)
        faults.append(_missing_table(either, f"a trial needs the table {either}"))
    if "measurements" in tables and "measures" not in tables:
        faults.append(_missing_table("measures", "measurements need the table measures"))
    return faults + [
        Fault(
            code="CPI-E045",
            rule="every table must be known",
            cure="remove the table, or give it one of the names that are allowed",
            table=name,
            allowed=", ".join(TABLES),
        )
        for name in sorted(set(tables) - set(TABLES))
    ]


def _missing_table(name: str, rule: str) -> Fault:
    return Fault(code="CPI-E010", rule=rule, cure=CURES["CPI-E010"], table=name)


def _check_responses(
    tables: Mapping[str, pd.DataFrame],
    makers: Mapping[str, FaultMaker],
    protocol: Protocol | None,
    instruments: Mapping[str, Key],
) -> tuple[Fault, ...]:
    table = tables.get("responses")
    if table is None or not {"instrument", "item", "answer"} <= set(table.columns):
        return ()
    known: dict[str, Key | None] = dict(instruments)
    # A trial's own instruments are named in its protocol by the path of their file.
    faults: list[Fault] = []
    for name in protocol.instruments if protocol else ():
        try:
            key = load_instrument(name)
            known.setdefault(key.id, key)
        except DataError as error:
            faults += error.faults
    for name in table["instrument"].dropna().unique():
        if name not in known:
            known[name] = _load(name)
    found = check_answers(table, known, maker=makers["responses"])
    # While a key cannot be read, an instrument that seems unknown may be the one it describes.
    return (*faults, *(fault for fault in found if not faults or fault.code != "CPI-E043"))


def _load(name: str) -> Instrument | None:
    try:
        return load_instrument(name)
    except DataError:
        return None


def _merge(earlier: tuple[Fault, ...], faults: list[Fault]) -> list[Fault]:
    """Join both lists; a cell that could not be read is not also empty."""
    unread: dict[tuple[str | None, str | None], set[int]] = {}
    for fault in earlier:
        if fault.code in _UNREAD:
            unread.setdefault((fault.table, fault.column), set()).update(fault.rows)
    kept: list[Fault] = []
    for fault in faults:
        known = unread.get((fault.table, fault.column), set())
        if fault.code == "CPI-E014" and known:
            rows = tuple(row for row in fault.rows if row not in known)
            if not rows:
                continue
            fault = dataclasses.replace(fault, rows=rows)
        kept.append(fault)
    return [*earlier, *kept]


def sort_faults(faults: list[Fault]) -> tuple[Fault, ...]:
    """Return the faults by table, code, column and row, each once."""
    position = {name: number for number, name in enumerate(TABLES)}
    unique = dict.fromkeys(faults)
    return tuple(
        sorted(
            unique,
            key=lambda fault: (
                position.get(fault.table or "", len(position)),
                fault.code,
                fault.column or "",
                fault.rows[:1],
            ),
        )
    )


def check_measurement_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Check ``measurements`` and ``measures`` again after rows were added; the rest stands."""
    checked = {name: tables[name] for name in TABLES if name in tables}
    faults: list[Fault] = []
    makers = {name: FaultMaker(name) for name in checked}
    if "measures" not in checked:
        faults.append(_missing_table("measures", "measurements need the table measures"))
    encoded: dict[str, pd.DataFrame] = {
        name: checked[name] for name in ("participants", "timepoints") if name in checked
    }
    for name in ("measurements", "measures"):
        if name in checked:
            encoded[name], found = check_table(checked[name], spec=table_spec(name))
            checked[name] = decode_table(encoded[name])
            faults += found
    plain = {name: checked[name] for name in encoded}
    faults += check_integrity(plain, encoded, makers=makers, protocol=None, are_derived=True)
    if faults:
        raise DataError(sort_faults(faults))
    return checked
