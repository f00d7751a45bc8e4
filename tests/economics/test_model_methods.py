"""The model-based methods against R: systemfit, clubSandwich, nlme, lmerTest, glm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cpi_analysis.economics import (
    build_resampling_plan,
    compute_acceptability,
    compute_icer,
    estimate_incremental,
)
from cpi_analysis.economics.comparison import build_comparison
from cpi_analysis.economics.model_methods import fit_net_benefit
from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.inference.bivariate_mixed_model import fit_bivariate_mixed
from cpi_analysis.inference.cluster_robust import KINDS
from cpi_analysis.inference.gamma_model import (
    compute_park_test,
    fit_gamma_log,
    recycle_predictions,
)
from cpi_analysis.inference.stacked_system import estimate_error_covariance, fit_stacked_system
from tests.reference import reference_json, reference_path

# The reference values carry 15 digits; matrix roots lose some of them.
GOLDEN = 1e-8
# glm() of R stops when the deviance changes by 1e-8 of itself.
GLM = 1e-6
# nlme stops when its criterion changes by about 1e-7 of itself: its estimates have about half of
# the digits, its variances fewer.
NLME = 2e-6
NLME_VARIANCE = 1e-5

MODELS = ("sur", "net_benefit_regression", "bivariate_multilevel", "gamma_glm")


def _estimate(data, method, **changes):
    settings = {
        "cost": "cost",
        "effect": "qaly",
        "arm": "arm",
        "cluster": "agency",
        "replicates": 500,
        "seed": 1,
        "thresholds": [20_000.0, 30_000.0],
    }
    return estimate_incremental(data, method=method, **(settings | changes))


def _pbs(method, **changes):
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    return _estimate(data, method, arm="trt", cluster="site", **changes)


def _glick(method, **changes):
    data = pd.read_csv(reference_path("economics/glick_trial.csv"))
    return _estimate(data, method, arm="treat", cluster=None, **changes)


def _people(seed=1, agencies=12, size=8):
    rng = np.random.default_rng(seed)
    agency = np.repeat(np.arange(agencies), size)
    arm = (agency % 2).astype(int)
    shared = rng.normal(size=(agencies, 2))[agency]
    return pd.DataFrame(
        {
            "agency": [f"a{i:02}" for i in agency],
            "arm": arm,
            "cost": rng.gamma(2.0, 1000.0, agency.size) + 1500 * arm + 100 * np.exp(shared[:, 0]),
            "qaly": 0.5 + 0.1 * arm + rng.normal(0, 0.2, agency.size) + 0.1 * shared[:, 1],
            "cost_before": rng.gamma(2.0, 800.0, agency.size),
            "utility_before": rng.normal(0.5, 0.2, agency.size),
        }
    )


BASELINES = {"covariates": {"cost": ["c1"], "effect": ["e1"]}}


# seemingly unrelated regressions ---------------------------------------------------------------


def _glick_equations():
    data = pd.read_csv(reference_path("economics/glick_trial.csv"))
    ones = np.ones(len(data))
    cost = data[["treat", "blcost", "dissev", "race", "male"]].to_numpy(dtype=float)
    effect = data[["treat", "blqaly", "dissev"]].to_numpy(dtype=float)
    return (
        (data["cost"].to_numpy(dtype=float), np.column_stack([ones, cost])),
        (data["qaly"].to_numpy(dtype=float), np.column_stack([ones, effect])),
    )


def test_sur_of_glick_is_that_of_systemfit():
    expected = reference_json("economics/glick_expected.json")["sur"]["default_geomean"]
    equations = _glick_equations()
    working = estimate_error_covariance(*equations)
    assert working == pytest.approx(np.array(expected["residCovEst"]), rel=GOLDEN)
    fit = fit_stacked_system(*equations, np.arange(500), working=working)
    assert fit.beta == pytest.approx(list(expected["coef"].values()), rel=GOLDEN)
    places = np.ix_([1, 7], [1, 7])
    assert fit.model_cov[places] == pytest.approx(np.array(expected["vcov_dc_de"]), rel=GOLDEN)
    covariates = {"cost": ["blcost", "dissev", "race", "male"], "effect": ["blqaly", "dissev"]}
    result = _glick("sur", covariates=covariates)
    # systemfit 1.1-28: 19.5983645587061 and .0413069618845338.
    assert result.point("delta_cost")["estimate"] == pytest.approx(19.5983645587061, rel=GOLDEN)
    assert result.point("delta_effect")["estimate"] == pytest.approx(0.0413069618845338, rel=GOLDEN)


def test_stacked_regressions_of_pbs_have_the_covariances_of_clubsandwich():
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    comparison = build_comparison(
        data, cost="cost", effect="qaly", arm="trt", cluster="site", **BASELINES
    )
    robust = reference_json("economics/pbs_expected.json")["stacked_ols"]["robust"]
    for kind in KINDS:
        fit = fit_stacked_system(
            (comparison.cost, comparison.cost_design),
            (comparison.effect, comparison.effect_design),
            comparison.clusters,
            kind=kind,
        )
        expected = np.array(robust[kind]["vcov_dc_de"])
        assert fit.cov[np.ix_([1, 4], [1, 4])] == pytest.approx(expected, rel=GOLDEN)


def test_equal_designs_make_sur_least_squares():
    data = _people()
    covariates = ["cost_before"]
    joint, single = (_estimate(data, method, covariates=covariates) for method in ("sur", "rao_wu"))
    assert joint.tidy()["estimate"].to_numpy() == pytest.approx(
        single.tidy()["estimate"].to_numpy()
    )


def test_balanced_agencies_without_covariates_are_tested_as_their_means():
    """CR2 with Satterthwaite is then the two-sample t test of agency means, 10 degrees."""
    data = _people()
    means = data.groupby(["agency", "arm"])["cost"].mean().reset_index()
    expected = stats.ttest_ind(
        means.loc[means["arm"] == 1, "cost"],
        means.loc[means["arm"] == 0, "cost"],
        equal_var=False,
    )
    for method in ("sur", "net_benefit_regression"):
        row = _estimate(data, method).point("delta_cost")
        assert row["statistic"] == pytest.approx(expected.statistic, rel=GOLDEN)
        assert row["df"] == pytest.approx(10)


# net-benefit regression ------------------------------------------------------------------------


def test_net_benefit_regression_of_pbs_is_that_of_clubsandwich():
    result = _pbs(
        "net_benefit_regression", thresholds=[10_000, 20_000, 30_000, 50_000], **BASELINES
    )
    for block in reference_json("economics/pbs_expected.json")["nbr_cluster"][1:]:
        row = result.point("inb", block["k"])
        assert row["estimate"] == pytest.approx(block["est"], rel=GOLDEN)
        assert row["std_error"] == pytest.approx(block["robust"]["CR2"]["se"], rel=GOLDEN)
        assert row["df"] == pytest.approx(block["robust"]["CR2"]["df_satt"], rel=GOLDEN)
        assert row["p_value"] == pytest.approx(block["robust"]["CR2"]["p_satt"], rel=1e-7)
    # clubSandwich at £20,000: −700.199, standard error 1,025.94, 17.84 degrees of freedom.
    row = result.point("inb", 20_000)
    assert row["std_error"] == pytest.approx(1025.94, abs=5e-3)
    assert row["df"] == pytest.approx(17.84, abs=5e-3)
    cost = result.point("delta_cost")
    free = reference_json("economics/pbs_expected.json")["nbr_cluster"][0]
    assert cost["estimate"] == pytest.approx(-free["est"], rel=GOLDEN)
    assert cost["std_error"] == pytest.approx(free["robust"]["CR2"]["se"], rel=GOLDEN)


# CR1S counts the rows and columns of both equations: another factor than for one of them.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "CR1S"])
def test_every_correction_of_net_benefit_regression_is_that_of_clubsandwich(kind):
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    comparison = build_comparison(
        data, cost="cost", effect="qaly", arm="trt", cluster="site", covariates=["e1", "c1"]
    )
    found = fit_net_benefit(comparison, kind)
    for block in reference_json("economics/pbs_expected.json")["nbr_cluster"]:
        loading = np.array([-1.0, block["k"]])
        error = np.sqrt(loading @ found.covariance @ loading)
        assert error == pytest.approx(block["robust"][kind]["se"], rel=GOLDEN)


def test_net_benefit_regression_of_glick_is_that_of_sandwich():
    """Without agencies CR0 and CR3 are HC0 and HC3 of R's sandwich."""
    data = pd.read_csv(reference_path("economics/glick_trial.csv"))
    for adjusted, covariates in (
        ("unadjusted", []),
        ("adjusted", ["blcost", "blqaly", "dissev", "race", "male"]),
    ):
        comparison = build_comparison(
            data, cost="cost", effect="qaly", arm="treat", cluster=None, covariates=covariates
        )
        for kind, name in (("CR0", "HC0"), ("CR3", "HC3")):
            found = fit_net_benefit(comparison, kind)
            for block in reference_json("economics/glick_expected.json")["nbr"]:
                loading = np.array([-1.0, block["k"]])
                expected = block[adjusted]
                assert loading @ found.point == pytest.approx(expected["coef"]["treat"], rel=1e-7)
                error = np.sqrt(loading @ found.covariance @ loading)
                assert error == pytest.approx(expected["se"][name], rel=1e-7)


