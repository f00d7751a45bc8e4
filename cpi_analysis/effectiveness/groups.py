"""Two groups and their covariates as arrays, for the checks of comparability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.inference.input_checks import check_table


class Groups(NamedTuple):
    """Complete rows of a table: who is in the target group, and the covariates as numbers."""

    is_target: NDArray[np.bool_]
    covariates: pd.DataFrame
    rows: pd.DataFrame
    notes: tuple[str, ...]


def build_groups(
    data: pd.DataFrame, *, exposure: str, covariates: Sequence[str], further: Sequence[str] = ()
) -> Groups:
    """Return the rows that have exposure, covariates and the further columns.

    Text becomes one column of 0 and 1 for each of its values but the first.
    """
    check_table(data, "data")
    if isinstance(covariates, str) or not len(covariates):
        raise fault(
            "CPI-M004", "covariates is not a list of columns", "give at least one, in a list"
        )
    needed = list(dict.fromkeys([exposure, *covariates, *further]))
    absent = [name for name in needed if name not in data.columns]
    if absent:
        raise fault(
            "CPI-M004",
            f"the data have no column {', '.join(absent)}",
            "check the spelling",
            allowed=", ".join(map(str, data.columns)),
        )
    rows = data[needed].dropna().reset_index(drop=True)
    counts = data[needed].isna().sum()
    where = "; ".join(f"{name} {count}" for name, count in counts[counts > 0].items())
    left_out = len(data) - len(rows)
    said = f"{left_out} of {len(data)} rows are left out: a cell is missing ({where})."
    is_target = _read_exposure(rows[exposure], exposure)
    parts = [_code_covariate(rows[name]) for name in covariates]
    coded = pd.concat(parts, axis="columns")
    endless = [str(name) for name in coded if not np.isfinite(coded[name].to_numpy()).all()]
    if endless:
        raise fault(
            "CPI-M006",
            f"infinite values in: {', '.join(endless)}",
            "set impossible values to missing, and see where they come from",
        )
    constant = [str(name) for name in coded if coded[name].nunique() < 2]
    if constant:
        raise fault(
            "CPI-M002",
            f"the same for everybody who is analysed: {', '.join(constant)}",
            "leave these covariates out",
        )
    return Groups(is_target, coded, rows, (said,) if left_out else ())


def _read_exposure(column: pd.Series, name: str) -> NDArray[np.bool_]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    if not np.isin(numbers, (0.0, 1.0)).all():
        raise fault(
            "CPI-M004",
            "the exposure must be 1 for the target group and 0 for the reference",
            "use the column exposure_target of an analysis set, or code the groups so",
            column=name,
        )
    is_target = numbers == 1.0
    smallest = min(is_target.sum(), (~is_target).sum())
    if smallest < 2:
        raise fault(
            "CPI-M001",
            "a group of the comparison has fewer than two complete rows",
            "check the exposure, and which covariates are missing",
            column=name,
        )
    return np.asarray(is_target)


def _code_covariate(column: pd.Series) -> pd.DataFrame:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return column.astype(float).to_frame()
    levels = sorted(column.astype(str).unique())
    text = column.astype(str)
    if len(levels) < 2:
        return pd.DataFrame({str(column.name): np.zeros(len(column))})
    return pd.DataFrame(
        {f"{column.name}: {level}": (text == level).astype(float) for level in levels[1:]}
    )
