"""Variance components against lme4, the closed form of a balanced design, and the general fit."""

from __future__ import annotations

import numpy as np
import pytest

from cpi_analysis.errors import ModelError
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
from cpi_analysis.inference.variance_components import fit_variance_components

EXACT = 1e-8
#: Pupils of schools by judges, made by the rule below.
GRID = [(school, pupil, judge) for school in range(4) for pupil in range(3) for judge in range(3)]


def draw(seed: int, *, share_missing: float = 0.0) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    codes = np.array([(s, 3 * s + p, j) for s, p, j in GRID])
    effects = (rng.normal(size=4), rng.normal(size=12), rng.normal(size=3))
    y = sum(effect[codes[:, t]] for t, effect in enumerate(effects)) + rng.normal(size=len(GRID))
    kept = rng.random(len(GRID)) >= share_missing
    return y[kept], [codes[kept, t] for t in range(3)]


def test_a_balanced_two_way_table_gives_the_mean_squares():
    y = np.array([9.0, 2, 5, 8, 6, 1, 3, 2, 8, 4, 6, 8, 7, 1, 2, 6, 10, 5, 6, 9, 6, 2, 4, 7])
    targets, raters = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    fit = fit_variance_components(y, [targets, raters])
    # Mean squares 11.24167, 32.48611, 1.019444 (psych): (R - E) / 4, (C - E) / 6, E.
    expected = [
        (11.2416666666667 - 1.01944444444444) / 4,
        (32.4861111111111 - 1.01944444444444) / 6,
    ]
    assert fit.components == pytest.approx([*expected, 1.01944444444444], abs=EXACT)
    # Large-sample variance of a mean square on f df is 2 MS^2 / f.
    assert fit.std_error[2] == pytest.approx(1.01944444444444 * np.sqrt(2 / 15), rel=1e-4)
    between = np.hypot(11.2416666666667 * np.sqrt(2 / 5), 1.01944444444444 * np.sqrt(2 / 15)) / 4
    assert fit.std_error[0] == pytest.approx(between, rel=1e-4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_general_mixed_model_finds_the_same(seed):
    y, codes = draw(seed, share_missing=0.2)
    ones = np.ones((len(y), 1))
    general = fit_linear_mixed_model(y, ones, [(ones, code) for code in codes])
    fast = fit_variance_components(y, codes)
    assert fast.log_likelihood == pytest.approx(general.log_likelihood, abs=1e-7)
    expected = [*(G[0, 0] for G in general.random_covariances), general.residual_variances[0]]
    assert fast.components == pytest.approx(np.array(expected), abs=1e-5)
    assert fast.beta == pytest.approx(general.beta, abs=1e-6)
    assert fast.beta_cov == pytest.approx(general.cov, abs=1e-5)


def test_order_of_groupings_rows_and_the_unit_change_nothing():
    y, codes = draw(4, share_missing=0.1)
    one = fit_variance_components(y, codes)
    shuffle = np.random.default_rng(1).permutation(len(y))
    other = fit_variance_components(100 + 7 * y[shuffle], [code[shuffle] for code in codes[::-1]])
    expected = 49 * one.components[[2, 1, 0, 3]]
    assert other.components == pytest.approx(expected, rel=1e-6)
    assert other.log_likelihood == pytest.approx(
        one.log_likelihood - (len(y) - 1) * np.log(7), abs=1e-7
    )


def test_fixed_columns_enter_as_in_the_general_fit():
    y, codes = draw(5)
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(len(y)), rng.normal(size=len(y))])
    ones = np.ones((len(y), 1))
    general = fit_linear_mixed_model(y, design, [(ones, code) for code in codes])
    fast = fit_variance_components(y, codes, design=design)
    assert fast.log_likelihood == pytest.approx(general.log_likelihood, abs=1e-7)
    assert fast.beta == pytest.approx(general.beta, abs=1e-6)


def test_a_component_of_zero_is_flagged_and_has_no_error():
    rng = np.random.default_rng(6)
    targets, raters = np.repeat(np.arange(20), 3), np.tile(np.arange(3), 20)
    y = rng.normal(size=20)[targets] + rng.normal(size=60)
    y = y - np.bincount(raters, y)[raters] / 20
    fit = fit_variance_components(y, [targets, raters])
    assert fit.is_zero.tolist() == [False, True, False]
    assert fit.components[1] == 0
    assert np.isnan(fit.std_error[1])


def test_groupings_that_cannot_be_told_apart_are_refused():
    y, codes = draw(7)
    with pytest.raises(ModelError, match="divide the rows alike") as caught:
        fit_variance_components(y, [codes[1], codes[1] + 5])
    assert caught.value.codes == ("CPI-M007",)
    with pytest.raises(ModelError, match="CPI-M007"):
        fit_variance_components(y, [np.arange(len(y))])
