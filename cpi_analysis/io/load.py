"""From files to a checked trial: every fault of every file at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.integrity import note_unchecked
from cpi_analysis.io.labels import decode_table
from cpi_analysis.io.plan_checks import check_plan
from cpi_analysis.io.readers import RawTable
from cpi_analysis.io.readers.raw import RowNumbers, read_bytes
from cpi_analysis.io.reshape import (
    Source,
    build_dictionary,
    build_measurements,
    build_responses,
    build_table,
    columns_in_use,
    list_headings,
    prepare_source,
)
from cpi_analysis.io.row_places import unpack_rows
from cpi_analysis.io.schemas.specs import TABLES, table_spec
from cpi_analysis.io.source_cells import (
    clear_missing,
    find_header,
    find_identifying,
    find_line_breaks,
)
from cpi_analysis.io.study_checks import check_study
from cpi_analysis.io.study_file import FilePart, StudyFile, read_study_file
from cpi_analysis.io.text_tables import TextTable, translate_columns
from cpi_analysis.io.trial import build_trial
from cpi_analysis.io.trial_files import (
    PACKAGE_SHAPE,
    Place,
    locate,
    read_source_files,
    read_table_files,
)
from cpi_analysis.io.typing import type_table

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import Protocol
    from cpi_analysis.io.trial import TrialData


def load_trial(path: str | Path, *, data: str | Path | None = None) -> TrialData:
    """Load a trial from its files, checked as a whole.

    Parameters
    ----------
    path
        A ``study.toml``, which says what the files of a trial hold (see
        ``docs/study_file.md``), or a folder in the shape of the package: one file for each
        table (``agencies.csv``, ``participants.csv``, ``timepoints.csv``,
        ``measurements.csv`` or ``responses.csv`` …) with an optional ``study.toml``.
    data
        A file in place of the one file that the study file describes, or a folder in place
        of the folder of the study file.

    Returns
    -------
    TrialData
        Tables that obey every rule of the data dictionary, with the digests of the files.

    Raises
    ------
    DataError
        Everything that is wrong in all files, never only the first problem; no cell of the
        data is shown. When the files are sound: what the plan of the analysis asks for and
        the trial does not have.

    Notes
    -----
    Cells are read as text and typed by the schema of their table: no date or number is
    guessed. Columns of the files that the study does not use are never kept; their headings
    are listed in ``load_notes`` of the trial.
    """
    place = locate(path, data)
    study = None
    if place.study_path is not None:
        study = read_study_file(place.study_path)
        check_study(study, file=place.study_path.name)
    if study is None or study.is_package_shape:
        texts, faults, notes, sources = _load_tables(study, place)
    else:
        texts, faults, notes, sources = _load_study(study, place)
    tables, rows, found = _type_all(texts)
    if place.study_path is not None:
        sources = {place.study_path.name: _hash(place.study_path), **sources}
    protocol = _locate_instruments(study, place)
    try:
        trial = build_trial(
            tables,
            title=study.study.title if study is not None else place.folder.resolve().name,
            is_synthetic=study.study.is_synthetic if study is not None else False,
            protocol=protocol,
            assumptions=study.study.notes if study is not None else (),
            sources=sources,
            row_labels=rows,
            files=_files(texts),
            earlier_faults=[*faults, *found],
        )
    except DataError as error:
        described = _described_tables(study) | {fault.table for fault in faults}
        raise DataError(_retell(error.faults, study, place, texts, described)) from None
    # Only now: names in tables with faults may be wrong, and must not be shown as allowed.
    unmet = check_plan(tables, protocol, file=_study_name(place)) if protocol is not None else ()
    if unmet:
        raise DataError(unmet)
    return replace(trial, load_notes=(*notes, *note_unchecked(tables)))


def _hash(path: Path) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()


def _study_name(place: Place) -> str:
    return place.study_path.name if place.study_path is not None else ""


def _locate_instruments(study: StudyFile | None, place: Place) -> Protocol | None:
    """Return the protocol, with the user's own scoring keys found beside the study file."""
    if study is None or study.analysis is None or place.study_path is None:
        return None if study is None else study.analysis
    beside = place.study_path.parent
    found = {
        name: str(beside / name) if name.endswith(".toml") else name
        for name in study.analysis.instruments
    }
    return study.analysis.model_copy(
        update={
            "instruments": tuple(found.values()),
            "missing_rules": {
                found[name]: rule for name, rule in study.analysis.missing_rules.items()
            },
        }
    )


#: Columns of long tables that may come from many columns of a file.
_VALUE_COLUMNS = ("value", "answer")
Loaded = tuple[list[TextTable], list[Fault], list[str], dict[str, str]]


def _load_tables(study: StudyFile | None, place: Place) -> Loaded:
    """Read a folder that has one file for each canonical table."""
    parts: Mapping[str, FilePart] = study.files if study is not None else {}
    raws, faults, notes = read_table_files(parts, place)
    texts: list[TextTable] = []
    for table, raw in raws.items():
        part = parts.get(table, FilePart())
        headings = [str(heading) for heading in raw.frame.columns]
        found = find_header(table, headings, raw)
        found += find_identifying(headings, file=raw.file, table=table)
        found += find_line_breaks(headings, raw)
        faults += found
        if found:
            continue
        text = TextTable(
            table=table,
            frame=clear_missing(raw, headings, part),
            row_numbers=raw.row_numbers,
            file=raw.file,
            source_columns={heading: heading for heading in headings},
            date_format=part.date_format,
        )
        text, found = translate_columns(study, text, part, table_spec(table).columns)
        texts.append(text)
        faults += found
    if study is not None:
        built = build_dictionary(study, file=place.study_path.name if place.study_path else "")
        texts += [text for text in built if text.table not in raws]
    notes += [note for raw in raws.values() for note in raw.notes]
    return texts, faults, notes, {raw.file: raw.sha256 for raw in raws.values()}


