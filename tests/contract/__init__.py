"""Factories of results for test_contract.py: each module here has a dict ``FACTORIES``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from cpi_analysis.results import Result


def collect_factories() -> dict[str, Callable[[], Result]]:
    """Return the factories of all modules of this folder, by the name of the class."""
    found: dict[str, Callable[[], Result]] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        factories = importlib.import_module(module.name).FACTORIES
        twice = sorted(set(found) & set(factories))
        if twice:
            raise ValueError(f"{twice} are made by more than one module of tests/contract")
        found |= factories
    return found


def clear_caches() -> None:
    """Forget what the factories have made, so that a second call computes anew."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
