"""Who is analysed, and who is left out and why."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
from cpi_analysis.io.variables import (
    find_baseline,
    list_people,
    name_column,
    pick_covariate,
    pick_measure,
)

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import Contrast
    from cpi_analysis.io.trial import TrialData


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AnalysisSet:
    """One outcome in the participants who are analysed.

    Parameters
    ----------
    data
        One row per participant: ``participant_id``, ``agency_id``, ``exposure`` (text),
        ``exposure_target`` (1 for the target group, 0 for the reference), ``outcome``,
        ``baseline`` where there is one, and the covariates.
    flow
        Rows ``reason``, ``group``, ``n``: recruited, left out (each participant once, by the
        first reason that applies), analysed.
    measure, timepoint
        The outcome.
    baseline
        ``measure@timepoint`` of the baseline, or None.
    covariates
        Columns of ``data`` that the model adjusts for besides the baseline.
    contrast
        The groups compared.
    adjustments
        Baseline and covariates in words.
    population, requirements
        Name of the population, and the ``measure@timepoint`` that its members must have.
    further_requirements
        Those in words that are not the outcome or adjusted for.
    label, unit, is_higher_better
        From the dictionary of measures; None when it does not say.
    months
        Time of the outcome, in months.
    confidence_level
        Level that the protocol sets.
    notes
        What the reader must know about the set.
    """

    data: pd.DataFrame
    flow: pd.DataFrame
    measure: str
    timepoint: str
    baseline: str | None
    covariates: tuple[str, ...]
    contrast: Contrast
    adjustments: tuple[str, ...]
    population: str
    requirements: tuple[str, ...]
    further_requirements: tuple[str, ...]
    label: str
    unit: str | None
    is_higher_better: bool | None
    months: float
    confidence_level: float
    notes: tuple[str, ...] = ()

    @property
    def n_participants(self) -> int:
        """Number analysed."""
        return len(self.data)

    @property
    def n_agencies(self) -> int:
        """Number of agencies with somebody analysed."""
        return int(self.data["agency_id"].nunique())

    def _describe(self) -> list[str]:
        """Return what the set is, in lines without anybody's identifier or value."""
        counts = self.data["exposure"].value_counts()
        groups = (self.contrast.target, self.contrast.reference)
        sizes = ", ".join(f"{group} {counts.get(group, 0)}" for group in groups)
        lines = [
            f"{self.label} at {self.months:g} months ({self.measure}@{self.timepoint})",
            f"{self.n_participants} participants ({sizes}) in {self.n_agencies} agencies",
            f"adjusted for {phrase_list(self.adjustments) or 'nothing'}; "
            f"population {self.population}",
        ]
        return lines + [f"Note: {note}" for note in self.notes]

    def __repr__(self) -> str:
        return "\n".join(["Analysis set", *self._describe()])

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in self._describe())
        return f"<p><strong>Analysis set</strong><br>{lines}</p>"


def has_own_baseline(analysis_set: AnalysisSet) -> bool:
    """Return whether the baseline is of the same measure as the outcome."""
    return (analysis_set.baseline or "").startswith(f"{analysis_set.measure}@")


def list_adjustments(analysis_set: AnalysisSet) -> list[str]:
    """Return the columns that a model adjusts for: the baseline, if any, and the covariates."""
    return [*(["baseline"] if analysis_set.baseline else []), *analysis_set.covariates]


