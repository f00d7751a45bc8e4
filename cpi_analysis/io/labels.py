"""Columns of text as codes of their different texts, so that each text is looked at once.

Such a column is a categorical of pandas, unordered, whose categories are texts; a missing
cell has the code -1. A table of a million rows seldom has more than some thousand different
texts in a column, so that what is done for each text costs almost nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

#: pandas 3 has a dtype for text; before, text is an object column.
TEXT_DTYPE: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else object


def make_labels(
    codes: np.ndarray,
    texts: Sequence[str] | np.ndarray | pd.Index[Any],
    *,
    index: pd.Index[Any] | None = None,
    name: Hashable = None,
) -> pd.Series[Any]:
    """Return a column from codes and the different texts that they number."""
    # Categories are objects with every version of pandas: text of pyarrow is slow to look up.
    categories = pd.Index(np.asarray(texts, dtype=object), dtype=object)
    labels = pd.Categorical.from_codes(codes, categories, validate=False)
    return pd.Series(labels, index=index, name=name)


def encode(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of text as codes; one that is encoded stays as it is."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return cells
    codes, texts = pd.factorize(cells)
    return make_labels(codes, texts, index=cells.index, name=cells.name)


def split(cells: pd.Series[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of a column of text, and its different texts.

    Examples
    --------
    >>> codes, texts = split(pd.Series(["b", None, "a", "b"]))
    >>> codes.tolist(), texts.tolist()
    ([0, -1, 1, 0], ['b', 'a'])
    """
    labels: Any = encode(cells).array
    return labels.codes, labels.categories.to_numpy(dtype=object)


def spread(values: np.ndarray, codes: np.ndarray, *, missing: Any) -> np.ndarray:
    """Return for each row the value of its text, or ``missing``.

    Examples
    --------
    >>> spread(np.array([1.5, 2.5]), np.array([1, -1, 0]), missing=np.nan).tolist()
    [2.5, nan, 1.5]
    """
    # The code of a missing cell is -1, which takes the last element.
    return np.asarray(np.append(values, np.array(missing, dtype=values.dtype))[codes])


def mark(is_marked: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return for each row whether its text is marked; a missing cell is not."""
    if not is_marked.any():
        return np.zeros(len(codes), dtype=bool)
    return spread(is_marked, codes, missing=False)


def rewrite(cells: pd.Series[Any], texts: Sequence[Any] | np.ndarray) -> pd.Series[Any]:
    """Return a plain column with ``texts`` in place of the different texts of ``cells``."""
    array: Any = pd.Index(np.asarray(texts, dtype=object), dtype=TEXT_DTYPE).array
    plain = array.take(split(cells)[0], allow_fill=True)
    return pd.Series(plain, index=cells.index, name=cells.name)


def decode(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as plain text; one that is not encoded stays as it is."""
    if not isinstance(cells.dtype, pd.CategoricalDtype):
        return cells
    return rewrite(cells, split(cells)[1])


def decode_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with all its columns of text plain."""
    return pd.DataFrame({name: decode(table[name]) for name in table}, index=table.index)


def clear(cells: pd.Series[Any], texts: Iterable[str]) -> pd.Series[Any]:
    """Return an encoded column in which cells with one of ``texts`` are missing."""
    categories = cells.cat.categories
    found = [text for text in dict.fromkeys(texts) if text in categories]
    return cells.cat.remove_categories(found) if found else cells


class PlainTables(Mapping[str, pd.DataFrame]):
    """Tables whose columns of text are made plain when a table is first asked for."""

    def __init__(self, encoded: Mapping[str, pd.DataFrame]) -> None:
        self._encoded = dict(encoded)
        self._plain: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._plain:
            self._plain[name] = decode_table(self._encoded[name])
        return self._plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)

    def count_rows(self, name: str) -> int:
        """Return the number of rows of a table, which needs no text."""
        return len(self._encoded[name])
