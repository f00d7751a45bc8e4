"""Canonical tables that are still text: their cells are translated, their rows collapsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cpi_analysis.errors import Fault
from cpi_analysis.io.readers.raw import RowNumbers
from cpi_analysis.io.schemas.specs import ColumnSpec
from cpi_analysis.io.source_cells import to_decimal_points, translate
from cpi_analysis.io.study_file import FilePart, StudyFile

#: Tables of which one row is a person or an agency, however often the file repeats it.
TABLES_OF_UNITS = ("agencies", "participants", "workers")
TIME_COLUMNS = ("timepoint", "occasion")
_CODE_OF_DISAGREEMENT = {
    ("agencies", "arm"): "CPI-E031",
    ("participants", "agency_id"): "CPI-E032",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class TextTable:
    """Rows of one canonical table from one file, as text, with where they stood."""

    table: str
    frame: pd.DataFrame
    row_numbers: RowNumbers
    file: str
    source_columns: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None


def translate_columns(
    study: StudyFile | None,
    table: TextTable,
    part: FilePart,
    columns: Sequence[ColumnSpec],
    *,
    skip: tuple[str, ...] = (),
) -> tuple[TextTable, list[Fault]]:
    """Apply labels, timepoint codes and decimal mark to the cells of a table."""
    faults: list[Fault] = []
    frame = table.frame
    for column in columns:
        name = column.name
        if name not in table.source_columns or name not in frame or name in skip:
            continue
        labels = _labels_for(study, table.table, name)
        if labels:
            accepted = () if name in TIME_COLUMNS or name == "arm" else column.allowed or ()
            frame[name], unknown = translate(frame[name], labels, accepted=accepted)
            faults += unknown_texts(table, name, unknown, labels)
        elif column.kind in {"number", "integer"} and part.decimal == ",":
            frame[name] = to_decimal_points(frame[name])
    return table, faults


def _labels_for(study: StudyFile | None, table: str, column: str) -> Mapping[str, str]:
    if study is None:
        return {}
    if column in TIME_COLUMNS:
        return {
            name if part.code is None else part.code: name
            for name, part in study.timepoints.items()
        }
    part = study.tables.get(table)
    if part is not None and column in part.labels:
        return part.labels[column]
    if table == "agencies" and column == "arm" and study.arms is not None:
        return {
            study.arms.intervention: "intervention",
            study.arms.comparison: "comparison",
        }
    return {}


def collapse(table: TextTable, key: tuple[str, ...]) -> tuple[TextTable, list[Fault]]:
    """Make one row of the rows with the same key; the cells that are filled must agree."""
    frame, faults = table.frame, []
    groups = frame.groupby(list(key), sort=False, dropna=False)
    for name in frame.columns.difference(list(key), sort=False):
        first = groups[name].transform("first")
        differs = frame[name].notna() & (frame[name] != first)
        faults += cell_fault(
            table,
            name,
            differs,
            _CODE_OF_DISAGREEMENT.get((table.table, name), "CPI-E013"),
            f"rows with the same {' and '.join(key)} hold different values",
            "one value for each",
            "correct the rows, or choose rows with `rows` in the study file",
        )
    is_first = ~frame.duplicated(list(key)).to_numpy(dtype=bool)
    collapsed = groups.first().reset_index()[list(frame.columns)]
    return (
        TextTable(
            table=table.table,
            frame=collapsed,
            row_numbers=table.row_numbers[is_first],
            file=table.file,
            source_columns=table.source_columns,
            date_format=table.date_format,
        ),
        faults,
    )


def unknown_texts(
    table: TextTable, name: str, unknown: pd.Series[Any], labels: Mapping[str, str]
) -> list[Fault]:
    """Return the fault of cells that no label translates."""
    return cell_fault(
        table,
        name,
        unknown,
        "CPI-E023",
        "a cell is not one of the texts that the study file translates",
        ", ".join(labels),
        "correct the cell, or add the text to the study file",
    )


def cell_fault(
    table: TextTable,
    name: str,
    flagged: pd.Series[Any],
    code: str,
    rule: str,
    allowed: str,
    cure: str,
) -> list[Fault]:
    """Return a fault with the rows that are flagged, or none."""
    if not flagged.any():
        return []
    rows = np.unique(table.row_numbers[flagged.to_numpy(dtype=bool)])
    return [
        Fault(
            code=code,
            rule=rule,
            allowed=allowed,
            cure=cure,
            file=table.file,
            table=table.table,
            column=name,
            rows=tuple(rows.tolist()),
        )
    ]
