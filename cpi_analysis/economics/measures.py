"""Utilities, costs and QALYs of a trial, added to its measurements."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.economics.costs import CostResult, compute_costs
from cpi_analysis.economics.outcomes import compute_eq5d_utility, compute_qalys
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.variables import read_measurements

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import EconomicPlan, Protocol, UtilityPlan
    from cpi_analysis.io.trial import TrialData

UTILITY, TOTAL_COST, FOLLOW_UP_COST, QALY = "eq5d_utility", "total_cost", "follow_up_cost", "qaly"

#: Dimensions of EQ-5D in the order of a profile.
EQ5D_ITEMS = (
    "eq5d_mobility",
    "eq5d_self_care",
    "eq5d_usual_activities",
    "eq5d_pain",
    "eq5d_anxiety",
)

_KEY = ["participant_id", "timepoint"]

#: label, unit, minimum, maximum, is_higher_better
_DICTIONARY: dict[str, tuple[str, str, float | None, float | None, bool]] = {
    UTILITY: ("EQ-5D utility", "utility", -1.0, 1.0, True),
    TOTAL_COST: ("Cost of services in the recall window", "GBP", 0.0, None, False),
    FOLLOW_UP_COST: ("Cost of services over the follow-up", "GBP", 0.0, None, False),
    QALY: ("Quality-adjusted life years", "QALY", None, None, True),
}


def read_plan(trial: TrialData) -> EconomicPlan:
    """Return the economic plan of the trial's protocol, or raise."""
    return read_protocol(trial)[1]


def read_protocol(trial: TrialData) -> tuple[Protocol, EconomicPlan]:
    """Return the protocol of the trial and its economic plan, or raise."""
    protocol = trial.protocol
    if protocol is None or protocol.economics is None:
        raise DataError(
            Fault(
                code="CPI-E047",
                rule="the economic evaluation needs a plan",
                cure="add [analysis.economics] to the study file",
            )
        )
    return protocol, protocol.economics


def name_utility(plan: EconomicPlan) -> str:
    """Return the measure that holds utilities."""
    return (plan.utility.measure if plan.utility else None) or UTILITY


def name_cost(plan: EconomicPlan) -> str:
    """Return the measure that holds the cost of one recall window."""
    return plan.cost.measure or TOTAL_COST


def derive_economic_measures(trial: TrialData) -> TrialData:
    """Add the measures that the economic plan needs and that the trial does not have yet.

    Parameters
    ----------
    trial
        With a protocol that has an economic plan.

    Returns
    -------
    TrialData
        With ``eq5d_utility`` (when the plan takes it from answers), ``total_cost`` (when from
        service use), ``follow_up_cost`` (the sum over the plan's cost timepoints, stored at the
        last) and ``qaly`` (area under the utility curve, stored at the last utility timepoint).
        A measure that the trial has already is kept as it is.

    Raises
    ------
    DataError
        When the plan, a table or a measure is missing, or the values cannot be used.

    Notes
    -----
    A sum or an area is missing when any of its parts is: nothing is filled in.
    """
    plan = read_plan(trial)
    if plan.utility is not None and plan.utility.instrument is not None:
        trial = _add(trial, UTILITY, partial(_value_answers, trial, plan.utility))
    if plan.cost.from_service_use:
        trial = _add(trial, TOTAL_COST, partial(price_service_use, trial))
    trial = _add(trial, FOLLOW_UP_COST, partial(_sum_costs, trial, plan))
    if plan.effect == QALY:
        trial = _add(trial, QALY, partial(_store_qalys, trial, plan))
    return trial


def pivot_measure(trial: TrialData, measure: str, timepoints: tuple[str, ...]) -> pd.DataFrame:
    """Return one measure as participants × timepoints, with every participant in it.

    Raises
    ------
    DataError
        When the measure has no row at one of the timepoints.
    """
    rows = read_measurements(trial, needed_for="the economic evaluation")
    rows = rows[rows["measure"] == measure]
    absent = [timepoint for timepoint in timepoints if timepoint not in set(rows["timepoint"])]
    if absent:
        raise DataError(
            Fault(
                code="CPI-E034",
                table="measurements",
                column="measure",
                rule=f"{measure} has no rows at {', '.join(absent)}",
                cure="name the measure and timepoints of the economic plan as in measurements; "
                "derived measures are added by cpi.derive_measures(trial)",
            )
        )
    wide = rows.pivot(index="participant_id", columns="timepoint", values="value")
    everyone = trial.table("participants")["participant_id"].sort_values()
    return wide.reindex(index=pd.Index(everyone, name="participant_id"), columns=list(timepoints))


def price_service_use(trial: TrialData) -> pd.DataFrame:
    """Return ``participant_id, timepoint, value`` with the total cost of each recall window."""
    totals = price_planned_use(trial).totals.rename(columns={"total_cost": "value"})
    return _complete(trial, totals)


