"""Repeated-measures MANCOVA against car (linearHypothesis, Anova with idata) and clubSandwich.

R 4.2.2, car 3.1-1, clubSandwich 0.5.8, on people made by arithmetic.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import fit_repeated_mancova
from cpi_analysis.errors import DataError, ModelError
from tests.effectiveness.made_trial import make_people

#: car prints twelve digits; the arithmetic of both is good to about ten.
WITNESS = 1e-8
OUTCOMES = {"score": ["before", "after"], "utility": ["u0", "u9"]}


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """R: u0 <- round(30 + 6*cos(1.1*i*i + .3), 3) and so on, on the people of made_trial."""
    data = make_people()
    i = np.array([int(name[1:]) for name in data["participant_id"]])
    is_target = (data["arm"] == "target").to_numpy()
    u0 = np.round(30 + 6 * np.cos(1.1 * i * i + 0.3), 3)
    change = data["after"] - data["before"]
    u9 = 12 + 0.5 * u0 + 2 * is_target + 4 * np.cos(2.3 * i * i + 1) + 0.2 * change
    middle = 0.5 * data["before"] + 0.5 * data["after"] + 3 * np.sin(1.7 * i * i)
    return data.assign(
        u0=u0,
        u9=np.round(u9, 3),
        middle=np.round(middle, 3),
        age=20.0 + np.arange(len(data)) % 50,
        third=[("a", "b", "c")[int(name[1:]) % 3] for name in data["agency_id"]],
    )


@pytest.fixture(scope="module")
def result(people):
    return fit_repeated_mancova(
        people, outcomes=OUTCOMES, group="arm", covariates=["age"], cluster="agency_id"
    )


def pick(result, term, measure, test):
    table = result.tidy().set_index(["term", "measure", "test"])
    return table.loc[(term, measure, test)]


def near(row, columns, numbers):
    np.testing.assert_allclose(row[list(columns)].to_numpy(float), numbers, rtol=WITNESS)


@pytest.mark.parametrize(
    ("term", "pillai", "statistic"),
    [
        ("time x group", 0.044827254935, 1.43139686782),
        ("group", 0.003782383586, 0.115800702051),
        ("time", 0.640944876765, 54.4451742262),
    ],
)
def test_multivariate_tests_are_those_of_car(result, term, pillai, statistic):
    row = pick(result, term, "all", "Pillai")
    near(row, ("df1", "df2"), [2, 61])
    near(row, ("value", "statistic"), [pillai, statistic])
    near(row, ("partial_eta_squared",), [pillai])


def test_time_is_tested_at_the_mean_of_the_covariate(result):
    # linearHypothesis(lm(cbind(before, after, u0, u9) ~ arm + age - mean), "(Intercept) = 0").
    near(pick(result, "time", "all", "Wilks"), ("value",), [0.359055123235])
    near(pick(result, "time", "all", "Roy"), ("value",), [1.785087679547])


def test_three_groups_give_four_different_tests(people):
    result = fit_repeated_mancova(people, outcomes=OUTCOMES, group="third", covariates=["age"])
    expected = {
        "Pillai": [0.358724872521, 6.66622458887, 4, 122],
        "Wilks": [0.644263026285, 7.37572714245, 4, 120],
        "Hotelling-Lawley": [0.547523387989, 8.07596997284, 4, 118],
        "Roy": [0.538917808077, 16.43699314635, 2, 61],
    }
    for name, numbers in expected.items():
        row = pick(result, "time x group", "all", name)
        near(row, ("value", "statistic", "df1", "df2"), numbers)
    # Pillai / s, 1 - Wilks^(1/s), by hand with s = 2.
    near(
        pick(result, "time x group", "all", "Pillai"),
        ("partial_eta_squared",),
        [0.358724872521 / 2],
    )
    eta = pick(result, "time x group", "all", "Wilks")["partial_eta_squared"]
    assert eta == pytest.approx(1 - 0.644263026285**0.5, rel=WITNESS)


def test_univariate_tests_are_those_of_car(result):
    # Anova(lm, idata, idesign = ~time, type = 3): sums of squares of effect and error.
    for term, measure, effect, error in [
        ("time x group", "score", 21.39064, 1049.760847),
        ("group", "score", 14.07883, 3800.377562),
        ("time", "score", 1518.17945, 1049.760847),
        ("time x group", "utility", 13.27084, 348.100648),
        ("group", "utility", 0.06215, 1672.135293),
        ("time", "utility", 271.50338, 348.100648),
    ]:
        row = pick(result, term, measure, "univariate")
        near(row, ("df1", "df2", "value"), [1, 62, 1])
        # The sums of squares are printed with five decimals.
        close = max(1e-6, 1e-5 / effect)
        assert row["statistic"] == pytest.approx(effect / (error / 62), rel=close)
        assert row["partial_eta_squared"] == pytest.approx(effect / (effect + error), rel=close)


def test_three_times_have_the_correction_of_greenhouse_and_geisser(people):
    result = fit_repeated_mancova(
        people,
        outcomes={"score": ["before", "middle", "after"]},
        group="arm",
        covariates=["age"],
    )
    row = pick(result, "time x group", "score", "univariate")
    near(row, ("value",), [0.68025223882])
    near(row, ("p_value",), [3.2337476710e-01])
    near(row, ("df1", "df2"), [0.68025223882 * 2, 0.68025223882 * 124])
    assert row["statistic"] == pytest.approx(21.62634 / 2 / (1245.6580343 / 124), rel=1e-6)


def test_robust_tests_are_those_of_clubsandwich(result):
    # Wald_test(lm(z ~ 0 + o + o:arm + o:age), vcovCR CR2, test = "HTZ") on stacked changes.
    columns = ("statistic", "df1", "df2", "p_value")
    robust = "agency-robust (CR2)"
    expected = [1.446211873308, 2, 8.074306536272, 0.290517260814]
    near(pick(result, "time x group", "all", robust), columns, expected)
    expected = [0.342784815680, 1, 9.074306536272, 0.572496742052]
    near(pick(result, "time x group", "score", robust), columns, expected)


def test_it_says_that_agencies_are_ignored(people, result):
    alone = fit_repeated_mancova(people, outcomes=OUTCOMES, group="arm")
    assert any("ignores agencies" in note and "cluster=" in note for note in alone.notes)
    assert any("ignores agencies" in note and "mixed models" in note for note in result.notes)
    assert "ignoring agencies" in result.method
    assert alone.n_agencies is None
    assert result.n_agencies == 12


def test_numbers_name_groups_and_rows_that_lack_a_cell_are_counted(people):
    coded = people.assign(arm=(people["arm"] == "target").astype(int))
    coded.loc[3, "u9"] = np.nan
    result = fit_repeated_mancova(coded, outcomes=OUTCOMES, group="arm")
    assert result.n_participants == 64
    assert any("1 of 65 rows" in note for note in result.notes)
    named = people.drop(index=3)
    again = fit_repeated_mancova(named, outcomes=OUTCOMES, group="arm")
    np.testing.assert_allclose(result.tidy()["statistic"], again.tidy()["statistic"], rtol=1e-9)


def test_rescaling_an_outcome_changes_no_test(people, result):
    other = people.assign(u0=people["u0"] * 1000 - 5, u9=people["u9"] * 1000 - 5)
    again = fit_repeated_mancova(
        other, outcomes=OUTCOMES, group="arm", covariates=["age"], cluster="agency_id"
    )
    columns = ["statistic", "df1", "df2", "p_value"]
    np.testing.assert_allclose(again.tidy()[columns], result.tidy()[columns], rtol=1e-7)


@pytest.mark.parametrize(
    ("change", "arguments", "code", "said"),
    [
        ({}, {"outcomes": {"score": "before"}}, "CPI-M004", "over time"),
        ({}, {"outcomes": {"score": ["before"]}}, "CPI-M004", "two columns"),
        ({}, {"outcomes": {"a": ["before", "after"], "b": ["u0"]}}, "CPI-M004", "same number"),
        ({}, {"outcomes": {"a": ["before", "before"]}}, "CPI-M004", "twice"),
        ({}, {"outcomes": {"a": ["before", "m12"]}}, "CPI-M004", "m12"),
        ({}, {"outcomes": {"a": ["before", "sector"]}}, "CPI-M004", "not numeric"),
        ({}, {"covariates": ["years"]}, "CPI-M004", "years"),
        ({}, {"cluster": "site"}, "CPI-M004", "site"),
        ({"arm": "target"}, {}, "CPI-M001", "two groups"),
        ({"u9": 3.0, "u0": 2.0}, {}, "CPI-M003", "does not vary"),
        ({"u9": np.inf}, {}, "CPI-M006", "u9"),
        ({"age": np.inf}, {}, "CPI-M006", "age"),
        ({"age": 30.0}, {}, "CPI-M002", "age"),
    ],
)
def test_what_cannot_be_analysed_is_refused(people, change, arguments, code, said):
    settings = {"outcomes": OUTCOMES, "group": "arm", "covariates": ["age"], **arguments}
    with pytest.raises(ModelError) as raised:
        fit_repeated_mancova(people.assign(**change), **settings)
    assert raised.value.codes == (code,)
    assert said in str(raised.value)


def test_collinear_covariates_are_named(people):
    double = people.assign(double=2 * people["age"])
    with pytest.raises(ModelError, match="double"):
        fit_repeated_mancova(double, outcomes=OUTCOMES, group="arm", covariates=["age", "double"])


def test_a_total_of_other_outcomes_is_refused(people):
    total = people.assign(t0=people["before"] + people["u0"], t9=people["after"] + people["u9"])
    with pytest.raises(ModelError, match="follows from the others"):
        fit_repeated_mancova(total, outcomes={**OUTCOMES, "t": ["t0", "t9"]}, group="arm")


def test_data_must_be_a_table():
    with pytest.raises(DataError):
        fit_repeated_mancova({"a": [1]}, outcomes=OUTCOMES, group="arm")
