"""Ratio, quadrants, Fieller region and acceptability."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import (
    compute_acceptability,
    compute_icer,
    estimate_fieller_interval,
    estimate_incremental,
)
from cpi_analysis.errors import DataError
from tests.reference import reference_json, reference_path

# The reference values carry 15 digits; means and roots lose a few of them.
GOLDEN = 1e-9
# dampack breaks near-ties at random with a tolerance of 1e-5 (README of the reference data).
RANDOM_TIES = 1e-3


def _deltas(cost, effect):
    return pd.DataFrame(
        {"draw": np.arange(len(cost)) + 1, "delta_cost": cost, "delta_effect": effect}
    )


def _cloud(seed=1, n=2000):
    rng = np.random.default_rng(seed)
    return _deltas(rng.normal(500, 800, n), rng.normal(0.03, 0.04, n))


def _strategies(cost, effect, names):
    draws, count = np.shape(cost)
    return pd.DataFrame(
        {
            "draw": np.repeat(np.arange(draws), count),
            "strategy": np.tile(names, draws),
            "cost": np.ravel(cost),
            "effect": np.ravel(effect),
        }
    )


def _probabilities(result, strategy):
    table = result.tidy()
    return table.loc[table["strategy"] == strategy, "probability"].to_numpy()


# ratio and quadrants ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "effect", "quadrant", "icer", "words"),
    [
        (100.0, 0.1, "north-east", 1000.0, "costs more and does more"),
        (-100.0, -0.1, "south-west", 1000.0, "read in reverse"),
        (-100.0, 0.1, "south-east", None, "dominant"),
        (100.0, -0.1, "north-west", None, "dominated"),
        (0.0, 0.1, "south-east", None, "dominant"),
        (100.0, 0.0, "north-west", None, "dominated"),
        (0.0, 0.0, "origin", None, "no difference"),
    ],
)
def test_a_ratio_comes_with_its_quadrant_and_is_never_negative(cost, effect, quadrant, icer, words):
    result = compute_icer(_deltas([cost, cost], [effect, effect]))
    assert result.quadrant == quadrant
    assert result.icer == (pytest.approx(icer) if icer else None)
    row = result.tidy().iloc[0]
    assert math.isnan(row["estimate"]) == (icer is None)
    assert words in row["interpretation"]
    assert words in result.summary()


def test_quadrant_shares_are_counted():
    result = compute_icer(_deltas([1, 1, 1, -1, -1], [1, 1, -1, 1, -1]))
    shares = result.tidy().iloc[1:].set_index("quadrant")["proportion"]
    assert shares.to_dict() == {
        "north-east": 0.4,
        "south-east": 0.2,
        "south-west": 0.2,
        "north-west": 0.2,
    }


def test_the_target_of_strategies_is_never_guessed():
    draws = _strategies([[10.0, 20.0]], [[1.0, 2.0]], ["old", "new"])
    with pytest.raises(DataError) as caught:
        compute_icer(draws)
    assert caught.value.codes == ("CPI-E047",)
    assert compute_icer(draws, target="new", reference="old").icer == 10.0


def test_a_ratio_is_not_left_alone_when_the_effect_may_be_zero():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(
        {
            "agency": np.repeat(np.arange(8), 10),
            "arm": np.repeat(np.arange(8) % 2, 10),
            "cost": rng.gamma(2, 500, 80),
            "qaly": rng.normal(0.6, 0.2, 80),
        }
    )
    result = estimate_incremental(
        data, cost="cost", effect="qaly", arm="arm", cluster="agency", replicates=500, seed=1
    )
    assert any("holds zero" in note for note in compute_icer(result).notes)


def test_glick_bootstrap_quadrants():
    """The 1,999 bootstrap replicates of R's boot, and the quadrants that it counted."""
    t = pd.read_csv(reference_path("economics/glick_boot_t.csv"))
    expected = reference_json("economics/glick_expected.json")["boot"]
    draws = _deltas(t.iloc[:, 0].to_numpy(), t.iloc[:, 1].to_numpy())
    shares = compute_icer(draws).tidy().iloc[1:].set_index("quadrant")["proportion"]
    names = {"NE": "north-east", "SE": "south-east", "NW": "north-west", "SW": "south-west"}
    for short, name in names.items():
        assert shares[name] == pytest.approx(expected["quadrants"][short], abs=1e-12)
    found = compute_acceptability(draws, thresholds=expected["k"])
    assert _probabilities(found, "target") == pytest.approx(expected["ceac"], abs=1e-12)


