"""One plan of resampling: seed, design and number of replicates say which units are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.input_checks import check_resampling

FloatArray = NDArray[np.float64]
CountArray = NDArray[np.int32]
Scheme = Literal["rao_wu", "dirichlet", "with_replacement"]

#: Replicates drawn from one random stream, and computed in one pass. Fixed: with it the first
#: thousand replicates are the same whether one thousand or one million are asked for, and no
#: number depends on how the blocks are shared out among processes.
BLOCK_SIZE = 1024

#: With fewer replicates an analysis is refused: the error of a standard error is then above 7%.
MINIMUM_REPLICATES = 100

#: Fewest units of a stratum that a scheme can draw from.
FEWEST_UNITS: dict[Scheme, int] = {"rao_wu": 2, "dirichlet": 3, "with_replacement": 2}

_SCHEMES: tuple[Scheme, ...] = get_args(Scheme)


@dataclass(frozen=True, kw_only=True, eq=False)
class ResamplingPlan:
    """Seed, design and number of replicates of a resampling.

    One plan serves every outcome, perspective, scenario and subgroup: replicate r draws the
    same units in all of them, so that differences between them are paired. Nothing is stored
    but the design; a block of replicates is drawn from its own random stream when it is needed.

    Parameters
    ----------
    strata
        Stratum of each unit, coded 0, 1, …; units are drawn within strata.
    replicates
        Number of replicates.
    seed
        Seed of the random numbers.
    units
        Names of the units (agencies, or participants), in the order of ``strata``.
    is_clustered
        The units are agencies, not participants.
    """

    strata: NDArray[np.int64]
    replicates: int
    seed: int
    units: tuple[object, ...] = ()
    is_clustered: bool = True

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.strata.size)

    @property
    def n_blocks(self) -> int:
        """Number of blocks of :data:`BLOCK_SIZE` replicates."""
        return -(-self.replicates // BLOCK_SIZE)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Number of units of each stratum."""
        return np.bincount(self.strata)

    @property
    def scale(self) -> FloatArray:
        """What a Rao-Wu count is multiplied with to give the weight of each unit."""
        return np.asarray((self.sizes / (self.sizes - 1))[self.strata], dtype=np.float64)

    @property
    def counts(self) -> CountArray:
        """How often each unit is drawn in each Rao-Wu replicate, shape (replicates, units)."""
        blocks = [_draw_counts(self, spare=1, stream=(block,)) for block in range(self.n_blocks)]
        return np.concatenate(blocks)[: self.replicates]

    def draw_weights(self, scheme: Scheme, block: int, attempt: int = 0) -> FloatArray:
        """Return the weight of each unit in each replicate of one block.

        Parameters
        ----------
        scheme
            ``"rao_wu"``: K − 1 of K units with replacement, times K/(K − 1);
            ``"dirichlet"``: K times a symmetric Dirichlet vector with concentration (K − 2)/K;
            ``"with_replacement"``: K of K units.
        block, attempt
            Which block, and which of its streams: attempts after the first replace replicates
            that could not be estimated.

        Returns
        -------
        ndarray of shape (BLOCK_SIZE, units)

        Notes
        -----
        Under the first two schemes a weight has mean 1 and variance 1, so that the variance of
        a linear statistic over the replicates is unbiased; under the third it falls short by
        the factor (K − 1)/K. Rubin's Bayesian bootstrap has concentration 1 and a variance of
        (K − 1)/(K + 1): the concentration here is the one that makes it 1.
        """
        if scheme == "dirichlet":
            return _draw_dirichlet(self, self.make_generator(scheme, block, attempt))
        if scheme == "rao_wu":
            # The streams of this scheme came first, and keep their keys.
            first = (block, attempt) if attempt else (block,)
            return _draw_counts(self, spare=1, stream=first) * self.scale
        later = (_SCHEMES.index(scheme), block, attempt)
        return _draw_counts(self, spare=0, stream=later).astype(np.float64)

    def make_generator(
        self, scheme: Scheme | Literal["two_stage"], block: int, attempt: int
    ) -> np.random.Generator:
        """Return the generator of one block of a scheme."""
        number = _SCHEMES.index(scheme) if scheme in _SCHEMES else len(_SCHEMES)
        return _make_generator(self.seed, (number, block, attempt))


