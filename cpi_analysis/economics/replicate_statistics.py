"""Differences in cost and effect as functions of the weights of agencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.economics.comparison import GROUP_COLUMN, Comparison
from cpi_analysis.inference.balance import Target, compute_weights
from cpi_analysis.inference.resampling import BLOCK_SIZE
from cpi_analysis.inference.weighted_logistic import fit_weighted_logistic
from cpi_analysis.inference.weighted_regression import (
    ClusterProducts,
    compute_cluster_products,
    solve_replicates,
    solve_systems,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RegressionStatistic:
    """(ΔC, ΔE) of two least-squares equations, from cross-products per agency.

    Parameters
    ----------
    cost, effect
        Cross-products of each equation.
    """

    cost: ClusterProducts
    effect: ClusterProducts

    def __call__(self, weights: FloatArray) -> FloatArray:
        """Return (ΔC, ΔE) under each row of agency weights, shape (rows, 2)."""
        return np.column_stack(
            [solve_replicates(part, weights)[:, GROUP_COLUMN] for part in (self.cost, self.effect)]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BalancedStatistic:
    """(ΔC, ΔE) after weighting the groups to be alike, the weights estimated anew in every row.

    Parameters
    ----------
    clusters, is_target, cost, effect, cost_design, effect_design
        As in :class:`~cpi_analysis.economics.comparison.Comparison`.
    propensity_design
        Columns of the model of who is in the target group.
    weighted_to
        Whom the weighted groups stand for.
    """

    clusters: NDArray[np.int64]
    is_target: FloatArray
    cost: FloatArray
    effect: FloatArray
    cost_design: FloatArray
    effect_design: FloatArray
    propensity_design: FloatArray
    weighted_to: Target

    def __call__(self, weights: FloatArray) -> FloatArray:
        """Return (ΔC, ΔE) under each row of agency weights, shape (rows, 2)."""
        of_people = self.weigh(weights)
        return np.column_stack(
            [
                _solve_people(design, values, of_people)[:, GROUP_COLUMN]
                for design, values in (
                    (self.cost_design, self.cost),
                    (self.effect_design, self.effect),
                )
            ]
        )

    def weigh(self, weights: FloatArray) -> FloatArray:
        """Return the weight of each person: that of the agency times the balancing weight."""
        of_people = np.take(weights, self.clusters, axis=1)
        propensity = fit_weighted_logistic(self.propensity_design, self.is_target, of_people)
        return of_people * compute_weights(propensity, self.is_target == 1, target=self.weighted_to)


Statistic = RegressionStatistic | BalancedStatistic


def _solve_people(design: FloatArray, values: FloatArray, weights: FloatArray) -> FloatArray:
    n, columns = design.shape
    products = (design[:, :, None] * design[:, None, :]).reshape(n, -1)
    flat = np.ascontiguousarray(np.column_stack([products, design * values[:, None]]).T)
    total = np.einsum("rn,kn->rk", weights, flat)
    gram = total[:, : columns**2].reshape(-1, columns, columns)
    return solve_systems(gram, total[:, columns**2 :])


def build_statistic(comparison: Comparison) -> Statistic:
    """Return the statistic of a comparison: weighted for balance when it has a propensity model."""
    if comparison.propensity_design is not None and comparison.weighted_to is not None:
        return BalancedStatistic(
            clusters=comparison.clusters,
            is_target=comparison.is_target,
            cost=comparison.cost,
            effect=comparison.effect,
            cost_design=comparison.cost_design,
            effect_design=comparison.effect_design,
            propensity_design=comparison.propensity_design,
            weighted_to=comparison.weighted_to,
        )
    cost, effect = (
        compute_cluster_products(
            design, values, comparison.clusters, n_clusters=comparison.n_clusters
        )
        for design, values in comparison.equations
    )
    return RegressionStatistic(cost=cost, effect=effect)


def compute_jackknife(statistic: Statistic, strata: NDArray[np.integer]) -> FloatArray:
    """Return the jackknife influence of each unit on (ΔC, ΔE), shape (units, 2).

    NaN where the statistic cannot be estimated without a unit.

    Notes
    -----
    L_g = (K_s − 1)(θ̂ − θ̂₍₋g₎), K_s the units of the stratum of g.

    References
    ----------
    Efron B, Tibshirani RJ (1993). An Introduction to the Bootstrap, section 14.3.
    """
    n = len(strata)
    point = statistic(np.ones((1, n)))[0]
    sizes = np.unique(strata, return_inverse=True, return_counts=True)
    factor = sizes[2][sizes[1]] - 1
    parts = []
    for start in range(0, n, BLOCK_SIZE):
        left_out = np.arange(start, min(start + BLOCK_SIZE, n))
        weights = np.ones((len(left_out), n))
        weights[np.arange(len(left_out)), left_out] = 0.0
        parts.append(statistic(weights))
    return np.asarray(factor[:, None] * (point - np.concatenate(parts)), dtype=np.float64)
