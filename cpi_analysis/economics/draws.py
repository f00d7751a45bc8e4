"""Draws of cost and effect in one shape, whoever made them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_columns, find_rows
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.errors import DataError, Fault

FloatArray = NDArray[np.float64]

_DELTA_COLUMNS = ("delta_cost", "delta_effect")
_STRATEGY_COLUMNS = ("draw", "strategy", "cost", "effect")


@dataclass(frozen=True, kw_only=True, eq=False)
class StrategyDraws:
    """Cost and effect of each strategy in each draw.

    Parameters
    ----------
    strategies
        Names, in order of appearance; target before reference for differences.
    cost, effect
        Shape (draws, strategies). From differences, the reference has zeros.
    is_difference
        The draws were given as differences between two groups.
    effect_label
        What the effect is called; None when the draws do not say.
    """

    strategies: tuple[str, ...]
    cost: FloatArray
    effect: FloatArray
    is_difference: bool
    effect_label: str | None = None

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return int(self.cost.shape[0])

    @property
    def means(self) -> tuple[FloatArray, FloatArray]:
        """Mean cost and mean effect of each strategy."""
        return self.cost.mean(axis=0), self.effect.mean(axis=0)

    def repeat_names(self, times: int) -> pd.Series:
        """Return the names of all strategies, as often as asked, for a column of a table."""
        places = np.tile(np.arange(len(self.strategies)), times)
        return pd.Series(self.strategies).take(places).reset_index(drop=True)


def arrange_draws(
    draws: pd.DataFrame | IncrementalResult,
    *,
    target: str | None = None,
    reference: str | None = None,
) -> StrategyDraws:
    """Return draws of either shape as arrays.

    Parameters
    ----------
    draws
        Columns ``delta_cost, delta_effect`` (target minus reference), or ``draw, strategy,
        cost, effect``, or the result of an incremental analysis.
    target, reference
        Names of the two groups when the draws are differences; those of the analysis that
        made the draws when not given.
    """
    if isinstance(draws, IncrementalResult):
        target, reference, draws = draws.target, draws.reference, draws.draws
    if set(_DELTA_COLUMNS) <= set(draws.columns):
        known = [column for column in ("draw", *_DELTA_COLUMNS) if column in draws.columns]
        check_columns(draws, known, table="draws")
        _check_values(draws, _DELTA_COLUMNS)
        _check_draw_once(draws)
        zeros = np.zeros(len(draws))
        return StrategyDraws(
            strategies=(
                target or draws.attrs.get("target", "target"),
                reference or draws.attrs.get("reference", "reference"),
            ),
            # One strategy after the other in memory: everything is done by strategy.
            cost=np.array([draws["delta_cost"].to_numpy(dtype=float), zeros]).T,
            effect=np.array([draws["delta_effect"].to_numpy(dtype=float), zeros]).T,
            is_difference=True,
            effect_label=draws.attrs.get("effect_label"),
        )
    if set(_STRATEGY_COLUMNS) <= set(draws.columns):
        return _arrange_strategies(draws)
    raise DataError(
        Fault(
            code="CPI-E011",
            table="draws",
            rule="draws are differences between two groups, or the values of each strategy",
            cure="give one of the two sets of columns",
            allowed="draw, delta_cost, delta_effect; or draw, strategy, cost, effect",
        )
    )


def arrange_difference(
    draws: pd.DataFrame | IncrementalResult, *, target: str | None, reference: str | None
) -> tuple[FloatArray, tuple[str, str], str | None]:
    """Return draws of the differences between two strategies, shape (draws, 2): cost, effect.

    With the names of target and reference, and what the effect is called when the draws say.
    Of several strategies the two are named by the caller: which is which is never guessed.
    """
    arranged = arrange_draws(draws, target=target, reference=reference)
    if arranged.is_difference:
        deltas = np.column_stack([arranged.cost[:, 0], arranged.effect[:, 0]])
        names = (arranged.strategies[0], arranged.strategies[1])
        return deltas, names, arranged.effect_label
    target, reference = target or "target", reference or "reference"
    if target == reference or not {target, reference} <= set(arranged.strategies):
        raise DataError(
            Fault(
                code="CPI-E047",
                table="draws",
                column="strategy",
                rule="a difference compares two strategies: which is the target is never guessed",
                cure="name them with target= and reference=",
                allowed=", ".join(arranged.strategies),
            )
        )
    new, old = (arranged.strategies.index(name) for name in (target, reference))
    deltas = np.column_stack(
        [
            arranged.cost[:, new] - arranged.cost[:, old],
            arranged.effect[:, new] - arranged.effect[:, old],
        ]
    )
    return deltas, (target, reference), None


def _arrange_strategies(draws: pd.DataFrame) -> StrategyDraws:
    check_columns(draws, _STRATEGY_COLUMNS, table="draws")
    _check_named(draws, ("draw", "strategy"))
    _check_values(draws, ("cost", "effect"))
    codes, names = pd.factorize(draws["strategy"])
    numbers, labels = pd.factorize(draws["draw"], sort=True)
    position = numbers * len(names) + codes
    tally = np.bincount(position, minlength=len(labels) * len(names))
    if (tally != 1).any() or len(names) < 2:
        raise DataError(
            Fault(
                code="CPI-E013",
                table="draws",
                column="draw, strategy",
                rule="every draw has each strategy once, and there are two strategies or more",
                cure="complete the draws, or remove repeated rows",
            )
        )
    order = np.argsort(position, kind="stable")
    shape = (len(labels), len(names))
    return StrategyDraws(
        strategies=tuple(map(str, names)),
        cost=np.asfortranarray(draws["cost"].to_numpy(dtype=float)[order].reshape(shape)),
        effect=np.asfortranarray(draws["effect"].to_numpy(dtype=float)[order].reshape(shape)),
        is_difference=False,
    )


def _check_draw_once(draws: pd.DataFrame) -> None:
    if "draw" not in draws.columns:
        return
    _check_named(draws, ("draw",))
    repeated = draws["draw"].duplicated()
    if repeated.any():
        raise DataError(
            Fault(
                code="CPI-E013",
                table="draws",
                column="draw",
                rows=find_rows(repeated),
                rule="every draw occurs once",
                cure="remove the repeated rows, or number the draws of several analyses anew",
            )
        )


def _check_named(draws: pd.DataFrame, columns: tuple[str, ...]) -> None:
    faults = [
        Fault(
            code="CPI-E014",
            table="draws",
            column=column,
            rows=find_rows(draws[column].isna()),
            rule="every row says which draw and which strategy it belongs to",
            cure="fill in the cells",
        )
        for column in columns
        if draws[column].isna().any()
    ]
    if faults:
        raise DataError(faults)


def _check_values(draws: pd.DataFrame, columns: tuple[str, ...]) -> None:
    faults = []
    if draws.empty:
        faults.append(
            Fault(
                code="CPI-E003",
                table="draws",
                rule="there are no draws",
                cure="give the draws of an incremental analysis",
            )
        )
    for column in columns:
        if not pd.api.types.is_numeric_dtype(draws[column]):
            faults.append(
                Fault(
                    code="CPI-E020",
                    table="draws",
                    column=column,
                    rule="draws must be finite numbers",
                    cure="give a numeric column",
                )
            )
            continue
        broken = ~np.isfinite(draws[column].to_numpy(dtype=float, na_value=np.nan))
        if broken.any():
            faults.append(
                Fault(
                    code="CPI-E024",
                    table="draws",
                    column=column,
                    rows=find_rows(broken),
                    rule="draws must be finite numbers",
                    cure="find out why these draws could not be computed",
                    allowed="finite numbers",
                )
            )
    if faults:
        raise DataError(faults)
