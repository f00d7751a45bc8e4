"""Incremental net benefit, in money and in health, at each threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from cpi_analysis.economics.checks import check_some_thresholds
from cpi_analysis.economics.draws import arrange_difference
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.threshold_profile import compute_best_shares
from cpi_analysis.economics.wording import phrase_interval, phrase_money
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

#: Thresholds at which the figure is computed.
CURVE_POINTS = 101


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NetBenefitResult(Result):
    """Incremental net monetary and net health benefit at each threshold.

    Parameters
    ----------
    curve
        ``threshold, estimate, conf_low, conf_high`` of the net monetary benefit, from 0 to the
        largest threshold.
    target, reference, effect_label
        What is compared, in words.
    replicates
        Number of draws.
    """

    title: ClassVar[str] = "Incremental net benefit"

    curve: pd.DataFrame
    target: str
    reference: str
    effect_label: str
    replicates: int

    def summary(self) -> str:
        """Return the net monetary benefit at each threshold in words."""
        rows = self.estimates[self.estimates["quantity"] == "inb"]
        level = self.confidence_level or 0.95
        phrases = [
            f"{phrase_money(row['estimate'])} "
            f"({phrase_interval(row['conf_low'], row['conf_high'], level, is_money=True)}) at "
            f"{phrase_money(row['threshold'])}"
            for row in rows.head(6).to_dict("records")
        ]
        return (
            f"Incremental net benefit, {self.target} minus {self.reference}: {'; '.join(phrases)} "
            f"per {self.effect_label}."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_net_benefit

        estimate, low, high = (
            self.curve[name].to_numpy() for name in ("estimate", "conf_low", "conf_high")
        )
        draw_net_benefit(
            ax,
            self.curve["threshold"].to_numpy(),
            estimate,
            (estimate - low, high - estimate),
            effect_label=self.effect_label,
        )


def compute_net_benefit(
    draws: pd.DataFrame | IncrementalResult,
    *,
    thresholds: Sequence[float],
    confidence_level: float | None = None,
    target: str | None = None,
    reference: str | None = None,
    effect_label: str | None = None,
) -> NetBenefitResult:
    """Return the incremental net monetary benefit and net health benefit at each threshold.

    Parameters
    ----------
    draws
        The result of an incremental analysis: estimates with their t intervals. Or a table
        ``draw, delta_cost, delta_effect``, or ``draw, strategy, cost, effect`` with ``target``
        and ``reference`` naming two strategies: means over the draws with percentiles.
    thresholds
        Willingness to pay for one unit of effect, in GBP, increasing.
    confidence_level
        Level of the intervals; that of the analysis, or 0.95.
    target, reference
        Names of the groups or strategies, for tables.
    effect_label
        What one unit of effect is called, for tables.

    Returns
    -------
    NetBenefitResult
        Rows ``inb`` (GBP per person) and, above a threshold of 0, ``inhb`` (units of effect per
        person): ``estimate, std_error, conf_low, conf_high`` and ``probability`` that it is
        above zero, a share of the draws.

    Raises
    ------
    DataError
        When the draws cannot be used, the strategies are not in them, or a setting is out of
        range.

    Notes
    -----
    INB(λ) = λ ΔE − ΔC and INHB(λ) = INB(λ)/λ = ΔE − ΔC/λ. Unlike a ratio both are linear in the
    two differences, so that they have a standard error and can be ranked.

    References
    ----------
    Stinnett AA, Mullahy J (1998). Medical Decision Making 18(2 Suppl):S68-S80.

    Examples
    --------
    >>> import pandas as pd
    >>> draws = pd.DataFrame(
    ...     {"draw": [1, 2], "delta_cost": [100, 300], "delta_effect": [0.02, 0.02]}
    ... )
    >>> compute_net_benefit(draws, thresholds=[20000]).tidy()["estimate"].round(3).tolist()
    [200.0, 0.01]
    """
    check_some_thresholds(thresholds)
    origin = draws if isinstance(draws, IncrementalResult) else None
    level = confidence_level
    if level is None:
        level = (origin.confidence_level if origin else None) or 0.95
    check_confidence_level(level)
    deltas, names, label = arrange_difference(draws, target=target, reference=reference)
    effect_label = (None if origin else effect_label) or label or "unit of effect"
    asked = np.asarray(thresholds, dtype=np.float64)
    grid = np.union1d(np.linspace(0.0, asked[-1] or 1.0, CURVE_POINTS), asked)
    how = (
        "estimate ± t × standard error of the replicates"
        if origin
        else ("mean and percentiles of the draws")
    )
    return NetBenefitResult(
        estimates=_tabulate(deltas, asked, origin, level, effect_label),
        n_participants=origin.n_participants if origin else None,
        n_agencies=origin.n_agencies if origin else None,
        method=how,
        seed=origin.seed if origin else None,
        confidence_level=level,
        estimand="threshold × difference in mean effect − difference in mean cost per participant",
        curve=_describe(deltas, grid, origin, level).drop(columns="std_error"),
        target=names[0],
        reference=names[1],
        effect_label=effect_label,
        replicates=len(deltas),
    )


def _tabulate(
    deltas: FloatArray,
    thresholds: FloatArray,
    origin: IncrementalResult | None,
    level: float,
    effect_label: str,
) -> pd.DataFrame:
    money = _describe(deltas, thresholds, origin, level)
    cost, effect = (np.array([column, np.zeros(len(deltas))]).T for column in deltas.T)
    money["probability"] = compute_best_shares(cost, effect, thresholds)[:, 0]
    money.insert(0, "quantity", "inb")
    money.insert(2, "unit", "GBP")
    health = money[money["threshold"] > 0].assign(quantity="inhb", unit=effect_label)
    scaled = ["estimate", "std_error", "conf_low", "conf_high"]
    health[scaled] = health[scaled].div(health["threshold"], axis=0)
    return pd.concat([money, health], ignore_index=True)


def _describe(
    deltas: FloatArray, thresholds: FloatArray, origin: IncrementalResult | None, level: float
) -> pd.DataFrame:
    """Return estimate, standard error and limits of the net monetary benefit."""
    moments = np.cov(deltas, rowvar=False, ddof=1) if len(deltas) > 1 else np.full((2, 2), np.nan)
    loading = np.column_stack([-np.ones(len(thresholds)), thresholds])
    std_error = np.sqrt(np.maximum(np.einsum("ti,ij,tj->t", loading, moments, loading), 0.0))
    if origin is None:
        estimate = loading @ deltas.mean(axis=0)
        ends = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.array([np.quantile(deltas @ row, ends) for row in loading]).T
    else:
        point = [origin.point(name)["estimate"] for name in ("delta_cost", "delta_effect")]
        estimate = loading @ np.array(point)
        margin = stdtrit(origin.df, (1 + level) / 2) * std_error
        low, high = estimate - margin, estimate + margin
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "estimate": estimate,
            "std_error": std_error,
            "conf_low": low,
            "conf_high": high,
        }
    )