# Fieller ---------------------------------------------------------------------------------------

# Glick and others' teaching trial, 250 against 250 people: differences and unpooled variances
# from R 4.2.2 (means and var of the data that CRAN's CEACT 0.5.0 ships), retyped.
GLICK = {
    "delta_cost": 25.0,
    "delta_effect": 0.0424590794295073,
    "variance_cost": 15484.8307148594,
    "variance_effect": 0.000357044497354068,
    "covariance": -0.65393849246952,
}


def test_fieller_of_the_glick_trial():
    """−6,036.75 to 22,611.62, the same from personlevelEE and ceaR (normal quantile)."""
    row = estimate_fieller_interval(**GLICK).tidy().iloc[0]
    assert row["conf_low"] == pytest.approx(-6036.75183904448, rel=GOLDEN)
    assert row["conf_high"] == pytest.approx(22611.6161773335, rel=GOLDEN)
    assert row["estimate"] == pytest.approx(588.802214647782, rel=GOLDEN)
    assert row["interpretation"].startswith("Fieller interval")


def test_fieller_of_the_glick_trial_with_t():
    """Equal group sizes: pooled and unpooled variances agree; 498 degrees of freedom."""
    row = estimate_fieller_interval(**GLICK, df=498).tidy().iloc[0]
    assert row["conf_low"] == pytest.approx(-6068.11371851591, rel=GOLDEN)
    assert row["conf_high"] == pytest.approx(22961.9701940545, rel=GOLDEN)


@pytest.mark.parametrize(
    ("change", "form"),
    [
        ({}, "interval"),
        ({"delta_effect": 0.01, "delta_cost": 900.0}, "outside"),
        ({"delta_effect": 0.01}, "whole_line"),
    ],
)
def test_the_region_holds_the_thresholds_where_the_net_benefit_is_not_significant(change, form):
    moments = GLICK | change
    result = estimate_fieller_interval(**moments)
    assert result.region.form == form
    low, high = result.region.low, result.region.high
    for threshold in np.linspace(-200_000, 200_000, 4001):
        benefit = threshold * moments["delta_effect"] - moments["delta_cost"]
        variance = (
            threshold**2 * moments["variance_effect"]
            + moments["variance_cost"]
            - 2 * threshold * moments["covariance"]
        )
        is_inside = abs(benefit) <= 1.959963984540054 * math.sqrt(variance)
        shown = {
            "interval": low <= threshold <= high,
            "outside": threshold <= low or threshold >= high,
            "whole_line": True,
        }[form]
        assert is_inside == shown


def test_the_region_is_drawn_and_described():
    result = estimate_fieller_interval(**GLICK)
    assert result.summary() == "Fieller interval from -£6,037 to £22,612."
    assert result.plot().get_ylabel() == "Incremental net benefit (£)"


@pytest.mark.parametrize(
    "change", [{"variance_effect": 0.0}, {"covariance": 1e6}, {"delta_cost": math.nan}]
)
def test_moments_that_do_not_fit_are_refused(change):
    with pytest.raises(DataError):
        estimate_fieller_interval(**(GLICK | change))


# acceptability ---------------------------------------------------------------------------------


def test_acceptability_of_four_draws_by_hand():
    """Ratios 1,000 (NE), 3,000 (NE), dominant, and 2,000 in the south-west."""
    draws = _deltas([100, 300, -50, -200], [0.1, 0.1, 0.1, -0.1])
    result = compute_acceptability(draws, thresholds=[0, 500, 1500, 2500, 3500])
    # The dominant draw always; the south-west one below 2,000; the others above their ratio.
    assert _probabilities(result, "target").tolist() == [0.5, 0.5, 0.75, 0.5, 0.75]
    assert _probabilities(result, "reference").tolist() == [0.5, 0.5, 0.25, 0.5, 0.25]


