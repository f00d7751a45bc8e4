"""Starting up: the import, the help of the command, the whole reproduction."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import Row, best_of_python


def compare() -> Iterator[Row]:
    bare = best_of_python("-c", "pass")
    yield Row(
        "import cpi_analysis",
        best_of_python("-c", "import cpi_analysis"),
        "import pandas",
        best_of_python("-c", "import pandas"),
        "<= 1.5",
    )
    yield Row(
        "cpi-analysis --help",
        best_of_python("-m", "cpi_analysis", "--help"),
        "python -c pass",
        bare,
        "under 0.3 s",
    )
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "results")
        yield Row(
            "cpi-analysis reproduce (built-in trial)",
            best_of_python("-m", "cpi_analysis", "reproduce", "--out", out, repeats=2),
            "python -c pass",
            bare,
            "under 60 s",
        )
