"""One small instance of each result about sources, groups and measurement properties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

import cpi_analysis as cpi
from cpi_analysis import fidelity
from cpi_analysis.results import Result


def _people() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    x = rng.normal(size=40)
    return pd.DataFrame(
        {
            "x": x,
            "y": x + rng.normal(size=40),
            "z": rng.normal(size=40),
            "is_trained": np.arange(40) % 2,
            "agency": np.arange(40) // 5,
        }
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "ConvergentValidityResult": lambda: fidelity.estimate_convergent_validity(
        _people(), score="x", measures=["y", "z"], cluster="agency"
    ),
    "CosminResult": lambda: fidelity.build_cosmin_table(hypotheses={"a": True, "b": False}),
    "KnownGroupsResult": lambda: fidelity.estimate_known_groups(
        _people(), score="x", group="is_trained", target=1, reference=0, cluster="agency"
    ),
    "TriangulationResult": lambda: fidelity.build_triangulation(cpi.load_example_trial()),
}
