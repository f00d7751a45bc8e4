"""The combinations of columns at which a fitted model says what mean it expects."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.model_basis import ModelBasis

WEIGHTS = ("equal", "proportional")
#: A numeric column with this many values is a code of two groups, not a quantity.
TWO_GROUPS = 2


class Grid(NamedTuple):
    """Rows of ``by`` columns, and what each row makes of the coefficients.

    ``levels`` (k rows) has the ``by`` columns; ``L`` (k, p) the weights of the coefficients;
    ``counts`` (k,) how many rows of the data each combination has; ``said`` what the other
    columns are held at, in words.
    """

    levels: pd.DataFrame
    L: NDArray[np.float64]
    counts: NDArray[np.intp]
    said: str


def build_grid(
    basis: ModelBasis, by: Sequence[str], at: Mapping[str, Sequence[Any]], weights: str
) -> Grid:
    """Return what the model expects at every combination of the columns ``by``."""
    _check(basis, by, at, weights)
    values = {name: _list_values(basis.frame[name], name, by, at) for name in basis.columns}
    others = [name for name in basis.columns if name not in by]
    inner = list(itertools.product(*(values[name] for name in others)))
    share = _weigh(basis.frame, others, inner, values, weights)
    outer = list(itertools.product(*(values[name] for name in by)))
    cells = [
        dict(zip([*by, *others], (*left, *right), strict=True)) for left in outer for right in inner
    ]
    design = _evaluate(basis, cells)
    L = np.einsum("kic,i->kc", design.reshape(len(outer), len(inner), -1), share)
    levels = pd.DataFrame(outer, columns=list(by), dtype=object)
    counts = np.array([_count(basis.frame, by, row) for row in outer], dtype=np.intp)
    return Grid(levels, L, counts, _say(others, values, at, weights))


def label_levels(levels: pd.DataFrame) -> list[str]:
    """Return each row as one text: the values, by comma."""
    return [", ".join(_show(value) for value in row) for row in levels.itertuples(index=False)]


def as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


def _check(
    basis: ModelBasis, by: Sequence[str], at: Mapping[str, Sequence[Any]], weights: str
) -> None:
    absent = [name for name in [*by, *at] if name not in basis.columns]
    if absent:
        raise fault(
            "CPI-M004",
            f"the model has no column {', '.join(absent)}",
            "name columns of the right side of its formula",
            allowed=", ".join(basis.columns),
        )
    if len(set(by)) < len(by):
        raise fault("CPI-M004", "a column is named twice", "name each column once")
    if weights not in WEIGHTS:
        raise fault(
            "CPI-M004", "the weights are not known", "choose one", allowed=", ".join(WEIGHTS)
        )


def is_factor(column: pd.Series[Any]) -> bool:
    """Return whether a column names groups: text, categories, truth values or two numbers."""
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return not is_number or column.nunique() == TWO_GROUPS


def list_levels(column: pd.Series[Any]) -> list[Any]:
    """Return the values of a factor, in the order of its categories or sorted."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.cat.categories)
    return sorted(column.unique())


def _list_values(
    column: pd.Series[Any], name: str, by: Sequence[str], at: Mapping[str, Sequence[Any]]
) -> list[Any]:
    if name in at:
        return _read_given(column, name, at[name])
    if is_factor(column):
        return list_levels(column)
    if name in by:
        raise fault(
            "CPI-M004",
            "the column is numeric with many values: the means need to know at which",
            f"give at={{'{name}': [...]}}",
            column=name,
        )
    return [float(column.mean())]


def _read_given(column: pd.Series[Any], name: str, given: Sequence[Any]) -> list[Any]:
    values: list[Any] = [given] if isinstance(given, str | int | float) else list(given)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        try:
            numbers = [float(value) for value in values]
        except (TypeError, ValueError):
            numbers = [np.nan]
        is_known = bool(numbers) and bool(np.isfinite(numbers).all())
        allowed = "finite numbers"
        values = numbers
    else:
        known = list_levels(column)
        is_known = bool(values) and all(value in known for value in values)
        allowed = ", ".join(map(str, known))
    if not is_known:
        raise fault(
            "CPI-M004", "values of at do not occur", "choose others", column=name, allowed=allowed
        )
    return values


def _weigh(
    frame: pd.DataFrame,
    others: Sequence[str],
    inner: Sequence[tuple[Any, ...]],
    values: Mapping[str, list[Any]],
    weights: str,
) -> NDArray[np.float64]:
    """Return the share of each combination that is averaged over."""
    factors = [k for k, name in enumerate(others) if len(values[name]) > 1]
    if weights == "equal" or not factors:
        return np.full(len(inner), 1 / len(inner))
    names = [others[k] for k in factors]
    counts = np.array([_count(frame, names, [row[k] for k in factors]) for row in inner], float)
    if not counts.sum():
        raise fault("CPI-M004", "no row has the values of at", "use weights='equal'")
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def _count(frame: pd.DataFrame, names: Sequence[str], row: Sequence[Any]) -> int:
    is_same = np.ones(len(frame), dtype=bool)
    for name, value in zip(names, row, strict=True):
        is_same &= (frame[name] == value).to_numpy(dtype=bool)
    return int(is_same.sum())


def _evaluate(basis: ModelBasis, cells: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    grid = pd.DataFrame(index=range(len(cells)))
    for name in basis.columns:
        column = basis.frame[name]
        grid[name] = pd.Series([cell[name] for cell in cells], dtype=object).astype(column.dtype)
    try:
        with np.errstate(all="ignore"):
            matrix = basis.spec.get_model_matrix(grid, context={}, na_action="ignore")
        design = pd.DataFrame(matrix).astype("float64")[list(basis.fixed.columns)].to_numpy()
    except Exception:
        # Not chained: messages of libraries print cells.
        raise fault(
            "CPI-M004",
            "the formula cannot be evaluated at these values",
            "choose values of at for which its functions are defined",
        ) from None
    if not np.isfinite(design).all():
        raise fault(
            "CPI-M006",
            "the formula is not finite at these values",
            "choose values of at for which its functions are defined",
        )
    return design


def _say(
    others: Sequence[str],
    values: Mapping[str, list[Any]],
    at: Mapping[str, Sequence[Any]],
    weights: str,
) -> str:
    averaged = [name for name in others if len(values[name]) > 1]
    held = [
        f"{name} at {_show(values[name][0])}" + ("" if name in at else " (its mean)")
        for name in others
        if len(values[name]) == 1
    ]
    how = "equally" if weights == "equal" else "in proportion to the rows"
    parts = [f"averaged {how} over {', '.join(averaged)}"] if averaged else []
    return "; ".join([*parts, *held])


def _show(value: object) -> str:
    is_number = isinstance(value, float | np.floating)
    return f"{value:.6g}" if is_number else str(value)
