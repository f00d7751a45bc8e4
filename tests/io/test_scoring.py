"""Scores against hand arithmetic and published tables, and what must hold for any answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpi_analysis.errors import DataError
from cpi_analysis.io.instruments import Instrument, MissingRule, load_instrument
from cpi_analysis.io.protocol import Contrast, OutcomePlan, Protocol
from cpi_analysis.io.scoring import (
    build_measures,
    compute_agency_scores,
    compute_scores,
    derive_scores,
)
from cpi_analysis.io.scoring_rules import reverse_answers, score_answers
from cpi_analysis.io.trial import TrialData, build_trial

# Sums of weights with three or four decimals: only the order of additions may differ.
EXACT = 1e-12
# facts with four decimals
FOUR_DECIMALS = 5e-5

Answer = float | None


def answers_of(
    items: Sequence[str], people: dict[str, Sequence[Answer]], *, timepoint: str = "baseline"
) -> pd.DataFrame:
    rows = [
        (person, timepoint, item, answer)
        for person, answers in people.items()
        for item, answer in zip(items, answers, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["participant_id", "timepoint", "item", "answer"])
    return table.astype({"answer": "float64"})


def scores_of(
    name: str,
    people: dict[str, Sequence[Answer]],
    *,
    missing_rule: Any = None,
) -> dict[str, dict[str, float]]:
    items = load_instrument(name).item_ids
    scores = compute_scores(answers_of(items, people), instrument=name, missing_rule=missing_rule)
    wide = scores.pivot(index="participant_id", columns="measure", values="value")
    return wide.to_dict(orient="index")  # type: ignore[return-value]


def test_wemwbs_by_hand() -> None:
    found = scores_of(
        "wemwbs",
        {
            "lowest": [1] * 14,
            "highest": [5] * 14,
            # 1+2+3+4+5 = 15, twice, and 1+2+3+4 = 10.
            "mixed": [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4],
            "one_missing": [3] * 13 + [None],
        },
    )
    values = {person: scores["wemwbs"] for person, scores in found.items()}
    assert math.isnan(values.pop("one_missing"))
    assert values == {"lowest": 14.0, "highest": 70.0, "mixed": 40.0}


def test_wemwbs_prorated_on_request() -> None:
    rule = MissingRule(rule="prorate", minimum_answered=11)
    people = {
        # 11 answers with sum 33 - 3 = 30: 30 / 11 * 14.
        "three_missing": [2, 2, 2, *[3] * 8, None, None, None],
        "four_missing": [3] * 10 + [None] * 4,
        "complete": [2] * 14,
    }
    found = scores_of("wemwbs", people, missing_rule=rule)
    assert found["three_missing"]["wemwbs"] == pytest.approx(30 * 14 / 11, abs=EXACT)
    assert math.isnan(found["four_missing"]["wemwbs"])
    assert found["complete"]["wemwbs"] == 28.0


# Raw sum to metric score: four independent public code files agree on these 29 values.
SWEMWBS = {
    7: 7.00,
    8: 9.51,
    9: 11.25,
    10: 12.40,
    11: 13.33,
    12: 14.08,
    13: 14.75,
    14: 15.32,
    15: 15.84,
    16: 16.36,
    17: 16.88,
    18: 17.43,
    19: 17.98,
    20: 18.59,
    21: 19.25,
    22: 19.98,
    23: 20.73,
    24: 21.54,
    25: 22.35,
    26: 23.21,
    27: 24.11,
    28: 25.03,
    29: 26.02,
    30: 27.03,
    31: 28.13,
    32: 29.31,
    33: 30.70,
    34: 32.55,
    35: 35.00,
}


def spread(total: int) -> list[float]:
    """Return seven answers from 1 to 5 with the sum ``total``."""
    above = total - 7
    return [1.0 + min(4, max(0, above - 4 * place)) for place in range(7)]


def test_swemwbs_whole_table() -> None:
    found = scores_of("swemwbs", {f"raw_{raw:02d}": spread(raw) for raw in SWEMWBS})
    assert {int(name[4:]): scores["swemwbs"] for name, scores in found.items()} == SWEMWBS


def test_swemwbs_comes_from_the_answers_to_wemwbs() -> None:
    items = load_instrument("wemwbs").item_ids
    # Items 1, 2, 3, 6, 7, 9, 11 are 5, 4, 3, 2, 1, 2, 3 (sum 20); the others are 5.
    answers: list[Answer] = [5, 4, 3, 5, 5, 2, 1, 5, 2, 5, 3, 5, 5, 5]
    table = answers_of(items, {"P1": answers}).assign(instrument="wemwbs")
    assert compute_scores(table, instrument="swemwbs")["value"].tolist() == [18.59]
    # An item that the short form does not have may be missing.
    table.loc[table["item"] == "wemwbs_04", "answer"] = np.nan
    assert compute_scores(table, instrument="swemwbs")["value"].tolist() == [18.59]
    table.loc[table["item"] == "wemwbs_11", "answer"] = np.nan
    assert compute_scores(table, instrument="swemwbs")["value"].isna().tolist() == [True]


def test_swemwbs_cannot_be_prorated() -> None:
    with pytest.raises(DataError, match="needs every item") as caught:
        scores_of(
            "swemwbs",
            {"P1": [3] * 7},
            missing_rule=MissingRule(rule="prorate", minimum_share=0.5),
        )
    assert caught.value.codes == ("CPI-E045",)


def test_rg_uk_by_hand() -> None:
    yes, no, gone = 1, 0, None
    found = scores_of(
        "rg_uk",
        {
            "all": [yes] * 27,
            "none": [no] * 27,
            # parts of 6, 8, 6 and 7 items: 3 of 5 answered; 8 of 8; 2 of 4 answered; 0 of 7
            "some": [
                *(yes, yes, yes, no, no, gone),
                *(yes,) * 8,
                *(yes, yes, no, no, gone, gone),
                *(no,) * 7,
            ],
            # 22 answered, all yes: 81% of 27
            "just_enough": [yes] * 22 + [gone] * 5,
            # 21 answered: 78%
            "not_enough": [yes] * 21 + [gone] * 6,
        },
    )
    assert found["all"] == {
        "rg_uk": 27.0,
        "rg_uk_domestic": 6.0,
        "rg_uk_expert_advice": 8.0,
        "rg_uk_personal_skills": 6.0,
        "rg_uk_problem_solving": 7.0,
    }
    assert set(found["none"].values()) == {0.0}
    some = found["some"]
    assert some["rg_uk_domestic"] == pytest.approx(3 / 5 * 6, abs=EXACT)
    assert some["rg_uk_expert_advice"] == 8.0
    assert math.isnan(some["rg_uk_personal_skills"])
    assert some["rg_uk_problem_solving"] == 0.0
    assert some["rg_uk"] == pytest.approx(13 / 24 * 27, abs=EXACT)
    assert found["just_enough"]["rg_uk"] == 27.0
    assert math.isnan(found["not_enough"]["rg_uk"])
    assert math.isnan(found["just_enough"]["rg_uk_problem_solving"])


def test_the_rule_of_the_key_can_be_overridden() -> None:
    people: dict[str, Sequence[Answer]] = {"P1": [1] * 26 + [None]}
    assert scores_of("rg_uk", people)["P1"]["rg_uk"] == 27.0
    strict = scores_of("rg_uk", people, missing_rule="complete")["P1"]
    assert math.isnan(strict["rg_uk"])
    assert strict["rg_uk_domestic"] == 6.0


@pytest.mark.parametrize(
    ("name", "measure", "by_level", "tolerance"),
    [
        # All items at level 1, 2, 3, 4. ASCOT's recalled weights reach the verified range.
        ("ascot_sct4", "ascot_scrqol", [0.9986, 0.7575, 0.1696, -0.1706], FOUR_DECIMALS),
        ("icecap_a", "icecap_a", [-0.001, 0.441, 0.848, 1.000], EXACT),
        # The inner two are the sums of the five published weights, by hand.
        ("icecap_o", "icecap_o", [0.0, 0.5558, 0.8680, 1.0], EXACT),
    ],
)
def test_preference_weighted(
    name: str, measure: str, by_level: list[float], tolerance: float
) -> None:
    n_items = len(load_instrument(name).items)
    people = {f"level_{level}": [level] * n_items for level in (1, 2, 3, 4)}
    found = [scores[measure] for scores in scores_of(name, people).values()]
    np.testing.assert_allclose(found, by_level, rtol=0, atol=tolerance)


def test_preference_weights_belong_to_their_item() -> None:
    # ASCOT, all ideal but control at level 3: 0.203 * (7.215 - 1.000 + 0.541) - 0.466.
    ascot = scores_of("ascot_sct4", {"P1": [3, *[1] * 7]})["P1"]["ascot_scrqol"]
    assert ascot == pytest.approx(0.905468, abs=EXACT)
    # ICECAP-O, full but attachment at level 1: 1 - .2535 - .0128.
    icecap_o = scores_of("icecap_o", {"P1": [1, 4, 4, 4, 4]})["P1"]["icecap_o"]
    assert icecap_o == pytest.approx(0.7337, abs=EXACT)
    # ICECAP-A, full but stability at level 3: 1 - .222 + .191.
    icecap_a = scores_of("icecap_a", {"P1": [3, 4, 4, 4, 4]})["P1"]["icecap_a"]
    assert icecap_a == pytest.approx(0.969, abs=EXACT)
    missing = scores_of("icecap_a", {"P1": [3, 4, 4, 4, None]})["P1"]["icecap_a"]
    assert math.isnan(missing)


def test_spin_by_hand() -> None:
    # The answer is the number of the item modulo 5: 1 2 3 4 0 1 2 3 4 0 1 2 3 4 0 1 2.
    found = scores_of("spin", {"P1": [item % 5 for item in range(1, 18)]})["P1"]
    assert found == {
        "spin": 33.0,
        "spin_fear": 1.0 + 3 + 0 + 0 + 4 + 0,
        "spin_avoidance": 4.0 + 1 + 3 + 4 + 1 + 2 + 1,
        "spin_physiological": 2.0 + 2 + 3 + 2,
    }


def test_scope_by_hand() -> None:
    answers: list[Answer] = [4, *[1, 5] * 4, *[7, 1, 4, 4] * 2]
    found = scores_of("scope_short", {"P1": answers, "P2": [None, *answers[1:]]})
    assert found["P1"] == {
        "scope_inclusion": 4.0,
        "scope_opportunities": 3.0,
        "scope_satisfaction": 4.0,
    }
    assert math.isnan(found["P2"]["scope_inclusion"])


@pytest.mark.parametrize(
    "name", ["wemwbs", "swemwbs", "rg_uk", "scope_short", "ascot_sct4", "icecap_a", "icecap_o"]
)
def test_declared_ends_are_reached(name: str) -> None:
    key = load_instrument(name)
    low = [item.minimum for item in key.items]
    high = [item.maximum for item in key.items]
    # Level 1 is the best of ASCOT and the worst of the others.
    people = {"low": high, "high": low} if name == "ascot_sct4" else {"low": low, "high": high}
    found = scores_of(name, people)
    for scale in key.scales:
        assert found["low"][scale.measure] == pytest.approx(scale.minimum, abs=EXACT)
        assert found["high"][scale.measure] == pytest.approx(scale.maximum, abs=EXACT)


def test_an_expected_assessment_has_a_row() -> None:
    items = load_instrument("mini_spin").item_ids
    missed = answers_of(items, {"P2": [None] * 3})
    partial = answers_of(items, {"P3": [1, 2, 3]}).iloc[:2]
    table = pd.concat([answers_of(items, {"P1": [1, 2, 3]}), missed, partial])
    scores = compute_scores(table, instrument="mini_spin")
    assert list(scores.columns) == ["participant_id", "timepoint", "measure", "value"]
    assert scores["participant_id"].tolist() == ["P1", "P2", "P3"]
    assert scores["value"].isna().tolist() == [False, True, True]


def test_timepoints_and_other_instruments_are_kept_apart() -> None:
    items = load_instrument("mini_spin").item_ids
    first = answers_of(items, {"P1": [1, 1, 1], "P2": [2, 2, 2]}).assign(instrument="spin")
    second = answers_of(items, {"P1": [4, 4, 4]}, timepoint="m9").assign(instrument="spin")
    other = answers_of(["eq5d_pain"], {"P9": [2]}).assign(instrument="eq5d_3l")
    scores = compute_scores(pd.concat([second, other, first]), instrument="mini_spin")
    assert scores["value"].tolist() == [3.0, 12.0, 6.0]
    assert scores["timepoint"].tolist() == ["baseline", "m9", "baseline"]


def test_a_profile_has_no_score() -> None:
    items = load_instrument("eq5d_3l").item_ids
    scores = compute_scores(answers_of(items, {"P1": [1] * 5}), instrument="eq5d_3l")
    assert scores.empty
    assert list(scores.columns) == ["participant_id", "timepoint", "measure", "value"]


def test_no_rows() -> None:
    items = load_instrument("wemwbs").item_ids
    assert compute_scores(answers_of(items, {}), instrument="wemwbs").empty


def test_agency_questionnaire() -> None:
    key = load_instrument("agency_selection")
    table = pd.DataFrame({"agency_id": "A1", "item": key.item_ids, "rating": [9, 8, 7] + [5] * 15})
    scores = compute_agency_scores(table, instrument=key).set_index("measure")["value"]
    assert scores["agency_selection_a"] == 8.0
    assert scores["agency_selection_b"] == 5.0
    assert scores["agency_selection"] == pytest.approx(99 / 18, abs=EXACT)
    # Its scales are not about participants.
    with pytest.raises(DataError, match="compute_agency_scores"):
        compute_scores(answers_of(key.item_ids, {"P1": [5] * 18}), instrument=key)


def test_fidelity_answers_by_hand() -> None:
    key = load_instrument("cpi_fidelity")
    # (answer - 1) / 4: worker's cycle all 1.0; barriers half .5 and half .0; the rest .25
    level = {"cpi_w_": 5, "cpi_b_": 3}
    answers = [level.get(item[:6], 2) for item in key.item_ids]
    table = answers_of(key.item_ids, {"P1": answers})
    table.loc[table["item"].isin([f"cpi_b_{place}" for place in (5, 6, 7, 8)]), "answer"] = 1
    scores = compute_scores(table, instrument=key).set_index("measure")["value"]
    assert scores["cpi_w"] == 100.0
    assert scores["cpi_b"] == 25.0
    assert scores["cpi_p"] == 25.0
    # 8 of the 27 items at 100 and 19 at 25; barriers do not count.
    assert scores["fidelity_percent"] == pytest.approx((8 * 100 + 19 * 25) / 27, abs=EXACT)
    # Items about the agency never enter the score of a participant.
    assert "cpi_a" not in scores.index


def test_all_faults_at_once_without_values() -> None:
    items = load_instrument("mini_spin").item_ids
    good = answers_of(items, {"P1": [1, 2, 3]})
    bad = pd.DataFrame(
        {
            "participant_id": "P7777",
            "timepoint": "baseline",
            "item": ["spin_06", "spin_09", "spin_09", "wemwbs_01", "spin_15"],
            "answer": [98765.0, 1.0, 1.0, 1.0, 0.5],
        }
    )
    with pytest.raises(DataError) as caught:
        compute_scores(pd.concat([good, bad]), instrument="mini_spin")
    places = {(fault.code, fault.column, fault.rows) for fault in caught.value.faults}
    assert places == {
        ("CPI-E037", "item", (7,)),
        ("CPI-E013", "item", (5, 6)),
        ("CPI-E036", "answer", (4,)),
        ("CPI-E036", "answer", (8,)),
    }
    assert "an answer to spin_06" in str(caught.value)
    assert "98765" not in str(caught.value)
    assert "P7777" not in str(caught.value)


def test_rows_are_counted_in_the_table_that_was_given() -> None:
    items = load_instrument("mini_spin").item_ids
    other = answers_of(["eq5d_pain"], {"P9": [2]}).assign(instrument="eq5d_3l")
    bad = answers_of(items, {"P1": [1, 9, 3]}).assign(instrument="spin")
    with pytest.raises(DataError) as caught:
        compute_scores(pd.concat([other, bad]), instrument="mini_spin")
    assert [fault.rows for fault in caught.value.faults] == [(3,)]


def test_text_is_not_an_answer() -> None:
    table = answers_of(load_instrument("mini_spin").item_ids, {"P1": [1, 2, 3]})
    table["answer"] = ["1", "often", "3"]
    with pytest.raises(DataError) as caught:
        compute_scores(table, instrument="mini_spin")
    assert caught.value.codes == ("CPI-E020",)
    assert "often" not in str(caught.value)


def test_missing_column() -> None:
    with pytest.raises(DataError) as caught:
        compute_scores(pd.DataFrame({"item": ["spin_06"]}), instrument="mini_spin")
    assert {fault.column for fault in caught.value.faults} == {
        "participant_id",
        "timepoint",
        "answer",
    }


def test_rule_that_is_not_a_rule() -> None:
    with pytest.raises(DataError, match="CPI-E045"):
        scores_of("wemwbs", {"P1": [3] * 14}, missing_rule="prorate")


USER_KEY = """
id = "loneliness"
title = "A questionnaire of the user's own"
status = "A"
source = "made for this test"
licence = "none"

