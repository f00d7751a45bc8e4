"""Content validity against published tables, cut-offs against pROC."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity import compute_content_validity, estimate_cutoff
from cpi_analysis.fidelity.roc import compute_area, compute_delong_variance, count_by_score
from tests.reference import reference_path

ROUNDING = 1e-12


def make_panel(n_experts: int, n_relevant: int) -> pd.DataFrame:
    return pd.DataFrame({"item": [4] * n_relevant + [1] * (n_experts - n_relevant)})


# Polit, Beck and Owen (2007), table 2: experts, agreeing, I-CVI, chance, kappa.
@pytest.mark.parametrize(
    ("n", "agree", "chance", "kappa"),
    [(3, 2, 0.375, 0.47), (4, 3, 0.25, 0.67), (5, 4, 0.156, 0.76), (6, 5, 0.094, 0.82)],
)
def test_modified_kappa_agrees_with_the_published_table(n, agree, chance, kappa):
    row = compute_content_validity(make_panel(n, agree)).tidy().iloc[0]
    assert row["item_cvi"] == agree / n
    assert round(row["chance_agreement"], 3) == chance
    assert round(row["kappa_modified"], 2) == kappa


# Ayre and Scally (2014), table 2: exact critical values at the one-sided 5% level.
@pytest.mark.parametrize(
    ("n", "critical"), [(5, 1.0), (8, 0.75), (9, 0.778), (10, 0.8), (11, 0.636), (40, 0.3)]
)
def test_critical_ratio_agrees_with_the_published_table(n, critical):
    row = compute_content_validity(make_panel(n, n)).tidy().iloc[0]
    assert round(row["critical_ratio"], 3) == critical


def test_reference_panels():
    expected = json.loads(reference_path("fidelity/ref_validity.json").read_text())
    for panel in expected["cvi_modified_kappa"]:
        row = compute_content_validity(make_panel(panel["N"], panel["A"])).tidy().iloc[0]
        assert row["kappa_modified"] == pytest.approx(panel["k"], abs=ROUNDING)
    for panel in expected["lawshe_cvr"]:
        row = compute_content_validity(make_panel(panel["N"], 0)).tidy().iloc[0]
        assert row["critical_ratio"] == pytest.approx(panel["cvr"], abs=ROUNDING)


def test_a_panel_too_small_for_a_critical_ratio_has_none():
    result = compute_content_validity(make_panel(4, 4))
    assert np.isnan(result.tidy()["critical_ratio"][0])
    assert "4 experts" in result.notes[0]


def test_one_expert_is_refused():
    with pytest.raises(ModelError) as caught:
        compute_content_validity(make_panel(1, 1))
    assert caught.value.faults[0].code == "CPI-M008"


@pytest.mark.parametrize("score", ["s100b", "ndka"])
def test_area_and_cut_off_agree_with_proc(score):
    expected = json.loads(reference_path("fidelity/ref_validity.json").read_text())[f"asah_{score}"]
    data = pd.read_csv(reference_path("fidelity/asah.csv"))
    data["poor"] = (data["outcome"] == "Poor").astype(int)
    result = estimate_cutoff(
        data, score=score, criterion="poor", cluster=None, replicates=100, seed=1
    )
    rows = result.tidy().set_index("quantity")
    area = rows.loc["area_under_curve"]
    assert area["estimate"] == pytest.approx(expected["auc"], abs=ROUNDING)
    assert [area["conf_low"], area["estimate"], area["conf_high"]] == pytest.approx(
        expected["delong_ci"], abs=1e-10
    )
    best = expected["youden"]
    assert result.threshold == pytest.approx(best["threshold"], abs=ROUNDING)
    for ours, theirs in {
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        "positive_predictive_value": "ppv",
        "negative_predictive_value": "npv",
    }.items():
        assert rows.loc[ours, "estimate"] == pytest.approx(best[theirs], abs=ROUNDING)
    # pROC calls the sum of sensitivity and specificity Youden's index.
    assert rows.loc["youden", "estimate"] + 1 == pytest.approx(best["youden"], abs=ROUNDING)


def test_area_is_the_share_of_pairs_in_the_right_order():
    score = np.array([1.0, 2.0, 2.0, 3.0])
    has = np.array([False, True, False, True])
    counts = count_by_score(score, has, np.zeros(4, dtype=int))
    # Pairs: (2,1) right, (2,2) tied, (3,1) and (3,2) right.
    assert float(compute_area(counts.positive, counts.negative)[0]) == 3.5 / 4
    # Placements 0.75 and 1 of the positive, 1 and 0.75 of the negative.
    assert compute_delong_variance(score, has)[0] == pytest.approx(2 * 0.03125 / 2)


def test_the_bootstrap_takes_back_most_of_the_index_that_noise_has():
    # In noise the true index is 0; a bootstrap of a maximum takes back most of it, not all.
    apparent, corrected = [], []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=300)
        data = pd.DataFrame({"x": noise, "y": np.arange(300) % 2, "agency": np.arange(300) // 10})
        rows = (
            estimate_cutoff(
                data, score="x", criterion="y", cluster="agency", replicates=100, seed=2
            )
            .tidy()
            .set_index("quantity")["estimate"]
        )
        apparent.append(rows["youden"])
        corrected.append(rows["youden_corrected"])
    assert np.mean(apparent) > 0.06
    assert abs(np.mean(corrected)) < np.mean(apparent) / 2


def test_the_order_of_rows_changes_nothing():
    rng = np.random.default_rng(5)
    data = pd.DataFrame(
        {"x": rng.normal(size=60), "y": np.arange(60) % 2, "agency": np.arange(60) // 6}
    )
    settings = {"score": "x", "criterion": "y", "cluster": "agency", "replicates": 50, "seed": 2}
    one = estimate_cutoff(data, **settings).tidy()
    other = estimate_cutoff(data.sample(frac=1, random_state=1), **settings).tidy()
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize("change", [{"y": 1}, {"x": 2.0}, {"y": 3}, {"x": np.inf}])
def test_data_without_a_cut_off_are_refused(change):
    data = pd.DataFrame({"x": [1.0, 2, 3, 4], "y": [0, 1, 0, 1]}).assign(**change)
    with pytest.raises(ModelError) as caught:
        estimate_cutoff(data, score="x", criterion="y", cluster=None, replicates=50, seed=1)
    assert caught.value.faults[0].code == "CPI-M008"
