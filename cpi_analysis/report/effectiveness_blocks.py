"""Blocks beside the primary outcome: the same difference by other methods, and diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpi_analysis.effectiveness import (
    OutcomeModelResult,
    build_cross_checks,
    build_singularity_report,
    compute_residual_check,
    estimate_leave_one_out,
)
from cpi_analysis.effectiveness.outcome_model import EXPOSURE
from cpi_analysis.report.document import Block, FigureExhibit, TableExhibit, count_of
from cpi_analysis.report.words import capitalise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cpi_analysis.results import Result

AGENCY = "agency_id"
#: Draws of the parametric bootstrap: the Monte Carlo error of a p-value of 0.05 is 0.3 points.
REPLICATES = 5000


def build_primary_blocks(
    primary: OutcomeModelResult, *, seed: int
) -> tuple[tuple[Block, ...], dict[str, Result]]:
    """Return cross-checks and diagnostics of the primary outcome, and their results by name."""
    frame = primary.model.basis.frame
    checks = build_cross_checks(
        frame,
        formula=primary.model.formula,
        term=EXPOSURE,
        cluster=AGENCY,
        replicates=REPLICATES,
        seed=seed,
        confidence_level=primary.confidence_level or 0.95,
    )
    without = estimate_leave_one_out(primary.model, term=EXPOSURE)
    residuals = compute_residual_check(primary.model)
    variances = build_singularity_report(primary.model)
    blocks = (
        _check_block(primary, checks),
        _diagnostics_block(primary, without, residuals, variances),
    )
    results: dict[str, Result] = {
        "cross_checks": checks,
        "leave_one_out": without,
        "residuals": residuals,
        "variances": variances,
    }
    return blocks, results


def _say(sentence: str) -> str:
    """Return a sentence about the model in the words of the page."""
    told = sentence.replace(EXPOSURE, "the difference")
    for code, text in (
        (f"one {AGENCY}", "one agency"),
        (f"each {AGENCY}", "each agency"),
        (f"No {AGENCY}", "No agency"),
        (AGENCY, "agencies"),
    ):
        told = told.replace(code, text)
    return capitalise(told)


def _name_level(level: str) -> str:
    return "between agencies" if level.startswith(AGENCY) else level


def _check_block(primary: OutcomeModelResult, checks: Result) -> Block:
    def draw(figure: Figure) -> None:
        ax = checks.plot(figure.subplots())
        ax.set_xlabel("")
        ax.set_title(f"difference in {primary.label}")

    told = _say(checks.summary())
    return Block(
        title=f"Do other methods agree? {primary.label}",
        text=told,
        method=_say(checks.method),
        in_whom=count_of(checks),
        tables=(
            TableExhibit(
                name="cross_checks",
                title="The same difference by other methods",
                content=checks,
                caption="With a dozen agencies no single method is beyond doubt: each of these "
                "keeps its level in simulations (docs/studies of the package).",
            ),
        ),
        figures=(
            FigureExhibit(
                name="cross_checks",
                title="The difference by each method",
                draw=draw,
                caption=f"Estimates with their intervals. {told}",
                alternative=told,
                height=3.6,
            ),
        ),
        notes=tuple(_say(note) for note in checks.notes),
    )


def _diagnostics_block(
    primary: OutcomeModelResult, without: Result, residuals: Result, variances: Result
) -> Block:
    def draw_quantiles(figure: Figure) -> None:
        ax = residuals.plot(figure.subplots())
        legend = ax.get_legend()
        for text in [*ax.texts, *(legend.get_texts() if legend else [])]:
            text.set_text(text.get_text().replace(f"{AGENCY}: Intercept", "agencies"))

    def draw_without(figure: Figure) -> None:
        ax = without.plot(figure.subplots())
        ax.set_xlabel(f"difference in {primary.label}, without one agency")

    spread, moves, boundary = (_say(r.summary()) for r in (residuals, without, variances))
    told = variances.estimates
    shown = told.assign(level=[_name_level(level) for level in told["level"]])
    notes = [*residuals.notes, *without.notes, *variances.notes]
    return Block(
        title=f"Does the model fit? {primary.label}",
        text=f"{moves} {spread} {boundary}",
        in_whom=count_of(without),
        tables=(
            TableExhibit(
                name="variances",
                title="Variances",
                content=variances,
                shown=shown.dropna(axis="columns", how="all"),
            ),
            TableExhibit(
                name="leave_one_out",
                title="The difference without each agency",
                content=without,
                shown=without.estimates.drop(columns="n_rows"),
            ),
        ),
        figures=(
            FigureExhibit(
                name="leave_one_out",
                title="The difference without each agency",
                draw=draw_without,
                caption=moves,
                alternative=moves,
                height=4.4,
            ),
            FigureExhibit(
                name="residuals",
                title="Residuals and effects of agencies against the normal distribution",
                draw=draw_quantiles,
                caption=spread,
                alternative=spread,
                height=3.6,
            ),
        ),
        notes=tuple(dict.fromkeys(_say(note) for note in notes)),
    )
