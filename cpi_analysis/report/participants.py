"""Who took part: recruitment, follow-up and what was measured, before any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.effectiveness.analysis_flow import ANALYSED, RECRUITED
from cpi_analysis.effectiveness.analysis_set import AnalysisSet
from cpi_analysis.io.exposure import classify_exposure
from cpi_analysis.io.variables import list_people
from cpi_analysis.report import words
from cpi_analysis.report.document import Block, Section, TableExhibit

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import Protocol
    from cpi_analysis.io.trial import TrialData

COUNTED_ONCE = "Each person who is left out is counted once, by the first reason that applies."


def build_participants_section(
    trial: TrialData, protocol: Protocol, primary: AnalysisSet
) -> Section:
    """Return the section that shows who was recruited, seen again, and analysed."""
    groups = classify_exposure(trial, list_people(trial), protocol.contrast)
    blocks = [_flow_block(primary), _agencies_block(trial, groups)]
    blocks.append(_descriptive_block(trial, protocol, groups))
    return Section(
        key="participants",
        title="Who took part",
        question="Who was recruited, who was seen again, and who is in the analysis?",
        blocks=tuple(blocks),
    )


def _flow_block(primary: AnalysisSet) -> Block:
    flow = primary.flow
    shown = flow.pivot(index="reason", columns="group", values="n")
    shown = shown.loc[list(dict.fromkeys(flow["reason"])), list(dict.fromkeys(flow["group"]))]
    shown["all"] = shown.sum(axis=1)
    shown = shown.rename(columns=words.in_words).rename_axis("step").reset_index()
    shown["step"] = shown["step"].map(phrase_step)
    numbers = flow.groupby("reason")["n"].sum()
    return Block(
        title="From recruitment to the primary analysis",
        text=(
            f"{numbers[RECRUITED]} people were recruited; {numbers[ANALYSED]} are in the "
            f"analysis of the primary outcome ({primary.label} at {primary.months:g} months)."
        ),
        tables=(
            TableExhibit(
                name="participant_flow",
                title="Participant flow",
                content=flow,
                shown=shown,
                caption=COUNTED_ONCE,
            ),
        ),
    )


def phrase_step(step: str) -> str:
    """Return a step of a flow in words."""
    return step if step in (RECRUITED, ANALYSED) else f"left out: {step}"


def _agencies_block(trial: TrialData, groups: pd.Series[str]) -> Block:
    participants = trial.table("participants").set_index("participant_id")
    frame = pd.DataFrame({"agency_id": participants["agency_id"], "group": groups})
    rows = [{"group": "all", **_describe_sizes(frame.groupby("agency_id").size())}]
    rows += [
        {"group": name, **_describe_sizes(part.groupby("agency_id").size())}
        for name, part in ((name, frame[frame["group"] == name]) for name in list_groups(groups))
    ]
    table = pd.DataFrame(rows)
    shown = table.assign(
        group=table["group"].map(words.in_words),
        **{name: table[name].astype(int) for name in ("minimum", "maximum")},
        median=table["median"].map("{:g}".format),
    )
    shared = int((frame.groupby("agency_id")["group"].nunique() > 1).sum())
    return Block(
        title="Agencies",
        text=f"{rows[0]['n_agencies']} agencies took part; {shared} of them have participants in "
        "more than one group.",
        tables=(
            TableExhibit(
                name="agencies",
                title="Participants per agency",
                content=table,
                shown=shown.rename(columns={"minimum": "smallest", "maximum": "largest"}),
                caption="Smallest, median and largest number of participants of an agency that "
                "has any in the group.",
            ),
        ),
    )


def list_groups(groups: pd.Series[str]) -> list[str]:
    """Return the names of the groups in alphabetical order."""
    return sorted(map(str, groups.unique()))


def _describe_sizes(sizes: pd.Series[int]) -> dict[str, float]:
    return {
        "n_agencies": len(sizes),
        "n_participants": int(sizes.sum()),
        "minimum": float(sizes.min()),
        "median": float(sizes.median()),
        "maximum": float(sizes.max()),
    }


def _descriptive_block(trial: TrialData, protocol: Protocol, groups: pd.Series[str]) -> Block:
    table = describe_measures(trial, protocol, groups)
    shown = table.assign(
        measure=[words.label_of(trial, name) for name in table["measure"]],
        group=table["group"].map(words.in_words),
    )
    return Block(
        title="What was measured",
        method="means and standard deviations of what was observed; nothing is adjusted",
        tables=(
            TableExhibit(
                name="descriptive",
                title="Measures by interview and group",
                content=table,
                shown=shown,
                caption="A difference between these means is not the analysis: it ignores "
                "baseline, agencies and who is missing.",
            ),
        ),
    )


def describe_measures(trial: TrialData, protocol: Protocol, groups: pd.Series[str]) -> pd.DataFrame:
    """Return counts, mean, standard deviation and median by measure, timepoint and group.

    Parameters
    ----------
    trial
        A trial with its derived measures.
    protocol
        Names the measures: the outcomes, and what the economic evaluation uses.
    groups
        Group of each participant, indexed by ``participant_id``.
    """
    wanted = _measures_of(protocol)
    rows = trial.table("measurements")
    rows = rows[rows["measure"].isin(wanted)]
    rows = rows.assign(group=rows["participant_id"].map(groups).astype("str"))
    keys = ["measure", "timepoint", "group"]
    summary = rows.groupby(keys, sort=False)["value"].agg(
        n_observed="count", size="size", mean="mean", std_dev="std", median="median"
    )
    table = summary.reset_index()
    table["n_missing"] = table["size"] - table["n_observed"]
    order = trial.table("timepoints").set_index("timepoint")["order"]
    contrast = protocol.contrast
    ranks = {contrast.target: 0, contrast.reference: 1}
    table = table.assign(
        _measure=table["measure"].map(wanted.index),
        _time=table["timepoint"].map(order),
        _group=table["group"].map(lambda group: ranks.get(group, 2)),
    ).sort_values(["_measure", "_time", "_group"], kind="stable")
    columns = [*keys, "n_observed", "n_missing", "mean", "std_dev", "median"]
    return table[columns].reset_index(drop=True)


def _measures_of(protocol: Protocol) -> list[str]:
    names = [plan.measure for plan in protocol.outcomes]
    plan = protocol.economics
    if plan is not None:
        utility = plan.utility.measure if plan.utility and plan.utility.measure else "eq5d_utility"
        names += [utility] if plan.utility else []
        names += [plan.cost.measure or "total_cost", plan.effect]
    if protocol.fidelity is not None:
        names.append("fidelity_percent")
    return list(dict.fromkeys(names))
