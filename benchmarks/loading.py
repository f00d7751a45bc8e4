"""Loading and validating a million measurements against `pandas.read_csv` alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import Row, best_of
from cpi_analysis import load_trial

PEOPLE, MEASURES = 125_000, 4


def write_trial(folder: Path) -> Path:
    """Write a trial with one million measurements in the package's own shape."""
    generator = np.random.default_rng(1)
    people = [f"P{number:06d}" for number in range(PEOPLE)]
    agencies = [f"A{number:03d}" for number in range(200)]
    measures = [f"m{number}" for number in range(MEASURES)]
    pd.DataFrame(
        {"agency_id": agencies, "arm": np.where(np.arange(200) % 2, "intervention", "comparison")}
    ).to_csv(folder / "agencies.csv", index=False)
    pd.DataFrame({"participant_id": people, "agency_id": np.resize(agencies, PEOPLE)}).to_csv(
        folder / "participants.csv", index=False
    )
    pd.DataFrame({"timepoint": ["baseline", "m9"], "months": [0, 9], "order": [0, 1]}).to_csv(
        folder / "timepoints.csv", index=False
    )
    pd.DataFrame(
        {
            "measure": measures,
            "label": measures,
            "unit": "points",
            "minimum": 0,
            "maximum": 100,
            "is_higher_better": "true",
        }
    ).to_csv(folder / "measures.csv", index=False)
    rows = pd.MultiIndex.from_product(
        [people, ["baseline", "m9"], measures], names=["participant_id", "timepoint", "measure"]
    ).to_frame(index=False)
    rows["value"] = generator.uniform(0, 100, len(rows)).round(2)
    path = folder / "measurements.csv"
    rows.to_csv(path, index=False)
    return path


def compare() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        path = write_trial(Path(name))
        yield Row(
            "load and validate 10^6 measurements",
            best_of(lambda: load_trial(name), 3),
            "pandas.read_csv alone",
            best_of(lambda: pd.read_csv(path), 3),
            "<= 5",
        )