def test_a_tie_is_nobodys_win_and_is_said():
    result = compute_acceptability(_deltas([100.0, -5.0], [0.1, 0.1]), thresholds=[1000])
    assert result.tidy()["probability"].tolist() == [0.5, 0.0]
    assert "same net benefit" in result.notes[0]


def test_at_zero_it_is_the_share_of_cost_saving_draws():
    draws = _cloud()
    result = compute_acceptability(draws, thresholds=[0])
    assert _probabilities(result, "target")[0] == np.mean(draws["delta_cost"] < 0)


def test_at_a_large_threshold_it_is_the_share_of_draws_that_do_more():
    draws = _cloud()
    result = compute_acceptability(draws, thresholds=[1e12])
    assert _probabilities(result, "target")[0] == np.mean(draws["delta_effect"] > 0)


def test_optimal_is_the_highest_mean_not_the_most_probable():
    """Two small losses and one large gain: best on average, best in one draw of three."""
    result = compute_acceptability(_deltas([10, 10, -1000], [0.0, 0.0, 0.0]), thresholds=[0])
    table = result.tidy().set_index("strategy")
    assert table.loc["target", "is_optimal"]
    assert table.loc["target", "probability"] == pytest.approx(1 / 3)
    assert table.loc["reference", "probability"] == pytest.approx(2 / 3)


def test_sorting_agrees_with_counting_for_many_strategies():
    rng = np.random.default_rng(7)
    cost, effect = rng.normal(5000, 2000, (400, 5)), rng.normal(1, 0.3, (400, 5))
    effect[:30, 1] = effect[:30, 2]
    names = ["a", "b", "c", "d", "e"]
    thresholds = [0, 1000, 7000, 20_000, 100_000]
    result = compute_acceptability(_strategies(cost, effect, names), thresholds=thresholds)
    table = result.tidy().set_index(["threshold", "strategy"])
    for threshold in thresholds:
        benefit = threshold * effect - cost
        best = np.bincount(benefit.argmax(axis=1), minlength=5) / 400
        assert table.loc[threshold, "probability"].to_numpy() == pytest.approx(best, abs=1e-12)
        optimal = table.loc[threshold, "is_optimal"]
        assert optimal.idxmax() == names[int(benefit.mean(axis=0).argmax())]
        assert optimal.sum() == 1


def test_the_order_of_draws_and_strategies_does_not_matter():
    rng = np.random.default_rng(3)
    draws = _strategies(rng.normal(5, 2, (50, 3)), rng.normal(1, 0.3, (50, 3)), ["a", "b", "c"])
    shuffled = draws.sample(frac=1, random_state=1)
    tables = [
        compute_acceptability(rows, thresholds=[1, 5])
        .tidy()
        .sort_values(["threshold", "strategy"], ignore_index=True)
        for rows in (draws, shuffled)
    ]
    pd.testing.assert_frame_equal(*tables)


def test_vaccine_of_bcea():
    """BCEA 2.4.82, 1,000 draws: acceptability, ratio, and the frontier at 20,100."""
    data = pd.read_csv(reference_path("economics/bcea_vaccine.csv"))
    expected = reference_json("economics/bcea_vaccine_expected.json")["result"]
    draws = _strategies(
        data[["c_status_quo", "c_vaccination"]].to_numpy(),
        data[["e_status_quo", "e_vaccination"]].to_numpy(),
        ["Status Quo", "Vaccination"],
    )
    full = expected["full"]
    result = compute_acceptability(draws, thresholds=full["k"])
    for name in ("Status Quo", "Vaccination"):
        assert _probabilities(result, name) == pytest.approx(full["p_best"][name], abs=1e-12)
    best = result.tidy().query("is_optimal")
    assert best["strategy"].tolist() == full["best"]
    assert best["probability"].tolist() == pytest.approx(full["CEAF"], abs=1e-12)
    icer = compute_icer(draws, target="Vaccination", reference="Status Quo").icer
    assert icer == pytest.approx(expected["ICER"]["Status Quo"], rel=GOLDEN)


