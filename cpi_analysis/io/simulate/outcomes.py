"""Totals of questionnaires, the answers that give them, and EQ-5D profiles."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from cpi_analysis.io.simulate.draws import (
    Booleans,
    Floats,
    Integers,
    draw_two_waves,
    item_difficulty,
    round_into_range,
    spread_total,
)
from cpi_analysis.io.simulate.parameters import HealthParameters, OutcomeParameters, ScoreModel
from cpi_analysis.io.simulate.people import LEARNING, OLDER, People

#: Total scores: items, lowest and highest answer. The scales of SCOPE after the first item
#: follow its overall rating.
FORMS: dict[str, tuple[int, int, int]] = {
    "rg_uk": (27, 0, 1),
    "scope": (1, 1, 5),
    "wemwbs": (14, 1, 5),
    "scope_opportunities": (8, 1, 5),
    "scope_satisfaction": (8, 1, 7),
}
SCORES = ("rg_uk", "scope", "wemwbs")
DIMENSIONS = ("mobility", "self_care", "usual_activities", "pain", "anxiety")


def draw_latent_scores(
    rng: np.random.Generator, people: People, parameters: OutcomeParameters
) -> dict[str, Floats]:
    """Return for each score the person's place in SD (people × 2 waves), without any effect."""
    shift = score_shift(people.is_third_sector, people.group, parameters)

    def draw(share: float) -> Floats:
        return draw_two_waves(
            rng,
            len(people),
            agencies=people.agency,
            share=share,
            stability=parameters.stability,
        )

    common = draw(0.0)
    latent = {}
    for name in SCORES:
        # The agencies' part belongs to one score; what scores share lies within agencies.
        share = parameters.agency_share
        between = draw(1.0)
        own = draw(0.0)
        r = parameters.correlation
        within = np.sqrt(r) * common + np.sqrt(1 - r) * own
        latent[name] = shift[:, None] + np.sqrt(share) * between + np.sqrt(1 - share) * within
    return latent


def score_shift(third: Booleans, group: Integers, parameters: OutcomeParameters) -> Floats:
    """Return the mean of each person's sector and client group, in SD of a score."""
    shift: Floats = parameters.third_sector_shift * third + parameters.learning_shift * (
        group == LEARNING
    )
    return shift


def compute_totals(latent: Floats, exposed: Booleans, score: ScoreModel) -> Floats:
    """Return totals (people × 2) before rounding: the effect comes at follow-up."""
    totals = score.mean + score.sd * latent
    totals[:, 1] += score.change + score.effect * score.sd * exposed
    return totals


def draw_answers(
    rng: np.random.Generator, totals: Floats, form: tuple[int, int, int], *, noise: float
) -> Integers:
    """Return answers (2 waves × people × items) whose sum is the total, rounded into range."""
    items, lowest, highest = form
    rounded = round_into_range(totals, items * lowest, items * highest) - items * lowest
    difficulty = item_difficulty(rng, len(totals), items, noise)
    return np.stack(
        [
            lowest + spread_total(rounded[:, wave], difficulty[wave], steps=highest - lowest)
            for wave in (0, 1)
        ]
    )


def follow_overall_rating(
    rng: np.random.Generator, rating: Floats, score: ScoreModel, form: tuple[int, int, int]
) -> Floats:
    """Return totals of a SCOPE scale that correlates about .6 with the overall rating [A]."""
    items, lowest, highest = form
    place = (rating - score.mean) / score.sd
    own = draw_two_waves(
        rng, len(rating), agencies=np.zeros(len(rating), dtype=int), share=0.0, stability=0.6
    )
    middle, spread = items * (lowest + highest) / 2, items * (highest - lowest) / 8
    totals: Floats = middle + spread * (0.6 * place + 0.8 * own)
    return totals


def health_shift(group: Integers, parameters: HealthParameters) -> Floats:
    """Return the mean of latent problems of each person's client group, in SD."""
    shift: Floats = parameters.learning_shift * (group == LEARNING) + parameters.older_shift * (
        group == OLDER
    )
    return shift


def level_thresholds(parameters: HealthParameters) -> Floats:
    """Return where levels 2 and 3 of the five dimensions begin (5 × 2)."""
    shares = np.array([getattr(parameters, name) for name in DIMENSIONS])
    thresholds: Floats = -ndtri(shares)
    return thresholds


def draw_profiles(
    rng: np.random.Generator, people: People, exposed: Booleans, parameters: HealthParameters
) -> Integers:
    """Return EQ-5D-3L levels (2 waves × people × 5)."""
    problems = draw_two_waves(
        rng,
        len(people),
        agencies=people.agency,
        share=parameters.agency_share,
        stability=parameters.stability,
    )
    problems += health_shift(people.group, parameters)[:, None]
    problems[:, 1] += parameters.change + parameters.effect * exposed
    own = np.stack(
        [
            draw_two_waves(
                rng,
                len(people),
                agencies=people.agency,
                share=0.0,
                stability=parameters.item_stability,
            )
            for _ in DIMENSIONS
        ],
        axis=-1,
    )
    loading = parameters.loading
    place = loading * problems.T[:, :, None] + np.sqrt(1 - loading**2) * own.transpose(1, 0, 2)
    levels: Integers = 1 + (place[..., None] > level_thresholds(parameters)).sum(axis=-1)
    return levels
