"""Cost and effect as sums of weighted columns, so that they can be imputed by their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_columns
from cpi_analysis.errors import DataError, Fault

#: A column, or the weight of each column that is added up.
Outcome = str | Mapping[str, float]


def compute_qaly_weights(months: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each utility in the area under the curve, in years.

    Parameters
    ----------
    months
        Month of each column of utilities, in order of time.

    Returns
    -------
    dict of str to float
        Weights for ``effect=`` of the functions that impute.

    Raises
    ------
    DataError
        CPI-E017 when there are fewer than two, or the months do not increase; CPI-E024 when
        they go beyond month 12, where QALYs are discounted (use :func:`compute_qalys`).

    References
    ----------
    Manca A, Hawkins N, Sculpher MJ. Health Economics 2005;14:487-496.

    Examples
    --------
    >>> compute_qaly_weights({"utility_0": 0, "utility_6": 6, "utility_12": 12})
    {'utility_0': 0.25, 'utility_6': 0.5, 'utility_12': 0.25}
    """
    times = list(months.values())
    if len(times) < 2 or any(late <= early for early, late in pairwise(times)):
        raise DataError(
            Fault(
                code="CPI-E017",
                column="months",
                rule="a QALY needs two or more utilities, in the order of their months",
                cure='give {"utility_0": 0, "utility_9": 9}',
            )
        )
    if times[-1] > 12:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="months",
                rule="after month 12 QALYs are discounted, which plain weights do not do",
                cure="compute QALYs with compute_qalys in each imputed data set",
                allowed="months up to 12",
            )
        )
    weights = dict.fromkeys(months, 0.0)
    for (early, start), (late, end) in pairwise(months.items()):
        half = (end - start) / 24
        weights[early] += half
        weights[late] += half
    return weights


def check_outcome(data: pd.DataFrame, outcome: Outcome, *, argument: str) -> dict[str, float]:
    """Return the weights of an outcome, or raise when its columns are not in the table."""
    weights = {outcome: 1.0} if isinstance(outcome, str) else dict(outcome)
    check_columns(data, list(weights), table="data")
    values = np.array([*map(float, weights.values())])
    if not len(values) or not np.isfinite(values).all():
        raise DataError(
            Fault(
                code="CPI-E045",
                column=argument,
                rule=f"{argument} is a column, or finite weights of columns",
                cure='give "cost", or {"cost_6": 1, "cost_12": 1}',
            )
        )
    return weights


def add_up(data: pd.DataFrame, weights: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the weighted sum of the columns."""
    columns: Sequence[str] = list(weights)
    table = data[columns].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(table @ np.array([weights[name] for name in columns]))
