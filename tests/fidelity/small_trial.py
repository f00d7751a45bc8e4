"""A trial with fidelity ratings that can be scored by hand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from cpi_analysis.io.protocol import Contrast, FidelityPlan, OutcomePlan, Protocol
from cpi_analysis.io.trial import TrialData, build_trial

SOURCES = ("worker", "participant", "researcher")
ITEMS = ("cpi_p_1", "cpi_p_2", "cpi_p_3", "cpi_p_4", "cpi_p_5")


def make_ratings(
    sheets: dict[tuple[str, str], Iterable[int | str | None]],
    *,
    items: tuple[str, ...] = ITEMS,
    occasion: str = "m9",
    target_level: str = "participant",
) -> pd.DataFrame:
    """Return ratings from sheets {(target, source): answers}; a text is a reason for none."""
    rows = [
        {
            "target_id": target,
            "occasion": occasion,
            "source": source,
            "rater_id": f"{source}_of_{target}",
            "item": item,
            "target_level": target_level,
            "rating": np.nan if answer is None or isinstance(answer, str) else float(answer),
            "missing_reason": answer if isinstance(answer, str) else None,
        }
        for (target, source), answers in sheets.items()
        for item, answer in zip(items, answers, strict=True)
    ]
    return pd.DataFrame(rows)


def make_trial(
    ratings: pd.DataFrame | None,
    *,
    participants: tuple[str, ...] = ("P1", "P2", "P3", "P4"),
    sources: tuple[str, ...] = SOURCES,
    with_plan: bool = True,
    cutoff: float = 80.0,
) -> TrialData:
    """Return a trial of two agencies whose participants alternate between them."""
    agencies = [f"A{1 + index % 2}" for index in range(len(participants))]
    tables = {
        "agencies": pd.DataFrame(
            {"agency_id": ["A1", "A2"], "arm": ["intervention", "comparison"]}
        ),
        "participants": pd.DataFrame({"participant_id": participants, "agency_id": agencies}),
        "timepoints": pd.DataFrame(
            {"timepoint": ["baseline", "m9"], "months": [0.0, 9.0], "order": [0, 1]}
        ),
        "measures": pd.DataFrame(
            {
                "measure": ["wemwbs"],
                "label": ["Well-being"],
                "unit": ["points"],
                "minimum": [14.0],
                "maximum": [70.0],
                "is_higher_better": [True],
            }
        ),
        "measurements": pd.DataFrame(
            {
                "participant_id": participants,
                "timepoint": "baseline",
                "measure": "wemwbs",
                "value": 40.0,
            }
        ),
    }
    if ratings is not None:
        tables["fidelity_ratings"] = ratings
    contrast = Contrast(
        variable="fidelity_band",
        target="high",
        reference="low_or_moderate",
        measure="fidelity_percent",
        timepoint="m9",
        cutoff=cutoff,
    )
    plan = FidelityPlan(instrument="cpi_fidelity", occasion="m9", sources=sources)
    protocol = Protocol(
        contrast=contrast,
        outcomes=(OutcomePlan(measure="wemwbs", timepoint="m9"),),
        fidelity=plan if with_plan else None,
    )
    return build_trial(tables, title="By hand", protocol=protocol)


def simulate_ratings(n_targets: int, *, seed: int) -> pd.DataFrame:
    """Return ratings of all sources that share a target's true level."""
    rng = np.random.default_rng(seed)
    level = rng.normal(3.2, 0.8, size=n_targets)
    sheets = {
        (f"P{index + 1}", source): np.clip(
            np.round(level[index] + shift + rng.normal(0, 0.7, size=len(ITEMS))), 1, 5
        ).astype(int)
        for index in range(n_targets)
        for source, shift in zip(SOURCES, (0.4, 0.0, -0.2), strict=True)
    }
    return make_ratings({key: list(map(int, answers)) for key, answers in sheets.items()})