def _load_study(study: StudyFile, place: Place) -> Loaded:
    """Read the files that a study file describes, and reshape them."""
    raws, faults = read_source_files(study, place)
    needed = columns_in_use(study)
    sources: dict[str, Source] = {}
    notes: list[str] = []
    for name, raw in raws.items():
        source, found = prepare_source(raw, needed[name], study.files[name])
        faults += found
        if source is not None:
            sources[name] = source
            notes += [*raw.notes, *_note_unused(raw, needed[name])]
    texts = build_dictionary(study, file=place.study_path.name if place.study_path else "")
    for table, part in study.tables.items():
        file = part.file or next(iter(study.files))
        if file in sources:
            text, found = build_table(study, table, sources[file])
            texts.append(text)
            faults += found
    for build in (build_measurements, build_responses):
        built, found = build(study, sources)
        texts += built
        faults += found
    return texts, faults, notes, {raw.file: raw.sha256 for raw in raws.values()}


def _type_all(
    texts: Sequence[TextTable],
) -> tuple[dict[str, pd.DataFrame], dict[str, RowNumbers], list[Fault]]:
    """Type every table by its schema, and put pieces of one table under one another."""
    pieces: dict[str, list[pd.DataFrame]] = {}
    rows: dict[str, list[RowNumbers]] = {}
    faults: list[Fault] = []
    for text in texts:
        typed, found = type_table(
            text.frame,
            spec=table_spec(text.table),
            date_format=text.date_format,
            file=text.file,
            row_numbers=text.row_numbers,
        )
        faults += found
        pieces.setdefault(text.table, []).append(typed)
        rows.setdefault(text.table, []).append(text.row_numbers)
    return (
        {table: _put_together(pieces[table]) for table in TABLES if table in pieces},
        {table: np.concatenate(rows[table]) for table in rows},
        faults,
    )


def _put_together(pieces: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if len(pieces) == 1:
        return pieces[0]
    # Each piece numbers its texts in its own way.
    return pd.concat([decode_table(piece) for piece in pieces], ignore_index=True)


def _described_tables(study: StudyFile | None) -> set[str | None]:
    """Return the tables that a study describes: when one is absent, its file has the fault."""
    if study is None:
        return set()
    long_tables = {"measurements": study.measures, "responses": study.responses}
    return {*study.tables, *(name for name, parts in long_tables.items() if parts)}


def _headings(texts: Iterable[TextTable]) -> dict[tuple[str, str], str]:
    """Return, for a column of a table, the headings that it has in the files."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for text in texts:
        for column, heading in text.source_columns.items():
            found.setdefault((text.table, column), {})[heading] = None
    return {place: ", ".join(headings) for place, headings in found.items()}


def _files(texts: Iterable[TextTable]) -> dict[str, str]:
    found: dict[str, dict[str, None]] = {}
    for text in texts:
        found.setdefault(text.table, {})[text.file] = None
    return {table: " and ".join(files) for table, files in found.items()}


def _retell(
    faults: Iterable[Fault],
    study: StudyFile | None,
    place: Place,
    texts: Sequence[TextTable],
    described: set[str | None],
) -> list[Fault]:
    """Say faults in the words of the files; leave out that a table with faults is absent."""
    headings = _headings(texts)
    columns = list_headings(study) if study is not None else ()
    return [
        said
        for fault in faults
        for said in _say_where(fault, headings, columns, place)
        if not (fault.code == "CPI-E010" and described & {*(fault.table or "").split(" or ")})
    ]


def _say_where(
    fault: Fault,
    headings: Mapping[tuple[str, str], str],
    columns: Sequence[str],
    place: Place,
) -> list[Fault]:
    """Say a fault in the words of the files: their headings, and where a table is missed.

    A fault of values that stood in several columns of a file becomes one for each column.
    """
    if fault.code == "CPI-E010":
        where = place.study_path.name if place.study_path is not None else place.folder.name
        return [replace(fault, file=where, allowed=PACKAGE_SHAPE)]
    heading = headings.get((fault.table or "", fault.column or ""), fault.column)
    by_column = unpack_rows(fault.rows)
    if fault.column not in _VALUE_COLUMNS:
        # A row of a wide file may stand behind several rows of a long table.
        rows = sorted({row for rows in by_column.values() for row in rows})
        return [replace(fault, column=heading, rows=tuple(rows))]
    return [
        replace(fault, column=heading if number is None else columns[number], rows=rows)
        for number, rows in by_column.items()
    ] or [replace(fault, column=heading)]


def _note_unused(raw: RawTable, needed: Iterable[str]) -> list[str]:
    unused = [str(heading) for heading in raw.frame.columns if heading not in set(needed)]
    return [f"{raw.file}: columns not used: {', '.join(unused)}"] if unused else []
