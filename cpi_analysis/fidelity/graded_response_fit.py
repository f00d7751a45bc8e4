"""Marginal maximum likelihood of the graded response model: plain functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.fidelity.graded_response_curves import (
    compute_category_derivatives,
    compute_log_probabilities,
    locate_parameters,
)
from cpi_analysis.fidelity.thresholds import Codes

#: Half the Newton decrement at which the search stops: what the log-likelihood can still gain.
GAIN_TOLERANCE = 1e-12
#: And the length of the step: where there is no maximum, the gain dies out and the steps do not.
SHORT_STEP = 1e-4
MAX_ITERATIONS = 100
#: A slope beyond this runs to infinity: the item decides the trait alone.
STEEPEST = 50.0
#: Two maxima whose log-likelihoods differ by less than this are the same.
SAME_MAXIMUM = 1e-6
#: Scale between the logistic and the normal, for starting values only.
_LOGISTIC = 1.702

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Quadrature:
    """Points of the trait and the logarithm of their weights (they sum to one)."""

    points: Array
    log_weights: Array


def build_quadrature(n_points: int = 61, limit: float = 6.0) -> Quadrature:
    """Return equally spaced points with the weights of a standard normal."""
    points = np.linspace(-limit, limit, n_points)
    log_density = -0.5 * points**2
    return Quadrature(points=points, log_weights=log_density - logsumexp(log_density))


@dataclass(frozen=True)
class AnswerPatterns:
    """Different rows of answers and how often each occurred.

    Parameters
    ----------
    codes
        Patterns × items; −1 where the answer is missing.
    counts
        People with the pattern.
    of_person
        Per person, the number of their pattern.
    n_categories
        Per item.
    """

    codes: Codes
    counts: Array
    of_person: Codes
    n_categories: Codes

    @cached_property
    def first_column(self) -> Codes:
        """Per item, where its categories begin among those of all items."""
        return np.concatenate([[0], np.cumsum(self.n_categories)[:-1]])

    @cached_property
    def indicators(self) -> Array:
        """Patterns × categories of all items: 1 where the pattern has the category."""
        table = np.zeros((len(self.codes), int(self.n_categories.sum())))
        rows, items = np.nonzero(self.codes >= 0)
        table[rows, self.first_column[items] + self.codes[rows, items]] = 1.0
        return table


def collect_patterns(codes: Codes, n_categories: Codes) -> AnswerPatterns:
    """Return the different rows of coded answers."""
    different, of_person, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return AnswerPatterns(
        codes=different,
        counts=counts.astype(np.float64),
        of_person=of_person.ravel(),
        n_categories=n_categories,
    )


@dataclass(frozen=True)
class GradedFit:
    """A graded response model at its maximum.

    Parameters
    ----------
    parameters
        Per item its slope, then its intercepts in falling order; all items in a row.
    log_likelihood
        Of the answers, with the trait integrated out.
    covariance
        Inverse of the observed information.
    n_starts, n_best
        Starting points tried, and how many of them led to the best maximum.
    """

    parameters: Array
    log_likelihood: float
    covariance: Array
    n_starts: int
    n_best: int


def fit_graded_model(
    patterns: AnswerPatterns, quadrature: Quadrature, *, starts: Array
) -> GradedFit:
    """Return the best maximum of the marginal likelihood over several starting points.

    Parameters
    ----------
    patterns
        The answers.
    quadrature
        Points of the trait.
    starts
        Starting points × parameters; see :func:`build_starts`.

    Raises
    ------
    ModelError
        CPI-M005 when no starting point led to a maximum.

    Notes
    -----
    With zₖ = aθ + dₖ, the probability of category k is σ(zₖ) − σ(zₖ₊₁) =
    σ(zₖ) σ(−zₖ₊₁) (1 − exp(dₖ₊₁ − dₖ)), whose logarithm is concave. Newton steps use the exact
    second derivatives of the marginal likelihood (Louis' identity).

    References
    ----------
    Samejima F. Psychometrika Monograph 17, 1969.
    Bock RD, Aitkin M. Psychometrika 1981;46:443-459.
    Louis TA. Journal of the Royal Statistical Society B 1982;44:226-233.
    """
    found = [_climb(patterns, quadrature, start) for start in starts]
    met = [one for one in found if one is not None]
    if not met:
        raise ModelError(
            Fault(
                code="CPI-M005",
                rule="the graded response model has no maximum that could be found: an item may "
                "decide the trait alone, or a category may hold too few people",
                cure="leave out items that repeat others, or use fewer items; look at the "
                "frequencies with compute_item_statistics",
            )
        )
    values = np.array([value for _, value, _ in met])
    parameters, value, information = met[int(values.argmax())]
    return GradedFit(
        parameters=_orient(parameters, patterns),
        log_likelihood=float(value),
        covariance=np.asarray(np.linalg.inv(information), dtype=np.float64),
        n_starts=len(starts),
        n_best=int((values >= values.max() - SAME_MAXIMUM).sum()),
    )


def build_starts(patterns: AnswerPatterns, scales: Array) -> Array:
    """Return starting points: one-factor loadings as slopes, times each of ``scales``."""
    loadings = _guess_loadings(patterns)
    slopes = _LOGISTIC * loadings / np.sqrt(1 - loadings**2)
    return np.array([_pack_start(patterns, slopes * scale) for scale in scales])


def compute_posterior(
    parameters: Array, patterns: AnswerPatterns, quadrature: Quadrature
) -> tuple[Array, Array]:
    """Return the mean and standard deviation of the trait given the answers, per pattern."""
    weights, _ = _posterior(parameters, patterns, quadrature)
    mean = weights @ quadrature.points
    square = weights @ quadrature.points**2
    return mean, np.sqrt(np.maximum(square - mean**2, 0.0))


def _climb(
    patterns: AnswerPatterns, quadrature: Quadrature, start: Array
) -> tuple[Array, float, Array] | None:
    x = start.copy()
    value = _log_likelihood(x, patterns, quadrature)
    for _ in range(MAX_ITERATIONS):
        gradient, information = _derivatives(x, patterns, quadrature)
        curvature, axes = np.linalg.eigh(information)
        is_curved = curvature[0] > 1e-10 * curvature[-1]
        size = np.maximum(np.abs(curvature), 1e-4 * float(np.abs(curvature).max()))
        step = axes @ ((axes.T @ gradient) / (curvature if is_curved else size))
        gain = float(gradient @ step) / 2
        is_near = float(np.abs(step).max()) <= SHORT_STEP
        if is_curved and is_near and gain <= GAIN_TOLERANCE * max(1.0, abs(value)):
            return (
                x + step,
                max(value, _log_likelihood(x + step, patterns, quadrature)),
                information,
            )
        moved = _search_line(x, value, step, patterns, quadrature)
        if moved is None:
            return None
        x, value = moved
        if np.abs(x[locate_parameters(patterns.n_categories)]).max() > STEEPEST:
            return None
    return None


def _search_line(
    x: Array, value: float, step: Array, patterns: AnswerPatterns, quadrature: Quadrature
) -> tuple[Array, float] | None:
    length = min(1.0, 2.0 / float(np.abs(step).max()))
    for _ in range(40):
        trial = x + length * step
        reached = _log_likelihood(trial, patterns, quadrature)
        # Near the maximum the likelihood is flat to rounding, and any step is as good.
        if reached >= value - 1e-13 * abs(value):
            return trial, reached
        length /= 2
    return None


def _log_likelihood(x: Array, patterns: AnswerPatterns, quadrature: Quadrature) -> float:
    if not _is_ordered(x, patterns.n_categories):
        return -np.inf
    return float(patterns.counts @ _posterior(x, patterns, quadrature)[1])


def _is_ordered(x: Array, n_categories: Codes) -> bool:
    places = locate_parameters(n_categories)
    falls = np.diff(x) < 0
    inner = [np.arange(p + 1, p + c - 1) for p, c in zip(places, n_categories, strict=True)]
    return bool(np.isfinite(x).all() and falls[np.concatenate(inner)].all())


def _posterior(x: Array, patterns: AnswerPatterns, quadrature: Quadrature) -> tuple[Array, Array]:
    """Return patterns × points, the share of each point given the answers, and log densities."""
    logs = np.vstack(
        [
            compute_log_probabilities(x[place : place + count], quadrature.points)
            for place, count in zip(
                locate_parameters(patterns.n_categories), patterns.n_categories, strict=True
            )
        ]
    )
    joint = patterns.indicators @ logs + quadrature.log_weights
    density = logsumexp(joint, axis=1)
    return np.exp(joint - density[:, None]), density


def _derivatives(x: Array, patterns: AnswerPatterns, quadrature: Quadrature) -> tuple[Array, Array]:
    """Return the gradient of the log-likelihood and its observed information."""
    posterior, _ = _posterior(x, patterns, quadrature)
    weighted = posterior * patterns.counts[:, None]
    expected = patterns.indicators.T @ weighted
    scores, curvature = compute_category_derivatives(
        x, patterns.n_categories, quadrature.points, expected
    )
    gradient = np.einsum("cq,qcp->p", expected, scores)
    # E of the products of scores of two categories, at each point of the trait.
    pairs = _count_pairs(patterns, weighted)
    products = scores.transpose(0, 2, 1) @ pairs @ scores
    mean = _mean_scores(patterns, posterior, scores)
    information = (mean * patterns.counts[:, None]).T @ mean - products.sum(axis=0) - curvature
    return gradient, (information + information.T) / 2


def _count_pairs(patterns: AnswerPatterns, weighted: Array) -> Array:
    """Return points × categories × categories: people expected at the point with both answers."""
    indicators = patterns.indicators
    size = indicators.shape[1]
    pairs = np.empty((weighted.shape[1], size, size))
    for category in range(size):
        rows = np.flatnonzero(indicators[:, category])
        pairs[:, category, :] = weighted[rows].T @ indicators[rows]
    return pairs


def _mean_scores(patterns: AnswerPatterns, posterior: Array, scores: Array) -> Array:
    """Return patterns × parameters: the expected score given the answers."""
    mean = np.zeros((len(posterior), scores.shape[2]))
    for item, count in enumerate(patterns.n_categories):
        first = patterns.first_column[item]
        block = slice(first, first + count)
        for code in range(count):
            rows = np.flatnonzero(patterns.codes[:, item] == code)
            mean[rows, block] = posterior[rows] @ scores[:, first + code, block]
    return mean


def _guess_loadings(patterns: AnswerPatterns) -> Array:
    answers = np.where(patterns.codes >= 0, patterns.codes, np.nan).astype(float)
    weights = patterns.counts[:, None] * ~np.isnan(answers)
    filled = np.nan_to_num(answers)
    mean = (weights * filled).sum(axis=0) / weights.sum(axis=0)
    centred = np.where(np.isnan(answers), 0.0, filled - mean)
    covariance = (centred * patterns.counts[:, None]).T @ centred
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    first = vectors[:, -1] * np.sqrt(values[-1])
    return np.asarray(np.clip(first if first.sum() >= 0 else -first, -0.9, 0.9))


def _pack_start(patterns: AnswerPatterns, slopes: Array) -> Array:
    parts: list[Array] = []
    totals = patterns.counts @ patterns.indicators
    for first, count, slope in zip(
        patterns.first_column, patterns.n_categories, slopes, strict=True
    ):
        shares = totals[first : first + count] / totals[first : first + count].sum()
        above = np.cumsum(shares[::-1])[::-1][1:]
        spread = np.sqrt(1 + (slope / _LOGISTIC) ** 2)
        parts += [np.array([slope]), np.log(above / (1 - above)) * spread]
    return np.concatenate(parts)


def _orient(parameters: Array, patterns: AnswerPatterns) -> Array:
    places = locate_parameters(patterns.n_categories)
    if parameters[places].sum() >= 0:
        return parameters
    turned = parameters.copy()
    turned[places] *= -1
    return turned
