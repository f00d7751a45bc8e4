"""A confirmatory factor model as a table of parameters, and the moments that it implies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Real, or complex while a derivative is taken along the imaginary axis.
Numbers = NDArray[Any]
Codes = NDArray[np.intp]

#: A parameter that is fixed.
FIXED = -1
#: Step along the imaginary axis: its square is below rounding, so the derivative is exact.
IMAGINARY_STEP = 1e-30


class Part(IntEnum):
    """Where in the model a parameter stands."""

    LOADING = 0
    FACTOR = 1
    RESIDUAL = 2
    INTERCEPT = 3
    FACTOR_MEAN = 4
    THRESHOLD = 5
    SCALE = 6


@dataclass(frozen=True)
class ParameterTable:
    """One row per element of the model that is free or not zero.

    Parameters
    ----------
    group, part, row, column
        Which element. Loadings: item, factor. Covariances: row ≤ column. Thresholds: position
        among all thresholds, item by item. Others: item or factor.
    free
        Number of the free parameter, from 0; −1 is fixed. Elements with one number are equal.
    value
        The fixed value, or where the search starts.
    """

    group: Codes
    part: Codes
    row: Codes
    column: Codes
    free: Codes
    value: Array

    @property
    def n_free(self) -> int:
        """The number of free parameters."""
        return int(self.free.max(initial=FIXED)) + 1

    def start(self) -> Array:
        """Return where the search starts: the value of the first element of each parameter."""
        is_free = self.free >= 0
        numbers, first = np.unique(self.free[is_free], return_index=True)
        theta = np.zeros(self.n_free)
        theta[numbers] = self.value[is_free][first]
        return theta


@dataclass(frozen=True)
class Structure:
    """A confirmatory factor model.

    Parameters
    ----------
    n_items, n_factors, n_groups
        Its size.
    has_means
        Whether the means of measured items belong to the moments.
    is_ordinal
        Whether the items are ordered categories, of which the correlations are moments.
    threshold_item
        Per threshold that belongs to the moments, its item. In one group the thresholds are
        those of the sample and may be left out.
    table
        The parameters.
    """

    n_items: int
    n_factors: int
    n_groups: int
    has_means: bool
    is_ordinal: bool
    threshold_item: Codes
    table: ParameterTable

    @property
    def n_moments(self) -> int:
        """The number of moments of one group."""
        p = self.n_items
        if self.is_ordinal:
            return len(self.threshold_item) + p * (p - 1) // 2
        return p * (p + 1) // 2 + (p if self.has_means else 0)

    @property
    def df(self) -> int:
        """Degrees of freedom: moments of all groups minus free parameters."""
        return self.n_moments * self.n_groups - self.table.n_free


@dataclass(frozen=True)
class Matrices:
    """The model of one group: Σ = ΛΨΛ' + Θ, μ = ν + Λα; thresholds τ and scales δ if ordered."""

    loadings: Numbers
    factors: Numbers
    residuals: Numbers
    intercepts: Numbers
    factor_means: Numbers
    thresholds: Numbers
    scales: Numbers

    def covariance(self) -> Numbers:
        """Return ΛΨΛ' + Θ."""
        return np.asarray(self.loadings @ self.factors @ self.loadings.T + self.residuals)

    def mean(self) -> Numbers:
        """Return ν + Λα."""
        return np.asarray(self.intercepts + self.loadings @ self.factor_means)


def fill_matrices(structure: Structure, theta: Numbers) -> list[Matrices]:
    """Return the matrices of every group."""
    table = structure.table
    values = np.where(table.free >= 0, theta[table.free], table.value.astype(theta.dtype))
    return [
        _fill_group(structure, values, table.group == group) for group in range(structure.n_groups)
    ]


def _fill_group(structure: Structure, values: Numbers, is_here: NDArray[np.bool_]) -> Matrices:
    p, k, t = structure.n_items, structure.n_factors, len(structure.threshold_item)
    kind = values.dtype
    shapes = {
        Part.LOADING: np.zeros((p, k), kind),
        Part.FACTOR: np.zeros((k, k), kind),
        Part.RESIDUAL: np.zeros((p, p), kind),
        Part.INTERCEPT: np.zeros(p, kind),
        Part.FACTOR_MEAN: np.zeros(k, kind),
        Part.THRESHOLD: np.zeros(t, kind),
        Part.SCALE: np.ones(p, kind),
    }
    table = structure.table
    for part, matrix in shapes.items():
        chosen = is_here & (table.part == part)
        row, column = table.row[chosen], table.column[chosen]
        if matrix.ndim == 1:
            matrix[row] = values[chosen]
        else:
            matrix[row, column] = values[chosen]
        if part in (Part.FACTOR, Part.RESIDUAL):
            matrix[column, row] = values[chosen]
    return Matrices(*shapes.values())


def compute_moments(structure: Structure, theta: Numbers) -> list[Numbers]:
    """Return, per group, the moments that the model implies.

    Measurements: the means (if they belong), then the upper triangle of the covariances row by
    row. Ordered items: thresholds in units of the normal behind them, then the correlations.
    """
    return [_moments_of(structure, one) for one in fill_matrices(structure, theta)]


def _moments_of(structure: Structure, one: Matrices) -> Numbers:
    covariance, mean = one.covariance(), one.mean()
    if structure.is_ordinal:
        item = structure.threshold_item
        standard = one.scales[item] * (one.thresholds - mean[item])
        scaled = covariance * np.outer(one.scales, one.scales)
        return np.concatenate([standard, scaled[np.triu_indices(structure.n_items, 1)]])
    triangle = covariance[np.triu_indices(structure.n_items)]
    return np.concatenate([mean, triangle]) if structure.has_means else triangle


