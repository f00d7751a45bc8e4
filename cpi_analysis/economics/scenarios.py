"""Several analyses side by side: the base case, scenarios and subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from cpi_analysis.economics.checks import check_some_thresholds
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.net_benefit import compute_net_benefit
from cpi_analysis.economics.ratio import compute_icer
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INTERVAL = ["estimate", "std_error", "df", "conf_low", "conf_high"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScenarioResult(Result):
    """Cost, effect, ratio and net benefit of several analyses.

    Parameters
    ----------
    base
        Name of the analysis with which the others are compared: the first.
    effect_label
        What one unit of effect is called.
    """

    title: ClassVar[str] = "Scenarios and subgroups"

    base: str
    effect_label: str

    def summary(self) -> str:
        """Return the net benefit of each analysis at the first threshold, in words."""
        rows = self._select_benefit()
        phrases = [
            f"{row['scenario']} {phrase_money(row['estimate'])}" for row in rows.to_dict("records")
        ]
        return (
            f"Incremental net benefit at {phrase_money(rows['threshold'].iloc[0])} per "
            f"{self.effect_label}: {'; '.join(phrases)}."
        )

    def _select_benefit(self) -> pd.DataFrame:
        rows: pd.DataFrame = self.estimates[self.estimates["quantity"] == "inb"]
        first: pd.DataFrame = rows[rows["threshold"] == rows["threshold"].min()]
        return first

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_estimates

        rows = self._select_benefit()
        draw_estimates(
            ax,
            rows["scenario"].tolist(),
            *(rows[column].to_numpy() for column in ("estimate", "conf_low", "conf_high")),
        )
        ax.set_xlabel(
            f"Incremental net benefit at {phrase_money(rows['threshold'].iloc[0])} per "
            f"{self.effect_label} (£)"
        )


def compute_scenarios(
    analyses: Mapping[str, IncrementalResult],
    *,
    thresholds: Sequence[float],
    is_one_plan: bool,
) -> ScenarioResult:
    """Put several incremental analyses beside each other.

    Parameters
    ----------
    analyses
        Results by name, the base case first: perspectives, price assumptions, methods, or
        subgroups. One alone gives the usual table of cost-effectiveness.
    thresholds
        Willingness to pay for one unit of effect, in GBP, increasing.
    is_one_plan
        Every analysis was given the same resampling plan (:func:`build_resampling_plan`), so
        that replicate r drew the same agencies in all of them. Only then can the change from
        the base case have a standard error: the analyses share most of their people.

    Returns
    -------
    ScenarioResult
        By scenario: ``delta_cost``, ``delta_effect``, ``icer`` (with its quadrant in words, and
        no number where one strategy dominates), ``inb`` at each threshold with its
        ``probability``; and with one plan ``inb_change``, the net benefit less that of the
        first analysis, with an interval from the paired replicates.

    Raises
    ------
    DataError
        CPI-E045 confidence levels, effects or groups differ, or the replicates are not those
        of one plan; E047 there is no analysis or no threshold.

    Notes
    -----
    Two analyses of the same people differ by far less than their intervals suggest; the paired
    difference says by how much. Its degrees of freedom are the fewer of the two analyses'.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.economics import build_resampling_plan, estimate_incremental
    >>> people = pd.DataFrame({
    ...     "group": [1, 1, 1, 1, 0, 0, 0, 0], "agency": list("aabbccdd"),
    ...     "cost": [400.0, 600.0, 300.0, 500.0, 200.0, 400.0, 100.0, 300.0],
    ...     "qaly": [0.7, 0.8, 0.6, 0.7, 0.6, 0.6, 0.5, 0.7],
    ... })
    >>> plan = build_resampling_plan(
    ...     people, cluster="agency", strata="group", replicates=100, seed=1
    ... )
    >>> settings = dict(effect="qaly", arm="group", cluster="agency", plan=plan)
    >>> analyses = {
    ...     "base case": estimate_incremental(people, cost="cost", **settings),
    ...     "costs doubled": estimate_incremental(
    ...         people.assign(cost=2 * people["cost"]), cost="cost", **settings
    ...     ),
    ... }
    >>> table = compute_scenarios(analyses, thresholds=[20000], is_one_plan=True).tidy()
    >>> table.loc[table["quantity"] == "inb_change", "estimate"].round(1).tolist()
    [-200.0]
    """
    check_some_thresholds(thresholds)
    _check_alike(analyses, is_one_plan=is_one_plan)
    base = next(iter(analyses))
    first = analyses[base]
    parts = []
    for name, result in analyses.items():
        rows = [_take_differences(result), _take_ratio(result), _take_benefit(result, thresholds)]
        if is_one_plan and name != base:
            rows.append(_compare(result, first, thresholds))
        parts.append(pd.concat(rows, ignore_index=True).assign(scenario=name))
    table = pd.concat(parts, ignore_index=True)
    leading = ["scenario", "quantity", "threshold", "unit", *_INTERVAL, "probability"]
    table["n_participants"] = table["scenario"].map(
        {name: result.n_participants for name, result in analyses.items()}
    )
    return ScenarioResult(
        estimates=table[[*leading, "quadrant", "interpretation", "n_participants"]],
        n_participants=first.n_participants,
        n_agencies=first.n_agencies,
        method="; ".join(dict.fromkeys(result.method for result in analyses.values())),
        seed=first.seed,
        confidence_level=first.confidence_level,
        estimand=first.estimand,
        notes=tuple(
            f"{name}: {note}" for name, result in analyses.items() for note in result.notes
        ),
        base=base,
        effect_label=first.effect_label,
    )


def _take_differences(result: IncrementalResult) -> pd.DataFrame:
    rows = result.estimates[result.estimates["quantity"].isin(["delta_cost", "delta_effect"])]
    return rows[["quantity", "unit", *_INTERVAL]].assign(threshold=np.nan)


def _take_ratio(result: IncrementalResult) -> pd.DataFrame:
    rows = compute_icer(result).estimates.query("quantity == 'icer'")
    # Fieller's ends are no interval around the ratio: the interpretation has them in words.
    return rows[["quantity", "unit", "estimate", "quadrant", "interpretation"]]


def _take_benefit(result: IncrementalResult, thresholds: Sequence[float]) -> pd.DataFrame:
    rows = compute_net_benefit(result, thresholds=thresholds).estimates.query("quantity == 'inb'")
    return rows.assign(df=result.df)


def _compare(
    result: IncrementalResult, first: IncrementalResult, thresholds: Sequence[float]
) -> pd.DataFrame:
    df = min(result.df, first.df)
    tail = (1 + (first.confidence_level or 0.95)) / 2
    rows = []
    for threshold in thresholds:
        draws, estimates = [], []
        for one in (result, first):
            draws.append(threshold * one.draws["delta_effect"] - one.draws["delta_cost"])
            point = [one.point(name)["estimate"] for name in ("delta_effect", "delta_cost")]
            estimates.append(threshold * point[0] - point[1])
        spread = float((draws[0].to_numpy() - draws[1].to_numpy()).std(ddof=1))
        margin = float(stdtrit(df, tail)) * spread
        change = float(estimates[0] - estimates[1])
        rows.append(
            {
                "quantity": "inb_change",
                "threshold": float(threshold),
                "unit": "GBP",
                "estimate": change,
                "std_error": spread,
                "df": df,
                "conf_low": change - margin,
                "conf_high": change + margin,
            }
        )
    return pd.DataFrame(rows)


def _check_alike(analyses: Mapping[str, IncrementalResult], *, is_one_plan: bool) -> None:
    results = list(analyses.values())
    if not results:
        raise DataError(
            Fault(
                code="CPI-E047",
                column="analyses",
                rule="there is no analysis",
                cure="give results of estimate_incremental by name, the base case first",
            )
        )
    must: dict[str, set[Any]] = {
        "the confidence level": {result.confidence_level for result in results},
        "the effect": {result.effect_label for result in results},
        "the groups": {(result.target, result.reference) for result in results},
    }
    if is_one_plan:
        must["the replicates"] = {(result.seed, result.replicates) for result in results}
    differing = [words for words, values in must.items() if len(values) > 1]
    if differing:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="analyses",
                rule=f"{' and '.join(differing)} must be the same in every analysis",
                cure="repeat the analyses with the same settings, and one plan= for all",
            )
        )
