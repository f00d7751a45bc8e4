"""From a table to the arrays of a repeated-measures MANCOVA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import build_design, check_full_rank, fault, quote

FloatArray = NDArray[np.float64]


class MancovaArrays(NamedTuple):
    """Outcomes (n, k t) measure by measure, design, contrasts of the coefficients, clusters."""

    Y: FloatArray
    X: FloatArray
    time: FloatArray
    group: FloatArray
    clusters: NDArray[np.intp] | None
    n_times: int
    notes: tuple[str, ...]


def check_outcomes(outcomes: Mapping[str, Sequence[str]]) -> None:
    """Raise CPI-M004 unless each outcome has the same number of columns, two at least."""
    is_mapping = isinstance(outcomes, Mapping) and len(outcomes) > 0
    lists = (
        [[] if isinstance(one, str) else list(one) for one in outcomes.values()]
        if is_mapping
        else []
    )
    if not lists or len({len(one) for one in lists}) != 1 or len(lists[0]) < 2:
        raise fault(
            "CPI-M004",
            "outcomes must be a dict: names, and for each the same number of columns over time",
            "give at least two columns for each, in the order of time",
            allowed="{'well-being': ['wemwbs_baseline', 'wemwbs_m9']}",
        )
    flat = [name for one in lists for name in one]
    if len(set(flat)) < len(flat):
        raise fault("CPI-M004", "a column is an outcome twice", "name each column once")


def build_arrays(
    data: pd.DataFrame,
    outcomes: Mapping[str, Sequence[str]],
    group: str,
    covariates: Sequence[str],
    cluster: str | None,
) -> MancovaArrays:
    """Return the complete rows as arrays."""
    columns = [name for one in outcomes.values() for name in one]
    listed = [covariates] if isinstance(covariates, str) else list(covariates)
    needed = [*columns, group, *listed, *([cluster] if cluster else [])]
    absent = [str(name) for name in dict.fromkeys(needed) if name not in data.columns]
    if absent:
        raise fault(
            "CPI-M004",
            f"the data have no column {', '.join(absent)}",
            "check the spelling",
            allowed=", ".join(map(str, data.columns)),
        )
    used = data.dropna(subset=list(dict.fromkeys(needed))).reset_index(drop=True)
    notes: tuple[str, ...] = ()
    if len(used) < len(data):
        counts = data[needed].isna().sum()
        where = "; ".join(f"{name} {count}" for name, count in counts[counts > 0].items())
        notes = (f"{len(data) - len(used)} of {len(data)} rows are left out: {where}.",)
    if used.empty or used[group].nunique() < 2:
        raise fault(
            "CPI-M001",
            "there are not two groups with complete rows",
            "see what is missing",
            column=group,
        )
    Y = _read_outcomes(used, columns)
    named = used.assign(**{group: used[group].astype(str)})
    formula = " + ".join([f"{quote(columns[0])} ~ {quote(group)}", *map(quote, listed)])
    design = build_design(named, formula, cluster or group)
    X = design.fixed.to_numpy(dtype=np.float64)
    check_full_rank(design.fixed)
    time, contrasts = _contrast(design.fixed, group)
    clusters = None if cluster is None else design.clusters
    return MancovaArrays(Y, X, time, contrasts, clusters, len(columns) // len(outcomes), notes)


def _read_outcomes(used: pd.DataFrame, columns: list[str]) -> FloatArray:
    try:
        Y = used[columns].astype("float64").to_numpy()
    except (TypeError, ValueError):
        raise fault(
            "CPI-M004",
            "an outcome is not numeric",
            "name numeric columns",
            column=", ".join(columns),
        ) from None
    endless = [
        name for name, column in zip(columns, Y.T, strict=True) if not np.isfinite(column).all()
    ]
    if endless:
        raise fault(
            "CPI-M006",
            f"infinite values in: {', '.join(endless)}",
            "set impossible values to missing, and see where they come from",
        )
    return Y


def _contrast(fixed: pd.DataFrame, group: str) -> tuple[FloatArray, FloatArray]:
    """Return the row of the average group at mean covariates, and the rows of the groups."""
    names = [str(name) for name in fixed.columns]
    own = [k for k, name in enumerate(names) if name.startswith(f"{group}[T.")]
    time = np.array([fixed.mean()], dtype=np.float64)
    time[0, own] = 1 / (len(own) + 1)
    return time, np.eye(len(names))[own]
