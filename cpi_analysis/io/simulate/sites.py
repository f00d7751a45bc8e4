"""The two designs: how many agencies, of what size and kind, and how many people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.simulate.marks import Mark, group, number

CLIENT_GROUPS = ("mental_health", "older_adult", "learning_disability")


@dataclass(frozen=True, kw_only=True)
class AgencyPlan:
    """One agency: its kind, and how many people of each client group it recruits."""

    sector: str
    setting: str
    mental_health: int
    older_adult: int
    learning_disability: int
    arm: str = "intervention"
    mark: Mark = "A"

    @property
    def counts(self) -> tuple[int, int, int]:
        """People by client group, in the order of ``CLIENT_GROUPS``."""
        return self.mental_health, self.older_adult, self.learning_disability

    def describe(self) -> str:
        """Return the agency in one phrase."""
        people = ", ".join(
            f"{count} {name}" for count, name in zip(self.counts, CLIENT_GROUPS, strict=True)
        )
        return f"an agency ({self.arm}, {self.sector}, {self.setting}) that recruits {people}"


def _agencies(arm: str, rows: tuple[tuple[str, str, int, int, int], ...]) -> tuple[AgencyPlan, ...]:
    return tuple(
        AgencyPlan(
            sector=sector,
            setting=setting,
            mental_health=mental_health,
            older_adult=older_adult,
            learning_disability=learning_disability,
            arm=arm,
        )
        for sector, setting, mental_health, older_adult, learning_disability in rows
    )


# Sizes 30, 22, 18, 15, 13, 11, 10, 9, 8, 6, 5, 4, 2, 2: uneven, as recruitment was.
_AS_RUN = (
    ("statutory", "urban", 27, 3, 0),
    ("statutory", "urban", 20, 2, 0),
    ("third_sector", "urban", 8, 0, 10),
    ("statutory", "mixed", 14, 1, 0),
    ("statutory", "mixed", 11, 0, 2),
    ("third_sector", "urban", 3, 0, 8),
    ("statutory", "rural", 8, 2, 0),
    ("third_sector", "mixed", 9, 0, 0),
    ("statutory", "urban", 2, 0, 6),
    ("third_sector", "rural", 1, 0, 5),
    ("statutory", "rural", 4, 1, 0),
    ("third_sector", "urban", 0, 0, 4),
    ("statutory", "rural", 2, 0, 0),
    ("third_sector", "mixed", 2, 0, 0),
)
_PLANNED_ARM = (
    ("statutory", "urban", 37, 3, 0),
    ("third_sector", "urban", 16, 0, 12),
    ("statutory", "mixed", 17, 3, 0),
    ("third_sector", "mixed", 4, 0, 10),
    ("statutory", "rural", 10, 1, 0),
    ("statutory", "rural", 2, 0, 5),
)


@dataclass(frozen=True, kw_only=True)
class StudyDesign:
    """Numbers that a design fixes exactly, whatever the seed."""

    participants: int
    followed_up: int
    high_fidelity: int
    follow_up_months: int
    agencies: tuple[AgencyPlan, ...]

    def __post_init__(self) -> None:
        rated = self.followed_up
        planned = sum(sum(agency.counts) for agency in self.agencies)
        problems = {
            "the agencies must recruit exactly the participants": planned != self.participants,
            "followed_up must lie between 1 and participants": not 1 <= rated <= planned,
            "high_fidelity must lie between 1 and followed_up": not 1
            <= self.high_fidelity
            <= rated,
        }
        faults = [
            Fault(code="CPI-E045", rule=rule, cure="change the numbers of the design")
            for rule, is_broken in problems.items()
            if is_broken
        ]
        if faults:
            raise DataError(faults)

    @property
    def follow_up(self) -> str:
        """The name of the follow-up."""
        return f"m{self.follow_up_months}"

    @property
    def has_comparison(self) -> bool:
        """Whether agencies were allocated to arms."""
        return any(agency.arm == "comparison" for agency in self.agencies)

    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return arm-sector-group cells: is_third_sector, client group index, people."""
        rows = [
            (agency.sector == "third_sector", index, count)
            for agency in self.agencies
            for index, count in enumerate(agency.counts)
            if count
        ]
        third, groups, people = zip(*rows, strict=True)
        return np.array(third), np.array(groups), np.array(people)


@dataclass(frozen=True, kw_only=True)
class AsRunDesign(StudyDesign):
    """The pilot as it was run: one group, followed for nine months."""

    participants: int = number(155, "V", "people recruited")
    followed_up: int = number(117, "V", "people interviewed at follow-up")
    high_fidelity: int = number(30, "V", "people with high fidelity, of those followed up")
    follow_up_months: int = number(9, "V", "months from baseline to follow-up")
    agencies: tuple[AgencyPlan, ...] = group(
        _agencies("intervention", _AS_RUN), "14 agencies [V]; their sizes and kinds"
    )


@dataclass(frozen=True, kw_only=True)
class PlannedDesign(StudyDesign):
    """The pilot as it was planned: six agencies with the intervention, six without."""

    participants: int = number(240, "V", "people to be recruited")
    followed_up: int = number(181, "A", "people interviewed at follow-up: the share of the pilot")
    high_fidelity: int = number(23, "A", "people with high fidelity: the share of the pilot")
    follow_up_months: int = number(12, "V", "months from baseline to follow-up")
    agencies: tuple[AgencyPlan, ...] = group(
        _agencies("intervention", _PLANNED_ARM) + _agencies("comparison", _PLANNED_ARM),
        "6 + 6 agencies [V]; their sizes and kinds",
    )
