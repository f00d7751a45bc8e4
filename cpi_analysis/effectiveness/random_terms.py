"""From a dict of random-effects formulas to columns and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import Design, build_design, fault
from cpi_analysis.errors import DataError, Fault


class RandomColumns(NamedTuple):
    """One random term: grouping column, names of its effects, their columns, the groups."""

    group: str
    names: tuple[str, ...]
    columns: NDArray[np.float64]
    codes: NDArray[np.intp]
    levels: tuple[str, ...]


class MixedDesign(NamedTuple):
    """Fixed and random part on the same complete rows."""

    fixed: Design
    terms: tuple[RandomColumns, ...]
    residual_codes: NDArray[np.intp] | None
    residual_levels: tuple[str, ...]
    notes: tuple[str, ...]


def build_mixed_design(
    data: pd.DataFrame,
    formula: str,
    random: Mapping[str, str],
    residual_by: str | None,
) -> MixedDesign:
    """Return the design of a model with any random terms, on the rows without a missing cell."""
    specs = {group: _parse(group, str(spec)) for group, spec in random.items()}
    needed = list(dict.fromkeys([*specs, *(n for names in specs.values() for n in names)]))
    needed += [residual_by] if residual_by is not None and residual_by not in needed else []
    absent = [name for name in needed if name not in data.columns]
    if absent:
        raise fault(
            "CPI-M004",
            f"the data have no column {', '.join(absent)}",
            "check the spelling",
            allowed=", ".join(map(str, data.columns)),
        )
    kept = data[data[needed].notna().all(axis="columns")]
    counts = data[needed].isna().sum()
    where = "; ".join(f"{name} {count}" for name, count in counts[counts > 0].items())
    left_out = len(data) - len(kept)
    notes = (
        (f"{left_out} of {len(data)} rows are left out: a cell is missing ({where}).",)
        if left_out
        else ()
    )
    fixed = build_design(kept, formula, next(iter(random)))
    frame = kept.iloc[fixed.rows].reset_index(drop=True)
    _check_nested(frame, random)
    terms = tuple(_build_term(frame, group, str(spec)) for group, spec in random.items())
    residual_codes: NDArray[np.intp] | None = None
    residual_levels: tuple[str, ...] = ()
    if residual_by is not None:
        codes, levels = pd.factorize(frame[residual_by], sort=True)
        if len(levels) < 2:
            raise fault("CPI-M002", f"{residual_by} has one value", "leave out residual_by")
        residual_codes = codes.astype(np.intp)
        residual_levels = tuple(map(str, levels))
    return MixedDesign(fixed, terms, residual_codes, residual_levels, (*notes, *fixed.notes))


def _check_nested(frame: pd.DataFrame, random: Mapping[str, str]) -> None:
    """Raise CPI-E032 when a participant has rows in more than one agency."""
    if not {"agency_id", "participant_id"} <= set(random):
        return
    agencies = frame.groupby("participant_id")["agency_id"].nunique()
    twice = int((agencies > 1).sum())
    if twice:
        raise DataError(
            Fault(
                code="CPI-E032",
                column="participant_id",
                rule=f"{twice} participants have rows in more than one agency",
                cure="give each person one agency, or make identifiers that differ between "
                "agencies",
            )
        )


def _parse(group: str, spec: str) -> list[str]:
    if spec.strip() == "1":
        return []
    from formulaic import Formula

    try:
        parsed = Formula(spec)
        return sorted(map(str, parsed.required_variables))
    except Exception:
        # A parser may fail in many ways, and all mean the same here.
        raise fault(
            "CPI-M004",
            f"the random-effects formula of {group} cannot be read",
            "write '1' for an intercept, '1 + months' for a slope too, '0 + months' for the "
            "slope alone",
        ) from None


def _build_term(frame: pd.DataFrame, group: str, spec: str) -> RandomColumns:
    codes, levels = pd.factorize(frame[group], sort=True)
    names, columns = _evaluate_columns(frame, group, spec)
    return RandomColumns(group, names, columns, codes.astype(np.intp), tuple(map(str, levels)))


def _evaluate_columns(
    frame: pd.DataFrame, group: str, spec: str
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    if spec.strip() == "1":
        return ("Intercept",), np.ones((len(frame), 1))
    from formulaic import Formula

    try:
        matrix = pd.DataFrame(Formula(spec).get_model_matrix(frame, context={})).astype("float64")
    except Exception:
        # Not chained: messages of libraries print cells.
        raise fault(
            "CPI-M004",
            f"the random-effects formula of {group} cannot be evaluated on the data",
            "name numeric columns, or text with few values",
        ) from None
    if matrix.shape[1] == 0 or not np.isfinite(matrix.to_numpy()).all():
        raise fault(
            "CPI-M006",
            f"the random effects of {group} have no columns, or values that are not finite",
            "check the columns of its formula",
        )
    return tuple(map(str, matrix.columns)), matrix.to_numpy()
