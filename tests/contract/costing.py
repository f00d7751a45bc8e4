"""One small instance of each result of costing and of the main trial."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import economics
from cpi_analysis.economics import CostResult
from cpi_analysis.results import Result


def make_use() -> pd.DataFrame:
    rows = [
        (f"p{person}", timepoint, service, True, person + 1, 20.0)
        for person in range(6)
        for timepoint in ("baseline", "m9")
        for service in ("gp", "nurse", "informal_care")
    ]
    columns = ["participant_id", "timepoint", "service", "is_used", "contacts"]
    return pd.DataFrame(rows, columns=[*columns, "minutes_per_contact"])


def make_prices() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "service": ["gp", "nurse", "informal_care"],
            "unit": ["contact", "hour", "hour"],
            "unit_cost_gbp": [45.0, 60.0, 12.0],
            "unit_cost_std_error": [5.0, 10.0, 3.0],
            "price_year": ["2012/13"] * 3,
            "perspective": ["nhs_pss", "nhs_pss", "societal"],
            "sector": ["NHS", "NHS", "informal care"],
            "category": ["primary care", "primary care", "informal care"],
        }
    )


def make_people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": [f"p{person}" for person in range(6)],
            "arm": ["intervention", "comparison"] * 3,
        }
    )


@cache
def make_costs() -> CostResult:
    return economics.compute_costs(
        make_use(), make_prices(), perspective="societal", recall="as_recorded"
    )


def make_quantities() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    agency = np.repeat(np.arange(8), 6)
    return pd.DataFrame(
        {
            "agency_id": [f"A{number}" for number in agency],
            "arm": agency % 2,
            "gp": rng.poisson(3, 48),
            "nurse": rng.poisson(2, 48) / 2,
            "informal_care": rng.poisson(10, 48),
            "training": np.where(agency % 2, 40.0 + agency, 0.0),
            "cost": rng.gamma(2, 500, 48),
            "qaly": rng.normal(0.5, 0.1, 48),
        }
    )


@cache
def make_uncertainty() -> economics.PriceUncertaintyResult:
    people = make_quantities()
    return economics.estimate_price_uncertainty(
        people,
        quantities=["gp", "nurse", "informal_care"],
        fixed_costs=["training"],
        unit_costs=make_prices(),
        effect="qaly",
        arm="arm",
        cluster="agency_id",
        thresholds=[20_000.0],
        plan=economics.build_resampling_plan(
            people, cluster="agency_id", strata="arm", replicates=200, seed=3
        ),
    )


def make_parameters() -> economics.DesignParametersResult:
    return economics.estimate_design_parameters(
        make_quantities(), cost="cost", effect="qaly", arm="arm", cluster="agency_id"
    )


def make_scenarios() -> economics.ScenarioResult:
    people = make_quantities()
    plan = economics.build_resampling_plan(
        people, cluster="agency_id", strata="arm", replicates=200, seed=3
    )

    def analyse(cost: str) -> economics.IncrementalResult:
        return economics.estimate_incremental(
            people, cost=cost, effect="qaly", arm="arm", cluster="agency_id", plan=plan
        )

    return economics.compute_scenarios(
        {"services": analyse("cost"), "contacts": analyse("gp")},
        thresholds=[20_000.0],
        is_one_plan=True,
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "CostTableResult": lambda: economics.compute_cost_table(
        make_costs(), participants=make_people(), group="arm"
    ),
    "DesignParametersResult": make_parameters,
    "MainTrialResult": lambda: economics.compute_main_trial(
        make_parameters(),
        designs=pd.DataFrame({"n_agencies": [20, 40], "people_per_agency": 15}),
        thresholds=[20_000.0, 30_000.0],
        delta_cost=-100.0,
        delta_effect=0.02,
    ),
    "PriceUncertaintyResult": make_uncertainty,
    "ScenarioResult": make_scenarios,
    "TornadoResult": lambda: economics.compute_tornado(
        make_uncertainty(), threshold=20_000.0, share=0.2
    ),
    "ResourceUseResult": lambda: economics.compute_resource_use(
        make_costs(), participants=make_people(), group="arm"
    ),
}
