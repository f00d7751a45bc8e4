"""Unit costs drawn with the people: against the same analysis done price by price, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import (
    build_resampling_plan,
    compute_acceptability,
    compute_partial_information,
    compute_tornado,
    estimate_incremental,
    estimate_price_uncertainty,
    simulate_unit_costs,
)
from cpi_analysis.errors import DataError
from tests.contract.costing import make_prices, make_quantities, make_uncertainty

ROUNDING = 1e-9
SERVICES = ["gp", "nurse", "informal_care"]


def make_plan(replicates=300, people=None):
    return build_resampling_plan(
        make_quantities() if people is None else people,
        cluster="agency_id",
        strata="arm",
        replicates=replicates,
        seed=7,
    )


def estimate(people=None, **settings):
    people = make_quantities() if people is None else people
    given = {
        "quantities": SERVICES,
        "unit_costs": make_prices(),
        "effect": "qaly",
        "arm": "arm",
        "cluster": "agency_id",
        "plan": make_plan(),
        "fixed_costs": ["training"],
        "thresholds": [20_000.0],
    }
    return estimate_price_uncertainty(people, **(given | settings))


def price_people(prices):
    people = make_quantities()
    return people.assign(
        total=people["training"] + sum(people[name] * prices[name] for name in SERVICES)
    )


def analyse(people, **settings):
    return estimate_incremental(
        people,
        cost="total",
        effect="qaly",
        arm="arm",
        cluster="agency_id",
        plan=make_plan(),
        thresholds=[20_000.0],
        **settings,
    )


def test_without_price_uncertainty_it_is_the_incremental_analysis():
    fixed = estimate(unit_costs=make_prices().assign(unit_cost_std_error=0.0))
    whole = analyse(price_people({"gp": 45.0, "nurse": 60.0, "informal_care": 12.0}))
    for column in ("delta_cost", "delta_effect"):
        assert fixed.draws[column].to_numpy() == pytest.approx(whole.draws[column], rel=ROUNDING)
    both = fixed.tidy().query("source == 'people and unit costs'")
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    theirs = whole.tidy().query("quantity != 'delta_effect'")[columns]
    assert both[columns].to_numpy() == pytest.approx(theirs.to_numpy(), rel=1e-7)
    alone = fixed.tidy().query("source == 'unit costs'")["std_error"]
    assert alone.to_numpy() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("covariates", [(), ("cost",)])
def test_a_replicate_is_the_analysis_with_the_prices_that_it_drew(covariates):
    joint = estimate(covariates=covariates)
    for place in (0, 11, 299):
        prices = joint.unit_cost_draws.iloc[place]
        whole = analyse(price_people(prices), covariates=covariates)
        assert joint.draws["delta_cost"][place] == pytest.approx(
            whole.draws["delta_cost"][place], rel=1e-8
        )


def test_variances_of_people_and_prices_by_hand():
    plan = make_plan(20_000)
    result = estimate(plan=plan)
    table = result.tidy().query("quantity == 'delta_cost'").set_index("source")["std_error"]
    services = result.services.set_index("service")
    # Prices are independent: the variance of Σ p ΔQ at fixed ΔQ is Σ s² ΔQ².
    expected = np.sqrt((services["std_error"] ** 2 * services["delta_quantity"] ** 2).sum())
    # The standard error of a standard deviation of 20,000 draws is 0.5%; gamma draws 1%.
    assert table["unit costs"] == pytest.approx(expected, rel=0.03)
    # A product of independent draws: both is at least as uncertain as either.
    assert table["people and unit costs"] > max(table["people"], table["unit costs"])


def test_prices_are_gamma_with_the_mean_and_standard_error_asked_for():
    drawn = simulate_unit_costs(make_prices(), replicates=40_000, seed=1)
    for service, mean, spread in (("gp", 45, 5), ("nurse", 60, 10), ("informal_care", 12, 3)):
        assert drawn[service].mean() == pytest.approx(mean, rel=0.005)
        assert drawn[service].std() == pytest.approx(spread, rel=0.02)
        assert (drawn[service] > 0).all()
    # qgamma(c(.025, .975), shape = 36, scale = 60/36) of R 4.2.2.
    assert np.quantile(drawn["nurse"], [0.025, 0.975]) == pytest.approx(
        [42.02326, 81.12755], rel=0.01
    )
    assert abs(np.corrcoef(drawn[SERVICES].T)[0, 1]) < 0.02


def test_prices_do_not_depend_on_how_many_are_drawn_nor_on_other_services():
    many = simulate_unit_costs(make_prices(), replicates=3000, seed=5)
    few = simulate_unit_costs(make_prices().iloc[[1]], replicates=150, seed=5)
    assert few["nurse"].tolist() == many["nurse"].tolist()[:150]
    other = simulate_unit_costs(make_prices(), replicates=150, seed=6)
    assert other["nurse"].tolist() != few["nurse"].tolist()


def test_joint_draws_go_into_the_decision():
    result = make_uncertainty()
    accepted = compute_acceptability(result.draws, thresholds=[20_000]).tidy()
    assert accepted["probability"].sum() == pytest.approx(1.0)
    value = compute_partial_information(
        result.draws, parameters=result.unit_cost_draws, thresholds=[20_000], method="normal"
    ).tidy()
    assert set(value["parameter"]) == set(SERVICES)
    assert (value["evppi"] <= value["evpi"] * 1.2 + 1).all()


def test_people_with_a_missing_quantity_are_left_out_and_counted():
    people = make_quantities().astype({"gp": float})
    people.loc[[0, 9], "gp"] = np.nan
    result = estimate(people)
    assert result.n_participants == 46
    assert result.notes[0].startswith("2 participants were left out")


def test_tornado_by_hand():
    result = make_uncertainty()
    services = result.services.set_index("service")
    tornado = compute_tornado(result, threshold=20_000.0, share=0.2)
    table = tornado.tidy().set_index("parameter")
    centre = 20_000 * result.delta_effect - services["delta_cost"].sum()
    assert tornado.estimate == pytest.approx(centre)
    for service, price in (("gp", 45.0), ("nurse", 60.0), ("informal_care", 12.0)):
        change = services.loc[service, "delta_quantity"]
        assert table.loc[service, "at_minimum"] == pytest.approx(centre + 0.2 * price * change)
        assert table.loc[service, "at_maximum"] == pytest.approx(centre - 0.2 * price * change)
    assert table["width"].is_monotonic_decreasing
    interval = compute_tornado(result, threshold=20_000.0, price_level=0.95).tidy()
    nurse = interval.set_index("parameter").loc["nurse"]
    assert [nurse["minimum"], nurse["maximum"]] == pytest.approx([42.02326, 81.12755], rel=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{}, {"share": 0.2, "price_level": 0.9}, {"share": 0.0}, {"share": 2}, {"price_level": 95}],
)
def test_how_far_prices_move_is_never_guessed(settings):
    with pytest.raises(DataError):
        compute_tornado(make_uncertainty(), threshold=20_000.0, **settings)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"quantities": ["gp", "bed"]}, "CPI-E046"),
        ({"unit_costs": make_prices().drop(columns="unit_cost_std_error")}, "CPI-E011"),
        ({"unit_costs": make_prices().assign(unit_cost_std_error=-1.0)}, "CPI-E024"),
        ({"unit_costs": pd.concat([make_prices()] * 2)}, "CPI-E013"),
        ({"thresholds": [-1.0]}, "CPI-E024"),
        ({"quantities": [], "fixed_costs": []}, "CPI-E047"),
        ({"effect": "wemwbs"}, "CPI-E011"),
    ],
)
def test_prices_that_cannot_be_drawn_are_refused(settings, code):
    with pytest.raises(DataError) as caught:
        estimate(**settings)
    assert code in caught.value.codes
