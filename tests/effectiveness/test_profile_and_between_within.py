"""Profile-likelihood intervals against lme4, and between-within degrees of freedom against nlme."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import (
    estimate_contrasts,
    estimate_icc,
    estimate_profile_intervals,
    fit_mixed_model,
)
from cpi_analysis.errors import CPIAnalysisError, ModelError
from cpi_analysis.inference.between_within import compute_between_within_df
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
from cpi_analysis.inference.profile_likelihood import compute_profile_intervals
from tests.effectiveness.test_parametric_bootstrap import make_people
from tests.reference import reference_json, reference_path

#: lme4 interpolates its profile by splines (at 1/16 of a step in the reference files).
SPLINE = 1e-6
MODEL = {"formula": "y ~ arm + x", "random": {"agency": "1"}}


@cache
def profile_people():
    return estimate_profile_intervals(make_people(), **MODEL)


def limits_of(result) -> np.ndarray:
    """Return limits in lme4's order: deviations and correlations, then coefficients."""
    table = result.tidy()
    own = table[table["quantity"] != "intracluster correlation"]
    is_fixed = own["quantity"] == "coefficient"
    return pd.concat([own[~is_fixed], own[is_fixed]])[["conf_low", "conf_high"]].to_numpy()


def test_profile_agrees_with_lme4():
    # lme4 1.1-31: confint(profile(lmer(y ~ arm + x + (1 | g), REML = FALSE), devtol = 1e-12)),
    # default steps, so that its splines are coarser than in the reference files.
    result = profile_people()
    expected = [
        [0.0, 2.18461288],
        [1.9135338999, 2.83663520],
        [-1.5581526535, 1.19605338],
        [-0.5210088263, 3.37402153],
        [0.0760835456, 1.75027552],
    ]
    np.testing.assert_allclose(limits_of(result), expected, atol=2e-4)
    assert result.log_likelihood == pytest.approx(-139.2686113846402, abs=1e-9)


@pytest.mark.parametrize(
    ("file", "model", "formula", "random"),
    [
        ("sleepstudy", "ri", "Reaction ~ Days", {"Subject": "1"}),
        ("sleepstudy", "rs", "Reaction ~ Days", {"Subject": "1 + Days"}),
        ("pastes", "nested", "strength ~ 1", {"sample": "1", "batch": "1"}),
        ("hsb14", "ri_meanses", "mAch ~ cses + meanses + catholic", {"school": "1"}),
    ],
)
def test_profile_agrees_with_the_reference(file, model, formula, random):
    block = reference_json(f"effectiveness/{file}_expected.json")["models"][model]
    data = pd.read_csv(reference_path(f"effectiveness/{file}.csv"))
    found = limits_of(estimate_profile_intervals(data, formula=formula, random=random))
    expected = np.array(block["profile_ci_ml"]["values"], dtype=float)
    np.testing.assert_allclose(found, expected, rtol=SPLINE * 5, atol=SPLINE)


@pytest.mark.slow
def test_uncorrelated_slopes_agree_with_the_reference():
    block = reference_json("effectiveness/sleepstudy_expected.json")["models"]["rs_uncorr"]
    data = pd.read_csv(reference_path("effectiveness/sleepstudy.csv"))
    one, days = np.ones((180, 1)), data["Days"].to_numpy(float)[:, None]
    group = pd.factorize(data["Subject"])[0]
    terms = [(one, group), (days, group)]
    fit = fit_linear_mixed_model(data["Reaction"], np.column_stack([one, days]), terms, method="ML")
    profile = compute_profile_intervals(fit)
    found = [v.interval[1:] for v in profile.variances] + [c[1:] for c in profile.coefficients]
    np.testing.assert_allclose(found, block["profile_ci_ml"]["values"], rtol=SPLINE)


def test_profile_of_the_icc_goes_with_that_of_its_own_function():
    result = profile_people()
    row = result.tidy().set_index("quantity").loc["intracluster correlation"]
    deviation = result.tidy().query("quantity == 'standard deviation'")["estimate"].to_numpy()
    assert row["estimate"] == pytest.approx(deviation[0] ** 2 / (deviation**2).sum(), rel=1e-6)
    reml = estimate_icc(make_people(), formula="y ~ arm + x", cluster="agency").tidy()
    assert row["estimate"] < reml["estimate"][1]


