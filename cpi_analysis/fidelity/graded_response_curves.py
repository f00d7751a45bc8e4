"""Probabilities of the answers under the graded response model, and their derivatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from cpi_analysis.fidelity.thresholds import Codes

Array = NDArray[np.float64]


def locate_parameters(n_categories: Codes) -> Codes:
    """Return per item where its slope stands among the parameters; its intercepts follow."""
    return np.concatenate([[0], np.cumsum(n_categories)[:-1]])


def compute_probabilities(parameters: Array, n_categories: Codes, points: Array) -> list[Array]:
    """Return per item the probabilities of its categories: categories × points."""
    places = locate_parameters(n_categories)
    return [
        np.exp(compute_log_probabilities(parameters[place : place + count], points))
        for place, count in zip(places, n_categories, strict=True)
    ]


def compute_item_information(parameters: Array, n_categories: Codes, points: Array) -> Array:
    """Return Fisher's information on the trait: items × points."""
    places = locate_parameters(n_categories)
    rows = []
    for place, count in zip(places, n_categories, strict=True):
        block = parameters[place : place + count]
        probability = np.exp(compute_log_probabilities(block, points))
        up, low = _slopes_in_z(block, points)
        rows.append(block[0] ** 2 * (probability * (up + low) ** 2).sum(axis=0))
    return np.array(rows)


def compute_category_derivatives(
    x: Array, n_categories: Codes, points: Array, expected: Array
) -> tuple[Array, Array]:
    """Return scores (points × categories × parameters) and the expected second derivatives."""
    size = len(x)
    scores = np.zeros((len(points), size, size))
    curvature = np.zeros((size, size))
    for place, count in zip(locate_parameters(n_categories), n_categories, strict=True):
        block = slice(place, place + count)
        up, low = _slopes_in_z(x[block], points)
        scores[:, block, place] = (points * (up + low)).T
        for code in range(count):
            if code > 0:
                scores[:, place + code, place + code] = up[code]
            if code < count - 1:
                scores[:, place + code, place + code + 1] = low[code]
        curvature[block, block] = _expected_curvature(x[block], points, expected[block])
    return scores, curvature


def compute_log_probabilities(block: Array, points: Array) -> Array:
    """Return the logarithms of the probabilities of an item's categories: categories × points."""
    z = block[0] * points + block[1:, None]
    logs = np.zeros((len(block), len(points)))
    logs[1:] += log_expit(z)
    logs[:-1] += log_expit(-z)
    logs[1:-1] += np.log(-np.expm1(np.diff(block[1:])))[:, None]
    return logs


def _slopes_in_z(block: Array, points: Array) -> tuple[Array, Array]:
    """Return the derivatives of log P by the upper and the lower z of each category."""
    z = block[0] * points + block[1:, None]
    up, low = np.zeros((2, len(block), len(points)))
    up[1:] = expit(-z)
    low[:-1] = -expit(z)
    between = 1 / np.expm1(-np.diff(block[1:]))[:, None]
    up[1:-1] += between
    low[1:-1] -= between
    return up, low


def _expected_curvature(block: Array, points: Array, expected: Array) -> Array:
    """Return Σ over categories and points of expected count × second derivatives of log P."""
    count = len(block)
    z = block[0] * points + block[1:, None]
    spread = expit(z) * expit(-z)
    # Each z is the upper one of its category and the lower one of the category before.
    weight = -spread * (expected[1:] + expected[:-1])
    gaps = -np.diff(block[1:])
    bend = expected[1:-1].sum(axis=1) * np.exp(gaps) / np.expm1(gaps) ** 2
    matrix = np.zeros((count, count))
    matrix[0, 0] = (weight * points**2).sum()
    matrix[0, 1:] = matrix[1:, 0] = weight @ points
    inner = np.diag(weight.sum(axis=1))
    index = np.arange(count - 2)
    inner[index, index] -= bend
    inner[index + 1, index + 1] -= bend
    inner[index, index + 1] += bend
    inner[index + 1, index] += bend
    matrix[1:, 1:] = inner
    return matrix
