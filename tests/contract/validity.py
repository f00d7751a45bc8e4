"""One small instance of each result about validity."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from cpi_analysis import fidelity
from cpi_analysis.results import Result


def _cutoff() -> fidelity.CutoffResult:
    people = pd.DataFrame(
        {
            "score": [1, 2, 3, 4, 5, 6, 7, 8, 3, 6, 2, 7],
            "is_case": [0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1],
            "agency": list("aabbccddaabb"),
        }
    )
    return fidelity.estimate_cutoff(
        people, score="score", criterion="is_case", cluster="agency", replicates=50, seed=1
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "ContentValidityResult": lambda: fidelity.compute_content_validity(
        pd.DataFrame({"item_1": [4, 3, 4, 3, 4], "item_2": [4, 3, 1, 2, 4]})
    ),
    "CutoffResult": _cutoff,
}
