"""Blocks of the economic section: use and costs, net benefit, information, and the checklist."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cpi_analysis.economics.cheers import build_cheers_table
from cpi_analysis.economics.cost_table import compute_cost_table, compute_resource_use
from cpi_analysis.economics.measures import price_planned_use
from cpi_analysis.economics.net_benefit import NetBenefitResult
from cpi_analysis.economics.value_of_information import ValueOfInformationResult
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.report import words
from cpi_analysis.report.document import (
    Block,
    FigureExhibit,
    TableExhibit,
    block_from_result,
    count_analysed,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cpi_analysis.economics.economic_set import EconomicSet
    from cpi_analysis.economics.evaluation import EconomicEvaluation
    from cpi_analysis.io.trial import TrialData
    from cpi_analysis.results import Result


def build_use_blocks(trial: TrialData, people: EconomicSet) -> tuple[Block, ...]:
    """Return the block of service use and costs, when the costs come from service use."""
    if not people.plan.cost.from_service_use:
        return ()
    costs = price_planned_use(trial, people=people.data["participant_id"])
    groups = people.data[["participant_id", "exposure"]]
    groups = groups.assign(exposure=groups["exposure"].map(words.in_words))
    use = compute_resource_use(costs, participants=groups, group="exposure")
    by = "category" if "category" in trial.table("unit_costs") else "service"
    table = compute_cost_table(costs, participants=groups, group="exposure", by=by)

    times = [words.time_in_words(trial, code) for code in table.estimates["timepoint"]]
    told = replace(table, estimates=table.estimates.assign(timepoint=times))
    spoken = told.summary()

    def draw(figure: Figure) -> None:
        told.plot(figure.subplots())

    return (
        Block(
            title="What was used, and what it cost",
            text=spoken,
            method=words.in_words(table.method),
            in_whom=count_analysed([len(people.data)], [people.data["agency_id"].nunique()]),
            tables=(
                TableExhibit(
                    name="resource_use",
                    title="Use of services",
                    content=use,
                    shown=_in_words(trial, use.estimates),
                    caption="Quantities over the recall window, in the unit of the price; means "
                    "are over everybody whose use is known, with or without any.",
                ),
                TableExhibit(
                    name="costs_by_category",
                    title="Costs",
                    content=table,
                    shown=_in_words(trial, table.estimates),
                    caption="Pounds a person over the recall window, as observed.",
                ),
            ),
            figures=(
                FigureExhibit(
                    name="costs_by_category",
                    title="Costs at the last interview",
                    draw=draw,
                    caption="Means as observed, not adjusted.",
                    alternative=spoken,
                    height=4.9,
                ),
            ),
            notes=tuple(words.in_words(note) for note in costs.notes),
        ),
    )


def _in_words(trial: TrialData, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with timepoints, services and categories in words."""
    shown = table.assign(
        timepoint=[words.time_in_words(trial, code) for code in table["timepoint"]]
    )
    named = [name for name in ("service", "category", "sector", "payer") if name in shown]
    return shown.assign(**{name: shown[name].map(words.in_words) for name in named})


def build_decision_blocks(planned: EconomicEvaluation) -> tuple[Block, ...]:
    """Return the blocks of the net benefit and of the value of perfect information."""
    return (_net_benefit_block(planned.net_benefit), _information_block(planned.information))


def build_checklist_block(trial: TrialData, planned: EconomicEvaluation) -> Block:
    """Return the CHEERS 2022 checklist as far as the protocol and the results fill it."""
    table = build_cheers_table(trial, evaluation=planned)
    reported = int(table["is_reported"].sum())
    table["is_reported"] = table["is_reported"].map({True: "yes", False: "no"})
    return Block(
        title="CHEERS 2022",
        tables=(
            TableExhibit(
                name="cheers",
                title="Checklist of the Consolidated Health Economic Evaluation Reporting "
                "Standards",
                content=table,
                caption=f"{reported} of {len(table)} items follow from the protocol and the "
                "results; the others are for the authors, and are not reported here.",
            ),
        ),
    )


def collect_decision_results(planned: EconomicEvaluation) -> dict[str, Result]:
    """Return the results of these blocks by name."""
    return {
        "net_benefit": planned.net_benefit,
        "value_of_information": planned.information,
    }


def _net_benefit_block(result: NetBenefitResult) -> Block:
    def draw(figure: Figure) -> None:
        result.plot(figure.subplots())

    figure = FigureExhibit(
        name="net_benefit",
        title="Incremental net benefit",
        draw=draw,
        caption="The line is the estimate, the band its interval: where the band lies above zero "
        "the target group has the higher net benefit, whatever the noise of sampling.",
        alternative=result.summary(),
    )
    return block_from_result(
        result,
        title="Net benefit at each threshold",
        name="net_benefit",
        figures=(figure,),
        caption="In pounds (inb), and in units of effect (inhb), which is the same divided by the "
        "threshold.",
    )


def _information_block(result: ValueOfInformationResult) -> Block:
    def draw(figure: Figure) -> None:
        result.plot(figure.subplots())

    rows = result.estimates
    spoken = "; ".join(
        f"{phrase_money(evpi)} at {phrase_money(threshold)}"
        for threshold, evpi in zip(rows["threshold"], rows["evpi"], strict=True)
    )
    figure = FigureExhibit(
        name="value_of_information",
        title="Value of perfect information",
        draw=draw,
        caption=f"For each person decided about: {spoken} per {result.effect_label}. More "
        "research cannot be worth more than this, times the people whom the decision concerns.",
        alternative=f"Curve of the value of perfect information: {spoken}.",
    )
    return block_from_result(
        result,
        title="What more certainty would be worth",
        name="value_of_information",
        figures=(figure,),
        caption="From the replicates, and as if the net benefit were normal.",
    )
