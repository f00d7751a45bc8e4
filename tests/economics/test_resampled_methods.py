"""The resampling methods: hand-worked, golden, and what one plan must give to all analyses."""

from __future__ import annotations

import importlib.util

import joblib
import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import build_resampling_plan, estimate_incremental
from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.inference.two_stage import shrink_means
from tests.reference import reference_json, reference_path

# The reference values carry 15 digits; sums of squares of costs lose a few.
GOLDEN = 1e-9
# Monte Carlo error of a standard deviation from 10,000 draws is 0.7%; three of them.
MONTE_CARLO = 0.021

METHODS = ("rao_wu", "bayesian", "two_stage")


def _people(seed=1, agencies=12, size=8):
    rng = np.random.default_rng(seed)
    agency = np.repeat(np.arange(agencies), size)
    arm = (agency % 2).astype(int)
    before = rng.gamma(2.0, 800.0, agency.size)
    shared = rng.gamma(2.0, 200.0, agencies)[agency]
    severity = rng.normal(0.4 * arm, 1.0)
    return pd.DataFrame(
        {
            "agency": [f"a{i:02}" for i in agency],
            "arm": arm,
            "cost": rng.gamma(2.0, 1000.0, agency.size) + 0.5 * before + 1500 * arm + shared,
            "qaly": 0.5 + 0.1 * arm + rng.normal(0, 0.2, agency.size) - 0.05 * severity,
            "cost_before": before,
            "utility_before": 0.5 + rng.normal(0, 0.1, agency.size) - 0.05 * severity,
            "severity": severity,
            "band": np.where(rng.random(agency.size) < 0.4, "high", "low"),
        }
    )


def _estimate(data, **changes):
    settings = {
        "cost": "cost",
        "effect": "qaly",
        "arm": "arm",
        "cluster": "agency",
        "replicates": 1000,
        "seed": 1,
        "thresholds": [20_000.0],
    }
    merged = settings | changes
    if "plan" in changes:
        merged = {key: merged[key] for key in merged if key not in ("replicates", "seed")}
    return estimate_incremental(data, **merged)


def _errors(result):
    return np.sqrt(np.diag(result.covariance))


# shrinkage -------------------------------------------------------------------------------------


def test_shrinkage_of_three_agencies_by_hand():
    """Means 2, 6, 10 of two people each, all deviations ±2: SSW = 24, SSB = 32, b = 2.

    (1 − c)² = 3/2 − 24/(2 × 1 × 32) = 1.125; residuals ±2/√(1 − 1/2) = ±2.8284.
    """
    values = np.array([0.0, 4.0, 4.0, 8.0, 8.0, 12.0])
    found = shrink_means(values, np.repeat([0, 1, 2], 2))
    assert (1 - found.factor) ** 2 == pytest.approx(1.125)
    assert found.means == pytest.approx(6 + 1.125**0.5 * np.array([-4, 0, 4]))
    assert np.abs(found.residuals) == pytest.approx(np.full(6, 8**0.5))
    # Balanced: variance between the drawn means, and within them, add up to SSB/(K(K − 1)).
    drawn = np.var(found.means) / 3 + np.var(found.residuals) / 6
    assert drawn == pytest.approx(32 / (3 * 2))


def test_agencies_that_differ_less_than_chance_are_not_told_apart():
    values = np.array([0.0, 10.0, 1.0, 9.5, 0.5, 10.5])
    found = shrink_means(values, np.repeat([0, 1, 2], 2))
    assert found.factor == 1.0
    assert np.ptp(found.means) == 0.0


def test_agencies_of_one_person_cannot_be_drawn_in_two_stages():
    with pytest.raises(ModelError) as caught:
        shrink_means(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 2]))
    assert caught.value.codes == ("CPI-M007",)


