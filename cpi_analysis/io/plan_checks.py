"""Whether a protocol asks for what a trial has: its timepoints, measures and covariates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.instruments import Instrument, load_instrument
from cpi_analysis.io.protocol import EconomicPlan, OutcomePlan, Protocol
from cpi_analysis.io.settings_faults import unknown_name

#: Columns that name somebody or some place: no model adjusts for them.
_KEYS = ("participant_id", "agency_id", "worker_id")


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What a trial can give to a protocol.

    ``values`` are the measures with the timepoints at which they are measured or derived.
    """

    timepoints: tuple[str, ...]
    baseline: str | None
    values: frozenset[tuple[str, str]]
    columns: tuple[str, ...]

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that the trial has at any timepoint."""
        return tuple(sorted({measure for measure, _ in self.values}))


def check_plan(
    tables: Mapping[str, pd.DataFrame], protocol: Protocol, *, file: str
) -> tuple[Fault, ...]:
    """Return what ``[analysis]`` asks for and the trial does not have, each setting by its path.

    Parameters
    ----------
    tables
        The tables of the trial, typed.
    protocol
        The choices of the analysis.
    file
        Name of the study file.

    Returns
    -------
    tuple of Fault
        CPI-E041, with the nearest name that would be known. Nothing when a scoring key cannot
        be read or a table is not complete: that is reported elsewhere.
    """
    try:
        supply = _list_supply(tables, protocol)
    except (DataError, KeyError):
        return ()
    if not supply.timepoints or not supply.values:
        return ()
    faults: list[Fault] = []
    for place, measure, timepoint in _wanted_values(protocol, supply):
        faults += _check_value(place, measure, timepoint, supply, file)
    for place, covariate in _wanted_covariates(protocol):
        if "@" not in covariate and covariate not in supply.columns:
            what = "a column of participants or agencies that a model can use"
            faults.append(unknown_name(place, covariate, supply.columns, what, file))
    fidelity = protocol.fidelity
    if fidelity is not None and fidelity.occasion not in supply.timepoints:
        place, what = "analysis.fidelity.occasion", "a timepoint of the trial"
        faults.append(unknown_name(place, fidelity.occasion, supply.timepoints, what, file))
    return tuple(dict.fromkeys(faults))


def _check_value(
    place: str, measure: str, timepoint: str, supply: Supply, file: str
) -> Iterator[Fault]:
    if not timepoint:
        yield Fault(
            code="CPI-E041",
            file=file,
            rule=f"in {place}, `{measure}` does not say when",
            allowed="measure@timepoint",
            cure="write the measure and the timepoint with @ between them",
        )
        return
    if timepoint not in supply.timepoints:
        what = "a timepoint of the trial"
        yield unknown_name(place, timepoint, supply.timepoints, what, file)
    if measure not in supply.measures:
        what = "a measure that the trial has or that its protocol derives"
        yield unknown_name(place, measure, supply.measures, what, file)
    elif timepoint in supply.timepoints and (measure, timepoint) not in supply.values:
        held = sorted(when for name, when in supply.values if name == measure)
        yield Fault(
            code="CPI-E041",
            file=file,
            rule=f"in {place}, `{measure}` is asked for at {timepoint}, where it is not measured",
            allowed=", ".join(f"{measure}@{when}" for when in held),
            cure="name a timepoint at which it is measured, or add the values",
        )


def _list_supply(tables: Mapping[str, pd.DataFrame], protocol: Protocol) -> Supply:
    times = tables["timepoints"].dropna(subset=["timepoint", "order"]).sort_values("order")
    timepoints = tuple(times["timepoint"].astype(object))
    values = _pairs(tables.get("measurements"), "measure", "timepoint")
    values |= _list_scores(tables.get("responses"), protocol)
    values |= _list_economic(tables, protocol.economics)
    values |= _list_fidelity(protocol)
    people = [tables[name] for name in ("participants", "agencies") if name in tables]
    return Supply(
        timepoints=timepoints,
        baseline=timepoints[0] if timepoints else None,
        values=frozenset(values),
        columns=tuple(
            sorted(
                {
                    str(name)
                    for table in people
                    for name in table.columns
                    if name not in _KEYS and table[name].dtype.kind != "M"
                }
            )
        ),
    )


def _pairs(table: pd.DataFrame | None, *columns: str) -> set[tuple[str, str]]:
    if table is None:
        return set()
    pairs = table[[*columns]].drop_duplicates().dropna()
    return {(str(first), str(second)) for first, second in pairs.itertuples(index=False)}


def _list_scores(responses: pd.DataFrame | None, protocol: Protocol) -> set[tuple[str, str]]:
    """Return the scores that the instruments of the protocol give, where they were answered."""
    answered = _pairs(responses, "instrument", "timepoint")
    return {
        (scale.measure, timepoint)
        for key in map(load_instrument, protocol.instruments)
        for name, timepoint in answered
        if name == key.id
        for scale in key.scales
    }


def _list_economic(
    tables: Mapping[str, pd.DataFrame], plan: EconomicPlan | None
) -> set[tuple[str, str]]:
    if plan is None:
        return set()
    derived = {("follow_up_cost", name) for name in plan.cost_timepoints[-1:]}
    if plan.effect == "qaly":
        derived |= {("qaly", name) for name in plan.utility_timepoints[-1:]}
    if plan.utility is not None and plan.utility.instrument is not None:
        answered = _pairs(tables.get("responses"), "instrument", "timepoint")
        asked = plan.utility.instrument
        derived |= {("eq5d_utility", when) for name, when in answered if name == asked}
    if plan.cost.from_service_use:
        asked_at = _pairs(tables.get("service_use"), "service", "timepoint")
        derived |= {("total_cost", when) for _, when in asked_at}
    return derived


def _list_fidelity(protocol: Protocol) -> set[tuple[str, str]]:
    plan = protocol.fidelity
    if plan is None:
        return set()
    key: Instrument = load_instrument(plan.instrument)
    return {(scale.measure, plan.occasion) for scale in key.scales}


def _wanted_values(protocol: Protocol, supply: Supply) -> Iterator[tuple[str, str, str]]:
    """Yield where the protocol asks for a value, which measure, and when."""
    contrast, plan = protocol.contrast, protocol.economics
    if contrast.measure is not None and contrast.timepoint is not None:
        yield "analysis.contrast", contrast.measure, contrast.timepoint
    for number, outcome in enumerate(protocol.outcomes):
        place = f"analysis.outcomes[{number}]"
        yield place, outcome.measure, outcome.timepoint
        baseline = _baseline_of(outcome, supply)
        if baseline is not None:
            yield f"{place}.baseline", *_split(baseline)
    for name, references in protocol.populations.items():
        for reference in references:
            yield f"analysis.populations.{name}", *_split(reference)
    if plan is not None:
        yield from _wanted_by_economics(plan, supply)
    for place, covariate in _wanted_covariates(protocol):
        if "@" in covariate:
            yield place, *_split(covariate)


def _wanted_by_economics(plan: EconomicPlan, supply: Supply) -> Iterator[tuple[str, str, str]]:
    cost = plan.cost.measure or "total_cost"
    utility = (plan.utility.measure if plan.utility else None) or "eq5d_utility"
    for timepoint in plan.cost_timepoints:
        yield "analysis.economics.cost_timepoints", cost, timepoint
    if plan.effect == "qaly":
        for timepoint in plan.utility_timepoints:
            yield "analysis.economics.utility_timepoints", utility, timepoint
    elif plan.cost_timepoints:
        yield "analysis.economics.effect", plan.effect, plan.cost_timepoints[-1]
    if plan.adjust_for_baseline and supply.baseline is not None:
        place = "analysis.economics.adjust_for_baseline"
        yield place, cost, supply.baseline
        if plan.effect != "qaly":
            yield place, plan.effect, supply.baseline


def _wanted_covariates(protocol: Protocol) -> Iterator[tuple[str, str]]:
    for number, outcome in enumerate(protocol.outcomes):
        for covariate in outcome.covariates:
            yield f"analysis.outcomes[{number}].covariates", covariate
    for covariate in protocol.economics.covariates if protocol.economics else ():
        yield "analysis.economics.covariates", covariate


def _baseline_of(outcome: OutcomePlan, supply: Supply) -> str | None:
    if outcome.baseline == "none" or supply.baseline is None:
        return None
    same = f"{outcome.measure}@{supply.baseline}"
    return same if outcome.baseline == "same" else outcome.baseline


def _split(reference: str) -> tuple[str, str]:
    measure, _, timepoint = reference.partition("@")
    return measure, timepoint
