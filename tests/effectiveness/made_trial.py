"""A trial made by arithmetic, so that R makes the same one: see the comment of each test."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpi_analysis.io.protocol import Contrast, OutcomePlan, Protocol
from cpi_analysis.io.trial import TrialData, build_trial


def make_people() -> pd.DataFrame:
    """Return 65 people of 12 agencies; R: ``i <- 0:71; agency <- i %/% 6`` and so on."""
    i = np.arange(72)
    agency = i // 6
    arm = agency % 2
    sector = (agency % 3 == 0).astype(int)
    before = np.round(45 + 8 * np.sin(1.3 * i + 0.2), 3)
    noise = 6 * np.sin(4.4 * agency + 1) + 5 * np.sin(0.9 * i * i + 0.5 * i)
    after = 10 + 0.6 * before + 3 * arm + 1.5 * sector - 2 * arm * sector + noise
    data = pd.DataFrame(
        {
            "participant_id": [f"p{k:02d}" for k in i],
            "agency_id": [f"a{k:02d}" for k in agency],
            "arm": np.where(arm == 1, "target", "reference"),
            "sector": np.where(sector == 1, "third_sector", "statutory"),
            "before": before,
            "after": np.round(after, 3),
        }
    )
    return data[i % 11 != 3].reset_index(drop=True)


def make_trial(*, with_losses: bool = False) -> TrialData:
    """Return the same people as a trial; with losses some lack an interview.

    The dose is fidelity over 10: R: ``round(50 + 20 * arm + 15 * sin(0.7 * i) + ..., 2)``.
    """
    people = make_people()
    i = np.array([int(name[1:]) for name in people["participant_id"]])
    is_target = (people["arm"] == "target").to_numpy()
    fidelity = np.round(50 + 20 * is_target + 15 * np.sin(0.7 * i) + 10 * np.cos(1.9 * (i // 6)), 2)
    before, after = people["before"].to_numpy().copy(), people["after"].to_numpy().copy()
    place = np.arange(len(people))
    if with_losses:
        before[place % 9 == 4] = np.nan
        after[place % 7 == 2] = np.nan
    values = {
        ("score", "baseline"): before,
        ("score", "m9"): after,
        ("fidelity_percent", "m9"): fidelity,
    }
    agencies = people.drop_duplicates("agency_id")[["agency_id", "arm", "sector"]]
    contrast = Contrast(variable="arm", target="intervention", reference="comparison")
    outcomes = (OutcomePlan(measure="score", timepoint="m9"),)
    return build_trial(
        {
            "agencies": agencies.assign(
                arm=agencies["arm"].map({"target": "intervention", "reference": "comparison"})
            ),
            "participants": people[["participant_id", "agency_id"]].assign(
                client_group=np.where(place % 5 == 0, "learning_disability", "mental_health"),
                age_years=20.0 + place % 50,
            ),
            "timepoints": pd.DataFrame(
                {"timepoint": ["baseline", "m9"], "months": [0.0, 9.0], "order": [0, 1]}
            ),
            "measures": pd.DataFrame(
                {
                    "measure": ["score", "fidelity_percent"],
                    "label": ["Score", "Fidelity"],
                    "unit": ["points", "percent"],
                    "minimum": [0.0, 0.0],
                    "maximum": [100.0, 100.0],
                    "is_higher_better": [True, True],
                }
            ),
            "measurements": pd.concat(
                [
                    pd.DataFrame(
                        {
                            "participant_id": people["participant_id"],
                            "timepoint": when,
                            "measure": measure,
                            "value": column,
                        }
                    )
                    for (measure, when), column in values.items()
                ],
                ignore_index=True,
            ),
        },
        title="A made trial",
        protocol=Protocol(contrast=contrast, outcomes=outcomes),
        is_synthetic=True,
    )
