"""The rules between tables: keys resolve, dates and groups agree, values are in range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd

from cpi_analysis.errors import Fault
from cpi_analysis.io.protocol import Protocol as TrialProtocol
from cpi_analysis.io.schemas import table_spec
from cpi_analysis.io.schemas.validation import FaultMaker, is_missing_number

Tables = Mapping[str, pd.DataFrame]
Makers = Mapping[str, FaultMaker]

TARGET_TABLES = {
    "participant": ("participants", "participant_id"),
    "worker": ("workers", "worker_id"),
    "agency": ("agencies", "agency_id"),
}


class KeyItem(Protocol):
    """What the check of answers needs to know of an item."""

    @property
    def id(self) -> str: ...  # noqa: A003, D102
    @property
    def minimum(self) -> int: ...  # noqa: D102
    @property
    def maximum(self) -> int: ...  # noqa: D102


class Key(Protocol):
    """What the check of answers needs to know of an instrument."""

    @property
    def items(self) -> tuple[Any, ...]: ...  # noqa: D102


def check_integrity(
    tables: Tables, *, makers: Makers, protocol: TrialProtocol | None
) -> tuple[Fault, ...]:
    """Return what is wrong between the tables; a rule whose columns are missing is skipped."""
    faults: list[Fault] = []
    for name, table in tables.items():
        faults += _check_references(name, table, tables, makers[name])
    faults += _check_one_group(tables, makers)
    faults += _check_workers(tables, makers)
    faults += _check_order(tables, makers)
    faults += _check_visits(tables, makers)
    faults += _check_targets(tables, makers)
    faults += check_measurements(tables, makers)
    if protocol is not None:
        faults += check_arms(tables, protocol)
    return tuple(faults)


def _has(tables: Tables, table: str, *columns: str) -> bool:
    return table in tables and set(columns) <= set(tables[table].columns)


def _unresolved(keys: pd.Series[Any], known: pd.Series[Any]) -> np.ndarray:
    return (keys.notna() & ~keys.isin(known)).to_numpy(dtype=bool)


def _check_references(
    name: str, table: pd.DataFrame, tables: Tables, maker: FaultMaker
) -> list[Fault]:
    faults = []
    for column, target in table_spec(name).references.items():
        key = table_spec(target).key[0]
        # Without its table a worker is a label like any other; measures have their own rule.
        if column not in table or target == "measures" or not _has(tables, target, key):
            continue
        broken = _unresolved(table[column], tables[target][key])
        if broken.any():
            rule = f"each {column} must occur in the table {target}"
            cure = f"correct it, or add a row for it to {target}"
            faults.append(
                maker.fault("CPI-E030", column=column, broken=broken, rule=rule, cure=cure)
            )
    return faults


def _check_one_group(tables: Tables, makers: Makers) -> list[Fault]:
    faults = []
    for name, key, column, code in (
        ("agencies", "agency_id", "arm", "CPI-E031"),
        ("participants", "participant_id", "agency_id", "CPI-E032"),
    ):
        if not _has(tables, name, key, column):
            continue
        table = tables[name]
        known = table[[key, column]].dropna()
        several = known.groupby(key)[column].nunique()
        broken = table[key].isin(several.index[several > 1]).to_numpy(dtype=bool)
        if broken.any():
            rule = f"each {key} must have one {column}"
            cure = "find out which row is right and remove the others"
            faults.append(
                makers[name].fault(code, column=column, broken=broken, rule=rule, cure=cure)
            )
    return faults


def _check_workers(tables: Tables, makers: Makers) -> list[Fault]:
    if not _has(tables, "participants", "worker_id", "agency_id"):
        return []
    if not _has(tables, "workers", "worker_id", "agency_id"):
        return []
    people = tables["participants"]
    expected = _look_up(people["worker_id"], tables["workers"], "worker_id", "agency_id")
    broken = expected.notna() & people["agency_id"].notna() & (expected != people["agency_id"])
    if not broken.any():
        return []
    return [
        makers["participants"].fault(
            "CPI-E039",
            column="worker_id",
            broken=broken.to_numpy(dtype=bool),
            rule="a participant and their worker must belong to the same agency",
            cure="correct the worker or the agency in participants or in workers",
        )
    ]


def _look_up(keys: pd.Series[Any], table: pd.DataFrame, key: str, column: str) -> pd.Series[Any]:
    unique = table.dropna(subset=[key]).drop_duplicates(key).set_index(key)[column]
    return keys.map(unique)


def _check_order(tables: Tables, makers: Makers) -> list[Fault]:
    if not _has(tables, "timepoints", "months", "order"):
        return []
    table = tables["timepoints"][["months", "order"]].dropna().astype(float)
    by_order = table.sort_values(["order", "months"])
    steps = by_order.diff().iloc[1:]
    late = steps.index[(steps["order"] <= 0) | (steps["months"] <= 0)]
    if late.empty:
        return []
    return [
        makers["timepoints"].fault(
            "CPI-E016",
            column="order",
            broken=np.isin(np.arange(len(tables["timepoints"])), late),
            rule="each order must occur once, and months must increase with it",
            cure="number the interviews in the order of their months",
        )
    ]


def _check_visits(tables: Tables, makers: Makers) -> list[Fault]:
    if not _has(tables, "visits", "participant_id", "timepoint", "visited_on"):
        return []
    visits = tables["visits"]
    faults = []
    cure = "correct the date, or the timepoint of the visit"
    if _has(tables, "timepoints", "timepoint", "order") and not tables["timepoints"].empty:
        times = tables["timepoints"]
        first = times.loc[times["order"].astype(float).idxmin(), "timepoint"]
        is_first = visits["timepoint"] == first
        start = _look_up(visits["participant_id"], visits[is_first], "participant_id", "visited_on")
        broken = (visits["visited_on"] < start).to_numpy(dtype=bool)
        if broken.any():
            rule = "no follow-up may be dated before the baseline of the same participant"
            faults.append(
                makers["visits"].fault(
                    "CPI-E033", column="visited_on", broken=broken, rule=rule, cure=cure
                )
            )
    if _has(tables, "participants", "participant_id", "recruited_on"):
        people = tables["participants"]
        consent = _look_up(visits["participant_id"], people, "participant_id", "recruited_on")
        broken = (visits["visited_on"] < consent).to_numpy(dtype=bool)
        if broken.any():
            rule = "no interview may be dated before recruited_on of the same participant"
            faults.append(
                makers["visits"].fault(
                    "CPI-E033", column="visited_on", broken=broken, rule=rule, cure=cure
                )
            )
    return faults


def _check_targets(tables: Tables, makers: Makers) -> list[Fault]:
    if not _has(tables, "fidelity_ratings", "target_id", "target_level"):
        return []
    ratings = tables["fidelity_ratings"]
    faults = []
    for level, (name, key) in TARGET_TABLES.items():
        if not _has(tables, name, key):
            continue
        is_level = (ratings["target_level"] == level).to_numpy(dtype=bool)
        broken = is_level & _unresolved(ratings["target_id"], tables[name][key])
        if broken.any():
            rule = f"a target_id of level {level} must occur in the table {name}"
            cure = f"correct target_id or target_level, or add a row to {name}"
            maker = makers["fidelity_ratings"]
            faults.append(
                maker.fault("CPI-E030", column="target_id", broken=broken, rule=rule, cure=cure)
            )
    return faults


def check_measurements(tables: Tables, makers: Makers) -> list[Fault]:
    """Return the faults of measures that are not known and of values outside their range."""
    faults = _check_limits(tables, makers)
    if not _has(tables, "measurements", "measure", "value"):
        return faults
    if not _has(tables, "measures", "measure", "minimum", "maximum"):
        return faults
    values, maker = tables["measurements"], makers["measurements"]
    measures = tables["measures"].dropna(subset=["measure"]).drop_duplicates("measure")
    unknown = _unresolved(values["measure"], measures["measure"])
    if unknown.any():
        rule = "each measure must have a row in the table measures"
        cure = "add the measure with its label, unit and range to measures"
        faults.append(
            maker.fault("CPI-E034", column="measure", broken=unknown, rule=rule, cure=cure)
        )
    position = pd.Index(measures["measure"]).get_indexer(values["measure"])
    value = values["value"].to_numpy(dtype=float)
    low = np.append(measures["minimum"].to_numpy(dtype=float), np.nan)[position]
    high = np.append(measures["maximum"].to_numpy(dtype=float), np.nan)[position]
    outside = (value < low) | (value > high)
    if outside.any():
        faults += _range_faults(maker, values["value"], outside)
    return faults


def _range_faults(maker: FaultMaker, value: pd.Series[Any], outside: np.ndarray) -> list[Fault]:
    suspect = outside & is_missing_number(value)
    faults = []
    if (outside & ~suspect).any():
        faults.append(
            maker.fault(
                "CPI-E035",
                column="value",
                broken=outside & ~suspect,
                allowed="minimum to maximum of the measure, as in the table measures",
                rule="each value must be in the range of its measure",
                cure="correct the value, or the range in the table measures",
            )
        )
    if suspect.any():
        allowed = "minimum to maximum of the measure, as in the table measures"
        faults.append(maker.fault("CPI-E026", column="value", broken=suspect, allowed=allowed))
    return faults


def _check_limits(tables: Tables, makers: Makers) -> list[Fault]:
    if not _has(tables, "measures", "minimum", "maximum"):
        return []
    broken = (tables["measures"]["minimum"] > tables["measures"]["maximum"]).to_numpy(dtype=bool)
    if not broken.any():
        return []
    rule = "the minimum of a measure must not be above its maximum"
    maker = makers["measures"]
    return [
        maker.fault(
            "CPI-E024", column="minimum", broken=broken, rule=rule, cure="correct the range"
        )
    ]


def check_arms(tables: Tables, protocol: TrialProtocol) -> list[Fault]:
    """Return a fault when arms are compared and one of the two has no participants."""
    contrast = protocol.contrast
    if contrast.variable != "arm" or not _has(tables, "participants", "agency_id"):
        return []
    groups: set[str] = set()
    if _has(tables, "agencies", "agency_id", "arm"):
        people = tables["participants"]["agency_id"]
        groups = set(_look_up(people, tables["agencies"], "agency_id", "arm").dropna())
    if {contrast.target, contrast.reference} <= groups:
        return []
    return [
        Fault(
            code="CPI-E038",
            rule="both groups that the protocol compares must have participants",
            cure="fill arm in the table agencies, or compare something else in [analysis.contrast]",
            table="agencies",
            column="arm",
            allowed=f"participants in {contrast.target} and in {contrast.reference}",
        )
    ]


def check_answers(
    responses: pd.DataFrame,
    instruments: Mapping[str, Key | None],
    *,
    maker: FaultMaker | None = None,
) -> tuple[Fault, ...]:
    """Return the faults of answers that do not fit their instrument.

    Parameters
    ----------
    responses
        The table ``responses``.
    instruments
        Name of each instrument and its scoring key; None when it is not known (CPI-E043).
    maker
        Knows the file and the row numbers; by default rows are counted from 1.

    Returns
    -------
    tuple of Fault
        Items that do not belong (CPI-E037), answers out of range (CPI-E036), and numbers out
        of range that look like a code for missing (CPI-E026).
    """
    maker = maker or FaultMaker("responses")
    faults: list[Fault] = []
    for name in sorted(responses["instrument"].dropna().unique()):
        rows = (responses["instrument"] == name).to_numpy(dtype=bool)
        key = instruments.get(name)
        if key is None:
            rule = "each instrument must have a scoring key"
            cure = "correct the name, or name the instrument's file in analysis.instruments"
            faults.append(
                maker.fault("CPI-E043", column="instrument", broken=rows, rule=rule, cure=cure)
            )
            continue
        faults += _check_items(responses, rows, key, maker)
    return tuple(faults)


def _check_items(
    responses: pd.DataFrame, rows: np.ndarray, key: Key, maker: FaultMaker
) -> list[Fault]:
    items: dict[str, KeyItem] = {item.id: item for item in key.items}
    low = responses["item"].map({name: item.minimum for name, item in items.items()})
    high = responses["item"].map({name: item.maximum for name, item in items.items()})
    answer = responses["answer"].to_numpy(dtype=float)
    foreign = rows & _unresolved(responses["item"], pd.Series(list(items)))
    outside = rows & ((answer < low.to_numpy(float)) | (answer > high.to_numpy(float)))
    suspect = outside & is_missing_number(responses["answer"])
    allowed = "; ".join(sorted({f"{i.minimum} to {i.maximum}" for i in items.values()}))
    faults = []
    if foreign.any():
        rule = "each item must belong to its instrument"
        cure = "correct the item or the instrument"
        faults.append(
            maker.fault(
                "CPI-E037",
                column="item",
                broken=foreign,
                rule=rule,
                cure=cure,
                allowed=", ".join(items),
            )
        )
    if (outside & ~suspect).any():
        rule = "each answer must be in the range of its item"
        cure = "correct the answer, or declare the code under missing_codes in study.toml"
        faults.append(
            maker.fault(
                "CPI-E036",
                column="answer",
                broken=outside & ~suspect,
                rule=rule,
                cure=cure,
                allowed=allowed,
            )
        )
    if suspect.any():
        faults.append(maker.fault("CPI-E026", column="answer", broken=suspect, allowed=allowed))
    return faults
