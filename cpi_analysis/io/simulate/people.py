"""Agencies, workers and participants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cpi_analysis.io.simulate.draws import Booleans, Floats, Integers
from cpi_analysis.io.simulate.parameters import PeopleParameters
from cpi_analysis.io.simulate.sites import CLIENT_GROUPS, StudyDesign

OLDER, LEARNING = CLIENT_GROUPS.index("older_adult"), CLIENT_GROUPS.index("learning_disability")
#: Professions of the study's workers [V].
PROFESSIONS = (
    "social_worker",
    "community_psychiatric_nurse",
    "occupational_therapist",
    "community_development_worker",
    "support_time_recovery_worker",
)
REGIONS = ("east_midlands", "london", "south_east", "south_west", "isle_of_wight")
_FIRST_TRAINING, _LAST_TRAINING = pd.Timestamp("2012-07-02"), pd.Timestamp("2012-08-17")


@dataclass(frozen=True, kw_only=True)
class People:
    """The recruited people as arrays, one entry each, in the order of their codes."""

    ids: list[str]
    agency: Integers
    group: Integers
    is_third_sector: Booleans
    is_intervention: Booleans
    worker: Integers

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_learning(self) -> Booleans:
        """Who has a learning disability."""
        learning: Booleans = self.group == LEARNING
        return learning


def agency_code(index: int) -> str:
    """Return the code of the agency at a position."""
    return f"A{index + 1:02d}"


def build_people(design: StudyDesign, *, per_worker: int) -> People:
    """Return the people of a design; nothing here is random."""
    plans = design.agencies
    agency = np.repeat(np.arange(len(plans)), [sum(plan.counts) for plan in plans])
    group = np.concatenate([np.repeat(np.arange(3), plan.counts) for plan in plans])
    place = np.concatenate([_deal(plan.counts) for plan in plans])
    workers = count_workers(design, per_worker=per_worker)
    first_worker = np.concatenate([[0], np.cumsum(workers)[:-1]])
    return People(
        ids=[f"P{index + 1:03d}" for index in range(len(agency))],
        agency=agency,
        group=group,
        is_third_sector=np.array([plan.sector == "third_sector" for plan in plans])[agency],
        is_intervention=np.array([plan.arm == "intervention" for plan in plans])[agency],
        worker=first_worker[agency] + place % workers[agency],
    )


def _deal(counts: tuple[int, ...]) -> Integers:
    return np.arange(sum(counts))


def count_workers(design: StudyDesign, *, per_worker: int) -> Integers:
    """Return how many workers each agency has."""
    sizes = np.array([sum(plan.counts) for plan in design.agencies])
    workers: Integers = np.maximum(2, -(-sizes // per_worker))
    return workers


def build_agencies(rng: np.random.Generator, design: StudyDesign) -> pd.DataFrame:
    """Return the table ``agencies``; in the comparison arm nobody is trained."""
    plans = design.agencies
    span = (_LAST_TRAINING - _FIRST_TRAINING).days
    days = pd.to_timedelta(rng.integers(0, span, len(plans)), unit="D")
    trained = pd.Series(_FIRST_TRAINING + days)
    is_trained = np.array([plan.arm == "intervention" for plan in plans])
    return pd.DataFrame(
        {
            "agency_id": [agency_code(index) for index in range(len(plans))],
            "arm": [plan.arm for plan in plans],
            "sector": [plan.sector for plan in plans],
            "setting": [plan.setting for plan in plans],
            "region": [REGIONS[index % len(REGIONS)] for index in range(len(plans))],
            "trained_on": trained.where(is_trained),
        }
    )


def build_workers(
    rng: np.random.Generator, design: StudyDesign, parameters: PeopleParameters
) -> pd.DataFrame:
    """Return the table ``workers``; the first worker of an agency supervises."""
    counts = count_workers(design, per_worker=parameters.people_per_worker)
    agency = np.repeat(np.arange(len(counts)), counts)
    supervises = np.diff(agency, prepend=-1) > 0
    is_trained = np.array([plan.arm == "intervention" for plan in design.agencies])[agency]
    days = parameters.training_days + parameters.supervisor_days * supervises
    return pd.DataFrame(
        {
            "worker_id": [f"W{index + 1:03d}" for index in range(len(agency))],
            "agency_id": [agency_code(int(index)) for index in agency],
            "profession": rng.choice(PROFESSIONS, len(agency)),
            "training_days": np.where(is_trained, days, 0).astype(float),
            "is_supervisor": supervises,
        }
    )


def build_participants(
    rng: np.random.Generator,
    people: People,
    parameters: PeopleParameters,
    *,
    recruited_on: pd.DatetimeIndex,
) -> pd.DataFrame:
    """Return the table ``participants``."""
    return pd.DataFrame(
        {
            "participant_id": people.ids,
            "agency_id": [agency_code(int(index)) for index in people.agency],
            "worker_id": [f"W{index + 1:03d}" for index in people.worker],
            "client_group": [CLIENT_GROUPS[index] for index in people.group],
            "age_years": _draw_ages(rng, people.group, parameters),
            "sex": np.where(rng.random(len(people)) < parameters.women, "female", "male"),
            "ethnicity": np.where(
                rng.random(len(people)) < parameters.white, "white", "other_ethnic_group"
            ),
            "recruited_on": recruited_on,
        }
    )


def _draw_ages(rng: np.random.Generator, group: Integers, parameters: PeopleParameters) -> Floats:
    means = np.array([parameters.adult_age, parameters.older_age, parameters.learning_age])
    spreads = np.array([11.0, 5.0, 12.0])
    ages = np.rint(means[group] + spreads[group] * rng.standard_normal(len(group)))
    older = group == OLDER
    return np.clip(ages, np.where(older, 65, 18), np.where(older, 90, 64))
