"""Comparison of the means of agencies: by t, and by exchanging the labels of the agencies."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.group_sums import fail
from cpi_analysis.inference.inversion import find_limit

FloatArray = NDArray[np.float64]

#: Up to this many ways to choose the target agencies, all are used.
MOST_EXACT_LABELLINGS = 100_000
#: Two statistics that differ by less than this share are the same statistic.
SAME = 1e-9


class AgencyMeans(NamedTuple):
    """Mean of each agency, adjusted, and which agencies are in the target group."""

    means: FloatArray
    is_target: NDArray[np.bool_]


class MeansTest(NamedTuple):
    """Difference in the mean of the agencies' means, and its t test."""

    estimate: float
    std_error: float
    df: float
    p_value: float
    conf_low: float
    conf_high: float


class PermutationTest(NamedTuple):
    """p-value and interval by exchanging labels."""

    estimate: float
    p_value: float
    conf_low: float
    conf_high: float
    labellings: int
    is_exact: bool


def compute_agency_means(
    response: FloatArray, design: FloatArray, agencies: NDArray[np.intp], *, column: int
) -> AgencyMeans:
    """Return the agencies' mean residuals of a model without the exposure.

    Parameters
    ----------
    response, design, agencies
        Outcome (n,), columns with intercept (n, p), code 0 … K-1 of the agency (n,).
    column
        Place of the exposure, 1 or 0 and the same for a whole agency.

    References
    ----------
    Hayes RJ, Moulton LH (2017). Cluster randomised trials, 2nd edition, section 10.3: a
    two-stage analysis with individual covariates.
    """
    exposure = design[:, column]
    n_agencies = int(agencies.max()) + 1
    sizes = np.bincount(agencies, minlength=n_agencies)
    share = np.bincount(agencies, exposure, minlength=n_agencies) / sizes
    if not np.isin(exposure, (0.0, 1.0)).all() or not np.isin(share, (0.0, 1.0)).all():
        fail(
            "CPI-M004",
            "the exposure is not 1 or 0 for whole agencies",
            "means of agencies can only compare groups that agencies belong to as a whole",
        )
    is_target = share == 1.0
    if min(is_target.sum(), (~is_target).sum()) < 2:
        fail("CPI-M001", "a group has one agency", "each group needs at least two agencies")
    others = np.delete(design, column, axis=1)
    rest = response - others @ np.linalg.lstsq(others, response, rcond=None)[0]
    return AgencyMeans(np.bincount(agencies, rest, minlength=n_agencies) / sizes, is_target)


def compute_means_test(agencies: AgencyMeans, *, confidence_level: float) -> MeansTest:
    """Compare the agencies' means with a t test of equal variances on K - 2 df.

    Examples
    --------
    >>> import numpy as np
    >>> means = AgencyMeans(np.array([3.0, 5.0, 1.0, 3.0]), np.array([True, True, False, False]))
    >>> test = compute_means_test(means, confidence_level=0.95)
    >>> test.estimate, round(test.std_error, 4), test.df
    (2.0, 1.4142, 2.0)
    """
    from scipy import stats

    target, reference = agencies.means[agencies.is_target], agencies.means[~agencies.is_target]
    df = float(len(agencies.means) - 2)
    spread = ((target - target.mean()) ** 2).sum() + ((reference - reference.mean()) ** 2).sum()
    if spread <= 0:
        fail("CPI-M003", "the means of the agencies do not vary", "check the outcome")
    std_error = float(np.sqrt(spread / df * (1 / len(target) + 1 / len(reference))))
    estimate = float(target.mean() - reference.mean())
    reach = float(stats.t.ppf((1 + confidence_level) / 2, df)) * std_error
    p_value = float(2 * stats.t.sf(abs(estimate) / std_error, df))
    return MeansTest(estimate, std_error, df, p_value, estimate - reach, estimate + reach)


def draw_labellings(
    is_target: NDArray[np.bool_], *, replicates: int | None, seed: int | None
) -> NDArray[np.bool_]:
    """Return labellings of the agencies with as many in the target group; the first is real."""
    n, k = len(is_target), int(is_target.sum())
    if comb(n, k) <= MOST_EXACT_LABELLINGS:
        chosen = np.array(list(combinations(range(n), k)))
        labels = np.zeros((len(chosen), n), dtype=bool)
        labels[np.arange(len(chosen))[:, None], chosen] = True
        place = int(np.flatnonzero((labels == is_target).all(axis=1))[0])
        labels[[0, place]] = labels[[place, 0]]
        return labels
    if replicates is None or seed is None:
        fail(
            "CPI-M004",
            f"{n} agencies have too many labellings to use them all",
            "give replicates= and seed= for random ones",
        )
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = generator.permuted(np.tile(is_target, (replicates, 1)), axis=1)
    return np.concatenate([is_target[None, :], drawn])


def compute_permutation_test(
    agencies: AgencyMeans, labellings: NDArray[np.bool_], *, confidence_level: float
) -> PermutationTest:
    """Test by exchanging the labels of agencies, and invert the test into an interval.

    Notes
    -----
    The statistic is the squared t of :func:`compute_means_test`. For the null value v, v is
    taken off the target agencies before labels are exchanged. The interval is exact when the
    groups differ by a shift only, and agencies could have had either label.

    References
    ----------
    Gail MH, Mark SD, Carroll RJ and others (1996). On design considerations and
    randomization-based inference for community intervention trials. Statistics in Medicine
    15, 1069-1092.
    """
    n_target = labellings[0].sum()
    n_reference = labellings.shape[1] - n_target
    shift = agencies.is_target.astype(float)
    labels = labellings.astype(float)

    def p_of(null: float) -> float:
        means = agencies.means - null * shift
        total, square = means.sum(), (means**2).sum()
        target = labels @ means / n_target
        reference = (total - target * n_target) / n_reference
        spread = square - n_target * target**2 - n_reference * reference**2
        size = (target - reference) ** 2
        return float(np.mean(size * spread[0] >= size[0] * (1 - SAME) * spread))

    test = compute_means_test(agencies, confidence_level=confidence_level)
    level = 1 - confidence_level
    low = find_limit(p_of, estimate=test.estimate, step=-test.std_error, level=level)
    high = find_limit(p_of, estimate=test.estimate, step=test.std_error, level=level)
    is_exact = len(labellings) == comb(labellings.shape[1], int(n_target))
    return PermutationTest(test.estimate, p_of(0.0), low, high, len(labellings), is_exact)
