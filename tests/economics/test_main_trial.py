"""Sizing a main trial: against R, the pilot of PBS, simulated trials and limits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import (
    build_design_parameters,
    build_resampling_plan,
    compute_main_trial,
    compute_value_of_information,
    estimate_design_parameters,
    estimate_incremental,
)
from cpi_analysis.economics.design_parameters import estimate_components
from cpi_analysis.economics.main_trial import compute_trial_covariance
from cpi_analysis.errors import DataError, ModelError
from tests.contract.costing import make_quantities
from tests.reference import reference_json, reference_path

ROUNDING = 1e-9
# R 4.2.2: 1 - pt(qt(.975, 18), 18, ncp = 2) + pt(-qt(.975, 18), 18, ncp = 2).
POWER_AT_TWO = 0.4733656694
# R 4.2.2: 640*dnorm(500/640) - 500*pnorm(-500/640).
EVSI_BY_HAND = 79.50764738


def make_parameters(**change):
    given = {
        "std_dev_cost": 3000.0,
        "std_dev_effect": 0.2,
        "icc_cost": 0.05,
        "icc_effect": 0.1,
        "correlation_within_person": -0.3,
        "correlation_within_agency": -0.04,
    }
    return build_design_parameters(**(given | change))


def make_prior():
    people = make_quantities()
    return estimate_incremental(
        people,
        cost="cost",
        effect="qaly",
        arm="arm",
        cluster="agency_id",
        plan=build_resampling_plan(
            people, cluster="agency_id", strata="arm", replicates=400, seed=1
        ),
    )


def compute(parameters=None, *, agencies=20, people=15, **settings):
    given = {
        "designs": pd.DataFrame({"n_agencies": [agencies], "people_per_agency": [people]}),
        "thresholds": [20_000.0],
        "delta_cost": 0.0,
        "delta_effect": 0.1,
    }
    parameters = parameters or make_parameters()
    return compute_main_trial(parameters, **(given | settings)).tidy().iloc[0]


# parameters ------------------------------------------------------------------------------------


def test_intracluster_correlations_of_pbs():
    """R's aov of agencies within groups, 204 complete cases in 23 sites."""
    expected = reference_json("economics/pbs_expected.json")["icc_anova"]
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    data = data.dropna(subset=["qaly", "cost", "e1", "c1"])
    result = estimate_design_parameters(data, cost="cost", effect="qaly", arm="trt", cluster="site")
    assert result.icc_cost == pytest.approx(expected["cost"]["icc"], rel=ROUNDING)
    assert result.icc_effect == pytest.approx(expected["qaly"]["icc"], rel=ROUNDING)
    assert (result.n_participants, result.n_agencies) == (204, 23)
    within = expected["cost"]["MSW"]
    between = (expected["cost"]["MSB"] - within) / expected["cost"]["n0"]
    assert result.std_dev_cost == pytest.approx(np.sqrt(within + between), rel=ROUNDING)


def test_components_by_hand():
    """Agencies (4, 6), (1, 3) | (2, 4), (5, 7): MSW 2; means 5, 2, 3, 6 give MSB 9; n₀ 2."""
    outcomes = np.array([4.0, 6, 1, 3, 2, 4, 5, 7])[:, None]
    clusters = np.repeat(np.arange(4), 2)
    between, within = estimate_components(outcomes, clusters, np.repeat([1.0, 0.0], 4))
    assert within[0, 0] == pytest.approx(2.0)
    assert between[0, 0] == pytest.approx((9 - 2) / 2)


def test_components_of_many_agencies_are_those_that_made_them():
    rng = np.random.default_rng(1)
    agency = rng.multivariate_normal([0, 0], [[1.0, -0.4], [-0.4, 0.5]], 3000)
    person = rng.multivariate_normal([0, 0], [[4.0, 1.0], [1.0, 2.0]], 30_000)
    clusters = np.repeat(np.arange(3000), 10)
    arm = np.repeat(np.arange(3000) % 2, 10).astype(float)
    between, within = estimate_components(agency[clusters] + person, clusters, arm)
    assert within == pytest.approx(np.array([[4.0, 1.0], [1.0, 2.0]]), abs=0.1)
    assert between == pytest.approx(np.array([[1.0, -0.4], [-0.4, 0.5]]), abs=0.1)


def test_a_negative_variance_is_zero_and_said():
    people = pd.DataFrame(
        {
            "agency": np.repeat(list("abcd"), 2),
            "arm": np.repeat([1, 0], 4),
            "cost": [1.0, 9, 9, 1, 1, 9, 9, 1],
            "qaly": [0.1, 0.2, 0.5, 0.6, 0.1, 0.3, 0.6, 0.8],
        }
    )
    result = estimate_design_parameters(
        people, cost="cost", effect="qaly", arm="arm", cluster="agency"
    )
    assert result.icc_cost == 0.0
    assert result.correlation_within_agency == 0.0
    assert "variance of cost between agencies" in " ".join(result.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"icc_cost": 1.0},
        {"icc_effect": -0.1},
        {"std_dev_cost": 0.0},
        {"correlation_within_person": 1.2},
        {"correlation_within_agency": 0.5},
        {"std_dev_effect": np.nan},
    ],
)
def test_impossible_parameters_are_refused(change):
    with pytest.raises(DataError) as caught:
        make_parameters(**change)
    assert caught.value.codes == ("CPI-E024",)


def test_one_person_an_agency_shows_no_variance_within():
    people = make_quantities().groupby("agency_id", as_index=False).first()
    with pytest.raises(ModelError) as caught:
        estimate_design_parameters(
            people, cost="cost", effect="qaly", arm="arm", cluster="agency_id"
        )
    assert caught.value.codes == ("CPI-M001",)


