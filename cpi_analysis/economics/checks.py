"""Checks of arguments that several functions of the economic analysis share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import (
    check_choice as check_choice,
)
from cpi_analysis.inference.input_checks import (
    fault_replicates_not_whole,
    is_whole,
)
from cpi_analysis.inference.resampling import MINIMUM_REPLICATES

#: Name of the column that numbers imputed data sets.
IMPUTATION = "imputation"


def check_not_imputed(data: pd.DataFrame) -> None:
    """Raise when a table holds imputed data sets, which an analysis of one trial must not take."""
    if IMPUTATION in data.columns:
        raise DataError(
            Fault(
                code="CPI-E045",
                table="data",
                column=IMPUTATION,
                rule="these are imputed data sets: analysed as one trial, or resampled one by one, "
                "they hide what is not known",
                cure="use estimate_imputed_incremental for all of them, or "
                "estimate_bootstrap_imputed on the data with its missing values",
            )
        )


def check_thresholds(thresholds: Sequence[float]) -> None:
    """Raise when thresholds are not finite, zero or more, and in increasing order."""
    values = np.asarray(thresholds, dtype=float)
    faults = []
    if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
        faults.append(
            Fault(
                code="CPI-E024",
                column="thresholds",
                rule="a threshold is a willingness to pay, in GBP for one unit of effect",
                cure="give finite numbers, 0 or more",
                allowed="0 or more",
            )
        )
    elif (np.diff(values) <= 0).any():
        faults.append(
            Fault(
                code="CPI-E045",
                column="thresholds",
                rule="thresholds must be in increasing order, each once",
                cure="sort them and leave out repeats",
            )
        )
    if faults:
        raise DataError(faults)


def check_some_thresholds(thresholds: Sequence[float]) -> None:
    """Raise when thresholds cannot be used, or when there are none."""
    check_thresholds(thresholds)
    if len(thresholds) == 0:
        raise DataError(
            Fault(
                code="CPI-E047",
                column="thresholds",
                rule="a net benefit has a threshold, and none is taken for granted",
                cure="give thresholds=, in GBP for one unit of effect",
            )
        )


def check_replicates(replicates: object) -> None:
    """Raise when the number of replicates is not whole, or too small for standard errors."""
    if not is_whole(replicates):
        raise DataError(fault_replicates_not_whole())
    if replicates < MINIMUM_REPLICATES:  # type: ignore[operator]
        raise DataError(
            Fault(
                code="CPI-E024",
                column="replicates",
                rule="so few replicates give no standard error that could be used",
                cure="ask for 10,000 in a report; a few hundred will do for a trial run",
                allowed=f"{MINIMUM_REPLICATES} or more",
            )
        )


def check_columns(data: pd.DataFrame, columns: Sequence[str], *, table: str) -> None:
    """Raise one error that names every column that is missing or there twice."""
    names = list(dict.fromkeys(columns))
    known = list(data.columns)
    faults = [
        Fault(
            code="CPI-E011",
            table=table,
            column=column,
            rule="the analysis needs this column",
            cure="add the column, or name another one",
        )
        for column in names
        if column not in known
    ]
    faults += [
        Fault(
            code="CPI-E006",
            table=table,
            column=column,
            rule="two columns have this name: which one is meant is never guessed",
            cure="rename one of them, or leave it out",
        )
        for column in names
        if known.count(column) > 1
    ]
    if faults:
        raise DataError(faults)


def find_rows(mask: pd.Series[bool] | np.ndarray) -> tuple[int, ...]:
    """Return the positions of true entries, counted from 1, as errors show them."""
    return tuple(int(row) + 1 for row in np.flatnonzero(np.asarray(mask, dtype=bool)))
