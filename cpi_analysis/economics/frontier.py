"""The efficient frontier of several strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import find_rows
from cpi_analysis.economics.draws import arrange_draws
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
COLUMNS = ("strategy", "cost", "effect")
EFFICIENT, DOMINATED, EXTENDEDLY = "efficient", "dominated", "extendedly_dominated"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FrontierResult(Result):
    """Which strategies could be worth their cost at some threshold."""

    title: ClassVar[str] = "Efficient frontier"

    def summary(self) -> str:
        """Return the strategies of the frontier, in one sentence."""
        table = self.estimates
        on = table.loc[table["status"] == EFFICIENT, "strategy"]
        return (
            f"{len(on)} of {len(table)} strategies are efficient, from the cheapest: "
            f"{', '.join(map(str, on))}."
        )

    def _draw(self, ax: Axes) -> None:
        table = self.estimates
        on = table[table["status"] == EFFICIENT]
        off = table[table["status"] != EFFICIENT]
        ax.plot(on["effect"], on["cost"], "-o", color="#0072B2", label="efficient")
        if len(off):
            ax.plot(off["effect"], off["cost"], "x", color="#D55E00", label="dominated")
        for row in table.to_dict("records"):
            ax.annotate(
                str(row["strategy"]),
                (row["effect"], row["cost"]),
                textcoords="offset points",
                xytext=(5, -10),
                fontsize=8,
            )
        ax.set_xlabel("Mean effect")
        ax.set_ylabel("Mean cost (£)")
        ax.legend(frameon=False)


def compute_frontier(strategies: pd.DataFrame) -> FrontierResult:
    """Find the strategies that no other, and no mixture of two others, dominates.

    Parameters
    ----------
    strategies
        One row per strategy: ``strategy``, mean ``cost`` in GBP and mean ``effect``. Draws
        (``draw, strategy, cost, effect``) are averaged over the draws first.

    Returns
    -------
    FrontierResult
        Efficient strategies first, from the cheapest, then the others: ``strategy, cost,
        effect, status`` (``efficient``, ``dominated``, ``extendedly_dominated``) and ``icer``,
        GBP per unit of effect against the efficient strategy before it.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E013 a strategy occurs twice or not in every draw, E020 a
        number is not finite, E045 it is not a table.

    Notes
    -----
    A strategy is dominated when another costs no more and does at least as well, and is better
    in one of them; of two that are equal in both, the later is. It is extendedly dominated
    when a mixture of two others does as well for less: it lies above the lower convex hull of
    the others. The ratios of the efficient ones therefore rise.

    References
    ----------
    Johannesson M, Weinstein MC (1993). On the decision rules of cost-effectiveness analysis.
    Journal of Health Economics 12, 459-467.

    Examples
    --------
    >>> import pandas as pd
    >>> strategies = pd.DataFrame(
    ...     {"strategy": ["a", "b", "c"], "cost": [0.0, 100.0, 150.0], "effect": [0.0, 1.0, 4.0]}
    ... )
    >>> table = compute_frontier(strategies).tidy()
    >>> table["status"].tolist(), table["icer"].tolist()[1]
    (['efficient', 'efficient', 'extendedly_dominated'], 37.5)
    """
    table = _check(strategies)
    cost, effect = table["cost"].to_numpy(), table["effect"].to_numpy()
    status = classify_strategies(cost, effect)
    on = np.flatnonzero(status == EFFICIENT)
    on = on[np.argsort(cost[on], kind="stable")]
    icer = np.full(len(table), np.nan)
    icer[on[1:]] = np.diff(cost[on]) / np.diff(effect[on])
    off = np.flatnonzero(status != EFFICIENT)
    off = off[np.lexsort((effect[off], cost[off], status[off]))]
    order = np.concatenate([on, off])
    return FrontierResult(
        estimates=table.assign(status=status, icer=icer).iloc[order],
        n_participants=None,
        n_agencies=None,
        method="dominance and extended dominance of mean cost and mean effect",
    )


def classify_strategies(cost: FloatArray, effect: FloatArray) -> NDArray[np.object_]:
    """Return the status of each strategy.

    Examples
    --------
    >>> import numpy as np
    >>> classify_strategies(np.array([1.0, 2.0]), np.array([1.0, 0.5])).tolist()
    ['efficient', 'dominated']
    """
    status = np.full(len(cost), DOMINATED, dtype=object)
    # From the cheapest, the better first: whoever does not beat the best so far is dominated.
    order = np.lexsort((np.arange(len(cost)), -effect, cost))
    kept: list[int] = []
    for place in order:
        if not kept or effect[place] > effect[kept[-1]]:
            kept.append(int(place))
    status[kept] = EFFICIENT
    hull: list[int] = []
    for place in kept:
        while len(hull) >= 2 and _is_above(cost, effect, hull[-2], hull[-1], place):
            status[hull.pop()] = EXTENDEDLY
        hull.append(place)
    return status


def _is_above(cost: FloatArray, effect: FloatArray, first: int, middle: int, last: int) -> bool:
    """Return whether the ratio falls from the middle strategy to the last."""
    before = (cost[middle] - cost[first]) * (effect[last] - effect[middle])
    after = (cost[last] - cost[middle]) * (effect[middle] - effect[first])
    return bool(before > after)


def _check(strategies: pd.DataFrame) -> pd.DataFrame:
    check_table(strategies, "strategies")
    absent = [name for name in COLUMNS if name not in strategies.columns]
    if absent:
        raise DataError(
            Fault(
                code="CPI-E011",
                table="strategies",
                column=", ".join(absent),
                rule="a required column is missing",
                cure="give strategy, cost and effect",
                allowed=", ".join(COLUMNS),
            )
        )
    if "draw" in strategies.columns:
        # Every strategy in every draw, or the means would be of different draws.
        arranged = arrange_draws(strategies)
        cost, effect = arranged.means
        return pd.DataFrame({"strategy": arranged.strategies, "cost": cost, "effect": effect})
    table = strategies[list(COLUMNS)].reset_index(drop=True)
    numbers = table[["cost", "effect"]].apply(pd.to_numeric, errors="coerce")
    bad = ~np.isfinite(numbers.to_numpy(dtype=float)).all(axis=1) | table["strategy"].isna()
    if bad.any() or table.empty:
        raise DataError(
            Fault(
                code="CPI-E020",
                table="strategies",
                column="cost, effect",
                rows=find_rows(bad),
                rule="each strategy needs a name, and a finite cost and effect",
                cure="complete or remove the rows",
            )
        )
    table[["cost", "effect"]] = numbers.astype(float)
    if table["strategy"].duplicated().any():
        rows = find_rows(table["strategy"].duplicated())
        raise DataError(
            Fault(
                code="CPI-E013",
                table="strategies",
                column="strategy",
                rows=rows,
                rule="a strategy occurs more than once",
                cure="give one row for each, or a column draw",
            )
        )
    return table
