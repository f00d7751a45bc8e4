"""One small instance of each result of costing and of the main trial."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pandas as pd

from cpi_analysis import economics
from cpi_analysis.economics import CostResult
from cpi_analysis.results import Result


def make_use() -> pd.DataFrame:
    rows = [
        (f"p{person}", timepoint, service, True, person + 1, 20.0)
        for person in range(6)
        for timepoint in ("baseline", "m9")
        for service in ("gp", "nurse", "informal_care")
    ]
    columns = ["participant_id", "timepoint", "service", "is_used", "contacts"]
    return pd.DataFrame(rows, columns=[*columns, "minutes_per_contact"])


def make_prices() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "service": ["gp", "nurse", "informal_care"],
            "unit": ["contact", "hour", "hour"],
            "unit_cost_gbp": [45.0, 60.0, 12.0],
            "unit_cost_std_error": [5.0, 10.0, 3.0],
            "price_year": ["2012/13"] * 3,
            "perspective": ["nhs_pss", "nhs_pss", "societal"],
            "sector": ["NHS", "NHS", "informal care"],
            "category": ["primary care", "primary care", "informal care"],
        }
    )


def make_people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": [f"p{person}" for person in range(6)],
            "arm": ["intervention", "comparison"] * 3,
        }
    )


@cache
def make_costs() -> CostResult:
    return economics.compute_costs(
        make_use(), make_prices(), perspective="societal", recall="as_recorded"
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "CostTableResult": lambda: economics.compute_cost_table(
        make_costs(), participants=make_people(), group="arm"
    ),
    "ResourceUseResult": lambda: economics.compute_resource_use(
        make_costs(), participants=make_people(), group="arm"
    ),
}