def test_shrinkage_on_pbs_is_that_of_the_reference():
    data = pd.read_csv(reference_path("economics/pbs_wide.csv")).dropna(subset=["qaly", "cost"])
    expected = reference_json("economics/pbs_expected.json")["tsb"]
    for arm in (0, 1):
        rows = data[data["trt"] == arm]
        _, codes = np.unique(rows["site"], return_inverse=True)
        for outcome in ("cost", "qaly"):
            found = shrink_means(rows[outcome].to_numpy(), codes)
            truth = expected[str(arm)][outcome]
            assert found.factor == pytest.approx(truth["c"], rel=GOLDEN)
            assert found.size == pytest.approx(truth["dk"], rel=GOLDEN)
            assert found.within == pytest.approx(truth["SSW"], rel=GOLDEN)
            assert found.between == pytest.approx(truth["SSB"], rel=GOLDEN)
            assert found.means == pytest.approx(truth["shrunken"], rel=GOLDEN)


# two stages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "key", "columns"),
    [
        ("pbs_wide.csv", "pbs_cc", {"arm": "trt", "cluster": "site"}),
        ("timing_trial240.csv", "timing_trial240", {"arm": "trt", "cluster": "agency"}),
    ],
)
def test_two_stage_draws_are_those_of_a_plain_loop_in_r_but_centred(file, key, columns):
    data = pd.read_csv(reference_path(f"economics/{file}"))
    expected = reference_json("economics/tsb_reference.json")[key]
    result = _estimate(data, method="two_stage", replicates=20_000, seed=3, **columns)
    assert _errors(result) == pytest.approx(expected["sd"], rel=MONTE_CARLO)
    correlation = np.corrcoef(result.draws["delta_cost"], result.draws["delta_effect"])[0, 1]
    assert correlation == pytest.approx(expected["cor"], abs=0.03)
    # The loop of the reference is centred at the difference of the means of agency means.
    complete = data.dropna(subset=["cost", "qaly"])
    by_agency = complete.groupby([columns["cluster"], columns["arm"]])[["cost", "qaly"]].mean()
    unweighted = by_agency.groupby(level=1).mean().diff().iloc[1].to_numpy()
    draws = result.draws[["delta_cost", "delta_effect"]]
    moved = draws.mean().to_numpy() + unweighted - result.tidy()["estimate"][:2].to_numpy()
    assert np.abs(moved - expected["mean"]).max() < 4 * (np.array(expected["sd"]) / 141).max()
    centred = (draws.mean() - result.tidy()["estimate"][:2].to_numpy()) / _errors(result)
    assert np.abs(centred).max() < 4 / np.sqrt(20_000)


def test_two_stage_error_of_equal_agencies_is_that_of_their_means():
    """With agencies of one size the variance is Σ SSB/(K(K − 1)), whatever the people do."""
    data = _people(size=20)
    means = data.groupby(["arm", "agency"])["cost"].mean()
    exact = (means.groupby("arm").var() / 6).sum() ** 0.5
    result = _estimate(data, method="two_stage", replicates=10_000)
    assert not any("less than chance" in note for note in result.notes)
    assert _errors(result)[0] == pytest.approx(exact, rel=MONTE_CARLO)


def test_two_stage_takes_covariates_and_its_error_is_near_the_default():
    data = _people(size=20)
    covariates = {"cost": ["cost_before"], "effect": ["utility_before"]}
    two, default = (
        _estimate(data, method=method, covariates=covariates, replicates=5000)
        for method in ("two_stage", "rao_wu")
    )
    assert two.tidy()["estimate"].tolist() == default.tidy()["estimate"].tolist()
    assert _errors(two) == pytest.approx(_errors(default), rel=0.15)
    assert _errors(two)[0] < _errors(_estimate(data, method="two_stage", replicates=5000))[0]


# Bayesian bootstrap, people --------------------------------------------------------------------


def test_bayesian_error_of_equal_agencies_is_that_of_their_means():
    data = _people(agencies=14)
    means = data.groupby(["arm", "agency"])[["cost", "qaly"]].mean()
    exact = ((means.groupby("arm").var() / 7).sum() ** 0.5).to_numpy()
    result = _estimate(data, method="bayesian", replicates=10_000)
    assert _errors(result) == pytest.approx(exact, rel=MONTE_CARLO)
    assert set(result.tidy()["df"]) == {12.0}


