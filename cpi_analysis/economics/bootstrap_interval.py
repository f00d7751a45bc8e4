"""Bootstrap intervals of the differences and the net benefit, of several kinds side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_choice, check_thresholds
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.wording import phrase_interval, phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.bootstrap_intervals import IntervalKind, compute_interval
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

KINDS: tuple[IntervalKind, ...] = get_args(IntervalKind)

#: With fewer agencies an arm, percentiles of agency replicates are too narrow (Flynn TN, Peters TJ
#: (2004). Health Economics 13:527-543).
ENOUGH_AGENCIES = 24


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BootstrapIntervalResult(Result):
    """Bootstrap intervals of one analysis.

    Parameters
    ----------
    kinds
        Kinds of interval, in the order of the rows.
    target, reference, effect_label
        What is compared, in words.
    """

    title: ClassVar[str] = "Bootstrap intervals"

    kinds: tuple[str, ...]
    target: str
    reference: str
    effect_label: str

    def summary(self) -> str:
        """Return the intervals of the last row's quantity in words."""
        last = self.estimates.iloc[-1]
        is_same = self.estimates["quantity"] == last["quantity"]
        if pd.notna(last["threshold"]):
            is_same &= self.estimates["threshold"] == last["threshold"]
        level = self.confidence_level or 0.95
        is_money = last["quantity"] != "delta_effect"
        phrases = [
            f"{row['interval']} "
            + phrase_interval(row["conf_low"], row["conf_high"], level, is_money=is_money)
            for row in self.estimates[is_same].to_dict("records")
        ]
        of = {"delta_cost": "Difference in cost", "delta_effect": "Difference in effect"}.get(
            last["quantity"], ""
        ) or f"Net benefit at {phrase_money(last['threshold'])} per {self.effect_label}"
        return f"{of}, {self.target} minus {self.reference}: {'; '.join(phrases)}."

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_estimates

        last = self.estimates.iloc[-1]
        rows = self.estimates.tail(len(self.kinds))
        draw_estimates(
            ax,
            rows["interval"].tolist(),
            *(rows[column].to_numpy() for column in ("estimate", "conf_low", "conf_high")),
        )
        of = {"delta_cost": "Difference in cost (£)", "delta_effect": self.effect_label}
        at = "" if pd.isna(last["threshold"]) else f" at {phrase_money(last['threshold'])} (£)"
        ax.set_xlabel(of.get(last["quantity"], f"Net benefit{at}"))


