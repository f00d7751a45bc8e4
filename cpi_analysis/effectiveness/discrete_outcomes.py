"""Outcomes that are events, counts or ordered categories: what is accepted, and in which form."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import Design, build_design, fault
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.outcome_families import (
    Binomial,
    Cumulative,
    Family,
    Link,
    NegativeBinomial,
    Poisson,
)

FamilyName = Literal["binomial", "poisson", "negative_binomial", "ordinal"]


class Outcome(NamedTuple):
    """Design, outcome and further columns of the rows that are used.

    ``categories`` names the categories of an ordinal outcome, lowest first; ``shares`` holds
    events over trials.
    """

    design: Design
    trials: NDArray[np.float64]
    offset: NDArray[np.float64]
    categories: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Names of the columns of the fixed effects."""
        return [str(name) for name in self.design.fixed.columns]


def read_outcome(
    data: pd.DataFrame,
    *,
    formula: str,
    cluster: str,
    family: str,
    trials: str | None = None,
    offset: str | None = None,
) -> Outcome:
    """Return outcome and design of the complete rows; refuse cells that the family cannot have."""
    name = formula.split("~", 1)[0].strip()
    further = [column for column in (trials, offset) if column is not None]
    absent = [column for column in [name, *further] if column not in data.columns]
    if absent:
        raise fault(
            "CPI-M004",
            f"the data have no column {', '.join(absent)}",
            "check the spelling; the outcome must be a column itself, not a function of one",
            allowed=", ".join(map(str, data.columns)),
        )
    if trials is not None and family != "binomial":
        raise _argument_fault("trials", "only a binomial outcome has trials", "leave out trials")
    is_known = data[further].notna().all(axis="columns").to_numpy(dtype=bool)
    columns = {column: _read_numbers(data[column], column) for column in further}
    made, categories = _read_values(data[name], name, family, columns.get(trials or ""))
    if trials is not None:
        made = made / columns[trials]
    plain = data.assign(**{name: made})[is_known]
    design = build_design(plain, formula, cluster)
    rows = np.flatnonzero(is_known)[design.rows]
    left_out = int((~is_known).sum())
    notes = (f"{left_out} rows are left out: {' or '.join(further)} is missing.",)
    n = len(rows)
    return Outcome(
        design=design,
        trials=columns[trials][rows] if trials is not None else np.ones(n),
        offset=columns[offset][rows] if offset is not None else np.zeros(n),
        categories=categories,
        notes=(*(notes if left_out else ()), *design.notes),
    )


def make_family(outcome: Outcome, family: str, link: Link) -> tuple[Family, tuple[str, ...]]:
    """Return the family with its outcome, and the names of its categories that occur."""
    values = outcome.design.outcome
    if family == "binomial":
        return Binomial(np.round(values * outcome.trials), outcome.trials), ()
    if family == "poisson":
        return Poisson(values), ()
    if family == "negative_binomial":
        return NegativeBinomial(values), ()
    present, codes = np.unique(values, return_inverse=True)
    names = tuple(
        outcome.categories[int(value)] if outcome.categories else f"{value:g}" for value in present
    )
    return Cumulative(codes.astype(np.intp), len(present), link), names


def _read_values(
    column: pd.Series[Any], name: str, family: str, trials: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the outcome as numbers (missing is not a number) and the names of categories."""
    dtype = column.dtype
    if family == "ordinal" and isinstance(dtype, pd.CategoricalDtype):
        if not dtype.ordered:
            raise _cell_fault(
                "CPI-E023",
                name,
                None,
                "the categories have no order",
                "make it an ordered categorical: .cat.as_ordered(), the lowest first",
            )
        codes = column.cat.codes.to_numpy(dtype=np.float64)
        return np.where(codes < 0, np.nan, codes), tuple(map(str, dtype.categories))
    values = _read_numbers(column, name)
    if family == "gaussian":
        return values, ()
    _refuse(values % 1 != 0, values, "CPI-E021", name, _WHOLE[family], "look at these rows")
    if family == "ordinal":
        return values, ()
    _refuse(values < 0, values, "CPI-E024", name, "it cannot be negative", "look at these rows")
    if family == "binomial":
        most = np.ones(len(values)) if trials is None else trials
        rule = "it must be 0 or 1" if trials is None else "there are more events than trials"
        cure = "code the event as 1 and its absence as 0; for counts of events name trials="
        _refuse(values > most, values, "CPI-E024", name, rule, cure)
        if trials is not None:
            _refuse(
                ~((trials >= 1) & (trials % 1 == 0)),
                trials,
                "CPI-E021",
                "trials",
                "trials are whole numbers, 1 or more",
                "leave rows without trials out",
            )
    return values, ()


_WHOLE = {
    "binomial": "events are counted in whole numbers",
    "poisson": "counts are whole numbers",
    "negative_binomial": "counts are whole numbers",
    "ordinal": "categories are whole numbers, or an ordered categorical",
}


def _read_numbers(column: pd.Series[Any], name: str) -> NDArray[np.float64]:
    is_number = pd.api.types.is_numeric_dtype(column.dtype)
    if not (is_number or pd.api.types.is_bool_dtype(column.dtype)):
        raise _cell_fault(
            "CPI-E020",
            name,
            None,
            "the column holds text, not numbers",
            "code events as 1 and 0; make ordered categories an ordered categorical",
        )
    known = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    values: NDArray[np.float64] = np.asarray(known, dtype=np.float64)
    _refuse(np.isinf(values), values, "CPI-E020", name, "it must be finite", "look at these rows")
    return values


def _refuse(
    is_wrong: NDArray[np.bool_],
    values: NDArray[np.float64],
    code: str,
    name: str,
    rule: str,
    cure: str,
) -> None:
    """Raise for the cells that are there and wrong."""
    rows = np.flatnonzero(is_wrong & ~np.isnan(values))
    if len(rows):
        raise _cell_fault(code, name, rows, rule, cure)


def _cell_fault(
    code: str, column: str, rows: NDArray[np.intp] | None, rule: str, cure: str
) -> DataError:
    numbers = () if rows is None else tuple((rows + 1).tolist())
    return DataError(
        Fault(code=code, table="data", column=column, rows=numbers, rule=rule, cure=cure)
    )


def _argument_fault(argument: str, rule: str, cure: str) -> DataError:
    return DataError(Fault(code="CPI-E045", column=argument, rule=rule, cure=cure))
