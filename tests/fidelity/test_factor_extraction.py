"""Uniquenesses and loadings against factanal and psych, and what must hold at any minimum."""

from __future__ import annotations

import numpy as np
import pytest

from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity.factor_extraction import (
    LOWEST_UNIQUENESS,
    count_degrees_of_freedom,
    extract_maximum_likelihood,
    extract_minres,
)
from tests.reference import reference_json

#: factanal stops its search at gradients of about 1e-8.
FACTANAL = 1e-7
#: psych's uniquenesses of minres stop up to 7e-6 from the minimum.
PSYCH = 1e-5
MATRICES = ("bfi25", "bfi25_poly", "hs9", "lq_lead")

# R's ability.cov (Smith and Stanley 1983, 112 people), as a covariance matrix.
ABILITY = np.array(
    [
        [24.641, 5.991, 33.520, 6.023, 20.755, 29.701],
        [5.991, 6.700, 18.137, 1.782, 4.936, 7.204],
        [33.520, 18.137, 149.831, 19.424, 31.430, 50.753],
        [6.023, 1.782, 19.424, 12.711, 4.757, 9.075],
        [20.755, 4.936, 31.430, 4.757, 52.604, 66.762],
        [29.701, 7.204, 50.753, 9.075, 66.762, 135.292],
    ]
)


def make_correlation(loadings: np.ndarray) -> np.ndarray:
    correlation = loadings @ loadings.T
    np.fill_diagonal(correlation, 1)
    return correlation


def ability_correlation() -> np.ndarray:
    spread = np.sqrt(np.diag(ABILITY))
    return ABILITY / np.outer(spread, spread)


# factanal of R 4.2.2 on ability.cov (its help page prints three decimals of the same).
@pytest.mark.parametrize(
    ("n_factors", "expected"),
    [
        (1, [0.53459892, 0.85257899, 0.74818564, 0.91012783, 0.23171611, 0.27974112]),
        (2, [0.45522417, 0.58933215, 0.21817955, 0.76942146, 0.05245176, 0.33358884]),
    ],
)
def test_maximum_likelihood_agrees_with_factanal_on_ability(n_factors, expected):
    found = extract_maximum_likelihood(ability_correlation(), n_factors)
    assert found.uniquenesses == pytest.approx(expected, abs=10 * FACTANAL)


@pytest.mark.parametrize("name", MATRICES)
def test_maximum_likelihood_agrees_with_factanal(name):
    expected = reference_json("fidelity/ref_efa.json")[name]
    found = extract_maximum_likelihood(np.array(expected["corr"]["values"]), expected["nf"])
    uniquenesses = list(expected["factanal"]["uniq"].values())
    assert found.uniquenesses == pytest.approx(uniquenesses, abs=FACTANAL)
    assert found.objective == pytest.approx(expected["factanal"]["objective"], abs=1e-12)


@pytest.mark.parametrize("name", [name for name in MATRICES if name != "lq_lead"])
def test_minres_agrees_with_psych_and_leaves_no_more_residual(name):
    expected = reference_json("fidelity/ref_efa.json")[name]
    correlation = np.array(expected["corr"]["values"])
    found = extract_minres(correlation, expected["nf"])
    theirs = expected["fa"]["minres_none"]
    assert found.uniquenesses == pytest.approx(list(theirs["uniq"].values()), abs=PSYCH)
    left = [
        off_diagonal_squares(correlation, loadings)
        for loadings in (found.loadings, np.array(theirs["loadings"]["values"]))
    ]
    assert left[0] <= left[1] + 1e-14


def off_diagonal_squares(correlation: np.ndarray, loadings: np.ndarray) -> float:
    residual = correlation - loadings @ loadings.T
    return float((residual[np.triu_indices(len(residual), 1)] ** 2).sum())


@pytest.mark.parametrize("extract", [extract_minres, extract_maximum_likelihood])
def test_an_exact_structure_is_found_from_every_start(extract):
    loadings = np.array([[0.8, 0.0], [0.7, 0.2], [0.6, 0.0], [0.1, 0.7], [0.0, 0.6], [0.0, 0.9]])
    starts = np.random.default_rng(4).uniform(0.1, 0.9, (5, 6))
    found = extract(make_correlation(loadings), 2, starts=starts)
    assert found.loadings @ found.loadings.T == pytest.approx(loadings @ loadings.T, abs=1e-8)
    assert (found.n_starts, found.n_best) == (6, 6)
    assert not found.is_at_bound.any()


@pytest.mark.parametrize("extract", [extract_minres, extract_maximum_likelihood])
def test_the_order_of_the_items_does_not_matter(extract):
    correlation = ability_correlation()
    order = np.array([3, 0, 5, 1, 4, 2])
    straight = extract(correlation, 2)
    shuffled = extract(correlation[np.ix_(order, order)], 2)
    assert shuffled.uniquenesses == pytest.approx(straight.uniquenesses[order], abs=1e-10)
    assert shuffled.loadings == pytest.approx(straight.loadings[order], abs=1e-9)


@pytest.mark.parametrize("extract", [extract_minres, extract_maximum_likelihood])
def test_a_heywood_case_stops_at_the_bound_and_is_flagged(extract):
    # One factor would need the product r12 r13 / r23 = 1.47 as the variance of item 1.
    correlation = np.array([[1.0, 0.7, 0.7], [0.7, 1.0, 1 / 3], [0.7, 1 / 3, 1.0]])
    found = extract(correlation, 1)
    assert found.is_at_bound.tolist() == [True, False, False]
    assert found.uniquenesses[0] == pytest.approx(LOWEST_UNIQUENESS)


def test_degrees_of_freedom_and_too_many_factors():
    assert count_degrees_of_freedom(6, 3) == 0
    with pytest.raises(ModelError, match="1 to 2 factors"):
        extract_minres(np.eye(5), 3)


def test_an_indefinite_matrix_has_no_likelihood_but_has_minres():
    correlation = np.array(
        [[1, 0.9, -0.9, 0.1], [0.9, 1, 0.9, 0.1], [-0.9, 0.9, 1, 0.1], [0.1, 0.1, 0.1, 1.0]]
    )
    with pytest.raises(ModelError, match="not positive definite"):
        extract_maximum_likelihood(correlation, 1)
    assert np.isfinite(extract_minres(correlation, 1).loadings).all()


def test_a_correlation_that_is_not_finite_is_refused():
    with pytest.raises(ModelError, match="CPI-M006"):
        extract_minres(np.array([[1, np.nan, 0.1], [np.nan, 1, 0.2], [0.1, 0.2, 1]]), 1)
