"""One small instance of each result about missing data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import economics
from cpi_analysis.results import Result


@cache
def _imputations() -> economics.ImputationResult:
    rng = np.random.default_rng(3)
    people = pd.DataFrame({"arm": np.arange(90) % 12 % 2, "agency": np.arange(90) % 12})
    people["cost"] = rng.gamma(2, 500, 90)
    people["qaly"] = rng.normal(0.7, 0.1, 90) + 0.02 * people["arm"]
    people.loc[rng.random(90) < 0.2, "cost"] = np.nan
    people.loc[rng.random(90) < 0.2, "qaly"] = np.nan
    return economics.build_imputations(
        people,
        columns=["cost", "qaly"],
        arm="arm",
        cluster="agency",
        n_imputations=3,
        n_iterations=40,
        seed=1,
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "ImputationResult": lambda: _imputations(),
    "MissingNotAtRandomResult": lambda: economics.estimate_missing_not_at_random(
        _imputations(),
        cost="cost",
        effect="qaly",
        arm="arm",
        cluster="agency",
        threshold=20_000.0,
        effect_factors=[0.9, 1.0, 1.1],
    ),
}
