"""Scores from answers: long tables of answers in, tidy measurements out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.answers import build_answer_matrix
from cpi_analysis.io.instruments import Instrument, load_instrument
from cpi_analysis.io.score_tables import (
    InstrumentLike,
    MissingRuleLike,
    as_instrument,
    build_scores,
    is_row_of,
    scales_about,
)
from cpi_analysis.io.utilities import compute_utilities

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData

__all__ = [
    "build_measures",
    "compute_agency_scores",
    "compute_scores",
    "compute_utilities",
    "derive_scores",
]

SCORE_UNITS = ("participant_id", "timepoint")


def compute_scores(
    responses: pd.DataFrame,
    *,
    instrument: InstrumentLike,
    missing_rule: MissingRuleLike | None = None,
) -> pd.DataFrame:
    """Return the scores of an instrument, one row per person, timepoint and scale.

    Parameters
    ----------
    responses
        Columns ``participant_id``, ``timepoint``, ``item``, ``answer`` and, optionally,
        ``instrument``: then only the rows of the instrument whose answers are scored count.
        A missing item is a row with a missing answer, or no row.
    instrument
        A scoring key, its name, or the path of its file.
    missing_rule
        Rule for missing items in place of the key's: ``"complete"`` or a
        :class:`~cpi_analysis.io.instruments.MissingRule`.

    Returns
    -------
    DataFrame
        ``participant_id``, ``timepoint``, ``measure``, ``value``. Every person and timepoint
        with at least one row has a row for each scale; ``value`` is missing where the rule
        for missing items gives no score. Sorted by person and timepoint; the scales are in
        the order of the key. Empty for a profile such as EQ-5D, which has no scale.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, CPI-E013 an answer occurs twice, CPI-E036 an answer is
        outside the range of its item, CPI-E037 an item is not of the instrument, CPI-E045 the
        rule does not fit the scale, or the scales are not about participants.

    Notes
    -----
    Reversed items are scored as minimum + maximum − answer in the declared range. How the
    items of a scale are combined is in :func:`cpi_analysis.io.scoring_rules.score_answers`.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame(
    ...     {
    ...         "participant_id": "P1",
    ...         "timepoint": "baseline",
    ...         "item": ["spin_06", "spin_09", "spin_15"],
    ...         "answer": [1, 2, 4],
    ...     }
    ... )
    >>> compute_scores(answers, instrument="mini_spin")["value"].tolist()
    [7.0]
    """
    key = as_instrument(instrument)
    scales = scales_about(key, "participant", "worker")
    if key.scales and not scales:
        raise DataError(
            Fault(
                code="CPI-E045",
                rule=f"the scales of {key.id} are about agencies, not participants",
                cure="use compute_agency_scores for the answers of agencies",
            )
        )
    matrix = build_answer_matrix(
        responses,
        units=SCORE_UNITS,
        answer="answer",
        instrument=key,
        chosen=is_row_of(responses, key),
    )
    return build_scores(matrix, key, scales, missing_rule)


def compute_agency_scores(
    scoping_answers: pd.DataFrame,
    *,
    instrument: InstrumentLike,
    missing_rule: MissingRuleLike | None = None,
) -> pd.DataFrame:
    """Return the scores of an agency questionnaire, one row per agency and scale.

    Parameters
    ----------
    scoping_answers
        Columns ``agency_id``, ``item``, ``rating``.
    instrument, missing_rule
        As in :func:`compute_scores`.

    Returns
    -------
    DataFrame
        ``agency_id``, ``measure``, ``value``.

    Raises
    ------
    DataError
        As in :func:`compute_scores`.
    """
    key = as_instrument(instrument)
    matrix = build_answer_matrix(
        scoping_answers, units=("agency_id",), answer="rating", instrument=key
    )
    return build_scores(matrix, key, scales_about(key, "agency"), missing_rule)


def build_measures(instrument: InstrumentLike) -> pd.DataFrame:
    """Return the dictionary rows of an instrument's scales.

    Returns
    -------
    DataFrame
        ``measure``, ``label``, ``unit``, ``minimum``, ``maximum``, ``is_higher_better``. The
        label ends with the least trusted mark among the scale's elements: [V] verified,
        [D] derived, [R] recalled, [A] assumed.

    Examples
    --------
    >>> build_measures("wemwbs")["label"].tolist()
    ['Mental well-being (WEMWBS) [V]']
    """
    key = as_instrument(instrument)
    return pd.DataFrame(
        [
            {
                "measure": scale.measure,
                "label": f"{scale.label} [{key.status_of(scale)}]",
                "unit": scale.unit,
                "minimum": scale.minimum,
                "maximum": scale.maximum,
                "is_higher_better": scale.is_higher_better,
            }
            for scale in key.scales
        ],
        columns=["measure", "label", "unit", "minimum", "maximum", "is_higher_better"],
    )


def derive_scores(trial: TrialData) -> TrialData:
    """Return the trial with the scores of its protocol's instruments as measurements.

    An instrument without answers in ``responses``, or without scales, is passed over. Where
    the trial has ``visits``, a person expected at a timepoint at which the instrument was used
    has a row even when nothing was answered, so that the missing assessment can be counted.

    Raises
    ------
    DataError
        As in :func:`compute_scores`, for all instruments at once; CPI-E043 when an instrument
        is not known.
    """
    if trial.protocol is None or not trial.has_table("responses"):
        return trial
    responses, rules = trial.table("responses"), trial.protocol.missing_rules
    visits = trial.table("visits") if trial.has_table("visits") else None
    values: list[pd.DataFrame] = []
    measures: list[pd.DataFrame] = []
    faults: list[Fault] = []
    for name in trial.protocol.instruments:
        try:
            key = load_instrument(name)
            if is_row_of(responses, key).any() and scales_about(key, "participant", "worker"):
                scores = compute_scores(responses, instrument=key, missing_rule=rules.get(name))
                values.append(_add_expected(scores, visits, key))
                measures.append(build_measures(key))
        except DataError as error:
            faults += error.faults
    if faults:
        raise DataError(faults)
    if not values:
        return trial
    return trial.with_measurements(
        pd.concat(values, ignore_index=True), measures=_new_measures(trial, measures)
    )


def _new_measures(trial: TrialData, measures: list[pd.DataFrame]) -> pd.DataFrame:
    """Leave out what the trial's own dictionary already describes."""
    table = pd.concat(measures, ignore_index=True)
    if not trial.has_table("measures"):
        return table
    known = table["measure"].isin(trial.table("measures")["measure"])
    return table.loc[~known].reset_index(drop=True)


def _add_expected(
    scores: pd.DataFrame, visits: pd.DataFrame | None, key: Instrument
) -> pd.DataFrame:
    if visits is None:
        return scores
    used = visits["timepoint"].isin(scores["timepoint"].unique())
    expected = visits.loc[used, list(SCORE_UNITS)].drop_duplicates()
    scales = pd.DataFrame({"measure": scores["measure"].unique()})
    wanted = expected.merge(scales, how="cross")
    joined = scores.merge(wanted, on=[*SCORE_UNITS, "measure"], how="outer")
    order = {scale.measure: position for position, scale in enumerate(key.scales)}
    joined["order"] = joined["measure"].map(order)
    joined = joined.sort_values([*SCORE_UNITS, "order"], ignore_index=True)
    return joined.drop(columns="order")
