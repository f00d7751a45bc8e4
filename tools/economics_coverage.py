"""Coverage of the intervals of every method of the incremental analysis, by simulation.

``python tools/economics_coverage.py --write`` writes docs/studies/economics_coverage.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from cpi_analysis.economics.comparison import Comparison
from cpi_analysis.economics.estimation import Estimation
from cpi_analysis.economics.model_methods import (
    fit_gamma,
    fit_multilevel,
    fit_sur,
)
from cpi_analysis.economics.replicate_statistics import build_statistic, compute_jackknife
from cpi_analysis.economics.resampled_methods import draw_replicates
from cpi_analysis.economics.resampling_plan import match_plan
from cpi_analysis.errors import ModelError
from cpi_analysis.inference.bootstrap_intervals import compute_interval
from cpi_analysis.inference.resampling import build_plan
from cpi_analysis.inference.two_stage import (
    TwoStageStatistic,
    TwoStageStratum,
    prepare_two_stage,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "studies" / "economics_coverage.md"

SEED = 20_261
TRIALS = 2_000
REPLICATES = 1_000
CELLS = tuple((agencies, icc) for agencies in (6, 7) for icc in (0.01, 0.05, 0.15))

#: Truth: ΔC = 500, ΔE = .05, so that INB(20,000) = 500.
THRESHOLD = 20_000.0
TRUTH = 500.0

#: Rows of the table, the default first.
METHODS = {
    "rao_wu": "`rao_wu`, t (default)",
    "rao_wu expanded": "`rao_wu`, expanded percentile",
    "two_stage": "`two_stage`, t",
    "bayesian": "`bayesian`, t",
    "bivariate_multilevel": "`bivariate_multilevel`, Satterthwaite",
    "sur": "`sur`, CR2, Satterthwaite",
    "net_benefit_regression": "`net_benefit_regression`, CR2, Satterthwaite",
    "gamma_glm": "`gamma_glm`, CR2, Satterthwaite",
    "rao_wu percentile": "`rao_wu`, percentile (override)",
    "rao_wu bca": "`rao_wu`, BCa (override)",
    "people": "`people`, t (override)",
}

_LOADING = np.array([-1.0, THRESHOLD])


def simulate(generator: np.random.Generator, agencies: int, icc: float) -> Comparison:
    """Return a trial: agencies of 6 to 30 people, gamma costs, correlated agency effects."""
    sizes = generator.integers(6, 31, size=2 * agencies)
    clusters = np.repeat(np.arange(2 * agencies), sizes)
    strata = np.repeat([0, 1], agencies)
    is_target = strata[clusters].astype(np.float64)
    # Gamma costs of shape 1.5 (skewness 1.6); agencies that cost more are a little worse.
    within = np.array([np.sqrt(1.5) * 2000, 0.25])
    between = within * np.sqrt(icc / (1 - icc))
    normal = generator.standard_normal((2 * agencies, 2))
    normal[:, 1] = -0.3 * normal[:, 0] + np.sqrt(1 - 0.09) * normal[:, 1]
    shared = (normal * between)[clusters]
    n = len(clusters)
    cost = 8000 + 500 * is_target + generator.gamma(1.5, 2000, n) + shared[:, 0]
    effect = 0.5 + 0.05 * is_target + generator.normal(0, 0.25, n) + shared[:, 1]
    design = np.column_stack([np.ones(n), is_target])
    return Comparison(
        target="new",
        reference="usual",
        is_target=is_target,
        cost=cost,
        effect=effect,
        cost_design=design,
        effect_design=design,
        clusters=clusters,
        units=tuple(range(2 * agencies)),
        strata=strata,
        is_nested=True,
        is_clustered=True,
        notes=(),
    )


def resample_agencies(trial: Comparison, seed: int) -> Iterator[tuple[str, float, float]]:
    """Yield the intervals of the methods that draw agencies."""
    for method in ("rao_wu", "bayesian"):
        matched = match_plan(trial, None, replicates=REPLICATES, seed=seed)
        statistic = build_statistic(trial)
        point, found, _ = draw_replicates(matched, statistic, method=method, effect_label="effect")
        estimate, draws = float(_LOADING @ point), found.values @ _LOADING
        yield (method, *_t_interval(estimate, draws, trial.n_clusters - 2))
        if method == "rao_wu":
            influence = compute_jackknife(statistic, trial.strata) @ _LOADING
            for kind in ("expanded", "percentile", "bca"):
                low, high = compute_interval(
                    estimate,
                    draws,
                    kind=kind,
                    confidence_level=0.95,
                    influence=influence,
                    df=trial.n_clusters - 2,
                )
                yield f"rao_wu {kind}", low, high


def resample_people(trial: Comparison, seed: int) -> Iterator[tuple[str, float, float]]:
    """Yield the intervals of the methods that draw people: in two stages, and without agencies.

    The net benefit is linear in cost and effect, which share the draws: it is drawn by itself
    from what the package prepares for the two. Without covariates the stratified bootstrap of
    people is the second stage alone, from residuals about the arm means.
    """
    outcomes = np.column_stack([trial.cost, trial.effect])
    means = np.array([outcomes[trial.is_target == arm].mean(axis=0) for arm in (0, 1)])
    residuals = outcomes - means[trial.is_target.astype(int)]
    sizes = np.bincount(trial.is_target.astype(int))
    loadings = np.where(trial.is_target == 1, 1 / sizes[1], -1 / sizes[0])
    point = np.array([_LOADING @ (means[1] - means[0])])
    prepared, _ = prepare_two_stage(
        residuals, np.column_stack([loadings] * 2), trial.clusters, trial.strata
    )
    two_stage = tuple(
        TwoStageStratum(
            (part.means @ _LOADING)[:, None],
            (part.residuals @ _LOADING)[:, None],
            part.agency_loadings[:, :1],
            part.person_loadings[:, :1],
        )
        for part in prepared
    )
    people = tuple(
        TwoStageStratum(
            np.zeros((1, 1)),
            (residuals[trial.is_target == arm] @ _LOADING)[:, None],
            np.zeros((1, 1)),
            loadings[trial.is_target == arm][:, None],
        )
        for arm in (0, 1)
    )
    plan = build_plan(trial.strata, replicates=REPLICATES, seed=seed)
    for name, strata, df in (
        ("two_stage", two_stage, trial.n_clusters - 2),
        ("people", people, trial.n_participants - 2),
    ):
        draws = TwoStageStatistic(plan=plan, point=point, strata=strata)(0, 0)[:REPLICATES, 0]
        yield (name, *_t_interval(float(point[0]), draws, df))


def fit_models(trial: Comparison) -> Iterator[tuple[str, float, float]]:
    """Yield the intervals of the models.

    With equal designs the seemingly unrelated and the net-benefit regressions are the same.
    """
    sur = _model_interval(fit_sur(trial))
    yield ("sur", *sur)
    yield ("net_benefit_regression", *sur)
    for name, fit in (("gamma_glm", fit_gamma), ("bivariate_multilevel", fit_multilevel)):
        try:
            yield (name, *_model_interval(fit(trial)))
        except ModelError:
            yield name, np.nan, np.nan


def _t_interval(estimate: float, draws: np.ndarray, df: int) -> tuple[float, float]:
    margin = float(stdtrit(df, 0.975) * draws.std(ddof=1))
    return estimate - margin, estimate + margin


def _model_interval(found: Estimation) -> tuple[float, float]:
    estimate = float(_LOADING @ found.point)
    error = float(np.sqrt(_LOADING @ found.covariance @ _LOADING))
    margin = float(stdtrit(found.compute_df(_LOADING[None, :])[0], 0.975)) * error
    return estimate - margin, estimate + margin


def draw_trial(cell: int, number: int, seed: int) -> tuple[Comparison, int]:
    """Return one trial of a cell, and the seed of its replicates."""
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(cell, number)))
    return simulate(generator, *CELLS[cell]), int(generator.integers(2**31))


def study_cell(
    agencies: int, icc: float, *, trials: int, seed: int
) -> tuple[dict[str, float], dict[str, float], int]:
    """Return coverage in per cent and median width of every method, and fits that failed."""
    cell = CELLS.index((agencies, icc))
    covered = dict.fromkeys(METHODS, 0)
    used, failed = dict.fromkeys(METHODS, 0), 0
    widths: dict[str, list[float]] = {name: [] for name in METHODS}
    for number in range(trials):
        trial, seed_of_trial = draw_trial(cell, number, seed)
        found = chain(
            resample_agencies(trial, seed_of_trial),
            resample_people(trial, seed_of_trial),
            fit_models(trial),
        )
        for name, low, high in found:
            if np.isfinite(low):
                used[name] += 1
                covered[name] += bool(low <= TRUTH <= high)
                widths[name].append(high - low)
            else:
                failed += 1
    share = {name: 100 * covered[name] / used[name] for name in METHODS}
    width = {name: float(np.median(widths[name])) for name in METHODS}
    return share, width, failed


def run(trials: int, seed: int, workers: int) -> str:
    """Return the page."""
    start = time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        found = [pool.submit(study_cell, *cell, trials=trials, seed=seed) for cell in CELLS]
    results = {cell: done.result() for cell, done in zip(CELLS, found, strict=True)}
    print(f"{time.perf_counter() - start:.0f} s")
    error = 100 * np.sqrt(0.95 * 0.05 / trials)
    failed = sum(result[2] for result in results.values())
    head = " | ".join(f"K={k}, ICC {icc:.2f}" for k, icc in CELLS)
    rule = "|---" * (len(CELLS) + 1) + "|"
    lines = [
        "# Coverage of the intervals for net benefit",
        "",
        "Made by `python tools/economics_coverage.py --write`; do not edit by hand.",
        "",
        f"Share of {trials:,} simulated trials, in per cent, whose 95% interval holds the true net "
        f"benefit at £20,000 (£500). Seed {seed}; {REPLICATES:,} replicates. The Monte Carlo error "
        f"of a share of 95% is {error:.1f}.",
        "",
        "Each arm has K agencies of 6 to 30 people. Costs are gamma (skewness 1.6) plus an effect "
        "of the agency, effects normal, and agencies that cost more are a little worse. ICC is the "
        "share of variance between agencies, in costs and effects alike. There are no covariates.",
        "",
        f"| method | {head} |",
        rule,
    ]
    for name, label in METHODS.items():
        row = " | ".join(f"{results[cell][0][name]:.1f}" for cell in CELLS)
        lines.append(f"| {label} | {row} |")
    lines += ["", "Median width of the interval, as a multiple of the default's:", ""]
    lines += [f"| method | {head} |", rule]
    for name, label in METHODS.items():
        row = " | ".join(
            f"{results[cell][1][name] / results[cell][1]['rao_wu']:.2f}" for cell in CELLS
        )
        lines.append(f"| {label} | {row} |")
    lines += [
        "",
        f"Fits without a result: {failed}. One family of data, sizes of agencies that say nothing "
        "about outcomes, and no missing data: other trials may differ.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    page = run(arguments.trials, arguments.seed, arguments.workers)
    if arguments.write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(page)
