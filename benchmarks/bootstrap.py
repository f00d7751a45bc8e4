"""10,000 replicates of cost and effect: by agencies and in two stages, against plain loops."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.models import draw_trial
from benchmarks.timing import Row, best_of
from cpi_analysis.economics import estimate_incremental

LOOPED = 200
REPLICATES = 10_000


#: The two-stage bootstrap as one would write it in R: for every replicate a loop over agencies.
TWO_STAGE_IN_R = """
d <- read.csv(commandArgs(TRUE)[1]); R <- as.integer(commandArgs(TRUE)[2]); set.seed(1)
prepare <- function(y, g) {
  n <- tapply(y, g, length); m <- tapply(y, g, mean); K <- length(n)
  b <- mean(n) - sum((n - mean(n))^2) / ((K - 1) * sum(n))
  ssw <- sum((y - m[as.character(g)])^2); ssb <- sum((m - mean(m))^2)
  c <- 1 - sqrt(max(0, K / (K - 1) - ssw / (b * (b - 1) * ssb)))
  list(n = n, x = c * mean(m) + (1 - c) * m, z = (y - m[as.character(g)]) / sqrt(1 - 1 / b))
}
arms <- lapply(0:1, function(a) {
  r <- d[d$arm == a, ]; list(prepare(r$cost, r$agency), prepare(r$effect, r$agency))
})
draw <- function(arm) {
  n <- arm[[1]]$n; K <- length(n); slots <- sample.int(K, K, TRUE); total <- c(0, 0)
  for (k in seq_len(K)) {
    i <- sample.int(length(arm[[1]]$z), n[k], TRUE)
    for (o in 1:2) total[o] <- total[o] + n[k] * arm[[o]]$x[slots[k]] + sum(arm[[o]]$z[i])
  }
  total / sum(n)
}
took <- system.time(for (r in seq_len(R)) draw(arms[[2]]) - draw(arms[[1]]))[["elapsed"]]
cat(took)
"""


def _time_in_r(data: pd.DataFrame, replicates: int) -> float:
    """Return the seconds that R's loop takes for so many replicates, without its start."""
    with tempfile.TemporaryDirectory() as folder:
        table, script = Path(folder, "trial.csv"), Path(folder, "two_stage.R")
        data.to_csv(table, index=False)
        script.write_text(TWO_STAGE_IN_R, encoding="utf-8")
        done = subprocess.run(
            ["Rscript", str(script), str(table), str(replicates)],
            check=True,
            capture_output=True,
            text=True,
        )
    return float(done.stdout)


def _draw_costs() -> pd.DataFrame:
    data = draw_trial(240, 12).rename(columns={"outcome": "effect", "baseline": "baseline_effect"})
    generator = np.random.default_rng(2)
    data["baseline_cost"] = generator.gamma(1.5, 1000, len(data))
    data["cost"] = 0.5 * data["baseline_cost"] + generator.gamma(1.5, 1000, len(data))
    return data


def compare() -> Iterator[Row]:
    yield from _compare_agencies()
    if shutil.which("Rscript") is None:
        return
    data = _draw_costs()

    def ours() -> None:
        estimate_incremental(
            data,
            cost="cost",
            effect="effect",
            arm="arm",
            cluster="agency",
            method="two_stage",
            replicates=REPLICATES,
            seed=1,
            thresholds=[20_000.0],
        )

    peer = min(_time_in_r(data, 2000) for _ in range(3)) * REPLICATES / 2000
    yield Row(
        "10,000 two-stage replicates, n = 240",
        best_of(ours, 10),
        "plain loop in R (from 2,000)",
        peer,
        "50 ms, under 1/30",
    )


def _compare_agencies() -> Iterator[Row]:
    data = _draw_costs()

    def ours() -> None:
        estimate_incremental(
            data,
            cost="cost",
            effect="effect",
            arm="arm",
            cluster="agency",
            covariates={"cost": ["baseline_cost"], "effect": ["baseline_effect"]},
            replicates=REPLICATES,
            seed=1,
            thresholds=[20_000.0],
        )

    def loop() -> None:
        draw = np.random.default_rng(1)
        agencies = data["agency"].unique()
        members = {agency: np.flatnonzero(data["agency"] == agency) for agency in agencies}
        for _ in range(LOOPED):
            rows = np.concatenate([members[a] for a in draw.choice(agencies, len(agencies))])
            sample = data.iloc[rows]
            for outcome, baseline in (("cost", "baseline_cost"), ("effect", "baseline_effect")):
                design = np.column_stack([np.ones(len(rows)), sample["arm"], sample[baseline]])
                np.linalg.lstsq(design, sample[outcome].to_numpy(), rcond=None)

    yield Row(
        "10,000 adjusted agency replicates, n = 240",
        best_of(ours),
        f"plain loop (from {LOOPED})",
        best_of(loop, 2) * REPLICATES / LOOPED,
        "150 ms",
    )
