"""A statistic over all replicates of a plan, in this process or in many: the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.inference.input_checks import is_whole
from cpi_analysis.inference.resampling import BLOCK_SIZE, ResamplingPlan, Scheme

FloatArray = NDArray[np.float64]

#: Above this share of replicates that had to be drawn again, the conditional distribution is
#: no longer close to the one that the method needs, and the analysis is refused.
MAXIMUM_REDRAWN_SHARE = 0.05

#: Blocks that one task computes, and up to which a single process does not ask joblib.
BLOCKS_OF_A_TASK = 16

_MAXIMUM_ATTEMPTS = 1000


class BlockStatistic(Protocol):
    """Computes one block of replicates; a row with NaN is one that cannot be estimated."""

    def __call__(self, block: int, attempt: int) -> FloatArray:
        """Return the statistics, shape (BLOCK_SIZE, statistics)."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightedStatistic:
    """A statistic of weights of the units, over the blocks of a plan.

    Parameters
    ----------
    plan
        Which units are drawn.
    scheme
        How they are drawn.
    statistic
        Weights (rows, units of the statistic) to statistics (rows, m), NaN where a row cannot
        be estimated. An object of a class of a module, so that processes can be handed it.
    columns
        For each unit of the statistic its place among the units of the plan.
    """

    plan: ResamplingPlan
    scheme: Scheme
    statistic: Callable[[FloatArray], FloatArray]
    columns: NDArray[np.integer]

    def __call__(self, block: int, attempt: int) -> FloatArray:
        """Return the statistics of one block."""
        weights = self.plan.draw_weights(self.scheme, block, attempt)
        # take() keeps the rows contiguous, which indexing the columns does not.
        return self.statistic(np.take(weights, self.columns, axis=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Replicates:
    """Statistics over the replicates.

    Parameters
    ----------
    values
        Shape (replicates, statistics).
    n_redrawn
        Replicates that had to be drawn again because nothing could be estimated from them.
    """

    values: FloatArray
    n_redrawn: int


def compute_replicates(
    statistic: BlockStatistic, *, replicates: int, workers: int | None = None
) -> Replicates:
    """Return a statistic over the replicates of a plan.

    Parameters
    ----------
    statistic
        Computes one block.
    replicates
        Number of replicates.
    workers
        Number of processes, −1 for all cores. None: this process, or for more than
        16,384 replicates the backend that a surrounding ``joblib.parallel_config`` names, such
        as ``"dask"``.

    Raises
    ------
    DataError
        CPI-E045 when ``workers`` is no such number.
    ModelError
        CPI-M001 when more than :data:`MAXIMUM_REDRAWN_SHARE` of the replicates had to be drawn
        again.

    Notes
    -----
    A block is a pure function of the plan and the number of the block, always of
    :data:`BLOCK_SIZE` rows: who computes it, when, and beside which others changes no byte.
    """
    check_workers(workers)
    blocks = range(-(-replicates // BLOCK_SIZE))
    if workers in (None, 1) and len(blocks) <= BLOCKS_OF_A_TASK:
        parts = [_compute_blocks(statistic, blocks)]
    else:
        import joblib

        tasks = [
            blocks[start : start + BLOCKS_OF_A_TASK]
            for start in range(0, len(blocks), BLOCKS_OF_A_TASK)
        ]
        parts = joblib.Parallel(n_jobs=workers)(
            joblib.delayed(_compute_blocks)(statistic, task) for task in tasks
        )
    values = np.concatenate([part[0] for part in parts])[:replicates]
    n_redrawn = int(np.concatenate([part[1] for part in parts])[:replicates].sum())
    if n_redrawn > MAXIMUM_REDRAWN_SHARE * replicates:
        raise ModelError(_too_often_unusable())
    return Replicates(values=values, n_redrawn=n_redrawn)


def check_workers(workers: object) -> None:
    """Raise CPI-E045 unless ``workers`` is None, −1 or a whole number from 1."""
    if workers is None or (is_whole(workers) and (workers == -1 or int(workers) >= 1)):  # type: ignore[call-overload]
        return
    raise DataError(
        Fault(
            code="CPI-E045",
            column="workers",
            rule="the number of processes is a whole number",
            cure="leave it out for one process, or give -1 for all cores",
            allowed="-1, or 1 or more",
        )
    )


def _compute_blocks(
    statistic: BlockStatistic, blocks: range
) -> tuple[FloatArray, NDArray[np.bool_]]:
    parts = [_compute_block(statistic, block) for block in blocks]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _compute_block(statistic: BlockStatistic, block: int) -> tuple[FloatArray, NDArray[np.bool_]]:
    values = statistic(block, 0)
    is_bad = _find_bad(values)
    redrawn = is_bad.copy()
    for attempt in range(1, _MAXIMUM_ATTEMPTS):
        if not is_bad.any():
            return values, redrawn
        if is_bad.mean() > 0.5:
            break
        # Row i is only ever replaced by row i of a later stream: no row depends on another.
        values[is_bad] = statistic(block, attempt)[is_bad]
        is_bad = _find_bad(values)
    raise ModelError(_too_often_unusable())


def _find_bad(values: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(~np.isfinite(values).all(axis=1), dtype=np.bool_)


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
