"""Frontier, value of information and intervention cost against dampack, BCEA and arithmetic."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import (
    compute_acceptability,
    compute_frontier,
    compute_intervention_cost,
    compute_value_of_information,
)
from cpi_analysis.errors import DataError
from tests.contract.decision import make_draws, make_resources
from tests.reference import reference_path

ROUNDING = 1e-9
#: dampack adds up draws in single passes of R: its values carry about this much rounding.
DAMPACK = 1e-7
#: dampack breaks near-ties at random.
TIES = 1e-3
STATUS = {"ND": "efficient", "D": "dominated", "ED": "extendedly_dominated"}


def load(name: str) -> dict:
    return json.loads(reference_path(f"economics/{name}_expected.json").read_text())


@pytest.mark.parametrize("name", ["hund_strat", "herc_six", "issue37"])
def test_frontier_agrees_with_dampack(name):
    peer = pd.DataFrame(load("dampack_frontier")[name])
    given = peer.rename(columns={"Strategy": "strategy", "Cost": "cost", "Effect": "effect"})
    shuffled = given[["strategy", "cost", "effect"]].sample(frac=1, random_state=1)
    ours = compute_frontier(shuffled).tidy().set_index("strategy")
    peer = peer.set_index("Strategy")
    assert ours["status"].to_dict() == peer["Status"].map(STATUS).to_dict()
    ratio = peer["ICER"].dropna().astype(float)
    np.testing.assert_allclose(ours.loc[ratio.index, "icer"], ratio, rtol=ROUNDING)


def test_frontier_of_six_strategies_by_hand():
    # Hunink's textbook example as dampack prints it: ICERs 5,000, 12,500 and 20,000.
    table = compute_frontier(
        pd.DataFrame(
            {
                "strategy": list("ABCDEU"),
                "cost": [12e3, 10e3, 25e3, 35e3, 55e3, 5e3],
                "effect": [1.5, 2.0, 3.0, 4.0, 5.0, 1.0],
            }
        )
    ).tidy()
    assert table["strategy"].tolist()[:4] == ["U", "B", "D", "E"]
    assert table["icer"].tolist()[1:4] == [5000.0, 12500.0, 20000.0]
    status = table.set_index("strategy")["status"]
    assert (status["A"], status["C"]) == ("dominated", "extendedly_dominated")


def test_ratios_of_the_frontier_rise_for_any_strategies():
    rng = np.random.default_rng(6)
    for _ in range(50):
        given = pd.DataFrame(
            {"strategy": range(12), "cost": rng.gamma(2, 100, 12), "effect": rng.normal(0, 1, 12)}
        )
        table = compute_frontier(given).tidy()
        ratio = table.loc[table["status"] == "efficient", "icer"].dropna().to_numpy()
        assert (np.diff(ratio) > 0).all()
        assert (ratio > 0).all()
        # The optimum at any threshold is efficient.
        for threshold in (0.0, 50.0, 500.0):
            best = (threshold * given["effect"] - given["cost"]).idxmax()
            chosen = table.loc[table["strategy"] == given.loc[best, "strategy"], "status"]
            assert chosen.item() == "efficient"


def make_strategies(data: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "draw": np.arange(len(data)),
                    "strategy": name,
                    "cost": data[f"c_{name}"],
                    "effect": data[f"e_{name}"],
                }
            )
            for name in names
        ],
        ignore_index=True,
    )


def test_information_and_acceptability_of_three_strategies_agree_with_dampack():
    peer = load("dampack_example_psa")
    data = pd.read_csv(reference_path("economics/dampack_example_psa.csv.gz"))
    draws = make_strategies(data, peer["strategies"])
    result = compute_value_of_information(draws, thresholds=peer["wtp"])
    np.testing.assert_allclose(
        result.tidy()["evpi"], [row["EVPI"] for row in peer["evpi"]], rtol=DAMPACK
    )
    losses = pd.DataFrame(peer["exp_loss"]).sort_values(["WTP", "Strategy"])["Expected_Loss"]
    ours = result.losses.sort_values(["threshold", "strategy"])["expected_loss"]
    np.testing.assert_allclose(ours, losses, rtol=DAMPACK)
    accepted = compute_acceptability(draws, thresholds=peer["wtp"]).tidy()
    expected = pd.DataFrame(peer["ceac"]).sort_values(["WTP", "Strategy"])
    accepted = accepted.sort_values(["threshold", "strategy"])
    np.testing.assert_allclose(accepted["probability"], expected["Proportion"], atol=TIES)
    assert accepted["is_optimal"].tolist() == expected["On_Frontier"].tolist()


def test_information_of_two_strategies_agrees_with_bcea():
    peer = load("bcea_vaccine")["result"]["at_k"]
    data = pd.read_csv(reference_path("economics/bcea_vaccine.csv"))
    draws = make_strategies(data, ["vaccination", "status_quo"])
    ours = compute_value_of_information(draws, thresholds=peer["k"]).tidy()
    key = next(name for name in ("EVI", "evi", "EVPI") if name in peer)
    np.testing.assert_allclose(ours["evpi"], peer[key], rtol=DAMPACK, atol=1e-12)


# without the reference data --------------------------------------------------------------------


def test_perfect_information_is_worth_nothing_when_one_strategy_is_always_best():
    draws = make_draws().assign(delta_cost=-10.0, delta_effect=0.1)
    table = compute_value_of_information(draws, thresholds=[0.0, 1000.0]).tidy()
    assert table["evpi"].tolist() == [0.0, 0.0]
    assert table["evpi_normal"].tolist() == pytest.approx([0.0, 0.0])


def test_normal_form_is_the_limit_of_many_normal_draws():
    rng = np.random.default_rng(7)
    many = pd.DataFrame(
        {
            "draw": np.arange(400_000),
            "delta_cost": rng.normal(1500, 900, 400_000),
            "delta_effect": rng.normal(0.07, 0.04, 400_000),
        }
    )
    table = compute_value_of_information(many, thresholds=[15_000.0, 30_000.0]).tidy()
    np.testing.assert_allclose(table["evpi"], table["evpi_normal"], rtol=0.01)


def test_population_value_by_hand():
    table = compute_value_of_information(
        make_draws(), thresholds=[20_000.0], population=100.0, years=2, discount_rate=0.035
    ).tidy()
    assert table["population_evpi"][0] == pytest.approx(
        table["evpi"][0] * 100 * (1 + 1 / 1.035), rel=ROUNDING
    )


def test_the_threshold_where_choices_are_equal_has_the_largest_value():
    draws = make_draws()
    ratio = draws["delta_cost"].mean() / draws["delta_effect"].mean()
    table = compute_value_of_information(
        draws, thresholds=[ratio * 0.8, ratio, ratio * 1.02]
    ).tidy()
    assert table["evpi"][1] > table["evpi"][0]
    losses = compute_value_of_information(draws, thresholds=[ratio]).losses["expected_loss"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_intervention_cost_by_hand():
    result = compute_intervention_cost(
        make_resources(),
        worker_day_cost=200.0,
        supervisor_day_cost=300.0,
        trainer_day_cost=400.0,
        useful_life_years=2.0,
        period_years=0.75,
    )
    table = result.tidy()
    # A1: 10×200 + 2×300 + 2×400 + 100 = 3,500; A2: 20×200 + 3×400 + 50 = 5,250.
    assert table["total_cost"].tolist() == [3500.0, 5250.0]
    assert table["cost_per_participant"].tolist() == pytest.approx(
        [3500 * 0.375 / 20, 5250 * 0.375 / 30]
    )
    assert result.by_category.groupby("agency_id")["cost"].sum().tolist() == [3500.0, 5250.0]
    people = pd.DataFrame({"participant_id": ["P1", "P2", "P3"], "agency_id": ["A2", "A1", "A9"]})
    with pytest.raises(DataError, match="CPI-E030"):
        result.join(people)
    joined = result.join(people, others=0.0)["intervention_cost"]
    assert joined.tolist() == pytest.approx([5250 * 0.375 / 30, 3500 * 0.375 / 20, 0.0])


@pytest.mark.parametrize(
    ("change", "settings", "code"),
    [
        ({"people_reached": 0}, {}, "CPI-E024"),
        ({"trainer_days": -1}, {}, "CPI-E024"),
        ({"agency_id": "A1"}, {}, "CPI-E013"),
        ({}, {"period_years": 3.0}, "CPI-E024"),
        ({}, {"worker_day_cost": -1.0}, "CPI-E024"),
    ],
)
def test_impossible_costs_are_refused(change, settings, code):
    given = {
        "worker_day_cost": 200.0,
        "supervisor_day_cost": 300.0,
        "trainer_day_cost": 400.0,
        "useful_life_years": 2.0,
        "period_years": 0.75,
    } | settings
    with pytest.raises(DataError) as caught:
        compute_intervention_cost(make_resources().assign(**change), **given)
    assert caught.value.faults[0].code == code


@pytest.mark.parametrize(
    "settings",
    [
        {"thresholds": [-1.0]},
        {"thresholds": [20_000.0, 10_000.0]},
        {"thresholds": [1.0], "population": 10.0},
        {"thresholds": [1.0], "population": -10.0, "years": 2, "discount_rate": 0.0},
    ],
)
def test_bad_settings_of_the_value_are_refused(settings):
    with pytest.raises(DataError):
        compute_value_of_information(make_draws(), **settings)


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({"strategy": ["a"], "cost": [1.0]}, "CPI-E011"),
        ({"strategy": ["a", "a"], "cost": [1.0, 2.0], "effect": [1.0, 2.0]}, "CPI-E013"),
        (
            {
                "draw": [1, 1, 2],
                "strategy": ["a", "b", "a"],
                "cost": [1, 2, 3],
                "effect": [1, 2, 3],
            },
            "CPI-E013",
        ),
        ({"strategy": ["a", "b"], "cost": [1.0, np.nan], "effect": [1.0, 2.0]}, "CPI-E020"),
    ],
)
def test_bad_strategies_are_refused(table, code):
    with pytest.raises(DataError) as caught:
        compute_frontier(pd.DataFrame(table))
    assert caught.value.faults[0].code == code
