"""Simulate how often a true factor model is rejected in small samples, and write the table.

``python tools/fidelity_fit_decisions.py`` writes docs/studies/fidelity_fit_decisions.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import cpi_analysis
from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity import fit_confirmatory_model

SEED = 20261125
SIZES = (50, 75, 100, 150, 300)
#: Cuts of the normal behind five-point answers: even, and skewed to the top as ratings are.
CUTS = {"symmetric": (-1.3, -0.5, 0.5, 1.3), "skewed to the top": (-2.2, -1.6, -0.9, 0.0)}
FACTORS, PER_FACTOR = 3, 6
MODEL = {
    f"f{factor}": [f"f{factor}_{item}" for item in range(PER_FACTOR)] for factor in range(FACTORS)
}
CUT_CFI = 0.95
PAGE = Path(__file__).parents[1] / "docs" / "studies" / "fidelity_fit_decisions.md"


def draw_items(rng: np.random.Generator, n: int, cuts: tuple[float, ...]) -> pd.DataFrame:
    """Return five-point answers of a model with three factors that is true."""
    correlation = np.full((FACTORS, FACTORS), 0.5) + 0.5 * np.eye(FACTORS)
    factors = rng.normal(size=(n, FACTORS)) @ np.linalg.cholesky(correlation).T
    loadings = np.tile(np.linspace(0.6, 0.8, PER_FACTOR), FACTORS)
    answers = loadings * np.repeat(factors, PER_FACTOR, axis=1)
    answers += np.sqrt(1 - loadings**2) * rng.normal(size=answers.shape)
    names = [name for names in MODEL.values() for name in names]
    return pd.DataFrame(np.digitize(answers, cuts) + 1, columns=names)


def judge(items: pd.DataFrame, estimator: str) -> dict[str, float]:
    """Fit the true model and say how the usual rules would decide."""
    categories = [1, 2, 3, 4, 5] if estimator == "wlsmv" else None
    try:
        result = fit_confirmatory_model(
            items, model=MODEL, estimator=estimator, categories=categories
        )
    except ModelError:
        return {"fitted": 0.0}
    indices = result.fit_indices.set_index("version")
    cfi = indices.loc["scaled" if estimator == "wlsmv" else "robust", "cfi"]
    return {
        "fitted": 1.0,
        "rejected": float(result.p_value < 0.05),
        "cfi_below": float(cfi < CUT_CFI),
        "heywood": float(bool(result.heywood_items)),
        "gate_shut": float(not result.is_verdict_possible),
    }


def run_cell(skew: str, n: int, estimator: str, replicates: int) -> dict[str, float]:
    """Return the shares over replicates; the same answers for both estimators."""
    cell = list(CUTS).index(skew) * len(SIZES) + SIZES.index(n)
    seeds = np.random.SeedSequence([SEED, cell]).spawn(replicates)
    rows = [
        judge(draw_items(np.random.default_rng(seed), n, CUTS[skew]), estimator) for seed in seeds
    ]
    return pd.DataFrame(rows).mean().to_dict()


def write_page(replicates: int) -> str:
    """Return the page."""
    lines = [
        "# How often a true factor model is rejected",
        "",
        f"Made by `tools/fidelity_fit_decisions.py` with cpi_analysis {cpi_analysis.__version__}, "
        f"seed {SEED}, {replicates} replicates per row. Three factors (correlations 0.5), 18 "
        "five-point items (loadings 0.6 to 0.8); the fitted model is the one that made the "
        "answers, so every rejection is wrong. Answers are the same for both estimators. "
        f"The standard error of a share is at most {0.5 / np.sqrt(replicates):.2f}.",
        "",
        "| answers | n | estimator | fitted | p < 0.05 | CFI < 0.95 | Heywood case | gate shut |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for skew in CUTS:
        for n in SIZES:
            for estimator in ("wlsmv", "mlr"):
                row = run_cell(skew, n, estimator, replicates)
                shares = [
                    f"{row[name]:.2f}" if name in row else ""
                    for name in ("fitted", "rejected", "cfi_below", "heywood", "gate_shut")
                ]
                lines.append(f"| {skew} | {n} | {estimator} | {' | '.join(shares)} |")
    lines += [
        "",
        "*fitted*: the search ended; other samples are refused with a reason, and do not count in "
        "the shares. *CFI*: scaled for WLSMV, robust for MLR. *Gate shut*: the result gives no "
        "verdict on fit (fewer than 100 people or, for ordered items, a category that nobody "
        "chose).",
        "",
        "Read it so: that a search ends says nothing. Robust maximum likelihood on skewed "
        "five-point answers rejects true models far too often up to 150 people, where its "
        "gate is open: such answers are for WLSMV, which the result says when items have "
        "few different answers.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicates", type=int, default=100)
    page = write_page(parser.parse_args().replicates)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
