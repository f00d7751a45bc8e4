"""Columns per participant, taken from the tables of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData

NEEDED_FOR = "the analysis of an outcome"
#: Tables that hold what measures are derived from.
RECORDS = ("responses", "service_use", "fidelity_ratings")
DERIVE_CURE = "add the scores, costs and fidelity first: trial = cpi.derive_measures(trial)"
_KEYS = {"participant_id", "agency_id", "worker_id"}


def _has_records(trial: TrialData) -> bool:
    """Return whether the trial has something that measures can be derived from."""
    return any(map(trial.has_table, RECORDS))


def read_measurements(trial: TrialData, *, needed_for: str) -> pd.DataFrame:
    """Return the measurements, or say how they are derived from what the trial has."""
    if not trial.has_table("measurements") and _has_records(trial):
        raise DataError(
            Fault(
                code="CPI-E010",
                table="measurements",
                rule=f"{needed_for} needs the table measurements",
                cure=DERIVE_CURE,
                allowed=", ".join(trial.table_names),
            )
        )
    return trial.table("measurements", needed_for=needed_for)


def list_people(trial: TrialData) -> pd.DataFrame:
    """Return one row per participant with the columns of the participant and the agency.

    The index is ``participant_id``, sorted. Where both tables have a column of the same name,
    the participant's own is kept.
    """
    participants = trial.table("participants", needed_for=NEEDED_FOR)
    agencies = trial.table("agencies", needed_for=NEEDED_FOR)
    extra = [column for column in agencies.columns if column not in participants.columns]
    people = participants.merge(agencies[["agency_id", *extra]], on="agency_id", how="left")
    return people.set_index("participant_id").sort_index()


def find_baseline(trial: TrialData) -> str:
    """Return the name of the timepoint with the lowest order."""
    timepoints = trial.table("timepoints", needed_for=NEEDED_FOR)
    return str(timepoints.sort_values("order")["timepoint"].iloc[0])


def split_reference(reference: str) -> tuple[str, str]:
    """Split ``measure@timepoint``."""
    measure, _, timepoint = reference.partition("@")
    return measure, timepoint


def pick_measure(trial: TrialData, reference: str) -> pd.Series[float]:
    """Return the values of ``measure@timepoint``, indexed by participant.

    Raises
    ------
    DataError
        CPI-E010 when the trial has no measurements, E045 when it has no such ones.
    """
    table = read_measurements(trial, needed_for=NEEDED_FOR)
    measure, timepoint = split_reference(reference)
    rows = table[(table["measure"] == measure) & (table["timepoint"] == timepoint)]
    if rows.empty:
        known = table["measure"].astype(str) + "@" + table["timepoint"].astype(str)
        raise DataError(
            Fault(
                code="CPI-E045",
                table="measurements",
                rule=f"{reference} is not among the measurements",
                cure=f"{DERIVE_CURE}; or check the spelling"
                if _has_records(trial)
                else "check the spelling of the measure and the timepoint",
                allowed=", ".join(sorted(known.unique())),
            )
        )
    values = rows.set_index("participant_id")["value"]
    return pd.Series(values.astype("float64"))


def pick_covariate(trial: TrialData, people: pd.DataFrame, name: str) -> pd.Series:
    """Return a covariate: a column of participants or agencies, or ``measure@timepoint``.

    Numbers and truth values become floats; categories stay text.
    """
    if "@" in name:
        return pick_measure(trial, name).reindex(people.index)
    if name not in people.columns or name in _KEYS:
        allowed = [column for column in people.columns if column not in _KEYS]
        raise DataError(
            Fault(
                code="CPI-E045",
                rule=f"the covariate {name} is not a column of participants or agencies",
                cure="name a column, or a measure as measure@timepoint",
                allowed=", ".join(map(str, allowed)),
            )
        )
    column = people[name]
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.astype("Float64").astype("float64")
    if pd.api.types.is_datetime64_any_dtype(column):
        raise DataError(
            Fault(
                code="CPI-E045",
                rule=f"the covariate {name} is a date",
                cure="use a number, such as age in years or months since the start",
            )
        )
    return column.astype(object).where(column.notna(), np.nan)


def name_column(reference: str) -> str:
    """Return the column that holds ``measure@timepoint``."""
    return reference.replace("@", "_at_")
