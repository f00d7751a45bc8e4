"""One small instance of the results that are built on a mixed model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import effectiveness
from cpi_analysis.results import Result


@cache
def _people() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    agency = np.arange(72) // 9
    arm = np.where(agency % 2 == 1, "cpi", "usual")
    before = rng.normal(40, 8, 72)
    outcome = 0.5 * before + 3.0 * (arm == "cpi") + rng.normal(0, 2, 8)[agency]
    return pd.DataFrame(
        {
            "agency_id": agency,
            "arm": arm,
            "sector": np.where(agency < 4, "statutory", "third"),
            "before": before,
            "outcome": outcome + rng.normal(0, 6, 72),
        }
    )


@cache
def _model() -> effectiveness.MixedModelResult:
    return effectiveness.fit_mixed_model(
        _people(), formula="outcome ~ arm * sector + before", random={"agency_id": "1"}
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "ContrastResult": lambda: effectiveness.estimate_contrasts(
        _model(), by="arm", within="sector", family="stratum"
    ),
    "MarginalMeansResult": lambda: effectiveness.estimate_marginal_means(
        _model(), by=["arm", "sector"]
    ),
}
