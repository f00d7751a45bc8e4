"""G and D studies against lme4, gtheory and the closed form; agencies against multilevel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import (
    build_agency_sheets,
    estimate_agency_level,
    estimate_generalizability,
)
from tests.fidelity.small_trial import make_ratings, make_trial
from tests.reference import reference_json, reference_path

EXACT = 1e-10
#: The tolerance of the reference for variances from a closed form.
CLOSED_FORM = 1e-5
#: lme4's own distance from the optimum.
LME4_STOPS = 3e-4
LOG_LIKELIHOOD = 1e-6


def pick(result, quantity: str, term: str | None = None) -> float:
    table = result.tidy()
    chosen = table["quantity"] == quantity
    if term is not None:
        chosen &= table["term"] == term
    return float(table.loc[chosen, "estimate"].iloc[0])


def read_brennan() -> pd.DataFrame:
    return pd.read_csv(reference_path("fidelity/ext_gtheory_brennan32.csv")).astype(
        {"Score": float}
    )


BRENNAN = {
    "target": "Person",
    "facets": ["Task", "Rater"],
    "rating": "Score",
    "effects": ["Person", "Task", "Rater:Task", "Person:Task"],
}


def test_brennan_table_3_2_agrees_with_the_closed_form_and_gtheory():
    exact = reference_json("fidelity/ref_gtheory_exact.json")
    theirs = reference_json("fidelity/ref_gtheory.json")["brennan32"]
    result = estimate_generalizability(read_brennan(), **BRENNAN, sizes={"Task": [3], "Rater": [4]})
    for name in ("Person", "Task", "Rater:Task", "Person:Task"):
        assert pick(result, "variance", name) == pytest.approx(exact[name], abs=CLOSED_FORM)
    assert pick(result, "variance", "residual") == pytest.approx(exact["Residual"], abs=CLOSED_FORM)
    assert result.log_likelihood == pytest.approx(theirs["reml"], abs=LOG_LIKELIHOOD)
    design = result.designs.iloc[0]
    for ours, name in (
        ("generalizability", "g"),
        ("dependability", "phi"),
        ("absolute_error", "abs_err"),
        ("relative_error", "rel_err"),
    ):
        # gtheory takes lme4's components, which are 1.7e-4 off.
        assert design[ours] == pytest.approx(theirs["gtheory"][name], abs=LME4_STOPS)


def test_components_of_brennan_by_hand():
    # Closed form: relative error s(pt)/3 + s(residual)/12, absolute adds s(t)/3 + s(r:t)/12.
    result = estimate_generalizability(read_brennan(), **BRENNAN)
    relative = 0.559567901234569 / 3 + 2.38024691358025 / 12
    absolute = relative + 0.325154320987654 / 3 + 0.64753086419753 / 12
    assert pick(result, "relative_error") == pytest.approx(relative, abs=CLOSED_FORM)
    assert pick(result, "absolute_error") == pytest.approx(absolute, abs=CLOSED_FORM)


def test_six_thousand_crossed_rows_agree_with_lme4():
    expected = reference_json("fidelity/ref_gtheory.json")["lq14_person_in_company_x_item"]
    wide = pd.read_csv(reference_path("fidelity/lq2002.csv"))
    wide = wide[wide["COMPID"].isin(sorted(wide["COMPID"].unique())[:14])]
    items = [name for name in wide if name.startswith("LEAD")]
    long = wide.melt(["COMPID", "SUB"], items, var_name="item", value_name="y")
    long["person"] = long["COMPID"].astype(str) + "-" + long["SUB"].astype(str)
    result = estimate_generalizability(
        long, target="person", facets=["item"], groups=["COMPID"], rating="y"
    )
    assert result.n_rows == expected["n_rows"]
    assert result.log_likelihood == pytest.approx(expected["reml"], abs=LOG_LIKELIHOOD)
    names = {"COMPID": "COMPID", "person": "person", "item": "item", "ci": "COMPID:item"}
    for theirs, ours in {**names, "Residual": "residual"}.items():
        variance = pick(result, "variance", ours)
        assert variance == pytest.approx(expected["components"][theirs], abs=LME4_STOPS)


def simulate(
    n_targets: int, n_raters: int, n_items: int, *, seed: int, spread: tuple[float, ...]
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    grid = pd.MultiIndex.from_product(
        [range(n_targets), range(n_raters), range(n_items)], names=["worker", "rater", "item"]
    ).to_frame(index=False)
    of_worker, of_rater, of_item, noise = spread
    grid["x"] = (
        of_worker * rng.normal(size=n_targets)[grid["worker"]]
        + of_rater * rng.normal(size=n_raters)[grid["rater"]]
        + of_item * rng.normal(size=n_items)[grid["item"]]
        + noise * rng.normal(size=len(grid))
    )
    return grid


def test_numbers_needed_follow_spearman_and_brown():
    # One facet: g(n) = s_t / (s_t + s_e / n), so n >= 4 s_e / s_t for 0.8.
    ratings = simulate(60, 4, 1, seed=1, spread=(1.0, 0.5, 0.0, 1.5))
    result = estimate_generalizability(ratings, target="worker", facets=["rater"], rating="x")
    ratio = pick(result, "variance", "residual") / pick(result, "variance", "worker")
    assert pick(result, "needed_relative", "rater") == np.ceil(4 * ratio)
    total = pick(result, "variance", "residual") + pick(result, "variance", "rater")
    needed = np.ceil(4 * total / pick(result, "variance", "worker"))
    assert pick(result, "needed_absolute", "rater") == needed
    designs = result.designs.set_index("rater")["generalizability"]
    assert designs[10] == pytest.approx(1 / (1 + ratio / 10), abs=EXACT)
    assert (designs.diff().dropna() > 0).all()


def test_no_number_of_items_can_help_when_raters_disagree():
    rng = np.random.default_rng(2)
    ratings = simulate(40, 2, 5, seed=2, spread=(0.3, 0.0, 0.2, 0.4))
    own = rng.normal(size=(40, 2))
    ratings["x"] += own[ratings["worker"], ratings["rater"]]
    result = estimate_generalizability(
        ratings, target="worker", facets=["rater", "item"], rating="x"
    )
    assert np.isnan(pick(result, "needed_relative", "item"))
    assert pick(result, "needed_relative", "rater") > 2


def test_raters_of_one_target_each_are_error_in_comparing_targets():
    ratings = simulate(30, 3, 1, seed=3, spread=(1.0, 0.0, 0.0, 1.0))
    ratings["rater"] = ratings["worker"] * 3 + ratings["rater"]
    result = estimate_generalizability(ratings, target="worker", facets=["rater"], rating="x")
    assert set(result.tidy()["term"].dropna()) == {"worker", "residual", "rater"}
    assert pick(result, "generalizability") == pytest.approx(pick(result, "dependability"))


def test_a_source_at_zero_is_flagged_with_what_it_means():
    ratings = simulate(12, 3, 4, seed=4, spread=(0.0, 1.0, 0.0, 1.0))
    means = ratings.groupby("worker")["x"].transform("mean")
    ratings["x"] = ratings["x"] - means
    result = estimate_generalizability(
        ratings, target="worker", facets=["rater", "item"], rating="x"
    )
    table = result.tidy().set_index("term")
    assert table.loc["worker", "is_zero"]
    assert any("negative" in note for note in result.notes)


def test_bad_input_is_refused():
    ratings = simulate(6, 2, 2, seed=5, spread=(1.0, 1.0, 1.0, 1.0))
    names = {"target": "worker", "facets": ["rater", "item"], "rating": "x"}
    with pytest.raises(DataError, match="CPI-E011"):
        estimate_generalizability(ratings, **{**names, "target": "nobody"})
    with pytest.raises(DataError, match="CPI-E045"):
        estimate_generalizability(ratings, **names, effects=["worker", "judge"])
    with pytest.raises(DataError, match="CPI-E024"):
        estimate_generalizability(ratings, **names, goal=1.5)
    with pytest.raises(DataError, match="CPI-E032"):
        estimate_generalizability(ratings, **{**names, "facets": ["item"]}, groups=["rater"])
    one = ratings[(ratings["rater"] == 0) & (ratings["item"] == 0)]
    with pytest.raises(ModelError, match="more than one rating"):
        estimate_generalizability(one, **names)
    with pytest.raises(ModelError, match="CPI-M008"):
        estimate_generalizability(ratings, **{**names, "facets": []})


# agencies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "n_agencies"), [("lq_multilevel", 49), ("lq14_multilevel", 14)])
def test_agency_level_agrees_with_multilevel(name, n_agencies):
    expected = reference_json("fidelity/ref_gtheory.json")[name]
    data = pd.read_csv(reference_path("fidelity/lq2002.csv"))
    data = data[data["COMPID"].isin(sorted(data["COMPID"].unique())[:n_agencies])]
    items = [column for column in data if column.startswith("LEAD")]
    result = estimate_agency_level(data, items=items, agency="COMPID", n_options=5)
    assert pick(result, "icc_1") == pytest.approx(expected["icc1"], abs=EXACT)
    assert pick(result, "icc_2") == pytest.approx(expected["icc2"], abs=EXACT)
    share = expected["reml_between"] / (expected["reml_between"] + expected["reml_within"])
    assert pick(result, "icc_reml") == pytest.approx(share, abs=LME4_STOPS)
    if "rwg" in expected:
        table = result.tidy()
        agencies = table[table["quantity"] == "agency_mean"].set_index("agency_id")
        agencies = agencies.loc[expected["group"]]
        assert agencies["n"].tolist() == expected["gsize"]
        assert agencies["rwg"].to_numpy() == pytest.approx(np.array(expected["rwg"]), abs=EXACT)
        assert agencies["rwg_j"].to_numpy() == pytest.approx(np.array(expected["rwgj"]), abs=EXACT)


def test_agencies_by_hand():
    # Scores 4.5, 5 and 1.5, 2: B = 9, W = 0.125; rwg = 1 - 0.125 / 2.
    data = pd.DataFrame({"a": ["x", "x", "y", "y"], "i": [4, 5, 1, 2], "j": [5, 5, 2, 2]})
    result = estimate_agency_level(data, items=["i", "j"], agency="a", n_options=5)
    assert pick(result, "icc_1") == pytest.approx((9 - 0.125) / (9 + 0.125))
    assert pick(result, "icc_2") == pytest.approx((9 - 0.125) / 9)
    assert pick(result, "rwg_median") == pytest.approx(1 - 0.125 / 2)
    # Items' variances 0.5 and 0, mean 0.25: m = 0.875, 2 m / (2 m + 0.125).
    assert pick(result, "rwg_j_median") == pytest.approx(1.75 / 1.875)


def test_agencies_with_one_person_each_are_refused():
    data = pd.DataFrame({"a": ["x", "y", "z"], "i": [1, 2, 3]})
    with pytest.raises(ModelError, match="two people"):
        estimate_agency_level(data, items=["i"], agency="a", n_options=5)
    same = pd.DataFrame({"a": ["x", "x", "y", "y"], "i": [3, 3, 3, 3]})
    with pytest.raises(ModelError, match="all scores are the same"):
        estimate_agency_level(same, items=["i"], agency="a", n_options=5)


def test_sheets_about_agencies_are_one_per_rater_and_agency():
    items = ("cpi_a_1", "cpi_a_2")
    ratings = pd.concat(
        make_ratings({(agency, "worker"): answers}, items=items, target_level="agency").assign(
            rater_id=rater
        )
        for agency, rater, answers in (
            ("A1", "W1", [5, 4]),
            ("A1", "W2", [4, "not_observed"]),
            ("A2", "W3", [1, 2]),
        )
    )
    trial = make_trial(ratings)
    sheets = build_agency_sheets(trial, source="worker", domain="cpi_a")
    assert sheets["agency_id"].tolist() == ["A1", "A1", "A2"]
    assert sheets["cpi_a_1"].tolist() == [5, 4, 1]
    # What was not observed is no low answer.
    assert np.isnan(sheets["cpi_a_2"][1])
    with pytest.raises(DataError, match="CPI-E045"):
        build_agency_sheets(trial, source="worker", domain="cpi_p")
    with pytest.raises(DataError, match="CPI-E045"):
        build_agency_sheets(trial, source="nobody", domain="cpi_a")
