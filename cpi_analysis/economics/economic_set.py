"""Who enters the economic evaluation, and who is left out for what reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.economics.measures import (
    FOLLOW_UP_COST,
    QALY,
    name_cost,
    name_utility,
    pivot_measure,
    read_protocol,
)
from cpi_analysis.io.exposure import UNCLASSIFIED, classify_exposure, explain_unclassified
from cpi_analysis.io.variables import find_baseline, list_people, name_column, pick_covariate

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import Contrast, EconomicPlan
    from cpi_analysis.io.trial import TrialData

RECRUITED, ANALYSED = "recruited", "analysed"


@dataclass(frozen=True, kw_only=True, eq=False)
class EconomicSet:
    """Participants with complete data for the economic evaluation.

    Parameters
    ----------
    data
        ``participant_id, agency_id, exposure`` (label of the group), ``exposure_target`` (1.0
        target, 0.0 reference), ``follow_up_cost`` (GBP), ``effect``, ``baseline_cost`` and
        ``baseline_effect`` when the plan adjusts for them, covariates.
    flow
        ``reason, group, n``: recruited, left out (each participant once, by the first reason
        that applies; the reasons are in the order in which they are applied), and analysed.
    covariates
        Columns of the cost equation and of the effect equation.
    plan, contrast, confidence_level
        From the protocol.
    effect_label
        What the effect is called.
    is_synthetic
        The trial was simulated.
    """

    data: pd.DataFrame
    flow: pd.DataFrame
    covariates: Mapping[str, tuple[str, ...]]
    plan: EconomicPlan
    contrast: Contrast
    confidence_level: float
    effect_label: str
    is_synthetic: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """Who was left out, in words."""
        left_out = self.flow[~self.flow["reason"].isin([RECRUITED, ANALYSED])]
        left_out = left_out[left_out["n"] > 0]
        if left_out.empty:
            return ()
        rows = zip(left_out["group"], left_out["n"], left_out["reason"], strict=True)
        return (
            "Left out of the economic evaluation: "
            + "; ".join(f"{group}: {count} ({reason})" for group, count, reason in rows)
            + ".",
        )


def build_economic_set(trial: TrialData) -> EconomicSet:
    """Select the participants and variables of the economic evaluation.

    Parameters
    ----------
    trial
        With economic measures (see :func:`derive_economic_measures`) and a protocol.

    Returns
    -------
    EconomicSet

    Raises
    ------
    DataError
        When the protocol has no economic plan, or a measure or covariate is missing.
    """
    protocol, plan = read_protocol(trial)
    contrast = protocol.contrast
    people = list_people(trial)
    table = pd.DataFrame(index=people.index)
    table["agency_id"] = people["agency_id"]
    table["exposure"] = classify_exposure(trial, people, contrast)
    table["exposure_target"] = np.where(table["exposure"] == contrast.target, 1.0, 0.0)
    table["follow_up_cost"] = _take(trial, FOLLOW_UP_COST, plan.cost_timepoints[-1])
    table["effect"] = _take(trial, plan.effect, _effect_timepoint(plan))
    effect_label = "QALY" if plan.effect == QALY else _label(trial, plan.effect)
    named = {"follow_up_cost": "follow-up cost", "effect": effect_label}
    if plan.adjust_for_baseline:
        first = find_baseline(trial)
        table["baseline_cost"] = _take(trial, name_cost(plan), first)
        table["baseline_effect"] = _take_baseline_effect(trial, plan, first)
        named["baseline_cost"] = "baseline cost"
        named["baseline_effect"] = (
            "baseline utility" if plan.effect == QALY else f"baseline {effect_label}"
        )
    common = []
    for covariate in plan.covariates:
        name = name_column(covariate)
        table[name] = pick_covariate(trial, people, covariate)
        named[name] = covariate
        common.append(name)
    table = table.reset_index()
    return EconomicSet(
        data=_keep_complete(table),
        flow=_count_flow(table, named, contrast),
        covariates={
            equation: (*([f"baseline_{equation}"] if plan.adjust_for_baseline else []), *common)
            for equation in ("cost", "effect")
        },
        plan=plan,
        contrast=contrast,
        confidence_level=protocol.confidence_level,
        effect_label=effect_label,
        is_synthetic=trial.is_synthetic,
    )


def _keep_complete(table: pd.DataFrame) -> pd.DataFrame:
    kept = table[table["exposure"] != UNCLASSIFIED].dropna()
    return kept.reset_index(drop=True)


def _count_flow(table: pd.DataFrame, named: Mapping[str, str], contrast: Contrast) -> pd.DataFrame:
    """Return how many were recruited, left out for the first reason that applies, analysed.

    ``named`` has the columns that must be there, in the order in which they are checked, and
    their words.
    """
    exposure = table["exposure"]
    conditions = {explain_unclassified(contrast): exposure == UNCLASSIFIED}
    conditions |= {f"{words} is missing": table[column].isna() for column, words in named.items()}
    first = pd.Series(ANALYSED, index=table.index, dtype=object)
    for reason, holds in conditions.items():
        first = first.mask((first == ANALYSED) & holds, reason)
    groups = [contrast.target, contrast.reference]
    groups += [UNCLASSIFIED] if (exposure == UNCLASSIFIED).any() else []
    steps = [reason for reason in conditions if (first == reason).any()]
    rows = [(RECRUITED, group, int((exposure == group).sum())) for group in groups]
    rows += [
        (step, group, int(((first == step) & (exposure == group)).sum()))
        for step in [*steps, ANALYSED]
        for group in groups
    ]
    return pd.DataFrame(rows, columns=["reason", "group", "n"])


def _take(trial: TrialData, measure: str, timepoint: str) -> pd.Series:
    return pivot_measure(trial, measure, (timepoint,))[timepoint]


def _effect_timepoint(plan: EconomicPlan) -> str:
    return plan.utility_timepoints[-1] if plan.effect == QALY else plan.cost_timepoints[-1]


def _take_baseline_effect(trial: TrialData, plan: EconomicPlan, first: str) -> pd.Series:
    if plan.effect == QALY:
        return _take(trial, name_utility(plan), plan.utility_timepoints[0])
    return _take(trial, plan.effect, first)


def _label(trial: TrialData, measure: str) -> str:
    if not trial.has_table("measures"):
        return measure
    measures = trial.table("measures").set_index("measure")
    label = measures["label"].get(measure) if "label" in measures else None
    return str(label) if isinstance(label, str) else measure
