"""Cronbach's alpha: by hand, against psych, against pingouin, and what must hold for any data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import estimate_alpha, estimate_icc
from cpi_analysis.fidelity.alpha import compute_feldt_interval
from tests.reference import reference_json, reference_path

#: Two ways of summing the same few thousand numbers in float64.
EXACT = 1e-10


def simulate_items(n_people: int, n_items: int, *, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    answers = rng.normal(size=(n_people, 1)) + rng.normal(size=(n_people, n_items))
    return pd.DataFrame(answers, columns=[f"item_{number}" for number in range(1, n_items + 1)])


def test_three_items_worked_by_hand():
    # Item variances 5/3, 5/3, 1/3 sum to 11/3; the totals 4, 4, 9, 9 have variance 25/3.
    # alpha = 3/2 (1 - 11/25) = 0.84
    items = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 1, 4, 3], "c": [1, 1, 2, 2]})
    row = estimate_alpha(items).tidy().iloc[0]
    assert row["estimate"] == pytest.approx(0.84, abs=EXACT)
    assert (row["n"], row["n_items"]) == (4, 3)


@pytest.mark.parametrize(
    ("alpha", "n_people", "n_items", "low", "high"),
    [
        # psych 2.2.9, alpha.ci
        (0.7, 50, 10, 0.558825035065923, 0.810059742976706),
        (0.85, 100, 20, 0.803806703732599, 0.889533178183621),
        (0.6, 30, 5, 0.318337504457763, 0.788214694884479),
        (0.93, 150, 25, 0.912779972673999, 0.945214482465566),
        (0.8, 2800, 5, 0.788043620935237, 0.811478789585307),
        # psych 2.2.9 on the 27 people of psy::expsy who answered its ten items; with the 30
        # rows before deletion, as pingouin 0.7.0 counts them, it would be -0.345 to 0.553
        (0.176265527569107, 27, 10, -0.379198609933833, 0.570523032903708),
    ],
)
def test_feldt_interval_agrees_with_psych(alpha, n_people, n_items, low, high):
    interval = compute_feldt_interval(
        alpha, n_people=n_people, n_items=n_items, confidence_level=0.95
    )
    assert interval == pytest.approx((low, high), abs=EXACT)


def test_complete_cases_of_expsy_agree_with_psych():
    items = pd.read_csv(reference_path("fidelity/expsy.csv")).filter(regex=r"^it\d+$")
    expected = reference_json("fidelity/ref_alpha.json")["expsy10_complete"]
    result = estimate_alpha(items)
    row = result.tidy().iloc[0]
    assert row["estimate"] == pytest.approx(expected["total"]["raw_alpha"], abs=EXACT)
    assert row["conf_low"] == pytest.approx(-0.379198609933833, abs=EXACT)
    assert row["conf_high"] == pytest.approx(0.570523032903708, abs=EXACT)
    assert (row["n"], result.n_missing) == (27, 3)
    assert any("3 of 30" in note for note in result.notes)


@pytest.mark.parametrize("scale", ["agree", "conscientious", "extraversion", "openness"])
def test_complete_cases_of_bfi_agree_with_psych(scale):
    reference = reference_json("fidelity/ref_alpha.json")
    expected = reference[f"bfi_{scale}_complete"]
    answers = pd.read_csv(reference_path("fidelity/bfi.csv"))
    # A key with a minus is reversed within the declared range of 1 to 6.
    keys = np.ravel(reference[f"bfi_{scale}"]["keys"])
    items = pd.DataFrame(
        {key.strip("-"): 7 - answers[key[1:]] if key[0] == "-" else answers[key] for key in keys}
    )
    row = estimate_alpha(items).tidy().iloc[0]
    assert row["n"] == expected["n"]
    assert row["estimate"] == pytest.approx(expected["total"]["raw_alpha"], abs=EXACT)
    assert row["conf_low"] == pytest.approx(expected["feldt"]["lower.ci.raw_alpha"], abs=EXACT)
    assert row["conf_high"] == pytest.approx(expected["feldt"]["upper.ci.raw_alpha"], abs=EXACT)


def test_interval_counts_people_after_deletion_where_pingouin_counts_them_before():
    items = simulate_items(30, 4, seed=3)
    items.iloc[:10, 0] = np.nan
    row = estimate_alpha(items).tidy().iloc[0]
    complete = items.dropna()
    right = pingouin.cronbach_alpha(data=complete)
    wrong = pingouin.cronbach_alpha(data=items, nan_policy="listwise")
    assert row["estimate"] == pytest.approx(right[0], abs=EXACT)
    # pingouin rounds its limits to three decimals.
    assert [row["conf_low"], row["conf_high"]] == pytest.approx(list(right[1]), abs=5.1e-4)
    assert abs(row["conf_low"] - wrong[1][0]) > 0.01


@given(
    seed=st.integers(0, 10_000),
    shift=st.floats(-100, 100),
    factor=st.floats(0.01, 100),
)
@settings(max_examples=25, deadline=None)
def test_alpha_ignores_order_level_and_unit(seed, shift, factor):
    items = simulate_items(12, 4, seed=seed)
    alpha = estimate_alpha(items).tidy()["estimate"][0]
    rng = np.random.default_rng(seed)
    shuffled = items.iloc[rng.permutation(12), rng.permutation(4)]
    assert estimate_alpha(shuffled).tidy()["estimate"][0] == pytest.approx(alpha, abs=1e-9)
    # Shifts of 100 on answers near 1 cost two of sixteen digits.
    moved = items * factor + shift
    assert estimate_alpha(moved).tidy()["estimate"][0] == pytest.approx(alpha, abs=1e-7)


def test_alpha_is_the_consistency_of_the_mean_of_the_items():
    items = simulate_items(40, 5, seed=11)
    long = items.rename_axis("person").reset_index().melt("person", var_name="item")
    icc = estimate_icc(long, target="person", rater="item", rating="value", form="ICC(C,k)")
    alpha = estimate_alpha(items)
    columns = ["estimate", "conf_low", "conf_high"]
    assert alpha.tidy()[columns].head(1).to_numpy() == pytest.approx(
        icc.tidy()[columns].to_numpy(), abs=EXACT
    )


def test_feldt_limits_put_the_ratio_at_its_quantiles():
    low, high = compute_feldt_interval(0.7, n_people=50, n_items=10, confidence_level=0.9)
    ratios = [(1 - low) / 0.3, (1 - high) / 0.3]
    assert stats.f.cdf(ratios, 49, 441) == pytest.approx([0.95, 0.05], abs=EXACT)


@pytest.mark.slow
def test_interval_covers_the_truth_of_parallel_items():
    # Parallel items with error variance 1 and true variance 1: alpha = 5 / (5 + 1).
    truth, replicates = 5 / 6, 2_000
    covered = 0
    for seed in range(replicates):
        row = estimate_alpha(simulate_items(40, 5, seed=seed)).tidy().iloc[0]
        covered += row["conf_low"] <= truth <= row["conf_high"]
    # Three Monte Carlo standard errors of a share of 0.95.
    assert covered / replicates == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / replicates) ** 0.5)


def test_negative_alpha_is_flagged_and_not_repaired():
    items = pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [5, 4, 3, 2, 2], "c": [1, 3, 2, 2, 3]})
    result = estimate_alpha(items)
    assert result.tidy()["estimate"][0] < 0
    assert any("reversed" in note for note in result.notes)


def test_repeated_items_two_items_and_few_people_are_flagged():
    first = [1.0, 2.0, 3.0, 4.0]
    result = estimate_alpha(pd.DataFrame({"a": first, "b": first}))
    assert result.tidy()["estimate"][0] == pytest.approx(1.0, abs=EXACT)
    said = " ".join(result.notes)
    for word in ("repeat each other", "single covariance", "Fewer than 50 people"):
        assert word in said


@pytest.mark.parametrize(
    ("items", "rule"),
    [
        ({"a": [1, 2, 3]}, "fewer than two items"),
        ({"a": [1, 2, None], "b": [None, 2, 3]}, "fewer than two"),
        ({"a": [1, 2, 3], "b": [2, 2, 2]}, "items b do not vary"),
        # Constant only among the people who answered everything.
        ({"a": [1, 2, 3, 4], "b": [2, 2, 2, 1], "c": [1, 2, 3, None]}, "items b do not vary"),
        ({"a": [1, 2, 3], "b": [3, 2, 1]}, "total score does not vary"),
    ],
)
def test_items_that_have_no_alpha_are_refused(items, rule):
    with pytest.raises(ModelError, match=rule) as caught:
        estimate_alpha(pd.DataFrame(items))
    assert caught.value.codes == ("CPI-M008",)


def test_other_bad_input_is_refused():
    good = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [1.0, 3.0, 2.0]})
    with pytest.raises(DataError, match="CPI-E020"):
        estimate_alpha(good.assign(who=["x", "y", "z"]))
    with pytest.raises(DataError, match="CPI-E006"):
        estimate_alpha(good.set_axis(["a", "a"], axis=1))
    with pytest.raises(DataError, match="column a: more than one"):
        estimate_alpha(good.set_axis(["a", "a"], axis=1))
    with pytest.raises(DataError, match="must be between 0 and 1, such as") as caught:
        estimate_alpha(good, confidence_level=95)
    assert caught.value.codes == ("CPI-E024",)
    for other in (good.to_numpy(), good.to_dict(), good["a"]):
        with pytest.raises(DataError, match="a pandas DataFrame") as caught:
            estimate_alpha(other)
        assert caught.value.codes == ("CPI-E045",)
    with pytest.raises(ModelError, match="CPI-M006"):
        estimate_alpha(good.replace(4.0, np.inf))


def test_summary_tells_alpha_with_its_interval():
    items = simulate_items(60, 5, seed=1)
    result = estimate_alpha(items)
    assert result.summary().startswith("Cronbach's alpha of 5 items in 60 people is 0.")
    assert "95% CI" in result.summary()


def test_items_against_the_rest_are_named_and_not_reversed():
    items = simulate_items(60, 5, seed=1)
    turned = items.assign(**{items.columns[2]: -items[items.columns[2]]})
    result = estimate_alpha(turned)
    assert result.against_the_rest == (str(items.columns[2]),)
    note = next(note for note in result.notes if "item-rest" in note)
    assert f"correlation: {items.columns[2]}. These may be worded" in note
    assert "nothing was reversed" in note
    # pandas' own correlation of each item with the sum of the others.
    rest = turned.rsub(turned.sum(axis=1), axis=0)
    assert [str(c) for c in turned if turned[c].corr(rest[c]) < 0] == list(result.against_the_rest)
    assert not estimate_alpha(items).against_the_rest
    assert not any("item-rest" in note for note in estimate_alpha(items).notes)
    assert result.tidy()["estimate"][0] < estimate_alpha(items).tidy()["estimate"][0]


def test_rows_are_not_called_participants():
    result = estimate_alpha(simulate_items(60, 5, seed=1))
    assert result.n_participants is None
    assert "60 people or targets; 5 items" in repr(result)
    assert "participants" not in repr(result)
