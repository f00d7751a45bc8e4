"""Checks of the columns of an incremental analysis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cpi_analysis.economics.checks import find_rows
from cpi_analysis.errors import DataError, Fault, ModelError


def check_complete(data: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise when a participant has no group or no agency."""
    faults = [
        Fault(
            code="CPI-E014",
            table="data",
            column=column,
            rows=find_rows(data[column].isna()),
            rule="every participant has a group and an agency",
            cure="fill in the cells, or leave these participants out before the analysis",
        )
        for column in columns
        if data[column].isna().any()
    ]
    if faults:
        raise DataError(faults)


def check_numbers(
    data: pd.DataFrame,
    columns: Sequence[str],
    *,
    costs: Sequence[str],
    effects: Sequence[str],
) -> None:
    """Raise when an outcome is not a number, a value is not finite, or a cost is negative."""
    faults = []
    for column in columns:
        if not pd.api.types.is_numeric_dtype(data[column]):
            if column in (*costs, *effects):
                faults.append(
                    Fault(
                        code="CPI-E020",
                        table="data",
                        column=column,
                        rule="the outcome is a number",
                        cure="give a numeric column",
                    )
                )
            continue
        values = data[column].to_numpy(dtype=float, na_value=np.nan)
        if np.isinf(values).any():
            faults.append(_fault_infinite(column, find_rows(np.isinf(values))))
        if column in costs and (values < 0).any():
            faults.append(
                Fault(
                    code="CPI-E024",
                    table="data",
                    column=column,
                    rows=find_rows(values < 0),
                    rule="the cost of a participant cannot be negative",
                    cure="correct the cells; a saving is a lower cost, not a negative one",
                    allowed="0 or more",
                )
            )
    if faults:
        raise DataError(faults)


def _fault_infinite(column: str, rows: tuple[int, ...]) -> Fault:
    return Fault(
        code="CPI-E024",
        table="data",
        column=column,
        rows=rows,
        rule="values must be finite",
        cure="correct the cells, or leave them empty when they are missing",
        allowed="finite numbers",
    )


def check_outcomes_vary(data: pd.DataFrame, outcomes: Sequence[str]) -> None:
    """Raise when everyone has the same value of an outcome."""
    faults = [
        Fault(
            code="CPI-M003",
            column=column,
            rule="the outcome has the same value for everyone",
            cure="check the column; there is nothing to compare",
        )
        for column in outcomes
        if data[column].nunique() == 1
    ]
    if faults:
        raise ModelError(faults)
