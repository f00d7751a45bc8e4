"""How far the net benefit moves when one unit cost moves: a tornado."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from cpi_analysis.economics.checks import check_some_thresholds
from cpi_analysis.economics.price_uncertainty import PriceUncertaintyResult
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TornadoResult(Result):
    """Net benefit at the low and the high end of each unit cost.

    Parameters
    ----------
    estimate
        Net benefit at the central prices.
    threshold
        Willingness to pay for one unit of effect.
    effect_label
        What one unit of effect is called.
    """

    title: ClassVar[str] = "Tornado of the unit costs"

    estimate: float
    threshold: float
    effect_label: str

    def summary(self) -> str:
        """Return the unit cost that moves the net benefit most, in one sentence."""
        row = self.estimates.iloc[0]
        ends = sorted((row["at_minimum"], row["at_maximum"]))
        return (
            f"At {phrase_money(self.threshold)} per {self.effect_label} the net benefit is "
            f"{phrase_money(self.estimate)}; the price of {row['parameter']} moves it most, from "
            f"{phrase_money(ends[0])} to {phrase_money(ends[1])}."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_tornado

        draw_tornado(ax, self.estimates, centre=self.estimate)
        ax.set_xlabel(
            f"Incremental net benefit at {phrase_money(self.threshold)} per {self.effect_label} (£)"
        )


def compute_tornado(
    uncertainty: PriceUncertaintyResult,
    *,
    threshold: float,
    share: float | None = None,
    price_level: float | None = None,
) -> TornadoResult:
    """Compute the net benefit at the low and the high end of each unit cost, one at a time.

    Parameters
    ----------
    uncertainty
        From :func:`estimate_price_uncertainty`.
    threshold
        Willingness to pay for one unit of effect, in GBP.
    share
        Prices from ``1 - share`` to ``1 + share`` times the central one, such as 0.2.
    price_level
        Or: the central interval of each price's gamma distribution, such as 0.95. One of the
        two is given.

    Returns
    -------
    TornadoResult
        By service, the widest first: the price's ``unit_cost``, ``minimum`` and ``maximum``,
        the net benefit ``at_minimum`` and ``at_maximum``, and their distance ``width``.

    Raises
    ------
    DataError
        CPI-E024 the threshold or a share is out of range, E047 not one of the two is given.

    Notes
    -----
    The difference in cost is linear in each price: INB(p) = INB − (p − p₀) ΔQ. It says how much
    a price matters, not how probable its ends are together.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.economics import build_resampling_plan, estimate_price_uncertainty
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
    >>> uncertainty = estimate_price_uncertainty(
    ...     people, quantities=["gp"], unit_costs=prices, effect="qaly", arm="arm",
    ...     cluster="agency", plan=plan,
    ... )
    >>> table = compute_tornado(uncertainty, threshold=0.0, share=0.2).tidy()
    >>> table[["at_minimum", "at_maximum"]].round(1).to_numpy().tolist()
    [[54.0, 81.0]]
    """
    check_some_thresholds([threshold])
    if (share is None) == (price_level is None):
        raise DataError(
            Fault(
                code="CPI-E047",
                column="share, price_level",
                rule="how far each price is moved is a choice",
                cure="give share=0.2 for 20% either way, or price_level=0.95, not both",
            )
        )
    services = uncertainty.services
    price = services["unit_cost"].to_numpy(dtype=float)
    if share is not None:
        if not 0 < share <= 1:
            raise DataError(
                Fault(
                    code="CPI-E024",
                    column="share",
                    rule="a price moves by a share of itself",
                    cure="give 0.2 for 20% either way",
                    allowed="more than 0, at most 1",
                )
            )
        low, high = price * (1 - share), price * (1 + share)
        how = f"each price from {1 - share:.0%} to {1 + share:.0%} of itself"
    else:
        check_confidence_level(price_level)
        low, high = _find_gamma_interval(price, services["std_error"].to_numpy(), price_level)
        how = f"each price over the central {price_level:.0%} of its gamma distribution"
    centre = threshold * uncertainty.delta_effect - float(services["delta_cost"].sum())
    change = services["delta_quantity"].to_numpy(dtype=float)
    table = pd.DataFrame(
        {
            "parameter": services["service"],
            "unit_cost": price,
            "minimum": low,
            "maximum": high,
            "at_minimum": centre - (low - price) * change,
            "at_maximum": centre - (high - price) * change,
        }
    )
    table["width"] = (table["at_maximum"] - table["at_minimum"]).abs()
    return TornadoResult(
        estimates=table.sort_values("width", ascending=False, kind="stable"),
        n_participants=uncertainty.n_participants,
        n_agencies=uncertainty.n_agencies,
        method=f"{how}, one at a time",
        estimand="incremental net benefit per participant at the price",
        estimate=centre,
        threshold=float(threshold),
        effect_label=uncertainty.effect_label,
    )


def _find_gamma_interval(
    price: np.ndarray, std_error: np.ndarray, level: float | None
) -> tuple[np.ndarray, np.ndarray]:
    varies = (std_error > 0) & (price > 0)
    shape = np.where(varies, (price / np.where(varies, std_error, 1.0)) ** 2, 1.0)
    tail = (1 - (level or 0.95)) / 2
    low, high = (
        np.where(varies, gammaincinv(shape, end) * price / shape, price) for end in (tail, 1 - tail)
    )
    return low, high
