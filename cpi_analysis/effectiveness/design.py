"""From a table and a formula to the outcome, the design and the rows that are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError

if TYPE_CHECKING:
    from formulaic import Formula, ModelSpec


class Design(NamedTuple):
    """What a mixed model is fitted to, and what is said about the rows that were left out.

    ``rows`` are the places in the table of the rows that are used, ``frame`` their cells,
    ``columns`` the names that the right side of the formula needs, and ``spec`` how it turns
    them into columns.
    """

    outcome: NDArray[np.float64]
    fixed: pd.DataFrame
    clusters: NDArray[np.intp]
    notes: tuple[str, ...]
    rows: NDArray[np.intp]
    frame: pd.DataFrame
    columns: tuple[str, ...]
    spec: ModelSpec


def fault(
    code: str, rule: str, cure: str, *, column: str | None = None, allowed: str | None = None
) -> ModelError:
    """Return a ModelError with one fault."""
    return ModelError(Fault(code=code, rule=rule, cure=cure, column=column, allowed=allowed))


def quote(name: str) -> str:
    """Return a column as a formula names it: in backticks unless it is a plain name."""
    return name if name.isidentifier() else f"`{name}`"


def build_design(data: pd.DataFrame, formula: str, cluster: str) -> Design:
    """Return outcome, fixed effects and clusters of the rows without a missing cell."""
    parsed, left, right = _parse(formula)
    needed = list(dict.fromkeys([*left, *right, cluster]))
    _require_columns(data, needed)
    every = pd.DataFrame(
        {name: _simplify(name, data[name]) for name in needed}, index=pd.RangeIndex(len(data))
    )
    complete = every.dropna()
    frame = complete.reset_index(drop=True)
    notes = _describe_missing(every, len(frame))
    if frame.empty:
        raise fault("CPI-M001", "no row is complete", " ".join(["see the missing cells.", *notes]))
    frame = frame.apply(_drop_unused_levels)
    _check_columns(frame, [name for name in right if name not in left])
    outcome, fixed, spec = _evaluate(parsed, frame)
    clusters = pd.factorize(frame[cluster], sort=True)[0]
    rows = complete.index.to_numpy(dtype=np.intp)
    return Design(outcome, fixed, clusters, notes, rows, frame, tuple(right), spec)


def _parse(formula: str) -> tuple[Formula, list[str], list[str]]:
    """Return the formula and the columns that its two sides need."""
    from formulaic import Formula

    try:
        parsed = Formula(formula)
        left, right = (
            sorted(map(str, side.required_variables)) for side in (parsed.lhs, parsed.rhs)
        )
    except Exception:
        # A parser may fail in many ways, and all mean the same here.
        raise fault(
            "CPI-M004", "the formula cannot be read", "write it as outcome ~ exposure + baseline"
        ) from None
    return parsed, left, right


def _require_columns(data: pd.DataFrame, needed: Sequence[str]) -> None:
    absent = [name for name in needed if name not in data.columns]
    if absent:
        raise fault(
            "CPI-M004",
            f"the data have no column {', '.join(absent)}",
            "check the spelling",
            allowed=", ".join(map(str, data.columns)),
        )


def _simplify(name: str, column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of numpy numbers or truth values, categories, or text; missing is NaN.

    Formulas know only these; pandas has many more kinds of number and of text.
    """
    column = column.reset_index(drop=True)
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return column.cat.rename_categories(list(dtype.categories.astype(object)))
    if pd.api.types.is_datetime64_any_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        raise fault(
            "CPI-M004",
            "the column holds dates or durations",
            "use a number, such as age in years or months since the start",
            column=name,
        )
    if pd.api.types.is_bool_dtype(dtype):
        return column if isinstance(dtype, np.dtype) else column.astype("boolean").astype(object)
    if pd.api.types.is_numeric_dtype(dtype):
        is_plain = isinstance(dtype, np.dtype)
        return column if is_plain else column.astype("Float64").astype("float64")
    is_missing = column.isna().to_numpy()
    text = column.astype(object).map(str).astype(object)
    return text.where(~is_missing, np.nan)