# bivariate multilevel model --------------------------------------------------------------------


def _pbs_equations():
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    data = data.dropna(subset=["cost", "qaly", "c1", "e1"])
    ones, arm = np.ones(len(data)), data["trt"].to_numpy(dtype=float)
    sites = np.unique(data["site"], return_inverse=True)[1]
    return (
        (data["cost"].to_numpy() / 1000, np.column_stack([ones, arm, data["c1"] / 1000])),
        (data["qaly"].to_numpy(), np.column_stack([ones, arm, data["e1"]])),
        sites,
    )


def test_bivariate_reml_of_pbs_is_that_of_nlme():
    expected = reference_json("economics/pbs_expected.json")["bivariate_mlm_REML"]
    first, second, sites = _pbs_equations()
    fit = fit_bivariate_mixed(first, second, sites)
    # The same optimum: never below that of nlme, and above it by rounding only.
    assert 0 <= fit.log_likelihood - expected["loglik"] < 1e-8
    assert fit.beta[[1, 4]] == pytest.approx([expected["dc"], expected["de"]], rel=NLME)
    assert fit.cov[np.ix_([1, 4], [1, 4])] == pytest.approx(
        np.array(expected["vcov_dc_de"]), rel=NLME_VARIANCE
    )
    assert fit.agency_covariance == pytest.approx(np.array(expected["G_site"]), rel=1e-4)
    assert np.sqrt(np.diag(fit.error_covariance)) == pytest.approx(expected["resid_sd"], rel=NLME)
    result = _pbs("bivariate_multilevel", **BASELINES)
    # nlme, cost in thousands: −.421755796546613 (1.0073774485455).
    row = result.point("inb", 20_000)
    assert row["estimate"] == pytest.approx(-421.755796546613, rel=NLME)
    assert row["std_error"] == pytest.approx(1007.3774485455, rel=NLME)


