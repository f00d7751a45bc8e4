"""Change from baseline against hand arithmetic and scipy."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from scipy import stats

from cpi_analysis.effectiveness import build_analysis_set, estimate_paired_change
from cpi_analysis.errors import DataError, ModelError
from tests.effectiveness.made_trial import make_trial as make_made_trial
from tests.effectiveness.small_trial import make_trial


def make_set(baseline, outcome, groups):
    analysis_set = build_analysis_set(make_trial(), measure="wemwbs", timepoint="m9")
    data = pd.DataFrame(
        {
            "participant_id": [f"q{k}" for k in range(len(outcome))],
            "agency_id": "a1",
            "exposure": groups,
            "outcome": outcome,
            "baseline": baseline,
        }
    )
    return replace(analysis_set, data=data)


def test_hand_worked():
    # Changes 1, 2, 3, 5, 2: mean 2.6, sum of squares about it 9.2, variance 2.3,
    # standard error sqrt(2.3 / 5) = 0.678233, t = 3.833491; dz = 2.6 / sqrt(2.3) = 1.714389;
    # Hedges' factor for 4 df is 1 - 3 / (4 * 4 - 1) = 0.8.
    analysis_set = make_set(
        [10.0, 20.0, 30.0, 40.0, 50.0], [11.0, 22.0, 33.0, 45.0, 52.0], ["intervention"] * 5
    )
    result = estimate_paired_change(analysis_set)
    row = result.tidy().iloc[0]
    assert (row["group"], row["n"], row["df"]) == ("all", 5, 4)
    assert row["estimate"] == pytest.approx(2.6, rel=1e-12)
    assert row["std_error"] == pytest.approx(0.678233, abs=5e-7)
    assert row["statistic"] == pytest.approx(3.833491, abs=5e-7)
    assert row["effect_size_dz"] == pytest.approx(1.714389, abs=5e-7)
    assert row["effect_size_hedges"] == pytest.approx(0.8 * 1.714389, abs=5e-7)
    # t(4) at 0.975 is 2.776445 in any table.
    assert row["conf_low"] == pytest.approx(2.6 - 2.776445 * 0.678233, abs=5e-6)
    assert "No row for comparison: fewer than 3 participants." in result.notes


def test_agrees_with_scipy_by_group():
    analysis_set = build_analysis_set(make_trial(), measure="wemwbs", timepoint="m9")
    result = estimate_paired_change(analysis_set, confidence_level=0.9)
    rows = result.tidy().query("analysis == 'paired t test'").set_index("group")
    assert list(rows.index) == ["all", "intervention", "comparison"]
    for group, row in rows.iterrows():
        data = analysis_set.data
        part = data if group == "all" else data[data["exposure"] == group]
        test = stats.ttest_rel(part["outcome"], part["baseline"])
        interval = test.confidence_interval(0.9)
        assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-9)
        assert row["conf_low"] == pytest.approx(interval.low, rel=1e-9)
        assert row["conf_high"] == pytest.approx(interval.high, rel=1e-9)


def test_says_that_agencies_and_comparison_are_missing():
    result = estimate_paired_change(
        build_analysis_set(make_trial(), measure="wemwbs", timepoint="m9")
    )
    assert any("agencies are ignored" in note for note in result.notes)
    assert any("no estimate of an effect" in note for note in result.notes)
    assert "agencies ignored, no comparison; with agencies" in result.summary()
    assert " points on average from baseline to 9 months (95% CI" in result.summary()
    assert result.estimand.startswith("Mean change in Well-being (WEMWBS) from baseline to 9 ")
    assert set(result.tidy()["unit"]) == {"points"}
    ax = result.plot()
    assert "Mean change" in ax.get_xlabel()
    plt.close(ax.figure)


def test_change_with_agencies_is_that_of_lmer():
    # lmer(I(after - before) ~ 1 + (1|agency)) on the people of made_trial, all and by arm, with
    # Kenward-Roger: lme4 1.1-31 (bobyqa, rhoend 1e-13), pbkrtest 0.5.2.
    one = build_analysis_set(make_made_trial(), measure="score", timepoint="m9")
    rows = estimate_paired_change(one).tidy().set_index(["analysis", "group"])
    expected = {
        "all": [-6.78131763301, 1.30972031414, 10.99691901318],
        "intervention": [-5.96654191920, 1.43088466920, 4.99277425428],
    }
    for group, numbers in expected.items():
        row = rows.loc[("mixed model with agencies", group)]
        assert row[["estimate", "std_error", "df"]].tolist() == pytest.approx(numbers, rel=1e-6)


def test_one_agency_has_no_row_with_agencies():
    changes = [1.0, 2.0, 3.0, 5.0, 2.0]
    alone = make_set([10.0] * 5, [10.0 + change for change in changes], ["intervention"] * 5)
    result = estimate_paired_change(alone)
    assert set(result.tidy()["analysis"]) == {"paired t test"}
    assert any(note.startswith("No mixed model with agencies for all") for note in result.notes)


def test_refuses_sets_without_change():
    other = build_analysis_set(
        make_trial(), measure="wemwbs", timepoint="m9", baseline="eq5d_utility@m9"
    )
    none = build_analysis_set(make_trial(), measure="wemwbs", timepoint="m9", baseline="none")
    same = make_set([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0], ["intervention"] * 4)
    two = make_set([1.0, 2.0], [2.0, 5.0], ["intervention"] * 2)
    for wrong, code in ((other, "M004"), (none, "M004"), (same, "M003"), (two, "M001")):
        with pytest.raises(ModelError) as caught:
            estimate_paired_change(wrong)
        assert caught.value.codes == (f"CPI-{code}",)
    with pytest.raises(ModelError, match="wemwbs@m9: everybody changed by the same"):
        estimate_paired_change(same)
    with pytest.raises(DataError, match="CPI-E024"):
        estimate_paired_change(same, confidence_level=95)
