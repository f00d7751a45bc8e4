"""Acceptability and the value of information at 501 thresholds from 10,000 draws."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.timing import Row, best_of
from cpi_analysis.economics import compute_acceptability, compute_value_of_information
from cpi_analysis.economics.threshold_profile import compute_best_shares, compute_expected_losses

DRAWS, THRESHOLDS = 10_000, np.linspace(0.0, 50_000.0, 501)


def draw_strategies(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    cost = generator.normal(5_000, 800, (DRAWS, count))
    effect = generator.normal(0.6, 0.04, (DRAWS, count))
    return np.asfortranarray(cost), np.asfortranarray(effect)


def loop_over_grid(cost: np.ndarray, effect: np.ndarray) -> None:
    """Do what packages with a grid do: all net benefits at each threshold in turn."""
    for threshold in THRESHOLDS:
        benefit = threshold * effect - cost
        best = benefit.argmax(axis=1)
        np.bincount(best, minlength=benefit.shape[1])
        benefit.max(axis=1).mean() - benefit.mean(axis=0).max()


def compare() -> Iterator[Row]:
    for count in (2, 4):
        cost, effect = draw_strategies(count)

        def kernel(cost: np.ndarray = cost, effect: np.ndarray = effect) -> None:
            compute_best_shares(cost, effect, THRESHOLDS)
            compute_expected_losses(cost, effect, THRESHOLDS)

        def grid(cost: np.ndarray = cost, effect: np.ndarray = effect) -> None:
            loop_over_grid(cost, effect)

        looped = best_of(grid, 3)
        yield Row(
            f"CEAC and EVPI, {count} strategies, arrays",
            best_of(kernel, 10),
            "NumPy at each threshold",
            looped,
            "<= 5 ms",
        )
        if count == 2:
            draws = pd.DataFrame(
                {
                    "draw": np.arange(DRAWS),
                    "delta_cost": cost[:, 0] - cost[:, 1],
                    "delta_effect": effect[:, 0] - effect[:, 1],
                }
            )

            def tables(draws: pd.DataFrame = draws) -> None:
                compute_acceptability(draws, thresholds=list(THRESHOLDS))
                compute_value_of_information(draws, thresholds=list(THRESHOLDS))

            yield Row(
                "CEAC and EVPI, 2 strategies, both results",
                best_of(tables, 10),
                "NumPy at each threshold",
                looped,
                "<= 5 ms",
            )
