"""Where a row of a long table stood in its file: the row, and the column of its value.

When columns that stand side by side are put under one another, the number of a row alone no
longer says which cell it was. Both are kept in one whole number, so that every check reports
rows as it always does; the load takes them apart again when it says the faults.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: More rows than any file has.
_ROWS = 2**40


def pack_rows(rows: np.ndarray, column: int) -> np.ndarray:
    """Return rows with the number of their column, counted from 0.

    Examples
    --------
    >>> unpack_rows(pack_rows(np.array([2, 3]), 5).tolist())
    {5: (2, 3)}
    """
    return rows + (column + 1) * _ROWS


def unpack_rows(rows: Sequence[int]) -> dict[int | None, tuple[int, ...]]:
    """Return the rows by the number of their column; those without one under None.

    Examples
    --------
    >>> unpack_rows((7, 4, 7))
    {None: (4, 7)}
    """
    numbers = np.unique(np.asarray(rows, dtype=np.int64))
    columns, plain = np.divmod(numbers, _ROWS)
    return {
        int(column) - 1 if column else None: tuple(plain[columns == column].tolist())
        for column in np.unique(columns)
    }
