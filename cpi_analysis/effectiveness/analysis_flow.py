"""Who is left out of an analysis, why, and how it is counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.exposure import MEASURED_NOTE, UNCLASSIFIED, describe_exposure
from cpi_analysis.io.variables import pick_measure

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import Contrast, Protocol
    from cpi_analysis.io.trial import TrialData

RECRUITED, ANALYSED = "recruited", "analysed"


def list_conditions(
    trial: TrialData,
    people: pd.Index,
    requirements: tuple[str, ...],
    columns: dict[str, tuple[str, pd.Series]],
) -> dict[str, pd.Series]:
    """Return the reasons to leave somebody out, in the order in which they are applied.

    ``columns`` are, by name, what the plan calls them and their values.
    """
    conditions = {
        f"not in the population: {name} is missing": pick_measure(trial, name)
        .reindex(people)
        .isna()
        for name in requirements
    }
    for name, column in columns.values():
        conditions.setdefault(f"{name} is missing", column.isna())
    return conditions


def find_requirements(protocol: Protocol, population: str) -> tuple[str, ...]:
    """Return the ``measure@timepoint`` that the members of a population must have."""
    if population == "observed":
        return ()
    if population not in protocol.populations:
        raise DataError(
            Fault(
                code="CPI-E045",
                rule=f"the population {population} is not defined",
                cure="name a population of the protocol",
                allowed=", ".join(["observed", *protocol.populations]),
            )
        )
    return protocol.populations[population]


def find_first_reason(conditions: dict[str, pd.Series], people: pd.Index) -> pd.Series:
    """Return, for each participant, the first condition that holds, or ``analysed``."""
    result = pd.Series(ANALYSED, index=people, dtype=object)
    for reason, holds in conditions.items():
        result = result.mask((result == ANALYSED) & holds, reason)
    return result


def build_flow(
    exposure: pd.Series, first_reason: pd.Series, order: list[str], contrast: Contrast
) -> pd.DataFrame:
    """Return ``reason``, ``group``, ``n``: recruited, left out by first reason, analysed."""
    groups = [contrast.target, contrast.reference]
    if (exposure == UNCLASSIFIED).any():
        groups.append(UNCLASSIFIED)
    counts = Counter(zip(first_reason, exposure, strict=True))
    recruited = Counter(exposure)
    steps = [reason for reason in order if reason in set(first_reason)]
    rows = [(RECRUITED, group, recruited[group]) for group in groups]
    rows += [
        (reason, group, counts[reason, group]) for reason in [*steps, ANALYSED] for group in groups
    ]
    return pd.DataFrame(rows, columns=["reason", "group", "n"])


def require_groups(data: pd.DataFrame, needed: tuple[str, ...]) -> None:
    """Raise CPI-E038 unless somebody in each of the groups is analysed."""
    empty = [group for group in needed if not (data["exposure"] == group).any()]
    if empty:
        raise DataError(
            Fault(
                code="CPI-E038",
                rule=f"nobody who can be analysed is in: {', '.join(empty)}",
                cure="check the names of the groups in the protocol and the missing values",
            )
        )


def write_notes(reasons: pd.Series, contrast: Contrast) -> tuple[str, ...]:
    """Return how many are left out and why, and what kind of groups are compared."""
    counts = reasons[reasons != ANALYSED].value_counts()
    notes = []
    if len(counts):
        parts = "; ".join(f"{reason}: {counts[reason]}" for reason in sorted(counts.index))
        notes.append(f"{counts.sum()} of {len(reasons)} participants are left out ({parts}).")
    if contrast.variable != "arm":
        notes.append(f"Compared are {describe_exposure(contrast)}. {MEASURED_NOTE}")
    return tuple(notes)
