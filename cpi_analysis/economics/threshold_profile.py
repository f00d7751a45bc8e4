"""Net benefit of draws at every threshold at once: sorted switch points instead of a grid.

In one draw the best net benefit is a convex, piecewise straight function of the threshold. Its
corners are found once for all draws; sorted, they answer any number of thresholds exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

#: Rounding of a sum, as a share of the sum for each of its terms.
ROUNDING = float(np.finfo(np.float64).eps)


def compute_best_shares(cost: FloatArray, effect: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return the share of draws in which each strategy is strictly better than every other.

    Parameters
    ----------
    cost, effect
        Shape (draws, strategies).
    thresholds
        Shape (t,).

    Returns
    -------
    ndarray
        Shape (t, strategies). A row sums to less than 1 where draws are tied.
    """
    if cost.shape[1] == 2:
        return _share_of_two(cost[:, 0] - cost[:, 1], effect[:, 0] - effect[:, 1], thresholds)
    shares = np.empty((len(thresholds), cost.shape[1]))
    for strategy in range(cost.shape[1]):
        low, high = find_best_interval(cost, effect, strategy)
        is_ever = low < high
        entered = np.searchsorted(np.sort(low[is_ever]), thresholds, side="left")
        departed = np.searchsorted(np.sort(high[is_ever]), thresholds, side="right")
        shares[:, strategy] = entered - departed
    return np.asarray(shares / cost.shape[0])


