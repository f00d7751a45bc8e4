"""The sums per group from which a random-intercept model is fitted, and their checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.errors import Fault, ModelError

FloatArray = NDArray[np.float64]

#: A column counts as collinear when less than this share of its length is left after the
#: columns before it; a sum of squares counts as rounding below the square of it.
COLLINEAR = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupSums:
    """Sufficient statistics in an orthonormal basis ``Q`` of the design (``X = Q R``).

    ``within`` blocks are cross-products about the group means, so that nothing cancels when
    the groups differ much more than their members.
    """

    sizes: FloatArray
    design_means: FloatArray
    outer: FloatArray
    residual_means: FloatArray
    within_design: FloatArray
    within_cross: FloatArray
    within_residual: float
    to_coefficients: FloatArray
    ols_coefficients: FloatArray
    log_det_basis: float
    within_rank: int

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.sizes.sum())

    @property
    def p(self) -> int:
        """Number of coefficients."""
        return int(self.design_means.shape[1])


def fail(code: str, rule: str, cure: str) -> NoReturn:
    """Raise a ModelError with one fault."""
    raise ModelError(Fault(code=code, rule=rule, cure=cure))


def check_arrays(
    response: ArrayLike, design: ArrayLike, groups: ArrayLike
) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Return the three arrays, checked, with groups coded 0, 1, ..."""
    y = np.asarray(response, dtype=np.float64)
    X = np.asarray(design, dtype=np.float64)
    raw = np.asarray(groups)
    if y.ndim != 1 or X.ndim != 2 or raw.shape != y.shape or X.shape[0] != y.shape[0]:
        fail(
            "CPI-M004",
            "response (n,), design (n, p) and groups (n,) must have the same number of rows",
            "pass one row per participant in all three",
        )
    if raw.dtype.kind not in "iu":
        fail("CPI-M004", "groups must be whole-number codes", "use pandas.factorize first")
    if X.shape[1] == 0:
        fail("CPI-M004", "the design has no column", "give at least an intercept")
    if not (np.isfinite(y).all() and np.isfinite(X).all()):
        fail(
            "CPI-M006",
            "response and design must be finite numbers",
            "leave out rows with missing values first, and say how many",
        )
    codes = np.unique(raw, return_inverse=True)[1]
    return y, X, codes


def summarise_groups(
    y: FloatArray, X: FloatArray, codes: NDArray[np.intp], names: Sequence[str]
) -> GroupSums:
    """Return the sums per group from which the likelihood is computed."""
    n, p = X.shape
    if n <= p:
        fail(
            "CPI-M001",
            f"{n} participants are too few for {p} coefficients",
            "analyse more participants or adjust for fewer columns",
        )
    Q, basis_to_beta, log_det = build_basis(X, names)
    ols = basis_to_beta @ (Q.T @ y)
    residual = y - X @ ols
    residual -= Q @ (Q.T @ residual)
    if residual @ residual <= _negligible(y):
        fail(
            "CPI-M003",
            "the outcome does not vary, or the columns of the model explain it completely",
            "check that the outcome is not constant and is not among the covariates",
        )
    sizes = np.bincount(codes).astype(np.float64)
    columns = np.column_stack([Q, residual])
    means: FloatArray = np.zeros((len(sizes), p + 1))
    np.add.at(means, codes, columns)
    means /= sizes[:, None]
    centred = columns - means[codes]
    within: FloatArray = centred.T @ centred
    spread = np.linalg.svd(centred[:, :p], compute_uv=False)
    return GroupSums(
        sizes=sizes,
        design_means=means[:, :p],
        outer=(means[:, :p, None] * means[:, None, :p]).reshape(len(sizes), -1),
        residual_means=means[:, p],
        within_design=within[:p, :p],
        within_cross=within[:p, p],
        within_residual=float(within[p, p]),
        to_coefficients=basis_to_beta,
        ols_coefficients=ols,
        log_det_basis=log_det,
        within_rank=int(np.sum(spread > COLLINEAR)),
    )


def build_basis(X: FloatArray, names: Sequence[str]) -> tuple[FloatArray, FloatArray, float]:
    """Return an orthonormal basis Q of the columns, what takes it back, and log |X'X|."""
    # Columns are scaled to length one: units (days or years) must not decide what is collinear.
    lengths = np.linalg.norm(X, axis=0)
    Q, R = np.linalg.qr(X / np.where(lengths > 0, lengths, 1.0))
    _check_rank(np.abs(np.diag(R)), lengths, names)
    log_det = float(2 * np.sum(np.log(np.abs(np.diag(R)) * lengths)))
    return Q, np.linalg.inv(R * lengths), log_det


def _negligible(y: FloatArray) -> float:
    """Return a sum of squares of residuals that is only rounding."""
    rounding = len(y) * (8 * np.finfo(np.float64).eps * float(np.abs(y).max())) ** 2
    return max(rounding, COLLINEAR**2 * float(np.sum((y - y.mean()) ** 2)))


def _check_rank(remains: FloatArray, lengths: FloatArray, names: Sequence[str]) -> None:
    bad = [
        name for name, r, s in zip(names, remains, lengths, strict=True) if r < COLLINEAR or not s
    ]
    if bad:
        fail(
            "CPI-M002",
            f"these columns repeat others, or are constant beside the intercept: {', '.join(bad)}",
            "leave them out, or merge the groups of participants that they tell apart",
        )


def check_identified(sums: GroupSums) -> None:
    """Refuse data in which the two variances cannot be told apart."""
    n_groups = len(sums.sizes)
    if n_groups < 2:
        fail(
            "CPI-M001",
            "all participants belong to one agency",
            "a random intercept needs at least two agencies, an arm effect at least three",
        )
    if sums.n - n_groups - sums.within_rank < 1:
        fail(
            "CPI-M007",
            "too few participants share an agency: the variance within agencies is not estimable",
            "use ordinary regression if every participant is an agency of their own",
        )
    if n_groups + sums.within_rank - sums.p < 1:
        fail(
            "CPI-M001",
            f"{n_groups} agencies are too few for the columns that are constant within agencies",
            "adjust for fewer agency-level columns; an arm effect needs at least three agencies",
        )
