"""Polychoric correlations against R's psych and lavaan, and parallel analysis: CPU seconds.

The peers need ``Rscript`` with psych and lavaan; without it only our own times are shown. One
thread: set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 before.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import Row
from cpi_analysis.fidelity import compute_polychoric, estimate_parallel_analysis

N_PEOPLE, N_ITEMS = 2800, 25
REPLICATES = 1000

#: Prints the CPU seconds of the best of three runs of each peer, on the CSV file given.
R_SCRIPT = """
options(mc.cores = 1)
suppressMessages({library(psych); library(lavaan)})
x <- read.csv(commandArgs(TRUE)[1])
cpu <- function(run) min(sapply(1:3, function(i) sum(system.time(run())[c(1, 2)])))
cat(cpu(function() suppressWarnings(polychoric(x, correct = 0))), "\n")
cat(cpu(function() lavCor(x, ordered = names(x), missing = "pairwise")), "\n")
"""


def draw_answers(seed: int = 1) -> pd.DataFrame:
    """Return six-point answers of five factors with one answer in a hundred missing."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(N_PEOPLE, 5))
    latent = 0.7 * np.repeat(factors, N_ITEMS // 5, axis=1)
    latent += 0.71 * rng.normal(size=(N_PEOPLE, N_ITEMS))
    answers = np.digitize(latent, [-1.8, -1.1, -0.5, 0.2, 1.1]) + 1.0
    answers[rng.random(answers.shape) < 0.01] = np.nan
    return pd.DataFrame(answers, columns=[f"q{number}" for number in range(1, N_ITEMS + 1)])


def cpu_of(call: Callable[[], object], repeats: int) -> float:
    """Return the least CPU time of several calls, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def time_peers(items: pd.DataFrame) -> tuple[float, float]:
    """Return the CPU seconds of psych and of lavaan; NaN where R is not there."""
    if shutil.which("Rscript") is None:
        return float("nan"), float("nan")
    with tempfile.TemporaryDirectory() as folder:
        table, script = Path(folder) / "items.csv", Path(folder) / "peers.R"
        items.to_csv(table, index=False)
        script.write_text(R_SCRIPT, encoding="utf-8")
        done = subprocess.run(
            ["Rscript", str(script), str(table)], check=True, capture_output=True, text=True
        )
    psych, lavaan = (float(line) for line in done.stdout.split())
    return psych, lavaan


def compare() -> Iterator[Row]:
    items = draw_answers()
    ours = cpu_of(lambda: compute_polychoric(items), 9)
    psych, lavaan = time_peers(items)
    job = f"polychoric, {N_ITEMS} items, n = {N_PEOPLE} (CPU)"
    yield Row(job, ours, "psych::polychoric (R)", psych, "<= 1/100")
    yield Row(job, ours, "lavaan::lavCor (R)", lavaan, "<= 1/20")
    replicates = cpu_of(
        lambda: estimate_parallel_analysis(
            items, seed=1, method="polychoric", replicates=REPLICATES
        ),
        1,
    )
    yield Row(
        f"{REPLICATES} polychoric parallel-analysis replicates",
        replicates,
        "the goal in seconds (CPU)",
        20.0,
        "<= 1",
    )
