"""What a data manager sees: a bad cell is named, an unexpected error shows nothing of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpi_analysis import cli
from tests.io.small_trial import MARKER
from tests.io.test_load import make_folder


def test_a_negative_number_of_contacts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["simulate", "--out", str(tmp_path / "sim"), "--design", "planned"]) == 0
    path = tmp_path / "sim" / "service_use.csv"
    lines = path.read_text().splitlines()
    cells = lines[7].split(",")
    cells[lines[0].split(",").index("contacts")] = "-3"
    lines[7] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    assert cli.main(["validate", str(tmp_path / "sim")]) == 2
    said = capsys.readouterr().err
    assert "[CPI-E024] service_use.csv, column contacts, row 8:" in said
    assert "-3" not in said


def test_notes_of_the_load_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(tmp_path)
    assert cli.main(["validate", str(tmp_path)]) == 0
    assert "Notes of the load" not in capsys.readouterr().out
    (tmp_path / "letters.csv").write_text("a\n1\n")
    assert cli.main(["validate", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Notes of the load:\n  * letters.csv is not a table of the model" in out


def test_an_unexpected_error_shows_no_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        try:
            raise KeyError(MARKER)
        except KeyError as error:
            raise ValueError(f"shape of {MARKER}") from error

    monkeypatch.setitem(cli._COMMANDS, "validate", fail)
    assert cli.main(["validate", "somewhere"]) == 1
    said = capsys.readouterr()
    assert MARKER not in said.out + said.err
    assert "ValueError" in said.err
    assert "Please report" in said.err
    with pytest.raises(ValueError, match=MARKER):
        cli.main(["--traceback", "validate", "somewhere"])