# standard error and power ----------------------------------------------------------------------


def test_the_formula_is_the_variance_of_simulated_trials():
    """4,000 trials of 12 agencies with 10 people: the error of a variance is 2.2%."""
    rng = np.random.default_rng(3)
    parameters = make_parameters()
    spread = np.array([3000.0, 0.2])
    scale = np.outer(spread, spread)
    between = scale * [[0.05, -0.04], [-0.04, 0.1]]
    within = scale * [[1.0, -0.3], [-0.3, 1.0]] - between
    agency = rng.multivariate_normal([0, 0], between, (4000, 12))
    person = rng.multivariate_normal([0, 0], within, (4000, 12, 10)).mean(axis=2)
    means = agency + person
    deltas = means[:, :6].mean(axis=1) - means[:, 6:].mean(axis=1)
    found = np.cov(deltas, rowvar=False)
    expected = compute_trial_covariance(parameters, n_agencies=12, people_per_agency=10)
    assert np.diag(found) == pytest.approx(np.diag(expected), rel=0.08)
    benefit = deltas @ [-1.0, 20_000.0]
    assert benefit.std() == pytest.approx(compute(agencies=12, people=10)["std_error"], rel=0.04)


def test_standard_error_by_hand():
    """Wang's formula: (9e6·1.7 + 2·2e4·3000·.2·(.3 + 14·.04) + 4e8·.04·2.4) / (300/4)."""
    variance = (9e6 * 1.7 + 2 * 2e4 * 600 * (0.3 + 14 * 0.04) + 4e8 * 0.04 * 2.4) / 75
    assert compute()["std_error"] == pytest.approx(np.sqrt(variance), rel=ROUNDING)


def test_unequal_agencies_cost_precision():
    """Coefficient of variation 0.6: 15 people count as 15 × 1.36 in the design effect."""
    variance = (9e6 * (1 + 19.4 * 0.05)) / 75
    row = compute(size_variation=0.6, thresholds=[0.0])
    assert row["std_error"] == pytest.approx(np.sqrt(variance), rel=ROUNDING)


def test_power_is_that_of_the_noncentral_t():
    error = compute()["std_error"]
    row = compute(delta_effect=0.0, delta_cost=-2 * error)
    assert row["power"] == pytest.approx(POWER_AT_TWO, abs=1e-7)
    nothing = compute(delta_effect=0.0, delta_cost=0.0)
    assert nothing["power"] == pytest.approx(0.05, abs=1e-9)
    certain = compute(delta_effect=0.0, delta_cost=-60 * error)
    assert certain["power"] == pytest.approx(1.0)


def test_more_agencies_help_and_more_people_help_less():
    few, more, larger = (
        compute(agencies=a, people=p)["power"] for a, p in ((20, 15), (40, 15), (20, 30))
    )
    assert few < larger < more


# value of the sample ---------------------------------------------------------------------------


def test_a_sample_is_worth_between_nothing_and_perfect_information():
    prior = make_prior()
    values = [
        compute(agencies=agencies, prior=prior, people=people)
        for agencies, people in ((4, 1), (20, 15), (400, 100), (1_000_000, 1000))
    ]
    evsi = [row["evsi"] for row in values]
    assert evsi == sorted(evsi)
    assert evsi[-1] == pytest.approx(values[-1]["evpi"], rel=1e-3)
    normal = compute_value_of_information(prior.draws, thresholds=[20_000.0]).tidy()
    # The prior has the estimates as its mean, the draws their own: near, not equal.
    assert values[0]["evpi"] == pytest.approx(normal["evpi_normal"][0], rel=0.1)


def test_value_of_a_sample_by_hand():
    """Prior variance 800² of cost alone, a trial with 600²: R's dnorm and pnorm give 79.5076."""
    prior = make_prior()
    rng = np.random.default_rng(1)
    cost = rng.normal(size=400)
    cost = 800 * (cost - cost.mean()) / cost.std(ddof=1)
    estimates = prior.estimates.copy()
    estimates.loc[estimates["quantity"] == "delta_cost", "estimate"] = 500.0
    draws = prior.draws.assign(delta_cost=cost, delta_effect=rng.normal(0, 1e-9, 400))
    known = dataclasses.replace(prior, draws=draws, estimates=estimates)
    parameters = make_parameters(
        icc_cost=0.0,
        icc_effect=0.0,
        correlation_within_agency=0.0,
        correlation_within_person=0.0,
        std_dev_cost=600.0 * np.sqrt(75),
    )
    row = compute(
        parameters,
        thresholds=[0.0],
        prior=known,
        population=1000,
        years=2,
        discount_rate=0.035,
    )
    assert row["std_error"] == pytest.approx(600.0)
    assert row["evsi"] == pytest.approx(EVSI_BY_HAND, rel=1e-6)
    assert row["population_evsi"] == pytest.approx(EVSI_BY_HAND * 1000 * (1 + 1 / 1.035), rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"agencies": 2}, "CPI-E024"),
        ({"agencies": 20.5}, "CPI-E024"),
        ({"people": 0}, "CPI-E024"),
        ({"designs": pd.DataFrame({"n_agencies": [20]})}, "CPI-E011"),
        ({"thresholds": []}, "CPI-E047"),
        ({"share_target": 1.0}, "CPI-E024"),
        ({"size_variation": -1.0}, "CPI-E024"),
        ({"delta_effect": np.nan}, "CPI-E024"),
        ({"population": 100.0}, "CPI-E047"),
    ],
)
def test_impossible_designs_are_refused(settings, code):
    with pytest.raises(DataError) as caught:
        compute(**settings)
    assert caught.value.codes == (code,)
