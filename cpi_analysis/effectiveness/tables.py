"""Tables over several outcomes, and descriptions of one analysis set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.analysis_set import AnalysisSet
from cpi_analysis.effectiveness.figures import BLUE, draw_intervals
from cpi_analysis.effectiveness.outcome_model import OutcomeModelResult
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OutcomeTableResult(Result):
    """Adjusted differences of several outcomes, the primary one first.

    Parameters
    ----------
    labels
        Names of the outcomes for the figure.
    scales
        Standard deviation of each outcome given the adjustment, within and between agencies:
        the figure divides by it so that outcomes with different units share an axis.
    """

    title: ClassVar[str] = "Outcomes"

    labels: tuple[str, ...]
    scales: tuple[float, ...]

    def summary(self) -> str:
        """Return how many outcomes were compared, and for how many the interval leaves zero."""
        rows = self.estimates
        apart = int(((rows["conf_low"] > 0) | (rows["conf_high"] < 0)).sum())
        return (
            f"{len(rows)} outcomes were compared; the {self.confidence_level:.0%} interval leaves "
            f"out zero for {apart} of them."
        )

    def _draw(self, ax: Axes) -> None:
        rows, scales = self.estimates, np.array(self.scales)
        draw_intervals(
            ax,
            labels=self.labels,
            estimates=rows["estimate"].to_numpy() / scales,
            low=rows["conf_low"].to_numpy() / scales,
            high=rows["conf_high"].to_numpy() / scales,
            title=(
                f"{rows['contrast'].iloc[0]}\n"
                f"in adjusted standard deviations ({self.confidence_level:.0%} CI)"
            ),
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DescriptiveTableResult(Result):
    """Means and standard deviations by group, at baseline and at follow-up."""

    title: ClassVar[str] = "Description"

    def summary(self) -> str:
        """Return what the table describes."""
        return f"{self.estimates['measure'].iloc[-1]} by group, without adjustment."

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates
        labels = rows["measure"] + " " + rows["timepoint"]
        places = {label: place for place, label in enumerate(dict.fromkeys(labels))}
        for shift, (group, part) in enumerate(rows.groupby("group", sort=False)):
            x = labels[part.index].map(places).to_numpy(dtype=float) + 0.15 * shift
            ax.errorbar(
                x,
                part["mean"],
                yerr=part["std_dev"],
                fmt="os"[shift % 2],
                color=(BLUE, "#D55E00")[shift % 2],
                capsize=3,
                label=str(group),
            )
        ax.set_xticks([place + 0.075 for place in places.values()], list(places))
        ax.set_ylabel("Mean ± standard deviation")
        ax.legend(frameon=False)


def build_outcome_table(results: Sequence[OutcomeModelResult]) -> OutcomeTableResult:
    """Stack the adjusted differences of several outcomes, the primary one first.

    Parameters
    ----------
    results
        Fitted outcomes with the same contrast; the first is the primary outcome.

    Returns
    -------
    OutcomeTableResult
        The rows of the outcomes, and ``p_value_holm``: the p-values of the secondary outcomes
        adjusted for their number. The primary outcome has none: it is tested once.
        ``n_participants`` and ``n_agencies`` are None when they differ between outcomes.

    Raises
    ------
    DataError
        CPI-E045 when there is no outcome, or contrasts or levels differ.

    References
    ----------
    Holm S (1979). A simple sequentially rejective multiple test procedure. Scandinavian
    Journal of Statistics 6, 65-70.
    """
    settings = {
        (row.target, row.reference, row.confidence_level, row.estimates["contrast"].iloc[0])
        for row in results
    }
    if len(settings) != 1:
        raise DataError(
            Fault(
                code="CPI-E045",
                rule="a table of outcomes needs outcomes with one contrast and one level",
                cure="give at least one outcome, and make a table for each contrast",
            )
        )
    table = pd.concat([result.estimates for result in results], ignore_index=True)
    table.insert(
        list(table.columns).index("p_value") + 1, "p_value_holm", _adjust(table["p_value"])
    )
    notes = [f"{row.label}: {note}" for row in results for note in row.model.notes]
    if len(results) > 1:
        notes.insert(0, "Holm's adjustment is over the secondary outcomes; the first is primary.")
    return OutcomeTableResult(
        estimates=table,
        n_participants=_same_or_none(table["n"]),
        n_agencies=_same_or_none(table["n_agencies"]),
        method="; ".join([*dict.fromkeys(result.method for result in results), *_say_range(table)]),
        confidence_level=results[0].confidence_level,
        notes=tuple(notes),
        labels=tuple(f"{result.label}, {result.timepoint}" for result in results),
        scales=tuple(
            float(np.sqrt(result.agency_variance + result.residual_variance)) for result in results
        ),
    )


def _same_or_none(counts: pd.Series[int]) -> int | None:
    return int(counts.iloc[0]) if counts.nunique() == 1 else None


def _say_range(table: pd.DataFrame) -> list[str]:
    """Return how the numbers analysed differ between the outcomes, if they do."""
    ranges = {
        column: f"{table[column].min()} to {table[column].max()} {noun}"
        for column, noun in (("n", "participants"), ("n_agencies", "agencies"))
        if table[column].nunique() > 1
    }
    if not ranges:
        return []
    column = "columns" if len(ranges) > 1 else "column"
    return [f"{' in '.join(ranges.values())}, see {column} {' and '.join(ranges)}"]


def _adjust(p_values: pd.Series[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    adjusted = np.full(len(p_values), np.nan)
    if len(p_values) > 1:
        from statsmodels.stats.multitest import multipletests

        adjusted[1:] = multipletests(p_values.iloc[1:], method="holm")[1]
    return adjusted


def build_descriptive_table(analysis_set: AnalysisSet) -> DescriptiveTableResult:
    """Describe the outcome and its baseline by group, in those who are analysed.

    Parameters
    ----------
    analysis_set
        From :func:`build_analysis_set`.

    Returns
    -------
    DescriptiveTableResult
        One row per measure, timepoint and group: ``n``, ``n_agencies``, ``mean``, ``std_dev``
        (divisor n - 1), ``median``, ``minimum`` and ``maximum``.
    """
    columns = {"outcome": (analysis_set.measure, analysis_set.timepoint)}
    if analysis_set.baseline is not None:
        measure, _, timepoint = analysis_set.baseline.partition("@")
        columns = {"baseline": (measure, timepoint), **columns}
    groups = (analysis_set.contrast.target, analysis_set.contrast.reference)
    rows = []
    for column, (measure, timepoint) in columns.items():
        for group in groups:
            part = analysis_set.data[analysis_set.data["exposure"] == group]
            values = part[column]
            rows.append(
                {
                    "measure": measure,
                    "timepoint": timepoint,
                    "group": group,
                    "n": len(values),
                    "n_agencies": part["agency_id"].nunique(),
                    "mean": values.mean(),
                    "std_dev": values.std(ddof=1),
                    "median": values.median(),
                    "minimum": values.min(),
                    "maximum": values.max(),
                }
            )
    return DescriptiveTableResult(
        estimates=pd.DataFrame(rows),
        n_participants=analysis_set.n_participants,
        n_agencies=analysis_set.n_agencies,
        method="Description without adjustment, in the participants who are analysed",
        notes=analysis_set.notes,
    )