def estimate_bootstrap_intervals(
    result: IncrementalResult,
    *,
    kinds: Sequence[IntervalKind] = ("expanded", "bca"),
    thresholds: Sequence[float] | None = None,
    confidence_level: float | None = None,
    accept_few_agencies: bool = False,
) -> BootstrapIntervalResult:
    """Return percentile, BCa and other intervals from the replicates of an analysis.

    Parameters
    ----------
    result
        From :func:`estimate_incremental` by a method that resamples.
    kinds
        ``"expanded"``: percentiles at Φ(t(agencies − 2)), made for few agencies;
        ``"percentile"``; ``"bca"``: corrected for bias and acceleration, by a jackknife that
        leaves out one agency at a time; ``"basic"``; ``"normal"``.
    thresholds
        Thresholds of the net benefit; those of the analysis when not given.
    confidence_level
        Level of the intervals; that of the analysis when not given.
    accept_few_agencies
        Allows all kinds but ``"expanded"`` with fewer than 24 agencies in a group. They are
        then too narrow, and ``docs/studies/economics_coverage.md`` says by how much.

    Returns
    -------
    BootstrapIntervalResult
        Rows ``delta_cost``, ``delta_effect`` and ``inb`` at each threshold, for each kind. The
        ratio of the two differences has none: it has no mean, see
        :func:`estimate_fieller_interval`.

    Raises
    ------
    DataError
        CPI-E045 when a kind is not known, the analysis did not resample, or the agencies are
        too few.
    ModelError
        CPI-M003 when the BCa correction cannot be computed.

    References
    ----------
    Efron B (1987). Journal of the American Statistical Association 82:171-185.
    Davison AC, Hinkley DV (1997). Bootstrap Methods and their Application, chapter 5.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.economics import estimate_incremental
    >>> people = pd.DataFrame({
    ...     "group": [1, 1, 1, 1, 0, 0, 0, 0],
    ...     "agency": ["a", "a", "b", "b", "c", "c", "d", "d"],
    ...     "cost": [400.0, 600.0, 300.0, 500.0, 200.0, 400.0, 100.0, 300.0],
    ...     "qaly": [0.7, 0.8, 0.6, 0.7, 0.6, 0.6, 0.5, 0.7],
    ... })
    >>> result = estimate_incremental(
    ...     people, cost="cost", effect="qaly", arm="group", cluster="agency",
    ...     replicates=200, seed=1, thresholds=[20000],
    ... )
    >>> estimate_bootstrap_intervals(result, kinds=["expanded"]).tidy()["quantity"].tolist()
    ['delta_cost', 'delta_effect', 'inb']
    """
    for kind in kinds:
        check_choice(kind, argument="kinds", allowed=KINDS)
    if result.model_covariance is not None:
        raise DataError(_fault_no_replicates())
    level = result.confidence_level if confidence_level is None else confidence_level
    check_confidence_level(level)
    thresholds = result.thresholds if thresholds is None else thresholds
    check_thresholds(thresholds)
    few = _find_few(result, kinds)
    if few and not accept_few_agencies:
        raise DataError(_fault_few(result, few))
    rows = _make_rows(result, kinds, thresholds, float(level or 0.95))
    note = [_remark_few(result, few)] if few else []
    return BootstrapIntervalResult(
        estimates=pd.DataFrame(rows),
        n_participants=result.n_participants,
        n_agencies=result.n_agencies,
        method=f"bootstrap intervals; replicates: {result.method.rsplit(';', 1)[0]}",
        seed=result.seed,
        confidence_level=level,
        estimand=result.estimand,
        notes=(*note, *result.notes),
        kinds=tuple(kinds),
        target=result.target,
        reference=result.reference,
        effect_label=result.effect_label,
    )


def _make_rows(
    result: IncrementalResult,
    kinds: Sequence[IntervalKind],
    thresholds: Sequence[float],
    level: float,
) -> list[dict[str, object]]:
    point = result.estimates["estimate"].to_numpy()[:2]
    draws = result.draws[["delta_cost", "delta_effect"]].to_numpy()
    quantities = [("delta_cost", np.nan, "GBP", np.array([1.0, 0.0]))]
    quantities.append(("delta_effect", np.nan, result.effect_label, np.array([0.0, 1.0])))
    quantities += [("inb", float(k), "GBP", np.array([-1.0, k])) for k in thresholds]
    rows = []
    for quantity, threshold, unit, loading in quantities:
        for kind in kinds:
            low, high = compute_interval(
                float(loading @ point),
                draws @ loading,
                kind=kind,
                confidence_level=level,
                influence=None if result.influence is None else result.influence @ loading,
                df=result.df,
            )
            rows.append(
                {
                    "quantity": quantity,
                    "threshold": threshold,
                    "unit": unit,
                    "interval": kind,
                    "estimate": float(loading @ point),
                    "conf_low": low,
                    "conf_high": high,
                }
            )
    return rows


def _find_few(result: IncrementalResult, kinds: Sequence[IntervalKind]) -> list[str]:
    fewest = result.fewest_units
    if result.n_agencies is None or fewest is None or fewest >= ENOUGH_AGENCIES:
        return []
    return [kind for kind in kinds if kind != "expanded"]


def _fault_few(result: IncrementalResult, few: Sequence[str]) -> Fault:
    return Fault(
        code="CPI-E045",
        column="kinds",
        rule=f"with {result.fewest_units} agencies in a group these intervals are too narrow: "
        + ", ".join(few),
        cure='ask for kinds=["expanded"], or say accept_few_agencies=True',
        allowed=f"{ENOUGH_AGENCIES} agencies in each group",
    )


def _remark_few(result: IncrementalResult, few: Sequence[str]) -> str:
    return (
        f"With {result.fewest_units} agencies in a group these intervals are too narrow, and were "
        f"asked for all the same: {', '.join(few)}."
    )


def _fault_no_replicates() -> Fault:
    return Fault(
        code="CPI-E045",
        column="result",
        rule="the analysis is by a model: its draws are normal, and say no more than its own "
        "intervals",
        cure="use the intervals of the analysis, or a method that resamples",
    )
