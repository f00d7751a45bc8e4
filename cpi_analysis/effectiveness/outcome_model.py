"""The difference in one outcome between the two groups, adjusted for baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from cpi_analysis.effectiveness.analysis_set import AnalysisSet, has_own_baseline, list_adjustments
from cpi_analysis.effectiveness.design import fault, quote
from cpi_analysis.effectiveness.estimands import say_groups, state_estimand
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
)
from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.kenward_roger import Information
from cpi_analysis.results import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

OutcomeModel = Literal["ancova", "change_score"]

EXPOSURE = "exposure_target"
_NAMES = {"ancova": "Linear mixed model", "change_score": "Change score, linear mixed model"}
LORD_NOTE = (
    "A change score asks how much more one group changed than the other; analysis of covariance "
    "asks how people who were alike at baseline differ later. When the groups differ at baseline "
    "the two may disagree, even in direction (Lord's paradox): the first takes it that without "
    "the intervention both groups would have changed by the same, the second that the baseline "
    "and the covariates account for all in which the groups differ."
)


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
    kind
        ``"ancova"`` or ``"change_score"``.
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
    kind: OutcomeModel = "ancova"

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
        label = f"{self.label} at {self.months:g} months"
        return f"Change from baseline in {label}" if self.kind == "change_score" else label

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
    model: OutcomeModel = "ancova",
    df: DegreesOfFreedom = "kenward_roger",
    information: Information = "expected",
    confidence_level: float | None = None,
) -> OutcomeModelResult:
    """Estimate the adjusted difference in an outcome: ANCOVA, or a change score.

    Estimand: the difference in mean outcome at the timepoint between the groups (target minus
    reference), for participants alike in baseline and covariates, in those observed; for a
    change score the difference in mean change from baseline. With a set whose groups are bands
    of fidelity it compares high with low or moderate fidelity, which was measured, not
    allocated: the result says so.

    Parameters
    ----------
    analysis_set
        From :func:`build_analysis_set`.
    model
        ``"ancova"``, adjusted for the baseline; or ``"change_score"``, outcome minus baseline,
        which answers another question (see Notes).
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
        CPI-M004 a change score without a baseline of the same measure, or a model that is not
        known. See :func:`fit_mixed_model`.

    See Also
    --------
    fit_longitudinal_model : all interviews at once, with those lost to follow-up.
    fit_moderator_model : whether the difference is another in some subgroups.
    fit_dose_response : fidelity as a dose.

    Notes
    -----
    Analysis of covariance with a random intercept per agency:
    ``outcome = a + d exposure + b baseline + covariates + u[agency] + e``; reported is ``d``.
    The change score has ``outcome - baseline`` on the left and no baseline on the right. With
    groups that differ at baseline the two may disagree, which is known as Lord's paradox.

    References
    ----------
    Twisk J, et al. (2018). Different ways to estimate treatment effects in randomised
    controlled trials. Contemporary Clinical Trials Communications 10, 80-85.

    Lord FM (1967). A paradox in the interpretation of group comparisons. Psychological
    Bulletin 68, 304-305.
    """
    _check_model(analysis_set, model)
    level = analysis_set.confidence_level if confidence_level is None else confidence_level
    try:
        fitted = fit_mixed_model(
            analysis_set.data.assign(change=lambda d: d["outcome"] - d["baseline"])
            if model == "change_score"
            else analysis_set.data,
            formula=_write_formula(analysis_set, model),
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
        estimates=_pick_row(analysis_set, fitted),
        n_participants=fitted.n_participants,
        n_agencies=fitted.n_agencies,
        method=f"{_NAMES[model]} with an intercept per agency, {fitted.method}",
        confidence_level=level,
        estimand=_state_estimand(analysis_set, model),
        notes=(
            *_warn_of(model),
            *analysis_set.notes,
            *fitted.notes,
            *_count_agencies(analysis_set),
        ),
        measure=analysis_set.measure,
        timepoint=analysis_set.timepoint,
        months=analysis_set.months,
        label=analysis_set.label,
        unit=analysis_set.unit,
        target=contrast.target,
        reference=contrast.reference,
        is_allocated=contrast.variable == "arm",
        model=fitted,
        flow=analysis_set.flow,
        kind=model,
    )


def _check_model(analysis_set: AnalysisSet, model: str) -> None:
    if model not in ("ancova", "change_score"):
        raise fault(
            "CPI-M004", "the model is not known", "choose one", allowed="ancova, change_score"
        )
    if model == "change_score" and not has_own_baseline(analysis_set):
        raise fault(
            "CPI-M004",
            "a change score needs a baseline of the same measure",
            "build the set with baseline='same'",
        )


def _warn_of(model: OutcomeModel) -> tuple[str, ...]:
    return (LORD_NOTE,) if model == "change_score" else ()


def _write_formula(analysis_set: AnalysisSet, model: OutcomeModel) -> str:
    if model == "change_score":
        return "change ~ " + " + ".join(map(quote, [EXPOSURE, *analysis_set.covariates]))
    return "outcome ~ " + " + ".join(map(quote, [EXPOSURE, *list_adjustments(analysis_set)]))


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


def _state_estimand(analysis_set: AnalysisSet, model: OutcomeModel) -> str:
    what = "change" if model == "change_score" else "mean"
    label = f"{analysis_set.label} at {analysis_set.months:g} months"
    variable = (
        f"mean change in {analysis_set.label} from baseline to {analysis_set.months:g} months"
        if what == "change"
        else f"mean {label}"
    )
    return state_estimand(
        analysis_set,
        summary=f"Difference in {variable} {say_groups(analysis_set.contrast)}",
        without=("baseline",) if what == "change" else (),
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