def test_the_frontier_of_bcea_switches_at_the_ratio_not_on_its_grid():
    """BCEA reports 20,100, the next of its grid; the means are equal at 20,097.59."""
    data = pd.read_csv(reference_path("economics/bcea_vaccine.csv"))
    draws = _strategies(
        data[["c_status_quo", "c_vaccination"]].to_numpy(),
        data[["e_status_quo", "e_vaccination"]].to_numpy(),
        ["Status Quo", "Vaccination"],
    )
    result = compute_acceptability(draws, thresholds=[20_100])
    assert result.switches["strategy"].tolist() == ["Status Quo", "Vaccination"]
    assert result.switches["threshold"].tolist() == [0.0, pytest.approx(20097.5914781374, rel=1e-9)]
    # BCEA before 2.4.8 drew .540 here, the largest probability, for the frontier's .460.
    best = result.tidy().query("is_optimal")
    assert best["probability"].tolist() == [pytest.approx(0.46, abs=1e-12)]
    assert best["strategy"].tolist() == ["Vaccination"]


def test_three_strategies_of_dampack():
    data = pd.read_csv(reference_path("economics/dampack_example_psa.csv.gz"))
    expected = reference_json("economics/dampack_example_psa_expected.json")
    names = expected["strategies"]
    draws = _strategies(
        data[[f"c_{name}" for name in names]].to_numpy(),
        data[[f"e_{name}" for name in names]].to_numpy(),
        names,
    )
    table = compute_acceptability(draws, thresholds=expected["wtp"]).tidy()
    theirs = pd.DataFrame(expected["ceac"]).rename(
        columns={"WTP": "threshold", "Strategy": "strategy"}
    )
    both = table.merge(theirs, on=["threshold", "strategy"], validate="one_to_one")
    assert len(both) == 45
    assert both["probability"].to_numpy() == pytest.approx(
        both["Proportion"].to_numpy(), abs=RANDOM_TIES
    )
    assert (both["is_optimal"] == both["On_Frontier"]).all()


@pytest.mark.parametrize(
    ("draws", "thresholds", "code"),
    [
        (_cloud(), [20_000, 10_000], "CPI-E045"),
        (_cloud(), [-5, 10_000], "CPI-E024"),
        (_cloud(), [math.inf], "CPI-E024"),
        (_cloud(), [], "CPI-E047"),
        (_cloud().drop(columns="delta_cost"), [1], "CPI-E011"),
        (_cloud().assign(delta_cost=math.nan), [1], "CPI-E024"),
        (_cloud().iloc[:0], [1], "CPI-E003"),
        (_strategies([[1, 2]], [[1, 2]], ["a", "b"]).iloc[:1], [1], "CPI-E013"),
        (pd.concat([_cloud(n=5)] * 2), [1], "CPI-E013"),
        (_cloud(n=5).assign(draw=[1, 2, 3, None, 4]), [1], "CPI-E014"),
        (_strategies([[1, 2]], [[1, 2]], ["a", None]), [1], "CPI-E014"),
        (_cloud(n=2).assign(delta_cost=["many", "few"]), [1], "CPI-E020"),
        (pd.concat([_cloud(n=5)] * 2, axis=1), [1], "CPI-E006"),
        (_strategies([[1, 2]], [[1, 2]], ["a", "a"]), [1], "CPI-E013"),
    ],
)
def test_draws_and_thresholds_that_cannot_be_used_are_refused(draws, thresholds, code):
    with pytest.raises(DataError) as caught:
        compute_acceptability(draws, thresholds=thresholds)
    assert caught.value.codes == (code,)


def test_the_curve_is_drawn_finely_with_the_thresholds_marked():
    result = compute_acceptability(_cloud(), thresholds=[20_000, 30_000], curve_maximum=50_000)
    assert len(result.tidy()) == 4
    axes = result.plot()
    assert axes.get_ylabel() == "Probability of being cost-effective"
    assert axes.get_xlim() == (0, 50_000)
    # Two strategies, the frontier and two marked thresholds.
    assert len(axes.lines) == 5


def _find_line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label).get_xydata()


