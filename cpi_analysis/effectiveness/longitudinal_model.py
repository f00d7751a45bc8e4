"""Differences at each follow-up from all interviews at once: cLDA and repeated measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import pandas as pd

from cpi_analysis.effectiveness.contrasts import estimate_contrasts
from cpi_analysis.effectiveness.design import fault, quote
from cpi_analysis.effectiveness.estimands import say_groups, say_intercurrent
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.longitudinal_set import LongitudinalSet
from cpi_analysis.effectiveness.mixed_models import (
    DegreesOfFreedom,
    MixedModelResult,
    fit_mixed_model,
)
from cpi_analysis.effectiveness.wording import (
    format_interval,
    format_p_value,
    phrase_amount,
    phrase_list,
)
from cpi_analysis.inference.kenward_roger import Information
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BaselineMeans = Literal["constrained", "free"]
ResidualVariance = Literal["by_timepoint", "equal"]

DIFFERENCE, IN_CHANGE = "difference", "difference in change"
CONSTRAINED_NOTE = (
    "The groups are taken to have the same mean at baseline. Random allocation makes that true "
    "of the people who could have been recruited; without it it is an assumption, and the model "
    "is to be compared with analysis of covariance and with baseline='free'."
)
FREE_NOTE = (
    "A difference in change takes it that without the intervention both groups would have "
    "changed by the same; see the note on Lord's paradox of a change score."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LongitudinalModelResult(Result):
    """Differences between the groups at each interview after the baseline.

    Parameters
    ----------
    measure, label, unit
        The outcome.
    target, reference
        The groups.
    baseline
        ``"constrained"`` (the groups have one mean at baseline) or ``"free"``.
    model
        The fitted model, with every coefficient and the variances.
    flow
        Who was left out and why.
    """

    title: ClassVar[str] = "Longitudinal model"

    measure: str
    label: str
    unit: str | None
    target: str
    reference: str
    baseline: BaselineMeans
    model: MixedModelResult
    flow: pd.DataFrame

    def summary(self) -> str:
        """Return the difference at the last interview, in one sentence."""
        row = self.estimates.iloc[-1].to_dict()
        estimate, low, high = format_interval(row["estimate"], row["conf_low"], row["conf_high"])
        return (
            f"{self.label} at {row['timepoint']}: {row['quantity']}, {self.target} minus "
            f"{self.reference}, {phrase_amount(estimate, self.unit)} "
            f"({self.confidence_level:.0%} CI {low} to {high}; {format_p_value(row['p_value'])}; "
            f"{self.n_participants} participants in {self.n_agencies} agencies)."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates
        draw_intervals(
            ax,
            labels=list(rows["timepoint"] + "\n" + rows["quantity"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"{self.target} minus {self.reference} ({self.confidence_level:.0%} CI)",
        )


def fit_longitudinal_model(
    longitudinal_set: LongitudinalSet,
    *,
    baseline: BaselineMeans = "constrained",
    residual: ResidualVariance = "by_timepoint",
    df: DegreesOfFreedom = "kenward_roger",
    information: Information = "expected",
    confidence_level: float | None = None,
) -> LongitudinalModelResult:
    """Fit constrained longitudinal analysis (cLDA), or repeated measures with time by group.

    Estimand: the difference in mean outcome between the groups (target minus reference) at
    each interview after the baseline, in everybody with the outcome at any interview; with
    ``baseline="free"`` also the difference in mean change from baseline.

    Parameters
    ----------
    longitudinal_set
        From :func:`build_longitudinal_set`.
    baseline
        ``"constrained"``: the groups share one mean at baseline, so that its difference is
        adjusted for, as in analysis of covariance, without losing who has no follow-up.
        ``"free"``: each group has its own mean at every interview.
    residual
        ``"by_timepoint"``: a residual variance for each interview, which with two interviews
        leaves the covariance within a person free; or ``"equal"``.
    df, information
        See :func:`fit_mixed_model`.
    confidence_level
        Level of the intervals; None takes the protocol's.

    Returns
    -------
    LongitudinalModelResult
        One row per interview (and per quantity), with Kenward-Roger df of its own.

    Raises
    ------
    ModelError
        CPI-M004 a choice that is not known; see :func:`fit_mixed_model`.

    See Also
    --------
    fit_outcome_model : analysis of covariance, and the change score.

    Notes
    -----
    ``value = t[time] + d[time] target + covariates + u[agency] + w[agency, time] + v[person] +
    e[time]``; constrained means ``d[baseline] = 0``. The term ``w`` lets agencies change
    differently: without it the difference would be tested as if people, not agencies, had
    been compared, on far too many degrees of freedom.

    References
    ----------
    Liang KY, Zeger SL (2000). Longitudinal data analysis of continuous and discrete responses
    for pre-post designs. Sankhya B 62, 134-148.

    Hooper R, Forbes A, Hemming K, Takeda A, Beresford L (2018). Analysis of cluster randomised
    trials with an assessment of outcome at baseline. BMJ 360, k1121.
    """
    level = longitudinal_set.confidence_level if confidence_level is None else confidence_level
    _check_choices(baseline, residual)
    data, columns = _add_columns(longitudinal_set, baseline)
    covariates = map(quote, longitudinal_set.covariates)
    fitted = fit_mixed_model(
        data,
        formula="value ~ " + " + ".join(["timepoint", *map(quote, columns), *covariates]),
        random={"agency_id": "1", "agency_visit": "1", "participant_id": "1"},
        residual_by="timepoint" if residual == "by_timepoint" else None,
        df=df,
        information=information,
        confidence_level=level,
    )
    contrast = longitudinal_set.contrast
    note = CONSTRAINED_NOTE if baseline == "constrained" else FREE_NOTE
    name = "Constrained longitudinal analysis" if baseline == "constrained" else "Repeated measures"
    return LongitudinalModelResult(
        estimates=_tabulate(fitted, longitudinal_set, columns, level),
        n_participants=longitudinal_set.n_participants,
        n_agencies=longitudinal_set.n_agencies,
        method=(
            f"{name}: linear mixed model with effects of agency, agency at each interview and "
            f"person, {fitted.method}"
        ),
        confidence_level=level,
        estimand=_state(longitudinal_set, baseline),
        notes=(note, *longitudinal_set.notes, *fitted.notes),
        measure=longitudinal_set.measure,
        label=longitudinal_set.label,
        unit=longitudinal_set.unit,
        target=contrast.target,
        reference=contrast.reference,
        baseline=baseline,
        model=fitted,
        flow=longitudinal_set.flow,
    )


def _check_choices(baseline: str, residual: str) -> None:
    for value, allowed in (
        (baseline, ("constrained", "free")),
        (residual, ("by_timepoint", "equal")),
    ):
        if value not in allowed:
            raise fault(
                "CPI-M004", f"{value} is not a choice", "choose one", allowed=", ".join(allowed)
            )


def _add_columns(
    longitudinal_set: LongitudinalSet, baseline: BaselineMeans
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the data with the columns of the differences, and the interview of each."""
    data = longitudinal_set.data
    times = longitudinal_set.timepoints
    shown = times[1:] if baseline == "constrained" else times
    columns = {f"target_at_{name}": name for name in shown}
    added = {
        column: data["exposure_target"] * (data["timepoint"] == name)
        for column, name in columns.items()
    }
    visit = data["agency_id"] + " at " + data["timepoint"].astype(str)
    return data.assign(agency_visit=visit, **added), columns


