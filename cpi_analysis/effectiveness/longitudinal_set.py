"""One outcome at several interviews, in everybody who has it at least once."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.effectiveness.analysis_flow import (
    ANALYSED,
    build_flow,
    find_first_reason,
    find_requirements,
    list_conditions,
    require_groups,
    write_notes,
)
from cpi_analysis.effectiveness.naming import look_up, say_adjustments, say_column
from cpi_analysis.effectiveness.wording import phrase_list
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.exposure import (
    UNCLASSIFIED,
    classify_exposure,
    explain_unclassified,
    require_protocol,
)
from cpi_analysis.io.variables import list_people, name_column, pick_covariate, pick_measure

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import Contrast
    from cpi_analysis.io.trial import TrialData


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LongitudinalSet:
    """One outcome at several interviews.

    Parameters
    ----------
    data
        One row per participant and interview with a value: ``participant_id``, ``agency_id``,
        ``exposure``, ``exposure_target``, ``timepoint`` (ordered, the baseline first),
        ``months``, ``value`` and the covariates.
    flow
        Rows ``reason``, ``group``, ``n``, each participant once.
    measure, label, unit
        The outcome.
    timepoints, months
        The interviews in their order, and their times.
    covariates, adjustments
        Columns of the covariates, and the same in words.
    contrast, population, further_requirements
        The groups compared, the name of the population, and what its members must have.
    confidence_level
        Level that the protocol sets.
    notes
        What the reader must know about the set.
    """

    data: pd.DataFrame
    flow: pd.DataFrame
    measure: str
    label: str
    unit: str | None
    timepoints: tuple[str, ...]
    months: tuple[float, ...]
    covariates: tuple[str, ...]
    adjustments: tuple[str, ...]
    contrast: Contrast
    population: str
    further_requirements: tuple[str, ...]
    confidence_level: float
    notes: tuple[str, ...] = ()

    @property
    def n_participants(self) -> int:
        """Number with at least one value."""
        return int(self.data["participant_id"].nunique())

    @property
    def n_agencies(self) -> int:
        """Number of agencies with somebody analysed."""
        return int(self.data["agency_id"].nunique())

    def _describe(self) -> list[str]:
        counts = self.data["timepoint"].value_counts()
        seen = ", ".join(f"{name} {counts.get(name, 0)}" for name in self.timepoints)
        return [
            f"{self.label} ({self.measure})",
            f"{self.n_participants} participants in {self.n_agencies} agencies; values: {seen}",
            f"adjusted for {phrase_list(self.adjustments) or 'nothing'}; "
            f"population {self.population}",
            *(f"Note: {note}" for note in self.notes),
        ]

    def __repr__(self) -> str:
        return "\n".join(["Longitudinal set", *self._describe()])

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in self._describe())
        return f"<p><strong>Longitudinal set</strong><br>{lines}</p>"


def build_longitudinal_set(
    trial: TrialData,
    *,
    measure: str,
    timepoints: Sequence[str] | None = None,
    covariates: str | Sequence[str] = (),
    population: str = "observed",
    contrast: Contrast | None = None,
) -> LongitudinalSet:
    """Build the set of one outcome at several interviews.

    Unlike :func:`build_analysis_set` it keeps who was lost to follow-up, or has no baseline.

    Parameters
    ----------
    trial
        A trial with a protocol.
    measure
        The outcome.
    timepoints
        The interviews; None takes all at which the measure has a value. The first by order is
        the baseline.
    covariates
        Columns of participants or agencies, or ``measure@timepoint``, known at baseline.
    population
        ``"observed"`` or a population of the protocol.
    contrast
        Which groups are compared; None takes the protocol's.

    Returns
    -------
    LongitudinalSet

    Raises
    ------
    DataError
        CPI-E010 a table is missing, E038 only one group has participants, E045 a name is not
        known or there are fewer than two interviews, E047 there is no protocol.
    """
    covariates = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    protocol = require_protocol(trial)
    chosen = contrast or protocol.contrast
    requirements = find_requirements(protocol, population)
    people = list_people(trial)
    calendar = _choose_timepoints(trial, measure, timepoints)
    wide = pd.DataFrame(
        {name: pick_measure(trial, f"{measure}@{name}").reindex(people.index) for name in calendar}
    )
    exposure = classify_exposure(trial, people, chosen)
    columns = {
        name_column(name): (name, pick_covariate(trial, people, name)) for name in covariates
    }
    conditions = {explain_unclassified(chosen): exposure == UNCLASSIFIED}
    conditions |= list_conditions(trial, people.index, requirements, columns)
    conditions[f"{measure} is missing at every interview"] = wide.isna().all(axis="columns")
    first_reason = find_first_reason(conditions, people.index)
    fixed = pd.DataFrame(
        {
            "agency_id": people["agency_id"].astype("str"),
            "exposure": exposure,
            "exposure_target": (exposure == chosen.target).astype("float64"),
            **{name: column for name, (_, column) in columns.items()},
        }
    )[first_reason == ANALYSED]
    data = _stack(fixed, wide, calendar)
    require_groups(data, (chosen.target, chosen.reference))
    label, unit, _ = look_up(trial, measure)
    return LongitudinalSet(
        data=data,
        flow=build_flow(exposure, first_reason, list(conditions), chosen),
        measure=measure,
        label=label,
        unit=unit,
        timepoints=tuple(calendar),
        months=tuple(calendar.values()),
        covariates=tuple(columns),
        adjustments=say_adjustments(trial, f"{measure}@", None, covariates),
        contrast=chosen,
        population=population,
        further_requirements=tuple(say_column(trial, name) for name in requirements),
        confidence_level=protocol.confidence_level,
        notes=(*write_notes(first_reason, chosen), *_note_gaps(data, calendar)),
    )


def _choose_timepoints(
    trial: TrialData, measure: str, timepoints: Sequence[str] | None
) -> dict[str, float]:
    """Return the interviews in their order, with their months."""
    table = trial.table("timepoints").sort_values("order")
    months = {
        str(name): float(month)
        for name, month in zip(table["timepoint"], table["months"], strict=True)
    }
    if timepoints is None:
        rows = trial.table("measurements", needed_for="the analysis of an outcome")
        rows = rows[(rows["measure"] == measure) & rows["value"].notna()]
        wanted = set(rows["timepoint"].astype(str))
    else:
        wanted = {timepoints} if isinstance(timepoints, str) else set(timepoints)
    unknown = sorted(wanted - set(months))
    chosen = {name: month for name, month in months.items() if name in wanted}
    if unknown or len(chosen) < 2:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="timepoints",
                rule=f"{measure} needs two or more interviews that the trial knows",
                cure="name the baseline and at least one later interview",
                allowed=", ".join(months),
            )
        )
    return chosen


def _stack(fixed: pd.DataFrame, wide: pd.DataFrame, calendar: dict[str, float]) -> pd.DataFrame:
    parts = [
        fixed.assign(timepoint=name, months=month, value=wide.loc[fixed.index, name])
        for name, month in calendar.items()
    ]
    data = pd.concat(parts).dropna(subset=["value"]).reset_index(names="participant_id")
    data["timepoint"] = pd.Categorical(data["timepoint"], categories=list(calendar), ordered=True)
    return data.sort_values(["participant_id", "timepoint"]).reset_index(drop=True)


def _note_gaps(data: pd.DataFrame, calendar: dict[str, float]) -> tuple[str, ...]:
    people = data["participant_id"].nunique()
    counts = data["timepoint"].value_counts()
    gaps = [f"{name} {people - counts[name]}" for name in calendar if counts[name] < people]
    if not gaps:
        return ()
    return (
        f"Of {people} participants some have no value at an interview ({', '.join(gaps)}); they "
        "are kept, and what they lack is taken to be missing at random given what they have.",
    )
