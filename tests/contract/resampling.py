"""Bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable

from cpi_analysis import economics
from cpi_analysis.results import Result
from tests.contract import first

#: One small instance of every Result class, by the name of the class.
FACTORIES: dict[str, Callable[[], Result]] = {
    "BootstrapIntervalResult": lambda: economics.estimate_bootstrap_intervals(
        first.FACTORIES["IncrementalResult"](), kinds=["expanded", "bca"], accept_few_agencies=True
    ),
}
