"""Draw trials with few agencies, and count how often each test rejects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.agency_means import draw_labellings
from cpi_analysis.inference.batch_cluster_tests import (
    compute_means_tests,
    compute_permutation_p,
    compute_robust_tests,
)
from cpi_analysis.inference.batch_mixed_model import fit_batch_mixed_model
from cpi_analysis.inference.batch_small_sample import adjust_batch
from cpi_analysis.inference.batch_sums import summarise_batch

FloatArray = NDArray[np.float64]

#: Trials that share sizes, drop-out and baseline; each block has a random stream of its own.
BLOCK_SIZE = 100
#: Draws of labels where there are too many to use all.
LABELLINGS = 2000
#: The smallest agency that is drawn.
SMALLEST = 2


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One trial to be simulated; the outcome has a standard deviation of one in each group.

    Parameters
    ----------
    n_target, n_reference
        Agencies of the two groups.
    people
        Mean number of people recruited by an agency.
    size_cv
        Standard deviation of that number over its mean.
    icc
        Share of the variance, given the baseline, between agencies.
    retention
        Share of the people who have an outcome.
    effect
        Difference between the groups, in standard deviations of the outcome.
    baseline_correlation
        Correlation of the outcome with its baseline within agencies; 0 leaves the baseline out.
    """

    n_target: int
    n_reference: int
    people: float
    size_cv: float
    icc: float
    retention: float
    effect: float
    baseline_correlation: float


class TrialBlock(NamedTuple):
    """Outcomes (R, n), columns with the exposure second (n, p), and agencies (n,)."""

    outcomes: FloatArray
    design: FloatArray
    agencies: NDArray[np.intp]


class Rejections(NamedTuple):
    """Trials with a p-value below alpha, by test; what had no fit, and boundary fits."""

    rejected: Mapping[str, int]
    replicates: int
    n_failed: int
    n_singular: int
    n_people: float


def draw_trials(scenario: Scenario, *, replicates: int, seed: int) -> Iterator[TrialBlock]:
    """Yield blocks of simulated trials.

    Notes
    -----
    Sizes are gamma with the mean and coefficient of variation that were asked for, at least
    two; people drop out independently, but nobody is the last of an agency to go. The streams
    depend on the seed alone, so that scenarios share their random numbers.
    """
    n_blocks = -(-replicates // BLOCK_SIZE)
    for block, source in enumerate(np.random.SeedSequence(seed).spawn(n_blocks)):
        rows = min(BLOCK_SIZE, replicates - block * BLOCK_SIZE)
        yield _draw_block(scenario, np.random.default_rng(source), rows)


def _draw_block(scenario: Scenario, generator: np.random.Generator, rows: int) -> TrialBlock:
    n_agencies = scenario.n_target + scenario.n_reference
    agencies = np.repeat(np.arange(n_agencies), _draw_sizes(scenario, generator))
    agencies = agencies[_draw_retained(agencies, scenario.retention, generator)]
    n = len(agencies)
    exposure = (agencies < scenario.n_target).astype(np.float64)
    columns = [np.ones(n), exposure]
    baseline = generator.normal(size=n)
    r = scenario.baseline_correlation
    if r:
        columns.append(baseline)
    left = 1.0 - r**2
    between = generator.normal(size=(BLOCK_SIZE, n_agencies)) * np.sqrt(left * scenario.icc)
    within = generator.normal(size=(BLOCK_SIZE, n)) * np.sqrt(left * (1.0 - scenario.icc))
    outcomes = scenario.effect * exposure + r * baseline + between[:, agencies] + within
    return TrialBlock(outcomes[:rows], np.column_stack(columns), agencies)


def _draw_sizes(scenario: Scenario, generator: np.random.Generator) -> NDArray[np.intp]:
    n_agencies = scenario.n_target + scenario.n_reference
    shape = 1.0 / max(scenario.size_cv, 1e-6) ** 2
    drawn = generator.gamma(shape, scenario.people / shape, n_agencies)
    return np.maximum(np.rint(drawn), SMALLEST).astype(np.intp)


def _draw_retained(
    agencies: NDArray[np.intp], retention: float, generator: np.random.Generator
) -> NDArray[np.bool_]:
    drawn = generator.random(len(agencies))
    kept = drawn < retention
    # Whoever was nearest to staying stays, so that no agency is lost.
    order = np.lexsort((drawn, agencies))
    first = np.flatnonzero(np.diff(agencies[order], prepend=-1))
    kept[order[first]] = True
    return np.asarray(kept)


def count_rejections(scenario: Scenario, *, replicates: int, seed: int, alpha: float) -> Rejections:
    """Return how often each test rejects no difference at level ``alpha``."""
    rejected: dict[str, int] = {}
    n_failed = n_singular = n_people = 0
    labels = None
    for block in draw_trials(scenario, replicates=replicates, seed=seed):
        contrast = np.eye(block.design.shape[1])[1]
        fit = fit_batch_mixed_model(summarise_batch(block.outcomes, block.design, block.agencies))
        mixed = adjust_batch(fit, contrast)
        robust = compute_robust_tests(block.outcomes, block.design, block.agencies, column=1)
        by_means, means = compute_means_tests(
            block.outcomes, block.design, block.agencies, column=1
        )
        if labels is None:
            is_target = np.arange(means.shape[1]) < scenario.n_target
            labels = draw_labellings(is_target, replicates=LABELLINGS, seed=seed)
        p_values = {
            "mixed model, Kenward–Roger": mixed.p_value,
            "least squares, CR2": robust.p_value,
            "t test of agency means": by_means.p_value,
            "exchange of labels": compute_permutation_p(means, labels),
        }
        for name, p_value in p_values.items():
            rejected[name] = rejected.get(name, 0) + int((p_value <= alpha).sum())
        n_failed += fit.n_failed
        n_singular += int(fit.is_singular.sum())
        n_people += len(block.agencies) * len(block.outcomes)
    return Rejections(rejected, replicates, n_failed, n_singular, n_people / replicates)
