"""Sufficient statistics of many data sets at once, for the mixed models of the batch engine.

Agencies hold persons, and persons hold rows. Persons with the same number of rows form a class:
there are two or three, so that everything the likelihood needs is a few means per agency and
class, and a few cross-products about them, whatever the number of people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import COLLINEAR, build_basis, check_arrays, fail

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

#: With a mean this many times the residual, the residuals are orthogonalised twice.
LARGE_MEAN = 1e3


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchSums:
    """Statistics of R replicates; the last of the q = p + 1 columns is the outcome.

    Parameters
    ----------
    class_sizes
        Rows of a person in each of the K classes, (K,).
    counts
        Persons per replicate, agency and class, (R or 1, G, K).
    means
        Means of the persons' means, (R, G, K, q).
    within
        Cross-products of rows about their person's mean, (R, q, q).
    spread
        Cross-products of persons' means about the mean of agency and class, (R, K, q, q).
    weights
        How often each agency is counted, (R or 1, G).
    n
        Rows of each replicate, (R,).
    has_persons
        Persons have an intercept of their own; otherwise a person is a row.
    is_shared
        All replicates have the same rows, so that only the outcome differs.
    is_estimable
        Replicates with enough rows and agencies and without collinear columns, (R,).
    to_coefficients, ols_coefficients
        From the orthonormal basis to coefficients, (p, p), and what is added back, (R, p).
    """

    class_sizes: FloatArray
    counts: FloatArray
    means: FloatArray
    within: FloatArray
    spread: FloatArray
    weights: FloatArray
    n: FloatArray
    has_persons: bool
    is_shared: bool
    is_estimable: BoolArray
    to_coefficients: FloatArray
    ols_coefficients: FloatArray
    log_det_basis: float

    @property
    def replicates(self) -> int:
        """Number of replicates."""
        return len(self.n)

    @property
    def p(self) -> int:
        """Number of coefficients."""
        return len(self.to_coefficients)

    def take(self, which: BoolArray | IntArray) -> BatchSums:
        """Return the statistics of some replicates."""
        return BatchSums(
            class_sizes=self.class_sizes,
            counts=_take(self.counts, which),
            means=self.means[which],
            within=self.within[which],
            spread=self.spread[which],
            weights=_take(self.weights, which),
            n=self.n[which],
            has_persons=self.has_persons,
            is_shared=self.is_shared,
            is_estimable=self.is_estimable[which],
            to_coefficients=self.to_coefficients,
            ols_coefficients=self.ols_coefficients[which],
            log_det_basis=self.log_det_basis,
        )

    def drop_last(self) -> BatchSums:
        """Return the statistics of the same data without the last column of the design."""
        p = self.p
        direction = self.to_coefficients[p - 1, p - 1]
        change = np.zeros((self.replicates, p + 1, p))
        change[:, np.arange(p - 1), np.arange(p - 1)] = 1.0
        change[:, p, p - 1] = 1.0
        # The outcome gets back what the last column had explained.
        slope = self.ols_coefficients[:, p - 1] / direction
        change[:, p - 1, p - 1] = slope
        kept = self.to_coefficients[: p - 1, : p - 1]
        moved = slope[:, None] * self.to_coefficients[: p - 1, p - 1]
        turned = np.swapaxes(change, 1, 2)
        return replace(
            self,
            means=self.means @ change[:, None],
            within=turned @ self.within @ change,
            spread=turned[:, None] @ self.spread @ change[:, None],
            to_coefficients=kept,
            ols_coefficients=self.ols_coefficients[:, : p - 1] - moved,
            log_det_basis=self.log_det_basis + 2 * float(np.log(abs(direction))),
        )


def _take(values: FloatArray, which: BoolArray | IntArray) -> FloatArray:
    return values if len(values) == 1 else values[which]


class _People(NamedTuple):
    """The persons: agency of each, person of each row."""

    agency: IntArray
    of_row: IntArray


def summarise_batch(
    responses: ArrayLike,
    design: ArrayLike,
    agencies: ArrayLike,
    *,
    persons: ArrayLike | None = None,
    used: ArrayLike | None = None,
    agency_weights: ArrayLike | None = None,
) -> BatchSums:
    """Return the statistics from which all replicates are fitted.

    Parameters
    ----------
    responses
        Outcomes (R, n); one row, (n,) or (1, n), when only ``used`` or weights differ.
    design, agencies
        Columns (n, p) and code of the agency of each row (n,), the same in all replicates.
    persons
        Code of the person of each row (n,), for the nested model; None for an intercept per
        agency alone.
    used
        Which rows each replicate has, (R, n); None for all. A row that is not used may have
        any finite outcome.
    agency_weights
        How often each replicate counts an agency, (R, G), in the order of the sorted codes:
        0 leaves it out, 2 counts it as two agencies.

    Raises
    ------
    ModelError
        CPI-M001 a person is in two agencies or there are too few rows, M002 collinear columns,
        M004 shapes, M006 values that are not finite.
    """
    Y = np.atleast_2d(np.asarray(responses, dtype=np.float64))
    if Y.ndim != 2 or Y.shape[1] == 0:
        fail("CPI-M004", "responses must be (replicates, n)", "give one row per replicate")
    _, X, codes = check_arrays(Y[0], design, agencies)
    squares = np.einsum("rn,rn->r", Y, Y)
    if not np.isfinite(squares).all():
        fail("CPI-M006", "an outcome is not finite", "leave such rows out with used=")
    n_agencies = int(codes.max()) + 1
    rows, weights = _read_masks(used, agency_weights, len(codes), n_agencies, len(Y))
    replicates = max(len(Y), len(rows), len(weights))
    Q, back, log_det = build_basis(X, [f"column {k + 1}" for k in range(X.shape[1])])
    ols = Y @ Q
    residual = Y - ols @ Q.T
    left = np.einsum("rn,rn->r", residual, residual)
    if (left < LARGE_MEAN**-2 * squares).any():
        again = residual @ Q
        residual -= again @ Q.T
        ols = ols + again
    people = _find_people(codes, persons)
    parts = _reduce(Q, residual, rows, weights, people, n_agencies, replicates)
    first = ols @ back.T
    is_shared = len(rows) == 1 and len(weights) == 1
    floor = np.broadcast_to(_find_floor(Y, squares), replicates)
    return BatchSums(
        **parts._asdict(),
        is_estimable=_find_estimable(parts, weights, floor),
        weights=weights,
        has_persons=persons is not None,
        is_shared=is_shared,
        to_coefficients=back,
        ols_coefficients=np.broadcast_to(first, (replicates, X.shape[1])),
        log_det_basis=log_det,
    )


def _read_masks(
    used: ArrayLike | None,
    agency_weights: ArrayLike | None,
    n: int,
    n_agencies: int,
    n_outcomes: int,
) -> tuple[FloatArray, FloatArray]:
    rows = np.ones((1, n)) if used is None else np.atleast_2d(np.asarray(used, dtype=bool)) * 1.0
    weights = (
        np.ones((1, n_agencies))
        if agency_weights is None
        else np.atleast_2d(np.asarray(agency_weights, dtype=np.float64))
    )
    lengths = {n_outcomes, len(rows), len(weights)} - {1}
    if rows.shape[1] != n or weights.shape[1] != n_agencies or len(lengths) > 1:
        fail(
            "CPI-M004",
            "used must be (replicates, n) and agency_weights (replicates, agencies)",
            "give as many replicates in each",
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        fail("CPI-M004", "a weight is negative or not finite", "count agencies 0, 1, 2, ... times")
    return rows, weights


def _find_people(codes: IntArray, persons: ArrayLike | None) -> _People:
    if persons is None:
        return _People(codes, np.arange(len(codes)))
    raw = np.asarray(persons)
    if raw.shape != codes.shape:
        fail("CPI-M004", "persons must have one code per row", "pass one code per row")
    _, first, of_row = np.unique(raw, return_index=True, return_inverse=True)
    agency = codes[first]
    if (agency[of_row] != codes).any():
        fail("CPI-M001", "a person is in two agencies", "give each person one agency")
    return _People(agency, np.asarray(of_row, dtype=np.intp))


def _add_up(values: FloatArray, codes: IntArray, length: int) -> FloatArray:
    """Return sums along the last axis into groups: (..., n) to (..., length)."""
    if len(codes) == length and (codes == np.arange(length)).all():
        return values
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    in_order = values if (order == np.arange(len(order))).all() else values[..., order]
    sums = np.add.reduceat(in_order, starts, axis=-1)
    if len(starts) == length:
        return np.asarray(sums)
    out = np.zeros((*values.shape[:-1], length))
    out[..., ordered[starts]] = sums
    return out


class _Level(NamedTuple):
    """Rows, or persons: columns (D, p, n), outcomes (R, n) and how often each counts (D, n)."""

    x: FloatArray
    y: FloatArray
    mass: FloatArray

    def average(self, codes: IntArray, length: int) -> _Level:
        """Return weighted means of groups, with their mass."""
        mass = _add_up(self.mass, codes, length)
        below = np.maximum(mass, np.finfo(float).tiny)
        x = _add_up(self.x * self.mass[:, None, :], codes, length) / below[:, None, :]
        is_plain = bool((self.mass == 1.0).all())
        y = _add_up(self.y if is_plain else self.y * self.mass, codes, length) / below
        return _Level(x, y, mass)

    def multiply_about(self, centre: _Level, codes: IntArray, times: FloatArray) -> FloatArray:
        """Return cross-products about the means of groups, (R, q, q)."""
        x = self.x - centre.x[:, :, codes]
        y = self.y - centre.y[:, codes]
        mass = self.mass * times[:, codes]
        heavy = x * mass[:, None, :]
        p, replicates = x.shape[1], max(len(y), len(heavy))
        out = np.empty((replicates, p + 1, p + 1))
        out[:, :p, :p] = heavy @ np.swapaxes(x, 1, 2)
        # One matrix product when all replicates share their rows.
        shared = len(heavy) == 1
        cross = y @ heavy[0].T if shared else (heavy @ y[:, :, None])[:, :, 0]
        out[:, :p, p] = out[:, p, :p] = cross
        out[:, p, p] = np.einsum("rn,rn->r", y if (mass == 1.0).all() else y * mass, y)
        return out


def _reduce(
    Q: FloatArray,
    residual: FloatArray,
    rows: FloatArray,
    weights: FloatArray,
    people: _People,
    n_agencies: int,
    replicates: int,
) -> _Parts:
    p, n_people = Q.shape[1], len(people.agency)
    level = _Level(np.ascontiguousarray(Q.T)[None], residual, rows)
    persons = level.average(people.of_row, n_people)
    within = np.zeros((replicates, p + 1, p + 1))
    if n_people < len(Q):
        of_person = weights[:, people.agency]
        within += level.multiply_about(persons, people.of_row, of_person)
    sizes = np.unique(persons.mass)
    sizes = sizes[sizes > 0]
    counts, means, spread = [], np.empty((replicates, n_agencies, len(sizes), p + 1)), []
    for k, size in enumerate(sizes):
        mine = persons._replace(mass=(persons.mass == size) * 1.0)
        centre = mine.average(people.agency, n_agencies)
        counts.append(centre.mass)
        means[:, :, k, :p] = np.swapaxes(centre.x, 1, 2)
        means[:, :, k, p] = centre.y
        both = mine.multiply_about(centre, people.agency, weights)
        spread.append(np.broadcast_to(both, (replicates, p + 1, p + 1)))
    counted = np.stack(counts, axis=-1)
    n = np.broadcast_to((counted @ sizes * weights).sum(axis=1), (replicates,))
    return _Parts(
        class_sizes=sizes,
        counts=counted,
        means=means,
        within=within,
        spread=np.stack(spread, axis=1),
        n=np.array(n, dtype=np.float64),
    )


class _Parts(NamedTuple):
    """The arrays of the same names of :class:`BatchSums`."""

    class_sizes: FloatArray
    counts: FloatArray
    means: FloatArray
    within: FloatArray
    spread: FloatArray
    n: FloatArray


def _find_floor(Y: FloatArray, squares: FloatArray) -> FloatArray:
    """Return sums of squares that are only rounding, one for each outcome."""
    rounding = (8 * np.finfo(np.float64).eps) ** 2 * squares
    spread = COLLINEAR**2 * (squares - Y.shape[1] * Y.mean(axis=1) ** 2)
    return np.asarray(np.maximum(rounding, spread))


def _find_estimable(parts: _Parts, weights: FloatArray, floor: FloatArray) -> BoolArray:
    """Return which replicates have independent columns, and rows and agencies to spare."""
    sizes, counts, means = parts.class_sizes, parts.counts, parts.means
    p = means.shape[-1] - 1
    inner = parts.within + np.einsum("k,rkab->rab", sizes, parts.spread)
    mass = (counts * sizes * weights[:, :, None])[..., None]
    flat = means.reshape(len(means), -1, p + 1)
    heavy = (means * mass).reshape(flat.shape)
    gram = (inner + np.swapaxes(heavy, 1, 2) @ flat)[:, :p, :p]
    scale = np.sqrt(np.maximum(np.einsum("raa->ra", gram), np.finfo(float).tiny))
    values = np.linalg.eigvalsh(gram / (scale[:, :, None] * scale[:, None, :]))
    # A column that varies within agencies, by its rank there.
    moving = (np.linalg.eigvalsh(inner[:, :p, :p]) > COLLINEAR).sum(axis=1)
    present = ((counts.sum(axis=-1) > 0) & (weights > 0)).sum(axis=1)
    agencies = (weights * (counts.sum(axis=-1) > 0)).sum(axis=1)
    is_free = (parts.n - agencies - moving >= 1) & (present + moving - p >= 1)
    varies = (inner[:, p, p] > floor) & (values[:, 0] > COLLINEAR)
    return np.asarray(varies & is_free & (present >= 2), dtype=bool)
