"""One resampling plan for every outcome, perspective, scenario and subgroup."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_columns, check_replicates, find_rows
from cpi_analysis.economics.comparison import Comparison
from cpi_analysis.economics.outcome_checks import check_complete
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.inference.resampling import ResamplingPlan, build_plan


def build_resampling_plan(
    data: pd.DataFrame,
    *,
    cluster: str | None,
    strata: str | None,
    replicates: int,
    seed: int,
) -> ResamplingPlan:
    """Return a plan that :func:`estimate_incremental` takes for any outcome or subgroup.

    Parameters
    ----------
    data
        Everybody of the trial, one row per participant: agencies that are not in it cannot be
        drawn later.
    cluster
        Column of the agency; None when participants are resampled by themselves, who are then
        known by the label of their row.
    strata
        Column within whose values units are drawn, as a rule the arm; None for one stratum.
    replicates
        Number of replicates, 100 or more; 10,000 for a report.
    seed
        Seed of the random numbers.

    Returns
    -------
    ResamplingPlan
        ``counts`` says how often each of ``units`` is drawn by the default method. Replicate r
        is the same in every analysis that is given the plan, so that differences between
        analyses can be taken replicate by replicate.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E013 rows share a label, E014 a cell is empty, E021 or
        E024 the replicates, E031 an agency is in two strata, E047 the seed.
    ModelError
        CPI-M001 when a stratum has one unit.

    References
    ----------
    Rao JNK, Wu CFJ, Yue K (1992). Survey Methodology 18:209-217.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"agency": list("aabbccdd"), "arm": [1, 1, 1, 1, 0, 0, 0, 0]})
    >>> plan = build_resampling_plan(
    ...     people, cluster="agency", strata="arm", replicates=200, seed=1
    ... )
    >>> plan.units, plan.counts.shape
    (('a', 'b', 'c', 'd'), (200, 4))
    """
    check_table(data, "data")
    check_replicates(replicates)
    keys = [column for column in (cluster, strata) if column is not None]
    check_columns(data, keys, table="data")
    check_complete(data, keys)
    labels = (
        np.zeros(len(data), dtype=np.int64)
        if strata is None
        else np.unique(data[strata].astype(str), return_inverse=True)[1]
    )
    if cluster is None:
        _check_labels(data.index)
        units, of_units = tuple(data.index), labels
    else:
        names, first, codes = np.unique(
            data[cluster].to_numpy(), return_index=True, return_inverse=True
        )
        _check_one_stratum(labels != labels[first][codes], cluster)
        units, of_units = tuple(names.tolist()), labels[first]
    return build_plan(
        of_units,
        replicates=replicates,
        seed=seed,
        units=units,
        is_clustered=cluster is not None,
    )


class MatchedPlan(NamedTuple):
    """A plan, the comparison with its strata, and the place of each of its units in the plan."""

    plan: ResamplingPlan
    comparison: Comparison
    columns: NDArray[np.intp]


def match_plan(
    comparison: Comparison, plan: ResamplingPlan | None, *, replicates: int, seed: int
) -> MatchedPlan:
    """Return the plan of a comparison: the one that is given, or one of its own.

    Raises
    ------
    DataError
        CPI-E030 when the plan does not know a unit, E045 when it resamples other units.
    """
    if plan is None:
        own = build_plan(
            comparison.strata,
            replicates=replicates,
            seed=seed,
            units=comparison.units,
            is_clustered=comparison.is_clustered,
        )
        return MatchedPlan(own, comparison, np.arange(own.n_units))
    if plan.is_clustered != comparison.is_clustered:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="plan",
                rule="the plan resamples "
                + ("agencies" if plan.is_clustered else "participants")
                + ", the analysis needs the other",
                cure="build the plan with the same cluster= as the analysis",
            )
        )
    places = {unit: place for place, unit in enumerate(plan.units)}
    if not comparison.is_clustered:
        _check_labels(pd.Index(comparison.units))
    unknown = sum(unit not in places for unit in comparison.units)
    if unknown:
        raise DataError(
            Fault(
                code="CPI-E030",
                column="plan",
                rule=f"the plan does not know {unknown} of the units of the analysis",
                cure="build the plan from the whole trial, and analyse parts of it",
            )
        )
    columns = np.array([places[unit] for unit in comparison.units], dtype=np.intp)
    return MatchedPlan(plan, replace(comparison, strata=plan.strata[columns]), columns)


def _check_labels(labels: pd.Index) -> None:
    if labels.has_duplicates:
        raise DataError(
            Fault(
                code="CPI-E013",
                table="data",
                rows=find_rows(labels.duplicated()),
                rule="a plan knows participants by the label of their row: no two are alike",
                cure="number the rows: data.reset_index(drop=True)",
            )
        )


def _check_one_stratum(differs: NDArray[np.bool_], cluster: str) -> None:
    if differs.any():
        raise DataError(
            Fault(
                code="CPI-E031",
                table="data",
                column=cluster,
                rows=find_rows(differs),
                rule="an agency is drawn within one stratum",
                cure="use strata=None when groups are compared within agencies",
            )
        )
