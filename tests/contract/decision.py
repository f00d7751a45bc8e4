"""One small instance of each result of a decision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from cpi_analysis import economics
from cpi_analysis.results import Result


def make_draws() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "draw": np.arange(200),
            "delta_cost": rng.normal(1500, 600, 200),
            "delta_effect": rng.normal(0.07, 0.03, 200),
        }
    )


def make_resources() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "agency_id": ["A1", "A2"],
            "worker_training_days": [10, 20],
            "supervisor_training_days": [2, 0],
            "trainer_days": [2, 3],
            "materials_gbp": [100.0, 50.0],
            "people_reached": [20, 30],
        }
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "FrontierResult": lambda: economics.compute_frontier(
        pd.DataFrame({"strategy": ["a", "b"], "cost": [0.0, 9.0], "effect": [0.0, 1.0]})
    ),
    "InterventionCostResult": lambda: economics.compute_intervention_cost(
        make_resources(),
        worker_day_cost=200.0,
        supervisor_day_cost=300.0,
        trainer_day_cost=400.0,
        useful_life_years=2.0,
        period_years=0.75,
    ),
    "NetBenefitResult": lambda: economics.compute_net_benefit(
        make_draws(), thresholds=[0.0, 20_000.0]
    ),
    "PartialInformationResult": lambda: economics.compute_partial_information(
        make_draws(),
        parameters=make_draws()[["draw", "delta_cost"]].rename(columns={"delta_cost": "price"}),
        thresholds=[20_000.0],
    ),
    "ValueOfInformationResult": lambda: economics.compute_value_of_information(
        make_draws(), thresholds=[0.0, 20_000.0]
    ),
}