def test_profile_limits_are_where_the_likelihood_falls_by_the_quantile():
    # By refitting with the coefficient taken off: nothing of the profile code is used.
    people = make_people()
    result = profile_people()
    row = result.tidy().set_index("term").loc["arm"]
    for limit in (row["conf_low"], row["conf_high"]):
        moved = people.assign(y=people["y"] - limit * people["arm"])
        without = fit_mixed_model(
            moved, formula="y ~ x", random={"agency": "1"}, method="ML", df="satterthwaite"
        )
        fall = 2 * (result.log_likelihood - without.log_likelihood)
        assert fall == pytest.approx(3.841458820694124, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"random": {"agency": "1 + arm + x"}}, "CPI-M004"),
        ({"formula": "y ~ height"}, "CPI-M004"),
        ({"confidence_level": 95}, "CPI-E024"),
        ({"data": {}}, "CPI-E045"),
        ({"data": make_people().assign(y=1.0)}, "CPI-M003"),
    ],
)
def test_bad_input_is_refused(change, code):
    arguments = {"data": make_people()} | MODEL | change
    with pytest.raises(CPIAnalysisError) as caught:
        estimate_profile_intervals(arguments.pop("data"), **arguments)
    assert caught.value.codes == (code,)


def test_profile_needs_maximum_likelihood():
    people = make_people()
    one = np.ones((60, 1))
    fit = fit_linear_mixed_model(people["y"], one, [(one, people["agency"].to_numpy())])
    with pytest.raises(ModelError, match="CPI-M004"):
        compute_profile_intervals(fit)


# between-within --------------------------------------------------------------------------------


def make_repeated() -> pd.DataFrame:
    k, agency, person = (
        np.arange(1, 61),
        np.repeat(np.arange(1, 11), 6),
        np.repeat(np.arange(1, 31), 2),
    )
    arm = (agency % 2 == 0).astype(float)
    outcome = 3 * np.sin(k * 1.7) + 2 * np.cos(agency * 1.1) + arm * 1.5 + np.cos(person * 2.3)
    return pd.DataFrame(
        {
            "y": outcome,
            "arm": arm,
            "time": np.tile([0.0, 1.0], 30),
            "before": np.sin(person * 1.3),
            "agency": agency,
            "person": person,
        }
    )


@pytest.mark.parametrize(
    ("random", "expected"),
    [
        ({"agency": "1", "person": "1"}, [28, 8, 19, 28]),
        ({"agency": "1"}, [47, 8, 47, 47]),
    ],
)
def test_between_within_agrees_with_nlme(random, expected):
    # nlme 3.1-162: lme(y ~ time * arm + before, random = ~ 1 | agency/person), and | agency: DF
    # of time, arm, before, time:arm. The intercept is agency-level here, as in SAS.
    result = fit_mixed_model(
        make_repeated(), formula="y ~ time * arm + before", random=random, df="between_within"
    )
    df = result.tidy().set_index("term")["df"]
    assert df[["time", "arm", "before", "time:arm"]].tolist() == expected
    assert df["Intercept"] == 8
    assert "between-within" in result.method
    row = result.tidy().set_index("term").loc["arm"]
    # lme's table: 1.1786 and 1.1945 (nested), 1.1782 and 1.2017 (agencies alone).
    nested = "person" in random
    assert row["estimate"] == pytest.approx(1.178611 if nested else 1.178181, abs=2e-5)
    assert row["std_error"] == pytest.approx(1.194492 if nested else 1.201665, abs=2e-5)
    assert row["p_value"] == pytest.approx(0.352686 if nested else 0.355577, abs=1e-5)


def test_contrasts_of_a_between_within_model_use_satterthwaite():
    fits = [
        fit_mixed_model(make_people(), df=df, **MODEL) for df in ("between_within", "satterthwaite")
    ]
    one, other = (estimate_contrasts(fit, contrasts={"arm": {"arm": 1.0}}).tidy() for fit in fits)
    assert one["df"][0] == other["df"][0]


def test_levels_without_groups_to_spare_are_refused():
    agency = np.repeat(np.arange(3), 5)
    X = np.column_stack([np.ones(15), agency == 1, agency == 2])
    with pytest.raises(ModelError, match="CPI-M001"):
        compute_between_within_df(X, [agency])
    crossed = [agency, np.tile(np.arange(5), 3)]
    with pytest.raises(ModelError, match="nested"):
        compute_between_within_df(X[:, :1], crossed)
