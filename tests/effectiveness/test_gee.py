"""Estimating equations against geepack, statsmodels and the published matrices in R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import fit_gee
from cpi_analysis.errors import CPIAnalysisError, DataError, ModelError
from tests.effectiveness.made_discrete import make_people
from tests.reference import reference_json, reference_path

#: Where the same equations are solved to rounding by both.
SAME = 1e-9
#: geepack's ohio fit holds the scale at 1, which moves the correlation by 7e-5.
FIXED_SCALE = 1e-6

# geepack 1.3.9 (R 4.2.2) on the made-up people, exchangeable; standard errors by lines of R
# that write out D, V and the n_i x n_i leverages, with the square root by eigen().
RETYPED: dict[str, dict[str, Any]] = {
    "event": {
        "family": "binomial",
        "estimate": [-0.41788144622015, 0.84030813529959, -0.12144521940592],
        "alpha": 0.009090905379742,
        "scale": 1.0026983969398,
        "robust": [0.37989496024904, 0.43038054304398, 0.04850716072218],
        "mancl_derouen": [0.4473084463200, 0.5166808561134, 0.0529940793662],
        "kauermann_carroll": [0.41205233314388, 0.47156293881037, 0.05070097587503],
        "fay_graubard": [0.4184000771534, 0.4907684922389, 0.0489741803894],
    },
    "count": {
        "family": "poisson",
        "estimate": [1.959078296356213, 0.455228701228953, -0.031641364897828],
        "alpha": 0.29588256972595,
        "scale": 2.4799398575056,
        "robust": [0.170187973607278, 0.203794666679711, 0.009383914707391],
        "mancl_derouen": [0.20548039175913, 0.24469398166515, 0.01027162599352],
        "kauermann_carroll": [0.187013789729212, 0.223311744735804, 0.009817336954769],
        "fay_graubard": [0.189939855553883, 0.230469455752076, 0.009734683287268],
    },
}
KINDS = ("robust", "mancl_derouen", "kauermann_carroll", "fay_graubard")


@pytest.mark.parametrize("outcome", RETYPED)
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_geepack_and_the_published_covariances(outcome: str, kind: Any) -> None:
    expected = RETYPED[outcome]
    result = fit_gee(
        make_people(),
        formula=f"{outcome} ~ arm + age",
        cluster="agency",
        family=expected["family"],
        covariance=kind,
        moments="geepack",
    )
    table = result.estimates
    np.testing.assert_allclose(table["estimate"], expected["estimate"], rtol=SAME)
    np.testing.assert_allclose(table["std_error"], expected[kind], rtol=SAME)
    assert result.working_correlation == pytest.approx(expected["alpha"], rel=SAME)
    assert result.scale == pytest.approx(expected["scale"], rel=SAME)


REFERENCE: dict[str, dict[str, Any]] = {
    "ohio": {"formula": "resp ~ age * smoke", "cluster": "id", "family": "binomial"},
    "bacteria": {"formula": "y01 ~ trt + wk2", "cluster": "ID", "family": "binomial"},
    "epil": {
        "formula": "y ~ lbase * trt01 + lage + V4",
        "cluster": "subject",
        "family": "poisson",
    },
}
BLOCKS = [
    ("ohio", "gee_exch"),
    ("ohio", "gee_ind"),
    ("bacteria", "gee_exch"),
    ("epil", "gee_exch"),
    ("epil", "gee_ind"),
]


@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_agrees_with_the_reference_fits_of_geepack(name: str, block: str) -> None:
    expected = reference_json(f"effectiveness/{name}_expected.json")["models"][block]
    data = pd.read_csv(reference_path(f"effectiveness/{name}.csv"))
    if name == "bacteria":
        data["trt"] = pd.Categorical(data["trt"], ["placebo", "drug", "drug+"])
    is_exchangeable = block == "gee_exch"
    arguments: dict[str, Any] = {
        **REFERENCE[name],
        "working": "exchangeable" if is_exchangeable else "independence",
        "moments": "geepack",
    }
    limit = FIXED_SCALE if (name, block) == ("ohio", "gee_exch") else SAME
    robust = fit_gee(data, covariance="robust", **arguments)
    estimates = robust.estimates["estimate"]
    np.testing.assert_allclose(estimates, list(expected["coef"].values()), rtol=0, atol=limit)
    np.testing.assert_allclose(
        robust.estimates["std_error"], np.sqrt(np.diag(expected["vcov_robust"])), rtol=limit
    )
    # The approximate jackknife is Mancl and DeRouen's matrix times (K - q) / K, where geepack
    # counts scale and correlation among the q parameters.
    corrected = fit_gee(data, covariance="mancl_derouen", **arguments)
    K, q = expected["n_clusters"], len(estimates) + 1 + is_exchangeable
    np.testing.assert_allclose(
        corrected.estimates["std_error"] * np.sqrt((K - q) / K),
        np.sqrt(np.diag(expected["vcov_jackknife"])),
        rtol=limit,
    )


@pytest.mark.parametrize("working", ["exchangeable", "independence"])
def test_agrees_with_statsmodels(working: Any) -> None:
    import statsmodels.api as sm

    people = make_people()
    X = np.column_stack([np.ones(len(people)), people["arm"], people["age"]])
    structure = {
        "exchangeable": sm.cov_struct.Exchangeable,
        "independence": sm.cov_struct.Independence,
    }[working]
    for outcome, family, peer in (
        ("event", "binomial", sm.families.Binomial()),
        ("count", "poisson", sm.families.Poisson()),
        ("count", "gaussian", sm.families.Gaussian()),
    ):
        model = sm.GEE(
            people[outcome], X, groups=people["agency"], family=peer, cov_struct=structure()
        )
        for kind, peer_kind in (("robust", "robust"), ("mancl_derouen", "bias_reduced")):
            expected = model.fit(ctol=1e-12, maxiter=500, cov_type=peer_kind)
            result = fit_gee(
                people,
                formula=f"{outcome} ~ arm + age",
                cluster="agency",
                family=family,  # type: ignore[arg-type]
                working=working,
                covariance=kind,  # type: ignore[arg-type]
            )
            table = result.estimates
            np.testing.assert_allclose(table["estimate"], expected.params, rtol=1e-7)
            np.testing.assert_allclose(table["std_error"], expected.bse, rtol=1e-7)


def test_leaving_out_each_agency_is_what_mancl_and_derouen_approximate() -> None:
    # For a linear model under independence the jackknife is exact.
    people = make_people()
    result = fit_gee(
        people,
        formula="count ~ arm + age",
        cluster="agency",
        family="gaussian",
        working="independence",
    )
    X = np.column_stack([np.ones(len(people)), people["arm"], people["age"]])
    y = people["count"].to_numpy(dtype=float)
    moves = []
    for agency in range(12):
        kept = (people["agency"] != agency).to_numpy()
        moves.append(np.linalg.lstsq(X[kept], y[kept], rcond=None)[0])
    apart = np.array(moves) - result.estimates["estimate"].to_numpy()
    np.testing.assert_allclose(result.covariance, apart.T @ apart, rtol=1e-8)


def test_grouped_events_are_people() -> None:
    people = make_people()
    grouped = people.groupby(["agency", "arm"], as_index=False).agg(
        events=("event", "sum"), people=("event", "size")
    )
    single = fit_gee(people, formula="event ~ arm", cluster="agency", family="binomial")
    joined = fit_gee(
        grouped, formula="events ~ arm", cluster="agency", family="binomial", trials="people"
    )
    columns = ["estimate", "std_error", "df"]
    np.testing.assert_allclose(joined.estimates[columns], single.estimates[columns], rtol=SAME)
    assert joined.n_participants == len(people)
    assert joined.n_rows == 12


def test_a_correlation_that_cannot_be_is_held_at_independence() -> None:
    # Three events in almost every agency of nine: people of an agency are less alike than chance.
    people = make_people()
    people["event"] = np.tile([1, 0, 0, 1, 0, 0, 0, 1, 0], 12)
    people.loc[[1, 20, 100], "event"] = 1
    people = pd.concat([people, people[people["agency"] == 0].iloc[:6]], ignore_index=True)
    held = fit_gee(people, formula="event ~ arm", cluster="agency", family="binomial")
    assert held.working_correlation == 0.0
    assert any("Independence was used" in note for note in held.notes)
    plain = fit_gee(
        people, formula="event ~ arm", cluster="agency", family="binomial", working="independence"
    )
    columns = ["estimate", "std_error"]
    np.testing.assert_allclose(held.estimates[columns], plain.estimates[columns], rtol=SAME)


def test_a_column_of_zeros_is_collinear() -> None:
    people = make_people()
    with pytest.raises(ModelError) as caught:
        fit_gee(
            people,
            formula="event ~ arm + arm:I(age * 0)",
            cluster="agency",
            family="binomial",
        )
    assert caught.value.codes == ("CPI-M002",)


def test_corrections_are_ordered() -> None:
    people = make_people()
    errors = {
        kind: fit_gee(
            people, formula="event ~ arm", cluster="agency", family="binomial", covariance=kind
        ).estimates["std_error"][1]
        for kind in KINDS
    }
    assert errors["robust"] < errors["kauermann_carroll"] < errors["mancl_derouen"]
    assert errors["robust"] < errors["fay_graubard"]


def test_degrees_of_freedom_are_agencies_less_agency_level_columns() -> None:
    people = make_people()
    result = fit_gee(people, formula="event ~ arm + age", cluster="agency", family="binomial")
    assert result.estimates["df"].tolist() == [10.0] * 3
    normal = fit_gee(
        people, formula="event ~ arm", cluster="agency", family="binomial", reference="z"
    )
    assert np.isinf(normal.estimates["df"]).all()
    assert any("too many" in note for note in normal.notes)


def test_poisson_gives_a_risk_ratio_for_events() -> None:
    people = make_people()
    result = fit_gee(
        people, formula="event ~ arm", cluster="agency", family="poisson", working="independence"
    )
    risks = people.groupby("arm")["event"].mean()
    assert result.estimates["ratio"][1] == pytest.approx(risks[1] / risks[0], rel=SAME)


def test_order_of_rows_and_unit_of_a_column_do_not_matter() -> None:
    people = make_people()
    first = fit_gee(people, formula="event ~ arm + age", cluster="agency", family="binomial")
    other = people.sample(frac=1, random_state=4).assign(age=people["age"] * 365.25 + 5000)
    second = fit_gee(other, formula="event ~ arm + age", cluster="agency", family="binomial")
    for column in ("estimate", "std_error"):
        np.testing.assert_allclose(
            second.estimates[column][1:] * [1, 365.25], first.estimates[column][1:], rtol=1e-7
        )


def _spoil(**columns: Any) -> pd.DataFrame:
    return make_people().assign(**columns)


BAD: dict[str, tuple[pd.DataFrame, dict[str, Any], type[CPIAnalysisError], str]] = {
    "one category": (_spoil(event=0), {}, ModelError, "CPI-M003"),
    "two is no event": (_spoil(event=lambda d: d["event"] * 2), {}, DataError, "CPI-E024"),
    "negative count": (_spoil(event=-1), {"family": "poisson"}, DataError, "CPI-E024"),
    "fraction": (_spoil(event=0.5), {"family": "poisson"}, DataError, "CPI-E021"),
    "separated": (_spoil(event=lambda d: d["arm"] * d["event"]), {}, ModelError, "CPI-M007"),
    "unknown family": (_spoil(), {"family": "ordinal"}, DataError, "CPI-E045"),
    "unknown covariance": (_spoil(), {"covariance": "CR2"}, DataError, "CPI-E045"),
    "unknown working": (_spoil(), {"working": "ar1"}, DataError, "CPI-E045"),
    "unknown moments": (_spoil(), {"moments": "none"}, DataError, "CPI-E045"),
    "one agency": (_spoil(agency=1), {"formula": "event ~ age"}, ModelError, "CPI-M001"),
    "every row an agency": (
        _spoil(agency=lambda d: np.arange(len(d))), {}, ModelError, "CPI-M001",
    ),
    "one agency in an arm": (
        _spoil(arm=lambda d: (d["agency"] == 3).astype(int), event=lambda d: d["age"] % 2),
        {}, ModelError, "CPI-M007",
    ),
    "collinear": (
        _spoil(again=lambda d: 1 - d["arm"]), {"formula": "event ~ arm + again"},
        ModelError, "CPI-M002",
    ),
    "agencies that do not differ": (
        _spoil(event=np.tile([1, 0, 0, 1, 0, 0, 0, 1, 0], 12)),
        {"working": "independence"}, ModelError, "CPI-M003",
    ),
    "unknown cluster": (_spoil(), {"cluster": "nobody"}, ModelError, "CPI-M004"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_code(case: str) -> None:
    data, changes, kind, code = BAD[case]
    arguments: dict[str, Any] = {"formula": "event ~ arm", "cluster": "agency"}
    with pytest.raises(kind) as caught:
        fit_gee(data, **({**arguments, "family": "binomial"} | changes))
    assert caught.value.codes == (code,)


def test_finds_the_ratio_of_the_population() -> None:
    rng = np.random.default_rng(5)
    agency = np.repeat(np.arange(400), 15)
    arm = agency % 2
    # Risks of a beta distribution with means 0.3 and 0.5: the population ratio is known.
    means = np.where(np.arange(400) % 2 == 1, 0.5, 0.3)
    risk = rng.beta(means * 9, (1 - means) * 9)
    data = pd.DataFrame({"agency": agency, "arm": arm, "event": rng.random(6000) < risk[agency]})
    result = fit_gee(data, formula="event ~ arm", cluster="agency", family="binomial")
    row = result.estimates.iloc[1]
    assert abs(row["estimate"] - np.log((0.5 / 0.5) / (0.3 / 0.7))) < 3.5 * row["std_error"]
    # A beta distribution of a + b = 9 has intracluster correlation 1 / (9 + 1).
    assert result.working_correlation == pytest.approx(0.1, abs=0.03)