def test_a_bayesian_bootstrap_of_two_agencies_is_refused():
    data = _people(agencies=4)
    with pytest.raises(ModelError) as caught:
        _estimate(data, method="bayesian")
    assert caught.value.codes == ("CPI-M001",)


def test_people_of_agencies_are_resampled_only_when_told():
    data = _people()
    with pytest.raises(DataError, match="ignore_clusters=True") as caught:
        _estimate(data, method="people")
    assert caught.value.codes == ("CPI-E045",)
    result = _estimate(data, method="people", ignore_clusters=True, replicates=10_000)
    assert any("independent, as asked" in note for note in result.notes)
    assert result.n_agencies is None
    by_arm = data.groupby("arm")["cost"]
    # Drawing n of n: variances with the divisor n.
    exact = (by_arm.var(ddof=0) / by_arm.count()).sum() ** 0.5
    assert _errors(result)[0] == pytest.approx(exact, rel=MONTE_CARLO)


def test_people_of_a_trial_without_agencies_need_no_permission():
    result = _estimate(_people(), method="people", cluster=None)
    assert "bootstrap of participants" in result.method
    with pytest.raises(DataError):
        _estimate(_people(), method="rao_wu", ignore_clusters=True)


# one plan --------------------------------------------------------------------------------------


def _plan(data, **changes):
    settings = {"cluster": "agency", "strata": "arm", "replicates": 1000, "seed": 1}
    return build_resampling_plan(data, **(settings | changes))


@pytest.mark.parametrize("method", METHODS)
def test_a_plan_gives_what_its_seed_and_replicates_give(method):
    data = _people()
    planned = _estimate(data, method=method, plan=_plan(data))
    direct = _estimate(data, method=method)
    assert planned.draws.equals(direct.draws)
    assert planned.seed == 1
    assert planned.replicates == 1000


def test_scenarios_of_one_plan_are_paired():
    """Costs that are the same but for £100 a head of the target group differ by just that."""
    data = _people()
    plan = _plan(data)
    for method in METHODS:
        base, dearer = (
            _estimate(
                data.assign(cost=data["cost"] + extra * data["arm"]), method=method, plan=plan
            )
            for extra in (0, 100)
        )
        difference = dearer.draws["delta_cost"] - base.draws["delta_cost"]
        assert difference.to_numpy() == pytest.approx(np.full(1000, 100.0))
        assert dearer.draws["delta_effect"].equals(base.draws["delta_effect"])


def test_a_subgroup_uses_the_replicates_of_the_whole_trial():
    """Draws of a linear statistic of a part, computed by hand from the counts of the plan."""
    data = _people(agencies=14)
    plan = _plan(data, replicates=500)
    part = data[(data["agency"] != "a03") & (data["cost_before"] < 2500)]
    result = _estimate(part, plan=plan)
    totals = part.groupby("agency")["cost"].sum().reindex(plan.units, fill_value=0).to_numpy()
    people = part.groupby("agency")["cost"].count().reindex(plan.units, fill_value=0).to_numpy()
    arm = plan.strata
    weights = plan.counts * plan.scale
    means = [
        (weights[:, arm == group] @ totals[arm == group])
        / (weights[:, arm == group] @ people[arm == group])
        for group in (0, 1)
    ]
    assert result.draws["delta_cost"].to_numpy() == pytest.approx(means[1] - means[0])
    assert set(result.tidy()["df"]) == {11.0}


def test_fidelity_bands_of_one_arm_run_on_the_plan_of_the_trial():
    data = _people(agencies=14, size=12)
    data["band"] = np.resize(["high", "moderate", "low", "low"], len(data))
    inside = data[data["arm"] == 1]
    result = _estimate(
        inside, plan=_plan(data), arm="band", target="high", reference=["moderate", "low"]
    )
    assert result.reference == "moderate or low"
    assert result.n_agencies == 7
    assert set(result.tidy()["df"]) == {5.0}
    high = inside["band"] == "high"
    expected = inside.loc[high, "cost"].mean() - inside.loc[~high, "cost"].mean()
    assert result.point("delta_cost")["estimate"] == pytest.approx(expected)


