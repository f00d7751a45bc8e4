"""Tables over outcomes, and the description of a set."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cpi_analysis.effectiveness import (
    build_analysis_set,
    build_descriptive_table,
    build_outcome_table,
    fit_outcome_model,
)
from cpi_analysis.errors import DataError
from tests.effectiveness.small_trial import make_trial


def fit(measure: str = "wemwbs", baseline: str = "none"):
    return fit_outcome_model(
        build_analysis_set(make_trial(), measure=measure, timepoint="m9", baseline=baseline)
    )


def with_p_value(result, p_value: float):
    return replace(result, estimates=result.estimates.assign(p_value=p_value))


def test_rows_are_stacked_in_order():
    results = [fit("wemwbs", "same"), fit("eq5d_utility"), fit("fidelity_percent")]
    table = build_outcome_table(results)
    rows = table.tidy()
    assert list(rows["measure"]) == ["wemwbs", "eq5d_utility", "fidelity_percent"]
    assert list(rows["estimate"]) == [r.tidy()["estimate"][0] for r in results]
    assert list(rows["n"]) == [23, 25, 25]
    assert table.n_agencies == 6
    assert "3 outcomes were compared" in table.summary()
    assert list(rows["unit"]) == ["points", "utility", "percent"]


def test_different_numbers_analysed_are_said_and_not_summed_up():
    table = build_outcome_table([fit("wemwbs", "same"), fit("eq5d_utility")])
    assert table.n_participants is None
    assert table.n_agencies == 6
    assert table.method.endswith("; 23 to 25 participants, see column n")
    same = build_outcome_table([fit("eq5d_utility"), fit("eq5d_utility")])
    assert same.n_participants == 25
    assert "see column" not in same.method


def test_holm_is_over_the_secondary_outcomes():
    # Holm by hand: sorted 0.01, 0.03, 0.04 times 3, 2, 1 = 0.03, 0.06, 0.04, made monotone.
    one = fit()
    results = [with_p_value(one, p) for p in (0.02, 0.04, 0.01, 0.03)]
    adjusted = build_outcome_table(results).tidy()["p_value_holm"]
    assert np.isnan(adjusted[0])
    assert adjusted[1:].tolist() == pytest.approx([0.06, 0.03, 0.06])


def test_one_outcome_has_no_adjustment():
    table = build_outcome_table([fit()])
    assert table.tidy()["p_value_holm"].isna().all()
    assert not any("Holm" in note for note in table.notes)


def test_different_levels_or_no_outcome_are_refused():
    analysis_set = build_analysis_set(make_trial(), measure="wemwbs", timepoint="m9")
    results = [fit_outcome_model(analysis_set, confidence_level=level) for level in (0.9, 0.95)]
    for wrong in (results, []):
        with pytest.raises(DataError) as caught:
            build_outcome_table(wrong)
        assert caught.value.codes == ("CPI-E045",)


def test_outcome_figure_has_the_primary_outcome_on_top():
    table = build_outcome_table([fit("wemwbs", "same"), fit("eq5d_utility")])
    ax = table.plot()
    places = dict(zip((t.get_text() for t in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    assert places["Well-being (WEMWBS), m9"] > places["EQ-5D utility, m9"]
    assert "standard deviations" in ax.get_xlabel()
    plt.close(ax.figure)


def test_description_by_hand():
    analysis_set = build_analysis_set(make_trial(), measure="wemwbs", timepoint="m9")
    part = analysis_set.data[analysis_set.data["exposure"] == "intervention"]
    values = [float(value) for value in part["outcome"]]
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    table = build_descriptive_table(analysis_set)
    rows = table.tidy().set_index(["timepoint", "group"])
    assert list(rows.index) == [
        ("baseline", "intervention"),
        ("baseline", "comparison"),
        ("m9", "intervention"),
        ("m9", "comparison"),
    ]
    row = rows.loc[("m9", "intervention")]
    assert (row["n"], row["n_agencies"]) == (10, 3)
    assert row["mean"] == pytest.approx(mean, rel=1e-12)
    assert row["std_dev"] == pytest.approx(variance**0.5, rel=1e-12)
    assert (row["minimum"], row["maximum"]) == (min(values), max(values))
    assert rows.loc[("m9", "comparison"), "n"] == 13
    ax = table.plot()
    assert len(ax.get_xticks()) == 2
    plt.close(ax.figure)


def test_description_without_baseline_has_the_outcome_only():
    analysis_set = build_analysis_set(
        make_trial(), measure="wemwbs", timepoint="m9", baseline="none"
    )
    assert list(build_descriptive_table(analysis_set).tidy()["timepoint"]) == ["m9", "m9"]
