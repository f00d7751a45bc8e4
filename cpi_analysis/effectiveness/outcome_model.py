"""The difference in one outcome between the two groups, adjusted for baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from cpi_analysis.effectiveness.analysis_set import AnalysisSet
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.mixed_models import (
    DegreesOfFreedom,
    MixedModelResult,
    fit_mixed_model,
)
from cpi_analysis.effectiveness.wording import (
    format_interval,
    format_p_value,
    phrase_amount,
    phrase_icc,
    phrase_list,
)
from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.kenward_roger import Information
from cpi_analysis.io.exposure import describe_exposure
from cpi_analysis.results import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

EXPOSURE = "exposure_target"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OutcomeModelResult(Result):
    """Adjusted difference in one outcome, target minus reference.

    Parameters
    ----------
    measure, timepoint, months, label, unit
        The outcome, and when it was measured.
    target, reference
        The groups.
    is_allocated
        Whether the groups are arms; otherwise they were formed by what was measured.
    model
        The fitted model, with every coefficient and the variances.
    flow
        Who was left out and why: ``reason``, ``group``, ``n``.
    """

    title: ClassVar[str] = "Adjusted difference"

    measure: str
    timepoint: str
    months: float
    label: str
    unit: str | None
    target: str
    reference: str
    is_allocated: bool
    model: MixedModelResult
    flow: pd.DataFrame

    @property
    def agency_variance(self) -> float:
        """Variance between agencies."""
        return self.model.agency_variance

    @property
    def residual_variance(self) -> float:
        """Variance within agencies."""
        return self.model.residual_variance

    @property
    def icc(self) -> float:
        """Share of the adjusted variance that lies between agencies."""
        return self.model.icc

    @property
    def is_singular(self) -> bool:
        """Whether the variance between agencies was estimated as zero."""
        return self.model.is_singular

    def glance(self) -> pd.DataFrame:
        """Return one row with the scalars of the result and of its model."""
        mine, model = super().glance(), self.model.glance()
        extra = [column for column in model.columns if column not in mine.columns]
        return mine.join(model[extra])

    def summary(self) -> str:
        """Return the difference and its interval, in one sentence."""
        row = self.estimates.iloc[0].to_dict()
        estimate, low, high = format_interval(row["estimate"], row["conf_low"], row["conf_high"])
        facts = (
            f"({self.confidence_level:.0%} CI {low} to {high}; {format_p_value(row['p_value'])}; "
            f"{self.n_participants} participants in {self.n_agencies} agencies)"
        )
        if row["conf_low"] > 0 or row["conf_high"] < 0:
            direction = "higher" if row["estimate"] > 0 else "lower"
            amount = phrase_amount(estimate.lstrip("-"), self.unit, direction)
            return (
                f"{self._outcome()}: {amount} in the {self.target} than in the {self.reference} "
                f"group {facts}."
            )
        return (
            f"{self._outcome()}: {self.target} minus {self.reference} "
            f"{phrase_amount(estimate, self.unit)} {facts}; the data are compatible with "
            f"differences from {low} to {high}."
        )

    def _facts(self) -> list[str]:
        return [*super()._facts(), phrase_icc(self.icc, is_singular=self.is_singular)]

    def _outcome(self) -> str:
        return f"{self.label} at {self.months:g} months"

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates
        unit = f", {self.unit}" if self.unit else ""
        draw_intervals(
            ax,
            labels=[f"{self.label}\n{self.months:g} months"],
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"{self.target} minus {self.reference}{unit} ({self.confidence_level:.0%} CI)",
        )


def fit_outcome_model(
    analysis_set: AnalysisSet,
    *,
    df: DegreesOfFreedom = "kenward_roger",
    information: Information = "expected",
    confidence_level: float | None = None,
) -> OutcomeModelResult:
    """Estimate the adjusted difference in an outcome, target minus reference.

    Estimand: the difference in mean outcome at the timepoint between the groups, for
    participants alike in baseline and covariates, in those observed.

    Parameters
    ----------
    analysis_set
        From :func:`build_analysis_set`.
    df, information
        See :func:`fit_mixed_model`.
    confidence_level
        Level of the interval; None takes the protocol's.

    Returns
    -------
    OutcomeModelResult
        One row: the difference in the unit of the measure. All coefficients are in ``.model``.

    Raises
    ------
    ModelError
        See :func:`fit_mixed_model`.

    Notes
    -----
    Analysis of covariance with a random intercept per agency:
    ``outcome = a + d exposure + b baseline + covariates + u[agency] + e``; reported is ``d``.

    References
    ----------
    Twisk J, et al. (2018). Different ways to estimate treatment effects in randomised
    controlled trials. Contemporary Clinical Trials Communications 10, 80-85.
    """
    level = analysis_set.confidence_level if confidence_level is None else confidence_level
    try:
        model = fit_mixed_model(
            analysis_set.data,
            formula=_write_formula(analysis_set),
            random={"agency_id": "1"},
            df=df,
            information=information,
            confidence_level=level,
        )
    except ModelError as error:
        # Of several outcomes, the reader must know which one.
        raise ModelError(_name_outcome(error, analysis_set)) from None
    contrast = analysis_set.contrast
    return OutcomeModelResult(
        estimates=_pick_row(analysis_set, model),
        n_participants=model.n_participants,
        n_agencies=model.n_agencies,
        method=f"Linear mixed model with an intercept per agency, {model.method}",
        confidence_level=level,
        estimand=_state_estimand(analysis_set),
        notes=(*analysis_set.notes, *model.notes, *_count_agencies(analysis_set)),
        measure=analysis_set.measure,
        timepoint=analysis_set.timepoint,
        months=analysis_set.months,
        label=analysis_set.label,
        unit=analysis_set.unit,
        target=contrast.target,
        reference=contrast.reference,
        is_allocated=contrast.variable == "arm",
        model=model,
        flow=analysis_set.flow,
    )


def _write_formula(analysis_set: AnalysisSet) -> str:
    columns = [EXPOSURE, *(["baseline"] if analysis_set.baseline else []), *analysis_set.covariates]
    quoted = [name if name.isidentifier() else f"`{name}`" for name in columns]
    return "outcome ~ " + " + ".join(quoted)


def _name_outcome(error: ModelError, analysis_set: AnalysisSet) -> list[Fault]:
    outcome = f"{analysis_set.measure}@{analysis_set.timepoint}"
    return [
        replace(
            fault,
            rule=f"model of {outcome}: {fault.rule}",
            column=None if fault.column == "outcome" else fault.column,
        )
        for fault in error.faults
    ]


def _pick_row(analysis_set: AnalysisSet, model: MixedModelResult) -> pd.DataFrame:
    contrast = analysis_set.contrast
    row = model.estimates[model.estimates["term"] == EXPOSURE].drop(columns="term")
    row.insert(0, "measure", analysis_set.measure)
    row.insert(1, "timepoint", analysis_set.timepoint)
    row.insert(2, "contrast", f"{contrast.target} minus {contrast.reference}")
    row.insert(3, "unit", analysis_set.unit)
    return row.assign(n=model.n_participants, n_agencies=model.n_agencies)


def _state_estimand(analysis_set: AnalysisSet) -> str:
    """Return population, variable, intercurrent events and summary measure in one sentence."""
    given = phrase_list(analysis_set.adjustments)
    alike = f"for participants of the same {given}" if given else "without adjustment"
    observed = "the outcome and all of these" if given else "the outcome"
    further = phrase_list(analysis_set.further_requirements)
    who = f"participants in whom {observed}{f', and {further},' if further else ''}"
    who += " were observed" if given or further else " was observed"
    taking = (
        "whether or not they took up or stayed with the intervention"
        if analysis_set.contrast.variable == "arm"
        else "an observed exposure, without a claim that it caused the difference"
    )
    return (
        f"Difference in mean {analysis_set.label} at {analysis_set.months:g} months "
        f"between {describe_exposure(analysis_set.contrast)}, "
        f"target minus reference, {alike}; population: {who}; {taking}; "
        "missing outcomes are taken to be missing at random given what is adjusted for."
    )


def _count_agencies(analysis_set: AnalysisSet) -> tuple[str, ...]:
    counts = analysis_set.data.groupby("exposure")["agency_id"].nunique()
    contrast = analysis_set.contrast
    parts = [f"{group} {counts[group]}" for group in (contrast.target, contrast.reference)]
    notes = [f"Agencies with participants analysed: {', '.join(parts)}."]
    if sum(counts) > analysis_set.n_agencies:
        notes.append(
            "The groups differ within agencies, so people of one agency are compared with each "
            "other, and the degrees of freedom of the difference may exceed the number of agencies."
        )
    return tuple(notes)
