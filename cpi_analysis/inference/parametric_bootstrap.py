"""Parametric bootstrap of random-intercept models: likelihood-ratio tests and variances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.batch_mixed_model import BatchFit, fit_batch_mixed_model
from cpi_analysis.inference.batch_sums import summarise_batch
from cpi_analysis.inference.group_sums import check_identified, fail, summarise_groups
from cpi_analysis.inference.inversion import find_limit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

#: Replicates drawn from one random stream: the first replicates stay the same when more are
#: asked for.
BLOCK_SIZE = 512
#: Above this share of replicates without a fit there is no result.
MOST_FAILED = 0.01


class Groups(NamedTuple):
    """Agency of each row, and person of each row in the nested model, both coded from 0."""

    agencies: IntArray
    persons: IntArray | None = None


class LikelihoodRatio(NamedTuple):
    """A coefficient compared with a null value by maximum likelihood.

    ``ratios`` are the variances relative to the residual under the null.
    """

    statistic: float
    estimate: float
    std_error: float
    ratios: FloatArray


class BootstrapTest(NamedTuple):
    """Likelihood ratio, its distribution under the null, and what follows from them."""

    ratio: LikelihoodRatio
    p_value: float
    conf_low: float
    conf_high: float
    draws: FloatArray
    n_failed: int


class VarianceDraws(NamedTuple):
    """Variances between agencies, persons and rows in data sets drawn from a fit, (R,)."""

    agency: FloatArray
    person: FloatArray
    residual: FloatArray
    n_failed: int

    @property
    def icc(self) -> FloatArray:
        """Share of variance between agencies."""
        return self.agency / (self.agency + self.person + self.residual)


def draw_errors(
    groups: Groups, ratios: ArrayLike, *, replicates: int, seed: int
) -> Iterator[FloatArray]:
    """Yield blocks of errors (replicates, n) with residual variance one.

    Parameters
    ----------
    ratios
        Variance of agencies, and of persons, relative to the residual.
    replicates, seed
        How many in all. Each block has a stream of its own.
    """
    sd = np.sqrt(np.atleast_1d(np.asarray(ratios, dtype=np.float64)))
    n_blocks = -(-replicates // BLOCK_SIZE)
    for block, source in enumerate(np.random.SeedSequence(seed).spawn(n_blocks)):
        generator = np.random.default_rng(source)
        n_agencies = int(groups.agencies.max()) + 1
        between = generator.normal(size=(BLOCK_SIZE, n_agencies)) * sd[0]
        errors = between[:, groups.agencies]
        if groups.persons is not None:
            people = generator.normal(size=(BLOCK_SIZE, int(groups.persons.max()) + 1)) * sd[1]
            errors += people[:, groups.persons]
        errors += generator.normal(size=errors.shape)
        yield errors[: min(BLOCK_SIZE, replicates - block * BLOCK_SIZE)]


def compute_likelihood_ratio(
    response: FloatArray, design: FloatArray, groups: Groups, *, column: int, null: float = 0.0
) -> LikelihoodRatio:
    """Compare a coefficient with a null value by maximum likelihood.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> agencies = np.repeat(np.arange(6), 4)
    >>> X = np.column_stack([np.ones(24), agencies % 2])
    >>> y = X[:, 1] + rng.normal(size=24)
    >>> ratio = compute_likelihood_ratio(y, X, Groups(agencies), column=1)
    >>> ratio.statistic >= 0
    True
    """
    large = _fit(response, design, groups)
    small = _fit(response - null * design[:, column], np.delete(design, column, axis=1), groups)
    back = large.sums.to_coefficients[column]
    variance = back @ large.state.inverse[0] @ back * large.residual_variance[0]
    return LikelihoodRatio(
        float(_compare(large, small)[0]),
        float(large.beta[0, column]),
        float(np.sqrt(variance)),
        small.ratios[0],
    )


def _fit(response: FloatArray, design: FloatArray, groups: Groups) -> BatchFit:
    sums = summarise_batch(response, design, groups.agencies, persons=groups.persons)
    fit = fit_batch_mixed_model(sums, method="ML")
    if not fit.converged.all():
        fail(
            "CPI-M005",
            "the model could not be fitted by maximum likelihood",
            "check that the outcome varies within agencies and that no column repeats others",
        )
    return fit


def _compare(large: BatchFit, small: BatchFit) -> FloatArray:
    # The smaller model cannot be better; below zero there is only rounding.
    return np.maximum(2 * (large.log_likelihood - small.log_likelihood), 0.0)


def draw_likelihood_ratios(
    design: FloatArray,
    groups: Groups,
    ratios: ArrayLike,
    *,
    column: int,
    replicates: int,
    seed: int,
) -> FloatArray:
    """Return likelihood ratios of data drawn under the null; NaN where a fit was not found.

    The ratio does not depend on the other coefficients or on the residual variance, so that
    errors with residual variance one are drawn and nothing else.
    """
    # The column that is tested stands last: without it the statistics are a part of the same.
    ordered = np.column_stack([np.delete(design, column, axis=1), design[:, column]])
    draws = []
    for errors in draw_errors(groups, ratios, replicates=replicates, seed=seed):
        sums = summarise_batch(errors, ordered, groups.agencies, persons=groups.persons)
        large, small = (
            fit_batch_mixed_model(part, method="ML", start=ratios)
            for part in (sums, sums.drop_last())
        )
        draws.append(_compare(large, small))
    return np.concatenate(draws)


def compute_bootstrap_test(
    response: FloatArray,
    design: FloatArray,
    groups: Groups,
    *,
    column: int,
    replicates: int,
    seed: int,
    confidence_level: float = 0.95,
    column_names: Sequence[str] | None = None,
) -> BootstrapTest:
    """Test a coefficient by a likelihood ratio against its distribution in simulated data.

    Parameters
    ----------
    response, design
        Outcome (n,), columns (n, p).
    groups
        Agency, and person for the nested model.
    column
        Place of the coefficient that is tested against zero.
    replicates, seed
        Of the data sets drawn under the null.
    confidence_level
        Level of the interval.
    column_names
        Names of the columns of the design, for error messages.

    Raises
    ------
    ModelError
        CPI-M001 too few agencies, M002 collinear columns, M003 nothing varies, M007 too few
        participants share an agency; M005 the model has no fit, or more than 1% of the
        replicates have none.

    Notes
    -----
    ``p = (1 + #{T* >= T}) / (1 + R)`` with ``T* `` from data drawn from the fit by maximum
    likelihood without the column, as pbkrtest. The interval has the null values v whose
    likelihood ratio is not rejected by the same draws: a profile-likelihood interval with the
    quantile of the bootstrap in the place of that of chi-squared.

    References
    ----------
    Halekoh U, Højsgaard S (2014). A Kenward-Roger approximation and parametric bootstrap
    methods for tests in linear mixed models: the R package pbkrtest. Journal of Statistical
    Software 59(9), section 5.
    """
    names = [f"column {k + 1}" for k in range(design.shape[1])]
    check_identified(summarise_groups(response, design, groups.agencies, column_names or names))
    ratio = compute_likelihood_ratio(response, design, groups, column=column)
    draws = draw_likelihood_ratios(
        design, groups, ratio.ratios, column=column, replicates=replicates, seed=seed
    )
    kept = np.sort(draws[np.isfinite(draws)])
    n_failed = check_failed(draws)

    def p_of_ratio(statistic: float) -> float:
        exceed = len(kept) - np.searchsorted(kept, statistic, side="left")
        return float((1 + exceed) / (1 + len(kept)))

    def p_of_value(value: float) -> float:
        moved = compute_likelihood_ratio(response, design, groups, column=column, null=value)
        return p_of_ratio(moved.statistic)

    low, high = (
        find_limit(p_of_value, estimate=ratio.estimate, step=step, level=1 - confidence_level)
        for step in (-ratio.std_error, ratio.std_error)
    )
    return BootstrapTest(ratio, p_of_ratio(ratio.statistic), low, high, draws, n_failed)


def check_failed(draws: FloatArray) -> int:
    """Return how many draws are missing; refuse when they are more than 1%."""
    n_failed = int((~np.isfinite(draws)).sum())
    if n_failed > MOST_FAILED * len(draws):
        fail(
            "CPI-M005",
            f"{n_failed} of {len(draws)} replicates have no fit",
            "leave out a random term or a column of the model",
        )
    return n_failed


def draw_variances(
    design: FloatArray,
    groups: Groups,
    ratios: ArrayLike,
    *,
    replicates: int,
    seed: int,
) -> VarianceDraws:
    """Return REML variances of data drawn from a fit, in units of its residual variance.

    Raises
    ------
    ModelError
        CPI-M005 more than 1% of the replicates have no fit.
    """
    parts = []
    for errors in draw_errors(groups, ratios, replicates=replicates, seed=seed):
        sums = summarise_batch(errors, design, groups.agencies, persons=groups.persons)
        fit = fit_batch_mixed_model(sums, start=ratios)
        parts.append([fit.agency_variance, fit.person_variance, fit.residual_variance])
    agency, person, residual = np.concatenate(parts, axis=1)
    return VarianceDraws(agency, person, residual, check_failed(agency))
