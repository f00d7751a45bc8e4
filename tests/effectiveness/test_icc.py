"""The intracluster correlation against psych, lme4 and the table of the analysis of variance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import estimate_icc, fit_mixed_model
from cpi_analysis.errors import CPIAnalysisError
from tests.effectiveness.test_parametric_bootstrap import make_people
from tests.reference import reference_json, reference_path

ANOVA, PROFILE, BOOTSTRAP = (
    "analysis of variance, F",
    "REML, profile likelihood",
    "REML, parametric bootstrap",
)
#: R's optimize() finds a minimum to the square root of the machine's precision.
PEER = 1e-6

SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]


def rows_of(result) -> pd.DataFrame:
    return result.tidy().set_index("method")


def make_unequal() -> pd.DataFrame:
    left_out = np.array([3, 9, 10, 11, 25, 40, 41, 42, 43, 60]) - 1
    return make_people().drop(index=left_out)


def test_balanced_groups_agree_with_psych():
    # psych::ICC, type ICC1, on the table of Shrout and Fleiss (1979), 95%: estimate and limits.
    values = np.array(SHROUT_FLEISS, dtype=float)
    data = pd.DataFrame({"y": values.ravel(), "target": np.repeat(np.arange(6), 4)})
    row = rows_of(estimate_icc(data, formula="y ~ 1", cluster="target")).loc[ANOVA]
    assert row["estimate"] == pytest.approx(0.16574176840547555, rel=1e-12)
    assert row["conf_low"] == pytest.approx(-0.13293232487475087, rel=1e-10)
    assert row["conf_high"] == pytest.approx(0.72256006232812109, rel=1e-10)


def test_the_table_of_shrout_and_fleiss_is_that_of_the_reference():
    peer = reference_json("effectiveness/icc_effectsize_expected.json")["models"]["shrout_fleiss"]
    assert peer["data"] == SHROUT_FLEISS
    assert peer["results"]["ICC"][0] == 0.16574176840547555


def test_unequal_groups_agree_with_the_analysis_of_variance_of_r():
    # R 4.2: anova(lm(y ~ g)): mean squares 16.91243529513 and 5.99557455063 on 9 and 40 df,
    # n0 4.97333; qf(c(.025, .975), 9, 40) = .285268134513, 2.451939217030.
    row = rows_of(estimate_icc(make_unequal(), formula="y ~ 1", cluster="agency")).loc[ANOVA]
    assert row["estimate"] == pytest.approx(0.267998049334, rel=1e-10)
    ratio, n0 = 16.91243529513 / 5.99557455063, 4.9733333333333
    limits = [ratio / quantile for quantile in (2.451939217030, 0.285268134513)]
    expected = [(value - 1) / (value + n0 - 1) for value in limits]
    assert [row["conf_low"], row["conf_high"]] == pytest.approx(expected, rel=1e-9)


def test_columns_of_the_model_are_taken_off_first():
    # R 4.2: anova(lm(y ~ arm + x), lm(y ~ arm + x + g)): 119.840296191 on 8, and 202.360331555
    # on 39 df. n0 by hand: trace of Z'MZ over 8.
    people = make_unequal()
    row = rows_of(estimate_icc(people, formula="y ~ arm + x", cluster="agency")).loc[ANOVA]
    X = np.column_stack([np.ones(50), people["arm"], people["x"]])
    Z = (people["agency"].to_numpy()[:, None] == np.arange(1, 11)).astype(float)
    M = np.eye(50) - X @ np.linalg.inv(X.T @ X) @ X.T
    n0 = np.trace(Z.T @ M @ Z) / 8
    between, within = 119.840296191 / 8, 202.360331555 / 39
    expected = (between - within) / (between + (n0 - 1) * within)
    assert row["estimate"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("y ~ 1", [0.2609873691468, 0.0345786396611, 0.6002639581635]),
        ("y ~ arm + x", [0.272669281856, 0.027301372209, 0.634696625325]),
    ],
)
def test_profile_limits_agree_with_the_deviance_function_of_lme4(formula, expected):
    # lme4 1.1-31: lmer(devFunOnly = TRUE), REML; root of deviance - minimum - qchisq(.95, 1).
    row = rows_of(estimate_icc(make_unequal(), formula=formula, cluster="agency")).loc[PROFILE]
    assert [row["estimate"], row["conf_low"], row["conf_high"]] == pytest.approx(expected, rel=PEER)


def test_bootstrap_limits_agree_with_bootmer():
    # lme4 1.1-31, bootMer, nsim 2000, seed 1: 2.5% and 97.5% of the ICC.
    result = estimate_icc(
        make_unequal(), formula="y ~ 1", cluster="agency", replicates=4000, seed=1
    )
    row = rows_of(result).loc[BOOTSTRAP]
    assert row["estimate"] == rows_of(result).loc[PROFILE, "estimate"]
    # Monte Carlo error of a 97.5% quantile of 2,000: about .008; four of both.
    assert row["conf_low"] == 0.0
    assert row["conf_high"] == pytest.approx(0.52571803, abs=0.04)
    again = estimate_icc(make_unequal(), formula="y ~ 1", cluster="agency", replicates=4000, seed=1)
    pd.testing.assert_frame_equal(result.tidy(), again.tidy())


def test_agrees_with_the_reference_on_fourteen_schools():
    peer = reference_json("effectiveness/icc_effectsize_expected.json")["models"]["hsb14_oneway"]
    data = pd.read_csv(reference_path("effectiveness/hsb14.csv"))
    result = estimate_icc(data, formula="mAch ~ 1", cluster="school", replicates=2000, seed=2)
    rows = rows_of(result)
    assert rows.loc[ANOVA, "estimate"] == pytest.approx(peer["icc_anova"], rel=1e-10)
    found = rows.loc[PROFILE, ["estimate", "conf_low", "conf_high"]].tolist()
    # lme4 1.1-31, as above.
    assert found == pytest.approx([0.259906891020, 0.140243751047, 0.470756751450], rel=PEER)
    # bootMer, as above.
    assert rows.loc[BOOTSTRAP, "conf_low"] == pytest.approx(0.105541, abs=0.025)
    assert rows.loc[BOOTSTRAP, "conf_high"] == pytest.approx(0.411696, abs=0.025)


def test_design_effect_by_hand():
    # Sizes 2 and 6: mean 4, sum of squares 40; 1 + (40/8 - 1) icc.
    data = pd.DataFrame({"y": [1.0, 2, 5, 6, 4, 7, 5, 6.5], "agency": [0] * 2 + [1] * 6})
    result = estimate_icc(data, formula="y ~ 1", cluster="agency")
    table = rows_of(result)
    assert (table["design_effect"] == 1 + 4 * table["estimate"].clip(lower=0)).all()
    assert (table["design_effect_high"] == 1 + 4 * table["conf_high"]).all()
    assert result.size_mean == 4
    assert result.size_cv == pytest.approx(0.5)
    assert result.sizes["n"].tolist() == [6, 2]


def test_no_difference_between_agencies_is_a_boundary_in_words():
    k = np.arange(40)
    data = pd.DataFrame({"y": np.sin(k * 1.7) + 0.0 * k, "agency": k % 8})
    data["y"] -= data.groupby("agency")["y"].transform("mean")
    result = estimate_icc(data, formula="y ~ 1", cluster="agency", replicates=200, seed=1)
    rows = rows_of(result)
    assert rows.loc[ANOVA, "estimate"] < 0
    assert rows.loc[PROFILE, "estimate"] == rows.loc[PROFILE, "conf_low"] == 0
    assert rows.loc[PROFILE, "conf_high"] > 0
    assert (rows["design_effect"] == 1).all()
    assert any("boundary" in note for note in result.notes)


def test_equals_the_mixed_model_and_ignores_units():
    people = make_unequal()
    one = estimate_icc(people, formula="y ~ arm", cluster="agency").tidy()
    scaled = people.assign(y=1e4 + 1000 * people["y"])
    other = estimate_icc(scaled, formula="y ~ arm", cluster="agency").tidy()
    columns = ["estimate", "conf_low", "conf_high"]
    np.testing.assert_allclose(other[columns], one[columns], rtol=1e-6)
    model = fit_mixed_model(people, formula="y ~ arm", random={"agency": "1"})
    assert one["estimate"][1] == pytest.approx(model.icc, rel=1e-9)


@pytest.mark.slow
def test_profile_interval_covers_the_truth():
    rng = np.random.default_rng(9)
    agency = np.repeat(np.arange(14), 12)
    covered = []
    for _ in range(600):
        y = rng.normal(0, np.sqrt(0.1 / 0.9), 14)[agency] + rng.normal(size=168)
        data = pd.DataFrame({"y": y, "agency": agency})
        rows = rows_of(estimate_icc(data, formula="y ~ 1", cluster="agency"))
        covered.append((rows["conf_low"] <= 0.1) & (rows["conf_high"] >= 0.1))
    shares = pd.DataFrame(covered).mean()
    # 95% with a Monte Carlo error of 0.9%; the F interval is exact here.
    assert shares[ANOVA] == pytest.approx(0.95, abs=0.03)
    assert shares[PROFILE] == pytest.approx(0.95, abs=0.035)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cluster": "nobody"}, "CPI-M004"),
        ({"formula": "y ~ height"}, "CPI-M004"),
        ({"replicates": 10.0, "seed": 1}, "CPI-E021"),
        ({"replicates": 100}, "CPI-E047"),
        ({"confidence_level": 0}, "CPI-E024"),
        ({"data": None}, "CPI-E045"),
        ({"data": make_people().assign(y=2.0)}, "CPI-M003"),
        ({"data": make_people().assign(y=np.inf)}, "CPI-M006"),
        ({"data": make_people().assign(agency=np.arange(60))}, "CPI-M007"),
        ({"data": make_people().assign(agency=7)}, "CPI-M001"),
    ],
)
def test_bad_input_is_refused(change, code):
    arguments = {"data": make_people(), "formula": "y ~ 1", "cluster": "agency"} | change
    with pytest.raises(CPIAnalysisError) as caught:
        estimate_icc(arguments.pop("data"), **arguments)
    assert caught.value.codes == (code,)
