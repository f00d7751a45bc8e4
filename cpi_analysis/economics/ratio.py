"""The incremental cost-effectiveness ratio with its quadrant: never a negative ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.draws import arrange_difference
from cpi_analysis.economics.fieller import FiellerRegion, solve_fieller
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.wording import phrase_money, phrase_probability
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

#: Quadrants of the plane, in the order of the table.
QUADRANTS = ("north-east", "south-east", "south-west", "north-west")

_MEANING = {
    "north-east": "costs more and does more: the ratio is the price of one more {unit}",
    "south-east": "dominant: costs no more and does no less",
    "south-west": "costs less and does less: read in reverse, the ratio is what is saved for one "
    "{unit} given up, and a higher ratio is better",
    "north-west": "dominated: costs no less and does no more",
    "origin": "no difference in cost or effect",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IcerResult(Result):
    """Cost-effectiveness ratio, its quadrant, and the draws' shares of the quadrants.

    Parameters
    ----------
    quadrant
        Quadrant of the point estimate: ``north-east``, ``south-east`` (dominant),
        ``south-west`` or ``north-west`` (dominated).
    icer
        GBP per unit of effect; None where a ratio would be negative or has no effect below it.
    delta_cost, delta_effect
        Point estimates, target minus reference.
    region
        Fieller region; None when the draws do not come from an incremental analysis.
    target, reference, effect_label
        What is compared, in words.
    is_effect_clear
        The interval of the difference in effect does not hold zero; None when there is none.
    """

    title: ClassVar[str] = "Incremental cost-effectiveness ratio"

    quadrant: str
    icer: float | None
    delta_cost: float
    delta_effect: float
    region: FiellerRegion | None
    target: str
    reference: str
    effect_label: str
    is_effect_clear: bool | None = None

    def summary(self) -> str:
        """Return the quadrant, the ratio where it has a meaning, and its region, in words."""
        shares = self.estimates.loc[self.estimates["quantity"] == "quadrant_share"]
        share = float(shares.loc[shares["quadrant"] == self.quadrant, "proportion"].sum())
        sentence = (
            f"{self.target} against {self.reference}: {self._phrase_ratio()}"
            f"; {phrase_probability(share)} of the replicates fall in the same quadrant"
        )
        return f"{sentence}; {self.region.describe()}." if self.region else f"{sentence}."

    def _phrase_ratio(self) -> str:
        meaning = _MEANING[self.quadrant].format(unit=self.effect_label)
        if self.is_effect_clear is False:
            return (
                f"the estimates lie in the {self.quadrant} ({meaning.split(':')[0]}), but the "
                f"interval of the difference in {self.effect_label} holds zero, so no ratio is "
                "quoted"
            )
        if self.icer is None:
            return meaning
        return f"{phrase_money(self.icer)} per {self.effect_label} ({self.quadrant}: {meaning})"

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_bars

        shares = self.estimates[self.estimates["quantity"] == "quadrant_share"]
        draw_bars(
            ax,
            shares["quadrant"].tolist(),
            shares["proportion"].tolist(),
            label="Share of replicates",
        )
        ax.set_xlim(0, 1)


def compute_icer(
    draws: pd.DataFrame | IncrementalResult,
    *,
    target: str | None = None,
    reference: str | None = None,
    effect_label: str | None = None,
) -> IcerResult:
    """Return the ratio of incremental cost to incremental effect, with its quadrant.

    Parameters
    ----------
    draws
        The result of an incremental analysis: the ratio is that of its estimates, and comes
        with Fieller's region. Or a table ``draw, delta_cost, delta_effect``, or ``draw,
        strategy, cost, effect`` with ``target`` and ``reference`` naming two strategies: the
        ratio is that of the means over the draws.
    target, reference
        Names of the groups or strategies, for tables: those of the analysis that made the
        table, when it is ``result.draws``.
    effect_label
        What one unit of effect is called, for tables.

    Returns
    -------
    IcerResult
        Row ``icer``, then one row ``quadrant_share`` per quadrant. The estimate is missing when
        one strategy dominates the other: the quadrant says so in words.

    Raises
    ------
    DataError
        When the draws cannot be used or the strategies are not in them.

    Notes
    -----
    ICER = ΔC/ΔE. It falls when the target gets dearer in the south-west and has no meaning in
    the north-west and south-east, so it is never ranked, averaged or given a standard error;
    the net benefit has none of these faults. A draw on an axis counts as dominant or dominated
    when neither difference speaks against it.

    References
    ----------
    Stinnett AA, Mullahy J (1997). Medical Decision Making 17:483-485.

    Examples
    --------
    >>> import pandas as pd
    >>> draws = pd.DataFrame({"draw": [1, 2], "delta_cost": [90, 110], "delta_effect": [0.1, 0.1]})
    >>> result = compute_icer(draws, effect_label="QALY")
    >>> round(result.icer), result.quadrant
    (1000, 'north-east')
    """
    deltas, names, label = arrange_difference(draws, target=target, reference=reference)
    origin = draws if isinstance(draws, IncrementalResult) else None
    effect_label = (None if origin else effect_label) or label or "unit of effect"
    if origin:
        cost, effect = (
            float(origin.point(name)["estimate"]) for name in ("delta_cost", "delta_effect")
        )
    else:
        cost, effect = (float(mean) for mean in deltas.mean(axis=0))
    quadrant = str(classify_quadrants(np.array([[cost, effect]]))[0])
    icer = cost / effect if quadrant in ("north-east", "south-west") else None
    region = _find_region(origin) if origin else None
    is_effect_clear = _is_effect_clear(origin) if origin else None
    return IcerResult(
        estimates=_tabulate(icer, quadrant, region, deltas, effect_label),
        n_participants=origin.n_participants if origin else None,
        n_agencies=origin.n_agencies if origin else None,
        method="ratio of "
        + (
            "estimates, Fieller's theorem with the covariance of the replicates"
            if origin
            else "means over the draws"
        ),
        seed=origin.seed if origin else None,
        confidence_level=origin.confidence_level if origin else None,
        estimand=f"difference in mean cost per difference of one {effect_label} in mean effect",
        notes=_remark(icer, is_effect_clear),
        quadrant=quadrant,
        icer=icer,
        delta_cost=cost,
        delta_effect=effect,
        region=region,
        target=names[0],
        reference=names[1],
        effect_label=effect_label,
        is_effect_clear=is_effect_clear,
    )


def classify_quadrants(deltas: FloatArray) -> NDArray[np.str_]:
    """Return the quadrant of each (ΔC, ΔE), shape (n, 2) to (n,)."""
    cost, effect = deltas[:, 0], deltas[:, 1]
    return np.select(
        [
            (cost == 0) & (effect == 0),
            (cost > 0) & (effect > 0),
            (cost < 0) & (effect < 0),
            (cost <= 0) & (effect >= 0),
        ],
        ["origin", "north-east", "south-west", "south-east"],
        default="north-west",
    )


def _find_region(result: IncrementalResult) -> FiellerRegion:
    from scipy import stats

    covariance = result.covariance
    tail = (1 + (result.confidence_level or 0.95)) / 2
    moments = (
        float(result.point("delta_cost")["estimate"]),
        float(result.point("delta_effect")["estimate"]),
        float(covariance[0, 0]),
        float(covariance[1, 1]),
        float(covariance[0, 1]),
    )
    return solve_fieller(moments, quantile=float(stats.t.ppf(tail, result.df)))


def _tabulate(
    icer: float | None,
    quadrant: str,
    region: FiellerRegion | None,
    deltas: FloatArray,
    effect_label: str,
) -> pd.DataFrame:
    meaning = _MEANING[quadrant].format(unit=effect_label)
    head = {
        "quantity": "icer",
        "quadrant": quadrant,
        "unit": f"GBP per {effect_label}",
        "estimate": np.nan if icer is None else icer,
        "conf_low": region.low if region else np.nan,
        "conf_high": region.high if region else np.nan,
        "proportion": np.nan,
        "interpretation": f"{meaning}; {region.describe()}" if region else meaning,
    }
    found = classify_quadrants(deltas)
    shown = [*QUADRANTS, *(["origin"] if (found == "origin").any() else [])]
    shares = [
        {
            "quantity": "quadrant_share",
            "quadrant": name,
            "unit": "share of draws",
            "proportion": float(np.mean(found == name)),
            "interpretation": _MEANING[name].format(unit=effect_label),
        }
        for name in shown
    ]
    return pd.DataFrame([head, *shares])


def _is_effect_clear(result: IncrementalResult) -> bool:
    effect = result.point("delta_effect")
    return not effect["conf_low"] <= 0 <= effect["conf_high"]


def _remark(icer: float | None, is_effect_clear: bool | None) -> tuple[str, ...]:
    notes = []
    if icer is None:
        notes.append("No ratio is given: it would be negative or without meaning.")
    if is_effect_clear is False:
        notes.append(
            "The interval of the difference in effect holds zero: read the ratio only together "
            "with the net benefit and the shares of the quadrants."
        )
    return tuple(notes)
