"""Leave-one-out, influence and residuals against lme4 1.1-31 and pbkrtest 0.5.2 (R 4.2.2).

People of made_trial: lmer(after ~ arm + before + (1|agency)), bobyqa with rhoend 1e-13; without
an agency the model is fitted to the others.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import (
    build_singularity_report,
    compute_influence,
    compute_residual_check,
    estimate_leave_one_out,
    fit_mixed_model,
)
from cpi_analysis.errors import ModelError
from tests.effectiveness.made_trial import make_people

WITNESS = 1e-6
AGENCIES = {"agency_id": "1"}


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return make_people()


@pytest.fixture(scope="module")
def model(people):
    return fit_mixed_model(people, formula="after ~ arm + before", random=AGENCIES)


MOVES = [
    [-0.058929883953, -0.38271715663, 0.33992732939],
    [-0.31023105391, -0.058212455535, 0.34705567406],
    [0.21282295075, -0.23206479778, -0.23873498138],
]
#: agency: estimate, error and df of the arm without it, Cook's distance, DFBETAs.
PEER = {
    "a00": ((2.587169995, 2.7827197108, 8.9874085881), 0.13726398195, MOVES[0]),
    "a05": ((1.7031464655, 3.0134008161, 8.9865464481), 0.042782275156, MOVES[1]),
    "a11": ((2.1767592073, 2.9224199117, 8.984438222), 0.054737117536, MOVES[2]),
}


def test_leaving_one_agency_out_is_the_fit_of_the_others(model):
    result = estimate_leave_one_out(model)
    table = result.tidy().set_index("level")
    assert result.term == "arm[T.target]"
    assert len(table) == 13
    full = model.tidy().set_index("term").loc["arm[T.target]"]
    assert table.loc["nobody", "df"] == pytest.approx(full["df"], rel=1e-9)
    for agency, (numbers, _, _) in PEER.items():
        row = table.loc[agency, ["estimate", "std_error", "df"]].tolist()
        assert row == pytest.approx(numbers, rel=WITNESS)


def test_influence_is_that_of_the_refits(model):
    result = compute_influence(model)
    table = result.tidy().set_index("level")
    for agency, (_, distance, moves) in PEER.items():
        # Differences of two fits: what is left of seven digits.
        assert table.loc[agency, "cooks_distance"] == pytest.approx(distance, rel=1e-5)
        np.testing.assert_allclose(result.dfbetas.loc[agency], moves, rtol=1e-5)
    assert table.loc["a00", "term"] == "arm[T.target]"
    assert result.cutoff == pytest.approx(4 / 12)


def test_an_agency_that_is_far_off_is_pointed_out(people):
    far = people.assign(after=people["after"] + 40.0 * (people["agency_id"] == "a03"))
    model = fit_mixed_model(far, formula="after ~ arm + before", random=AGENCIES)
    result = compute_influence(model)
    assert result.tidy().set_index("level")["cooks_distance"].idxmax() == "a03"
    assert "a03" in result.summary()
    check = compute_residual_check(model).tidy().set_index("quantity")
    assert check.loc["agency_id: Intercept", "maximum"] > 2.5


def test_what_cannot_be_fitted_without_an_agency_is_said(people):
    alone = people.assign(only=(people["agency_id"] == "a04").astype(float))
    model = fit_mixed_model(alone, formula="after ~ arm + only", random=AGENCIES)
    for result in (estimate_leave_one_out(model), compute_influence(model)):
        assert any(note.startswith("Without a04 the model cannot be") for note in result.notes)
        row = result.tidy().set_index("level").loc["a04"]
        assert row[["estimate"] if "estimate" in row else ["cooks_distance"]].isna().all()
        result.plot()
        plt.close("all")
        assert "nan" not in result.summary()


def test_general_models_are_left_one_out_too(people):
    long = pd.concat(
        [
            people.assign(time=0.0, y=people["before"]),
            people.assign(time=1.0, y=people["after"]),
        ],
        ignore_index=True,
    )
    random = {"agency_id": "1", "participant_id": "1"}
    settings = {"formula": "y ~ arm * time", "random": random}
    for df in ("kenward_roger", "satterthwaite"):
        model = fit_mixed_model(long, df=df, residual_by="time", **settings)
        term = "arm[T.target]:time"
        row = estimate_leave_one_out(model, term=term).tidy().set_index("level").loc["a05"]
        rest = long[long["agency_id"] != "a05"]
        again = fit_mixed_model(rest, df=df, residual_by="time", **settings)
        expected = again.tidy().set_index("term").loc[term]
        columns = ["estimate", "std_error", "df", "conf_low"]
        np.testing.assert_allclose(
            row[columns].to_numpy(float), expected[columns].to_numpy(float), rtol=1e-6
        )


def test_residuals_are_those_of_lme4(model):
    result = compute_residual_check(model)
    table = result.tidy().set_index("quantity")
    row = table.loc["residual", ["minimum", "maximum", "skewness", "excess_kurtosis"]]
    expected = [-1.6915833632, 1.8445291737, 0.18414966624, -0.93433211285]
    assert row.tolist() == pytest.approx(expected, rel=1e-6)
    effects = table.loc["agency_id: Intercept", ["minimum", "maximum"]].tolist()
    assert effects == pytest.approx([-1.858002057, 1.3208616386], rel=1e-6)
    assert len(result.points) == 65 + 12
    assert result.points.groupby("quantity")["expected"].mean().abs().max() < 1e-9


def test_one_intercept_and_the_general_engine_leave_the_same_residuals(people, model):
    # residual_by with two values of nearly one variance goes through the general engine.
    general = fit_mixed_model(
        people.assign(half=np.arange(len(people)) % 2),
        formula="after ~ arm + before",
        random=AGENCIES,
        residual_by="half",
    )
    ours, theirs = model.basis.residuals, general.basis.residuals
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    assert general.basis.residual_std_dev.shape == (65,)


# the boundary in words -------------------------------------------------------------------------


def test_a_variance_of_zero_is_said_in_words(people):
    rng = np.random.default_rng(1)
    flat = people.assign(after=rng.permutation(people["after"].to_numpy()))
    model = fit_mixed_model(flat, formula="after ~ before", random=AGENCIES)
    assert model.is_singular
    report = build_singularity_report(model)
    assert report.is_singular
    table = report.tidy().set_index("level")
    assert table.loc["agency_id Intercept", "interpretation"] == "estimated as zero"
    assert table.loc["residual", "share"] == pytest.approx(1.0)
    assert "agency_id Intercept: estimated as zero" in report.summary()
    assert any("boundary" in note for note in report.notes)
    check = compute_residual_check(model)
    assert check.tidy()["quantity"].tolist() == ["residual"]
    assert any("all zero" in note for note in check.notes)


def test_shares_of_the_variance_add_up(model):
    report = build_singularity_report(model)
    assert report.tidy()["share"].sum() == pytest.approx(1.0)
    assert report.tidy()["share"].iloc[0] == pytest.approx(model.icc)
    assert report.summary() == "No variance is at zero and no correlation at one."


def test_a_correlation_of_one_is_said_in_words():
    # Four people on one line each: intercept and slope move together, without another spread.
    day = np.tile(np.arange(4.0), 6)
    person = np.repeat(np.arange(6), 4)
    push = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])[person]
    y = 10 + push * (1 + day) + np.tile([0.1, -0.1, -0.1, 0.1], 6)
    data = pd.DataFrame({"y": y, "day": day, "person": person})
    model = fit_mixed_model(data, formula="y ~ day", random={"person": "1 + day"})
    report = build_singularity_report(model)
    assert model.is_singular
    assert report.tidy()["interpretation"].str.startswith("a correlation of one").sum() == 1
    assert report.tidy()["share"].isna().sum() == 2


@pytest.mark.parametrize("call", [estimate_leave_one_out, compute_influence])
def test_three_agencies_are_too_few(people, call):
    few = people[people["agency_id"].isin(["a00", "a01", "a02"])]
    model = fit_mixed_model(few, formula="after ~ before", random=AGENCIES)
    with pytest.raises(ModelError) as raised:
        call(model)
    assert raised.value.codes == ("CPI-M001",)
    assert "agency_id" in str(raised.value)


def test_an_unknown_term_is_refused(model):
    with pytest.raises(ModelError, match="before"):
        estimate_leave_one_out(model, term="sector")
