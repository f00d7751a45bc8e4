"""Unit costs that are uncertain themselves, drawn together with the people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from cpi_analysis.economics.checks import check_columns, check_thresholds, find_rows
from cpi_analysis.economics.comparison import Covariates, split_covariates
from cpi_analysis.economics.incremental import estimate_incremental
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_resampling, check_table
from cpi_analysis.inference.resampling import BLOCK_SIZE, ResamplingPlan
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

#: Key of the random streams of prices: none of the keys of a resampling plan.
PRICE_STREAM = 1_000_003

PEOPLE, PRICES, BOTH = "people", "unit costs", "people and unit costs"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PriceUncertaintyResult(Result):
    """Differences in cost and net benefit when people and unit costs are both uncertain.

    Parameters
    ----------
    draws
        ``draw, delta_cost, delta_effect``: joint draws for acceptability and information.
    unit_cost_draws
        ``draw`` and one column per service with a standard error: the price in the same draw.
    services
        ``service, unit_cost, std_error, delta_quantity`` and ``delta_cost``, its part of the
        difference in cost.
    delta_effect
        Point estimate of the difference in effect.
    target, reference, effect_label
        What is compared, in words.
    replicates
        Number of replicates.
    """

    title: ClassVar[str] = "Uncertainty of people and of unit costs"

    draws: pd.DataFrame
    unit_cost_draws: pd.DataFrame
    services: pd.DataFrame
    delta_effect: float
    target: str
    reference: str
    effect_label: str
    replicates: int

    def summary(self) -> str:
        """Return the standard errors of the difference in cost by what is uncertain."""
        rows = self.estimates[self.estimates["quantity"] == "delta_cost"]
        errors = dict(zip(rows["source"], rows["std_error"].astype(float), strict=True))
        parts = ", ".join(
            f"{phrase_money(errors[source])} from {source}" for source in (PEOPLE, PRICES, BOTH)
        )
        return (
            f"{self.target} minus {self.reference}: cost "
            f"{phrase_money(rows['estimate'].iloc[0])}; its standard error is {parts}."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_bars

        rows = self.estimates[self.estimates["quantity"] == "delta_cost"]
        draw_bars(
            ax,
            rows["source"].tolist(),
            rows["std_error"].tolist(),
            label="Standard error of the difference in cost (£)",
        )


def simulate_unit_costs(unit_costs: pd.DataFrame, *, replicates: int, seed: int) -> pd.DataFrame:
    """Draw unit costs from gamma distributions.

    Parameters
    ----------
    unit_costs
        ``service, unit_cost_gbp, unit_cost_std_error``; a price with a standard error of 0, or
        without one, does not vary.
    replicates
        Number of draws.
    seed
        Seed of the random numbers.

    Returns
    -------
    DataFrame
        ``draw`` from 1, and one column per service. Draw r is the same however many are asked
        for, and the price of a service does not depend on the other services.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E013 a service occurs twice, E024 a price or standard
        error is negative or not finite, E047 the seed.

    Notes
    -----
    A gamma distribution with the price m as mean and the standard error s as standard deviation:
    shape m²/s², scale s²/m. It is never negative, and near normal when s is small.

    References
    ----------
    Briggs A, Sculpher M, Claxton K (2006). Decision Modelling for Health Economic Evaluation,
    section 4.4 (gamma distributions for costs).

    Examples
    --------
    >>> import pandas as pd
    >>> prices = pd.DataFrame(
    ...     {"service": ["gp", "bed"], "unit_cost_gbp": [45.0, 330.0],
    ...      "unit_cost_std_error": [5.0, 0.0]}
    ... )
    >>> simulate_unit_costs(prices, replicates=1000, seed=1)["bed"].unique().tolist()
    [330.0]
    """
    check_resampling(replicates, seed)
    price, error = _read_prices(unit_costs)
    columns: dict[str, object] = {"draw": np.arange(1, replicates + 1)}
    for service, mean in price.items():
        spread = error[service]
        if spread == 0 or mean == 0:
            columns[str(service)] = np.full(replicates, mean)
            continue
        # Named by the service, so that adding another leaves its draws as they are.
        key = int.from_bytes(str(service).encode()[:64], "big")
        blocks = [
            np.random.default_rng(np.random.SeedSequence([seed, PRICE_STREAM, key, block])).gamma(
                (mean / spread) ** 2, spread**2 / mean, BLOCK_SIZE
            )
            for block in range(-(-replicates // BLOCK_SIZE))
        ]
        columns[str(service)] = np.concatenate(blocks)[:replicates]
    return pd.DataFrame(columns)


def estimate_price_uncertainty(
    data: pd.DataFrame,
    *,
    quantities: Sequence[str],
    unit_costs: pd.DataFrame,
    effect: str,
    arm: str,
    cluster: str | None,
    plan: ResamplingPlan,
    fixed_costs: Sequence[str] = (),
    covariates: Covariates = (),
    thresholds: Sequence[float] = (),
    confidence_level: float = 0.95,
    target: object = None,
    reference: object = None,
    effect_label: str | None = None,
) -> PriceUncertaintyResult:
    """Estimate how far people and unit costs each make the answer uncertain.

    Parameters
    ----------
    data
        One row per participant.
    quantities
        Columns with the quantity of each service, named as in ``unit_costs``, in its unit:
        ``costs.lines`` of :func:`compute_costs`, pivoted.
    unit_costs
        ``service, unit_cost_gbp, unit_cost_std_error``.
    effect, arm, cluster, covariates, target, reference, effect_label, confidence_level
        As for :func:`estimate_incremental`.
    plan
        From :func:`build_resampling_plan`: the agencies that each replicate draws. The same
        plan gives :func:`estimate_incremental` the same replicates.
    fixed_costs
        Columns in GBP whose price does not vary, such as the cost of the intervention.
    thresholds
        Willingness to pay for one unit of effect, in GBP: rows ``inb``.

    Returns
    -------
    PriceUncertaintyResult
        ``delta_cost`` and ``inb`` at each threshold, once with the uncertainty of ``people``,
        of ``unit costs``, and of both; the estimate is the same. ``result.draws`` are joint.

    Raises
    ------
    DataError
        CPI-E046 a quantity has no unit cost, and those of :func:`estimate_incremental`.

    Notes
    -----
    Replicate r draws agencies, which gives the difference ΔQ_s in the use of each service, and
    prices p_s, from streams of their own: ΔC = Σ_s p_s ΔQ_s. The cost equation is linear, so
    this is the difference that an analysis with the drawn prices finds. A baseline cost among
    the covariates keeps its central prices. Intervals are estimate ± t × standard error with
    the degrees of freedom of the agencies, prices alone ± normal.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.economics import build_resampling_plan
    >>> people = pd.DataFrame({
    ...     "agency": list("aabbccdd"), "arm": [1, 1, 1, 1, 0, 0, 0, 0],
    ...     "gp": [2, 3, 1, 4, 5, 2, 6, 3], "qaly": [.7, .8, .6, .7, .6, .6, .5, .7],
    ... })
    >>> prices = pd.DataFrame(
    ...     {"service": ["gp"], "unit_cost_gbp": [45.0], "unit_cost_std_error": [5.0]}
    ... )
    >>> plan = build_resampling_plan(
    ...     people, cluster="agency", strata="arm", replicates=200, seed=1
    ... )
    >>> result = estimate_price_uncertainty(
    ...     people, quantities=["gp"], unit_costs=prices, effect="qaly", arm="arm",
    ...     cluster="agency", plan=plan,
    ... )
    >>> result.tidy()["estimate"].round(2).tolist()
    [-67.5, -67.5, -67.5]
    """
    check_table(data, "data")
    check_thresholds(thresholds)
    prices = _select_prices(unit_costs, quantities)
    columns = [*quantities, *fixed_costs]
    common = [name for names in split_covariates(covariates).values() for name in names]
    used = [*columns, effect, arm, *([cluster] if cluster else []), *common]
    check_columns(data, used, table="data")
    # Every service has the same participants: those whose quantities are all known.
    complete = data.dropna(subset=[*columns, effect, *common])
    analyses = {
        column: estimate_incremental(
            complete,
            cost=column,
            effect=effect,
            arm=arm,
            cluster=cluster,
            covariates=covariates,
            plan=plan,
            confidence_level=confidence_level,
            target=target,
            reference=reference,
            effect_label=effect_label,
        )
        for column in columns
        if complete[column].nunique() > 1
    }
    _check_some(analyses, columns)
    drawn = simulate_unit_costs(prices, replicates=plan.replicates, seed=plan.seed)
    return _combine(analyses, prices, drawn, data, complete, thresholds, confidence_level)


def _combine(
    analyses: dict[str, IncrementalResult],
    prices: pd.DataFrame,
    drawn: pd.DataFrame,
    data: pd.DataFrame,
    complete: pd.DataFrame,
    thresholds: Sequence[float],
    level: float,
) -> PriceUncertaintyResult:
    first = next(iter(analyses.values()))
    price, error = _read_prices(prices)
    central = np.array([price.get(column, 1.0) for column in analyses])
    point = np.array([result.point("delta_cost")["estimate"] for result in analyses.values()])
    changes = np.column_stack(
        [result.draws["delta_cost"].to_numpy() for result in analyses.values()]
    )
    effects = first.draws["delta_effect"].to_numpy()
    each = np.column_stack([drawn[c] if c in drawn else np.ones(len(drawn)) for c in analyses])
    delta_effect = float(first.point("delta_effect")["estimate"])
    sources = {
        PEOPLE: (changes @ central, effects),
        PRICES: (each @ point, np.full(len(each), delta_effect)),
        BOTH: ((each * changes).sum(axis=1), effects),
    }
    estimates = _tabulate(sources, float(central @ point), delta_effect, thresholds, first, level)
    varying = [column for column in analyses if error.get(column, 0.0) > 0]
    dropped = len(data) - len(complete)
    return PriceUncertaintyResult(
        estimates=estimates,
        n_participants=first.n_participants,
        n_agencies=first.n_agencies,
        method=f"{first.method}; {len(varying)} of {len(analyses)} prices drawn from gamma "
        "distributions in every replicate",
        seed=first.seed,
        confidence_level=level,
        estimand=first.estimand,
        notes=(
            *(
                [
                    f"{dropped} participants were left out because a quantity, the effect or a "
                    "covariate is missing."
                ]
                if dropped
                else []
            ),
            *first.notes,
        ),
        draws=pd.DataFrame(
            {"draw": first.draws["draw"], "delta_cost": sources[BOTH][0], "delta_effect": effects}
        ),
        unit_cost_draws=drawn[["draw", *varying]],
        services=pd.DataFrame(
            {
                "service": list(analyses),
                "unit_cost": central,
                "std_error": [error.get(column, 0.0) for column in analyses],
                "delta_quantity": point,
                "delta_cost": central * point,
            }
        ),
        delta_effect=delta_effect,
        target=first.target,
        reference=first.reference,
        effect_label=first.effect_label,
        replicates=len(drawn),
    )


def _tabulate(
    sources: dict[str, tuple[FloatArray, FloatArray]],
    delta_cost: float,
    delta_effect: float,
    thresholds: Sequence[float],
    first: IncrementalResult,
    level: float,
) -> pd.DataFrame:
    rows = []
    for threshold in (None, *thresholds):
        loading = (1.0, 0.0) if threshold is None else (-1.0, float(threshold))
        estimate = loading[0] * delta_cost + loading[1] * delta_effect
        for source, (cost, effect) in sources.items():
            spread = float(np.std(loading[0] * cost + loading[1] * effect, ddof=1))
            df = np.inf if source == PRICES else float(first.df)
            margin = float(stdtrit(df, (1 + level) / 2)) * spread
            rows.append(
                {
                    "quantity": "delta_cost" if threshold is None else "inb",
                    "threshold": np.nan if threshold is None else float(threshold),
                    "source": source,
                    "unit": "GBP",
                    "estimate": estimate,
                    "std_error": spread,
                    "df": df,
                    "conf_low": estimate - margin,
                    "conf_high": estimate + margin,
                }
            )
    return pd.DataFrame(rows)


def _read_prices(unit_costs: pd.DataFrame) -> tuple[dict[str, float], dict[str, float]]:
    """Return price and standard error of each service, after checking them."""
    check_table(unit_costs, "unit_costs")
    needed = ["service", "unit_cost_gbp", "unit_cost_std_error"]
    check_columns(unit_costs, needed, table="unit_costs")
    faults = []
    repeated = unit_costs["service"].duplicated()
    if repeated.any():
        faults.append(
            Fault(
                code="CPI-E013",
                table="unit_costs",
                column="service",
                rows=find_rows(repeated),
                rule="a service has one price",
                cure="remove the repeated rows",
            )
        )
    values = {}
    for column, otherwise in (("unit_cost_gbp", np.nan), ("unit_cost_std_error", 0.0)):
        numbers = pd.to_numeric(unit_costs[column], errors="coerce").astype(float)
        numbers = numbers.fillna(otherwise)
        broken = ~(np.isfinite(numbers.to_numpy()) & (numbers.to_numpy() >= 0))
        if broken.any():
            faults.append(
                Fault(
                    code="CPI-E024",
                    table="unit_costs",
                    column=column,
                    rows=find_rows(broken),
                    rule="a price and its standard error are numbers of pounds",
                    cure="correct the cells",
                    allowed="0 or more",
                )
            )
        values[column] = dict(zip(unit_costs["service"].astype(str), numbers, strict=True))
    if faults:
        raise DataError(faults)
    return values["unit_cost_gbp"], values["unit_cost_std_error"]


def _select_prices(unit_costs: pd.DataFrame, quantities: Sequence[str]) -> pd.DataFrame:
    check_table(unit_costs, "unit_costs")
    check_columns(unit_costs, ["service"], table="unit_costs")
    absent = [name for name in quantities if name not in set(unit_costs["service"])]
    if absent:
        raise DataError(
            Fault(
                code="CPI-E046",
                table="unit_costs",
                column="service",
                rule=f"there is no unit cost for {', '.join(absent)}",
                cure="add a row for the service; a price of 0 must be said",
            )
        )
    return unit_costs[unit_costs["service"].isin(quantities)].reset_index(drop=True)


def _check_some(analyses: dict[str, IncrementalResult], columns: Sequence[str]) -> None:
    if not analyses:
        raise DataError(
            Fault(
                code="CPI-E047",
                column="quantities",
                rule="no service that was used by some and not by others is named",
                cure="give the columns with the quantities of the services",
                allowed=", ".join(columns) or None,
            )
        )
