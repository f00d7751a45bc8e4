"""One small instance of each result about confirmatory factor models."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import fidelity
from cpi_analysis.results import Result

MODEL = {
    "first": ["item_1", "item_2", "item_3"],
    "second": ["item_4", "item_5", "item_6"],
}


@cache
def _items() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    factor = rng.normal(size=(160, 2)) @ np.array([[1.0, 0.4], [0.0, 0.9]])
    answers = factor[:, [0, 0, 0, 1, 1, 1]] * 0.8 + rng.normal(size=(160, 6)) * 0.6
    ordered = np.digitize(answers, [-1.0, -0.2, 0.6]) + 1
    return pd.DataFrame(ordered, columns=[f"item_{number}" for number in range(1, 7)])


FACTORIES: dict[str, Callable[[], Result]] = {
    "ConfirmatoryResult": lambda: fidelity.fit_confirmatory_model(_items(), model=MODEL),
    "InvarianceResult": lambda: fidelity.estimate_invariance(
        _items().assign(sector=["statutory", "voluntary"] * 80), model=MODEL, group="sector"
    ),
}
