"""The result contract: display rules and the shape every analysis returns."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import FrozenInstanceError, dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from cpi_analysis import glossary
from cpi_analysis.glossary import GLOSSARY
from cpi_analysis.results import Result, format_table, format_value, round_half_up


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Example(Result):
    title: ClassVar[str] = "Example <b>"

    icc: float = 0.05

    def _draw(self, ax):  # type: ignore[no-untyped-def]
        ax.plot(self.estimates["estimate"])


def make_example(**changes: object) -> Example:
    settings: dict = {
        "estimates": pd.DataFrame({"term": ["arm"], "estimate": [1.0], "p_value": [0.0004]}),
        "n_participants": 117,
        "n_agencies": 14,
        "method": "by hand & eye",
        "notes": ("one < two",),
    }
    return Example(**{**settings, **changes})


@pytest.mark.parametrize(
    ("number", "decimals", "shown"),
    [
        (0.125, 2, "0.13"),  # Python's own round and format give 0.12
        (-0.125, 2, "-0.13"),
        (2.5, 0, "3"),
        (22070.18, 0, "22,070"),
        (-0.0004, 3, "0.000"),
        (1e-20, 2, "0.00"),
    ],
)
def test_halves_are_rounded_away_from_zero(number, decimals, shown):
    assert round_half_up(number, decimals) == shown


@pytest.mark.parametrize(
    ("value", "display", "shown"),
    [
        (None, "number", ""),
        (np.nan, "number", ""),
        (pd.NA, "count", ""),
        (0.0004, "p_value", "<0.001"),
        (0.0259, "p_value", "0.026"),
        (19.8013883, "df", "19.8"),
        (-249.87, "money", "-250"),
        (True, "flag", "yes"),
        (np.bool_(False), "flag", "no"),
        (np.float64(0.0760387), "number", "0.0760"),
        (np.int64(117), "count", "117"),
        (float("inf"), "number", "∞"),
        ("arm", "text", "arm"),
    ],
)
def test_values_are_shown_by_kind(value, display, shown):
    assert format_value(value, display) == shown


def test_table_is_shown_by_the_glossary():
    shown = format_table(pd.DataFrame({"p_value": [0.0004], "n": [117]}))
    assert shown.to_dict("list") == {"p_value": ["<0.001"], "n": ["117"]}


def test_a_column_outside_the_glossary_is_refused():
    with pytest.raises(ValueError, match="p-val"):
        make_example(estimates=pd.DataFrame({"p-val": [0.1]}))


def test_result_is_frozen_and_its_table_is_a_copy():
    result = make_example()
    with pytest.raises(FrozenInstanceError):
        result.method = "other"
    table = result.tidy()
    table.loc[0, "estimate"] = 99.0
    assert result.tidy().loc[0, "estimate"] == 1.0


def test_a_result_keeps_its_own_table():
    table = pd.DataFrame({"term": ["arm"], "estimate": [1.0]})
    result = make_example(estimates=table)
    table.loc[0, "estimate"] = 99.0
    assert result.tidy().loc[0, "estimate"] == 1.0


def test_glance_is_one_row_of_scalars():
    glance = make_example().glance()
    assert len(glance) == 1
    assert glance.loc[0, "icc"] == 0.05
    assert set(glance.columns) <= set(GLOSSARY)


def test_html_is_escaped():
    html = make_example()._repr_html_()
    assert "Example &lt;b&gt;" in html
    assert "by hand &amp; eye" in html
    assert "one &lt; two" in html


def test_text_shows_numbers_method_and_notes():
    text = repr(make_example())
    for part in ("117 participants", "14 agencies", "by hand & eye", "<0.001", "one < two"):
        assert part in text


def test_no_column_is_explained_twice():
    parts = [
        importlib.import_module(part.name)
        for part in pkgutil.iter_modules(glossary.__path__, f"{glossary.__name__}.")
    ]
    names = [name for part in parts for name in getattr(part, "ENTRIES", {})]
    assert sorted(names) == sorted(GLOSSARY)
