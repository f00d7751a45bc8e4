"""The cross-products that a linear mixed model needs, in independent blocks.

Random effects that share a row belong to one block: an agency with its participants is one,
and persons crossed with items are a single large one. Blocks of like size are stacked, so that
the work is done by a few calls whatever their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


class RandomTerm(NamedTuple):
    """Random effects of one grouping: correlated with each other, independent between groups.

    ``columns`` is (n, k), a column of ones for an intercept; ``groups`` has the code of the
    group of each row.
    """

    columns: FloatArray
    groups: IntArray


class Bucket(NamedTuple):
    """Blocks padded to one size.

    ``columns`` (blocks, m) are places among all random effects, or the place after the last
    for padding. ``grams`` (residual groups, blocks, m, m) are Z'Z. ``places`` are the flat
    positions of the entries of G, and ``entries`` which entry of all terms stands there.
    """

    columns: IntArray
    grams: FloatArray
    places: IntArray
    entries: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """Everything about the data that the likelihood needs."""

    n: int
    p: int
    sizes: tuple[int, ...]
    levels: tuple[int, ...]
    scales: tuple[FloatArray, ...]
    response: FloatArray
    design: FloatArray
    joined: FloatArray
    residual_groups: IntArray
    n_residual: int
    counts: FloatArray
    fixed_products: FloatArray
    random_products: FloatArray
    buckets: tuple[Bucket, ...]
    matrix: Any

    @property
    def n_effects(self) -> int:
        """Number of random effects."""
        return int(self.random_products.shape[1])

    @property
    def n_entries(self) -> int:
        """Number of entries of all matrices G, each full."""
        return sum(size**2 for size in self.sizes)


def build_structure(
    response: FloatArray,
    design: FloatArray,
    terms: Sequence[RandomTerm],
    residual_groups: IntArray,
) -> Structure:
    """Return the cross-products, with random columns scaled to a mean square of one."""
    import scipy.sparse as sparse

    n, p = design.shape
    parts, scales, sizes, levels = [], [], [], []
    for term in terms:
        scale = np.sqrt(np.mean(term.columns**2, axis=0))
        k, n_levels = term.columns.shape[1], int(term.groups.max()) + 1
        rows = np.repeat(np.arange(n), k)
        places = (term.groups[:, None] * k + np.arange(k)).ravel()
        values = (term.columns / scale).ravel()
        parts.append(sparse.csr_matrix((values, (rows, places)), shape=(n, n_levels * k)))
        scales.append(scale)
        sizes.append(k)
        levels.append(n_levels)
    Z = sparse.hstack(parts, format="csr")
    n_residual = int(residual_groups.max()) + 1
    joined = np.column_stack([design, response])
    masks = [residual_groups == k for k in range(n_residual)]
    grams = [(Z[mask].T @ Z[mask]).tocoo() for mask in masks]
    return Structure(
        n=n,
        p=p,
        sizes=tuple(sizes),
        levels=tuple(levels),
        scales=tuple(scales),
        response=response,
        design=design,
        joined=joined,
        residual_groups=residual_groups,
        n_residual=n_residual,
        counts=np.array([mask.sum() for mask in masks], dtype=np.float64),
        fixed_products=np.array([joined[mask].T @ joined[mask] for mask in masks]),
        random_products=np.array([Z[mask].T @ joined[mask] for mask in masks]),
        buckets=_build_buckets(Z, grams, tuple(sizes), tuple(levels)),
        matrix=Z,
    )


def _build_buckets(
    Z: Any, grams: Sequence[Any], sizes: tuple[int, ...], levels: tuple[int, ...]
) -> tuple[Bucket, ...]:
    from scipy.sparse.csgraph import connected_components

    total = (Z.T @ Z).tocsr()
    # Effects of one level are correlated, even when their columns never meet in a row.
    term_of, level_of, offset_of = _label_effects(sizes, levels)
    _, linked = connected_components(total, directed=False)
    block_of = _join_levels(np.asarray(linked, dtype=np.intp), term_of, level_of)
    n_blocks = int(block_of.max()) + 1
    order = np.argsort(block_of, kind="stable")
    widths = np.bincount(block_of, minlength=n_blocks)
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    within = np.empty(len(order), dtype=np.intp)
    within[order] = np.arange(len(order)) - np.repeat(starts, widths)
    bucket_of = np.ceil(np.log2(np.maximum(widths, 1)) * 2).astype(np.intp)
    buckets = []
    for kind in np.unique(bucket_of):
        blocks = np.flatnonzero(bucket_of == kind)
        m = int(widths[blocks].max())
        number = np.full(n_blocks, -1, dtype=np.intp)
        number[blocks] = np.arange(len(blocks))
        columns = np.full((len(blocks), m), Z.shape[1], dtype=np.intp)
        mine = np.flatnonzero(number[block_of] >= 0)
        columns[number[block_of[mine]], within[mine]] = mine
        stacked = np.zeros((len(grams), len(blocks), m, m))
        for k, gram in enumerate(grams):
            rows, cols = gram.row, gram.col
            inside = number[block_of[rows]] >= 0
            r, c = rows[inside], cols[inside]
            stacked[k, number[block_of[r]], within[r], within[c]] = gram.data[inside]
        places, entries = _place_entries(columns, Z.shape[1], term_of, level_of, offset_of, sizes)
        buckets.append(Bucket(columns, stacked, places, entries))
    return tuple(buckets)


def _label_effects(
    sizes: tuple[int, ...], levels: tuple[int, ...]
) -> tuple[IntArray, IntArray, IntArray]:
    term_of = np.repeat(np.arange(len(sizes)), [s * n for s, n in zip(sizes, levels, strict=True)])
    level_of = np.concatenate(
        [np.repeat(np.arange(n), s) for s, n in zip(sizes, levels, strict=True)]
    )
    offset_of = np.concatenate(
        [np.tile(np.arange(s), n) for s, n in zip(sizes, levels, strict=True)]
    )
    return term_of, level_of, offset_of


def _join_levels(block_of: IntArray, term_of: IntArray, level_of: IntArray) -> IntArray:
    """Give effects of one level the same block."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = int(block_of.max()) + 1
    same = (np.diff(term_of) == 0) & (np.diff(level_of) == 0)
    links = (block_of[:-1][same], block_of[1:][same])
    graph = coo_matrix((np.ones(len(links[0])), links), shape=(n, n))
    _, joined = connected_components(graph, directed=False)
    return np.asarray(joined[block_of], dtype=np.intp)


