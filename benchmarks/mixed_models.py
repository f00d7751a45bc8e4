"""Mixed models and their bootstrap against lme4, lmerTest and pbkrtest, or statsmodels.

With ``Rscript`` and the packages installed, R times its own calls inside one process, so that
neither starting R nor reading the data counts. Without R the peer is statsmodels.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import Row, best_of
from cpi_analysis.effectiveness import fit_mixed_model
from cpi_analysis.inference.batch_mixed_model import fit_batch_mixed_model
from cpi_analysis.inference.batch_sums import summarise_batch
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
from cpi_analysis.inference.mixed_model import fit_random_intercept
from cpi_analysis.inference.parametric_bootstrap import Groups, draw_errors

#: Times the size of one trial: 14, 140 and 1,400 agencies.
SCALES = (1, 10, 100)
REFITS = 1000
#: Refits that R makes; its time is scaled up to 1,000.
R_REFITS = 100
NESTED = {"agency": "1", "person": "1"}

SCRIPT = """
suppressMessages({library(lmerTest); library(pbkrtest)})
d <- read.csv(commandArgs(TRUE)[1]); wide <- d[d$time == 1, ]
once <- function(call) system.time(call())[["elapsed"]]
best <- function(call, times) min(sapply(seq_len(times), function(i) once(call)))
times <- if (nrow(d) > 5000) 2 else 5
one <- function() lme4::lmer(y ~ before + arm + (1 | agency), wide)
two <- function() lme4::lmer(y ~ time * arm + (1 | agency) + (1 | person), d)
cat(best(one, times), "\n", best(two, times), "\n", sep = "")
if (nrow(d) < 1000) {
  fit <- lmerTest::lmer(y ~ time * arm + (1 | agency) + (1 | person), d)
  table <- function() summary(lmerTest::lmer(y ~ time * arm + (1 | agency) + (1 | person), d),
                              ddf = "Kenward-Roger")
  cat(best(table, 3), "\n", sep = "")
  boot <- function() suppressWarnings(suppressMessages(
    lme4::bootMer(lme4::lmer(y ~ time * arm + (1 | agency) + (1 | person), d), fixef, REFITS)))
  cat(best(boot, 1) * 1000 / REFITS, "\n", sep = "")
}
"""


def draw_repeated(scale: int, seed: int = 1) -> pd.DataFrame:
    """Return two interviews per person, in agencies of 11 to 23 people, one in five missing."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(11, 24, 14 * scale)
    home = np.repeat(np.arange(len(sizes)), sizes)
    person, time = np.repeat(np.arange(len(home)), 2), np.tile([0.0, 1.0], len(home))
    agency = home[person]
    before = generator.normal(size=len(home))[person]
    outcome = generator.normal(0, 0.3, len(sizes))[agency] + generator.normal(size=len(person))
    data = pd.DataFrame(
        {
            "agency": agency,
            "person": person,
            "time": time,
            "arm": (agency % 2).astype(float),
            "before": before,
            "y": 0.5 * before + outcome,
        }
    )
    kept = (time == 0) | (generator.random(len(person)) > 0.2)
    return data[kept].reset_index(drop=True)


def time_r(data: pd.DataFrame) -> list[float] | None:
    """Return the seconds of R, or None where it or a package is missing."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        table, script = Path(folder) / "data.csv", Path(folder) / "time.R"
        data.to_csv(table, index=False)
        script.write_text(SCRIPT.replace("REFITS", str(R_REFITS)), encoding="utf-8")
        done = subprocess.run(
            ["Rscript", "--vanilla", str(script), str(table)],
            check=False,
            capture_output=True,
            text=True,
        )
    return [float(line) for line in done.stdout.split()] if done.returncode == 0 else None


def time_statsmodels(data: pd.DataFrame, formula: str) -> float:
    import statsmodels.formula.api as smf

    def peer() -> None:
        smf.mixedlm(formula, data, groups="agency").fit(method="powell")

    return best_of(peer, 2)


def compare() -> Iterator[Row]:
    for scale in SCALES:
        data = draw_repeated(scale)
        peers = time_r(data)
        yield from _compare_fits(data, peers)
        if scale == 1:
            yield from _compare_inference(data, peers)


def _compare_fits(data: pd.DataFrame, peers: list[float] | None) -> Iterator[Row]:
    wide = data[data["time"] == 1]
    outcome, agency = wide["y"].to_numpy(), wide["agency"].to_numpy()
    design = np.column_stack([np.ones(len(wide)), wide["before"], wide["arm"]])
    name = "lme4::lmer" if peers else "statsmodels MixedLM"
    yield Row(
        f"one intercept per agency, n = {len(wide):,}",
        best_of(lambda: fit_random_intercept(outcome, design, agency)),
        name,
        peers[0] if peers else time_statsmodels(wide, "y ~ before + arm"),
        "<= 0.2",
    )
    one, arm, time = np.ones(len(data)), data["arm"].to_numpy(), data["time"].to_numpy()
    X = np.column_stack([one, time, arm, time * arm])
    terms = [(one[:, None], data["agency"].to_numpy()), (one[:, None], data["person"].to_numpy())]
    y = data["y"].to_numpy()
    sums = {"agencies": data["agency"].to_numpy(), "persons": data["person"].to_numpy()}
    yield Row(
        f"agencies and persons, n = {len(data):,}",
        best_of(lambda: fit_batch_mixed_model(summarise_batch(y, X, **sums))),
        name,
        peers[1] if peers else time_statsmodels(data, "y ~ time * arm"),
        "<= 0.2",
    )
    yield Row(
        f"the same by the general fit, n = {len(data):,}",
        best_of(lambda: fit_linear_mixed_model(y, X, terms), 3),
        name,
        peers[1] if peers else time_statsmodels(data, "y ~ time * arm"),
        "<= 0.2",
    )


def _compare_inference(data: pd.DataFrame, peers: list[float] | None) -> Iterator[Row]:
    formula = "y ~ time * arm"
    yield Row(
        f"formula to Kenward-Roger table, n = {len(data)}",
        best_of(lambda: fit_mixed_model(data, formula=formula, random=NESTED), 20),
        "lmerTest, Kenward-Roger" if peers else "statsmodels MixedLM (z)",
        peers[2] if peers else time_statsmodels(data, formula),
        "<= 0.05, and <= 0.015 s",
    )
    one, arm, time = np.ones(len(data)), data["arm"].to_numpy(), data["time"].to_numpy()
    X = np.column_stack([one, time, arm, time * arm])
    groups = Groups(data["agency"].to_numpy(), pd.factorize(data["person"])[0])

    def refit() -> None:
        for errors in draw_errors(groups, [0.1, 0.1], replicates=REFITS, seed=1):
            sums = summarise_batch(errors, X, groups.agencies, persons=groups.persons)
            fit_batch_mixed_model(sums, start=[0.1, 0.1])

    yield Row(
        f"1,000 bootstrap refits, n = {len(data)}",
        best_of(refit),
        f"lme4::bootMer (from {R_REFITS})" if peers else "statsmodels, 1,000 fits",
        peers[3] if peers else 1000 * time_statsmodels(data, formula),
        "<= 0.02, and <= 0.1 s",
    )
