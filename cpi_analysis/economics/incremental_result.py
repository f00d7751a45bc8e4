"""What an incremental analysis returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.wording import phrase_interval, phrase_money, phrase_probability
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IncrementalResult(Result):
    """Incremental cost, effect and net benefit, with the joint draws behind them.

    Parameters
    ----------
    draws
        One row per replicate: ``draw, delta_cost, delta_effect``; its ``attrs`` hold the names
        of the groups and of the effect.
    target, reference
        The two groups; every difference is target minus reference.
    effect_label
        What the effect is called in sentences and figures, such as ``QALY``.
    replicates
        Number of replicates.
    df
        Degrees of freedom of the t reference distribution, of the difference in cost.
    thresholds
        Thresholds of the rows ``inb``.
    headline_threshold
        Threshold of the summary sentence; None when the analysis names none.
    probability
        Share of draws with a positive net benefit at the headline threshold.
    influence
        Jackknife influence of each agency (participant, when there are no agencies) on the two
        differences, shape (units, 2); None when the method has none.
    fewest_units
        Agencies, or participants, of the stratum that has fewest.
    model_covariance
        Covariance of the two differences when it comes from a model and not from the draws.
    """

    title: ClassVar[str] = "Incremental cost and effect"

    draws: pd.DataFrame
    target: str
    reference: str
    effect_label: str
    replicates: int
    df: float
    thresholds: tuple[float, ...] = ()
    headline_threshold: float | None = None
    probability: float | None = None
    influence: FloatArray | None = None
    fewest_units: int | None = None
    model_covariance: FloatArray | None = None

    @property
    def covariance(self) -> FloatArray:
        """Covariance of (delta_cost, delta_effect), over the draws or of the model: (2, 2)."""
        if self.model_covariance is not None:
            return self.model_covariance
        return np.cov(self.draws[["delta_cost", "delta_effect"]].to_numpy(), rowvar=False)

    def point(self, quantity: str, threshold: float | None = None) -> pd.Series:
        """Return the row of one quantity, at one threshold for ``inb``."""
        rows = self.estimates[self.estimates["quantity"] == quantity]
        if threshold is not None:
            rows = rows[rows["threshold"] == threshold]
        return rows.iloc[0]

    def summary(self) -> str:
        """Return the differences, the net benefit and its probability in words."""
        first = f"{self.target} minus {self.reference}: {self._phrase_deltas()}."
        if self.headline_threshold is None or self.probability is None:
            return first
        row = self.point("inb", self.headline_threshold)
        return (
            f"{first} At {phrase_money(self.headline_threshold)} per {self.effect_label} the "
            f"incremental net benefit is {phrase_money(row['estimate'])} "
            f"({self._phrase_interval(row, is_money=True)}), and the probability of being "
            f"cost-effective is {phrase_probability(self.probability)}."
        )

    def _facts(self) -> list[str]:
        unit = [f"thresholds in GBP per {self.effect_label}"] if self.thresholds else []
        return [*super()._facts(), f"{self.replicates:,} replicates", *unit]

    def _phrase_deltas(self) -> str:
        cost, effect = self.point("delta_cost"), self.point("delta_effect")
        return (
            f"cost {phrase_money(cost['estimate'])} "
            f"({self._phrase_interval(cost, is_money=True)}), {self.effect_label} "
            f"{format_value(effect['estimate'])} "
            f"({self._phrase_interval(effect, is_money=False)})"
        )

    def _phrase_interval(self, row: pd.Series, *, is_money: bool) -> str:
        level = self.confidence_level or 0.95
        return phrase_interval(row["conf_low"], row["conf_high"], level, is_money=is_money)

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_plane

        draw_plane(
            ax,
            self.draws,
            point=(self.point("delta_effect")["estimate"], self.point("delta_cost")["estimate"]),
            effect_label=self.effect_label,
            threshold=self.headline_threshold,
        )