def test_more_replicates_extend_fewer():
    data = _people()
    for method in METHODS:
        few, many = (_estimate(data, method=method, replicates=n) for n in (200, 1500))
        assert many.draws.iloc[:200].equals(few.draws)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_bytes_in_one_process_in_many_and_in_threads(method):
    data = _people()
    settings = {"method": method, "replicates": 20_000, "covariates": ["cost_before"]}
    alone = _estimate(data, **settings).draws.to_numpy().tobytes()
    assert _estimate(data, workers=2, **settings).draws.to_numpy().tobytes() == alone
    with joblib.parallel_config("threading", n_jobs=2):
        assert _estimate(data, **settings).draws.to_numpy().tobytes() == alone


def test_the_same_bytes_on_a_dask_cluster():
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("dask is not installed: pip install cpi-analysis[cluster]")
    from distributed import Client, LocalCluster

    data = _people()
    settings = {"replicates": 20_000, "covariates": ["cost_before"]}
    alone = _estimate(data, **settings).draws.to_numpy().tobytes()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        assert _estimate(data, **settings).draws.to_numpy().tobytes() == alone


def test_people_are_known_by_the_label_of_their_row():
    data = _people()
    plan = _plan(data, cluster=None)
    whole = _estimate(data, cluster=None, plan=plan)
    shuffled = _estimate(data.sample(frac=1, random_state=2), cluster=None, plan=plan)
    assert shuffled.draws.to_numpy() == pytest.approx(whole.draws.to_numpy())


