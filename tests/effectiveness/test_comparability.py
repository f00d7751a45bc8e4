"""Balance, propensity, E-values, regression to the mean."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import (
    build_balance_table,
    compute_e_value,
    estimate_regression_to_mean,
    fit_propensity,
)
from cpi_analysis.effectiveness.unmeasured import compute_e_value_of_ratio
from cpi_analysis.errors import ModelError
from tests.reference import reference_path

COVARIATES = ["age", "educ", "black", "hispan", "married", "nodegree", "re74", "re75"]
#: Arithmetic in a different order.
ROUNDING = 1e-10
#: R's glm was polished to a deviance change of 1e-14.
FITTED = 1e-8


@pytest.fixture(scope="module")
def lalonde():
    data = pd.read_csv(reference_path("effectiveness/lalonde.csv"))
    expected = json.loads(reference_path("effectiveness/lalonde_expected.json").read_text())
    return data, expected["models"]


def test_unweighted_balance_agrees_with_matchit(lalonde):
    data, expected = lalonde
    block = expected["balance_matchit_unadjusted"]
    peer = pd.DataFrame(block["values"], index=block["rows"], columns=block["cols"])
    ours = build_balance_table(
        data, exposure="treat", covariates=COVARIATES, denominator="target"
    ).tidy()
    continuous = [name for name in COVARIATES if data[name].nunique() > 2]
    table = ours.set_index("covariate")
    np.testing.assert_allclose(
        table.loc[continuous, "standardised_difference"],
        peer.loc[continuous, "Std. Mean Diff."].astype(float),
        rtol=ROUNDING,
    )
    np.testing.assert_allclose(
        table.loc[continuous, "variance_ratio"],
        peer.loc[continuous, "Var. Ratio"].astype(float),
        rtol=ROUNDING,
    )
    np.testing.assert_allclose(
        table["mean_target"], peer.loc[COVARIATES, "Means Treated"].astype(float), rtol=ROUNDING
    )


@pytest.mark.parametrize(
    ("target", "name"), [("everybody", "ate"), ("target", "att"), ("overlap",) * 2]
)
def test_propensity_weights_and_weighted_means_agree_with_r(lalonde, target, name):
    data, expected = lalonde
    result = fit_propensity(
        data, exposure="treat", covariates=COVARIATES, target=target, keep=["re78"]
    )
    np.testing.assert_allclose(
        result.estimates["estimate"], list(expected["ps_coef"].values()), rtol=FITTED
    )
    people = result.weighted
    np.testing.assert_allclose(people["propensity"][:10], expected["ps_first10"], rtol=FITTED)
    # R lists the reference first.
    np.testing.assert_allclose(result.effective_sizes[::-1], expected["ess"][name], rtol=FITTED)
    means = [
        np.average(part["re78"], weights=part["weight"]) for _, part in people.groupby("treat")
    ]
    coefficients = expected[name]["coef"]
    assert means[0] == pytest.approx(coefficients["(Intercept)"], rel=FITTED)
    assert means[1] - means[0] == pytest.approx(coefficients["treat"], rel=1e-6)


@pytest.fixture
def people():
    rng = np.random.default_rng(5)
    group = np.arange(120) % 2
    age = rng.normal(40 + 4 * group, 10)
    sector = np.where(rng.random(120) < 0.3 + 0.3 * group, "statutory", "third sector")
    return pd.DataFrame(
        {"group": group, "age": age, "sector": sector, "agency": np.arange(120) // 10}
    )


def test_overlap_weights_balance_the_means_exactly(people):
    # Li, Morgan and Zaslavsky (2018), theorem 3.
    covariates = ["age", "sector"]
    result = fit_propensity(people, exposure="group", covariates=covariates, target="overlap")
    balance = build_balance_table(
        result.weighted, exposure="group", covariates=covariates, weights="weight"
    )
    weighted = balance.tidy().query("analysis == 'weighted'")
    np.testing.assert_allclose(weighted["standardised_difference"], 0.0, atol=1e-9)
    assert (balance.tidy().query("analysis == 'unweighted'")["standardised_difference"] != 0).all()
    assert "0 of 2 covariates" in balance.summary()


def test_units_of_a_covariate_do_not_matter(people):
    one = fit_propensity(people, exposure="group", covariates=["age"], target="target")
    other = fit_propensity(
        people.assign(age=people["age"] * 1e6),
        exposure="group",
        covariates=["age"],
        target="target",
    )
    np.testing.assert_allclose(one.weighted["weight"], other.weighted["weight"], rtol=FITTED)


def test_separated_groups_are_refused(people):
    apart = people.assign(age=people["age"] + 1000 * people["group"])
    with pytest.raises(ModelError) as caught:
        fit_propensity(apart, exposure="group", covariates=["age"], target="overlap")
    assert caught.value.faults[0].code == "CPI-M007"


def test_too_many_covariates_of_agencies_are_refused_and_several_are_noted(people):
    few = people[people["agency"] < 5]
    several = {f"x{k}": (few["agency"] == k).astype(float) for k in range(3)}
    data = few.assign(**several)
    with pytest.raises(ModelError) as caught:
        fit_propensity(
            data, exposure="group", covariates=list(several), target="overlap", cluster="agency"
        )
    assert caught.value.faults[0].code == "CPI-M001"
    noted = fit_propensity(
        people.assign(**{f"x{k}": (people["agency"] == k).astype(float) for k in range(3)}),
        exposure="group",
        covariates=["x0", "x1", "x2"],
        target="overlap",
        cluster="agency",
    )
    assert any("constant within agencies" in note for note in noted.notes)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"group": 2}, "CPI-M004"),
        ({"group": 1}, "CPI-M001"),
        ({"age": 1.0}, "CPI-M002"),
        ({"age": np.inf}, "CPI-M006"),
    ],
)
def test_bad_groups_are_refused(people, change, code):
    with pytest.raises(ModelError) as caught:
        build_balance_table(people.assign(**change), exposure="group", covariates=["age"])
    assert caught.value.faults[0].code == code


def test_missing_cells_are_counted(people):
    people.loc[:4, "age"] = np.nan
    result = build_balance_table(people, exposure="group", covariates=["age"])
    assert result.n_participants == 115
    assert "5 of 120 rows are left out: a cell is missing (age 5)." in result.notes


def test_e_values_of_the_paper():
    # VanderWeele and Ding (2017): risk ratio 3.9 (95% CI 1.8 to 8.7) gives 7.26 and 3.0.
    assert round(compute_e_value_of_ratio(3.9), 2) == 7.26
    assert round(compute_e_value_of_ratio(1.8), 1) == 3.0
    assert compute_e_value_of_ratio(0.5) == compute_e_value_of_ratio(2.0)


def test_an_interval_over_zero_has_an_e_value_of_one():
    result = compute_e_value(1.0, std_error=2.0, std_dev=10.0)
    assert result.tidy()["e_value"].iloc[1] == 1.0
    assert result.tidy()["e_value"].equals(
        compute_e_value(-1.0, std_error=2.0, std_dev=10.0).tidy()["e_value"]
    )


def test_without_an_effect_the_expected_change_is_the_change():
    # True scores of one population; everybody below the median of a noisy baseline is chosen.
    rng = np.random.default_rng(11)
    true = rng.normal(50, 8, 200_000)
    before, after = (true + rng.normal(0, 6, true.size) for _ in range(2))
    data = pd.DataFrame({"before": before, "after": after, "group": (before < 45).astype(int)})
    result = estimate_regression_to_mean(
        data, outcome="after", baseline="before", exposure="group", population_mean=50.0
    )
    table = result.tidy().set_index("group")
    # Reliability is 64 / 100: the chosen regress by 36% of their distance.
    assert table.loc["target", "expected_change"] == pytest.approx(
        0.36 * (50 - table.loc["target", "mean_baseline"]), rel=0.02
    )
    np.testing.assert_allclose(table["remaining_change"], 0.0, atol=0.06)
