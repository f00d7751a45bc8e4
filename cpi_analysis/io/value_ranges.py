"""The ranges that data declare: of measures in the table measures, of answers in scoring keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd

from cpi_analysis.errors import Fault
from cpi_analysis.io.labels import mark, split, spread
from cpi_analysis.io.schemas.validation import FaultMaker, is_missing_number

#: Codes for missing that no value of a measure has by chance, at either end.
HIGH_CODES = (999.0, 9999.0, 99999.0)
LOW_CODES = (-9.0, -99.0, -999.0)

Tables = Mapping[str, pd.DataFrame]


class KeyItem(Protocol):
    """What the check of answers needs to know of an item."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def minimum(self) -> int: ...  # noqa: D102
    @property
    def maximum(self) -> int: ...  # noqa: D102


class Key(Protocol):
    """What the check of answers needs to know of an instrument."""

    @property
    def items(self) -> tuple[Any, ...]: ...  # noqa: D102


def has_columns(tables: Tables, table: str, *columns: str) -> bool:
    """Return whether the table is there with these columns."""
    return table in tables and set(columns) <= set(tables[table].columns)


def find_unresolved(keys: pd.Series[Any], known: pd.Series[Any]) -> np.ndarray:
    """Return True where a key is given and not known."""
    codes, texts = split(keys)
    known_codes, known_texts = split(known)
    is_used = np.zeros(len(known_texts), dtype=bool)
    is_used[known_codes[known_codes >= 0]] = True
    resolved = set(known_texts[is_used].tolist())
    if resolved.issuperset(texts.tolist()):
        return np.zeros(len(keys), dtype=bool)
    return mark(np.array([text not in resolved for text in texts], dtype=bool), codes)


def check_measurements(
    tables: Tables, makers: Mapping[str, FaultMaker], *, are_derived: bool = False
) -> list[Fault]:
    """Return the faults of measures that are not known and of values outside their range.

    Where a measure has no limit on that side, a number such as 999 or -9 is refused too
    (CPI-E026): a file that uses it for missing would otherwise pass. Values that are derived,
    not read, are free of it.
    """
    faults = _check_limits(tables, makers)
    if not has_columns(tables, "measurements", "measure", "value"):
        return faults
    if not has_columns(tables, "measures", "measure", "minimum", "maximum"):
        return faults
    values, maker = tables["measurements"], makers["measurements"]
    measures = tables["measures"].dropna(subset=["measure"]).drop_duplicates("measure")
    unknown = find_unresolved(values["measure"], measures["measure"])
    if unknown.any():
        rule = "each measure must have a row in the table measures"
        cure = "add the measure with its label, unit and range to measures"
        faults.append(
            maker.fault("CPI-E034", column="measure", broken=unknown, rule=rule, cure=cure)
        )
    value = values["value"].to_numpy(dtype=float)
    low, high = (
        _limit_of(values["measure"], measures.set_index("measure")[name].to_dict())
        for name in ("minimum", "maximum")
    )
    outside = (value < low) | (value > high)
    if outside.any():
        faults += _range_faults(maker, values, outside, low, high)
    if not are_derived:
        faults += _open_ended_codes(maker, value, low, high)
    return faults


def _open_ended_codes(
    maker: FaultMaker, value: np.ndarray, low: np.ndarray, high: np.ndarray
) -> list[Fault]:
    no_maximum = np.isin(value, HIGH_CODES) & np.isnan(high)
    suspect = no_maximum | (np.isin(value, LOW_CODES) & np.isnan(low))
    if not suspect.any():
        return []
    rule = "the number looks like a code for missing, and its measure has no limit there"
    cure = (
        "declare the code under missing_codes in study.toml; if the value is real, declare a "
        "minimum and maximum for the measure"
    )
    return [maker.fault("CPI-E026", column="value", broken=suspect, rule=rule, cure=cure)]


def _limit_of(names: pd.Series[Any], limits: Mapping[Any, float]) -> np.ndarray:
    """Return for each row the limit of its measure or item, not a number where it has none."""
    codes, texts = split(names)
    per_text = np.array([limits.get(text, np.nan) for text in texts], dtype=float)
    return spread(per_text, codes, missing=np.nan)


