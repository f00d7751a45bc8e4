"""Marginal means and contrasts against emmeans 1.8.4, pbkrtest 0.5.2, lmerTest 3.1-3; R 4.2.2.

Where the optimum is flat, lme4 was run again from its own answer (bobyqa, rhoend 1e-13).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import (
    estimate_contrasts,
    estimate_marginal_means,
    fit_mixed_model,
)
from cpi_analysis.errors import DataError, ModelError
from tests.effectiveness.made_trial import make_people
from tests.reference import reference_json, reference_path

#: emmeans sits on lme4's own optimum, whose variances are good to about seven digits.
WITNESS = 1e-6
AGENCIES = {"agency_id": "1"}


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return make_people()


@pytest.fixture(scope="module")
def model(people):
    return fit_mixed_model(people, formula="after ~ arm * sector + before", random=AGENCIES)


def near(column, numbers):
    np.testing.assert_allclose(column.to_numpy(dtype=float), numbers, rtol=WITNESS)


# on a trial that R makes by the same arithmetic ------------------------------------------------


def test_marginal_means_are_those_of_emmeans(model):
    table = estimate_marginal_means(model, by=["sector", "arm"]).tidy()
    assert table["level"].tolist()[1] == "statutory, target"
    near(table["estimate"], [34.715180687, 37.565658655, 43.106219770, 41.977902194])
    near(table["std_error"], [1.8072710363, 1.8071781386, 2.5793712307, 2.5556770235])
    near(table["df"], [7.9364642740, 7.9345977833, 8.2404223772, 7.9344336555])
    near(table["conf_low"], [30.541791654, 33.392311712, 37.188251036, 36.076012709])
    assert table["n_rows"].sum() == 65


def test_groups_averaged_over_count_as_they_are_when_asked(model):
    table = estimate_marginal_means(model, by="arm", weights="proportional").tidy()
    near(table["estimate"], [37.426131775, 38.991152722])
    near(table["std_error"], [1.4800176987, 1.4759066177])
    near(table["df"], [8.0264528687, 7.9348550514])


def test_pairs_within_strata_are_those_of_emmeans(model):
    result = estimate_contrasts(model, by="arm", within="sector", adjust="none")
    table = result.tidy()
    assert table["contrast"].tolist() == ["target minus reference"] * 2
    assert table["stratum"].tolist() == ["statutory", "third_sector"]
    near(table["estimate"], [2.8504779681, -1.1283175757])
    near(table["std_error"], [2.5556859800, 3.6311853227])
    near(table["df"], [7.9345663324, 8.0884126207])
    near(table["p_value"], [0.29733955989, 0.76386277753])
    near(table["p_value_adjusted"], table["p_value"])


def test_every_level_against_a_reference_with_holm(model):
    result = estimate_contrasts(
        model, by=["arm", "sector"], contrasts="reference", reference="reference, statutory"
    )
    table = result.tidy().set_index("contrast")
    row = table.loc["target, third_sector minus reference, statutory"]
    assert row["estimate"] == pytest.approx(7.2627215074, rel=WITNESS)
    assert row["df"] == pytest.approx(7.9344186434, rel=WITNESS)
    near(table["p_value_adjusted"].sort_values(), [0.084580773776, 0.098307835479, 0.297339559895])


def test_joint_test_is_that_of_pbkrtest(model):
    # KRmodcomp(m, after ~ sector + before): both contrasts of arm within sector are zero.
    joint = estimate_contrasts(model, by="arm", within="sector").joint.set_index("stratum")
    expected = [0.67024900717, 2.0, 8.01082620130, 0.53808767286]
    near(joint.loc["all"], expected)
    assert joint.index.tolist() == ["statutory", "third_sector", "all"]


def test_joint_test_with_satterthwaite_is_that_of_lmertest(people):
    terms = ["arm[T.target]", "arm[T.target]:sector[T.third_sector]"]
    fitted = {
        "formula": "after ~ arm * sector + before",
        "random": AGENCIES,
        "df": "satterthwaite",
    }
    model = fit_mixed_model(people, **fitted)
    result = estimate_contrasts(model, contrasts={term: {term: 1.0} for term in terms})
    expected = [0.67036359665, 2.0, 8.2489185515, 0.5373255336]
    near(result.joint.set_index("stratum").loc["all"], expected)
    asked = fit_mixed_model(people, joint=terms, **fitted).joint
    np.testing.assert_allclose(asked, expected, rtol=WITNESS)


def test_contrast_of_weights_is_the_combination_of_the_means(model):
    means = estimate_marginal_means(model, by="arm", at={"before": 40}).tidy().set_index("level")
    half = {"half": {"target": 0.5, "reference": 0.5}}
    row = estimate_contrasts(model, by="arm", contrasts=half, at={"before": 40}).tidy().iloc[0]
    assert row["estimate"] == pytest.approx(means["estimate"].mean(), rel=1e-12)


def test_rows_that_follow_from_others_do_not_count_in_the_joint_test(model):
    joint = estimate_contrasts(model, by=["arm", "sector"]).joint
    assert joint["df1"].iloc[-1] == 3.0


def test_numbers_that_are_two_are_groups_as_text_would_be(people, model):
    coded = people.assign(arm=(people["arm"] == "target").astype(float))
    other = fit_mixed_model(coded, formula="after ~ arm * sector + before", random=AGENCIES)
    ours = estimate_contrasts(other, by="arm").tidy().iloc[0]
    text = estimate_contrasts(model, by="arm").tidy().iloc[0]
    assert ours["contrast"] == "1 minus 0"
    assert ours["estimate"] == pytest.approx(text["estimate"], rel=1e-9)


def test_family_of_a_stratum_is_smaller_than_that_of_the_table(model):
    arguments = {"by": "arm", "within": "sector"}
    every = estimate_contrasts(model, **arguments).tidy()
    alone = estimate_contrasts(model, **arguments, family="stratum").tidy()
    near(alone["p_value_adjusted"], alone["p_value"])
    assert every["p_value_adjusted"].iloc[0] == pytest.approx(2 * alone["p_value"].iloc[0])


def test_combination_that_nobody_has_is_said(people):
    rest = people[(people["arm"] == "target") | (people["sector"] == "statutory")]
    model = fit_mixed_model(rest, formula="after ~ arm + sector", random=AGENCIES)
    result = estimate_marginal_means(model, by=["arm", "sector"])
    assert any("reference, third_sector" in note for note in result.notes)


# on reference data -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def orthodont():
    return pd.read_csv(reference_path("effectiveness/orthodont.csv"))


def test_orthodont_by_age_is_as_emmeans(orthodont):
    model = fit_mixed_model(orthodont, formula="distance ~ Sex * C(age)", random={"Subject": "1"})
    ages = {"age": [8, 10, 12, 14]}
    means = estimate_marginal_means(model, by=["age", "Sex"], at=ages).tidy()
    near(means["std_error"], [0.691534930933, 0.573390473832] * 4)
    near(means["df"], [46.0791193115] * 8)
    pairs = estimate_contrasts(model, by="Sex", within="age", at=ages, adjust="none").tidy()
    near(pairs["estimate"], [1.69318181818, 1.58522727273, 2.62784090909, 3.37784090909])
    near(pairs["p_value"], [0.065771380713, 0.084252326129, 0.00532540613774, 0.000477640924035])
    holm = estimate_contrasts(model, by="age", at=ages).tidy().set_index("contrast")
    near(
        holm.loc[["10 minus 8", "14 minus 12", "14 minus 10"], "p_value_adjusted"],
        [1.29033651957e-02, 1.95482656701e-03, 3.13492440629e-09],
    )


def test_orthodont_slopes_at_two_ages(orthodont):
    settings = {"formula": "distance ~ Sex * age", "random": {"Subject": "1 + age"}}
    asked = {"by": "Sex", "within": "age", "at": {"age": [8, 14]}, "adjust": "none"}
    table = estimate_contrasts(fit_mixed_model(orthodont, **settings), **asked).tidy()
    near(table["std_error"], [0.824873823040, 0.897696945094])
    near(table["df"], [25, 25])
    approximate = fit_mixed_model(orthodont, df="satterthwaite", **settings)
    near(estimate_contrasts(approximate, **asked).tidy()["df"], [25, 25])


def test_sleepstudy_means_and_joint_tests():
    data = pd.read_csv(reference_path("effectiveness/sleepstudy.csv"))
    random = {"Subject": "1 + Days"}
    model = fit_mixed_model(data, formula="Reaction ~ Days", random=random)
    means = estimate_marginal_means(model, by="Days", at={"Days": [0, 5, 9]}).tidy()
    near(means["estimate"], [251.405104848, 303.741534646, 345.610678485])
    near(means["std_error"], [6.82455614333, 9.58124138278, 14.62878530417])
    near(means["df"], [17, 17, 17])
    days = {f"day {k}": {f"C(Days)[T.{k}]": 1.0} for k in (1, 4, 9)}
    expected = {
        "kenward_roger": [14.0169055162, 3, 73.404640434],
        "satterthwaite": [14.2128198856, 3, 65.9433560136],
    }
    for df, numbers in expected.items():
        model = fit_mixed_model(data, formula="Reaction ~ C(Days)", random=random, df=df)
        joint = estimate_contrasts(model, contrasts=days).joint.iloc[-1]
        near(joint[["statistic", "df1", "df2"]], numbers)


def test_hsb14_with_fourteen_schools():
    data = pd.read_csv(reference_path("effectiveness/hsb14.csv"))
    model = fit_mixed_model(data, formula="mAch ~ catholic * minrty + cses", random={"school": "1"})
    near(estimate_marginal_means(model, by="catholic").tidy()["df"], [12.5508292660, 11.7262113012])
    weighed = estimate_marginal_means(model, by="catholic", weights="proportional").tidy()
    near(weighed["estimate"], [10.6143398052, 15.2998513721])
    near(weighed["df"], [11.597407487, 10.931704657])
    pairs = estimate_contrasts(model, by="catholic", within="minrty").tidy()
    near(pairs["estimate"], [4.14052216815, 5.74521317581])
    near(pairs["std_error"], [1.33227997436, 1.62998918593])
    near(pairs["df"], [14.1437119798, 24.7846843718])


def test_adjustments_are_those_of_p_adjust():
    from cpi_analysis.effectiveness.contrasts import _adjust

    expected = reference_json("effectiveness/p_adjust_expected.json")["models"]
    table = pd.DataFrame({"p_value": expected["p"], "stratum": ""})
    for name in ("holm", "hochberg", "bonferroni"):
        np.testing.assert_allclose(_adjust(table, name, "all"), expected[name], rtol=1e-12)


# refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ({"by": "region"}, "CPI-M004", "region"),
        ({"by": "before"}, "CPI-M004", "before"),
        ({"by": "arm", "at": {"arm": ["other"]}}, "CPI-M004", "target"),
        ({"by": "arm", "at": {"before": [np.inf]}}, "CPI-M004", "before"),
        ({"by": "arm", "reference": "x", "contrasts": "reference"}, "CPI-M004", "reference"),
        ({"by": "arm", "contrasts": "all"}, "CPI-M004", "pairwise"),
        ({"by": "arm", "contrasts": {"c": {"x": 1.0}}}, "CPI-M004", "target"),
        ({"contrasts": {"c": {"x": 1.0}}}, "CPI-M004", "before"),
        ({"contrasts": {"c": {"before": 0.0}}}, "CPI-M002", "nothing"),
        ({"by": "arm", "adjust": "tukey"}, "CPI-M004", "holm"),
        ({"by": "arm", "family": "all of it"}, "CPI-M004", "stratum"),
        ({"by": "arm", "weights": "cells"}, "CPI-M004", "proportional"),
        ({}, "CPI-M004", "by"),
    ],
)
def test_what_cannot_be_compared_is_refused(model, arguments, code, named):
    with pytest.raises(ModelError) as raised:
        estimate_contrasts(model, **arguments)
    assert raised.value.codes == (code,)
    assert named in str(raised.value)


def test_confidence_level_is_a_share(model):
    for estimate in (estimate_contrasts, estimate_marginal_means):
        with pytest.raises(DataError):
            estimate(model, by="arm", confidence_level=95)
