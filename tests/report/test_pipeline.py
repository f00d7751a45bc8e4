"""The whole analysis: what a report holds, what it refuses, and that it repeats itself."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cpi_analysis as cpi
from cpi_analysis.errors import DataError
from cpi_analysis.report import Report
from cpi_analysis.results import Result
from tests.reference import reference_json, reference_path

ROOT = Path(__file__).resolve().parents[2]
PBS_STUDY = ROOT / "examples" / "pbs" / "study.toml"

#: R prints 15 digits; its optimiser and ours stop at slightly different points.
MODEL = {"rel": 1e-5}
EXACT = {"rel": 1e-9}


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_part_has_results(report: Report) -> None:
    for part in (report.effectiveness, report.economics, report.fidelity):
        assert part
        assert all(isinstance(result, Result) for result in part.values())


def test_headlines_of_synthetic_data_say_so(report: Report) -> None:
    assert len(report.headlines) == 3
    assert all("not a result of any study" in headline for headline in report.headlines)


def test_the_report_shows_itself(report: Report) -> None:
    for text in (repr(report), report._repr_html_()):
        assert "not a result of any study" in text


def test_every_table_and_figure_is_a_file(report: Report, folder: Path) -> None:
    names = set(hashes(folder))
    assert {f"tables/{name}.csv" for name in report.tables} <= names
    assert {f"figures/{name}.{kind}" for name in report.figures for kind in ("svg", "png")} <= names
    assert names - {"report.html", "manifest.json"} == {
        *(f"tables/{name}.csv" for name in report.tables),
        *(f"figures/{name}.{kind}" for name in report.figures for kind in ("svg", "png")),
    }


def test_the_manifest_holds_the_hash_of_every_file(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    found = hashes(folder)
    del found["manifest.json"]
    assert manifest["outputs"] == found
    assert manifest["seed"] == 1
    assert manifest["is_synthetic"] is True
    assert set(manifest["input_tables"]) >= {"agencies", "participants", "timepoints"}


def test_nothing_in_the_results_is_about_a_person(report: Report, folder: Path) -> None:
    people = report.trial.table("participants")["participant_id"]
    workers = report.trial.table("participants")["worker_id"].dropna()
    for path in folder.rglob("*"):
        if path.suffix in (".csv", ".html", ".json", ".svg"):
            words = set(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
            assert words.isdisjoint(people), path.name
            assert words.isdisjoint(workers), path.name


def test_the_same_trial_and_seed_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = cpi.analyse(cpi.load_example_trial(), seed=1).save(tmp_path / "elsewhere")
    assert hashes(again) == hashes(folder)


def test_a_trial_without_a_protocol_is_refused(report: Report) -> None:
    with pytest.raises(DataError, match="CPI-E047"):
        cpi.analyse(replace(report.trial, protocol=None), seed=1)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, None])
def test_a_seed_that_is_no_whole_number_is_refused(report: Report, seed: object) -> None:
    with pytest.raises(DataError, match="CPI-E045"):
        cpi.analyse(report.trial, seed=seed)  # type: ignore[arg-type]


def test_a_part_that_the_protocol_does_not_name_is_left_out(report: Report, tmp_path: Path) -> None:
    protocol = report.trial.protocol
    assert protocol is not None
    # The other outcomes may be measures that the economic part derives.
    bare = protocol.model_copy(update={"economics": None, "outcomes": protocol.outcomes[:1]})
    partial = cpi.analyse(report.trial.with_protocol(bare), seed=1)
    assert partial.economics == {}
    assert "not part of this protocol" in partial.headlines[1]
    page = (partial.save(tmp_path / "out") / "report.html").read_text(encoding="utf-8")
    assert "An economic evaluation is not part of this protocol" in page
    assert "cost_effectiveness_plane" not in page


def test_an_analysis_that_cannot_be_done_is_an_error(report: Report) -> None:
    protocol = report.trial.protocol
    assert protocol is not None
    wrong = protocol.outcomes[0].model_copy(update={"measure": "no_such_measure"})
    broken = protocol.model_copy(update={"outcomes": (wrong,)})
    with pytest.raises(DataError, match="no_such_measure"):
        cpi.analyse(report.trial.with_protocol(broken), seed=1)


@pytest.fixture(scope="module")
def pbs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = reference_path("economics/pbs_long.csv")
    trial = cpi.load_trial(PBS_STUDY, data=data)
    return cpi.analyse(trial, seed=1).save(tmp_path_factory.mktemp("pbs") / "results")


def test_pbs_utility_model_is_that_of_lmer(pbs: Path) -> None:
    expected = reference_json("economics/pbs_expected.json")["lmer"]["qaly_adj"]
    row = read_table(pbs, "outcomes")[0]
    assert float(row["estimate"]) == pytest.approx(expected["est"], **MODEL)
    assert float(row["std_error"]) == pytest.approx(expected["se_kr"], **MODEL)
    assert float(row["df"]) == pytest.approx(expected["df_kr"], **MODEL)
    assert float(row["p_value"]) == pytest.approx(expected["p_kr"], **MODEL)
    assert int(row["n"]) == 204


def test_pbs_differences_are_those_of_least_squares(pbs: Path) -> None:
    expected = reference_json("economics/pbs_expected.json")
    rows = {row["quantity"]: row for row in read_table(pbs, "incremental")}
    adjusted = expected["stacked_ols"]
    assert float(rows["delta_cost"]["estimate"]) == pytest.approx(adjusted["dc"], **EXACT)
    assert float(rows["delta_effect"]["estimate"]) == pytest.approx(adjusted["de"], **EXACT)


def test_pbs_unadjusted_ratio_is_that_of_complete_cases(pbs: Path) -> None:
    raw = reference_json("economics/pbs_expected.json")["raw"]
    rows = {
        row["quantity"]: float(row["estimate"])
        for row in read_table(pbs, "economic_sensitivity")
        if row["analysis"] == "unadjusted" and row["method"] == "agencies resampled"
    }
    assert rows["delta_cost"] == pytest.approx(raw["mean_c"][1] - raw["mean_c"][0], **EXACT)
    assert rows["delta_effect"] == pytest.approx(raw["mean_e"][1] - raw["mean_e"][0], **EXACT)
    assert rows["icer"] == pytest.approx(22070.18, abs=0.005)


def test_pbs_page_has_no_banner_and_hashes_its_input(pbs: Path) -> None:
    assert "SYNTHETIC" not in (pbs / "report.html").read_text(encoding="utf-8")
    manifest = json.loads((pbs / "manifest.json").read_text(encoding="utf-8"))
    data = reference_path("economics/pbs_long.csv").read_bytes()
    assert hashlib.sha256(data).hexdigest() in manifest["input_files"].values()


def test_counts_of_the_descriptive_table_are_those_of_the_data(report: Report) -> None:
    table = report.tables["descriptive"]
    assert not isinstance(table, Result)
    values = report.measured.table("measurements")
    for (measure, timepoint), part in table.groupby(["measure", "timepoint"]):
        chosen = values[(values["measure"] == measure) & (values["timepoint"] == timepoint)]
        assert part["n_observed"].sum() == chosen["value"].notna().sum()
        total = np.nansum(part["n_observed"] * part["mean"])
        assert total == pytest.approx(chosen["value"].sum())
