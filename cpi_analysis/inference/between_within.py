"""Between-within degrees of freedom of a nested mixed model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.inference.group_sums import fail

FloatArray = NDArray[np.float64]

#: A column varies within a group when its spread there exceeds this share of its size.
CONSTANT = 1e-10


def compute_between_within_df(
    design: ArrayLike, groupings: Sequence[NDArray[np.intp]]
) -> FloatArray:
    """Return degrees of freedom by the level at which each column varies.

    Parameters
    ----------
    design
        Fixed-effects columns, (n, p).
    groupings
        Codes of the groups of each row, the outermost first; each is nested in the one before.

    Returns
    -------
    numpy.ndarray
        (p,); a column that is constant in every agency has the agencies less the columns at
        that level (the intercept is one), a column that varies within agencies but not within
        persons the persons less the agencies less the columns at that level, and so on.

    Raises
    ------
    ModelError
        CPI-M001 a level has no degrees of freedom left, M004 groupings that are not nested.

    Notes
    -----
    As ``ddfm=bw`` of SAS and the inner-outer rule of nlme, which differ in the intercept: here,
    as in SAS, it belongs to the outermost level. The numbers ignore how unequal the groups are
    and how large their variance is.

    References
    ----------
    Schluchter MD, Elashoff JT (1990). Small-sample adjustments to tests with unbalanced
    repeated measures assuming several covariance structures. Journal of Statistical
    Computation and Simulation 37, 69-87. Pinheiro JC, Bates DM (2000). Mixed-Effects Models in
    S and S-PLUS, Springer, section 2.4.2.

    Examples
    --------
    >>> import numpy as np
    >>> agency = np.repeat(np.arange(6), 4)
    >>> X = np.column_stack([np.ones(24), agency % 2, np.arange(24) % 4])
    >>> compute_between_within_df(X, [agency]).tolist()
    [4.0, 4.0, 17.0]
    """
    X = np.asarray(design, dtype=np.float64)
    _check_nested(groupings)
    levels = [np.asarray(codes, dtype=np.intp) for codes in groupings]
    place = np.full(X.shape[1], len(levels), dtype=np.intp)
    for number in reversed(range(len(levels))):
        place[_is_constant(X, levels[number])] = number
    counts = np.array([0, *(int(codes.max()) + 1 for codes in levels), len(X)])
    columns = np.bincount(place, minlength=len(levels) + 1)
    df = np.diff(counts) - columns
    if (df[np.unique(place)] < 1).any():
        fail(
            "CPI-M001",
            "a level has as many columns as groups: no degrees of freedom are left",
            "adjust for fewer columns that are constant within agencies",
        )
    return df[place].astype(np.float64)


def _is_constant(X: FloatArray, codes: NDArray[np.intp]) -> NDArray[np.bool_]:
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    spread = np.maximum.reduceat(X[order], starts) - np.minimum.reduceat(X[order], starts)
    return np.asarray((spread <= CONSTANT * np.abs(X).max(axis=0)).all(axis=0))


def _check_nested(groupings: Sequence[NDArray[np.intp]]) -> None:
    for outer, inner in pairwise(groupings):
        pairs = np.unique(np.column_stack([outer, inner]), axis=0)
        if len(pairs) > len(np.unique(inner)):
            fail(
                "CPI-M004",
                "between-within degrees of freedom need groupings that are nested",
                "use df='kenward_roger', or name the outermost grouping first",
            )
