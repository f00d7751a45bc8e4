"""Each rule of one table: the right code, the right rows, and never the value."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.io.schemas import TABLES, ColumnSpec, check_table, table_spec
from tests.io.small_trial import MARKER, changed, valid_tables


def faults_of(tables: dict[str, pd.DataFrame], name: str):
    return check_table(tables[name], spec=table_spec(name))[1]


@pytest.mark.parametrize("name", TABLES)
def test_a_valid_table_passes_and_stays_valid(name: str) -> None:
    checked, faults = check_table(valid_tables()[name], spec=table_spec(name))
    assert faults == ()
    again, faults = check_table(checked, spec=table_spec(name))
    assert faults == ()
    pd.testing.assert_frame_equal(again, checked)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_described(name: str) -> None:
    spec = table_spec(name)
    assert spec.description
    assert spec.row_meaning
    assert set(spec.key) <= set(spec.column_names)
    for column in spec.key:
        assert not spec.column(column).is_nullable
        assert spec.column(column).is_required
    assert all(column.description for column in spec.columns)
    for column, target in spec.references.items():
        assert column in spec.column_names
        assert len(table_spec(target).key) == 1


def test_dtypes_are_those_of_the_kinds() -> None:
    checked, _ = check_table(valid_tables()["workers"], spec=table_spec("workers"))
    assert checked["is_supervisor"].dtype == "boolean"
    assert checked["training_days"].dtype == "float64"
    times, _ = check_table(valid_tables()["timepoints"], spec=table_spec("timepoints"))
    assert times["order"].dtype == "Int64"
    agencies, _ = check_table(valid_tables()["agencies"], spec=table_spec("agencies"))
    assert agencies["trained_on"].dtype == "datetime64[us]"


@pytest.mark.parametrize(
    ("table", "column", "value", "code"),
    [
        ("participants", "participant_id", None, "CPI-E014"),
        ("participants", "participant_id", "P 1", "CPI-E025"),
        ("participants", "participant_id", "P1\n", "CPI-E025"),
        ("participants", "participant_id", "P1 ", "CPI-E025"),
        ("participants", "participant_id", "P\u00a01", "CPI-E025"),
        ("participants", "participant_id", "P1\u200b", "CPI-E025"),
        ("participants", "participant_id", "\u04201", "CPI-E025"),
        ("participants", "participant_id", "P\u0661", "CPI-E025"),
        ("participants", "participant_id", "", "CPI-E025"),
        ("participants", "participant_id", "=cmd", "CPI-E025"),
        ("participants", "participant_id", "NA", "CPI-E026"),
        ("participants", "participant_id", "n/k", "CPI-E025"),
        ("participants", "age_years", 15.9, "CPI-E024"),
        ("participants", "age_years", 110.1, "CPI-E024"),
        ("participants", "age_years", 999, "CPI-E026"),
        ("participants", "age_years", -9, "CPI-E026"),
        ("participants", "age_years", np.inf, "CPI-E020"),
        ("participants", "age_years", MARKER, "CPI-E020"),
        ("participants", "age_years", True, "CPI-E020"),
        ("participants", "recruited_on", pd.Timestamp("2112-01-01"), "CPI-E028"),
        ("participants", "recruited_on", pd.Timestamp("1899-12-31"), "CPI-E028"),
        ("participants", "recruited_on", "2012-01-01", "CPI-E022"),
        ("participants", "recruited_on", 41000, "CPI-E022"),
        ("agencies", "arm", "Intervention", "CPI-E023"),
        ("agencies", "arm", MARKER, "CPI-E023"),
        ("workers", "is_supervisor", "yes", "CPI-E027"),
        ("responses", "answer", 3.5, "CPI-E021"),
        ("timepoints", "order", 0.5, "CPI-E021"),
        ("network_members", "circle", 0, "CPI-E024"),
        ("scoping_answers", "rating", 10, "CPI-E024"),
        ("unit_costs", "unit_cost_gbp", None, "CPI-E014"),
    ],
)
def test_a_bad_cell(table: str, column: str, value: object, code: str) -> None:
    faults = faults_of(changed(table, column, 0, value), table)
    assert code in [fault.code for fault in faults]
    fault = next(fault for fault in faults if fault.code == code)
    assert (fault.table, fault.column, fault.rows) == (table, column, (1,))
    assert MARKER not in str(DataError(faults))


#: A cell that each kind of column refuses, and the code of the fault.
BAD_CELLS: dict[str, tuple[object, str]] = {
    "identifier": ("P 1", "CPI-E025"),
    "category": (MARKER, "CPI-E023"),
    "text": (7, "CPI-E023"),
    "integer": (-3, "CPI-E024"),
    "number": (-3.0, "CPI-E024"),
    "boolean": (MARKER, "CPI-E027"),
    "date": (pd.Timestamp("2112-01-01"), "CPI-E028"),
}
NULLABLE = [
    (name, column) for name in TABLES for column in table_spec(name).columns if column.is_nullable
]


@pytest.mark.parametrize(
    ("name", "column"), NULLABLE, ids=[f"{name}-{column.name}" for name, column in NULLABLE]
)
def test_a_bad_cell_beside_an_empty_one(name: str, column: ColumnSpec) -> None:
    value, code = BAD_CELLS[column.kind]
    if column.kind == "category" and column.allowed is None:
        value, code = 7, "CPI-E023"
    elif column.kind == "number" and column.minimum is None:
        value, code = np.inf, "CPI-E020"
    row = valid_tables()[name].iloc[[0]]
    table = pd.concat([row, row, row], ignore_index=True)
    good = table[column.name].iloc[0] if column.name in table else None
    table[column.name] = pd.Series([None, value, good], dtype=object)
    # The copies of the row break the key too; that is another rule.
    faults = check_table(table.infer_objects(), spec=table_spec(name))[1]
    found = [(fault.code, fault.rows) for fault in faults if fault.column == column.name]
    assert found == [(code, (2,))]


def test_bounds_are_inside() -> None:
    for age in (16, 110):
        assert faults_of(changed("participants", "age_years", 0, age), "participants") == ()
    day = datetime.date(1900, 1, 1)
    assert faults_of(changed("participants", "recruited_on", 0, day), "participants") == ()


def test_missing_cells_pass_where_they_may() -> None:
    for table, column in (("measurements", "value"), ("participants", "age_years")):
        assert faults_of(changed(table, column, 0, None), table) == ()


def test_unknown_and_missing_columns() -> None:
    tables = valid_tables()
    table = tables["participants"].drop(columns="agency_id")
    table = table.assign(nhs_number="1", colour="red", **{"4857 773": "1"})
    faults = check_table(table, spec=table_spec("participants"))[1]
    found = {(fault.code, fault.column) for fault in faults}
    # A heading that cannot be a name may be somebody's data: only its position is told.
    assert found == {
        ("CPI-E011", "agency_id"),
        ("CPI-E015", "nhs_number"),
        ("CPI-E012", "colour"),
        ("CPI-E012", f"number {table.shape[1]}"),
    }


def test_a_repeated_column() -> None:
    table = valid_tables()["agencies"]
    twice = pd.concat([table, table[["arm"]]], axis=1)
    faults = check_table(twice, spec=table_spec("agencies"))[1]
    assert [(fault.code, fault.column) for fault in faults] == [("CPI-E006", "arm")]


def test_a_repeated_key_names_every_row_of_it() -> None:
    table = valid_tables()["measurements"]
    twice = pd.concat([table, table.iloc[[1]]], ignore_index=True)
    spec = table_spec("measurements")
    (fault,) = check_table(twice, spec=spec, rows=[2, 3, 4, 5, 6], file="m.csv")[1]
    assert (fault.code, fault.rows, fault.file) == ("CPI-E013", (3, 6), "m.csv")


def test_the_index_and_the_order_of_columns_do_not_matter() -> None:
    table = valid_tables()["participants"]
    other = table[table.columns[::-1]].set_axis([7, 7, 7, 7])
    spec = table_spec("participants")
    pd.testing.assert_frame_equal(
        check_table(other, spec=spec)[0], check_table(table, spec=spec)[0]
    )


def test_an_empty_cell_does_not_hide_another_fault_of_its_row() -> None:
    tables = changed("participants", "age_years", 0, 200)
    tables["participants"].loc[0, "agency_id"] = None
    codes = {fault.code for fault in faults_of(tables, "participants")}
    assert codes == {"CPI-E014", "CPI-E024"}


def test_many_faults_make_a_short_message() -> None:
    n = 50_000
    table = pd.DataFrame(
        {
            "participant_id": [f"{MARKER} {row}" for row in range(n)],
            "timepoint": "baseline",
            "measure": "wemwbs",
            "value": np.inf,
        }
    )
    faults = check_table(table, spec=table_spec("measurements"))[1]
    assert [fault.code for fault in faults] == ["CPI-E025", "CPI-E020"]
    assert all(len(fault.rows) == n for fault in faults)
    message = str(DataError(faults))
    assert len(message) < 2_000
    assert len(repr(faults)) < 2_000
    assert MARKER not in message


def test_an_unknown_table() -> None:
    with pytest.raises(DataError) as caught:
        table_spec("patients")
    assert caught.value.codes == ("CPI-E045",)
