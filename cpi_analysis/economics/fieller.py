"""Fieller's region for an incremental cost-effectiveness ratio, with its form named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd
from scipy import stats

from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Form = Literal["interval", "outside", "half_line", "whole_line"]


@dataclass(frozen=True, kw_only=True)
class FiellerRegion:
    """The thresholds at which the net benefit does not differ from zero.

    ``interval``: from ``low`` to ``high``. ``outside``: up to ``low`` and from ``high``.
    ``half_line``: one of the two is infinite. ``whole_line``: every threshold.
    """

    form: Form
    low: float
    high: float

    def describe(self) -> str:
        """Return the region in words."""
        low, high = (
            phrase_money(end) if math.isfinite(end) else "no limit" for end in (self.low, self.high)
        )
        return {
            "interval": f"Fieller interval from {low} to {high}",
            "outside": f"Fieller region outside {low} to {high}: below the first or above the "
            "second",
            "half_line": f"Fieller half-line from {low} to {high}",
            "whole_line": "Fieller region is the whole line: no ratio is ruled out",
        }[self.form]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FiellerResult(Result):
    """Fieller's region for a ratio of costs and effects.

    Parameters
    ----------
    region
        Form and ends.
    moments
        ΔC, ΔE, Var ΔC, Var ΔE, Cov(ΔC, ΔE).
    quantile
        Quantile of the reference distribution.
    """

    title: ClassVar[str] = "Fieller region of the cost-effectiveness ratio"

    region: FiellerRegion
    moments: tuple[float, float, float, float, float]
    quantile: float

    def summary(self) -> str:
        """Return the region in words."""
        return self.region.describe() + "."

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_net_benefit

        cost, effect, cost_variance, effect_variance, covariance = self.moments
        ends = [abs(end) for end in (self.region.low, self.region.high) if math.isfinite(end)]
        largest = 1.5 * max([*ends, abs(cost / effect) if effect else 1.0])
        grid = np.linspace(-largest, largest, 201)
        variance = grid**2 * effect_variance + cost_variance - 2 * grid * covariance
        draw_net_benefit(ax, grid, grid * effect - cost, self.quantile * np.sqrt(variance))


def estimate_fieller_interval(
    *,
    delta_cost: float,
    delta_effect: float,
    variance_cost: float,
    variance_effect: float,
    covariance: float,
    df: float | None = None,
    confidence_level: float = 0.95,
) -> FiellerResult:
    """Estimate the region of cost-effectiveness ratios that the data do not rule out.

    Parameters
    ----------
    delta_cost, delta_effect
        Differences in cost (GBP) and effect, target minus reference.
    variance_cost, variance_effect, covariance
        Sampling variances of the two differences, and their covariance.
    df
        Degrees of freedom of the t distribution (agencies − 2); None for the normal.
    confidence_level
        Level of the region.

    Returns
    -------
    FiellerResult
        One row ``icer`` with ``conf_low, conf_high`` (missing for the whole line) and the form
        in ``interpretation``. The estimate is missing when the ratio would be negative.

    Raises
    ------
    DataError
        When a number is not finite or the variances are not those of two differences.

    Notes
    -----
    The region is {λ: |λΔE − ΔC| ≤ t SE(λΔE − ΔC)}, that is Aλ² − 2Bλ + G ≤ 0 with
    A = ΔE² − t²V_E, B = ΔEΔC − t²Cov, G = ΔC² − t²V_C. With A > 0 it is an interval; with
    A < 0 it lies outside two values or is the whole line.

    References
    ----------
    Fieller EC (1954). Journal of the Royal Statistical Society B 16:175-185.
    Willan AR, O'Brien BJ (1996). Health Economics 5:297-305.

    Examples
    --------
    >>> estimate_fieller_interval(
    ...     delta_cost=100, delta_effect=0.1, variance_cost=2500, variance_effect=0.0001,
    ...     covariance=0,
    ... ).summary()
    'Fieller interval from £20 to £2,060.'
    """
    moments = (delta_cost, delta_effect, variance_cost, variance_effect, covariance)
    _check_moments(moments)
    check_confidence_level(confidence_level)
    tail = (1 + confidence_level) / 2
    quantile = float(stats.norm.ppf(tail) if df is None else stats.t.ppf(tail, df))
    region = solve_fieller(moments, quantile=quantile)
    is_tradeoff = delta_cost * delta_effect > 0
    row = {
        "quantity": "icer",
        "estimate": delta_cost / delta_effect if is_tradeoff else np.nan,
        "conf_low": region.low,
        "conf_high": region.high,
        "interpretation": region.describe(),
    }
    return FiellerResult(
        estimates=pd.DataFrame([row]),
        n_participants=None,
        n_agencies=None,
        method="Fieller's theorem, "
        + ("normal distribution" if df is None else f"t distribution with {df:g} df"),
        confidence_level=confidence_level,
        estimand="ratio of the difference in mean cost to the difference in mean effect",
        region=region,
        moments=moments,
        quantile=quantile,
    )


def solve_fieller(
    moments: tuple[float, float, float, float, float], *, quantile: float
) -> FiellerRegion:
    """Return Fieller's region from ΔC, ΔE, Var ΔC, Var ΔE, Cov and a quantile."""
    cost, effect, cost_variance, effect_variance, covariance = moments
    square = quantile**2
    a = effect**2 - square * effect_variance
    b = effect * cost - square * covariance
    g = cost**2 - square * cost_variance
    discriminant = b**2 - a * g
    if a == 0:
        if b == 0:
            return FiellerRegion(form="whole_line", low=math.nan, high=math.nan)
        end = g / (2 * b)
        low, high = (end, math.inf) if b > 0 else (-math.inf, end)
        return FiellerRegion(form="half_line", low=low, high=high)
    if a < 0 and discriminant <= 0:
        return FiellerRegion(form="whole_line", low=math.nan, high=math.nan)
    # The larger root in magnitude first, the other from their product G/A: no cancellation.
    root = math.sqrt(max(discriminant, 0.0))
    pivot = b + math.copysign(root, b)
    ends = sorted((pivot / a, g / pivot if pivot else 0.0))
    return FiellerRegion(form="interval" if a > 0 else "outside", low=ends[0], high=ends[1])


def _check_moments(moments: tuple[float, float, float, float, float]) -> None:
    _, _, cost_variance, effect_variance, covariance = moments
    finite = all(math.isfinite(moment) for moment in moments)
    # The allowance is for rounding when cost and effect are perfectly correlated.
    valid = (
        finite
        and cost_variance > 0
        and effect_variance > 0
        and covariance**2 <= cost_variance * effect_variance * (1 + 1e-9)
    )
    if not valid:
        raise DataError(
            Fault(
                code="CPI-E024",
                rule="Fieller's region needs finite differences, positive variances, and a "
                "covariance that fits them",
                cure="take all five from the same analysis",
            )
        )
