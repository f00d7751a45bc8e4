"""The resampling plan: hand-worked designs, exact variances, and what must hold for any plan."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.inference.replicates import (
    WeightedStatistic,
    compute_replicates,
)
from cpi_analysis.inference.resampling import (
    BLOCK_SIZE,
    build_plan,
    compute_linearised_covariance,
)
from cpi_analysis.inference.weighted_regression import (
    accumulate,
    compute_cluster_influence,
    compute_cluster_products,
    find_solvable,
    solve_replicates,
)

# Monte Carlo error of a standard deviation from R draws is about 1/sqrt(2R) = 0.5%; four of them.
MONTE_CARLO = 0.02


def test_each_replicate_draws_one_agency_fewer_than_there_are_in_every_stratum():
    plan = build_plan(np.array([0, 1, 0, 1, 1]), replicates=3000, seed=4)
    assert plan.counts.shape == (3000, 5)
    assert (plan.counts[:, [0, 2]].sum(axis=1) == 1).all()
    assert (plan.counts[:, [1, 3, 4]].sum(axis=1) == 2).all()
    # K/(K − 1): 2/1 and 3/2.
    assert plan.scale.tolist() == [2.0, 1.5, 2.0, 1.5, 1.5]
    assert np.allclose(plan.draw_weights("rao_wu", 0).sum(axis=1), 5.0)


def test_four_agencies_enumerated_by_hand():
    """Means 1 and 3 against 2 and 8: four equally likely outcomes, variance 1 + 9 = 10.

    With one draw per stratum the difference is one of 2−1, 2−3, 8−1, 8−3, that is 1, −1, 7, 5:
    mean 3, variance (4 + 16 + 16 + 4)/4 = 10 = Σ (deviation from the mean)²/(K(K − 1)).
    """
    plan = build_plan(np.array([0, 0, 1, 1]), replicates=40_000, seed=11)
    means = np.array([1.0, 3.0, 2.0, 8.0])
    weights = plan.counts * plan.scale / 2
    difference = weights[:, 2:] @ means[2:] - weights[:, :2] @ means[:2]
    assert set(difference.round(9)) == {1.0, -1.0, 7.0, 5.0}
    assert difference.var() == pytest.approx(10, rel=MONTE_CARLO)
    influence = np.array([[0.5], [-0.5], [-1.5], [1.5]])
    # u = (mean of agency − mean of stratum)/K: −.5, .5 and −1.5, 1.5, signs are irrelevant.
    assert compute_linearised_covariance(influence, np.array([0, 0, 1, 1]))[0, 0] == 10.0


def test_closed_form_equals_the_variance_over_every_multinomial_outcome():
    """Three against three agencies of one size: 9 × 9 ordered draws, each equally likely."""
    rng = np.random.default_rng(5)
    outcome = rng.gamma(2.0, 500.0, size=(6, 4))
    arm = np.repeat([0, 0, 0, 1, 1, 1], 4)
    clusters = np.repeat(np.arange(6), 4)
    differences = [
        outcome[list(second)].mean() - outcome[list(first)].mean()
        for first in product(range(3), repeat=2)
        for second in product(range(3, 6), repeat=2)
    ]
    design = np.column_stack([np.ones(24), arm])
    influence = compute_cluster_influence(design, outcome.ravel(), clusters, n_clusters=6)
    closed = compute_linearised_covariance(influence, np.array([0, 0, 0, 1, 1, 1]))
    assert closed[1, 1] == pytest.approx(np.var(differences), rel=1e-12)


def test_more_replicates_extend_fewer():
    strata = np.array([0] * 6 + [1] * 7)
    few = build_plan(strata, replicates=100, seed=9)
    many = build_plan(strata, replicates=2 * BLOCK_SIZE + 50, seed=9)
    assert np.array_equal(few.counts, many.counts[:100])


def test_same_seed_same_plan_and_another_seed_another_plan():
    strata = np.zeros(8, dtype=int)
    first, again, other = (
        build_plan(strata, replicates=500, seed=seed).counts for seed in (3, 3, 4)
    )
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, other)


def test_coefficients_of_a_row_do_not_depend_on_the_rows_beside_it():
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(9), 7)
    design = np.column_stack([np.ones(63), clusters % 2, rng.normal(size=63)])
    products = compute_cluster_products(design, rng.normal(size=63), clusters, n_clusters=9)
    weights = build_plan(np.arange(9) % 2, replicates=1500, seed=2).draw_weights("rao_wu", 1)
    expected = solve_replicates(products, weights)
    for rows in (slice(0, 1), slice(5, 42)):
        assert solve_replicates(products, weights[rows]).tobytes() == expected[rows].tobytes()


def test_weighted_coefficients_agree_with_repeating_the_rows():
    """Weights of whole numbers are the same as copies of the participants."""
    rng = np.random.default_rng(8)
    clusters = np.repeat(np.arange(4), 5)
    design = np.column_stack([np.ones(20), clusters >= 2, rng.normal(size=20)])
    response = rng.normal(size=20)
    products = compute_cluster_products(design, response, clusters, n_clusters=4)
    counts = np.array([[1, 1, 2, 0], [0, 3, 1, 1]])
    for found, times in zip(solve_replicates(products, counts), counts, strict=True):
        rows = np.repeat(np.arange(20), times[clusters])
        expected = np.linalg.lstsq(design[rows], response[rows], rcond=None)[0]
        assert found == pytest.approx(expected, rel=1e-10)


class _Total:
    """The sum of the weights of the first units; nothing to estimate when they have none."""

    def __init__(self, units):
        self.units = units

    def __call__(self, weights):
        total = weights[:, : self.units].sum(axis=1, keepdims=True)
        return np.where(total > 0, total, np.nan)


def _run(plan, statistic, replicates=None, workers=None):
    drawn = WeightedStatistic(
        plan=plan, scheme="rao_wu", statistic=statistic, columns=np.arange(plan.n_units)
    )
    return compute_replicates(drawn, replicates=replicates or plan.replicates, workers=workers)


def test_replicates_that_cannot_be_used_are_drawn_again_and_counted():
    plan = build_plan(np.zeros(20, dtype=int), replicates=2000, seed=6)
    free = (plan.counts * plan.scale)[:, :4].sum(axis=1)
    found = _run(plan, _Total(4))
    assert (found.values > 0).all()
    assert found.n_redrawn == int((free == 0).sum()) > 0
    assert np.array_equal(found.values[free > 0, 0], free[free > 0])
    fewer = _run(plan, _Total(4), replicates=70)
    assert np.array_equal(fewer.values, found.values[:70])


def test_an_analysis_is_refused_when_replicates_often_cannot_be_used():
    # (4/5)^4 = 41% of the replicates miss the first of five agencies.
    with pytest.raises(ModelError) as caught:
        _run(build_plan(np.zeros(5, dtype=int), replicates=500, seed=1), _Total(1))
    assert caught.value.codes == ("CPI-M001",)


def test_an_analysis_is_refused_when_no_replicate_can_be_used():
    with pytest.raises(ModelError):
        _run(build_plan(np.zeros(5, dtype=int), replicates=10, seed=1), _Total(0))


def test_a_singular_replicate_is_found_whatever_the_units():
    clusters = np.repeat(np.arange(4), 3)
    group = (clusters >= 2).astype(float)
    for scale in (1e-6, 1.0, 1e6):
        design = np.column_stack([np.ones(12), group * scale])
        gram = compute_cluster_products(design, np.ones(12), clusters, n_clusters=4).gram
        counts = np.array([[2, 1, 1, 0], [2, 2, 0, 0], [0, 0, 1, 3]])
        assert find_solvable(accumulate(gram, counts)).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("strata", "replicates", "seed", "error", "code"),
    [
        ([0, 1, 1], 100, 1, ModelError, "CPI-M001"),
        ([0, 0], 1, 1, DataError, "CPI-E024"),
        ([0, 0], 100, None, DataError, "CPI-E047"),
        ([0, 0], 100, -1, DataError, "CPI-E047"),
        ([0, 0], 100, True, DataError, "CPI-E047"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(strata, replicates, seed, error, code):
    with pytest.raises(error) as caught:
        build_plan(np.array(strata), replicates=replicates, seed=seed)
    assert caught.value.codes == (code,)


@pytest.mark.parametrize(
    ("replicates", "code"), [(1e3, "CPI-E021"), (True, "CPI-E021"), (1, "CPI-E024")]
)
def test_the_number_of_replicates_is_a_whole_number(replicates, code):
    with pytest.raises(DataError) as caught:
        build_plan(np.array([0, 0, 1, 1]), replicates=replicates, seed=1)
    assert caught.value.codes == (code,)
