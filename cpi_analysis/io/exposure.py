"""Who is in which of the two groups that are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.variables import pick_measure

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import Contrast, Protocol
    from cpi_analysis.io.trial import TrialData

UNCLASSIFIED = "not classified"
MEASURED_NOTE = (
    "The groups were formed by a fidelity that was measured after the start, not by allocation: "
    "the difference describes them and is no estimate of an effect of fidelity."
)


def require_protocol(trial: TrialData) -> Protocol:
    """Return the protocol, or say that it is missing."""
    if trial.protocol is None:
        raise DataError(
            Fault(
                code="CPI-E047",
                rule="the trial has no protocol: the groups to compare are not named",
                cure="add an [analysis] part to study.toml, or use trial.with_protocol(...)",
            )
        )
    return trial.protocol


def classify_exposure(trial: TrialData, people: pd.DataFrame, contrast: Contrast) -> pd.Series:
    """Return target, reference or ``not classified`` for each participant."""
    if contrast.variable == "arm":
        arms = people["arm"].astype(object)
        known = arms.isin([contrast.target, contrast.reference])
        return arms.where(known, UNCLASSIFIED).astype("str")
    fidelity = pick_measure(trial, f"{contrast.measure}@{contrast.timepoint}").reindex(people.index)
    reaches = fidelity >= float(contrast.cutoff or 0.0)
    label = np.where(reaches, contrast.target, contrast.reference)
    return pd.Series(np.where(fidelity.isna(), UNCLASSIFIED, label), people.index).astype("str")


def describe_exposure(contrast: Contrast) -> str:
    """Return the contrast in words."""
    if contrast.variable == "arm":
        return f"agencies allocated to {contrast.target} and to {contrast.reference}"
    return (
        f"participants whose {contrast.measure} at {contrast.timepoint} was {contrast.target} "
        f"({contrast.cutoff:g} or more) and {contrast.reference} (less)"
    )


def explain_unclassified(contrast: Contrast) -> str:
    """Return why somebody belongs to neither group."""
    if contrast.variable == "arm":
        return "not in a group that is compared"
    return f"{contrast.measure}@{contrast.timepoint}, which forms the groups, is missing"
