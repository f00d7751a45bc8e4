"""10,000 agency replicates of cost and effect against a plain loop of least squares."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.models import draw_trial
from benchmarks.timing import Row, best_of
from cpi_analysis.economics import estimate_incremental

LOOPED = 200
REPLICATES = 10_000


def compare() -> Iterator[Row]:
    data = draw_trial(240, 12).rename(columns={"outcome": "effect", "baseline": "baseline_effect"})
    generator = np.random.default_rng(2)
    data["baseline_cost"] = generator.gamma(1.5, 1000, len(data))
    data["cost"] = 0.5 * data["baseline_cost"] + generator.gamma(1.5, 1000, len(data))

    def ours() -> None:
        estimate_incremental(
            data,
            cost="cost",
            effect="effect",
            arm="arm",
            cluster="agency",
            covariates={"cost": ["baseline_cost"], "effect": ["baseline_effect"]},
            replicates=REPLICATES,
            seed=1,
            thresholds=[20_000.0],
        )

    def loop() -> None:
        draw = np.random.default_rng(1)
        agencies = data["agency"].unique()
        members = {agency: np.flatnonzero(data["agency"] == agency) for agency in agencies}
        for _ in range(LOOPED):
            rows = np.concatenate([members[a] for a in draw.choice(agencies, len(agencies))])
            sample = data.iloc[rows]
            for outcome, baseline in (("cost", "baseline_cost"), ("effect", "baseline_effect")):
                design = np.column_stack([np.ones(len(rows)), sample["arm"], sample[baseline]])
                np.linalg.lstsq(design, sample[outcome].to_numpy(), rcond=None)

    yield Row(
        "10,000 adjusted agency replicates, n = 240",
        best_of(ours),
        f"plain loop (from {LOOPED})",
        best_of(loop, 2) * REPLICATES / LOOPED,
        "under 1 s",
    )
