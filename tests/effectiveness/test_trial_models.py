"""The models of a trial against lme4 1.1-31, lmerTest 3.1-3 and pbkrtest 0.5.2 (R 4.2.2).

The trial is made by arithmetic (made_trial.py), so that R makes the same one; lmer with bobyqa,
rhoend 1e-13.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import (
    build_analysis_set,
    build_longitudinal_set,
    estimate_contrasts,
    fit_dose_response,
    fit_longitudinal_model,
    fit_mixed_model,
    fit_moderator_model,
    fit_outcome_model,
)
from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.io.protocol import Contrast
from tests.effectiveness.made_trial import make_trial
from tests.reference import reference_json, reference_path

#: R's optimum of the variances is good to about seven digits.
WITNESS = 1e-6
OUTCOME = {"measure": "score", "timepoint": "m9"}
DOSE = "fidelity_percent@m9"


@pytest.fixture(scope="module")
def trial():
    return make_trial()


@pytest.fixture(scope="module")
def small_set(trial):
    return build_analysis_set(trial, **OUTCOME)


@pytest.fixture(scope="module")
def long_set():
    return build_longitudinal_set(make_trial(with_losses=True), measure="score")


def numbers(row) -> np.ndarray:
    return row[["estimate", "std_error", "df"]].to_numpy(dtype=float)


def near(row, expected):
    np.testing.assert_allclose(numbers(row), expected, rtol=WITNESS)


# covariance and change -------------------------------------------------------------------------


def test_ancova_and_change_score_are_those_of_lmer(small_set):
    # lmer(after ~ arm + before + (1|agency)), lmer(I(after - before) ~ arm + (1|agency)).
    ancova = fit_outcome_model(small_set)
    change = fit_outcome_model(small_set, model="change_score")
    near(ancova.estimates.iloc[0], [1.54456269077, 2.72422410702, 9.98343904887])
    near(change.estimates.iloc[0], [1.62747160014, 2.69616949478, 9.99711968562])
    assert (ancova.kind, change.kind) == ("ancova", "change_score")


def test_change_score_says_what_it_asks(small_set):
    change = fit_outcome_model(small_set, model="change_score")
    assert any("Lord's paradox" in note for note in change.notes)
    assert "mean change in Score from baseline to 9 months" in change.estimand
    assert "of the same" not in change.estimand
    assert change.summary().startswith("Change from baseline in")
    assert not any("Lord" in note for note in fit_outcome_model(small_set).notes)


def test_groups_without_a_difference_in_change_and_with_one_in_covariance_are_lords():
    # Lord's example: no group changes, but they differ at baseline and scores regress within
    # groups. The change score sees nothing, the covariance adjusted difference something.
    trial = make_trial()
    rng = np.random.default_rng(5)
    people = trial.table("participants")
    is_target = people["agency_id"].isin(
        trial.table("agencies").query("arm == 'intervention'")["agency_id"]
    )
    middle = np.where(is_target, 60.0, 40.0)
    before = middle + rng.normal(0, 8, len(people))
    after = middle + 0.3 * (before - middle) + rng.normal(0, 4, len(people))
    rows = [
        pd.DataFrame(
            {
                "participant_id": people["participant_id"],
                "timepoint": when,
                "measure": "weight",
                "value": values,
            }
        )
        for when, values in (("baseline", before), ("m9", after))
    ]
    trial = trial.with_measurements(
        pd.concat(rows),
        measures=pd.DataFrame(
            {
                "measure": ["weight"],
                "label": ["Weight"],
                "unit": ["kg"],
                "minimum": [0.0],
                "maximum": [200.0],
                "is_higher_better": [False],
            }
        ),
    )
    one = build_analysis_set(trial, measure="weight", timepoint="m9")
    change = fit_outcome_model(one, model="change_score").estimates.iloc[0]
    covariance = fit_outcome_model(one).estimates.iloc[0]
    assert change["conf_low"] < 0 < change["conf_high"]
    assert covariance["conf_low"] > 8


def test_change_score_needs_its_own_baseline(trial):
    bare = build_analysis_set(trial, **OUTCOME, baseline="none")
    with pytest.raises(ModelError, match="baseline of the same measure"):
        fit_outcome_model(bare, model="change_score")
    with pytest.raises(ModelError, match="ancova, change_score"):
        fit_outcome_model(bare, model="difference")


# all interviews --------------------------------------------------------------------------------


def test_longitudinal_set_keeps_who_lost_an_interview(long_set):
    # Of 65 people 7 lack the baseline and 9 the follow-up, nobody both: 130 - 16 values.
    assert len(long_set.data) == 114
    assert long_set.n_participants == long_set.flow.query("reason == 'analysed'")["n"].sum()
    assert any("they are kept" in note for note in long_set.notes)
    assert "Longitudinal set" in repr(long_set)
    assert "score" in long_set._repr_html_()


def test_constrained_longitudinal_analysis_is_that_of_lmer(long_set):
    # lmer(v ~ t + target:t1 + (1|agency) + (1|agency:t) + (1|id)), pbkrtest.
    result = fit_longitudinal_model(long_set, residual="equal")
    near(result.estimates.iloc[0], [1.58786272149, 2.29582520528, 19.32290540840])
    assert len(result.estimates) == 1
    assert any("assumption" in note for note in result.notes)
    assert "taken to be alike at baseline" in result.estimand


def test_repeated_measures_are_those_of_lmer(long_set):
    result = fit_longitudinal_model(long_set, baseline="free", residual="equal")
    table = result.estimates.set_index(["quantity", "timepoint"])
    near(table.loc["difference", "m9"], [1.51618314637, 2.24029087152, 18.69082649099])
    near(table.loc["difference in change", "m9"], [1.75409866261, 2.69701348308, 9.98057460028])


def test_complete_and_balanced_change_is_the_same_in_both_models():
    # Without losses, a saturated mean makes the difference in change the change score's.
    trial = make_trial()
    free = fit_longitudinal_model(
        build_longitudinal_set(trial, measure="score"), baseline="free", residual="by_timepoint"
    )
    row = free.estimates.set_index("quantity").loc["difference in change"]
    change = fit_outcome_model(build_analysis_set(trial, **OUTCOME), model="change_score")
    assert row["estimate"] == pytest.approx(change.estimates["estimate"].iloc[0], rel=0.05)


def test_agencies_that_change_differently_keep_their_degrees_of_freedom(long_set):
    """Without agency by interview the difference would be tested on people's df."""
    result = fit_longitudinal_model(long_set)
    assert result.estimates["df"].iloc[0] < 25
    data = result.model.basis.frame.join(result.model.basis.groups.drop(columns="agency_id"))
    naive = fit_mixed_model(
        data,
        formula="value ~ timepoint + target_at_m9",
        random={"agency_id": "1", "participant_id": "1"},
    )
    assert naive.estimates.set_index("term").loc["target_at_m9", "df"] > 50


