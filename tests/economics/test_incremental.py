"""Incremental cost, effect and net benefit: hand-worked, golden and property tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import compute_icer, estimate_incremental, fit_incremental_models
from cpi_analysis.economics.comparison import build_comparison
from cpi_analysis.economics.incremental_notes import compute_closed_form_covariance
from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.inference.weighted_regression import compute_cluster_influence
from tests.reference import reference_json, reference_path

# The reference values carry 15 digits; least squares loses a few of them.
GOLDEN = 1e-9
# Monte Carlo error of a standard deviation from 10,000 draws is 0.7%; three of them.
MONTE_CARLO = 0.021


def _people(seed=1, agencies=12, size=8):
    """Two groups of agencies with skewed costs and an agency effect."""
    rng = np.random.default_rng(seed)
    agency = np.repeat(np.arange(agencies), size)
    arm = (agency % 2).astype(int)
    baseline = rng.gamma(2.0, 800.0, agency.size)
    shared = rng.normal(0, 300, agencies)[agency]
    cost = rng.gamma(2.0, 1000.0, agency.size) + 0.5 * baseline + 1500 * arm + np.abs(shared)
    effect = 0.5 + 0.1 * arm + rng.normal(0, 0.2, agency.size)
    return pd.DataFrame(
        {
            "person": [f"p{i:03}" for i in range(agency.size)],
            "agency": [f"a{i:02}" for i in agency],
            "arm": arm,
            "group": np.where(arm == 1, "new", "usual"),
            "cost": cost,
            "qaly": effect,
            "cost_before": baseline,
            "sector": np.where(rng.random(agency.size) < 0.5, "nhs", "charity"),
        }
    )


def _estimate(data, **changes):
    settings = {
        "cost": "cost",
        "effect": "qaly",
        "arm": "arm",
        "cluster": "agency",
        "replicates": 1000,
        "seed": 1,
        "thresholds": [20_000.0, 30_000.0],
    }
    return estimate_incremental(data, **(settings | changes))


def _pbs(**changes):
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    settings = {"arm": "trt", "cluster": "site", "replicates": 10_000} | changes
    return _estimate(data, **settings)


def _row(result, quantity, threshold=None):
    return result.point(quantity, threshold)


# hand-worked -----------------------------------------------------------------------------------


def test_four_agencies_by_hand():
    """Costs 500, 300 against 200, 400 (agency means); effects .7, .6 against .6, .5.

    ΔC = 400 − 300 = 100, ΔE = .65 − .55 = .1, INB(20,000) = 2,000 − 100 = 1,900.
    Variance of ΔC: Σ dev²/(K(K − 1)) = (100² + 100²)/2 twice = 20,000; of ΔE: (2 × .05²)/2
    twice = .005. Covariance: (100 × .05 × 2)/2 + (−100 × .05 × 2)/2 = 0.
    """
    data = pd.DataFrame(
        {
            "agency": ["a", "b", "c", "d"] * 2,
            "arm": [1, 1, 0, 0] * 2,
            "cost": [510.0, 310.0, 210.0, 410.0, 490.0, 290.0, 190.0, 390.0],
            "qaly": [0.71, 0.62, 0.63, 0.54, 0.69, 0.58, 0.57, 0.46],
        }
    )
    result = _estimate(data, replicates=20_000, thresholds=[20_000])
    assert _row(result, "delta_cost")["estimate"] == pytest.approx(100)
    assert _row(result, "delta_effect")["estimate"] == pytest.approx(0.1)
    assert _row(result, "inb")["estimate"] == pytest.approx(1900)
    assert _row(result, "delta_cost")["std_error"] == pytest.approx(20_000**0.5, rel=MONTE_CARLO)
    assert _row(result, "delta_effect")["std_error"] == pytest.approx(0.005**0.5, rel=MONTE_CARLO)
    assert result.covariance[0, 1] == pytest.approx(0, abs=0.02 * (20_000 * 0.005) ** 0.5)
    assert set(result.tidy()["df"]) == {2.0}
    # t(.975; 2) = 4.3027 (tables)
    row = _row(result, "delta_cost")
    assert row["conf_high"] - row["estimate"] == pytest.approx(4.3027 * row["std_error"], rel=1e-4)
    assert any("£141.4" in note and "(exactly)" in note for note in result.notes)


# golden: PBS, a cluster trial (R: lm, clubSandwich) -------------------------------------------


def test_pbs_unadjusted_complete_cases():
    result = _pbs(thresholds=[20_000, 30_000])
    raw = reference_json("economics/pbs_expected.json")["raw"]
    assert result.n_participants == sum(raw["n"]) == 204
    assert result.n_agencies == 23
    assert set(result.tidy()["df"]) == {21.0}
    delta_cost = raw["mean_c"][1] - raw["mean_c"][0]
    delta_effect = raw["mean_e"][1] - raw["mean_e"][0]
    assert _row(result, "delta_cost")["estimate"] == pytest.approx(delta_cost, rel=GOLDEN)
    assert _row(result, "delta_effect")["estimate"] == pytest.approx(delta_effect, rel=GOLDEN)
    # Published with the reference: 2,663.914, .120702, 22,070.18, −249.87, 957.15.
    assert delta_cost == pytest.approx(2663.914, abs=5e-4)
    assert compute_icer(result).icer == pytest.approx(22_070.18, abs=5e-3)
    assert _row(result, "inb", 20_000)["estimate"] == pytest.approx(-249.87, abs=5e-3)
    assert _row(result, "inb", 30_000)["estimate"] == pytest.approx(957.15, abs=5e-3)


ADJUSTED = {"covariates": {"cost": ["c1"], "effect": ["e1"]}}


def test_pbs_adjusted_for_baseline():
    result = _pbs(**ADJUSTED)
    expected = reference_json("economics/pbs_expected.json")["stacked_ols"]
    assert _row(result, "delta_cost")["estimate"] == pytest.approx(expected["dc"], rel=GOLDEN)
    assert _row(result, "delta_effect")["estimate"] == pytest.approx(expected["de"], rel=GOLDEN)
    assert expected["dc"] == pytest.approx(1943.74, abs=5e-3)
    assert expected["de"] == pytest.approx(0.075948, abs=5e-7)


def test_pbs_influence_of_the_sites_gives_the_covariance_of_clubsandwich():
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    comparison = build_comparison(
        data, cost="cost", effect="qaly", arm="trt", cluster="site", **ADJUSTED
    )
    influence = np.column_stack(
        [
            compute_cluster_influence(design, values, comparison.clusters, n_clusters=23)[:, 1]
            for design, values in (
                (comparison.cost_design, comparison.cost),
                (comparison.effect_design, comparison.effect),
            )
        ]
    )
    robust = reference_json("economics/pbs_expected.json")["stacked_ols"]["robust"]
    expected = np.array(robust["CR0"]["vcov_dc_de"])
    assert influence.T @ influence == pytest.approx(expected, rel=GOLDEN)


def test_pbs_resampled_errors_lie_between_the_robust_ones():
    """No package gives Rao-Wu errors for regressions: they must lie near CR1 to CR3 of R."""
    result = _pbs(**ADJUSTED)
    robust = reference_json("economics/pbs_expected.json")["stacked_ols"]["robust"]
    low, high = (np.sqrt(np.diag(robust[kind]["vcov_dc_de"])) for kind in ("CR1", "CR3"))
    found = np.sqrt(np.diag(result.covariance))
    assert (found > low * (1 - MONTE_CARLO)).all()
    assert (found < high * (1 + MONTE_CARLO)).all()


def test_pbs_agency_means_give_the_two_sample_t_test():
    """With one row per site the closed form is that of Welch; K is 12 and 11."""
    data = pd.read_csv(reference_path("economics/pbs_wide.csv")).dropna(subset=["qaly", "cost"])
    sites = data.groupby(["site", "trt"], as_index=False)[["cost", "qaly"]].mean()
    expected = reference_json("economics/pbs_expected.json")["cluster_means_t"]
    result = _estimate(sites, arm="trt", cluster="site", replicates=10_000)
    assert _row(result, "delta_cost")["estimate"] == pytest.approx(expected["cost"]["est"])
    assert _row(result, "delta_effect")["estimate"] == pytest.approx(expected["qaly"]["est"])
    variances = (
        sites.groupby("trt")[["cost", "qaly"]].var()
        / sites.groupby("trt")[["cost", "qaly"]].count()
    )
    assert _row(result, "delta_cost")["std_error"] == pytest.approx(
        variances["cost"].sum() ** 0.5, rel=MONTE_CARLO
    )
    assert _row(result, "delta_effect")["std_error"] == pytest.approx(
        variances["qaly"].sum() ** 0.5, rel=MONTE_CARLO
    )


def test_glick_individual_trial_without_agencies():
    """500 people (Glick and others' teaching data): R's unpooled variances of the means."""
    data = pd.read_csv(reference_path("economics/glick_trial.csv"))
    simple = reference_json("economics/glick_expected.json")["simple"]
    result = _estimate(data, arm="treat", cluster=None, replicates=10_000)
    assert result.n_agencies is None
    assert set(result.tidy()["df"]) == {498.0}
    assert _row(result, "delta_cost")["estimate"] == pytest.approx(simple["dc"], rel=GOLDEN)
    assert _row(result, "delta_effect")["estimate"] == pytest.approx(simple["de"], rel=GOLDEN)
    comparison = build_comparison(
        data, cost="cost", effect="qaly", arm="treat", cluster=None, covariates=[]
    )
    closed = compute_closed_form_covariance(comparison)
    unpooled = simple["unpooled"]
    assert closed[0, 0] == pytest.approx(unpooled["var_dc"], rel=GOLDEN)
    assert closed[1, 1] == pytest.approx(unpooled["var_de"], rel=GOLDEN)
    assert closed[0, 1] == pytest.approx(unpooled["cov"], rel=GOLDEN)
    assert _row(result, "delta_cost")["std_error"] == pytest.approx(
        unpooled["var_dc"] ** 0.5, rel=MONTE_CARLO
    )
    assert _row(result, "inb", 20_000)["estimate"] == pytest.approx(824.181588590147, rel=GOLDEN)


# properties ------------------------------------------------------------------------------------


def test_the_order_of_the_rows_does_not_matter():
    data = _people()
    shuffled = data.sample(frac=1, random_state=3).reset_index(drop=True)
    first, second = (
        _estimate(rows, covariates=["cost_before", "sector"]) for rows in (data, shuffled)
    )
    pd.testing.assert_frame_equal(first.draws, second.draws, rtol=1e-9)
    pd.testing.assert_frame_equal(first.tidy(), second.tidy(), rtol=1e-9)


def test_pence_for_pounds_scale_cost_and_ratio_by_a_hundred():
    data = _people()
    pounds = _estimate(data, covariates=["cost_before"])
    pence = _estimate(
        data.assign(cost=data["cost"] * 100, cost_before=data["cost_before"] * 100),
        covariates=["cost_before"],
    )
    assert compute_icer(pence).icer == pytest.approx(100 * compute_icer(pounds).icer)
    assert pence.draws["delta_cost"].to_numpy() == pytest.approx(
        100 * pounds.draws["delta_cost"].to_numpy()
    )


def test_swapping_the_groups_turns_every_sign_exactly():
    data = _people()
    forward = _estimate(data, arm="group", target="new", reference="usual")
    backward = _estimate(data, arm="group", target="usual", reference="new")
    for column in ("delta_cost", "delta_effect"):
        assert forward.draws[column].to_numpy() == pytest.approx(
            -backward.draws[column].to_numpy(), rel=1e-8
        )
    assert _row(forward, "inb", 20_000)["estimate"] == pytest.approx(
        -_row(backward, "inb", 20_000)["estimate"]
    )
    assert _row(forward, "delta_cost")["conf_low"] == pytest.approx(
        -_row(backward, "delta_cost")["conf_high"]
    )


def test_words_and_numbers_name_the_same_groups():
    data = _people()
    by_number = _estimate(data)
    by_word = _estimate(data, arm="group", target="new", reference="usual")
    assert by_word.tidy()["estimate"].tolist() == by_number.tidy()["estimate"].tolist()
    assert by_word.summary().startswith("new minus usual: cost £")


def test_the_net_benefit_of_a_draw_is_linear():
    result = _estimate(_people())
    benefit = 20_000 * result.draws["delta_effect"] - result.draws["delta_cost"]
    assert _row(result, "inb", 20_000)["std_error"] == pytest.approx(benefit.std())


def test_the_same_seed_gives_the_same_bytes():
    first, again, other = (_estimate(_people(), seed=seed).draws for seed in (5, 5, 6))
    assert first.to_numpy().tobytes() == again.to_numpy().tobytes()
    assert not first.equals(other)


def test_the_number_of_agencies_sets_the_degrees_of_freedom():
    assert set(_estimate(_people(agencies=14)).tidy()["df"]) == {12.0}


def test_one_list_of_covariates_is_used_for_both_equations():
    data = _people()
    both = _estimate(data, covariates=["cost_before"])
    named = _estimate(data, covariates={"cost": ["cost_before"], "effect": ["cost_before"]})
    assert both.draws.equals(named.draws)


# a contrast within agencies ---------------------------------------------------------------------


def test_groups_within_agencies_form_one_stratum_and_the_note_says_so():
    data = _people(agencies=14)
    data["band"] = np.where(np.arange(len(data)) % 4 == 0, "high", "low")
    result = _estimate(data, arm="band", target="high", reference="low")
    # Agencies have 8 participants, every fourth is in the high band.
    assert any(
        note.startswith("14 of 14 agencies have participants in both groups")
        for note in result.notes
    )
    assert not any("check that this is meant" in note for note in result.notes)
    assert "over all agencies" in result.method
    assert set(result.tidy()["df"]) == {12.0}


def test_replicates_without_one_group_are_drawn_again_and_said():
    data = _people(agencies=14)
    is_high = data["agency"].isin(["a00", "a01", "a02", "a03"]) & (np.arange(len(data)) % 2 == 0)
    data["band"] = np.where(is_high, "high", "low")
    result = _estimate(data, arm="band", target="high", reference="low")
    # (10/14)^13 = 1.26% of the replicates hold none of the four agencies.
    note = next(note for note in result.notes if "drawn again" in note)
    assert 3 <= int(note.split()[0]) <= 27
    assert any("occurs in 4 agencies only" in note for note in result.notes)
    assert np.isfinite(result.draws.to_numpy()).all()


def test_a_group_in_too_few_agencies_is_refused():
    data = _people(agencies=14)
    is_high = data["agency"].isin(["a00", "a01"]) & (np.arange(len(data)) % 2 == 0)
    data["band"] = np.where(is_high, "high", "low")
    with pytest.raises(ModelError) as caught:
        _estimate(data, arm="band", target="high", reference="low")
    assert caught.value.codes == ("CPI-M001",)


# missing data ----------------------------------------------------------------------------------


def test_who_is_left_out_is_said():
    data = _people()
    data.loc[[0, 1], "qaly"] = np.nan
    data.loc[[9], "cost_before"] = np.nan
    result = _estimate(data, covariates=["cost_before"])
    assert result.n_participants == len(data) - 3
    note = next(note for note in result.notes if "left out" in note)
    assert note.startswith("3 of 96 participants")
    assert "qaly 2" in note
    assert "cost_before 1" in note


def test_groups_that_are_not_compared_are_said():
    data = _people()
    data.loc[:4, "group"] = "third"
    result = _estimate(data, arm="group", target="new", reference="usual")
    assert result.notes[0].startswith("5 participants belong to neither")


# bad input -------------------------------------------------------------------------------------


def _one_agency(data):
    return data[(data["arm"] == 0) | (data["agency"] == "a01")]


@pytest.mark.parametrize(
    ("change", "settings", "error", "code"),
    [
        (lambda d: d, {"seed": None}, DataError, "CPI-E047"),
        (lambda d: d, {"method": "bca"}, DataError, "CPI-E045"),
        (lambda d: d, {"thresholds": [30_000, 20_000]}, DataError, "CPI-E045"),
        (lambda d: d, {"thresholds": [-1, 20_000]}, DataError, "CPI-E024"),
        (lambda d: d, {"headline_threshold": 25_000}, DataError, "CPI-E045"),
        (lambda d: d, {"confidence_level": 95}, DataError, "CPI-E024"),
        (lambda d: d, {"arm": "group"}, DataError, "CPI-E047"),
        (lambda d: d, {"arm": "group", "target": "new", "reference": "old"}, DataError, "CPI-E038"),
        (lambda d: d, {"covariates": "cost_before"}, DataError, "CPI-E045"),
        (lambda d: d, {"covariates": {"costs": ["cost_before"]}}, DataError, "CPI-E045"),
        (lambda d: d, {"covariates": ["arm"]}, ModelError, "CPI-M002"),
        (lambda d: d, {"covariates": ["weight"]}, DataError, "CPI-E011"),
        (lambda d: d.assign(cost=-d["cost"]), {}, DataError, "CPI-E024"),
        (lambda d: d.assign(qaly=np.inf), {}, DataError, "CPI-E024"),
        (lambda d: d.assign(qaly="much"), {}, DataError, "CPI-E020"),
        (lambda d: d.assign(qaly=0.7), {}, ModelError, "CPI-M003"),
        (lambda d: d.assign(qaly=np.nan), {}, DataError, "CPI-E038"),
        (lambda d: d[d["arm"] == 1], {}, DataError, "CPI-E038"),
        (lambda d: d.assign(cost=np.inf), {}, DataError, "CPI-E024"),
        (lambda d: d, {"replicates": 1e3}, DataError, "CPI-E021"),
        (lambda d: d, {"replicates": True}, DataError, "CPI-E021"),
        (lambda d: d, {"replicates": "1000"}, DataError, "CPI-E021"),
        (lambda d: d, {"replicates": 99}, DataError, "CPI-E024"),
        (lambda d: pd.concat([d, d[["cost", "qaly"]]], axis=1), {}, DataError, "CPI-E006"),
        (_one_agency, {}, ModelError, "CPI-M001"),
        (lambda d: d.assign(agency=d["agency"].where(d.index > 3)), {}, DataError, "CPI-E014"),
    ],
)
def test_what_cannot_be_analysed_is_refused_with_a_cure(change, settings, error, code):
    with pytest.raises(error) as caught:
        _estimate(change(_people()), **settings)
    assert code in caught.value.codes
    assert all(fault.cure for fault in caught.value.faults)


def test_an_unavailable_method_names_those_that_are():
    with pytest.raises(DataError, match="rao_wu"):
        _estimate(_people(), method="bayes")


def test_columns_that_are_there_twice_are_named():
    data = _people()
    with pytest.raises(DataError) as caught:
        _estimate(pd.concat([data, data[["cost", "arm"]]], axis=1))
    assert {fault.column for fault in caught.value.faults} == {"cost", "arm"}


def test_an_error_about_collinear_covariates_names_no_level():
    data = _people()
    data["secret"] = np.where(data["arm"] == 1, "level-of-someone", "other")
    with pytest.raises(ModelError) as caught:
        _estimate(data, covariates=["secret"])
    assert "secret" in str(caught.value)
    assert "level-of-someone" not in str(caught.value)


# what it shows ---------------------------------------------------------------------------------


def test_the_summary_gives_net_benefit_interval_and_probability():
    result = _estimate(_people(), headline_threshold=20_000, effect_label="QALY")
    words = result.summary()
    assert "At £20,000 per QALY the incremental net benefit is £" in words
    assert "95% CI" in words
    share = np.mean(20_000 * result.draws["delta_effect"] > result.draws["delta_cost"])
    assert result.probability == share


def test_the_plane_has_labels_and_every_quadrant():
    axes = _estimate(_people(), headline_threshold=20_000).plot()
    assert axes.get_xlabel() == "Difference in QALY"
    assert axes.get_ylabel() == "Difference in cost (£)"
    assert len(axes.texts) == 4


def test_the_words_of_the_quadrants_have_a_white_ground_and_cover_no_dot():
    axes = _estimate(_people(), headline_threshold=20_000).plot()
    axes.figure.canvas.draw()
    dots = axes.transData.transform(axes.collections[0].get_offsets())
    line = next(line for line in axes.lines if "per QALY" in str(line.get_label()))
    for text in axes.texts:
        assert text.get_bbox_patch().get_facecolor() == (1, 1, 1, 1)
        assert text.get_zorder() > line.get_zorder()
        ground = text.get_window_extent()
        assert not any(ground.contains(*dot) for dot in dots)


def test_every_row_says_its_unit():
    result = _estimate(_people())
    units = result.tidy().set_index("quantity")["unit"]
    assert units["delta_cost"] == "GBP"
    assert units["delta_effect"] == "QALY"
    assert set(units["inb"]) == {"GBP"}
    assert "thresholds in GBP per QALY" in repr(result)
    assert "thresholds in GBP per days at home" in repr(
        _estimate(_people(), effect_label="days at home")
    )
    models = fit_incremental_models(
        _people(), cost="cost", effect="qaly", arm="arm", cluster="agency"
    )
    assert models.tidy()["unit"].tolist() == ["GBP", "QALY"]
    ratio = compute_icer(result).tidy().set_index("quantity")["unit"]
    assert ratio["icer"] == "GBP per QALY"


def test_a_column_names_its_effect_in_words():
    data = _people().rename(columns={"qaly": "days_at_home"})
    result = _estimate(data, effect="days_at_home")
    assert result.effect_label == "days at home"
    assert "mean days at home" in result.estimand


def test_few_replicates_are_said_to_be_rough():
    def rough(replicates):
        notes = _estimate(_people(), replicates=replicates).notes
        return [note for note in notes if "rough" in note]

    # The standard error of a standard deviation from n draws is 1/sqrt(2n): 5% with 200.
    assert "200 replicates" in rough(200)[0]
    assert "about 5%" in rough(200)[0]
    assert rough(1000) == []


def test_one_person_in_the_wrong_group_is_counted_and_said():
    data = _people()
    data.loc[0, "arm"] = 1 - data.loc[0, "arm"]
    result = _estimate(data)
    note = next(note for note in result.notes if "both groups" in note)
    assert note.startswith("1 of 12 agencies has participants in both groups: check")


def test_the_reference_level_of_a_covariate_in_text_is_said_once():
    notes = _estimate(_people(), covariates=["sector"]).notes
    levels = [note for note in notes if note.startswith("sector: ")]
    assert len(levels) == 1
    assert "'charity'" in levels[0]
    assert not [note for note in _estimate(_people()).notes if note.startswith("sector")]


def test_the_check_of_the_standard_errors_is_a_sentence_with_units():
    note = next(note for note in _estimate(_people()).notes if note.startswith("Check: "))
    assert "would give standard errors of £" in note
    assert "for the difference in QALY (" in note
    assert "delta_" not in note


# recovery --------------------------------------------------------------------------------------


def _simulate(rng, n_agencies, icc):
    sizes = rng.integers(6, 31, size=2 * n_agencies)
    agency = np.repeat(np.arange(sizes.size), sizes)
    arm = (agency >= n_agencies).astype(int)
    shared_cost = rng.normal(0, np.sqrt(icc / (1 - icc)) * 2000, sizes.size)
    shared_effect = rng.normal(0, np.sqrt(icc / (1 - icc)) * 0.25, sizes.size)
    # Gamma with standard deviation 2,449 and skewness 1.6, moved up so that no sum is negative.
    cost = 6000 + 500 * arm + rng.gamma(1.5, 2000, agency.size) + shared_cost[agency]
    effect = rng.normal(0.5 + 0.05 * arm, 0.25) + shared_effect[agency]
    return pd.DataFrame({"agency": agency, "arm": arm, "cost": cost, "qaly": effect})


@pytest.mark.slow
@pytest.mark.parametrize(("n_agencies", "icc"), [(6, 0.05), (7, 0.05), (6, 0.15)])
def test_ninety_five_per_cent_intervals_cover_ninety_three_to_ninety_seven(n_agencies, icc):
    """Unequal agencies of 6 to 30, skewed costs; the truth is INB(20k) = 1,000 − 500."""
    rng = np.random.default_rng(20240 + n_agencies)
    trials, covered = 1000, 0
    for _ in range(trials):
        result = _estimate(_simulate(rng, n_agencies, icc), replicates=400, thresholds=[20_000])
        row = _row(result, "inb")
        covered += bool(row["conf_low"] <= 500 <= row["conf_high"])
    # Monte Carlo error of a share of 95% in 1,000 trials: 0.7 percentage points.
    assert 0.93 <= covered / trials <= 0.97
