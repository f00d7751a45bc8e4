"""What is sound file by file and wrong as a whole: plans, prices, codes, columns used twice."""

from __future__ import annotations

import hashlib

import pandas as pd
import pytest

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.load import load_trial
from cpi_analysis.io.protocol import Protocol
from cpi_analysis.io.study_checks import check_study
from cpi_analysis.io.study_file import check_study_settings
from cpi_analysis.io.trial import build_trial
from cpi_analysis.io.variables import pick_measure
from tests.io.small_trial import MARKER, changed, valid_tables
from tests.io.test_load import TABLES, documented_example, make_folder

STUDY = """
[study]
title = "T"
is_synthetic = true

[analysis.contrast]
variable = "arm"
target = "intervention"
reference = "comparison"

[[analysis.outcomes]]
measure = "wemwbs"
timepoint = "m9"
covariates = ["client_group"]
"""


def faults_of(tables: dict[str, pd.DataFrame], **options: object) -> tuple[Fault, ...]:
    with pytest.raises(DataError) as caught:
        build_trial(tables, title="t", **options)  # type: ignore[arg-type]
    assert MARKER not in str(caught.value)
    return caught.value.faults


def refused(path) -> DataError:
    with pytest.raises(DataError) as caught:
        load_trial(path)
    return caught.value


def with_study(folder, text):
    make_folder(folder)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_service_without_a_price_is_named_by_its_rows() -> None:
    tables = changed("service_use", "service", 0, MARKER)
    (fault,) = faults_of(tables)
    assert (fault.code, fault.table, fault.column) == ("CPI-E046", "service_use", "service")
    assert fault.rows == (1,)
    # Who prices nothing needs no prices.
    del tables["unit_costs"]
    assert build_trial(tables, title="t").has_table("service_use")


def test_contacts_of_a_service_that_was_not_used() -> None:
    (fault,) = faults_of(changed("service_use", "is_used", 0, False))
    assert (fault.code, fault.column, fault.rows) == ("CPI-E024", "contacts", (1,))
    tables = changed("service_use", "is_used", 0, None)
    assert build_trial(tables, title="t").has_table("service_use")


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ('measure = "wemwbs"', 'measure = "wemwb"', "analysis.outcomes[0]", "`wemwbs`"),
        ('timepoint = "m9"', 'timepoint = "m8"', "analysis.outcomes[0]", "allowed: baseline, m9"),
        ('["client_group"]', '["clientgroup"]', "outcomes[0].covariates", "`client_group`"),
        ('["client_group"]', '["wemwbs@m10"]', "outcomes[0].covariates", "allowed: baseline, m9"),
        ('["client_group"]', '["agency_id"]', "outcomes[0].covariates", "allowed: "),
        ("covariates", 'baseline = "smae"\ncovariates', "outcomes[0].baseline", "measure@"),
        ("covariates", 'baseline = "rg_uk@m9"\ncovariates', "outcomes[0].baseline", "rg_uk"),
        (
            "[[analysis",
            "[analysis.populations]\nall = ['wemwbs@m7']\n[[analysis",
            "analysis.populations.all",
            "allowed: baseline, m9",
        ),
        (
            "[[analysis",
            "[analysis.fidelity]\ninstrument = 'cpi_fidelity'\noccasion = 'm99'\n"
            "sources = ['worker']\n[[analysis",
            "analysis.fidelity.occasion",
            "did you mean `m9`?",
        ),
    ],
)
def test_a_plan_that_asks_for_what_is_not_there(tmp_path, old, new, place, said) -> None:
    assert load_trial(with_study(tmp_path, STUDY)).protocol is not None
    assert old in STUDY
    (tmp_path / "study.toml").write_text(STUDY.replace(old, new, 1), encoding="utf-8")
    error = refused(tmp_path)
    assert set(error.codes) == {"CPI-E041"}
    assert place in str(error)
    assert said in str(error)


def test_a_measure_that_is_declared_and_never_measured(tmp_path) -> None:
    with_study(tmp_path, STUDY)
    path = tmp_path / "measurements.csv"
    path.write_text(path.read_text().replace("m9", "baseline").replace("P1,baseline,wemwbs,\n", "")
                    .replace("P2,baseline,wemwbs,44\n", ""))  # fmt: skip
    error = refused(tmp_path)
    assert "`wemwbs` is asked for at m9, where it is not measured" in str(error)
    assert "wemwbs@baseline" in str(error)


