"""The rules between tables: keys resolve, dates and groups agree, values are in range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cpi_analysis.errors import Fault
from cpi_analysis.io.protocol import Protocol as TrialProtocol
from cpi_analysis.io.schemas import table_spec
from cpi_analysis.io.schemas.validation import FaultMaker, find_repeated
from cpi_analysis.io.service_checks import check_service_use
from cpi_analysis.io.value_ranges import (
    check_answers,
    check_measurements,
    find_unresolved,
    has_columns,
)

Tables = Mapping[str, pd.DataFrame]
Makers = Mapping[str, FaultMaker]

TARGET_TABLES = {
    "participant": ("participants", "participant_id"),
    "worker": ("workers", "worker_id"),
    "agency": ("agencies", "agency_id"),
}


def check_integrity(
    tables: Tables,
    encoded: Tables,
    *,
    makers: Makers,
    protocol: TrialProtocol | None,
    are_derived: bool = False,
) -> tuple[Fault, ...]:
    """Return what is wrong between the tables; a rule whose columns are missing is skipped.

    The same tables are given with their columns of text plain and encoded. ``are_derived``
    says that measurements were computed, not read from a file.
    """
    faults: list[Fault] = []
    for name, table in encoded.items():
        faults += _check_references(name, table, encoded, makers[name])
    faults += _check_one_group(encoded, makers)
    faults += _check_workers(tables, makers)
    faults += _check_order(tables, makers)
    faults += _check_visits(tables, makers)
    faults += _check_targets(encoded, makers)
    faults += check_service_use(encoded, makers)
    faults += check_measurements(encoded, makers, are_derived=are_derived)
    if protocol is not None:
        faults += check_arms(tables, protocol, maker=makers.get("agencies"))
    return tuple(faults)


def _check_references(
    name: str, table: pd.DataFrame, tables: Tables, maker: FaultMaker
) -> list[Fault]:
    faults = []
    for column, target in table_spec(name).references.items():
        key = table_spec(target).key[0]
        # Without its table a worker is a label like any other; measures have their own rule.
        if column not in table or target == "measures" or not has_columns(tables, target, key):
            continue
        broken = find_unresolved(table[column], tables[target][key])
        if broken.any():
            rule = f"each {column} must occur in the table {target}"
            cure = f"correct it, or add a row for it to {target}"
            faults.append(
                maker.fault("CPI-E030", column=column, broken=broken, rule=rule, cure=cure)
            )
    return faults


def note_unchecked(tables: Tables) -> tuple[str, ...]:
    """Return a line for each column that refers to a table which the trial does not have."""
    return tuple(
        f"{name}.{column} refers to the table {target}, which is not there: not checked"
        for name, table in tables.items()
        for column, target in table_spec(name).references.items()
        if target not in tables and column in table and table[column].notna().any()
    )


def _check_one_group(tables: Tables, makers: Makers) -> list[Fault]:
    faults = []
    for name, key, column, code in (
        ("agencies", "agency_id", "arm", "CPI-E031"),
        ("participants", "participant_id", "agency_id", "CPI-E032"),
    ):
        if not has_columns(tables, name, key, column):
            continue
        table = tables[name]
        known = table[[key, column]][find_repeated(table, [key])].dropna()
        if known.empty:
            continue
        several = known.groupby(key, observed=True)[column].nunique()
        broken = table[key].isin(several.index[several > 1]).to_numpy(dtype=bool)
        if broken.any():
            rule = f"each {key} must have one {column}"
            cure = "find out which row is right and remove the others"
            faults.append(
                makers[name].fault(code, column=column, broken=broken, rule=rule, cure=cure)
            )
    return faults


def _check_workers(tables: Tables, makers: Makers) -> list[Fault]:
    # Asking for a table makes its text plain: the one that few trials have is asked for first.
    if not has_columns(tables, "workers", "worker_id", "agency_id"):
        return []
    if not has_columns(tables, "participants", "worker_id", "agency_id"):
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
    return unique.reindex(keys).set_axis(keys.index)


def _check_order(tables: Tables, makers: Makers) -> list[Fault]:
    if not has_columns(tables, "timepoints", "months", "order"):
        return []
    table = tables["timepoints"][["months", "order"]].dropna().astype(float)
    by_order = table.sort_values(["order", "months"])
    steps = by_order.diff().iloc[1:]
    late = steps.index[(steps["order"] <= 0) | (steps["months"] <= 0)]
    if late.empty:
        return []
    return [
        makers["timepoints"].fault(
            "CPI-E017",
            column="order",
            broken=np.isin(np.arange(len(tables["timepoints"])), late),
            rule="each order must occur once, and months must increase with it",
            cure="number the interviews in the order of their months",
        )
    ]


def _check_visits(tables: Tables, makers: Makers) -> list[Fault]:
    if not has_columns(tables, "visits", "participant_id", "timepoint", "visited_on"):
        return []
    visits = tables["visits"]
    faults = []
    cure = "correct the date, or the timepoint of the visit"
    if has_columns(tables, "timepoints", "timepoint", "order") and not tables["timepoints"].empty:
        times = tables["timepoints"]
        first = times["timepoint"].iloc[int(times["order"].astype(float).argmin())]
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
    if has_columns(tables, "participants", "participant_id", "recruited_on"):
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
    if not has_columns(tables, "fidelity_ratings", "target_id", "target_level"):
        return []
    ratings = tables["fidelity_ratings"]
    faults = []
    for level, (name, key) in TARGET_TABLES.items():
        if not has_columns(tables, name, key):
            continue
        is_level = (ratings["target_level"] == level).to_numpy(dtype=bool)
        broken = is_level & find_unresolved(ratings["target_id"], tables[name][key])
        if broken.any():
            rule = f"a target_id of level {level} must occur in the table {name}"
            cure = f"correct target_id or target_level, or add a row to {name}"
            maker = makers["fidelity_ratings"]
            faults.append(
                maker.fault("CPI-E030", column="target_id", broken=broken, rule=rule, cure=cure)
            )
    return faults


def check_arms(
    tables: Tables, protocol: TrialProtocol, *, maker: FaultMaker | None = None
) -> list[Fault]:
    """Return faults when arms are compared and agencies have none, or one has no participants."""
    contrast = protocol.contrast
    if contrast.variable != "arm" or not has_columns(tables, "participants", "agency_id"):
        return []
    faults = _check_arms_filled(tables, maker or FaultMaker("agencies"))
    groups: set[str] = set()
    if has_columns(tables, "agencies", "agency_id", "arm"):
        people = tables["participants"]["agency_id"]
        groups = set(_look_up(people, tables["agencies"], "agency_id", "arm").dropna())
    if {contrast.target, contrast.reference} <= groups:
        return faults
    return [
        *faults,
        Fault(
            code="CPI-E038",
            rule="both groups that the protocol compares must have participants",
            cure="fill arm in the table agencies, or compare something else in [analysis.contrast]",
            table="agencies",
            column="arm",
            allowed=f"participants in {contrast.target} and in {contrast.reference}",
        ),
    ]


def _check_arms_filled(tables: Tables, maker: FaultMaker) -> list[Fault]:
    """Return the agencies without an arm; when none has one, that is said as a whole."""
    if not has_columns(tables, "agencies", "arm"):
        return []
    empty = tables["agencies"]["arm"].isna().to_numpy(dtype=bool)
    if not empty.any() or empty.all():
        return []
    rule = "each agency must have an arm, because the protocol compares the arms"
    cure = "fill arm for the agency, or leave the agency and its participants out of the files"
    return [maker.fault("CPI-E014", column="arm", broken=empty, rule=rule, cure=cure)]


__all__ = ["check_answers", "check_arms", "check_integrity", "check_measurements"]
