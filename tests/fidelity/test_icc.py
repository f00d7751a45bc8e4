"""Intraclass correlations: Shrout and Fleiss' table, psych, irr, pingouin, and invariances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import IccResult, estimate_icc
from cpi_analysis.fidelity.mean_squares import FORMS, compute_mean_squares
from tests.reference import reference_json, reference_path

EXACT = 1e-10
#: Shrout & Fleiss 1979, table 2: six targets rated by four judges.
SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]
#: Form, estimate, limits: psych 2.2.9, ICC(lmer = FALSE). The paper prints the estimates as
#: .17, .29, .71, .44, .62, .91.
PSYCH = [
    ("ICC(1,1)", 0.165741768405476, -0.132932324874751, 0.722560062328121),
    ("ICC(A,1)", 0.289763779527559, 0.018786513374712, 0.761084369648953),
    ("ICC(C,1)", 0.714840714840715, 0.342464765033925, 0.94585825995536),
    ("ICC(1,k)", 0.442797133679269, -0.884442155238119, 0.912415420340776),
    ("ICC(A,k)", 0.620050547598989, 0.0711368153025035, 0.927232040167722),
    ("ICC(C,k)", 0.909315542377069, 0.675674713816305, 0.985891678169062),
]


def to_long(matrix: object) -> pd.DataFrame:
    wide = pd.DataFrame(matrix).rename_axis("target")
    return wide.reset_index().melt("target", var_name="rater", value_name="rating")


def estimate(matrix: object, form: str = "all", **changes: object) -> IccResult:
    return estimate_icc(
        to_long(matrix), target="target", rater="rater", rating="rating", form=form, **changes
    )


def simulate_matrix(n: int, k: int, *, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1)) + rng.normal(size=(1, k)) + rng.normal(size=(n, k))


def test_shrout_and_fleiss_by_psych():
    table = estimate(SHROUT_FLEISS).tidy()
    assert table["form"].tolist() == [row[0] for row in PSYCH]
    found = table[["estimate", "conf_low", "conf_high"]].to_numpy()
    assert found == pytest.approx(np.array([row[1:] for row in PSYCH]), abs=EXACT)
    assert table["statistic"][[0, 1]].to_numpy() == pytest.approx(
        [1.79467849223947, 11.0272479564033], abs=EXACT
    )
    assert table["p_value"][[0, 1]].to_numpy() == pytest.approx(
        [0.16476880834464, 0.000134566516484337], abs=EXACT
    )
    assert table[["df1", "df2"]].iloc[[0, 1]].to_numpy().tolist() == [[5, 18], [5, 15]]


def test_mean_squares_of_shrout_and_fleiss():
    # psych's analysis of variance of the same table.
    squares = compute_mean_squares(np.array(SHROUT_FLEISS, dtype=float))
    found = (squares.targets, squares.raters, squares.error, squares.within)
    within = (97.4583333333333 + 15.2916666666667) / 18
    assert found == pytest.approx(
        (11.2416666666667, 32.4861111111111, 1.01944444444444, within), abs=EXACT
    )


@pytest.mark.parametrize("name", ["video", "expsy3_complete"])
def test_other_tables_agree_with_psych_and_irr(name):
    files = {"video": "ext_irr_video.csv", "expsy3_complete": "expsy.csv"}
    matrix = pd.read_csv(reference_path(f"fidelity/{files[name]}"))
    if name == "expsy3_complete":
        matrix = matrix[["r1", "r2", "r3"]]
    expected = reference_json("fidelity/ref_icc.json")[name]
    result = estimate(matrix, method="anova")
    found = result.tidy()[["estimate", "conf_low", "conf_high"]].to_numpy()
    psych = expected["psych_anova"]["results"]
    assert found == pytest.approx(
        np.array([psych["icc"], psych["lower"], psych["upper"]]).T, abs=EXACT
    )
    # irr 0.84.1 agrees but for the limits of ICC(A,k), whose df count k once too often.
    irr = expected["irr_mcgraw_wong"]
    names = ["oneway_consistency_single", "twoway_agreement_single", "twoway_consistency_single"]
    limits = np.array([[irr[key][limit] for limit in ("icc", "lower", "upper")] for key in names])
    assert found[:3] == pytest.approx(limits, abs=EXACT)
    assert result.n_missing == (1 if name == "expsy3_complete" else 0)


def test_points_agree_with_pingouin():
    long = to_long(simulate_matrix(15, 4, seed=5))
    table = pingouin.intraclass_corr(long, targets="target", raters="rater", ratings="rating")
    found = estimate_icc(long, target="target", rater="rater", rating="rating", form="all").tidy()
    assert found["estimate"].to_numpy() == pytest.approx(
        # The labels changed between releases; the order did not.
        table["ICC"].to_numpy(),
        abs=EXACT,
    )
    interval = "CI95" if "CI95" in table else "CI95%"
    rounded = np.stack(table[interval].to_list())
    # pingouin rounds its limits to two decimals.
    assert found[["conf_low", "conf_high"]].to_numpy() == pytest.approx(rounded, abs=5.1e-3)


def test_two_raters_worked_by_hand():
    # Rows 1 2, 3 3, 5 6: R = 49/6, C = 2/3, E = 1/6; ICC(A,k) = 8 / (8 + 1/6 + 1/6) = 0.96.
    row = estimate([[1, 2], [3, 3], [5, 6]], "ICC(A,k)").tidy().iloc[0]
    assert row["estimate"] == pytest.approx(0.96, abs=EXACT)
    assert (row["n"], row["n_raters"]) == (3, 2)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ICC(2,1)", "ICC(A,1)"),
        ("ICC(2,k)", "ICC(A,k)"),
        ("ICC(3,1)", "ICC(C,1)"),
        ("ICC(3,k)", "ICC(C,k)"),
    ],
)
def test_names_of_shrout_and_fleiss_are_understood(old, new):
    pd.testing.assert_frame_equal(
        estimate(SHROUT_FLEISS, old).tidy(), estimate(SHROUT_FLEISS, new).tidy()
    )


@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=25, deadline=None)
def test_no_form_depends_on_order_level_or_unit(seed, factor, shift):
    matrix = simulate_matrix(8, 3, seed=seed)
    columns = ["estimate", "conf_low", "conf_high", "p_value"]
    expected = estimate(matrix).tidy()[columns].to_numpy()
    rng = np.random.default_rng(seed)
    shuffled = matrix[rng.permutation(8)][:, rng.permutation(3)] * factor + shift
    long = to_long(shuffled).sample(frac=1, random_state=seed)
    found = estimate_icc(long, target="target", rater="rater", rating="rating", form="all")
    # Shifts of 100 on ratings near 1, scaled by 0.01, cost four of sixteen digits, twice.
    assert found.tidy()[columns].to_numpy() == pytest.approx(expected, rel=1e-6, abs=1e-7)


@given(seed=st.integers(0, 10_000), shift=st.floats(0.5, 20))
@settings(max_examples=25, deadline=None)
def test_only_agreement_sees_a_rater_who_is_always_higher(seed, shift):
    matrix = simulate_matrix(8, 3, seed=seed)
    shifted = matrix + np.array([0.0, 0.0, shift])
    before, after = (
        estimate(each).tidy().set_index("form")["estimate"] for each in (matrix, shifted)
    )
    for form in ("ICC(C,1)", "ICC(C,k)"):
        assert after[form] == pytest.approx(before[form], abs=1e-9)
    assert after["ICC(A,1)"] != pytest.approx(before["ICC(A,1)"], abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_intervals_cover_the_truth(form):
    # Variances 1 between targets, 0.25 between raters, 1 of error; raters drawn anew each time.
    spread, replicates, covered = 0.5, 1_000, 0
    noise = {"1": spread**2 + 1, "A": spread**2 + 1, "C": 1.0}[form[4]]
    truth = 1 / (1 + (noise / 4 if form.endswith("k)") else noise))
    for seed in range(replicates):
        rng = np.random.default_rng(seed)
        # Under the one-way model every target has raters of its own.
        raters = rng.normal(size=(30, 4) if form[4] == "1" else (1, 4)) * spread
        matrix = rng.normal(size=(30, 1)) + raters + rng.normal(size=(30, 4))
        row = estimate(matrix, form).tidy().iloc[0]
        covered += row["conf_low"] <= truth <= row["conf_high"]
    # Three Monte Carlo standard errors; Satterthwaite's df for A may cost a point more.
    slack = 3 * (0.95 * 0.05 / replicates) ** 0.5 + (0.01 if form[4] == "A" else 0.0)
    assert covered / replicates == pytest.approx(0.95, abs=slack)


def test_perfect_agreement_is_one_and_said():
    result = estimate([[1, 1], [3, 3], [5, 5]])
    table = result.tidy()
    assert (table[["estimate", "conf_low", "conf_high"]].to_numpy() == 1).all()
    assert any("no error" in note for note in result.notes)


def test_perfect_consistency_is_not_perfect_agreement():
    table = estimate([[1, 3], [3, 5], [5, 7]]).tidy().set_index("form")
    assert table.loc["ICC(C,1)", "estimate"] == 1
    # R = 8, C = 6, E = 0, n = 3: 8 / (8 + 2 * 6 / 3)
    assert table.loc["ICC(A,1)", "estimate"] == pytest.approx(8 / 12, abs=EXACT)
    assert table.loc["ICC(A,1)", "conf_low"] < 8 / 12 < table.loc["ICC(A,1)", "conf_high"]


def test_negative_coefficient_is_reported_as_it_is():
    result = estimate([[1, 3], [3, 1], [2, 2.5], [2.5, 2]], "ICC(C,1)")
    assert result.tidy()["estimate"][0] < 0
    assert any("no evidence of agreement" in note for note in result.notes)


def test_incomplete_targets_are_left_out_and_counted():
    matrix = np.array([*SHROUT_FLEISS, [1, 2, 3, np.nan]], dtype=float)
    result = estimate(matrix, "ICC(A,1)", method="anova")
    assert result.tidy()["estimate"][0] == pytest.approx(PSYCH[1][1], abs=EXACT)
    assert result.n_missing == 1
    assert any("1 of 7 targets left out" in note for note in result.notes)


@pytest.mark.parametrize(
    ("matrix", "rule"),
    [
        ([[1.0], [2.0], [3.0]], "one rater"),
        ([[1.0, np.nan], [np.nan, 2.0], [np.nan, 1.0]], "0 of 3 targets were rated by all 2"),
        ([[1.0, 2.0], [2.0, np.nan]], "fewer than two"),
        ([[2.0, 2.0], [2.0, 2.0]], "all ratings are the same"),
        ([[1.0, np.nan], [2.0, np.nan]], "one rater"),
    ],
)
def test_ratings_without_an_agreement_are_refused(matrix, rule):
    with pytest.raises(ModelError, match=rule) as caught:
        estimate(matrix)
    assert caught.value.codes == ("CPI-M008",)


def test_other_bad_input_is_refused():
    long = to_long(SHROUT_FLEISS)
    names = {"target": "target", "rater": "rater", "rating": "rating"}
    with pytest.raises(DataError, match="CPI-E045"):
        estimate_icc(long, **names, form="ICC2")
    with pytest.raises(DataError, match="CPI-E011"):
        estimate_icc(long, **{**names, "rater": "judge"})
    with pytest.raises(DataError, match="CPI-E013"):
        estimate_icc(pd.concat([long, long.head(1)]), **names)
    with pytest.raises(DataError, match="CPI-E020"):
        estimate_icc(long.astype({"rating": "str"}), **names)
    with pytest.raises(DataError, match="CPI-E014"):
        estimate_icc(long.assign(rater=[None, *long["rater"][1:]]), **names)
    with pytest.raises(ModelError, match="CPI-M006"):
        estimate_icc(long.astype({"rating": float}).replace(10.0, np.inf), **names)
    with pytest.raises(DataError, match="CPI-E024"):
        estimate_icc(long, **names, confidence_level=1.0)
    doubled = pd.concat([long, long[["rating"]]], axis=1)
    with pytest.raises(DataError, match="column rating: more than one") as caught:
        estimate_icc(doubled, **names)
    assert caught.value.codes == ("CPI-E006",)
    with pytest.raises(DataError, match="a pandas DataFrame"):
        estimate_icc(long.to_numpy(), **names)


def test_summary_names_form_targets_and_raters():
    summary = estimate(SHROUT_FLEISS, "ICC(A,k)").summary()
    assert summary == "6 targets, 4 raters: ICC(A,k) = 0.62 (95% CI 0.07 to 0.93)."


ONE_WAY = [("ICC(1,1)", *PSYCH[0][1:]), ("ICC(1,k)", *PSYCH[3][1:])]


def own_raters(matrix: object) -> pd.DataFrame:
    """Return the ratings with a rater of its own for each."""
    long = to_long(matrix).dropna()
    return long.assign(rater=[f"r{number}" for number in range(len(long))])


@pytest.mark.parametrize(("form", "value", "low", "high"), ONE_WAY)
def test_one_way_forms_work_when_every_target_has_raters_of_its_own(form, value, low, high):
    names = {"target": "target", "rater": "rater", "rating": "rating", "form": form}
    result = estimate_icc(own_raters(SHROUT_FLEISS), **names)
    row = result.tidy().iloc[0]
    found = [row["estimate"], row["conf_low"], row["conf_high"]]
    assert found == pytest.approx([value, low, high], abs=EXACT)
    assert (row["n"], row["n_raters"], row["df1"], row["df2"]) == (6, 4, 5, 18)
    assert "ratings within targets" in result.method
    # Who rated does not matter to this form: the crossed table has the same coefficient.
    crossed = estimate(SHROUT_FLEISS, form).tidy()
    pd.testing.assert_frame_equal(result.tidy(), crossed)
    nullable = own_raters(SHROUT_FLEISS).convert_dtypes()
    pd.testing.assert_frame_equal(estimate_icc(nullable, **names).tidy(), crossed)


def test_targets_with_another_number_of_ratings_are_left_out_and_counted():
    more = [*SHROUT_FLEISS, [1, 2, np.nan, np.nan], [9, 9, 9, np.nan], [7, 7, 7, np.nan]]
    names = {"target": "target", "rater": "rater", "rating": "rating"}
    result = estimate_icc(own_raters(more), **names, form="ICC(1,1)", method="anova")
    assert result.tidy()["estimate"][0] == pytest.approx(PSYCH[0][1], abs=EXACT)
    assert (result.n_targets, result.n_missing) == (6, 3)
    assert "3 of 9 targets left out: they do not have 4 ratings" in result.notes[0]


def test_one_way_data_without_two_ratings_per_target_are_refused():
    names = {"target": "target", "rater": "rater", "rating": "rating", "form": "ICC(1,1)"}
    with pytest.raises(ModelError, match="no target has two ratings"):
        estimate_icc(own_raters([[1.0], [2.0]]), **names)
    with pytest.raises(ModelError, match="1 target has 2 ratings"):
        estimate_icc(own_raters([[1.0, 2.0], [2.0, np.nan]]), **names)
    crossed = {**names, "form": "ICC(A,1)"}
    with pytest.raises(ModelError, match=r"ask for ICC\(1,1\)"):
        estimate_icc(own_raters(SHROUT_FLEISS), **crossed)


def test_few_targets_and_infinite_statistics_are_pointed_out():
    few, many = (estimate(simulate_matrix(n, 3, seed=1)) for n in (9, 10))
    assert any("Fewer than 10 targets" in note for note in few.notes)
    assert not any("Fewer than" in note for note in many.notes)
    for form in ("ICC(C,k)", "ICC(1,1)"):
        perfect = estimate([[1, 1], [3, 3], [5, 5]], form)
        assert perfect.tidy()["statistic"][0] == np.inf
        assert any("F is infinite" in note for note in perfect.notes)
    assert not any("infinite" in note for note in many.notes)


def test_targets_are_not_called_participants():
    result = estimate(SHROUT_FLEISS, "ICC(A,k)")
    assert result.n_participants is None
    assert result.n_targets == 6
    assert "6 targets; 4 raters" in repr(result)
    assert "participants" not in repr(result)


# REML ------------------------------------------------------------------------------------------

#: lme4 stops near the optimum; psych's coefficients are off the closed form by 1e-6.
LME4_STOPS = 5e-6
#: lme4 1.1-31: targets, raters, error; and the one-way ICC of the table with unequal numbers.
LME4_GAPS = (2.34212360359455, 5.44001783219879, 1.16249288336887)
LME4_ONE_WAY = 0.411823780830508
#: REML of a full table equals the analysis of variance, found here by iteration.
OPTIMUM = 1e-7


def test_ratings_with_a_gap_agree_with_psych():
    # psych 2.2.9, ICC(lmer = TRUE), of 30 targets and 3 raters with one rating missing.
    expected = reference_json("fidelity/ref_icc.json")["expsy3_with_missing_lmer"]["results"]
    matrix = pd.read_csv(reference_path("fidelity/expsy.csv"))[["r1", "r2", "r3"]]
    result = estimate(matrix)
    table = result.tidy().set_index("form").loc[list(FORMS)]
    for ours, theirs in (("estimate", "icc"), ("conf_low", "lower"), ("conf_high", "upper")):
        assert table[ours].to_numpy() == pytest.approx(np.array(expected[theirs]), abs=LME4_STOPS)
    assert (result.n_targets, result.n_missing) == (30, 0)
    assert "REML" in result.method
    assert any("1 ratings of a target" in note for note in result.notes)


# lme4 1.1-31, lmer(rating ~ 1 + (1 | target) + (1 | rater)) of SHROUT_FLEISS without the ratings
# of target 1 by rater 4 and of target 3 by raters 2 and 3, optimiser tolerance 1e-12.
def test_components_of_a_table_with_gaps_agree_with_lme4():
    matrix = np.array(SHROUT_FLEISS, dtype=float)
    matrix[0, 3] = matrix[2, 1] = matrix[2, 2] = np.nan
    table = estimate(matrix).tidy().set_index("form")["estimate"]
    targets, raters, error = LME4_GAPS
    assert table["ICC(A,1)"] == pytest.approx(targets / (targets + raters + error), abs=LME4_STOPS)
    assert table["ICC(C,1)"] == pytest.approx(targets / (targets + error), abs=LME4_STOPS)


def test_reml_of_a_full_table_is_the_analysis_of_variance():
    matrix = simulate_matrix(20, 4, seed=3)
    anova, reml = (estimate(matrix, method=name).tidy() for name in ("anova", "reml"))
    pd.testing.assert_frame_equal(anova, reml, rtol=OPTIMUM, atol=OPTIMUM, check_dtype=False)
    one_way = [
        estimate_icc(
            own_raters(matrix),
            target="target",
            rater="rater",
            rating="rating",
            method=name,
            form="ICC(1,1)",
        ).tidy()["estimate"][0]
        for name in ("anova", "reml")
    ]
    assert one_way[0] == pytest.approx(one_way[1], abs=OPTIMUM)


def test_raters_without_overlap_are_refused_under_reml():
    names = {"target": "target", "rater": "rater", "rating": "rating"}
    with pytest.raises(ModelError, match="not connected") as caught:
        estimate_icc(own_raters(simulate_matrix(6, 2, seed=1)), **names, form="ICC(A,1)")
    assert caught.value.codes == ("CPI-M008",)


def test_unequal_numbers_of_ratings_are_all_used_in_the_one_way_form():
    more = [*SHROUT_FLEISS, [1, 2, np.nan, np.nan], [9, 9, 9, np.nan], [7, 7, 7, np.nan]]
    names = {"target": "target", "rater": "rater", "rating": "rating"}
    result = estimate_icc(own_raters(more), **names, form="ICC(1,1)")
    assert (result.n_targets, result.n_missing, result.n_raters) == (9, 0, 4)
    assert result.tidy()["estimate"][0] == pytest.approx(LME4_ONE_WAY, abs=LME4_STOPS)


def test_a_variance_of_zero_is_flagged():
    wide = simulate_matrix(12, 3, seed=2) * 0.1 + np.array([0.0, 3.0, 6.0])
    wide -= wide.mean(axis=1, keepdims=True)
    wide[0, 0] = np.nan
    result = estimate(wide, "ICC(A,1)")
    assert result.tidy()["estimate"][0] == pytest.approx(0, abs=1e-6)
    assert any("estimated as zero" in note for note in result.notes)