def compute_jacobian(structure: Structure, theta: Numbers) -> list[Numbers]:
    """Return, per group, the derivatives of the moments: moments × free parameters."""
    matrices = fill_matrices(structure, theta)
    table = structure.table
    jacobians = []
    for group, one in enumerate(matrices):
        chosen = np.flatnonzero((table.group == group) & (table.free >= 0))
        slopes = _differentiate(structure, one, table, chosen)
        jacobian = np.zeros((table.n_free, structure.n_moments), slopes.dtype)
        np.add.at(jacobian, table.free[chosen], slopes)
        jacobians.append(jacobian.T)
    return jacobians


def _differentiate(
    structure: Structure, one: Matrices, table: ParameterTable, chosen: Codes
) -> Numbers:
    """Return the derivative of the moments in each chosen element: elements × moments."""
    part, row, column = table.part[chosen], table.row[chosen], table.column[chosen]
    spread, shift = _differentiate_core(structure, one, part, row, column)
    if not structure.is_ordinal:
        first, second = np.triu_indices(structure.n_items)
        triangle = spread[:, first, second]
        return np.hstack([shift, triangle]) if structure.has_means else triangle
    item, scales = structure.threshold_item, one.scales
    spread *= np.outer(scales, scales)
    standard = -shift[:, item] * scales[item]
    raised = np.flatnonzero(part == Part.THRESHOLD)
    standard[raised, row[raised]] += scales[item[row[raised]]]
    stretched = np.flatnonzero(part == Part.SCALE)
    if len(stretched):
        distance = one.thresholds - one.mean()[item]
        standard[stretched] += distance * (item[None, :] == row[stretched, None])
        half = (one.covariance() * scales)[row[stretched]]
        spread[stretched, row[stretched], :] += half
        spread[stretched, :, row[stretched]] += half
    first, second = np.triu_indices(structure.n_items, 1)
    return np.hstack([standard, spread[:, first, second]])


def _differentiate_core(
    structure: Structure, one: Matrices, part: Codes, row: Codes, column: Codes
) -> tuple[Numbers, Numbers]:
    """Return the derivatives of ΛΨΛ' + Θ and of ν + Λα in each element."""
    n, p = len(part), structure.n_items
    kind = one.loadings.dtype
    spread, shift = np.zeros((n, p, p), kind), np.zeros((n, p), kind)
    each = np.flatnonzero(part == Part.LOADING)
    weighted = (one.loadings @ one.factors)[:, column[each]].T
    spread[each, row[each], :] += weighted
    spread[each, :, row[each]] += weighted
    shift[each, row[each]] = one.factor_means[column[each]]
    each = np.flatnonzero(part == Part.FACTOR)
    left, right = one.loadings[:, row[each]].T, one.loadings[:, column[each]].T
    product = left[:, :, None] * right[:, None, :]
    is_variance = (row[each] == column[each])[:, None, None]
    spread[each] = np.where(is_variance, product, product + product.transpose(0, 2, 1))
    each = np.flatnonzero(part == Part.RESIDUAL)
    spread[each, row[each], column[each]] = 1
    spread[each, column[each], row[each]] = 1
    each = np.flatnonzero(part == Part.INTERCEPT)
    shift[each, row[each]] = 1
    each = np.flatnonzero(part == Part.FACTOR_MEAN)
    shift[each] = one.loadings[:, row[each]].T
    return spread, shift


def compute_curvature(structure: Structure, theta: Array, slopes: list[Array]) -> Array:
    """Return Σ over moments of slope × second derivatives of the moment in the parameters.

    Parameters
    ----------
    structure, theta
        The model of measured items, and where to differentiate.
    slopes
        Per group, the derivative of a criterion in each moment, held fixed.
    """
    table = structure.table
    curvature = np.zeros((len(theta), len(theta)))
    # Residual covariances and intercepts enter the moments of measurements linearly.
    is_linear = np.isin(table.part, (Part.RESIDUAL, Part.INTERCEPT))
    moving = np.unique(table.free[(table.free >= 0) & ~is_linear])
    for number in moving:
        shifted = theta.astype(np.complex128)
        shifted[number] += 1j * IMAGINARY_STEP
        for slope, jacobian in zip(slopes, compute_jacobian(structure, shifted), strict=True):
            curvature[number] += (slope @ jacobian).imag / IMAGINARY_STEP
    return curvature


def orient(structure: Structure, theta: Array) -> Array:
    """Return the parameters with every factor turned so that its loadings sum to more than 0.

    A factor with a fixed loading has its direction from there.
    """
    table = structure.table
    is_loading = table.part == Part.LOADING
    values = np.where(table.free >= 0, theta[table.free], table.value)
    sums = np.bincount(table.column[is_loading], values[is_loading], minlength=structure.n_factors)
    is_fixed = np.zeros(structure.n_factors, dtype=np.bool_)
    is_fixed[table.column[is_loading & (table.free < 0) & (table.value != 0)]] = True
    sign = np.where((sums < 0) & ~is_fixed, -1.0, 1.0)
    turned = theta.copy()
    factors = table.free >= 0
    chosen = factors & is_loading
    turned[table.free[chosen]] = theta[table.free[chosen]] * sign[table.column[chosen]]
    chosen = factors & (table.part == Part.FACTOR)
    both = sign[table.row[chosen]] * sign[table.column[chosen]]
    turned[table.free[chosen]] = theta[table.free[chosen]] * both
    chosen = factors & (table.part == Part.FACTOR_MEAN)
    turned[table.free[chosen]] = theta[table.free[chosen]] * sign[table.row[chosen]]
    return turned
