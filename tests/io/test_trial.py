"""TrialData: checked once, frozen, and growing only by checked rows."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.schemas import TABLES
from cpi_analysis.io.trial import TrialData, build_trial, describe_trial
from tests.io.small_trial import changed, valid_tables


@pytest.fixture
def trial() -> TrialData:
    return build_trial(valid_tables(), title="Small <trial>", is_synthetic=True)


def test_a_valid_trial_passes_and_can_be_built_from_itself(trial: TrialData) -> None:
    assert trial.table_names == tuple(TABLES)
    again = build_trial({name: trial.table(name) for name in trial.table_names}, title="again")
    for name in TABLES:
        pd.testing.assert_frame_equal(again.table(name), trial.table(name))


def test_it_is_frozen(trial: TrialData) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        trial.title = "other"  # type: ignore[misc]
    people = trial.table("participants")
    people["age_years"] = 0
    assert trial.table("participants")["age_years"].min() == 30


def test_the_callers_tables_are_not_changed() -> None:
    tables = valid_tables()
    trial = build_trial(tables, title="t")
    tables["measurements"].loc[0, "value"] = 15.0
    assert trial.table("measurements").loc[0, "value"] == 14.0
    pd.testing.assert_frame_equal(tables["participants"], valid_tables()["participants"])


def test_a_missing_table_says_who_needs_it() -> None:
    tables = valid_tables()
    del tables["service_use"]
    trial = build_trial(tables, title="t")
    assert not trial.has_table("service_use")
    with pytest.raises(DataError, match="the economic evaluation needs the table service_use"):
        trial.table("service_use", needed_for="the economic evaluation")


@pytest.mark.parametrize(
    ("absent", "named"),
    [
        (("agencies",), "agencies"),
        (("participants",), "participants"),
        (("timepoints",), "timepoints"),
        (("responses", "measurements"), "responses or measurements"),
        (("measures",), "measures"),
    ],
)
def test_required_tables(absent: tuple[str, ...], named: str) -> None:
    tables = {name: table for name, table in valid_tables().items() if name not in absent}
    with pytest.raises(DataError) as caught:
        build_trial(tables, title="t")
    assert [(f.code, f.table) for f in caught.value.faults] == [("CPI-E010", named)]


def test_unknown_and_empty_tables() -> None:
    tables = valid_tables() | {"patients": pd.DataFrame()}
    tables["participants"] = tables["participants"].iloc[:0]
    with pytest.raises(DataError) as caught:
        build_trial(tables, title="t")
    assert {"CPI-E003", "CPI-E045", "CPI-E030"} <= set(caught.value.codes)


def test_all_faults_at_once_in_a_fixed_order() -> None:
    tables = changed("participants", "age_years", 1, 999)
    tables["agencies"].loc[0, "arm"] = "Both"
    tables["visits"].loc[0, "participant_id"] = "P9"
    with pytest.raises(DataError) as caught:
        build_trial(tables, title="t", row_labels={"visits": [2, 3, 4]}, files={"visits": "v.csv"})
    found = [(f.code, f.table, f.file, f.rows) for f in caught.value.faults]
    assert found == [
        ("CPI-E023", "agencies", None, (1,)),
        ("CPI-E026", "participants", None, (2,)),
        ("CPI-E030", "visits", "v.csv", (2,)),
    ]


def test_a_cell_that_could_not_be_read_is_reported_once() -> None:
    tables = changed("timepoints", "months", 1, None)
    unread = Fault(
        code="CPI-E020", rule="r", cure="c", table="timepoints", column="months", rows=(2,)
    )
    with pytest.raises(DataError) as caught:
        build_trial(tables, title="t", earlier_faults=[unread])
    assert caught.value.faults == (unread,)


def test_measurements_are_added_and_checked(trial: TrialData) -> None:
    values = pd.DataFrame(
        {
            "participant_id": ["P1", "P2"],
            "timepoint": ["m9", "m9"],
            "measure": ["qaly", "qaly"],
            "value": [0.5, None],
        }
    )
    measures = pd.DataFrame(
        {
            "measure": ["qaly"],
            "label": ["QALY"],
            "unit": ["years"],
            "minimum": [-1.0],
            "maximum": [1.0],
            "is_higher_better": [True],
        }
    )
    more = trial.with_measurements(values, measures=measures)
    assert len(more.table("measurements")) == 6
    assert len(trial.table("measurements")) == 4
    assert len(more.with_measurements(values.assign(timepoint="baseline"), measures=measures)
               .table("measures")) == 3  # fmt: skip
    for bad, code in (
        (values, "CPI-E034"),
        (values.assign(measure="wemwbs"), "CPI-E035"),
        (values.assign(measure="total_cost", participant_id="P9"), "CPI-E030"),
    ):
        with pytest.raises(DataError) as caught:
            trial.with_measurements(bad)
        assert code in caught.value.codes
    with pytest.raises(DataError) as caught:
        more.with_measurements(values)
    assert caught.value.codes == ("CPI-E013",)


def test_a_measure_cannot_be_redefined(trial: TrialData) -> None:
    measures = trial.table("measures").assign(maximum=1_000.0)
    empty = trial.table("measurements").iloc[:0]
    with pytest.raises(DataError) as caught:
        trial.with_measurements(empty, measures=measures)
    assert caught.value.codes == ("CPI-E013",)


def test_it_shows_itself(trial: TrialData) -> None:
    assert "SYNTHETIC DATA" in repr(trial)
    assert "4 participants" in repr(trial)
    page = trial._repr_html_()
    assert "Small &lt;trial&gt;" in page
    assert "SYNTHETIC DATA" in page
    assert "SYNTHETIC" not in repr(dataclasses.replace(trial, is_synthetic=False))


def test_the_overview_counts_missing_and_suspect_numbers() -> None:
    trial = build_trial(changed("participants", "age_years", 0, 99), title="t")
    overview = describe_trial(trial).set_index(["table", "column"])
    assert overview.loc[("participants", "age_years"), "n_suspect"] == 1
    assert overview.loc[("participants", "worker_id"), "n_missing"] == 1
    assert overview.loc[("measurements", "value"), "n_missing"] == 1
    assert overview.loc[("visits", "timepoint"), "n_rows"] == 3
