"""Files of SPSS, Stata and Parquet, read as text."""

from __future__ import annotations

import importlib
import io
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cpi_analysis.io.labels import TEXT_DTYPE
from cpi_analysis.io.readers.raw import (
    LARGEST_TABLE_CELLS,
    Cells,
    check_headings,
    exact_text,
    one_fault,
    text_column,
)

CellText = Literal["code", "label"]
Flags = npt.NDArray[np.bool_]

SPSS_MARKS = (b"$FL2", b"$FL3")
STATA_MARKS = (
    b"<stata_dta>",
    *(bytes([version]) for version in (*range(104, 106), *range(108, 116))),
)
PARQUET_MARK = b"PAR1"


def read_spss_cells(content: bytes, *, file: str, cell_text: CellText = "code") -> Cells:
    """Read an SPSS file; values that the file declares missing become missing, and are noted."""
    pyreadstat = _import("pyreadstat", extra="spss", file=file)
    _check_mark(content, SPSS_MARKS, file=file, kind="an SPSS file")
    return _read_labelled(pyreadstat, pyreadstat.read_sav, content, file, cell_text)


def read_stata_cells(content: bytes, *, file: str, cell_text: CellText = "code") -> Cells:
    """Read a Stata file; extended missing values (.a to .z) become missing, and are noted."""
    pyreadstat = _import("pyreadstat", extra="spss", file=file)
    _check_mark(content, STATA_MARKS, file=file, kind="a Stata file")
    return _read_labelled(pyreadstat, pyreadstat.read_dta, content, file, cell_text)


def read_parquet_cells(content: bytes, *, file: str) -> Cells:
    """Read a Parquet file, with the checksums of its pages verified where it has them."""
    arrow = _import("pyarrow", extra="parquet", file=file)
    parquet = importlib.import_module("pyarrow.parquet")
    _check_mark(content, (PARQUET_MARK,), file=file, kind="a Parquet file")
    try:
        source = parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True)
        _check_size(source.metadata.num_rows, source.metadata.num_columns, file=file)
        table = source.read()
    except (arrow.ArrowException, OSError, ValueError):
        raise _damaged(file) from None
    headings = tuple(map(str, table.column_names))
    check_headings(headings, file=file)
    columns = tuple(_exact_column(column.to_pandas()) for column in table.columns)
    return _cells(headings, columns, table.num_rows, (), file=file)


def _read_labelled(
    pyreadstat: Any, read: Any, content: bytes, file: str, cell_text: CellText
) -> Cells:
    failures = (
        pyreadstat.ReadstatError,
        pyreadstat.PyreadstatError,
        UnicodeError,
        ValueError,
        OverflowError,
        MemoryError,
    )
    try:
        frame, meta = read(io.BytesIO(content), user_missing=True, output_format="pandas")
    except failures:
        raise _damaged(file) from None
    headings = tuple(map(str, frame.columns))
    check_headings(headings, file=file)
    columns: list[Any] = []
    notes: list[str] = []
    for heading in headings:
        values = frame[heading]
        declared = _declared_missing(values, heading, meta)
        if declared.any():
            notes.append(
                f"{file}: column {heading} has {int(declared.sum())} values that the file "
                "declares missing"
            )
        column = _exact_column(values.mask(declared))
        if cell_text == "label":
            column = _use_labels(column, meta.variable_value_labels.get(heading, {}))
        columns.append(column)
    return _cells(headings, tuple(columns), len(frame), tuple(notes), file=file)


def _declared_missing(values: pd.Series[Any], heading: str, meta: Any) -> Flags:
    """Mark what SPSS ranges, or Stata letters, declare to be missing."""
    flags: Flags = np.zeros(len(values), dtype=bool)
    letters = meta.missing_user_values.get(heading) or []
    if letters:
        flags |= values.isin(letters).to_numpy(dtype=bool)
    for span in meta.missing_ranges.get(heading) or []:
        low, high = span["lo"], span["hi"]
        if isinstance(low, str):
            flags |= (values == low).to_numpy(dtype=bool)
        else:
            numbers = pd.to_numeric(values, errors="coerce")
            flags |= ((numbers >= low) & (numbers <= high)).to_numpy(dtype=bool)
    return flags


def _use_labels(column: pd.Series[Any], labels: dict[Any, str]) -> pd.Series[Any]:
    texts = {exact_text(code): label for code, label in labels.items()}
    return column.map(lambda code: texts.get(code, code), na_action="ignore").astype(column.dtype)


def _exact_column(values: pd.Series[Any]) -> pd.Series[Any]:
    """Write a column as text; a column of numbers only has its different values written."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return text_column(values.tolist())
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    texts = np.array([*(exact_text(value) for value in uniques), np.nan], dtype=object)
    return pd.Series(texts[codes], dtype=object).astype(TEXT_DTYPE)


def _cells(
    headings: tuple[str, ...],
    columns: tuple[Any, ...],
    n_rows: int,
    notes: tuple[str, ...],
    *,
    file: str,
) -> Cells:
    if not n_rows:
        raise one_fault(
            "CPI-E003", file, "the file has columns but no rows", "export the table again"
        )
    _check_size(n_rows, len(headings), file=file)
    return Cells(
        headings=headings,
        columns=columns,
        row_numbers=np.arange(1, n_rows + 1, dtype=np.int64),
        notes=notes,
    )


def _check_size(n_rows: int, n_columns: int, *, file: str) -> None:
    if n_rows * n_columns > LARGEST_TABLE_CELLS:
        raise one_fault(
            "CPI-E008",
            file,
            f"the table has more than {LARGEST_TABLE_CELLS:,} cells",
            "export only the columns of the trial",
        )


def _check_mark(content: bytes, marks: tuple[bytes, ...], *, file: str, kind: str) -> None:
    if not content.startswith(marks):
        raise one_fault(
            "CPI-E007",
            file,
            f"the file is not {kind}, whatever its name says",
            "give it the suffix of its real kind, or export it again",
        )


def _damaged(file: str) -> Exception:
    return one_fault("CPI-E007", file, "the file is damaged or cut short", "export the table again")


def _import(package: str, *, extra: str, file: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise one_fault(
            "CPI-E009",
            file,
            f"the package {package} is needed to read this kind of file",
            f'pip install "cpi-analysis[{extra}]"',
        ) from None
