"""Print all comparisons: ``python -m benchmarks`` (or ``make bench``)."""

from __future__ import annotations

from benchmarks import (
    bootstrap,
    decision,
    factor_models,
    generalizability,
    loading,
    mixed_models,
    models,
    polychoric,
    start,
)

_MODULES = (
    start,
    loading,
    models,
    mixed_models,
    bootstrap,
    decision,
    polychoric,
    factor_models,
    generalizability,
)

if __name__ == "__main__":
    for module in _MODULES:
        for row in module.compare():
            print(row.line(), flush=True)