ECONOMICS = """
[analysis.economics]
effect = "qaly"
utility = { measure = "wemwbs" }
utility_timepoints = ["baseline", "m9"]
cost = { from_service_use = true, perspective = "nhs_pss", price_year = "2012/13", recall = "as_recorded" }
cost_timepoints = ["m9"]
adjust_for_baseline = false
thresholds = [20000]
headline_threshold = 20000
threshold_maximum = 50000
replicates = 1000
"""  # noqa: E501
USE = "participant_id,timepoint,service,is_used,contacts\n"
PRICES = (
    "service,unit,unit_cost_gbp,price_year,source,is_verified\n"
    "gp,contact,45,2012/13,made up for a test,false\n"
)


def test_derived_measures_may_be_asked_for(tmp_path) -> None:
    economic = STUDY.replace('measure = "wemwbs"', 'measure = "qaly"\nbaseline = "none"')
    with_study(tmp_path, economic + ECONOMICS)
    use = tmp_path / "service_use.csv"
    use.write_text(USE + "P1,m9,gp,true,2\n")
    (tmp_path / "unit_costs.csv").write_text(PRICES)
    assert load_trial(tmp_path).has_table("service_use")
    use.write_text(USE + "P1,baseline,gp,true,2\n")
    error = refused(tmp_path)
    assert "analysis.economics.cost_timepoints, `total_cost` is asked for at m9" in str(error)


@pytest.mark.parametrize("code", [999, 9999, 99999, -9, -99, -999])
def test_a_code_for_missing_in_a_measure_without_limits(code: int) -> None:
    tables = changed("measurements", "value", 3, code)
    (fault,) = faults_of(tables)
    assert (fault.code, fault.column, fault.rows) == ("CPI-E026", "value", (4,))
    assert "missing_codes" in fault.cure
    assert str(code) not in str(fault)
    limits = {"minimum": [14.0, -1e6], "maximum": [70.0, 1e6]}
    tables["measures"] = tables["measures"].assign(**limits)
    assert build_trial(tables, title="t").has_table("measurements")


def test_a_derived_value_may_be_any_number() -> None:
    value = pd.DataFrame(
        {"participant_id": ["P1"], "timepoint": ["m9"], "measure": ["total_cost"], "value": [999.0]}
    )
    trial = build_trial(valid_tables(), title="t").with_measurements(value)
    assert pick_measure(trial, "total_cost@m9")["P1"] == 999.0


TWICE = {
    "study": {"title": "T", "is_synthetic": True},
    "files": {"f": {"path": "a.csv", "keys": {"participant_id": "id", "timepoint": "time"}}},
    "timepoints": {"baseline": {"months": 0}, "m9": {"months": 9}},
}


@pytest.mark.parametrize(
    ("parts", "places"),
    [
        (
            {"measures": {name: {"label": "l", "unit": "u", "column": "w"} for name in ("a", "b")}},
            ("`measures.a.column`", "`measures.b.column`"),
        ),
        (
            {"responses": {"wemwbs": {"items": {"wemwbs_01": "w", "wemwbs_02": "w"}}}},
            ("`responses.wemwbs.items.wemwbs_01`", "`responses.wemwbs.items.wemwbs_02`"),
        ),
        (
            {
                "measures": {"a": {"label": "l", "unit": "u", "columns": {"m9": "w"}}},
                "responses": {"wemwbs": {"items_by_timepoint": {"m9": {"wemwbs_01": "w"}}}},
            },
            ("`measures.a.columns.m9`", "`responses.wemwbs.items_by_timepoint.m9.wemwbs_01`"),
        ),
    ],
)
def test_a_column_that_gives_two_things(parts, places) -> None:
    with pytest.raises(DataError) as caught:
        check_study(check_study_settings({**TWICE, **parts}))
    (fault,) = caught.value.faults
    assert fault.code == "CPI-E041"
    assert all(place in fault.rule for place in places)


def test_notes_of_the_load_are_apart_from_what_is_assumed(tmp_path) -> None:
    make_folder(tmp_path, participants="participant_id,agency_id,worker_id\nP1,T1,W1\nP2,T2,\n")
    (tmp_path / "letters.csv").write_text("a\n1\n")
    trial = load_trial(tmp_path)
    assert trial.assumptions == ()
    assert trial.load_notes == (
        "letters.csv is not a table of the model and was not read",
        "participants.worker_id refers to the table workers, which is not there: not checked",
    )
    assert "2 notes of the load" in repr(trial)