def _assert_line_is_right(result, draws, thresholds, *, tolerance):
    line = _find_line(result.plot(), "target")
    shown = np.interp(thresholds, line[:, 0], line[:, 1])
    benefit = np.outer(thresholds, draws["delta_effect"]) - draws["delta_cost"].to_numpy()
    assert shown == pytest.approx((benefit > 0).mean(axis=1), abs=tolerance)


@pytest.mark.parametrize("maximum", [None, 50_000, 50_001, 200_000])
def test_the_line_is_right_between_the_thresholds_of_few_draws(maximum):
    """Every change of side is a step where it happens: the line is exact."""
    rng = np.random.default_rng(8)
    draws = _deltas(rng.normal(500, 800, 40), rng.normal(0.03, 0.04, 40))
    result = compute_acceptability(draws, thresholds=[20_000, 50_000], curve_maximum=maximum)
    between = rng.uniform(0, maximum or 50_000, 2000)
    _assert_line_is_right(result, draws, between, tolerance=1e-9)
    assert result.plot().get_xlim() == (0, maximum or 50_000)


def test_the_line_is_right_between_the_thresholds_of_many_draws():
    """Beyond 1,000 changes the grid of 0.1% of the axis is what limits the line."""
    draws = _cloud(n=5000)
    result = compute_acceptability(draws, thresholds=[20_000, 50_000])
    between = np.random.default_rng(1).uniform(0, 50_000, 500)
    # At most 0.4% of these draws change sides within £50.
    _assert_line_is_right(result, draws, between, tolerance=0.004)


def test_two_draws_make_one_upright_step():
    result = compute_acceptability(_deltas([100, 300], [0.01, 0.01]), thresholds=[20_000, 50_000])
    line = _find_line(result.plot(), "target")
    assert np.interp([5_000, 9_999, 10_001, 29_999, 30_001], *line.T) == pytest.approx(
        [0, 0, 0.5, 0.5, 1]
    )


def test_a_curve_that_ends_before_a_threshold_is_refused():
    for maximum in (100, math.inf, math.nan):
        with pytest.raises(DataError) as caught:
            compute_acceptability(_cloud(), thresholds=[20_000], curve_maximum=maximum)
        assert caught.value.codes == ("CPI-E024",)


def test_a_threshold_of_zero_alone_can_be_drawn():
    assert compute_acceptability(_cloud(), thresholds=[0]).plot().get_xlim() == (0, 1)


def test_more_strategies_than_colours_are_all_drawn():
    rng = np.random.default_rng(2)
    names = [f"s{number}" for number in range(11)]
    draws = _strategies(rng.normal(5, 2, (30, 11)), rng.normal(1, 0.3, (30, 11)), names)
    axes = compute_acceptability(draws, thresholds=[5]).plot()
    lines = [line for line in axes.lines if line.get_label() in names]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 11


def test_the_number_of_draws_is_said_with_what_it_means():
    result = compute_acceptability(_cloud(n=400), thresholds=[20_000])
    # 100 sqrt(.5 × .5/400) = 2.5 percentage points.
    assert any("400 draws" in note and "2.5 percentage points" in note for note in result.notes)
    assert result.glance()["replicates"].tolist() == [400]


def test_draws_of_an_analysis_keep_the_names_of_the_groups():
    data = pd.DataFrame(
        {
            "agency": np.repeat(np.arange(8), 5),
            "group": np.repeat(["new", "usual"] * 4, 5),
            "cost": np.random.default_rng(2).gamma(2, 500, 40),
            "qaly": np.random.default_rng(3).normal(0.6, 0.2, 40),
        }
    )
    result = estimate_incremental(
        data,
        cost="cost",
        effect="qaly",
        arm="group",
        cluster="agency",
        target="new",
        reference="usual",
        replicates=100,
        seed=1,
    )
    found = compute_acceptability(result.draws, thresholds=[20_000])
    assert set(found.tidy()["strategy"]) == {"new", "usual"}
    assert found.effect_label == "QALY"
    ratio = compute_icer(result.draws)
    assert (ratio.target, ratio.reference, ratio.effect_label) == ("new", "usual", "QALY")
    named = compute_acceptability(result.draws, thresholds=[1], target="a", reference="b")
    assert set(named.tidy()["strategy"]) == {"a", "b"}
