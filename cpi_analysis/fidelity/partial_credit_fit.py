"""Conditional maximum likelihood of the partial credit model: plain functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.fidelity.thresholds import Codes

#: Half the Newton decrement at which the search stops.
GAIN_TOLERANCE = 1e-13
#: And the length of the step: where there is no maximum, the gain dies out and the steps do not.
SHORT_STEP = 1e-4
MAX_ITERATIONS = 100
#: A curvature this small beside the largest is a direction that the answers do not fix.
FLAT = 1e-10

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Group:
    """People who answered the same items.

    ``items`` answered, ``n_at`` people with each raw score, and ``chosen``, how many of those
    whose score is neither the lowest nor the highest chose each category above the first.
    """

    items: Codes
    n_at: Array
    chosen: list[Array]


@dataclass(frozen=True)
class PartialCreditFit:
    """A partial credit model at its maximum.

    Parameters
    ----------
    difficulties
        Per item the sums of its thresholds up to each category above the first.
    information
        Of those sums, all items in a row; singular in the direction that shifts every threshold.
    log_likelihood
        Conditional on the raw scores.
    n_used
        People whose score is neither the lowest nor the highest possible.
    """

    difficulties: list[Array]
    information: Array
    log_likelihood: float
    n_used: int

    def covariance(self, constraint: Array) -> Array:
        """Return the covariance of the sums when ``constraint`` · sums is held at zero."""
        shift = np.concatenate([np.arange(1.0, len(one) + 1) for one in self.difficulties])
        turn = np.eye(len(shift)) - np.outer(shift, constraint) / (constraint @ shift)
        inverse = np.linalg.pinv(self.information, rcond=FLAT, hermitian=True)
        return np.asarray(turn @ inverse @ turn.T)


def fit_partial_credit_model(codes: Codes, n_categories: Codes) -> PartialCreditFit:
    """Return the maximum of the likelihood of the answers given each person's raw score.

    Parameters
    ----------
    codes
        People × items; −1 where the answer is missing. People are compared with those who
        answered the same items.
    n_categories
        Per item.

    Raises
    ------
    ModelError
        CPI-M001 when nobody has a score between the lowest and the highest, CPI-M005 when the
        answers do not fix the thresholds.

    Notes
    -----
    With ηₖ the sum of the first k thresholds of an item, the answers given the raw score r have
    the probability Π exp(−η) / γᵣ, where γᵣ sums Π exp(−η) over all answers with that score.
    Thresholds are returned with a mean of zero. Newton steps use exact second derivatives.

    References
    ----------
    Masters GN. Psychometrika 1982;47:149-174.
    Andersen EB. Psychometrika 1977;42:69-81.
    """
    groups, n_used = _collect_groups(codes, n_categories)
    if not groups:
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule="nobody has a score between the lowest and the highest possible",
                cure="the model needs people whose answers differ between items",
            )
        )
    steps = [np.zeros(count - 1) for count in n_categories]
    value, gradient, information = _evaluate(steps, groups)
    for _ in range(MAX_ITERATIONS):
        step, is_fixed = _newton_step(gradient, information)
        gain = float(gradient @ step) / 2
        is_near = float(np.abs(step).max()) <= SHORT_STEP
        if is_fixed and is_near and gain <= GAIN_TOLERANCE * max(1.0, abs(value)):
            steps = _centre(_move(steps, step))
            value, _, information = _evaluate(steps, groups)
            return PartialCreditFit(steps, information, value, n_used)
        steps, (value, gradient, information) = _search_line(steps, step, value, groups)
    raise _refuse_flat()


def compute_category_probabilities(difficulties: Array, points: Array) -> Array:
    """Return the probabilities of an item's categories: categories × points.

    Examples
    --------
    >>> compute_category_probabilities(np.array([0.0]), np.array([0.0])).ravel().tolist()
    [0.5, 0.5]
    """
    sums = np.concatenate([[0.0], difficulties])
    logs = np.arange(len(sums))[:, None] * points - sums[:, None]
    odds = np.exp(logs - logs.max(axis=0))
    return np.asarray(odds / odds.sum(axis=0))


def _collect_groups(codes: Codes, n_categories: Codes) -> tuple[list[_Group], int]:
    different, of_person = np.unique(codes >= 0, axis=0, return_inverse=True)
    groups, n_used = [], 0
    for number, is_answered in enumerate(different):
        items = np.flatnonzero(is_answered)
        rows = codes[of_person.ravel() == number][:, items]
        score = rows.sum(axis=1)
        highest = int((n_categories[items] - 1).sum())
        is_inner = (score > 0) & (score < highest)
        if not is_inner.any():
            continue
        n_used += int(is_inner.sum())
        rows = rows[is_inner]
        groups.append(
            _Group(
                items=items,
                n_at=np.bincount(score[is_inner], minlength=highest + 1).astype(float),
                chosen=[
                    np.bincount(rows[:, place], minlength=n_categories[item])[1:].astype(float)
                    for place, item in enumerate(items)
                ],
            )
        )
    return groups, n_used


def _evaluate(steps: list[Array], groups: list[_Group]) -> tuple[float, Array, Array]:
    first = np.concatenate([[0], np.cumsum([len(one) for one in steps])])
    value, gradient = 0.0, np.zeros(first[-1])
    information = np.zeros((first[-1], first[-1]))
    for group in groups:
        places = np.concatenate([np.arange(first[item], first[item + 1]) for item in group.items])
        sums = np.concatenate([steps[item] for item in group.items])
        part, expected, spread = _expect([steps[item] for item in group.items], group.n_at)
        chosen = np.concatenate(group.chosen)
        value += part - float(chosen @ sums)
        gradient[places] += expected - chosen
        information[np.ix_(places, places)] += spread
    return value, gradient, information


def _expect(steps: list[Array], n_at: Array) -> tuple[float, Array, Array]:
    """Return −Σ nᵣ log γᵣ, expected choices and their covariance, given the raw scores."""
    odds = [np.exp(-np.concatenate([[0.0], one])) for one in steps]
    without = [_multiply(odds[:i] + odds[i + 1 :]) for i in range(len(odds))]
    total = np.convolve(without[0], odds[0])
    scores = np.flatnonzero(n_at)
    weights = n_at[scores]
    # Rows: every category above the first of every item; columns: raw scores.
    share = np.vstack(
        [
            odds[i][k] * _take(without[i], scores - k) / total[scores]
            for i in range(len(odds))
            for k in range(1, len(odds[i]))
        ]
    )
    spread = -(share * weights) @ share.T
    first = np.concatenate([[0], np.cumsum([len(one) for one in steps])])
    for i in range(len(odds)):
        here = np.arange(first[i], first[i + 1])
        spread[here, here] += share[here] @ weights
        for j, rest in zip(range(i), _leave_two_out(odds, i), strict=True):
            for k in range(1, len(odds[i])):
                for m in range(1, len(odds[j])):
                    both = odds[i][k] * odds[j][m] * _take(rest, scores - k - m) / total[scores]
                    spread[first[i] + k - 1, first[j] + m - 1] += both @ weights
                    spread[first[j] + m - 1, first[i] + k - 1] += both @ weights
    return -float(weights @ np.log(total[scores])), share @ weights, spread


def _leave_two_out(odds: list[Array], i: int) -> list[Array]:
    """Return for each item before ``i`` the product of all items but these two."""
    after = _multiply(odds[i + 1 :])
    before = [np.ones(1)]
    for one in odds[:i]:
        before.append(np.convolve(before[-1], one))
    products = []
    tail = after
    for j in range(i - 1, -1, -1):
        products.append(np.convolve(before[j], tail))
        tail = np.convolve(tail, odds[j])
    return products[::-1]


def _multiply(polynomials: list[Array]) -> Array:
    product = np.ones(1)
    for one in polynomials:
        product = np.convolve(product, one)
    return product


def _take(values: Array, places: Codes) -> Array:
    is_inside = (places >= 0) & (places < len(values))
    return np.where(is_inside, values[np.clip(places, 0, len(values) - 1)], 0.0)


def _newton_step(gradient: Array, information: Array) -> tuple[Array, bool]:
    """Return the step, and whether only the common shift of all thresholds is left open."""
    curvature, axes = np.linalg.eigh(information)
    is_flat = curvature <= FLAT * curvature[-1]
    inverse = np.where(is_flat, 0.0, 1 / np.where(is_flat, 1.0, curvature))
    return axes @ ((axes.T @ gradient) * inverse), int(is_flat.sum()) == 1


def _search_line(
    steps: list[Array], step: Array, value: float, groups: list[_Group]
) -> tuple[list[Array], tuple[float, Array, Array]]:
    length = min(1.0, 3.0 / float(np.abs(step).max()))
    for _ in range(40):
        trial = _move(steps, length * step)
        if all(np.abs(one).max(initial=0.0) < 300 for one in trial):
            result = _evaluate(trial, groups)
            if result[0] >= value - 1e-13 * abs(value):
                return trial, result
        length /= 2
    raise _refuse_flat()


def _refuse_flat() -> ModelError:
    return ModelError(
        Fault(
            code="CPI-M005",
            rule="the answers do not fix every threshold: a category is chosen only by people "
            "with extreme scores, or groups of items are answered by different people",
            cure="leave out the items with nearly empty categories, or items that few people share",
        )
    )


def _move(steps: list[Array], step: Array) -> list[Array]:
    ends = np.cumsum([len(one) for one in steps])[:-1]
    return [one + part for one, part in zip(steps, np.split(step, ends), strict=True)]


def _centre(steps: list[Array]) -> list[Array]:
    """Return the sums shifted so that the mean of all thresholds is zero."""
    shift = sum(one[-1] for one in steps) / sum(len(one) for one in steps)
    return [one - shift * np.arange(1, len(one) + 1) for one in steps]
