"""The report as one self-contained page: nothing is loaded from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from cpi_analysis.report import words
from cpi_analysis.report.document import Block, FigureExhibit, Section, TableExhibit
from cpi_analysis.report.figures import inline_svg
from cpi_analysis.report.tables import page_rows, typeset

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData


def write_page(
    trial: TrialData,
    *,
    sections: Sequence[Section],
    facts: Sequence[tuple[str, str]],
    run: Mapping[str, Any],
    svgs: Mapping[str, bytes],
) -> bytes:
    """Return the page as UTF-8.

    Parameters
    ----------
    trial
        What was analysed: its title, its protocol, and whether it is synthetic.
    sections
        The questions and their answers, in order.
    facts
        Name and value of what stands under the title.
    run
        What :func:`cpi_analysis.report.manifest.describe_run` returned.
    svgs
        Name of each figure → the figure as SVG.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    speak = words.make_speaker(trial)
    environment.filters["prose"] = lambda text: typeset(speak(text))
    template = environment.from_string(_asset("report.html.j2"))
    pictures = _inline(sections, svgs)
    text = template.render(
        title=trial.title,
        is_synthetic=trial.is_synthetic,
        banner=words.BANNER,
        banner_text=words.BANNER_TEXT,
        css=_asset("report.css"),
        lead=words.lead(trial),
        facts=facts,
        cards=[_card(section) for section in sections if section.headline],
        how_to_read=words.how_to_read(trial),
        sections=[_section(section, pictures) for section in sections],
        assumptions=trial.assumptions,
        load_notes=trial.load_notes,
        limits=words.limits(trial),
        contrast=words.contrast_of(trial),
        run=run,
        provenance=[
            (heading, run[key])
            for heading, key in (("Input files", "input_files"), ("Input tables", "input_tables"))
            if run[key]
        ],
        settings=json.dumps(run["protocol"], indent=2, ensure_ascii=False),
    )
    return text.encode("utf-8")


def _asset(name: str) -> str:
    folder = resources.files("cpi_analysis.report") / "templates"
    return (folder / name).read_text(encoding="utf-8")


def _inline(sections: Sequence[Section], svgs: Mapping[str, bytes]) -> dict[str, str]:
    return {
        figure.name: inline_svg(svgs[figure.name], name=figure.name, label=figure.alternative)
        for section in sections
        for figure in section.figures
    }


def _card(section: Section) -> dict[str, str]:
    return {
        "key": section.key,
        "title": section.title,
        "question": section.question,
        "number": section.number,
        "interval": section.interval,
        "sentence": section.headline,
    }


def _section(section: Section, pictures: Mapping[str, str]) -> dict[str, Any]:
    return {
        "key": section.key,
        "title": section.title,
        "question": section.question,
        "headline": section.headline,
        "blocks": [_block(block, pictures) for block in section.blocks],
    }


def _block(block: Block, pictures: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": block.title,
        "text": block.text,
        "estimand": block.estimand,
        "method": block.method,
        "in_whom": block.in_whom,
        "notes": block.notes,
        "figures": [_figure(figure, pictures) for figure in block.figures],
        "tables": [_table(table) for table in block.tables],
    }


def _figure(figure: FigureExhibit, pictures: Mapping[str, str]) -> dict[str, str]:
    return {
        "name": figure.name,
        "title": figure.title,
        "caption": figure.caption,
        "svg": pictures[figure.name],
    }


def _table(table: TableExhibit) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": table.name,
        "title": table.title,
        "caption": table.caption,
        "headings": None,
        "rows": None,
        "count_note": "",
    }
    if not table.is_on_page:
        content["count_note"] = f"{len(table.frame()):,} rows"
        return content
    shown = table.page_frame()
    headings, rows = page_rows(shown, confidence_level=table.confidence_level())
    saved = table.frame()
    if len(shown) < len(saved) and set(shown.columns) <= set(saved.columns):
        content["count_note"] = f"{len(saved):,} rows, of which {len(shown)} are shown"
    return {**content, "headings": headings, "rows": rows}
