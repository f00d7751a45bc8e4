"""The three analyses of the report: reliability by domain, agreement of sources, bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity import (
    build_fidelity_bands,
    build_fidelity_items,
    build_source_scores,
    estimate_alpha,
    estimate_domain_reliability,
    estimate_icc,
    estimate_source_agreement,
)
from cpi_analysis.fidelity.source_agreement import compute_clustered_mean
from tests.fidelity.small_trial import SOURCES, make_ratings, make_trial, simulate_ratings

N_TARGETS = 40
EXACT = 1e-10


@pytest.fixture(scope="module")
def trial():
    names = tuple(f"P{number}" for number in range(1, N_TARGETS + 1))
    ratings = simulate_ratings(N_TARGETS, seed=4)
    # The researcher saw only some; one worker skipped an item.
    unseen = (ratings["source"] == "researcher") & ratings["target_id"].isin(names[:15])
    ratings = ratings[~unseen].reset_index(drop=True)
    ratings.loc[0, "rating"] = np.nan
    barriers = make_ratings({("P1", "worker"): (1, 5)}, items=("cpi_b_1", "cpi_b_2"))
    return make_trial(pd.concat([ratings, barriers]), participants=names)


def test_every_domain_and_source_has_the_alpha_of_its_items(trial):
    result = estimate_domain_reliability(trial)
    table = result.tidy()
    assert table["source"].tolist() == list(SOURCES)
    for row in table.itertuples():
        items = build_fidelity_items(trial, source=row.source, domain="cpi_p")
        alone = estimate_alpha(items).tidy().iloc[0]
        assert row.estimate == alone["estimate"]
        assert row.n == alone["n"]
    assert table["n"].tolist() == [N_TARGETS - 1, N_TARGETS, N_TARGETS - 15]
    assert (result.n_participants, result.n_agencies) == (N_TARGETS, 2)


def test_formative_domains_have_no_alpha_and_it_is_said(trial):
    result = estimate_domain_reliability(trial)
    assert not result.tidy()["scale"].str.contains("Barriers").any()
    assert any("Barriers" in note and "formative" in note for note in result.notes)


def test_a_domain_that_cannot_be_estimated_is_named():
    sheets = {(f"P{k}", "worker"): (k, 5 - k, k, k, k) for k in range(1, 5)}
    constant = {(f"P{k}", "participant"): (3, 3, 3, 3, 3) for k in range(1, 5)}
    result = estimate_domain_reliability(make_trial(make_ratings({**sheets, **constant})))
    assert result.tidy()["source"].tolist() == ["worker"]
    assert any("by participant: no alpha" in note for note in result.notes)
    with pytest.raises(ModelError, match="CPI-M008"):
        estimate_domain_reliability(make_trial(make_ratings(constant)))


def test_agreement_is_the_icc_of_the_source_scores(trial):
    result = estimate_source_agreement(trial)
    scores = build_source_scores(trial).dropna()
    long = scores.reset_index().melt("target_id", var_name="source", value_name="score")
    table = result.tidy()
    for form in ("ICC(A,1)", "ICC(A,k)", "ICC(C,k)"):
        alone = estimate_icc(long, target="target_id", rater="source", rating="score", form=form)
        row = table[table["form"] == form].iloc[0]
        assert row["estimate"] == alone.tidy()["estimate"][0]
        assert (row["n"], row["n_raters"]) == (N_TARGETS - 15, 3)
    assert result.n_missing == 15


def test_biases_add_up_to_nothing_and_find_the_lenient_source(trial):
    table = estimate_source_agreement(trial).tidy()
    bias = table[table["quantity"] == "bias"].set_index("source")["estimate"]
    assert bias.sum() == pytest.approx(0, abs=EXACT)
    assert bias.idxmax() == "worker"


def test_agreement_says_who_was_observed_and_that_sources_differ(trial):
    said = " ".join(estimate_source_agreement(trial).notes)
    assert "not interchangeable" in said
    assert "researcher 25" in said
    assert "25 of 40" in said


def test_interval_of_a_bias_is_robust_to_agencies():
    rng = np.random.default_rng(8)
    clusters = np.repeat(np.arange(6), [3, 5, 4, 6, 2, 8])
    values = rng.normal(size=6)[clusters] + rng.normal(size=len(clusters))
    mean, low, high = compute_clustered_mean(values, clusters, confidence_level=0.95)
    # statsmodels' cluster covariance of an intercept; for one column its correction is
    # G / (G - 1) as well.
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
    )
    assert mean == pytest.approx(fit.params[0], abs=EXACT)
    assert [low, high] == pytest.approx(fit.conf_int()[0].tolist(), abs=EXACT)


def test_one_source_or_no_overlap_has_no_agreement():
    ratings = make_ratings(
        {
            ("P1", "worker"): (1, 2, 3, 4, 5),
            ("P2", "worker"): (2, 2, 3, 4, 5),
            ("P3", "participant"): (3, 2, 3, 4, 5),
        }
    )
    with pytest.raises(ModelError, match="one source"):
        estimate_source_agreement(make_trial(ratings, sources=("worker",)))
    with pytest.raises(ModelError, match="0 of 3 targets"):
        estimate_source_agreement(make_trial(ratings, sources=("worker", "participant")))


def band_trial(levels: dict[str, int], **changes: object):
    sheets = {
        (target, source): (level,) * 5
        for target, level in levels.items()
        for source in ("worker", "participant")
    }
    return make_trial(make_ratings(sheets), **changes)


def test_bands_count_from_their_own_cut_up():
    # 1 is 0%, 3 is 50% (low ends at 51), 4 is 75%, 5 is 100%.
    result = build_fidelity_bands(band_trial({"P1": 1, "P2": 3, "P3": 4, "P4": 5}))
    table = result.tidy().set_index("group")
    assert table["n"].to_dict() == {"low": 2, "moderate": 1, "high": 1, "all": 4}
    assert table.loc["low", "proportion"] == 0.5
    assert table.loc["all", "mean"] == 56.25
    assert table.loc["all", "median"] == 62.5


def test_a_score_on_the_cut_belongs_to_the_upper_band():
    sheets = {
        ("P1", source): answers
        for source, answers in {
            "worker": (4, 4, 4, 4, 5),
            "participant": (4, 4, 4, 4, 5),
        }.items()
    }
    table = build_fidelity_bands(make_trial(make_ratings(sheets))).tidy().set_index("group")
    assert table["n"].to_dict() == {"low": 0, "moderate": 0, "high": 1, "all": 1}


def test_bands_say_that_cuts_are_assumed_and_who_has_no_score():
    ratings = make_ratings(
        {
            ("P1", "worker"): (5, 5, 5, 5, 5),
            ("P1", "participant"): (5, 5, 5, 5, 5),
            ("P2", "worker"): (5, 5, 5, 5, 5),
        }
    )
    said = " ".join(build_fidelity_bands(make_trial(ratings, cutoff=70.0)).notes)
    assert "1 rated targets have no score" in said
    assert "assumed" in said
    assert "cuts elsewhere, at 70%" in said


def test_bands_without_any_score_are_refused():
    ratings = make_ratings({("P1", "worker"): (5, 5, 5, 5, 5)})
    with pytest.raises(ModelError, match="CPI-M008"):
        build_fidelity_bands(make_trial(ratings))


def test_figures_name_their_axes(trial):
    for result in (
        estimate_domain_reliability(trial),
        estimate_source_agreement(trial),
        build_fidelity_bands(trial),
    ):
        ax = result.plot()
        assert ax.get_xlabel()
        assert ax.get_title() == ""
        import matplotlib.pyplot as plt

        plt.close(ax.figure)


def test_summaries_are_one_sentence_with_the_numbers(trial):
    assert "(domains: 1, sources: 3)." in estimate_domain_reliability(trial).summary()
    assert "in 25 targets" in estimate_source_agreement(trial).summary()
    assert build_fidelity_bands(trial).summary().startswith("Of 40 with a fidelity score: ")


def test_an_item_against_the_rest_of_its_domain_is_named(trial):
    names = tuple(f"P{number}" for number in range(1, N_TARGETS + 1))
    ratings = simulate_ratings(N_TARGETS, seed=4)
    turned = (ratings["item"] == "cpi_p_2") & (ratings["source"] == "worker")
    ratings.loc[turned, "rating"] = 6 - ratings.loc[turned, "rating"]
    said = estimate_domain_reliability(make_trial(ratings, participants=names)).notes
    assert sum("by worker: Negative item-rest correlation: cpi_p_2." in note for note in said) == 1
    assert not any("item-rest" in note for note in estimate_domain_reliability(trial).notes)


def test_agreement_in_few_targets_is_said():
    names = tuple(f"P{number}" for number in range(1, 9))
    result = estimate_source_agreement(make_trial(simulate_ratings(8, seed=1), participants=names))
    assert any("Fewer than 10 targets" in note for note in result.notes)


def test_targets_are_called_what_they_are(trial):
    for result in (
        estimate_domain_reliability(trial),
        estimate_source_agreement(trial),
        build_fidelity_bands(trial),
    ):
        assert result.n_participants is not None
        workers = replace(result, n_participants=None, target_level="worker")
        count = f"{result.n_participants} workers; {result.n_agencies} agencies"
        assert count in repr(workers)
        assert "participants;" not in repr(workers)
