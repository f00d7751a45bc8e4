"""Every Result is a Result: each class of the package is built once, small, and held to the rules.

A class without a factory fails the test: add one to a module of tests/contract.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.axes import Axes

import cpi_analysis
from cpi_analysis.glossary import GLOSSARY
from cpi_analysis.results import Result
from tests.contract import clear_caches, collect_factories

#: One small instance of every Result class, by the name of the class.
FACTORIES = collect_factories()

# what is in the package ------------------------------------------------------------------------


def _walk_modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(cpi_analysis.__path__, "cpi_analysis."):
        if not module.name.endswith("__main__"):
            yield module.name


@cache
def _find_classes() -> dict[str, type[Result]]:
    found = {}
    for name in _walk_modules():
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, type) and issubclass(value, Result) and value is not Result:
                found[value.__name__] = value
    return found


@cache
def _make(name: str) -> Result:
    """Return the instance of a class, made once: results are frozen and hand out copies."""
    return FACTORIES[name]()


@pytest.fixture(params=sorted(FACTORIES))
def result(request: pytest.FixtureRequest) -> Iterator[Result]:
    yield _make(request.param)
    plt.close("all")


def test_every_result_class_is_listed_and_every_factory_makes_its_class():
    assert set(_find_classes()) == set(FACTORIES)
    made = {name: type(_make(name)).__name__ for name in FACTORIES}
    assert made == {name: name for name in FACTORIES}


class Page(HTMLParser):
    """Collects text and tags, and fails on a tag that closes what is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in {"br", "hr", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


# the contract ----------------------------------------------------------------------------------


def test_class_is_frozen_keyword_only_and_directly_under_result(result):
    kind = type(result)
    assert kind.__bases__ == (Result,)
    assert kind.title != Result.title
    assert all(field.kw_only for field in dataclasses.fields(kind))
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.method = "another"
    # Two results are never compared cell by cell by accident.
    assert kind.__eq__ is object.__eq__
    assert kind.__repr__ is Result.__repr__


def test_columns_are_in_the_glossary_and_rows_are_there(result):
    assert set(result.estimates.columns) <= set(GLOSSARY)
    assert len(result.estimates) > 0
    assert result.estimates.index.equals(pd.RangeIndex(len(result.estimates)))


def test_intervals_contain_their_estimate_and_have_a_level(result):
    table = result.estimates
    if "conf_low" not in table:
        pytest.skip("the result has no intervals")
    assert 0 < result.confidence_level < 1
    limits = table[["estimate", "conf_low", "conf_high"]].dropna()
    assert (limits["conf_low"] <= limits["estimate"]).all()
    assert (limits["estimate"] <= limits["conf_high"]).all()


def test_tidy_is_a_copy(result):
    before = result.tidy()
    mine = result.tidy()
    mine[mine.columns[0]] = "changed"
    mine["extra"] = 1
    pd.testing.assert_frame_equal(result.tidy(), before)


def test_glance_is_one_row_of_known_scalars(result):
    row = result.glance()
    assert len(row) == 1
    assert set(row.columns) <= set(GLOSSARY)
    assert row["method"][0] == result.method


def test_plot_draws_on_the_axes_that_it_is_given(result):
    figure, (left, right) = plt.subplots(ncols=2)
    assert result.plot(left) is left
    assert left.has_data()
    assert not right.has_data()
    assert plt.get_fignums() == [figure.number]


def test_plot_makes_a_new_figure_and_leaves_the_others_alone(result):
    mine, mine_axes = plt.subplots()
    ax = result.plot()
    assert isinstance(ax, Axes)
    assert ax.figure is not mine
    assert not mine_axes.has_data()
    assert ax.get_xlabel() or ax.get_ylabel()


def test_text_shows_title_method_notes_and_counts(result):
    text = repr(result)
    assert text.startswith(type(result).title)
    assert result.method in text
    assert all(note in text for note in result.notes)
    if result.n_participants is not None:
        assert f"{result.n_participants} participants" in text


def test_html_is_well_formed_and_shows_the_method(result):
    page = Page()
    page.feed(result._repr_html_())
    page.close()
    assert page.open == []
    assert "table" in page.seen
    assert result.method in "".join(page.text)


def test_summary_is_a_sentence(result):
    summary = result.summary()
    assert summary.endswith(".")
    assert "\n" not in summary
    assert "nan" not in summary.lower().split()


def test_same_call_gives_the_same_table(result):
    name = type(result).__name__
    clear_caches()
    pd.testing.assert_frame_equal(FACTORIES[name]().tidy(), result.tidy())


# errors ----------------------------------------------------------------------------------------


def _find_wrong_pairs(source: str) -> list[int]:
    """Return the lines that make a DataError of a model code, or a ModelError of a data code."""
    wrong = {"DataError": "CPI-M", "ModelError": "CPI-E"}
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        start = wrong.get(node.func.id)
        constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
        if start and any(isinstance(text, str) and text.startswith(start) for text in constants):
            lines.append(node.lineno)
    return lines


def test_data_codes_come_with_data_errors_and_model_codes_with_model_errors():
    assert _find_wrong_pairs('raise DataError(Fault(code="CPI-M001"))') == [1]
    folder = Path(cpi_analysis.__path__[0])
    found = {
        str(path.relative_to(folder)): lines
        for path in sorted(folder.rglob("*.py"))
        if (lines := _find_wrong_pairs(path.read_text(encoding="utf-8")))
    }
    assert found == {}