def price_planned_use(trial: TrialData, *, people: pd.Series | None = None) -> CostResult:
    """Price the use of services as the protocol plans, of everybody or of some people.

    Parameters
    ----------
    trial
        With service use, unit costs and an economic plan.
    people
        Identifiers of the participants; None for everybody.
    """
    plan = read_plan(trial)
    use = trial.table("service_use", needed_for="costs from service use")
    if people is not None:
        use = use[use["participant_id"].isin(people)].reset_index(drop=True)
    is_scaled = plan.cost.recall == "scaled_to_interval"
    return compute_costs(
        use,
        trial.table("unit_costs", needed_for="costs from service use"),
        perspective=plan.cost.perspective or "",
        recall=plan.cost.recall or "",
        price_year=plan.cost.price_year,
        recall_months=_read_recall(trial) if is_scaled else None,
        interval_months=_read_intervals(trial) if is_scaled else None,
    )


def _add(trial: TrialData, measure: str, make: Callable[[], pd.DataFrame]) -> TrialData:
    known = trial.table("measurements") if trial.has_table("measurements") else None
    if known is not None and (known["measure"] == measure).any():
        return trial
    values = make().assign(measure=measure)
    label, unit, minimum, maximum, is_higher_better = _DICTIONARY[measure]
    row = pd.DataFrame(
        {
            "measure": [measure],
            "label": [label],
            "unit": [unit],
            "minimum": pd.array([minimum], dtype="Float64").astype("float64"),
            "maximum": pd.array([maximum], dtype="Float64").astype("float64"),
            "is_higher_better": pd.array([is_higher_better], dtype="boolean"),
        }
    )
    described = set(trial.table("measures")["measure"]) if trial.has_table("measures") else set()
    return trial.with_measurements(
        values[[*_KEY, "measure", "value"]], measures=None if measure in described else row
    )


def _sum_costs(trial: TrialData, plan: EconomicPlan) -> pd.DataFrame:
    wide = pivot_measure(trial, name_cost(plan), plan.cost_timepoints)
    return _store(wide.sum(axis=1, skipna=False), timepoint=plan.cost_timepoints[-1])


def _store(values: pd.Series, *, timepoint: str) -> pd.DataFrame:
    table = values.rename("value").rename_axis("participant_id").reset_index()
    return table.assign(timepoint=timepoint)


def _store_qalys(trial: TrialData, plan: EconomicPlan) -> pd.DataFrame:
    wide = pivot_measure(trial, name_utility(plan), plan.utility_timepoints)
    months = _read_months(trial)
    schedule = {timepoint: months[timepoint] for timepoint in plan.utility_timepoints}
    return _store(compute_qalys(wide, months=schedule), timepoint=plan.utility_timepoints[-1])


def _value_answers(trial: TrialData, utility: UtilityPlan) -> pd.DataFrame:
    answers = trial.table("responses", needed_for="EQ-5D utilities")
    answers = answers[answers["instrument"] == utility.instrument]
    if answers.empty:
        raise DataError(
            Fault(
                code="CPI-E010",
                table="responses",
                rule=f"there are no answers to {utility.instrument}",
                cure="load the answers, or name a measure of utility in the economic plan",
            )
        )
    wide = answers.pivot(index=_KEY, columns="item", values="answer")
    wide = wide.reindex(columns=list(EQ5D_ITEMS)).sort_index()
    utilities = compute_eq5d_utility(wide.reset_index(drop=True), value_set=utility.value_set or "")
    table = wide.index.to_frame(index=False).assign(value=utilities)
    return _complete(trial, table)


def _complete(trial: TrialData, table: pd.DataFrame) -> pd.DataFrame:
    """Give every participant a row at every timepoint of the table."""
    everyone = trial.table("participants")[["participant_id"]]
    expected = everyone.merge(table[["timepoint"]].drop_duplicates(), how="cross")
    return expected.merge(table[[*_KEY, "value"]], on=_KEY, how="left").sort_values(
        _KEY, ignore_index=True
    )


def _read_months(trial: TrialData) -> dict[str, float]:
    timepoints = trial.table("timepoints")
    return dict(zip(timepoints["timepoint"], timepoints["months"].astype(float), strict=True))


def _read_intervals(trial: TrialData) -> dict[str, float]:
    months = sorted(_read_months(trial).items(), key=lambda item: item[1])
    return {later[0]: later[1] - earlier[1] for earlier, later in pairwise(months)}


def _read_recall(trial: TrialData) -> dict[str, float]:
    visits = trial.table("visits", needed_for="scaling costs to the interval")
    windows = visits.dropna(subset=["recall_months"]).groupby("timepoint")["recall_months"]
    if (windows.nunique() > 1).any() or windows.ngroups == 0:
        raise DataError(
            Fault(
                code="CPI-E047",
                table="visits",
                column="recall_months",
                rule="scaling needs one recall window per timepoint",
                cure="fill in recall_months, or choose recall = as_recorded",
            )
        )
    return {str(timepoint): float(months) for timepoint, months in windows.first().items()}
