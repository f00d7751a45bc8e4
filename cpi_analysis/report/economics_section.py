"""Is it worth its cost? The economic evaluation of the protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.economics.economic_set import EconomicSet, build_economic_set
from cpi_analysis.economics.evaluation import EconomicEvaluation, estimate_planned_evaluation
from cpi_analysis.economics.wording import phrase_money, phrase_probability
from cpi_analysis.report import words
from cpi_analysis.report.document import (
    Block,
    FigureExhibit,
    Section,
    TableExhibit,
    block_from_result,
    count_analysed,
    count_of,
)
from cpi_analysis.report.economics_blocks import (
    build_checklist_block,
    build_decision_blocks,
    build_use_blocks,
    collect_decision_results,
)
from cpi_analysis.report.economics_settings import build_settings_block
from cpi_analysis.report.participants import COUNTED_ONCE, phrase_step
from cpi_analysis.report.tables import QUANTITIES, typeset
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cpi_analysis.io.trial import TrialData

TITLE = "Cost-effectiveness"
QUESTION = "Is it worth its cost?"


def build_economics_section(trial: TrialData, *, seed: int) -> tuple[Section, dict[str, Result]]:
    """Return the section of the economic evaluation and its results by name."""
    people = build_economic_set(trial)
    planned = estimate_planned_evaluation(people, seed=seed)
    is_adjusted = any(people.covariates.values())
    analyses = {"as planned": planned}
    if is_adjusted:
        bare = replace(people, covariates={"cost": (), "effect": ()})
        analyses = {"adjusted": planned, "unadjusted": estimate_planned_evaluation(bare, seed=seed)}
    blocks = (
        build_settings_block(trial, people.plan),
        _people_block(people),
        *build_use_blocks(trial, people),
        _incremental_block(planned),
        _ratio_block(trial, planned),
        *build_decision_blocks(planned),
        _acceptability_block(planned, is_measured=_is_measured(trial)),
        _comparison_block(trial, analyses),
        build_checklist_block(trial, planned),
    )
    section = Section(
        key="economics",
        title=TITLE,
        question=QUESTION,
        headline=_headline(trial, planned),
        number=_number(planned),
        interval=_interval(planned),
        blocks=blocks,
    )
    results: dict[str, Result] = {
        "incremental": planned.incremental,
        "icer": planned.icer,
        "acceptability": planned.acceptability,
        "incremental_models": planned.models,
        **collect_decision_results(planned),
    }
    if is_adjusted:
        results["incremental_unadjusted"] = analyses["unadjusted"].incremental
        results["icer_unadjusted"] = analyses["unadjusted"].icer
        results["incremental_models_unadjusted"] = analyses["unadjusted"].models
    return section, results


def _headline(trial: TrialData, planned: EconomicEvaluation) -> str:
    sentence = planned.incremental.summary()
    # A measured group is nothing that could be bought, so it is not called cost-effective.
    if _is_measured(trial):
        group = f"the {planned.incremental.target} group"
        sentence = sentence.replace(
            "the probability of being cost-effective is",
            f"the probability that {group} has the higher net benefit is",
        )
    return words.speak(trial, sentence) + words.remind(trial)


def _is_measured(trial: TrialData) -> bool:
    return trial.protocol is not None and words.is_measured(trial.protocol.contrast)


def _name_quantities(table: pd.DataFrame, effect: str) -> pd.DataFrame:
    """Return the table with its quantities in words, which name the effect and the unit."""
    named = {
        **QUANTITIES,
        "delta_effect": f"difference in {effect}",
        "icer": f"ICER (£ per {effect})",
    }
    texts = [named.get(code, code) for code in table["quantity"]]
    return table.assign(quantity=texts).drop(columns="unit", errors="ignore")


def _number(planned: EconomicEvaluation) -> str:
    result = planned.incremental
    row = result.point("inb", result.headline_threshold)
    return typeset(phrase_money(row["estimate"]))


def _interval(planned: EconomicEvaluation) -> str:
    result = planned.incremental
    row = result.point("inb", result.headline_threshold)
    low, high = (typeset(phrase_money(row[column])) for column in ("conf_low", "conf_high"))
    return (
        f"{_percent(result.confidence_level)} CI {low} to {high}; incremental net benefit at "
        f"{phrase_money(result.headline_threshold or 0.0)} per {result.effect_label}"
    )


def _percent(level: float | None) -> str:
    return f"{(level or 0.95) * 100:.4g}%"


def _people_block(people: EconomicSet) -> Block:
    rows = []
    for group in (people.contrast.target, people.contrast.reference):
        part = people.data[people.data["exposure"] == group]
        for quantity, column in (("cost (£)", "follow_up_cost"), (people.effect_label, "effect")):
            rows.append(
                {
                    "group": group,
                    "quantity": quantity,
                    "n": len(part),
                    "n_agencies": part["agency_id"].nunique(),
                    "mean": part[column].mean(),
                    "std_dev": part[column].std(ddof=1),
                    "median": part[column].median(),
                }
            )
    table = pd.DataFrame(rows)
    flow = people.flow
    wide = flow.pivot(index="reason", columns="group", values="n").fillna(0).astype(int)
    order = [name for name in dict.fromkeys(flow["reason"]) if name not in ("analysed",)]
    wide = wide.loc[[*order, "analysed"], list(dict.fromkeys(flow["group"]))]
    wide["all"] = wide.sum(axis=1)
    wide = wide.rename(columns=words.in_words).rename_axis("step").reset_index()
    wide["step"] = [phrase_step(step) for step in wide["step"]]
    return Block(
        title="Who is in the economic evaluation",
        in_whom=count_analysed([len(people.data)], [people.data["agency_id"].nunique()]),
        tables=(
            TableExhibit(
                name="economic_flow",
                title="Participant flow",
                content=flow,
                shown=wide,
                caption=COUNTED_ONCE,
            ),
            TableExhibit(
                name="economic_description",
                title="Cost and effect by group",
                content=table,
                shown=table.assign(group=table["group"].map(words.in_words)),
                caption="As observed, not adjusted.",
            ),
        ),
    )


def _incremental_block(planned: EconomicEvaluation) -> Block:
    result = planned.incremental
    cost, effect = result.point("delta_cost"), result.point("delta_effect")
    numbers = (
        f"difference in cost {typeset(phrase_money(cost['estimate']))}, difference in "
        f"{result.effect_label} {typeset(format_value(effect['estimate']))}"
    )

    def draw(figure: Figure) -> None:
        result.plot(figure.subplots())

    plane = FigureExhibit(
        name="cost_effectiveness_plane",
        title="Cost-effectiveness plane",
        draw=draw,
        caption=f"Each dot is one of {result.replicates:,} replicates of the trial (at most "
        f"2,000 are drawn); the diamond is the estimate: {numbers}. Dots below the dashed line "
        "are worth their cost at that threshold.",
        alternative=f"Scatter of replicates by effect and cost. Estimate: {numbers}.",
        height=4.9,
    )
    block = block_from_result(
        result,
        title="Differences in cost and effect",
        name="incremental",
        shown=_name_quantities(result.estimates, result.effect_label),
        caption="Net benefit is threshold × difference in effect − difference in cost, in pounds.",
        figures=(plane,),
    )
    draws = TableExhibit(
        name="cost_effectiveness_draws",
        title="The replicates behind the plane and the curve",
        content=result.draws,
        is_on_page=False,
    )
    return replace(block, tables=(*block.tables, draws))


def _ratio_block(trial: TrialData, planned: EconomicEvaluation) -> Block:
    return block_from_result(
        planned.icer,
        title="The ratio",
        name="icer",
        shown=_name_quantities(planned.icer.estimates, planned.incremental.effect_label),
        text=words.speak(trial, planned.icer.summary()),
        caption="The ratio has a meaning in two of the four quadrants; the net benefit always has.",
    )


def _acceptability_block(planned: EconomicEvaluation, *, is_measured: bool) -> Block:
    result = planned.acceptability
    target = planned.incremental.target
    rows = result.estimates[result.estimates["strategy"] == target]
    spoken = "; ".join(
        f"{phrase_probability(probability)} at {phrase_money(threshold)}"
        for threshold, probability in zip(rows["threshold"], rows["probability"], strict=True)
    )

    def draw(figure: Figure) -> None:
        result.plot(figure.subplots())

    curve = FigureExhibit(
        name="acceptability",
        title="Cost-effectiveness acceptability curve",
        draw=draw,
        caption=f"Probability that {words.in_words(target)} has the higher net benefit: "
        f"{spoken} per {result.effect_label}. Dotted lines mark these thresholds.",
        alternative="Curves of the probability of the higher net benefit against willingness to "
        f"pay. For {words.in_words(target)}: {spoken}.",
    )
    block = block_from_result(
        result,
        title="Probability of the higher net benefit"
        if is_measured
        else "Probability of being cost-effective",
        name="acceptability",
        figures=(curve,),
        caption="The groups were formed by what was measured: neither is a strategy that could "
        "be chosen."
        if is_measured
        else "The strategy with the highest mean net benefit is the better choice whatever its "
        "probability.",
    )
    points = TableExhibit(
        name="acceptability_curve",
        title="The points of the curve",
        content=result.curve,
        is_on_page=False,
    )
    return replace(block, tables=(*block.tables, points))


def _comparison_block(trial: TrialData, analyses: dict[str, EconomicEvaluation]) -> Block:
    parts = []
    for name, evaluation in analyses.items():
        for method, result in (
            ("agencies resampled", evaluation.incremental),
            ("mixed models", evaluation.models),
        ):
            rows = result.estimates
            parts.append(rows.assign(analysis=name, method=method))
        ratio = evaluation.icer.estimates.query("quantity == 'icer'")
        parts.append(
            ratio[["quantity", "estimate", "conf_low", "conf_high", "unit"]].assign(
                analysis=name, method="agencies resampled"
            )
        )
    table = pd.concat(parts, ignore_index=True)
    leading = ["analysis", "method"]
    table = table[[*leading, *[column for column in table.columns if column not in leading]]]
    first = next(iter(analyses.values()))
    others = [evaluation.icer.summary() for name, evaluation in list(analyses.items())[1:]]
    return Block(
        title="Does the answer depend on the method?",
        text=" ".join(f"Without adjustment: {words.speak(trial, one)}" for one in others),
        method="agencies resampled: as above; mixed models: " + first.models.method,
        in_whom=count_of(first.models),
        tables=(
            TableExhibit(
                name="economic_sensitivity",
                title="The same differences by other analyses",
                content=table,
                shown=_name_quantities(
                    table.drop(columns=["statistic"]), first.incremental.effect_label
                ),
                caption="The adjusted analysis compares participants with equal baseline values; "
                "without it, groups that cost more from the start look dearer.",
                level=first.models.confidence_level,
            ),
        ),
        notes=first.models.notes,
    )
