"""The parts that a report is made of, before they become a page or files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Draw = Callable[["Figure"], None]


@dataclass(frozen=True, kw_only=True)
class TableExhibit:
    """A table with the words that stand around it.

    Parameters
    ----------
    name
        Stem of the CSV file.
    title
        Heading above the table.
    content
        What is saved, in full precision.
    shown
        What the page shows when that is less than ``content``; None shows ``content``.
    caption
        What the reader should see in it.
    is_on_page
        False for tables that are only saved (thousands of draws).
    level
        Level of the intervals, when ``content`` is not a result that says it.
    """

    name: str
    title: str
    content: Result | pd.DataFrame
    shown: pd.DataFrame | None = None
    caption: str = ""
    is_on_page: bool = True
    level: float | None = None

    def frame(self) -> pd.DataFrame:
        """Return the table that is saved."""
        return self.content.tidy() if isinstance(self.content, Result) else self.content.copy()

    def page_frame(self) -> pd.DataFrame:
        """Return the table that the page shows."""
        return self.frame() if self.shown is None else self.shown.copy()

    def confidence_level(self) -> float | None:
        """Return the level of the intervals, when the table has any."""
        return self.content.confidence_level if isinstance(self.content, Result) else self.level


@dataclass(frozen=True, kw_only=True)
class FigureExhibit:
    """A figure: how to draw it, and its numbers in words.

    Parameters
    ----------
    name
        Stem of the SVG and PNG files.
    title
        Heading above the figure.
    draw
        Draws on an empty matplotlib figure.
    caption
        What is drawn, with the numbers that matter.
    alternative
        The same for a reader who cannot see the figure.
    width, height
        Size in inches.
    """

    name: str
    title: str
    draw: Draw
    caption: str
    alternative: str
    width: float = 7.2
    height: float = 4.0


@dataclass(frozen=True, kw_only=True)
class Block:
    """One analysis inside a section: what was estimated, how, in whom, and what came out.

    ``in_whom`` says how many were analysed; see :func:`count_analysed`.
    """

    title: str
    text: str = ""
    estimand: str | None = None
    method: str | None = None
    in_whom: str = ""
    tables: tuple[TableExhibit, ...] = ()
    figures: tuple[FigureExhibit, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """One question of the report.

    ``headline`` is the answer in one sentence, ``number`` and ``interval`` the same as a figure
    for the summary. A part that the protocol does not name has no blocks, and its headline says
    that it was left out.
    """

    key: str
    title: str
    question: str
    headline: str = ""
    number: str = ""
    interval: str = ""
    blocks: tuple[Block, ...] = ()

    @property
    def tables(self) -> tuple[TableExhibit, ...]:
        """Every table of the section, in order."""
        return tuple(table for block in self.blocks for table in block.tables)

    @property
    def figures(self) -> tuple[FigureExhibit, ...]:
        """Every figure of the section, in order."""
        return tuple(figure for block in self.blocks for figure in block.figures)


def count_analysed(participants: Sequence[int], agencies: Sequence[int] = ()) -> str:
    """Return how many were analysed: ``98 to 116 participants in 14 agencies``.

    Parameters
    ----------
    participants, agencies
        One number for each model; empty when the notion does not apply.

    Examples
    --------
    >>> count_analysed([98, 116], [14, 14])
    '98 to 116 participants in 14 agencies'
    """
    if not len(participants):
        return ""
    counted = f"{_phrase_range(participants)} participants"
    return f"{counted} in {_phrase_range(agencies)} agencies" if len(agencies) else counted


def _phrase_range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"


def count_of(result: Result) -> str:
    """Return how many one result is about."""
    participants, agencies = result.n_participants, result.n_agencies
    return count_analysed(
        [] if participants is None else [participants], [] if agencies is None else [agencies]
    )


def block_from_result(
    result: Result,
    *,
    title: str,
    name: str,
    text: str = "",
    caption: str = "",
    shown: pd.DataFrame | None = None,
    figures: tuple[FigureExhibit, ...] = (),
    in_whom: str | None = None,
) -> Block:
    """Return the block of one result: its estimand, method, numbers analysed, table and notes."""
    table = TableExhibit(
        name=name, title=result.title, content=result, shown=shown, caption=caption
    )
    return Block(
        title=title,
        text=text,
        estimand=result.estimand,
        method=result.method,
        in_whom=count_of(result) if in_whom is None else in_whom,
        tables=(table,),
        figures=figures,
        notes=result.notes,
    )
