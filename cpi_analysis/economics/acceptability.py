"""Cost-effectiveness acceptability: which strategy is best at which threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_some_thresholds
from cpi_analysis.economics.draws import StrategyDraws, arrange_draws
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.threshold_profile import (
    compute_best_shares,
    find_changes,
    find_switches,
)
from cpi_analysis.economics.wording import phrase_money, phrase_probability
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

#: Thresholds from 0 to the largest one at which the curve is computed: with so many, a straight
#: line between two of them is less than a pixel wide.
CURVE_POINTS = 1001

#: As many thresholds as this are a curve themselves.
FINE_POINTS = 501

#: Up to so many draws that change sides, every change is drawn where it happens, as a step.
EXACT_STEPS = 1000


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AcceptabilityResult(Result):
    """Probability of being the best strategy, at each threshold.

    Parameters
    ----------
    curve
        ``threshold, strategy, probability, is_optimal`` at every threshold that the figure
        joins by lines.
    switches
        ``threshold, strategy``: from each threshold on, which strategy has the highest mean net
        benefit. The first row is at 0; the others are where the acceptability frontier jumps,
        exactly, whatever thresholds were asked for.
    effect_label
        What one unit of effect is called.
    replicates
        Number of draws.
    """

    title: ClassVar[str] = "Cost-effectiveness acceptability"

    curve: pd.DataFrame
    switches: pd.DataFrame
    effect_label: str
    replicates: int

    def summary(self) -> str:
        """Return the best strategy by mean net benefit at each threshold, with its probability."""
        best = self.estimates[self.estimates["is_optimal"]]
        columns = zip(best["threshold"], best["strategy"], best["probability"], strict=True)
        phrases = [
            f"{phrase_money(threshold)} {strategy} ({phrase_probability(probability)})"
            for threshold, strategy, probability in columns
        ]
        return (
            "Highest mean net benefit, with the probability of being cost-effective, at a "
            f"threshold of {'; '.join(phrases)}."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_acceptability

        draw_acceptability(
            ax,
            self.curve,
            marked=list(self.estimates["threshold"].unique()),
            effect_label=self.effect_label,
        )


def compute_acceptability(
    draws: pd.DataFrame | IncrementalResult,
    *,
    thresholds: Sequence[float],
    curve_maximum: float | None = None,
    target: str | None = None,
    reference: str | None = None,
    effect_label: str | None = None,
) -> AcceptabilityResult:
    """Return the share of draws in which each strategy has the highest net benefit.

    Parameters
    ----------
    draws
        The result of an incremental analysis, or a table: ``draw, delta_cost, delta_effect``
        for two groups, or ``draw, strategy, cost, effect`` for any number of strategies.
    thresholds
        Willingness to pay for one unit of effect, in GBP, increasing.
    curve_maximum
        Largest threshold of the figure, which starts at 0; the largest of ``thresholds`` when
        not given.
    target, reference
        Names of the two groups when the draws are a table of differences: those of the
        analysis that made the table, when it is ``result.draws``.
    effect_label
        What one unit of effect is called in the figure.

    Returns
    -------
    AcceptabilityResult
        ``threshold, strategy, probability, is_optimal``. The probability of the optimal
        strategy (highest *mean* net benefit) at each threshold is the acceptability frontier;
        ``switches`` has the thresholds at which that strategy changes.

    Raises
    ------
    DataError
        When columns are missing, draws are incomplete, repeated or not finite, or thresholds
        are negative, out of order or beyond ``curve_maximum``.

    Notes
    -----
    A strategy is best in a draw when its net benefit λE − C is strictly higher than every
    other's. In each draw that holds on one interval of λ; the intervals' ends are sorted
    once, so the shares are exact at every threshold and no grid is involved. When two
    strategies have the same mean net benefit, the later one is called optimal: for a target
    and a reference, the reference.

    References
    ----------
    Fenwick E, Claxton K, Sculpher M (2001). Health Economics 10:779-787.

    Examples
    --------
    >>> import pandas as pd
    >>> draws = pd.DataFrame({"draw": [1, 2], "delta_cost": [100, 300], "delta_effect": [0.01] * 2})
    >>> compute_acceptability(draws, thresholds=[20000]).tidy()["probability"].tolist()
    [0.5, 0.5]
    """
    check_some_thresholds(thresholds)
    arranged = arrange_draws(draws, target=target, reference=reference)
    asked = np.asarray(thresholds, dtype=np.float64)
    grid = _choose_grid(arranged, asked, curve_maximum)
    shares = compute_best_shares(arranged.cost, arranged.effect, grid)
    is_asked = np.isin(grid, asked, assume_unique=True)
    origin = draws if isinstance(draws, IncrementalResult) else None
    curve = _tabulate(arranged, grid, shares)
    return AcceptabilityResult(
        estimates=curve if is_asked.all() else _tabulate(arranged, asked, shares[is_asked]),
        n_participants=origin.n_participants if origin else None,
        n_agencies=origin.n_agencies if origin else None,
        method=f"share of {arranged.n_draws:,} draws with the highest net benefit, exact in the "
        "threshold",
        seed=origin.seed if origin else None,
        estimand="probability that a strategy has the highest net benefit at the threshold",
        notes=(
            *_remark_ties(shares[is_asked], arranged.n_draws),
            _remark_draws(arranged.n_draws),
        ),
        curve=curve,
        switches=_tabulate_switches(arranged),
        effect_label=effect_label or arranged.effect_label or "unit of effect",
        replicates=arranged.n_draws,
    )


def _choose_grid(
    draws: StrategyDraws, thresholds: FloatArray, curve_maximum: float | None
) -> FloatArray:
    """Return the thresholds at which the curve is computed, from 0 to the largest one."""
    largest = float(thresholds[-1])
    if curve_maximum is not None and not largest <= curve_maximum < np.inf:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="curve_maximum",
                rule="the curve must reach the largest threshold",
                cure="give a larger curve_maximum, or none",
                allowed=f"{largest:,.0f} or more",
            )
        )
    end = curve_maximum or largest or 1.0
    is_fine = len(thresholds) >= FINE_POINTS and end == largest
    grid = thresholds if is_fine else np.union1d(np.linspace(0.0, end, CURVE_POINTS), thresholds)
    changes = find_changes(draws.cost, draws.effect)
    changes = changes[changes < end]
    if len(changes) <= EXACT_STEPS:
        # Just before and just after each change, so that the line is upright between them.
        grid = np.union1d(grid, [np.nextafter(changes, 0), np.nextafter(changes, end)])
    return np.asarray(grid, dtype=np.float64)


def _tabulate(draws: StrategyDraws, thresholds: FloatArray, shares: FloatArray) -> pd.DataFrame:
    """Return ``threshold, strategy, probability, is_optimal``, one row per pair."""
    cost, effect = draws.means
    mean_benefit = thresholds[:, None] * effect - cost
    # Reversed, so that a tie goes to the later strategy.
    last = mean_benefit.shape[1] - 1
    best = last - np.argmax(mean_benefit[:, ::-1], axis=1)
    count = len(draws.strategies)
    return pd.DataFrame(
        {
            "threshold": np.repeat(thresholds, count),
            "strategy": draws.repeat_names(len(thresholds)),
            "probability": shares.ravel(),
            "is_optimal": (best[:, None] == np.arange(count)).ravel(),
        }
    )


def _tabulate_switches(draws: StrategyDraws) -> pd.DataFrame:
    switches = find_switches(*draws.means)
    return pd.DataFrame(
        {
            "threshold": [threshold for threshold, _ in switches],
            "strategy": [draws.strategies[strategy] for _, strategy in switches],
        }
    )


def _remark_draws(n_draws: int) -> str:
    error = 50 / np.sqrt(n_draws)
    return (
        f"The probabilities are shares of {n_draws:,} draws and depend on them: other draws would "
        f"change a probability near one half by about {round_half_up(error, 1)} percentage points "
        "(standard error)."
    )


def _remark_ties(shares: FloatArray, n_draws: int) -> tuple[str, ...]:
    tied = round((1 - float(shares.sum(axis=1).min())) * n_draws)
    if tied == 0:
        return ()
    return (
        f"In up to {tied} draws at one threshold two strategies have the same net benefit: no "
        "strategy is counted as best there.",
    )
