"""What the intervention itself costs: training, spread over the people it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.economics.checks import check_columns, find_rows
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What each agency used. Days are days of one person.
QUANTITIES = ("worker_training_days", "supervisor_training_days", "trainer_days")
CATEGORIES = ("workers' time", "supervisors' time", "trainers", "materials")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InterventionCostResult(Result):
    """Cost of the intervention by agency.

    Parameters
    ----------
    by_category
        ``agency_id``, ``category`` and ``cost`` of the whole training.
    """

    title: ClassVar[str] = "Cost of the intervention"

    by_category: pd.DataFrame

    def summary(self) -> str:
        """Return the cost per person reached, in one sentence."""
        cost = self.estimates["cost_per_participant"]
        return (
            f"Training costs £{cost.mean():,.0f} for each person reached, on average over "
            f"{len(cost)} agencies (£{cost.min():,.0f} to £{cost.max():,.0f})."
        )

    def join(
        self,
        participants: pd.DataFrame,
        *,
        column: str = "intervention_cost",
        others: float | None = None,
    ) -> pd.DataFrame:
        """Return participants with the cost of their agency.

        Parameters
        ----------
        participants
            A table with ``agency_id``.
        column
            Name of the new column, in GBP for each participant.
        others
            Cost in agencies that have none here, such as 0 for those that were not trained.

        Raises
        ------
        DataError
            CPI-E030 an agency has no cost, and ``others`` does not say what it is.
        """
        check_table(participants, "participants")
        check_columns(participants, ["agency_id"], table="participants")
        cost = self.estimates.set_index("agency_id")["cost_per_participant"]
        unknown = ~participants["agency_id"].isin(cost.index)
        if others is None and unknown.any():
            raise DataError(
                Fault(
                    code="CPI-E030",
                    table="participants",
                    column="agency_id",
                    rows=find_rows(unknown),
                    rule="the agency has no cost of the intervention",
                    cure="add the agency to resources, or say what it cost elsewhere: others=0",
                )
            )
        values = participants["agency_id"].map(cost).astype(float)
        return participants.assign(**{column: values.where(~unknown, others)})

    def _draw(self, ax: Axes) -> None:
        colours = ("#0072B2", "#56B4E9", "#E69F00", "#999999")
        wide = self.by_category.pivot(index="agency_id", columns="category", values="cost")
        bottom = np.zeros(len(wide))
        for category, colour in zip(CATEGORIES, colours, strict=True):
            ax.bar(
                np.arange(len(wide)), wide[category], bottom=bottom, color=colour, label=category
            )
            bottom += wide[category].to_numpy()
        ax.set_xticks(np.arange(len(wide)), list(wide.index), rotation=45, ha="right")
        ax.set_xlabel("agency")
        ax.set_ylabel("cost of training (£)")
        ax.legend(frameon=False)


def compute_intervention_cost(
    resources: pd.DataFrame,
    *,
    worker_day_cost: float,
    supervisor_day_cost: float,
    trainer_day_cost: float,
    useful_life_years: float,
    period_years: float,
    discount_rate: float = 0.0,
) -> InterventionCostResult:
    """Compute the cost of training an agency, per person whom its workers reach.

    Training is paid once and lasts: its cost is spread over its useful life as an annuity, and
    the part that falls in the period of the evaluation is divided by the people whom the
    agency's trained workers reach in that period. It is a cost of the agency, the same for
    everybody in it, and must be resampled with the agency.

    Parameters
    ----------
    resources
        One row per agency: ``agency_id``; ``worker_training_days``,
        ``supervisor_training_days`` and ``trainer_days`` (days of one person);
        ``materials_gbp``; ``people_reached`` in the period, which is the workers' whole
        caseload and not only the participants of the study.
    worker_day_cost, supervisor_day_cost, trainer_day_cost
        GBP for a day.
    useful_life_years
        For how long training is of use before it is repeated.
    period_years
        Length of the evaluation's follow-up, no longer than the useful life.
    discount_rate
        Yearly rate of the annuity, such as 0.035.

    Returns
    -------
    InterventionCostResult
        Per agency ``total_cost``, ``cost_in_period`` and ``cost_per_participant``, in GBP.
        ``result.join(participants)`` adds it to people.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E013 an agency occurs twice, E024 a number is negative,
        nobody is reached, or the period is longer than the useful life.

    Notes
    -----
    With total cost K, life L and rate r the cost of a year is ``K r / (1 - (1 + r)^-L)``, and
    ``K / L`` without discounting; the period takes ``period_years`` of them.

    References
    ----------
    Drummond MF and others (2015). Methods for the Economic Evaluation of Health Care
    Programmes, 4th edition, section 7.2 (equivalent annual cost).

    Examples
    --------
    >>> import pandas as pd
    >>> resources = pd.DataFrame(
    ...     {"agency_id": ["A1"], "worker_training_days": [10], "supervisor_training_days": [2],
    ...      "trainer_days": [2], "materials_gbp": [100.0], "people_reached": [20]}
    ... )
    >>> result = compute_intervention_cost(
    ...     resources, worker_day_cost=200.0, supervisor_day_cost=300.0, trainer_day_cost=400.0,
    ...     useful_life_years=2.0, period_years=1.0,
    ... )
    >>> result.tidy()[["total_cost", "cost_per_participant"]].to_numpy().tolist()
    [[3500.0, 87.5]]
    """
    table = _check(resources)
    _check_settings(
        (worker_day_cost, supervisor_day_cost, trainer_day_cost),
        useful_life_years,
        period_years,
        discount_rate,
    )
    days = (worker_day_cost, supervisor_day_cost, trainer_day_cost)
    parts = [table[name] * cost for name, cost in zip(QUANTITIES, days, strict=True)]
    parts.append(table["materials_gbp"])
    total = sum(parts[1:], start=parts[0])
    in_period = total * compute_annuity_share(useful_life_years, discount_rate) * period_years
    by_category = pd.concat(
        [
            pd.DataFrame({"agency_id": table["agency_id"], "category": name, "cost": part})
            for name, part in zip(CATEGORIES, parts, strict=True)
        ],
        ignore_index=True,
    )
    return InterventionCostResult(
        estimates=pd.DataFrame(
            {
                "agency_id": table["agency_id"],
                "total_cost": total,
                "cost_in_period": in_period,
                "people_reached": table["people_reached"],
                "cost_per_participant": in_period / table["people_reached"],
            }
        ),
        n_participants=None,
        n_agencies=len(table),
        method=f"training spread over {useful_life_years:g} years at {discount_rate:.1%} a year, "
        f"{period_years:g} years of it divided by the people reached",
        notes=(
            "The cost is the same for everybody in an agency: resample it with the agency, never "
            "with the person.",
        ),
        by_category=by_category,
    )


def compute_annuity_share(years: float, rate: float) -> float:
    """Return the share of a cost that falls on each year of its life.

    Examples
    --------
    >>> compute_annuity_share(4.0, 0.0), round(compute_annuity_share(2.0, 0.035), 6)
    (0.25, 0.5264)
    """
    return 1 / years if rate == 0 else rate / (1 - (1 + rate) ** -years)


def _check(resources: pd.DataFrame) -> pd.DataFrame:
    check_table(resources, "resources")
    numbers = [*QUANTITIES, "materials_gbp", "people_reached"]
    needed = ["agency_id", *numbers]
    absent = [name for name in needed if name not in resources.columns]
    faults = [
        Fault(
            code="CPI-E011",
            table="resources",
            column=name,
            rule="a required column is missing",
            cure="add it; 0 where nothing was used",
            allowed=", ".join(needed),
        )
        for name in absent
    ]
    if faults:
        raise DataError(faults)
    table = resources[needed].reset_index(drop=True)
    twice = table["agency_id"].duplicated(keep=False) | table["agency_id"].isna()
    if twice.any():
        faults.append(
            _fault("CPI-E013", "agency_id", twice, "each agency needs one row", "join its rows")
        )
    for name in numbers:
        value = pd.to_numeric(table[name], errors="coerce")
        least = 1e-12 if name == "people_reached" else 0.0
        bad = ~np.isfinite(value.to_numpy(dtype=float)) | (value < least)
        if bad.any():
            said = "more than 0" if name == "people_reached" else "0 or more"
            faults.append(_fault("CPI-E024", name, bad, f"must be {said}", "correct the cells"))
        table[name] = value.astype(float)
    if faults:
        raise DataError(faults)
    return table


def _fault(code: str, column: str, bad: pd.Series, rule: str, cure: str) -> Fault:
    return Fault(
        code=code, table="resources", column=column, rows=find_rows(bad), rule=rule, cure=cure
    )


def _check_settings(
    day_costs: tuple[float, float, float], life: float, period: float, rate: float
) -> None:
    checks = {
        "worker_day_cost, supervisor_day_cost, trainer_day_cost": min(day_costs) >= 0
        and np.isfinite(day_costs).all(),
        "useful_life_years": 0 < life < np.inf,
        "period_years": 0 < period <= life,
        "discount_rate": 0 <= rate < 1,
    }
    faults = [
        Fault(
            code="CPI-E024",
            column=name,
            rule="the setting is outside of what is possible",
            cure="give costs of 0 or more, a useful life of more than 0 years, a period no "
            "longer than that, and a rate from 0 to below 1",
        )
        for name, is_good in checks.items()
        if not is_good
    ]
    if faults:
        raise DataError(faults)
