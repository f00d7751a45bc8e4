"""What the protocol and the scoring key say about the fidelity questionnaire of a trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.io.instruments import Instrument, Scale, load_instrument
from cpi_analysis.io.protocol import FidelityPlan

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData


@dataclass(frozen=True, kw_only=True)
class FidelityKey:
    """The plan of the protocol with the scales of its instrument sorted by use.

    Parameters
    ----------
    plan, instrument
        From the protocol, and the key that it names.
    composite
        The score of the whole questionnaire at the level of the plan.
    domains
        Its parts that reflect one thing each, in the order of the key.
    formative
        Lists of things that need not go together: no reliability is computed.
    """

    plan: FidelityPlan
    instrument: Instrument
    composite: Scale
    domains: tuple[Scale, ...]
    formative: tuple[Scale, ...]

    def scale(self, measure: str) -> Scale:
        """Return the scale of a measure, or raise CPI-E045 with those there are."""
        for candidate in self.instrument.scales:
            if candidate.measure == measure:
                return candidate
        known = tuple(scale.measure for scale in self.instrument.scales)
        raise refuse_choice("domain", measure, known)


def has_fidelity_plan(trial: TrialData) -> bool:
    """Return whether the trial has ratings and a protocol that says how to use them."""
    planned = trial.protocol is not None and trial.protocol.fidelity is not None
    return planned and trial.has_table("fidelity_ratings")


def read_fidelity_key(trial: TrialData) -> FidelityKey:
    """Return the fidelity plan of a trial with its scales.

    Raises
    ------
    DataError
        CPI-E047 when the protocol has no fidelity plan, CPI-E042 when the instrument has no
        score at the level of the plan.
    """
    plan = trial.protocol.fidelity if trial.protocol is not None else None
    if plan is None:
        raise DataError(
            Fault(
                code="CPI-E047",
                rule="the protocol does not say how fidelity was rated",
                cure="add [analysis.fidelity] with instrument, occasion and sources",
            )
        )
    instrument = load_instrument(plan.instrument)
    composite = _find_composite(instrument, plan)
    return FidelityKey(
        plan=plan,
        instrument=instrument,
        composite=composite,
        domains=tuple(
            scale
            for scale in instrument.scales
            if scale.part_of == composite.measure and not scale.is_formative
        ),
        formative=tuple(scale for scale in instrument.scales if scale.is_formative),
    )


def _find_composite(instrument: Instrument, plan: FidelityPlan) -> Scale:
    for scale in instrument.scales:
        at_level = instrument.target_level_of(scale) == plan.target_level
        if at_level and scale.part_of is None and not scale.is_formative:
            return scale
    raise DataError(
        Fault(
            code="CPI-E042",
            file=plan.instrument,
            rule=f"no scale is scored for each {plan.target_level}",
            cure="add a scale that is not formative and not part of another one",
        )
    )


def find_target_column(participants: pd.DataFrame, level: str) -> str:
    """Return the column of ``participants`` that names the target of a level."""
    column = f"{level}_id"
    if column not in participants:
        raise DataError(
            Fault(
                code="CPI-E011",
                table="participants",
                column=column,
                rule=f"fidelity was rated for each {level}, but participants do not name theirs",
                cure="add the column",
            )
        )
    return column


def agencies_of_targets(trial: TrialData, level: str) -> pd.Series[str]:
    """Return the agency of every target of a level, by target."""
    if level == "agency":
        agencies = trial.table("agencies")["agency_id"]
        return agencies.set_axis(agencies)
    table = "participants" if level == "participant" else "workers"
    return trial.table(table, needed_for="fidelity").set_index(f"{level}_id")["agency_id"]
