"""Use of services and costs by group: the tables that a report of an evaluation begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from cpi_analysis.economics.checks import check_choice, check_columns, find_rows
from cpi_analysis.economics.cost_lines import KEY
from cpi_analysis.economics.costs import CostResult
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = ("service", "category", "sector", "perspective")
TOTAL = "total"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ResourceUseResult(Result):
    """How much of each service each group used.

    Parameters
    ----------
    price_year
        Price year of the unit costs beside.
    """

    title: ClassVar[str] = "Use of services"

    price_year: str

    def summary(self) -> str:
        """Return the most widely used service in words."""
        row = self.estimates.nlargest(1, "proportion").to_dict("records")[0]
        return (
            f"Most widely used: {row['service']}, by {row['proportion']:.0%} of "
            f"{int(row['n'])} people ({row['group']}, {row['timepoint']})."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_grouped_bars

        last = self.estimates["timepoint"].iloc[-1]
        rows = self.estimates[self.estimates["timepoint"] == last]
        wide = rows.pivot(index="service", columns="group", values="proportion")
        draw_grouped_bars(ax, wide, label=f"Share of people who used it, {last}")
        ax.set_xlim(0, 1)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CostTableResult(Result):
    """Mean costs by category and group, with the total.

    Parameters
    ----------
    price_year, perspective
        The choices behind the costs.
    """

    title: ClassVar[str] = "Costs by category"

    price_year: str
    perspective: str

    def summary(self) -> str:
        """Return the mean total of each group at each timepoint in words."""
        rows = self.estimates[self.estimates["category"] == TOTAL]
        phrases = [
            f"{row['timepoint']}, {row['group']} {phrase_money(row['mean'])} (n = {int(row['n'])})"
            for row in rows.to_dict("records")
            if row["n"] > 0
        ]
        return f"Mean total cost, {self.price_year} prices: {'; '.join(phrases)}."

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_grouped_bars

        last = self.estimates["timepoint"].iloc[-1]
        rows = self.estimates[self.estimates["timepoint"] == last]
        rows = rows[rows["category"] != TOTAL]
        wide = rows.pivot(index="category", columns="group", values="mean").fillna(0.0)
        draw_grouped_bars(ax, wide, label=f"Mean cost per person, {last} (£)")


def compute_resource_use(
    costs: CostResult, *, participants: pd.DataFrame, group: str
) -> ResourceUseResult:
    """Describe how much of each service each group used, in the unit of its price.

    Parameters
    ----------
    costs
        From :func:`compute_costs`.
    participants
        ``participant_id`` and the column of the group.
    group
        Column of the group, such as ``arm``.

    Returns
    -------
    ResourceUseResult
        By timepoint, group and service: ``unit``, ``n`` whose quantity is known, ``n_missing``,
        ``proportion`` of them who used it, ``mean`` and ``std_dev`` of the quantity over all of
        them, ``unit_cost``. Quantities are those of the recall window, never scaled.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E030 a person of the costs is not in ``participants``.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.economics import compute_costs
    >>> use = pd.DataFrame({
    ...     "participant_id": ["p1", "p2"], "timepoint": "m9", "service": "gp",
    ...     "is_used": [True, False], "contacts": [3, 0],
    ... })
    >>> prices = pd.DataFrame({
    ...     "service": ["gp"], "unit": "contact", "unit_cost_gbp": 45.0, "price_year": "2012/13",
    ... })
    >>> costs = compute_costs(use, prices, perspective="nhs_pss", recall="as_recorded")
    >>> people = pd.DataFrame({"participant_id": ["p1", "p2"], "arm": "comparison"})
    >>> table = compute_resource_use(costs, participants=people, group="arm").tidy()
    >>> table[["proportion", "mean"]].to_numpy().tolist()
    [[0.5, 1.5]]
    """
    lines = _join_groups(costs.lines, participants, group)
    lines["is_used"] = (lines["quantity"] > 0).astype(float).where(lines["quantity"].notna())
    by = lines.groupby(["timepoint", "group", "service"], sort=True)
    table = by["quantity"].agg(n="count", rows="size", mean="mean", std_dev="std")
    table = table.assign(
        n_missing=table["rows"] - table["n"],
        proportion=by["is_used"].mean(),
        unit=by["unit"].first(),
        unit_cost=by["unit_cost_gbp"].first(),
    ).reset_index()
    columns = ["timepoint", "group", "service", "unit", "n", "n_missing", "proportion"]
    return ResourceUseResult(
        estimates=table[[*columns, "mean", "std_dev", "unit_cost"]],
        n_participants=int(lines["participant_id"].nunique()),
        n_agencies=None,
        method=f"as recorded in the recall window; {costs.price_year} prices",
        notes=costs.notes,
        price_year=costs.price_year,
    )


def compute_cost_table(
    costs: CostResult, *, participants: pd.DataFrame, group: str, by: str = "category"
) -> CostTableResult:
    """Describe costs by category, sector or payer in each group, with the total.

    Parameters
    ----------
    costs
        From :func:`compute_costs`.
    participants
        ``participant_id`` and the column of the group.
    group
        Column of the group, such as ``arm``.
    by
        What is added up: ``"service"``, ``"category"``, ``"sector"`` or ``"perspective"`` (the
        payer), as in the table of unit costs.

    Returns
    -------
    CostTableResult
        By timepoint, group and category: ``n`` whose cost is known, ``n_missing``, ``mean`` and
        ``std_dev`` in GBP. A category is missing for a person when one of its services is, the
        ``total`` when any is: with missing values the categories need not add up to it.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E030 a person of the costs is not in ``participants``,
        E045 ``by`` is not one of its choices.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.economics import compute_costs
    >>> use = pd.DataFrame({
    ...     "participant_id": ["p1", "p1"], "timepoint": "m9", "service": ["gp", "nurse"],
    ...     "is_used": True, "contacts": [2, 1],
    ... })
    >>> prices = pd.DataFrame({
    ...     "service": ["gp", "nurse"], "unit": "contact", "unit_cost_gbp": [45.0, 20.0],
    ...     "price_year": "2012/13", "category": "primary care",
    ... })
    >>> costs = compute_costs(use, prices, perspective="nhs_pss", recall="as_recorded")
    >>> people = pd.DataFrame({"participant_id": ["p1"], "arm": "comparison"})
    >>> table = compute_cost_table(costs, participants=people, group="arm").tidy()
    >>> table[["category", "mean"]].to_numpy().tolist()
    [['primary care', 110.0], ['total', 110.0]]
    """
    check_choice(by, argument="by", allowed=LEVELS)
    lines = _join_groups(costs.lines, participants, group)
    keys = [*KEY, "group", by]
    sums = lines.groupby(keys, sort=True)["cost"].agg(cost="sum", known="count", rows="size")
    sums["cost"] = sums["cost"].where(sums["known"] == sums["rows"])
    parts = sums[["cost"]].reset_index().rename(columns={by: "category"})
    totals = _join_groups(costs.totals, participants, group)
    totals = totals.rename(columns={"total_cost": "cost"}).assign(category=TOTAL)
    rows = pd.concat([parts, totals[parts.columns]], ignore_index=True)
    rows["is_total"] = rows["category"] == TOTAL
    grouped = rows.groupby(["timepoint", "group", "is_total", "category"], sort=True)["cost"]
    measured = grouped.agg(n="count", rows="size", mean="mean", std_dev="std")
    table = measured.assign(n_missing=measured["rows"] - measured["n"]).reset_index()
    columns = ["timepoint", "group", "category", "n", "n_missing", "mean", "std_dev"]
    return CostTableResult(
        estimates=table[columns],
        n_participants=int(lines["participant_id"].nunique()),
        n_agencies=None,
        method=f"{costs.method}; added up by {by}",
        estimand=costs.estimand,
        notes=costs.notes,
        price_year=costs.price_year,
        perspective=costs.perspective,
    )


def _join_groups(rows: pd.DataFrame, participants: pd.DataFrame, group: str) -> pd.DataFrame:
    check_table(participants, "participants")
    check_columns(participants, ["participant_id", group], table="participants")
    known = participants.drop_duplicates("participant_id").set_index("participant_id")[group]
    joined = rows.assign(group=rows["participant_id"].map(known))
    unknown = joined["group"].isna().to_numpy(dtype=bool)
    if unknown.any():
        raise DataError(
            Fault(
                code="CPI-E030",
                table="service_use",
                column="participant_id",
                rows=find_rows(unknown),
                rule="the person has no group in the table participants",
                cure="add the person, or leave their use of services out",
            )
        )
    return joined.assign(group=joined["group"].astype(str))
