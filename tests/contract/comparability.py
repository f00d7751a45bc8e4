"""One small instance of each result about comparability."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import effectiveness
from cpi_analysis.results import Result


@cache
def _people() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    group = np.arange(40) % 2
    before = rng.normal(40 + 2 * group, 8)
    return pd.DataFrame(
        {"group": group, "before": before, "after": 10 + 0.8 * before + rng.normal(0, 5, 40)}
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "BalanceResult": lambda: effectiveness.build_balance_table(
        _people(), exposure="group", covariates=["before"]
    ),
    "EValueResult": lambda: effectiveness.compute_e_value(3.0, std_error=1.0, std_dev=9.0),
    "PropensityResult": lambda: effectiveness.fit_propensity(
        _people(), exposure="group", covariates=["before"], target="overlap"
    ),
    "RegressionToMeanResult": lambda: effectiveness.estimate_regression_to_mean(
        _people(), outcome="after", baseline="before", exposure="group"
    ),
}