def test_bivariate_ml_of_pbs_is_at_least_as_likely_as_that_of_nlme():
    """nlme stops short of the boundary, at a correlation of −.999: its estimates stay near."""
    expected = reference_json("economics/pbs_expected.json")["bivariate_mlm_ML"]
    fit = fit_bivariate_mixed(*_pbs_equations(), method="ML")
    assert 0 <= fit.log_likelihood - expected["loglik"] < 1e-4
    loading = np.array([0, -1, 0, 0, 20, 0])
    assert loading @ fit.beta == pytest.approx(expected["INB20k"]["est"], rel=1e-5)
    error = np.sqrt(loading @ fit.cov @ loading)
    assert error == pytest.approx(expected["INB20k"]["se"], rel=1e-5)
    assert fit.is_singular
    assert fit.compute_df(loading[None, :]).tolist() == [21.0]


def test_balanced_agencies_have_the_degrees_of_freedom_of_their_means():
    """In a balanced design every contrast of arms has K − 2 = 10 degrees, exactly."""
    data = _people(seed=4, size=12)
    effects = np.random.default_rng(3).normal(size=(12, 2)).repeat(12, axis=0)
    data["cost"] += 3000 + 900 * effects[:, 0]
    data["qaly"] += 0.2 * effects[:, 1]
    result = _estimate(data, "bivariate_multilevel")
    assert not any("no full rank" in note for note in result.notes)
    assert result.tidy()["df"].to_numpy() == pytest.approx(np.full(4, 10.0), rel=1e-4)
    means = data.groupby(["agency", "arm"])[["cost", "qaly"]].mean().reset_index()
    variance = means.groupby("arm")[["cost", "qaly"]].var().mean() / 6 * 2
    errors = result.tidy()["std_error"][:2].to_numpy()
    assert errors == pytest.approx(np.sqrt(variance.to_numpy()), rel=1e-5)


