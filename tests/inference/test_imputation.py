"""The imputation model finds what was simulated, and keeps to what was observed."""

from __future__ import annotations

import numpy as np
import pytest

from cpi_analysis.inference.imputation import ChainData, compute_mixing, impute_outcomes


def _repeat(values: np.ndarray, n: int) -> np.ndarray:
    return np.repeat(values[None], n, axis=0)


def _draw(seed: int, n_agencies: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = n_agencies * size
    agency = np.repeat(np.arange(n_agencies), size)
    x = rng.normal(size=n)
    root = np.linalg.cholesky(np.array([[1.0, 0.6], [0.6, 1.0]]))
    noise = rng.normal(size=(n, 2)) @ root.T
    effects = 0.5 * rng.normal(size=(n_agencies, 2))
    outcomes = np.column_stack([2 + x, 10 - 2 * x]) + effects[agency] + noise
    members = (np.arange(n_agencies)[:, None] == agency).astype(float)
    return outcomes, np.column_stack([np.ones(n), x]), members


def test_observed_values_stay_and_missing_ones_are_finite():
    outcomes, design, members = _draw(1, 6, 15)
    outcomes[::5, 0] = np.nan
    outcomes[::7, 1] = np.nan
    data = ChainData(_repeat(outcomes, 4), _repeat(design, 4), _repeat(members, 4))
    completed, trace = impute_outcomes(data, np.random.default_rng(1), n_iterations=30)
    known = ~np.isnan(outcomes)
    np.testing.assert_array_equal(completed[:, known], _repeat(outcomes, 4)[:, known])
    assert np.isfinite(completed).all()
    assert trace.shape == (30, 4, 2)
    # Chains differ where something was missing, and only there.
    assert (np.ptp(completed, axis=0)[~known] > 0).all()


def test_removes_the_bias_of_values_missing_at_random():
    outcomes, design, members = _draw(2, 8, 30)
    truth = outcomes[:, 0].mean()
    rng = np.random.default_rng(3)
    # People with a large second outcome lose the first one: complete cases are too low.
    is_lost = rng.random(len(outcomes)) < 1 / (1 + np.exp(-(outcomes[:, 1] - 10)))
    outcomes[is_lost, 0] = np.nan
    data = ChainData(_repeat(outcomes, 20), _repeat(design, 20), _repeat(members, 20))
    completed, trace = impute_outcomes(data, np.random.default_rng(4), n_iterations=300)
    assert abs(np.nanmean(outcomes[:, 0]) - truth) > 0.3
    assert completed[:, :, 0].mean() == pytest.approx(truth, abs=0.15)
    # The spread and the correlation within agencies are kept too.
    residual = completed - np.einsum("cgn,cgk->cnk", data.members, _means(completed, members))
    joint = np.corrcoef(residual.reshape(-1, 2).T)
    full = _draw(2, 8, 30)[0]
    centred = full - members.T @ _means(full[None], members)[0]
    assert joint[0, 1] == pytest.approx(np.corrcoef(centred.T)[0, 1], abs=0.07)
    assert (compute_mixing(trace) < 1.1).all()


def _means(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    return np.einsum("gn,cnk->cgk", members, values) / members.sum(axis=1)[None, :, None]


def test_places_without_a_person_change_nothing():
    outcomes, design, members = _draw(5, 4, 12)
    outcomes[::4, 0] = np.nan
    data = ChainData(_repeat(outcomes, 300), _repeat(design, 300), _repeat(members, 300))
    padded = ChainData(
        np.pad(data.outcomes, ((0, 0), (0, 10), (0, 0)), constant_values=np.nan),
        np.pad(data.design, ((0, 0), (0, 10), (0, 0))),
        np.pad(data.members, ((0, 0), (0, 0), (0, 10))),
    )
    first, _ = impute_outcomes(data, np.random.default_rng(1), n_iterations=40)
    second, _ = impute_outcomes(padded, np.random.default_rng(2), n_iterations=40)
    assert (second[:, -10:] == 0).all()
    holes = np.isnan(outcomes[:, 0])
    error = first[:, holes, 0].mean(axis=1).std() * np.sqrt(2 / 300)
    difference = first[:, holes, 0].mean() - second[:, :-10][:, holes, 0].mean()
    assert abs(difference) < 4 * error


def test_one_outcome_without_agencies_is_a_bayesian_regression():
    # Posterior predictive mean of a missing value is the least-squares prediction, and its
    # variance s² (1 + h) (n − p)/(n − p − 2) for the t distribution on n − p degrees of freedom.
    rng = np.random.default_rng(6)
    x = rng.normal(size=40)
    y = 1 + 2 * x + rng.normal(size=40)
    y[0] = np.nan
    design = np.column_stack([np.ones(40), x])
    data = ChainData(
        np.repeat(y[None, :, None], 6000, axis=0),
        _repeat(design, 6000),
        np.ones((6000, 1, 40)),
        has_agency_effects=False,
    )
    completed, _ = impute_outcomes(data, np.random.default_rng(7), n_iterations=25)
    known = design[1:]
    beta, residual, *_ = np.linalg.lstsq(known, y[1:], rcond=None)
    leverage = design[0] @ np.linalg.inv(known.T @ known) @ design[0]
    variance = residual[0] / 37 * (1 + leverage) * 37 / 35
    drawn = completed[:, 0, 0]
    assert drawn.mean() == pytest.approx(design[0] @ beta, abs=4 * np.sqrt(variance / 6000))
    assert drawn.var() == pytest.approx(variance, rel=0.08)
