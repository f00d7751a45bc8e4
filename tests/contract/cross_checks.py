"""One small instance of each cross-check."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import effectiveness
from cpi_analysis.results import Result

MODEL = {"formula": "outcome ~ arm + before", "cluster": "agency"}


@cache
def _people() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    agency = np.arange(80) // 8
    before = rng.normal(40, 8, 80)
    arm = (agency % 2).astype(float)
    outcome = 0.5 * before + 3 * arm + rng.normal(0, 2, 10)[agency] + rng.normal(0, 6, 80)
    return pd.DataFrame({"agency": agency, "arm": arm, "before": before, "outcome": outcome})


FACTORIES: dict[str, Callable[[], Result]] = {
    "AgencyMeansResult": lambda: effectiveness.estimate_agency_means(
        _people(), term="arm", **MODEL
    ),
    "ClusterRobustResult": lambda: effectiveness.estimate_cluster_robust(
        _people(), joint=["arm", "before"], **MODEL
    ),
    "CrossCheckResult": lambda: effectiveness.build_cross_checks(_people(), term="arm", **MODEL),
    "AgencyIccResult": lambda: effectiveness.estimate_icc(
        _people(), formula="outcome ~ arm", cluster="agency", replicates=60, seed=1
    ),
    "ParametricBootstrapResult": lambda: effectiveness.estimate_parametric_bootstrap(
        _people(),
        formula=MODEL["formula"],
        random={"agency": "1"},
        term="arm",
        replicates=60,
        seed=1,
    ),
    "PowerResult": lambda: effectiveness.simulate_power(
        effectiveness.build_power_scenarios(
            agencies=[(4, 4)], people_per_agency=[6], icc=[0.05], standardised_effect=[0.0, 1.0]
        ),
        replicates=50,
        seed=1,
    ),
    "ProfileIntervalResult": lambda: effectiveness.estimate_profile_intervals(
        _people(), formula="outcome ~ arm", random={"agency": "1"}
    ),
    "WildBootstrapResult": lambda: effectiveness.estimate_wild_bootstrap(
        _people(), term="arm", **MODEL
    ),
}
