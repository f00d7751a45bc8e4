"""What it would be worth to know everything, before choosing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.economics.checks import check_thresholds
from cpi_analysis.economics.draws import StrategyDraws, arrange_draws
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
#: Thresholds that are worked on at once: small enough to stay in the processor's cache.
CHUNK = 32


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ValueOfInformationResult(Result):
    """Expected value of perfect information at each threshold.

    Parameters
    ----------
    losses
        ``threshold``, ``strategy``, ``expected_loss``: what choosing the strategy is expected
        to lose against choosing with perfect information.
    replicates
        How many draws.
    """

    title: ClassVar[str] = "Value of perfect information"

    losses: pd.DataFrame
    replicates: int

    def summary(self) -> str:
        """Return the values, in one sentence."""
        phrases = [
            f"£{row['evpi']:,.0f} at £{row['threshold']:,.0f}"
            for row in self.estimates.head(6).to_dict("records")
        ]
        return (
            "Perfect information is expected to be worth, for each person decided about, "
            f"{'; '.join(phrases)} for one unit of effect."
        )

    def _draw(self, ax: Axes) -> None:
        ax.plot(self.estimates["threshold"], self.estimates["evpi"], color="#0072B2")
        ax.plot(self.estimates["threshold"], self.estimates["evpi"], ".", color="#0072B2")
        ax.set_xlabel("willingness to pay for one unit of effect (£)")
        ax.set_ylabel("value of perfect information per person (£)")
        ax.set_ylim(bottom=0)


def compute_value_of_information(
    draws: pd.DataFrame | IncrementalResult,
    *,
    thresholds: Sequence[float],
    population: float | None = None,
    years: int | None = None,
    discount_rate: float | None = None,
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
    check_thresholds(thresholds)
    multiplier = _discount_population(population, years, discount_rate)
    arranged = arrange_draws(draws)
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
                "strategy": np.tile(np.array(arranged.strategies, dtype=object), len(grid)),
                "expected_loss": losses.ravel(),
            }
        ),
        replicates=arranged.n_draws,
    )


def compute_expected_losses(
    cost: ArrayLike, effect: ArrayLike, thresholds: ArrayLike
) -> FloatArray:
    """Return the expected loss of each strategy at each threshold.

    Parameters
    ----------
    cost, effect
        Shape (draws, strategies).
    thresholds
        Shape (t,).

    Returns
    -------
    ndarray
        Shape (t, strategies); the smallest of a row is the value of perfect information.

    Examples
    --------
    >>> compute_expected_losses([[0.0, 1.0], [0.0, -3.0]], [[0.0, 0.0], [0.0, 0.0]], [1.0]).tolist()
    [[1.5, 0.5]]
    """
    costs = np.asarray(cost, dtype=np.float64)
    effects = np.asarray(effect, dtype=np.float64)
    grid = np.asarray(thresholds, dtype=np.float64)
    losses = np.empty((len(grid), costs.shape[1]))
    # Differences to the first strategy: the loss is a small difference of large numbers.
    less_cost = (costs[:, :1] - costs[:, 1:]).T.copy()
    more_effect = (effects[:, 1:] - effects[:, :1]).T.copy()
    for start in range(0, len(grid), CHUNK):
        part = grid[start : start + CHUNK, None]
        best = np.zeros((len(part), costs.shape[0]))
        means = [np.zeros(len(part))]
        for saved, gained in zip(less_cost, more_effect, strict=True):
            benefit = part * gained + saved
            means.append(benefit.mean(axis=1))
            np.maximum(best, benefit, out=best)
        losses[start : start + CHUNK] = best.mean(axis=1)[:, None] - np.column_stack(means)
    return np.maximum(losses, 0.0)


def _compute_normal(draws: StrategyDraws, thresholds: FloatArray) -> FloatArray:
    from scipy import stats

    if draws.cost.shape[1] != 2 or draws.n_draws < 2:
        return np.full(len(thresholds), np.nan)
    cost = draws.cost[:, 0] - draws.cost[:, 1]
    effect = draws.effect[:, 0] - draws.effect[:, 1]
    moments = np.cov(effect, cost)
    mean = thresholds * effect.mean() - cost.mean()
    variance = thresholds**2 * moments[0, 0] + moments[1, 1] - 2 * thresholds * moments[0, 1]
    spread = np.sqrt(np.maximum(variance, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0, np.abs(mean) / spread, np.inf)
    loss = spread * stats.norm.pdf(ratio) - np.abs(mean) * stats.norm.sf(ratio)
    return np.asarray(np.where(spread > 0, loss, 0.0), dtype=np.float64)


def _discount_population(
    population: float | None, years: int | None, rate: float | None
) -> float | None:
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
