"""Fidelity: true fidelity of people, ratings by three sources, and who is in the high band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.io.simulate.draws import Booleans, Floats, Integers
from cpi_analysis.io.simulate.parameters import FidelityParameters
from cpi_analysis.io.simulate.people import People

SOURCES = ("worker", "participant", "researcher")
#: Domains of the questionnaire with their numbers of items, in its order.
DOMAINS = {"w0": 4, "i0": 3, "p": 6, "w": 8, "i": 6}
BARRIERS, CONTEXT = ("b", 8), ("a", 7)
ITEMS = tuple(f"cpi_{domain}_{k + 1}" for domain, count in DOMAINS.items() for k in range(count))
LOWEST, HIGHEST = 1, 5
#: A form counts when at least this share of its items is answered.
MINIMUM_SHARE = 0.8
#: No composite may lie so near to the cut-off that another order of adding moves it.
CLEARANCE = 1e-6
_HALVINGS = 60
#: Ratings are drawn again when someone would sit on the cut-off itself.
_ATTEMPTS = 50


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """Ratings (sources × people × items, NaN = none) and what follows from them."""

    ratings: Floats
    composite: Floats
    is_high: Booleans
    returned: Booleans


def draw_true_fidelity(
    rng: np.random.Generator, people: People, parameters: FidelityParameters
) -> Floats:
    """Return the fidelity that each person received, in SD between people of one kind."""
    share = parameters.agency_share
    between = rng.standard_normal(int(people.agency.max()) + 1)[people.agency]
    within = rng.standard_normal(len(people))
    fidelity: Floats = (
        parameters.third_sector_shift * people.is_third_sector
        + parameters.learning_shift * people.is_learning
        + np.sqrt(share) * between
        + np.sqrt(1 - share) * within
    )
    return fidelity


def draw_ratings(
    rng: np.random.Generator,
    fidelity: Floats,
    rated: Booleans,
    parameters: FidelityParameters,
    *,
    high: int,
) -> Ratings:
    """Return ratings of the people who are ``rated``, exactly ``high`` of them in the high band.

    One number, the location that is added to every rating before it is cut into 1 to 5, is
    found by halving: a person's composite never falls when the location rises, so that the
    number of people in the band rises by one person at a time.
    """
    for _ in range(_ATTEMPTS):
        noise = _draw_noise(rng, fidelity, parameters)
        returned = _draw_returned(rng, rated, parameters)
        answered = returned[:, :, None] & ~_draw_skipped(rng, noise.shape, parameters)
        location = _find_location(noise, answered, rated, parameters, high=high)
        if location is not None:
            break
    else:
        raise _no_location()
    ratings = np.where(answered, cut_into_answers(noise + location, parameters.step), np.nan)
    composite = compute_composite(ratings)
    is_high = rated & (composite >= parameters.cutoff)
    return Ratings(ratings=ratings, composite=composite, is_high=is_high, returned=returned)


def _no_location() -> ModelError:
    return ModelError(
        Fault(
            code="CPI-M008",
            rule="no location of the ratings gives the number of people with high fidelity",
            cure="use another seed, or change the numbers of the fidelity ratings",
        )
    )


def _draw_skipped(
    rng: np.random.Generator, shape: tuple[int, ...], parameters: FidelityParameters
) -> Booleans:
    skipped = rng.random(shape) < parameters.item_missing
    # A form on which too much would be skipped is filled in whole: everyone keeps a composite.
    kept: Booleans = skipped & (skipped.mean(axis=2, keepdims=True) <= 1 - MINIMUM_SHARE)
    return kept


def _draw_noise(
    rng: np.random.Generator, fidelity: Floats, parameters: FidelityParameters
) -> Floats:
    people, items = len(fidelity), len(ITEMS)
    bias = np.array([getattr(parameters, f"{source}_bias") for source in SOURCES])
    domain = np.repeat(np.arange(len(DOMAINS)), list(DOMAINS.values()))
    # Hard and easy items alternate, so that no domain is hard as a whole.
    difficulty = parameters.difficulty_range * (np.arange(items) % 5 / 4 - 0.5)
    noise: Floats = (
        fidelity[None, :, None]
        + bias[:, None, None]
        + parameters.source_sd * rng.standard_normal((len(SOURCES), people, 1))
        + parameters.domain_sd * rng.standard_normal((1, people, len(DOMAINS)))[:, :, domain]
        + parameters.item_sd * rng.standard_normal((len(SOURCES), people, items))
        - difficulty
    )
    return noise


def _draw_returned(
    rng: np.random.Generator, rated: Booleans, parameters: FidelityParameters
) -> Booleans:
    """Everyone has two sources at least: a form is missing only if a researcher observed."""
    observed = rng.random(len(rated)) < parameters.researcher_share
    lost = observed & (rng.random(len(rated)) < 2 * parameters.source_missing)
    loses_worker = rng.random(len(rated)) < 0.5
    returned = np.stack([~(lost & loses_worker), ~(lost & ~loses_worker), observed])
    return returned & rated


def cut_into_answers(values: Floats, step: float) -> Integers:
    """Return answers from 1 to 5; the middle answer lies around 0."""
    answers: Integers = np.clip(np.floor(values / step + 0.5) + 3, LOWEST, HIGHEST).astype(int)
    return answers


def compute_composite(ratings: Floats) -> Floats:
    """Return the mean over sources of 100 × (mean answer − 1) / 4, from two sources or more."""
    answered = ~np.isnan(ratings)
    counts = answered.sum(axis=2)
    counts_form = counts >= MINIMUM_SHARE * ratings.shape[2]
    sums = np.where(answered, ratings, 0.0).sum(axis=2)
    percent = 100 * (sums / np.maximum(counts, 1) - LOWEST) / (HIGHEST - LOWEST)
    forms = counts_form.sum(axis=0)
    mean = np.where(counts_form, percent, 0.0).sum(axis=0) / np.maximum(forms, 1)
    return np.where(forms >= 2, mean, np.nan)


def _find_location(
    noise: Floats,
    answered: Booleans,
    rated: Booleans,
    parameters: FidelityParameters,
    *,
    high: int,
) -> float | None:
    def composite_at(location: float) -> Floats:
        cut = cut_into_answers(noise + location, parameters.step)
        return compute_composite(np.where(answered, cut, np.nan))[rated]

    def first_with(count: int) -> float:
        below, above = -50.0, 50.0
        for _ in range(_HALVINGS):
            middle = (below + above) / 2
            reaches = int((composite_at(middle) >= parameters.cutoff).sum()) >= count
            below, above = (below, middle) if reaches else (middle, above)
        return above

    start, end = first_with(high), first_with(high + 1)
    for share in (0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875):
        location = start + share * (end - start)
        composite = composite_at(location)
        is_exact = int((composite >= parameters.cutoff).sum()) == high
        if is_exact and np.nanmin(np.abs(composite - parameters.cutoff)) > CLEARANCE:
            return location
    return None
