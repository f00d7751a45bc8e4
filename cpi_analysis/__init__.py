"""Analysis of trials of the Connecting People Intervention.

Three lines do a whole study::

    import cpi_analysis as cpi
    trial = cpi.load_trial("my_trial/study.toml")
    cpi.analyse(trial, seed=1).save("out")

A single model needs the measures first: ``cpi.derive_measures(trial)``.

Names are imported when they are first used, so that ``import cpi_analysis`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpi_analysis.errors import CPIAnalysisError, DataError, Fault, ModelError
    from cpi_analysis.io.load import load_trial
    from cpi_analysis.io.simulate import load_example_trial, simulate_trial
    from cpi_analysis.io.trial import TrialData
    from cpi_analysis.report.measures import derive_measures
    from cpi_analysis.report.pipeline import analyse
    from cpi_analysis.results import Result

__version__ = "0.1.0"

_HOMES = {
    "CPIAnalysisError": "cpi_analysis.errors",
    "DataError": "cpi_analysis.errors",
    "Fault": "cpi_analysis.errors",
    "ModelError": "cpi_analysis.errors",
    "Result": "cpi_analysis.results",
    "TrialData": "cpi_analysis.io.trial",
    "analyse": "cpi_analysis.report.pipeline",
    "derive_measures": "cpi_analysis.report.measures",
    "load_example_trial": "cpi_analysis.io.simulate",
    "load_trial": "cpi_analysis.io.load",
    "simulate_trial": "cpi_analysis.io.simulate",
}
_ROOMS = ("economics", "effectiveness", "fidelity", "inference", "io", "report")

__all__ = [
    "CPIAnalysisError",
    "DataError",
    "Fault",
    "ModelError",
    "Result",
    "TrialData",
    "__version__",
    "analyse",
    "derive_measures",
    "load_example_trial",
    "load_trial",
    "simulate_trial",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"cpi_analysis.{name}")
    raise AttributeError(f"module 'cpi_analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])
