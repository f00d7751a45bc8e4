"""The CHEERS 2022 checklist, filled from the settings and results of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.economics.measures import QALY, read_protocol
from cpi_analysis.errors import DataError, Fault

if TYPE_CHECKING:
    from cpi_analysis.economics.evaluation import EconomicEvaluation
    from cpi_analysis.io.protocol import EconomicPlan
    from cpi_analysis.io.trial import TrialData

NOT_REPORTED = "not reported"

#: Number, section and topic of each item.
ITEMS: tuple[tuple[int, str, str], ...] = (
    (1, "title", "title"),
    (2, "abstract", "abstract"),
    (3, "introduction", "background and objectives"),
    (4, "methods", "health economic analysis plan"),
    (5, "methods", "study population"),
    (6, "methods", "setting and location"),
    (7, "methods", "comparators"),
    (8, "methods", "perspective"),
    (9, "methods", "time horizon"),
    (10, "methods", "discount rate"),
    (11, "methods", "selection of outcomes"),
    (12, "methods", "measurement of outcomes"),
    (13, "methods", "valuation of outcomes"),
    (14, "methods", "measurement and valuation of resources and costs"),
    (15, "methods", "currency, price date and conversion"),
    (16, "methods", "rationale and description of model"),
    (17, "methods", "analytics and assumptions"),
    (18, "methods", "characterising heterogeneity"),
    (19, "methods", "characterising distributional effects"),
    (20, "methods", "characterising uncertainty"),
    (21, "methods", "approach to engagement with patients and others affected"),
    (22, "results", "study parameters"),
    (23, "results", "summary of main results"),
    (24, "results", "effect of uncertainty"),
    (25, "results", "effect of engagement with patients and others affected"),
    (26, "discussion", "findings, limitations, generalisability, current knowledge"),
    (27, "other", "source of funding"),
    (28, "other", "conflicts of interest"),
)

_PERSPECTIVES = {"nhs_pss": "NHS and personal social services", "societal": "societal"}


def build_cheers_table(
    trial: TrialData,
    *,
    evaluation: EconomicEvaluation | None = None,
    statements: Mapping[int, str] | None = None,
) -> pd.DataFrame:
    """Fill the CHEERS 2022 checklist with what the protocol and the results say.

    Parameters
    ----------
    trial
        With a protocol that has an economic plan.
    evaluation
        From :func:`estimate_planned_evaluation`: items 17, 20 and 22 to 24.
    statements
        What only the authors can say, by number of the item, such as ``{27: "NIHR ..."}``;
        goes before what the package would say.

    Returns
    -------
    DataFrame
        ``item, section, topic, is_reported, statement``, 28 rows. What nobody said is
        *not reported*: it is never left blank, and never guessed.

    Raises
    ------
    DataError
        CPI-E045 a statement is for a number that is no item, E047 there is no economic plan.

    References
    ----------
    Husereau D and others (2022). Value in Health 25:3-9.
    """
    given = dict(statements or {})
    unknown = sorted(set(given) - {number for number, _, _ in ITEMS})
    if unknown:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="statements",
                rule="a statement is for an item of the checklist",
                cure="give it the number of its item",
                allowed="1 to 28",
            )
        )
    _, plan = read_protocol(trial)
    found = dict(_state_settings(trial, plan))
    if evaluation is not None:
        found |= dict(_state_results(evaluation))
    texts = found | {number: str(text) for number, text in given.items()}
    return pd.DataFrame(
        [
            {
                "item": number,
                "section": section,
                "topic": topic,
                "is_reported": number in texts,
                "statement": texts.get(number, NOT_REPORTED),
            }
            for number, section, topic in ITEMS
        ]
    )


def _state_settings(trial: TrialData, plan: EconomicPlan) -> Iterator[tuple[int, str]]:
    protocol, _ = read_protocol(trial)
    contrast = protocol.contrast
    timepoints = trial.table("timepoints").set_index("timepoint")["months"].astype(float)
    yield (
        7,
        f"{contrast.target} against {contrast.reference}, by {contrast.variable.replace('_', ' ')}",
    )
    if plan.cost.perspective is not None:
        yield 8, _PERSPECTIVES.get(plan.cost.perspective, plan.cost.perspective)
    used = (*plan.cost_timepoints, *plan.utility_timepoints)
    horizon = max(timepoints[name] for name in used)
    yield 9, f"{horizon:g} months from the baseline interview"
    if horizon <= 12:
        yield 10, "none: nothing happens after month 12"
    if plan.effect == QALY:
        times = ", ".join(f"{timepoints[name]:g}" for name in plan.utility_timepoints)
        yield 11, "quality-adjusted life years"
        yield 12, f"area under the curve of utilities at {times} months"
    else:
        yield 11, plan.effect
        yield 12, f"at {timepoints[plan.cost_timepoints[-1]]:g} months"
    if plan.utility is not None and plan.utility.value_set is not None:
        yield 13, f"value set {plan.utility.value_set}"
    if plan.cost.from_service_use:
        recall = (plan.cost.recall or "").replace("_", " ")
        yield 14, f"use of services times unit costs; recall window {recall}"
    if plan.cost.price_year is not None:
        yield 15, f"pounds sterling, {plan.cost.price_year} prices"
    yield 16, "not applicable: an evaluation within a trial, without a decision model"


def _state_results(evaluation: EconomicEvaluation) -> Iterator[tuple[int, str]]:
    incremental = evaluation.incremental
    yield 17, " ".join([f"{incremental.method}.", *incremental.notes])
    thresholds = ", ".join(f"£{threshold:,.0f}" for threshold in incremental.thresholds)
    yield (
        20,
        f"joint replicates of cost and effect (seed {incremental.seed}); net benefit and "
        f"acceptability at {thresholds} per {incremental.effect_label}",
    )
    agencies = f" in {incremental.n_agencies} agencies" if incremental.n_agencies else ""
    yield (
        22,
        f"{incremental.n_participants} participants{agencies}; every difference has its interval "
        "and standard error in the table of the incremental analysis",
    )
    yield 23, incremental.summary()
    yield 24, evaluation.acceptability.summary()
