"""The use of services, checked and priced line by line."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cpi_analysis.economics.checks import find_rows
from cpi_analysis.economics.unit_costs import TIMED_UNITS
from cpi_analysis.errors import DataError, Fault

KEY = ["participant_id", "timepoint"]

#: What a line says about its service, from the table of unit costs.
SERVICE_COLUMNS = ["category", "sector", "perspective", "unit", "unit_cost_gbp"]


def check_quantities(service_use: pd.DataFrame) -> None:
    """Raise when contacts or minutes are impossible, or contradict that nothing was used."""
    faults = []
    for column in ("contacts", "minutes_per_contact"):
        if column not in service_use:
            continue
        values = service_use[column].to_numpy(dtype=float, na_value=np.nan)
        broken = (values < 0) | np.isinf(values)
        if broken.any():
            faults.append(
                Fault(
                    code="CPI-E024",
                    table="service_use",
                    column=column,
                    rows=find_rows(broken),
                    rule="a quantity is finite and not negative",
                    cure="correct the cells, or leave them empty when they are not known",
                    allowed="0 or more",
                )
            )
    used = service_use["is_used"].astype("boolean")
    conflict = (~used).fillna(False) & service_use["contacts"].gt(0).fillna(False)
    if conflict.any():
        faults.append(
            Fault(
                code="CPI-E024",
                table="service_use",
                column="contacts",
                rows=find_rows(conflict),
                rule="a service that was not used has no contacts",
                cure="correct is_used or contacts",
                allowed="0 or empty when is_used is false",
            )
        )
    if faults:
        raise DataError(faults)


def check_default_minutes(default_minutes: Mapping[str, float] | None) -> None:
    """Raise when a default duration is not above 0."""
    if any(not 0 < minutes < np.inf for minutes in (default_minutes or {}).values()):
        raise DataError(
            Fault(
                code="CPI-E024",
                column="default_minutes",
                rule="the duration of a contact is a number of minutes",
                cure="correct it, or leave the service out",
                allowed="more than 0",
            )
        )


def price_lines(
    service_use: pd.DataFrame,
    prices: pd.DataFrame,
    *,
    default_minutes: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return one line per person, timepoint and service that counts, with its quantity."""
    lines = service_use[service_use["service"].isin(prices["service"])]
    lines = lines.drop(columns=[name for name in SERVICE_COLUMNS if name in lines])
    lines = lines.merge(prices, on="service", how="left", validate="many_to_one")
    contacts = lines["contacts"].to_numpy(dtype=float, na_value=np.nan)
    minutes = (
        lines["minutes_per_contact"].to_numpy(dtype=float, na_value=np.nan)
        if "minutes_per_contact" in lines
        else np.full(len(lines), np.nan)
    )
    fallback = lines["service"].map(dict(default_minutes or {})).to_numpy(dtype=float)
    is_unused = (~lines["is_used"].astype("boolean")).fillna(False).to_numpy(dtype=bool)
    is_zero = is_unused | (contacts == 0)
    is_timed = lines["unit"].isin(TIMED_UNITS).to_numpy()
    lines["is_default_duration"] = (
        is_timed & np.isnan(minutes) & ~np.isnan(fallback) & ~is_zero & ~np.isnan(contacts)
    )
    minutes = np.where(np.isnan(minutes), fallback, minutes)
    per_contact = np.ones(len(lines))
    for unit, minutes_in_unit in TIMED_UNITS.items():
        per_contact = np.where(lines["unit"] == unit, minutes / minutes_in_unit, per_contact)
    lines["quantity"] = np.where(is_zero, 0.0, contacts * per_contact)
    columns = [*KEY, "service", *SERVICE_COLUMNS, "quantity", "is_default_duration"]
    return lines[columns].sort_values([*KEY, "service"], kind="stable", ignore_index=True)
