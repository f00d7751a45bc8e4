"""Mixed models for events, counts and categories against lme4, glmmTMB and ordinal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cpi_analysis import effectiveness
from cpi_analysis.effectiveness import GlmmResult, fit_glmm
from cpi_analysis.errors import CPIAnalysisError, DataError, ModelError
from cpi_analysis.inference.outcome_families import (
    Binomial,
    Cumulative,
    Family,
    NegativeBinomial,
    Poisson,
)
from cpi_analysis.inference.quadrature import Model, compute_likelihood, make_nodes
from tests.effectiveness.made_discrete import make_ordered, make_people
from tests.reference import reference_json, reference_path

#: The goal for numbers of other programs, whose optimisers stop at about this.
GOLDEN = 1e-5
#: Standard errors of glmer come from differences of its deviance.
GOLDEN_SE = 1e-4
#: Numbers of this package that two ways must give.
SAME = 1e-7
AGENCY = {"agency": "1"}

# R 4.2.2 on the made-up people: lme4 1.1-31 (bobyqa, rhoend 1e-10), glmmTMB 1.1.5, ordinal
# 2022.11-16 (gradTol 1e-9). Rows: estimates, standard errors, standard deviation of intercepts,
# log-likelihood with its constants (None where lme4 leaves them out).
RETYPED: dict[str, tuple[dict[str, Any], list[float], list[float], float, float | None]] = {
    "binomial, Laplace (glmer)": (
        {"formula": "event ~ arm + age", "family": "binomial", "quadrature_points": 1},
        [-0.420200580400, 0.845189365059, -0.122175033805],
        [0.440045390219, 0.427973009129, 0.072969833893],
        0.164576767226,
        -67.8517047389,
    ),
    "binomial, 9 points (glmer)": (
        {"formula": "event ~ arm + age", "family": "binomial", "quadrature_points": 9},
        [-0.420455072265, 0.845678501205, -0.122242988495],
        [0.4407522942093, 0.4293552325790, 0.0730122391222],
        0.172687788589,
        -67.8509657724,
    ),
    "Poisson, 9 points (glmer)": (
        {"formula": "count ~ arm + age", "family": "poisson", "quadrature_points": 9},
        [1.8635407407728, 0.5174140161267, -0.0316429739584],
        [0.1707908993935, 0.2260819440730, 0.0119844783959],
        0.369303785836,
        None,
    ),
    "negative binomial, Laplace (glmmTMB)": (
        {"formula": "count ~ arm + age", "family": "negative_binomial", "quadrature_points": 1},
        [1.8782675665549, 0.5162301249112, -0.0340002622871],
        [0.1775122030894, 0.2270780273717, 0.0156745088263],
        0.358761462368,
        -294.330954088,
    ),
    "ordinal logit, 10 points (clmm)": (
        {"formula": "grade ~ arm + age", "family": "ordinal", "quadrature_points": 10},
        [-1.2397703713983, 0.0644010229839, 1.1274169931454, 0.6297942476470, 0.0716889793030],
        [0.4601206872373, 0.4332887328326, 0.4481612810458, 0.4719897162986, 0.0587547521144],
        0.527144377711,
        -140.408957484,
    ),
    "ordinal probit, 10 points (clmm)": (
        {
            "formula": "grade ~ arm + age",
            "family": "ordinal",
            "link": "probit",
            "quadrature_points": 10,
        },
        [-0.7320566977578, 0.0472254060453, 0.7060950075197, 0.3938830444693, 0.0461938702065],
        [0.282084350336, 0.272976396394, 0.278162216103, 0.294814304261, 0.035978496074],
        0.348753298932,
        -139.88236524,
    ),
}


@pytest.mark.parametrize("case", RETYPED)
def test_agrees_with_the_numbers_of_r(case: str) -> None:
    arguments, estimates, std_errors, sd, log_likelihood = RETYPED[case]
    result = fit_glmm(make_people(), random=AGENCY, **arguments)
    np.testing.assert_allclose(result.estimates["estimate"], estimates, rtol=0, atol=GOLDEN)
    np.testing.assert_allclose(result.estimates["std_error"], std_errors, rtol=GOLDEN_SE)
    assert np.sqrt(result.agency_variance) == pytest.approx(sd, abs=GOLDEN)
    if log_likelihood is not None:
        assert result.log_likelihood == pytest.approx(log_likelihood, abs=GOLDEN)
    if "negative" in case:
        assert result.dispersion == pytest.approx(12.512284416, rel=GOLDEN)


GOLDEN_FITS = [
    ("cbpp", "laplace", 1),
    ("cbpp", "agq9", 9),
    ("cbpp", "agq25", 25),
    ("bacteria", "laplace", 1),
    ("bacteria", "agq25", 25),
    ("verbagg80", "id_laplace", 1),
    ("verbagg80", "id_agq15", 15),
    ("epil", "poisson_laplace", 1),
    ("epil", "poisson_agq15", 15),
    ("epil", "nbinom2_glmmTMB", 1),
]
FORMULAS: dict[str, dict[str, Any]] = {
    "cbpp": {
        "formula": "incidence ~ C(period)",
        "random": {"herd": "1"},
        "family": "binomial",
        "trials": "size",
    },
    "bacteria": {"formula": "y01 ~ trt + wk2", "random": {"ID": "1"}, "family": "binomial"},
    "verbagg80": {
        "formula": "r2n ~ Anger + Gender + btype + situ",
        "random": {"id": "1"},
        "family": "binomial",
    },
    "epil": {
        "formula": "y ~ lbase * trt01 + lage + V4",
        "random": {"subject": "1"},
        "family": "poisson",
    },
}


def _read(name: str) -> pd.DataFrame:
    data = pd.read_csv(reference_path(f"effectiveness/{name}.csv"))
    if name == "bacteria":
        data["trt"] = pd.Categorical(data["trt"], ["placebo", "drug", "drug+"])
    return data


@pytest.mark.parametrize(("name", "model", "points"), GOLDEN_FITS)
def test_agrees_with_the_reference_fits(name: str, model: str, points: int) -> None:
    expected = reference_json(f"effectiveness/{name}_expected.json")["models"][model]
    arguments = dict(FORMULAS[name])
    if model.startswith("nbinom2"):
        arguments["family"] = "negative_binomial"
    result = fit_glmm(_read(name), quadrature_points=points, **arguments)
    # glmmTMB stops at a gradient of 1e-4 and lme4 at a step of 1e-10 of a flat deviance.
    limit = 2 * GOLDEN if model.startswith("nbinom2") else GOLDEN
    np.testing.assert_allclose(
        result.estimates["estimate"], list(expected["fixef"].values()), rtol=0, atol=limit
    )
    std_errors = np.sqrt(np.diag(expected["vcov"]["values"]))
    np.testing.assert_allclose(result.estimates["std_error"], std_errors, rtol=GOLDEN_SE)
    if "theta" in expected:
        sd = next(iter(expected["theta"].values()))
        modes = next(iter(expected["ranef"].values()))["(Intercept)"]
        np.testing.assert_allclose(
            np.sort(result.random_effects["estimate"]), np.sort(modes), rtol=0, atol=GOLDEN
        )
    else:
        sd = expected["sd"]
        assert result.dispersion == pytest.approx(expected["theta_dispersion"], rel=2 * GOLDEN)
    assert np.sqrt(result.agency_variance) == pytest.approx(sd, abs=limit)
    if points == 1:
        assert result.log_likelihood == pytest.approx(expected["logLik"], abs=SAME)


def test_agrees_with_clmm_on_three_categories() -> None:
    expected = reference_json("effectiveness/verbagg80_expected.json")["models"]["clmm_resp_agq10"]
    data = _read("verbagg80")
    data["resp"] = pd.Categorical(data["resp"], ["no", "perhaps", "yes"], ordered=True)
    result = fit_glmm(
        data,
        formula="resp ~ Anger + Gender + btype",
        random={"id": "1"},
        family="ordinal",
        quadrature_points=10,
    )
    assert list(result.estimates["term"][:2]) == ["no|perhaps", "perhaps|yes"]
    np.testing.assert_allclose(
        result.estimates["estimate"], list(expected["coef"].values()), rtol=0, atol=GOLDEN
    )
    std_errors = np.sqrt(np.diag(expected["vcov"]))[:-1]
    np.testing.assert_allclose(result.estimates["std_error"], std_errors, rtol=GOLDEN)
    assert np.sqrt(result.agency_variance) == pytest.approx(expected["sd"], abs=GOLDEN)
    assert result.log_likelihood == pytest.approx(expected["logLik"], abs=SAME)


def test_agrees_with_clmm_on_wine() -> None:
    # ordinal 2022.11-16, clmm(rating ~ temp + contact + (1|judge)), R 4.2.2.
    data = pd.read_csv(reference_path("fidelity/wine.csv"))
    points = {
        15: ([-1.62348745330, 1.51279603772, 4.22705345172, 6.08615227449, 3.06189098987,
              1.83343336323], 1.13478329601, -81.532460711),
        1: ([-1.62367124351, 1.51336106353, 4.22852691542, 6.08877675801, 3.06300550696,
             1.83490396662], 1.13114179207, -81.5654127768),
    }  # fmt: skip
    for count, (estimates, sd, log_likelihood) in points.items():
        result = fit_glmm(
            data,
            formula="rating ~ temp + contact",
            random={"judge": "1"},
            family="ordinal",
            quadrature_points=count,
        )
        np.testing.assert_allclose(result.estimates["estimate"], estimates, rtol=0, atol=GOLDEN)
        assert np.sqrt(result.agency_variance) == pytest.approx(sd, abs=GOLDEN)
        assert result.log_likelihood == pytest.approx(log_likelihood, abs=SAME)


def _families() -> list[tuple[Family, list[float]]]:
    rng = np.random.default_rng(3)
    counts, categories = rng.poisson(3, 40).astype(float), rng.integers(0, 4, 40)
    return [
        (Binomial(np.minimum(counts, 5), np.full(40, 5.0)), []),
        (Poisson(counts), []),
        (NegativeBinomial(counts), [0.4]),
        (Cumulative(categories, 4, "logit"), [-1.0, 0.2, 1.3]),
        (Cumulative(categories, 4, "probit"), [-1.0, 0.2, 1.3]),
    ]


@pytest.mark.parametrize("points", [1, 2, 7])
def test_the_gradient_is_the_slope_of_the_likelihood(points: int) -> None:
    groups = np.arange(40) // 8
    design = np.column_stack([np.ones(40), np.sin(np.arange(40.0))])
    for family, extra in _families():
        model = Model(design, np.zeros(40), groups, 5, family)
        theta = np.array([0.2, 0.3, *extra, 0.7])
        nodes = make_nodes(points)
        step = 1e-5
        slopes = [
            compute_likelihood(model, theta + move, nodes).value
            - compute_likelihood(model, theta - move, nodes).value
            for move in np.eye(len(theta)) * step
        ]
        found = compute_likelihood(model, theta, nodes).gradient
        np.testing.assert_allclose(found, np.array(slopes) / (2 * step), rtol=0, atol=SAME)


def test_many_points_agree_with_integration_on_a_grid() -> None:
    u = np.linspace(-12, 12, 4_001)
    groups = np.arange(40) // 8
    for family, extra in _families():
        model = Model(np.ones((40, 1)), np.zeros(40), groups, 5, family)
        theta = np.array([0.3, *extra, 0.9])
        expected = 0.0
        for group in range(5):
            eta = np.broadcast_to(0.3 + 0.9 * u, (40, len(u)))
            value = family.evaluate(eta, np.array(extra)).value[groups == group].sum(axis=0)
            density = np.exp(value - 0.5 * u**2) / np.sqrt(2 * np.pi)
            expected += np.log(density.sum() * (u[1] - u[0]))
        found = compute_likelihood(model, theta, make_nodes(30)).value
        assert found == pytest.approx(expected, abs=SAME)


def test_grouped_events_give_the_fit_of_single_people() -> None:
    people = make_people()
    grouped = people.groupby(["agency", "arm"], as_index=False).agg(
        events=("event", "sum"), people=("event", "size")
    )
    single = fit_glmm(people, formula="event ~ arm", random=AGENCY, family="binomial")
    joined = fit_glmm(
        grouped, formula="events ~ arm", random=AGENCY, family="binomial", trials="people"
    )
    columns = ["estimate", "std_error"]
    np.testing.assert_allclose(
        joined.estimates[columns], single.estimates[columns], rtol=0, atol=SAME
    )
    assert joined.n_participants == single.n_participants == len(people)


def test_order_of_rows_and_unit_of_a_column_do_not_matter() -> None:
    people = make_people()
    first = fit_glmm(people, formula="event ~ arm + age", random=AGENCY, family="binomial")
    other = people.sample(frac=1, random_state=4).assign(age=people["age"] * 365.25 + 5000)
    second = fit_glmm(other, formula="event ~ arm + age", random=AGENCY, family="binomial")
    np.testing.assert_allclose(
        second.estimates["estimate"][1:] * [1, 365.25],
        first.estimates["estimate"][1:],
        rtol=1e-6,
    )
    assert second.log_likelihood == pytest.approx(first.log_likelihood, abs=SAME)


def test_an_offset_is_the_time_at_risk() -> None:
    people = make_people().assign(log_time=np.log(7.0))
    plain = fit_glmm(people, formula="count ~ arm", random=AGENCY, family="poisson")
    per_day = fit_glmm(
        people, formula="count ~ arm", random=AGENCY, family="poisson", offset="log_time"
    )
    shift = plain.estimates["estimate"] - per_day.estimates["estimate"]
    np.testing.assert_allclose(shift, [np.log(7.0), 0.0], rtol=0, atol=SAME)


def test_degrees_of_freedom_follow_where_a_column_varies() -> None:
    people = make_people()
    result = fit_glmm(people, formula="event ~ arm + age", random=AGENCY, family="binomial")
    # 12 agencies less intercept and arm; 108 rows less 12 agencies and age.
    assert result.estimates["df"].tolist() == [10.0, 10.0, 95.0]
    normal = fit_glmm(
        people, formula="event ~ arm + age", random=AGENCY, family="binomial", reference="z"
    )
    assert np.isinf(normal.estimates["df"]).all()
    assert normal.estimates["p_value"][1] < result.estimates["p_value"][1]
    assert any("too many" in note for note in normal.notes)
    ordinal = fit_glmm(make_ordered(), formula="grade ~ arm", random=AGENCY, family="ordinal")
    # The cut-points take the place of the intercept.
    assert ordinal.estimates["df"].tolist() == [10.0] * 4


def test_no_difference_between_agencies_is_a_boundary_fit() -> None:
    people = make_people().assign(event=np.tile([1, 0, 1, 0, 0, 1, 0, 1, 1], 12))
    result = fit_glmm(people, formula="event ~ age", random=AGENCY, family="binomial")
    assert result.is_singular
    assert result.agency_variance == 0.0
    assert any("boundary" in note for note in result.notes)


def test_a_ratio_is_the_exponential_and_cut_points_have_none() -> None:
    result = fit_glmm(make_ordered(), formula="grade ~ arm", random=AGENCY, family="ordinal")
    table = result.tidy().set_index("term")
    assert list(table.index[:3]) == ["low|middle", "middle|high", "high|top"]
    assert table["ratio"][:3].isna().all()
    assert table.loc["arm", "ratio_high"] == pytest.approx(np.exp(table.loc["arm", "conf_high"]))


def test_rows_with_missing_cells_are_left_out_and_counted() -> None:
    people = make_people().assign(size=1.0)
    people.loc[[3, 4], "size"] = np.nan
    people["event"] = people["event"].astype("Int64")
    people.loc[10, "event"] = pd.NA
    result = fit_glmm(
        people, formula="event ~ arm", random=AGENCY, family="binomial", trials="size"
    )
    assert result.n_rows == len(people) - 3
    assert any("size is missing" in note for note in result.notes)
    assert any("event 1" in note for note in result.notes)


def _spoil(**columns: Any) -> pd.DataFrame:
    return make_people().assign(**columns)


BAD: dict[str, tuple[pd.DataFrame, dict[str, Any], type[CPIAnalysisError], str]] = {
    "one category": (_spoil(event=1), {}, ModelError, "CPI-M003"),
    "two is no event": (_spoil(event=lambda d: d["event"] * 2), {}, DataError, "CPI-E024"),
    "text": (
        _spoil(event=lambda d: d["event"].map({0: "no", 1: "yes"})), {}, DataError, "CPI-E020",
    ),
    "all events in one arm": (
        _spoil(event=lambda d: d["arm"] * d["event"]), {}, ModelError, "CPI-M007",
    ),
    "negative count": (
        _spoil(event=lambda d: d["count"] - 5), {"family": "poisson"}, DataError, "CPI-E024",
    ),
    "count with a fraction": (
        _spoil(event=lambda d: d["count"] + 0.5), {"family": "poisson"}, DataError, "CPI-E021",
    ),
    "infinite count": (_spoil(event=np.inf), {"family": "poisson"}, DataError, "CPI-E020"),
    "unknown family": (_spoil(), {"family": "gamma"}, DataError, "CPI-E045"),
    "unknown link": (_spoil(), {"link": "probit"}, DataError, "CPI-E045"),
    "unknown reference": (_spoil(), {"reference": "F"}, DataError, "CPI-E045"),
    "one agency": (_spoil(agency=1), {"formula": "event ~ age"}, ModelError, "CPI-M001"),
    "two random effects": (
        _spoil(), {"random": {"agency": "1", "age": "1"}}, ModelError, "CPI-M004",
    ),
    "a random slope": (_spoil(), {"random": {"agency": "1 + age"}}, ModelError, "CPI-M004"),
    "no points": (_spoil(), {"quadrature_points": 0}, ModelError, "CPI-M004"),
    "unknown outcome": (_spoil(), {"formula": "nothing ~ arm"}, ModelError, "CPI-M004"),
    "trials of a count": (
        _spoil(n=3), {"family": "poisson", "trials": "n"}, DataError, "CPI-E045",
    ),
    "more events than trials": (_spoil(n=1, event=2), {"trials": "n"}, DataError, "CPI-E024"),
    "no trials": (_spoil(n=0, event=0), {"trials": "n"}, DataError, "CPI-E021"),
    "collinear": (
        _spoil(again=lambda d: d["arm"] * 2), {"formula": "event ~ arm + again"},
        ModelError, "CPI-M002",
    ),
    "too many agency columns": (
        _spoil().query("agency < 2"), {"formula": "event ~ arm"}, ModelError, "CPI-M001",
    ),
    "categories without order": (
        _spoil(event=lambda d: pd.Categorical(d["event"])), {"family": "ordinal"},
        DataError, "CPI-E023",
    ),
    "no missing-free row": (_spoil(age=np.nan), {"formula": "event ~ age"}, ModelError, "CPI-M001"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_code(case: str) -> None:
    data, changes, kind, code = BAD[case]
    arguments: dict[str, Any] = {"formula": "event ~ arm", "random": AGENCY, "family": "binomial"}
    with pytest.raises(kind) as caught:
        fit_glmm(data, **(arguments | changes))
    assert caught.value.codes == (code,)


def test_separation_names_the_column_and_not_the_others() -> None:
    data = _spoil(event=lambda d: d["arm"] * d["event"])
    with pytest.raises(ModelError, match=r"coefficients of .*arm") as caught:
        fit_glmm(data, formula="event ~ arm + age", random=AGENCY, family="binomial")
    assert "age" not in str(caught.value)


def test_counts_and_categories_are_separated_too() -> None:
    counts = _spoil(event=lambda d: d["arm"] * (d["count"] + 1))
    ordered = _spoil(event=lambda d: np.where(d["arm"] == 1, 2, d["event"]))
    for data, family in ((counts, "poisson"), (counts, "negative_binomial"), (ordered, "ordinal")):
        with pytest.raises(ModelError) as caught:
            fit_glmm(data, formula="event ~ arm", random=AGENCY, family=family)  # type: ignore[arg-type]
        assert caught.value.codes == ("CPI-M007",)


def test_counts_without_further_spread_have_no_negative_binomial() -> None:
    data = _spoil(event=lambda d: np.tile([1, 2, 3, 2, 1, 2, 3, 2, 2], 12))
    with pytest.raises(ModelError, match="poisson") as caught:
        fit_glmm(data, formula="event ~ age", random=AGENCY, family="negative_binomial")
    assert caught.value.codes == ("CPI-M005",)


def test_finds_the_truth_in_a_large_trial() -> None:
    rng = np.random.default_rng(11)
    agency = np.repeat(np.arange(300), 20)
    arm = agency % 2
    eta = -0.5 + 0.8 * arm + 0.7 * rng.standard_normal(300)[agency]
    data = pd.DataFrame({"agency": agency, "arm": arm})
    data["event"] = rng.random(6000) < 1 / (1 + np.exp(-eta))
    data["count"] = rng.negative_binomial(3.0, 3.0 / (3.0 + np.exp(eta)))
    for outcome, family in (("event", "binomial"), ("count", "negative_binomial")):
        result = fit_glmm(data, formula=f"{outcome} ~ arm", random=AGENCY, family=family)  # type: ignore[arg-type]
        table = result.estimates
        # Within three and a half standard errors of what was put in.
        assert (np.abs(table["estimate"] - [-0.5, 0.8]) < 3.5 * table["std_error"]).all()
        assert np.sqrt(result.agency_variance) == pytest.approx(0.7, abs=0.12)
    assert result.dispersion == pytest.approx(3.0, abs=0.6)


def test_is_exported() -> None:
    assert effectiveness.fit_glmm is fit_glmm
    assert isinstance(
        fit_glmm(make_people(), formula="event ~ arm", random=AGENCY, family="binomial"), GlmmResult
    )
