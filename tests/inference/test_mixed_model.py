"""The random-intercept fit against lme4, NIST-style hand arithmetic and a dense oracle."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpi_analysis.errors import ModelError
from cpi_analysis.inference.mixed_model import fit_random_intercept
from tests.reference import reference_json, reference_path

#: lme4 blocks polished by Newton steps: what is left is the rounding of R's derivatives.
CRITERION = 1e-9
ESTIMATE = 1e-7
#: Sets fitted by lmer's own optimiser (bobyqa), whose optimum is good to about 1e-7.
LMER_DEFAULT = 2e-7
#: Dense linear algebra against sums per group.
ROUNDING = 1e-8

Column = str | Callable[[pd.DataFrame], pd.Series]


def is_female(data: pd.DataFrame) -> pd.Series:
    return (data["Sex"] == "Female").astype(float)


POLISHED: list[tuple[str, str, str, list[Column], str]] = [
    ("sleepstudy", "ri", "Reaction", ["Days"], "Subject"),
    ("hsb14", "ri", "mAch", ["cses", "minrty", "female", "catholic"], "school"),
    ("hsb14", "ri_meanses", "mAch", ["cses", "meanses", "catholic"], "school"),
    ("hsb82", "ri", "mAch", ["ses", "meanses", "catholic"], "school"),
    ("dyestuff", "ri", "Yield", [], "Batch"),
    ("dyestuff2", "ri", "Yield", [], "Batch"),
    (
        "orthodont",
        "ri",
        "distance",
        ["age", is_female, lambda data: data["age"] * is_female(data)],
        "Subject",
    ),
]


def design_of(data: pd.DataFrame, columns: list[Column]) -> np.ndarray:
    parts = [data[column] if isinstance(column, str) else column(data) for column in columns]
    return np.column_stack([np.ones(len(data)), *parts])


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("case", POLISHED, ids=lambda case: f"{case[0]}-{case[1]}")
def test_agrees_with_polished_lme4(case, method):
    name, model, outcome, columns, group = case
    block = reference_json(f"effectiveness/{name}_expected.json")["models"][model][method]
    data = pd.read_csv(reference_path(f"effectiveness/{name}.csv"))
    fit = fit_random_intercept(
        data[outcome], design_of(data, columns), pd.factorize(data[group])[0], method=method
    )
    assert -2 * fit.log_likelihood == pytest.approx(block["criterion"], abs=CRITERION)
    assert fit.beta == pytest.approx(list(block["fixef"].values()), rel=ESTIMATE)
    assert fit.std_error == pytest.approx(list(block["se"].values()), rel=ESTIMATE)
    variances = [fit.agency_variance, fit.residual_variance]
    assert variances == pytest.approx(block["varcorr"]["vcov"], rel=ESTIMATE, abs=1e-12)
    assert fit.is_singular == block["singular"]


def test_agrees_with_lmer_on_sixty_simulated_trials():
    expected = pd.read_csv(reference_path("effectiveness/sim_random_intercept/expected.csv"))
    for row in expected.itertuples():
        data = pd.read_csv(reference_path(f"effectiveness/sim_random_intercept/{row.file}"))
        fit = fit_random_intercept(data["y"], design_of(data, ["arm", "base"]), data["agency"])
        assert fit.beta[1] == pytest.approx(row.estimate, rel=LMER_DEFAULT)
        assert fit.std_error[1] == pytest.approx(row.std_error, rel=LMER_DEFAULT)
        assert fit.log_likelihood == pytest.approx(row.reml_log_lik, abs=CRITERION)
        assert np.sqrt(fit.agency_variance) == pytest.approx(row.agency_sd, abs=5e-7)
    assert len(expected) == 60


def test_agrees_with_lmer_on_a_real_cluster_trial():
    # PBS: 204 complete cases in 23 sites, cost in GBP (sd about 5,000).
    data = pd.read_csv(reference_path("economics/pbs_wide.csv"))
    data = data.dropna(subset=["qaly", "cost", "e1", "c1"])
    blocks = reference_json("economics/pbs_expected.json")["lmer"]
    data["nb20k"] = 20_000 * data["qaly"] - data["cost"]
    models = {
        "cost_adj": ("cost", ["trt", "c1"]),
        "qaly_adj": ("qaly", ["trt", "e1"]),
        "cost_unadj": ("cost", ["trt"]),
        "qaly_unadj": ("qaly", ["trt"]),
    }
    for name, (outcome, columns) in models.items():
        design, sites = design_of(data, list(columns)), data["site"].to_numpy()
        fit = fit_random_intercept(data[outcome], design, sites)
        block = blocks[name]
        # lmer's default optimiser: the variance is loose in the sixth digit.
        assert fit.beta[1] == pytest.approx(block["est"], rel=1e-5)
        assert fit.std_error[1] == pytest.approx(block["se"], rel=1e-5)
        assert fit.log_likelihood == pytest.approx(block["reml_loglik"], abs=1e-7)
        assert fit.agency_variance == pytest.approx(block["var_site"], rel=1e-4)
        ml = fit_random_intercept(data[outcome], design, sites, method="ML")
        assert ml.beta[1] == pytest.approx(block["ml"]["est"], rel=1e-5)
        assert ml.log_likelihood == pytest.approx(block["ml"]["loglik"], abs=1e-7)


def statsmodels_results(name: str) -> Path:
    spec = find_spec("statsmodels")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "regression" / "tests" / "results"
    if not (folder / name).exists():
        pytest.skip("this statsmodels ships no test data")
    return folder / name


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_agrees_with_the_lme4_fits_that_statsmodels_ships(number, method):
    # Sets 0 to 5 have one random intercept; lme4's numbers are printed with seven digits and
    # its variances are loose in the fourth.
    from statsmodels.regression.tests.results import lme_r_results as lme4

    data = pd.read_csv(statsmodels_results(f"lme{number:02d}.csv"))
    assert (data["exog_re_0"] == 1.0).all()
    design = data.filter(like="exog_fe").to_numpy()
    fit = fit_random_intercept(data["endog"], design, data["groups"].astype(int), method=method)

    def expected(what: str) -> np.ndarray:
        return np.asarray(getattr(lme4, f"{what}_{method.lower()}_drf_{number}"))

    assert fit.beta == pytest.approx(expected("coef"), rel=1e-4)
    assert fit.cov == pytest.approx(expected("vcov"), rel=1e-3)
    assert fit.residual_variance == pytest.approx(expected("scale")[0], rel=1e-4)
    assert fit.agency_variance == pytest.approx(expected("cov_re")[0, 0], rel=1e-3, abs=1e-10)
    assert fit.log_likelihood == pytest.approx(expected("loglike")[0], abs=1e-3)


def test_hand_worked_balanced_groups():
    # Three groups of two with means 1.5, 4.5, 3.5: mean square between (2 x 14/3 / 2) = 14/3,
    # within (0.5 + 0.5 + 0.5) / 3 = 0.5, so the variance between is (14/3 - 0.5) / 2 = 25/12.
    y = np.array([1.0, 2.0, 4.0, 5.0, 3.0, 4.0])
    fit = fit_random_intercept(y, np.ones((6, 1)), np.array([0, 0, 1, 1, 2, 2]))
    assert fit.residual_variance == pytest.approx(0.5, rel=1e-12)
    assert fit.agency_variance == pytest.approx(25 / 12, rel=1e-12)
    assert fit.beta[0] == pytest.approx(19 / 6, rel=1e-12)
    assert fit.std_error[0] == pytest.approx(np.sqrt(14 / 3 / 6), rel=1e-12)
    assert fit.between_df == 2
    assert not fit.is_singular


def test_dyestuff_agrees_with_the_published_analysis_of_variance():
    # Davies and Goldsmith (1972), the Dyestuff yields; Bates et al. (2015): REML gives
    # standard deviations 42.00 (batch) and 49.51 (residual), mean 1527.5 (SE 19.38).
    batches = (
        (1545, 1440, 1440, 1520, 1580),
        (1540, 1555, 1490, 1560, 1495),
        (1595, 1550, 1605, 1510, 1560),
        (1445, 1440, 1595, 1465, 1545),
        (1595, 1630, 1515, 1635, 1625),
        (1520, 1455, 1450, 1480, 1445),
    )
    y = np.array(batches, dtype=float).ravel()
    fit = fit_random_intercept(y, np.ones((30, 1)), np.repeat(np.arange(6), 5))
    assert np.sqrt(fit.agency_variance) == pytest.approx(42.00, abs=0.005)
    assert np.sqrt(fit.residual_variance) == pytest.approx(49.51, abs=0.005)
    assert fit.beta[0] == pytest.approx(1527.5, abs=1e-9)
    assert fit.std_error[0] == pytest.approx(19.38, abs=0.005)
    assert -2 * fit.log_likelihood == pytest.approx(319.6543, abs=5e-5)


# --- the pitfalls of a random intercept -------------------------------------------------------


def draw(seed: int, *, agency_sd: float = 0.5, sizes: tuple[int, ...] = (4, 9, 12, 3, 7, 15)):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    arm = (groups % 2).astype(float)
    base = rng.normal(size=len(groups))
    y = 1 + 0.5 * arm + 0.6 * base + agency_sd * rng.normal(size=len(sizes))[groups]
    y = y + rng.normal(size=len(groups))
    return y, np.column_stack([np.ones(len(groups)), arm, base]), groups


def dense_criterion(y, X, groups, ratio, method):
    """-2 log-likelihood with V written out: no sums per group, no basis, no profiling trick."""
    n, p = X.shape
    V = np.eye(n) + ratio * (groups[:, None] == groups[None, :])
    Vi = np.linalg.inv(V)
    A = X.T @ Vi @ X
    e = y - X @ np.linalg.solve(A, X.T @ Vi @ y)
    df = n - p if method == "REML" else n
    value = np.linalg.slogdet(V)[1] + df * (1 + np.log(2 * np.pi * (e @ Vi @ e) / df))
    return value + (np.linalg.slogdet(A)[1] if method == "REML" else 0.0)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    agency_sd=st.sampled_from([0.0, 0.1, 0.5, 3.0, 100.0]),
    sizes=st.lists(st.integers(1, 12), min_size=4, max_size=9).filter(
        lambda s: sum(s) > 2 * len(s)
    ),
    method=st.sampled_from(["REML", "ML"]),
)
def test_no_grid_point_beats_the_fit(seed, agency_sd, sizes, method):
    y, X, groups = draw(seed, agency_sd=agency_sd, sizes=tuple(sizes))
    fit = fit_random_intercept(y, X, groups, method=method)
    ratio = fit.agency_variance / fit.residual_variance
    found = dense_criterion(y, X, groups, ratio, method)
    assert -2 * fit.log_likelihood == pytest.approx(found, rel=ROUNDING)
    grid = np.concatenate([[0.0], np.logspace(-4, 4, 33), ratio * np.array([0.999, 1.001])])
    values = [dense_criterion(y, X, groups, other, method) for other in grid]
    assert found <= min(values) + 1e-7


def test_zero_is_accepted_only_where_the_criterion_rises():
    # Pitfall: on the scale of the standard deviation zero is always stationary, and optimisers
    # stop there. hsb14's variance is clearly positive although they reported zero.
    outcomes = {True: 0, False: 0}
    for seed in range(40):
        y, X, groups = draw(seed, agency_sd=0.25)
        fit = fit_random_intercept(y, X, groups)
        near = [dense_criterion(y, X, groups, ratio, "REML") for ratio in (0.0, 1e-5)]
        assert fit.is_singular == (near[1] >= near[0])
        outcomes[fit.is_singular] += 1
    assert min(outcomes.values()) >= 5


def test_zero_variance_equals_least_squares():
    singular = [
        seed for seed in range(30) if fit_random_intercept(*draw(seed, agency_sd=0.0)).is_singular
    ]
    y, X, groups = draw(singular[0], agency_sd=0.0)
    fit = fit_random_intercept(y, X, groups)
    beta, rest, _, _ = np.linalg.lstsq(X, y, rcond=None)
    variance = rest[0] / (len(y) - 3)
    assert fit.agency_variance == 0.0
    assert fit.icc == 0.0
    assert fit.beta == pytest.approx(beta, rel=1e-11)
    assert fit.residual_variance == pytest.approx(variance, rel=1e-11)
    assert fit.cov == pytest.approx(variance * np.linalg.inv(X.T @ X), rel=1e-10)


@pytest.mark.parametrize("shift", [0.0, 2000.0, 1e6, 1e9])
def test_a_large_mean_costs_no_precision(shift):
    y, X, groups = draw(11)
    plain, moved = (fit_random_intercept(values, X, groups) for values in (y, y + shift))
    tolerance = 1e-9 + 1e-15 * shift
    assert moved.agency_variance == pytest.approx(plain.agency_variance, rel=100 * tolerance)
    assert moved.std_error == pytest.approx(plain.std_error, rel=100 * tolerance)
    assert moved.beta[1:] == pytest.approx(plain.beta[1:], rel=1e4 * tolerance)
    assert moved.log_likelihood == pytest.approx(plain.log_likelihood, abs=100 * tolerance)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    unit=st.sampled_from([1e-6, 0.01, 365.25, 1e6]),
    outcome_unit=st.sampled_from([1e-5, 1.0, 1e5]),
)
def test_units_of_columns_and_outcome_do_not_matter(seed, unit, outcome_unit):
    y, X, groups = draw(seed)
    fit = fit_random_intercept(y, X, groups)
    other = fit_random_intercept(y * outcome_unit, X * [1.0, 1.0, unit], groups)
    scale = outcome_unit / np.array([1.0, 1.0, unit])
    assert other.beta == pytest.approx(fit.beta * scale, rel=1e-7, abs=0)
    assert other.std_error == pytest.approx(fit.std_error * scale, rel=1e-7)
    assert other.icc == pytest.approx(fit.icc, rel=1e-6, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.randoms(use_true_random=False))
def test_order_of_rows_and_labels_of_groups_do_not_matter(seed, order):
    y, X, groups = draw(seed)
    rows = list(range(len(y)))
    order.shuffle(rows)
    fit = fit_random_intercept(y, X, groups)
    other = fit_random_intercept(y[rows], X[rows], 1000 - 7 * groups[rows])
    assert other.beta == pytest.approx(fit.beta, rel=1e-7, abs=1e-10)
    assert other.agency_variance == pytest.approx(fit.agency_variance, rel=1e-6, abs=1e-12)


def test_swapping_the_arms_only_changes_the_sign():
    y, X, groups = draw(5)
    fit = fit_random_intercept(y, X, groups)
    swapped = fit_random_intercept(y, np.column_stack([X[:, 0], 1 - X[:, 1], X[:, 2]]), groups)
    assert swapped.beta[1] == pytest.approx(-fit.beta[1], rel=1e-9)
    assert swapped.std_error[1] == pytest.approx(fit.std_error[1], rel=1e-9)


def test_a_covariate_far_from_zero_is_not_collinear():
    y, X, groups = draw(2)
    fit = fit_random_intercept(y, X, groups)
    year = fit_random_intercept(y, np.column_stack([X[:, :2], X[:, 2] + 2012.0]), groups)
    assert year.beta[1:] == pytest.approx(fit.beta[1:], rel=1e-8)


# --- what is refused --------------------------------------------------------------------------


def code_of(y, X, groups, **options) -> tuple[str, ...]:
    with pytest.raises(ModelError) as caught:
        fit_random_intercept(y, X, groups, **options)
    return caught.value.codes


def test_refuses_what_cannot_be_estimated():
    y, X, groups = draw(1)
    n = len(y)
    assert code_of(y, X, np.zeros(n, int)) == ("CPI-M001",)
    assert code_of(y[:3], X[:3], groups[:3]) == ("CPI-M001",)
    assert code_of(y, X[:, [0, 1, 1]], groups) == ("CPI-M002",)
    assert code_of(y, np.column_stack([X, np.zeros(n)]), groups) == ("CPI-M002",)
    assert code_of(y, np.column_stack([X, np.full(n, 3.7)]), groups) == ("CPI-M002",)
    assert code_of(np.full(n, 17.3), X, groups) == ("CPI-M003",)
    assert code_of(np.zeros(n), X, groups) == ("CPI-M003",)
    assert code_of(X @ [3.0, 1.0, 2.0], X, groups) == ("CPI-M003",)
    assert code_of(groups**2.0, X[:, :2], groups) == ("CPI-M003",)
    assert code_of(np.where(np.arange(n) == 4, np.nan, y), X, groups) == ("CPI-M006",)
    assert code_of(y, np.where(np.arange(n)[:, None] == 5, np.inf, X), groups) == ("CPI-M006",)
    assert code_of(y, X, np.arange(n)) == ("CPI-M007",)
    assert code_of(y, X, groups.astype(float)) == ("CPI-M004",)
    assert code_of(y, X[:-1], groups) == ("CPI-M004",)
    assert code_of(y, X[:, :0], groups) == ("CPI-M004",)
    assert code_of(y, X, groups, method="reml") == ("CPI-M004",)


def test_one_agency_per_arm_is_refused():
    y, X, groups = draw(1, sizes=(20, 20))
    assert code_of(y, X, groups) == ("CPI-M001",)


def test_agency_level_columns_may_not_use_up_the_agencies():
    y, X, groups = draw(1)
    agency_columns = np.random.default_rng(0).normal(size=(6, 4))[groups]
    assert (
        fit_random_intercept(y, np.column_stack([X, agency_columns[:, :3]]), groups).between_df == 1
    )
    assert code_of(y, np.column_stack([X, agency_columns]), groups) == ("CPI-M001",)


def test_the_error_names_the_column():
    y, X, groups = draw(1)
    with pytest.raises(ModelError, match="sector"):
        fit_random_intercept(y, X[:, [0, 1, 1]], groups, column_names=["one", "arm", "sector"])


def test_the_fit_prints_without_its_sums():
    assert "sums" not in repr(fit_random_intercept(*draw(1)))
