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

_FIXED = ("participant_id", "agency_id", "exposure", "exposure_target", "follow_up_cost", "effect")


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
        ``group, reason, n``: recruited, left out for each reason (the first that applies), and
        analysed.
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
        left_out = self.flow[~self.flow["reason"].isin(["recruited", "analysed"])]
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
    if plan.adjust_for_baseline:
        first = find_baseline(trial)
        table["baseline_cost"] = _take(trial, name_cost(plan), first)
        table["baseline_effect"] = _take_baseline_effect(trial, plan, first)
    common = []
    for covariate in plan.covariates:
        name = name_column(covariate)
        table[name] = pick_covariate(trial, people, covariate)
        common.append(name)
    table = table.reset_index()
    return EconomicSet(
        data=_keep_complete(table),
        flow=_count_flow(table, contrast),
        covariates={
            equation: (*([f"baseline_{equation}"] if plan.adjust_for_baseline else []), *common)
            for equation in ("cost", "effect")
        },
        plan=plan,
        contrast=contrast,
        confidence_level=protocol.confidence_level,
        effect_label="QALY" if plan.effect == QALY else _label(trial, plan.effect),
        is_synthetic=trial.is_synthetic,
    )


def _keep_complete(table: pd.DataFrame) -> pd.DataFrame:
    kept = table[table["exposure"] != UNCLASSIFIED].dropna()
    return kept.reset_index(drop=True)


def _count_flow(table: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    no_group = explain_unclassified(contrast)
    group = table["exposure"]
    reason = pd.Series("analysed", index=table.index, dtype=object)
    checked = [column for column in table.columns if column not in _FIXED[:4]]
    named = {column: f"{column.replace('_', ' ')} missing" for column in checked}
    for column in reversed(checked):
        reason = reason.mask(table[column].isna(), named[column])
    reason = reason.mask(group == UNCLASSIFIED, no_group)
    ordered = [no_group, *named.values()]
    rows = []
    for name in (contrast.target, contrast.reference, UNCLASSIFIED):
        mine = reason[group == name]
        if mine.empty and name == UNCLASSIFIED:
            continue
        rows.append((name, "recruited", len(mine)))
        rows += [(name, why, int((mine == why).sum())) for why in ordered if (mine == why).any()]
        rows.append((name, "analysed", int((mine == "analysed").sum())))
    return pd.DataFrame(rows, columns=["group", "reason", "n"])


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
