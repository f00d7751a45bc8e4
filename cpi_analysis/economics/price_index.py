"""Moving unit costs from one price year to another with a named index."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from cpi_analysis.economics.checks import check_choice, check_columns, find_rows
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_table

#: Level that a series known by its changes has in the year before the first of them.
BASE = 100.0


@dataclass(frozen=True, kw_only=True, eq=False)
class PriceIndex:
    """Levels of a price index by financial year.

    Parameters
    ----------
    name, title, source
        What it is and where it comes from.
    status
        ``V`` verified, ``D`` derived, ``A`` assumed, ``U`` given by the user.
    levels
        Level of each year, such as ``{"2012/13": 287.3}``; only ratios have a meaning.
    """

    name: str
    title: str
    source: str
    status: str
    levels: Mapping[str, float]

    def factor(self, from_year: str, to_year: str) -> float:
        """Return what a price of one year is multiplied by to become one of another."""
        absent = [year for year in (from_year, to_year) if year not in self.levels]
        if absent:
            raise DataError(_fault_year(self, absent))
        return self.levels[to_year] / self.levels[from_year]


def list_price_indices() -> tuple[str, ...]:
    """Return the names of the indices in the package.

    Examples
    --------
    >>> list_price_indices()[0]
    'hchs_pay_and_prices'
    """
    return tuple(_read_file())


def load_price_index(name: str) -> PriceIndex:
    """Return one of the indices in the package.

    Parameters
    ----------
    name
        One of :func:`list_price_indices`. A name such as "hchs" is not enough: the series with
        pay and the one of prices alone differ by several per cent within a few years.

    Raises
    ------
    DataError
        CPI-E045 the name is not known.

    Examples
    --------
    >>> round(load_price_index("hchs_pay_and_prices").factor("2012/13", "2016/17"), 5)
    1.05221
    """
    check_choice(name, argument="price_index", allowed=list_price_indices())
    entry = _read_file()[name]
    return PriceIndex(
        name=name,
        title=entry["title"],
        source=entry["source"],
        status=entry["status"],
        levels=_build_levels(entry),
    )


def derive_price_year(
    unit_costs: pd.DataFrame, *, price_year: str, price_index: str | Mapping[str, float]
) -> pd.DataFrame:
    """Move every unit cost to one price year.

    Parameters
    ----------
    unit_costs
        ``unit_cost_gbp`` and ``price_year``, one row per service; other columns stay.
    price_year
        The year of the analysis, such as ``"2012/13"``.
    price_index
        Name of an index in the package, or levels by year. Health and social care have indices
        of their own: move the rows of each with the one that is theirs.

    Returns
    -------
    DataFrame
        The same rows. ``unit_cost_gbp`` and ``price_year`` are of the year asked for;
        ``original_unit_cost_gbp``, ``original_price_year``, ``price_factor`` and
        ``price_index`` say how. ``is_verified`` is false where the price was moved: the
        product was not read in a source. A ``unit_cost_std_error`` moves along.

    Raises
    ------
    DataError
        CPI-E014 a price without year, E045 an index or year that is not known, E024 a price
        that is no number or a level that is not above 0.

    Notes
    -----
    Price × index[to]/index[from].

    Examples
    --------
    >>> import pandas as pd
    >>> prices = pd.DataFrame(
    ...     {"service": ["gp"], "unit_cost_gbp": [36.0], "price_year": ["2010/11"]}
    ... )
    >>> moved = derive_price_year(
    ...     prices, price_year="2012/13", price_index="hchs_pay_and_prices"
    ... )
    >>> round(float(moved["unit_cost_gbp"][0]), 2), moved["original_price_year"][0]
    (37.38, '2010/11')
    """
    check_table(unit_costs, "unit_costs")
    check_columns(unit_costs, ["unit_cost_gbp", "price_year"], table="unit_costs")
    index = _take_index(price_index)
    years = unit_costs["price_year"]
    _check_prices(unit_costs, index, price_year)
    factor = years.map({year: index.factor(year, price_year) for year in years.unique()})
    factor = factor.astype(float)
    moved = unit_costs.assign(
        original_unit_cost_gbp=unit_costs["unit_cost_gbp"],
        original_price_year=years,
        price_factor=factor,
        price_index=index.name,
        unit_cost_gbp=unit_costs["unit_cost_gbp"] * factor,
        price_year=price_year,
    )
    if "unit_cost_std_error" in moved:
        moved["unit_cost_std_error"] = moved["unit_cost_std_error"] * factor
    if "is_verified" in moved:
        is_same = (years == price_year).astype("boolean")
        moved["is_verified"] = moved["is_verified"].astype("boolean") & is_same
    return moved


def _check_prices(unit_costs: pd.DataFrame, index: PriceIndex, price_year: str) -> None:
    years = unit_costs["price_year"]
    faults = []
    if years.isna().any():
        faults.append(
            Fault(
                code="CPI-E014",
                table="unit_costs",
                column="price_year",
                rows=find_rows(years.isna()),
                rule="a price has its price year",
                cure='fill in the year, such as "2012/13"',
            )
        )
    price = pd.to_numeric(unit_costs["unit_cost_gbp"], errors="coerce").to_numpy(dtype=float)
    broken = ~(np.isfinite(price) & (price >= 0))
    if broken.any():
        faults.append(
            Fault(
                code="CPI-E024",
                table="unit_costs",
                column="unit_cost_gbp",
                rows=find_rows(broken),
                rule="a price is a number of pounds",
                cure="fill in the price",
                allowed="0 or more",
            )
        )
    wanted = [*years.dropna().unique(), price_year]
    absent = sorted({str(year) for year in wanted if year not in index.levels})
    if absent:
        faults.append(_fault_year(index, absent))
    if faults:
        raise DataError(faults)


def _fault_year(index: PriceIndex, absent: list[str]) -> Fault:
    return Fault(
        code="CPI-E045",
        column="price_year",
        rule=f"the index {index.name} has no level for {', '.join(absent)}",
        cure='write years as "2012/13", or take an index that reaches them',
        allowed=", ".join(index.levels),
    )


def _take_index(price_index: str | Mapping[str, float]) -> PriceIndex:
    if isinstance(price_index, str):
        return load_price_index(price_index)
    levels = {str(year): float(level) for year, level in price_index.items()}
    if not levels or any(not 0 < level < np.inf for level in levels.values()):
        raise DataError(
            Fault(
                code="CPI-E024",
                column="price_index",
                rule="the level of an index is a number above 0",
                cure="give a level for each year",
                allowed="more than 0",
            )
        )
    return PriceIndex(
        name="given by the user",
        title="given by the user",
        source="given by the user",
        status="U",
        levels=levels,
    )


@cache
def _read_file() -> dict[str, Any]:
    file = files("cpi_analysis.economics").joinpath("data", "price_indices.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _build_levels(entry: Mapping[str, Any]) -> dict[str, float]:
    if "levels" in entry:
        return {year: float(level) for year, level in entry["levels"].items()}
    if "changes" in entry:
        return _accumulate(entry["changes"])
    first, second = (_build_levels(_read_file()[name]) for name in entry["chain"])
    link = entry["link"]
    scale = first[link] / second[link]
    early = {year: level for year, level in first.items() if year <= link}
    return early | {year: level * scale for year, level in second.items() if year > link}


def _accumulate(changes: Mapping[str, float]) -> dict[str, float]:
    """Return levels from changes on the year before, in per cent."""
    years = sorted(changes)
    start = int(years[0][:4]) - 1
    levels = {f"{start}/{(start + 1) % 100:02d}": BASE}
    for before, year in pairwise([next(iter(levels)), *years]):
        levels[year] = levels[before] * (1 + float(changes[year]) / 100)
    return levels
