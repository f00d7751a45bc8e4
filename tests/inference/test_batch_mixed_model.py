"""The batch engine: equal to single fits, never beaten by a grid, and honest about failures."""

from __future__ import annotations

import numpy as np
import pytest

from cpi_analysis.errors import ModelError
from cpi_analysis.inference.batch_criterion import compute_batch_criterion, evaluate_batch
from cpi_analysis.inference.batch_mixed_model import fit_batch_mixed_model
from cpi_analysis.inference.batch_small_sample import adjust_batch
from cpi_analysis.inference.batch_sums import summarise_batch
from cpi_analysis.inference.kenward_roger import adjust_kenward_roger
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
from cpi_analysis.inference.lmm_small_sample import adjust_mixed_model
from cpi_analysis.inference.mixed_model import fit_random_intercept

#: The single fits find the root of the slope to 1e-13; variances of about 1.
SAME = 1e-9
#: The general fit stops at a gradient of 1e-8.
SAME_GENERAL = 1e-7
#: Nothing on a grid may lie below the optimum by more than rounding of a sum of about 1,000.
ROUNDING = 1e-9


def draw(replicates, *, seed=1, agency_sd=(0.0, 0.3, 1.0), n_agencies=14):
    rng = np.random.default_rng(seed)
    agency = np.repeat(np.arange(n_agencies), rng.integers(7, 17, n_agencies))
    n = len(agency)
    X = np.column_stack([np.ones(n), agency % 2, rng.normal(size=n)])
    sd = np.resize(agency_sd, replicates)[:, None]
    between = rng.normal(size=(replicates, n_agencies)) * sd
    Y = 50 + rng.normal(size=(replicates, n)) + between[:, agency]
    return Y, X, agency


def draw_nested(replicates, *, seed=2, agency_sd=(0.0, 0.3, 1.0), person_sd=(0.0, 0.3, 1.0)):
    rng = np.random.default_rng(seed)
    home = np.repeat(np.arange(10), rng.integers(6, 14, 10))
    person = np.repeat(np.arange(len(home)), 2)
    kept = rng.random(len(person)) > 0.2
    person, time = person[kept], np.tile([0.0, 1.0], len(home))[kept]
    agency = home[person]
    n = len(person)
    X = np.column_stack([np.ones(n), time, agency % 2, time * (agency % 2)])
    a, b = np.resize(agency_sd, replicates)[:, None], np.resize(person_sd, replicates * 2)[::2]
    Y = rng.normal(size=(replicates, n)) + (rng.normal(size=(replicates, 10)) * a)[:, agency]
    Y += (rng.normal(size=(replicates, len(home))) * b[:, None])[:, person]
    return Y, X, agency, person


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_one_intercept_equals_single_fits(method):
    Y, X, agency = draw(60)
    batch = fit_batch_mixed_model(summarise_batch(Y, X, agency), method=method)
    assert batch.converged.all()
    assert 5 < batch.is_singular.sum() < 55
    for r in range(len(Y)):
        single = fit_random_intercept(Y[r], X, agency, method=method)
        np.testing.assert_allclose(batch.beta[r], single.beta, rtol=SAME)
        assert batch.agency_variance[r] == pytest.approx(single.agency_variance, abs=SAME)
        assert batch.residual_variance[r] == pytest.approx(single.residual_variance, rel=SAME)
        assert batch.log_likelihood[r] == pytest.approx(single.log_likelihood, abs=SAME)
        assert batch.is_singular[r] == single.is_singular
        assert batch.icc[r] == pytest.approx(single.icc, abs=SAME)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_nested_intercepts_equal_single_fits(method):
    Y, X, agency, person = draw_nested(24)
    batch = fit_batch_mixed_model(summarise_batch(Y, X, agency, persons=person), method=method)
    assert batch.converged.all()
    one = np.ones((len(agency), 1))
    for r in range(len(Y)):
        single = fit_linear_mixed_model(Y[r], X, [(one, agency), (one, person)], method=method)
        np.testing.assert_allclose(batch.beta[r], single.beta, atol=SAME_GENERAL)
        found = [batch.agency_variance[r], batch.person_variance[r], batch.residual_variance[r]]
        expected = [G[0, 0] for G in single.random_covariances] + [single.residual_variances[0]]
        np.testing.assert_allclose(found, expected, atol=SAME_GENERAL)
        assert batch.log_likelihood[r] == pytest.approx(single.log_likelihood, abs=SAME)
        assert batch.is_singular[r] == single.is_singular


def test_kenward_roger_equals_single_fits():
    Y, X, agency = draw(20)
    found = adjust_batch(fit_batch_mixed_model(summarise_batch(Y, X, agency)), [0.0, 1.0, 0.0])
    for r in range(len(Y)):
        small = adjust_kenward_roger(fit_random_intercept(Y[r], X, agency))
        assert found.std_error[r] == pytest.approx(np.sqrt(small.covariance[1, 1]), rel=SAME)
        assert found.df[r] == pytest.approx(small.df[1], rel=SAME)


