"""Utilities and QALYs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import compute_eq5d_utility, compute_qalys
from cpi_analysis.errors import DataError
from tests.reference import reference_json, reference_path


def test_two_interviews_nine_months_apart():
    """0.75 × (.5 + .6)/2 = .4125."""
    wide = pd.DataFrame({"baseline": [0.5], "m9": [0.6]}, index=["p1"])
    qalys = compute_qalys(wide, months={"baseline": 0, "m9": 9})
    assert qalys["p1"] == pytest.approx(0.4125)
    assert qalys.name == "qaly"


def test_three_interviews_weigh_a_quarter_a_half_a_quarter():
    wide = pd.DataFrame([[0.2, 0.6, 1.0]], columns=["m0", "m6", "m12"])
    assert compute_qalys(wide, months=[0, 6, 12])[0] == pytest.approx(0.05 + 0.3 + 0.25)


def test_pbs_means_by_arm():
    """Complete cases 108 and 96: .49207 and .61278 QALYs (R)."""
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    raw = reference_json("economics/pbs_expected.json")["raw"]
    qalys = compute_qalys(data[["e1", "e2", "e3"]], months={"e1": 0, "e2": 6, "e3": 12})
    is_complete = qalys.notna() & data[["c2", "c3"]].notna().all(axis=1)
    means = qalys[is_complete].groupby(data["trt"])
    assert means.count().tolist() == raw["n"] == [108, 96]
    assert means.mean().tolist() == pytest.approx(raw["mean_e"], rel=1e-9)
    assert means.mean().tolist() == pytest.approx([0.49207, 0.61278], abs=5e-6)


def test_full_health_over_two_years_is_discounted_in_the_second_only():
    """1 + 1/1.035 = 1.966184: nothing within the first twelve months."""
    wide = pd.DataFrame({"start": [1.0], "end": [1.0]})
    months = {"start": 0, "end": 24}
    assert compute_qalys(wide, months=months, discount_rate=0.035)[0] == pytest.approx(
        1 + 1 / 1.035
    )
    assert compute_qalys(wide, months=months, discount_rate=0)[0] == pytest.approx(2.0)
    # 18 months: half of the second year.
    half = compute_qalys(wide, months={"start": 0, "end": 18}, discount_rate=0.035)[0]
    assert half == pytest.approx(1 + 0.5 / 1.035)


def test_a_straight_line_over_two_years_is_cut_at_twelve_months():
    """From 0 to 1: mean ¼ in the first year and ¾ in the second."""
    wide = pd.DataFrame({"start": [0.0], "end": [1.0]})
    found = compute_qalys(wide, months={"start": 0, "end": 24}, discount_rate=0.5)[0]
    assert found == pytest.approx(0.25 + 0.75 / 1.5)


def test_a_rate_changes_nothing_within_twelve_months():
    wide = pd.DataFrame({"a": [0.3, 0.7], "b": [0.6, 0.2]})
    months = {"a": 0, "b": 12}
    pd.testing.assert_series_equal(
        compute_qalys(wide, months=months), compute_qalys(wide, months=months, discount_rate=0.035)
    )


def test_any_missing_utility_makes_the_qaly_missing():
    wide = pd.DataFrame({"a": [0.5, np.nan, 0.5], "b": [0.5, 0.5, 0.5], "c": [0.5, 0.5, np.nan]})
    assert compute_qalys(wide, months=[0, 6, 9]).isna().tolist() == [False, True, True]


def test_columns_are_put_in_the_order_of_their_months():
    wide = pd.DataFrame({"late": [0.9], "early": [0.1], "middle": [0.4]})
    found = compute_qalys(wide, months={"late": 12, "early": 0, "middle": 3})[0]
    assert found == pytest.approx(0.25 * 0.25 + 0.75 * 0.65)


@pytest.mark.parametrize(
    ("utilities", "months", "code"),
    [
        ({"a": [0.5], "b": [1.2]}, {"a": 0, "b": 9}, "CPI-E024"),
        ({"a": [0.5], "b": [np.inf]}, {"a": 0, "b": 9}, "CPI-E024"),
        ({"a": [0.5], "b": [0.6]}, {"a": 0, "b": 24}, "CPI-E047"),
        ({"a": [0.5], "b": [0.6]}, {"a": 0}, "CPI-E047"),
        ({"a": [0.5], "b": [0.6]}, {"a": 0, "c": 9}, "CPI-E011"),
        ({"a": [0.5], "b": [0.6]}, {"a": 9, "b": 9}, "CPI-E024"),
        ({"a": [0.5], "b": [0.6]}, [0, 6, 9], "CPI-E047"),
        ({"a": [0.5]}, {"a": 0}, "CPI-E024"),
        ({"a": [0.5], "b": [0.6]}, {"a": 3, "b": 9}, "CPI-E024"),
        ({"a": [0.5], "b": ["good"]}, {"a": 0, "b": 9}, "CPI-E020"),
    ],
)
def test_what_has_no_area_is_refused(utilities, months, code):
    with pytest.raises(DataError) as caught:
        compute_qalys(pd.DataFrame(utilities), months=months)
    assert caught.value.codes == (code,)


def test_the_value_set_must_be_named_and_decides_the_utility():
    """Anchors of Dolan 1997 (MVH A1): 22222 = .516, 33333 = −.594."""
    found = compute_eq5d_utility(["11111", "22222", "33333"], value_set="UK_3L_A1")
    assert found == pytest.approx([1.0, 0.516, -0.594])
    with pytest.raises(TypeError):
        compute_eq5d_utility(["11111"])


def test_profiles_as_numbers_are_refused_with_the_cure():
    with pytest.raises(DataError) as caught:
        compute_eq5d_utility([11111, 21232], value_set="UK_3L_A1")
    assert caught.value.codes == ("CPI-E045",)
    assert "give texts" in caught.value.faults[0].cure


def test_two_columns_of_utilities_with_one_name_are_refused():
    wide = pd.DataFrame([[0.5, 0.6, 0.7]], columns=["a", "b", "b"])
    with pytest.raises(DataError) as caught:
        compute_qalys(wide, months={"a": 0, "b": 9})
    assert caught.value.codes == ("CPI-E006",)


# death -----------------------------------------------------------------------------------------


def test_utility_falls_to_zero_at_death_and_stays_there():
    """0.8 falls to 0 over half a year: a triangle of 0.2; the living keep their trapezium."""
    wide = pd.DataFrame({"b": [0.8, 0.8], "m12": [np.nan, 0.6]}, index=["x", "y"])
    died = pd.Series({"x": 6.0})
    found = compute_qalys(wide, months={"b": 0, "m12": 12}, died_at_months=died)
    assert found.tolist() == pytest.approx([0.2, 0.7])


def test_death_between_later_interviews_keeps_what_was_lived():
    """0.8 and 0.6 at 0 and 6 months: 0.35; then 0.6 falls to 0 by month 9: 0.075."""
    wide = pd.DataFrame({"b": [0.8], "m6": [0.6], "m12": [0.0]})
    found = compute_qalys(
        wide, months={"b": 0, "m6": 6, "m12": 12}, died_at_months=pd.Series([9.0])
    )
    assert found.tolist() == pytest.approx([0.425])


def test_a_death_after_the_last_interview_changes_nothing():
    wide = pd.DataFrame({"b": [0.8], "m12": [0.6]})
    found = compute_qalys(wide, months=[0, 12], died_at_months=pd.Series([13.0]))
    assert found.tolist() == pytest.approx([0.7])


def test_death_in_the_second_year_is_discounted_like_life():
    """1 for a year, then falling to 0 by month 18: 1 + 0.25/1.035."""
    wide = pd.DataFrame({"b": [1.0], "m12": [1.0], "m24": [np.nan]})
    found = compute_qalys(
        wide, months=[0, 12, 24], discount_rate=0.035, died_at_months=pd.Series([18.0])
    )
    assert found.tolist() == pytest.approx([1 + 0.25 / 1.035])


@pytest.mark.parametrize(("utility", "month"), [(0.6, 6.0), (np.nan, 0.0), (np.nan, -2.0)])
def test_impossible_deaths_are_refused(utility, month):
    wide = pd.DataFrame({"b": [0.8], "m12": [utility]})
    with pytest.raises(DataError) as caught:
        compute_qalys(wide, months=[0, 12], died_at_months=pd.Series([month]))
    assert caught.value.codes == ("CPI-E024",)
