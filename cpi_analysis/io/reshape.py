"""From the files that a study names to the canonical tables, still as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpi_analysis.errors import Fault
from cpi_analysis.io.labels import TEXT_DTYPE, decode_table
from cpi_analysis.io.readers.raw import RawTable, text_column
from cpi_analysis.io.row_places import pack_rows
from cpi_analysis.io.schemas.specs import table_spec
from cpi_analysis.io.source_cells import (
    clear_missing,
    find_absent,
    find_identifying,
    find_line_breaks,
    translate,
)
from cpi_analysis.io.study_file import FilePart, MeasurePart, ResponsesPart, StudyFile, TablePart
from cpi_analysis.io.text_tables import (
    TABLES_OF_UNITS,
    TextTable,
    collapse,
    translate_columns,
    unknown_texts,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """One file of a study: its cells in use, and how they are written."""

    raw: RawTable
    cells: pd.DataFrame
    part: FilePart


def columns_in_use(study: StudyFile) -> dict[str, list[str]]:
    """Return, for each file of a study, the columns that the study needs."""
    needed: dict[str, dict[str, None]] = {name: {} for name in study.files}
    for name, part in study.tables.items():
        mapping = column_map(study, name, part)
        needed[file_of(study, part)].update(dict.fromkeys([*mapping.values(), *part.rows]))
    for measure in study.measures.values():
        if measure.column is not None or measure.columns:
            keys = keys_for(study, measure, is_long=measure.column is not None)
            columns = (
                [measure.column] if measure.column is not None else [*measure.columns.values()]
            )
            needed[file_of(study, measure)].update(dict.fromkeys([*keys.values(), *columns]))
    for responses in study.responses.values():
        keys = keys_for(study, responses, is_long=bool(responses.items))
        columns = [*responses.items.values()]
        for items in responses.items_by_timepoint.values():
            columns += items.values()
        needed[file_of(study, responses)].update(dict.fromkeys([*keys.values(), *columns]))
    return {file: list(columns) for file, columns in needed.items()}


def list_headings(study: StudyFile) -> tuple[str, ...]:
    """Return every column that a study needs, each once; rows of long tables number them."""
    return tuple(dict.fromkeys(name for names in columns_in_use(study).values() for name in names))


def file_of(study: StudyFile, part: TablePart | MeasurePart | ResponsesPart) -> str:
    """Return the name of the file of a part: the one it names, or the only one."""
    return part.file if part.file is not None else next(iter(study.files))


def keys_for(
    study: StudyFile, part: MeasurePart | ResponsesPart, *, is_long: bool
) -> dict[str, str]:
    """Return the identifying columns that values of a part need."""
    keys = study.files[file_of(study, part)].keys
    wanted = ("participant_id", "timepoint") if is_long else ("participant_id",)
    return {name: keys[name] for name in wanted if name in keys}


def column_map(study: StudyFile, table: str, part: TablePart) -> dict[str, str]:
    """Return canonical column to source column for one table of a study."""
    names = table_spec(table).column_names
    keys = study.files[file_of(study, part)].keys
    mapping = {name: keys[name] for name in names if name in keys}
    if table == "agencies" and study.arms is not None:
        mapping["arm"] = study.arms.column
    mapping.update(part.columns)
    return {name: source for name, source in mapping.items() if name not in part.constants}


def prepare_source(
    raw: RawTable, needed: Sequence[str], part: FilePart
) -> tuple[Source | None, list[Fault]]:
    """Check that a file has what a study needs, and keep only that."""
    faults = find_absent(needed, raw)
    faults += find_identifying(needed, file=raw.file, table=None)
    if faults:
        return None, faults
    faults = find_line_breaks(needed, raw)
    cells = decode_table(clear_missing(raw, needed, part))
    return Source(raw=raw, cells=cells, part=part), faults


def build_table(study: StudyFile, table: str, source: Source) -> tuple[TextTable, list[Fault]]:
    """Build one table of ``[tables]``: choose rows and columns, translate, collapse."""
    part = study.tables[table]
    spec = table_spec(table)
    mapping = column_map(study, table, part)
    chosen = np.ones(len(source.cells), dtype=bool)
    for name, texts in part.rows.items():
        chosen &= source.cells[name].isin(texts).to_numpy(dtype=bool)
    frame = pd.DataFrame(
        {name: source.cells[heading] for name, heading in mapping.items()},
        index=source.cells.index,
    )[chosen].reset_index(drop=True)
    for name, text in part.constants.items():
        frame[name] = pd.Series([text] * len(frame), dtype=TEXT_DTYPE)
    text_table = TextTable(
        table=table,
        frame=frame,
        row_numbers=source.raw.row_numbers[chosen],
        file=source.raw.file,
        source_columns=mapping,
        date_format=source.part.date_format,
    )
    text_table, faults = translate_columns(study, text_table, source.part, spec.columns)
    is_unit = part.repeated_rows or ("must_agree" if table in TABLES_OF_UNITS else "refuse")
    if is_unit == "must_agree" and set(spec.key) <= set(text_table.frame.columns):
        text_table, disagreements = collapse(text_table, spec.key)
        faults += disagreements
    return text_table, faults


def build_measurements(
    study: StudyFile, sources: Mapping[str, Source]
) -> tuple[list[TextTable], list[Fault]]:
    """Build the long table of values from the columns that ``[measures]`` names."""
    tables, faults = [], []
    for measure, part in study.measures.items():
        source = sources.get(file_of(study, part)) if study.files else None
        if source is None or not (part.column or part.columns):
            continue
        layout = {measure: part.column} if part.column is not None else {}
        by_timepoint = {name: {measure: heading} for name, heading in part.columns.items()}
        table, found = _stack(study, source, part, layout, by_timepoint, table="measurements")
        tables.append(table)
        faults += found
    return tables, faults


def build_responses(
    study: StudyFile, sources: Mapping[str, Source]
) -> tuple[list[TextTable], list[Fault]]:
    """Build the long table of answers from the items that ``[responses]`` names."""
    tables, faults = [], []
    for instrument, part in study.responses.items():
        source = sources.get(file_of(study, part))
        if source is None:
            continue
        table, found = _stack(
            study,
            source,
            part,
            part.items,
            part.items_by_timepoint,
            table="responses",
        )
        if part.labels:
            answers, unknown = translate(table.frame["answer"], part.labels)
            found += unknown_texts(table, "answer", unknown, part.labels)
            table.frame["answer"] = answers
        table.frame["instrument"] = pd.Series([instrument] * len(table.frame), dtype=TEXT_DTYPE)
        tables.append(table)
        faults += found
    return tables, faults


def build_dictionary(study: StudyFile, *, file: str) -> list[TextTable]:
    """Build the tables ``measures`` and ``timepoints`` from the study file itself."""
    tables = []
    if study.measures:
        names = ("label", "unit", "minimum", "maximum", "is_higher_better")
        rows = [
            {"measure": measure, **{name: getattr(part, name) for name in names}}
            for measure, part in study.measures.items()
        ]
        tables.append(_from_settings("measures", rows, file))
    if study.timepoints:
        scheduled = sorted(study.timepoints.items(), key=lambda entry: entry[1].months)
        rows = [
            {"timepoint": name, "months": part.months, "order": order}
            for order, (name, part) in enumerate(scheduled)
        ]
        tables.append(_from_settings("timepoints", rows, file))
    return tables


def _from_settings(table: str, rows: Sequence[Mapping[str, Any]], file: str) -> TextTable:
    frame = pd.DataFrame({name: text_column([row[name] for row in rows]) for name in rows[0]})
    return TextTable(
        table=table, frame=frame, row_numbers=np.arange(1, len(rows) + 1, dtype=np.int64), file=file
    )


def _stack(
    study: StudyFile,
    source: Source,
    part: MeasurePart | ResponsesPart,
    layout: Mapping[str, str],
    by_timepoint: Mapping[str, Mapping[str, str]],
    *,
    table: str,
) -> tuple[TextTable, list[Fault]]:
    """Put columns that stand side by side under one another, with the row each came from."""
    keys = keys_for(study, part, is_long=bool(layout))
    names, values = ("measure", "value") if table == "measurements" else ("item", "answer")
    blocks, rows = [], []
    numbers = {heading: number for number, heading in enumerate(list_headings(study))}
    for timepoint, headings in by_timepoint.items() if by_timepoint else [(None, layout)]:
        for name, heading in headings.items():
            block = pd.DataFrame({key: source.cells[keys[key]] for key in keys})
            if timepoint is not None:
                block["timepoint"] = pd.Series([timepoint] * len(block), dtype=TEXT_DTYPE)
            block[names] = pd.Series([name] * len(block), dtype=TEXT_DTYPE)
            block[values] = source.cells[heading]
            blocks.append(block)
            rows.append(pack_rows(source.raw.row_numbers, numbers[heading]))
    used = [heading for each in [layout, *by_timepoint.values()] for heading in each.values()]
    stacked = TextTable(
        table=table,
        frame=pd.concat(blocks, ignore_index=True),
        row_numbers=np.concatenate(rows),
        file=source.raw.file,
        source_columns={**keys, values: ", ".join(dict.fromkeys(used))},
    )
    skip = ("timepoint",) if by_timepoint else ()
    return translate_columns(study, stacked, source.part, table_spec(table).columns, skip=skip)
