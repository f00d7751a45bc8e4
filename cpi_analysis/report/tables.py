"""Tables as CSV files and as parts of the page."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from cpi_analysis.glossary import GLOSSARY
from cpi_analysis.results import format_value, round_half_up

#: A spreadsheet runs a text that starts with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

#: Headings on the page, where the name of the column with spaces would not be plain enough.
HEADINGS = {
    "n": "n",
    "n_agencies": "agencies",
    "n_participants": "participants",
    "n_items": "items",
    "n_raters": "raters",
    "n_missing": "missing",
    "n_observed": "observed",
    "std_error": "standard error",
    "std_dev": "SD",
    "df": "df",
    "df1": "df 1",
    "df2": "df 2",
    "p_value": "p",
    "p_value_holm": "p (Holm)",
    "effect_size_dz": "dz",
    "effect_size_hedges": "dz (Hedges)",
    "threshold": "threshold (£)",
    "delta_cost": "difference in cost (£)",
    "delta_effect": "difference in effect",
    "icer": "ICER (£ per unit of effect)",
    "icc": "ICC",
    "is_optimal": "highest net benefit",
    "is_singular": "variance at zero",
}

#: Codes of quantities in the words of the page.
QUANTITIES = {
    "delta_cost": "difference in cost (£)",
    "delta_effect": "difference in effect",
    "inb": "net benefit (£)",
    "icer": "ICER (£ per unit of effect)",
    "quadrant_share": "share of replicates",
    "icc": "ICC",
    "alpha": "alpha",
    "bias": "bias (points)",
}

_HYPHEN_MINUS = re.compile(r"(?<![\w.)-])-(?=£?[\d∞])")

#: Columns that are the same for a whole table are said once, above it.
_SAID_ELSEWHERE = ("seed", "confidence_level", "replicates")


def write_csv(table: pd.DataFrame) -> bytes:
    """Return the table as UTF-8 CSV: full precision, ISO dates, lines ending in a line feed.

    Text that a spreadsheet would run (it starts with ``= + - @``, tab or carriage return) gets
    a leading apostrophe; numbers are left alone.
    """
    safe = pd.DataFrame({str(name): _safe_column(table[name]) for name in table.columns})
    safe.columns = pd.Index([_disarm(str(name)) for name in table.columns])
    return safe.to_csv(index=False, lineterminator="\n").encode("utf-8")


def _safe_column(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_datetime64_any_dtype(column):
        dates: pd.Series[Any] = column.dt.strftime("%Y-%m-%d")
        return dates
    if pd.api.types.is_numeric_dtype(column):
        return column
    return column.astype(object).map(_safe_cell)


def _safe_cell(value: object) -> object:
    if isinstance(value, str):
        return _disarm(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def _disarm(text: str) -> str:
    safe = f"'{text}" if text.startswith(FORMULA_STARTS) else text
    # A lone carriage return would end the row for some readers.
    return safe.replace("\r\n", "\n").replace("\r", "\n")


def page_rows(
    table: pd.DataFrame, *, confidence_level: float | None
) -> tuple[list[tuple[str, str, bool]], list[list[str]]]:
    """Return headings (text, explanation, is a number) and rows of text for the page.

    The two limits of an interval share one column; empty columns are left out.
    """
    shown = table.drop(columns=[c for c in _SAID_ELSEWHERE if c in table.columns])
    shown = shown.loc[:, [c for c in shown.columns if not shown[c].isna().all()]]
    shown = _put_interval_first(shown)
    if "quantity" in shown.columns:
        shown = shown.assign(quantity=[QUANTITIES.get(code, code) for code in shown["quantity"]])
    headings: list[tuple[str, str, bool]] = []
    cells: list[list[str]] = []
    for name in map(str, shown.columns):
        if name == "conf_high" and "conf_low" in shown.columns:
            continue
        if name == "conf_low" and "conf_high" in shown.columns:
            level = "" if confidence_level is None else f"{confidence_level * 100:.4g}% "
            headings.append((f"{level}CI", "confidence interval", True))
            cells.append(_interval_cells(shown))
            continue
        if name == "estimate" and "conf_low" in shown.columns:
            headings.append((heading_of(name), GLOSSARY[name].description, True))
            cells.append(_estimate_cells(shown))
            continue
        entry = GLOSSARY.get(name)
        display = entry.display if entry else "text"
        explanation = entry.description if entry else ""
        is_number = display not in ("text", "flag") if entry else _is_number(shown[name])
        headings.append((heading_of(name), explanation, is_number))
        cells.append([typeset(format_value(value, display)) for value in shown[name]])
    return headings, [list(row) for row in zip(*cells, strict=True)]


def _put_interval_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the interval next to the estimate."""
    limits = ["conf_low", "conf_high"]
    if not {"estimate", *limits} <= set(table.columns):
        return table
    others = [column for column in table.columns if column not in limits]
    place = others.index("estimate") + 1
    return table[[*others[:place], *limits, *others[place:]]]


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def heading_of(column: str) -> str:
    """Return the heading of a column on the page."""
    return HEADINGS.get(column, column.replace("_", " "))


def typeset(text: str) -> str:
    r"""Return the text with a true minus sign before each negative number.

    Examples
    --------
    >>> typeset("-£250, from -1.5 to 2; dated 2013-05-09")
    '−\u2060£250, from −1.5 to 2; dated 2013-05-09'
    """
    # A line may break between a minus and a pound sign: the word joiner forbids it.
    return _HYPHEN_MINUS.sub("−", text).replace("−£", "−\N{WORD JOINER}£")


def same_decimals(numbers: Sequence[float], low: float, high: float) -> list[str]:
    """Return numbers with as many decimals as their interval is worth, the same for all.

    Half of the interval's width keeps two or three digits. Without a finite interval each
    number is written alone.

    Examples
    --------
    >>> same_decimals([3.487, 1.595, 5.38], 1.595, 5.38)
    ['3.49', '1.60', '5.38']
    """
    half = abs(high - low) / 2
    if not math.isfinite(half) or half == 0:
        return [typeset(format_value(number)) for number in numbers]
    limits = ((100.0, 0), (10.0, 1), (1.0, 2), (0.1, 3))
    decimals = next((places for limit, places in limits if half >= limit), 4)
    return [typeset(round_half_up(number, decimals)) for number in numbers]


def phrase_interval(low: float, high: float) -> str:
    """Return the two limits as the page shows them, such as ``−0.12 to 3.40``."""
    first, last = same_decimals([low, high], low, high)
    return f"{first} to {last}"


def phrase_estimate(row: Mapping[Hashable, Any]) -> str:
    """Return an estimate with its interval, such as ``1.62 (−0.12 to 3.40)``."""
    low, high = row["conf_low"], row["conf_high"]
    estimate, first, last = same_decimals([row["estimate"], low, high], low, high)
    return f"{estimate} ({first} to {last})"


def phrase_p(p_value: float) -> str:
    """Return a p-value with its sign, such as ``p = 0.031``."""
    text = format_value(p_value, "p_value")
    return f"p {text[0]} {text[1:]}" if text.startswith("<") else f"p = {text}"


def _interval_cells(table: pd.DataFrame) -> list[str]:
    pairs = zip(table["conf_low"], table["conf_high"], strict=True)
    return [phrase_interval(low, high) if low == low else "" for low, high in pairs]


def _estimate_cells(table: pd.DataFrame) -> list[str]:
    columns = (table[name] for name in ("estimate", "conf_low", "conf_high"))
    return [
        same_decimals([estimate], low, high)[0] if estimate == estimate else ""
        for estimate, low, high in zip(*columns, strict=True)
    ]
