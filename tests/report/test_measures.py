"""From a trial to a single model: the measures that it needs, and what to do without them."""

from __future__ import annotations

import pandas as pd
import pytest

import cpi_analysis as cpi
from cpi_analysis.economics import build_economic_set
from cpi_analysis.effectiveness import build_analysis_set, fit_outcome_model
from cpi_analysis.errors import DataError
from cpi_analysis.report import Report


@pytest.fixture(scope="module")
def measured() -> cpi.TrialData:
    return cpi.derive_measures(cpi.load_example_trial())


def test_a_single_model_is_that_of_the_report(measured: cpi.TrialData, report: Report) -> None:
    people = build_analysis_set(
        measured, measure="rg_uk", timepoint="m9", covariates=["sector", "client_group"]
    )
    alone = fit_outcome_model(people).tidy()
    pd.testing.assert_frame_equal(alone, report.effectiveness["outcome_rg_uk_m9"].tidy())
    assert len(build_economic_set(measured).data) == report.economics["incremental"].n_participants


def test_deriving_twice_changes_nothing(measured: cpi.TrialData) -> None:
    again = cpi.derive_measures(measured)
    assert again.protocol == measured.protocol
    assert again.table_names == measured.table_names
    for name in measured.table_names:
        pd.testing.assert_frame_equal(again.table(name), measured.table(name))


def test_a_measured_trial_can_be_analysed(measured: cpi.TrialData, report: Report) -> None:
    again = cpi.analyse(measured, seed=1)
    assert again.headlines == report.headlines


def test_scores_that_contradict_the_answers_are_refused() -> None:
    trial = cpi.load_example_trial()
    person = trial.table("responses")["participant_id"].iloc[0]
    other = pd.DataFrame(
        {
            "participant_id": [person],
            "timepoint": ["baseline"],
            "measure": ["rg_uk"],
            "value": [26.0],
        }
    )
    measures = cpi.derive_measures(trial).table("measures")
    wrong = trial.with_measurements(other, measures=measures[measures["measure"] == "rg_uk"])
    with pytest.raises(DataError, match="CPI-E013"):
        cpi.derive_measures(wrong)


@pytest.mark.parametrize("given", ["my_trial", None, pd.DataFrame()])
def test_what_is_no_trial_is_refused_with_a_cure(given: object) -> None:
    for run in (cpi.derive_measures, lambda trial: cpi.analyse(trial, seed=1)):
        with pytest.raises(DataError, match=r"(?s)CPI-E045.*cpi\.load_trial") as caught:
            run(given)  # type: ignore[arg-type]
        assert "my_trial" not in caught.value.faults[0].rule


@pytest.mark.parametrize("design", ["as_run", "planned"])
def test_a_trial_without_measures_says_how_to_derive_them(design: str) -> None:
    trial = cpi.simulate_trial(seed=1, design=design)
    timepoint = trial.table("timepoints")["timepoint"].iloc[-1]
    with pytest.raises(DataError, match=r"cpi\.derive_measures\(trial\)"):
        build_analysis_set(trial, measure="rg_uk", timepoint=timepoint)
    with pytest.raises(DataError, match=r"cpi\.derive_measures\(trial\)"):
        build_economic_set(trial)


def test_a_measure_not_yet_derived_says_how(measured: cpi.TrialData) -> None:
    from cpi_analysis.fidelity import derive_fidelity_scores

    trial = derive_fidelity_scores(cpi.load_example_trial())
    with pytest.raises(DataError, match=r"cpi\.derive_measures\(trial\)"):
        build_analysis_set(trial, measure="rg_uk", timepoint="m9")
    with pytest.raises(DataError, match=r"cpi\.derive_measures\(trial\)"):
        build_economic_set(trial)