def _tabulate(
    fitted: MixedModelResult, which: LongitudinalSet, columns: dict[str, str], level: float
) -> pd.DataFrame:
    names = list(columns)
    first = which.timepoints[0]
    rows = {(DIFFERENCE, columns[name]): {name: 1.0} for name in names}
    if columns[names[0]] == first:
        rows |= {(IN_CHANGE, columns[name]): {name: 1.0, names[0]: -1.0} for name in names[1:]}
    weights = {f"{what} at {when}": row for (what, when), row in rows.items()}
    table = estimate_contrasts(
        fitted, contrasts=weights, adjust="none", confidence_level=level
    ).estimates.drop(columns=["contrast", "p_value_adjusted"])
    counts = which.data["timepoint"].value_counts()
    contrast = which.contrast
    table.insert(0, "measure", which.measure)
    table.insert(1, "timepoint", [when for _, when in rows])
    table.insert(2, "quantity", [what for what, _ in rows])
    table.insert(3, "contrast", f"{contrast.target} minus {contrast.reference}")
    table.insert(4, "unit", which.unit)
    return table.assign(n=[int(counts[when]) for _, when in rows])


def _state(which: LongitudinalSet, baseline: BaselineMeans) -> str:
    given = phrase_list(which.adjustments)
    further = phrase_list(which.further_requirements)
    is_constrained = baseline == "constrained"
    what = "Difference in mean" if is_constrained else "Difference in mean, and in change in,"
    at = phrase_list([f"{month:g}" for month in which.months[1:]])
    population = "participants with the outcome at one interview at least"
    return (
        f"{what} {which.label} at {at} months {say_groups(which.contrast)}"
        f"{f', for participants of the same {given}' if given else ''}"
        f"{', with the groups taken to be alike at baseline' if is_constrained else ''}"
        f"; population: {population}{f', who have {further}' if further else ''}; "
        f"{say_intercurrent(which.contrast)}; missing interviews are taken to be missing at "
        "random given those observed."
    )
