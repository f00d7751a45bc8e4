"""Results appear whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.report import saving


def make_files(mark: str, *, count: int = 3) -> dict[str, bytes]:
    names = [f"tables/{number}.csv" for number in range(count)]
    files = {name: mark.encode() for name in names}
    manifest = {"written_by": saving.WRITTEN_BY, "outputs": dict.fromkeys(names, "")}
    return {**files, saving.MANIFEST: json.dumps(manifest).encode()}


def read_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_folder_is_written_with_its_parents(tmp_path: Path) -> None:
    saving.save_folder(tmp_path / "a" / "b", make_files("x"))
    assert read_files(tmp_path / "a" / "b") == make_files("x")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    saving.save_folder(tmp_path / "out", make_files("x"))
    assert read_files(tmp_path / "out") == make_files("x")


@pytest.mark.parametrize("can_exchange", [True, False])
def test_earlier_results_are_replaced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(saving, "_exchange", lambda one, other: False)
    saving.save_folder(tmp_path / "out", make_files("old", count=5))
    saving.save_folder(tmp_path / "out", make_files("new", count=2))
    assert read_files(tmp_path / "out") == make_files("new", count=2)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(DataError, match="CPI-E048") as caught:
        saving.save_folder(tmp_path, make_files("x"))
    assert "new or empty folder" in str(caught.value)
    assert read_files(tmp_path) == {"thesis.docx": b"years of work"}


@pytest.mark.parametrize("manifest", ["{}", "not json", '{"written_by": "another program"}', "[]"])
def test_a_manifest_of_another_program_is_no_licence(tmp_path: Path, manifest: str) -> None:
    (tmp_path / saving.MANIFEST).write_text(manifest)
    with pytest.raises(DataError, match="CPI-E048"):
        saving.save_folder(tmp_path, make_files("x"))


def test_a_file_added_to_the_results_is_not_destroyed(tmp_path: Path) -> None:
    saving.save_folder(tmp_path / "out", make_files("old"))
    (tmp_path / "out" / "my notes.txt").write_text("keep")
    with pytest.raises(DataError, match=r"my notes\.txt"):
        saving.save_folder(tmp_path / "out", make_files("new"))
    assert (tmp_path / "out" / "my notes.txt").read_text() == "keep"
    assert (tmp_path / "out" / "tables" / "0.csv").read_bytes() == b"old"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="CPI-E048"):
        saving.save_folder(tmp_path / "out", make_files("x"))


def test_a_parent_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(DataError, match="CPI-E048"):
        saving.save_folder(tmp_path / "file" / "out", make_files("x"))


@pytest.mark.parametrize("failing_call", range(1, 9))
def test_a_failure_at_any_write_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_call: int
) -> None:
    saving.save_folder(tmp_path / "out", make_files("old"))
    calls = 0

    def fail_once(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing_call:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail_once)
    # 4 files, 2 folders and the parent are flushed: the 7th is after the exchange.
    if failing_call <= 7:
        with pytest.raises(DataError, match="No space left"):
            saving.save_folder(tmp_path / "out", make_files("new"))
    else:
        saving.save_folder(tmp_path / "out", make_files("new"))
    expected = "old" if failing_call <= 6 else "new"
    assert read_files(tmp_path / "out") == make_files(expected)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interruption_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving.save_folder(tmp_path / "out", make_files("old"))

    def interrupt(partial: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(saving, "_put_in_place", interrupt)
    with pytest.raises(KeyboardInterrupt):
        saving.save_folder(tmp_path / "out", make_files("new"))
    assert read_files(tmp_path / "out") == make_files("old")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


ENDLESS = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from tests.report.test_saving import make_files
    from cpi_analysis.report.saving import save_folder

    turn = 0
    while True:
        save_folder(Path(sys.argv[1]), make_files("ab"[turn % 2], count=20 + turn % 2))
        turn += 1
        print("saved", flush=True)
    """
)


@pytest.mark.skipif(sys.platform != "linux", reason="folders change places in one step on Linux")
@pytest.mark.parametrize("delay", [0.0, 0.004, 0.011, 0.023, 0.037])
def test_a_killed_process_leaves_the_old_set_or_the_new_one(tmp_path: Path, delay: float) -> None:
    target = tmp_path / "out"
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(target)], stdout=subprocess.PIPE, cwd=root
    )
    assert process.stdout is not None
    for _ in range(2):
        process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    whole_sets = [make_files("a", count=20), make_files("b", count=21)]
    assert read_files(target) in whole_sets
    # What the killed run left beside it does not stand in the way.
    saving.save_folder(target, make_files("c"))
    assert read_files(target) == make_files("c")


def test_what_a_killed_run_left_is_swept_up_later(tmp_path: Path) -> None:
    old = tmp_path / ".out.partial-000000000000"
    recent = tmp_path / ".out.partial-111111111111"
    for folder in (old, recent):
        folder.mkdir()
    long_ago = time.time() - 2 * 3600
    os.utime(old, (long_ago, long_ago))
    saving.save_folder(tmp_path / "out", make_files("x"))
    assert not old.exists()
    assert recent.exists()
