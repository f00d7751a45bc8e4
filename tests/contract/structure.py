"""One small instance of each result about the structure of a questionnaire."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

from cpi_analysis import fidelity
from cpi_analysis.results import Result


@cache
def _items() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    factor = rng.normal(size=(150, 2)) @ np.array([[1.0, 0.3], [0.0, 0.95]])
    answers = factor[:, [0, 0, 0, 1, 1, 1]] * 0.8 + rng.normal(size=(150, 6)) * 0.6
    ordered = np.digitize(answers, [-1.0, -0.2, 0.6]) + 1
    return pd.DataFrame(ordered, columns=[f"item_{number}" for number in range(1, 7)])


FACTORIES: dict[str, Callable[[], Result]] = {
    "FactorModelResult": lambda: fidelity.fit_factor_model(_items(), n_factors=2),
    "ItemStatisticsResult": lambda: fidelity.compute_item_statistics(_items()),
    "MinimumAveragePartialResult": lambda: fidelity.compute_minimum_average_partial(_items()),
    "ParallelAnalysisResult": lambda: fidelity.estimate_parallel_analysis(
        _items(), seed=1, replicates=50
    ),
    "SamplingAdequacyResult": lambda: fidelity.compute_sampling_adequacy(_items()),
    "OmegaResult": lambda: fidelity.estimate_omega(_items(), n_factors=2),
    "OrdinalReliabilityResult": lambda: fidelity.estimate_ordinal_reliability(_items()),
    "RetestResult": lambda: fidelity.estimate_test_retest(
        _items(), first="item_1", second="item_2"
    ),
    "SplitHalfResult": lambda: fidelity.compute_split_halves(_items()),
    "PolychoricResult": lambda: fidelity.compute_polychoric(_items()),
}
