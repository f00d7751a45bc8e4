"""The data dictionary is current, and other tools accept it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import frictionless
import pytest

from cpi_analysis.io.dictionary import build_dictionary, find_stale, main, write_dictionary
from cpi_analysis.io.dictionary_machines import (
    REDCAP_COLUMNS,
    build_data_package,
    build_redcap_dictionary,
)
from cpi_analysis.io.instruments import list_instruments
from cpi_analysis.io.schemas import TABLES
from cpi_analysis.io.trial import build_trial
from tests.io.small_trial import valid_tables

COMMITTED = Path(__file__).resolve().parents[2] / "data_dictionary"


def test_the_committed_dictionary_is_current() -> None:
    assert find_stale(COMMITTED) == ()


def test_it_is_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert "make generate" in capsys.readouterr().err
    assert main(["--write", "--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / "left_over.md").write_text("x", encoding="utf-8")
    assert find_stale(tmp_path) == ("left_over.md",)


def test_every_table_and_instrument_has_its_place() -> None:
    files = build_dictionary()
    assert {f"{name}.md" for name in TABLES} < set(files)
    page = files["instruments.md"].decode()
    assert all(f"## {name}:" in page for name in list_instruments())
    assert files == build_dictionary()


def test_frictionless_accepts_the_package() -> None:
    package = frictionless.Package.from_descriptor(json.loads(build_data_package()))
    assert [resource.name for resource in package.resources] == list(TABLES)
    report = list(frictionless.Package.metadata_validate(package.to_descriptor()))
    assert report == []


def write_trial(folder: Path) -> None:
    trial = build_trial(valid_tables(), title="t")
    spec = json.loads(build_data_package())
    (folder / "datapackage.json").write_text(json.dumps(spec), encoding="utf-8")
    for resource in spec["resources"]:
        names = [field["name"] for field in resource["schema"]["fields"]]
        whole = [f["name"] for f in resource["schema"]["fields"] if f["type"] == "integer"]
        table = trial.table(resource["name"])
        table[[n for n in whole if n in table]] = table[[n for n in whole if n in table]].astype(
            "Int64"
        )
        # frictionless wants every column of the dictionary, also those that may be absent.
        table.reindex(columns=names).to_csv(folder / resource["path"], index=False)


def test_frictionless_validates_a_valid_trial(tmp_path: Path) -> None:
    write_trial(tmp_path)
    report = frictionless.validate(str(tmp_path / "datapackage.json"))
    assert report.flatten(["title", "message"]) == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("agencies.csv", "statutory", "Statutory"),
        ("participants.csv", "P1,", "P 1,"),
        ("participants.csv", ",A1,", ",A7,"),
        ("timepoints.csv", "m9,", "baseline,"),
    ],
)
def test_frictionless_refuses_what_we_refuse(tmp_path: Path, file: str, old: str, new: str) -> None:
    write_trial(tmp_path)
    path = tmp_path / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert not frictionless.validate(str(tmp_path / "datapackage.json")).valid


def test_redcap_dictionary() -> None:
    rows = list(csv.DictReader(io.StringIO(build_redcap_dictionary())))
    assert len(REDCAP_COLUMNS) == 18
    assert tuple(rows[0]) == REDCAP_COLUMNS
    names = [row["Variable / Field Name"] for row in rows]
    assert names[0] == "participant_id"
    assert len(names) == len(set(names))
    assert all(name.islower() and name.replace("_", "").isalnum() for name in names)
    by_name = {row["Variable / Field Name"]: row for row in rows}
    assert by_name["age_years"]["Text Validation Min"] == "16"
    assert by_name["wemwbs_01"]["Choices, Calculations, OR Slider Labels"].startswith("1, 1 | 2")


def test_write_dictionary_makes_the_folder(tmp_path: Path) -> None:
    write_dictionary(tmp_path / "new" / "folder")
    assert find_stale(tmp_path / "new" / "folder") == ()
