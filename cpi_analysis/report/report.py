"""A finished analysis: what was asked, what came out, and how to keep it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.report import words
from cpi_analysis.report.document import FigureExhibit, Section, TableExhibit
from cpi_analysis.report.figures import draw_figure, write_png, write_svg
from cpi_analysis.report.manifest import describe_run, write_manifest
from cpi_analysis.report.page import write_page
from cpi_analysis.report.saving import MANIFEST, save_folder
from cpi_analysis.report.tables import write_csv
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cpi_analysis.io.trial import TrialData


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Report:
    """Everything that :func:`cpi_analysis.analyse` found in one trial.

    Parameters
    ----------
    trial
        The trial as it was given.
    measured
        The same with the scores, costs, QALYs and fidelity that were derived from it.
    seed
        Seed of the random numbers.
    sections
        The questions and their answers, in the order of the page.
    facts
        Name and value of what stands under the title of the page.
    effectiveness, economics, fidelity
        The results of each part by name; empty when the protocol does not name the part.
    """

    trial: TrialData
    measured: TrialData
    seed: int
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...]
    effectiveness: Mapping[str, Result]
    economics: Mapping[str, Result]
    fidelity: Mapping[str, Result]

    @property
    def headlines(self) -> tuple[str, str, str]:
        """One sentence each for effectiveness, economics and fidelity."""
        prefix = words.HEADLINE_PREFIX if self.trial.is_synthetic else ""
        by_key = {section.key: section.headline for section in self.sections}
        first, second, third = (
            prefix + by_key[key] for key in ("effectiveness", "economics", "fidelity")
        )
        return first, second, third

    @property
    def tables(self) -> dict[str, Result | pd.DataFrame]:
        """Every table by the name of its file."""
        return {exhibit.name: exhibit.content for exhibit in self._table_exhibits()}

    @property
    def figures(self) -> dict[str, Callable[[Figure], None]]:
        """What draws each figure on an empty matplotlib figure, by the name of its file."""
        return {exhibit.name: exhibit.draw for exhibit in self._figure_exhibits()}

    def draw(self, name: str) -> Figure:
        """Return one figure, drawn; it shows itself in a notebook.

        Parameters
        ----------
        name
            One of :attr:`figures`.
        """
        exhibits = {exhibit.name: exhibit for exhibit in self._figure_exhibits()}
        if name not in exhibits:
            raise KeyError(f"there is no figure {name!r}; there are {', '.join(exhibits)}")
        return draw_figure(exhibits[name], stamp=self._stamp())

    def save(self, folder: str | Path) -> Path:
        """Write the report, its tables and figures, and a manifest; all of it or nothing.

        Parameters
        ----------
        folder
            Where to write. Results written there before are replaced; anything else is not.

        Returns
        -------
        Path
            The folder, absolute. It holds ``report.html``, ``tables/``, ``figures/`` and
            ``manifest.json``.

        Raises
        ------
        DataError
            CPI-E048 when the folder holds something else or cannot be written.
        """
        path = Path(folder).expanduser().absolute()
        save_folder(path, self._render())
        return path

    def _render(self) -> dict[str, bytes]:
        """Return every file as bytes, with its path inside the folder."""
        run = describe_run(self.trial, seed=self.seed)
        files: dict[str, bytes] = {}
        svgs: dict[str, bytes] = {}
        for figure in self._figure_exhibits():
            drawn = draw_figure(figure, stamp=self._stamp())
            svgs[figure.name] = write_svg(drawn)
            files[f"figures/{figure.name}.svg"] = svgs[figure.name]
            files[f"figures/{figure.name}.png"] = write_png(drawn)
        for table in self._table_exhibits():
            files[f"tables/{table.name}.csv"] = write_csv(table.frame())
        files["report.html"] = write_page(
            self.measured, sections=self.sections, facts=self.facts, run=run, svgs=svgs
        )
        return {**files, MANIFEST: write_manifest(run, files)}

    def _table_exhibits(self) -> list[TableExhibit]:
        return [table for section in self.sections for table in section.tables]

    def _figure_exhibits(self) -> list[FigureExhibit]:
        return [figure for section in self.sections for figure in section.figures]

    def _stamp(self) -> str | None:
        return f"{words.BANNER}: not a result of any study" if self.trial.is_synthetic else None

    def __repr__(self) -> str:
        lines = [f"Report: {self.trial.title} (seed {self.seed})"]
        lines += [f"  * {headline}" for headline in self.headlines]
        lines.append(
            f"  {len(self.tables)} tables and {len(self.figures)} figures; "
            ".save(folder) writes them with report.html"
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(headline)}</li>" for headline in self.headlines)
        return (
            f"<p><strong>{html.escape(self.trial.title)}</strong> (seed {self.seed})</p>"
            f"<ul>{items}</ul><p>{len(self.tables)} tables and {len(self.figures)} figures; "
            "<code>.save(folder)</code> writes them with <code>report.html</code>.</p>"
        )
