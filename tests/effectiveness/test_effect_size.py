"""Effect sizes against hand arithmetic and effectsize 0.8.3; responders by counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import (
    build_analysis_set,
    compute_minimal_change,
    estimate_cluster_robust,
    estimate_effect_size,
    estimate_responders,
    fit_outcome_model,
)
from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.inference.effect_size import find_noncentral_t
from tests.effectiveness.made_trial import make_people
from tests.effectiveness.made_trial import make_trial as make_made_trial
from tests.reference import reference_json, reference_path

FOUR = pd.DataFrame(
    {
        "agency_id": ["A", "A", "B", "B", "C", "C", "D", "D"],
        "arm": [1, 1, 1, 1, 0, 0, 0, 0],
        "outcome": [5.0, 6.0, 7.0, 9.0, 3.0, 4.0, 5.0, 5.5],
    }
)
COLUMNS = {"outcome": "outcome", "exposure": "arm", "cluster": "agency_id"}
D_T, D_W = "d_T: over the total SD", "d_W: over the SD within agencies"
HEDGES_G, ETA = "Hedges' g, agencies ignored", "partial eta squared, agencies ignored"


def rows(result):
    return result.tidy().set_index("quantity")


# by hand ---------------------------------------------------------------------------------------


def test_four_agencies_of_two_by_hand():
    # Means 6.75 and 4.375; sums of squares about them 8.75 and 3.6875: S_T^2 = 12.4375 / 6.
    # ICC 0.5, n = 2: factor 1 - 2 (2 - 1) 0.5 / 6 = 5/6, d = 2.375 sqrt(5/6) / S_T = 1.505841;
    # h = (6 * 5/6)^2 / (6 * 0.25 + 2 * (8 - 4) * 0.25 + 2 * (8 - 4) * 0.25) = 25 / 5.5;
    # correction 1 - 3 / (4 * 4.545455 - 1) = 0.825397.
    # V = 0.825397^2 * (8/16) (1 + 0.5) + d_T^2 / (2 h).
    table = rows(estimate_effect_size(FOUR, icc=0.5, **COLUMNS))
    d = 0.8253968 * 2.375 * np.sqrt(5 / 6) / np.sqrt(12.4375 / 6)
    assert table.loc[D_T, "estimate"] == pytest.approx(d, rel=1e-7)
    variance = 0.8253968**2 * 0.75 + d**2 * 5.5 / 50
    assert table.loc[D_T, "std_error"] == pytest.approx(np.sqrt(variance), rel=1e-7)
    # Within: squares 0.5 + 2 + 0.5 + 0.125 on 4 df, correction 1 - 3/15.
    d_w = 0.8 * 2.375 / np.sqrt(3.125 / 4)
    assert table.loc[D_W, "estimate"] == pytest.approx(d_w, rel=1e-12)
    variance = 0.64 * 0.5 * (1.5 / 0.5) + d_w**2 / 8
    assert table.loc[D_W, "std_error"] == pytest.approx(np.sqrt(variance), rel=1e-12)
    # t of two degrees of freedom at 0.975 is 4.302653 in any table.
    reach = 4.302653 * table.loc[D_W, "std_error"]
    assert table.loc[D_W, "conf_high"] == pytest.approx(d_w + reach, rel=1e-6)


def test_without_likeness_within_agencies_d_t_is_hedges_g_by_the_approximate_correction():
    table = rows(estimate_effect_size(FOUR, icc=0.0, **COLUMNS))
    # 1 - 3/(4*6 - 1) against Gamma(3) / (sqrt(3) Gamma(2.5)).
    exact = 2 / (np.sqrt(3) * 1.3293403882)
    ratio = table.loc[D_T, "estimate"] / table.loc[HEDGES_G, "estimate"]
    assert ratio == pytest.approx((1 - 3 / 23) / exact, rel=1e-9)
    assert table.loc[ETA, "estimate"] == pytest.approx(
        2.375**2 * 2 / (2.375**2 * 2 + 12.4375), rel=1e-12
    )


def test_unequal_agencies_keep_the_expected_variance():
    # E[S_T^2] = s2 (1 - rho (a - 2)/(N - 2)) exactly: simulated, sizes 2, 10, 3, 9, 6.
    rng = np.random.default_rng(3)
    sizes = [2, 10, 3, 9, 6]
    clusters = np.repeat(np.arange(5), sizes)
    arm = (clusters < 2).astype(int)
    squares = []
    for _ in range(4000):
        y = rng.normal(0, np.sqrt(0.4), 5)[clusters] + rng.normal(0, np.sqrt(0.6), 30)
        parts = [y[arm == k] for k in (0, 1)]
        squares.append(sum(float(np.sum((one - one.mean()) ** 2)) for one in parts) / 28)
    a = (4 + 100) / 12 + (9 + 81 + 36) / 18
    expected = 1 - 0.4 * (a - 2) / 28
    assert np.mean(squares) == pytest.approx(expected, abs=4 * np.std(squares) / np.sqrt(4000))
    data = pd.DataFrame({"agency_id": clusters, "arm": arm, "outcome": y})
    result = estimate_effect_size(data, icc=0.4, **COLUMNS)
    scale = np.sqrt(squares[-1] / expected)
    d = result.difference / scale
    h = (28 * expected) ** 2 / (28 * 0.36 + 2 * (30 - a) * 0.24 + 0.16 * 2 * (_trace(sizes) / 2))
    corrected = d * (1 - 3 / (4 * h - 1))
    assert rows(result).loc[D_T, "estimate"] == pytest.approx(corrected, rel=1e-9)


def _trace(sizes):
    """Return tr((A Z Z')^2) with the matrices themselves."""
    Z = np.repeat(np.eye(len(sizes)), sizes, axis=0)
    n = len(Z)
    group = np.repeat([0, 0, 1, 1, 1], sizes)
    A = np.eye(n)
    for k in (0, 1):
        member = (group == k).astype(float)
        A -= np.outer(member, member) / member.sum()
    inner = A @ Z @ Z.T
    return float(np.trace(inner @ inner))


# against effectsize ----------------------------------------------------------------------------


def test_hedges_g_of_hsb14_is_that_of_effectsize():
    data = pd.read_csv(reference_path("effectiveness/hsb14.csv"))
    expected = reference_json("effectiveness/icc_effectsize_expected.json")["models"]
    result = estimate_effect_size(data, outcome="mAch", exposure="catholic", cluster="school")
    row = rows(result).loc[HEDGES_G]
    # effectsize takes the first level minus the second.
    peer = expected["hsb14_hedges_g"]
    assert row["estimate"] == pytest.approx(-peer["Hedges_g"][0], rel=1e-9)
    assert row["conf_high"] == pytest.approx(-peer["CI_low"][0], rel=1e-6)
    # The other limit of effectsize stopped early: it leaves 0.02524 of pt() above, not 0.025.
    # R's uniroot over pt(t, 581, ncp) gives 0.498720641040 before the correction.
    correction = peer["Hedges_g"][0] / expected["hsb14_cohens_d"]["Cohens_d"][0]
    assert row["conf_low"] == pytest.approx(0.498720641040 * correction, rel=1e-8)


def test_limits_of_the_made_people_are_those_of_r():
    # R 4.2.2: t.test with equal variances, lgamma, and uniroot over pt and pf with ncp.
    data = make_people().assign(arm=lambda d: (d["arm"] == "target").astype(int))
    result = estimate_effect_size(data, outcome="after", exposure="arm", cluster="agency_id")
    table = rows(result)
    assert table.loc[HEDGES_G, "estimate"] == pytest.approx(0.23384678115056, rel=1e-9)
    limits = table.loc[HEDGES_G, ["conf_low", "conf_high"]].tolist()
    assert limits == pytest.approx([-0.24924696057546, 0.71510100562783], rel=1e-8)
    assert table.loc[ETA, "estimate"] == pytest.approx(0.014239518084887, rel=1e-9)
    limits = table.loc[ETA, ["conf_low", "conf_high"]].tolist()
    assert limits == pytest.approx([0.0, 0.115697858177535], rel=1e-8)


def test_noncentral_limits_leave_the_tails_that_they_should():
    from scipy import stats

    low, high = find_noncentral_t(2.1, 20, 0.9)
    assert stats.nct.sf(2.1, 20, low) == pytest.approx(0.05, abs=1e-9)
    assert stats.nct.cdf(2.1, 20, high) == pytest.approx(0.05, abs=1e-9)


# what it is used for ---------------------------------------------------------------------------


def test_adjusted_difference_is_standardised_with_its_own_error():
    one = build_analysis_set(make_made_trial(), measure="score", timepoint="m9")
    row = fit_outcome_model(one).estimates.iloc[0]
    settings = {"outcome": "outcome", "exposure": "exposure_target", "cluster": "agency_id"}
    crude = estimate_effect_size(one.data, **settings)
    adjusted = estimate_effect_size(
        one.data, difference=row["estimate"], std_error=row["std_error"], **settings
    )
    ratio = rows(adjusted).loc[D_T, "estimate"] / rows(crude).loc[D_T, "estimate"]
    assert ratio == pytest.approx(row["estimate"] / crude.difference, rel=1e-9)
    assert "standard deviations" in adjusted.summary()


@pytest.mark.parametrize(
    ("change", "arguments", "code"),
    [
        ({"agency_id": ["A"] * 4 + ["C", "C", "D", "D"]}, {}, "CPI-M001"),
        ({"agency_id": ["A", "A", "B", "B", "A", "C", "D", "D"]}, {}, "CPI-M004"),
        ({"agency_id": list("ABCDEFGH")}, {}, "CPI-M007"),
        ({"outcome": 3.0}, {}, "CPI-M002"),
        ({"outcome": np.inf}, {}, "CPI-M006"),
        ({"outcome": list("abcdefgh")}, {}, "CPI-M004"),
        ({"arm": 2}, {}, "CPI-M004"),
        ({}, {"icc": 1.0}, "CPI-M004"),
        ({}, {"difference": 2.0}, "CPI-M004"),
        ({}, {"cluster": "site"}, "CPI-M004"),
    ],
)
def test_what_has_no_effect_size_is_refused(change, arguments, code):
    with pytest.raises(ModelError) as raised:
        estimate_effect_size(FOUR.assign(**change), **{**COLUMNS, **arguments})
    assert raised.value.codes == (code,)


def test_confidence_level_is_a_share():
    with pytest.raises(DataError):
        estimate_effect_size(FOUR, confidence_level=95, **COLUMNS)


# change that matters ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made_set():
    return build_analysis_set(make_made_trial(), measure="score", timepoint="m9")


def test_minimal_change_by_hand(made_set):
    spread = made_set.data["baseline"].std()
    table = rows(compute_minimal_change(made_set, reliability=0.84))["estimate"]
    assert table["0.5 standard deviations"] == pytest.approx(spread / 2)
    assert table["standard error of measurement"] == pytest.approx(0.4 * spread)
    detectable = 1.959964 * np.sqrt(2) * 0.4 * spread
    assert table["smallest detectable change (95%)"] == pytest.approx(detectable, rel=1e-6)
    assert len(compute_minimal_change(made_set).tidy()) == 2


def test_responders_are_counted_and_compared_by_agency(made_set):
    result = estimate_responders(made_set, minimal_change=1.0)
    table = rows(result)
    data = made_set.data
    better = (data["outcome"] - data["baseline"]) >= 1.0
    is_target = data["exposure_target"] == 1
    assert table.loc["share in intervention", "estimate"] == pytest.approx(better[is_target].mean())
    gap = better[is_target].mean() - better[~is_target].mean()
    assert table.loc["difference", "estimate"] == pytest.approx(gap)
    robust = estimate_cluster_robust(
        data.assign(better=better.astype(float)),
        formula="better ~ exposure_target",
        cluster="agency_id",
    ).estimates.iloc[1]
    assert table.loc["difference", "df"] == pytest.approx(robust["df"], rel=1e-12)
    assert any("throws away" in note for note in result.notes)


def test_lower_is_better_turns_the_direction(made_set):
    up = estimate_responders(made_set, minimal_change=1.0).tidy()["estimate"].iloc[0]
    down = estimate_responders(made_set, minimal_change=1.0, is_higher_better=False)
    change = made_set.data["outcome"] - made_set.data["baseline"]
    fell = (change <= -1.0)[made_set.data["exposure_target"] == 1].mean()
    assert down.tidy()["estimate"].iloc[0] == pytest.approx(fell)
    assert up != pytest.approx(fell)


def test_shares_stay_between_nought_and_one(made_set):
    table = estimate_responders(made_set, minimal_change=1.0).tidy().iloc[:2]
    assert (table["conf_low"] >= 0).all()
    assert (table["conf_high"] <= 1).all()


@pytest.mark.parametrize("amount", [0.0, -1.0, np.nan])
def test_amounts_must_be_positive(made_set, amount):
    with pytest.raises(ModelError, match="positive"):
        estimate_responders(made_set, minimal_change=amount)


def test_a_change_that_nobody_reached_is_refused(made_set):
    with pytest.raises(ModelError) as raised:
        estimate_responders(made_set, minimal_change=1000.0)
    assert raised.value.codes == ("CPI-M003",)


def test_change_needs_its_own_baseline_and_a_reliability_is_a_share(made_set):
    bare = build_analysis_set(make_made_trial(), measure="score", timepoint="m9", baseline="none")
    for call in (
        lambda: estimate_responders(bare, minimal_change=1.0),
        lambda: compute_minimal_change(bare),
    ):
        with pytest.raises(ModelError, match="baseline of the same measure"):
            call()
    with pytest.raises(ModelError, match="reliability"):
        compute_minimal_change(made_set, reliability=84)
