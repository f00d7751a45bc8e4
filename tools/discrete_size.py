"""Size of the tests of an arm on events and counts with fourteen agencies.

``python -m tools.discrete_size --write`` simulates anew and writes the table of
``docs/studies/binary_outcomes.md``; with ``--replicates`` fewer trials are drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from cpi_analysis.errors import ModelError
from cpi_analysis.inference.estimating_equations import compute_gee_covariance, solve_gee
from cpi_analysis.inference.glmm import fit_random_intercept_glmm
from cpi_analysis.inference.outcome_families import Binomial, Poisson

PAGE = Path(__file__).resolve().parents[1] / "docs" / "studies" / "binary_outcomes.md"
SEED, REPLICATES = 20140314, 2000
N_AGENCIES, N_PEOPLE = 14, 155
DF = N_AGENCIES - 2
LEVEL = 0.05
KINDS = ("robust", "fay_graubard", "kauermann_carroll", "mancl_derouen")
TESTS = (
    "GLMM, z",
    "GLMM, t(12)",
    "GEE robust, z",
    "GEE robust, t(12)",
    "GEE Fay-Graubard, t(12)",
    "GEE Kauermann-Carroll, t(12)",
    "GEE Mancl-DeRouen, z",
    "GEE Mancl-DeRouen, t(12)",
    "agency means, t(12)",
)


class Row(NamedTuple):
    """One kind of trial without an effect."""

    label: str
    family: str
    level: float
    sd: float
    n_target: int


def _sd(icc: float) -> float:
    """Return the standard deviation of intercepts for a latent intracluster correlation."""
    return float(np.sqrt(icc / (1 - icc) * np.pi**2 / 3))


ROWS = (
    Row("events, risk 0.3, ICC 0.02, 7 v 7", "binomial", 0.3, _sd(0.02), 7),
    Row("events, risk 0.3, ICC 0.10, 7 v 7", "binomial", 0.3, _sd(0.10), 7),
    Row("events, risk 0.3, ICC 0.05, 4 v 10", "binomial", 0.3, _sd(0.05), 4),
    Row("counts, mean 3, SD of log mean 0.3, 7 v 7", "poisson", 3.0, 0.3, 7),
)


def draw_sizes(generator: np.random.Generator) -> np.ndarray:
    """Return how many of the people each agency has: at least four, unequal."""
    share = generator.dirichlet(np.full(N_AGENCIES, 6.0))
    return 4 + generator.multinomial(N_PEOPLE - 4 * N_AGENCIES, share)


def simulate(row: Row, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return outcome, design and agencies of a trial in which the arm does nothing."""
    sizes = draw_sizes(generator)
    agency = np.repeat(np.arange(N_AGENCIES), sizes)
    arm = (generator.permutation(N_AGENCIES) < row.n_target).astype(float)[agency]
    shift = row.sd * generator.standard_normal(N_AGENCIES)[agency]
    if row.family == "binomial":
        risk = 1 / (1 + np.exp(-(np.log(row.level / (1 - row.level)) + shift)))
        y = (generator.random(len(agency)) < risk).astype(float)
    else:
        y = generator.poisson(row.level * np.exp(shift)).astype(float)
    return y, np.column_stack([np.ones(len(agency)), arm]), agency


def compute_p_values(row: Row, y: np.ndarray, X: np.ndarray, agency: np.ndarray) -> np.ndarray:
    """Return the p-value of the arm by each test of ``TESTS``.

    Raises
    ------
    ModelError
        When a model refuses the trial.
    """
    family = Binomial(y, np.ones(len(y))) if row.family == "binomial" else Poisson(y)
    glmm = fit_random_intercept_glmm(X, agency, family, points=7)
    gee = solve_gee(y, X, agency, family=row.family)  # type: ignore[arg-type]
    variances = [compute_gee_covariance(gee, kind)[1, 1] for kind in KINDS]
    robust, fay, kauermann, mancl = np.abs(gee.beta[1]) / np.sqrt(variances)
    mixed = abs(glmm.beta[1]) / np.sqrt(glmm.covariance[1, 1])
    means = np.bincount(agency, y) / np.bincount(agency)
    arm = np.bincount(agency, X[:, 1]) > 0
    apart = abs(stats.ttest_ind(means[arm], means[~arm]).statistic)
    normal = [mixed, np.nan, robust, np.nan, np.nan, np.nan, mancl, np.nan, np.nan]
    student = [np.nan, mixed, np.nan, robust, fay, kauermann, np.nan, mancl, apart]
    p = np.where(np.isnan(normal), 2 * stats.t.sf(student, DF), 2 * stats.norm.sf(normal))
    return np.asarray(p)


def study_row(row: Row, *, replicates: int, seed: np.random.SeedSequence) -> tuple[np.ndarray, int]:
    """Return the share of trials in which each test finds an effect, and how many were refused."""
    found, refused = [], 0
    for child in seed.spawn(replicates):
        y, X, agency = simulate(row, np.random.default_rng(child))
        try:
            found.append(compute_p_values(row, y, X, agency) < LEVEL)
        except ModelError:
            refused += 1
    return np.mean(found, axis=0), refused


def make_table(replicates: int) -> str:
    """Return the table of the study in Markdown."""
    seeds = np.random.SeedSequence(SEED).spawn(len(ROWS))
    results = [
        study_row(row, replicates=replicates, seed=seed)
        for row, seed in zip(ROWS, seeds, strict=True)
    ]
    error = 100 * np.sqrt(LEVEL * (1 - LEVEL) / replicates)
    lines = [
        "# How often tests of events and counts find an effect that is not there",
        "",
        f"{N_AGENCIES} agencies, {N_PEOPLE} people in agencies of unequal size, no effect of the "
        f"arm; {replicates:,} simulated trials a column, seed {SEED}. Share of trials with "
        f"p < 0.05, in percent: 5.0 is right, and simulation alone moves it by {error:.1f} (one "
        "standard error). Simulated data; `python -m tools.discrete_size --write` makes the table.",
        "",
        "| test of the arm | " + " | ".join(row.label for row in ROWS) + " |",
        "|---" * (len(ROWS) + 1) + "|",
    ]
    for k, test in enumerate(TESTS):
        shares = " | ".join(f"{100 * result[k]:.1f}" for result, _ in results)
        lines.append(f"| {test} | {shares} |")
    lines.append("| trials refused | " + " | ".join(str(refused) for _, refused in results) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the study, and write its table above what the page says about it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page")
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    arguments = parser.parse_args()
    table = make_table(arguments.replicates)
    if arguments.write:
        PAGE.parent.mkdir(exist_ok=True)
        parts = PAGE.read_text(encoding="utf-8").split("\n## ", 1)[1:] if PAGE.exists() else []
        PAGE.write_text(table + "".join(f"\n## {part}" for part in parts), encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
