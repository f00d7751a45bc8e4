"""A random-intercept fit with Kenward-Roger against statsmodels' MixedLM on the same data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.timing import Row, best_of
from cpi_analysis.inference.kenward_roger import adjust_kenward_roger
from cpi_analysis.inference.mixed_model import fit_random_intercept


def draw_trial(people: int, agencies: int, seed: int = 1) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    agency = np.sort(generator.integers(0, agencies, people))
    baseline = generator.normal(size=people)
    outcome = 0.5 * baseline + generator.normal(0, 0.3, agencies)[agency]
    return pd.DataFrame(
        {
            "agency": agency,
            "arm": (agency % 2).astype(float),
            "baseline": baseline,
            "outcome": outcome + generator.normal(size=people),
        }
    )


def compare() -> Iterator[Row]:
    import statsmodels.formula.api as smf

    for people, agencies in ((155, 14), (1550, 140)):
        data = draw_trial(people, agencies)
        design = np.column_stack([np.ones(people), data["arm"], data["baseline"]])
        outcome, agency = data["outcome"].to_numpy(), data["agency"].to_numpy()

        def ours(
            outcome: np.ndarray = outcome, design: np.ndarray = design, agency: np.ndarray = agency
        ) -> None:
            adjust_kenward_roger(fit_random_intercept(outcome, design, agency))

        def peer(data: pd.DataFrame = data) -> None:
            smf.mixedlm("outcome ~ arm + baseline", data, groups="agency").fit(method="powell")

        yield Row(
            f"REML fit with Kenward-Roger, n = {people}",
            best_of(ours, 20),
            "statsmodels MixedLM (powell, z)",
            best_of(peer, 3),
            "< 1",
        )