[[item_sets]]
ids = ["lonely_01", "lonely_02", "lonely_03"]
minimum = 1
maximum = 4
reversed = ["lonely_02"]

[[scales]]
measure = "loneliness"
label = "Loneliness"
items = "all"
method = "sum"
unit = "points"
minimum = 3
maximum = 12
is_higher_better = false
missing = { rule = "prorate", minimum_answered = 2 }
"""


def test_a_user_adds_an_instrument_with_one_file(tmp_path: Path) -> None:
    path = tmp_path / "loneliness.toml"
    path.write_text(USER_KEY, encoding="utf-8")
    items = ("lonely_01", "lonely_02", "lonely_03")
    # Nobody in the data answers 4: the declared range turns 3 into 2, not into 1.
    people: dict[str, Sequence[Answer]] = {
        "P1": [1, 1, 1],  # 1 + 4 + 1
        "P2": [2, 3, 3],  # 2 + 2 + 3
        "P3": [3, None, 1],  # (3 + 1) / 2 * 3
        "P4": [None, 2, None],
    }
    scores = compute_scores(answers_of(items, people), instrument=path)
    assert scores["value"].tolist()[:3] == [6.0, 7.0, 6.0]
    assert math.isnan(scores["value"].iloc[3])
    assert build_measures(path).iloc[0].to_dict() == {
        "measure": "loneliness",
        "label": "Loneliness [A]",
        "unit": "points",
        "minimum": 3.0,
        "maximum": 12.0,
        "is_higher_better": False,
    }


# What must hold for any answers.

# Each example makes a few tables, which takes longer than making the numbers.
few_examples = settings(max_examples=40, deadline=None)
CELL = st.one_of(st.none(), st.integers(1, 4))
ROWS = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12)


def user_key(missing: dict[str, Any], method: str = "sum") -> Instrument:
    ends = {"sum": (3, 12), "mean": (1, 4), "percent_of_range": (0, 100)}[method]
    marks = {"status": "A", "source": "test"}
    return Instrument.model_validate(
        {
            "id": "loneliness",
            "title": "t",
            "licence": "none",
            **marks,
            "item_sets": [
                {
                    "ids": ["lonely_01", "lonely_02", "lonely_03"],
                    "minimum": 1,
                    "maximum": 4,
                    "reversed": ["lonely_02"],
                }
            ],
            "scales": [
                {
                    "measure": "loneliness",
                    "label": "l",
                    "items": "all",
                    "method": method,
                    "unit": "points",
                    "minimum": ends[0],
                    "maximum": ends[1],
                    "is_higher_better": False,
                    "missing": missing,
                }
            ],
        }
    )


PRORATED = {"rule": "prorate", "minimum_answered": 1}


def as_table(rows: list[tuple[int | None, ...]]) -> pd.DataFrame:
    items = ("lonely_01", "lonely_02", "lonely_03")
    return answers_of(items, {f"P{place:02d}": row for place, row in enumerate(rows)})


@few_examples
@given(answers=ROWS, low=st.integers(-3, 1), width=st.integers(1, 9))
def test_reversing_twice_changes_nothing(
    answers: list[tuple[int | None, ...]], low: int, width: int
) -> None:
    matrix = np.array(answers, dtype=np.float64)
    n_items = matrix.shape[1]
    ends = {"minimum": np.full(n_items, low), "maximum": np.full(n_items, low + width)}
    which = np.array([True, False, True])
    once = reverse_answers(matrix, is_reversed=which, **ends)  # type: ignore[arg-type]
    twice = reverse_answers(once, is_reversed=which, **ends)  # type: ignore[arg-type]
    np.testing.assert_array_equal(twice, matrix)


@few_examples
@given(rows=ROWS, method=st.sampled_from(["sum", "mean", "percent_of_range"]))
def test_a_score_is_in_its_declared_range(rows: list[tuple[int | None, ...]], method: str) -> None:
    key = user_key(PRORATED, method)
    values = compute_scores(as_table(rows), instrument=key)["value"]
    assert len(values) == len(rows)
    observed = values.dropna()
    assert observed.between(key.scales[0].minimum, key.scales[0].maximum).all()
    answered = [any(cell is not None for cell in row) for row in rows]
    assert values.notna().tolist() == answered


@few_examples
@given(rows=ROWS, seed=st.integers(0, 2**16))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int | None, ...]], seed: int) -> None:
    table = as_table(rows)
    shuffled = table.sample(frac=1, random_state=seed)
    key = user_key(PRORATED)
    pd.testing.assert_frame_equal(
        compute_scores(table, instrument=key), compute_scores(shuffled, instrument=key)
    )


@few_examples
@given(rows=ROWS)
def test_a_missing_row_is_a_missing_answer(rows: list[tuple[int | None, ...]]) -> None:
    rows = [(1, *row[1:]) for row in rows]
    table, key = as_table(rows), user_key({"rule": "complete"})
    pd.testing.assert_frame_equal(
        compute_scores(table, instrument=key), compute_scores(table.dropna(), instrument=key)
    )


@few_examples
@given(level=st.integers(0, 1), gaps=st.sets(st.integers(0, 26), max_size=5))
def test_prorated_score_of_constant_answers_is_the_complete_score(
    level: int, gaps: set[int]
) -> None:
    answers = [None if place in gaps else level for place in range(27)]
    assert scores_of("rg_uk", {"P1": answers})["P1"]["rg_uk"] == 27.0 * level


@few_examples
@given(rows=ROWS)
def test_proration_leaves_complete_answers_alone(rows: list[tuple[int | None, ...]]) -> None:
    strict, mild = user_key({"rule": "complete"}), user_key(PRORATED)
    table = as_table(rows)
    complete = compute_scores(table, instrument=strict)["value"]
    prorated = compute_scores(table, instrument=mild)["value"]
    has_score = complete.notna()
    assert complete[has_score].tolist() == prorated[has_score].tolist()
    assert has_score.tolist() == [None not in row for row in rows]


def test_score_answers_does_not_change_its_input() -> None:
    key = user_key(PRORATED)
    answers = np.array([[1.0, 2.0, np.nan]])
    kept = answers.copy()
    score_answers(answers, scale=key.scales[0], items=key.items)
    np.testing.assert_array_equal(answers, kept)


def plan_of(*instruments: str) -> Protocol:
    return Protocol(
        contrast=Contrast(variable="arm", target="intervention", reference="comparison"),
        outcomes=(OutcomePlan(measure="wemwbs", timepoint="m9"),),
        instruments=instruments,
    )


def trial_of(*instruments: str, **tables: pd.DataFrame) -> TrialData:
    whole = {
        "agencies": pd.DataFrame(
            {"agency_id": ["A1", "A2"], "arm": ["intervention", "comparison"]}
        ),
        "participants": pd.DataFrame(
            {"participant_id": ["P1", "P2", "P3"], "agency_id": ["A1", "A2", "A2"]}
        ),
        "timepoints": pd.DataFrame(
            {"timepoint": ["baseline", "m9", "m12"], "months": [0, 9, 12], "order": [0, 1, 2]}
        ),
        "responses": wemwbs_answers(),
        **tables,
    }
    return build_trial(whole, title="Three people", protocol=plan_of(*instruments))


def wemwbs_answers() -> pd.DataFrame:
    items = load_instrument("wemwbs").item_ids
    return pd.concat(
        [
            answers_of(items, {"P1": [3] * 14, "P2": [4] * 14}),
            answers_of(items, {"P1": [5] * 14}, timepoint="m9"),
        ]
    ).assign(instrument="wemwbs")


def test_derive_scores_of_the_protocol() -> None:
    trial = trial_of("wemwbs", "swemwbs", "rg_uk", "eq5d_3l", "cpi_fidelity")
    derived = derive_scores(trial)
    values = derived.table("measurements").set_index(["participant_id", "timepoint", "measure"])
    assert values["value"].to_dict() == {
        ("P1", "baseline", "wemwbs"): 42.0,
        ("P1", "m9", "wemwbs"): 70.0,
        ("P2", "baseline", "wemwbs"): 56.0,
        ("P1", "baseline", "swemwbs"): 19.25,
        ("P1", "m9", "swemwbs"): 35.0,
        ("P2", "baseline", "swemwbs"): 25.03,
    }
    measures = derived.table("measures")
    assert sorted(measures["measure"]) == ["swemwbs", "wemwbs"]
    assert measures["label"].str.endswith(("[V]", "[R]")).all()
    assert not trial.has_table("measurements")


def test_a_missed_interview_is_a_missing_score() -> None:
    visits = pd.DataFrame(
        {
            "participant_id": ["P1", "P1", "P2", "P2", "P3", "P1"],
            "timepoint": ["baseline", "m9", "baseline", "m9", "baseline", "m12"],
        }
    )
    scores = derive_scores(trial_of("wemwbs", visits=visits)).table("measurements")
    missing = scores.loc[scores["value"].isna(), ["participant_id", "timepoint"]]
    # Nobody was asked at m12, so nothing is missing there.
    assert sorted(missing.to_numpy().tolist()) == [["P2", "m9"], ["P3", "baseline"]]
    assert len(scores) == 5


def test_the_dictionary_of_the_trial_comes_first() -> None:
    own = build_measures("wemwbs").assign(label="Our own label")
    derived = derive_scores(trial_of("wemwbs", "swemwbs", measures=own))
    labels = derived.table("measures").set_index("measure")["label"]
    assert labels["wemwbs"] == "Our own label"
    assert labels["swemwbs"].startswith("Mental well-being")


def test_a_score_that_exists_already_is_not_replaced() -> None:
    derived = derive_scores(trial_of("wemwbs"))
    with pytest.raises(DataError, match="CPI-E013"):
        derive_scores(derived)


def test_nothing_to_score_returns_the_trial() -> None:
    trial = trial_of("rg_uk")
    assert derive_scores(trial) is trial


def test_faults_of_all_instruments_at_once() -> None:
    trial = trial_of("wemwbs").with_protocol(plan_of("wemwb", "rguk"))
    with pytest.raises(DataError) as caught:
        derive_scores(trial)
    assert [fault.code for fault in caught.value.faults] == ["CPI-E043", "CPI-E043"]


def test_an_instrument_of_the_user_in_a_trial(tmp_path: Path) -> None:
    path = tmp_path / "loneliness.toml"
    path.write_text(USER_KEY, encoding="utf-8")
    items = ("lonely_01", "lonely_02", "lonely_03")
    answers = answers_of(items, {"P1": [1, 1, 1], "P2": [2, 3, 3]}).assign(instrument="loneliness")
    scores = derive_scores(trial_of(str(path), responses=answers)).table("measurements")
    assert scores["measure"].tolist() == ["loneliness", "loneliness"]
    assert scores["value"].tolist() == [6.0, 7.0]
