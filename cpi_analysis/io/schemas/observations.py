"""Tables of what was observed: answers, measurements, services, fidelity, networks."""

from __future__ import annotations

import pandera.pandas as pa

from cpi_analysis.io.schemas.fields import boolean, category, identifier, integer, number, rules
from cpi_analysis.io.schemas.people import Absent, Column

FIDELITY_SOURCES = ("worker", "participant", "researcher")
TARGET_LEVELS = ("participant", "worker", "agency")
MISSING_REASONS = ("not_applicable", "not_observed", "skipped")

_PERSON = {"participant_id": "participants", "timepoint": "timepoints"}


class Responses(pa.DataFrameModel):
    """The answers to the items of questionnaires."""

    participant_id: Column = identifier("pseudonym of the participant")
    timepoint: Column = identifier("scheduled interview")
    instrument: Column = identifier("questionnaire")
    item: Column = identifier("item of the questionnaire")
    answer: Column = number("code of the answer; empty when it was not answered", whole=True)

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="one answer to one item",
            key=("participant_id", "timepoint", "instrument", "item"),
            references=_PERSON,
        )


class Measurements(pa.DataFrameModel):
    """The values of measures; a missed assessment is a row without a value."""

    participant_id: Column = identifier("pseudonym of the participant")
    timepoint: Column = identifier("scheduled interview")
    measure: Column = identifier("measure, as in the table measures")
    value: Column = number("value in the unit of the measure; empty when it was not observed")

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="one expected value of one measure",
            key=("participant_id", "timepoint", "measure"),
            references={**_PERSON, "measure": "measures"},
        )


class ServiceUse(pa.DataFrameModel):
    """The services that a participant used in the period asked about."""

    participant_id: Column = identifier("pseudonym of the participant")
    timepoint: Column = identifier("scheduled interview")
    service: Column = identifier("service, as in the table unit_costs")
    is_used: Column = boolean("whether the service was used at all")
    contacts: Column = number("number of contacts, days or nights", minimum=0, maximum=10_000)
    minutes_per_contact: Absent = number(
        "usual length of a contact", unit="minutes", minimum=0, maximum=1_440
    )

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="use of one service in one period of recall",
            key=("participant_id", "timepoint", "service"),
            references=_PERSON,
        )


class FidelityRatings(pa.DataFrameModel):
    """The ratings of the fidelity questionnaire, by each source that rated."""

    target_id: Column = identifier("participant, worker or agency that is rated")
    occasion: Column = identifier("scheduled interview that the rating belongs to")
    source: Column = category("who rated", allowed=FIDELITY_SOURCES, nullable=False)
    rater_id: Column = identifier("code of the rater")
    item: Column = identifier("item of the fidelity questionnaire")
    target_level: Column = category("what target_id names", allowed=TARGET_LEVELS, nullable=False)
    rating: Column = number("code of the rating; empty when there is none", whole=True)
    missing_reason: Absent = category("why there is no rating", allowed=MISSING_REASONS)

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="one rating of one item by one source",
            key=("target_id", "occasion", "source", "rater_id", "item"),
            references={"occasion": "timepoints"},
        )


class NetworkMembers(pa.DataFrameModel):
    """The people on a participant's network map."""

    participant_id: Column = identifier("pseudonym of the participant")
    timepoint: Column = identifier("scheduled interview")
    member_id: Column = identifier("code of the person on the map, the same at each interview")
    circle: Column = integer("circle of the map, 1 is the closest", minimum=1, maximum=5)
    role: Absent = category("relation to the participant, in the trial's own labels")
    is_service_contact: Absent = boolean("whether they are known through a service")

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="one person on a network map",
            key=("participant_id", "timepoint", "member_id"),
            references=_PERSON,
        )


class ScopingAnswers(pa.DataFrameModel):
    """The answers of agencies to the selection questionnaire."""

    agency_id: Column = identifier("agency that answered")
    item: Column = identifier("item of the selection questionnaire")
    rating: Column = number("self-estimate, 9 is the most [V]", minimum=1, maximum=9, whole=True)

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(
            row="one answer of an agency to the selection questionnaire",
            key=("agency_id", "item"),
            references={"agency_id": "agencies"},
        )
