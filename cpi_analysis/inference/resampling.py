"""Plans for resampling clusters: how often each cluster is drawn in each replicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.input_checks import check_resampling

FloatArray = NDArray[np.float64]
CountArray = NDArray[np.int32]
Usable = Callable[[CountArray], NDArray[np.bool_]]

#: Replicates drawn from one random stream. Fixed: with it the first thousand replicates are
#: the same whether one thousand or one million are asked for.
BLOCK_SIZE = 1024

#: Above this share of replicates that had to be drawn again, the conditional distribution is
#: no longer close to the one that the method needs, and the plan is refused.
MAXIMUM_REDRAWN_SHARE = 0.05

#: With fewer replicates an analysis is refused: the error of a standard error is then above 7%.
MINIMUM_REPLICATES = 100

_MAXIMUM_ATTEMPTS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class ResamplingPlan:
    """How often each cluster is drawn in each replicate.

    One plan serves every outcome, perspective and scenario, so that differences between them
    are paired.

    Parameters
    ----------
    counts
        Times drawn, shape (replicates, clusters).
    strata
        Stratum of each cluster, coded 0, 1, …
    scale
        What a count is multiplied with to give the weight of each cluster.
    seed
        Seed of the random numbers.
    n_redrawn
        Replicates that had to be drawn again because nothing could be estimated from them.
    """

    counts: CountArray
    strata: NDArray[np.int64]
    scale: FloatArray
    seed: int
    n_redrawn: int = 0

    @property
    def weights(self) -> FloatArray:
        """Weight of each cluster in each replicate, shape (replicates, clusters)."""
        return self.counts * self.scale

    @property
    def replicates(self) -> int:
        """Number of replicates."""
        return int(self.counts.shape[0])

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.counts.shape[1])


def build_rao_wu_plan(
    strata_of_clusters: NDArray[np.integer],
    *,
    replicates: int,
    seed: int,
    is_usable: Usable | None = None,
) -> ResamplingPlan:
    """Draw K − 1 of the K clusters of each stratum, with replacement, in every replicate.

    Parameters
    ----------
    strata_of_clusters
        Stratum of each cluster: one integer per cluster.
    replicates
        Number of replicates.
    seed
        Seed of the random numbers.
    is_usable
        Given counts (rows × clusters), says from which rows the statistic can be estimated.
        The others are drawn again from a stream of their own, and counted.

    Returns
    -------
    ResamplingPlan

    Raises
    ------
    DataError
        When replicates or seed cannot be used.
    ModelError
        When a stratum has one cluster, or when more than
        :data:`MAXIMUM_REDRAWN_SHARE` of the replicates had to be drawn again.

    Notes
    -----
    A cluster of a stratum with K clusters that is drawn c times weighs c K/(K − 1). The
    variance of a linear statistic over the replicates is then unbiased for the sampling
    variance between clusters, where drawing K of K falls short by the factor (K − 1)/K.

    References
    ----------
    Rao JNK, Wu CFJ (1988). Journal of the American Statistical Association 83:231-241.
    Rao JNK, Wu CFJ, Yue K (1992). Survey Methodology 18:209-217.

    Examples
    --------
    >>> import numpy as np
    >>> plan = build_rao_wu_plan(np.array([0, 0, 0, 1, 1]), replicates=100, seed=1)
    >>> plan.counts[:, :3].sum(axis=1).tolist() == [2] * 100
    True
    >>> plan.weights.sum(axis=1).tolist() == [5.0] * 100
    True
    """
    check_resampling(replicates, seed)
    _, strata, sizes = np.unique(strata_of_clusters, return_inverse=True, return_counts=True)
    if (sizes < 2).any():
        raise ModelError(_too_few_clusters())
    blocks, n_redrawn = [], 0
    for block in range(-(-replicates // BLOCK_SIZE)):
        counts, redrawn = _draw_usable_block(strata, sizes, seed, block, is_usable)
        rows = min(BLOCK_SIZE, replicates - block * BLOCK_SIZE)
        blocks.append(counts[:rows])
        n_redrawn += int(redrawn[:rows].sum())
    if n_redrawn > MAXIMUM_REDRAWN_SHARE * replicates:
        raise ModelError(_too_often_unusable())
    return ResamplingPlan(
        counts=np.concatenate(blocks),
        strata=strata.astype(np.int64),
        scale=(sizes / (sizes - 1))[strata],
        seed=seed,
        n_redrawn=n_redrawn,
    )


def _draw_usable_block(
    strata: NDArray[np.integer],
    sizes: NDArray[np.integer],
    seed: int,
    block: int,
    is_usable: Usable | None,
) -> tuple[CountArray, NDArray[np.bool_]]:
    counts = _draw_block(strata, sizes, seed, (block,))
    redrawn = np.zeros(BLOCK_SIZE, dtype=bool)
    if is_usable is None:
        return counts, redrawn
    bad = ~is_usable(counts)
    redrawn |= bad
    for attempt in range(1, _MAXIMUM_ATTEMPTS):
        if not bad.any():
            return counts, redrawn
        if bad.mean() > 0.5:
            break
        fresh = _draw_block(strata, sizes, seed, (block, attempt))
        # Row i is only ever replaced by row i of a later stream: no row depends on another.
        counts[bad] = fresh[bad]
        bad = bad & ~is_usable(counts)
    raise ModelError(_too_often_unusable())


def _draw_block(
    strata: NDArray[np.integer],
    sizes: NDArray[np.integer],
    seed: int,
    stream: tuple[int, ...],
) -> CountArray:
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))
    counts = np.zeros((BLOCK_SIZE, strata.size), dtype=np.int32)
    for stratum, size in enumerate(sizes):
        drawn = generator.integers(size, size=(BLOCK_SIZE, size - 1))
        flat = drawn + np.arange(BLOCK_SIZE)[:, None] * size
        tally = np.bincount(flat.ravel(), minlength=BLOCK_SIZE * size)
        counts[:, strata == stratum] = tally.reshape(BLOCK_SIZE, size)
    return counts


def compute_linearised_covariance(
    influence: FloatArray, strata_of_clusters: NDArray[np.integer]
) -> FloatArray:
    """Return the covariance that infinitely many Rao-Wu replicates give a linear statistic.

    Parameters
    ----------
    influence
        Contribution of each cluster to each statistic, shape (clusters, statistics).
    strata_of_clusters
        Stratum of each cluster.

    Notes
    -----
    Σ_s K_s/(K_s − 1) Σ_g (u_g − ū_s)(u_g − ū_s)'. Exact for a difference of means when the
    clusters of a stratum are of one size; to first order otherwise.
    """
    total = np.zeros((influence.shape[1], influence.shape[1]))
    for stratum in np.unique(strata_of_clusters):
        part = influence[strata_of_clusters == stratum]
        deviation = part - part.mean(axis=0)
        total += deviation.T @ deviation * (len(part) / (len(part) - 1))
    return total


def _too_few_clusters() -> Fault:
    return Fault(
        code="CPI-M001",
        rule="each group of the comparison needs at least two agencies",
        cure="an interval cannot be estimated from one agency: compare groups with more agencies",
    )


def _too_often_unusable() -> Fault:
    return Fault(
        code="CPI-M001",
        rule=(
            f"more than {MAXIMUM_REDRAWN_SHARE:.0%} of the replicates hold too few agencies of one "
            "group, or too little variation in a covariate, to be estimated"
        ),
        cure="leave out covariates that hardly vary between agencies, or compare groups that "
        "occur in more agencies",
    )
