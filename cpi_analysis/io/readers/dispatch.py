"""From the suffix of a file to its reader."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cpi_analysis.io.readers.csv_text import read_csv_cells
from cpi_analysis.io.readers.raw import Cells, RawTable, digest, finish, one_fault, read_bytes

#: The kinds of file that can be read.
SUFFIXES = (".csv", ".txt", ".tsv", ".xlsx", ".xlsm", ".xls", ".sav", ".zsav", ".dta", ".parquet")

_MARKS_OF_OTHER_KINDS = {
    b"PK\x03\x04": "a workbook or another zipped file",
    b"\xd0\xcf\x11\xe0": "an old .xls workbook",
    b"PAR1": "a Parquet file",
    b"$FL2": "an SPSS file",
    b"$FL3": "an SPSS file",
    b"<stata_dta>": "a Stata file",
    b"\x1f\x8b": "a compressed file",
    b"%PDF": "a PDF document",
}


def read_text_table(
    path: str | Path,
    *,
    sheet: str | None = None,
    separator: str | None = None,
    cell_text: Literal["code", "label"] = "code",
) -> RawTable:
    r"""Read a file as text, cell by cell, without guessing what a cell means.

    Parameters
    ----------
    path
        A CSV file (UTF-8), Excel workbook, SPSS, Stata or Parquet file.
    sheet
        Sheet of a workbook; needed when it has more than one.
    separator
        Mark between the cells of a text file; a comma unless the suffix is ``.tsv``.
    cell_text
        For SPSS and Stata: whether cells hold the codes or their value labels.

    Returns
    -------
    RawTable
        Text with missing for empty cells, row numbers, digest.

    Raises
    ------
    DataError
        CPI-E001 to E009.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "agencies.csv"
    >>> _ = path.write_text("agency_id,arm\nA1,intervention\nA2,\n")
    >>> read_text_table(path).frame["arm"].isna().tolist()
    [False, True]
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise one_fault(
            "CPI-E007",
            path.name,
            "this kind of file is not read",
            "save the table as CSV with UTF-8 encoding",
            allowed=", ".join(SUFFIXES),
        )
    content = read_bytes(path)
    cells = _read_cells(content, suffix, path.name, sheet, separator, cell_text)
    file = f"{path.name}, sheet {sheet}" if sheet else path.name
    return finish(cells, file=file, sha256=digest(content))


def _read_cells(
    content: bytes,
    suffix: str,
    file: str,
    sheet: str | None,
    separator: str | None,
    cell_text: Literal["code", "label"],
) -> Cells:
    # Readers of binary files are imported when they are needed: they are slow to import.
    if suffix in {".xlsx", ".xlsm", ".xls"}:
        from cpi_analysis.io.readers.excel import read_excel_cells

        return read_excel_cells(content, file=file, sheet=sheet)
    if suffix in {".sav", ".zsav", ".dta", ".parquet"}:
        from cpi_analysis.io.readers import statistical

        if suffix == ".parquet":
            return statistical.read_parquet_cells(content, file=file)
        read = statistical.read_stata_cells if suffix == ".dta" else statistical.read_spss_cells
        return read(content, file=file, cell_text=cell_text)
    for mark, kind in _MARKS_OF_OTHER_KINDS.items():
        if content.startswith(mark):
            raise one_fault(
                "CPI-E007",
                file,
                f"the file is {kind}, not text",
                "give it the suffix of its real kind, or save the table as CSV",
            )
    default = "\t" if suffix == ".tsv" else ","
    return read_csv_cells(content, file=file, separator=separator or default)
