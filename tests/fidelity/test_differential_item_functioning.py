"""Differential item functioning against MASS::polr, a chi-square by hand, and simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import estimate_differential_item_functioning as estimate
from tests.reference import reference_json, reference_path

#: polr was run with reltol 1e-14.
POLR = 1e-7


def test_agrees_with_polr():
    expected = reference_json("fidelity/ref_irt.json")["datcat_dif_rest"]
    data = pd.read_csv(reference_path("fidelity/datcat.csv"))
    table = estimate(data.drop(columns="g"), group=data["g"], matching="rest").tidy()
    table = table.set_index(["item", "term"])
    for item, values in expected.items():
        for term, key in (
            ("uniform", "chisq_uniform"),
            ("non-uniform", "chisq_nonuniform"),
            ("both", "chisq_total"),
        ):
            assert table.loc[(item, term), "statistic"] == pytest.approx(values[key], abs=POLR)
        assert table.loc[(item, "both"), "p_value"] == pytest.approx(values["p_total"], abs=POLR)
        change = values["nagelkerke"][2] - values["nagelkerke"][1]
        found = table.loc[(item, "uniform"), "r_squared_change"]
        assert found == pytest.approx(change, abs=POLR)


def _draw(n: int, shift: float) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(8)
    group = pd.Series(np.arange(n) % 2, name="sex")
    latent = rng.normal(size=(n, 1)) + rng.logistic(size=(n, 5))
    latent[:, 2] += shift * group
    return pd.DataFrame(np.digitize(latent, [-1, 0.5]), columns=list("abcde")), group


def test_finds_the_item_that_differs_and_no_other():
    items, group = _draw(600, 1.5)
    result = estimate(items, group=group, matching="rest")
    both = result.estimates.query("term == 'both'").set_index("item")["p_value_holm"]
    assert both["c"] < 1e-6
    assert both.drop("c").min() > 0.01
    assert result.summary().endswith("beyond the negligible: c (of 5).")


def test_a_binary_item_without_matching_is_a_test_of_two_shares():
    # With a constant rest score there is nothing to match: it is refused, not guessed.
    items = pd.DataFrame({"a": [0, 1] * 10, "b": [1] * 20})
    with pytest.raises(ModelError) as caught:
        estimate(items, group=[0, 1] * 10, matching="rest")
    assert caught.value.codes == ("CPI-M008",)


def test_people_with_missing_answers_are_counted():
    items, group = _draw(120, 0)
    gappy = items.astype(float)
    gappy.iloc[:7, 0] = np.nan
    result = estimate(gappy, group=group, matching="rest")
    assert result.n_targets == 113
    assert result.notes[0].startswith("7 of 120 people left out")


@pytest.mark.parametrize(
    ("group", "matching", "error", "code"),
    [
        ([0] * 60, "rest", ModelError, "CPI-M001"),
        ([0, 1] * 10, "rest", DataError, "CPI-E011"),
        ([0, 1] * 30, "other", DataError, "CPI-E045"),
    ],
)
def test_refuses_what_cannot_be_tested(group, matching, error, code):
    items, _ = _draw(60, 0)
    with pytest.raises(error) as caught:
        estimate(items, group=group, matching=matching)
    assert code in caught.value.codes