def _place_entries(
    columns: IntArray,
    n_effects: int,
    term_of: IntArray,
    level_of: IntArray,
    offset_of: IntArray,
    sizes: tuple[int, ...],
) -> tuple[IntArray, IntArray]:
    """Return where the entries of G stand in the stacked blocks, and which entry it is."""
    starts = np.concatenate([[0], np.cumsum(np.square(sizes))[:-1]]).astype(np.intp)
    n_blocks, m = columns.shape
    widest = max(sizes)
    places, entries = [], []
    # Effects of a level stand side by side: an entry is at most that far from the diagonal.
    for shift in range(-(widest - 1), widest):
        i = np.arange(max(0, -shift), min(m, m - shift))
        left, right = columns[:, i], columns[:, i + shift]
        real = (left < n_effects) & (right < n_effects)
        a, b = np.where(real, left, 0), np.where(real, right, 0)
        real &= (term_of[a] == term_of[b]) & (level_of[a] == level_of[b])
        flat = (np.arange(n_blocks)[:, None] * m + i) * m + i + shift
        size = np.asarray(sizes)[term_of[a]]
        entry = starts[term_of[a]] + offset_of[a] * size + offset_of[b]
        places.append(flat[real])
        entries.append(entry[real])
    return np.concatenate(places), np.concatenate(entries)
