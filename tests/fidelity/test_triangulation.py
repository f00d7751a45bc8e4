"""Triangulation by hand and against its parts; convergent and known groups; COSMIN."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cpi_analysis as cpi
from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import (
    build_cosmin_table,
    build_source_scores,
    build_triangulation,
    compute_content_validity,
    compute_limits_of_agreement,
    estimate_alpha,
    estimate_convergent_validity,
    estimate_cutoff,
    estimate_icc,
    estimate_kappa,
    estimate_known_groups,
    fit_confirmatory_model,
)
from cpi_analysis.fidelity.convergent import compute_steiger_test, compute_williams_test
from cpi_analysis.fidelity.multitrait import build_multitrait_matrix, summarise_matrix
from cpi_analysis.inference.cluster_robust import fit_cluster_robust
from tests.fidelity.small_trial import make_ratings, make_trial, simulate_ratings
from tests.reference import reference_json, reference_path

EXACT = 1e-10

# sources ---------------------------------------------------------------------------------------


def pick(result, quantity: str, **where: str) -> pd.DataFrame:
    table = result.tidy()
    chosen = table["quantity"] == quantity
    for column, value in where.items():
        chosen &= table[column] == value
    return table[chosen]


@pytest.fixture(scope="module")
def example() -> cpi.TrialData:
    return cpi.load_example_trial()


@pytest.fixture(scope="module")
def result(example):
    return build_triangulation(example)


def test_pairs_agree_with_the_functions_for_two_measurements(example, result):
    scores = build_source_scores(example)
    both = scores[["worker", "researcher"]].dropna()
    pair = "worker − researcher"
    limits = compute_limits_of_agreement(both, first="worker", second="researcher").tidy()
    limits = limits.set_index("quantity")
    assert pick(result, "bias", pair=pair)["estimate"].item() == pytest.approx(
        limits.loc["bias", "estimate"], abs=EXACT
    )
    assert pick(result, "concordance", pair=pair)["estimate"].item() == pytest.approx(
        limits.loc["concordance", "estimate"], abs=EXACT
    )
    long = both.rename_axis("t").reset_index().melt("t", var_name="s", value_name="x")
    icc = estimate_icc(long, target="t", rater="s", rating="x", form="ICC(A,1)").tidy()
    found = pick(result, "icc", pair=pair, form="ICC(A,1)")
    assert found["estimate"].item() == pytest.approx(icc["estimate"].item(), abs=EXACT)
    # Bands of the key and of the protocol: moderate from 51, high from 80.
    bands = long.assign(x=np.searchsorted([51.0, 80.0], long["x"], side="right"))
    kappa = estimate_kappa(
        bands, target="t", rater="s", rating="x", weights="quadratic", categories=[0, 1, 2]
    ).tidy()
    found = pick(result, "band_kappa", pair=pair, weights="quadratic")
    assert found["estimate"].item() == pytest.approx(
        kappa.set_index("quantity")["estimate"]["cohen_kappa"], abs=EXACT
    )


def test_bias_of_three_targets_by_hand():
    # Sheets of five items from 1 to 5: the worker 100, 75, 50%, the participant 75, 75, 25, and
    # so on: worker minus participant is 25, 0, 25, 50.
    ratings = make_ratings(
        {
            ("P1", "worker"): [5] * 5,
            ("P1", "participant"): [4] * 5,
            ("P2", "worker"): [4] * 5,
            ("P2", "participant"): [4] * 5,
            ("P3", "worker"): [3] * 5,
            ("P3", "participant"): [2] * 5,
            ("P4", "worker"): [5] * 5,
            ("P4", "participant"): [3] * 5,
        }
    )
    trial = make_trial(ratings, sources=("worker", "participant"))
    found = build_triangulation(trial, cutoff=80.0)
    assert pick(found, "bias")["estimate"].item() == 25.0
    # Means 87.5, 75, 37.5, 75: one of four is high; two by the worker, none by the participant.
    shares = pick(found, "share_high").set_index("choice")["estimate"]
    assert shares["mean"] == 0.25
    assert shares["worker alone"] == 0.5
    assert shares["participant alone"] == 0.0
    moved = pick(found, "share_moved").set_index("choice")["estimate"]
    assert moved["worker alone"] == 0.25
    assert found.items["worker"].tolist() == [81.25] * 5


def test_leaving_a_source_out_is_the_mean_of_the_others(example, result):
    scores = build_source_scores(example)
    rest = scores[["participant", "researcher"]].dropna().mean(axis=1)
    found = pick(result, "share_high", choice="without worker")
    assert found["n"].item() == len(rest)
    assert found["estimate"].item() == pytest.approx(float((rest >= 80).mean()), abs=EXACT)
    consensus = scores[scores.notna().sum(axis=1) >= 2].median(axis=1)
    found = pick(result, "share_high", choice="consensus")
    assert found["estimate"].item() == pytest.approx(float((consensus >= 80).mean()), abs=EXACT)


def test_contrast_of_a_table_is_least_squares_with_robust_errors(example):
    people = example.table("participants")
    rng = np.random.default_rng(3)
    outcomes = pd.DataFrame(
        {"target_id": people["participant_id"], "outcome": rng.normal(size=len(people))}
    )
    found = build_triangulation(example, outcomes=outcomes)
    mean = build_source_scores(example)
    mean = mean[mean.notna().sum(axis=1) >= 2].mean(axis=1).round(10)
    data = outcomes.set_index("target_id").join(mean.rename("score"), how="inner")
    agency = people.set_index("participant_id")["agency_id"].reindex(data.index)
    fit = fit_cluster_robust(
        data["outcome"].to_numpy(),
        np.column_stack([np.ones(len(data)), data["score"] >= 80]),
        pd.factorize(agency)[0],
    )
    row = pick(found, "outcome_contrast", choice="mean")
    assert row["estimate"].item() == pytest.approx(fit.beta[1], abs=EXACT)
    assert row["std_error"].item() == pytest.approx(fit.std_error[1], abs=EXACT)
    assert len(pick(found, "outcome_contrast")) == 8
    assert any("do not take the one that suits" in note for note in found.notes)


def test_contrast_of_a_function_is_asked_once_per_choice(example):
    asked = []

    def contrast(is_high: pd.Series) -> dict[str, float]:
        asked.append(len(is_high))
        return {"estimate": float(is_high.sum()), "n": len(is_high)}

    rows = pick(build_triangulation(example, outcomes=contrast), "outcome_contrast")
    shares = pick(build_triangulation(example), "share_high")
    assert rows["n"].tolist() == asked == shares["n"].tolist()
    assert rows["estimate"].to_numpy() == pytest.approx(
        (shares["estimate"] * shares["n"]).to_numpy()
    )


def test_a_choice_in_which_nobody_is_high_has_no_contrast():
    names = tuple(f"P{number}" for number in range(1, 31))
    trial = make_trial(simulate_ratings(30, seed=2), participants=names)
    outcomes = pd.DataFrame({"target_id": names, "outcome": np.arange(30.0) % 7})
    found = build_triangulation(trial, outcomes=outcomes, cutoff=100.0)
    rows = pick(found, "outcome_contrast")
    assert rows["estimate"].isna().any()
    assert any("No contrast" in note for note in found.notes)


def test_multitrait_matrix_by_hand():
    x = pd.Series([1.0, 2, 3, 4, 5])
    scores = {
        ("trust", "worker"): x,
        ("trust", "participant"): x * 2,
        ("skill", "worker"): -x,
    }
    matrix = build_multitrait_matrix(scores, {("trust", "worker"): 0.8}).set_index("kind")
    assert matrix.loc["same domain, other source", "estimate"] == pytest.approx(1.0)
    assert matrix.loc["other domain, same source", "estimate"] == pytest.approx(-1.0)
    assert matrix.loc["reliability", "estimate"].iloc[0] == 0.8
    means = summarise_matrix(matrix.reset_index())
    assert means["other domain, other source"] == pytest.approx(-1.0, abs=1e-5)


def test_sources_without_overlap_or_alone_are_refused():
    alone = make_ratings(
        {("P1", "worker"): [5] * 5, ("P2", "participant"): [4] * 5, ("P3", "worker"): [3] * 5}
    )
    with pytest.raises(ModelError, match="overlap"):
        build_triangulation(make_trial(alone, sources=("worker", "participant")))
    with pytest.raises(ModelError, match="one source"):
        build_triangulation(make_trial(alone, sources=("worker",)))
    with pytest.raises(DataError, match="CPI-E047"):
        build_triangulation(make_trial(alone, with_plan=False))
    trial = make_trial(simulate_ratings(4, seed=1))
    with pytest.raises(DataError, match="CPI-E024"):
        build_triangulation(trial, cutoff=500.0)
    for table, code in (
        (pd.DataFrame({"target_id": ["P1"]}), "CPI-E011"),
        (pd.DataFrame({"target_id": ["P1", "P1"], "outcome": [1.0, 2.0]}), "CPI-E013"),
        (pd.DataFrame({"target_id": ["P1", "P2"], "outcome": ["a", "b"]}), "CPI-E020"),
    ):
        with pytest.raises(DataError, match=code):
            build_triangulation(trial, outcomes=table)


# convergent ------------------------------------------------------------------------------------


def test_tests_of_dependent_correlations_agree_with_psych():
    # psych 2.2.9: paired.r(.5, .3, .4, n = 103); r.test(103, r12 = .5, r34 = .6, r23 = .5,
    # r13 = .7, r14 = .5, r24 = .8).
    t, p = compute_williams_test(0.5, 0.3, 0.4, 103)
    assert (t, p) == pytest.approx((2.09666648362436, 0.0385463841987733), abs=EXACT)
    matrix = np.eye(4)
    for place, r in {(0, 1): 0.5, (2, 3): 0.6, (1, 2): 0.5, (0, 2): 0.7}.items():
        matrix[place] = r
    matrix[0, 3], matrix[1, 3] = 0.5, 0.8
    z, p = compute_steiger_test(matrix, 103)
    assert (z, p) == pytest.approx((-1.40497481637499, 0.160028767066449), abs=EXACT)


def test_interval_of_a_correlation_agrees_with_psych():
    low, high = reference_json("fidelity/ref_validity.json")["galton_cor_ci"]
    data = pd.read_csv(reference_path("fidelity/galton.csv"))
    row = estimate_convergent_validity(data, score="child", measures=["parent"]).tidy().iloc[0]
    assert (row["conf_low"], row["conf_high"]) == pytest.approx((low, high), abs=EXACT)


def make_people(n: int, copies: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    x = rng.normal(size=n)
    data = pd.DataFrame({"x": x, "y": x + rng.normal(size=n), "z": rng.normal(size=n)})
    data["agency"] = np.arange(n)
    return data.loc[np.repeat(np.arange(n), copies)].reset_index(drop=True)


def test_copies_of_people_in_agencies_add_no_precision():
    one, five = make_people(30), make_people(30, copies=5)
    settings = {"score": "x", "measures": ["y", "z"], "cluster": "agency"}
    columns = ["estimate", "conf_low", "conf_high"]
    expected = estimate_convergent_validity(one, **settings).tidy()[columns].iloc[:2]
    found = estimate_convergent_validity(five, **settings).tidy()[columns].iloc[:2]
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), abs=EXACT)


# known groups ----------------------------------------------------------------------------------


def test_effect_size_agrees_with_psych():
    expected = reference_json("fidelity/ref_validity.json")["sat_gender_d"]
    data = pd.read_csv(reference_path("fidelity/sat_act.csv"))
    result = estimate_known_groups(
        data, score="SATQ", group="gender", target=2, reference=1, cluster=None
    )
    table = result.tidy().set_index("quantity")["estimate"]
    # psych divides the pooled sum of squares by n, the package by n - 2.
    n = int(data[["SATQ", "gender"]].dropna().shape[0])
    witness = np.sqrt((n - 2) / n) * np.ravel(expected["effect"])[0]
    assert table["effect_size"] == pytest.approx(witness, abs=EXACT)


def test_two_groups_without_agencies_are_welch_by_hand():
    # Means 2 and 6, variances 1 and 1 of three each: se = sqrt(2 / 3), df = 4.
    data = pd.DataFrame({"x": [1.0, 2, 3, 5, 6, 7], "g": ["a"] * 3 + ["b"] * 3})
    result = estimate_known_groups(
        data, score="x", group="g", target="b", reference="a", cluster=None
    )
    row = result.tidy().iloc[0]
    assert row["std_error"] == pytest.approx(np.sqrt(2 / 3), abs=EXACT)
    assert row["df"] == pytest.approx(4.0, abs=EXACT)
    assert result.tidy().set_index("quantity")["estimate"]["effect_size"] == pytest.approx(4.0)


def test_groups_that_lie_in_different_agencies_are_pointed_out():
    data = make_people(40).assign(g=lambda table: table["agency"] % 2)
    data["site"] = data["agency"] % 8
    result = estimate_known_groups(
        data, score="x", group="g", target=1, reference=0, cluster="site"
    )
    assert result.tidy()["df"][0] < 8
    assert any("No agency has people of both" in note for note in result.notes)
    with pytest.raises(DataError, match="CPI-E045"):
        estimate_known_groups(data, score="x", group="g", target=3, reference=0, cluster=None)
    with pytest.raises(ModelError, match="CPI-M008"):
        estimate_known_groups(
            data.assign(x=1.0), score="x", group="g", target=1, reference=0, cluster=None
        )


# COSMIN ----------------------------------------------------------------------------------------


def simulate_items(n: int, loading: float, *, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n, 1))
    items = loading * factor + np.sqrt(1 - loading**2) * rng.normal(size=(n, 5))
    return pd.DataFrame(items, columns=[f"i{number}" for number in range(1, 6)])


def rate(**results: object) -> pd.Series:
    return build_cosmin_table(**results).tidy().set_index("property")["rating"]


def fit_one_factor(n: int) -> object:
    items = simulate_items(n, 0.8, seed=1)
    return fit_confirmatory_model(items, model={"fidelity": list(items)}, estimator="ml")


def test_nothing_given_is_nothing_known():
    table = build_cosmin_table().tidy()
    assert (table["rating"] == "?").all()
    assert table["reason"].str.startswith("no data").all()


def test_alpha_counts_once_the_structure_is_shown():
    high, low = (estimate_alpha(simulate_items(300, loading, seed=2)) for loading in (0.8, 0.4))
    assert high.estimates["estimate"][0] > 0.7 > low.estimates["estimate"][0]
    assert rate(consistency=high)["internal consistency"] == "?"
    shown = fit_one_factor(300)
    assert rate(structure=shown)["structural validity"] == "+"
    assert rate(structure=shown, consistency=high)["internal consistency"] == "+"
    assert rate(structure=shown, consistency=low)["internal consistency"] == "-"


def test_a_small_sample_gets_no_verdict_on_structure():
    table = build_cosmin_table(structure=fit_one_factor(60)).tidy().set_index("property")
    assert table.loc["structural validity", "rating"] == "?"
    assert "no verdict" in table.loc["structural validity", "reason"]


def test_reliability_asks_for_an_icc_or_a_weighted_kappa():
    rng = np.random.default_rng(5)
    level = rng.integers(1, 6, size=40)
    long = pd.DataFrame(
        {"t": np.repeat(np.arange(40), 2), "r": ["a", "b"] * 40, "x": np.repeat(level, 2)}
    )
    long.loc[::20, "x"] = 3
    names = {"target": "t", "rater": "r", "rating": "x"}
    assert rate(reliability=estimate_icc(long, **names, form="all"))["reliability"] == "+"
    assert rate(reliability=estimate_kappa(long, **names))["reliability"] == "?"
    weighted = estimate_kappa(long, **names, weights="quadratic")
    assert rate(reliability=weighted)["reliability"] == "+"
    noise = long.assign(x=rng.integers(1, 6, size=80))
    assert rate(reliability=estimate_icc(noise, **names))["reliability"] == "-"


def test_error_is_held_against_the_change_that_matters():
    # The differences are 1, -1, 1, -1, ...: SD 1.0 or so, smallest detectable change about 2.
    data = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0) + (-1.0) ** np.arange(30)})
    limits = compute_limits_of_agreement(data, first="a", second="b")
    assert rate(measurement_error=limits)["measurement error"] == "?"
    given = {"measurement_error": limits, "minimal_important_change": 5.0}
    assert rate(**given)["measurement error"] == "+"
    assert rate(**{**given, "minimal_important_change": 1.5})["measurement error"] == "-"


def test_hypotheses_criterion_and_content():
    three_of_four = {"a": True, "b": True, "c": True, "d": False}
    assert rate(hypotheses=three_of_four)["hypotheses testing"] == "+"
    assert rate(hypotheses={"a": True, "b": False})["hypotheses testing"] == "-"
    data = pd.DataFrame({"x": np.arange(20.0), "y": (np.arange(20) > 9).astype(int)})
    cut = estimate_cutoff(data, score="x", criterion="y", cluster=None, replicates=20, seed=1)
    assert rate(criterion=cut)["criterion validity"] == "+"
    weak = estimate_convergent_validity(make_people(60), score="x", measures=["z"])
    assert rate(criterion=weak)["criterion validity"] == "-"
    # Experts' indices alone never rate content validity.
    content = compute_content_validity(pd.DataFrame({"i": [4, 4, 4, 4, 4, 4]}))
    assert rate(content=content)["content validity"] == "?"


def test_a_result_of_another_kind_is_refused():
    with pytest.raises(DataError, match="CPI-E045"):
        build_cosmin_table(structure=estimate_alpha(simulate_items(50, 0.8, seed=3)))
