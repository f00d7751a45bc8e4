"""Figures as files and as parts of the page: same input, same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cpi_analysis.report.document import FigureExhibit

if TYPE_CHECKING:
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
    from matplotlib.figure import Figure

    with house_style():
        figure = Figure(figsize=(exhibit.width, exhibit.height), layout="constrained")
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


def draw_forest(
    axes: Axes,
    *,
    labels: list[str],
    estimates: list[float],
    lows: list[float],
    highs: list[float],
    texts: list[str],
    reference: float | None = None,
) -> None:
    """Draw estimates with intervals, one row each from the top, and their numbers at the right."""
    rows = [float(-row) for row in range(len(labels))]
    if reference is not None:
        axes.axvline(reference, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.hlines(rows, lows, highs, color=BLUE, linewidth=2.2)
    axes.plot(estimates, rows, linestyle="none", marker="s", markersize=7, color=BLUE)
    axes.set_yticks(rows, labels)
    axes.set_ylim(-len(labels) + 0.4, 0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for row, text in zip(rows, texts, strict=True):
        axes.annotate(
            text,
            xy=(1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            ha="left",
            annotation_clip=False,
        )
