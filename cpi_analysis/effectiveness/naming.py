"""What outcomes and covariates are called in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.io.variables import find_baseline, split_reference

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData


def look_up(trial: TrialData, measure: str) -> tuple[str, str | None, bool | None]:
    """Return label, unit and direction of a measure, as far as the dictionary has them."""
    if not trial.has_table("measures"):
        return measure, None, None
    table = trial.table("measures").set_index("measure")
    if measure not in table.index:
        return measure, None, None
    row = table.loc[measure].to_dict()

    def text(column: str) -> str | None:
        value = row.get(column)
        return None if value is None or pd.isna(value) or not str(value).strip() else str(value)

    higher = row.get("is_higher_better")
    direction = None if higher is None or pd.isna(higher) else bool(higher)
    return text("label") or measure, text("unit"), direction


def say_adjustments(
    trial: TrialData, own: str, baseline: str | None, covariates: Sequence[str]
) -> tuple[str, ...]:
    """Return baseline and covariates in words."""
    first = []
    if baseline is not None:
        is_own = baseline == f"{own}{find_baseline(trial)}"
        first = ["baseline" if is_own else say_column(trial, baseline)]
    return (*first, *(say_column(trial, name) for name in covariates))


def say_column(trial: TrialData, name: str) -> str:
    """Return a column, or ``measure@timepoint``, in words."""
    if "@" not in name:
        words = name.replace("_", " ")
        return f"{words.removesuffix(' years')} in years" if words.endswith(" years") else words
    measure, timepoint = split_reference(name)
    label, _, _ = look_up(trial, measure)
    if timepoint == find_baseline(trial):
        return f"{label} at baseline"
    months = trial.table("timepoints").set_index("timepoint")["months"]
    return f"{label} at {float(months[timepoint]):g} months"
