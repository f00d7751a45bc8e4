"""Kenward-Roger and Satterthwaite against pbkrtest, lmerTest, SAS and n x n formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cpi_analysis.errors import ModelError
from cpi_analysis.inference.kenward_roger import adjust_kenward_roger, compute_satterthwaite
from cpi_analysis.inference.mixed_model import fit_random_intercept
from tests.inference.test_mixed_model import POLISHED, design_of, draw
from tests.reference import reference_json, reference_path

#: pbkrtest on fits polished by Newton steps.
KENWARD_ROGER = 1e-7
#: pbkrtest on fits left by lmer's own optimiser.
LMER_DEFAULT = 2e-7
#: lmerTest differentiates numerically.
NUMERICAL_HESSIAN = 1e-6
#: SAS prints what its ridge-stabilised Newton steps reached.
SAS = 1e-6


@pytest.mark.parametrize("case", POLISHED, ids=lambda case: f"{case[0]}-{case[1]}")
def test_agrees_with_pbkrtest_and_lmertest(case):
    name, model, outcome, columns, group = case
    block = reference_json(f"effectiveness/{name}_expected.json")["models"][model]
    data = pd.read_csv(reference_path(f"effectiveness/{name}.csv"))
    design, codes = design_of(data, columns), pd.factorize(data[group])[0]
    fit = fit_random_intercept(data[outcome], design, codes)
    if "kenward_roger" in block:
        adjusted = adjust_kenward_roger(fit)
        table = block["kenward_roger"]
        assert adjusted.df == pytest.approx(table["df"], rel=KENWARD_ROGER)
        std_error = np.sqrt(np.diag(adjusted.covariance))
        assert std_error == pytest.approx(table["Std. Error"], rel=KENWARD_ROGER)
    if not fit.is_singular:
        df = compute_satterthwaite(fit).df
        assert df == pytest.approx(block["satterthwaite"]["df"], rel=NUMERICAL_HESSIAN)


def test_agrees_with_pbkrtest_on_sixty_simulated_trials():
    expected = pd.read_csv(reference_path("effectiveness/sim_random_intercept/expected.csv"))
    singular = 0
    for row in expected.itertuples():
        data = pd.read_csv(reference_path(f"effectiveness/sim_random_intercept/{row.file}"))
        fit = fit_random_intercept(data["y"], design_of(data, ["arm", "base"]), data["agency"])
        covariance, df = adjust_kenward_roger(fit)
        assert df[1] == pytest.approx(row.kr_df, rel=LMER_DEFAULT)
        assert np.sqrt(covariance[1, 1]) == pytest.approx(row.kr_std_error, rel=LMER_DEFAULT)
        singular += fit.is_singular
    assert singular >= 5


def test_agrees_with_pbkrtest_on_a_real_cluster_trial():
    # The default optimiser of lmer leaves the variances loose in the sixth digit.
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    data = data.dropna(subset=["qaly", "cost", "e1", "c1"])
    blocks = reference_json("economics/pbs_expected.json")["lmer"]
    models = {"cost_adj": ["trt", "c1"], "qaly_adj": ["trt", "e1"]}
    models |= {"cost_unadj": ["trt"], "qaly_unadj": ["trt"]}
    for name, columns in models.items():
        outcome = data[name.split("_")[0]]
        fit = fit_random_intercept(outcome, design_of(data, list(columns)), data["site"])
        adjusted, block = adjust_kenward_roger(fit), blocks[name]
        assert adjusted.df[1] == pytest.approx(block["df_kr"], rel=1e-4)
        assert np.sqrt(adjusted.covariance[1, 1]) == pytest.approx(block["se_kr"], rel=1e-5)
        assert compute_satterthwaite(fit).df[1] == pytest.approx(block["df_satt"], rel=1e-4)


def test_observed_information_agrees_with_sas():
    # PROC MIXED, ddfm=kr, compound symmetry: the random-intercept model in another dress.
    block = reference_json("effectiveness/fev_expected.json")["models"]["SAS_KR_trt"]["cs"]
    data = pd.read_csv(reference_path("effectiveness/fev.csv"))
    people = pd.factorize(data["USUBJID"])[0]
    fit = fit_random_intercept(data["FEV1"], design_of(data, ["trt"]), people)
    sas = adjust_kenward_roger(fit, information="observed")
    assert np.sqrt(sas.covariance[1, 1]) == pytest.approx(block["se"], rel=SAS)
    assert sas.df[1] == pytest.approx(block["ddf"], rel=SAS)
    assert abs(adjust_kenward_roger(fit).df[1] - block["ddf"]) > 0.1


def test_balanced_arms_have_the_degrees_of_freedom_of_the_cluster_means():
    # Six agencies of five, three per arm: the exact test of the arm has 6 - 2 = 4 df, and the
    # standard error of the t test of the agency means.
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(6), 5)
    arm = (groups >= 3).astype(float)
    y = rng.normal(size=6)[groups] + rng.normal(size=30)
    covariance, df = adjust_kenward_roger(
        fit_random_intercept(y, np.column_stack([np.ones(30), arm]), groups)
    )
    means = y.reshape(6, 5).mean(axis=1)
    pooled = (means[:3].var(ddof=1) + means[3:].var(ddof=1)) / 2
    assert df == pytest.approx([4.0, 4.0], rel=1e-9)
    assert np.sqrt(covariance[1, 1]) == pytest.approx(np.sqrt(pooled * 2 / 3), rel=1e-9)


def test_dyestuff2_keeps_the_batches_although_their_variance_is_zero():
    # Box and Tiao (1973), simulated yields of six batches of five: lme4 finds a variance of
    # exactly zero; pbkrtest 0.5.2 gives df = 5 and SE 0.678388, lmerTest's Satterthwaite 29.
    batches = (
        (7.298, 3.846, 2.434, 9.566, 7.990),
        (5.220, 6.556, 0.608, 11.788, -0.892),
        (0.110, 10.386, 13.434, 5.510, 8.166),
        (2.212, 4.852, 7.092, 9.288, 4.980),
        (0.282, 9.014, 4.458, 9.446, 7.198),
        (1.722, 4.782, 8.106, 0.758, 3.758),
    )
    y = np.array(batches).ravel()
    fit = fit_random_intercept(y, np.ones((30, 1)), np.repeat(np.arange(6), 5))
    covariance, df = adjust_kenward_roger(fit)
    assert fit.is_singular
    assert df[0] == pytest.approx(5.0, rel=1e-9)
    assert np.sqrt(covariance[0, 0]) == pytest.approx(0.678388, abs=5e-7)
    assert compute_satterthwaite(fit).df[0] == pytest.approx(5.0, rel=1e-9)


# --- a second implementation, with n x n matrices ---------------------------------------------


def dense_pieces(y, X, groups, between, within):
    n = len(y)
    G = [(groups[:, None] == groups[None, :]).astype(float), np.eye(n)]
    V = between * G[0] + within * G[1]
    Vi = np.linalg.inv(V)
    phi = np.linalg.inv(X.T @ Vi @ X)
    P = Vi - Vi @ X @ phi @ X.T @ Vi
    return G, Vi, phi, P


def dense_kenward_roger(y, X, groups, between, within, observed=False):
    """Kenward and Roger (1997), equation by equation, without any structure of V."""
    G, Vi, phi, P = dense_pieces(y, X, groups, between, within)
    information = np.array([[np.trace(P @ r @ P @ s) / 2 for s in G] for r in G])
    if observed:
        quadratic = np.array([[y @ P @ r @ P @ s @ P @ y for s in G] for r in G])
        information = quadratic - information
    W = np.linalg.inv(information)
    first = [-X.T @ Vi @ r @ Vi @ X for r in G]
    bias = sum(
        W[i, j] * (X.T @ Vi @ G[i] @ Vi @ G[j] @ Vi @ X - first[i] @ phi @ first[j])
        for i in range(2)
        for j in range(2)
    )
    adjusted = phi + 2 * phi @ bias @ phi
    df = []
    for k in range(X.shape[1]):
        L = np.eye(X.shape[1])[[k]]
        theta = L.T @ np.linalg.inv(L @ phi @ L.T) @ L
        terms = [theta @ phi @ matrix @ phi for matrix in first]
        A1 = sum(
            W[i, j] * np.trace(terms[i]) * np.trace(terms[j]) for i in range(2) for j in range(2)
        )
        A2 = sum(W[i, j] * np.trace(terms[i] @ terms[j]) for i in range(2) for j in range(2))
        B, g = (A1 + 6 * A2) / 2, (2 * A1 - 5 * A2) / (3 * A2)
        c = np.array([g, 1 - g, 3 - g]) / (3 + 2 * (1 - g))
        mean = 1 / (1 - A2)
        variance = 2 * (1 + c[0] * B) / ((1 - c[1] * B) ** 2 * (1 - c[2] * B))
        df.append(4 + 3 / (variance / (2 * mean**2) - 1))
    return adjusted, np.array(df)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    agency_sd=st.sampled_from([0.0, 0.2, 1.0, 5.0]),
    sizes=st.lists(st.integers(1, 10), min_size=5, max_size=9).filter(
        lambda s: sum(s) > 3 * len(s)
    ),
    shift=st.sampled_from([0.0, 5000.0]),
)
def test_agrees_with_the_dense_formulas(seed, agency_sd, sizes, shift):
    y, X, groups = draw(seed, agency_sd=agency_sd, sizes=tuple(sizes))
    fit = fit_random_intercept(y + shift, X, groups)
    variances = fit.agency_variance, fit.residual_variance
    covariance, df = dense_kenward_roger(y, X, groups, *variances)
    adjusted = adjust_kenward_roger(fit)
    # The df of the dense formula cancel (4 + 3 / small): good to about 1e-6.
    assert adjusted.df == pytest.approx(df, rel=2e-6)
    assert adjusted.covariance == pytest.approx(covariance, rel=1e-7, abs=1e-9)
    if not fit.is_singular:
        covariance, df = dense_kenward_roger(y, X, groups, *variances, observed=True)
        observed = adjust_kenward_roger(fit, information="observed")
        assert observed.df == pytest.approx(df, rel=2e-6)
        assert observed.covariance == pytest.approx(covariance, rel=1e-6, abs=1e-8)


def test_satterthwaite_is_the_delta_method_on_the_likelihood():
    # df = 2 v^2 / (g' A g) with every derivative taken numerically from dense matrices.
    y, X, groups = draw(21, agency_sd=1.0)
    for method in ("REML", "ML"):
        fit = fit_random_intercept(y, X, groups, method=method)
        at = np.array([fit.agency_variance, fit.residual_variance])

        def log_likelihood(variances, method=method):
            _, Vi, phi, P = dense_pieces(y, X, groups, *variances)
            value = np.linalg.slogdet(Vi)[1] - y @ P @ y
            return (value + (np.linalg.slogdet(phi)[1] if method == "REML" else 0)) / 2

        def variance_of(variances):
            return np.diag(dense_pieces(y, X, groups, *variances)[2])

        step = 1e-4 * at
        axes = np.diag(step)
        hessian = np.array(
            [
                [
                    sum(
                        a * b * log_likelihood(at + a * axes[i] + b * axes[j])
                        for a in (-1, 1)
                        for b in (-1, 1)
                    )
                    / (4 * step[i] * step[j])
                    for j in range(2)
                ]
                for i in range(2)
            ]
        )
        slopes = [
            (variance_of(at + axes[i]) - variance_of(at - axes[i])) / (2 * step[i])
            for i in range(2)
        ]
        gradient = np.stack(slopes)
        spread = np.einsum("rk,rs,sk->k", gradient, np.linalg.inv(-hessian), gradient)
        df = 2 * variance_of(at) ** 2 / spread
        # Central differences with a step of 1e-4 are good to about 1e-5.
        assert compute_satterthwaite(fit).df == pytest.approx(df, rel=1e-4)


def test_contrasts_are_reparametrisations():
    # The sum of intercept and arm is the mean of the target arm: recode so that it is a column.
    y, X, groups = draw(4, agency_sd=0.8)
    fit = fit_random_intercept(y, X, groups)
    adjusted = adjust_kenward_roger(fit, contrasts=[[1.0, 1.0, 0.0]])
    recoded = adjust_kenward_roger(
        fit_random_intercept(y, np.column_stack([1 - X[:, 1], X[:, 1], X[:, 2]]), groups)
    )
    assert adjusted.df[0] == pytest.approx(recoded.df[1], rel=1e-7)
    assert adjusted.covariance[:2, :2].sum() == pytest.approx(recoded.covariance[1, 1], rel=1e-7)


def test_refuses_what_is_not_defined():
    y, X, groups = draw(4)
    with pytest.raises(ModelError, match="REML") as caught:
        adjust_kenward_roger(fit_random_intercept(y, X, groups, method="ML"))
    assert caught.value.codes == ("CPI-M004",)
    with pytest.raises(ModelError, match="expected, observed"):
        adjust_kenward_roger(fit_random_intercept(y, X, groups), information="fisher")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(("icc", "least", "most"), [(0.0, 0.005, 0.045), (0.1, 0.035, 0.065)])
def test_size_of_the_test_of_the_arm_with_fourteen_agencies(icc, least, most):
    # pbkrtest's own size in this design is 2.0% (ICC 0) and 4.9% (ICC 0.1); the limits are
    # more than three Monte Carlo standard errors (0.5% at 5% and 2,000 trials) away.
    rng = np.random.default_rng(14)
    sizes = rng.integers(11, 24, size=14)
    groups = np.repeat(np.arange(14), sizes)
    X = np.column_stack([np.ones(len(groups)), (groups < 7).astype(float)])
    rejected = 0
    for _ in range(2000):
        effects = np.sqrt(icc) * rng.normal(size=14)
        y = effects[groups] + np.sqrt(1 - icc) * rng.normal(size=len(groups))
        fit = fit_random_intercept(y, X, groups)
        covariance, df = adjust_kenward_roger(fit)
        assert np.isfinite(df).all()
        p_value = 2 * stats.t.sf(abs(fit.beta[1]) / np.sqrt(covariance[1, 1]), df[1])
        rejected += p_value < 0.05
    assert least < rejected / 2000 < most
