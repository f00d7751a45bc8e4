"""Crossed REML against R's lme4 on the same rows: CPU time, one thread."""

from __future__ import annotations

import csv
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.timing import Row
from cpi_analysis.inference.variance_components import fit_variance_components

_SCRIPT = """
suppressMessages(library(lme4))
d <- read.csv(commandArgs(TRUE)[1])
best <- Inf
for (i in 1:5) {
  t <- system.time(m <- lmer(y ~ 1 + (1|agency) + (1|person) + (1|item) + (1|ai), d))
  best <- min(best, sum(t[1:2]))
}
cat(best, as.numeric(logLik(m)))
"""


def draw_answers(people: int = 558, items: int = 11, agencies: int = 14) -> dict[str, np.ndarray]:
    """Return answers of people in agencies to items: 6,138 rows."""
    rng = np.random.default_rng(1)
    person, item = np.repeat(np.arange(people), items), np.tile(np.arange(items), people)
    agency = (person * agencies) // people
    pair = agency * items + item
    y = 0.74 * rng.normal(size=people)[person] + 0.29 * rng.normal(size=items)[item]
    y += 0.21 * rng.normal(size=agencies)[agency] + 0.16 * rng.normal(size=agencies * items)[pair]
    y += 0.85 * rng.normal(size=len(y))
    return {"person": person, "item": item, "agency": agency, "ai": pair, "y": y}


def compare() -> Iterator[Row]:
    """Yield the comparison, or nothing where R is not installed."""
    if shutil.which("Rscript") is None:
        return
    data = draw_answers()
    codes = [data[name] for name in ("agency", "person", "item", "ai")]
    ours = np.inf
    for _ in range(5):
        start = time.process_time()
        fit_variance_components(data["y"], codes)
        ours = min(ours, time.process_time() - start)
    with tempfile.TemporaryDirectory() as folder:
        table, script = Path(folder) / "data.csv", Path(folder) / "fit.R"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(data)
            writer.writerows(zip(*data.values(), strict=True))
        script.write_text(_SCRIPT)
        done = subprocess.run(
            ["Rscript", str(script), str(table)], check=True, capture_output=True, text=True
        )
    yield Row(
        "crossed REML, 6,138 rows, 737 effects",
        float(ours),
        "lme4 (R), same data",
        float(done.stdout.split()[0]),
        "< 1",
    )
