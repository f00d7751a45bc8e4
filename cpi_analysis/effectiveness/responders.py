"""Who changed by an amount that matters: minimal important change, and responders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.analysis_set import AnalysisSet, has_own_baseline
from cpi_analysis.effectiveness.cluster_robust import estimate_cluster_robust
from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.estimands import say_groups, say_intercurrent, say_population
from cpi_analysis.effectiveness.figures import BLUE, draw_intervals
from cpi_analysis.effectiveness.wording import format_interval
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DICHOTOMY_NOTE = (
    "To count responders throws away how much people changed, and a shift of the mean by a small "
    "amount moves many across the line: read it beside the difference in means, not instead."
)
DISTRIBUTION_NOTE = (
    "These amounts come from the spread of the scores alone; they do not say what people find "
    "important, for which an anchor is needed."
)
#: Of 95% of people without true change, the observed change is smaller than this many SEMs.
DETECTABLE = 1.959963984540054 * np.sqrt(2)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MinimalChangeResult(Result):
    """Amounts of change by the spread of the baseline."""

    title: ClassVar[str] = "Minimal important change"

    label: str
    unit: str | None

    def summary(self) -> str:
        """Return half a standard deviation, in one sentence."""
        half = self.estimates["estimate"].iloc[1]
        return f"Half a standard deviation of {self.label} at baseline is {half:.2f}."

    def _draw(self, ax: Axes) -> None:
        places = np.arange(len(self.estimates))[::-1]
        ax.barh(places, self.estimates["estimate"], color=BLUE, height=0.5)
        ax.set_yticks(places, list(self.estimates["quantity"]))
        ax.set_xlabel(f"Change in {self.label}")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ResponderResult(Result):
    """Share of responders in each group, and the difference in shares."""

    title: ClassVar[str] = "Responders"

    label: str
    minimal_change: float

    def summary(self) -> str:
        """Return the difference in shares, in one sentence."""
        table = self.estimates.set_index("quantity")
        row = table.loc["difference"].to_dict()
        estimate, low, high = format_interval(row["estimate"], row["conf_low"], row["conf_high"])
        return (
            f"Responders ({self.minimal_change:g} or more better in {self.label}): target minus "
            f"reference {estimate} ({self.confidence_level:.0%} CI {low} to {high})."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates.iloc[:3]
        draw_intervals(
            ax,
            labels=list(rows["quantity"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Share of responders ({self.confidence_level:.0%} CI)",
        )


def compute_minimal_change(
    analysis_set: AnalysisSet, *, reliability: float | None = None
) -> MinimalChangeResult:
    """Compute amounts of change that may matter, from the spread at baseline.

    Parameters
    ----------
    analysis_set
        With the baseline of the same measure.
    reliability
        Reliability of the score (test-retest, or alpha), from 0 to 1; None leaves out the
        amounts that need it.

    Returns
    -------
    MinimalChangeResult
        0.2 and 0.5 standard deviations of the baseline; with a reliability the standard error
        of measurement and the smallest change that is beyond it for one person (95%).

    Raises
    ------
    ModelError
        CPI-M004 no baseline of the same measure, or a reliability that is not a share.

    Notes
    -----
    ``SEM = SD sqrt(1 - r)``; smallest detectable change ``1.96 sqrt(2) SEM``.

    References
    ----------
    Norman GR, Sloan JA, Wyrwich KW (2003). Interpretation of changes in health-related quality
    of life: the remarkable universality of half a standard deviation. Medical Care 41, 582-592.
    """
    _require_baseline(analysis_set)
    spread = float(analysis_set.data["baseline"].std(ddof=1))
    rows = [("0.2 standard deviations", 0.2 * spread), ("0.5 standard deviations", 0.5 * spread)]
    if reliability is not None:
        if not (np.isfinite(reliability) and 0 <= reliability <= 1):
            raise fault("CPI-M004", "the reliability is not a share", "give 0.85 for 0.85")
        sem = spread * float(np.sqrt(1 - reliability))
        rows += [
            ("standard error of measurement", sem),
            ("smallest detectable change (95%)", float(DETECTABLE) * sem),
        ]
    table = pd.DataFrame(rows, columns=["quantity", "estimate"])
    return MinimalChangeResult(
        estimates=table.assign(unit=analysis_set.unit),
        n_participants=analysis_set.n_participants,
        n_agencies=analysis_set.n_agencies,
        method="Distribution-based amounts, by the baseline of those analysed",
        notes=(DISTRIBUTION_NOTE, *analysis_set.notes),
        label=analysis_set.label,
        unit=analysis_set.unit,
    )


def estimate_responders(
    analysis_set: AnalysisSet,
    *,
    minimal_change: float,
    is_higher_better: bool | None = None,
    confidence_level: float | None = None,
) -> ResponderResult:
    """Estimate which share of each group improved by a minimal important change.

    Estimand: the difference between the groups in the share of participants whose outcome is
    better than their baseline by ``minimal_change`` or more.

    Parameters
    ----------
    analysis_set
        With the baseline of the same measure.
    minimal_change
        The amount, in the unit of the measure, above 0; set in the protocol, not after.
    is_higher_better
        Direction of the measure; None takes that of the dictionary.
    confidence_level
        Level of the intervals; None takes the protocol's.

    Returns
    -------
    ResponderResult
        The share in each group, and the difference in shares, by least squares with CR2 and
        Satterthwaite df; and the number needed for one more responder, where the interval of
        the difference leaves zero out.

    Raises
    ------
    DataError
        CPI-E024 the confidence level is not a share.
    ModelError
        CPI-M003 everybody or nobody responded; M004 no baseline of the same measure, no
        direction, or an amount that is not positive; M001 too few agencies.
    """
    _require_baseline(analysis_set)
    level = analysis_set.confidence_level if confidence_level is None else confidence_level
    check_confidence_level(level)
    better = analysis_set.is_higher_better if is_higher_better is None else is_higher_better
    if better is None:
        raise fault(
            "CPI-M004",
            "the dictionary of measures does not say whether higher is better",
            "give is_higher_better=True or False",
        )
    if not (np.isfinite(minimal_change) and minimal_change > 0):
        raise fault("CPI-M004", "the minimal change is not a positive number", "give an amount")
    sign = 1.0 if better else -1.0
    change = sign * (analysis_set.data["outcome"] - analysis_set.data["baseline"])
    data = analysis_set.data.assign(responder=(change >= minimal_change).astype(float))
    return ResponderResult(
        estimates=_tabulate(data, analysis_set, level),
        n_participants=analysis_set.n_participants,
        n_agencies=analysis_set.n_agencies,
        method="Shares by least squares, CR2 covariance, Satterthwaite df",
        confidence_level=level,
        estimand=(
            f"Difference in the share of participants whose {analysis_set.label} at "
            f"{analysis_set.months:g} months is better than at baseline by {minimal_change:g} or "
            f"more, {say_groups(analysis_set.contrast)}; population: "
            f"{say_population(analysis_set)}; {say_intercurrent(analysis_set.contrast)}."
        ),
        notes=(DICHOTOMY_NOTE, *analysis_set.notes),
        label=analysis_set.label,
        minimal_change=minimal_change,
    )


def _require_baseline(analysis_set: AnalysisSet) -> None:
    if not has_own_baseline(analysis_set):
        raise fault(
            "CPI-M004",
            "change needs a baseline of the same measure",
            "build the set with baseline='same'",
        )


def _tabulate(data: pd.DataFrame, analysis_set: AnalysisSet, level: float) -> pd.DataFrame:
    contrast = analysis_set.contrast
    coded = data.assign(exposure_reference=1.0 - data["exposure_target"])
    settings: dict[str, Any] = {"cluster": "agency_id", "confidence_level": level}
    shares = estimate_cluster_robust(
        coded, formula="responder ~ 0 + exposure_target + exposure_reference", **settings
    ).estimates
    gap = estimate_cluster_robust(coded, formula="responder ~ exposure_target", **settings)
    rows = pd.concat([shares, gap.estimates.iloc[[1]]], ignore_index=True)
    rows = rows.drop(columns=["term", "statistic"])
    rows.loc[:1, "p_value"] = np.nan
    # A t interval of a share knows no limits; a share does.
    limits = ["conf_low", "conf_high"]
    rows.loc[:1, limits] = rows.loc[:1, limits].clip(0.0, 1.0)
    rows.loc[2:, limits] = rows.loc[2:, limits].clip(-1.0, 1.0)
    names = [f"share in {contrast.target}", f"share in {contrast.reference}", "difference"]
    rows.insert(0, "quantity", names)
    sizes = [int(data["exposure_target"].sum()), int((1 - data["exposure_target"]).sum())]
    rows.insert(1, "n", [*sizes, len(data)])
    last = rows.iloc[2]
    if last["conf_low"] * last["conf_high"] > 0:
        ends = sorted(1 / abs(last[name]) for name in ("conf_low", "conf_high"))
        needed = {
            "quantity": "number needed for one more responder",
            "n": len(data),
            "estimate": 1 / abs(last["estimate"]),
            "conf_low": ends[0],
            "conf_high": ends[1],
        }
        rows = pd.concat([rows, pd.DataFrame([needed])], ignore_index=True)
    return rows
