"""From checked answers to scores: which scales, which rule, one row per unit and scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.answers import AnswerMatrix
from cpi_analysis.io.instruments import (
    COMPLETE,
    Instrument,
    Item,
    MissingRule,
    Scale,
    load_instrument,
)
from cpi_analysis.io.instruments.checks import find_proration_problem
from cpi_analysis.io.scoring_rules import score_answers

InstrumentLike = Instrument | str | Path
MissingRuleLike = MissingRule | Literal["complete"]


def as_instrument(instrument: InstrumentLike) -> Instrument:
    """Return the scoring key itself."""
    return instrument if isinstance(instrument, Instrument) else load_instrument(instrument)


def scales_about(key: Instrument, *levels: str) -> tuple[Scale, ...]:
    """Return the scales whose items are about one of the levels."""
    return tuple(scale for scale in key.scales if key.target_level_of(scale) in levels)


def is_row_of(responses: pd.DataFrame, key: Instrument) -> npt.NDArray[np.bool_]:
    """Return which rows are answers to the instrument; all, where no column says so."""
    if "instrument" not in responses.columns:
        return np.ones(len(responses), dtype=bool)
    return (responses["instrument"] == key.answers_from).to_numpy(dtype=bool, na_value=False)


def _rule_for(scale: Scale, items: tuple[Item, ...], rule: MissingRuleLike | None) -> MissingRule:
    if rule is None:
        return scale.missing
    chosen = COMPLETE if rule == "complete" else rule
    if not isinstance(chosen, MissingRule):
        raise DataError(
            Fault(
                code="CPI-E045",
                rule="missing_rule is not one of the allowed choices",
                allowed='"complete" or MissingRule(rule="prorate", minimum_share=...)',
                cure="give one of these, or leave it out to use the key's rule",
            )
        )
    problem = find_proration_problem(scale, items) if chosen.rule == "prorate" else None
    if problem:
        raise DataError(
            Fault(
                code="CPI-E045",
                rule=f"missing_rule cannot be prorate for {scale.measure}: {problem}",
                allowed='"complete"',
                cure="leave missing_rule out",
            )
        )
    return chosen


def build_scores(
    matrix: AnswerMatrix,
    key: Instrument,
    scales: Sequence[Scale],
    rule: MissingRuleLike | None,
) -> pd.DataFrame:
    """Return one row per unit and scale, units first, with ``measure`` and ``value``."""
    column_of = {item: column for column, item in enumerate(key.item_ids)}
    item_of = {item.id: item for item in key.items}
    scores = np.full((len(matrix.units), len(scales)), np.nan)
    for position, scale in enumerate(scales):
        columns = [column_of[item] for item in scale.items]
        items = tuple(item_of[item] for item in scale.items)
        scores[:, position] = score_answers(
            matrix.answers[:, columns],
            scale=scale,
            items=items,
            missing=_rule_for(scale, items, rule),
        )
    table = matrix.units.loc[matrix.units.index.repeat(len(scales))].reset_index(drop=True)
    measures = [scale.measure for scale in scales]
    table["measure"] = pd.Series(measures * len(matrix.units), dtype="str")
    table["value"] = scores.reshape(-1)
    return table
