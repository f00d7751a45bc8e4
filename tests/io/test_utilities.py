"""Utilities against published states, and the refusal of levels that do not fit."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.io.instruments import load_value_set
from cpi_analysis.io.utilities import compute_utilities

# Published utilities have three decimals and are exact sums of decrements with three decimals;
# only the order of the additions may differ.
EXACT = 1e-12

# Tests of the R package eq5d (TTO.csv) for the MVH A1 set of Dolan 1997.
ANCHORS_UK_3L = {
    "11111": 1.0,
    "21111": 0.850,
    "12111": 0.815,
    "11211": 0.883,
    "11121": 0.796,
    "11112": 0.848,
    "11113": 0.414,
    "11221": 0.760,
    "22222": 0.516,
    "11223": 0.255,
    "21232": 0.088,
    "33221": -0.037,
    "12321": 0.329,
    "22323": 0.024,
    "33333": -0.594,
}
# Rowen et al. 2026.
ANCHORS_UK_5L = {
    "11111": 1.0,
    "22222": 0.784,
    "33333": 0.604,
    "44444": -0.209,
    "55555": -0.567,
}
# Devlin et al. 2018.
ANCHORS_ENG_5L = {"11111": 1.0, "55555": -0.285, "23245": 0.247}

DIMENSIONS = (
    "eq5d_mobility",
    "eq5d_self_care",
    "eq5d_usual_activities",
    "eq5d_pain",
    "eq5d_anxiety",
)


@pytest.mark.parametrize(
    ("value_set", "anchors"),
    [
        ("UK_3L_A1", ANCHORS_UK_3L),
        ("UK_5L_2026", ANCHORS_UK_5L),
        ("ENG_5L_2018", ANCHORS_ENG_5L),
    ],
)
def test_published_states(value_set: str, anchors: dict[str, float]) -> None:
    utilities = compute_utilities(list(anchors), value_set=value_set)
    np.testing.assert_allclose(utilities, list(anchors.values()), rtol=0, atol=EXACT)


def test_all_states_of_three_levels() -> None:
    states = np.array(list(itertools.product((1, 2, 3), repeat=5)))
    utilities = compute_utilities(states, value_set="UK_3L_A1")
    assert len(utilities) == 243
    assert utilities.min() == pytest.approx(-0.594, abs=EXACT)
    # The highest utility below full health is that of 11211.
    assert np.sort(utilities)[-2] == pytest.approx(0.883, abs=EXACT)
    assert len(set(utilities.round(9))) > 200


def test_n3_is_taken_once() -> None:
    # 1 - .081 - .269 - .314 - .214: two dimensions at the worst level, one N3 term.
    assert compute_utilities(["33111"], value_set="UK_3L_A1")[0] == pytest.approx(0.122, abs=EXACT)


@pytest.mark.parametrize("value_set", ["UK_3L_A1", "UK_5L_2026", "ENG_5L_2018"])
def test_a_worse_level_never_has_a_higher_utility(value_set: str) -> None:
    n_levels = load_value_set(value_set).n_levels
    states = np.array(list(itertools.product(range(1, n_levels + 1), repeat=5)))
    utilities = compute_utilities(states, value_set=value_set).reshape((n_levels,) * 5)
    for axis in range(5):
        assert np.diff(utilities, axis=axis).max() <= EXACT


def test_three_shapes_agree() -> None:
    texts = ["11111", "21232", "33333"]
    array = np.array([[int(level) for level in text] for text in texts])
    # Columns in another order, another column, and an index that is not a count.
    frame = pd.DataFrame(array, columns=DIMENSIONS, index=[7, 3, 9])[list(DIMENSIONS[::-1])]
    frame["participant_id"] = ["a", "b", "c"]
    expected = [1.0, 0.088, -0.594]
    for profiles in (texts, pd.Series(texts), array, array.astype(float), frame):
        utilities = compute_utilities(profiles, value_set="UK_3L_A1")
        np.testing.assert_allclose(utilities, expected, rtol=0, atol=EXACT)


def test_any_missing_dimension_is_a_missing_utility() -> None:
    profiles = pd.DataFrame([[1, 1, 1, 1, None], [1, 1, 1, 1, 1]], columns=DIMENSIONS)
    for frame in (profiles, profiles.astype("Int64")):
        utilities = compute_utilities(frame, value_set="UK_3L_A1")
        assert np.isnan(utilities[0])
        assert utilities[1] == 1.0
    assert np.isnan(compute_utilities([None, "", "  "], value_set="UK_3L_A1")).all()
    assert compute_utilities([], value_set="UK_3L_A1").shape == (0,)


def test_five_level_answers_in_a_three_level_set_are_an_error() -> None:
    with pytest.raises(DataError) as caught:
        compute_utilities(["11111", "11141", "11151", "15111"], value_set="UK_3L_A1")
    by_column = {fault.column: fault for fault in caught.value.faults}
    assert caught.value.codes == ("CPI-E044",)
    assert by_column["eq5d_pain"].rows == (2, 3)
    assert by_column["eq5d_self_care"].rows == (4,)
    assert "1 to 3" in str(caught.value)


@pytest.mark.parametrize("wrong", [0, 6, 9, -1, 1.5, 999, np.inf, "severe"])
def test_impossible_level(wrong: object) -> None:
    profiles = pd.DataFrame([[1, 1, 1, 1, 1], [1, wrong, 1, 1, 1]], columns=DIMENSIONS)
    with pytest.raises(DataError) as caught:
        compute_utilities(profiles, value_set="UK_5L_2026")
    (fault,) = caught.value.faults
    assert (fault.code, fault.column, fault.rows) == ("CPI-E036", "eq5d_self_care", (2,))


def test_message_does_not_give_the_level_away() -> None:
    profiles = pd.DataFrame([[1, 1, 1, 1, 987654]], columns=DIMENSIONS)
    with pytest.raises(DataError) as caught:
        compute_utilities(profiles, value_set="UK_3L_A1")
    assert "987654" not in str(caught.value)
    with pytest.raises(DataError) as caught:
        compute_utilities(["98765432"], value_set="UK_3L_A1")
    assert "98765432" not in str(caught.value)
    assert caught.value.codes == ("CPI-E036",)


def test_profiles_of_another_shape() -> None:
    with pytest.raises(DataError, match="CPI-E045"):
        compute_utilities(np.ones((3, 4)), value_set="UK_3L_A1")
    with pytest.raises(DataError, match="CPI-E045"):
        compute_utilities(np.array([11111, 21232]), value_set="UK_3L_A1")
    with pytest.raises(DataError) as caught:
        compute_utilities(pd.DataFrame({"eq5d_mobility": [1]}), value_set="UK_3L_A1")
    assert caught.value.codes == ("CPI-E011",)
    assert {fault.column for fault in caught.value.faults} == set(DIMENSIONS[1:])


def test_value_set_that_is_not_known() -> None:
    with pytest.raises(DataError) as caught:
        compute_utilities(["11111"], value_set="UK_3L")
    (fault,) = caught.value.faults
    assert fault.code == "CPI-E044"
    assert "UK_3L_A1" in fault.cure
    assert "ENG_5L_2018" in (fault.allowed or "")
