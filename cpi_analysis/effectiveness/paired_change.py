"""Change from baseline in everybody, without a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.analysis_set import AnalysisSet, has_own_baseline
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.mixed_models import fit_mixed_model
from cpi_analysis.effectiveness.wording import format_interval, phrase_amount
from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A standard deviation and an interval need at least this many.
FEWEST = 3
PAIRED, MIXED = "paired t test", "mixed model with agencies"
CLUSTER_NOTE = (
    "In the paired t test participants are taken as independent: the agencies are ignored, and "
    "the interval is too narrow if agencies differ in change. The mixed model allows for that."
)
NO_COMPARISON_NOTE = (
    "There is no comparison: change may come from time, from regression to the mean or from who "
    "was followed up. It is no estimate of an effect of the intervention."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PairedChangeResult(Result):
    """Mean change from baseline, in all participants and by group.

    Parameters
    ----------
    label, unit, months
        The outcome, and when it was measured.
    """

    title: ClassVar[str] = "Change from baseline"

    label: str
    unit: str | None
    months: float

    def summary(self) -> str:
        """Return the mean change in all participants, in one sentence."""
        row = self.estimates.iloc[0].to_dict()
        change, low, high = format_interval(row["estimate"], row["conf_low"], row["conf_high"])
        return (
            f"{self.label} changed by {phrase_amount(change, self.unit)} on average from baseline "
            f"to {self.months:g} months ({self.confidence_level:.0%} CI {low} to {high}; "
            f"{self.n_participants} participants, agencies ignored, no comparison"
            f"{self._say_mixed()})."
        )

    def _say_mixed(self) -> str:
        rows = self.estimates[self.estimates["analysis"] == MIXED]
        if rows.empty or rows["group"].iloc[0] != "all":
            return ""
        row = rows.iloc[0].to_dict()
        change, low, high = format_interval(row["estimate"], row["conf_low"], row["conf_high"])
        return f"; with agencies {change}, {low} to {high}"

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates
        draw_intervals(
            ax,
            labels=list(rows["group"] + "\n" + rows["analysis"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Mean change in {self.label} ({self.confidence_level:.0%} CI)",
        )


def estimate_paired_change(
    analysis_set: AnalysisSet, *, confidence_level: float | None = None
) -> PairedChangeResult:
    """Estimate the mean change from baseline, as the published pre-post tests did.

    Estimand: the mean of outcome minus baseline in those who have both.

    Parameters
    ----------
    analysis_set
        With the baseline of the same measure.
    confidence_level
        Level of the intervals; None takes the protocol's.

    Returns
    -------
    PairedChangeResult
        A row for all participants and one per group: mean change, paired t test, and the
        standardised change ``dz`` (mean change over its standard deviation) with Hedges'
        correction for small samples. Then the same by a mixed model of the changes with an
        effect of each agency and Kenward-Roger df, which is the one to read when agencies
        differ; its mean weighs agencies more evenly than people.

    Raises
    ------
    DataError
        CPI-E024 the confidence level is not a share.
    ModelError
        CPI-M001 fewer than three participants, M003 everybody changed by the same, M004 the
        set has no baseline of the same measure.

    References
    ----------
    Lakens D (2013). Calculating and reporting effect sizes to facilitate cumulative science.
    Frontiers in Psychology 4, 863, equations 7 and 4.
    """
    if confidence_level is not None:
        check_confidence_level(confidence_level)
    level = analysis_set.confidence_level if confidence_level is None else confidence_level
    if not has_own_baseline(analysis_set):
        raise _fault("CPI-M004", "the set has no baseline of the same measure", "use baseline=same")
    data = analysis_set.data.assign(change=lambda d: d["outcome"] - d["baseline"])
    contrast = analysis_set.contrast
    groups = {"all": data}
    groups |= {
        name: data[data["exposure"] == name] for name in (contrast.target, contrast.reference)
    }
    outcome = f"{analysis_set.measure}@{analysis_set.timepoint}"
    where = {"measure": analysis_set.measure, "timepoint": analysis_set.timepoint}
    kept = {name: part for name, part in groups.items() if name == "all" or len(part) >= FEWEST}
    notes = [
        f"No row for {name}: fewer than {FEWEST} participants."
        for name in groups
        if len(groups[name]) < FEWEST
    ]
    rows = [
        {**where, "group": name, "analysis": PAIRED, "unit": analysis_set.unit}
        | _estimate(part["change"], level, outcome)
        for name, part in kept.items()
    ]
    for name, part in kept.items():
        try:
            mixed = _estimate_mixed(part, level)
        except ModelError as error:
            notes.append(f"No {MIXED} for {name}: {error.faults[0].rule}.")
            continue
        rows.append({**where, "group": name, "analysis": MIXED, "unit": analysis_set.unit} | mixed)
    return PairedChangeResult(
        estimates=pd.DataFrame(rows),
        n_participants=analysis_set.n_participants,
        n_agencies=analysis_set.n_agencies,
        method="Paired t test, ignoring agencies; and a linear mixed model with an intercept per "
        "agency, Kenward–Roger",
        confidence_level=level,
        estimand=(
            f"Mean change in {analysis_set.label} from baseline to {analysis_set.months:g} months "
            "in participants who have both, whatever happened between; change without a "
            "comparison, no effect."
        ),
        notes=(NO_COMPARISON_NOTE, CLUSTER_NOTE, *notes, *analysis_set.notes),
        label=analysis_set.label,
        unit=analysis_set.unit,
        months=analysis_set.months,
    )


def _fault(code: str, rule: str, cure: str) -> ModelError:
    return ModelError(Fault(code=code, rule=rule, cure=cure))


def _estimate(changes: pd.Series[float], level: float, outcome: str) -> dict[str, float]:
    """Return the row of one group; pingouin tests, the interval is ours (its is rounded)."""
    import pingouin
    from scipy import stats

    change = changes.to_numpy()
    if len(change) < FEWEST:
        raise _fault(
            "CPI-M001", f"{outcome}: fewer than three participants have both", "analyse more"
        )
    if np.ptp(change) == 0:
        raise _fault(
            "CPI-M003", f"{outcome}: everybody changed by the same", "check outcome and baseline"
        )
    test = pingouin.ttest(change, 0.0, confidence=level).iloc[0]
    mean, df = float(change.mean()), float(len(change) - 1)
    std_error = float(change.std(ddof=1) / np.sqrt(len(change)))
    reach = float(stats.t.ppf((1 + level) / 2, df)) * std_error
    return {
        "n": len(change),
        "estimate": mean,
        "std_error": std_error,
        "df": df,
        "statistic": float(test["T"]),
        "p_value": float(test.filter(regex="^p.val$").iloc[0]),
        "conf_low": mean - reach,
        "conf_high": mean + reach,
        "effect_size_dz": float(pingouin.compute_effsize(change, 0.0, eftype="cohen")),
        "effect_size_hedges": float(pingouin.compute_effsize(change, 0.0, eftype="hedges")),
    }


def _estimate_mixed(part: pd.DataFrame, level: float) -> dict[str, float]:
    """Return the mean change with an effect of each agency."""
    fitted = fit_mixed_model(
        part, formula="change ~ 1", random={"agency_id": "1"}, confidence_level=level
    )
    row = fitted.estimates.drop(columns="term").iloc[0].to_dict()
    return {"n": len(part), **{str(name): float(value) for name, value in row.items()}}
