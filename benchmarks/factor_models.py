"""WLSMV of 25 items and 5 factors against lavaan: processor seconds of one thread.

Both sides fit the same simulated answers and compute estimates, robust errors, test and indices.
R with lavaan must be installed, else there is nothing to compare with.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import Row
from cpi_analysis.fidelity import fit_confirmatory_model

PEOPLE, FACTORS, PER_FACTOR = 2436, 5, 5
MODEL = {
    f"f{factor}": [f"f{factor}_{item}" for item in range(PER_FACTOR)] for factor in range(FACTORS)
}

R_SCRIPT = """
suppressMessages(library(lavaan))
items <- read.csv("{path}")
model <- paste(sapply(1:{factors} - 1, function(f) paste0("f", f, " =~ ",
  paste0("f", f, "_", 1:{per} - 1, collapse = " + "))), collapse = "\\n")
run <- function() {{
  fit <- cfa(model, items, ordered = names(items), std.lv = TRUE, estimator = "WLSMV")
  fitMeasures(fit)
}}
times <- sapply(1:{repeats}, function(i) sum(system.time(run())[c("user.self", "sys.self")]))
cat(min(times))
"""


def draw_items(seed: int = 20261125) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    correlation = np.full((FACTORS, FACTORS), 0.3) + 0.7 * np.eye(FACTORS)
    factors = rng.normal(size=(PEOPLE, FACTORS)) @ np.linalg.cholesky(correlation).T
    answers = 0.7 * np.repeat(factors, PER_FACTOR, axis=1)
    answers += np.sqrt(1 - 0.49) * rng.normal(size=answers.shape)
    codes = np.digitize(answers, [-1.5, -0.8, -0.2, 0.5, 1.2]) + 1
    return pd.DataFrame(codes, columns=[name for names in MODEL.values() for name in names])


def time_ours(items: pd.DataFrame, repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        fit_confirmatory_model(items, model=MODEL)
        times.append(time.process_time() - start)
    return min(times)


def time_lavaan(items: pd.DataFrame, repeats: int = 3) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.csv"
        items.to_csv(path, index=False)
        script = Path(folder) / "fit.R"
        script.write_text(
            R_SCRIPT.format(path=path, factors=FACTORS, per=PER_FACTOR, repeats=repeats)
        )
        done = subprocess.run(["Rscript", str(script)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def compare() -> Iterator[Row]:
    if shutil.which("Rscript") is None:
        return
    items = draw_items()
    yield Row(
        f"WLSMV, 25 items, 5 factors, n = {PEOPLE} (CPU)",
        time_ours(items),
        "lavaan cfa + fitMeasures",
        time_lavaan(items),
        "< 0.1",
    )