def test_clda_of_orthodont_is_that_of_lme4():
    """Sexes constrained to one mean at age 8, with a random intercept: the golden block."""
    data = pd.read_csv(reference_path("effectiveness/orthodont.csv"))
    for age in (10, 12, 14):
        data[f"a{age}"] = (data["age"] == age).astype(float)
        data[f"x{age}"] = data[f"a{age}"] * (data["Sex"] == "Female")
    models = reference_json("effectiveness/orthodont_expected.json")["models"]
    expected = models["clda_ri"]
    result = fit_mixed_model(
        data,
        formula="distance ~ a10 + a12 + a14 + x10 + x12 + x14",
        random={"Subject": "1"},
    )
    table = result.tidy()
    np.testing.assert_allclose(
        table["estimate"], list(expected["REML"]["fixef"].values()), rtol=1e-7
    )
    small = expected["kenward_roger"]
    np.testing.assert_allclose(table["std_error"], small["Std. Error"], rtol=1e-7)
    np.testing.assert_allclose(table["df"], small["df"], rtol=1e-7)
    # The unstructured fit of gls: a free 4 x 4 covariance is G plus the residual.
    free = fit_mixed_model(
        data,
        formula="distance ~ a10 + a12 + a14 + x10 + x12 + x14",
        random={"Subject": "1 + a10 + a12 + a14"},
        df="satterthwaite",
    )
    gls = models["clda_gls_unstructured"]
    assert free.log_likelihood == pytest.approx(gls["logLik_REML"], abs=1e-5)
    np.testing.assert_allclose(free.tidy()["estimate"], list(gls["coef"].values()), rtol=1e-3)


