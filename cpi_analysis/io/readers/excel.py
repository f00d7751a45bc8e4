"""Excel workbooks, checked before they are opened and read as text."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.xml.functions import iterparse

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.readers.raw import Cells, check_headings, one_fault, text_column

#: What a workbook may unpack to. A sheet of a million cells needs about 40 MB.
LARGEST_UNPACKED_BYTES = 200 * 1024**2
LARGEST_SHEET_CELLS = 5_000_000

ZIP_MARK = b"PK\x03\x04"
OLD_EXCEL_MARK = b"\xd0\xcf\x11\xe0"
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    InvalidFileException,
    KeyError,
    ValueError,
    IndexError,
    AttributeError,
    TypeError,
    EOFError,
    OSError,
    NotImplementedError,
)


@dataclass
class _Extent:
    """How far a sheet reaches, whatever its declared dimension says."""

    last_row: int = 0
    last_column: int = 0
    has_formula: bool = False


def read_excel_cells(content: bytes, *, file: str, sheet: str | None = None) -> Cells:
    """Read one sheet of a workbook; the first row holds the headings.

    The workbook is refused when it would unpack to too much, when a stray cell makes the
    sheet enormous, when cells hold errors or formulas that were never calculated, and when
    cells of the table are merged. Hidden rows and columns are read, and noted.
    """
    if content.startswith(OLD_EXCEL_MARK):
        raise one_fault(
            "CPI-E007",
            file,
            "the file is an old .xls workbook or is protected by a password",
            "open it in Excel and save it as .xlsx without a password",
        )
    if not content.startswith(ZIP_MARK):
        is_html = content.lstrip()[:1] == b"<"
        raise one_fault(
            "CPI-E007",
            file,
            "the file is a web page, not a workbook" if is_html else "the file is not a workbook",
            "open it and save it as .xlsx, or give it the suffix of its real kind",
        )
    try:
        has_formula = _check_size(content, file=file)
        with warnings.catch_warnings():
            # openpyxl warns about parts of a workbook that hold no cells.
            warnings.simplefilter("ignore", UserWarning)
            return _read_sheet(content, file=file, sheet=sheet, has_formula=has_formula)
    except _DAMAGED:
        raise one_fault(
            "CPI-E007", file, "the workbook is damaged or cut short", "export the table again"
        ) from None


def sheet_label(file: str, sheet: str | None) -> str:
    """Return the name of a file with its sheet, for messages."""
    return f"{file}, sheet {sheet}" if sheet else file


def _check_size(content: bytes, *, file: str) -> bool:
    """Refuse a workbook that is too large unpacked; return whether it holds formulas."""
    has_formula = False
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST_UNPACKED_BYTES:
            raise one_fault(
                "CPI-E008",
                file,
                f"the workbook unpacks to more than {LARGEST_UNPACKED_BYTES // 1024**2} MB",
                "save the table as CSV",
            )
        for name in archive.namelist():
            if not (name.startswith("xl/worksheets/") and name.endswith(".xml")):
                continue
            with archive.open(name) as stream:
                extent = _scan_sheet(stream)
            has_formula = has_formula or extent.has_formula
            if extent.last_row * extent.last_column > LARGEST_SHEET_CELLS:
                cell = f"{get_column_letter(extent.last_column)}{extent.last_row}"
                raise one_fault(
                    "CPI-E008",
                    file,
                    f"a sheet reaches as far as cell {cell}",
                    "delete the stray cells far from the table, or save the table as CSV",
                )
    return has_formula


def _scan_sheet(stream: Any) -> _Extent:
    extent = _Extent()
    row = column = 0
    for event, element in iterparse(stream, events=("start", "end")):
        tag = element.tag.rpartition("}")[2]
        if event == "start" and tag == "row":
            row, column = int(element.get("r") or row + 1), 0
        elif event == "end" and tag == "c":
            place = element.get("r")
            row, column = coordinate_to_tuple(place) if place else (row, column + 1)
            extent.last_row = max(extent.last_row, row)
            extent.last_column = max(extent.last_column, column)
        elif event == "end" and tag == "f":
            extent.has_formula = True
        elif event == "end" and tag == "row":
            element.clear()
    return extent


def _read_sheet(content: bytes, *, file: str, sheet: str | None, has_formula: bool) -> Cells:
    book = load_workbook(io.BytesIO(content), data_only=True, keep_links=False)
    page = _choose_sheet(book, file=file, sheet=sheet)
    label = sheet_label(file, sheet)
    rows = [list(row) for row in page.iter_rows()]
    width = max((c.column for row in rows for c in row if c.value is not None), default=0)
    if not width:
        raise one_fault("CPI-E002", label, "the sheet is empty", "export the table again")
    headings = ["" if cell.value is None else str(cell.value) for cell in rows[0][:width]]
    _check_merged(page, width, file=label)
    check_headings(headings, file=label)
    formulas = load_workbook(io.BytesIO(content), keep_links=False) if has_formula else None
    _check_cells(rows, headings, formulas[page.title] if formulas else None, file=label)
    if len(rows) == 1:
        raise one_fault(
            "CPI-E003", label, "the sheet has a header but no rows", "export the table again"
        )
    columns = zip(*([cell.value for cell in row[:width]] for row in rows[1:]), strict=True)
    return Cells(
        headings=tuple(headings),
        columns=tuple(text_column(column) for column in columns),
        row_numbers=np.arange(2, len(rows) + 1, dtype=np.int64),
        notes=_note_hidden(page, file=label),
    )


def _choose_sheet(book: Any, *, file: str, sheet: str | None) -> Any:
    names = [page.title for page in book.worksheets]
    if sheet is None and len(names) == 1:
        return book[names[0]]
    if sheet in names:
        return book[sheet]
    if sheet is None:
        rule = f"the workbook has {len(names)} sheets"
        cure = "name the one to read: `sheet` for this file in study.toml"
        raise one_fault("CPI-E047", file, rule, cure, allowed=", ".join(names))
    rule = "the workbook has no sheet of the name in study.toml"
    raise one_fault("CPI-E041", file, rule, "correct `sheet`", allowed=", ".join(names))


def _check_merged(page: Any, width: int, *, file: str) -> None:
    merged = [span for span in page.merged_cells.ranges if span.min_col <= width]
    if merged:
        raise one_fault(
            "CPI-E005",
            file,
            "cells are merged, so that some rows have no cell of their own",
            "unmerge the cells; keep one row of headings and one row per record",
            rows=sorted({span.min_row for span in merged}),
        )


def _check_cells(rows: list[list[Any]], headings: list[str], formulas: Any, *, file: str) -> None:
    faults = []
    for position, heading in enumerate(headings):
        errors, uncalculated = [], []
        for row in rows[1:]:
            cell = row[position]
            if cell.data_type == "e":
                errors.append(cell.row)
            elif (
                formulas is not None
                and cell.value is None
                and formulas.cell(cell.row, cell.column).data_type == "f"
            ):
                uncalculated.append(cell.row)
        for found, rule in (
            (errors, "a cell holds an error of Excel, such as #REF!"),
            (uncalculated, "a formula has no calculated value"),
        ):
            if found:
                faults.append(
                    Fault(
                        code="CPI-E007",
                        file=file,
                        column=heading,
                        rows=tuple(found),
                        rule=rule,
                        cure="open the workbook in Excel, replace formulas by their values, save",
                    )
                )
    if faults:
        raise DataError(faults)


def _note_hidden(page: Any, *, file: str) -> tuple[str, ...]:
    n_rows = sum(dimension.hidden for dimension in page.row_dimensions.values())
    n_columns = sum(dimension.hidden for dimension in page.column_dimensions.values())
    notes = []
    if n_rows:
        were = "row was" if n_rows == 1 else "rows were"
        notes.append(f"{file}: {n_rows} hidden {were} read")
    if n_columns:
        notes.append(f"{file}: hidden columns were read")
    if page.sheet_state != "visible":
        notes.append(f"{file}: the sheet is hidden")
    return tuple(notes)
