"""Does it work? The outcome models of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.effectiveness import (
    AnalysisSet,
    OutcomeModelResult,
    PairedChangeResult,
    build_analysis_set,
    build_outcome_table,
    estimate_paired_change,
    fit_outcome_model,
)
from cpi_analysis.effectiveness.outcome_model import EXPOSURE
from cpi_analysis.effectiveness.wording import format_interval
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
from cpi_analysis.report.effectiveness_blocks import build_primary_blocks
from cpi_analysis.report.figures import draw_rows_with_own_scales
from cpi_analysis.report.tables import phrase_estimate, phrase_p, typeset
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cpi_analysis.io.protocol import Protocol
    from cpi_analysis.io.trial import TrialData


def build_sets(trial: TrialData, protocol: Protocol) -> tuple[AnalysisSet, ...]:
    """Return the analysis set of every outcome of the protocol, the primary one first."""
    return tuple(
        build_analysis_set(
            trial,
            measure=plan.measure,
            timepoint=plan.timepoint,
            baseline=plan.baseline,
            covariates=plan.covariates,
            population=plan.population,
        )
        for plan in protocol.outcomes
    )


def build_effectiveness_section(
    trial: TrialData, sets: Sequence[AnalysisSet], *, seed: int
) -> tuple[Section, dict[str, Result]]:
    """Return the section of the outcome models and its results by name."""
    outcomes = {f"outcome_{_name(one)}": fit_outcome_model(one) for one in sets}
    changes = {
        f"change_{_name(one)}": estimate_paired_change(one)
        for one in sets
        if (one.baseline or "").startswith(f"{one.measure}@")
    }
    primary = next(iter(outcomes.values()))
    beside, checks = build_primary_blocks(primary, seed=seed)
    first, *others = (
        _model_block(trial, name, result, is_primary=not index)
        for index, (name, result) in enumerate(outcomes.items())
    )
    blocks = [_overview_block(trial, sets, list(outcomes.values())), first, *beside, *others]
    blocks += [_change_block(list(changes.values()))] if changes else []
    results: dict[str, Result] = {**outcomes, **checks, **changes}
    section = Section(
        key="effectiveness",
        title="Effectiveness",
        question="Does it work?",
        headline=words.speak(trial, primary.summary()) + words.remind(trial),
        number=_number(primary),
        interval=_interval(primary),
        blocks=tuple(blocks),
    )
    return section, results


def _name(one: AnalysisSet) -> str:
    return f"{one.measure}_{one.timepoint}"


def _number(result: OutcomeModelResult) -> str:
    estimate, _, _ = _headline_numbers(result)
    signed = typeset(estimate) if estimate.startswith("-") else f"+{estimate}"
    return f"{signed} {result.unit}" if result.unit else signed


def _headline_numbers(result: OutcomeModelResult) -> tuple[str, str, str]:
    row = result.estimates.iloc[0]
    return format_interval(row["estimate"], row["conf_low"], row["conf_high"])


def _interval(result: OutcomeModelResult) -> str:
    _, low, high = _headline_numbers(result)
    return (
        f"{_percent(result.confidence_level)} CI {typeset(low)} to {typeset(high)}; "
        f"{phrase_p(result.estimates['p_value'].iloc[0])}; {result.label}"
    )


def _percent(level: float | None) -> str:
    return f"{(level or 0.95) * 100:.4g}%"


def _overview_block(
    trial: TrialData, sets: Sequence[AnalysisSet], results: list[OutcomeModelResult]
) -> Block:
    table = build_outcome_table(results)
    rows, contrast = table.estimates, words.contrast_of(trial)
    labels = [f"{one.label}, {words.time_in_words(trial, one.timepoint)}" for one in sets]
    return block_from_result(
        table,
        title="All outcomes",
        name="outcomes",
        shown=rows.assign(measure=labels).drop(columns=["timepoint", "contrast"]),
        caption=f"One row is one model: {contrast}. p Holm is adjusted for the number of "
        "secondary outcomes.",
        figures=(_forest(trial, sets, rows, labels, _percent(table.confidence_level)),),
        in_whom=count_analysed(rows["n"].tolist(), rows["n_agencies"].tolist()),
    )


def _forest(
    trial: TrialData,
    sets: Sequence[AnalysisSet],
    rows: pd.DataFrame,
    labels: Sequence[str],
    level: str,
) -> FigureExhibit:
    texts = [phrase_estimate(row) for row in rows.to_dict("records")]
    units = [f"difference, {one.unit}" if one.unit else "difference" for one in sets]
    better = [_phrase_better(one.is_higher_better) for one in sets]
    target, reference = words.group_words(sets[0].contrast)
    direction = f"right of the line: higher in {target}; left: higher in {reference}"
    told = zip(labels, texts, units, better, strict=True)
    spoken = "; ".join(
        f"{label}: {text}{unit.removeprefix('difference')}{', ' * bool(good)}{good}"
        for label, text, unit, good in told
    )

    def draw(figure: Figure) -> None:
        lines = [
            "\n".join((one.label, "; ".join(filter(None, (f"{one.months:g} months", good)))))
            for one, good in zip(sets, better, strict=True)
        ]
        draw_rows_with_own_scales(figure, rows, lines, texts, units)
        figure.supxlabel(f"{direction} ({level} CI)", fontsize=9)

    return FigureExhibit(
        name="outcomes",
        title="Differences in outcomes",
        draw=draw,
        caption=f"Adjusted difference with its {level} CI, {words.contrast_of(trial)}. {spoken}. "
        f"Each outcome has its own scale; the dashed line is no difference; {direction}.",
        alternative=f"Forest plot of adjusted differences with {level} intervals. {spoken}.",
        width=8.6,
        height=0.86 * len(rows) + 0.7,
    )


def _phrase_better(is_higher_better: bool | None) -> str:
    if is_higher_better is None:
        return ""
    return "higher is better" if is_higher_better else "lower is better"


def _phrase_term(term: str, contrast: str) -> str:
    if term == EXPOSURE:
        return contrast
    return term.replace("[T.", ": ").replace("]", "").replace("_at_", " at ").replace("_", " ")


def _model_block(
    trial: TrialData, name: str, result: OutcomeModelResult, *, is_primary: bool
) -> Block:
    contrast = words.contrast_of(trial)
    model = result.model
    boundary = "on the boundary, see the notes" if model.is_singular else ""
    variances = (
        f"Variance between agencies {format_value(model.agency_variance)}, within agencies "
        f"{format_value(model.residual_variance)}: ICC "
        f"{boundary or format_value(model.icc, 'proportion')}."
    )
    table = TableExhibit(
        name=name,
        title="Every coefficient of the model",
        content=model,
        shown=model.estimates.assign(
            term=[_phrase_term(term, contrast) for term in model.estimates["term"]]
        ),
        caption=variances,
    )
    return Block(
        title=f"{'Primary outcome' if is_primary else 'Outcome'}: {result.label}",
        text=words.speak(trial, result.summary()),
        estimand=result.estimand,
        method=result.method,
        in_whom=count_of(result),
        tables=(table,),
        notes=result.notes,
    )


def _change_block(results: list[PairedChangeResult]) -> Block:
    table = pd.concat([result.estimates for result in results], ignore_index=True)
    labels = [result.label for result in results for _ in range(len(result.estimates))]
    shown = table.assign(measure=labels, group=table["group"].map(words.in_words))
    shown = shown.drop(columns=["timepoint", "statistic", "effect_size_hedges"], errors="ignore")
    notes = dict.fromkeys(note for result in results for note in result.notes[:2])
    return Block(
        title="Change from baseline, without a comparison",
        estimand="mean of follow-up minus baseline in participants who have both",
        method=results[0].method,
        tables=(
            TableExhibit(
                name="change_from_baseline",
                title="Change from baseline",
                content=table,
                shown=shown,
                caption="dz is the mean change over the standard deviation of the changes.",
                level=results[0].confidence_level,
            ),
        ),
        notes=tuple(notes),
    )
