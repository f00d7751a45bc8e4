"""One small instance of each result about agreement."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import fidelity
from cpi_analysis.results import Result


@cache
def _ratings() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    level = rng.integers(1, 5, size=24)
    rows = [
        {"t": t, "r": r, "x": int(np.clip(level[t] + rng.integers(-1, 2), 1, 5)), "a": t // 4}
        for t in range(24)
        for r in ("worker", "participant", "researcher")
    ]
    return pd.DataFrame(rows)


def _columns() -> dict[str, str]:
    return {"target": "t", "rater": "r", "rating": "x"}


def _wide() -> pd.DataFrame:
    return _ratings().pivot(index="t", columns="r", values="x").astype(float)


def _sheets() -> pd.DataFrame:
    return _ratings().pivot(index=["t", "a"], columns="r", values="x").reset_index()


FACTORIES: dict[str, Callable[[], Result]] = {
    "AgencyLevelResult": lambda: fidelity.estimate_agency_level(
        _sheets(), items=["worker", "participant", "researcher"], agency="a", n_options=5
    ),
    "AgreementResult": lambda: fidelity.estimate_agreement(_ratings(), **_columns(), cluster="a"),
    "GeneralizabilityResult": lambda: fidelity.estimate_generalizability(
        _ratings(), target="t", facets=["r"], groups=["a"], rating="x"
    ),
    "KappaResult": lambda: fidelity.estimate_kappa(_ratings(), **_columns(), weights="linear"),
    "KrippendorffResult": lambda: fidelity.estimate_krippendorff(
        _ratings(), **_columns(), metric="ordinal"
    ),
    "LimitsOfAgreementResult": lambda: fidelity.compute_limits_of_agreement(
        _wide(), first="worker", second="researcher"
    ),
}
