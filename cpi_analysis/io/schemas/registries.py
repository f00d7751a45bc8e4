"""Tables that say what the codes of other tables mean: timepoints, measures, unit costs."""

from __future__ import annotations

import pandera.pandas as pa

from cpi_analysis.io.schemas.fields import (
    boolean,
    category,
    identifier,
    integer,
    number,
    rules,
    text,
)
from cpi_analysis.io.schemas.people import Absent, Column

COST_UNITS = ("contact", "hour", "minute", "day", "week", "session")
PERSPECTIVES = ("nhs_pss", "societal")


class Timepoints(pa.DataFrameModel):
    """The scheduled interviews; the baseline is the one with the lowest order."""

    timepoint: Column = identifier("name of the scheduled interview")
    months: Column = number(
        "months since recruitment", unit="months", minimum=0, maximum=600, nullable=False
    )
    order: Column = integer("position in time", minimum=0, maximum=1_000, nullable=False)

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(row="a scheduled interview", key=("timepoint",), required=True)


class Measures(pa.DataFrameModel):
    """The measures that `measurements` may hold."""

    measure: Column = identifier("name of the measure")
    label: Column = text("name for readers", nullable=False)
    unit: Column = text("unit of the value", nullable=False)
    minimum: Column = number("lowest value that is possible; empty when there is none")
    maximum: Column = number("highest value that is possible; empty when there is none")
    is_higher_better: Column = boolean("whether a higher value is a better one")

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(row="a measure", key=("measure",))


class UnitCosts(pa.DataFrameModel):
    """The prices of services."""

    service: Column = identifier("name of the service")
    unit: Column = category("what the price is for", allowed=COST_UNITS, nullable=False)
    unit_cost_gbp: Column = number(
        "price of one unit", unit="GBP", minimum=0, maximum=1_000_000, nullable=False
    )
    price_year: Column = text("financial year of the price, such as 2012/13", nullable=False)
    perspective: Absent = category("whose cost it is", allowed=PERSPECTIVES)
    sector: Absent = text("who provides or bears it, such as NHS, social care, informal care")
    unit_cost_std_error: Absent = number(
        "standard error of the price, for its uncertainty", unit="GBP", minimum=0
    )
    source: Column = text("where the price comes from", nullable=False)
    is_verified: Column = boolean("whether the price was checked in its source", nullable=False)
    # Last: the name hides the function of the other columns.
    category: Absent = text("group of services that tables add up, such as community care")

    class Config:
        """Rules of the table."""

        strict = True
        metadata = rules(row="the price of one service", key=("service",))
