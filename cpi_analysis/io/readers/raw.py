"""What a reader returns, and the checks that every kind of file shares."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.labels import TEXT_DTYPE, encode, mark, split

#: Files larger than this are refused before they are opened.
LARGEST_FILE_BYTES = 200 * 1024**2
#: Tables larger than this are refused before they are unpacked into memory.
LARGEST_TABLE_CELLS = 50_000_000
#: Whole numbers up to here are exact in a double, so that 3.0 may be written as 3.
LARGEST_EXACT_INTEGER = 2**53

_LINE_BREAK = re.compile("[\r\n\v\f]")

RowNumbers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RawTable:
    """The cells of one file as text, and where they stood.

    Parameters
    ----------
    frame
        One column of text per heading, encoded (see :mod:`cpi_analysis.io.labels`); an empty
        cell is missing. Nothing is guessed: ``NA``, ``1.0`` and ``01/02/2013`` are the text
        that the file holds.
    row_numbers
        For each row of ``frame``, its line in a text file or its row in a sheet, as the
        reader sees it (the header is 1).
    file
        Name of the file, with the sheet where there is more than one.
    sha256
        Digest of the bytes that were read.
    line_breaks
        Heading to the row numbers of the cells that go over more than one line.
    notes
        What was accepted but deserves a look, such as hidden rows of a sheet.
    """

    frame: pd.DataFrame
    row_numbers: RowNumbers
    file: str
    sha256: str
    line_breaks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        rows, columns = self.frame.shape
        return f"RawTable({self.file}: {rows} rows, {columns} columns)"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Cells:
    """What the reader of one format found, before it is checked."""

    headings: tuple[str, ...]
    columns: tuple[Any, ...]
    row_numbers: RowNumbers
    notes: tuple[str, ...] = ()
    can_break_lines: bool = True


def read_bytes(path: Path) -> bytes:
    """Read a regular file of bounded size; refuse pipes, devices and folders."""
    try:
        _check_regular(path, os.stat(path))
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            _check_regular(path, status)
            content = stream.read(status.st_size + 1)
            if len(content) > status.st_size:
                # The file grows while it is read.
                content += stream.read(LARGEST_FILE_BYTES + 1 - len(content))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise one_fault(
            "CPI-E001", path.name, f"the file cannot be read ({reason})", "check the path"
        ) from None
    if len(content) > LARGEST_FILE_BYTES:
        raise _too_large(path)
    if not content:
        raise one_fault("CPI-E002", path.name, "the file is empty", "export the table again")
    return content


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(content).hexdigest()


def one_fault(
    code: str,
    file: str,
    rule: str,
    cure: str,
    *,
    rows: Iterable[int] = (),
    column: str | None = None,
    allowed: str | None = None,
) -> DataError:
    """Return a DataError with one fault of a file."""
    return DataError(
        Fault(
            code=code,
            file=file,
            rule=rule,
            cure=cure,
            rows=tuple(int(row) for row in rows),
            column=column,
            allowed=allowed,
        )
    )


def check_headings(headings: Sequence[str], *, file: str) -> None:
    """Raise when a heading is blank or occurs twice.

    Positions are named, not headings: in a file without a header they would be data.
    """
    positions: dict[str, list[int]] = {}
    for position, heading in enumerate(headings, start=1):
        positions.setdefault(heading.strip(), []).append(position)
    faults = []
    blank = positions.pop("", [])
    if blank:
        faults.append(
            Fault(
                code="CPI-E006",
                file=file,
                rows=(1,),
                rule=f"{_phrase_positions(blank)} without a heading",
                cure="give every column a heading, in the first row of the table",
            )
        )
    faults.extend(
        Fault(
            code="CPI-E006",
            file=file,
            rows=(1,),
            rule=f"{_phrase_positions(found)} with the same heading",
            cure="give every column its own heading; remove a column that is there twice",
        )
        for found in positions.values()
        if len(found) > 1
    )
    if faults:
        raise DataError(faults)


def finish(cells: Cells, *, file: str, sha256: str) -> RawTable:
    """Drop empty rows at the end, look for line breaks, and make the table."""
    columns = [encode(column) for column in cells.columns]
    last = max((_last_filled(column) for column in columns), default=0)
    if not last:
        raise one_fault(
            "CPI-E003", file, "the file has a header but no rows", "export the table again"
        )
    index = pd.RangeIndex(len(cells.row_numbers))
    frame = pd.DataFrame(dict(enumerate(columns)), index=index, copy=False)
    frame.columns = pd.Index(cells.headings)
    notes = list(cells.notes)
    if last < len(frame):
        notes.append(f"{file}: {len(frame) - last} empty rows at the end were left out")
    frame, row_numbers = frame.iloc[:last], cells.row_numbers[:last]
    return RawTable(
        frame=frame,
        row_numbers=row_numbers,
        file=file,
        sha256=sha256,
        line_breaks=_find_line_breaks(frame, row_numbers) if cells.can_break_lines else {},
        notes=tuple(notes),
    )


def _last_filled(column: pd.Series[Any]) -> int:
    """Return how many rows there are up to the last that is filled."""
    is_filled = split(column)[0][::-1] >= 0
    return len(column) - int(is_filled.argmax()) if is_filled.any() else 0


def text_column(values: Iterable[Any]) -> pd.Series[Any]:
    """Turn cells of any type into a column of exact text."""
    texts = [np.nan if _is_missing(value) else exact_text(value) for value in values]
    return pd.Series(texts, dtype=object).astype(TEXT_DTYPE)


def exact_text(value: Any) -> str:
    """Write one value as text from which the same value can be read.

    Whole numbers are written without a decimal point, so that identifiers held as numbers
    keep their digits; dates are written as ISO dates.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        number = float(value)
        is_whole = number.is_integer() and abs(number) < LARGEST_EXACT_INTEGER
        return str(int(number)) if is_whole else repr(number)
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time() and value.tzinfo is None
        return value.date().isoformat() if is_day else value.isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or value == "" or value != value


def _find_line_breaks(frame: pd.DataFrame, row_numbers: RowNumbers) -> dict[str, tuple[int, ...]]:
    found = {}
    for position, heading in enumerate(frame.columns):
        codes, texts = split(frame.iloc[:, position])
        is_broken = np.array([bool(_LINE_BREAK.search(text)) for text in texts], dtype=bool)
        broken = mark(is_broken, codes)
        if broken.any():
            found[str(heading)] = tuple(row_numbers[broken].tolist())
    return found


def _check_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise one_fault("CPI-E001", path.name, "this is a folder, not a file", "name a file")
    if not stat.S_ISREG(status.st_mode):
        raise one_fault(
            "CPI-E008", path.name, "this is not an ordinary file", "name a file on disk"
        )
    if status.st_size > LARGEST_FILE_BYTES:
        raise _too_large(path)


def _too_large(path: Path) -> DataError:
    limit = LARGEST_FILE_BYTES // 1024**2
    return one_fault(
        "CPI-E008",
        path.name,
        f"the file is larger than {limit} MB",
        "export only the columns of the trial, or split the tables",
    )


def _phrase_positions(positions: Sequence[int]) -> str:
    word = "column" if len(positions) == 1 else "columns"
    verb = "is" if len(positions) == 1 else "are"
    return f"{word} {', '.join(map(str, positions))} {verb}"
