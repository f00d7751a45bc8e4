"""From a long table of ratings to a matrix, and the refusal of what has none."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.fidelity.refusals import refuse_items


def cross_raters(
    ratings: pd.DataFrame, *, target: str, rater: str, rating: str
) -> NDArray[np.float64]:
    """Return the targets that all raters rated: targets × raters."""
    wide = ratings.pivot(index=target, columns=rater, values=rating).astype(float)
    # A rater without a single rating has not rated.
    wide = wide.dropna(axis="columns", how="all")
    complete = wide.dropna()
    n, k = complete.shape
    if k < 2:
        raise refuse_items(
            "there is one rater, or none", "agreement needs at least two raters of one target"
        )
    if n < 2:
        raise refuse_items(
            f"{n} of {len(wide)} targets were rated by all {k} raters, which is fewer than two",
            "leave out raters who rated few targets: without overlap there is no agreement; if "
            "every target has raters of its own, ask for ICC(1,1) or ICC(1,k)",
        )
    matrix: NDArray[np.float64] = complete.to_numpy()
    return matrix


def stack_by_target(ratings: pd.DataFrame, *, target: str, rating: str) -> NDArray[np.float64]:
    """Return the targets with the commonest number of ratings: targets × ratings, in order."""
    known = ratings[ratings[rating].notna()]
    codes = pd.factorize(known[target])[0]
    values = known[rating].to_numpy(dtype=np.float64)
    sizes = np.bincount(codes)
    several = pd.Series(sizes[sizes >= 2])
    if several.empty:
        raise refuse_items(
            "no target has two ratings", "agreement needs at least two ratings of one target"
        )
    k = int(several.mode().iloc[-1])
    order = np.lexsort((values, codes))
    matrix: NDArray[np.float64] = values[order][sizes[codes[order]] == k].reshape(-1, k)
    if len(matrix) < 2:
        raise refuse_items(
            f"{len(matrix)} target has {k} ratings, the commonest number; fewer than two do",
            "give the same number of ratings of every target",
        )
    return matrix


def choose_method(
    ratings: pd.DataFrame, *, target: str, rater: str, rating: str, is_one_way: bool
) -> str:
    """Return ``anova`` for a full table, else ``reml`` when two targets have two ratings."""
    known = ratings[ratings[rating].notna()]
    sizes = known[target].value_counts()
    if (sizes >= 2).sum() < 2:
        # The way with mean squares says what is lacking.
        return "anova"
    k = sizes.max() if is_one_way else known[rater].nunique()
    return "anova" if (sizes == k).all() else "reml"


def check_finite(values: pd.Series[float]) -> None:
    """Raise CPI-M006 when a rating is infinite."""
    if np.isinf(values.dropna().to_numpy(dtype=np.float64)).any():
        raise ModelError(
            Fault(
                code="CPI-M006",
                rule="a rating is infinite",
                cure="set impossible ratings to missing",
            )
        )


def check_matrix(matrix: NDArray[np.float64]) -> None:
    """Raise unless the ratings differ."""
    if np.ptp(matrix) == 0:
        raise refuse_items(
            "all ratings are the same", "targets that do not differ cannot be told apart"
        )


def check_ratings(
    ratings: pd.DataFrame, *, target: str, rater: str, rating: str, is_numeric: bool = True
) -> None:
    """Raise unless the columns are there, targets and raters named, and ratings numbers."""
    absent = [column for column in (target, rater, rating) if column not in ratings.columns]
    faults = [
        _fault("CPI-E011", column, "the column is missing", "name a column of the table")
        for column in absent
    ]
    if not faults:
        faults += [
            _fault("CPI-E014", column, "a cell is empty", "name every target and rater")
            for column in (target, rater)
            if ratings[column].isna().any()
        ]
        if ratings.duplicated([target, rater]).any():
            cure = "keep one rating, or average them before"
            faults.append(_fault("CPI-E013", rater, "a rater rated a target twice", cure))
        if is_numeric and not pd.api.types.is_numeric_dtype(ratings[rating]):
            faults.append(_fault("CPI-E020", rating, "the column is not numeric", "give numbers"))
    if faults:
        raise DataError(faults)


def _fault(code: str, column: str, rule: str, cure: str) -> Fault:
    return Fault(code=code, table="ratings", column=column, rule=rule, cure=cure)
