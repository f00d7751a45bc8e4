"""Intervals of Cronbach's alpha by resampling people or agencies, all replicates at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.fidelity.refusals import refuse_items

#: Replicates drawn from one random stream.
BLOCK_SIZE = 500
#: Replicates worked on together, so that the work stays in the cache of the processor.
CHUNK = 64
#: Above this share of replicates without an alpha the bootstrap is refused.
MOST_UNUSABLE = 0.05
#: Fewer units than this cannot be resampled.
FEWEST_UNITS = 5
METHODS = ("percentile", "BCa", "bootstrap-t", "linearised t")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class UnitSums:
    """Sums over the people of each unit that is resampled: a person, or an agency.

    Parameters
    ----------
    n
        People.
    items
        Answers, units × items.
    squares
        Σ over items of the squared answers.
    total, total_squares
        Of the total scores.
    """

    n: Array
    items: Array
    squares: Array
    total: Array
    total_squares: Array


def sum_units(answers: Array, units: NDArray[np.intp] | None = None) -> UnitSums:
    """Return the sums of each unit; None makes every person a unit.

    Parameters
    ----------
    answers
        People × items, complete.
    units
        Number of the unit of each person, from 0.
    """
    centred = answers - answers.mean(axis=0)
    total = centred.sum(axis=1)
    columns = np.column_stack(
        [np.ones(len(centred)), (centred**2).sum(axis=1), total, total**2, centred]
    )
    if units is not None:
        sums = np.zeros((int(units.max()) + 1, columns.shape[1]))
        np.add.at(sums, units, columns)
        columns = sums
    return UnitSums(columns[:, 0], columns[:, 4:], columns[:, 1], columns[:, 2], columns[:, 3])


def compute_log_ratios(sums: UnitSums, counts: Array) -> tuple[Array, Array]:
    """Return log(Σ s²ᵢ / s²) of every replicate with its linearised standard error.

    Parameters
    ----------
    sums
        Of the units.
    counts
        How often each unit is drawn, replicates × units.

    Notes
    -----
    With A = Σ s²ᵢ and B = s², a person's influence on log(A/B) is q/A − t²/B, where q is the sum
    of the squared deviations of the answers and t that of the total. The standard error is
    the root of the sum of squared influences of the units, times √(G/(G − 1)), over n.
    """
    parts = [
        _compute_chunk(sums, counts[start : start + CHUNK])
        for start in range(0, len(counts), CHUNK)
    ]
    ratio, error = (np.concatenate(column) for column in zip(*parts, strict=True))
    return ratio, error


def _compute_chunk(sums: UnitSums, counts: Array) -> tuple[Array, Array]:
    n = counts @ sums.n
    means = counts @ sums.items / n[:, None]
    mean_total = counts @ sums.total / n
    within = counts @ sums.squares / n - (means**2).sum(axis=1)
    total = counts @ sums.total_squares / n - mean_total**2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(within / total)
        # Influences are linear in the sums, so those of an agency are the sum of its people's.
        spread = (
            sums.squares - 2 * means @ sums.items.T + sums.n * (means**2).sum(axis=1)[:, None]
        ) / within[:, None]
        spread -= (
            sums.total_squares
            - 2 * mean_total[:, None] * sums.total
            + sums.n * (mean_total**2)[:, None]
        ) / total[:, None]
        drawn = counts.sum(axis=1)
        squares = (counts * spread**2).sum(axis=1) * drawn / (drawn - 1)
        return np.asarray(ratio), np.asarray(np.sqrt(squares) / n)


def draw_counts(n_units: int, *, replicates: int, seed: int, stream: int = 0) -> Array:
    """Return how often each unit is drawn when as many are drawn as there are."""
    blocks = []
    for block in range(-(-replicates // BLOCK_SIZE)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, block)))
        drawn = rng.integers(n_units, size=(BLOCK_SIZE, n_units))
        flat = drawn + np.arange(BLOCK_SIZE)[:, None] * n_units
        tally = np.bincount(flat.ravel(), minlength=BLOCK_SIZE * n_units)
        blocks.append(tally.reshape(BLOCK_SIZE, n_units).astype(np.float64))
    return np.concatenate(blocks)[:replicates]


def compute_bootstrap_intervals(
    sums: UnitSums, counts: Array, *, n_items: int, confidence_level: float
) -> dict[str, tuple[float, float]]:
    """Return the interval of alpha by each of :data:`METHODS`.

    Parameters
    ----------
    sums
        Of the units.
    counts
        From :func:`draw_counts`.
    n_items
        Number of items.
    confidence_level
        Of the intervals.

    Raises
    ------
    ModelError
        CPI-M008 with fewer than five units, or when more than 5% of the replicates have no alpha.

    Notes
    -----
    All work on θ = log(1 − (k − 1)α/k), a monotone function of alpha whose distribution is
    nearly symmetric. BCa takes its acceleration from the jackknife over units. ``linearised t``
    is θ ± t(G − 1) times the linearised standard error, without resampling.

    References
    ----------
    Efron B, Tibshirani RJ. An introduction to the bootstrap. Chapman & Hall 1993, chapters
    12-14. Maydeu-Olivares A, Coffman DL, Hartmann WM. Psychological Methods 2007;12:157-176.
    """
    n_units = len(sums.n)
    if n_units < FEWEST_UNITS:
        raise refuse_items(
            f"{n_units} people or agencies are too few to resample",
            "use Feldt's interval, or collect more",
            allowed=f"at least {FEWEST_UNITS}",
        )
    theta, error = (float(one[0]) for one in compute_log_ratios(sums, np.ones((1, n_units))))
    drawn, errors = compute_log_ratios(sums, counts)
    usable = np.isfinite(drawn) & (errors > 0)
    if usable.mean() < 1 - MOST_UNUSABLE:
        raise refuse_items(
            "more than 5% of the resamples have no alpha: their total does not vary",
            "use Feldt's interval, or collect more answers",
        )
    drawn, errors = drawn[usable], errors[usable]
    tails = np.array([(1 - confidence_level) / 2, (1 + confidence_level) / 2])
    quantile = stats.t.ppf(tails[1], n_units - 1)
    ranges = {
        "percentile": np.quantile(drawn, tails),
        "BCa": np.quantile(drawn, _correct_tails(sums, drawn, theta, tails)),
        "bootstrap-t": theta - error * np.quantile((drawn - theta) / errors, tails[::-1]),
        "linearised t": theta + error * quantile * np.array([-1.0, 1.0]),
    }
    factor = n_items / (n_items - 1)
    return {
        name: (float(factor * (1 - np.exp(high))), float(factor * (1 - np.exp(low))))
        for name, (low, high) in ranges.items()
    }


def _correct_tails(sums: UnitSums, drawn: Array, theta: float, tails: Array) -> Array:
    below = np.clip((drawn < theta).mean(), 1 / (len(drawn) + 1), len(drawn) / (len(drawn) + 1))
    bias = stats.norm.ppf(below)
    left_out = compute_log_ratios(sums, 1 - np.eye(len(sums.n)))[0]
    left_out = left_out[np.isfinite(left_out)]
    deviation = left_out.mean() - left_out
    scale = (deviation**2).sum() ** 1.5
    acceleration = (deviation**3).sum() / (6 * scale) if scale > 0 else 0.0
    normal = bias + stats.norm.ppf(tails)
    return np.asarray(stats.norm.cdf(bias + normal / (1 - acceleration * normal)))
