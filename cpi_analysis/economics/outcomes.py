"""Utilities and quality-adjusted life years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_columns, find_rows
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.scoring import compute_utilities

FloatArray = NDArray[np.float64]

#: Utility 1 is full health; the allowance is for decimals that were rounded in a data set.
_FULL_HEALTH = 1.0 + 1e-6
_MONTHS_PER_YEAR = 12.0


def compute_eq5d_utility(
    profiles: pd.DataFrame | FloatArray | Sequence[str], *, value_set: str
) -> FloatArray:
    """Return the EQ-5D utility of each profile under a named value set.

    Parameters
    ----------
    profiles
        Five dimension columns, an (n, 5) array, or strings such as ``"21232"``.
    value_set
        Name of the value set, such as ``"UK_3L_A1"``. There is no default: value sets differ by
        more than most treatment effects.

    Returns
    -------
    ndarray of shape (n,)
        Missing where a dimension is missing.

    Examples
    --------
    >>> compute_eq5d_utility(["11111", "21232"], value_set="UK_3L_A1").round(3).tolist()
    [1.0, 0.088]
    """
    return np.asarray(compute_utilities(profiles, value_set=value_set), dtype=np.float64)


def compute_qalys(
    utilities: pd.DataFrame,
    *,
    months: Mapping[str, float] | Sequence[float],
    discount_rate: float | None = None,
    died_at_months: pd.Series | None = None,
) -> pd.Series:
    """Return quality-adjusted life years: the area under each participant's utility curve.

    Parameters
    ----------
    utilities
        One row per participant, one column per timepoint.
    months
        Months from baseline of each timepoint, the first 0: by column name, or in the order of
        the columns. Months, not years: ``{"baseline": 0, "year1": 12}``. Years cannot be told
        from months, and would give QALYs that are twelve times too small.
    discount_rate
        Annual rate, such as 0.035; required when the last timepoint is after month 12.
    died_at_months
        Month of death on the index of ``utilities``, missing for the living: utility is 0 from
        then on, reached in a straight line from the last interview before.

    Returns
    -------
    Series
        Named ``qaly``, in years, on the index of ``utilities``; missing when any utility is,
        apart from those after a death.

    Raises
    ------
    DataError
        When a timepoint has no month, months do not differ or do not start at 0, a utility is
        above 1 or not a finite number, the discount rate is missing, or somebody has a utility
        after their death.

    Notes
    -----
    Σ_j ½(u_j + u_{j+1})(t_{j+1} − t_j), t in years: straight lines between interviews.
    Year y of follow-up (y = 0 for the first twelve months) is divided by (1 + r)^y, so that
    nothing is discounted within the first year.

    References
    ----------
    Manca A, Hawkins N, Sculpher MJ (2005). Health Economics 14:487-496.

    Examples
    --------
    >>> import pandas as pd
    >>> wide = pd.DataFrame({"baseline": [0.5], "month9": [0.6]})
    >>> round(float(compute_qalys(wide, months={"baseline": 0, "month9": 9})[0]), 4)
    0.4125
    """
    check_columns(utilities, list(utilities.columns), table="utilities")
    schedule = _read_schedule(utilities, months)
    _check_utilities(utilities)
    times = np.array(sorted(schedule.values()))
    if len(times) < 2 or (np.diff(times) <= 0).any() or not np.isfinite(times).all():
        raise DataError(
            Fault(
                code="CPI-E024",
                column="months",
                rule="an area needs two or more timepoints at different months",
                cure="give the months from baseline of each column",
            )
        )
    if times[0] != 0:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="months",
                rule="the area starts at baseline: one timepoint is at month 0",
                cure="add the baseline utility; for a later stretch alone, count the months from "
                "its start",
            )
        )
    if times[-1] > _MONTHS_PER_YEAR and discount_rate is None:
        raise DataError(
            Fault(
                code="CPI-E047",
                column="discount_rate",
                rule="follow-up beyond month 12 needs a discount rate",
                cure="give discount_rate=, 0 for none",
            )
        )
    weights = compute_area_weights(times / _MONTHS_PER_YEAR, discount_rate=discount_rate or 0.0)
    order = sorted(schedule, key=schedule.__getitem__)
    values = utilities[order].to_numpy(dtype=np.float64, na_value=np.nan)
    qalys = pd.Series(values @ weights, index=utilities.index, name="qaly")
    if died_at_months is not None:
        deaths = _check_deaths(utilities[order], times, died_at_months)
        for row, month in deaths.items():
            qalys.iloc[row] = _end_with_death(values[row], times, month, discount_rate or 0.0)
    return qalys


def _check_deaths(
    utilities: pd.DataFrame, times: FloatArray, died_at_months: pd.Series
) -> dict[int, float]:
    """Return the month of death by position, for those who died before the last timepoint."""
    months = died_at_months.reindex(utilities.index).to_numpy(dtype=float, na_value=np.nan)
    values = utilities.to_numpy(dtype=np.float64, na_value=np.nan)
    is_after = times[None, :] >= months[:, None]
    faults = []
    if (months <= 0).any():
        faults.append(
            Fault(
                code="CPI-E024",
                column="died_at_months",
                rows=find_rows(months <= 0),
                rule="who died before the baseline has no follow-up",
                cure="correct the month, or leave the person out",
                allowed="more than 0",
            )
        )
    lives_on = (is_after & (np.nan_to_num(values) != 0)).any(axis=1)
    if lives_on.any():
        faults.append(
            Fault(
                code="CPI-E024",
                table="utilities",
                rows=find_rows(lives_on),
                rule="after a death the utility is 0, or empty",
                cure="correct the utility or the month of death",
            )
        )
    if faults:
        raise DataError(faults)
    return {int(row): float(months[row]) for row in np.flatnonzero(is_after.any(axis=1))}


def _end_with_death(
    values: FloatArray, times: FloatArray, month: float, discount_rate: float
) -> float:
    lived = times < month
    knots = np.append(times[lived], month) / _MONTHS_PER_YEAR
    weights = compute_area_weights(knots, discount_rate=discount_rate)
    return float(np.append(values[lived], 0.0) @ weights)


def compute_area_weights(years: FloatArray, *, discount_rate: float) -> FloatArray:
    """Return the weight of each time in the area under a curve of straight lines.

    Parameters
    ----------
    years
        Increasing times in years.
    discount_rate
        Annual rate; whole years after the first are discounted.
    """
    whole = np.arange(np.ceil(years[0]), np.floor(years[-1]) + 1)
    knots = np.union1d(years, whole)
    # Each knot is a mixture of its neighbouring times, as the curve is straight between them.
    mixture = np.column_stack([np.interp(knots, years, unit) for unit in np.eye(len(years))])
    widths = np.diff(knots)
    discount = (1 + discount_rate) ** -np.floor(knots[:-1])
    area = np.zeros(len(knots))
    area[:-1] += widths * discount / 2
    area[1:] += widths * discount / 2
    return np.asarray(area @ mixture, dtype=np.float64)


def _read_schedule(
    utilities: pd.DataFrame, months: Mapping[str, float] | Sequence[float]
) -> dict[str, float]:
    if isinstance(months, Mapping):
        check_columns(utilities, list(months), table="utilities")
        schedule = {str(name): float(month) for name, month in months.items()}
    else:
        schedule = {str(n): float(m) for n, m in zip(utilities.columns, months, strict=False)}
    unscheduled = set(map(str, utilities.columns)) - set(schedule)
    if unscheduled or (not isinstance(months, Mapping) and len(months) != utilities.shape[1]):
        raise DataError(
            Fault(
                code="CPI-E047",
                table="utilities",
                column=", ".join(sorted(unscheduled)) or None,
                rule="every column of utilities is a timepoint with its month",
                cure="give the month of each column, or select the columns of timepoints",
            )
        )
    return schedule


def _check_utilities(utilities: pd.DataFrame) -> None:
    faults = []
    for column in utilities.columns:
        if not pd.api.types.is_numeric_dtype(utilities[column]):
            faults.append(
                Fault(
                    code="CPI-E020",
                    table="utilities",
                    column=str(column),
                    rule="a utility is a number",
                    cure="give a numeric column; compute_eq5d_utility gives one from profiles",
                )
            )
            continue
        values = utilities[column].to_numpy(dtype=float, na_value=np.nan)
        broken = (values > _FULL_HEALTH) | np.isinf(values)
        if broken.any():
            faults.append(
                Fault(
                    code="CPI-E024",
                    table="utilities",
                    column=str(column),
                    rows=find_rows(broken),
                    rule="a utility is at most 1 (full health)",
                    cure="correct the cells: a score in per cent is divided by 100",
                    allowed="1 or less",
                )
            )
    if faults:
        raise DataError(faults)