def test_kenward_roger_of_nested_intercepts_equals_single_fits():
    Y, X, agency, person = draw_nested(12)
    fit = fit_batch_mixed_model(summarise_batch(Y, X, agency, persons=person))
    found = adjust_batch(fit, [0.0, 0.0, 0.0, 1.0])
    one = np.ones((len(agency), 1))
    for r in range(len(Y)):
        single = fit_linear_mixed_model(Y[r], X, [(one, agency), (one, person)])
        small = adjust_mixed_model(single)
        expected = np.sqrt(small.covariance[3, 3])
        assert found.estimate[r] == pytest.approx(single.beta[3], abs=SAME_GENERAL)
        assert found.std_error[r] == pytest.approx(expected, rel=SAME_GENERAL)
        assert found.df[r] == pytest.approx(small.compute_df()[3], rel=SAME_GENERAL)


def test_rows_that_differ_between_replicates_equal_fits_without_them():
    Y, X, agency, person = draw_nested(8)
    used = np.random.default_rng(3).random(Y.shape) > 0.25
    batch = fit_batch_mixed_model(summarise_batch(Y, X, agency, persons=person, used=used))
    plain = fit_batch_mixed_model(summarise_batch(Y, X, agency, used=used))
    assert batch.converged.all()
    assert plain.converged.all()
    for r, rows in enumerate(used):
        one = np.ones((rows.sum(), 1))
        single = fit_linear_mixed_model(
            Y[r, rows], X[rows], [(one, agency[rows]), (one, person[rows])]
        )
        np.testing.assert_allclose(batch.beta[r], single.beta, atol=SAME_GENERAL)
        assert batch.log_likelihood[r] == pytest.approx(single.log_likelihood, abs=SAME)
        without = fit_random_intercept(Y[r, rows], X[rows], agency[rows])
        np.testing.assert_allclose(plain.beta[r], without.beta, atol=SAME)
        assert plain.log_likelihood[r] == pytest.approx(without.log_likelihood, abs=SAME)


def test_leaving_out_each_agency_in_one_call():
    Y, X, agency = draw(1, agency_sd=(0.6,))
    keep = 1.0 - np.eye(14)
    batch = fit_batch_mixed_model(summarise_batch(Y, X, agency, agency_weights=keep))
    small = adjust_batch(batch, [0.0, 1.0, 0.0])
    for left_out in range(14):
        rows = agency != left_out
        single = fit_random_intercept(Y[0, rows], X[rows], agency[rows])
        np.testing.assert_allclose(batch.beta[left_out], single.beta, rtol=SAME)
        adjusted = adjust_kenward_roger(single)
        assert small.df[left_out] == pytest.approx(adjusted.df[1], rel=SAME)
        assert batch.log_likelihood[left_out] == pytest.approx(single.log_likelihood, abs=SAME)


def test_an_agency_that_counts_twice_equals_two_agencies():
    Y, X, agency = draw(1, agency_sd=(0.6,))
    twice = np.ones((1, 14))
    twice[0, [2, 5]] = 2
    batch = fit_batch_mixed_model(summarise_batch(Y, X, agency, agency_weights=twice))
    extra = np.isin(agency, [2, 5])
    y, Z = np.concatenate([Y[0], Y[0, extra]]), np.vstack([X, X[extra]])
    single = fit_random_intercept(y, Z, np.concatenate([agency, agency[extra] + 20]))
    np.testing.assert_allclose(batch.beta[0], single.beta, rtol=SAME)
    assert batch.agency_variance[0] == pytest.approx(single.agency_variance, rel=SAME)
    assert batch.log_likelihood[0] == pytest.approx(single.log_likelihood, abs=SAME)


def test_replicates_that_cannot_be_fitted_are_flagged_not_invented():
    Y, X, agency = draw(4)
    Y[1] = 3.0
    used = np.ones(Y.shape, dtype=bool)
    used[2] = agency % 2 == 0  # Nobody in the other arm: the exposure is constant.
    used[3, 4:] = False
    fit = fit_batch_mixed_model(summarise_batch(Y, X, agency, used=used))
    assert fit.converged.tolist() == [True, False, False, False]
    assert fit.n_failed == 3
    assert np.isnan(fit.beta[1:]).all()
    assert np.isnan(fit.log_likelihood[1:]).all()
    small = adjust_batch(fit, [0.0, 1.0, 0.0])
    assert np.isfinite(small.df).tolist() == [True, False, False, False]
    none = fit_batch_mixed_model(summarise_batch(Y[1:2], X, agency))
    assert none.n_failed == 1
    assert np.isnan(adjust_batch(none, [0, 1, 0]).std_error).all()


