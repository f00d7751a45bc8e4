"""Checks of a study file that need more than one of its parts, or the schemas."""

from __future__ import annotations

from collections.abc import Mapping

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.schemas.specs import TABLES, table_spec
from cpi_analysis.io.settings_faults import unknown_name
from cpi_analysis.io.study_file import MeasurePart, ResponsesPart, StudyFile, TablePart


def check_study(study: StudyFile, *, file: str = "study.toml") -> None:
    """Check that the names in a study file refer to something.

    Raises
    ------
    DataError
        CPI-E041 for every file, table, column or timepoint that is not known.
    """
    faults = _check_names(study, file) + _check_tables(study, file)
    if not faults and not study.is_package_shape:
        faults = _check_keys(study, file) + _check_mapped_once(study, file)
    if faults:
        raise DataError(faults)


def _check_tables(study: StudyFile, file: str) -> list[Fault]:
    faults = []
    for table, part in study.tables.items():
        if table not in TABLES:
            faults.append(unknown_name("tables", table, tuple(TABLES), "a table", file))
            continue
        known = table_spec(table).column_names
        for setting in ("columns", "constants", "labels"):
            faults += [
                unknown_name(f"tables.{table}.{setting}", name, known, "a column of it", file)
                for name in getattr(part, setting)
                if name not in known
            ]
    every_column = sorted({name for table in TABLES for name in table_spec(table).column_names})
    for name, file_part in study.files.items():
        faults += [
            unknown_name(f"files.{name}.keys", key, every_column, "a column of a table", file)
            for key in file_part.keys
            if key not in every_column
        ]
    return faults


def _check_keys(study: StudyFile, file: str) -> list[Fault]:
    """Check that the files with values say who and when each value belongs to."""
    faults: list[Fault] = []
    parts: dict[str, tuple[MeasurePart | ResponsesPart, bool]] = {
        **{
            f"measures.{name}": (part, part.column is not None)
            for name, part in study.measures.items()
            if _needs_a_file(part)
        },
        **{f"responses.{name}": (p, bool(p.items)) for name, p in study.responses.items()},
    }
    for place, (part, is_long) in parts.items():
        name = part.file or next(iter(study.files))
        wanted = ("participant_id", "timepoint") if is_long else ("participant_id",)
        faults += [
            Fault(
                code="CPI-E041",
                file=file,
                rule=f"`{place}` needs to know which column holds {key}",
                cure=f"add {key} to `files.{name}.keys`",
            )
            for key in wanted
            if key not in study.files[name].keys
        ]
    return faults


def _check_names(study: StudyFile, file: str) -> list[Fault]:
    """Check that files and timepoints that are referred to are declared."""
    faults: list[Fault] = []
    files, timepoints = tuple(study.files), tuple(study.timepoints)
    users: dict[str, TablePart | MeasurePart | ResponsesPart] = {
        **{f"tables.{name}": part for name, part in study.tables.items()},
        **{f"measures.{name}": part for name, part in study.measures.items()},
        **{f"responses.{name}": part for name, part in study.responses.items()},
    }
    for place, part in users.items():
        if part.file is not None and part.file not in study.files:
            faults.append(unknown_name(f"{place}.file", part.file, files, "a file", file))
        elif part.file is None and len(files) != 1 and _needs_a_file(part):
            faults.append(
                Fault(
                    code="CPI-E041",
                    file=file,
                    rule=f"`{place}` must name its file: the study declares {len(files)}",
                    allowed=", ".join(files) or "none is declared",
                    cure=f"add `file` to [{place}]",
                )
            )
    named: dict[str, Mapping[str, object]] = {
        **{f"measures.{name}.columns": part.columns for name, part in study.measures.items()},
        **{
            f"responses.{name}.items_by_timepoint": part.items_by_timepoint
            for name, part in study.responses.items()
        },
    }
    for place, columns in named.items():
        faults += [
            unknown_name(place, name, timepoints, "a timepoint of [timepoints]", file)
            for name in columns
            if name not in study.timepoints
        ]
    return faults


def _check_mapped_once(study: StudyFile, file: str) -> list[Fault]:
    """Check that no column of a file gives the values of two measures or items."""
    users: dict[tuple[str | None, str, str | None], list[str]] = {}

    def use(part: MeasurePart | ResponsesPart, heading: str, when: str | None, place: str) -> None:
        users.setdefault((part.file or next(iter(study.files)), heading, when), []).append(place)

    for name, part in study.measures.items():
        if part.column is not None:
            use(part, part.column, None, f"measures.{name}.column")
        for when, heading in part.columns.items():
            use(part, heading, when, f"measures.{name}.columns.{when}")
    for name, answers in study.responses.items():
        for item, heading in answers.items.items():
            use(answers, heading, None, f"responses.{name}.items.{item}")
        for when, items in answers.items_by_timepoint.items():
            for item, heading in items.items():
                place = f"responses.{name}.items_by_timepoint.{when}.{item}"
                use(answers, heading, when, place)
    return [
        Fault(
            code="CPI-E041",
            file=file,
            rule=f"the column `{heading}` is used by {' and '.join(f'`{p}`' for p in places)}",
            cure="name for each the column that holds its own values",
        )
        for (_, heading, _), places in users.items()
        if len(places) > 1
    ]


def _needs_a_file(part: TablePart | MeasurePart | ResponsesPart) -> bool:
    if isinstance(part, MeasurePart):
        return part.column is not None or bool(part.columns)
    return True
