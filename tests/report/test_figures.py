"""Figures show the numbers of their tables, and are the same bytes each time."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cpi_analysis.report import Report
from cpi_analysis.report.document import FigureExhibit
from cpi_analysis.report.figures import draw_figure, inline_svg, write_png, write_svg
from cpi_analysis.report.pipeline import _STEPS, _count_steps
from cpi_analysis.results import Result

LIMITS = ["conf_low", "conf_high"]


def points_of(axes: mpl.axes.Axes) -> np.ndarray:
    return np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() in "osD^"])


def segments_of(axes: mpl.axes.Axes) -> np.ndarray:
    return np.array(
        [segment[:, 0] for lines in axes.collections for segment in lines.get_segments()]
    )


def tidy(report: Report, name: str) -> pd.DataFrame:
    content = report.tables[name]
    assert isinstance(content, Result)
    return content.tidy()


def test_each_outcome_is_drawn_where_its_table_says(report: Report) -> None:
    table = tidy(report, "outcomes")
    panels = report.draw("outcomes").axes
    assert len(panels) == len(table)
    for axes, row in zip(panels, table.to_dict("records"), strict=True):
        assert points_of(axes).tolist() == [row["estimate"]]
        assert segments_of(axes).tolist() == [[row["conf_low"], row["conf_high"]]]
        low, high = axes.get_xlim()
        assert low == -high
        assert low < row["conf_low"]
        assert high > row["conf_high"]


def test_the_forest_says_units_direction_and_months(report: Report) -> None:
    figure = report.draw("outcomes")
    panels = figure.axes
    assert [axes.get_xlabel() for axes in panels] == [
        "difference, resources",
        "difference, points",
        "difference, points",
        "difference, utility",
    ]
    assert "right of the line: higher in high fidelity" in figure.get_supxlabel()
    for axes in panels:
        (label,) = (tick.get_text() for tick in axes.get_yticklabels())
        assert label.endswith("\n9 months; higher is better")


def test_reliability_is_drawn_where_its_table_says(report: Report) -> None:
    table = tidy(report, "fidelity_reliability")
    axes = report.draw("fidelity_reliability").axes[0]
    assert sorted(points_of(axes)) == sorted(table["estimate"])
    drawn = sorted(map(tuple, segments_of(axes)))
    assert drawn == sorted(table[LIMITS].itertuples(index=False, name=None))
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == list(dict.fromkeys(table["scale"]))


def test_the_curve_is_that_of_its_table(report: Report) -> None:
    table = report.tables["acceptability_curve"]
    assert isinstance(table, pd.DataFrame)
    axes = report.draw("acceptability").axes[0]
    target = table["strategy"].iloc[0]
    rows = table[table["strategy"] == target]
    curves = [line for line in axes.lines if len(line.get_xdata()) == len(rows)]
    np.testing.assert_array_equal(curves[0].get_xdata(), rows["threshold"])
    np.testing.assert_array_equal(curves[0].get_ydata(), rows["probability"])


def test_a_figure_of_synthetic_data_carries_a_stamp(report: Report) -> None:
    for name in report.figures:
        stamp = report.draw(name).get_suptitle()
        assert stamp.startswith("SYNTHETIC DATA")


def test_a_figure_that_does_not_exist_is_named(report: Report) -> None:
    with pytest.raises(KeyError, match="no figure 'none'"):
        report.draw("none")


def draw_line(figure: Figure) -> None:
    figure.subplots().plot([0, 1], [1, 0])


EXHIBIT = FigureExhibit(
    name="line", title="A line", draw=draw_line, caption="", alternative='5 < 6 & "so"'
)


def test_the_same_figure_is_the_same_bytes_whatever_the_users_settings() -> None:
    first = draw_figure(EXHIBIT)
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "svg.hashsalt": "other"}):
        second = draw_figure(EXHIBIT)
        assert write_svg(second) == write_svg(first)
        assert write_png(second) == write_png(first)


def test_a_figure_leaves_the_users_settings_alone() -> None:
    with mpl.rc_context({"font.size": 30}):
        write_svg(draw_figure(EXHIBIT))
        assert mpl.rcParams["font.size"] == 30


def test_files_hold_no_date_and_no_program(report: Report) -> None:
    figure = draw_figure(EXHIBIT)
    assert b"<dc:date>" not in write_svg(figure)
    assert b"tEXt" not in write_png(figure)[:400]


def test_inline_pictures_have_a_label_and_identifiers_of_their_own() -> None:
    text = inline_svg(write_svg(draw_figure(EXHIBIT)), name="line", label=EXHIBIT.alternative)
    assert text.startswith('<svg role="img" aria-label="5 &lt; 6 &amp; &quot;so&quot;"')
    assert "<metadata" not in text
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert identifiers
    assert all(name.startswith("line-") for name in identifiers)
    targets = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text)
    assert {one or other for one, other in targets} <= set(identifiers)


def test_progress_counts_every_step_and_is_silent_unless_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for progress in (False, True):
        with _count_steps(progress) as step:
            for number in range(_STEPS):
                step(f"step {number}")
        shown = capsys.readouterr()
        assert shown.out == ""
        assert ("analysis" in shown.err) is progress
