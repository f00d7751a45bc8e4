"""Readers give the cells of a file as text, or say what is wrong with the file."""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import math

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cpi_analysis.errors import DataError
from cpi_analysis.io.readers import csv_text, dispatch, raw, read_text_table


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells(table):
    """The rows of a table, with None for missing."""
    return [[None if pd.isna(cell) else cell for cell in row] for row in table.frame.to_numpy()]


def test_cells_stay_as_they_are_written(tmp_path):
    path = write(tmp_path, "a.csv", "id,x,y\n001,1.0,NA\n1E005,, nan \n01/02/2013,TRUE,1_200\n")
    table = read_text_table(path)
    assert cells(table) == [
        ["001", "1.0", "NA"],
        ["1E005", None, " nan "],
        ["01/02/2013", "TRUE", "1_200"],
    ]
    assert table.row_numbers.tolist() == [2, 3, 4]
    assert table.file == "a.csv"


def test_digest_is_that_of_the_bytes(tmp_path):
    # printf 'a\\n1' | sha256sum
    expected = "4f395a2e9ea1c0680348d384135458270e9e6f5af3576151fec246b7b6de98e6"
    assert read_text_table(write(tmp_path, "a.csv", b"a\n1")).sha256 == expected


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfid,x\n1,a\n2,b\n",
        b"id,x\r\n1,a\r\n2,b\r\n",
        b"id,x\r1,a\r2,b",
        b"id,x\r\n1,a\n2,b\r",
        b"id,x\n1,a\n2,b\n\n\n",
        b'"id","x"\n"1","a"\n2,b\n',
        b'"id",x\r\n1,"a"\r\n2,b\r\n\r\n',
    ],
)
def test_marks_and_line_ends_that_are_accepted(tmp_path, content):
    table = read_text_table(write(tmp_path, "a.csv", content))
    assert table.frame.columns.tolist() == ["id", "x"]
    assert cells(table) == [["1", "a"], ["2", "b"]]
    assert table.row_numbers.tolist() == [2, 3]


def test_quoted_cells_keep_separators_and_row_numbers_count_lines(tmp_path):
    path = write(tmp_path, "a.csv", 'id,x\n1,"a, b"\n2,"two\nlines"\n3,"say ""no"""\n')
    table = read_text_table(path)
    assert cells(table) == [["1", "a, b"], ["2", "two\nlines"], ["3", 'say "no"']]
    assert table.row_numbers.tolist() == [2, 3, 5]
    assert table.line_breaks == {"x": (3,)}


def test_empty_rows_at_the_end_are_left_out_and_noted(tmp_path):
    table = read_text_table(write(tmp_path, "a.csv", "id,x\n1,a\n,\n2,\n,\n,\n"))
    assert cells(table) == [["1", "a"], [None, None], ["2", None]]
    assert table.notes == ("a.csv: 2 empty rows at the end were left out",)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_declared(tmp_path, separator):
    path = write(tmp_path, "a.csv", f"id{separator}x\n1{separator}2,5\n")
    assert cells(read_text_table(path, separator=separator)) == [["1", "2,5"]]


PLAIN = st.text(
    alphabet=st.characters(
        codec="utf-8", exclude_characters='",\r\n\x00\ufffd\ufeff', exclude_categories=["Cs"]
    ),
    max_size=6,
)


@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(PLAIN, min_size=width, max_size=width), min_size=1, max_size=8
        )
    )
)
@example(rows=[[" "], ["NA"], ["#"]])
@example(rows=[["-", "1e5"], ["\x1f", "\u2028"]])
@example(rows=[["\x0b", "\x0c"], ["\x85", "'"]])
def test_fast_and_strict_paths_give_the_same(rows):
    width = len(rows[0])
    headings = [f"h{position}" for position in range(width)]
    lines = [",".join(line) for line in [headings, *rows]]
    text = "\n".join(lines).rstrip("\n")
    outcomes = []
    for read, content in (
        (csv_text.read_unquoted, text.encode()),
        (csv_text.read_quoted, text),
    ):
        try:
            found = read(content, file="a.csv", separator=",")
        except DataError as error:
            outcomes.append(str(error))
        else:
            frame = pd.DataFrame(dict(enumerate(found.columns)))
            missing_as_none = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
            outcomes.append(
                (found.headings, missing_as_none, found.row_numbers.tolist(), [*frame.dtypes])
            )
    assert outcomes[0] == outcomes[1]


@given(
    text=st.text(alphabet='ab,;\t\n\r"\x00é ', max_size=60),
    separator=st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_text_is_read_or_refused_with_a_fault(text, separator):
    try:
        found = csv_text.read_csv_cells(text.encode(), file="a.csv", separator=separator)
    except DataError:
        return
    assert len(found.columns) == len(found.headings)
    assert {len(column) for column in found.columns} == {len(found.row_numbers)}


@given(content=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_with_a_fault(content):
    # Any other error fails the test.
    with contextlib.suppress(DataError):
        csv_text.read_csv_cells(content, file="a.csv")


@given(
    rows=st.lists(
        st.lists(st.text(alphabet='a,"\n é', max_size=5), min_size=2, max_size=2),
        min_size=1,
        max_size=6,
    )
)
def test_what_the_csv_writer_writes_comes_back(rows):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([["x", "y"], *rows])
    found = csv_text.read_csv_cells(stream.getvalue().encode(), file="a.csv")
    back = [[cell if isinstance(cell, str) else "" for cell in column] for column in found.columns]
    assert [list(row) for row in zip(*back, strict=True)] == rows


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (0.173000007867813, "0.173000007867813"),
        (1e300, "1e+300"),
        (2.0**53, "9007199254740992.0"),
        (math.inf, "inf"),
        (True, "true"),
        (np.bool_(False), "false"),
        (datetime.datetime(2013, 2, 1), "2013-02-01"),
        (datetime.datetime(2013, 2, 1, 9, 30), "2013-02-01T09:30:00"),
        (datetime.date(2013, 2, 1), "2013-02-01"),
        (datetime.time(9, 30), "09:30:00"),
        ("01", "01"),
    ],
)
def test_exact_text(value, expected):
    assert raw.exact_text(value) == expected


