"""Which files make a trial, and whether they may be opened."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.readers import SUFFIXES, RawTable, read_text_table
from cpi_analysis.io.readers.raw import one_fault
from cpi_analysis.io.schemas.specs import TABLES
from cpi_analysis.io.settings_faults import unknown_name
from cpi_analysis.io.study_file import FilePart, StudyFile

STUDY_FILE = "study.toml"
PACKAGE_SHAPE = (
    f"a folder with one file for each table (agencies.csv, participants.csv, timepoints.csv, "
    f"measurements.csv or responses.csv …), or a {STUDY_FILE} that says where they are"
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a trial is: its study file, if it has one, and the folder of its data."""

    study_path: Path | None
    folder: Path
    single_file: Path | None = None


def locate(path: str | Path, data: str | Path | None) -> Place:
    """Find the study file and the folder of the data.

    ``path`` is a folder or a study file; ``data`` is a folder that takes the place of the
    folder of the study file, or a file that takes the place of the one file it names.
    """
    path = Path(path)
    if not path.exists():
        raise one_fault("CPI-E001", path.name, "there is no such file or folder", "check the path")
    if path.is_dir():
        study_path = path / STUDY_FILE if (path / STUDY_FILE).exists() else None
        folder = path
    elif path.suffix.lower() == ".toml":
        study_path, folder = path, path.parent
    else:
        raise one_fault(
            "CPI-E007",
            path.name,
            "one data file alone does not say what its columns mean",
            "give a study file, and this file as its data",
            allowed=PACKAGE_SHAPE,
        )
    if data is None:
        return Place(study_path=study_path, folder=folder)
    data = Path(data)
    if data.is_dir():
        return Place(study_path=study_path, folder=data)
    return Place(study_path=study_path, folder=folder, single_file=data)


def resolve_inside(folder: Path, name: str, *, setting: str) -> Path:
    """Return the path of a file that a study file names; refuse what leaves its folder."""
    windows = PureWindowsPath(name)
    is_relative = not (Path(name).is_absolute() or windows.drive or windows.root)
    if is_relative and ".." not in windows.parts and ".." not in Path(name).parts:
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    raise one_fault(
        "CPI-E008",
        STUDY_FILE,
        f"`{setting}` leads out of the folder of the study",
        "move the file into the folder of the study file, or give it as the data of the run",
        allowed="a relative path inside the folder, without `..`",
    )


def read_source_files(study: StudyFile, place: Place) -> tuple[dict[str, RawTable], list[Fault]]:
    """Read every file that a study names; return the tables and what was wrong."""
    tables: dict[str, RawTable] = {}
    faults: list[Fault] = []
    if place.single_file is not None and len(study.files) != 1:
        return {}, [
            Fault(
                code="CPI-E045",
                file=place.single_file.name,
                rule=f"one data file was given, and the study names {len(study.files)} files",
                cure="give the folder that holds them all",
            )
        ]
    for name, part in study.files.items():
        try:
            path = _path_of(name, part, place)
            tables[name] = read_part(path, part)
        except DataError as error:
            faults += error.faults
    return tables, faults


def read_part(path: Path, part: FilePart) -> RawTable:
    """Read one file as a study file says it is written."""
    return read_text_table(
        path, sheet=part.sheet, separator=part.separator, cell_text=part.cell_text
    )


def read_table_files(
    parts: Mapping[str, FilePart], place: Place
) -> tuple[dict[str, RawTable], list[Fault], list[str]]:
    """Read a folder with one file for each table; return tables, faults and notes.

    ``parts`` says how the file of a table is written, where that is not the usual way.
    """
    if place.single_file is not None:
        cure = "give the folder that holds the tables"
        rule = "one data file was given, and the study has a file for each table"
        fault = Fault(code="CPI-E045", file=place.single_file.name, rule=rule, cure=cure)
        return {}, [fault], []
    paths, faults, notes = _find_tables(place.folder)
    tables: dict[str, RawTable] = {}
    for name in {**paths, **parts}:
        part = parts.get(name, FilePart())
        try:
            if name not in TABLES:
                raise DataError(unknown_name("files", name, [*TABLES], "a table", STUDY_FILE))
            file = part.path or (paths[name].name if name in paths else f"{name}.csv")
            path = resolve_inside(place.folder, file, setting=f"files.{name}.path")
            tables[name] = read_part(path, part)
        except DataError as error:
            faults += (replace(fault, table=name) for fault in error.faults)
    return tables, faults, notes


def _path_of(name: str, part: FilePart, place: Place) -> Path:
    if place.single_file is not None:
        return place.single_file
    if part.path is None:
        raise one_fault(
            "CPI-E001",
            STUDY_FILE,
            f"the study does not say where the file `{name}` is",
            f"give it when the study is run (--data, or data=), or add `path` to [files.{name}]",
        )
    return resolve_inside(place.folder, part.path, setting=f"files.{name}.path")


def _find_tables(folder: Path) -> tuple[dict[str, Path], list[Fault], list[str]]:
    found: dict[str, Path] = {}
    faults: list[Fault] = []
    notes: list[str] = []
    strangers: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem not in TABLES:
            strangers.append(path)
        elif path.stem in found:
            faults.append(
                Fault(
                    code="CPI-E016",
                    file=path.name,
                    rule=f"the table {path.stem} also stands in {found[path.stem].name}",
                    cure="keep one of the two files",
                )
            )
        else:
            found[path.stem] = path
    for path in strangers:
        close = difflib.get_close_matches(path.stem.lower(), [*TABLES], n=1, cutoff=0.8)
        if close and close[0] not in found:
            faults.append(
                Fault(
                    code="CPI-E016",
                    file=path.name,
                    rule="the name of the file is not the name of a table",
                    cure=f"rename it to {close[0]}{path.suffix.lower()}, or move it elsewhere",
                    allowed=", ".join(TABLES),
                )
            )
        else:
            notes.append(f"{path.name} is not a table of the model and was not read")
    return found, faults, notes