def test_agency_effects_at_the_boundary_are_said():
    """Every agency of an arm has the same eight people: no variance between agencies."""
    data = _people()
    for column in ("cost", "qaly"):
        values = data[column].to_numpy().reshape(12, 8)
        data[column] = values[data["arm"].to_numpy().reshape(12, 8)[:, 0]].ravel()
    result = _estimate(data, "bivariate_multilevel")
    assert any("no full rank" in note for note in result.notes)
    assert set(result.tidy()["df"]) == {10.0}


def test_people_without_agencies_have_no_multilevel_model():
    with pytest.raises(ModelError) as caught:
        _estimate(_people(), "bivariate_multilevel", cluster=None)
    assert caught.value.codes == ("CPI-M007",)


# gamma model -----------------------------------------------------------------------------------


def test_gamma_model_of_glick_is_that_of_glm_in_r():
    expected = reference_json("economics/glick_expected.json")
    (cost, design), _ = _glick_equations()
    fit = fit_gamma_log(cost, design)
    glm = expected["glm_gamma_log"]
    assert fit.beta == pytest.approx(list(glm["coef"].values()), rel=GLM)
    assert np.sqrt(np.diag(fit.cov)) == pytest.approx(list(glm["se"].values()), rel=GLM)
    assert fit.dispersion == pytest.approx(glm["dispersion"], rel=GLM)
    recycled = recycle_predictions(fit, design, 1)
    # glm() of R 4.2.2: 140.433346886245, delta-method standard error 107.703761749365.
    assert recycled.difference == pytest.approx(140.433346886245, rel=GLM)
    assert recycled.target == pytest.approx(glm["recycled"]["mean1"], rel=GLM)
    delta = np.sqrt(recycled.gradient @ fit.cov @ recycled.gradient)
    assert delta == pytest.approx(glm["recycled"]["delta_se"], rel=GLM)
    robust = fit_stacked_system(
        (fit.working_response, design), (cost, design), np.arange(500), kind="CR0"
    )
    first = robust.cov[:6, :6]
    assert robust.beta[:6] == pytest.approx(fit.beta, rel=1e-9)
    assert np.sqrt(recycled.gradient @ first @ recycled.gradient) == pytest.approx(
        glm["recycled"]["delta_se_HC0"], rel=GLM
    )
    park = compute_park_test(cost, fit.fitted)
    assert park.slope == pytest.approx(expected["park"]["lambda"], rel=GLM)
    assert park.intercept == pytest.approx(expected["park"]["intercept"], rel=GLM)
    assert park.family == "gamma"


