"""Text to typed columns: what is taken, what is refused, and that nothing is guessed."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpi_analysis.errors import DataError
from cpi_analysis.io.schemas import table_spec
from cpi_analysis.io.typing import type_table

CASES = {
    "number": ("participants", "age_years"),
    "integer": ("timepoints", "order"),
    "boolean": ("workers", "is_supervisor"),
    "date": ("participants", "recruited_on"),
}


def read(kind: str, cells: list[str], **options: object):
    table, column = CASES[kind]
    text = pd.DataFrame({column: cells}, dtype="str")
    typed, faults = type_table(text, spec=table_spec(table), **options)  # type: ignore[arg-type]
    return typed[column], faults


@pytest.mark.parametrize(
    "cell",
    ["inf", "-inf", "nan", "1e309", "1_200", "1,200", "1,200.50", "1200,50", "£5", "1 2", " 1",
     "1\n", "١٢", "1.2.3", "--1", "0x1F", "N/K", "NA", ".", "e5", "1|2", "TRUE", "=1+1"],
)  # fmt: skip
def test_not_a_number(cell: str) -> None:
    values, faults = read("number", ["1", cell, "2"])
    assert [(fault.code, fault.rows) for fault in faults] == [("CPI-E020", (2,))]
    assert values.isna().tolist() == [False, True, False]
    assert "missing_codes" in faults[0].cure


@pytest.mark.parametrize(
    ("cell", "number"),
    [("3", 3), ("3.0", 3), ("-3.5", -3.5), (".5", 0.5), ("1e-05", 1e-5), ("+2", 2), ("007", 7)],
)
def test_numbers(cell: str, number: float) -> None:
    values, faults = read("number", [cell])
    assert faults == ()
    assert values.tolist() == [number]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_numbers_survive_writing_and_reading(numbers: list[float]) -> None:
    values, faults = read("number", [repr(number) for number in numbers])
    assert faults == ()
    assert values.tolist() == numbers


@given(st.text(max_size=8))
def test_any_text_is_a_finite_number_or_a_fault(cell: str) -> None:
    values, faults = read("number", [cell])
    if cell == "":
        assert faults == ()
        assert values.isna().all()
    elif faults:
        assert values.isna().all()
    else:
        assert set(cell) <= set("0123456789.+-eE")
        assert abs(values.iloc[0]) < float("inf")


def test_whole_numbers() -> None:
    values, faults = read("integer", ["3", "3.0", "3.5", "", "x", "1e300"])
    assert values.dtype == "Int64"
    assert values.dropna().tolist() == [3, 3]
    found = [(fault.code, fault.rows) for fault in faults]
    assert found == [("CPI-E020", (5,)), ("CPI-E021", (3, 6))]


def test_truth() -> None:
    values, faults = read("boolean", ["true", "FALSE", "Yes", "no", "1", "0", "", "y", "2"])
    assert values.tolist()[:6] == [True, False, True, False, True, False]
    assert [(fault.code, fault.rows) for fault in faults] == [("CPI-E027", (8, 9))]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("03/05/2012", "CPI-E022"),
        ("41000", "CPI-E022"),
        ("2012-02-30", "CPI-E022"),
        ("12-02-03", "CPI-E022"),
        ("2012-2-3", "CPI-E022"),
        ("2012-02-03T00:00", "CPI-E022"),
        ("2012-02-03\n", "CPI-E022"),
        ("٢٠١٢-02-03", "CPI-E022"),
        ("2112-01-01", "CPI-E028"),
        ("0001-01-01", "CPI-E028"),
        ("1899-12-31", "CPI-E028"),
    ],
)
def test_not_a_date(cell: str, code: str) -> None:
    days, faults = read("date", ["2012-02-29", cell, "2012-02-29"])
    assert [(fault.code, fault.rows) for fault in faults] == [(code, (2,))]
    assert days.isna().tolist() == [False, True, False]
    assert days.iloc[0] == pd.Timestamp("2012-02-29")
    if code == "CPI-E022":
        assert "date_format" in faults[0].cure


def test_a_declared_date_format() -> None:
    days, faults = read("date", ["03/05/2012", "2012-05-03", ""], date_format="%d/%m/%Y")
    assert days.iloc[0] == pd.Timestamp("2012-05-03")
    assert [(fault.code, fault.rows) for fault in faults] == [("CPI-E022", (2,))]


@pytest.mark.parametrize(
    "codes", [("999", "N/K"), {"age_years": ("999", "N/K")}, {"*": ("999", "N/K")}]
)
def test_declared_codes_for_missing(codes: object) -> None:
    values, faults = read("number", ["30", "999", "N/K", ""], missing_codes=codes)
    assert faults == ()
    assert values.isna().tolist() == [False, True, True, True]


def test_codes_of_one_column_do_not_reach_another() -> None:
    text = pd.DataFrame({"timepoint": ["9"], "months": ["9"], "order": ["1"]})
    spec = table_spec("timepoints")
    typed, _ = type_table(text, spec=spec, missing_codes={"months": ("9",)})
    assert typed["timepoint"].tolist() == ["9"]
    assert typed["months"].isna().all()


def test_identifiers_keep_their_zeros_and_empty_tables_their_types() -> None:
    text = pd.DataFrame({"timepoint": ["007"], "months": ["1"], "order": ["1"]})
    typed, _ = type_table(text, spec=table_spec("timepoints"))
    assert typed["timepoint"].tolist() == ["007"]
    empty, faults = type_table(text.iloc[:0], spec=table_spec("timepoints"))
    assert faults == ()
    assert empty["order"].dtype == "Int64"


def test_faults_name_file_and_row_and_not_the_value() -> None:
    _, faults = read("number", ["1", "SECRETmarker"], file="p.csv", row_numbers=[2, 17])
    assert faults[0].rows == (17,)
    message = str(DataError(faults))
    assert "p.csv" in message
    assert "SECRETmarker" not in message
