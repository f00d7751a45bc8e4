"""The unit costs that an analysis uses: one perspective, one price year, every service priced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cpi_analysis.economics.checks import check_columns, find_rows
from cpi_analysis.economics.wording import phrase_list
from cpi_analysis.errors import DataError, Fault

PERSPECTIVES = ("nhs_pss", "societal")

#: Minutes in the units that price time.
TIMED_UNITS = {"hour": 60.0, "minute": 1.0}

#: Units that price a contact as it is counted.
COUNTED_UNITS = ("contact", "session", "day", "week")

_COLUMNS = ("service", "unit", "unit_cost_gbp", "price_year")


@dataclass(frozen=True, kw_only=True, eq=False)
class SelectedPrices:
    """Unit costs of the services that count, their price year, and what to say about them."""

    table: pd.DataFrame
    price_year: str
    notes: tuple[str, ...]


def select_unit_costs(
    unit_costs: pd.DataFrame, *, services: pd.Series, perspective: str, price_year: str | None
) -> SelectedPrices:
    """Return the unit costs of the services used, after checking them.

    Raises
    ------
    DataError
        All faults at once: a service without unit cost, an unknown unit, a price that is
        missing or negative, more than one price year.
    """
    check_columns(unit_costs, _COLUMNS, table="unit_costs")
    used = set(services.dropna().unique())
    prices = unit_costs[unit_costs["service"].isin(used)].reset_index(drop=True)
    payer = _read_perspective(prices)
    is_counted = (payer == "nhs_pss") | (perspective == "societal")
    faults = [*_find_unpriced(services, prices), *_find_broken(unit_costs, used)]
    counted = prices[is_counted]
    years = sorted(counted["price_year"].dropna().unique())
    year = price_year or (years[0] if len(years) == 1 else None)
    faults += _find_other_years(counted, year, years)
    if faults:
        raise DataError(faults)
    return SelectedPrices(
        table=_describe(counted, payer[is_counted]),
        price_year=str(year),
        notes=_remark(prices, counted, perspective),
    )


def _describe(prices: pd.DataFrame, payer: pd.Series) -> pd.DataFrame:
    """Return each price with whose it is and what it counts to; nothing is guessed.

    A service without a category is one by itself, and without a sector it has its payer's.
    """
    table = prices[["service", "unit", "unit_cost_gbp"]].copy()
    for column, otherwise in (("category", prices["service"]), ("sector", payer)):
        given = prices[column] if column in prices else pd.Series(pd.NA, index=prices.index)
        table[column] = given.astype(object).where(given.notna(), otherwise)
    table["perspective"] = payer
    return table


def _read_perspective(prices: pd.DataFrame) -> pd.Series:
    if "perspective" not in prices:
        return pd.Series("nhs_pss", index=prices.index)
    return prices["perspective"].fillna("nhs_pss")


def _find_unpriced(services: pd.Series, prices: pd.DataFrame) -> list[Fault]:
    unpriced = services.notna() & ~services.isin(prices["service"])
    if not unpriced.any():
        return []
    return [
        Fault(
            code="CPI-E046",
            table="service_use",
            column="service",
            rows=find_rows(unpriced),
            rule="each service must have a row in the table unit_costs",
            cure="add a row for the service to unit_costs, or correct its name; a price of 0 "
            "must be said",
        )
    ]


def _find_broken(unit_costs: pd.DataFrame, used: set[str]) -> list[Fault]:
    is_used = unit_costs["service"].isin(used)
    price = unit_costs["unit_cost_gbp"].to_numpy(dtype=float, na_value=np.nan)
    units = (*COUNTED_UNITS, *TIMED_UNITS)
    rules = (
        (
            "CPI-E013",
            "service",
            unit_costs["service"].duplicated(),
            "a service has one price",
            "remove the repeated rows",
            None,
        ),
        (
            "CPI-E023",
            "unit",
            ~unit_costs["unit"].isin(units),
            "the unit of a price is known",
            "use one of the units",
            ", ".join(units),
        ),
        (
            "CPI-E024",
            "unit_cost_gbp",
            ~(np.isfinite(price) & (price >= 0)),
            "a price is a number of pounds",
            "fill in the price",
            "0 or more",
        ),
        (
            "CPI-E014",
            "price_year",
            unit_costs["price_year"].isna(),
            "a price has its price year",
            'fill in the year, such as "2012/13"',
            None,
        ),
    )
    return [
        Fault(
            code=code,
            table="unit_costs",
            column=column,
            rows=find_rows(is_used & mask),
            rule=rule,
            cure=cure,
            allowed=allowed,
        )
        for code, column, mask, rule, cure, allowed in rules
        if (is_used & mask).any()
    ]


def _find_other_years(counted: pd.DataFrame, year: str | None, years: list[str]) -> list[Fault]:
    if year is not None and set(years) <= {year}:
        return []
    if year is None and not years:
        return []
    other = counted if year is None else counted[counted["price_year"] != year]
    other = other.dropna(subset=["price_year"])
    listed = [f"{s} ({y})" for s, y in zip(other["service"], other["price_year"], strict=True)]
    return [
        Fault(
            code="CPI-E049",
            table="unit_costs",
            column="price_year",
            rule=f"all prices must be of {year or 'one year'}; of another year: "
            f"{', '.join(sorted(listed))}",
            cure="move the prices to one year: derive_price_year(unit_costs, price_year=..., "
            "price_index=...)",
            allowed=year,
        )
    ]


def _remark(prices: pd.DataFrame, counted: pd.DataFrame, perspective: str) -> tuple[str, ...]:
    notes = []
    left_out = sorted(set(prices["service"]) - set(counted["service"]))
    if left_out:
        notes.append(
            f"Outside the perspective {perspective}, and left out: {phrase_list(left_out)}."
        )
    if "is_verified" in counted:
        verified = int(counted["is_verified"].astype("boolean").fillna(False).sum())
        notes.append(
            f"{verified} of {len(counted)} unit costs are verified against their source; the "
            "others are recalled or assumed."
        )
    return tuple(notes)
