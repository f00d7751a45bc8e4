"""The graded response model against mirt, differences of its own likelihood, and known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import compute_item_curves, fit_graded_response
from cpi_analysis.fidelity.graded_response_fit import (
    _derivatives,
    _log_likelihood,
    build_quadrature,
    build_starts,
    collect_patterns,
)
from cpi_analysis.fidelity.thresholds import encode_items
from tests.reference import reference_json, reference_path

#: mirt stops when its parameters move by less than 1e-8 in an EM step.
LOG_LIKELIHOOD = 1e-8
MIRT_PARAMETERS = 2e-6


def draw_items(seed: int, n: int, slopes: list[float], cuts: list[float]) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 1)) * np.array(slopes) + rng.logistic(size=(n, len(slopes)))
    names = [f"item_{number}" for number in range(1, len(slopes) + 1)]
    return pd.DataFrame(np.digitize(latent, cuts) + 1, columns=names)


SETS = {
    "environment_grm_mirt": ("ext_ltm_environment.csv", None, None),
    "datcat_grm_mirt": ("datcat.csv", [f"u{k}" for k in range(1, 9)], None),
    "datcat_first60_grm_mirt": ("datcat.csv", [f"u{k}" for k in range(1, 9)], 60),
    "bfiN_grm_mirt": ("bfi.csv", [f"N{k}" for k in range(1, 6)], None),
    "lq_grm_mirt": ("lq2002.csv", [f"LEAD{k:02d}" for k in range(1, 12)], None),
}


@pytest.mark.parametrize("name", SETS)
def test_agrees_with_mirt(name):
    file, columns, first = SETS[name]
    expected = reference_json("fidelity/ref_irt.json")[name]
    items = pd.read_csv(reference_path(f"fidelity/{file}"))
    items = (items if columns is None else items[columns]).iloc[:first].dropna()
    result = fit_graded_response(items)
    assert result.log_likelihood == pytest.approx(expected["logLik"], rel=LOG_LIKELIHOOD)
    # The maximum may not lie below mirt's by more than rounding.
    assert result.log_likelihood >= expected["logLik"] - 1e-9 * abs(expected["logLik"])
    table = [value for row in expected["irt_pars"]["values"] for value in row if value is not None]
    ours = result.estimates["estimate"]
    np.testing.assert_allclose(ours, table, rtol=MIRT_PARAMETERS, atol=MIRT_PARAMETERS)
    people = result.people.iloc[:10]
    np.testing.assert_allclose(people["estimate"], expected["eap_first10"], atol=1e-6)
    np.testing.assert_allclose(people["std_error"], expected["se_first10"], atol=1e-6)
    assert result.reliability == pytest.approx(expected["emp_rxx"], abs=1e-7)
    assert result.marginal_reliability == pytest.approx(expected["marginal_rxx"], abs=1e-7)


def test_derivatives_are_those_of_the_likelihood():
    coded = encode_items(
        draw_items(3, 150, [1.5, 1.0, 0.7], [-1.0, 0.4, 1.5]).mask(
            np.random.default_rng(0).random((150, 3)) < 0.1
        )
    )
    patterns, quadrature = collect_patterns(coded.codes, coded.n_categories), build_quadrature()
    x = build_starts(patterns, np.array([1.0]))[0]
    gradient, information = _derivatives(x, patterns, quadrature)
    steps = np.eye(len(x)) * 1e-5

    def difference(function, step):
        return (function(x + step) - function(x - step)) / 2e-5

    by_value = [difference(lambda v: _log_likelihood(v, patterns, quadrature), s) for s in steps]
    by_slope = [difference(lambda v: _derivatives(v, patterns, quadrature)[0], s) for s in steps]
    np.testing.assert_allclose(gradient, by_value, atol=1e-5)
    np.testing.assert_allclose(information, -np.array(by_slope), atol=1e-4)


def test_two_equal_binary_items_have_the_rates_of_the_answers():
    # Two items with one slope for both: the model has four parameters for three free cells, so
    # only the fitted shares are checked, which must be the observed ones.
    items = pd.DataFrame(
        {
            "a": [1] * 30 + [0] * 70,
            "b": [1] * 20 + [0] * 10 + [1] * 25 + [0] * 45,
            "c": ([1, 0, 1, 1, 0] * 20),
        }
    )
    result = fit_graded_response(items)
    density = np.exp(-0.5 * np.linspace(-4, 4, 81) ** 2)
    for name in items:
        curve = result.curves.query("item == @name and answer == 1")["proportion"].to_numpy()
        assert (curve @ density) / density.sum() == pytest.approx(items[name].mean(), abs=2e-3)


def test_finds_the_truth_in_many_people():
    slopes, cuts = [2.0, 1.2, 0.8, 1.5], [-1.5, 0.0, 1.0]
    table = fit_graded_response(draw_items(1, 20_000, slopes, cuts)).tidy()
    truth = np.concatenate([[a, *(cut / a for cut in cuts)] for a in slopes])
    z = (table["estimate"] - truth) / table["std_error"]
    assert np.abs(z).max() < 3.5
    assert table["std_error"].max() < 0.1


def test_missing_answers_are_used_where_they_are_known():
    items = draw_items(2, 400, [1.5, 1.2, 1.0, 0.9], [-0.5, 0.8])
    gappy = items.astype(float)
    gappy.iloc[::7, 1] = np.nan
    gappy.iloc[5] = np.nan
    result = fit_graded_response(gappy)
    assert result.n_targets == 399
    assert result.people["estimate"].isna().sum() == 1
    assert any("answered no item" in note for note in result.notes)
    # A missing answer makes a place less certain.
    assert result.people["std_error"].iloc[7] > result.people["std_error"].iloc[[6, 8]].min()


def test_order_of_people_and_items_changes_nothing():
    items = draw_items(5, 200, [1.5, 1.0, 0.7], [-0.7, 0.7])
    first = fit_graded_response(items).tidy().set_index(["item", "term"])["estimate"]
    turned = fit_graded_response(items.iloc[::-1, ::-1]).tidy()
    second = turned.set_index(["item", "term"])["estimate"]
    np.testing.assert_allclose(second.loc[first.index], first, atol=1e-7)


def test_an_item_worded_the_other_way_is_named_and_not_flipped():
    items = draw_items(6, 300, [1.5, 1.2, 1.0, 1.1], [-0.7, 0.7])
    items["item_2"] = 4 - items["item_2"]
    result = fit_graded_response(items)
    slopes = result.estimates.query("term == 'discrimination'").set_index("item")["estimate"]
    assert (slopes < 0).tolist() == [False, True, False, False]
    assert any(note.startswith("item_2: answers fall") for note in result.notes)


def test_small_samples_and_random_starts_are_said():
    items = draw_items(7, 60, [1.5, 1.2, 1.0, 1.4], [-0.7, 0.7])
    result = fit_graded_response(items, n_random_starts=4, seed=3)
    assert result.n_starts == 7
    assert result.seed == 3
    assert any(note.startswith("NO VERDICT ON FIT") for note in result.notes)
    again = fit_graded_response(items, n_random_starts=4, seed=3)
    pd.testing.assert_frame_equal(result.tidy(), again.tidy())


@pytest.mark.parametrize(
    ("items", "settings", "error", "code"),
    [
        (pd.DataFrame({"a": [1, 1, 1], "b": [1, 2, 1]}), {}, ModelError, "CPI-M008"),
        (pd.DataFrame({"a": [1, 2, 1]}), {}, ModelError, "CPI-M008"),
        (pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}), {}, DataError, "CPI-E020"),
        (draw_items(1, 50, [1, 1, 1], [0]), {"n_points": 5}, DataError, "CPI-E024"),
        (draw_items(1, 50, [1, 1, 1], [0]), {"n_random_starts": 2}, DataError, "CPI-E047"),
        (draw_items(1, 50, [1, 1, 1], [0]), {"categories": [1]}, DataError, "CPI-E036"),
    ],
)
def test_refuses_what_cannot_be_fitted(items, settings, error, code):
    with pytest.raises(error) as caught:
        fit_graded_response(items, **settings)
    assert code in caught.value.codes


def test_two_copies_of_an_item_have_no_maximum():
    items = draw_items(8, 200, [1.0, 1.0, 1.0], [-0.5, 0.5])
    items["copy"] = items["item_1"]
    with pytest.raises(ModelError) as caught:
        fit_graded_response(items)
    assert caught.value.codes == ("CPI-M005",)
    assert "repeat others" in str(caught.value)


def test_curves_of_an_item_add_to_one():
    result = fit_graded_response(draw_items(9, 300, [1.5, 1.0, 0.7], [-1.0, 0.0, 1.0]))
    curves = compute_item_curves(result, item="item_2").tidy()
    np.testing.assert_allclose(curves.groupby("trait")["proportion"].sum(), 1, atol=1e-12)
    with pytest.raises(DataError) as caught:
        compute_item_curves(result, item="item_9")
    assert caught.value.codes == ("CPI-E045",)
