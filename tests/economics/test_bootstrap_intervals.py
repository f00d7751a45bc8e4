"""Bootstrap intervals against R's boot.ci, and when they are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import estimate_bootstrap_intervals, estimate_incremental
from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.inference.bootstrap_intervals import compute_interval, interpolate_quantiles
from tests.reference import reference_json, reference_path

# boot.ci gets its normal quantiles from the same series: only rounding differs.
GOLDEN = 1e-10

NAMES = {"percentile": "perc", "bca": "bca", "basic": "basic", "normal": "norm"}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("quantity", ["dc", "de", "inb20k", "inb30k"])
def test_intervals_of_glick_are_those_of_boot_ci(kind, quantity):
    draws = pd.read_csv(reference_path("economics/glick_boot_t.csv"))
    influence = pd.read_csv(reference_path("economics/glick_boot_L_jack.csv"))
    expected = reference_json("economics/glick_expected.json")["boot"]["ci"][quantity]
    replicates = {
        "dc": draws["dc"],
        "de": draws["de"],
        "inb20k": 20_000 * draws["de"] - draws["dc"],
        "inb30k": 30_000 * draws["de"] - draws["dc"],
    }[quantity]
    found = compute_interval(
        expected["t0"],
        replicates.to_numpy(),
        kind=kind,
        confidence_level=0.95,
        influence=influence[quantity].to_numpy(),
    )
    assert found == pytest.approx(expected[NAMES[kind]], rel=GOLDEN)


def test_our_jackknife_of_glick_is_that_of_boot():
    data = pd.read_csv(reference_path("economics/glick_trial.csv"))
    expected = pd.read_csv(reference_path("economics/glick_boot_L_jack.csv"))
    result = estimate_incremental(
        data, cost="cost", effect="qaly", arm="treat", cluster=None, method="people",
        replicates=100, seed=1,
    )  # fmt: skip
    assert result.influence == pytest.approx(expected[["dc", "de"]].to_numpy(), rel=1e-7, abs=1e-7)


def test_quantiles_by_hand():
    """Of 1, 2, 3, 4 the first stands for 1/5: in the middle on the normal scale lies 1.5."""
    from scipy.stats import norm

    middle = norm.cdf((norm.ppf(0.2) + norm.ppf(0.4)) / 2)
    found = interpolate_quantiles(
        np.array([4.0, 2.0, 1.0, 3.0]), np.array([0.2, middle, 0.01, 0.99])
    )
    assert found == pytest.approx([1.0, 1.5, 1.0, 4.0])


def test_a_symmetric_sample_has_a_bca_interval_that_is_its_percentile_interval():
    draws = np.arange(-999.0, 1000.0)
    settings = {"confidence_level": 0.9, "influence": np.array([-2.0, -1.0, 1.0, 2.0])}
    # 999 of 1,999 lie below 0: z0 is all but zero, and the acceleration is exactly so.
    bca = compute_interval(0.0, draws, kind="bca", **settings)
    plain = compute_interval(0.0, draws, kind="percentile", **settings)
    assert bca == pytest.approx(plain, abs=2.0)


def test_the_expanded_interval_is_a_wider_percentile_interval():
    draws = np.random.default_rng(1).normal(size=100_000)
    low, high = compute_interval(0.0, draws, kind="expanded", confidence_level=0.95, df=10)
    # t(.975; 10) = 2.2281 (tables): percentiles of normal draws at that point.
    assert high == pytest.approx(2.2281, abs=0.06)
    assert low == pytest.approx(-2.2281, abs=0.06)


def _people(agencies=12):
    rng = np.random.default_rng(1)
    agency = np.repeat(np.arange(agencies), 6)
    arm = agency % 2
    return pd.DataFrame(
        {
            "agency": agency,
            "arm": arm,
            "cost": rng.gamma(2.0, 1000.0, agency.size) + 1500 * arm,
            "qaly": 0.5 + 0.1 * arm + rng.normal(0, 0.2, agency.size),
        }
    )


def _estimate(data, **changes):
    settings = {
        "cost": "cost",
        "effect": "qaly",
        "arm": "arm",
        "cluster": "agency",
        "replicates": 999,
        "seed": 1,
        "thresholds": [20_000.0],
    }
    return estimate_incremental(data, **(settings | changes))


def test_narrow_intervals_of_few_agencies_need_an_override():
    result = _estimate(_people())
    with pytest.raises(DataError, match="accept_few_agencies=True") as caught:
        estimate_bootstrap_intervals(result, kinds=["percentile", "expanded"])
    assert caught.value.codes == ("CPI-E045",)
    allowed = estimate_bootstrap_intervals(
        result, kinds=["percentile", "bca", "expanded"], accept_few_agencies=True
    )
    assert "asked for all the same: percentile, bca" in allowed.notes[0]
    table = allowed.tidy().set_index(["quantity", "interval"])
    width = table["conf_high"] - table["conf_low"]
    assert (width[:, "expanded"] > width[:, "percentile"]).all()


def test_many_agencies_need_none_and_a_trial_without_agencies_neither():
    for settings in ({"data": _people(48)}, {"data": _people(), "cluster": None}):
        result = _estimate(**settings)
        found = estimate_bootstrap_intervals(result, kinds=["percentile", "bca"])
        assert len(found.tidy()) == 6
        assert "narrow" not in " ".join(found.notes)


def test_the_jackknife_leaves_out_one_agency_at_a_time():
    """Influence (K − 1)(θ − θ without it), by hand for one agency of twelve."""
    data = _people()
    result = _estimate(data)
    rest = data[data["agency"] != 3]
    means = [d.groupby("arm")["cost"].mean().diff().iloc[1] for d in (data, rest)]
    assert result.influence[3, 0] == pytest.approx(5 * (means[0] - means[1]))


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"kinds": ["t"]}, "CPI-E045"),
        ({"thresholds": [30_000, 20_000]}, "CPI-E045"),
        ({"confidence_level": 95}, "CPI-E024"),
    ],
)
def test_settings_that_cannot_be_used(settings, code):
    with pytest.raises(DataError) as caught:
        estimate_bootstrap_intervals(_estimate(_people()), **({"kinds": ["expanded"]} | settings))
    assert caught.value.codes == (code,)


def test_a_model_has_no_replicates():
    result = _estimate(_people(), method="sur")
    with pytest.raises(DataError, match="by a model"):
        estimate_bootstrap_intervals(result)


def test_bca_of_replicates_on_one_side_is_refused():
    with pytest.raises(ModelError) as caught:
        compute_interval(
            5.0, np.ones(10), kind="bca", confidence_level=0.9, influence=np.array([1.0, -1.0])
        )
    assert caught.value.codes == ("CPI-M003",)