@pytest.mark.parametrize("arguments", [{"baseline": "none"}, {"residual": "none"}])
def test_choices_of_the_longitudinal_model_are_checked(long_set, arguments):
    with pytest.raises(ModelError, match="none is not a choice"):
        fit_longitudinal_model(long_set, **arguments)


@pytest.mark.parametrize("timepoints", [["m9"], ["baseline", "m12"]])
def test_interviews_must_be_two_that_are_known(trial, timepoints):
    with pytest.raises(DataError, match="two or more interviews"):
        build_longitudinal_set(trial, measure="score", timepoints=timepoints)


# moderators ------------------------------------------------------------------------------------


def test_interaction_comes_first_and_is_that_of_pbkrtest(trial):
    # KRmodcomp(after ~ arm * sector + before, after ~ arm + sector + before); emmeans within.
    one = build_analysis_set(trial, **OUTCOME, covariates=["sector"])
    table = fit_moderator_model(one, moderator="sector").estimates
    assert table["quantity"].tolist() == ["interaction", "difference", "difference"]
    first = table.iloc[0]
    expected = [0.80284477583, 1.0, 8.03851371257, 0.39628275720]
    np.testing.assert_allclose(
        first[["statistic", "df1", "df2", "p_value"]].to_numpy(float), expected, rtol=WITNESS
    )
    near(table.iloc[1], [2.8504779681, 2.5556859800, 7.9345663324])
    near(table.iloc[2], [-1.1283175757, 3.6311853227, 8.0884126207])
    assert table["n_target"].sum() + table["n_reference"].sum() == one.n_participants


def test_subgroups_with_few_agencies_are_pointed_out(trial):
    one = build_analysis_set(trial, **OUTCOME, covariates=["sector"])
    result = fit_moderator_model(one, moderator="sector")
    assert any("Fewer than 3 agencies" in note and "third_sector" in note for note in result.notes)
    assert "at each value of sector" in result.estimand


def test_moderator_that_is_a_number_is_shown_at_three_values(trial):
    one = build_analysis_set(trial, **OUTCOME, covariates=["age_years"])
    result = fit_moderator_model(one, moderator="age_years")
    table = result.estimates
    assert len(table) == 4
    slope = table["estimate"].iloc[0]
    spread = one.data["age_years"].std()
    apart = table["estimate"].iloc[3] - table["estimate"].iloc[1]
    assert apart == pytest.approx(2 * spread * slope, rel=1e-9)


def test_client_group_of_one_arm_only_is_refused(trial):
    one = build_analysis_set(trial, **OUTCOME, covariates=["client_group"])
    is_lonely = (one.data["client_group"] == "learning_disability") & (
        one.data["exposure"] == "comparison"
    )
    object.__setattr__(one, "data", one.data[~is_lonely])
    with pytest.raises(ModelError) as raised:
        fit_moderator_model(one, moderator="client_group")
    assert raised.value.codes == ("CPI-M001",)
    assert "learning_disability" in str(raised.value)


def test_moderator_must_be_a_covariate(small_set):
    with pytest.raises(ModelError, match="not a covariate"):
        fit_moderator_model(small_set, moderator="sector")


# fidelity --------------------------------------------------------------------------------------


