"""A small trial for tests: six agencies, twenty-six people, one of everything that goes wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpi_analysis.io.protocol import Contrast, OutcomePlan, Protocol
from cpi_analysis.io.trial import TrialData, build_trial

ARMS = Contrast(variable="arm", target="intervention", reference="comparison")
BANDS = Contrast(
    variable="fidelity_band",
    target="high",
    reference="low",
    measure="fidelity_percent",
    timepoint="m9",
    cutoff=60.0,
)
SIZES = {"a1": 4, "a2": 5, "a3": 3, "b1": 4, "b2": 6, "b3": 4}


def protocol_with(contrast: Contrast = ARMS, **changes: object) -> Protocol:
    settings = {
        "contrast": contrast,
        "outcomes": (OutcomePlan(measure="wemwbs", timepoint="m9"),),
        "populations": {"complete": ("wemwbs@m9", "eq5d_utility@m9")},
        **changes,
    }
    return Protocol.model_validate(settings)


def make_tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(20)
    agency_of = [agency for agency, size in SIZES.items() for _ in range(size)]
    people = [f"p{k:02d}" for k in range(1, len(agency_of) + 1)]
    n = len(people)
    effects = dict(zip(SIZES, (2.0, -1.0, 3.0, 0.5, -2.0, -0.5), strict=True))
    baseline = np.round(rng.normal(45, 8, n))
    shift = np.array([effects[agency] for agency in agency_of])
    outcome = np.round(20 + 0.6 * baseline + shift + rng.normal(0, 4, n))
    fidelity = np.where([a.startswith("a") for a in agency_of], 70.0, 40.0) + np.arange(n) % 7 - 3
    utility = np.round(rng.uniform(0.2, 1.0, n), 3)
    values = {
        ("wemwbs", "baseline"): baseline,
        ("wemwbs", "m9"): outcome,
        ("eq5d_utility", "m9"): utility,
        ("fidelity_percent", "m9"): fidelity,
    }
    # p01 lost to follow-up, p02 without baseline, p13 without both, p14 without utility and
    # p20 without fidelity; p03 has exactly the cut-off.
    missing = {
        ("wemwbs", "m9"): [0, 12],
        ("wemwbs", "baseline"): [1, 12],
        ("eq5d_utility", "m9"): [13],
        ("fidelity_percent", "m9"): [19],
    }
    fidelity[2] = 60.0
    for key, places in missing.items():
        values[key][places] = np.nan
    measurements = pd.concat(
        [
            pd.DataFrame(
                {"participant_id": people, "timepoint": when, "measure": measure, "value": column}
            )
            for (measure, when), column in values.items()
        ],
        ignore_index=True,
    )
    return {
        "agencies": pd.DataFrame(
            {
                "agency_id": list(SIZES),
                "arm": ["intervention"] * 3 + ["comparison"] * 3,
                "sector": ["statutory", "third_sector"] * 3,
            }
        ),
        "participants": pd.DataFrame(
            {
                "participant_id": people,
                "agency_id": agency_of,
                "age_years": np.round(rng.uniform(20, 70, n)),
                "sex": ["female", "male"] * (n // 2),
            }
        ),
        "timepoints": pd.DataFrame(
            {"timepoint": ["baseline", "m9"], "months": [0.0, 9.0], "order": [0, 1]}
        ),
        "measures": pd.DataFrame(
            {
                "measure": ["wemwbs", "eq5d_utility", "fidelity_percent"],
                "label": ["Well-being (WEMWBS)", "EQ-5D utility", "Fidelity"],
                "unit": ["points", "utility", "percent"],
                "minimum": [14.0, -1.0, 0.0],
                "maximum": [70.0, 1.0, 100.0],
                "is_higher_better": [True, True, True],
            }
        ),
        "measurements": measurements,
    }


def make_trial(protocol: Protocol | None = None) -> TrialData:
    return build_trial(
        make_tables(),
        title="A small trial",
        protocol=protocol or protocol_with(),
        is_synthetic=True,
    )
