"""Polychoric correlations against high-precision values, lavaan, psych and arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import compute_polychoric
from tests.reference import reference_json, reference_path

#: Score roots found with mvtnorm's TVPACK to about 1e-14.
TIGHT = 1e-12
#: lavaan stops its search at about 1e-8; psych's optimise at about 2e-5.
LAVAAN = 1e-7
PSYCH = 5e-5
#: Standard errors of lavaan carry the error of its correlations.
LAVAAN_ERROR = 1e-8


def read_set(name: str) -> pd.DataFrame:
    file = {"bfi25": "bfi", "bfi_first60": "bfi", "lq": "lq2002"}.get(name, name)
    data = pd.read_csv(reference_path(f"fidelity/{file}.csv"))
    if file == "bfi":
        items = data[[column for column in data if len(column) == 2 and column[0] in "ACENO"]]
        return items if name == "bfi25" else items.dropna().head(60)
    return data.filter(regex="^LEAD" if name == "lq" else "^u[1-8]$")


@pytest.mark.parametrize("name", ["bfi25", "bfi_first60", "datcat", "lq"])
def test_tight_pairs(name):
    correlation = compute_polychoric(read_set(name)).correlation
    for pair in reference_json("fidelity/ref_polychoric_tight.json")[name]:
        assert correlation.loc[*pair["pair"]] == pytest.approx(pair["rho"], abs=TIGHT)


@pytest.mark.parametrize(
    ("name", "key", "tolerance"),
    [
        ("bfi25", "lavaan_bfi25_pairwise", LAVAAN),
        ("bfi25", "bfi25_correct0", PSYCH),
        ("datcat", "lavaan_datcat", LAVAAN),
        ("lq", "lavaan_lq", LAVAAN),
    ],
)
def test_whole_matrix(name, key, tolerance):
    expected = reference_json("fidelity/ref_polychoric.json")[key]["rho"]
    found = compute_polychoric(read_set(name)).correlation
    theirs = np.array(expected["values"])
    assert found.loc[expected["rows"], expected["cols"]].to_numpy() == pytest.approx(
        theirs, abs=tolerance
    )


def make_ordered(n: int = 120, n_items: int = 4, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    answers = rng.normal(size=(n, 1)) * 0.8 + rng.normal(size=(n, n_items)) * 0.6
    codes = np.digitize(answers, [-1.0, 0.0, 0.8]) + 1
    return pd.DataFrame(codes, columns=list("abcdefgh")[:n_items])


# R's HairEyeColor, hair × eye summed over sex, as if both were ordered: only the counts matter.
HAIR_BY_EYE = np.array([[68, 20, 15, 5], [119, 84, 54, 29], [26, 17, 14, 14], [7, 94, 10, 16]])


def expand(counts: np.ndarray) -> pd.DataFrame:
    rows, columns = np.indices(counts.shape)
    return (
        pd.DataFrame(
            {
                "x": np.repeat(rows.ravel(), counts.ravel()),
                "y": np.repeat(columns.ravel(), counts.ravel()),
            }
        )
        + 1
    )


def test_two_by_two_with_even_margins_is_the_sine():
    # With both thresholds at 0, P(both low) = 1/4 + asin(ρ) / 2π: 3/8 gives sin(π/4).
    result = compute_polychoric(expand(np.array([[30, 10], [10, 30]])))
    assert result.tidy()["estimate"][0] == pytest.approx(np.sqrt(0.5), abs=1e-14)
    assert result.thresholds["estimate"].tolist() == pytest.approx([0, 0], abs=1e-15)
    # Var(asin ρ) = (2π)² p(1 − p)/n with p the share of equal answers over 2, margins known; the
    # margins' errors do not matter where both thresholds are 0. Hence se = π √(q(1−q)/n) cos(π/4).
    expected = np.pi * np.sqrt(0.75 * 0.25 / 80) * np.sqrt(0.5)
    assert result.tidy()["std_error"][0] == pytest.approx(expected, rel=1e-12)


def test_reversing_an_item_reverses_the_sign_and_nothing_else():
    items = make_ordered()
    straight = compute_polychoric(items).tidy()
    turned = compute_polychoric(items.assign(b=5 - items["b"])).tidy()
    sign = np.where((straight["item_1"] == "b") | (straight["item_2"] == "b"), -1, 1)
    assert turned["estimate"].to_numpy() == pytest.approx(sign * straight["estimate"], abs=1e-13)
    assert turned["std_error"].to_numpy() == pytest.approx(straight["std_error"], abs=1e-12)


def test_order_of_people_and_names_of_categories_do_not_matter():
    items = make_ordered()
    straight = compute_polychoric(items).tidy()
    shuffled = items.sample(frac=1, random_state=1) ** 3 * 0.5
    pd.testing.assert_frame_equal(compute_polychoric(shuffled).tidy(), straight)


def test_covariance_holds_the_standard_errors_and_agrees_with_a_jackknife():
    items = make_ordered(n=400, n_items=3)
    items.iloc[:30, 0] = np.nan
    result = compute_polychoric(items, with_covariance=True)
    variance = np.diag(result.covariance)
    errors = np.concatenate([result.thresholds["std_error"], result.tidy()["std_error"]])
    assert np.sqrt(variance) == pytest.approx(errors, rel=1e-12)
    left_out = np.array(
        [compute_polychoric(items.drop(index=row)).tidy()["estimate"] for row in items.index]
    )
    jackknife = np.sqrt(((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    # The jackknife is equal to first order in 1/n only.
    assert jackknife == pytest.approx(result.tidy()["std_error"].to_numpy(), rel=0.03)


def test_standard_errors_agree_with_lavaan():
    # lavaan 0.6-14, sqrt(diag(lavInspect(fit, "gamma")) / n) of datcat: u1~u2, u1~u3, u1~u4.
    errors = compute_polychoric(read_set("datcat")).tidy()["std_error"][:3]
    expected = [0.0539545740234137, 0.0480534871948988, 0.0555827243586339]
    assert errors.tolist() == pytest.approx(expected, abs=LAVAAN_ERROR)


def test_hair_and_eyes_agree_with_lavaan():
    # lavaan 0.6-14, lavCor and the same square root, on the expanded counts.
    result = compute_polychoric(expand(HAIR_BY_EYE))
    row = result.tidy().iloc[0]
    assert row["estimate"] == pytest.approx(0.301416021690, abs=LAVAAN)
    assert row["std_error"] == pytest.approx(0.0475993853798204, abs=LAVAAN_ERROR)
    assert result.thresholds["std_error"].tolist() == pytest.approx(
        [
            0.0599842155451139,
            0.0532595685245297,
            0.0578143748374100,
            0.0525278142773127,
            0.0553699582026047,
            0.0687225872842644,
        ],
        abs=1e-12,
    )


def test_missing_answers_are_used_where_they_are():
    items = make_ordered().astype(float)
    items.loc[:19, "a"] = np.nan
    result = compute_polychoric(items)
    table = result.tidy()
    assert table.loc[table["item_1"] == "a", "n"].tolist() == [100, 100, 100]
    assert table.loc[table["item_1"] != "a", "n"].tolist() == [120, 120, 120]
    assert any("100 to 120 people" in note for note in result.notes)
    # The thresholds of an item use everybody who answered it.
    share = (items["b"] <= 1).mean()
    b = result.thresholds.query("item == 'b'")["estimate"].iloc[0]
    assert b == pytest.approx(compute_polychoric(items[["b", "c"]]).thresholds["estimate"][0])
    assert 0.5 * (1 + math.erf(b / np.sqrt(2))) == pytest.approx(share, abs=1e-14)


# bad input -------------------------------------------------------------------------------------


def test_constant_item_and_item_without_answers_are_refused_together():
    items = make_ordered().assign(b=3, c=np.nan)
    with pytest.raises(ModelError) as caught:
        compute_polychoric(items)
    assert [fault.column for fault in caught.value.faults] == ["b", "c"]


def test_too_many_categories_are_refused():
    items = make_ordered().assign(b=np.arange(120))
    with pytest.raises(ModelError, match="120 different answers"):
        compute_polychoric(items)


def test_items_without_people_in_common_are_refused():
    items = make_ordered().astype(float)
    items.loc[:59, "a"] = np.nan
    items.loc[60:, "b"] = np.nan
    with pytest.raises(ModelError, match="a and b"):
        compute_polychoric(items)


def test_lost_categories_are_noted():
    items = make_ordered()
    items["d"] = items["d"].clip(upper=3)
    assert compute_polychoric(items).lost_categories == ("d",)
    declared = compute_polychoric(items, categories=[1, 2, 3, 4, 5])
    assert declared.lost_categories == ("a", "b", "c", "d")
    with pytest.raises(DataError, match="CPI-E036"):
        compute_polychoric(items, categories={"a": [1, 2, 3, 4]})


def test_perfect_agreement_has_no_standard_error():
    items = make_ordered().assign(b=lambda table: table["a"])
    result = compute_polychoric(items)
    assert np.isnan(result.tidy()["std_error"][0])
    assert any("ran into ±1" in note for note in result.notes)


def test_an_empty_cell_counts_as_it_is_unless_half_a_person_is_asked_for():
    items = expand(np.array([[30, 0], [10, 30]]))
    kept = compute_polychoric(items)
    assert np.isnan(kept.tidy()["std_error"][0])
    # lavaan 0.6-14: lavCor(..., ordered = c("x", "y")), which moves half a person by default.
    added = compute_polychoric(items, empty_cells="add_half")
    assert added.tidy()["estimate"][0] == pytest.approx(0.953557863059, abs=LAVAAN)
    with pytest.raises(DataError, match="CPI-E045"):
        compute_polychoric(items, empty_cells="drop")


def test_a_matrix_that_is_not_positive_definite_is_flagged_and_smoothed_on_request_only():
    rng = np.random.default_rng(2)
    items = pd.DataFrame(rng.integers(1, 3, size=(12, 10)), columns=list("abcdefghij"))
    raw = compute_polychoric(items)
    assert not raw.is_positive_definite
    assert any("not positive definite" in note for note in raw.notes)
    smoothed = compute_polychoric(items, is_smoothed=True)
    assert np.linalg.eigvalsh(smoothed.correlation)[0] > 0
    assert np.diag(smoothed.correlation).tolist() == [1.0] * 10
    pd.testing.assert_frame_equal(smoothed.tidy(), raw.tidy())
    assert any("smoothed" in note for note in smoothed.notes)


def test_text_items_are_refused_without_showing_an_answer():
    with pytest.raises(DataError, match="CPI-E020") as caught:
        compute_polychoric(make_ordered().assign(b="often"))
    assert "often" not in str(caught.value)