def _drop_unused_levels(column: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()
    return column


def _describe_missing(every: pd.DataFrame, kept: int) -> tuple[str, ...]:
    counts = every.isna().sum()
    where = "; ".join(f"{name} {count}" for name, count in counts[counts > 0].items())
    if not where:
        return ()
    return (f"{len(every) - kept} of {len(every)} rows are left out: a cell is missing ({where}).",)


def _check_columns(frame: pd.DataFrame, right: list[str]) -> None:
    numbers = frame.select_dtypes("number")
    endless = [str(name) for name in numbers if np.isinf(numbers[name].to_numpy()).any()]
    if endless:
        raise fault(
            "CPI-M006",
            f"infinite values in: {', '.join(endless)}",
            "set impossible values to missing, and see where they come from",
        )
    # A text column with one category would vanish from the design without a word.
    constant = [name for name in right if frame[name].nunique() < 2]
    if constant:
        raise fault(
            "CPI-M002",
            f"the same for everybody who is analysed: {', '.join(constant)}",
            "leave these columns out of the formula",
        )


def _evaluate(
    parsed: Formula, frame: pd.DataFrame
) -> tuple[NDArray[np.float64], pd.DataFrame, ModelSpec]:
    """Return the outcome and the columns of the fixed effects, all finite."""
    try:
        # A logarithm of zero is reported below, by the name of its term.
        with np.errstate(all="ignore"):
            matrices = parsed.get_model_matrix(frame, context={}, na_action="ignore")
        left = pd.DataFrame(matrices.lhs).astype("float64")
        fixed = pd.DataFrame(matrices.rhs).astype("float64")
    except Exception:
        # Functions may raise anything. Not chained: messages of libraries print cells.
        raise fault(
            "CPI-M004",
            "the formula cannot be evaluated on the data",
            "check that functions in it give one finite number for each row",
        ) from None
    if left.shape[1] != 1:
        raise fault(
            "CPI-M004",
            "the outcome must be one numeric column, and is text or more than one column",
            "name a numeric column",
            column=", ".join(map(str, parsed.lhs)),
        )
    _check_finite(pd.concat([left, fixed], axis="columns"))
    outcome = left.iloc[:, 0].to_numpy()
    if np.ptp(outcome) == 0:
        raise fault(
            "CPI-M003",
            "the outcome is the same for everybody who is analysed",
            "check the outcome: without variation there is nothing to compare",
            column=str(left.columns[0]),
        )
    return outcome, fixed, matrices.rhs.model_spec


def check_full_rank(fixed: pd.DataFrame) -> None:
    """Raise CPI-M002 when columns follow from others, naming those that do."""
    X = fixed.to_numpy(dtype=np.float64)
    X = X / np.maximum(np.abs(X).max(axis=0), np.finfo(float).tiny)
    if np.linalg.matrix_rank(X) == X.shape[1]:
        return
    ranks = [0, *(int(np.linalg.matrix_rank(X[:, : k + 1])) for k in range(X.shape[1]))]
    names = [str(name) for name in fixed.columns]
    repeated = [k for k in range(len(names)) if ranks[k + 1] == ranks[k]]
    told = [_explain_repeat(X, names, k) for k in repeated]
    raise fault(
        "CPI-M002",
        "these columns repeat others, or are constant beside the intercept: " + "; ".join(told),
        "leave out those that follow from others",
    )


def _explain_repeat(X: NDArray[np.float64], names: Sequence[str], place: int) -> str:
    """Return a column's name with those of the columns before it that it follows from."""
    weights = np.linalg.lstsq(X[:, :place], X[:, place], rcond=None)[0]
    size = np.abs(weights)
    parts = [names[k] for k in range(place) if size[k] > 1e-6 * max(float(size.max()), 1.0)]
    others = [name for name in parts if name != "Intercept"]
    return f"{names[place]} (follows from {', '.join(others)})" if others else names[place]


def note_lonely_levels(design: Design, cluster: str) -> tuple[str, ...]:
    """Return a note about groups of agencies that have one agency only."""
    X = design.fixed.to_numpy(dtype=np.float64)
    n_clusters = int(design.clusters.max()) + 1
    lonely = []
    for name, column in zip(design.fixed.columns, X.T, strict=True):
        if not np.isin(column, (0.0, 1.0)).all() or np.ptp(column) == 0:
            continue
        sizes = np.bincount(design.clusters, minlength=n_clusters)
        means = np.bincount(design.clusters, weights=column, minlength=n_clusters) / sizes
        is_between = bool(np.isin(means, (0.0, 1.0)).all())
        if is_between and min(means.sum(), n_clusters - means.sum()) == 1:
            lonely.append(str(name))
    if not lonely:
        return ()
    return (
        f"One {cluster} alone has, or lacks, {', '.join(lonely)}: its difference from the others "
        "cannot be told from what is particular to it, whatever the p-value says. Leave the "
        "column out, or say that it compares one with the rest.",
    )


def _check_finite(columns: pd.DataFrame) -> None:
    finite = np.isfinite(columns.to_numpy()).all(axis=0)
    if not finite.all():
        terms = ", ".join(map(str, columns.columns[~finite]))
        raise fault(
            "CPI-M006",
            f"these terms of the formula are not a finite number in every row: {terms}",
            "check what the functions are given, such as a logarithm of zero or less",
        )
