"""Print all comparisons: ``python -m benchmarks`` (or ``make bench``)."""

from __future__ import annotations

from benchmarks import bootstrap, loading, models, start

if __name__ == "__main__":
    for module in (start, loading, models, bootstrap):
        for row in module.compare():
            print(row.line(), flush=True)
