"""Figures as files and as parts of the page: same input, same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cpi_analysis.report.document import FigureExhibit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that people with colour blindness can tell apart (Okabe and Ito 2008).
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
GREY = "#6B7680"
LIGHT = "#D9DEE2"
INK = "#1C2B33"

PNG_DPI = 200

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "axes.edgecolor": "#9AA5AD",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "path.simplify": True,
}

_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_IDENTIFIER = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(url\(#|href="#)([^)"]+)')


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the package's settings, whatever the user's matplotlib settings are."""
    import matplotlib
    import matplotlib.style

    with (
        matplotlib.style.context(["default", _STYLE], after_reset=True),
        matplotlib.rc_context({"svg.hashsalt": "cpi-analysis"}),
    ):
        yield


def draw_figure(exhibit: FigureExhibit, *, stamp: str | None = None) -> Figure:
    """Return the drawn figure; ``stamp`` is written across its upper edge.

    The figure belongs to no window and no global state, so it needs no display.
    """
    from cpi_analysis.report.canvas import ShownFigure

    with house_style():
        figure = ShownFigure(figsize=(exhibit.width, exhibit.height), layout="constrained")
        exhibit.draw(figure)
        if stamp:
            figure.suptitle(stamp, fontsize=8, color="#8A4B00", fontweight="bold")
    return figure


def write_svg(figure: Figure) -> bytes:
    """Return the figure as SVG, without a date."""
    stream = io.BytesIO()
    with house_style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def write_png(figure: Figure) -> bytes:
    """Return the figure as PNG at 200 dots per inch, without a date or a program's name."""
    stream = io.BytesIO()
    with house_style():
        figure.savefig(stream, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return stream.getvalue()


def inline_svg(svg: bytes, *, name: str, label: str) -> str:
    """Return an SVG that can stand inside a page beside others.

    Identifiers get the figure's name, so that two figures never share one; the picture gets a
    role and a label for screen readers.
    """
    text = svg.decode("utf-8")
    text = _METADATA.sub("", text[text.index("<svg") :])
    text = _IDENTIFIER.sub(rf'id="{name}-\1"', text)
    text = _REFERENCE.sub(rf"\1{name}-\2", text)
    safe = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{safe}" ', 1)


def draw_rows_with_own_scales(
    figure: Figure,
    table: pd.DataFrame,
    labels: Sequence[str],
    texts: Sequence[str],
    axis_labels: Sequence[str],
) -> None:
    """Draw one interval per row, each on a scale of its own with zero in the middle.

    Outcomes in different units share a figure without being forced onto one scale.

    Parameters
    ----------
    figure
        An empty figure.
    table
        ``estimate``, ``conf_low``, ``conf_high``; one row a line, the first on top.
    labels, texts
        What stands at the left and at the right of each line.
    axis_labels
        What the numbers of each line are, with their unit.
    """
    panels = figure.subplots(len(table), 1, squeeze=False)[:, 0]
    rows = zip(panels, table.to_dict("records"), labels, texts, axis_labels, strict=True)
    for axes, row, label, text, axis_label in rows:
        reach = 1.15 * max(abs(row["conf_low"]), abs(row["conf_high"]))
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-1, 1)
        axes.axvline(0.0, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.hlines([0.0], [row["conf_low"]], [row["conf_high"]], color=BLUE, linewidth=2.4)
        axes.plot([row["estimate"]], [0.0], "s", markersize=7, color=BLUE)
        axes.set_yticks([0.0], [label])
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelsize=7.5, colors=GREY, length=2.5)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(axis_label, fontsize=7.5, color=GREY, labelpad=1)
        axes.locator_params(axis="x", nbins=5)
        # A second axis at the right carries the numbers, so that the layout makes room for them.
        beside = axes.secondary_yaxis("right")
        beside.set_yticks([0.0], [text])
        beside.tick_params(length=0)
        beside.spines["right"].set_visible(False)


def draw_grouped_forest(
    axes: Axes, table: pd.DataFrame, *, row: str, series: str, axis_label: str
) -> None:
    """Draw estimates with intervals: one line per ``row``, its ``series`` beside each other.

    Parameters
    ----------
    axes
        Where to draw.
    table
        ``estimate``, ``conf_low``, ``conf_high`` and the two columns named next.
    row, series
        Columns: what a line is, and what colour and marker tell apart.
    axis_label
        What the numbers are.
    """
    rows = list(dict.fromkeys(table[row]))
    names = list(dict.fromkeys(table[series]))
    for index, name in enumerate(names):
        part = table[table[series] == name]
        shift = 0.22 * (index - (len(names) - 1) / 2)
        heights = [rows.index(label) + shift for label in part[row]]
        colour = (BLUE, VERMILION, GREEN, GREY)[index % 4]
        axes.hlines(heights, part["conf_low"], part["conf_high"], color=colour, linewidth=1.8)
        axes.plot(
            part["estimate"],
            heights,
            linestyle="none",
            marker="osD^"[index % 4],
            markersize=5.5,
            color=colour,
            label=str(name).replace("_", " "),
        )
    axes.set_yticks(range(len(rows)), [str(label) for label in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(min(0.0, float(table["conf_low"].min())), 1.0)
    axes.grid(axis="x", color=LIGHT, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(axis_label)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(names))
