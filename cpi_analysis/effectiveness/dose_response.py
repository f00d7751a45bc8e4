"""Fidelity as a dose: the outcome per step of what was delivered, within and between agencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.analysis_set import AnalysisSet, list_adjustments
from cpi_analysis.effectiveness.contrasts import estimate_contrasts
from cpi_analysis.effectiveness.design import fault, quote
from cpi_analysis.effectiveness.estimands import state_estimand
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.mixed_models import (
    DegreesOfFreedom,
    MixedModelResult,
    fit_mixed_model,
)
from cpi_analysis.effectiveness.wording import format_interval, format_p_value
from cpi_analysis.inference.kenward_roger import Information
from cpi_analysis.io.variables import name_column
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOSE_NOTE = (
    "The dose was measured after the start and nobody was allocated to it: agencies and people "
    "who received more of it may differ in other ways. The slopes describe what went together; "
    "they do not say what more fidelity would do."
)
#: Agency means of the dose that differ by less than this share of its spread are one value.
NO_SPREAD = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DoseResponseResult(Result):
    """Difference in the outcome per step of the dose.

    Parameters
    ----------
    dose, step
        Column of the dose, and the step that the slopes are for.
    model
        The model with one slope.
    decomposed
        The model with a slope within and one between agencies; None where it cannot be fitted.
    """

    title: ClassVar[str] = "Dose and response"

    label: str
    dose: str
    step: float
    model: MixedModelResult
    decomposed: MixedModelResult | None

    def summary(self) -> str:
        """Return the slope over everybody, in one sentence."""
        row = self.estimates.iloc[0].to_dict()
        slope, low, high = format_interval(row["estimate"], row["conf_low"], row["conf_high"])
        return (
            f"{self.label}: {slope} per {self.step:g} of {self.dose} "
            f"({self.confidence_level:.0%} CI {low} to {high}; {format_p_value(row['p_value'])}); "
            "an association, not an effect."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates
        draw_intervals(
            ax,
            labels=list(rows["quantity"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Per {self.step:g} of {self.dose} ({self.confidence_level:.0%} CI)",
        )


def fit_dose_response(
    analysis_set: AnalysisSet,
    *,
    dose: str,
    step: float = 1.0,
    df: DegreesOfFreedom = "kenward_roger",
    information: Information = "expected",
    confidence_level: float | None = None,
) -> DoseResponseResult:
    """Estimate how the outcome goes with a measured dose, such as fidelity.

    Estimand: the difference in mean outcome between participants whose dose differs by
    ``step`` and who are alike in baseline and covariates: over all, within the same agency,
    and between agencies whose mean dose differs by ``step``.

    Parameters
    ----------
    analysis_set
        With the dose among its covariates. Use ``groups="target"`` when the reference group
        has no dose. The groups themselves are not in the model: the dose takes their place.
    dose
        A covariate of the set, as in ``"fidelity_percent@m9"``.
    step
        Amount of the dose that the slopes are for, in its unit.
    df, information
        See :func:`fit_mixed_model`.
    confidence_level
        Level of the intervals; None takes the protocol's.

    Returns
    -------
    DoseResponseResult
        Rows ``all``, ``within agencies``, ``between agencies`` and ``between minus within``;
        the first alone when the dose does not vary within agencies, or not between them.

    Raises
    ------
    ModelError
        CPI-M002 the dose does not vary; M004 the dose is not a numeric covariate of the set,
        or the step is not a positive number; see :func:`fit_mixed_model`.

    Notes
    -----
    The second model has the agency's mean dose and the person's distance from it as two
    columns. The two slopes differ when agencies with more of the dose differ in other ways,
    which the last row tests.

    References
    ----------
    Neuhaus JM, Kalbfleisch JD (1998). Between- and within-cluster covariate effects in the
    analysis of clustered data. Biometrics 54, 638-645.
    """
    level = analysis_set.confidence_level if confidence_level is None else confidence_level
    column = _check_dose(analysis_set, dose, step)
    data = _split_dose(analysis_set.data, column, step)
    others = [name for name in list_adjustments(analysis_set) if name != column]
    tail = "".join(f" + {quote(name)}" for name in others)

    def fit(columns: str) -> MixedModelResult:
        return fit_mixed_model(
            data,
            formula=f"outcome ~ {columns}{tail}",
            random={"agency_id": "1"},
            df=df,
            information=information,
            confidence_level=level,
        )

    model = fit("dose")
    is_split = all(np.ptp(data[name]) > NO_SPREAD for name in ("dose_within", "dose_between"))
    decomposed = fit("dose_within + dose_between") if is_split else None
    label = f"{analysis_set.label} at {analysis_set.months:g} months"
    return DoseResponseResult(
        estimates=_tabulate(model, decomposed, analysis_set),
        n_participants=model.n_participants,
        n_agencies=model.n_agencies,
        method=f"Slope of a dose in a linear mixed model, {model.method}",
        confidence_level=level,
        estimand=state_estimand(
            analysis_set,
            summary=f"Difference in mean {label} per {step:g} of {dose}",
            without=(column,),
            claims=False,
        ),
        notes=(DOSE_NOTE, *analysis_set.notes, *model.notes),
        label=label,
        dose=dose,
        step=step,
        model=model,
        decomposed=decomposed,
    )


def _check_dose(analysis_set: AnalysisSet, dose: str, step: float) -> str:
    column = name_column(dose)
    is_known = column in analysis_set.covariates
    if not is_known or not pd.api.types.is_numeric_dtype(analysis_set.data[column]):
        raise fault(
            "CPI-M004",
            f"the dose {dose} is not a numeric covariate of the analysis set",
            "name it in covariates of build_analysis_set",
            allowed=", ".join(analysis_set.covariates) or "none",
        )
    if not (np.isfinite(step) and step > 0):
        raise fault("CPI-M004", "the step is not a positive number", "give 10 for 10 points")
    return column


def _split_dose(data: pd.DataFrame, column: str, step: float) -> pd.DataFrame:
    dose = data[column] / step
    between = dose.groupby(data["agency_id"]).transform("mean")
    return data.assign(dose=dose, dose_between=between, dose_within=dose - between)


def _tabulate(
    model: MixedModelResult, decomposed: MixedModelResult | None, analysis_set: AnalysisSet
) -> pd.DataFrame:
    def pick(fitted: MixedModelResult, term: str, quantity: str) -> pd.DataFrame:
        row = fitted.estimates[fitted.estimates["term"] == term].drop(columns="term")
        row.insert(0, "quantity", quantity)
        return row

    parts = [pick(model, "dose", "all")]
    if decomposed is not None:
        parts.append(pick(decomposed, "dose_within", "within agencies"))
        parts.append(pick(decomposed, "dose_between", "between agencies"))
        weights = {"between minus within": {"dose_between": 1.0, "dose_within": -1.0}}
        last = estimate_contrasts(decomposed, contrasts=weights, adjust="none").estimates
        last = last.drop(columns="p_value_adjusted").rename(columns={"contrast": "quantity"})
        parts.append(last)
    table = pd.concat(parts, ignore_index=True)
    table.insert(1, "unit", analysis_set.unit)
    return table
