"""Costs from the use of services and their unit costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_choice, check_columns, find_rows
from cpi_analysis.economics.unit_costs import PERSPECTIVES, TIMED_UNITS, select_unit_costs
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

RECALL_RULES = ("as_recorded", "scaled_to_interval")

_KEY = ["participant_id", "timepoint"]
_USE_COLUMNS = [*_KEY, "service", "is_used", "contacts"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CostResult(Result):
    """Costs by service and timepoint, with the lines and totals behind them.

    Parameters
    ----------
    lines
        One row per participant, timepoint and service: ``unit_cost_gbp``, ``quantity`` (in the
        unit of the price), ``scale_factor`` (interval over recall window, 1 as recorded),
        ``cost`` in GBP.
    totals
        ``participant_id, timepoint, total_cost``; missing when any service's cost is.
    perspective, price_year, recall
        The choices made.
    """

    title: ClassVar[str] = "Costs by service"

    lines: pd.DataFrame
    totals: pd.DataFrame
    perspective: str
    price_year: str
    recall: str

    def summary(self) -> str:
        """Return the mean total cost at each timepoint in words."""
        means = self.totals.groupby("timepoint", sort=False)["total_cost"].agg(["mean", "count"])
        phrases = [
            f"{timepoint} {phrase_money(row['mean'])} (n = {int(row['count'])})"
            for timepoint, row in means.iterrows()
            if row["count"]
        ]
        return f"Mean cost per participant, {self.price_year} prices: {'; '.join(phrases)}."

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_bars

        labels = self.estimates["category"] + ", " + self.estimates["timepoint"]
        means = self.estimates["mean"].fillna(0.0)
        draw_bars(ax, labels.tolist(), means.tolist(), label="Mean cost per participant (£)")


def compute_costs(
    service_use: pd.DataFrame,
    unit_costs: pd.DataFrame,
    *,
    perspective: str,
    recall: str,
    price_year: str | None = None,
    recall_months: float | Mapping[str, float] | None = None,
    interval_months: Mapping[str, float] | None = None,
) -> CostResult:
    """Price the services that each participant used.

    Parameters
    ----------
    service_use
        ``participant_id, timepoint, service, is_used, contacts`` and, for services priced by
        time, ``minutes_per_contact``: one row per service that was asked about.
    unit_costs
        ``service, unit, unit_cost_gbp, price_year`` and optionally ``perspective``
        (``nhs_pss`` when empty), ``is_verified``. Units: contact, session, day, week; or hour
        and minute, which multiply contacts by minutes per contact.
    perspective
        ``"nhs_pss"``, or ``"societal"``, which adds the services of all other payers.
    recall
        ``"as_recorded"``: the cost of the recall window. ``"scaled_to_interval"``: times the
        months since the previous interview over the months of the recall window.
    price_year
        The price year of the analysis; when not given, all unit costs must share one.
    recall_months
        Length of the recall window, one for all or by timepoint; needed for scaling.
    interval_months
        Months since the previous interview, by timepoint; needed for scaling. A timepoint
        that is not named (the baseline) is not scaled.

    Returns
    -------
    CostResult

    Raises
    ------
    DataError
        When a service has no unit cost, price years differ, a quantity is negative, or a
        choice is missing.

    Notes
    -----
    Not used: cost 0, whatever the other cells. Used, with contacts missing: missing. Minutes
    missing: missing when the price is by time. Whether used missing: taken from contacts when
    they are there. A service that was asked about at a timepoint but has no row for a
    participant makes the participant's total missing, not smaller.

    Examples
    --------
    >>> import pandas as pd
    >>> use = pd.DataFrame({
    ...     "participant_id": ["p1", "p1"], "timepoint": ["baseline"] * 2,
    ...     "service": ["gp", "nurse"], "is_used": [True, True], "contacts": [2, 3],
    ...     "minutes_per_contact": [None, 20],
    ... })
    >>> prices = pd.DataFrame({
    ...     "service": ["gp", "nurse"], "unit": ["contact", "hour"],
    ...     "unit_cost_gbp": [45.0, 60.0], "price_year": ["2012/13"] * 2,
    ... })
    >>> compute_costs(use, prices, perspective="nhs_pss", recall="as_recorded").totals[
    ...     "total_cost"].tolist()
    [150.0]
    """
    check_choice(perspective, argument="perspective", allowed=PERSPECTIVES)
    check_choice(recall, argument="recall", allowed=RECALL_RULES)
    check_columns(service_use, _USE_COLUMNS, table="service_use")
    _check_quantities(service_use)
    prices = select_unit_costs(
        unit_costs, services=service_use["service"], perspective=perspective, price_year=price_year
    )
    lines = _price_lines(service_use, prices.table)
    lines["scale_factor"] = _find_factors(
        lines["timepoint"], recall, recall_months=recall_months, interval_months=interval_months
    )
    lines["cost"] = lines["quantity"] * lines["unit_cost_gbp"] * lines["scale_factor"]
    totals, n_absent = _sum_totals(lines, service_use)
    return CostResult(
        estimates=_summarise(lines),
        n_participants=int(service_use["participant_id"].nunique()),
        n_agencies=None,
        method=f"contacts times unit cost; perspective {perspective}; {prices.price_year} prices; "
        f"recall window {recall.replace('_', ' ')}",
        estimand="mean cost per participant over one recall window"
        + (", scaled to the interval between interviews" if recall == RECALL_RULES[1] else ""),
        notes=(*prices.notes, *_remark(service_use, lines, n_absent)),
        lines=lines,
        totals=totals,
        perspective=perspective,
        price_year=prices.price_year,
        recall=recall,
    )


def _check_quantities(service_use: pd.DataFrame) -> None:
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


def _price_lines(service_use: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    lines = service_use[service_use["service"].isin(prices["service"])]
    lines = lines.merge(prices, on="service", how="left", validate="many_to_one")
    contacts = lines["contacts"].to_numpy(dtype=float, na_value=np.nan)
    minutes = (
        lines["minutes_per_contact"].to_numpy(dtype=float, na_value=np.nan)
        if "minutes_per_contact" in lines
        else np.full(len(lines), np.nan)
    )
    per_contact = np.ones(len(lines))
    for unit, minutes_in_unit in TIMED_UNITS.items():
        per_contact = np.where(lines["unit"] == unit, minutes / minutes_in_unit, per_contact)
    is_unused = (~lines["is_used"].astype("boolean")).fillna(False).to_numpy(dtype=bool)
    is_zero = is_unused | (contacts == 0)
    lines["quantity"] = np.where(is_zero, 0.0, contacts * per_contact)
    columns = [*_KEY, "service", "unit", "unit_cost_gbp", "quantity"]
    return lines[columns].sort_values([*_KEY, "service"], kind="stable", ignore_index=True)


def _find_factors(
    timepoints: pd.Series,
    recall: str,
    *,
    recall_months: float | Mapping[str, float] | None,
    interval_months: Mapping[str, float] | None,
) -> FloatArray:
    if recall == "as_recorded":
        return np.ones(len(timepoints))
    if recall_months is None or interval_months is None:
        raise DataError(_fault_windows())
    scaled = [name for name in timepoints.unique() if name in interval_months]
    windows = (
        recall_months
        if isinstance(recall_months, Mapping)
        else dict.fromkeys(scaled, float(recall_months))
    )
    if any(not windows.get(name, 0) > 0 for name in scaled):
        raise DataError(_fault_windows())
    factors = {name: interval_months[name] / windows[name] for name in scaled}
    return timepoints.map(factors).fillna(1.0).to_numpy(dtype=float)


def _fault_windows() -> Fault:
    return Fault(
        code="CPI-E047",
        column="recall_months, interval_months",
        rule="scaling costs to the interval needs the recall window and the interval of each "
        "follow-up, both above 0",
        cure='give recall_months= and interval_months=, or choose recall="as_recorded"',
    )


def _sum_totals(lines: pd.DataFrame, service_use: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    expected = lines.groupby("timepoint")["service"].nunique()
    groups = lines.groupby(_KEY, sort=True)["cost"]
    total, known, rows = groups.sum(), groups.count(), groups.size()
    needed = expected.reindex(rows.index.get_level_values("timepoint")).to_numpy()
    is_complete = (rows.to_numpy() == needed) & (known.to_numpy() == needed)
    totals = total.where(is_complete).rename("total_cost")
    everyone = pd.MultiIndex.from_frame(service_use[_KEY].drop_duplicates().sort_values(_KEY))
    return totals.reindex(everyone).reset_index(), int((rows.to_numpy() < needed).sum())


def _summarise(lines: pd.DataFrame) -> pd.DataFrame:
    groups = lines.groupby(["timepoint", "service"], sort=True)["cost"]
    table = groups.agg(n="count", mean="mean", std_dev="std", rows="size").reset_index()
    table["n_missing"] = table.pop("rows") - table["n"]
    return table.rename(columns={"service": "category"})


def _remark(service_use: pd.DataFrame, lines: pd.DataFrame, n_absent: int) -> tuple[str, ...]:
    used = service_use["is_used"].astype("boolean").fillna(False)
    n_contacts = int((used & service_use["contacts"].isna()).sum())
    n_missing = int(lines["cost"].isna().sum())
    notes = []
    if n_contacts:
        notes.append(f"{n_contacts} services were used with contacts missing: cost missing.")
    if n_missing:
        notes.append(f"{n_missing} of {len(lines)} lines have no cost, nor have their totals.")
    if n_absent:
        notes.append(
            f"{n_absent} interviews lack a row for a service that others were asked about at the "
            "same timepoint: their totals are missing."
        )
    factors = lines.loc[lines["scale_factor"] != 1, ["timepoint", "scale_factor"]]
    notes += [
        f"Costs at {timepoint} are multiplied by {factor:.4g} (interval over recall window)."
        for timepoint, factor in factors.drop_duplicates().itertuples(index=False)
    ]
    return tuple(notes)
