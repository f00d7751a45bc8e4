"""Design matrices of an incremental analysis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.wording import phrase_list
from cpi_analysis.errors import Fault, ModelError

FloatArray = NDArray[np.float64]


def build_design(
    data: pd.DataFrame, is_target: FloatArray, covariates: Sequence[str]
) -> FloatArray:
    """Return an intercept, the group and covariates, numbers standardised."""
    columns = [np.ones(len(data)), is_target]
    names = ["intercept", "group"]
    for covariate in covariates:
        columns += _encode(data[covariate])
        # Levels are values of participants: an error names the covariate only.
        names.append(covariate)
    design = np.column_stack(columns)
    _check_rank(design, names)
    return design


def build_covariate_design(data: pd.DataFrame, covariates: Sequence[str]) -> FloatArray:
    """Return an intercept and covariates, without the group."""
    columns = [np.ones(len(data))]
    for covariate in covariates:
        columns += _encode(data[covariate])
    design = np.column_stack(columns)
    _check_rank(design, ["intercept", *covariates])
    return design


def _encode(values: pd.Series) -> list[FloatArray]:
    if not pd.api.types.is_numeric_dtype(values):
        dummies = pd.get_dummies(values.astype(str), drop_first=True, dtype=float)
        return list(dummies.to_numpy().T)
    numbers = values.to_numpy(dtype=float)
    # The coefficient of the group does not change; cross-products keep their precision.
    spread = numbers.std()
    return [(numbers - numbers.mean()) / (spread if spread > 0 else 1.0)]


def _check_rank(design: FloatArray, names: Sequence[str]) -> None:
    if design.shape[0] <= design.shape[1]:
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule=f"{design.shape[0]} participants cannot carry {design.shape[1]} coefficients",
                cure="leave out covariates",
            )
        )
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ModelError(
            Fault(
                code="CPI-M002",
                rule=f"the columns {phrase_list(names)} are collinear, or one of them is constant",
                cure="leave out covariates that repeat the group or each other",
            )
        )


def note_levels(data: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """Return the level that the others of each covariate in text are compared with."""
    return tuple(
        f"{name}: the other levels are compared with {data[name].astype(str).min()!r}, the first "
        "in the alphabet."
        for name in dict.fromkeys(names)
        if not pd.api.types.is_numeric_dtype(data[name])
    )