@pytest.mark.parametrize(
    ("make", "settings", "code"),
    [
        (lambda d: _plan(d[d["agency"] != "a01"]), {}, "CPI-E030"),
        (lambda d: _plan(d, cluster=None), {}, "CPI-E045"),
        (lambda d: "plan", {}, "CPI-E045"),
        (lambda d: _plan(d), {"cluster": None}, "CPI-E045"),
        (lambda d: _plan(d, strata="band"), {}, "CPI-E031"),
        (lambda d: _plan(d, seed=None), {}, "CPI-E047"),
        (lambda d: _plan(d, replicates=50), {}, "CPI-E024"),
        (lambda d: _plan(d, cluster="agencies"), {}, "CPI-E011"),
        (lambda d: _plan(pd.concat([d, d]), cluster=None), {}, "CPI-E013"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(make, settings, code):
    data = _people()
    with pytest.raises(DataError) as caught:
        _estimate(data, plan=make(data), **settings)
    assert caught.value.codes == (code,)


def test_a_plan_is_not_given_together_with_another_seed():
    data = _people()
    with pytest.raises(DataError) as caught:
        estimate_incremental(
            data, cost="cost", effect="qaly", arm="arm", cluster="agency", plan=_plan(data), seed=2
        )
    assert caught.value.codes == ("CPI-E045",)


@pytest.mark.parametrize("workers", [0, -2, 1.5, True, "all"])
def test_the_number_of_processes_is_whole(workers):
    with pytest.raises(DataError) as caught:
        _estimate(_people(), workers=workers)
    assert caught.value.codes == ("CPI-E045",)


# groups that were not randomised ---------------------------------------------------------------


def _fit_by_statsmodels(data, weights, target):
    import statsmodels.api as sm

    design = sm.add_constant(data[["severity"]])
    model = sm.GLM(data["arm"], design, family=sm.families.Binomial(), freq_weights=weights)
    e = model.fit(tol=1e-13).fittedvalues
    return {
        "everybody": np.where(data["arm"] == 1, 1 / e, 1 / (1 - e)),
        "overlap": np.where(data["arm"] == 1, 1 - e, e),
        "target": np.where(data["arm"] == 1, 1.0, e / (1 - e)),
    }[target]


@pytest.mark.parametrize("weighted_to", ["everybody", "target", "overlap"])
def test_weights_are_estimated_anew_in_every_replicate(weighted_to):
    """Three replicates fitted by hand with statsmodels, from the counts of the plan."""
    data = _people(agencies=14)
    plan = _plan(data, replicates=100)
    result = _estimate(data, plan=plan, propensity_covariates=["severity"], weighted_to=weighted_to)
    place = {unit: i for i, unit in enumerate(plan.units)}
    columns = data["agency"].map(place).to_numpy()
    for row in (None, 0, 1, 57):
        drawn = np.ones(len(data)) if row is None else (plan.counts * plan.scale)[row, columns]
        kept = drawn > 0
        people, drawn = data[kept], drawn[kept]
        weights = drawn * _fit_by_statsmodels(people, drawn, weighted_to)
        means = [
            np.average(people[outcome][people["arm"] == arm], weights=weights[people["arm"] == arm])
            for outcome in ("cost", "qaly")
            for arm in (1, 0)
        ]
        expected = [means[0] - means[1], means[2] - means[3]]
        found = (
            result.tidy()["estimate"][:2].to_numpy()
            if row is None
            else result.draws.loc[row, ["delta_cost", "delta_effect"]].to_numpy(dtype=float)
        )
        assert found == pytest.approx(expected, rel=1e-7)


def test_weighting_is_said_with_its_effective_numbers():
    result = _estimate(
        _people(), propensity_covariates=["severity"], weighted_to="overlap", method="bayesian"
    )
    assert "stand for people who could have been in either group" in result.method
    assert any("worth as many people as: arm 1 " in note for note in result.notes)


def test_covariates_that_separate_the_groups_are_refused():
    data = _people()
    data["sign"] = data["arm"] * 2.0 + np.linspace(0, 0.5, len(data))
    with pytest.raises(ModelError) as caught:
        _estimate(data, propensity_covariates=["sign"], weighted_to="everybody")
    assert caught.value.codes == ("CPI-M007",)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"weighted_to": "overlap"}, "CPI-E047"),
        ({"propensity_covariates": ["severity"]}, "CPI-E047"),
        ({"propensity_covariates": ["severity"], "weighted_to": "all"}, "CPI-E045"),
        ({"propensity_covariates": "severity", "weighted_to": "overlap"}, "CPI-E047"),
        (
            {
                "propensity_covariates": ["severity"],
                "weighted_to": "overlap",
                "method": "two_stage",
            },
            "CPI-E045",
        ),
        ({"change_from": {"costs": "cost_before"}}, "CPI-E045"),
        ({"change_from": {"cost": "cost_then"}}, "CPI-E011"),
    ],
)
def test_settings_of_weights_and_changes_that_cannot_be_used(settings, code):
    with pytest.raises(DataError) as caught:
        _estimate(_people(), **settings)
    assert caught.value.codes == (code,)


def test_difference_in_differences_by_hand():
    data = _people()
    result = _estimate(data, change_from={"cost": "cost_before", "effect": "utility_before"})
    change = data["cost"] - data["cost_before"]
    by_arm = change.groupby(data["arm"]).mean()
    assert result.point("delta_cost")["estimate"] == pytest.approx(by_arm[1] - by_arm[0])
    assert "difference in differences" in result.method
    assert result.estimand.startswith("difference in the change from baseline of mean cost")
    direct = _estimate(data.assign(qaly=data["qaly"] - data["utility_before"]))
    assert np.array_equal(result.draws["delta_effect"], direct.draws["delta_effect"])


def test_weights_and_differences_go_together():
    data = _people()
    both = _estimate(
        data,
        change_from={"cost": "cost_before"},
        propensity_covariates=["severity"],
        weighted_to="overlap",
    )
    assert np.isfinite(both.draws.to_numpy()).all()
    with pytest.raises(DataError) as caught:
        _estimate(
            data.assign(cost_before=-data["cost_before"]), change_from={"cost": "cost_before"}
        )
    assert caught.value.codes == ("CPI-E024",)
