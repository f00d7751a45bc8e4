"""Was it delivered as meant? Reliability of the questionnaire and agreement of its sources."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from cpi_analysis.fidelity.bands import FidelityBandResult, build_fidelity_bands
from cpi_analysis.fidelity.domain_reliability import (
    DomainReliabilityResult,
    estimate_domain_reliability,
)
from cpi_analysis.fidelity.source_agreement import (
    SourceAgreementResult,
    estimate_source_agreement,
)
from cpi_analysis.report import words
from cpi_analysis.report.document import (
    Block,
    FigureExhibit,
    Section,
    TableExhibit,
    block_from_result,
    count_of,
)
from cpi_analysis.report.figures import draw_grouped_forest
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cpi_analysis.io.trial import TrialData

TITLE = "Fidelity"
QUESTION = "Was it delivered as meant, and can the ratings be trusted?"

#: The smallest and largest score are single people's; a report has no place for them.
_PERSONAL = ["minimum", "maximum"]


def build_fidelity_section(trial: TrialData) -> tuple[Section, dict[str, Result]]:
    """Return the section of the fidelity analyses and its results by name."""
    reliability = estimate_domain_reliability(trial)
    agreement = estimate_source_agreement(trial)
    bands = build_fidelity_bands(trial)
    section = Section(
        key="fidelity",
        title=TITLE,
        question=QUESTION,
        headline=words.speak(trial, agreement.summary()),
        number=_number(agreement),
        interval=_interval(agreement),
        blocks=(_bands_block(bands), _reliability_block(reliability), _agreement_block(agreement)),
    )
    results: dict[str, Result] = {
        "bands": bands,
        "reliability": reliability,
        "agreement": agreement,
    }
    return section, results


def _number(agreement: SourceAgreementResult) -> str:
    return round_half_up(_row_of_mean(agreement)["estimate"], 2)


def _row_of_mean(agreement: SourceAgreementResult) -> dict[Hashable, Any]:
    rows = agreement.estimates
    return rows[rows["form"] == "ICC(A,k)"].to_dict("records")[0]


def _interval(agreement: SourceAgreementResult) -> str:
    row = _row_of_mean(agreement)
    low, high = (round_half_up(row[name], 2) for name in ("conf_low", "conf_high"))
    level = f"{(agreement.confidence_level or 0.95) * 100:.4g}%"
    count = agreement.scores.shape[1]
    return f"{level} CI {low} to {high}; ICC(A,k), agreement of the mean of {count} sources"


def _bands_block(bands: FidelityBandResult) -> Block:
    def draw(figure: Figure) -> None:
        bands.plot(figure.subplots())

    distribution = FigureExhibit(
        name="fidelity_distribution",
        title="Distribution of fidelity",
        draw=draw,
        caption=f"{bands.summary()} Dashed lines are the cuts between the bands.",
        alternative=f"Histogram of fidelity scores. {bands.summary()}",
        height=3.4,
    )
    table = TableExhibit(
        name="fidelity_bands",
        title="Fidelity by band",
        content=bands.tidy().drop(columns=_PERSONAL, errors="ignore"),
        caption="In percent of the maximum.",
    )
    return Block(
        title="How much fidelity was reached",
        method=bands.method,
        in_whom=count_of(bands),
        tables=(table,),
        figures=(distribution,),
        notes=bands.notes,
    )


def _reliability_block(reliability: DomainReliabilityResult) -> Block:
    rows = reliability.estimates

    def draw(figure: Figure) -> None:
        draw_grouped_forest(
            figure.subplots(), rows, row="scale", series="source", axis_label="Cronbach's alpha"
        )

    forest = FigureExhibit(
        name="fidelity_reliability",
        title="Reliability of the domains",
        draw=draw,
        caption=f"{reliability.summary()} Lines are "
        f"{(reliability.confidence_level or 0.95) * 100:.4g}% intervals.",
        alternative=f"Forest plot of alpha by domain and source. {reliability.summary()}",
        height=0.62 * rows["scale"].nunique() + 1.2,
    )
    return block_from_result(
        reliability,
        title="Do the items of a domain belong together?",
        name="fidelity_reliability",
        figures=(forest,),
    )


def _agreement_block(agreement: SourceAgreementResult) -> Block:
    rows = agreement.estimates
    shown = rows.assign(source=rows["source"].map(words.in_words, na_action="ignore"))
    return block_from_result(
        agreement,
        title="Do the sources agree?",
        name="fidelity_agreement",
        shown=shown,
        caption="ICC(A,1): one source; ICC(A,k): the mean of the sources; ICC(C,k): the same "
        "without constant differences. Bias: points above or below the mean of the sources.",
    )
