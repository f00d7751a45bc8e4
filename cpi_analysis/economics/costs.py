"""Costs from the use of services and their unit costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_choice, check_columns
from cpi_analysis.economics.cost_lines import (
    KEY,
    check_default_minutes,
    check_quantities,
    price_lines,
)
from cpi_analysis.economics.unit_costs import PERSPECTIVES, select_unit_costs
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

RECALL_RULES = ("as_recorded", "scaled_to_interval")

_USE_COLUMNS = [*KEY, "service", "is_used", "contacts"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CostResult(Result):
    """Costs by service and timepoint, with the lines and totals behind them.

    Parameters
    ----------
    lines
        One row per participant, timepoint and service: ``category, sector, perspective, unit,
        unit_cost_gbp``, ``quantity`` (in the unit of the price), ``is_default_duration`` (the
        minutes were not recorded, and taken from ``default_minutes``), ``scale_factor``
        (interval over recall window, 1 as recorded), ``cost`` in GBP.
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
    default_minutes: Mapping[str, float] | None = None,
) -> CostResult:
    """Price the services that each participant used.

    Parameters
    ----------
    service_use
        ``participant_id, timepoint, service, is_used, contacts`` and, for services priced by
        time, ``minutes_per_contact``: one row per service that was asked about.
    unit_costs
        ``service, unit, unit_cost_gbp, price_year`` and optionally ``perspective``
        (``nhs_pss`` when empty), ``category``, ``sector``, ``is_verified``. Units: contact,
        session, day, week; or hour and minute, which multiply contacts by minutes per contact.
    perspective
        ``"nhs_pss"``, or ``"societal"``, which adds the services of all other payers, informal
        care and lost work among them: each is a service with a price of its own.
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
    default_minutes
        Minutes per contact by service, for contacts whose minutes were not recorded; the notes
        say how often they were needed. Without it such a cost is missing.

    Returns
    -------
    CostResult
        By timepoint and service: ``category`` (the service), ``n, mean, std_dev, n_missing``
        and ``scale_factor``, 1 where the cost is that of the recall window as recorded.

    Raises
    ------
    DataError
        When a service has no unit cost, price years differ, a quantity is negative, or a
        choice is missing.

    Notes
    -----
    Not used: cost 0, whatever the other cells. Used, with contacts missing: missing. Minutes
    missing: the default of the service, else missing, when the price is by time. Whether used
    missing: taken from contacts when they are there. A service that was asked about at a
    timepoint but has no row for a participant makes the participant's total missing, not
    smaller.

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
    check_quantities(service_use)
    check_default_minutes(default_minutes)
    prices = select_unit_costs(
        unit_costs, services=service_use["service"], perspective=perspective, price_year=price_year
    )
    lines = price_lines(service_use, prices.table, default_minutes=default_minutes)
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
    groups = lines.groupby(KEY, sort=True)["cost"]
    total, known, rows = groups.sum(), groups.count(), groups.size()
    needed = expected.reindex(rows.index.get_level_values("timepoint")).to_numpy()
    is_complete = (rows.to_numpy() == needed) & (known.to_numpy() == needed)
    totals = total.where(is_complete).rename("total_cost")
    everyone = pd.MultiIndex.from_frame(service_use[KEY].drop_duplicates().sort_values(KEY))
    return totals.reindex(everyone).reset_index(), int((rows.to_numpy() < needed).sum())


def _summarise(lines: pd.DataFrame) -> pd.DataFrame:
    groups = lines.groupby(["timepoint", "service"], sort=True)
    measured = groups["cost"].agg(n="count", mean="mean", std_dev="std", rows="size")
    table = measured.assign(scale_factor=groups["scale_factor"].first()).reset_index()
    table.insert(5, "n_missing", table.pop("rows") - table["n"])
    named: pd.DataFrame = table.rename(columns={"service": "category"})
    return named


def _remark(service_use: pd.DataFrame, lines: pd.DataFrame, n_absent: int) -> tuple[str, ...]:
    used = service_use["is_used"].astype("boolean").fillna(False)
    n_contacts = int((used & service_use["contacts"].isna()).sum())
    n_missing = int(lines["cost"].isna().sum())
    notes = []
    if n_contacts:
        notes.append(f"{n_contacts} services were used with contacts missing: cost missing.")
    if n_missing:
        notes.append(f"{n_missing} of {len(lines)} lines have no cost, nor have their totals.")
    n_default = int(lines["is_default_duration"].sum())
    if n_default:
        notes.append(f"{n_default} lines have the default duration of their service.")
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
