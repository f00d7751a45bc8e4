"""The parametric-bootstrap likelihood ratio, against lme4 and pbkrtest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import build_cross_checks, estimate_parametric_bootstrap
from cpi_analysis.errors import CPIAnalysisError
from cpi_analysis.inference.parametric_bootstrap import (
    BLOCK_SIZE,
    Groups,
    compute_likelihood_ratio,
    draw_errors,
    draw_likelihood_ratios,
)
from tests.reference import reference_json, reference_path

#: lme4's optimiser stops 1e-9 above the optimum on such data.
LIKELIHOOD = 1e-8


def make_people() -> pd.DataFrame:
    """Return outcomes by formula, so that R can have the same without a generator."""
    k = np.arange(1, 61)
    agency = np.repeat(np.arange(1, 11), 6)
    arm = (agency % 2 == 0).astype(float)
    x = np.sin(k * 2.1)
    outcome = 3 * np.sin(k * 1.7) + 2 * np.cos(agency * 1.1) + arm * 1.5 + x
    return pd.DataFrame({"y": outcome, "arm": arm, "x": x, "agency": agency})


MODEL = {"formula": "y ~ arm + x", "random": {"agency": "1"}, "term": "arm"}


def test_agrees_with_lme4_and_pbkrtest():
    # lme4 1.1-31 (bobyqa, rhoend 1e-12), REML=FALSE: LRT and fixef; pbkrtest 0.5.2 PBmodcomp,
    # nsim 2000, seed 1: p = .1854 with a Monte Carlo error of .0087.
    result = estimate_parametric_bootstrap(make_people(), replicates=4000, seed=3, **MODEL)
    row = result.tidy().iloc[0]
    assert row["statistic"] == pytest.approx(2.2416921111998, abs=LIKELIHOOD)
    assert row["estimate"] == pytest.approx(1.426506406862, abs=1e-7)
    assert result.p_value_chi_squared == pytest.approx(0.1343339, abs=1e-6)
    assert row["p_value"] == pytest.approx(0.1854073, abs=4 * np.hypot(0.0087, 0.0061))
    assert row["conf_low"] < 0 < row["conf_high"]
    # Wider than the profile likelihood with the quantile of chi-squared: confint(profile()).
    assert row["conf_low"] < -0.5210088
    assert row["conf_high"] > 3.3740215
    assert result.n_failed == 0


def test_likelihood_ratios_of_given_data_agree_with_lme4():
    # The same six outcomes in R: sin(k (1.3 + r)) 6 + cos(g (0.7 + r)) c_r; two are singular.
    schools = pd.read_csv(reference_path("effectiveness/hsb14.csv"))
    columns = schools[["cses", "minrty", "female", "catholic"]].to_numpy(dtype=float)
    design = np.column_stack([np.ones(len(schools)), columns])
    codes = pd.factorize(schools["school"], sort=True)[0]
    k, g = np.arange(1, len(schools) + 1), codes + 1
    expected = [
        0.0016609970794,
        2.4022991129127,
        0.0618578511626,
        3.5524690245907,
        0.1787231724177,
        0.1183927850111,
    ]
    for r, (size, ratio) in enumerate(zip([0, 1, 2, 3, 0.5, 1.5], expected, strict=True), 1):
        outcome = np.sin(k * (1.3 + r)) * 6 + np.cos(g * (0.7 + r)) * size
        found = compute_likelihood_ratio(outcome, design, Groups(codes), column=4)
        # The peer stops where its optimiser does: at most 5e-6 above the optimum.
        assert found.statistic == pytest.approx(ratio, abs=5e-6)


@pytest.mark.parametrize("model", ["hsb14_catholic", "hsb14_catholic_meanses"])
def test_agrees_with_the_reference_on_fourteen_schools(model):
    peer = reference_json("effectiveness/pb_lrt_expected.json")["models"][model]
    schools = pd.read_csv(reference_path("effectiveness/hsb14.csv"))
    formula = peer["large"].replace(" + (1 | school)", "")
    result = estimate_parametric_bootstrap(
        schools, formula=formula, random={"school": "1"}, term="catholic", replicates=3000, seed=5
    )
    row = result.tidy().iloc[0]
    assert row["statistic"] == pytest.approx(peer["LRT"], abs=1e-8)
    assert result.p_value_chi_squared == pytest.approx(peer["p_chisq"], rel=1e-7)
    # The seeds of the peer scatter more than its Monte Carlo error says: 6 errors, and ours.
    own = np.sqrt(row["p_value"] * (1 - row["p_value"]) / 3000)
    assert abs(row["p_value"] - peer["PB_p"]) < 6 * np.hypot(peer["mc_se"], own)
    for level in (0.5, 0.9, 0.95):
        quantile = peer["q"][f"{level:.0%}"]
        assert result.draws["statistic"].quantile(level) == pytest.approx(quantile, rel=0.12)
    # Zero is outside the 95% interval exactly when p is below .05.
    assert (row["conf_low"] > 0) == (row["p_value"] < 0.05)


def test_interval_and_p_value_use_the_same_draws():
    people = make_people().assign(y=lambda d: d["y"] + 2.0 * d["arm"])
    result = estimate_parametric_bootstrap(people, replicates=600, seed=2, **MODEL)
    row = result.tidy().iloc[0]
    assert row["conf_low"] < row["estimate"] < row["conf_high"]
    X = np.column_stack([np.ones(60), people["x"], people["arm"]])
    codes = people["agency"].to_numpy() - 1
    for limit in ("conf_low", "conf_high"):
        ratio = compute_likelihood_ratio(
            people["y"].to_numpy(), X, Groups(codes), column=2, null=row[limit]
        )
        share = (1 + (result.draws["statistic"] >= ratio.statistic).sum()) / 601
        assert share == pytest.approx(0.05, abs=2 / 601)


def test_first_replicates_stay_when_more_are_drawn_and_seeds_differ():
    design = np.column_stack([np.ones(40), np.repeat([0.0, 1.0], 20)])
    groups = Groups(np.arange(40) // 5)
    few, many, other = (
        draw_likelihood_ratios(design, groups, [0.2], column=1, replicates=r, seed=seed)
        for r, seed in ((30, 1), (BLOCK_SIZE + 20, 1), (30, 2))
    )
    assert few.tobytes() == many[:30].tobytes()
    assert not np.array_equal(few, other)


def test_errors_have_the_variances_that_were_asked_for():
    agencies = np.repeat(np.arange(6), 20)
    groups = Groups(agencies, np.arange(120) // 2)
    errors = np.concatenate(list(draw_errors(groups, [0.5, 2.0], replicates=3000, seed=4)))
    covariance = errors.T @ errors / len(errors)
    # Monte Carlo error of a covariance here is about .08; many are averaged.
    assert np.diag(covariance).mean() == pytest.approx(3.5, abs=0.05)
    assert np.diag(covariance, 1)[::2].mean() == pytest.approx(2.5, abs=0.05)
    assert covariance[0:2, 2:20].mean() == pytest.approx(0.5, abs=0.1)
    assert covariance[:20, 20:].mean() == pytest.approx(0.0, abs=0.02)


def test_participants_nested_in_agencies_can_be_drawn():
    rng = np.random.default_rng(5)
    person = np.repeat(np.arange(80), 2)
    agency = person // 10
    time = np.tile([0.0, 1.0], 80)
    data = pd.DataFrame(
        {
            "agency_id": agency,
            "participant_id": person,
            "time": time,
            "arm": (agency % 2) * 1.0,
            "y": rng.normal(size=80)[person] + rng.normal(size=160) + 2 * (agency % 2) * time,
        }
    )
    result = estimate_parametric_bootstrap(
        data,
        formula="y ~ time * arm",
        random={"agency_id": "1", "participant_id": "1"},
        term="time:arm",
        replicates=300,
        seed=1,
    )
    assert result.tidy()["p_value"][0] == pytest.approx(1 / 301)
    assert (result.n_participants, result.n_agencies) == (80, 8)


def test_it_is_a_row_of_the_cross_checks():
    shared = {"formula": "y ~ arm + x", "term": "arm", "cluster": "agency"}
    with_row = build_cross_checks(make_people(), replicates=200, seed=1, **shared)
    table = with_row.tidy().set_index("analysis")
    own = estimate_parametric_bootstrap(make_people(), replicates=200, seed=1, **MODEL).tidy()
    name = "mixed model, parametric bootstrap"
    assert table.loc[name, "p_value"] == own["p_value"][0]
    assert with_row.seed == 1
    without = build_cross_checks(make_people(), **shared)
    assert name not in set(without.tidy()["analysis"])
    assert any(name in note for note in without.notes)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"random": {"agency": "1 + x"}}, "CPI-M004"),
        ({"random": {"nobody": "1"}}, "CPI-M004"),
        ({"term": "dose"}, "CPI-M004"),
        ({"formula": "y ~ arm + height"}, "CPI-M004"),
        ({"replicates": 1e3}, "CPI-E021"),
        ({"seed": None}, "CPI-E047"),
        ({"confidence_level": 95}, "CPI-E024"),
        ({"data": [1, 2]}, "CPI-E045"),
        ({"data": make_people().assign(y=1.0)}, "CPI-M003"),
        ({"data": make_people().assign(y=np.inf)}, "CPI-M006"),
        ({"data": make_people().assign(x=lambda d: 2 * d["arm"])}, "CPI-M002"),
        ({"data": make_people().assign(agency=1)}, "CPI-M001"),
    ],
)
def test_bad_input_is_refused(change, code):
    arguments = {"data": make_people(), "replicates": 50, "seed": 1} | MODEL | change
    with pytest.raises(CPIAnalysisError) as caught:
        estimate_parametric_bootstrap(arguments.pop("data"), **arguments)
    assert caught.value.codes == (code,)