def test_dose_is_that_of_lmer_within_and_between_agencies(trial):
    one = build_analysis_set(trial, **OUTCOME, covariates=[DOSE])
    result = fit_dose_response(one, dose=DOSE, step=10.0)
    table = result.estimates.set_index("quantity")
    near(table.loc["all"], [0.582161791078, 0.452293587828, 59.810035676061])
    near(table.loc["within agencies"], [-0.0368613222766, 0.4932004770961, 51.0216975431891])
    near(table.loc["between agencies"], [2.50382591450, 0.67688406272, 9.79940993482])
    near(table.loc["between minus within"], [2.54068723678, 0.837778275868, 21.8566245199])
    assert any("nobody was allocated" in note for note in result.notes)
    assert "without a claim that it caused" in result.estimand


def test_dose_in_the_target_group_alone(trial):
    one = build_analysis_set(trial, **OUTCOME, covariates=[DOSE], groups="target")
    assert set(one.data["exposure"]) == {"intervention"}
    assert "not in the intervention group" in set(one.flow["reason"])
    result = fit_dose_response(one, dose=DOSE, step=10.0)
    assert result.n_agencies == 6


def test_step_scales_the_slope(trial):
    one = build_analysis_set(trial, **OUTCOME, covariates=[DOSE])
    ten = fit_dose_response(one, dose=DOSE, step=10.0).estimates
    single = fit_dose_response(one, dose=DOSE).estimates
    np.testing.assert_allclose(ten["estimate"], 10 * single["estimate"], rtol=1e-9)
    np.testing.assert_allclose(ten["df"], single["df"], rtol=1e-6)


def test_bands_of_fidelity_can_be_compared_in_a_trial_with_arms(trial):
    bands = Contrast(
        variable="fidelity_band",
        target="high",
        reference="low_moderate",
        measure="fidelity_percent",
        timepoint="m9",
        cutoff=65.0,
    )
    one = build_analysis_set(trial, **OUTCOME, contrast=bands)
    result = fit_outcome_model(one)
    fidelity = trial.table("measurements").query("measure == 'fidelity_percent'")["value"]
    assert one.data["exposure_target"].sum() == (fidelity >= 65).sum()
    assert not result.is_allocated
    assert "without a claim that it caused" in result.estimand
    assert any("not by allocation" in note for note in result.notes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"dose": "sector"}, "not a numeric covariate"),
        ({"dose": "wemwbs@m9"}, "not a numeric covariate"),
        ({"dose": DOSE, "step": 0.0}, "not a positive number"),
        ({"dose": DOSE, "step": np.nan}, "not a positive number"),
    ],
)
def test_dose_is_checked(trial, arguments, said):
    one = build_analysis_set(trial, **OUTCOME, covariates=[DOSE, "sector"])
    with pytest.raises(ModelError, match=said):
        fit_dose_response(one, **arguments)


def test_groups_of_the_set_are_checked(trial):
    with pytest.raises(DataError, match="both, target"):
        build_analysis_set(trial, **OUTCOME, groups="reference")


# every estimand says its four parts ------------------------------------------------------------


def test_estimands_name_population_variable_events_and_summary(trial, long_set):
    sector = build_analysis_set(trial, **OUTCOME, covariates=["sector", DOSE])
    results = [
        fit_outcome_model(sector),
        fit_outcome_model(sector, model="change_score"),
        fit_longitudinal_model(long_set),
        fit_moderator_model(sector, moderator="sector"),
        fit_dose_response(sector, dose=DOSE),
    ]
    for result in results:
        said = result.estimand
        assert "population: participants" in said
        assert "Score" in said
        assert "whether or not they took up" in said or "without a claim" in said
        assert said.startswith("Difference in mean")


def test_contrast_of_the_model_is_the_row_of_the_outcome(small_set):
    result = fit_outcome_model(small_set)
    row = estimate_contrasts(result.model, by="exposure_target").estimates.iloc[0]
    np.testing.assert_allclose(numbers(row), numbers(result.estimates.iloc[0]), rtol=1e-9)
