"""Columns of a plain text file as codes of their different texts, read by pyarrow."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cpi_analysis.io.labels import make_labels

#: Bytes that one thread reads at a time.
BLOCK_SIZE = 1 << 22


def read_columns(
    content: bytes, *, n_columns: int, separator: str
) -> tuple[pd.Series[Any], ...] | None:
    """Return the columns of text without quotation marks, below its header.

    Parameters
    ----------
    content
        Bytes of UTF-8 text whose lines end in a line feed, with none at the end.
    n_columns
        How many cells every line must have.
    separator
        Between the cells.

    Returns
    -------
    tuple of Series, or None
        Encoded columns; an empty cell is missing. None when pyarrow is not installed or does
        not accept the lines, as when one has more or fewer cells: another reader says why.
    """
    try:
        import pyarrow as pa
        from pyarrow import csv
    except ImportError:
        return None
    if n_columns < 2 or b"\n\n" in content or b"\n" not in content:
        # A blank line would be read as a row of empty cells.
        return None
    names = [str(number) for number in range(n_columns)]
    text = pa.dictionary(pa.int32(), pa.string())
    try:
        table = csv.read_csv(
            pa.BufferReader(content),
            read_options=csv.ReadOptions(column_names=names, skip_rows=1, block_size=BLOCK_SIZE),
            parse_options=csv.ParseOptions(
                delimiter=separator, quote_char=False, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, text), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid:
        return None
    return tuple(_number(table.column(name)) for name in names)


def _number(column: Any) -> pd.Series[Any]:
    array = column.unify_dictionaries().combine_chunks()
    if not hasattr(array, "dictionary"):
        array = array.chunk(0)
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return make_labels(codes, array.dictionary.to_numpy(zero_copy_only=False))
