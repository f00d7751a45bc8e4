"""Eigenvalues of answers that have nothing in common, for parallel analysis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.fidelity.item_correlations import correlate_centred
from cpi_analysis.fidelity.polychoric_matrix import fill_matrix
from cpi_analysis.fidelity.polychoric_pairs import (
    CHUNK,
    PairTables,
    estimate_correlations,
)
from cpi_analysis.fidelity.thresholds import Codes, compute_thresholds, count_pairs

#: Replicates drawn from one random stream.
BLOCK_SIZE = 100

Array = NDArray[np.float64]


def draw_normal_eigenvalues(n_people: int, n_items: int, *, replicates: int, seed: int) -> Array:
    """Return eigenvalues of correlations of independent normal answers: replicates × items.

    Notes
    -----
    The cross-products of n normal answers are a Wishart matrix with n − 1 degrees of freedom. It
    is drawn as TT′, T lower triangular with roots of χ² variables on the diagonal and standard
    normals below, so that no answer is ever drawn.

    References
    ----------
    Horn JL. Psychometrika 1965;30:179-185. Bartlett MS. Proceedings of the Royal Society of
    Edinburgh 1933;53:260-283.

    Examples
    --------
    >>> draw_normal_eigenvalues(50, 4, replicates=3, seed=1).sum(axis=1).round(8).tolist()
    [4.0, 4.0, 4.0]
    """
    df = n_people - 1
    blocks = []
    for rng, size in _streams(replicates, seed):
        triangle = np.tril(rng.normal(size=(size, n_items, n_items)), -1)
        each = np.arange(n_items)
        # With fewer people than items the later rows of the triangle have no length left.
        freedom = np.maximum(df - each, 0)
        triangle[:, each, each] = np.sqrt(rng.chisquare(np.maximum(freedom, 1), (size, n_items)))
        triangle *= np.where(each[None, :] < df, 1.0, 0.0)
        length = np.sqrt((triangle**2).sum(axis=2, keepdims=True))
        unit = triangle / length
        blocks.append(np.linalg.eigvalsh(unit @ unit.transpose(0, 2, 1)))
    return np.concatenate(blocks)[:, ::-1]


def draw_permuted_eigenvalues(answers: Array, *, replicates: int, seed: int) -> Array:
    """Return eigenvalues of Pearson correlations after each item is shuffled over people."""
    is_there = ~np.isnan(answers)
    mean = np.nanmean(answers, axis=0)
    centred = np.where(is_there, answers - mean, np.nan)
    found = np.empty((replicates, answers.shape[1]))
    row = 0
    for rng, size in _streams(replicates, seed):
        for _ in range(size):
            shuffled = rng.permuted(centred, axis=0)
            missing = np.isnan(shuffled)
            weight = (~missing).astype(np.float64)
            matrix = correlate_centred(np.where(missing, 0.0, shuffled), weight)[0]
            # Two items that no two people answered after shuffling say nothing: no correlation.
            found[row] = np.linalg.eigvalsh(np.nan_to_num(matrix))[::-1]
            row += 1
    return found


def draw_polychoric_eigenvalues(
    codes: Codes, n_categories: Codes, *, replicates: int, seed: int
) -> Array:
    """Return eigenvalues of polychoric correlations after each item is shuffled over people.

    Shuffling keeps the shares of the categories, and so the thresholds: they are found once, and
    the pairs of many replicates are solved together.
    """
    n_items, n_levels = codes.shape[1], int(n_categories.max())
    counts = count_pairs(codes, n_levels)
    each, level = np.arange(n_items), np.arange(n_levels)
    thresholds = compute_thresholds(
        counts[each[:, None], level, each[:, None], level], n_categories
    )
    first, second = np.triu_indices(n_items, 1)
    together = max(1, CHUNK // len(first))
    found: list[Array] = []
    for rng, size in _streams(replicates, seed):
        for start in range(0, size, together):
            tables = [
                count_pairs(rng.permuted(codes, axis=0), n_levels)[first, :, second, :]
                for _ in range(min(together, size - start))
            ]
            n_tables = len(tables)
            stacked = PairTables(
                np.tile(first, n_tables),
                np.tile(second, n_tables),
                np.concatenate(tables),
                thresholds,
            )
            rho = estimate_correlations(stacked).reshape(n_tables, -1)
            matrices = np.stack([fill_matrix(one, n_items) for one in rho])
            found.append(np.asarray(np.linalg.eigvalsh(matrices)[:, ::-1], dtype=np.float64))
    return np.concatenate(found)


def _streams(replicates: int, seed: int) -> list[tuple[np.random.Generator, int]]:
    """Return generators with the number of replicates that each of them draws."""
    n_blocks = -(-replicates // BLOCK_SIZE)
    return [
        (
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block,))),
            min(BLOCK_SIZE, replicates - block * BLOCK_SIZE),
        )
        for block in range(n_blocks)
    ]
