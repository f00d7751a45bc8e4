"""The partial credit model against eRm, psychotools and arithmetic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import fit_partial_credit
from cpi_analysis.fidelity.partial_credit_fit import _collect_groups as collect_groups
from cpi_analysis.fidelity.partial_credit_fit import _evaluate, fit_partial_credit_model
from cpi_analysis.fidelity.partial_credit_people import compute_item_fit, locate_people
from cpi_analysis.fidelity.thresholds import encode_items
from tests.reference import reference_json, reference_path

#: eRm minimises with nlm: its thresholds are 1e-4 from the maximum, and it stops 1e-7 below it.
ERM_THRESHOLDS = 2e-4
ERM_LOG_LIKELIHOOD = 2e-7

ERM = {
    "pcmdat2_pcm_eRm": "pcmdat2.csv",
    "pcmdat_pcm_eRm": "pcmdat.csv",
    "datcat_pcm_eRm": "datcat.csv",
}


def _read(file: str) -> pd.DataFrame:
    return pd.read_csv(reference_path(f"fidelity/{file}")).drop(columns="g", errors="ignore")


def _thresholds(result) -> np.ndarray:
    table = result.estimates
    return table.loc[table["term"] != "location", "estimate"].to_numpy()


@pytest.mark.parametrize("name", ERM)
def test_agrees_with_erm(name):
    expected = reference_json("fidelity/ref_irt.json")[name]
    items = _read(ERM[name])
    result = fit_partial_credit(items)
    assert result.log_likelihood == pytest.approx(expected["loglik"], abs=ERM_LOG_LIKELIHOOD)
    assert result.log_likelihood >= expected["loglik"]
    table = expected["thresholds"]["values"]
    theirs = np.array([value for row in table for value in row[1:] if value is not None])
    np.testing.assert_allclose(_thresholds(result), theirs - theirs.mean(), atol=ERM_THRESHOLDS)
    # eRm's errors are those of the sums of thresholds, which it holds at a mean of zero.
    coded = encode_items(items)
    fit = fit_partial_credit_model(coded.codes, coded.n_categories)
    errors = np.sqrt(np.diag(fit.covariance(np.ones(len(theirs)))))
    np.testing.assert_allclose(errors[1:], expected["se"], atol=1e-4)
    places, _ = locate_people(fit.difficulties, coded.codes, is_weighted=False)
    scores = coded.codes.sum(axis=1)
    given = dict(zip(expected["pp"]["1"]["x"], expected["pp"]["1"]["y"], strict=True))
    for score, place in zip(scores, places, strict=True):
        if np.isfinite(place):
            assert place == pytest.approx(given[score] - theirs.mean(), abs=5e-5)


@pytest.mark.parametrize("name", ERM)
def test_item_fit_agrees_with_erm(name):
    expected = reference_json("fidelity/ref_irt.json")[name]
    coded = encode_items(_read(ERM[name]))
    # At eRm's own thresholds, so that only the fit statistics are compared.
    sums = -np.array(list(expected["betapar"].values()))
    ends = np.cumsum(coded.n_categories - 1)[:-1]
    found = compute_item_fit(np.split(sums, ends), coded.codes)
    for ours, theirs, tolerance in (
        (found.infit, "infit_msq", 5e-6),
        (found.outfit, "outfit_msq", 5e-6),
        (found.infit_z, "infit_t", 5e-5),
        (found.outfit_z, "outfit_t", 5e-5),
    ):
        np.testing.assert_allclose(ours, list(expected[theirs].values()), atol=tolerance)


def test_agrees_with_psychotools_on_thousands_of_people():
    expected = reference_json("fidelity/ref_irt.json")["bfiN_pcm_psychotools"]
    items = _read("bfi.csv")[[f"N{k}" for k in range(1, 6)]].dropna()
    result = fit_partial_credit(items)
    assert result.log_likelihood == pytest.approx(expected["loglik"], abs=1e-6)
    theirs = np.concatenate(list(expected["thresholds"].values()))
    np.testing.assert_allclose(_thresholds(result), theirs - theirs.mean(), atol=2e-5)


def test_two_binary_items_give_the_logarithm_of_the_odds():
    # Of those who chose one of two items, n₁ chose the first and n₂ the second: the
    # difference of difficulties is log(n₂/n₁), with error √(1/n₁ + 1/n₂).
    a = [1] * 30 + [0] * 12 + [1] * 9 + [0] * 5
    b = [0] * 30 + [1] * 12 + [1] * 9 + [0] * 5
    items = pd.DataFrame({"a": a, "b": b})
    result = fit_partial_credit(items)
    first, second = _thresholds(result)
    assert first - second == pytest.approx(np.log(12 / 30), abs=1e-10)
    error = result.estimates["std_error"].iloc[0]
    assert 2 * error == pytest.approx(np.sqrt(1 / 30 + 1 / 12), abs=1e-10)
    assert result.n_extreme == 14
    assert result.log_likelihood == pytest.approx(
        30 * np.log(30 / 42) + 12 * np.log(12 / 42), abs=1e-10
    )


def test_weighted_places_of_equal_items_are_those_of_warm():
    # With n items of difficulty zero and score r, Warm's place has p = (r + ½)/(n + 1).
    difficulties = [np.zeros(1)] * 4
    codes = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]])
    places, errors = locate_people(difficulties, codes, is_weighted=True)
    share = (np.array([0, 1, 2, 4]) + 0.5) / 5
    np.testing.assert_allclose(places, np.log(share / (1 - share)), atol=1e-12)
    np.testing.assert_allclose(errors, 1 / np.sqrt(4 * share * (1 - share)), atol=1e-12)
    unweighted, _ = locate_people(difficulties, codes, is_weighted=False)
    np.testing.assert_allclose(unweighted[1:3], np.log([1 / 3, 1]), atol=1e-12)
    assert np.isnan(unweighted[[0, 3]]).all()


def _draw(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 1)) + rng.logistic(size=(n, 5))
    return pd.DataFrame(np.digitize(latent, [-1, 0.5, 1.5]), columns=list("abcde")).astype(float)


def test_derivatives_are_those_of_the_likelihood():
    items = _draw(1, 60).iloc[:, :3]
    items.iloc[::4, 1] = np.nan
    coded = encode_items(items)
    groups, _ = collect_groups(coded.codes, coded.n_categories)
    x = np.random.default_rng(3).normal(size=9)

    def evaluate(values):
        return _evaluate(np.split(values, 3), groups)

    _, gradient, information = evaluate(x)
    steps = np.eye(9) * 1e-5
    by_value = [(evaluate(x + s)[0] - evaluate(x - s)[0]) / 2e-5 for s in steps]
    by_slope = [(evaluate(x + s)[1] - evaluate(x - s)[1]) / 2e-5 for s in steps]
    np.testing.assert_allclose(gradient, by_value, atol=1e-5)
    np.testing.assert_allclose(information, -np.array(by_slope), atol=1e-5)


def test_missing_answers_leave_people_with_fewer_items():
    items = _draw(4, 150)
    items.iloc[::5, 2] = np.nan
    items.iloc[3] = np.nan
    result = fit_partial_credit(items)
    assert result.n_targets == 149
    assert result.people["estimate"].isna().sum() == 1
    assert result.item_fit["n"].min() < result.item_fit["n"].max()
    assert _thresholds(result).mean() == pytest.approx(0, abs=1e-12)


def test_a_lost_category_is_said():
    items = _draw(5, 200)
    items.loc[items["b"] == 3, "b"] = 2
    result = fit_partial_credit(items)
    assert any(note.startswith("NO VERDICT ON FIT") for note in result.notes)
    assert any("closed up" in note for note in result.notes)


@pytest.mark.parametrize(
    ("items", "error", "code"),
    [
        (pd.DataFrame({"a": [1, 1, 1], "b": [1, 2, 1]}), ModelError, "CPI-M008"),
        (pd.DataFrame({"a": [0, 1, 0, 1], "b": [0, 1, 0, 1]}), ModelError, "CPI-M001"),
        (pd.DataFrame({"a": [0, 0, 1, 1, 0], "b": [1, 1, 1, 1, 0]}), ModelError, "CPI-M005"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), DataError, "CPI-E020"),
    ],
)
def test_refuses_what_cannot_be_fitted(items, error, code):
    with pytest.raises(error) as caught:
        fit_partial_credit(items)
    assert code in caught.value.codes