def build_plan(
    strata_of_units: NDArray[np.integer],
    *,
    replicates: int,
    seed: int,
    units: tuple[object, ...] = (),
    is_clustered: bool = True,
) -> ResamplingPlan:
    """Return a plan for units in strata.

    Parameters
    ----------
    strata_of_units
        Stratum of each unit: one integer per unit.
    replicates
        Number of replicates.
    seed
        Seed of the random numbers.
    units
        Names of the units.
    is_clustered
        The units are agencies, not participants.

    Raises
    ------
    DataError
        When replicates or seed cannot be used.
    ModelError
        CPI-M001 when a stratum has one unit.

    Notes
    -----
    A unit of a stratum with K units that is drawn c times among K − 1 draws weighs
    c K/(K − 1). The variance of a linear statistic over the replicates is then unbiased for the
    sampling variance between units, where drawing K of K falls short by the factor (K − 1)/K.

    References
    ----------
    Rao JNK, Wu CFJ (1988). Journal of the American Statistical Association 83:231-241.
    Rao JNK, Wu CFJ, Yue K (1992). Survey Methodology 18:209-217.

    Examples
    --------
    >>> import numpy as np
    >>> plan = build_plan(np.array([0, 0, 0, 1, 1]), replicates=100, seed=1)
    >>> plan.counts[:, :3].sum(axis=1).tolist() == [2] * 100
    True
    >>> plan.draw_weights("rao_wu", block=0).sum(axis=1)[:3].tolist()
    [5.0, 5.0, 5.0]
    """
    check_resampling(replicates, seed)
    _, strata = np.unique(strata_of_units, return_inverse=True)
    plan = ResamplingPlan(
        strata=strata.astype(np.int64),
        replicates=int(replicates),
        seed=int(seed),
        units=units,
        is_clustered=is_clustered,
    )
    check_strata(plan, "rao_wu")
    return plan


def check_strata(plan: ResamplingPlan, scheme: Scheme) -> None:
    """Raise CPI-M001 when a stratum has too few units for the scheme."""
    fewest = FEWEST_UNITS[scheme]
    if int(plan.sizes.min()) < fewest:
        name = {2: "two", 3: "three"}[fewest]
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule=f"each group of the comparison needs at least {name} agencies",
                cure="an interval cannot be estimated from fewer: compare groups with more "
                "agencies, or draw by another method",
            )
        )


def _draw_counts(plan: ResamplingPlan, *, spare: int, stream: tuple[int, ...]) -> CountArray:
    """Draw all units but ``spare`` of each stratum, with replacement."""
    generator = _make_generator(plan.seed, stream)
    counts = np.zeros((BLOCK_SIZE, plan.n_units), dtype=np.int32)
    for stratum, size in enumerate(plan.sizes):
        drawn = generator.integers(size, size=(BLOCK_SIZE, size - spare))
        flat = drawn + np.arange(BLOCK_SIZE)[:, None] * size
        tally = np.bincount(flat.ravel(), minlength=BLOCK_SIZE * size)
        counts[:, plan.strata == stratum] = tally.reshape(BLOCK_SIZE, size)
    return counts


def _draw_dirichlet(plan: ResamplingPlan, generator: np.random.Generator) -> FloatArray:
    weights = np.zeros((BLOCK_SIZE, plan.n_units))
    for stratum, size in enumerate(plan.sizes):
        shares = generator.dirichlet(np.full(size, (size - 2) / size), size=BLOCK_SIZE)
        weights[:, plan.strata == stratum] = shares * size
    return weights


def _make_generator(seed: int, stream: tuple[int, ...]) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))


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