def test_no_variance_within_agencies_is_no_fit():
    _, X, agency = draw(1)
    Y = np.random.default_rng(1).normal(size=(1, 14))[:, agency]
    assert not fit_batch_mixed_model(summarise_batch(Y, X[:, :2], agency)).converged.any()


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_order_of_rows_units_and_means_do_not_matter(shift):
    Y, X, agency, person = draw_nested(6)
    order = np.random.default_rng(4).permutation(len(agency))
    one = fit_batch_mixed_model(summarise_batch(Y, X, agency, persons=person))
    moved = summarise_batch(
        (shift + 1000 * Y)[:, order], X[order], agency[order] * 7 + 3, persons=-person[order]
    )
    other = fit_batch_mixed_model(moved)
    np.testing.assert_allclose(other.beta[:, 3] / 1000, one.beta[:, 3], atol=1e-7)
    np.testing.assert_allclose(other.ratios, one.ratios, rtol=1e-5, atol=1e-7)


def check_against_grid(fit, method, grids):
    """Assert that no point of a grid of ratios beats the fits."""
    found = -2 * fit.log_likelihood
    for point in grids:
        ratios = np.tile(point, (fit.sums.replicates, 1))
        value = compute_batch_criterion(fit.sums, evaluate_batch(fit.sums, ratios), method)
        assert (found <= value + ROUNDING).all()


def trials_of(seed, replicates, icc):
    sd = float(np.sqrt(icc / (1 - icc)))
    return draw(replicates, seed=seed, agency_sd=(sd,))


@pytest.mark.parametrize("icc", [0.0, 0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize(
    "replicates", [100, pytest.param(2000, marks=pytest.mark.slow, id="10,000 trials")]
)
def test_no_trial_fails_or_is_beaten_by_a_fine_grid(icc, replicates):
    Y, X, agency = trials_of(int(icc * 100) + 7, replicates, icc)
    fine = np.concatenate([[0.0], np.logspace(-5, 3, 120)])[:, None]
    for method in ("REML", "ML"):
        fit = fit_batch_mixed_model(summarise_batch(Y, X, agency), method=method)
        assert fit.converged.all()
        assert np.isfinite(fit.beta).all()
        assert np.isfinite(fit.log_likelihood).all()
        check_against_grid(fit, method, fine)
        if method == "REML":
            small = adjust_batch(fit, [0.0, 1.0, 0.0])
            assert np.isfinite(small.std_error).all()
            assert (small.df > 1).all()


@pytest.mark.parametrize(
    "replicates", [60, pytest.param(2000, marks=pytest.mark.slow, id="2,000 nested trials")]
)
def test_no_nested_trial_fails_or_is_beaten_by_a_grid(replicates):
    Y, X, agency, person = draw_nested(
        replicates, agency_sd=(0.0, 0.2, 0.5), person_sd=(0.0, 0.2, 1.0, 2.0)
    )
    side = np.concatenate([[0.0], np.logspace(-4, 2, 14)])
    fit = fit_batch_mixed_model(summarise_batch(Y, X, agency, persons=person))
    assert fit.converged.all()
    check_against_grid(fit, "REML", [np.array([a, b]) for a in side for b in side])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"design": np.ones((5, 1))}, "CPI-M004"),
        ({"used": np.ones((3, 4))}, "CPI-M004"),
        ({"agency_weights": -np.ones((1, 14))}, "CPI-M004"),
        ({"persons": np.zeros(154)}, "CPI-M001"),
        ({"persons": np.zeros(3)}, "CPI-M004"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, code):
    Y, X, agency = draw(2)
    if "persons" in change and len(change["persons"]) > 3:
        change = {"persons": np.zeros(len(agency))}
    arguments = {"responses": Y, "design": X, "agencies": agency} | change
    with pytest.raises(ModelError) as caught:
        summarise_batch(**arguments)
    assert caught.value.codes == (code,)


def test_values_and_columns_that_cannot_be_used_are_refused():
    Y, X, agency = draw(2)
    broken = Y.copy()
    broken[1, 3] = np.inf
    with pytest.raises(ModelError, match="CPI-M006"):
        summarise_batch(broken, X, agency)
    with pytest.raises(ModelError, match="CPI-M002"):
        summarise_batch(Y, np.column_stack([X, X[:, 1]]), agency)
    sums = summarise_batch(Y, X, agency)
    with pytest.raises(ModelError, match="CPI-M004"):
        fit_batch_mixed_model(sums, method="reml")
    fit = fit_batch_mixed_model(sums, method="ML")
    with pytest.raises(ModelError, match="REML"):
        adjust_batch(fit, [0.0, 1.0, 0.0])
    with pytest.raises(ModelError, match="contrast"):
        adjust_batch(fit_batch_mixed_model(sums), [0.0, 1.0])
