"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cpi_analysis
from cpi_analysis import cli
from cpi_analysis.report import pipeline


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cpi_analysis", *arguments], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "trial"
    assert cli.main(["simulate", "--out", str(folder), "--seed", "7", "--design", "planned"]) == 0
    return folder


@pytest.mark.parametrize("command", [[], ["reproduce"], ["validate"], ["simulate"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    script = (
        "import sys\nfrom cpi_analysis.cli import main\n"
        f"try:\n    main({[*command, '--help']!r})\n"
        "except SystemExit as leave:\n    assert leave.code == 0\n"
        "heavy = {'pandas', 'numpy', 'scipy', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage: cpi-analysis" in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        cli.main(["--version"])
    assert leave.value.code == 0
    assert capsys.readouterr().out == f"cpi-analysis {cpi_analysis.__version__}\n"


def test_reproduce_writes_the_report_and_says_where(tmp_path: Path) -> None:
    done = run("reproduce", "--out", str(tmp_path / "out"), "--seed", "3")
    assert done.returncode == 0, done.stderr
    # Not a terminal: no progress bar.
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("SYNTHETIC DATA")
    headlines = [line for line in lines if line.startswith("  * ")]
    assert len(headlines) == 3
    assert all("not a result of any study" in line for line in headlines)
    # The groups of the built-in trial were formed by measured fidelity.
    assert all("not allocated" in line for line in headlines[:2])
    assert "cost-effective" not in done.stdout
    assert str(tmp_path / "out" / "report.html") in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 3


def test_reproduce_runs_a_simulated_trial_from_its_files(simulated: Path, tmp_path: Path) -> None:
    done = run("reproduce", "--study", str(simulated), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SYNTHETIC DATA")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["input_files"]) > 3


def test_a_folder_that_is_not_ours_is_refused_before_the_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the analysis was run")

    monkeypatch.setattr(pipeline, "analyse", never)
    (tmp_path / "thesis.txt").write_text("mine")
    assert cli.main(["reproduce", "--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "CPI-E048" in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_study_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = run("reproduce", "--study", str(tmp_path / "none.toml"), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "CPI-E001" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_data_without_a_study_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", "--data", "somewhere.csv"]) == 2
    assert "--study" in capsys.readouterr().err


def test_an_interruption_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "analyse", interrupt)
    assert cli.main(["reproduce", "--out", str(tmp_path / "out")]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", ["-1", "1.5", "one", "²"])
def test_a_seed_that_is_no_whole_number_is_refused(
    seed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leave:
        cli.main(["reproduce", f"--seed={seed}"])
    assert leave.value.code == 2
    assert "whole number" in capsys.readouterr().err


def test_validate_gives_an_overview(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", str(simulated)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("SYNTHETIC DATA")
    assert "ok: " in out
    assert "participants" in out


@pytest.mark.parametrize("command", ["validate", "reproduce"])
@pytest.mark.parametrize("option", [[], ["--study"]])
def test_both_commands_take_the_study_in_both_forms(
    simulated: Path, tmp_path: Path, command: str, option: list[str]
) -> None:
    more = ["--out", str(tmp_path / "out")] if command == "reproduce" else []
    # A study that does not exist is enough to see that the path arrived.
    assert cli.main([command, *option, str(tmp_path / "none.toml"), *more]) == 2
    if command == "validate":
        assert cli.main([command, *option, str(simulated)]) == 0


@pytest.mark.parametrize("command", ["validate", "reproduce"])
def test_the_help_shows_both_forms(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    out = capsys.readouterr().out
    assert "[PATH]" in out
    assert "--study PATH" in out


@pytest.mark.parametrize("given", [["validate"], ["validate", "a", "--study", "b"]])
def test_a_study_is_given_exactly_once(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leave:
        cli.main(given)
    assert leave.value.code == 2
    assert "--study PATH" in capsys.readouterr().err


def test_validate_lists_every_fault_by_file_without_a_value(
    simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in simulated.iterdir():
        text = path.read_text(encoding="utf-8")
        if path.name == "agencies.csv":
            text = text.replace("intervention", "secret-arm")
        if path.name == "timepoints.csv":
            text = text.replace("12", "1O-secret")
        (broken / path.name).write_text(text, encoding="utf-8")
    assert cli.main(["validate", str(broken)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "agencies.csv" in captured.err
    assert "timepoints.csv" in captured.err
    assert "CPI-E023" in captured.err
    assert "CPI-E020" in captured.err
    assert "cure:" in captured.err
    assert "secret" not in captured.err


def test_simulate_says_that_its_data_are_synthetic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", "--out", str(tmp_path / "trial")]) == 0
    assert capsys.readouterr().out.startswith("SYNTHETIC DATA")
    assert (tmp_path / "trial" / "participants.csv").is_file()
