"""One small instance of each result about single answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import fidelity
from cpi_analysis.results import Result


@cache
def _items() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    trait = rng.normal(size=(160, 1))
    latent = trait + rng.logistic(size=(160, 4)) * 0.8
    return pd.DataFrame(np.digitize(latent, [-0.8, 0.7]), columns=list("abcd"))


@cache
def _partial_credit() -> fidelity.PartialCreditResult:
    return fidelity.fit_partial_credit(_items())


FACTORIES: dict[str, Callable[[], Result]] = {
    "DifferentialItemFunctioningResult": lambda: fidelity.estimate_differential_item_functioning(
        _items(), group=pd.Series(np.arange(160) % 2, name="sex"), matching="rest"
    ),
    "GradedResponseResult": lambda: fidelity.fit_graded_response(_items()),
    "ItemCurveResult": lambda: fidelity.compute_item_curves(_partial_credit(), item="a"),
    "PartialCreditResult": lambda: _partial_credit(),
}
