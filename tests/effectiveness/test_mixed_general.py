"""Nested, crossed, correlated and heteroscedastic models against lme4, pbkrtest, nlme and SAS."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import fit_mixed_model
from cpi_analysis.errors import ModelError
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
from cpi_analysis.inference.lmm_small_sample import adjust_mixed_model
from tests.reference import reference_path

# The tolerances of the issue: against the polished optima of lme4, and pbkrtest at them.
CRITERION = 1e-9
FIXED = 1e-7
KENWARD_ROGER = 1e-7
SATTERTHWAITE = 1e-6

MODELS = {
    "sleepstudy-rs": ("sleepstudy", "rs", "Reaction ~ Days", {"Subject": "1 + Days"}),
    "hsb14-rs": ("hsb14", "rs", "mAch ~ cses * catholic", {"school": "1 + cses"}),
    "pastes": ("pastes", "nested", "strength ~ 1", {"batch": "1", "sample": "1"}),
    "oxide": ("oxide", "nested", "Thickness ~ C(Source)", {"Lot": "1", "LW": "1"}),
    "orthodont-rs": ("orthodont", "rs", "distance ~ age * female", {"Subject": "1 + age"}),
    "hsb82-rs": (
        "hsb82",
        "rs",
        "mAch ~ cses + meanses + catholic + cses:meanses + cses:catholic",
        {"school": "1 + cses"},
    ),
}


def load(name: str) -> tuple[pd.DataFrame, dict]:
    data = pd.read_csv(reference_path(f"effectiveness/{name}.csv"))
    if "Sex" in data:
        data["female"] = (data["Sex"] == "Female").astype(float)
    text = reference_path(f"effectiveness/{name}_expected.json").read_text()
    return data, json.loads(text)["models"]


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_lme4_and_pbkrtest(name):
    file, model, formula, random = MODELS[name]
    data, expected = load(file)
    peer = expected[model]
    result = fit_mixed_model(data, formula=formula, random=random)
    reml = peer["REML"]
    assert -2 * result.log_likelihood == pytest.approx(reml["criterion"], abs=CRITERION)
    fixed = np.array(list(reml["fixef"].values()))
    table = result.tidy()
    np.testing.assert_allclose(table["estimate"], fixed, rtol=FIXED, atol=FIXED * abs(fixed).max())
    assert result.is_singular == reml["singular"]
    if "kenward_roger" in peer:
        small = peer["kenward_roger"]
        np.testing.assert_allclose(table["std_error"], small["Std. Error"], rtol=KENWARD_ROGER)
        np.testing.assert_allclose(table["df"], small["df"], rtol=KENWARD_ROGER)
    if not reml["singular"]:
        approximate = fit_mixed_model(data, formula=formula, random=random, df="satterthwaite")
        np.testing.assert_allclose(
            approximate.tidy()["df"], peer["satterthwaite"]["df"], rtol=SATTERTHWAITE
        )
        np.testing.assert_allclose(
            approximate.tidy()["std_error"], list(reml["se"].values()), rtol=FIXED
        )


@pytest.mark.parametrize("name", ["sleepstudy-rs", "pastes", "oxide", "orthodont-rs"])
def test_ml_agrees_with_lme4(name):
    file, model, formula, random = MODELS[name]
    data, expected = load(file)
    peer = expected[model]["ML"]
    result = fit_mixed_model(data, formula=formula, random=random, method="ML", df="satterthwaite")
    assert -2 * result.log_likelihood == pytest.approx(peer["criterion"], abs=CRITERION)


def test_uncorrelated_slopes_are_two_terms_of_one_grouping():
    # Two terms with the same grouping need the function of arrays: a dict has each key once.
    data, expected = load("sleepstudy")
    peer = expected["rs_uncorr"]
    group = pd.factorize(data["Subject"])[0]
    days = data["Days"].to_numpy(float)
    one = np.ones(len(data))
    fit = fit_linear_mixed_model(
        data["Reaction"],
        np.column_stack([one, days]),
        [(one[:, None], group), (days[:, None], group)],
    )
    assert -2 * fit.log_likelihood == pytest.approx(peer["REML"]["criterion"], abs=CRITERION)
    adjusted = adjust_mixed_model(fit)
    np.testing.assert_allclose(
        adjusted.compute_df(), peer["kenward_roger"]["df"], rtol=KENWARD_ROGER
    )


def test_a_residual_variance_for_each_sex_agrees_with_nlme():
    data, expected = load("orthodont")
    peer = expected["lme_varident_sex"]
    result = fit_mixed_model(
        data,
        formula="distance ~ age * female",
        random={"Subject": "1"},
        residual_by="Sex",
        df="satterthwaite",
    )
    assert result.log_likelihood == pytest.approx(peer["logLik_REML"], abs=1e-8)
    # nlme stopped where its optimiser did.
    np.testing.assert_allclose(result.covariance, peer["vcov"]["values"], rtol=1e-6)
    residual = result.variance_components.query("group == 'residual'").set_index("term")["variance"]
    assert np.sqrt(residual["Female"]) == pytest.approx(peer["sigma"], rel=1e-6)
    assert np.sqrt(residual["Male"] / residual["Female"]) == pytest.approx(
        peer["ratio"]["Male"], rel=1e-6
    )


def test_a_residual_variance_for_each_age_agrees_with_nlme():
    data, expected = load("orthodont")
    peer = expected["lme_varident_time"]
    result = fit_mixed_model(
        data, formula="distance ~ C(age) * female", random={"Subject": "1"}, residual_by="age"
    )
    assert result.log_likelihood == pytest.approx(peer["logLik_REML"], abs=1e-8)


def test_observed_information_agrees_with_sas():
    data, expected = load("fev")
    peer = expected["SAS_KR_trt"]["cs"]
    result = fit_mixed_model(
        data,
        formula="FEV1 ~ trt",
        random={"USUBJID": "1"},
        residual_by=None,
        information="observed",
        joint=["trt"],
    )
    row = result.tidy().set_index("term").loc["trt"]
    assert row["std_error"] == pytest.approx(peer["se"], rel=1e-6)
    assert row["df"] == pytest.approx(peer["ddf"], rel=1e-6)


def test_joint_f_agrees_with_pbkrtest():
    data, expected = load("hsb14")
    peer = expected["ri"]["anova3_kenward_roger"]
    formula = "mAch ~ cses + minrty + female + catholic"
    for place, term in enumerate(peer["rownames"]):
        joint = fit_mixed_model(data, formula=formula, random={"school": "1"}, joint=[term]).joint
        assert joint.statistic == pytest.approx(peer["F value"][place], rel=KENWARD_ROGER)
        assert joint.df2 == pytest.approx(peer["DenDF"][place], rel=KENWARD_ROGER)


# without the reference data --------------------------------------------------------------------


def simulate(seed: int, *, slope: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    agency = np.repeat(np.arange(12), 16)
    person = np.repeat(np.arange(96), 2)
    time = np.tile([0.0, 1.0], 96)
    arm = (agency % 2).astype(float)
    outcome = (
        20
        + 2 * arm * time
        + rng.normal(0, 1.5, 12)[agency]
        + rng.normal(0, 3, 96)[person]
        + rng.normal(0, slope, 12)[agency] * time
        + rng.normal(0, 2 + time, 192)
    )
    return pd.DataFrame(
        {"agency_id": agency, "participant_id": person, "time": time, "arm": arm, "y": outcome}
    )


NESTED = {"formula": "y ~ time * arm", "random": {"agency_id": "1", "participant_id": "1"}}


def compute_dense_criterion(data, variances, formula_columns):
    """Return -2 REML log-likelihood from the n by n covariance, as the textbook writes it."""
    agency, person, residual = variances
    groups = [data["agency_id"].to_numpy(), data["participant_id"].to_numpy()]
    V = np.eye(len(data)) * residual
    for group, variance in zip(groups, (agency, person), strict=True):
        V += variance * (group[:, None] == group)
    X, y = formula_columns, data["y"].to_numpy()
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    beta = np.linalg.solve(information, X.T @ inverse @ y)
    rest = y - X @ beta
    n, p = X.shape
    return (
        np.linalg.slogdet(V)[1]
        + np.linalg.slogdet(information)[1]
        + rest @ inverse @ rest
        + (n - p) * np.log(2 * np.pi)
    )


def test_nested_fit_is_the_minimum_of_the_dense_criterion():
    data = simulate(1)
    result = fit_mixed_model(data, **NESTED)
    X = np.column_stack([np.ones(192), data["time"], data["arm"], data["time"] * data["arm"]])
    found = result.variance_components["variance"].to_numpy()
    at = compute_dense_criterion(data, found, X)
    assert -2 * result.log_likelihood == pytest.approx(at, abs=1e-9)
    for place in range(3):
        for factor in (0.99, 1.01):
            moved = found.copy()
            moved[place] *= factor
            assert compute_dense_criterion(data, moved, X) > at
    assert result.n_participants == 96
    assert result.n_rows == 192
    assert result.n_agencies == 12


def test_one_intercept_is_the_same_by_both_routes():
    data = simulate(2)
    fast = fit_mixed_model(data, formula="y ~ arm", random={"agency_id": "1"})
    general = fit_mixed_model(data, formula="y ~ arm", random={"agency_id": "1"}, joint=["arm"])
    pd.testing.assert_frame_equal(fast.tidy(), general.tidy(), rtol=1e-7)
    assert general.joint.statistic == pytest.approx(fast.tidy()["statistic"][1] ** 2, rel=1e-7)
    assert general.joint.p_value == pytest.approx(fast.tidy()["p_value"][1], rel=1e-6)


def test_crossed_effects_by_the_balanced_analysis_of_variance():
    # Balanced two-way table: REML equals the mean squares of the analysis of variance.
    rng = np.random.default_rng(4)
    table = 10 + rng.normal(0, 2, (20, 1)) + rng.normal(0, 1, (1, 8)) + rng.normal(0, 1, (20, 8))
    rows, columns = np.indices(table.shape)
    data = pd.DataFrame({"y": table.ravel(), "a": rows.ravel(), "b": columns.ravel()})
    found = fit_mixed_model(data, formula="y ~ 1", random={"a": "1", "b": "1"})
    row_means, column_means, grand = table.mean(1), table.mean(0), table.mean()
    rest = table - row_means[:, None] - column_means + grand
    error = (rest**2).sum() / (19 * 7)
    expected = [row_means.var(ddof=1) - error / 8, column_means.var(ddof=1) - error / 20, error]
    np.testing.assert_allclose(found.variance_components["variance"], expected, rtol=1e-7)


def test_units_do_not_matter():
    data = simulate(5, slope=1.0)
    random = {"agency_id": "1 + time"}
    one = fit_mixed_model(data, formula="y ~ time", random=random)
    scaled = data.assign(y=1000 * data["y"] + 1e6, time=365 * data["time"])
    other = fit_mixed_model(scaled, formula="y ~ time", random=random)
    np.testing.assert_allclose(one.tidy()["df"], other.tidy()["df"], rtol=1e-6)
    assert other.tidy()["estimate"][1] == pytest.approx(one.tidy()["estimate"][1] * 1000 / 365)


def test_no_random_slope_in_the_data_is_a_flagged_boundary():
    flags = [
        fit_mixed_model(simulate(seed), formula="y ~ time", random={"agency_id": "1 + time"})
        for seed in range(6)
    ]
    assert any(result.is_singular for result in flags)
    for result in flags:
        assert result.is_singular == any("boundary" in note for note in result.notes)


@pytest.mark.parametrize("seed", range(8))
def test_boundary_fits_are_not_false(seed):
    # Zero is always stationary in the roots: no nearby variance may be better.
    data = simulate(seed)
    random = {"agency_id": "1", "participant_id": "1"}
    result = fit_mixed_model(data, formula="y ~ time", random=random)
    X = np.column_stack([np.ones(192), data["time"]])
    found = result.variance_components["variance"].to_numpy()
    at = compute_dense_criterion(data, found, X)
    for extra in np.eye(3)[:2]:
        for size in (0.01, 0.3):
            assert compute_dense_criterion(data, found + size * extra, X) > at - 1e-9


@pytest.mark.parametrize(
    ("random", "code"),
    [
        ({"agency_id": "1 + ("}, "CPI-M004"),
        ({"agency_id": "1 + height"}, "CPI-M004"),
        ({"agency_id": "0"}, "CPI-M006"),
        ({"agency_id": "1", "row": "1"}, "CPI-M007"),
        ({"agency_id": "1", "same": "1"}, "CPI-M001"),
        ({}, "CPI-M004"),
    ],
)
def test_random_terms_that_cannot_be_are_refused(random, code):
    data = simulate(1).assign(row=np.arange(192), same=1)
    with pytest.raises(ModelError) as caught:
        fit_mixed_model(data, formula="y ~ time", random=random)
    assert caught.value.faults[0].code == code


def test_missing_groups_are_counted():
    data = simulate(1).astype({"participant_id": float})
    data.loc[:2, "participant_id"] = np.nan
    result = fit_mixed_model(data, **NESTED)
    assert result.n_rows == 189
    assert "3 of 192 rows are left out: a cell is missing (participant_id 3)." in result.notes
