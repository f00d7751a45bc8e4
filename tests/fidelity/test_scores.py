"""Fidelity scores, worked by hand on a few sheets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.fidelity import (
    build_fidelity_items,
    build_source_scores,
    derive_fidelity_scores,
)
from cpi_analysis.fidelity.scores import compute_composite
from tests.fidelity.small_trial import ITEMS, make_ratings, make_trial

FIVES = (5, 5, 5, 5, 5)
#: 1 to 5 becomes 0 to 1, so 3 is 50%.
THREES = (3, 3, 3, 3, 3)


def scores_of(sheets: dict, **changes: object) -> pd.DataFrame:
    return build_source_scores(make_trial(make_ratings(sheets), **changes))


def test_a_score_is_the_percentage_of_the_declared_range():
    # 0, .25, .5, .75, 1 average .5; 1 is 0%, not 20%.
    scores = scores_of(
        {
            ("P1", "worker"): (1, 2, 3, 4, 5),
            ("P1", "participant"): (1, 1, 1, 1, 1),
            ("P1", "researcher"): (5, 5, 5, 5, 4),
        }
    )
    assert scores.columns.tolist() == ["worker", "participant", "researcher"]
    assert scores.loc["P1"].tolist() == [50.0, 0.0, 95.0]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((5, 5, 5, 5, None), 100.0),  # four of five is the share that is demanded
        ((5, 5, 5, None, None), np.nan),
        ((5, 5, 5, 5, "skipped"), 100.0),
        ((5, 5, 5, 5, "not_observed"), 100.0),  # not the 80% of a zero in its place
        ((5, 5, 5, "not_observed", "not_observed"), np.nan),
        ((5, 5, 5, "not_applicable", "not_applicable"), 100.0),  # three were expected
        ((5, 5, None, "not_applicable", "not_applicable"), np.nan),  # two of three are not 80%
        (("not_applicable",) * 5, np.nan),
    ],
)
def test_what_is_not_rated_is_never_low(answers, expected):
    scores = scores_of({("P1", "worker"): answers, ("P2", "worker"): FIVES})
    assert scores.loc["P1", "worker"] == pytest.approx(expected, nan_ok=True)


def test_a_source_is_expected_to_answer_what_it_is_asked():
    # The researcher is asked two items only: both answered is complete.
    ratings = pd.concat(
        [
            make_ratings({("P1", "worker"): THREES}),
            make_ratings({("P1", "researcher"): (5, 3)}, items=ITEMS[:2]),
        ]
    )
    scores = build_source_scores(make_trial(ratings))
    assert scores.loc["P1", "researcher"] == 75.0
    assert np.isnan(scores.loc["P1", "participant"])


def test_raters_of_one_source_are_averaged():
    second = make_ratings({("P1", "worker"): FIVES}).assign(rater_id="another")
    ratings = pd.concat([make_ratings({("P1", "worker"): THREES}), second])
    assert build_source_scores(make_trial(ratings)).loc["P1", "worker"] == 75.0


def test_formative_items_agency_items_and_other_occasions_do_not_count():
    barriers = make_ratings({("P1", "worker"): (1, 1)}, items=("cpi_b_1", "cpi_b_2"))
    agency = make_ratings(
        {("A1", "worker"): (1, 1)}, items=("cpi_a_1", "cpi_a_2"), target_level="agency"
    )
    earlier = make_ratings({("P1", "worker"): (1, 1, 1, 1, 1)}, occasion="baseline")
    ratings = pd.concat([make_ratings({("P1", "worker"): FIVES}), barriers, agency, earlier])
    scores = build_source_scores(make_trial(ratings))
    assert scores.index.tolist() == ["P1"]
    assert scores.loc["P1", "worker"] == 100.0


def test_domains_of_agencies_are_scored_for_agencies():
    ratings = make_ratings(
        {("A1", "worker"): (3, 5)}, items=("cpi_a_1", "cpi_a_2"), target_level="agency"
    )
    scores = build_source_scores(make_trial(ratings), domain="cpi_a")
    assert scores.loc["A1", "worker"] == 75.0


def fidelity_of(trial: object) -> pd.Series:
    values = derive_fidelity_scores(trial).table("measurements")
    chosen = values[values["measure"] == "fidelity_percent"]
    assert set(chosen["timepoint"]) == {"m9"}
    return chosen.set_index("participant_id")["value"]


def test_fidelity_is_the_mean_of_at_least_two_sources():
    ratings = make_ratings(
        {
            ("P1", "worker"): FIVES,
            ("P1", "participant"): THREES,
            ("P1", "researcher"): THREES,
            ("P2", "worker"): FIVES,
            ("P2", "researcher"): THREES,
            ("P3", "worker"): FIVES,
        }
    )
    fidelity = fidelity_of(make_trial(ratings))
    assert fidelity["P1"] == pytest.approx(200 / 3, abs=1e-9)
    assert fidelity["P2"] == 75.0
    # One source is not enough, and who was not rated has a row too.
    assert fidelity[["P3", "P4"]].isna().all()
    assert len(fidelity) == 4


def test_with_one_planned_source_that_source_is_the_score():
    ratings = make_ratings({("P1", "worker"): FIVES, ("P1", "participant"): THREES})
    assert fidelity_of(make_trial(ratings, sources=("worker",)))["P1"] == 100.0


def test_the_mean_of_sources_reaches_a_cut_off_that_it_equals():
    # 47/60, 62/80 and 39/72 of the range average exactly 70%; their floats give 69.99999999999999.
    scores = pd.DataFrame(
        {"worker": [100 * 47 / 60], "participant": [100 * 62 / 80], "researcher": [100 * 39 / 72]}
    )
    assert scores.mean(axis=1)[0] < 70
    assert compute_composite(scores)[0] == 70


def test_the_measure_is_described_once():
    ratings = make_ratings({("P1", "worker"): FIVES, ("P1", "participant"): FIVES})
    measures = derive_fidelity_scores(make_trial(ratings)).table("measures").set_index("measure")
    assert measures.loc["fidelity_percent", ["minimum", "maximum"]].tolist() == [0, 100]


def test_the_order_of_rows_does_not_matter():
    sheets = {
        (f"P{number}", source): tuple((number + place) % 5 + 1 for place in range(5))
        for number in range(1, 5)
        for source in ("worker", "participant")
    }
    ratings = make_ratings(sheets)
    shuffled = ratings.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        build_source_scores(make_trial(ratings)), build_source_scores(make_trial(shuffled))
    )


def test_a_trial_without_ratings_or_plan_is_returned_as_it_is():
    bare = make_trial(None)
    assert derive_fidelity_scores(bare) is bare
    unplanned = make_trial(make_ratings({("P1", "worker"): FIVES}), with_plan=False)
    assert derive_fidelity_scores(unplanned) is unplanned


def test_items_are_people_by_items_in_the_order_of_the_key():
    ratings = make_ratings(
        {
            ("P2", "worker"): (1, 2, 3, 4, None),
            ("P1", "worker"): (5, 4, "not_observed", 2, 1),
            ("P1", "participant"): FIVES,
        }
    ).sample(frac=1, random_state=2)
    items = build_fidelity_items(make_trial(ratings), source="worker", domain="cpi_p")
    assert items.index.tolist() == ["P1", "P2"]
    assert items.columns.tolist() == list(ITEMS)
    expected = [[5, 4, np.nan, 2, 1], [1, 2, 3, 4, np.nan]]
    np.testing.assert_array_equal(items.to_numpy(), expected)


def test_unknown_choices_and_missing_plans_are_refused():
    ratings = make_ratings({("P1", "worker"): FIVES})
    trial = make_trial(ratings)
    with pytest.raises(DataError, match="CPI-E045"):
        build_fidelity_items(trial, source="manager", domain="cpi_p")
    with pytest.raises(DataError, match="CPI-E045"):
        build_source_scores(trial, domain="cpi_x")
    with pytest.raises(DataError, match="CPI-E047"):
        build_source_scores(make_trial(ratings, with_plan=False))
    with pytest.raises(DataError, match="CPI-E010"):
        build_source_scores(make_trial(None))
