"""Cells of a text file numbered by their bytes: no text is made of a cell that was seen before."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cpi_analysis.io.labels import make_labels

#: Cells are compared in words of eight bytes; longer cells are compared as texts.
WORD = 8
LONGEST_PACKED = 4 * WORD
_MASKS = np.array([(1 << 8 * n_bytes) - 1 for n_bytes in range(WORD + 1)], dtype=np.uint64)
#: An odd number with its ones well spread, by which words are mixed.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Positions = npt.NDArray[np.int64]


class Packed:
    """The bytes of a text file without zero bytes, ready to be compared word by word."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        # One word starts at every byte; the file is padded so that no cell is too near its end.
        self._words = np.ndarray(
            (len(content) + LONGEST_PACKED - WORD + 1,),
            dtype="<u8",
            buffer=content + bytes(LONGEST_PACKED),
            strides=(1,),
        )

    def column(self, starts: Positions, ends: Positions) -> pd.Series[Any]:
        """Return cells as codes of their different texts; an empty cell is missing."""
        is_filled = ends > starts
        if is_filled.all():
            return make_labels(*self._encode(starts, ends))
        codes = np.full(len(starts), -1, dtype=np.int64)
        codes[is_filled], texts = self._encode(starts[is_filled], ends[is_filled])
        return make_labels(codes, texts)

    def _encode(self, starts: Positions, ends: Positions) -> tuple[Positions, list[str]]:
        if not len(starts):
            return starts, []
        longest = int((ends - starts).max())
        found = self._compare(starts, ends - starts, longest) if longest <= LONGEST_PACKED else None
        if found is None:
            places = zip(starts.tolist(), ends.tolist(), strict=True)
            cells = [self._content[start:end] for start, end in places]
            found = pd.factorize(np.array(cells, dtype=object))
        codes, different = found
        # No cell holds a line end, so that all can be made texts in one go.
        return codes, b"\n".join(different.tolist()).decode().split("\n")

    def _compare(
        self, starts: Positions, lengths: Positions, longest: int
    ) -> tuple[Positions, np.ndarray] | None:
        """Return numbers from 0 that are equal where the bytes are, and the different bytes.

        The words of a cell are mixed into one. Should two cells differ and their mixtures be
        the same, which is seen, there is no answer.
        """
        words = (
            [
                self._words[starts + offset] & _MASKS[np.clip(lengths - offset, 0, WORD)]
                for offset in range(0, longest, WORD)
            ]
            if longest > WORD
            else [self._words[starts] & _MASKS[lengths]]
        )
        mixed = words[0].astype(np.uint64, copy=False)
        for word in words[1:]:
            mixed = mixed * _MULTIPLIER + word
        # A hash table with room for every row is slow when few values are different.
        codes, different = pd.factorize(mixed, size_hint=len(mixed) // 8 + 1)
        block = different[:, np.newaxis]
        if len(words) > 1:
            # Mixtures are numbered as they appear: a number above all before it is new.
            is_new = np.diff(np.maximum.accumulate(codes), prepend=-1) > 0
            block = np.stack([word[is_new] for word in words], axis=1)
            if any((block[codes, place] != word).any() for place, word in enumerate(words)):
                return None
        size = WORD * len(words)
        return codes, np.ascontiguousarray(block, dtype="<u8").view(f"S{size}").ravel()
