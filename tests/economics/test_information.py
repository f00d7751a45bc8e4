"""Net benefit, value of information and of parameters: against voi, mgcv and arithmetic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import (
    compute_acceptability,
    compute_frontier,
    compute_net_benefit,
    compute_partial_information,
    compute_value_of_information,
    estimate_incremental,
)
from cpi_analysis.economics.spline_regression import build_basis, fit_smooth
from cpi_analysis.economics.threshold_profile import compute_expected_losses
from cpi_analysis.errors import DataError, ModelError
from tests.reference import reference_json, reference_path

ROUNDING = 1e-9
#: mgcv stops when its criterion no longer changes in the seventh digit.
MGCV = 2e-5


def make_draws(seed: int = 1, n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "draw": np.arange(n),
            "delta_cost": rng.normal(500, 800, n),
            "delta_effect": rng.normal(0.03, 0.04, n),
        }
    )


def make_vaccine() -> tuple[pd.DataFrame, pd.DataFrame]:
    data = pd.read_csv(reference_path("economics/bcea_vaccine.csv"))
    draws = pd.DataFrame(
        {
            "draw": np.arange(len(data)),
            "delta_cost": data["c_vaccination"] - data["c_status_quo"],
            "delta_effect": data["e_vaccination"] - data["e_status_quo"],
        }
    )
    return draws, data.iloc[:, 4:].assign(draw=np.arange(len(data)))


# exact in the threshold ------------------------------------------------------------------------


@pytest.mark.parametrize("strategies", [2, 3, 6])
@pytest.mark.parametrize("is_tied", [False, True])
def test_losses_without_a_grid_are_those_counted_draw_by_draw(strategies, is_tied):
    rng = np.random.default_rng(strategies)
    shape = (500, strategies)
    if is_tied:
        cost, effect = rng.integers(0, 4, shape) * 1.0, rng.integers(0, 4, shape) * 1.0
        grid = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    else:
        cost, effect = rng.normal(500, 800, shape), rng.normal(0.03, 0.04, shape)
        grid = np.array([0.0, 10.0, 5_000.0, 20_000.0, 1e6])
    found = compute_expected_losses(cost, effect, grid)
    for row, threshold in enumerate(grid):
        benefit = threshold * effect - cost
        expected = (benefit.max(axis=1, keepdims=True) - benefit).mean(axis=0)
        assert found[row] == pytest.approx(expected, rel=ROUNDING, abs=1e-9)


def test_a_strategy_that_always_wins_loses_exactly_nothing():
    rng = np.random.default_rng(1)
    cost, effect = rng.normal(1e4, 10, (300, 3)), rng.normal(1, 0.01, (300, 3))
    cost[:, 2] -= 5_000
    assert compute_expected_losses(cost, effect, [0.0, 100.0])[:, 2].tolist() == [0.0, 0.0]


def test_eleven_strategies_of_dampack():
    """dampack 1.0.2.1000 on its own cdiff draws: frontier of the means, and the EVPI."""
    expected = reference_json("economics/dampack_frontier_expected.json")["cdiff"]
    data = pd.read_csv(reference_path("economics/dampack_psa_cdiff.csv"))
    names = [name[2:] for name in data.columns if name.startswith("c_")]
    draws = pd.concat(
        pd.DataFrame(
            {
                "draw": np.arange(len(data)),
                "strategy": name,
                "cost": data[f"c_{name}"],
                "effect": data[f"e_{name}"],
            }
        )
        for name in names
    )
    frontier = compute_frontier(draws).tidy().set_index("strategy")
    peer = pd.DataFrame(expected["icers"]).set_index("Strategy")
    words = {"ND": "efficient", "D": "dominated", "ED": "extendedly_dominated"}
    assert frontier["status"].to_dict() == peer["Status"].map(words).to_dict()
    ratios = peer["ICER"].dropna().astype(float)
    assert frontier.loc[ratios.index, "icer"].to_numpy() == pytest.approx(ratios, rel=ROUNDING)
    evpi = compute_value_of_information(draws, thresholds=expected["wtp"]).tidy()["evpi"]
    excess = evpi.to_numpy() - [row["EVPI"] for row in expected["evpi"]]
    # At 0 both are one number. Above, R's max.col takes any strategy within 1e-5 of the best net
    # benefit for the best, so that dampack's loss is lower, by at most that much.
    assert excess[0] == pytest.approx(0, abs=1e-9)
    sizes = np.array(expected["wtp"]) * draws["effect"].max() + draws["cost"].max()
    assert (excess >= -1e-9).all()
    assert (excess <= 1e-5 * sizes).all()
    # The acceptability frontier switches where the frontier of the means has its ratios.
    switches = compute_acceptability(draws, thresholds=[1]).switches
    efficient = frontier[frontier["status"] == "efficient"]
    assert switches["strategy"].tolist() == efficient.index.tolist()
    assert switches["threshold"].iloc[1:].to_numpy() == pytest.approx(
        efficient["icer"].iloc[1:], rel=ROUNDING
    )


# net benefit -----------------------------------------------------------------------------------


def test_net_benefit_by_hand():
    draws = pd.DataFrame({"draw": [1, 2, 3], "delta_cost": [100, 200, 300], "delta_effect": 0.02})
    table = compute_net_benefit(draws, thresholds=[0, 10_000]).tidy()
    assert table["quantity"].tolist() == ["inb", "inb", "inhb"]
    # 10,000 × 0.02 = 200, less 100, 200 and 300: the mean is 0, above 0 in one of three.
    assert table["estimate"].tolist() == pytest.approx([-200.0, 0.0, 0.0])
    assert table["std_error"].tolist() == pytest.approx([100.0, 100.0, 0.01])
    assert table["probability"].tolist() == pytest.approx([0.0, 1 / 3, 1 / 3])
    # Percentiles of −100, 0, 100 by R's default (type 7): ±95 at 95%.
    assert table["conf_low"].tolist()[1] == pytest.approx(-95.0)
    assert table["conf_high"].tolist()[1] == pytest.approx(95.0)


def test_net_benefit_of_bcea():
    draws, _ = make_vaccine()
    expected = reference_json("economics/bcea_vaccine_expected.json")["result"]["at_k"]
    table = compute_net_benefit(draws, thresholds=expected["k"]).tidy()
    money = table[table["quantity"] == "inb"]
    assert money["estimate"].to_numpy() == pytest.approx(expected["EIB"]["Status Quo"], rel=1e-9)
    assert money["probability"].to_numpy() == pytest.approx(
        expected["CEAC_pairwise"]["Status Quo"], abs=1e-12
    )


def test_net_benefit_of_an_analysis_is_the_one_of_its_table():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(
        {
            "agency": np.repeat(np.arange(8), 10),
            "arm": np.repeat(np.arange(8) % 2, 10),
            "cost": rng.gamma(2, 500, 80),
            "qaly": rng.normal(0.6, 0.2, 80),
        }
    )
    analysis = estimate_incremental(
        data,
        cost="cost",
        effect="qaly",
        arm="arm",
        cluster="agency",
        replicates=500,
        seed=1,
        thresholds=[20_000, 30_000],
        confidence_level=0.9,
    )
    result = compute_net_benefit(analysis, thresholds=[20_000, 30_000])
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    mine = result.tidy().query("quantity == 'inb'")[columns].to_numpy()
    theirs = analysis.tidy().query("quantity == 'inb'")[columns].to_numpy()
    assert mine == pytest.approx(theirs, rel=ROUNDING)
    assert (result.confidence_level, result.effect_label) == (0.9, "QALY")


def test_swapping_target_and_reference_turns_every_sign():
    rng = np.random.default_rng(5)
    draws = pd.DataFrame(
        {
            "draw": np.repeat(np.arange(100), 2),
            "strategy": ["new", "old"] * 100,
            "cost": rng.gamma(2, 500, 200),
            "effect": rng.normal(0.6, 0.1, 200),
        }
    )
    one, other = (
        compute_net_benefit(draws, thresholds=[20_000], target=a, reference=b).tidy()
        for a, b in (("new", "old"), ("old", "new"))
    )
    assert one["estimate"].to_numpy() == pytest.approx(-other["estimate"].to_numpy())
    assert one["conf_low"].to_numpy() == pytest.approx(-other["conf_high"].to_numpy())
    with pytest.raises(DataError) as caught:
        compute_net_benefit(draws, thresholds=[20_000])
    assert caught.value.codes == ("CPI-E047",)


# parameters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["beta.3.", "psi.1.", "psi.2."])
def test_splines_agree_with_voi_where_mgcv_found_the_best_smoothness(name):
    """voi 1.0.3 evppi(method = "gam"), which calls mgcv 1.8-41."""
    draws, parameters = make_vaccine()
    expected = reference_json("economics/bcea_vaccine_expected.json")["evppi"][name]
    found = compute_partial_information(
        draws, parameters=parameters, thresholds=expected["k"], groups={name: [name]}
    )
    values = found.tidy()["evppi"].to_numpy()
    assert values == pytest.approx(expected["gam"], rel=MGCV, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "cost_score", "effect_score"),
    [
        # gam(y ~ te(x, bs = "cr"))$gcv.ubre of R 4.2.2, mgcv 1.8-41, for cost and for effect.
        ("beta.1.", 6.29008581517, 8.69609162495e-08),
        ("beta.2.", 6.29022635497, 8.67930089781e-08),
        ("beta.4.", 6.29376753824, 8.68892516365e-08),
    ],
)
def test_where_mgcv_stopped_early_our_smoothness_has_the_better_score(
    name, cost_score, effect_score
):
    draws, parameters = make_vaccine()
    outcomes = draws[["delta_cost", "delta_effect"]].to_numpy()
    values = parameters[name].to_numpy()
    fitted = fit_smooth(values, outcomes)
    basis, _ = build_basis(values, 5)
    n = len(values)
    for column, theirs in enumerate((cost_score, effect_score)):
        residual = ((outcomes[:, column] - fitted[:, column]) ** 2).sum()
        # No fit with fewer than 2 degrees of freedom is possible: the score is at least this.
        assert n * residual / (n - 2) ** 2 <= theirs * (1 + 1e-9)
    assert basis.sum(axis=1) == pytest.approx(np.ones(n))


def test_a_smooth_curve_agrees_with_mgcv():
    """mgcv 1.8-41: x = (1..40)/40, y = sin(6x) + cos(30 i)/5; gam(y ~ te(x, bs = "cr"))."""
    i = np.arange(1, 41)
    x = i / 40
    y = np.sin(6 * x) + np.cos(30 * i) / 5
    fitted = fit_smooth(x, y[:, None])[:, 0]
    assert fitted[[0, 9, 19, 29, 39]] == pytest.approx(MGCV_FITTED, rel=MGCV)


MGCV_FITTED = [0.155574786519, 0.999743034871, 0.144259966773, -0.993408863179, -0.286921254906]


def test_normal_form_and_quadratic_agree_with_arithmetic():
    """INB = a + b with a N(m, 300²) known: the value is the unit normal loss of (m, 300)."""
    rng = np.random.default_rng(3)
    known, unknown = rng.normal(size=(2, 200_000))
    known = 300 * (known - known.mean()) / known.std(ddof=1)
    unknown = 400 * (unknown - unknown.mean()) / unknown.std(ddof=1)
    draws = pd.DataFrame(
        {
            "draw": np.arange(200_000),
            "delta_cost": 150 - known - unknown,
            "delta_effect": 0.0,
        }
    )
    parameters = pd.DataFrame({"draw": np.arange(200_000), "known": known, "unknown": unknown})
    # 300 φ(.5) − 150 Φ(−.5) = 105.6196 − 46.2806, by R 4.2.2's dnorm and pnorm.
    expected = 59.3390
    for method in ("normal", "quadratic", "spline"):
        result = compute_partial_information(
            draws, parameters=parameters, thresholds=[20_000.0], method=method
        )
        value = result.tidy().set_index("parameter")["evppi"]
        assert value["known"] == pytest.approx(expected, rel=0.01)
        assert value["unknown"] > value["known"]
    everything = compute_partial_information(
        draws,
        parameters=parameters,
        thresholds=[20_000.0],
        method="quadratic",
        groups={"all": ["known", "unknown"]},
    )
    assert everything.tidy()["proportion"][0] == pytest.approx(1.0, abs=1e-6)


def test_parameters_are_matched_by_draw_not_by_row():
    draws = make_draws()
    parameters = draws.rename(columns={"delta_cost": "price"})[["draw", "price"]]
    tables = [
        compute_partial_information(draws, parameters=rows, thresholds=[20_000.0]).tidy()
        for rows in (parameters, parameters.sample(frac=1, random_state=1))
    ]
    pd.testing.assert_frame_equal(*tables)
    assert (tables[0]["evppi"] <= tables[0]["evpi"] * 1.05).all()


@pytest.mark.parametrize(
    ("change", "settings", "error", "code"),
    [
        (lambda table: table.iloc[1:], {}, DataError, "CPI-E030"),
        (lambda table: pd.concat([table, table]), {}, DataError, "CPI-E013"),
        (lambda table: table.drop(columns="draw"), {}, DataError, "CPI-E011"),
        (lambda table: table.assign(price=np.nan), {}, DataError, "CPI-E024"),
        (lambda table: table.assign(price=1.0), {}, ModelError, "CPI-M002"),
        (lambda table: table, {"groups": {"a": ["wages"]}}, DataError, "CPI-E011"),
        (lambda table: table, {"method": "gp"}, DataError, "CPI-E045"),
        (lambda table: table, {"thresholds": []}, DataError, "CPI-E047"),
        (
            lambda table: table.assign(other=table["price"] ** 2),
            {"groups": {"both": ["price", "other"]}},
            DataError,
            "CPI-E045",
        ),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(change, settings, error, code):
    draws = make_draws()
    parameters = change(draws[["draw"]].assign(price=draws["delta_cost"]))
    with pytest.raises(error) as caught:
        compute_partial_information(
            draws, **({"parameters": parameters, "thresholds": [20_000.0]} | settings)
        )
    assert caught.value.codes == (code,)
