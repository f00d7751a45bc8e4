"""From a trial to its economic set, and to the planned evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import (
    build_economic_set,
    derive_economic_measures,
    estimate_planned_evaluation,
    fit_incremental_models,
)
from cpi_analysis.errors import DataError
from cpi_analysis.io.load import load_trial
from cpi_analysis.io.protocol import Contrast, CostPlan
from tests.economics.small_trial import (
    COST,
    PEOPLE,
    UTILITY,
    make_measurements,
    make_protocol,
    make_tables,
    make_trial,
)
from tests.reference import reference_json, reference_path

# Fits by lme4 stop at its own convergence criterion: estimates and errors hold 5 to 6 digits;
# Kenward-Roger degrees of freedom amplify what is left in the variances.
LMER = 2e-6
LMER_DF = 2e-5

STUDY = Path(__file__).resolve().parents[2] / "examples" / "pbs" / "study.toml"


def _values(trial, measure):
    rows = trial.table("measurements").query("measure == @measure")
    return rows.set_index(["participant_id", "timepoint"])["value"]


# measures --------------------------------------------------------------------------------------


def test_qaly_and_follow_up_cost_are_stored_at_the_last_timepoint():
    trial = derive_economic_measures(make_trial())
    qaly, cost = _values(trial, "qaly"), _values(trial, "follow_up_cost")
    assert set(qaly.index.get_level_values("timepoint")) == {"m9"}
    assert len(qaly) == len(cost) == 12
    # 0.75 × (.5 + .7)/2 = .45
    assert qaly["P00", "m9"] == pytest.approx(0.45)
    assert cost["P00", "m9"] == 1200


def test_costs_are_summed_over_their_timepoints_and_missing_when_a_part_is():
    cost = {"baseline": COST["baseline"], "m9": [None, *COST["m9"][1:]]}
    protocol = make_protocol(cost_timepoints=("baseline", "m9"))
    found = _values(
        derive_economic_measures(make_trial(protocol=protocol, cost=cost)), "follow_up_cost"
    )
    assert np.isnan(found["P00", "m9"])
    assert found["P01", "m9"] == 400 + 700


def test_deriving_twice_changes_nothing():
    once = derive_economic_measures(make_trial())
    twice = derive_economic_measures(once)
    pd.testing.assert_frame_equal(once.table("measurements"), twice.table("measurements"))


def test_utilities_come_from_answers_with_the_named_value_set():
    items = ["mobility", "self_care", "usual_activities", "pain", "anxiety"]
    states = {"baseline": "22222", "m9": "11111"}
    answers = pd.DataFrame(
        [
            (person, timepoint, "eq5d_3l", f"eq5d_{item}", float(level))
            for person in PEOPLE
            for timepoint, state in states.items()
            for item, level in zip(items, state, strict=True)
        ],
        columns=["participant_id", "timepoint", "instrument", "item", "answer"],
    )
    protocol = make_protocol(utility={"instrument": "eq5d_3l", "value_set": "UK_3L_A1"})
    trial = derive_economic_measures(make_trial(protocol=protocol, responses=answers))
    # Dolan 1997: 22222 is .516. 0.75 × (.516 + 1)/2 = .5685.
    assert _values(trial, "eq5d_utility")["P00", "baseline"] == pytest.approx(0.516)
    assert _values(trial, "qaly")["P00", "m9"] == pytest.approx(0.5685)


def test_costs_come_from_service_use_and_scaling_is_a_choice():
    use = pd.DataFrame(
        [
            (person, timepoint, "gp", True, 2, None)
            for person in PEOPLE
            for timepoint in ("baseline", "m9")
        ],
        columns=[
            "participant_id",
            "timepoint",
            "service",
            "is_used",
            "contacts",
            "minutes_per_contact",
        ],
    )
    prices = pd.DataFrame(
        {
            "service": ["gp"],
            "unit": ["contact"],
            "unit_cost_gbp": [45.0],
            "price_year": ["2012/13"],
            "source": ["made up for this test"],
            "is_verified": [False],
        }
    )
    visits = pd.DataFrame(
        [(person, timepoint, "completed", 6.0) for person in PEOPLE for timepoint in UTILITY],
        columns=["participant_id", "timepoint", "status", "recall_months"],
    )
    found = {}
    for recall in ("as_recorded", "scaled_to_interval"):
        plan = CostPlan(
            from_service_use=True, perspective="nhs_pss", price_year="2012/13", recall=recall
        )
        trial = make_trial(
            protocol=make_protocol(cost=plan), service_use=use, unit_costs=prices, visits=visits
        )
        found[recall] = _values(derive_economic_measures(trial), "total_cost")["P00"]
    assert found["as_recorded"].to_dict() == {"baseline": 90.0, "m9": 90.0}
    # Nine months between interviews, six recalled.
    assert found["scaled_to_interval"].to_dict() == {"baseline": 90.0, "m9": 135.0}


# the set ---------------------------------------------------------------------------------------


def test_the_set_holds_both_groups_with_their_baselines():
    chosen = build_economic_set(derive_economic_measures(make_trial()))
    data = chosen.data.set_index("participant_id")
    assert len(data) == 12
    assert data.loc["P00", "exposure"] == "intervention"
    assert data["exposure_target"].tolist() == [1.0, 0.0] * 6
    assert data.loc["P00", ["baseline_cost", "baseline_effect"]].tolist() == [900.0, 0.5]
    assert chosen.covariates == {"cost": ("baseline_cost",), "effect": ("baseline_effect",)}
    assert chosen.effect_label == "QALY"
    assert chosen.notes == ()


def test_the_flow_adds_up_and_names_the_first_reason():
    utility = {"baseline": [None, *UTILITY["baseline"][1:]], "m9": UTILITY["m9"]}
    cost = {"baseline": [900, None, *COST["baseline"][2:]], "m9": [None, *COST["m9"][1:]]}
    chosen = build_economic_set(derive_economic_measures(make_trial(utility=utility, cost=cost)))
    flow = chosen.flow.set_index(["group", "reason"])["n"]
    assert flow["intervention", "recruited"] == 6
    assert flow["intervention", "follow-up cost is missing"] == 1
    assert flow["intervention", "analysed"] == 5
    assert flow["comparison", "baseline cost is missing"] == 1
    left_out = flow[~flow.index.get_level_values("reason").isin(["recruited", "analysed"])]
    for group in ("intervention", "comparison"):
        assert flow[group, "recruited"] - left_out[group].sum() == flow[group, "analysed"]
    assert len(chosen.data) == 10
    assert chosen.flow["reason"].drop_duplicates().tolist() == [
        "recruited",
        "follow-up cost is missing",
        "baseline cost is missing",
        "analysed",
    ]
    assert "comparison: 1 (baseline cost is missing)" in chosen.notes[0]


BAND = Contrast(
    variable="fidelity_band",
    target="high",
    reference="low",
    measure="fidelity",
    timepoint="m9",
    cutoff=80.0,
)


def test_fidelity_bands_are_formed_at_the_cutoff_and_said_to_be_observed():
    fidelity = [80.0, 79.9, 90, 10, 20, 85, 30, 95, 99, 20, 81, None]
    tables = make_tables()
    tables["measurements"] = pd.concat(
        [tables["measurements"], make_measurements(fidelity={"m9": fidelity})]
    )
    chosen = build_economic_set(
        derive_economic_measures(
            make_trial(protocol=make_protocol(contrast=BAND), measurements=tables["measurements"])
        )
    )
    groups = chosen.data.set_index("participant_id")["exposure"]
    assert groups["P00"] == "high"
    assert groups["P01"] == "low"
    assert "P11" not in groups.index
    flow = chosen.flow.set_index(["group", "reason"])["n"]
    assert flow["not classified", "recruited"] == 1
    assert chosen.flow["reason"].drop_duplicates().tolist()[1] == (
        "fidelity@m9, which forms the groups, is missing"
    )
    assert chosen.flow["n"].sum() == 24  # twelve recruited, each counted once more
    result = estimate_planned_evaluation(
        build_economic_set(derive_economic_measures(_without_baseline(chosen, tables))), seed=1
    )
    assert "not by allocation" in result.incremental.notes[0]


def _without_baseline(chosen, tables):
    protocol = make_protocol(contrast=BAND, adjust_for_baseline=False)
    return make_trial(protocol=protocol, measurements=tables["measurements"])


def test_each_person_is_counted_once_and_reasons_come_in_the_order_of_the_checks():
    """P00 lacks everything, P02 only the baseline utility; both are in the intervention."""
    utility = {
        "baseline": [None, 0.6, None, *UTILITY["baseline"][3:]],
        "m9": [None, *UTILITY["m9"][1:]],
    }
    cost = {"baseline": [None, None, *COST["baseline"][2:]], "m9": COST["m9"]}
    chosen = build_economic_set(derive_economic_measures(make_trial(utility=utility, cost=cost)))
    steps = chosen.flow.pivot(index="reason", columns="group", values="n")
    order = ["recruited", "QALY is missing", "baseline cost is missing", "analysed"]
    # A QALY needs the baseline utility: nobody is left for that reason.
    assert chosen.flow["reason"].drop_duplicates().tolist() == order
    assert steps.loc[order, "intervention"].tolist() == [6, 2, 0, 4]
    assert steps.loc[order, "comparison"].tolist() == [6, 0, 1, 5]


@pytest.mark.parametrize("maximum", [100.0, 29_999.0, float("inf")])
def test_a_plan_whose_curve_ends_before_its_thresholds_is_refused(maximum):
    with pytest.raises(ValueError, match="threshold_maximum"):
        make_protocol(threshold_maximum=maximum)


def test_covariates_are_columns_or_measures():
    protocol = make_protocol(covariates=("age_years", "utility@baseline"))
    chosen = build_economic_set(derive_economic_measures(make_trial(protocol=protocol)))
    assert chosen.covariates["cost"] == ("baseline_cost", "age_years", "utility_at_baseline")
    assert chosen.data["age_years"].tolist() == list(range(30, 42))


def test_another_effect_is_taken_at_the_last_cost_timepoint_with_its_own_baseline():
    protocol = make_protocol(effect="utility", utility=None, utility_timepoints=())
    chosen = build_economic_set(derive_economic_measures(make_trial(protocol=protocol)))
    assert chosen.data["effect"].tolist() == UTILITY["m9"]
    assert chosen.data["baseline_effect"].tolist() == UTILITY["baseline"]
    assert chosen.effect_label == "Utility"


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        ({"covariates": ("shoe_size",)}, "CPI-E045"),
        ({"covariates": ("happiness@baseline",)}, "CPI-E045"),
        ({"cost": CostPlan(measure="price")}, "CPI-E034"),
        ({"cost_timepoints": ("m12",)}, "CPI-E034"),
        ({"utility": {"instrument": "eq5d_3l", "value_set": "UK_3L_A1"}}, "CPI-E010"),
    ],
)
def test_a_plan_that_does_not_fit_the_data_is_refused(plan, code):
    with pytest.raises(DataError) as caught:
        build_economic_set(derive_economic_measures(make_trial(protocol=make_protocol(**plan))))
    assert code in caught.value.codes


def test_a_trial_without_an_economic_plan_is_refused():
    protocol = make_protocol().model_copy(update={"economics": None})
    with pytest.raises(DataError) as caught:
        derive_economic_measures(make_trial(protocol=protocol))
    assert caught.value.codes == ("CPI-E047",)


# the planned evaluation ------------------------------------------------------------------------


def test_the_planned_evaluation_uses_one_set_of_people_and_draws():
    chosen = build_economic_set(derive_economic_measures(make_trial()))
    found = estimate_planned_evaluation(chosen, seed=3)
    assert found.incremental.n_participants == found.models.n_participants == 12
    assert found.incremental.replicates == 500
    table = found.acceptability.tidy().query("threshold == 20000 and strategy == 'intervention'")
    assert table["probability"].item() == found.incremental.probability
    assert found.summary().startswith("intervention minus comparison: cost ")
    for result in (found.incremental, found.icer, found.acceptability, found.models):
        assert result.plot() is not None
        assert result.summary()
        assert result.seed in (3, None)


def test_mixed_models_agree_with_lmer_and_pbkrtest_on_pbs():
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    expected = reference_json("economics/pbs_expected.json")["lmer"]
    for names, covariates in (
        (("cost_unadj", "qaly_unadj"), {"cost": [], "effect": []}),
        (("cost_adj", "qaly_adj"), {"cost": ["c1"], "effect": ["e1"]}),
    ):
        result = fit_incremental_models(
            data,
            cost="cost",
            effect="qaly",
            arm="trt",
            cluster="site",
            covariates=covariates,
        ).tidy()
        for row, name in zip(result.to_dict("records"), names, strict=True):
            assert row["estimate"] == pytest.approx(expected[name]["est"], rel=LMER)
            assert row["std_error"] == pytest.approx(expected[name]["se_kr"], rel=LMER)
            assert row["df"] == pytest.approx(expected[name]["df_kr"], rel=LMER_DF)
            assert row["p_value"] == pytest.approx(expected[name]["p_kr"], rel=1e-4)


def test_pbs_from_its_study_file_to_the_decision():
    study = reference_path("economics/pbs_long.csv")
    trial = load_trial(STUDY, data=study)
    chosen = build_economic_set(derive_economic_measures(trial))
    counts = chosen.data["exposure"].value_counts()
    assert counts.to_dict() == {"comparison": 108, "intervention": 96}
    found = estimate_planned_evaluation(chosen, seed=1)
    # R: OLS of cost on arm and baseline cost, of QALY on arm and baseline utility.
    assert found.incremental.point("delta_cost")["estimate"] == pytest.approx(
        1943.74011290919, rel=1e-9
    )
    assert found.incremental.point("delta_effect")["estimate"] == pytest.approx(
        0.075947752224903, rel=1e-9
    )
    assert found.icer.icer == pytest.approx(1943.74011290919 / 0.075947752224903, rel=1e-9)
    assert found.icer.quadrant == "north-east"
