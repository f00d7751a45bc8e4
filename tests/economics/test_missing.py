"""Missing costs and effects: Rubin's rules, imputation inside a bootstrap, and departures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import (
    build_imputations,
    compute_acceptability,
    compute_qaly_weights,
    estimate_bootstrap_imputed,
    estimate_imputed_incremental,
    estimate_incremental,
    estimate_missing_not_at_random,
)
from cpi_analysis.errors import DataError, ModelError
from tests.reference import reference_json, reference_path

ROUNDING = 1e-8


def draw_people(seed: int = 1, n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    agency = np.arange(n) % 12
    arm = agency % 2
    baseline = rng.normal(0.6, 0.15, n)
    effect = rng.normal(0, 0.03, 12)[agency]
    utility = 0.3 + 0.5 * baseline + 0.05 * arm + effect + rng.normal(0, 0.1, n)
    cost = rng.gamma(2, 900, n) + 300 * arm
    people = pd.DataFrame(
        {"agency": agency, "arm": arm, "u0": baseline, "u9": utility, "cost": cost}
    )
    people.loc[rng.random(n) < 0.25, "u9"] = np.nan
    people.loc[rng.random(n) < 0.2, "cost"] = np.nan
    return people


WEIGHTS = compute_qaly_weights({"u0": 0, "u9": 9})
COMMON = {"arm": "arm", "cluster": "agency"}


def impute(people: pd.DataFrame, **changes: object):
    settings = {"columns": ["u0", "u9", "cost"], "n_imputations": 5, "n_iterations": 60, "seed": 2}
    return build_imputations(people, **COMMON, **(settings | changes))


# Rubin -----------------------------------------------------------------------------------------


def test_pooled_differences_are_rubins_of_the_single_analyses():
    drawn = impute(draw_people())
    pooled = estimate_imputed_incremental(
        drawn, cost="cost", effect=WEIGHTS, covariates=["u0"], thresholds=[20_000], seed=1, **COMMON
    )
    singles = []
    for _, part in drawn.imputed.groupby("imputation"):
        table = part.assign(
            qaly=0.375 * (part["u0"] + part["u9"]), spent=part["cost"] - min(0, part["cost"].min())
        )
        singles.append(
            estimate_incremental(
                table.drop(columns="imputation"),
                cost="spent",
                effect="qaly",
                covariates=["u0"],
                method="net_benefit_regression",
                thresholds=[20_000],
                seed=1,
                replicates=100,
                **COMMON,
            )
        )
    for quantity in ("delta_cost", "delta_effect", "inb"):
        rows = pd.DataFrame([one.point(quantity) for one in singles])
        total = (rows["std_error"] ** 2).mean() + 1.2 * rows["estimate"].var(ddof=1)
        ours = pooled.point(quantity)
        assert ours["estimate"] == pytest.approx(rows["estimate"].mean(), rel=ROUNDING)
        assert ours["std_error"] == pytest.approx(np.sqrt(total), rel=ROUNDING)
        assert ours["df"] < rows["df"].mean()


def test_draws_carry_on_to_probabilities():
    pooled = estimate_imputed_incremental(
        impute(draw_people()), cost="cost", effect=WEIGHTS, thresholds=[20_000], seed=1, **COMMON
    )
    curve = compute_acceptability(pooled.draws, thresholds=[20_000]).tidy()
    share = curve.loc[curve["strategy"] == "arm 1", "probability"].iloc[0]
    assert share == pytest.approx(pooled.probability)
    scale = np.sqrt(np.diag(pooled.covariance))
    drawn = np.cov(pooled.draws[["delta_cost", "delta_effect"]].T) / np.outer(scale, scale)
    # 10,000 draws: a correlation is known to 0.01.
    np.testing.assert_allclose(drawn, pooled.covariance / np.outer(scale, scale), atol=0.05)


def test_the_same_seed_gives_the_same_sets_and_order_of_people_is_kept():
    people = draw_people()
    people.index = people.index + 500
    first, second = impute(people), impute(people)
    pd.testing.assert_frame_equal(first.imputed, second.imputed)
    block = first.imputed[first.imputed["imputation"] == 3].reset_index(drop=True)
    np.testing.assert_array_equal(block["agency"], people["agency"])
    known = people["cost"].notna().to_numpy()
    np.testing.assert_array_equal(block.loc[known, "cost"], people.loc[known, "cost"])
    assert (block["cost_is_imputed"] == ~known).all()


# imputation inside a bootstrap -----------------------------------------------------------------


def test_bootstrap_and_rubin_agree_when_both_are_right():
    people = draw_people(n=240)
    inside = estimate_bootstrap_imputed(
        people,
        columns=["u0", "u9", "cost"],
        cost="cost",
        effect=WEIGHTS,
        covariates=["u0"],
        bootstrap_replicates=150,
        n_iterations=40,
        thresholds=[20_000],
        seed=3,
        **COMMON,
    )
    pooled = estimate_imputed_incremental(
        impute(people, n_imputations=20),
        cost="cost",
        effect=WEIGHTS,
        covariates=["u0"],
        thresholds=[20_000],
        seed=1,
        **COMMON,
    )
    for quantity in ("delta_cost", "delta_effect"):
        one, other = inside.point(quantity), pooled.point(quantity)
        assert one["estimate"] == pytest.approx(other["estimate"], abs=0.25 * other["std_error"])
        assert one["std_error"] == pytest.approx(other["std_error"], rel=0.25)
    assert inside.estimates["df"].max() <= 10


def test_without_missing_values_the_bootstrap_is_that_of_agencies():
    people = draw_people(n=240)
    people = people.fillna(people.mean())
    people.loc[0, "cost"] = np.nan
    inside = estimate_bootstrap_imputed(
        people,
        columns=["cost"],
        cost="cost",
        effect="u9",
        bootstrap_replicates=400,
        n_iterations=20,
        seed=3,
        **COMMON,
    )
    plain = estimate_incremental(
        people.fillna(people.mean()), cost="cost", effect="u9", seed=1, **COMMON
    )
    for quantity in ("delta_cost", "delta_effect"):
        one, other = inside.point(quantity), plain.point(quantity)
        assert one["std_error"] == pytest.approx(other["std_error"], rel=0.12)


def test_bootstrapping_one_imputed_set_is_an_error():
    drawn = impute(draw_people())
    one = drawn.imputed[drawn.imputed["imputation"] == 1]
    for table in (one, drawn.imputed):
        with pytest.raises(DataError) as caught:
            estimate_incremental(table, cost="cost", effect="u9", seed=1, **COMMON)
        assert caught.value.codes == ("CPI-E045",)
        assert "estimate_imputed_incremental" in str(caught.value)
    with pytest.raises(DataError) as caught:
        estimate_imputed_incremental(one, cost="cost", effect="u9", seed=1, **COMMON)
    assert caught.value.codes == ("CPI-E024",)


# missing not at random -------------------------------------------------------------------------


def test_grid_has_the_net_benefits_of_mice_sets():
    expected = reference_json("economics/pbs_expected.json")["mnar"]
    data = pd.read_csv(reference_path("economics/pbs_mi10.csv")).rename(
        columns={
            ".imp": "imputation",
            "qaly_imputed": "qaly_is_imputed",
            "cost_imputed": "cost_is_imputed",
        }
    )
    table = estimate_missing_not_at_random(
        data,
        cost="cost",
        effect="qaly",
        arm="trt",
        cluster="site",
        covariates=["e1", "c1"],
        threshold=20_000,
        effect_factors=[0.8, 0.9, 1.0],
        cost_factors=[1.0, 1.1],
    ).tidy()
    found = table.set_index([name for name in table if "factor" in name])["estimate"]
    for cell in expected:
        (reference, target), (cost_reference, cost_target) = cell["qaly_mult"], cell["cost_mult"]
        ours = found[(target, reference, cost_target, cost_reference)]
        assert ours == pytest.approx(cell["nb20k_est"], rel=ROUNDING)


def test_no_departure_is_rubin_and_the_tipping_line_has_no_net_benefit():
    drawn = impute(draw_people())
    settings = {"cost": "cost", "effect": WEIGHTS, "covariates": ["u0"], **COMMON}
    pooled = estimate_imputed_incremental(drawn, thresholds=[20_000], seed=1, **settings)
    result = estimate_missing_not_at_random(
        drawn, threshold=20_000, effect_factors=[0.8, 1.0], **settings
    )
    row = result.estimates.query("effect_factor_target == 1 and effect_factor_reference == 1")
    assert row["estimate"].iloc[0] == pytest.approx(pooled.point("inb")["estimate"])
    assert row["std_error"].iloc[0] == pytest.approx(pooled.point("inb")["std_error"])
    base, by_target, by_reference = result.tipping
    assert by_target > 0 > by_reference
    factor = -(base + by_reference) / by_target
    moved = estimate_missing_not_at_random(
        drawn, threshold=20_000, effect_factors=[factor, 1.0], **settings
    ).estimates
    on_line = moved.query("effect_factor_target == @factor and effect_factor_reference == 1")
    assert on_line["estimate"].iloc[0] == pytest.approx(0, abs=1e-6)


# arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"columns": []}, DataError, "CPI-E047"),
        ({"columns": ["u9", "name"]}, DataError, "CPI-E020"),
        ({"columns": ["u9", "absent"]}, DataError, "CPI-E011"),
        ({"columns": ["u9", "flat"]}, ModelError, "CPI-M003"),
        ({"columns": ["u9", "few"]}, ModelError, "CPI-M001"),
        ({"columns": ["u9", "huge"]}, DataError, "CPI-E024"),
        ({"predictors": ["cost"]}, DataError, "CPI-E014"),
        ({"n_imputations": 1}, DataError, "CPI-E024"),
        ({"seed": None}, DataError, "CPI-E047"),
    ],
)
def test_refuses_what_cannot_be_imputed(changes, error, code):
    people = draw_people().assign(name="x", flat=1.0, few=np.nan, huge=np.inf)
    people.loc[:5, "few"] = [1.0, 2, 3, 4, 5, 6]
    with pytest.raises(error) as caught:
        impute(people, **changes)
    assert code in caught.value.codes


def test_a_column_of_the_analysis_must_be_imputed_or_complete():
    with pytest.raises(DataError) as caught:
        estimate_bootstrap_imputed(
            draw_people(), columns=["u9"], cost="cost", effect="u9", seed=1, **COMMON
        )
    assert caught.value.codes == ("CPI-E014",)


@pytest.mark.parametrize(
    ("months", "code"),
    [({"u0": 0}, "CPI-E017"), ({"u0": 9, "u9": 9}, "CPI-E017"), ({"u0": 0, "u9": 18}, "CPI-E024")],
)
def test_weights_of_a_qaly_need_rising_months_within_a_year(months, code):
    with pytest.raises(DataError) as caught:
        compute_qaly_weights(months)
    assert caught.value.codes == (code,)


@pytest.mark.slow
def test_intervals_cover_the_truth_when_values_are_missing_at_random():
    truth, covered = 20_000 * 0.375 * 0.05 - 300, {"rubin": 0, "bootstrap": 0}
    n_trials = 300
    for seed in range(n_trials):
        people = draw_people(seed, n=180)
        settings = {"cost": "cost", "effect": WEIGHTS, "covariates": ["u0"], **COMMON}
        results = {
            "rubin": estimate_imputed_incremental(
                impute(people, n_imputations=10), thresholds=[20_000], seed=1, **settings
            ),
            "bootstrap": estimate_bootstrap_imputed(
                people,
                columns=["u0", "u9", "cost"],
                bootstrap_replicates=60,
                n_iterations=30,
                thresholds=[20_000],
                seed=1,
                **settings,
            ),
        }
        for name, result in results.items():
            row = result.point("inb")
            covered[name] += bool(row["conf_low"] <= truth <= row["conf_high"])
    # 300 trials: 0.95 has a standard error of 0.0126.
    for count in covered.values():
        assert 0.912 <= count / n_trials <= 0.988