def test_gamma_model_through_the_front_door():
    covariates = {"cost": ["blcost", "dissev", "race", "male"], "effect": ["blqaly", "dissev"]}
    result = _glick("gamma_glm", covariates=covariates)
    assert result.point("delta_cost")["estimate"] == pytest.approx(140.433347, abs=5e-5)
    assert any("to the power 1.60 (2 for the gamma family)" in note for note in result.notes)


def test_a_gamma_model_without_covariates_gives_the_difference_of_means():
    data = _people()
    by_arm = data.groupby("arm")["cost"].mean()
    result = _estimate(data, "gamma_glm")
    assert result.point("delta_cost")["estimate"] == pytest.approx(by_arm[1] - by_arm[0])


def test_costs_of_zero_are_refused_by_the_gamma_model():
    data = _people()
    data.loc[3, "cost"] = 0.0
    with pytest.raises(ModelError, match="rao_wu") as caught:
        _estimate(data, "gamma_glm")
    assert caught.value.codes == ("CPI-M004",)


# what every model gives ------------------------------------------------------------------------


@pytest.mark.parametrize("method", MODELS)
def test_every_model_has_the_rows_and_draws_of_the_default(method):
    data = _people()
    covariates = {"cost": ["cost_before"], "effect": ["utility_before"]}
    result = _estimate(data, method, covariates=covariates, replicates=20_000)
    table = result.tidy()
    assert table["quantity"].tolist() == ["delta_cost", "delta_effect", "inb", "inb"]
    assert np.isfinite(table[["estimate", "std_error", "df", "conf_low"]].to_numpy()).all()
    assert (table["df"] > 2).all()
    cost, effect = table["estimate"][:2]
    assert table["estimate"][2:].to_numpy() == pytest.approx(
        np.array([20_000, 30_000]) * effect - cost
    )
    draws = result.draws[["delta_cost", "delta_effect"]].to_numpy()
    # 1% is three Monte Carlo errors of a standard deviation from 20,000 draws, two for 1.5%.
    assert draws.std(axis=0) == pytest.approx(table["std_error"][:2].to_numpy(), rel=0.02)
    assert compute_icer(result).icer == pytest.approx(cost / effect)
    # The probability is that of the normal distribution of the net benefit.
    row = result.point("inb", 20_000)
    exact = stats.norm.cdf(row["estimate"] / row["std_error"])
    shares = compute_acceptability(result, thresholds=[20_000]).tidy()
    found = shares.loc[shares["strategy"] == result.target, "probability"].iloc[0]
    assert found == pytest.approx(exact, abs=0.015)


@pytest.mark.parametrize("method", MODELS)
def test_who_is_left_out_is_said_by_every_model(method):
    data = _people()
    data.loc[[0, 5], "qaly"] = np.nan
    result = _estimate(data, method)
    assert result.n_participants == 94
    assert any(note.startswith("2 of 96 participants were left out") for note in result.notes)


@pytest.mark.parametrize("method", MODELS)
def test_models_take_no_plan_and_no_weights(method):
    data = _people()
    plan = build_resampling_plan(data, cluster="agency", strata="arm", replicates=100, seed=1)
    for settings in (
        {"plan": plan, "replicates": None, "seed": None},
        {"propensity_covariates": ["cost_before"], "weighted_to": "overlap"},
    ):
        with pytest.raises(DataError) as caught:
            _estimate(data, method, **settings)
        assert caught.value.codes == ("CPI-E045",)


@pytest.mark.parametrize("method", MODELS)
@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        (lambda d: d[(d["arm"] == 0) | (d["agency"] == "a01")], ModelError, "CPI-M001"),
        (lambda d: d[d["arm"] == 1], DataError, "CPI-E038"),
        (lambda d: d.assign(qaly=np.nan), DataError, "CPI-E038"),
        (lambda d: d.assign(qaly=0.7), ModelError, "CPI-M003"),
        (lambda d: d.assign(cost=-d["cost"]), DataError, "CPI-E024"),
    ],
)
def test_models_refuse_what_cannot_be_analysed(method, change, error, code):
    with pytest.raises(error) as caught:
        _estimate(change(_people()), method)
    assert caught.value.codes == (code,)
