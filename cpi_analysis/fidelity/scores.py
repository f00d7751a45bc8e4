"""Fidelity scores: answers of each source to a percentage, sources to one score per target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.fidelity.plan import (
    FidelityKey,
    find_target_column,
    has_fidelity_plan,
    read_fidelity_key,
)
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.io.instruments import Scale

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData

#: A composite needs this many sources, or all of them when fewer are planned.
MINIMUM_SOURCES = 2
#: Decimals that are kept: a mean of sources that is 70 must not fall below a cut-off of 70.
_DECIMALS = 10


def read_ratings(trial: TrialData, key: FidelityKey, scale: Scale) -> pd.DataFrame:
    """Return the ratings of a scale's items at the planned occasion by the planned sources.

    Returns
    -------
    DataFrame
        ``target_id``, ``source``, ``rater_id``, ``item``, ``value`` (in the direction of the
        scale, missing when there is no rating), ``minimum``, ``maximum`` and ``applies``
        (False when the item does not apply to the target), sorted.
    """
    ratings = trial.table("fidelity_ratings", needed_for="fidelity")
    items = _describe_items(key, scale)
    chosen = (
        (ratings["occasion"] == key.plan.occasion)
        & ratings["source"].isin(key.plan.sources)
        & (ratings["target_level"] == key.instrument.target_level_of(scale))
    )
    kept = ratings[chosen].merge(items, on="item", how="inner")
    rating = kept["rating"].astype(float)
    if "missing_reason" in kept:
        # A reason for having no rating outweighs a code that stands in its place.
        rating = rating.where(kept["missing_reason"].isna())
        applies = (kept["missing_reason"] != "not_applicable").fillna(True).astype(bool)
    else:
        applies = pd.Series(True, index=kept.index)
    turned = kept["minimum"] + kept["maximum"] - rating
    kept["value"] = np.where(kept["is_reversed"], turned, rating)
    kept["applies"] = applies
    columns = ["target_id", "source", "rater_id", "item", "value", "minimum", "maximum", "applies"]
    return kept.sort_values(["target_id", "source", "rater_id", "position"])[columns].reset_index(
        drop=True
    )


def _describe_items(key: FidelityKey, scale: Scale) -> pd.DataFrame:
    by_id = {item.id: item for item in key.instrument.items}
    return pd.DataFrame(
        {
            "item": list(scale.items),
            "minimum": [by_id[item].minimum for item in scale.items],
            "maximum": [by_id[item].maximum for item in scale.items],
            "is_reversed": [by_id[item].is_reversed for item in scale.items],
            "position": range(len(scale.items)),
        }
    )


def build_source_scores(trial: TrialData, *, domain: str | None = None) -> pd.DataFrame:
    """Build the score that each source gives each target, from 0 to 100.

    Parameters
    ----------
    trial
        A trial with ``fidelity_ratings`` and a protocol with a fidelity plan.
    domain
        Measure of a scale of the instrument; None for the whole questionnaire.

    Returns
    -------
    DataFrame
        One row per target that was rated (index ``target_id``), one column per source, in
        the order of the protocol; missing where the source answered too few items.

    Raises
    ------
    DataError
        CPI-E047 without a fidelity plan, CPI-E045 when the domain is not known, CPI-E010
        without ratings.

    Notes
    -----
    A source is expected to answer the items that it rated for any target at the occasion,
    except those that do not apply to a target. When it answered the share of them that the
    scoring key demands (0.8 in the package's own), the score is
    100 · mean of (answer − minimum) / (maximum − minimum) over the items answered. *Not
    applicable* and *not observed* are never a low score. Several raters of one source are
    averaged.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.fidelity import build_source_scores
    >>> scores = build_source_scores(cpi.load_example_trial())
    >>> scores.columns.tolist()
    ['worker', 'participant', 'researcher']
    """
    key = read_fidelity_key(trial)
    scale = key.composite if domain is None else key.scale(domain)
    return score_sources(read_ratings(trial, key, scale), key, scale)


def score_sources(ratings: pd.DataFrame, key: FidelityKey, scale: Scale) -> pd.DataFrame:
    """Return targets × sources in percent of the range, from the ratings of a scale."""
    span = ratings["maximum"] - ratings["minimum"]
    shares = ratings.assign(
        share=(ratings["value"] - ratings["minimum"]) / span, inapplicable=~ratings["applies"]
    )
    by_rater = ["source", "target_id", "rater_id"]
    sheets = shares.groupby(by_rater, observed=True).agg(
        total=("share", "sum"),
        answered=("share", "count"),
        inapplicable=("inapplicable", "sum"),
    )
    expected = ratings.groupby("source", observed=True)["item"].nunique()
    asked = sheets.index.get_level_values("source").map(expected.to_dict()) - sheets["inapplicable"]
    required = asked.map({count: scale.missing.required(count) for count in asked.unique()})
    enough = (sheets["answered"] >= required) & (sheets["answered"] > 0)
    percent = (100 * sheets["total"] / sheets["answered"].where(enough)).rename("percent")
    scores = percent.groupby(level=["target_id", "source"], observed=True).mean().unstack("source")
    scores.columns = scores.columns.astype(str)
    return scores.reindex(columns=list(key.plan.sources)).rename_axis(columns=None)


def compute_composite(scores: pd.DataFrame) -> pd.Series[float]:
    """Return the mean of the sources of each target; missing with fewer than two of them.

    Examples
    --------
    >>> import pandas as pd
    >>> scores = pd.DataFrame({"worker": [90.0, 70.0], "participant": [70.0, None]})
    >>> compute_composite(scores).tolist()
    [80.0, nan]
    """
    needed = min(MINIMUM_SOURCES, scores.shape[1])
    mean = scores.mean(axis=1).where(scores.notna().sum(axis=1) >= needed)
    return mean.round(_DECIMALS)


def derive_fidelity_scores(trial: TrialData) -> TrialData:
    """Add the fidelity of every participant to the measurements of a trial.

    Parameters
    ----------
    trial
        Any trial. Without ratings or without a fidelity plan it is returned as it is.

    Returns
    -------
    TrialData
        The trial with one more measure (``fidelity_percent`` in the package's own key) at the
        planned occasion: a row for every participant, missing when fewer than two sources
        have a score. Ratings of a worker or an agency count for all their participants.

    Notes
    -----
    The score of a participant is the mean of the scores of the sources (see
    :func:`build_source_scores`); formative lists and items about the agency are not part of it.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.fidelity import derive_fidelity_scores
    >>> trial = derive_fidelity_scores(cpi.load_example_trial())
    >>> "fidelity_percent" in set(trial.table("measurements")["measure"])
    True
    """
    if not has_fidelity_plan(trial):
        return trial
    key = read_fidelity_key(trial)
    composite = compute_composite(
        score_sources(read_ratings(trial, key, key.composite), key, key.composite)
    )
    participants = trial.table("participants")
    targets = participants[find_target_column(participants, key.plan.target_level)]
    values = pd.DataFrame(
        {
            "participant_id": participants["participant_id"],
            "timepoint": key.plan.occasion,
            "measure": key.composite.measure,
            "value": targets.map(composite).astype(float),
        }
    )
    # A trial that describes the measure itself keeps its own words.
    is_known = trial.has_table("measures") and (
        key.composite.measure in set(trial.table("measures")["measure"])
    )
    measures = None if is_known else _describe_measure(key.composite)
    return trial.with_measurements(values, measures=measures)


def _describe_measure(scale: Scale) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "measure": [scale.measure],
            "label": [scale.label],
            "unit": [scale.unit],
            "minimum": [float(scale.minimum)],
            "maximum": [float(scale.maximum)],
            "is_higher_better": [scale.is_higher_better],
        }
    )


def build_fidelity_items(trial: TrialData, *, source: str, domain: str) -> pd.DataFrame:
    """Build the answers of one source to the items of one domain, people × items.

    Parameters
    ----------
    trial
        A trial with ``fidelity_ratings`` and a protocol with a fidelity plan.
    source
        One of the sources of the plan.
    domain
        Measure of a scale of the instrument, such as ``cpi_p``.

    Returns
    -------
    DataFrame
        One row per target that the source rated (index ``target_id``), one column per item
        that the source was asked, in the order of the key and all in the direction of the
        scale; missing where there is no rating for whatever reason. Several raters of one
        target are averaged.

    Raises
    ------
    DataError
        CPI-E045 when the source or the domain is not known, CPI-E047 without a fidelity plan.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.fidelity import build_fidelity_items, estimate_alpha
    >>> items = build_fidelity_items(cpi.load_example_trial(), source="worker", domain="cpi_p")
    >>> items.columns.tolist()[:2]
    ['cpi_p_1', 'cpi_p_2']
    """
    key = read_fidelity_key(trial)
    if source not in key.plan.sources:
        raise refuse_choice("source", source, key.plan.sources)
    scale = key.scale(domain)
    return tabulate_items(read_ratings(trial, key, scale), scale, source)


def tabulate_items(ratings: pd.DataFrame, scale: Scale, source: str) -> pd.DataFrame:
    """Return people × items of one source from the ratings of a scale."""
    own = ratings[ratings["source"] == source]
    wide = own.groupby(["target_id", "item"], observed=True)["value"].mean().unstack("item")
    asked = [item for item in scale.items if item in wide.columns]
    return wide.reindex(columns=asked).rename_axis(columns=None)
