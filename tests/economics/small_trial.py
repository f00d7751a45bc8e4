"""A trial of six agencies and twelve people, small enough to be worked by hand."""

from __future__ import annotations

import pandas as pd

from cpi_analysis.io.protocol import Contrast, CostPlan, EconomicPlan, OutcomePlan, Protocol
from cpi_analysis.io.trial import build_trial

UTILITY = {
    "baseline": [0.5, 0.6, 0.4, 0.7, 0.5, 0.6, 0.3, 0.5, 0.6, 0.4, 0.5, 0.7],
    "m9": [0.7, 0.8, 0.5, 0.9, 0.6, 0.8, 0.3, 0.6, 0.5, 0.4, 0.7, 0.6],
}
COST = {
    "baseline": [900, 400, 800, 300, 700, 200, 600, 500, 900, 100, 400, 800],
    "m9": [1200, 700, 900, 800, 950, 400, 500, 650, 1000, 300, 200, 850],
}
PEOPLE = [f"P{number:02}" for number in range(12)]
AGENCIES = [f"A{number}" for number in range(6)]


def make_protocol(*, contrast=None, **plan):
    settings = {
        "effect": "qaly",
        "utility": {"measure": "utility"},
        "utility_timepoints": ("baseline", "m9"),
        "cost": CostPlan(measure="cost"),
        "cost_timepoints": ("m9",),
        "adjust_for_baseline": True,
        "thresholds": (20_000.0, 30_000.0),
        "headline_threshold": 20_000.0,
        "threshold_maximum": 50_000.0,
        "replicates": 500,
    }
    return Protocol(
        contrast=contrast
        or Contrast(variable="arm", target="intervention", reference="comparison"),
        outcomes=(OutcomePlan(measure="utility", timepoint="m9"),),
        economics=EconomicPlan(**(settings | plan)),
    )


def make_measurements(**values):
    rows = [
        (person, timepoint, measure, value)
        for measure, by_timepoint in values.items()
        for timepoint, column in by_timepoint.items()
        for person, value in zip(PEOPLE, column, strict=True)
    ]
    return pd.DataFrame(rows, columns=["participant_id", "timepoint", "measure", "value"])


def make_tables(*, utility=UTILITY, cost=COST, **others):
    tables = {
        "agencies": pd.DataFrame(
            {"agency_id": AGENCIES, "arm": ["intervention", "comparison"] * 3}
        ),
        "participants": pd.DataFrame(
            {"participant_id": PEOPLE, "agency_id": AGENCIES * 2, "age_years": range(30, 42)}
        ),
        "timepoints": pd.DataFrame(
            {"timepoint": ["baseline", "m9"], "months": [0.0, 9.0], "order": [0, 1]}
        ),
        "measures": pd.DataFrame(
            {
                "measure": ["utility", "cost", "fidelity"],
                "label": ["Utility", "Cost", "Fidelity"],
                "unit": ["utility", "GBP", "per cent"],
                "minimum": [-1.0, 0.0, 0.0],
                "maximum": [1.0, None, 100.0],
                "is_higher_better": [True, False, True],
            }
        ),
        "measurements": make_measurements(utility=utility, cost=cost),
    }
    return tables | others


def make_trial(*, protocol=None, **tables):
    return build_trial(
        make_tables(**tables), title="Twelve people", protocol=protocol or make_protocol()
    )