def test_the_study_file_is_among_the_sources(tmp_path) -> None:
    study = documented_example(tmp_path)
    sources = load_trial(study).sources
    assert sources["study.toml"] == hashlib.sha256(study.read_bytes()).hexdigest()
    assert set(sources) == {"study.toml", "interviews.csv"}


WIDE = """
[study]
title = "T"
is_synthetic = true

[files.f]
path = "wide.csv"
keys = { participant_id = "id", agency_id = "site" }

[timepoints]
baseline = { months = 0 }
m9 = { months = 9 }

[tables.agencies]
[tables.participants]

[measures.well_being]
label = "Well-being"
unit = "points"
minimum = -0.594
maximum = 1
columns = { baseline = "w0", m9 = "w9" }

[measures.cost]
label = "Cost"
unit = "GBP"
minimum = 0
columns = { m9 = "c9" }
"""


def test_one_column_is_named_with_its_range(tmp_path) -> None:
    (tmp_path / "study.toml").write_text(WIDE)
    (tmp_path / "wide.csv").write_text(
        "id,site,w0,w9,c9\nP1,T1,0.5,1.5,10\nP2,T1,0.5,0.5,x\nP3,T2,0.5,1.6,-3\n"
    )
    faults = refused(tmp_path / "study.toml").faults
    assert [(fault.code, fault.column, fault.rows, fault.allowed) for fault in faults] == [
        ("CPI-E020", "c9", (3,), "numbers that are finite"),
        ("CPI-E035", "w9", (2, 4), "well_being: -0.594 to 1"),
        ("CPI-E035", "c9", (4,), "cost: from 0"),
    ]
    assert {fault.file for fault in faults} == {"wide.csv"}


def test_one_item_is_named_among_many(tmp_path) -> None:
    items = 'items_by_timepoint = { m9 = { wemwbs_01 = "i1", wemwbs_02 = "i2" } }'
    measures = WIDE[WIDE.index("[measures.well_being]") :]
    (tmp_path / "study.toml").write_text(WIDE.replace(measures, f"[responses.wemwbs]\n{items}\n"))
    (tmp_path / "wide.csv").write_text("id,site,i1,i2\nP1,T1,1,9\nP2,T1,2,8\nP3,T2,3.5,3\n")
    faults = refused(tmp_path / "study.toml").faults
    assert [(fault.code, fault.column, fault.rows, fault.allowed) for fault in faults] == [
        ("CPI-E021", "i1", (4,), "whole numbers that are finite"),
        ("CPI-E036", "i2", (2, 3), "1 to 5"),
    ]


def test_an_agency_without_an_arm_when_arms_are_compared() -> None:
    contrast = {"variable": "arm", "target": "intervention", "reference": "comparison"}
    plan = Protocol.model_validate(
        {"contrast": contrast, "outcomes": ({"measure": "wemwbs", "timepoint": "m9"},)}
    )
    tables = valid_tables()
    third = pd.DataFrame({"agency_id": ["A3"], "sector": ["statutory"]})
    tables["agencies"] = pd.concat([tables["agencies"], third], ignore_index=True)
    (fault,) = faults_of(tables, protocol=plan)
    assert (fault.code, fault.table, fault.column) == ("CPI-E014", "agencies", "arm")
    assert fault.rows == (3,)
    assert build_trial(tables, title="t").protocol is None


def test_a_bad_date_names_the_format_that_was_declared(tmp_path) -> None:
    people = "participant_id,agency_id,recruited_on\nP1,T1,01/02/2013\nP2,T2,2013-02-01\n"
    make_folder(tmp_path, participants=people)
    (tmp_path / "study.toml").write_text(
        '[study]\ntitle = "T"\nis_synthetic = true\n'
        '[files.participants]\ndate_format = "%d/%m/%Y"\n'
    )
    (fault,) = refused(tmp_path).faults
    assert (fault.code, fault.rows) == ("CPI-E022", (3,))
    assert "%d/%m/%Y" in fault.rule
    assert "YYYY-MM-DD" not in str(fault)
    assert set(TABLES) == {path.stem for path in tmp_path.glob("*.csv")}
