"""Rules for the use of services: each used service has a price, and what is counted was used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cpi_analysis.errors import Fault
from cpi_analysis.io.schemas.validation import FaultMaker
from cpi_analysis.io.value_ranges import find_unresolved, has_columns

Tables = Mapping[str, pd.DataFrame]
Makers = Mapping[str, FaultMaker]


def check_service_use(tables: Tables, makers: Makers) -> list[Fault]:
    """Return the rows of services that have no price, or contacts without use.

    A trial without the table ``unit_costs`` prices nothing, so that nothing is missed there.
    """
    faults: list[Fault] = []
    if has_columns(tables, "service_use", "is_used", "contacts"):
        faults += _check_contacts(tables["service_use"], makers["service_use"])
    if has_columns(tables, "service_use", "service") and has_columns(
        tables, "unit_costs", "service"
    ):
        use, prices = tables["service_use"]["service"], tables["unit_costs"]["service"]
        broken = find_unresolved(use, prices)
        if broken.any():
            rule = "each service must have a row in the table unit_costs"
            cure = "add a row for the service to unit_costs, or correct its name; a price of 0 "
            cure += "must be said"
            faults.append(
                makers["service_use"].fault(
                    "CPI-E046", column="service", broken=broken, rule=rule, cure=cure
                )
            )
    return faults


def _check_contacts(table: pd.DataFrame, maker: FaultMaker) -> list[Fault]:
    # A cell of the wrong kind is missing here: it is reported already.
    is_unused = (~table["is_used"].astype("boolean")).fillna(False).to_numpy(dtype=bool)
    contacts = table["contacts"].to_numpy(dtype=float, na_value=np.nan)
    broken = is_unused & (contacts > 0)
    if not broken.any():
        return []
    return [
        maker.fault(
            "CPI-E024",
            column="contacts",
            broken=broken,
            rule="a service that was not used has no contacts",
            cure="correct is_used or contacts",
            allowed="0 or empty where is_used is false",
        )
    ]
