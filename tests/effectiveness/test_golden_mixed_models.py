"""Every linear mixed model of the reference folder, at the tolerances that the package promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import fit_mixed_model
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
from cpi_analysis.inference.lmm_small_sample import adjust_mixed_model, approximate_satterthwaite
from tests.reference import reference_json, reference_path

#: -2 log-likelihood; coefficients and their errors; Kenward-Roger; Satterthwaite inside.
CRITERION, FIXED, KENWARD_ROGER, SATTERTHWAITE = 1e-9, 1e-7, 1e-7, 1e-6

#: file, model, formula, random; terms with the same grouping twice are fitted by arrays below.
MODELS = {
    "achievement14": ("achievement14", "lmer", "y ~ treated01", {"school_id": "1"}),
    "dyestuff": ("dyestuff", "ri", "Yield ~ 1", {"Batch": "1"}),
    "dyestuff2, variance of zero": ("dyestuff2", "ri", "Yield ~ 1", {"Batch": "1"}),
    "hsb14": ("hsb14", "ri", "mAch ~ cses + minrty + female + catholic", {"school": "1"}),
    "hsb14 means": ("hsb14", "ri_meanses", "mAch ~ cses + meanses + catholic", {"school": "1"}),
    "hsb14 slopes, singular": ("hsb14", "rs", "mAch ~ cses * catholic", {"school": "1 + cses"}),
    "hsb82": ("hsb82", "ri", "mAch ~ ses + meanses + catholic", {"school": "1"}),
    "hsb82 slopes": (
        "hsb82",
        "rs",
        "mAch ~ cses + meanses + catholic + cses:meanses + cses:catholic",
        {"school": "1 + cses"},
    ),
    "orthodont": ("orthodont", "ri", "distance ~ age * female", {"Subject": "1"}),
    "orthodont slopes": ("orthodont", "rs", "distance ~ age * female", {"Subject": "1 + age"}),
    "orthodont cLDA": (
        "orthodont",
        "clda_ri",
        "distance ~ a10 + a12 + a14 + a10:female + a12:female + a14:female",
        {"Subject": "1"},
    ),
    "oxide": ("oxide", "nested", "Thickness ~ C(Source)", {"Lot": "1", "LW": "1"}),
    "pastes": ("pastes", "nested", "strength ~ 1", {"batch": "1", "sample": "1"}),
    "sleepstudy": ("sleepstudy", "ri", "Reaction ~ Days", {"Subject": "1"}),
    "sleepstudy slopes": ("sleepstudy", "rs", "Reaction ~ Days", {"Subject": "1 + Days"}),
}


def load(file: str, model: str) -> tuple[pd.DataFrame, dict]:
    data = pd.read_csv(reference_path(f"effectiveness/{file}.csv"))
    if "Sex" in data:
        data["female"] = (data["Sex"] == "Female").astype(float)
        for age in (10, 12, 14):
            data[f"a{age}"] = (data["age"] == age).astype(float)
    return data, reference_json(f"effectiveness/{file}_expected.json")["models"][model]


def assert_near(found, expected, tolerance: float) -> None:
    """Assert agreement relative to each number, or to the largest for those near zero."""
    expected = np.asarray(expected, dtype=float)
    atol = tolerance * np.abs(expected).max()
    np.testing.assert_allclose(np.asarray(found), expected, rtol=tolerance, atol=atol)


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_lme4_lmertest_and_pbkrtest(name):
    file, model, formula, random = MODELS[name]
    data, peer = load(file, model)
    reml = peer["REML"]
    plain = fit_mixed_model(data, formula=formula, random=random, df="satterthwaite")
    table = plain.tidy()
    assert -2 * plain.log_likelihood == pytest.approx(reml["criterion"], abs=CRITERION)
    assert plain.is_singular == reml["singular"]
    assert_near(table["estimate"], list(reml["fixef"].values()), FIXED)
    np.testing.assert_allclose(table["std_error"], list(reml["se"].values()), rtol=FIXED)
    if not reml["singular"]:
        # At the boundary the number is a convention, and ours differs on purpose.
        np.testing.assert_allclose(table["df"], peer["satterthwaite"]["df"], rtol=SATTERTHWAITE)
    ml = fit_mixed_model(data, formula=formula, random=random, method="ML", df="satterthwaite")
    assert -2 * ml.log_likelihood == pytest.approx(peer["ML"]["criterion"], abs=CRITERION)
    assert_near(ml.tidy()["estimate"], list(peer["ML"]["fixef"].values()), FIXED)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("hsb82")])
def test_kenward_roger_agrees_with_pbkrtest(name):
    file, model, formula, random = MODELS[name]
    data, peer = load(file, model)
    result = fit_mixed_model(data, formula=formula, random=random)
    table, expected = result.tidy(), peer["kenward_roger"]
    np.testing.assert_allclose(table["std_error"], expected["Std. Error"], rtol=KENWARD_ROGER)
    np.testing.assert_allclose(table["df"], expected["df"], rtol=KENWARD_ROGER)


@pytest.mark.parametrize(
    ("file", "response", "slope", "group", "columns"),
    [
        ("sleepstudy", "Reaction", "Days", "Subject", ["Days"]),
        ("hsb14", "mAch", "cses", "school", ["cses", "catholic", "cses:catholic"]),
    ],
)
def test_uncorrelated_slopes_agree_with_lme4_and_pbkrtest(file, response, slope, group, columns):
    data, peer = load(file, "rs_uncorr")
    if file == "hsb14":
        data["cses:catholic"] = data["cses"] * data["catholic"]
    X = np.column_stack([np.ones(len(data)), data[columns]])
    codes = pd.factorize(data[group], sort=True)[0]
    terms = [(X[:, :1], codes), (data[slope].to_numpy(float)[:, None], codes)]
    for method in ("REML", "ML"):
        fit = fit_linear_mixed_model(data[response], X, terms, method=method)
        assert -2 * fit.log_likelihood == pytest.approx(peer[method]["criterion"], abs=CRITERION)
        assert_near(fit.beta, list(peer[method]["fixef"].values()), FIXED)
        assert fit.is_singular == peer[method]["singular"]
    fit = fit_linear_mixed_model(data[response], X, terms)
    np.testing.assert_allclose(fit.std_error, list(peer["REML"]["se"].values()), rtol=FIXED)
    adjusted = adjust_mixed_model(fit)
    expected = peer["kenward_roger"]
    found = np.sqrt(np.diag(adjusted.covariance))
    np.testing.assert_allclose(found, expected["Std. Error"], rtol=KENWARD_ROGER)
    np.testing.assert_allclose(adjusted.compute_df(), expected["df"], rtol=KENWARD_ROGER)
    if not peer["REML"]["singular"]:
        df = approximate_satterthwaite(fit).compute_df()
        np.testing.assert_allclose(df, peer["satterthwaite"]["df"], rtol=SATTERTHWAITE)
