"""Text files with separated cells, read strictly."""

from __future__ import annotations

import csv
import io
from collections.abc import Sized
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.labels import encode
from cpi_analysis.io.readers.columnar import read_columns
from cpi_analysis.io.readers.raw import Cells, check_headings, one_fault, text_column

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
REPLACEMENT_CHARACTER = "\N{REPLACEMENT CHARACTER}".encode()
#: A file in UTF-16 has a zero in almost every second byte; a damaged text file has few.
UTF16_SHARE_OF_ZEROS = 0.3

Counts = npt.NDArray[np.int64]


def read_csv_cells(content: bytes, *, file: str, separator: str = ",") -> Cells:
    """Read the cells of a UTF-8 text file.

    A byte-order mark and any kind of line end are accepted. Files without a quotation mark
    are read by pyarrow where it is installed, which refuses a line with more or fewer cells
    than the header; other files go through :mod:`csv` in strict mode. Both give the same
    cells.

    Parameters
    ----------
    content
        Bytes of the file.
    file
        Name for messages.
    separator
        One of comma, semicolon, tab and bar.

    Returns
    -------
    Cells
        Headings, encoded columns of text with missing for empty cells, line numbers.

    Raises
    ------
    DataError
        CPI-E002 to E007, with line numbers.
    """
    content = _check_encoding(content, file=file)
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if content.endswith(b"\n\n"):
        content = content.rstrip(b"\n")
    if not content or content.isspace():
        raise one_fault("CPI-E002", file, "the file holds only white space", "export it again")
    _check_separator(_first_line(content), file=file, separator=separator)
    if b'"' in content:
        return read_quoted(content.decode(), file=file, separator=separator)
    return read_unquoted(content, file=file, separator=separator)


def read_unquoted(content: bytes, *, file: str, separator: str) -> Cells:
    """Read text that holds no quotation mark (lines end in a line feed, the last may not)."""
    headings = tuple(_first_line(content).split(separator))
    check_headings(headings, file=file)
    columns = read_columns(content, n_columns=len(headings), separator=separator)
    if columns is None:
        n_cells = _count_cells(content, separator)
        _check_shape(n_cells, _lines_from_second(n_cells), n_columns=len(headings), file=file)
        return read_quoted(content.decode(), file=file, separator=separator)
    return Cells(
        headings=headings,
        columns=columns,
        row_numbers=_lines_from_second(columns[0]),
        can_break_lines=False,
    )


def _first_line(content: bytes) -> str:
    end = content.find(b"\n")
    return (content if end < 0 else content[:end]).decode()


def _lines_from_second(rows: Sized) -> Counts:
    return np.arange(2, len(rows) + 2, dtype=np.int64)


def _count_cells(content: bytes, separator: str) -> Counts:
    """Return the number of cells of each line after the header; a blank line has none."""
    lines = content.removesuffix(b"\n").split(b"\n")[1:]
    mark = separator.encode()
    counts = [line.count(mark) + 1 if line else 0 for line in lines]
    return np.array(counts, dtype=np.int64)


def read_quoted(text: str, *, file: str, separator: str) -> Cells:
    """Read text with quotation marks by the strict reader of the standard library."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[list[str]] = []
    starts: list[int] = []
    start = 1
    try:
        for record in reader:
            records.append(record)
            starts.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        _refuse_quotes(error, start, file=file)
    headings = tuple(records[0])
    check_headings(headings, file=file)
    row_numbers = np.array(starts[1:], dtype=np.int64)
    n_cells = np.array([len(record) for record in records[1:]], dtype=np.int64)
    _check_shape(n_cells, row_numbers, n_columns=len(headings), file=file)
    return Cells(
        headings=headings,
        columns=tuple(encode(text_column(column)) for column in zip(*records[1:], strict=True)),
        row_numbers=row_numbers,
    )


def _check_encoding(content: bytes, *, file: str) -> bytes:
    cure = "save it again as CSV with UTF-8 encoding"
    zeros = content.count(0) if b"\0" in content else 0
    if content.startswith(UTF16_MARKS) or (
        UTF16_SHARE_OF_ZEROS < zeros / max(len(content), 1) < 1 - UTF16_SHARE_OF_ZEROS
    ):
        raise one_fault("CPI-E004", file, "the file is encoded as UTF-16, not UTF-8", cure)
    if zeros:
        rows = _lines_with(content, b"\0")
        raise one_fault(
            "CPI-E007",
            file,
            "the file holds zero bytes: it is damaged or not text",
            "export the table again",
            rows=rows,
        )
    if content.isascii():
        return content
    content = content.removeprefix(UTF8_MARK)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise one_fault(
            "CPI-E004", file, "a character is not encoded as UTF-8", cure, rows=(row,)
        ) from None
    if REPLACEMENT_CHARACTER in content:
        raise one_fault(
            "CPI-E004",
            file,
            "a character was lost when the file was converted earlier",
            "export the table again from its source, with UTF-8 encoding",
            rows=_lines_with(content, REPLACEMENT_CHARACTER),
        )
    return content


def _check_separator(header: str, *, file: str, separator: str) -> None:
    if separator in header:
        return
    other = next((mark for mark in SEPARATORS if mark in header), None)
    if other is not None:
        raise one_fault(
            "CPI-E007",
            file,
            f"the header holds no {SEPARATORS[separator]}; "
            f"its cells seem to be separated by a {SEPARATORS[other]}",
            f"set separator = {_toml_text(other)} for this file in study.toml, "
            "or save it with commas",
        )


def _check_shape(n_cells: Counts, row_numbers: Counts, *, n_columns: int, file: str) -> None:
    if not len(n_cells):
        raise one_fault("CPI-E003", file, "the file has a header but no rows", "export it again")
    problems = (
        (n_cells == 0, "a line between the rows is blank", "remove the blank line"),
        (
            (n_cells > 0) & (n_cells < n_columns),
            "the row has fewer cells than the header",
            "look for a missing separator or a file that was cut short",
        ),
        (
            n_cells > n_columns,
            "the row has more cells than the header",
            "look for a separator inside a cell (put the cell in quotation marks) "
            "and for lines above the header",
        ),
    )
    faults = [
        Fault(
            code="CPI-E005",
            file=file,
            rows=tuple(row_numbers[is_wrong].tolist()),
            rule=rule,
            cure=cure,
            allowed=f"{n_columns} cells in every row",
        )
        for is_wrong, rule, cure in problems
        if is_wrong.any()
    ]
    if faults:
        raise DataError(faults)


def _refuse_quotes(error: csv.Error, row: int, *, file: str) -> NoReturn:
    is_open = "end of data" in str(error)
    rule = (
        "a quotation mark is opened and never closed"
        if is_open
        else "a quotation mark inside a cell is not doubled, or the cell is far too long"
    )
    raise one_fault(
        "CPI-E005", file, rule, "close the quotation mark, or export the table again", rows=(row,)
    ) from None


def _lines_with(content: bytes, mark: bytes) -> list[int]:
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [number for number, line in enumerate(lines, start=1) if mark in line]


def _toml_text(mark: str) -> str:
    return '"\\t"' if mark == "\t" else f'"{mark}"'
