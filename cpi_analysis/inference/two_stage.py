"""The two-stage bootstrap with shrinkage: agencies, then residuals of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.resampling import BLOCK_SIZE, ResamplingPlan

FloatArray = NDArray[np.float64]


class Shrinkage(NamedTuple):
    """What the two-stage bootstrap draws from, for one outcome in one stratum.

    Parameters
    ----------
    means
        Shrunken agency means c ȳ + (1 − c) ȳ_i, one per agency.
    residuals
        Deviations from the own agency's mean, over √(1 − 1/b), one per person.
    centre
        ȳ, the unweighted mean of the agency means: the mean of ``means``.
    factor
        c; 1 when the agencies differ by less than chance: they are then not told apart.
    between, within
        Sums of squares SSB of the agency means and SSW of people about them.
    size
        b, the size of an agency: n of all, or n₀ when sizes differ.
    """

    means: FloatArray
    residuals: FloatArray
    centre: float
    factor: float
    between: float
    within: float
    size: float


def shrink_means(values: FloatArray, codes: NDArray[np.integer]) -> Shrinkage:
    """Return shrunken agency means and rescaled residuals.

    Parameters
    ----------
    values
        Outcome of each person, shape (n,).
    codes
        Agency of each person, coded 0, 1, …

    Raises
    ------
    ModelError
        CPI-M007 when hardly an agency has two people.

    Notes
    -----
    (1 − c)² = max(0, K/(K − 1) − SSW/(b(b − 1) SSB)), b the common size, or
    n₀ = n̄ − Σ(n_i − n̄)²/((K − 1)N).

    References
    ----------
    Davison AC, Hinkley DV (1997). Bootstrap Methods and their Application, section 3.8.
    Gomes M, Ng ES, Grieve R, Nixon R, Carpenter J, Thompson SG (2012). Medical Decision Making
    32:350-361.

    Examples
    --------
    >>> import numpy as np
    >>> found = shrink_means(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1]))
    >>> round(found.factor, 4), found.means.round(4).tolist()
    (-0.3229, [1.3542, 6.6458])
    """
    sizes = np.bincount(codes).astype(np.float64)
    count = sizes.size
    agency_means = np.bincount(codes, weights=values) / sizes
    centre = float(agency_means.mean())
    deviations = values - agency_means[codes]
    within = float(deviations @ deviations)
    between = float(((agency_means - centre) ** 2).sum())
    size = float(sizes.mean() - ((sizes - sizes.mean()) ** 2).sum() / ((count - 1) * sizes.sum()))
    if size <= 1:
        raise ModelError(
            Fault(
                code="CPI-M007",
                rule="agencies of one person cannot show how people differ within agencies",
                cure="use method='rao_wu', which needs no such split",
            )
        )
    chance = within / (size * (size - 1) * between) if between > 0 else np.inf
    factor = 1 - float(np.sqrt(max(0.0, count / (count - 1) - chance)))
    return Shrinkage(
        means=factor * centre + (1 - factor) * agency_means,
        residuals=deviations / np.sqrt(1 - 1 / size),
        centre=centre,
        factor=factor,
        between=between,
        within=within,
        size=size,
    )


class TwoStageStratum(NamedTuple):
    """One stratum, ready to be drawn from.

    ``means`` (K, m) and ``residuals`` (N, m) are what is drawn; ``agency_loadings`` (K, m) and
    ``person_loadings`` (N, m) turn what falls on each place into the m estimates.
    """

    means: FloatArray
    residuals: FloatArray
    agency_loadings: FloatArray
    person_loadings: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoStageStatistic:
    """Least-squares estimates of outcomes drawn in two stages, over the blocks of a plan.

    Parameters
    ----------
    plan
        Source of the random streams.
    point
        Estimates of the data, shape (m,).
    strata
        What is drawn from, by stratum.
    """

    plan: ResamplingPlan
    point: FloatArray
    strata: tuple[TwoStageStratum, ...]

    def __call__(self, block: int, attempt: int) -> FloatArray:
        """Return the estimates of one block, shape (BLOCK_SIZE, m)."""
        generator = self.plan.make_generator("two_stage", block, attempt)
        values = np.tile(self.point, (BLOCK_SIZE, 1))
        for stratum in self.strata:
            count, people = len(stratum.means), len(stratum.residuals)
            agencies = generator.integers(count, size=(BLOCK_SIZE, count))
            persons = generator.integers(people, size=(BLOCK_SIZE, people))
            for outcome in range(values.shape[1]):
                values[:, outcome] += _sum(
                    stratum.means[:, outcome], agencies, stratum.agency_loadings[:, outcome]
                )
                values[:, outcome] += _sum(
                    stratum.residuals[:, outcome], persons, stratum.person_loadings[:, outcome]
                )
        return values


def _sum(pool: FloatArray, drawn: NDArray[np.integer], loadings: FloatArray) -> FloatArray:
    # Not a matrix product: its rounding could depend on the number of threads.
    picked = np.ascontiguousarray(pool).take(drawn)
    total = np.einsum("rn,n->r", picked, np.ascontiguousarray(loadings))
    return np.asarray(total, dtype=np.float64)


def prepare_two_stage(
    residuals: FloatArray,
    loadings: FloatArray,
    clusters: NDArray[np.integer],
    strata: NDArray[np.integer],
) -> tuple[tuple[TwoStageStratum, ...], FloatArray]:
    """Return what the two-stage bootstrap of least-squares estimates draws from.

    Parameters
    ----------
    residuals
        Residuals of each outcome, shape (n, m).
    loadings
        Weight of each person's outcome in each estimate, shape (n, m): a row of
        (X'X)⁻¹X' for least squares.
    clusters
        Agency of each person, coded 0, 1, …
    strata
        Stratum of each agency.

    Returns
    -------
    strata
        For :class:`TwoStageStatistic`.
    ndarray of shape (strata, m)
        The shrinkage factors c.

    Notes
    -----
    An outcome is drawn as its fitted value, plus a shrunken mean of the residuals of an agency
    for each place of an agency, plus a residual for each place of a person; costs and effects
    share both draws. Means are drawn about their own mean, so that the replicates are centred
    at the estimate per person: the textbook form is centred at the unweighted mean of the
    agency means, another quantity when agencies differ in size. Without covariates the
    fitted values are the arm means and the residuals keep all their properties.
    """
    prepared, factors = [], []
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata[clusters] == stratum)
        # Places of one agency stand side by side, whatever the order of the table.
        rows = rows[np.argsort(clusters[rows], kind="stable")]
        _, codes = np.unique(clusters[rows], return_inverse=True)
        parts = [shrink_means(residuals[rows, m], codes) for m in range(residuals.shape[1])]
        by_agency = np.zeros((int(codes.max()) + 1, loadings.shape[1]))
        np.add.at(by_agency, codes, loadings[rows])
        prepared.append(
            TwoStageStratum(
                means=np.column_stack([part.means - part.centre for part in parts]),
                residuals=np.column_stack([part.residuals for part in parts]),
                agency_loadings=by_agency,
                person_loadings=loadings[rows],
            )
        )
        factors.append([part.factor for part in parts])
    return tuple(prepared), np.array(factors)
