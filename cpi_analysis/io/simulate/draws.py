"""Plain draws of arrays that the parts of the simulation share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


def draw_two_waves(
    rng: np.random.Generator, rows: int, *, agencies: Integers, share: float, stability: float
) -> Floats:
    """Return standard normal values (rows × 2 waves), clustered in agencies.

    ``share`` of the variance lies between agencies at each wave, and both parts correlate by
    ``stability`` between waves, so that the regression on baseline is exactly linear.
    """
    between = _correlate(rng.standard_normal((int(agencies.max()) + 1, 2)), stability)
    within = _correlate(rng.standard_normal((rows, 2)), stability)
    waves: Floats = np.sqrt(share) * between[agencies] + np.sqrt(1 - share) * within
    return waves


def _correlate(noise: Floats, stability: float) -> Floats:
    second = stability * noise[:, 0] + np.sqrt(1 - stability**2) * noise[:, 1]
    return np.column_stack([noise[:, 0], second])


def draw_gamma_pair(
    rng: np.random.Generator, rows: int, *, shape: float, stability: float
) -> Floats:
    """Return gamma values with mean 1 (rows × 2) that correlate by ``stability``.

    The second is a beta-distributed part of the first plus an independent gamma, so that its
    mean given the first is linear: 1 − stability + stability × first.
    """
    first = rng.gamma(shape, 1.0, rows)
    kept = rng.beta(shape * stability, shape * (1 - stability), rows)
    second = kept * first + rng.gamma(shape * (1 - stability), 1.0, rows)
    return np.column_stack([first, second]) / shape


def spread_total(totals: Integers, difficulty: Floats, *, steps: int) -> Integers:
    """Return whole-number answers (rows × items) from 0 to ``steps`` that sum to the totals.

    Each item is a stair of ``steps`` steps; the step s of item k lies at s + difficulty[:, k],
    and a person takes the lowest steps, as many as the total says.
    """
    rows, items = difficulty.shape
    heights = (difficulty[:, :, None] + np.arange(steps)).reshape(rows, items * steps)
    ranks = np.argsort(np.argsort(heights, axis=1, kind="stable"), axis=1, kind="stable")
    taken = ranks < totals[:, None]
    answers: Integers = taken.reshape(rows, items, steps).sum(axis=2)
    return answers


def item_difficulty(rng: np.random.Generator, people: int, items: int, noise: float) -> Floats:
    """Return the difficulty of each item for each person at two waves (2 × people × items).

    Half of the variance stays with the person, half changes between waves; the items
    themselves differ over a range of one step.
    """
    common = np.linspace(-0.5, 0.5, items)
    lasting = rng.standard_normal((1, people, items))
    passing = rng.standard_normal((2, people, items))
    difficulty: Floats = common + noise * np.sqrt(0.5) * (lasting + passing)
    return difficulty


def round_into_range(values: Floats, minimum: int, maximum: int) -> Integers:
    """Return the nearest whole number inside the range."""
    return np.clip(np.rint(values), minimum, maximum).astype(np.int64)
