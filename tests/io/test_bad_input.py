"""Every kind of bad file is refused, with its place and cure, and without a cell of it."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.io.load import load_trial
from cpi_analysis.io.readers import raw, read_text_table
from tests.io.test_load import PBS, documented_example, make_folder

#: Stands in the cells of every bad file: it must not stand in any message.
MARKER = "Zq7Marker"
HEADER = "participant_id,agency_id\n"
GOOD_ROW = f"{MARKER},T1\n"


def refused(action, *arguments, **settings):
    started = time.monotonic()
    with pytest.raises(DataError) as caught:
        action(*arguments, **settings)
    assert time.monotonic() - started < 20
    error = caught.value
    assert MARKER not in str(error)
    assert all(MARKER not in str(fault) for fault in error.faults)
    assert all(fault.cure and fault.rule for fault in error.faults)
    return error


def read_refused(path, **settings):
    return refused(read_text_table, path, **settings)


TEXT_FILES = {
    "empty": (b"", "CPI-E002", ()),
    "header only": (HEADER.encode(), "CPI-E003", ()),
    "header and empty rows": (f"{HEADER},\n,\n".encode(), "CPI-E003", ()),
    "white space": (b" \n\t \n", "CPI-E002", ()),
    "utf-16": ((HEADER + GOOD_ROW).encode("utf-16"), "CPI-E004", ()),
    "utf-16 without mark": ((HEADER + GOOD_ROW).encode("utf-16-le"), "CPI-E004", ()),
    "cp1252": (f"{HEADER}{GOOD_ROW}{MARKER}é,T1\n".encode("cp1252"), "CPI-E004", (3,)),
    "lost character": (f"{HEADER}{GOOD_ROW}{MARKER}\ufffd,T1\n".encode(), "CPI-E004", (3,)),
    "zero in a cell": (f"{HEADER}{GOOD_ROW}{MARKER}\0,T1\n".encode(), "CPI-E007", (3,)),
    "all zeros": (b"\0" * 50, "CPI-E007", (1,)),
    "semicolons": (b"participant_id;agency_id\n" + MARKER.encode() + b";T1\n", "CPI-E007", ()),
    "tabs": (b"participant_id\tagency_id\n" + MARKER.encode() + b"\tT1\n", "CPI-E007", ()),
    "short row": (f"{HEADER}{GOOD_ROW}{MARKER}\n".encode(), "CPI-E005", (3,)),
    "long row": (f"{HEADER}{MARKER},T1,\n{GOOD_ROW}".encode(), "CPI-E005", (2,)),
    "comma after every row": (f"{HEADER}{MARKER},T1,\n{MARKER},T2,\n".encode(), "CPI-E005", (2, 3)),
    "short row, quoted": (f'{HEADER}{GOOD_ROW}"{MARKER}"\n'.encode(), "CPI-E005", (3,)),
    "long row, quoted": (f'{HEADER}"{MARKER}",T1,2\n'.encode(), "CPI-E005", (2,)),
    "blank line": (f"{HEADER}{GOOD_ROW}\n{GOOD_ROW}".encode(), "CPI-E005", (3,)),
    "cut mid-row": (f"{HEADER}{GOOD_ROW}{MARKER}".encode(), "CPI-E005", (3,)),
    "open quote": (f'{HEADER}{GOOD_ROW}"{MARKER},T1\n{GOOD_ROW}'.encode(), "CPI-E005", (3,)),
    "text after quote": (f'{HEADER}"{MARKER}"x,T1\n'.encode(), "CPI-E005", (2,)),
    "title above the header": (f"{MARKER}\n{HEADER}{GOOD_ROW}".encode(), "CPI-E005", (2, 3)),
    "same heading twice": (f"{MARKER},{MARKER}\nP1,T1\n".encode(), "CPI-E006", (1,)),
    "blank heading": (f"participant_id,\n{GOOD_ROW}".encode(), "CPI-E006", (1,)),
    "workbook": (b"PK\x03\x04" + MARKER.encode(), "CPI-E007", ()),
    "random bytes": (b"\x80\x81" + MARKER.encode(), "CPI-E004", (1,)),
}


@pytest.mark.parametrize("name", TEXT_FILES)
def test_bad_text_file(tmp_path, name):
    content, code, rows = TEXT_FILES[name]
    path = tmp_path / "participants.csv"
    path.write_bytes(content)
    error = read_refused(path)
    assert error.codes == (code,)
    assert error.faults[0].file == "participants.csv"
    assert error.faults[0].rows == rows


def test_cure_of_another_separator_names_the_setting(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b\n1;2\n")
    assert 'separator = ";"' in read_refused(path).faults[0].cure
    path.write_text("a\tb\n1\t2\n")
    assert r'separator = "\t"' in read_refused(path).faults[0].cure


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xlsx", b"participant_id\nP1\n"),
        ("a.xls", b"<html><table><tr><td>" + MARKER.encode() + b"</td></tr></table></html>"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600),
        ("a.xlsx", b"PK\x03\x04" + b"\0" * 60),
        ("a.sav", b"participant_id\nP1\n"),
        ("a.sav", b"$FL2" + b"\0" * 60),
        ("a.dta", b"<stata_dta><header>"),
        ("a.parquet", b"PAR1" + b"\0" * 60),
        ("a.rds", b"\x1f\x8b" + b"\0" * 60),
        ("a.pkl", b"\x80\x04N."),
        ("a.json", b"[]"),
    ],
)
def test_content_is_not_what_the_name_says(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert read_refused(path).codes == ("CPI-E007",)


def workbook(path, edit=lambda page: None):
    book = openpyxl.Workbook()
    page = book.active
    for row in (["participant_id", "score"], [MARKER, 3], [MARKER, 4]):
        page.append(row)
    edit(page)
    book.save(path)
    return path


def put(cell, value):
    def edit(page):
        page[cell] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "code", "column", "rows"),
    [
        (put("B3", "=1+1"), "CPI-E007", "score", (3,)),
        (put("B2", "#REF!"), "CPI-E007", "score", (2,)),
        (lambda page: page.merge_cells("A2:A3"), "CPI-E005", None, (2,)),
        (lambda page: page.merge_cells("A1:B1"), "CPI-E005", None, (1,)),
        (lambda page: page.delete_rows(2, 2), "CPI-E003", None, ()),
        (lambda page: page.delete_rows(1, 3), "CPI-E002", None, ()),
        (put("B1", "participant_id"), "CPI-E006", None, (1,)),
        (put("C2", MARKER), "CPI-E006", None, (1,)),
        (put("XFD1048576", MARKER), "CPI-E008", None, ()),
    ],
)
def test_bad_workbook(tmp_path, edit, code, column, rows):
    error = read_refused(workbook(tmp_path / "a.xlsx", edit))
    assert error.codes == (code,)
    assert error.faults[0].file == "a.xlsx"
    assert error.faults[0].column == column
    assert error.faults[0].rows == rows


def test_workbook_cut_short(tmp_path):
    path = workbook(tmp_path / "a.xlsx")
    path.write_bytes(path.read_bytes()[:-200])
    assert read_refused(path).codes == ("CPI-E007",)


def test_workbook_that_unpacks_to_too_much(tmp_path):
    content = io.BytesIO(workbook(tmp_path / "a.xlsx").read_bytes())
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.png", bytes(250 * 1024**2))
    (tmp_path / "a.xlsx").write_bytes(content.getvalue())
    assert len(content.getvalue()) < 1024**2
    assert read_refused(tmp_path / "a.xlsx").codes == ("CPI-E008",)


def test_workbook_with_a_false_dimension_is_read_whole(tmp_path):
    source = workbook(tmp_path / "a.xlsx")
    changed = tmp_path / "b.xlsx"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.startswith("xl/worksheets/"):
                assert b'ref="A1:B3"' in text
                text = text.replace(b'ref="A1:B3"', b'ref="A1:A2"')
            new.writestr(name, text)
    assert read_text_table(changed).frame.shape == (2, 2)


def test_files_that_are_not_ordinary(tmp_path):
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    assert read_refused(pipe).codes == ("CPI-E008",)
    link = tmp_path / "b.csv"
    link.symlink_to("/dev/zero")
    assert read_refused(link).codes == ("CPI-E008",)
    (tmp_path / "c.csv").mkdir()
    assert read_refused(tmp_path / "c.csv").codes == ("CPI-E001",)
    assert read_refused(tmp_path / "d.csv").codes == ("CPI-E001",)


def test_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "LARGEST_FILE_BYTES", 10)
    (tmp_path / "a.csv").write_text(HEADER + GOOD_ROW)
    assert read_refused(tmp_path / "a.csv").codes == ("CPI-E008",)


@pytest.mark.parametrize(
    "name", ["../outside.csv", "/etc/passwd", "link.csv", r"C:\data.csv", r"..\outside.csv"]
)
def test_paths_that_leave_the_folder(tmp_path, name):
    (tmp_path / "outside.csv").write_text(HEADER + GOOD_ROW)
    folder = tmp_path / "study"
    folder.mkdir()
    study = documented_example(folder)
    (folder / "link.csv").symlink_to(tmp_path / "outside.csv")
    study.write_text(study.read_text().replace("'", '"').replace('"interviews.csv"', f"'{name}'"))
    assert "CPI-E008" in refused(load_trial, study).codes


def folder_refused(tmp_path, **changes):
    return refused(load_trial, make_folder(tmp_path, **changes))


@pytest.mark.parametrize(
    ("table", "content", "code", "column", "rows"),
    [
        ("participants", f"{HEADER}{MARKER},T9\n", "CPI-E030", "agency_id", (2,)),
        ("participants", f"{HEADER}P1,T1\n{MARKER},T1\n{MARKER},T1\n", "CPI-E013", None, (3, 4)),
        ("participants", f"{HEADER}P1,T1\nP2,\n", "CPI-E014", "agency_id", (3,)),
        ("participants", f"{HEADER}{MARKER} ,T1\n", "CPI-E025", "participant_id", (2,)),
        ("participants", "Participant_ID,agency_id\nP1,T1\n", "CPI-E011", None, ()),
        (
            "participants",
            f"participant_id,agency_id,nhs_number\nP1,T1,{MARKER}\n",
            "CPI-E015",
            "nhs_number",
            (),
        ),
        ("participants", f'{HEADER}P1,T1\n"P2","T1\n{MARKER}"\n', "CPI-E029", "agency_id", (3,)),
        ("participants", f"{MARKER},T1\nP2,T2\n", "CPI-E011", None, (1,)),
        (
            "measurements",
            f"participant_id,timepoint,measure,value\nP1,baseline,wemwbs,{MARKER}\n",
            "CPI-E020",
            "value",
            (2,),
        ),
        (
            "measurements",
            "participant_id,timepoint,measure,value\nP1,baseline,wemwbs,999\n",
            "CPI-E026",
            "value",
            (2,),
        ),
    ],
)
def test_bad_table_in_a_folder(tmp_path, table, content, code, column, rows):
    error = folder_refused(tmp_path, **{table: content})
    found = [fault for fault in error.faults if fault.code == code]
    assert found, error
    assert found[0].file == f"{table}.csv"
    assert column is None or found[0].column == column
    assert rows == () or found[0].rows == rows


def test_all_faults_of_all_files_at_once(tmp_path):
    error = folder_refused(
        tmp_path,
        agencies=b"".decode(),
        participants=f"{HEADER}P1,T1\n{MARKER}\n",
        measurements=f"participant_id,timepoint,measure,value\nP1,baseline,wemwbs,{MARKER}\n",
    )
    places = {(fault.file, fault.code) for fault in error.faults}
    assert ("agencies.csv", "CPI-E002") in places
    assert ("participants.csv", "CPI-E005") in places
    assert ("measurements.csv", "CPI-E020") in places
    assert "CPI-E010" not in error.codes


def test_folder_without_what_is_needed(tmp_path):
    error = refused(load_trial, tmp_path)
    assert error.codes == ("CPI-E010",)
    assert {"agencies", "participants", "timepoints"} <= {fault.table for fault in error.faults}
    assert "agencies.csv" in str(error)


def test_files_that_stand_for_no_table_or_the_same(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "participants.csv").rename(tmp_path / "participant.csv")
    workbook(tmp_path / "agencies.xlsx")
    error = refused(load_trial, tmp_path)
    cures = [fault.cure for fault in error.faults if fault.code == "CPI-E016"]
    assert any("rename it to participants.csv" in cure for cure in cures)
    assert any("keep one" in cure for cure in cures)


def test_data_file_without_a_study(tmp_path):
    make_folder(tmp_path)
    error = refused(load_trial, tmp_path / "participants.csv")
    assert error.codes == ("CPI-E007",)
    assert refused(load_trial, tmp_path / "nowhere").codes == ("CPI-E001",)
    assert refused(load_trial, PBS).codes == ("CPI-E001",)


@pytest.mark.parametrize(
    ("old", "new", "code", "column", "rows"),
    [
        ("P2;T2;B;2", "P2;T2;A;2", "CPI-E031", "group", (5,)),
        ("P1;T1;A;2", "P1;T2;B;2", "CPI-E032", "team", (3,)),
        ("P2;T2;B;2", f"P2;T2;{MARKER};2", "CPI-E023", "group", (5,)),
        ("P2;T2;B;2", f"P2;T2;B;{MARKER}", "CPI-E023", "wave", (5,)),
        ("P2;T2;B;2", "P2;T2;B;1", "CPI-E013", None, (4, 5)),
        (";38;", f";{MARKER};", "CPI-E020", "well_being", (4,)),
        (";38;", ";71;", "CPI-E035", None, (4,)),
        ("1200,50", "1.200,50", "CPI-E020", "cost", (2,)),
        (";well_being;", ";Well_Being;", "CPI-E011", "well_being", ()),
    ],
)
def test_bad_cell_of_a_study(tmp_path, old, new, code, column, rows):
    study = documented_example(tmp_path)
    path = tmp_path / "interviews.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    error = refused(load_trial, study)
    found = [fault for fault in error.faults if fault.code == code]
    assert found, error
    assert found[0].file == "interviews.csv"
    assert column is None or found[0].column == column
    assert rows == () or found[0].rows == rows


def test_identifying_column_in_use(tmp_path):
    study = documented_example(tmp_path)
    study.write_text(study.read_text().replace('"person"', '"nhs_number"'))
    path = Path(tmp_path / "interviews.csv")
    path.write_text(path.read_text().replace("person", "nhs_number"))
    assert "CPI-E015" in refused(load_trial, study).codes