@given(st.floats(allow_nan=False))
def test_numbers_written_as_text_are_the_same_numbers(value):
    assert float(raw.exact_text(value)) == value


def workbook(path, rows, *, sheets=("Sheet1",), edit=None):
    book = openpyxl.Workbook()
    book.active.title = sheets[0]
    for name in sheets[1:]:
        book.create_sheet(name)
    for row in rows:
        book.active.append(row)
    if edit:
        edit(book)
    book.save(path)
    return path


def test_workbook_cells_become_exact_text(tmp_path):
    rows = [
        ["id", "when", "value", "flag"],
        [7, datetime.datetime(2013, 2, 1), 0.1, True],
        ["A1", None, 12.0, None],
    ]
    table = read_text_table(workbook(tmp_path / "a.xlsx", rows))
    assert cells(table) == [["7", "2013-02-01", "0.1", "true"], ["A1", None, "12", None]]
    assert table.row_numbers.tolist() == [2, 3]


def test_hidden_rows_and_columns_are_read_and_noted(tmp_path):
    def hide(book):
        book.active.row_dimensions[2].hidden = True
        book.active.column_dimensions["B"].hidden = True

    path = workbook(tmp_path / "a.xlsx", [["id", "x"], ["A1", 1], ["A2", 2]], edit=hide)
    table = read_text_table(path)
    assert len(table.frame) == 2
    assert table.notes == ("a.xlsx: 1 hidden row was read", "a.xlsx: hidden columns were read")


def test_one_of_several_sheets(tmp_path):
    def fill(book):
        book["second"].append(["id"])
        book["second"].append(["A9"])

    path = workbook(tmp_path / "a.xlsx", [["id"], ["A1"]], sheets=("first", "second"), edit=fill)
    table = read_text_table(path, sheet="second")
    assert cells(table) == [["A9"]]
    assert table.file == "a.xlsx, sheet second"
    with pytest.raises(DataError, match="first, second") as caught:
        read_text_table(path)
    assert caught.value.codes == ("CPI-E047",)
    with pytest.raises(DataError, match="first, second") as caught:
        read_text_table(path, sheet="third")
    assert caught.value.codes == ("CPI-E041",)


def test_workbook_with_the_1904_calendar(tmp_path):
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    def move(book):
        book.epoch = CALENDAR_MAC_1904

    rows = [["id", "when"], ["A1", datetime.datetime(2013, 2, 1)]]
    path = workbook(tmp_path / "a.xlsx", rows, edit=move)
    assert cells(read_text_table(path)) == [["A1", "2013-02-01"]]


def test_spss_codes_labels_and_declared_missing(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    frame = pd.DataFrame({"id": ["A1", "A2", "A3"], "arm": [1.0, 2.0, 1.0], "x": [1.5, 999, None]})
    path = tmp_path / "a.sav"
    pyreadstat.write_sav(
        frame,
        path,
        variable_value_labels={"arm": {1.0: "intervention", 2.0: "comparison"}},
        missing_ranges={"x": [999]},
    )
    table = read_text_table(path)
    assert cells(table) == [["A1", "1", "1.5"], ["A2", "2", None], ["A3", "1", None]]
    assert table.notes == ("a.sav: column x has 1 values that the file declares missing",)
    labelled = read_text_table(path, cell_text="label")
    assert labelled.frame["arm"].tolist() == ["intervention", "comparison", "intervention"]


def test_stata_extended_missing_values(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    frame = pd.DataFrame({"id": ["A1", "A2", "A3"], "x": [1.0, "a", 3.25]})
    path = tmp_path / "a.dta"
    pyreadstat.write_dta(frame, path, missing_user_values={"x": ["a"]})
    table = read_text_table(path)
    assert cells(table) == [["A1", "1"], ["A2", None], ["A3", "3.25"]]
    assert table.notes == ("a.dta: column x has 1 values that the file declares missing",)


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "id": [7, 8],
            "x": [0.1, None],
            "when": pd.to_datetime(["2013-02-01", None]),
            "flag": [True, False],
            "text": ["", "NA"],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    assert cells(read_text_table(tmp_path / "a.parquet")) == [
        ["7", "0.1", "2013-02-01", "true", None],
        ["8", None, None, "false", "NA"],
    ]


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("a.sav", "pyreadstat", "spss"),
        ("a.dta", "pyreadstat", "spss"),
        ("a.parquet", "pyarrow", "parquet"),
    ],
)
def test_optional_package_that_is_not_there(tmp_path, monkeypatch, name, package, extra):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError) as caught:
        read_text_table(write(tmp_path, name, b"$FL2"))
    assert caught.value.codes == ("CPI-E009",)
    assert caught.value.faults[0].cure == f'pip install "cpi-analysis[{extra}]"'


def test_every_suffix_has_a_reader(tmp_path):
    for suffix in dispatch.SUFFIXES:
        with pytest.raises(DataError) as caught:
            read_text_table(write(tmp_path, f"a{suffix}", b"x\n"))
        assert set(caught.value.codes) <= {"CPI-E003", "CPI-E007"}
