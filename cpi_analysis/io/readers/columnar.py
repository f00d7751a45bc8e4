"""Columns of a plain text file as codes of their different texts, read by pyarrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cpi_analysis.io.labels import make_labels

#: Bytes that one thread reads at a time.
BLOCK_SIZE = 1 << 22
#: Rows at the top of a column from which it is judged whether equal cells stand together.
SAMPLE_ROWS = 4096


def read_columns(
    content: bytes, *, n_columns: int, separator: str
) -> tuple[pd.Series[Any], ...] | None:
    """Return the columns of text without quotation marks, below its header.

    Parameters
    ----------
    content
        Bytes of UTF-8 text, checked to be so, whose lines end in a line feed; at most one at
        the end of the text.
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
    if n_columns < 2 or b"\n\n" in content or not 0 < content.find(b"\n") < len(content) - 1:
        # A blank line would be read as a row of empty cells.
        return None
    names = [str(number) for number in range(n_columns)]
    try:
        table = csv.read_csv(
            pa.BufferReader(content),
            read_options=csv.ReadOptions(column_names=names, skip_rows=1, block_size=BLOCK_SIZE),
            parse_options=csv.ParseOptions(
                delimiter=separator, quote_char=False, ignore_empty_lines=False
            ),
            # Bytes, not text: the encoding is checked already, and each text is decoded once.
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return tuple(make_labels(*_number(_one_array(table.column(name)))) for name in names)


def _one_array(column: Any) -> Any:
    array = column.combine_chunks()
    return array.chunk(0) if hasattr(array, "chunk") else array


def _number(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return cells as codes of their different texts, and these.

    Where equal cells stand together, as the people of a long table do, only the first of each
    run is looked up.
    """
    from pyarrow import compute

    sample = cells.slice(0, SAMPLE_ROWS)
    if 2 * len(compute.run_end_encode(sample).values) > len(sample):
        return _encode(cells)
    runs = compute.run_end_encode(cells)
    codes, texts = _encode(runs.values)
    return np.repeat(codes, np.diff(runs.run_ends.to_numpy(), prepend=0)), texts


def _encode(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    encoded = cells.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, encoded.dictionary.cast("string").to_numpy(zero_copy_only=False)