def _share_of_two(cost: FloatArray, effect: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return the shares of the target and of the reference, from differences between them."""
    does_more, does_less = effect > 0, effect < 0
    is_equal = ~(does_more | does_less)
    from_here = np.sort(cost[does_more] / effect[does_more])
    up_to_here = np.sort(cost[does_less] / effect[does_less])
    shares = np.empty((len(thresholds), 2))
    shares[:, 0] = np.searchsorted(from_here, thresholds, side="left") + (
        len(up_to_here) - np.searchsorted(up_to_here, thresholds, side="right")
    )
    shares[:, 1] = (
        len(from_here)
        - np.searchsorted(from_here, thresholds, side="right")
        + np.searchsorted(up_to_here, thresholds, side="left")
    )
    if is_equal.any():
        shares += [(cost[is_equal] < 0).sum(), (cost[is_equal] > 0).sum()]
    return np.asarray(shares / len(cost))


def find_best_interval(
    cost: FloatArray, effect: FloatArray, strategy: int
) -> tuple[FloatArray, FloatArray]:
    """Return the open interval of thresholds on which the strategy is best, for each draw.

    Where it is never best the lower end is not below the upper one.
    """
    low = np.full(cost.shape[0], -np.inf)
    high = np.full(cost.shape[0], np.inf)
    for other in range(cost.shape[1]):
        if other == strategy:
            continue
        more_cost = cost[:, strategy] - cost[:, other]
        more_effect = effect[:, strategy] - effect[:, other]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = more_cost / more_effect
        low = np.where(more_effect > 0, np.maximum(low, ratio), low)
        high = np.where(more_effect < 0, np.minimum(high, ratio), high)
        high = np.where((more_effect == 0) & (more_cost >= 0), -np.inf, high)
    return low, high


def find_changes(cost: FloatArray, effect: FloatArray) -> FloatArray:
    """Return the thresholds above 0 at which the best strategy of some draw changes, unsorted."""
    if cost.shape[1] > 2:
        return find_corners(cost, effect)[1]
    more_cost, more_effect = cost[:, 0] - cost[:, 1], effect[:, 0] - effect[:, 1]
    is_tradeoff = more_cost * more_effect > 0
    return np.asarray(more_cost[is_tradeoff] / more_effect[is_tradeoff])


def compute_expected_losses(
    cost: ArrayLike, effect: ArrayLike, thresholds: ArrayLike
) -> FloatArray:
    """Return the expected loss of each strategy at each threshold, exactly.

    Parameters
    ----------
    cost, effect
        Shape (draws, strategies).
    thresholds
        Shape (t,), 0 or more.

    Returns
    -------
    ndarray
        Shape (t, strategies); the smallest of a row is the value of perfect information.

    Examples
    --------
    >>> compute_expected_losses([[0.0, 1.0], [0.0, -3.0]], [[0.0, 0.0], [0.0, 0.0]], [1.0]).tolist()
    [[1.5, 0.5]]
    """
    costs = np.asarray(cost, dtype=np.float64)
    effects = np.asarray(effect, dtype=np.float64)
    grid = np.asarray(thresholds, dtype=np.float64)
    if costs.shape[1] == 2:
        return _lose_of_two(costs[:, 0] - costs[:, 1], effects[:, 0] - effects[:, 1], grid)
    return _lose_of_many(costs, effects, grid)


def _lose_of_two(cost: FloatArray, effect: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return the losses of the target and of the reference, from differences between them."""
    losses = np.zeros((len(thresholds), 2))
    is_equal = effect == 0
    losses += [np.maximum(cost[is_equal], 0).sum(), np.maximum(-cost[is_equal], 0).sum()]
    for sign, after, before in ((1, 1, 0), (-1, 0, 1)):
        # A draw that does more is the reference's loss above its ratio, the target's below it.
        chosen = sign * effect > 0
        c, e = sign * cost[chosen], sign * effect[chosen]
        ratio = c / e
        order = np.argsort(ratio)
        c, e = c[order], e[order]
        place = np.searchsorted(ratio[order], thresholds)
        # Sums from either end: where no draw is left the sum is 0, and not a rounding of it.
        losses[:, after] += thresholds * _sum_first(e)[place] - _sum_first(c)[place]
        losses[:, before] += _sum_last(c)[place] - thresholds * _sum_last(e)[place]
    return np.maximum(losses / len(cost), 0.0)


def _sum_first(values: FloatArray) -> FloatArray:
    """Return the sums of the first 0, 1, … values."""
    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums


def _sum_last(values: FloatArray) -> FloatArray:
    """Return the sums of what the first 0, 1, … values leave."""
    return _sum_first(values[::-1])[::-1]


def _lose_of_many(cost: FloatArray, effect: FloatArray, thresholds: FloatArray) -> FloatArray:
    # Differences to the first strategy: a loss is a small difference of large numbers.
    cost, effect = cost - cost[:, :1], effect - effect[:, :1]
    start, corners, steps = find_corners(cost, effect)
    order = np.argsort(corners)
    corners, steps = corners[order], steps[order]
    place = np.searchsorted(corners, thresholds)
    n_draws = len(cost)
    rows = np.arange(n_draws)
    best = thresholds * effect[rows, start].sum() - cost[rows, start].sum()
    best += thresholds * _sum_first(steps)[place] - _sum_first(corners * steps)[place]
    mean = thresholds[:, None] * effect.mean(axis=0) - cost.mean(axis=0)
    losses = best[:, None] / n_draws - mean
    size = np.abs(cost).mean() + thresholds[:, None] * np.abs(effect).mean()
    return np.where(losses <= n_draws * ROUNDING * size, 0.0, losses)


def find_corners(
    cost: FloatArray, effect: FloatArray
) -> tuple[NDArray[np.intp], FloatArray, FloatArray]:
    """Return where the best strategy of each draw changes as the threshold rises from 0.

    Parameters
    ----------
    cost, effect
        Shape (draws, strategies).

    Returns
    -------
    start
        The best strategy of each draw at a threshold of 0, shape (draws,).
    corners
        Thresholds above 0 at which the best strategy of some draw changes.
    steps
        Effect that the change gains, in the same order.

    Notes
    -----
    From the cheapest strategy of a draw (of equals, the one that does most), the next is the
    one that does more at the lowest ratio. Whoever does most is reached after at most
    strategies − 1 steps.
    """
    rows = np.arange(len(cost))
    is_cheapest = cost == cost.min(axis=1, keepdims=True)
    start = np.where(is_cheapest, effect, -np.inf).argmax(axis=1)
    now = start.copy()
    corners, steps = [], []
    for _ in range(cost.shape[1] - 1):
        more_effect = effect - effect[rows, now][:, None]
        more_cost = cost - cost[rows, now][:, None]
        ratio = np.full_like(cost, np.inf)
        with np.errstate(over="ignore"):
            np.divide(more_cost, more_effect, out=ratio, where=more_effect > 0)
        corner = ratio.min(axis=1)
        # Of several on one line the farthest, so that no corner is met twice.
        following = np.where(ratio == corner[:, None], more_effect, -np.inf).argmax(axis=1)
        moves = np.isfinite(corner)
        corners.append(corner[moves])
        steps.append(more_effect[rows, following][moves])
        now = np.where(moves, following, now)
    return start, np.concatenate(corners), np.concatenate(steps)


def find_switches(cost: FloatArray, effect: FloatArray) -> list[tuple[float, int]]:
    """Return from which threshold on which strategy has the highest mean net benefit.

    Parameters
    ----------
    cost, effect
        Means, shape (strategies,).

    Returns
    -------
    list
        Pairs of threshold and number of the strategy, the first at 0.

    Examples
    --------
    >>> import numpy as np
    >>> find_switches(np.array([100.0, 0.0]), np.array([0.01, 0.0]))
    [(0.0, 1), (10000.0, 0)]
    """
    now = int(np.lexsort((-effect, cost))[0])
    switches = [(0.0, now)]
    while (does_more := np.flatnonzero(effect > effect[now])).size:
        ratio = (cost[does_more] - cost[now]) / (effect[does_more] - effect[now])
        nearest = does_more[ratio == ratio.min()]
        now = int(nearest[effect[nearest].argmax()])
        switches.append((float(ratio.min()), now))
    return switches
