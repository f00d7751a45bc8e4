"""Combination of imputed data sets against mice, bootImpute and arithmetic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.inference.pooling import pool_bootstrap, pool_imputations
from tests.reference import reference_json, reference_path

#: Both sides do the same arithmetic on the same numbers.
ROUNDING = 1e-10


def _fit(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    design = np.column_stack([np.ones(len(data)), data["trt"], data["e1"], data["c1"]])
    outcomes = data[["cost", "qaly"]].to_numpy()
    beta, *_ = np.linalg.lstsq(design, outcomes, rcond=None)
    residual = outcomes - design @ beta
    errors = residual.T @ residual / (len(data) - 4)
    return beta[1], errors * np.linalg.inv(design.T @ design)[1, 1]


def test_rubin_agrees_with_mice():
    expected = reference_json("economics/pbs_expected.json")["mi"]
    data = pd.read_csv(reference_path("economics/pbs_mi10.csv"))
    fits = [_fit(part) for _, part in data.groupby(".imp")]
    pooled = pool_imputations(np.array([f[0] for f in fits]), np.array([f[1] for f in fits]))
    np.testing.assert_allclose(pooled.covariance, expected["bivariate"]["T"], rtol=ROUNDING)
    for threshold in (0, 10_000, 20_000, 30_000, 50_000):
        theirs = expected[f"nb_{threshold}"]
        value, error, df, missing = pooled.combine(np.array([-1.0, threshold]), 240)
        found = {"est": value, "se": error, "df": df, "fmi": missing}
        for name, ours in found.items():
            assert ours == pytest.approx(theirs[name], rel=ROUNDING)


def test_bootstrap_agrees_with_bootimpute():
    expected = reference_json("economics/pbs_bootmi_expected.json")
    table = pd.read_csv(reference_path("economics/pbs_bootmi_estimates.csv"))
    names = expected["params"]
    values = table[names].to_numpy().reshape(expected["nBoot"], expected["nImp"], len(names))
    pool = pool_bootstrap(values)
    for place in range(len(names)):
        value, variance, df = pool.combine(np.eye(len(names))[place])
        assert value == pytest.approx(expected["est"][place], rel=ROUNDING)
        assert variance == pytest.approx(expected["var"][place], rel=ROUNDING)
        assert df == pytest.approx(expected["df"][place], rel=ROUNDING)


def test_rubin_by_hand():
    # Two data sets: estimates 1 and 3, variances 0.5 and 1.5. B = 2, T = 1 + 1.5 * 2 = 4,
    # λ = 3/4, ν = 1/λ² = 16/9 without the limit of complete data.
    pooled = pool_imputations(np.array([[1.0], [3.0]]), np.array([[[0.5]], [[1.5]]]))
    value, error, df, _ = pooled.combine(np.ones(1), np.inf)
    assert (value, error) == (2.0, 2.0)
    assert df == pytest.approx(16 / 9)
    # With ν = 10 of complete data: (1 − λ) 10 · 11/13 = 2.115..., combined 1/(9/16 + 1/2.115).
    observed = 0.25 * 10 * 11 / 13
    assert pooled.combine(np.ones(1), 10)[2] == pytest.approx(1 / (9 / 16 + 1 / observed))


def test_no_missing_values_leave_the_complete_analysis():
    pooled = pool_imputations(np.ones((3, 1)), np.full((3, 1, 1), 4.0))
    value, error, df, missing = pooled.combine(np.ones(1), 12)
    assert (value, error) == (1.0, 2.0)
    assert df == pytest.approx(12 * 13 / 15)
    assert missing == pytest.approx(2 / (df + 3))
