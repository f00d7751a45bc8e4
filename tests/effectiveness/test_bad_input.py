"""What is not analysable is refused by every public function, with the column and the cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cpi_analysis import effectiveness as eff
from cpi_analysis.errors import DataError, ModelError
from tests.effectiveness.made_trial import make_people, make_trial

Call = Callable[[pd.DataFrame], Any]


def people() -> pd.DataFrame:
    data = make_people()
    return data.assign(
        target=(data["arm"] == "target").astype(float),
        age=20.0 + np.arange(len(data)) % 50,
        u0=np.round(30 + 6 * np.cos(1.1 * np.arange(len(data)) ** 2), 3),
        u9=np.round(20 + 4 * np.cos(2.3 * np.arange(len(data)) ** 2), 3),
    )


def _twice(data: Any) -> Any:
    """Return two rows for each person, where there is an outcome to vary."""
    if not isinstance(data, pd.DataFrame) or "after" not in data or np.ptp(data["after"]) == 0:
        return data
    return pd.concat([data, data.assign(after=data["after"] + 1 + data["age"] % 3)])


FORMULA = "after ~ target + before"
#: Functions of a table with a formula: name and call.
FORMULAS: dict[str, Call] = {
    "fit_mixed_model": lambda data: eff.fit_mixed_model(
        data, formula=FORMULA, random={"agency_id": "1"}
    ),
    "fit_mixed_model, two levels": lambda data: eff.fit_mixed_model(
        _twice(data),
        formula=FORMULA,
        random={"agency_id": "1", "participant_id": "1"},
    ),
    "estimate_cluster_robust": lambda data: eff.estimate_cluster_robust(
        data, formula=FORMULA, cluster="agency_id"
    ),
    "estimate_wild_bootstrap": lambda data: eff.estimate_wild_bootstrap(
        data, formula=FORMULA, cluster="agency_id", term="target"
    ),
    "estimate_agency_means": lambda data: eff.estimate_agency_means(
        data, formula=FORMULA, cluster="agency_id", term="target"
    ),
    "build_cross_checks": lambda data: eff.build_cross_checks(
        data, formula=FORMULA, cluster="agency_id", term="target"
    ),
}
#: Functions of a table with named columns.
COLUMNS: dict[str, Call] = {
    "estimate_effect_size": lambda data: eff.estimate_effect_size(
        data, outcome="after", exposure="target", cluster="agency_id"
    ),
    "fit_repeated_mancova": lambda data: eff.fit_repeated_mancova(
        data,
        outcomes={"score": ["before", "after"], "other": ["u0", "u9"]},
        group="arm",
        cluster="agency_id",
    ),
    "build_balance_table": lambda data: eff.build_balance_table(
        data, exposure="target", covariates=["before", "after"]
    ),
    "fit_propensity": lambda data: eff.fit_propensity(
        data, exposure="target", covariates=["before", "after"], target="overlap"
    ),
    "estimate_regression_to_mean": lambda data: eff.estimate_regression_to_mean(
        data, outcome="after", baseline="before", exposure="target"
    ),
}
EVERY = {**FORMULAS, **COLUMNS}


@pytest.fixture(params=sorted(EVERY))
def call(request) -> Call:
    return EVERY[request.param]


def refuse(call: Call, data: pd.DataFrame, *named: str) -> ModelError | DataError:
    """Return the error of a call: it names what is wrong, has a cure, and no value in it."""
    with pytest.raises((ModelError, DataError)) as raised:
        call(data)
    text = str(raised.value)
    assert any(name in text for name in named), text
    assert all(fault.cure for fault in raised.value.faults)
    return raised.value


def test_infinite_values_name_their_column(call):
    data = people()
    data.loc[7, "after"] = np.inf
    assert refuse(call, data, "after").codes == ("CPI-M006",)


def test_an_absent_column_is_named(call):
    assert refuse(call, people().drop(columns="after"), "after").codes == ("CPI-M004",)


def test_a_constant_outcome_is_named(call):
    error = refuse(call, people().assign(after=5.0, u9=30.0, u0=30.0), "after", "vary", "u9")
    assert set(error.codes) <= {"CPI-M002", "CPI-M003"}


def test_a_table_is_asked_for(call):
    with pytest.raises((DataError, TypeError)) as raised:
        call(people().to_numpy())
    assert isinstance(raised.value, DataError)


@pytest.mark.parametrize("name", [name for name in FORMULAS if "two levels" not in name])
def test_collinear_columns_are_named(name):
    data = people()
    error = refuse(FORMULAS[name], data.assign(before=2 * data["target"] + 1), "before", "target")
    assert error.codes == ("CPI-M002",)


def one_agency_in_the_target_arm() -> pd.DataFrame:
    data = people()
    return data[(data["target"] == 0) | (data["agency_id"] == "a01")]


@pytest.mark.parametrize("name", ["estimate_agency_means", "estimate_effect_size"])
def test_one_agency_in_an_arm_is_refused(name):
    error = refuse(EVERY[name], one_agency_in_the_target_arm(), "agenc")
    assert error.codes == ("CPI-M001",)


@pytest.mark.parametrize("name", ["fit_mixed_model", "fit_mixed_model, two levels"])
def test_one_agency_in_an_arm_is_flagged_by_the_mixed_model(name):
    result = EVERY[name](one_agency_in_the_target_arm())
    assert any("One agency_id alone has, or lacks, target" in note for note in result.notes)
    assert not any("alone has" in note for note in EVERY[name](people()).notes)


@pytest.mark.parametrize("name", ["fit_mixed_model", "estimate_effect_size"])
def test_every_row_its_own_agency_is_refused(name):
    data = people()
    error = refuse(EVERY[name], data.assign(agency_id=data["participant_id"]), "agenc")
    assert {"CPI-M001", "CPI-M007"} & set(error.codes)


def test_a_person_in_two_agencies_is_refused():
    data = people()
    data.loc[:5, "participant_id"] = "p99"
    data.loc[:5, "agency_id"] = ["a00", "a01"] * 3
    error = refuse(FORMULAS["fit_mixed_model, two levels"], data, "participant_id")
    assert error.codes == ("CPI-E032",)


def test_too_few_agencies_for_the_columns_at_their_level():
    data = people()
    few = data[data["agency_id"].isin(["a00", "a01", "a02"])].copy()
    few["size"] = few["agency_id"].map({"a00": 5.0, "a01": 9.0, "a02": 7.0})
    with pytest.raises(ModelError) as raised:
        eff.fit_mixed_model(few, formula="after ~ target + size", random={"agency_id": "1"})
    assert {"CPI-M001", "CPI-M007"} & set(raised.value.codes)
    assert "agenc" in str(raised.value)


def test_few_agencies_that_just_suffice_are_flagged():
    data = people()
    some = data[data["agency_id"].isin(["a00", "a01", "a02", "a03"])]
    result = eff.fit_mixed_model(some, formula=FORMULA, random={"agency_id": "1"})
    assert any("degrees of freedom" in note for note in result.notes)


# results of a trial ------------------------------------------------------------------------------


def test_an_unknown_measure_covariate_or_population_is_named():
    trial = make_trial()
    for arguments, named in (
        ({"measure": "wemwbs"}, "wemwbs@m9"),
        ({"measure": "score", "covariates": ["postcode"]}, "postcode"),
        ({"measure": "score", "population": "complete"}, "complete"),
    ):
        with pytest.raises(DataError) as raised:
            eff.build_analysis_set(trial, timepoint="m9", **arguments)
        assert raised.value.codes == ("CPI-E045",)
        assert named in str(raised.value)


def test_collinear_covariates_of_a_set_are_named():
    trial = make_trial()
    one = eff.build_analysis_set(
        trial, measure="score", timepoint="m9", covariates=["sector", "age_years"]
    )
    twice = one.data.assign(age_years=(one.data["sector"] == "third_sector") * 2.0)
    object.__setattr__(one, "data", twice)
    for fit in (
        eff.fit_outcome_model,
        lambda which: eff.fit_moderator_model(which, moderator="age_years"),
    ):
        with pytest.raises(ModelError) as raised:
            fit(one)
        assert raised.value.codes == ("CPI-M002",)
        assert "sector" in str(raised.value) or "age_years" in str(raised.value)
