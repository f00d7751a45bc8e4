"""From complete arrays to the tables that a trial would hold, with what is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from cpi_analysis.io.simulate.draws import Booleans, Floats, Integers
from cpi_analysis.io.simulate.parameters import FidelityParameters, MissingParameters
from cpi_analysis.io.simulate.people import People, agency_code
from cpi_analysis.io.simulate.ratings import (
    BARRIERS,
    CONTEXT,
    ITEMS,
    SOURCES,
    Ratings,
    cut_into_answers,
)
from cpi_analysis.io.simulate.sites import StudyDesign


def draw_skipping(
    rng: np.random.Generator, baseline_wemwbs: Floats, parameters: MissingParameters
) -> Floats:
    """Return each person's probability of skipping an item; its mean is ``item_share``.

    Some people skip much and most skip nothing; less well-being at baseline means more.
    """
    place = parameters.item_slope * baseline_wemwbs
    place = place + parameters.item_person_sd * rng.standard_normal(len(baseline_wemwbs))
    raw = expit(place + logit(parameters.item_share))
    share: Floats = np.minimum(raw * parameters.item_share / raw.mean(), 0.5)
    return share


def build_responses(
    rng: np.random.Generator,
    answers: dict[str, tuple[list[str], Integers]],
    people: People,
    *,
    held: Booleans,
    skipping: Floats,
    timepoints: tuple[str, str],
) -> pd.DataFrame:
    """Return the table ``responses`` from answers (waves × people × items) by instrument."""
    tables = []
    for instrument, (items, values) in answers.items():
        skipped = rng.random(values.shape) < skipping[None, :, None]
        observed = held.T[:, :, None] & ~skipped
        tables.append(
            pd.DataFrame(
                {
                    "participant_id": np.tile(np.repeat(people.ids, len(items)), 2),
                    "timepoint": np.repeat(timepoints, len(people) * len(items)),
                    "instrument": instrument,
                    "item": np.tile(items, 2 * len(people)),
                    "answer": np.where(observed, values, np.nan).ravel(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def build_fidelity_ratings(
    rng: np.random.Generator,
    rated: Ratings,
    people: People,
    design: StudyDesign,
    parameters: FidelityParameters,
) -> pd.DataFrame:
    """Return the table ``fidelity_ratings``: people, barriers of people, and agencies."""
    parts = [
        _person_ratings(rng, rated, people, design.follow_up),
        _barrier_ratings(rng, rated, people, design.follow_up, parameters),
        _agency_ratings(rng, rated, people, design.follow_up, parameters),
    ]
    return pd.concat(parts, ignore_index=True)


def _person_ratings(
    rng: np.random.Generator, rated: Ratings, people: People, occasion: str
) -> pd.DataFrame:
    observer = rng.integers(1, 4, len(people))
    raters = (
        [f"W{index + 1:03d}" for index in people.worker],
        people.ids,
        [f"R{index}" for index in observer],
    )
    tables = []
    for source, rater, returned, values in zip(
        SOURCES, raters, rated.returned, rated.ratings, strict=True
    ):
        who = np.flatnonzero(returned)
        names = np.repeat(np.array(people.ids)[who], len(ITEMS))
        raters_named = np.repeat(np.array(rater)[who], len(ITEMS))
        tables.append(
            _rating_table(
                names, occasion, source, raters_named, np.tile(ITEMS, len(who)), values[who].ravel()
            )
        )
    return pd.concat(tables, ignore_index=True)


def _rating_table(
    targets: np.ndarray,
    occasion: str,
    source: str,
    raters: np.ndarray,
    items: np.ndarray,
    values: Floats,
    *,
    level: str = "participant",
    reason: str = "skipped",
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "target_id": targets,
            "occasion": occasion,
            "source": source,
            "rater_id": raters,
            "item": items,
            "target_level": level,
            "rating": values,
            "missing_reason": pd.Series(np.where(np.isnan(values), reason, ""))
            .astype(object)
            .mask(~np.isnan(values)),
        }
    )


def _barrier_ratings(
    rng: np.random.Generator,
    rated: Ratings,
    people: People,
    occasion: str,
    parameters: FidelityParameters,
) -> pd.DataFrame:
    """Workers rate the barriers; one that does not apply to a person has no rating."""
    domain, count = BARRIERS
    who = np.flatnonzero(rated.returned[0])
    place = (rated.composite[who, None] - parameters.cutoff) / 25 + rng.standard_normal(
        (len(who), count)
    )
    values = cut_into_answers(place, parameters.step).astype(float)
    values[rng.random(values.shape) < parameters.not_applicable] = np.nan
    items = np.array([f"cpi_{domain}_{k + 1}" for k in range(count)])
    return _rating_table(
        np.repeat(np.array(people.ids)[who], count),
        occasion,
        "worker",
        np.repeat([f"W{index + 1:03d}" for index in people.worker[who]], count),
        np.tile(items, len(who)),
        values.ravel(),
        reason="not_applicable",
    )


def _agency_ratings(
    rng: np.random.Generator,
    rated: Ratings,
    people: People,
    occasion: str,
    parameters: FidelityParameters,
) -> pd.DataFrame:
    """Each worker of a person rated, and one researcher, rate the agency's context."""
    domain, count = CONTEXT
    items = np.array([f"cpi_{domain}_{k + 1}" for k in range(count)])
    tables = []
    is_rated = ~np.isnan(rated.composite)
    for agency in np.unique(people.agency[is_rated]):
        members = is_rated & (people.agency == agency)
        place = (rated.composite[members].mean() - parameters.cutoff) / 20
        workers = [f"W{index + 1:03d}" for index in np.unique(people.worker[members])]
        for source, rater in [*(("worker", worker) for worker in workers), ("researcher", "R1")]:
            noise = parameters.source_sd * rng.standard_normal() + parameters.item_sd * (
                rng.standard_normal(count)
            )
            values = cut_into_answers(place + noise, parameters.step).astype(float)
            tables.append(
                _rating_table(
                    np.repeat(agency_code(int(agency)), count),
                    occasion,
                    source,
                    np.repeat(rater, count),
                    items,
                    values,
                    level="agency",
                )
            )
    return pd.concat(tables, ignore_index=True)


def build_scoping_answers(
    rng: np.random.Generator, design: StudyDesign, items: tuple[str, ...]
) -> pd.DataFrame:
    """Return the table ``scoping_answers``: third-sector agencies rate themselves higher [A]."""
    third = np.array([plan.sector == "third_sector" for plan in design.agencies])
    place = 5.0 + 1.0 * third + rng.standard_normal(len(third))
    values = place[:, None] + 1.2 * rng.standard_normal((len(third), len(items)))
    return pd.DataFrame(
        {
            "agency_id": np.repeat([agency_code(k) for k in range(len(third))], len(items)),
            "item": np.tile(items, len(third)),
            "rating": np.clip(np.rint(values), 1, 9).ravel(),
        }
    )
