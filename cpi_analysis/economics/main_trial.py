"""The size of a main trial: standard error, power and value of what it would tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_columns, check_some_thresholds, find_rows
from cpi_analysis.economics.design_parameters import DesignParametersResult
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.value_of_information import (
    compute_unit_normal_loss,
    discount_population,
)
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MainTrialResult(Result):
    """Standard error, power and value of sample information of each design.

    Parameters
    ----------
    effect_label
        What one unit of effect is called.
    """

    title: ClassVar[str] = "Size of the main trial"

    effect_label: str

    def summary(self) -> str:
        """Return the first design that reaches 80% power at the first threshold, in words."""
        first = self.estimates["threshold"].iloc[0]
        rows = self.estimates[self.estimates["threshold"] == first]
        enough = rows[rows["power"] >= 0.8].sort_values("n_participants")
        at = f"At {phrase_money(first)} per {self.effect_label}"
        if enough.empty:
            return f"{at} none of the {len(rows)} designs reaches a power of 80%."
        row = enough.iloc[0]
        return (
            f"{at} {int(row['n_agencies'])} agencies with {row['people_per_agency']:g} people "
            f"each reach a power of {row['power']:.0%}."
        )

    def _draw(self, ax: Axes) -> None:
        first = self.estimates["threshold"].iloc[0]
        rows = self.estimates[self.estimates["threshold"] == first]
        for people, part in rows.groupby("people_per_agency"):
            ax.plot(part["n_agencies"], part["power"], marker="o", label=f"{people:g} per agency")
        ax.axhline(0.8, color="#8C8C8C", linewidth=0.8, ls=":")
        ax.set_ylim(0, 1)
        ax.set_xticks(sorted(rows["n_agencies"].unique()))
        ax.set_xlabel("Agencies")
        ax.set_ylabel(f"Power at {phrase_money(first)} per {self.effect_label}")
        ax.legend(fontsize=7, frameon=False)


def compute_main_trial(
    parameters: DesignParametersResult,
    *,
    designs: pd.DataFrame,
    thresholds: Sequence[float],
    delta_cost: float,
    delta_effect: float,
    share_target: float = 0.5,
    size_variation: float = 0.0,
    confidence_level: float = 0.95,
    prior: IncrementalResult | None = None,
    population: float | None = None,
    years: int | None = None,
    discount_rate: float | None = None,
    effect_label: str | None = None,
) -> MainTrialResult:
    """Compute what main trials of several sizes would find and be worth.

    Parameters
    ----------
    parameters
        From :func:`estimate_design_parameters` or :func:`build_design_parameters`.
    designs
        One row per design: ``n_agencies`` of both groups together, ``people_per_agency`` who
        are followed up.
    thresholds
        Willingness to pay for one unit of effect, in GBP, increasing.
    delta_cost, delta_effect
        The differences that the trial should be able to show, target minus reference.
    share_target
        Share of the agencies in the target group.
    size_variation
        Coefficient of variation of the number of people per agency.
    confidence_level
        1 minus the two-sided level of the test.
    prior
        Result of the pilot, for the value of sample information: what is known now.
    population, years, discount_rate
        Whom the decision concerns: adds the value for all of them.
    effect_label
        What one unit of effect is called; that of the prior when there is one.

    Returns
    -------
    MainTrialResult
        By design and threshold: ``n_agencies, people_per_agency, n_participants``, the
        ``std_error`` of the incremental net benefit, the ``power`` to show it, and with a prior
        ``evpi`` and ``evsi`` in GBP per person.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E024 a size or setting is out of range, E047 years or rate
        are missing.

    Notes
    -----
    With I agencies of n people, share p in the target group, and effect valued at λ,
    Var(INB) = [σ_C² (1 + (n−1) ρ_C) − 2λ σ_C σ_E (ρ_w + (n−1) ρ_CE) + λ² σ_E² (1 + (n−1) ρ_E)]
    / (I n p (1 − p)). With unequal agencies n − 1 becomes (1 + cv²) n − 1. Power is that of the
    t test with I − 2 degrees of freedom (noncentral t). The pilot's estimates are a normal
    prior with covariance V₀ of (ΔC, ΔE); a trial with covariance V would move their mean by
    V₀ (V₀ + V)⁻¹ V₀, and the value of its sample is the unit normal loss at that variance. No
    trial is worth more than perfect information, ``evpi`` in its normal form.

    References
    ----------
    Manju MA, Candel MJJM, Berger MPF (2014). Statistics in Medicine 33:2538-2553.
    Eldridge SM, Ashby D, Kerry S (2006). International Journal of Epidemiology 35:1292-1300.
    Willan AR, Pinto EM (2005). Statistics in Medicine 24:1791-1806.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.economics import build_design_parameters
    >>> parameters = build_design_parameters(
    ...     std_dev_cost=3000, std_dev_effect=0.2, icc_cost=0.0, icc_effect=0.0,
    ...     correlation_within_person=0.0, correlation_within_agency=0.0,
    ... )
    >>> designs = pd.DataFrame({"n_agencies": [20], "people_per_agency": [20]})
    >>> table = compute_main_trial(
    ...     parameters, designs=designs, thresholds=[0.0], delta_cost=-600, delta_effect=0.0
    ... ).tidy()
    >>> float(table["std_error"][0])
    300.0
    """
    check_some_thresholds(thresholds)
    check_confidence_level(confidence_level)
    sizes = _check_designs(designs)
    _check_settings(share_target, size_variation, delta_cost, delta_effect)
    multiplier = discount_population(population, years, discount_rate)
    grid = np.asarray(thresholds, dtype=np.float64)
    rows = []
    for agencies, people in sizes:
        covariance = compute_trial_covariance(
            parameters,
            n_agencies=agencies,
            people_per_agency=people,
            share_target=share_target,
            size_variation=size_variation,
        )
        part = pd.DataFrame(
            {
                "n_agencies": int(agencies),
                "people_per_agency": people,
                "n_participants": round(agencies * people),
                "threshold": grid,
                "std_error": _spread_of_benefit(covariance, grid),
            }
        )
        benefit = grid * delta_effect - delta_cost
        part["power"] = _compute_power(benefit / part["std_error"], agencies - 2, confidence_level)
        if prior is not None:
            part = part.assign(**_value_sample(prior, covariance, grid, multiplier))
        rows.append(part)
    return MainTrialResult(
        estimates=pd.concat(rows, ignore_index=True),
        n_participants=None,
        n_agencies=None,
        method=f"t test of the net benefit between agencies, {share_target:.0%} of them in the "
        f"target group, coefficient of variation of their size {size_variation:g}",
        confidence_level=confidence_level,
        estimand=f"power to show a difference of {phrase_money(delta_cost)} in cost and "
        f"{delta_effect:g} in effect",
        notes=(*parameters.notes, *_remark_prior(prior)),
        effect_label=effect_label or (prior.effect_label if prior else "unit of effect"),
    )


def compute_trial_covariance(
    parameters: DesignParametersResult,
    *,
    n_agencies: float,
    people_per_agency: float,
    share_target: float = 0.5,
    size_variation: float = 0.0,
) -> FloatArray:
    """Return the sampling covariance of (ΔC, ΔE) in a trial that allocates agencies.

    Shape (2, 2); the other parameters are those of :func:`compute_main_trial`.
    """
    spread = np.array([parameters.std_dev_cost, parameters.std_dev_effect])
    others = (1 + size_variation**2) * people_per_agency - 1
    person = np.array([[1.0, parameters.correlation_within_person]] * 2)
    person[1] = person[1, ::-1]
    agency = np.array(
        [
            [parameters.icc_cost, parameters.correlation_within_agency],
            [parameters.correlation_within_agency, parameters.icc_effect],
        ]
    )
    people = n_agencies * people_per_agency * share_target * (1 - share_target)
    return np.asarray(np.outer(spread, spread) * (person + others * agency) / people)


def _spread_of_benefit(covariance: FloatArray, thresholds: FloatArray) -> FloatArray:
    loading = np.column_stack([-np.ones(len(thresholds)), thresholds])
    variance = np.einsum("ti,ij,tj->t", loading, covariance, loading)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _compute_power(distance: pd.Series, df: float, level: float) -> FloatArray:
    from scipy import stats

    limit = stats.t.ppf((1 + level) / 2, df)
    away = distance.abs().to_numpy()
    upper = stats.nct.sf(limit, df, away)
    # The wrong tail of the noncentral t vanishes; scipy has nan there once it is below 1e-300.
    return np.asarray(upper + np.nan_to_num(stats.nct.cdf(-limit, df, away)))


def _value_sample(
    prior: IncrementalResult,
    covariance: FloatArray,
    thresholds: FloatArray,
    multiplier: float | None,
) -> dict[str, FloatArray]:
    known = prior.covariance
    moved = known @ np.linalg.solve(known + covariance, known)
    point = [prior.point(name)["estimate"] for name in ("delta_cost", "delta_effect")]
    mean = thresholds * point[1] - point[0]
    values = {
        "evpi": compute_unit_normal_loss(mean, _spread_of_benefit(known, thresholds)),
        "evsi": compute_unit_normal_loss(mean, _spread_of_benefit(moved, thresholds)),
    }
    if multiplier is not None:
        values["population_evsi"] = values["evsi"] * multiplier
    return values


def _remark_prior(prior: IncrementalResult | None) -> tuple[str, ...]:
    if prior is None:
        return ()
    return (
        "What is known now are the estimates of the pilot with their covariance, as if normal; "
        "people who join the main trial do not benefit from its result, and are not taken off "
        "the population.",
    )


def _check_designs(designs: pd.DataFrame) -> list[tuple[float, float]]:
    check_table(designs, "designs")
    columns = ["n_agencies", "people_per_agency"]
    check_columns(designs, columns, table="designs")
    values = designs[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):
        good = (
            np.isfinite(values).all(axis=1)
            & (values[:, 0] >= 3)
            & (values[:, 0] == np.floor(values[:, 0]))
            & (values[:, 1] >= 1)
        )
    if designs.empty or not good.all():
        raise DataError(
            Fault(
                code="CPI-E024",
                table="designs",
                column=", ".join(columns),
                rows=find_rows(~good),
                rule="a design has a whole number of agencies and people in each",
                cure="give three agencies or more, and one person or more in each",
            )
        )
    return [(float(agencies), float(people)) for agencies, people in values]


def _check_settings(share: float, variation: float, cost: float, effect: float) -> None:
    checks = {
        "share_target": 0 < share < 1,
        "size_variation": 0 <= variation < np.inf,
        "delta_cost, delta_effect": bool(np.isfinite([cost, effect]).all()),
    }
    faults = [
        Fault(
            code="CPI-E024",
            column=name,
            rule="the setting is outside of what is possible",
            cure="give a share between 0 and 1, a coefficient of variation of 0 or more, and "
            "finite differences",
        )
        for name, is_good in checks.items()
        if not is_good
    ]
    if faults:
        raise DataError(faults)