def _range_faults(
    maker: FaultMaker, values: pd.DataFrame, outside: np.ndarray, low: np.ndarray, high: np.ndarray
) -> list[Fault]:
    """Return the faults of values outside their range, for each measure with its range."""
    suspect = _suspects(values["value"], outside)
    codes, measures = split(values["measure"])
    faults = []
    for code in np.unique(codes[outside]):
        rows = outside & (codes == code)
        first = np.flatnonzero(rows)[0]
        allowed = f"{measures[code]}: {_say_limits(low[first], high[first])}"
        if (rows & ~suspect).any():
            faults.append(
                maker.fault(
                    "CPI-E035",
                    column="value",
                    broken=rows & ~suspect,
                    allowed=allowed,
                    rule=f"each value of {measures[code]} must be in the range of the measure",
                    cure="correct the value, or the range of the measure",
                )
            )
        if (rows & suspect).any():
            faults.append(
                maker.fault("CPI-E026", column="value", broken=rows & suspect, allowed=allowed)
            )
    return faults


def _say_limits(low: float, high: float) -> str:
    if np.isnan(high):
        return f"from {low:g}"
    return f"up to {high:g}" if np.isnan(low) else f"{low:g} to {high:g}"


def _suspects(values: pd.Series[Any], outside: np.ndarray) -> np.ndarray:
    suspect = np.zeros(len(values), dtype=bool)
    suspect[outside] = is_missing_number(values[outside])
    return suspect


def _check_limits(tables: Tables, makers: Mapping[str, FaultMaker]) -> list[Fault]:
    if not has_columns(tables, "measures", "minimum", "maximum"):
        return []
    broken = (tables["measures"]["minimum"] > tables["measures"]["maximum"]).to_numpy(dtype=bool)
    if not broken.any():
        return []
    rule = "the minimum of a measure must not be above its maximum"
    maker = makers["measures"]
    return [
        maker.fault(
            "CPI-E024", column="minimum", broken=broken, rule=rule, cure="correct the range"
        )
    ]


def check_answers(
    responses: pd.DataFrame,
    instruments: Mapping[str, Key | None],
    *,
    maker: FaultMaker | None = None,
) -> tuple[Fault, ...]:
    """Return the faults of answers that do not fit their instrument.

    Parameters
    ----------
    responses
        The table ``responses``.
    instruments
        Name of each instrument and its scoring key; None when it is not known (CPI-E043).
    maker
        Knows the file and the row numbers; by default rows are counted from 1.

    Returns
    -------
    tuple of Fault
        Items that do not belong (CPI-E037), answers out of range (CPI-E036), and numbers out
        of range that look like a code for missing (CPI-E026).
    """
    maker = maker or FaultMaker("responses")
    faults: list[Fault] = []
    codes, names = split(responses["instrument"])
    for name in sorted(names[np.unique(codes[codes >= 0])]):
        rows = mark(names == name, codes)
        key = instruments.get(name)
        if key is None:
            rule = "each instrument must have a scoring key"
            cure = "correct the name, or name the instrument's file in analysis.instruments"
            faults.append(
                maker.fault("CPI-E043", column="instrument", broken=rows, rule=rule, cure=cure)
            )
            continue
        faults += _check_items(responses, rows, key, maker)
    return tuple(faults)


def _check_items(
    responses: pd.DataFrame, rows: np.ndarray, key: Key, maker: FaultMaker
) -> list[Fault]:
    items: dict[str, KeyItem] = {item.id: item for item in key.items}
    low = _limit_of(responses["item"], {name: item.minimum for name, item in items.items()})
    high = _limit_of(responses["item"], {name: item.maximum for name, item in items.items()})
    answer = responses["answer"].to_numpy(dtype=float)
    foreign = rows & find_unresolved(responses["item"], pd.Series(list(items)))
    outside = rows & ((answer < low) | (answer > high))
    suspect = _suspects(responses["answer"], outside)
    faults = []
    if foreign.any():
        rule = "each item must belong to its instrument"
        cure = "correct the item or the instrument"
        faults.append(
            maker.fault(
                "CPI-E037",
                column="item",
                broken=foreign,
                rule=rule,
                cure=cure,
                allowed=", ".join(items),
            )
        )
    limits = sorted({(item.minimum, item.maximum) for item in items.values()})
    for minimum, maximum in limits:
        here = outside & (low == minimum) & (high == maximum)
        faults += _answer_faults(maker, here & ~suspect, here & suspect, f"{minimum} to {maximum}")
    return faults


def _answer_faults(
    maker: FaultMaker, broken: np.ndarray, suspect: np.ndarray, allowed: str
) -> list[Fault]:
    faults = []
    if broken.any():
        rule = "each answer must be in the range of its item"
        cure = "correct the answer, or declare the code under missing_codes in study.toml"
        faults.append(
            maker.fault(
                "CPI-E036", column="answer", broken=broken, rule=rule, cure=cure, allowed=allowed
            )
        )
    if suspect.any():
        faults.append(maker.fault("CPI-E026", column="answer", broken=suspect, allowed=allowed))
    return faults
