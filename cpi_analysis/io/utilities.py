"""Utilities from EQ-5D profiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.instruments import ValueSet, load_value_set

#: The most levels that a dimension of any version has.
MOST_LEVELS = 5

Profiles = pd.DataFrame | pd.Series | npt.NDArray[Any] | Sequence[str | None]


def compute_utilities(
    profiles: Profiles, *, value_set: ValueSet | str | Path
) -> npt.NDArray[np.float64]:
    """Return the utility of each EQ-5D profile.

    Parameters
    ----------
    profiles
        n profiles: a DataFrame with a column per dimension (``eq5d_mobility``,
        ``eq5d_self_care``, ``eq5d_usual_activities``, ``eq5d_pain``, ``eq5d_anxiety``; other
        columns are ignored), an array of shape (n, 5) in that order, or texts such as
        ``"21232"``. Levels are whole numbers from 1.
    value_set
        A value set, its name, or the path of its file. There is no default: the set is a
        choice of the protocol, and it must have as many levels as the questionnaire.

    Returns
    -------
    ndarray
        n utilities, 1 = full health; NaN when any dimension is missing.

    Raises
    ------
    DataError
        CPI-E044 the value set is not known, or a level fits another version of EQ-5D;
        CPI-E036 a level fits no version; CPI-E011 a column is missing; CPI-E045 the profiles
        have another shape. Messages give row numbers counted from 1, never a level.

    Notes
    -----
    utility = 1 − Σ_d decrement_d(level_d) − a·[any level > 1] − b·[any level is the worst];
    a and b are zero in the sets for five levels.

    References
    ----------
    Dolan P (1997). Modeling valuations for EuroQol health states. Medical Care 35.
    Rowen D et al. (2026). Value in Health, doi 10.1016/j.jval.2026.03.008.

    Examples
    --------
    >>> compute_utilities(["11111", "21232", None], value_set="UK_3L_A1").round(3)
    array([1.   , 0.088,   nan])
    """
    chosen = value_set if isinstance(value_set, ValueSet) else load_value_set(value_set)
    levels, is_text = _to_levels(profiles, chosen)
    if faults := _find_faults(levels, is_text, chosen):
        raise DataError(faults)
    return _sum_decrements(levels, chosen)


def _sum_decrements(levels: npt.NDArray[np.float64], chosen: ValueSet) -> npt.NDArray[np.float64]:
    missing = np.isnan(levels).any(axis=1)
    position = np.where(np.isnan(levels), 1, levels).astype(np.intp) - 1
    total = np.zeros(len(levels))
    for column, weights in enumerate(chosen.decrements.values()):
        total += np.asarray(weights)[position[:, column]]
    # Each of these terms is taken once, however many dimensions reach the level.
    total += chosen.any_above_one * (position > 0).any(axis=1)
    total += chosen.any_at_worst * (position == chosen.n_levels - 1).any(axis=1)
    return np.where(missing, np.nan, 1.0 - total)


def _to_levels(
    profiles: Profiles, chosen: ValueSet
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return levels, and where a cell holds something that is not a number."""
    cells = _to_cells(profiles, chosen)
    numbers = cells.apply(pd.to_numeric, errors="coerce")
    is_text = (numbers.isna() & cells.notna()).to_numpy(dtype=bool)
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan), is_text


def _to_cells(profiles: Profiles, chosen: ValueSet) -> pd.DataFrame:
    dimensions = list(chosen.dimensions)
    if isinstance(profiles, pd.DataFrame):
        absent = [name for name in dimensions if name not in profiles.columns]
        if absent:
            raise DataError(
                Fault(
                    code="CPI-E011",
                    column=name,
                    rule="a dimension of the profile has no column",
                    cure="give one column for each dimension",
                )
                for name in absent
            )
        return profiles[dimensions].reset_index(drop=True)
    array = np.asarray(profiles, dtype=object)
    if array.ndim == 2 and array.shape[1] == len(dimensions):
        return pd.DataFrame(array, columns=dimensions)
    texts = pd.Series(array if array.ndim == 1 else [object()], dtype=object)
    if not texts.map(lambda text: isinstance(text, str) or pd.isna(text)).all():
        raise DataError(
            Fault(
                code="CPI-E045",
                column="profiles",
                rule="the profiles do not have a shape that can be read",
                allowed='five columns, an array (n, 5), or texts such as "21232"',
                cure='give texts: "11111", not the number 11111; or one column per dimension',
            )
        )
    return _split_texts(texts, dimensions)


def _split_texts(texts: pd.Series, dimensions: list[str]) -> pd.DataFrame:
    text = texts.astype("string").str.strip()
    given = text.notna() & (text != "")
    wrong = given & (text.str.len() != len(dimensions))
    if wrong.any():
        raise DataError(
            Fault(
                code="CPI-E036",
                column="profiles",
                rows=tuple(int(row) + 1 for row in np.flatnonzero(wrong)),
                rule="a profile does not have one digit for each dimension",
                allowed=f"{len(dimensions)} digits, or empty",
                cure="correct the profile, or leave it empty when a dimension is missing",
            )
        )
    text = text.where(given)
    return pd.DataFrame({name: text.str[place] for place, name in enumerate(dimensions)})


def _find_faults(
    levels: npt.NDArray[np.float64], is_text: npt.NDArray[np.bool_], chosen: ValueSet
) -> list[Fault]:
    with np.errstate(invalid="ignore"):
        whole = (levels == np.round(levels)) & (levels >= 1)
        other_version = whole & (levels > chosen.n_levels) & (levels <= MOST_LEVELS)
        valid = whole & (levels <= chosen.n_levels)
    impossible = is_text | ~(valid | other_version | np.isnan(levels))
    allowed = f"1 to {chosen.n_levels}, or empty"
    faults = []
    for column, name in enumerate(chosen.dimensions):
        if other_version[:, column].any():
            faults.append(
                Fault(
                    code="CPI-E044",
                    column=name,
                    rows=_rows(other_version[:, column]),
                    rule=f"a level is above the {chosen.n_levels} levels of {chosen.id}",
                    allowed=allowed,
                    cure="use a value set for EQ-5D-5L if the answers come from that version",
                )
            )
        if impossible[:, column].any():
            faults.append(
                Fault(
                    code="CPI-E036",
                    column=name,
                    rows=_rows(impossible[:, column]),
                    rule="a level is not one that EQ-5D has",
                    allowed=allowed,
                    cure="correct the level, or leave it empty when it is missing",
                )
            )
    return faults


def _rows(chosen: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(row) + 1 for row in np.flatnonzero(chosen))
