"""Print all comparisons: ``python -m benchmarks`` (or ``make bench``)."""

from __future__ import annotations

from benchmarks import bootstrap, decision, factor_models, loading, models, start

if __name__ == "__main__":
    for module in (start, loading, models, bootstrap, decision, factor_models):
        for row in module.compare():
            print(row.line(), flush=True)
