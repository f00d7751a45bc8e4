"""What was costed and valued, and how: the settings that a reader of an evaluation asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.io.instruments import load_instrument, load_value_set
from cpi_analysis.report import words
from cpi_analysis.report.document import Block, TableExhibit

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import EconomicPlan
    from cpi_analysis.io.trial import TrialData

PERSPECTIVES = {"nhs_pss": "NHS and personal social services", "societal": "societal"}
NOT_STATED = "not stated: it came computed with the data"


def build_settings_block(trial: TrialData, plan: EconomicPlan) -> Block:
    """Return the block with the settings of the economic evaluation.

    Items 8-10, 13-15 of CHEERS 2022 (Husereau et al., Value in Health 25, 3-9), as far as the
    protocol states them; what it does not state is said to be not stated.
    """
    table = pd.DataFrame(_list_settings(trial, plan), columns=["setting", "choice"])
    return Block(
        title="What was costed and valued",
        tables=(
            TableExhibit(
                name="economic_settings",
                title="Settings of the evaluation",
                content=table,
                caption="From the protocol and the interviews.",
            ),
        ),
    )


def _list_settings(trial: TrialData, plan: EconomicPlan) -> Iterator[tuple[str, str]]:
    months = trial.table("timepoints").set_index("timepoint")["months"].astype(float)
    horizon = max(months[name] for name in (*plan.cost_timepoints, *plan.utility_timepoints))
    yield "effect", _phrase_effect(trial, plan, months)
    if plan.utility is not None:
        yield "value set", _phrase_value_set(plan)
    yield "costs", _phrase_costs(trial, plan, months)
    perspective = plan.cost.perspective or NOT_STATED
    yield "perspective", PERSPECTIVES.get(perspective, perspective)
    yield "price year", plan.cost.price_year or NOT_STATED
    yield "recall window", _phrase_recall(trial, plan, months)
    yield "time horizon", f"{horizon:g} months"
    yield "discounting", "none" + (" (none is due within 12 months)" if horizon <= 12 else "")
    yield "adjusted for", _phrase_adjustment(plan)
    yield "missing data", "participants with complete data; nothing imputed"


def _phrase_effect(trial: TrialData, plan: EconomicPlan, months: pd.Series[float]) -> str:
    if plan.effect != "qaly":
        return words.label_of(trial, plan.effect)
    times = ", ".join(f"{months[name]:g}" for name in plan.utility_timepoints)
    return f"QALY: area under the curve of utilities at {times} months"


def _phrase_value_set(plan: EconomicPlan) -> str:
    utility = plan.utility
    if utility is None or utility.value_set is None or utility.instrument is None:
        return NOT_STATED
    value_set, key = load_value_set(utility.value_set), load_instrument(utility.instrument)
    return f"{value_set.title} ({value_set.id}), answers to {key.title}"


def _phrase_costs(trial: TrialData, plan: EconomicPlan, months: pd.Series[float]) -> str:
    times = ", ".join(f"{months[name]:g}" for name in plan.cost_timepoints)
    if plan.cost.measure is not None:
        return (
            f"{words.label_of(trial, plan.cost.measure)}, sum over the interviews at {times} months"
        )
    prices = trial.table("unit_costs")
    verified = int(prices["is_verified"].fillna(False).sum()) if "is_verified" in prices else 0
    return (
        f"service use × unit costs, sum over the interviews at {times} months; {verified} of "
        f"{len(prices)} unit costs are verified"
    )


def _phrase_recall(trial: TrialData, plan: EconomicPlan, months: pd.Series[float]) -> str:
    if not plan.cost.from_service_use:
        return NOT_STATED
    how = {"as_recorded": "as recorded", "scaled_to_interval": "scaled to the interval"}
    choice = how[plan.cost.recall or "as_recorded"]
    visits = trial.table("visits") if trial.has_table("visits") else pd.DataFrame()
    if "recall_months" not in visits:
        return choice
    windows = visits.dropna(subset=["recall_months"]).groupby("timepoint")["recall_months"].unique()
    spoken = "; ".join(
        f"{' or '.join(f'{window:g}' for window in sorted(windows[name].astype(float)))} months "
        f"before the interview at {months[name]:g} months"
        for name in months.index
        if name in windows
    )
    return f"{choice}: {spoken}"


def _phrase_adjustment(plan: EconomicPlan) -> str:
    parts = ["baseline cost and baseline effect"] if plan.adjust_for_baseline else []
    parts += [words.in_words(name) for name in plan.covariates]
    return ", ".join(parts) or "nothing"