def build_analysis_set(
    trial: TrialData,
    *,
    measure: str,
    timepoint: str,
    baseline: str = "same",
    covariates: str | Sequence[str] = (),
    population: str = "observed",
    contrast: Contrast | None = None,
    groups: Literal["both", "target"] = "both",
) -> AnalysisSet:
    """Build the analysis set of one outcome.

    Parameters
    ----------
    trial
        A trial with a protocol.
    measure, timepoint
        The outcome.
    baseline
        ``"same"`` (the measure at the first timepoint), ``"none"``, or ``measure@timepoint``.
    covariates
        Columns of participants or agencies, or ``measure@timepoint``; one may be a bare text.
    population
        ``"observed"``, or a population of the protocol. Either way a participant needs the
        outcome, the baseline and every covariate.
    contrast
        Which groups are compared; None takes the protocol's. A trial with arms can so be
        analysed by fidelity too: ``Contrast(variable="fidelity_band", ...)``.
    groups
        ``"both"``, or only the ``"target"`` group: for an analysis within it, such as fidelity
        as a dose where the reference group has none.

    Returns
    -------
    AnalysisSet

    Raises
    ------
    DataError
        CPI-E010 a table is missing, E038 only one group has participants, E045 a name is not
        known, E047 there is no protocol.
    """
    covariates = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    protocol = require_protocol(trial)
    chosen = contrast or protocol.contrast
    wanted = _choose_groups(chosen, groups)
    requirements = find_requirements(protocol, population)
    people = list_people(trial)
    reference = _resolve_baseline(trial, measure, baseline)
    exposure = classify_exposure(trial, people, chosen)
    columns = _collect_columns(trial, people, f"{measure}@{timepoint}", reference, covariates)
    conditions = {explain_unclassified(chosen): exposure == UNCLASSIFIED}
    if groups == "target":
        conditions[f"not in the {chosen.target} group"] = exposure == chosen.reference
    conditions |= list_conditions(trial, people.index, requirements, columns)
    first_reason = find_first_reason(conditions, people.index)
    data = pd.DataFrame(
        {
            "agency_id": people["agency_id"].astype("str"),
            "exposure": exposure,
            "exposure_target": (exposure == chosen.target).astype("float64"),
            **{name: column for name, (_, column) in columns.items()},
        }
    )[first_reason == ANALYSED].reset_index()
    require_groups(data, wanted)
    label, unit, is_higher_better = look_up(trial, measure)
    months = trial.table("timepoints").set_index("timepoint")["months"].astype("float64")
    return AnalysisSet(
        data=data,
        flow=build_flow(exposure, first_reason, list(conditions), chosen),
        measure=measure,
        timepoint=timepoint,
        baseline=reference,
        covariates=tuple(name_column(name) for name in covariates),
        adjustments=say_adjustments(trial, f"{measure}@", reference, covariates),
        contrast=chosen,
        population=population,
        requirements=requirements,
        further_requirements=tuple(
            say_column(trial, name)
            for name in requirements
            if name not in {column for column, _ in columns.values()}
        ),
        label=label,
        unit=unit,
        is_higher_better=is_higher_better,
        months=float(months[timepoint]),
        confidence_level=protocol.confidence_level,
        notes=write_notes(first_reason, chosen),
    )


def _choose_groups(contrast: Contrast, groups: str) -> tuple[str, ...]:
    """Return the groups in which somebody must be analysed."""
    if groups not in ("both", "target"):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="groups",
                rule="the groups are not understood",
                cure="choose one",
                allowed="both, target",
            )
        )
    return (contrast.target, contrast.reference)[: 1 if groups == "target" else 2]


def _collect_columns(
    trial: TrialData,
    people: pd.DataFrame,
    outcome: str,
    baseline: str | None,
    covariates: Sequence[str],
) -> dict[str, tuple[str, pd.Series]]:
    """Return, by column, what the plan calls it and its values."""
    columns = {"outcome": (outcome, pick_measure(trial, outcome).reindex(people.index))}
    if baseline is not None:
        columns["baseline"] = (baseline, pick_measure(trial, baseline).reindex(people.index))
    for name in covariates:
        columns[name_column(name)] = (name, pick_covariate(trial, people, name))
    return columns


def _resolve_baseline(trial: TrialData, measure: str, baseline: str) -> str | None:
    if baseline == "none":
        return None
    if baseline == "same":
        return f"{measure}@{find_baseline(trial)}"
    if "@" not in baseline:
        raise DataError(
            Fault(
                code="CPI-E045",
                rule=f"the baseline {baseline} is not understood",
                cure="choose one of the allowed forms",
                allowed="same, none, measure@timepoint",
            )
        )
    return baseline
