"""Kappas, AC, Krippendorff's alpha and limits of agreement against irr, irrCAC, vcd and epiR."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import (
    compute_limits_of_agreement,
    estimate_agreement,
    estimate_icc,
    estimate_kappa,
    estimate_krippendorff,
)
from tests.reference import reference_json, reference_path

EXACT = 1e-10
#: irrCAC rounds standard errors to five decimals.
FIVE_DECIMALS = 6e-6
COLUMNS = {"target": "target", "rater": "rater", "rating": "rating"}
#: First against second rating; 90 + 1 agree, most in the first category.
PARADOX = [[90, 5], [4, 1]]
#: Landis and Koch's kind of table, used with R's vcd 1.4-11 below.
EXPSY = [[1, 0, 0, 0], [1, 4, 0, 0], [0, 4, 9, 2], [0, 0, 2, 6]]
WEIGHTS = ("unweighted", "linear", "quadratic", "ordinal")


def to_long(wide: pd.DataFrame) -> pd.DataFrame:
    return (
        wide.rename_axis("target")
        .reset_index()
        .melt("target", var_name="rater", value_name="rating")
    )


def expand(table: list[list[int]]) -> pd.DataFrame:
    pairs = [
        (row + 1, column + 1)
        for row, counts in enumerate(table)
        for column, count in enumerate(counts)
        for _ in range(count)
    ]
    return to_long(pd.DataFrame(pairs, columns=["a", "b"]))


def read_reference(name: str) -> pd.DataFrame:
    if name == "expsy3":
        return pd.read_csv(reference_path("fidelity/expsy.csv"))[["r1", "r2", "r3"]]
    file = {"video": "ext_irr_video", "raw4raters": "ext_irrcac_raw4raters"}[name]
    return pd.read_csv(reference_path(f"fidelity/{file}.csv"))


def pick(result, quantity: str) -> pd.Series:
    table = result.tidy()
    return table[table["quantity"] == quantity].iloc[0]


# two raters ------------------------------------------------------------------------------------


# vcd 1.4-11, Kappa(): value and ASE of the unweighted, equal-spacing and Fleiss-Cohen kappa.
@pytest.mark.parametrize(
    ("weights", "kappa", "ase"),
    [
        ("unweighted", 0.542105263157895, 0.125835581434222),
        ("linear", 0.657929226736566, 0.100895224373794),
        ("quadratic", 0.781954887218046, 0.0743010011445408),
    ],
)
def test_cohen_agrees_with_vcd(weights, kappa, ase):
    row = pick(estimate_kappa(expand(EXPSY), **COLUMNS, weights=weights), "cohen_kappa")
    assert row["estimate"] == pytest.approx(kappa, abs=EXACT)
    # vcd divides by n, as Fleiss, Cohen and Everitt do; the package as Gwet, by n - 1.
    assert row["std_error"] == pytest.approx(ase * math.sqrt(29 / 28), abs=EXACT)


def test_two_by_two_by_hand():
    # Agreement 3/4; rater a puts 2 of 4 into category 1, rater b 1 of 4: chance 1/8 + 3/8.
    result = estimate_kappa(expand([[1, 1], [0, 2]]), **COLUMNS)
    row = pick(result, "cohen_kappa")
    assert row["observed_agreement"] == 0.75
    assert row["expected_agreement"] == 0.5
    assert row["estimate"] == 0.5
    # Shares of both raters: 3/8 and 5/8. AC1: chance 2 * 3/8 * 5/8; Fleiss: 9/64 + 25/64.
    assert pick(result, "gwet_ac1")["estimate"] == pytest.approx((0.75 - 15 / 32) / (17 / 32))
    assert pick(result, "fleiss_kappa")["estimate"] == pytest.approx((0.75 - 34 / 64) / (30 / 64))
    assert pick(result, "brennan_prediger")["estimate"] == 0.5


def test_prevalence_paradox():
    # irrCAC 1.0 and irr 0.84.1 on the same table: kappa 0.1346, AC1 0.89956, BP 0.82.
    result = estimate_agreement(expand(PARADOX), **COLUMNS)
    table = result.tidy()
    assert pick(result, "percentage_agreement")["estimate"] == 0.91
    assert pick(result, "cohen_kappa")["estimate"] == pytest.approx(0.134615384615384, abs=EXACT)
    assert pick(result, "gwet_ac1")["estimate"] == pytest.approx(0.89956, abs=5e-6)
    assert pick(result, "brennan_prediger")["estimate"] == pytest.approx(0.82, abs=EXACT)
    # Byrt: |90 - 1| / 100 and |5 - 4| / 100.
    for quantity, value in (("prevalence_index", 0.89), ("bias_index", 0.01)):
        rows = table[table["quantity"] == quantity]
        assert rows["estimate"].tolist() == pytest.approx([value, value], abs=EXACT)
    # Positive agreement 2 * 90 / 189, negative 2 * 1 / 11.
    specific = table[table["quantity"] == "specific_agreement"]["estimate"].tolist()
    assert specific == pytest.approx([180 / 189, 2 / 11], abs=EXACT)
    assert any("do not pick the highest" in note for note in result.notes)


# several raters, ratings missing ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["raw4raters", "expsy3", "video"])
def test_coefficients_agree_with_irrcac(name):
    expected = reference_json("fidelity/ref_kappa.json")[name]
    ratings = to_long(read_reference(name))
    theirs = {"conger": "conger_kappa", "fleiss": "fleiss_kappa", "bp": "brennan_prediger"}
    for weights in WEIGHTS:
        result = estimate_kappa(ratings, **COLUMNS, weights=weights)
        gwet = "gwet_ac1" if weights == "unweighted" else "gwet_ac2"
        for key, quantity in {**theirs, "ac": gwet}.items():
            row, witness = pick(result, quantity), expected["irrCAC"][weights][key]
            kappa = (witness["pa"] - witness["pe"]) / (1 - witness["pe"])
            assert row["estimate"] == pytest.approx(kappa, abs=EXACT)
            assert row["observed_agreement"] == pytest.approx(witness["pa"], abs=EXACT)
            assert row["expected_agreement"] == pytest.approx(witness["pe"], abs=EXACT)
            if name != "raw4raters":
                # A target there has one rating, which irrCAC counts in its standard error.
                assert row["std_error"] == pytest.approx(witness["coeff.se"], abs=FIVE_DECIMALS)


@pytest.mark.parametrize("name", ["raw4raters", "expsy3"])
@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval", "ratio"])
def test_alpha_agrees_with_irr(name, metric):
    expected = reference_json("fidelity/ref_kappa.json")[name]["irr_kripp"][metric]
    result = estimate_krippendorff(to_long(read_reference(name)), **COLUMNS, metric=metric)
    assert result.tidy()["estimate"][0] == pytest.approx(expected, abs=EXACT)


def test_alpha_of_a_full_table_agrees_with_irrcac_and_not_with_irr():
    # irr 0.84.1 counts 240 coincidences for 80 ratings when none is missing and raters are four.
    expected = reference_json("fidelity/ref_kappa.json")["video"]
    ratings = to_long(read_reference("video"))
    for metric, weights in (("nominal", "unweighted"), ("interval", "quadratic")):
        alpha = estimate_krippendorff(ratings, **COLUMNS, metric=metric).tidy()["estimate"][0]
        witness = expected["irrCAC"][weights]["kripp"]
        assert alpha == pytest.approx(
            (witness["pa"] - witness["pe"]) / (1 - witness["pe"]), abs=EXACT
        )
        theirs = expected["irr_kripp"][metric]
        assert 1 - (1 - alpha) / (79 / 80) * (239 / 240) == pytest.approx(theirs, abs=EXACT)


def test_rank_metric_is_not_ordinal_weights():
    # irr's ordinal metric .7548, irrCAC's ordinal weights .7171, on the same ratings.
    expected = reference_json("fidelity/ref_kappa.json")["expsy3"]
    ours = estimate_krippendorff(to_long(read_reference("expsy3")), **COLUMNS, metric="ordinal")
    theirs = expected["irrCAC"]["ordinal"]["kripp"]["coeff.val"]
    assert ours.tidy()["estimate"][0] - theirs == pytest.approx(0.0378, abs=1e-4)


# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section C: four observers,
# twelve units, missing ratings. He prints .743, .815, .849, .797.
def test_alpha_by_krippendorff_himself():
    nan = np.nan
    wide = pd.DataFrame(
        {
            "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
            "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
            "C": [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
            "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
        }
    )
    result = estimate_krippendorff(to_long(wide), **COLUMNS, metric="all")
    assert result.tidy()["estimate"].round(3).tolist() == [0.743, 0.815, 0.849, 0.797]


@pytest.mark.parametrize("name", ["raw4raters", "expsy3", "video"])
def test_complete_tables_agree_with_irr(name):
    expected = reference_json("fidelity/ref_kappa.json")[name]
    result = estimate_kappa(to_long(read_reference(name).dropna()), **COLUMNS)
    assert pick(result, "fleiss_kappa")["estimate"] == pytest.approx(
        expected["irr_fleiss"]["kappa"], abs=EXACT
    )
    assert pick(result, "light_kappa")["estimate"] == pytest.approx(
        expected["irr_light"], abs=EXACT
    )
    assert pick(result, "conger_kappa")["estimate"] == pytest.approx(
        expected["irr_conger"], abs=EXACT
    )


# intervals -------------------------------------------------------------------------------------


def simulate_ratings(n: int, *, seed: int, per_agency: int = 1) -> pd.DataFrame:
    """Ratings of n targets; the targets of an agency are copies of each other."""
    rng = np.random.default_rng(seed)
    agencies = np.arange(n) // per_agency
    level = rng.integers(1, 5, size=agencies.max() + 1)
    wide = {
        rater: np.clip(level + rng.integers(-1, 2, size=len(level)), 1, 5)[agencies]
        for rater in "ab"
    }
    long = to_long(pd.DataFrame(wide))
    return long.assign(agency=long["target"].map(dict(enumerate(agencies))))


def test_copies_within_agencies_add_nothing_to_precision():
    one = simulate_ratings(30, seed=1)
    five = simulate_ratings(150, seed=1, per_agency=5)
    alone = pick(estimate_kappa(one, **COLUMNS), "cohen_kappa")
    robust = pick(estimate_kappa(five, **COLUMNS, cluster="agency"), "cohen_kappa")
    naive = pick(estimate_kappa(five, **COLUMNS), "cohen_kappa")
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    assert robust[columns].tolist() == pytest.approx(alone[columns].tolist(), abs=1e-12)
    assert naive["std_error"] < 0.5 * robust["std_error"]


def test_bootstrap_stands_beside_the_interval():
    ratings = simulate_ratings(60, seed=2)
    row = pick(estimate_kappa(ratings, **COLUMNS, replicates=2000, seed=3), "cohen_kappa")
    width = row["conf_high"] - row["conf_low"]
    assert row["bootstrap_low"] == pytest.approx(row["conf_low"], abs=0.15 * width)
    assert row["bootstrap_high"] == pytest.approx(row["conf_high"], abs=0.15 * width)


def test_jackknife_confirms_the_standard_error():
    ratings = simulate_ratings(120, seed=5)
    full = estimate_krippendorff(ratings, **COLUMNS, metric="ordinal").tidy().iloc[0]
    categories = sorted(ratings["rating"].unique())
    left_out = [
        estimate_krippendorff(
            ratings[ratings["target"] != target],
            **COLUMNS,
            metric="ordinal",
            categories=categories,
        ).tidy()["estimate"][0]
        for target in range(120)
    ]
    jackknife = np.sqrt(119 / 120 * np.sum((left_out - np.mean(left_out)) ** 2))
    assert full["std_error"] == pytest.approx(jackknife, rel=0.05)


def test_order_and_names_change_nothing():
    ratings = simulate_ratings(40, seed=6)
    one = estimate_agreement(ratings, **COLUMNS).tidy()
    shuffled = ratings.sample(frac=1, random_state=1).assign(
        target=lambda table: "t" + table["target"].astype(str).str.zfill(3)
    )
    pd.testing.assert_frame_equal(one, estimate_agreement(shuffled, **COLUMNS).tidy(), atol=1e-12)


# the whole table -------------------------------------------------------------------------------


def test_every_coefficient_is_in_one_table():
    ratings = simulate_ratings(40, seed=7)
    table = estimate_agreement(ratings, **COLUMNS).tidy()
    icc = estimate_icc(ratings, **COLUMNS, form="all").tidy()
    mine = table[table["quantity"] == "icc"]
    assert mine["estimate"].tolist() == icc["estimate"].tolist()
    assert set(table["metric"].dropna()) == {"nominal", "ordinal", "interval", "ratio"}
    assert set(table["weights"].dropna()) == set(WEIGHTS)


def test_words_without_an_order_have_nominal_coefficients_only():
    ratings = expand(EXPSY).assign(
        rating=lambda table: table["rating"].map({1: "none", 2: "low", 3: "some", 4: "high"})
    )
    table = estimate_agreement(ratings, **COLUMNS).tidy()
    assert set(table["weights"].dropna()) == {"unweighted"}
    assert table["metric"].dropna().tolist() == ["nominal"]
    with pytest.raises(DataError, match="CPI-E045"):
        estimate_kappa(ratings, **COLUMNS, weights="linear")
    ordered = estimate_kappa(
        ratings, **COLUMNS, weights="linear", categories=["none", "low", "some", "high"]
    )
    assert pick(ordered, "cohen_kappa")["estimate"] == pytest.approx(0.657929226736566, abs=EXACT)


# bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [estimate_kappa, estimate_agreement])
@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda table: table[table["rater"] == "a"], "one rater"),
        (
            lambda table: table[(table["rater"] == "a") == (table["target"] % 2 == 0)],
            "overlap",
        ),
        (lambda table: table.assign(rating=3), "one category"),
        (lambda table: table.assign(rating=np.nan), "one rater"),
    ],
)
def test_ratings_without_agreement_are_refused_with_a_cure(call, change, word):
    with pytest.raises(ModelError, match=word) as caught:
        call(change(expand(EXPSY)), **COLUMNS)
    assert caught.value.codes == ("CPI-M008",)


def test_one_category_of_several_declared_is_flagged_and_never_looks_fine():
    ratings = expand([[5, 0], [0, 0]])
    result = estimate_agreement(ratings, **COLUMNS, categories=[1, 2])
    assert pick(result, "percentage_agreement")["estimate"] == 1.0
    assert np.isnan(pick(result, "cohen_kappa")["estimate"])
    assert np.isnan(pick(result, "krippendorff_alpha")["estimate"])
    assert any("Only one category" in note for note in result.notes)


def test_undeclared_categories_and_unknown_columns_are_refused():
    ratings = expand(EXPSY)
    with pytest.raises(DataError, match="CPI-E023"):
        estimate_kappa(ratings, **COLUMNS, categories=[1, 2, 3])
    with pytest.raises(DataError, match="CPI-E011"):
        estimate_kappa(ratings, target="target", rater="nobody", rating="rating")
    with pytest.raises(DataError, match="CPI-E013"):
        estimate_kappa(pd.concat([ratings, ratings]), **COLUMNS)


def test_raters_of_one_target_each_have_no_shares_of_their_own():
    ratings = expand(EXPSY).assign(rater=lambda table: table["rater"] + table["target"].astype(str))
    table = estimate_kappa(ratings, **COLUMNS)
    assert "conger_kappa" not in set(table.tidy()["quantity"])
    assert pick(table, "fleiss_kappa")["observed_agreement"] == pytest.approx(20 / 29)


# limits of agreement ---------------------------------------------------------------------------

#: Bland and Altman (1986), Lancet, peak flow by the large and the mini meter, first readings.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_limits_of_bland_and_altman_1986():
    # The paper prints a mean difference of -2.1, SD 38.8 and limits of -79.7 and 75.5 (2 SD).
    data = pd.DataFrame({"large": WRIGHT, "mini": MINI})
    table = (
        compute_limits_of_agreement(data, first="large", second="mini")
        .tidy()
        .set_index("quantity")["estimate"]
    )
    assert round(table["bias"], 1) == -2.1
    assert round(table["std_dev_difference"], 1) == 38.8
    assert table["lower_limit"] == pytest.approx(-2.1 - 1.96 * 38.8, abs=0.1)


def test_limits_and_concordance_agree_with_r_and_epir():
    expected = reference_json("fidelity/ref_agreement_misc.json")
    data = pd.read_csv(reference_path("fidelity/galton.csv"))
    result = compute_limits_of_agreement(data, first="child", second="parent")
    table = result.tidy().set_index("quantity")
    limits, lin = expected["galton"], expected["galton_ccc"]
    assert table.loc["bias", "estimate"] == pytest.approx(limits["mean_diff"], abs=EXACT)
    assert table.loc["bias", ["conf_low", "conf_high"]].tolist() == pytest.approx(
        limits["ci_mean"], abs=EXACT
    )
    assert table.loc[["lower_limit", "upper_limit"], "estimate"].tolist() == pytest.approx(
        limits["loa"], abs=EXACT
    )
    for quantity, witness in (
        ("std_dev_difference", limits["sd_diff"]),
        ("correlation_difference_mean", limits["r_diff_mean"]),
        ("measurement_error", limits["sem_consistency"]),
        ("concordance", lin["ccc"]),
        ("accuracy", lin["C.b"]),
    ):
        assert table.loc[quantity, "estimate"] == pytest.approx(witness, abs=EXACT)
    assert table.loc["lower_limit", "std_error"] == pytest.approx(limits["se_loa"], abs=EXACT)
    assert table.loc["concordance", ["conf_low", "conf_high"]].tolist() == pytest.approx(
        [lin["lower"], lin["upper"]], abs=EXACT
    )
    assert any("proportional bias" in note for note in result.notes)


def test_proportional_bias_is_found():
    rng = np.random.default_rng(8)
    level = rng.normal(50, 10, size=80)
    data = pd.DataFrame(
        {"a": level * 1.5 + rng.normal(size=80), "b": level, "agency": np.arange(80) // 8}
    )
    result = compute_limits_of_agreement(data, first="a", second="b", cluster="agency")
    row = pick(result, "proportional_bias")
    # a - b = 0.5 level and the mean is 1.25 level: 0.4 per unit.
    assert row["estimate"] == pytest.approx(0.4, abs=0.02)
    assert row["p_value"] < 1e-6


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"a": 1.0}, "CPI-M008"),
        ({"a": np.nan}, "CPI-M008"),
        ({"a": np.inf}, "CPI-M006"),
        ({"a": "x"}, "CPI-E020"),
    ],
)
def test_measurements_that_cannot_be_compared_are_refused(change, code):
    data = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [1.0, 2, 2, 4]}).assign(**change)
    with pytest.raises((DataError, ModelError)) as caught:
        compute_limits_of_agreement(data, first="a", second="b")
    assert caught.value.codes == (code,)
