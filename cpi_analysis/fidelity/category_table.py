"""From a long table of ratings to categories: which there are, in what order, who gave which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.rating_matrix import check_ratings
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.input_checks import check_table

IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]


class CategoryTable(NamedTuple):
    """Ratings as codes.

    Parameters
    ----------
    codes
        Targets × raters: place of the category, -1 where there is no rating.
    labels
        The categories as text, in order.
    values
        Their numbers: as rated, or 1, 2, ... when the categories are words.
    is_ordered
        The order means something: numbers, or categories that the caller listed.
    clusters
        Code of the agency of each target; every target its own when there are none.
    n_clusters
        Number of agencies; None without agencies.
    n_dropped
        Targets without any rating.
    """

    codes: IntArray
    labels: tuple[str, ...]
    values: FloatArray
    is_ordered: bool
    clusters: IntArray
    n_clusters: int | None
    n_dropped: int

    @property
    def n_categories(self) -> int:
        """Number of categories, declared or seen."""
        return len(self.labels)

    @property
    def n_used(self) -> int:
        """Number of categories that somebody used."""
        return len(np.unique(self.codes[self.codes >= 0]))

    def tally(self) -> FloatArray:
        """Return how many raters put each target into each category: targets × categories."""
        return np.asarray(self.indicate().sum(axis=1), dtype=np.float64)

    def indicate(self) -> FloatArray:
        """Return targets × raters × categories, 1 where the rater chose the category."""
        places = np.arange(self.n_categories)
        return np.asarray(self.codes[:, :, None] == places, dtype=np.float64)


def tabulate_categories(
    ratings: pd.DataFrame,
    *,
    target: str,
    rater: str,
    rating: str,
    categories: Sequence[object] | None,
    cluster: str | None,
) -> CategoryTable:
    """Return the ratings as codes, or raise when no agreement can be computed from them."""
    check_table(ratings, "ratings")
    check_ratings(ratings, target=target, rater=rater, rating=rating, is_numeric=False)
    if cluster is not None:
        _check_cluster(ratings, target, cluster)
    known = ratings[ratings[rating].notna()]
    names = _order_categories(known[rating], categories)
    wide = _spread(known, target, rater, rating, names)
    codes = wide.to_numpy(dtype=np.intp)
    if codes.shape[1] < 2:
        raise refuse_items(
            "there is one rater, or none", "agreement needs at least two raters of one target"
        )
    if ((codes >= 0).sum(axis=1) >= 2).sum() < 2:
        raise refuse_items(
            "fewer than two targets were rated by two raters",
            "without overlap between raters there is no agreement: have some targets rated twice",
        )
    if len(names) < 2:
        raise refuse_items(
            "all ratings fall into one category",
            "name every category that could have been chosen with categories=; agreement beyond "
            "chance is not defined when only one was",
        )
    is_number = all(_is_number(name) for name in names)
    values = np.array(names, dtype=np.float64) if is_number else np.arange(1.0, len(names) + 1)
    clusters, n_clusters = _code_clusters(ratings, target, cluster, wide.index)
    return CategoryTable(
        codes=codes,
        labels=tuple(_write(name) for name in names),
        values=values,
        is_ordered=is_number or categories is not None,
        clusters=clusters,
        n_clusters=n_clusters,
        n_dropped=int(ratings[target].nunique()) - len(wide),
    )


def _spread(
    known: pd.DataFrame, target: str, rater: str, rating: str, names: list[object]
) -> pd.DataFrame:
    places = {name: place for place, name in enumerate(names)}
    coded = known[[target, rater]].assign(code=known[rating].map(places).astype(int))
    wide = coded.pivot(index=target, columns=rater, values="code")
    return wide.fillna(-1).astype(int)


def _order_categories(seen: pd.Series, categories: Sequence[object] | None) -> list[object]:
    values = list(pd.unique(seen))
    if isinstance(seen.dtype, pd.CategoricalDtype):
        # A categorical column declares its categories.
        categories = categories if categories is not None else list(seen.cat.categories)
    if categories is not None:
        declared = list(dict.fromkeys(categories))
        if set(values) - set(declared):
            raise DataError(
                Fault(
                    code="CPI-E023",
                    table="ratings",
                    column=str(seen.name),
                    rule="a rating is not one of the declared categories",
                    cure="add the category, or correct the rating",
                    allowed=", ".join(_write(name) for name in declared),
                )
            )
        return declared
    if all(_is_number(value) for value in values):
        return sorted(values, key=float)
    return sorted(values, key=str)


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return is_number and bool(np.isfinite(float(value)))  # type: ignore[arg-type]


def _write(value: object) -> str:
    return f"{float(value):g}" if _is_number(value) else str(value)  # type: ignore[arg-type]


def _check_cluster(ratings: pd.DataFrame, target: str, cluster: str) -> None:
    if cluster not in ratings.columns:
        rule, code, cure = "the column is missing", "CPI-E011", "name a column of the table"
    elif ratings[cluster].isna().any():
        rule, code, cure = "a cell is empty", "CPI-E014", "give the agency of every target"
    elif (ratings.groupby(target, observed=True)[cluster].nunique() > 1).any():
        rule, code, cure = "a target has more than one agency", "CPI-E032", "keep one of them"
    else:
        return
    raise DataError(Fault(code=code, table="ratings", column=cluster, rule=rule, cure=cure))


def _code_clusters(
    ratings: pd.DataFrame, target: str, cluster: str | None, targets: pd.Index
) -> tuple[IntArray, int | None]:
    if cluster is None:
        return np.arange(len(targets), dtype=np.intp), None
    of_target = ratings.drop_duplicates(target).set_index(target)[cluster].reindex(targets)
    codes, names = pd.factorize(of_target, sort=True)
    if len(names) < 2:
        raise refuse_items(
            "the targets belong to one agency", "leave out cluster=: it needs several agencies"
        )
    return np.asarray(codes, dtype=np.intp), len(names)
