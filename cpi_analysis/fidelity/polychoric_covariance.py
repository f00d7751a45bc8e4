"""Sampling variances of thresholds and polychoric correlations, from influence functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from cpi_analysis.fidelity.polychoric_pairs import (
    PairTables,
    compute_cell_probabilities,
    compute_cell_slopes,
)

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Influence:
    """What one answer, or one pair of answers, does to the estimates.

    Parameters
    ----------
    of_item
        Items × (levels + 1) × (levels − 1): effect of an answer on the thresholds of its item;
        the last level stands for a missing answer and is zero.
    of_pair
        Pairs × (levels + 1) × (levels + 1): effect of two answers on the correlation.
    std_error
        Per pair, the standard error of the correlation.
    """

    of_item: Array
    of_pair: Array
    std_error: Array


def compute_influence(
    tables: PairTables, rho: Array, item_counts: Array, n_categories: Codes
) -> Influence:
    """Return the influence of every answer on the thresholds and the correlations.

    Parameters
    ----------
    tables, rho
        Cross-tables of the pairs and their correlations.
    item_counts
        Items × levels: answers to each item alone, whoever answered the other items.
    n_categories
        Per item.

    Notes
    -----
    The thresholds solve Σ uₐ = 0 and the correlations Σ sₐᵦ(ρ, τ) = 0, where u and s are the
    derivatives of a person's log-likelihoods. A person's influence on (τ, ρ) is A⁻¹ (u, s), A
    being lower triangular, with the cross-products of the derivatives in place of the
    expected second derivatives; the covariance is the sum of the squared influences. The
    standard error thus includes that the thresholds are estimated. A person who answered one
    item of a pair moves the correlation through the thresholds of that item only.

    References
    ----------
    Muthén B. Psychometrika 1984;49:115-132.
    """
    item_effects = _influence_of_items(tables, item_counts, n_categories)
    probability = compute_cell_probabilities(tables, rho)
    counts = tables.counts
    is_there = counts > 0
    safe = np.where(is_there, probability, 1.0)
    score = np.where(is_there, compute_cell_slopes(tables, rho) / safe, 0.0)
    information = (counts * score**2).sum(axis=(1, 2))
    weight = counts * score / safe
    cross_1, cross_2 = _cross_products(tables, rho, weight)
    # A person's influence through the thresholds: their effects times the cross-products.
    through_1 = _weigh(item_effects[tables.first], cross_1)
    through_2 = _weigh(item_effects[tables.second], cross_2)
    through = through_1[:, :, None] + through_2[:, None, :]
    of_pair = -through
    of_pair[:, :-1, :-1] += score
    # Without information (a correlation of ±1) there is no influence to speak of.
    of_pair /= np.where(information > 0, information, np.nan)[:, None, None]
    all_counts = _complete_counts(tables, item_counts)
    variance = (all_counts * of_pair**2).sum(axis=(1, 2))
    return Influence(of_item=item_effects, of_pair=of_pair, std_error=np.sqrt(variance))


def compute_asymptotic_covariance(codes: Codes, influence: Influence, n_categories: Codes) -> Array:
    """Return the covariance of all thresholds, item by item, and then of all correlations.

    Parameters
    ----------
    codes
        People × items; −1 is a missing answer.
    influence
        From :func:`compute_influence`.
    n_categories
        Per item.
    """
    first, second = np.triu_indices(codes.shape[1], 1)
    blocks = [
        influence.of_item[item, codes[:, item], : n_categories[item] - 1]
        for item in range(codes.shape[1])
    ]
    # The code −1 reaches the last level, which stands for a missing answer.
    n_levels = influence.of_pair.shape[1]
    by_cell = influence.of_pair.reshape(len(first), -1)
    wrapped = np.where(codes < 0, n_levels - 1, codes).T
    flat = wrapped[first] * n_levels + wrapped[second]
    blocks.append(np.take_along_axis(by_cell, flat, axis=1).T)
    person = np.concatenate(blocks, axis=1)
    return np.asarray(person.T @ person)


def _influence_of_items(tables: PairTables, item_counts: Array, n_categories: Codes) -> Array:
    """Return influences, items × (levels + 1) × thresholds; the last level is for missing."""
    n_items, n_levels = item_counts.shape
    share = item_counts / item_counts.sum(axis=1, keepdims=True)
    height = np.exp(-(tables.thresholds**2) / 2) / np.sqrt(2 * np.pi)
    safe = np.where(share > 0, share, 1.0)
    scores = np.zeros((n_items, n_levels, n_levels - 1))
    level = np.arange(n_levels - 1)
    scores[:, level, level] = height / safe[:, :-1]
    scores[:, level + 1, level] = -height / safe[:, 1:]
    is_real = level[None, :] < n_categories[:, None] - 1
    scores *= is_real[:, None, :]
    information = np.einsum("ik,iks,ikt->ist", item_counts, scores, scores)
    information[:, level, level] += ~is_real
    effects = np.zeros((n_items, n_levels + 1, n_levels - 1))
    effects[:, :-1] = scores @ np.linalg.inv(information)
    return effects


def _weigh(effects: Array, cross: Array) -> Array:
    return np.asarray((effects @ cross[:, :, None])[:, :, 0])


def _cross_products(tables: PairTables, rho: Array, weight: Array) -> tuple[Array, Array]:
    """Return Σ n · s(ρ) · s(τ) over the cells, for the thresholds of the first and second item."""
    tau_1, tau_2 = tables.thresholds[tables.first], tables.thresholds[tables.second]
    root = np.sqrt(1 - rho**2)[:, None, None]
    r = rho[:, None, None]
    strip_1 = _strips((tau_2[:, None, :] - r * tau_1[:, :, None]) / root, tau_1)
    strip_2 = _strips((tau_1[:, None, :] - r * tau_2[:, :, None]) / root, tau_2)
    # Raising a threshold moves probability from the cell above it to the cell below it.
    moved_1 = weight[:, :-1, :] - weight[:, 1:, :]
    moved_2 = weight[:, :, :-1] - weight[:, :, 1:]
    first = (strip_1 * moved_1).sum(axis=2)
    second = (strip_2 * moved_2.transpose(0, 2, 1)).sum(axis=2)
    return first, second


def _strips(conditional: Array, tau: Array) -> Array:
    """Return φ(τ) times the share of the other variable between its thresholds."""
    n_pairs, n_thresholds, _ = conditional.shape
    edges = np.zeros((n_pairs, n_thresholds, conditional.shape[2] + 2))
    edges[:, :, 1:-1] = ndtr(conditional)
    edges[:, :, -1] = 1
    height = np.exp(-(tau**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(height[:, :, None] * np.diff(edges, axis=2))


def _complete_counts(tables: PairTables, item_counts: Array) -> Array:
    """Return the tables with a further level for those who answered one of the two items."""
    n_pairs, n_levels, _ = tables.counts.shape
    counts = np.zeros((n_pairs, n_levels + 1, n_levels + 1))
    counts[:, :-1, :-1] = tables.counts
    counts[:, :-1, -1] = item_counts[tables.first] - tables.counts.sum(axis=2)
    counts[:, -1, :-1] = item_counts[tables.second] - tables.counts.sum(axis=1)
    return counts
