"""Tables of agencies, workers, participants, and their interviews."""

from __future__ import annotations

from typing import Any, Optional

import pandera.pandas as pa
from pandera.typing import Series

from cpi_analysis.io.schemas.fields import boolean, category, date, identifier, number, rules, text

ARMS = ("intervention", "comparison")
SECTORS = ("statutory", "third_sector")
SETTINGS = ("urban", "rural", "mixed")
CLIENT_GROUPS = ("mental_health", "older_adult", "learning_disability")
SEXES = ("female", "male", "other")
VISIT_STATUSES = ("completed", "missed", "withdrawn", "died", "lost")
SCREENING_OUTCOMES = ("recruited", "declined", "ineligible", "not_reached")

# Optional[...] is how pandera says that a column may be absent.
Column = Series[Any]
Absent = Optional[Series[Any]]  # noqa: UP045


class Agencies(pa.DataFrameModel):
    """The agencies that take part: the clusters of the trial."""

    agency_id: Column = identifier("code of the agency")
    arm: Absent = category("group that the agency belongs to", allowed=ARMS)
    sector: Absent = category("kind of organisation", allowed=SECTORS)
    setting: Absent = category("kind of area that the agency serves", allowed=SETTINGS)
    region: Absent = category("region of the country, in the trial's own labels")
    trained_on: Absent = date("day on which the agency's workers finished their training")

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(row="an agency", key=("agency_id",), required=True)


class Workers(pa.DataFrameModel):
    """The workers of the agencies."""

    worker_id: Column = identifier("code of the worker")
    agency_id: Column = identifier("agency that employs the worker")
    profession: Absent = category("profession, in the trial's own labels")
    training_days: Absent = number(
        "training in the intervention that was attended", unit="days", minimum=0, maximum=366
    )
    is_supervisor: Absent = boolean("whether the worker supervises others in the intervention")

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="a worker",
            key=("worker_id",),
            references={"agency_id": "agencies"},
        )


class Participants(pa.DataFrameModel):
    """The people who were recruited."""

    participant_id: Column = identifier("pseudonym of the participant")
    agency_id: Column = identifier("agency that the participant was recruited from")
    worker_id: Absent = identifier("worker of the participant", nullable=True)
    client_group: Absent = category("reason for using the service", allowed=CLIENT_GROUPS)
    age_years: Absent = number("age when recruited", unit="years", minimum=16, maximum=110)
    sex: Absent = category("sex", allowed=SEXES)
    ethnicity: Absent = category("ethnic group, in the trial's own labels")
    living_situation: Absent = category("with whom or where they live, in the trial's own labels")
    carer_status: Absent = category("kind of carer, in the trial's own labels")
    marital_status: Absent = category("marital status, in the trial's own labels")
    employment_status: Absent = category("employment status, in the trial's own labels")
    disability_level: Absent = category("level of disability, in the trial's own labels")
    recruited_on: Absent = date("day of consent")

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="a recruited person",
            key=("participant_id",),
            references={"agency_id": "agencies", "worker_id": "workers"},
            required=True,
        )


class Visits(pa.DataFrameModel):
    """The interviews that were expected, whether or not they took place."""

    participant_id: Column = identifier("pseudonym of the participant")
    timepoint: Column = identifier("scheduled interview")
    visited_on: Absent = date("day of the interview")
    status: Absent = category("what became of the interview", allowed=VISIT_STATUSES)
    interviewer_id: Absent = identifier("code of the interviewer", nullable=True)
    recall_months: Absent = number(
        "period that questions on service use look back on", unit="months", minimum=0, maximum=60
    )

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="an expected interview",
            key=("participant_id", "timepoint"),
            references={"participant_id": "participants", "timepoint": "timepoints"},
        )


class Screening(pa.DataFrameModel):
    """The people who were approached, recruited or not."""

    screening_id: Column = identifier("code of the person approached")
    agency_id: Column = identifier("agency that approached the person")
    outcome: Column = category(
        "what became of the approach [A]", allowed=SCREENING_OUTCOMES, nullable=False
    )
    reason: Absent = text("reason for not taking part")

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="a person approached",
            key=("screening_id",),
            references={"agency_id": "agencies"},
        )
