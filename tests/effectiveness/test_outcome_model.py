"""The adjusted difference: numbers, words and figure."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cpi_analysis.effectiveness import build_analysis_set, fit_mixed_model, fit_outcome_model
from cpi_analysis.effectiveness.wording import format_interval, phrase_amount
from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.io.protocol import Contrast, OutcomePlan, Protocol
from cpi_analysis.io.trial import build_trial
from tests.effectiveness.small_trial import ARMS, BANDS, make_tables, make_trial, protocol_with
from tests.reference import reference_json, reference_path

#: lmer's default optimiser leaves the variances of PBS loose in the fifth digit.
LMER_DEFAULT = 1e-5


def fit_small(protocol=None, **options):
    settings = {"measure": "wemwbs", "timepoint": "m9", **options}
    analysis_set = build_analysis_set(make_trial(protocol), **settings)
    return fit_outcome_model(analysis_set)


def test_agrees_with_pbkrtest_on_a_real_cluster_trial():
    wide = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    ids = "p" + wide["id"].astype(str)
    columns = {"e1": ("utility", "t0"), "qaly": ("qaly", "t2")}
    columns |= {"c1": ("cost", "t0"), "cost": ("total", "t2")}
    rows = [
        pd.DataFrame(
            {"participant_id": ids, "timepoint": when, "measure": measure, "value": wide[name]}
        )
        for name, (measure, when) in columns.items()
    ]
    sites = wide[["site", "trt"]].drop_duplicates().sort_values("site")
    trial = build_trial(
        {
            "agencies": pd.DataFrame(
                {
                    "agency_id": "s" + sites["site"].astype(str),
                    "arm": np.where(sites["trt"] == 1, "intervention", "comparison"),
                }
            ).reset_index(drop=True),
            "participants": pd.DataFrame(
                {"participant_id": ids, "agency_id": "s" + wide["site"].astype(str)}
            ),
            "timepoints": pd.DataFrame(
                {"timepoint": ["t0", "t2"], "months": [0.0, 12.0], "order": [0, 1]}
            ),
            "measures": pd.DataFrame(
                {
                    "measure": ["utility", "qaly", "cost", "total"],
                    "label": ["utility", "QALY", "cost", "cost"],
                    "unit": ["utility", "QALY", "GBP", "GBP"],
                    "minimum": [-1.0, -1.0, 0.0, 0.0],
                    "maximum": [1.0, 1.0, 1e7, 1e7],
                    "is_higher_better": [True, True, False, False],
                }
            ),
            "measurements": pd.concat(rows, ignore_index=True),
        },
        title="PBS",
        protocol=Protocol(
            contrast=ARMS,
            outcomes=(OutcomePlan(measure="qaly", timepoint="t2"),),
            populations={"complete": ("qaly@t2", "total@t2", "utility@t0", "cost@t0")},
        ),
    )
    blocks = reference_json("economics/pbs_expected.json")["lmer"]
    plans = {
        "qaly_adj": ("qaly", "utility@t0"),
        "qaly_unadj": ("qaly", "none"),
        "cost_adj": ("total", "cost@t0"),
        "cost_unadj": ("total", "none"),
    }
    for name, (measure, baseline) in plans.items():
        analysis_set = build_analysis_set(
            trial, measure=measure, timepoint="t2", baseline=baseline, population="complete"
        )
        row, block = fit_outcome_model(analysis_set).tidy().iloc[0], blocks[name]
        assert (row["n"], row["n_agencies"]) == (204, 23)
        assert row["estimate"] == pytest.approx(block["est"], rel=LMER_DEFAULT)
        assert row["std_error"] == pytest.approx(block["se_kr"], rel=LMER_DEFAULT)
        assert row["df"] == pytest.approx(block["df_kr"], rel=10 * LMER_DEFAULT)
        assert row["p_value"] == pytest.approx(block["p_kr"], rel=10 * LMER_DEFAULT)


def test_balanced_trial_without_baseline_is_the_t_test_of_the_agency_means():
    tables = make_tables()
    people = tables["participants"].groupby("agency_id").head(3)
    tables["participants"] = people.reset_index(drop=True)
    rng = np.random.default_rng(3)
    values = 50 + 4 * rng.normal(size=6).repeat(3) + rng.normal(size=18)
    tables["measurements"] = pd.DataFrame(
        {
            "participant_id": people["participant_id"].to_numpy(),
            "timepoint": "m9",
            "measure": "wemwbs",
            "value": values,
        }
    )
    trial = build_trial(tables, title="Balanced", protocol=protocol_with())
    result = fit_outcome_model(
        build_analysis_set(trial, measure="wemwbs", timepoint="m9", baseline="none")
    )
    means = values.reshape(6, 3).mean(axis=1)
    test = stats.ttest_ind(means[:3], means[3:])
    row = result.tidy().iloc[0]
    assert row["estimate"] == pytest.approx(means[:3].mean() - means[3:].mean(), rel=1e-9)
    assert row["statistic"] == pytest.approx(test.statistic, rel=1e-7)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-7)
    assert row["df"] == pytest.approx(4.0, rel=1e-7)


def test_the_row_is_the_coefficient_of_the_exposure():
    analysis_set = build_analysis_set(
        make_trial(), measure="wemwbs", timepoint="m9", covariates=("age_years", "sex")
    )
    result = fit_outcome_model(analysis_set)
    by_hand = fit_mixed_model(
        analysis_set.data,
        formula="outcome ~ exposure_target + baseline + age_years + sex",
        random={"agency_id": "1"},
    ).tidy()
    row = by_hand[by_hand["term"] == "exposure_target"].iloc[0]
    mine = result.tidy().iloc[0]
    assert mine["estimate"] == row["estimate"]
    assert mine["conf_low"] == row["conf_low"]
    assert mine["contrast"] == "intervention minus comparison"
    assert mine["measure"] == "wemwbs"
    assert list(result.model.tidy()["term"])[1:4] == ["exposure_target", "baseline", "age_years"]


def test_swapping_target_and_reference_changes_the_sign():
    swapped = Contrast(variable="arm", target="comparison", reference="intervention")
    first, second = (fit_small(p).tidy().iloc[0] for p in (None, protocol_with(swapped)))
    assert second["estimate"] == pytest.approx(-first["estimate"], rel=1e-9)
    assert second["conf_low"] == pytest.approx(-first["conf_high"], rel=1e-9)
    assert second["p_value"] == pytest.approx(first["p_value"], rel=1e-9)


def with_outcome_shift(shift: float):
    tables = make_tables()
    rows = tables["measurements"]
    target = rows["participant_id"] <= "p12"
    is_outcome = (rows["measure"] == "wemwbs") & (rows["timepoint"] == "m9")
    rows.loc[target & is_outcome, "value"] = rows["value"] + shift
    tables["measures"]["maximum"] = 200.0
    tables["measures"]["minimum"] = -100.0
    trial = build_trial(tables, title="Shifted", protocol=protocol_with())
    return fit_outcome_model(build_analysis_set(trial, measure="wemwbs", timepoint="m9"))


def test_a_null_result_is_told_by_what_it_is_compatible_with():
    base = with_outcome_shift(0.0)
    null = with_outcome_shift(-base.tidy()["estimate"][0])
    row = null.tidy().iloc[0]
    assert row["conf_low"] < 0 < row["conf_high"]
    text = null.summary()
    assert "the data are compatible with differences from" in text
    assert "intervention minus comparison " in text
    assert "effect" not in text
    assert "no effect" not in text
    assert "no difference" not in text
    assert "compatible with differences from" in fit_small(protocol_with(BANDS)).summary()


@pytest.mark.parametrize(("shift", "word"), [(40.0, "higher"), (-40.0, "lower")])
def test_a_clear_result_is_told_with_its_direction(shift, word):
    result = with_outcome_shift(shift)
    text = result.summary()
    assert text.startswith("Well-being (WEMWBS) at 9 months: ")
    assert f"points {word} in the intervention than in the comparison group (95% CI " in text
    assert "23 participants in 6 agencies" in text


def test_estimand_names_population_variable_events_and_summary():
    estimand = fit_small(covariates=("eq5d_utility@m9",), population="complete").estimand
    assert estimand.startswith("Difference in mean Well-being (WEMWBS) at 9 months between")
    for part in (
        "target minus reference",
        "for participants of the same baseline and EQ-5D utility at 9 months;",
        "population: participants in whom the outcome and all of these were observed;",
        "whether or not they took up",
        "missing at random",
    ):
        assert part in estimand
    assert "@" not in estimand
    band = fit_small(protocol_with(BANDS))
    assert "without a claim that it caused" in band.estimand
    assert "60 or more" in band.estimand
    assert any("not by allocation" in note for note in band.notes)


def test_the_protocol_sets_the_level():
    wide = fit_small().tidy().iloc[0]
    narrow = fit_small(protocol_with(confidence_level=0.5)).tidy().iloc[0]
    assert narrow["estimate"] == wide["estimate"]
    assert narrow["conf_high"] < wide["conf_high"]


def test_shows_itself():
    result = fit_small()
    glance = result.glance()
    assert glance["n_participants"][0] == 23
    assert {"icc", "agency_variance", "residual_variance", "is_singular"} <= set(glance.columns)
    assert result.flow["n"].iloc[0] == 12
    assert "Agencies with participants analysed: intervention 3, comparison 3." in result.notes
    ax = result.plot()
    assert "intervention minus comparison, points (95% CI)" in ax.get_xlabel()
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ((-1331.4, -2593.0, -69.0), ("-1,331", "-2,593", "-69")),
        ((2.345, -1.25, 5.94), ("2.3", "-1.3", "5.9")),
        ((0.076039, 0.010172, 0.141906), ("0.076", "0.010", "0.142")),
        ((0.0004, -0.0011, 0.0019), ("0.0004", "-0.0011", "0.0019")),
    ],
)
def test_numbers_of_a_sentence_have_the_same_decimals(numbers, texts):
    assert format_interval(*numbers) == texts


def test_estimand_is_in_words():
    further = fit_small(covariates=("age_years", "sector"), population="complete").estimand
    assert "of the same baseline, age in years and sector;" in further
    assert "the outcome and all of these, and EQ-5D utility at 9 months, were observed" in further
    bare = fit_small(baseline="none").estimand
    assert "reference, without adjustment; population: participants in whom the outcome" in bare
    assert "the outcome was observed" in bare


def test_the_unit_stands_in_the_row_and_is_said_as_a_unit():
    points = fit_small()
    assert points.tidy()["unit"].tolist() == ["points"]
    utility = fit_small(measure="eq5d_utility", baseline="none")
    assert utility.tidy()["unit"].tolist() == ["utility"]
    assert " on the utility scale (95% CI" in utility.summary()
    assert phrase_amount("0.092", "utility", "higher") == "0.092 higher on the utility scale"
    assert phrase_amount("5", "percent") == "5 percentage points"
    assert phrase_amount("5", None) == "5"


def test_print_shows_the_icc():
    result = fit_small()
    assert f"ICC {result.icc:.3f}" in repr(result)
    assert f"ICC {result.icc:.3f}" in result._repr_html_()
    assert ("on the boundary" in repr(result)) == result.is_singular


def test_a_refusal_names_the_outcome():
    analysis_set = build_analysis_set(make_trial(), measure="wemwbs", timepoint="m9")
    data = analysis_set.data.assign(outcome=50.0)
    with pytest.raises(ModelError, match="model of wemwbs@m9: the outcome is the same") as caught:
        fit_outcome_model(replace(analysis_set, data=data))
    assert caught.value.codes == ("CPI-M003",)
    with pytest.raises(DataError, match="CPI-E024"):
        fit_outcome_model(analysis_set, confidence_level=95)
