"""Log-likelihoods of one observation in its linear predictor, with three derivatives.

A family has ``n_extra`` parameters beside the linear predictor: none for binomial and Poisson
outcomes, the logarithm of the size for negative binomial ones, the cut-points for ordinal ones.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]
Link = Literal["logit", "probit"]


class Terms(NamedTuple):
    """Log-likelihood of each observation and its derivatives in the linear predictor.

    ``value``, ``first``, ``second``, ``third`` have the shape of ``eta``. ``extra`` holds, for
    each extra parameter, the derivative of the log-likelihood in it and the first and second
    derivatives of that in the linear predictor: shape (n_extra, 3, *eta.shape).
    """

    value: FloatArray
    first: FloatArray
    second: FloatArray
    third: FloatArray
    extra: FloatArray


class Family(Protocol):
    """A family with its outcome: what the fit needs to know of it."""

    @property
    def n_extra(self) -> int: ...  # noqa: D102

    def evaluate(self, eta: FloatArray, extra: FloatArray) -> Terms:
        """Return the terms at ``eta``, shape (n,) or (n, k)."""
        ...


def _like(outcome: FloatArray, eta: FloatArray) -> FloatArray:
    return outcome if eta.ndim == 1 else outcome[:, None]


def _no_extra(eta: FloatArray) -> FloatArray:
    return np.zeros((0, 3, *eta.shape))


class Binomial:
    """Successes of a number of trials, logit link; binary outcomes are one trial each."""

    n_extra = 0

    def __init__(self, successes: FloatArray, trials: FloatArray) -> None:
        self.successes = successes
        self.trials = trials
        self._constant = (
            special.gammaln(trials + 1)
            - special.gammaln(successes + 1)
            - special.gammaln(trials - successes + 1)
        )

    def evaluate(self, eta: FloatArray, extra: FloatArray) -> Terms:
        """Return the terms at ``eta``."""
        y, m = _like(self.successes, eta), _like(self.trials, eta)
        p = special.expit(eta)
        spread = m * p * (1 - p)
        return Terms(
            _like(self._constant, eta) + y * eta - m * np.logaddexp(0.0, eta),
            y - m * p,
            -spread,
            -spread * (1 - 2 * p),
            _no_extra(eta),
        )


class Poisson:
    """Counts, logarithmic link."""

    n_extra = 0

    def __init__(self, counts: FloatArray) -> None:
        self.counts = counts
        self._constant = -special.gammaln(counts + 1)

    def evaluate(self, eta: FloatArray, extra: FloatArray) -> Terms:
        """Return the terms at ``eta``."""
        y = _like(self.counts, eta)
        mean = _exp(eta)
        return Terms(
            _like(self._constant, eta) + y * eta - mean, y - mean, -mean, -mean, _no_extra(eta)
        )


class NegativeBinomial:
    """Counts with variance ``mu + mu^2 / size`` (NB2), logarithmic link; extra: ``log(size)``."""

    n_extra = 1

    def __init__(self, counts: FloatArray) -> None:
        self.counts = counts

    def evaluate(self, eta: FloatArray, extra: FloatArray) -> Terms:
        """Return the terms at ``eta``."""
        y = _like(self.counts, eta)
        size = float(np.exp(extra[0]))
        # share = mu / (size + mu), from the logit for very large and very small means.
        share = special.expit(eta - extra[0])
        spread = share * (1 - share)
        bend = spread * (1 - 2 * share)
        total = y + size
        log_rest = -np.logaddexp(0.0, eta - extra[0])
        value = (
            special.gammaln(total)
            - special.gammaln(size)
            - special.gammaln(y + 1)
            + size * log_rest
            + y * np.where(y > 0, special.log_expit(eta - extra[0]), 0.0)
        )
        in_size = (
            special.digamma(total)
            - special.digamma(size)
            + log_rest
            + 1
            - total / size * (1 - share)
        )
        extras = np.stack(
            [size * in_size, total * spread - size * share, total * bend - size * spread]
        )
        return Terms(value, y - total * share, -total * spread, -total * bend, extras[None])


class Cumulative:
    """Ordered categories ``0 ... C - 1``: ``P(Y <= c) = F(cut_c - eta)``; extra: the cut-points."""

    def __init__(self, categories: NDArray[np.intp], n_categories: int, link: Link) -> None:
        self.categories = categories
        self.n_extra = n_categories - 1
        self.link = link

    def evaluate(self, eta: FloatArray, extra: FloatArray) -> Terms:
        """Return the terms at ``eta``; a log-likelihood of -inf where cut-points cross."""
        edges = np.concatenate([[-np.inf], extra, [np.inf]])
        c = self.categories
        upper, lower = _like(edges[c + 1], eta) - eta, _like(edges[c], eta) - eta
        with np.errstate(all="ignore"):
            p = _between(lower, upper, self.link)
            U, L = _density(upper, self.link), _density(lower, self.link)
            # Derivatives of p in eta: each takes a minus from the inner function.
            r1, r2, r3 = -(U[0] - L[0]) / p, (U[1] - L[1]) / p, -(U[2] - L[2]) / p
            value = np.log(p)
            extras = np.zeros((self.n_extra, 3, *eta.shape))
            for m in range(self.n_extra):
                at_upper, at_lower = _like(c == m, eta), _like(c == m + 1, eta)
                q0, q1, q2 = (
                    sign * (np.where(at_upper, U[k], 0.0) - np.where(at_lower, L[k], 0.0)) / p
                    for k, sign in enumerate((1.0, -1.0, 1.0))
                )
                extras[m, 0] = q0
                extras[m, 1] = q1 - q0 * r1
                extras[m, 2] = q2 - 2 * q1 * r1 - q0 * r2 + 2 * q0 * r1**2
        if not np.all(np.diff(extra) > 0):
            value = np.full_like(value, -np.inf)
        return Terms(value, r1, r2 - r1**2, r3 - 3 * r1 * r2 + 2 * r1**3, extras)


def _exp(eta: FloatArray) -> FloatArray:
    """Return the exponential; a step far too long gives a very large mean, not infinity."""
    return np.exp(np.minimum(eta, 500.0))


def _cdf(x: FloatArray, link: Link) -> FloatArray:
    return np.asarray(special.expit(x) if link == "logit" else special.ndtr(x))


def _between(lower: FloatArray, upper: FloatArray, link: Link) -> FloatArray:
    """Return ``F(upper) - F(lower)``, in the tail where both are small."""
    flip = lower + upper > 0
    low, high = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    return _cdf(high, link) - _cdf(low, link)


def _density(x: FloatArray, link: Link) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the density and its first two derivatives; all are 0 at infinity."""
    x = np.clip(x, -700.0, 700.0)
    if link == "logit":
        p = special.expit(x)
        f = p * special.expit(-x)
        return f, f * (1 - 2 * p), f * (1 - 6 * f)
    f = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    return f, -x * f, (x**2 - 1) * f
