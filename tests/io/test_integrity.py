"""Each rule between tables is broken once, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.io.instruments import load_instrument
from cpi_analysis.io.integrity import check_answers
from cpi_analysis.io.protocol import Contrast, OutcomePlan, Protocol
from cpi_analysis.io.trial import build_trial
from tests.io.small_trial import MARKER, changed, valid_tables

ARMS = Contrast(variable="arm", target="intervention", reference="comparison")
PLAN = Protocol(contrast=ARMS, outcomes=(OutcomePlan(measure="wemwbs", timepoint="m9"),))


def found(tables: dict[str, pd.DataFrame], **options: object) -> set[tuple[object, ...]]:
    with pytest.raises(DataError) as caught:
        build_trial(tables, title="t", **options)  # type: ignore[arg-type]
    assert MARKER not in str(caught.value)
    return {(f.code, f.table, f.column, f.rows) for f in caught.value.faults}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("participants", "agency_id"),
        ("workers", "agency_id"),
        ("visits", "participant_id"),
        ("visits", "timepoint"),
        ("responses", "participant_id"),
        ("measurements", "timepoint"),
        ("service_use", "participant_id"),
        ("fidelity_ratings", "occasion"),
        ("fidelity_ratings", "target_id"),
        ("network_members", "participant_id"),
        ("scoping_answers", "agency_id"),
        ("screening", "agency_id"),
    ],
)
def test_a_key_that_does_not_resolve(table: str, column: str) -> None:
    assert ("CPI-E030", table, column, (1,)) in found(changed(table, column, 0, MARKER))


def test_the_worker_of_a_participant_must_exist_when_workers_are_given() -> None:
    tables = changed("participants", "worker_id", 0, MARKER)
    assert found(tables) == {("CPI-E030", "participants", "worker_id", (1,))}
    del tables["workers"]
    del tables["fidelity_ratings"]
    assert build_trial(tables, title="t").has_table("participants")


def test_a_target_of_another_level() -> None:
    tables = changed("fidelity_ratings", "target_level", 0, "worker")
    assert found(tables) == {("CPI-E030", "fidelity_ratings", "target_id", (1,))}


def test_an_agency_in_both_arms() -> None:
    tables = valid_tables()
    other = tables["agencies"].iloc[[0]].assign(arm="comparison")
    tables["agencies"] = pd.concat([tables["agencies"], other], ignore_index=True)
    assert ("CPI-E031", "agencies", "arm", (1, 3)) in found(tables)


def test_a_participant_in_two_agencies() -> None:
    tables = valid_tables()
    other = tables["participants"].iloc[[0]].assign(agency_id="A2", worker_id="W2")
    tables["participants"] = pd.concat([tables["participants"], other], ignore_index=True)
    assert ("CPI-E032", "participants", "agency_id", (1, 5)) in found(tables)


def test_a_worker_of_another_agency() -> None:
    tables = changed("participants", "worker_id", 0, "W2")
    assert found(tables) == {("CPI-E039", "participants", "worker_id", (1,))}


def test_a_follow_up_before_the_baseline() -> None:
    tables = changed("visits", "visited_on", 1, pd.Timestamp("2012-09-01"))
    assert found(tables) == {("CPI-E033", "visits", "visited_on", (2,))}


def test_a_baseline_before_consent() -> None:
    tables = changed("visits", "visited_on", 2, pd.Timestamp("2012-08-31"))
    assert found(tables) == {("CPI-E033", "visits", "visited_on", (3,))}


def test_the_baseline_is_the_lowest_order_not_a_name() -> None:
    tables = valid_tables()
    names = {"baseline": "t0", "m9": "t1"}
    for table, column in (
        ("timepoints", "timepoint"),
        ("visits", "timepoint"),
        ("measurements", "timepoint"),
        ("responses", "timepoint"),
        ("service_use", "timepoint"),
        ("network_members", "timepoint"),
        ("fidelity_ratings", "occasion"),
    ):
        tables[table][column] = tables[table][column].map(names)
    tables["timepoints"] = tables["timepoints"].iloc[::-1]
    build_trial(tables, title="t")
    tables["visits"].loc[1, "visited_on"] = pd.Timestamp("2012-09-01")
    assert found(tables) == {("CPI-E033", "visits", "visited_on", (2,))}


@pytest.mark.parametrize(("column", "value"), [("order", 0), ("months", 0)])
def test_timepoints_increase(column: str, value: int) -> None:
    codes = {fault[0] for fault in found(changed("timepoints", column, 1, value))}
    assert codes == {"CPI-E017"}


def test_measures_and_their_ranges() -> None:
    assert found(changed("measurements", "measure", 0, MARKER)) == {
        ("CPI-E034", "measurements", "measure", (1,))
    }
    for value, code in ((13.9, "CPI-E035"), (70.1, "CPI-E035"), (999, "CPI-E026")):
        tables = changed("measurements", "value", 0, value)
        assert found(tables) == {(code, "measurements", "value", (1,))}
    assert ("CPI-E024", "measures", "minimum", (1,)) in found(changed("measures", "minimum", 0, 80))


def test_two_visits_at_one_timepoint() -> None:
    tables = changed("visits", "timepoint", 1, "baseline")
    assert ("CPI-E013", "visits", "participant_id + timepoint", (1, 2)) in found(tables)


def test_one_arm_only() -> None:
    tables = changed("agencies", "arm", 1, "intervention")
    assert {fault[0] for fault in found(tables, protocol=PLAN)} == {"CPI-E038"}
    # Without a protocol nobody said that arms are compared: the pilot had one group.
    trial = build_trial(tables, title="t")
    with pytest.raises(DataError) as caught:
        trial.with_protocol(PLAN)
    assert caught.value.codes == ("CPI-E038",)


def test_answers() -> None:
    rows = [(0, "wemwbs_01", 5), (1, "wemwbs_01", 6), (2, "wemwbs_02", 0), (3, "spin_01", 1),
            (4, "wemwbs_03", 99), (5, "wemwbs_04", None)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["n", "item", "answer"]).assign(instrument="wemwbs")
    faults = check_answers(table, {"wemwbs": load_instrument("wemwbs")})
    assert [(fault.code, fault.rows) for fault in faults] == [
        ("CPI-E037", (4,)),
        ("CPI-E036", (2, 3)),
        ("CPI-E026", (5,)),
    ]
    assert faults[1].allowed == "1 to 5"


def test_an_unknown_instrument() -> None:
    assert found(changed("responses", "instrument", 0, MARKER)) == {
        ("CPI-E043", "responses", "instrument", (1,))
    }
