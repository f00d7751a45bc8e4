"""Checked input of a confirmatory factor model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.fidelity.factor_structure import Array, Codes
from cpi_analysis.fidelity.factor_tables import FactorModel
from cpi_analysis.fidelity.refusals import refuse_choice, refuse_items
from cpi_analysis.fidelity.thresholds import check_items
from cpi_analysis.inference.input_checks import check_table

#: Estimators for ordered categories and for measurements.
ORDINAL_ESTIMATORS = ("wlsmv", "ulsmv", "dwls")
CONTINUOUS_ESTIMATORS = ("ml", "mlr", "mlm")
ESTIMATORS = ORDINAL_ESTIMATORS + CONTINUOUS_ESTIMATORS


def parse_model(
    items: pd.DataFrame,
    model: Mapping[str, Sequence[str]],
    *,
    residual_correlations: Sequence[tuple[str, str]] = (),
    identification: str = "variance",
) -> FactorModel:
    """Return the model with positions for names.

    Raises
    ------
    DataError
        CPI-E006 or E045 for the table or the model, E011 for an item that the table lacks.
    ModelError
        CPI-M008 for a factor with one item.
    """
    check_table(items, "items")
    if identification not in ("variance", "marker"):
        raise refuse_choice("identification", identification, ("variance", "marker"))
    _check_model(model)
    names = tuple(dict.fromkeys(name for mine in model.values() for name in mine))
    missing = [name for name in names if name not in items.columns]
    if missing:
        raise DataError(
            Fault(
                code="CPI-E011",
                table="items",
                column=", ".join(map(str, missing)),
                rule="an item of the model is not a column of the table",
                cure="correct the names in model=, or add the column",
            )
        )
    place = {name: number for number, name in enumerate(names)}
    loads = np.array([[name in mine for mine in model.values()] for name in names])
    return FactorModel(
        items=tuple(map(str, names)),
        factors=tuple(map(str, model)),
        loads=loads,
        residual_pairs=tuple(_find_pairs(residual_correlations, place)),
        is_marker=identification == "marker",
    )


def _check_model(model: object) -> None:
    is_mapping = isinstance(model, Mapping) and len(model) > 0
    lists = list(model.values()) if isinstance(model, Mapping) else []
    if not is_mapping or any(isinstance(mine, str) or len(mine) == 0 for mine in lists):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="model",
                rule="the model is not a dictionary of factors, each with a list of its items",
                cure="write model={'first factor': ['item_1', 'item_2', 'item_3'], ...}",
            )
        )
    twice = [mine for mine in lists if len(set(mine)) < len(mine)]
    if twice:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="model",
                rule="a factor names an item twice",
                cure="name every item of a factor once",
            )
        )
    lonely = [str(name) for name, mine in dict(model).items() if len(mine) == 1]  # type: ignore[call-overload]
    if lonely:
        raise refuse_items(
            f"the factor {', '.join(lonely)} has one item, which cannot be told from its error",
            "give every factor three items or more (two, if it correlates with others)",
        )


def _find_pairs(
    pairs: Sequence[tuple[str, str]], place: Mapping[str, int]
) -> list[tuple[int, int]]:
    found = []
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or any(name not in place for name in pair):
            raise DataError(
                Fault(
                    code="CPI-E045",
                    column="residual_correlations",
                    rule="a pair does not name two different items of the model",
                    cure="write residual_correlations=[('item_1', 'item_2')]",
                )
            )
        first, second = sorted(place[name] for name in pair)
        found.append((first, second))
    if len(set(found)) < len(found):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="residual_correlations",
                rule="a pair of items is named twice",
                cure="name every pair once",
            )
        )
    return found


def check_estimator(estimator: str, missing: str, cluster: str | None) -> None:
    """Raise CPI-E045 for an estimator, or a way with missing answers, that does not exist."""
    if estimator not in ESTIMATORS:
        raise refuse_choice("estimator", estimator, ESTIMATORS)
    allowed = {
        "wlsmv": ("listwise", "pairwise"),
        "ulsmv": ("listwise", "pairwise"),
        "dwls": ("listwise", "pairwise"),
        "ml": ("listwise", "fiml"),
        "mlr": ("listwise", "fiml"),
        "mlm": ("listwise",),
    }[estimator]
    if missing not in allowed:
        raise refuse_choice("missing", missing, allowed)
    if cluster is not None and estimator != "mlr":
        raise DataError(
            Fault(
                code="CPI-E045",
                column="cluster",
                rule="standard errors by cluster exist for estimator='mlr' only",
                cure="use estimator='mlr', or leave cluster out and say that people of one agency "
                "were taken as independent",
            )
        )


def choose_people(
    items: pd.DataFrame, model: FactorModel, *, missing: str
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return the model's items, and who is analysed.

    Raises
    ------
    DataError
        CPI-E020 when an item is not numeric.
    ModelError
        CPI-M001 when nobody is left, CPI-M006 when an answer is infinite.
    """
    named = items.set_axis(list(map(str, items.columns)), axis=1)
    table = named[list(model.items)]
    answers = check_items(table)
    is_missing = np.isnan(answers)
    is_kept = ~(is_missing.any(axis=1) if missing == "listwise" else is_missing.all(axis=1))
    if is_kept.sum() < 2:
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule="fewer than two people answered all items of the model",
                cure="leave out the item that few answered, or use missing='pairwise' (ordered "
                "items) or missing='fiml' (measurements)",
            )
        )
    return table, np.asarray(is_kept)


def number_clusters(items: pd.DataFrame, is_kept: NDArray[np.bool_], cluster: str) -> Codes:
    """Return the number of each analysed person's cluster, from 0.

    Raises
    ------
    DataError
        CPI-E011 when the column is not there, CPI-E014 when a cell is empty.
    ModelError
        CPI-M001 when there is one cluster.
    """
    if cluster not in items.columns:
        raise DataError(
            Fault(
                code="CPI-E011",
                table="items",
                column=cluster,
                rule="the column of the clusters is not in the table",
                cure="name the column that holds the agencies",
            )
        )
    column = items.loc[is_kept, cluster]
    codes, found = pd.factorize(column, sort=True)
    if (codes < 0).any():
        raise DataError(
            Fault(
                code="CPI-E014",
                table="items",
                column=cluster,
                rule="a person has no agency",
                cure="fill in the agency, or leave these people out and say so",
            )
        )
    if len(found) < 2:
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule="there is one agency, and agencies cannot be compared with each other",
                cure="leave cluster out",
            )
        )
    return np.asarray(codes, dtype=np.intp)


def check_spread(answers: Array, names: tuple[str, ...]) -> None:
    """Raise CPI-M008 for measured items that do not vary."""
    spread = np.nanvar(answers, axis=0)
    constant = [name for name, value in zip(names, spread, strict=True) if not value > 0]
    if constant:
        raise ModelError(
            Fault(
                code="CPI-M008",
                table="items",
                column=name,
                rule="everybody gave the same answer",
                cure="leave the item out and say so: an item without variation has no correlation",
            )
            for name in constant
        )
