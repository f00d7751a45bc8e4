"""What it would be worth to know everything, before choosing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from cpi_analysis.economics.checks import check_some_thresholds
from cpi_analysis.economics.draws import StrategyDraws, arrange_draws
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.threshold_profile import compute_expected_losses
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

#: Thresholds at which the figure is computed, unless as many are asked for.
CURVE_POINTS = 201


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ValueOfInformationResult(Result):
    """Expected value of perfect information at each threshold.

    Parameters
    ----------
    losses
        ``threshold``, ``strategy``, ``expected_loss``: what choosing the strategy is expected
        to lose against choosing with perfect information.
    curve
        ``threshold``, ``evpi`` at every threshold that the figure joins by lines.
    effect_label
        What one unit of effect is called.
    replicates
        How many draws.
    """

    title: ClassVar[str] = "Value of perfect information"

    losses: pd.DataFrame
    curve: pd.DataFrame
    effect_label: str
    replicates: int

    def summary(self) -> str:
        """Return the values, in one sentence."""
        phrases = [
            f"£{row['evpi']:,.0f} at £{row['threshold']:,.0f}"
            for row in self.estimates.head(6).to_dict("records")
        ]
        return (
            "Perfect information is expected to be worth, for each person decided about, "
            f"{'; '.join(phrases)} for one {self.effect_label}."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_value_of_information

        draw_value_of_information(
            ax,
            self.curve,
            marked=self.estimates["threshold"].tolist(),
            effect_label=self.effect_label,
        )


def compute_value_of_information(
    draws: pd.DataFrame | IncrementalResult,
    *,
    thresholds: Sequence[float],
    population: float | None = None,
    years: int | None = None,
    discount_rate: float | None = None,
    target: str | None = None,
    reference: str | None = None,
    effect_label: str | None = None,
) -> ValueOfInformationResult:
    """Compute the expected value of perfect information.

    Estimand: the net benefit lost, on average over what is uncertain, by choosing the strategy
    with the highest mean net benefit instead of the best one in each case.

    Parameters
    ----------
    draws
        The result of an incremental analysis, or a table: ``draw, delta_cost, delta_effect``,
        or ``draw, strategy, cost, effect`` for any number of strategies.
    thresholds
        Willingness to pay for one unit of effect, in GBP, increasing.
    population
        People whom the decision concerns in a year: adds ``population_evpi``.
    years, discount_rate
        For how many years the decision stands, and the yearly rate, such as 0.035; needed with
        ``population``.
    target, reference
        Names of the two groups when the draws are a table of differences.
    effect_label
        What one unit of effect is called.

    Returns
    -------
    ValueOfInformationResult
        ``threshold``, ``evpi`` in GBP per person, and ``evpi_normal``, the same if the net
        benefit of two strategies differed normally (missing for more strategies).

    Raises
    ------
    DataError
        CPI-E024 thresholds or a setting are out of range, E047 years or rate are missing, and
        those of the draws.

    Notes
    -----
    ``EVPI = E[max_d NB_d] - max_d E[NB_d]`` with ``NB = threshold x effect - cost``. With two
    strategies and normal differences of mean m and standard deviation s it is
    ``s phi(m/s) - |m| Phi(-|m|/s)`` (unit normal loss). Over a population it is multiplied by
    ``population x sum_t (1 + rate)^-t`` for ``t = 0 … years - 1``.

    References
    ----------
    Claxton K (1999). The irrelevance of inference. Journal of Health Economics 18, 341-364.

    Examples
    --------
    >>> import pandas as pd
    >>> draws = pd.DataFrame(
    ...     {"draw": [1, 2], "delta_cost": [100.0, 300.0], "delta_effect": [0.01, 0.01]}
    ... )
    >>> compute_value_of_information(draws, thresholds=[20000]).tidy()["evpi"].tolist()
    [50.0]
    """
    multiplier = discount_population(population, years, discount_rate)
    check_some_thresholds(thresholds)
    arranged = arrange_draws(draws, target=target, reference=reference)
    grid = np.asarray(thresholds, dtype=np.float64)
    losses = compute_expected_losses(arranged.cost, arranged.effect, grid)
    evpi = losses.min(axis=1)
    table = pd.DataFrame(
        {"threshold": grid, "evpi": evpi, "evpi_normal": _compute_normal(arranged, grid)}
    )
    if multiplier is not None:
        table["population_evpi"] = evpi * multiplier
    origin = draws if isinstance(draws, IncrementalResult) else None
    count = len(arranged.strategies)
    return ValueOfInformationResult(
        estimates=table,
        n_participants=origin.n_participants if origin else None,
        n_agencies=origin.n_agencies if origin else None,
        method=f"mean over {arranged.n_draws:,} draws of the best net benefit, less the best mean",
        seed=origin.seed if origin else None,
        estimand="expected net benefit of choosing with perfect information, less that of "
        "choosing now, in GBP per person",
        notes=(
            "It values only what the draws hold as uncertain: sampling, not the choice of "
            "model, of prices or of what happens after the follow-up.",
        ),
        losses=pd.DataFrame(
            {
                "threshold": np.repeat(grid, count),
                "strategy": arranged.repeat_names(len(grid)),
                "expected_loss": losses.ravel(),
            }
        ),
        curve=_compute_curve(arranged, table),
        effect_label=effect_label or arranged.effect_label or "unit of effect",
        replicates=arranged.n_draws,
    )


def _compute_curve(draws: StrategyDraws, table: pd.DataFrame) -> pd.DataFrame:
    """Return the value from 0 to the largest threshold, finely enough to be joined by lines."""
    if len(table) >= CURVE_POINTS:
        return table[["threshold", "evpi"]]
    largest = float(table["threshold"].max()) or 1.0
    grid = np.union1d(np.linspace(0.0, largest, CURVE_POINTS), table["threshold"])
    losses = compute_expected_losses(draws.cost, draws.effect, grid)
    return pd.DataFrame({"threshold": grid, "evpi": losses.min(axis=1)})


def compute_unit_normal_loss(mean: ArrayLike, std_dev: ArrayLike) -> FloatArray:
    """Return the expected loss of the better of two choices whose net benefits differ normally.

    Parameters
    ----------
    mean, std_dev
        Mean and standard deviation of the incremental net benefit, of one shape.

    Notes
    -----
    ``s phi(m/s) - |m| Phi(-|m|/s)``; 0 without uncertainty.

    Examples
    --------
    >>> float(compute_unit_normal_loss(0.0, 1.0).round(4))
    0.3989
    """
    distance = np.abs(np.asarray(mean, dtype=np.float64))
    spread = np.asarray(std_dev, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0, distance / spread, np.inf)
    density = np.exp(-0.5 * ratio**2) / np.sqrt(2 * np.pi)
    return np.asarray(
        np.where(spread > 0, spread * density - distance * ndtr(-ratio), 0.0), dtype=np.float64
    )


def _compute_normal(draws: StrategyDraws, thresholds: FloatArray) -> FloatArray:
    if draws.cost.shape[1] != 2 or draws.n_draws < 2:
        return np.full(len(thresholds), np.nan)
    cost = draws.cost[:, 0] - draws.cost[:, 1]
    effect = draws.effect[:, 0] - draws.effect[:, 1]
    moments = np.cov(effect, cost)
    mean = thresholds * effect.mean() - cost.mean()
    variance = thresholds**2 * moments[0, 0] + moments[1, 1] - 2 * thresholds * moments[0, 1]
    return compute_unit_normal_loss(mean, np.sqrt(np.maximum(variance, 0.0)))


def discount_population(
    population: float | None, years: int | None, rate: float | None
) -> float | None:
    """Return by how much a value per person is multiplied for everybody decided about.

    None without a population; ``population x sum_t (1 + rate)^-t``, ``t = 0 … years - 1``.
    """
    if population is None:
        return None
    if years is None or rate is None:
        raise DataError(
            Fault(
                code="CPI-E047",
                column="years, discount_rate",
                rule="the value for a population needs the years that the decision stands",
                cure="give years= and discount_rate= (0.035 is the rate of the NICE manual)",
            )
        )
    if population <= 0 or years < 1 or not 0 <= rate < 1:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="population, years, discount_rate",
                rule="a setting is outside of what is possible",
                cure="give people a year, whole years from 1, and a rate from 0 to below 1",
            )
        )
    return float(population * np.sum((1 + rate) ** -np.arange(years, dtype=float)))
