"""Whether the largest likelihood of a discrete outcome lies at infinity (separation)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cpi_analysis.inference.group_sums import FloatArray, fail
from cpi_analysis.inference.outcome_families import (
    Binomial,
    Cumulative,
    Family,
    NegativeBinomial,
    Poisson,
)

#: A direction counts when it raises the likelihood of some row by more than rounding.
RISE = 1e-6


def check_separation(family: Family, design: FloatArray, names: Sequence[str]) -> None:
    """Raise CPI-M007 when some coefficients would be infinite.

    Notes
    -----
    A direction ``d`` of the coefficients separates when no row loses and some row gains
    likelihood along it without end. It is found by a linear programme: maximise the sum of
    the rows of ``A d`` subject to ``A d >= 0`` and ``|d| <= 1``, where a row of ``A`` is a
    row of the design that must not fall (a success, or a category with a higher one below it) or,
    with the other sign, must not rise.

    References
    ----------
    Albert A, Anderson JA (1984). On the existence of maximum likelihood estimates in logistic
    regression models. Biometrika 71:1-10. Konis K (2007). Linear programming algorithms for
    detecting separated data in binary logistic regression models. DPhil thesis, Oxford.
    """
    from scipy.optimize import linprog

    lengths = np.abs(design).max(axis=0)
    scaled = design / np.where(lengths > 0, lengths, 1.0)
    rows = np.unique(_list_directions(family, scaled), axis=0)
    found = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
    if found.x is None or found.fun is None or found.fun >= -RISE:
        return
    moved = np.abs(found.x[: design.shape[1]]) > RISE
    where = ", ".join(name for name, is_moved in zip(names, moved, strict=True) if is_moved)
    fail(
        "CPI-M007",
        f"the outcome is separated: the coefficients of {where or 'the categories'} have no finite "
        "estimate, because all the events lie on one side of these columns",
        "look at the outcome by these columns; merge their groups, leave them out, or report "
        "the counts with an exact test",
    )


def _list_directions(family: Family, X: FloatArray) -> FloatArray:
    """Return the rows of ``A``: columns of the design, then cut-points of an ordinal outcome."""
    if isinstance(family, Binomial):
        return np.concatenate([X[family.successes > 0], -X[family.successes < family.trials]])
    if isinstance(family, Poisson | NegativeBinomial):
        return np.concatenate([X[family.counts > 0], -X])
    if isinstance(family, Cumulative):
        cuts = np.eye(family.n_extra)
        c = family.categories
        below = c < family.n_extra
        above = c > 0
        return np.concatenate(
            [
                np.hstack([-X[below], cuts[c[below]]]),
                np.hstack([X[above], -cuts[c[above] - 1]]),
            ]
        )
    raise TypeError(f"no rule for {type(family).__name__}")
