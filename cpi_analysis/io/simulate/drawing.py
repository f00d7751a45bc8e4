"""One trial, drawn part by part; each part has a random stream of its own."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpi_analysis.io.instruments import load_instrument
from cpi_analysis.io.simulate import interviews, networks, observed, outcomes, people, ratings
from cpi_analysis.io.simulate.draws import Booleans, Floats, Integers
from cpi_analysis.io.simulate.parameters import SimulationParameters
from cpi_analysis.io.simulate.service_use import build_service_use, draw_contacts
from cpi_analysis.io.simulate.services import build_unit_costs
from cpi_analysis.io.simulate.sites import StudyDesign

#: A new part goes to the end: the streams of the others, and so their draws, stay the same.
PARTS = (
    "agencies",
    "people",
    "days",
    "scores",
    "loss",
    "fidelity",
    "answers",
    "health",
    "services",
    "skipping",
    "ratings",
    "network",
    "scoping",
)
Streams = dict[str, np.random.Generator]


def draw_tables(
    seed: int, design: StudyDesign, parameters: SimulationParameters
) -> dict[str, pd.DataFrame]:
    """Return the tables of one trial."""
    children = np.random.SeedSequence(seed).spawn(len(PARTS))
    streams = {
        part: np.random.default_rng(child) for part, child in zip(PARTS, children, strict=True)
    }
    recruited = people.build_people(design, per_worker=parameters.people.people_per_worker)
    latent = outcomes.draw_latent_scores(streams["scores"], recruited, parameters.outcome)
    well_being = latent["wemwbs"][:, 0]
    followed = interviews.choose_followed_up(
        streams["loss"], design, recruited.agency, well_being, parameters.missing
    )
    rated = _draw_fidelity(streams, recruited, followed, design, parameters)
    exposed = recruited.is_intervention if design.has_comparison else rated.is_high
    held = np.column_stack([np.ones_like(followed), followed])
    answers = _draw_answers(streams, recruited, latent, exposed, parameters)
    contacts = draw_contacts(streams["services"], recruited, exposed, design, parameters.cost)
    skipping = observed.draw_skipping(streams["skipping"], well_being, parameters.missing)
    timepoints = ("baseline", design.follow_up)
    return {
        **_people_tables(streams, recruited, followed, design, parameters),
        "responses": observed.build_responses(
            streams["skipping"],
            answers,
            recruited,
            held=held,
            skipping=skipping,
            timepoints=timepoints,
        ),
        "service_use": build_service_use(
            streams["skipping"],
            contacts,
            recruited,
            parameters.cost,
            held=held,
            timepoints=timepoints,
            forgotten_share=parameters.missing.contacts_share,
        ),
        "unit_costs": build_unit_costs(parameters.cost.services),
        "fidelity_ratings": observed.build_fidelity_ratings(
            streams["ratings"], rated, recruited, design, parameters.fidelity
        ),
        "network_members": networks.build_network_members(
            streams["network"], recruited, parameters.network, held=held, timepoints=timepoints
        ),
        "scoping_answers": observed.build_scoping_answers(
            streams["scoping"], design, load_instrument("agency_selection").item_ids
        ),
    }


def _draw_fidelity(
    streams: Streams,
    recruited: people.People,
    followed: Booleans,
    design: StudyDesign,
    parameters: SimulationParameters,
) -> ratings.Ratings:
    fidelity = ratings.draw_true_fidelity(streams["fidelity"], recruited, parameters.fidelity)
    rated = followed & recruited.is_intervention
    return ratings.draw_ratings(
        streams["fidelity"], fidelity, rated, parameters.fidelity, high=design.high_fidelity
    )


def _people_tables(
    streams: Streams,
    recruited: people.People,
    followed: Booleans,
    design: StudyDesign,
    parameters: SimulationParameters,
) -> dict[str, pd.DataFrame]:
    days = interviews.draw_first_days(streams["days"], design)
    return {
        "agencies": people.build_agencies(streams["agencies"], design),
        "workers": people.build_workers(streams["agencies"], design, parameters.people),
        "participants": people.build_participants(
            streams["people"], recruited, parameters.people, recruited_on=days
        ),
        "timepoints": pd.DataFrame(
            {
                "timepoint": ["baseline", design.follow_up],
                "months": [0.0, float(design.follow_up_months)],
                "order": [0, 1],
            }
        ),
        "visits": interviews.build_visits(
            streams["days"],
            design,
            recruited,
            first_days=days,
            followed=followed,
            jitter=parameters.people.visit_jitter_days,
            recall=(parameters.cost.baseline_recall_months, design.follow_up_months),
        ),
    }


def _draw_answers(
    streams: Streams,
    recruited: people.People,
    latent: dict[str, Floats],
    exposed: Booleans,
    parameters: SimulationParameters,
) -> dict[str, tuple[list[str], Integers]]:
    """Return items and answers (waves × people × items) by instrument."""
    rng, noise = streams["answers"], parameters.outcome.item_noise
    totals = {
        name: outcomes.compute_totals(latent[name], exposed, parameters.outcome.score(name))
        for name in outcomes.SCORES
    }
    rating = parameters.outcome.score("scope")
    for scale in ("scope_opportunities", "scope_satisfaction"):
        totals[scale] = outcomes.follow_overall_rating(
            rng, totals["scope"], rating, outcomes.FORMS[scale]
        )
    answers = {
        name: outcomes.draw_answers(rng, totals[name], form, noise=noise)
        for name, form in outcomes.FORMS.items()
    }
    scope = [answers[name] for name in ("scope", "scope_opportunities", "scope_satisfaction")]
    profiles = outcomes.draw_profiles(streams["health"], recruited, exposed, parameters.health)
    by_instrument = {
        "rg_uk": answers["rg_uk"],
        "scope_short": np.concatenate(scope, axis=2),
        "wemwbs": answers["wemwbs"],
        "eq5d_3l": profiles,
    }
    return {
        name: (list(load_instrument(name).item_ids), values)
        for name, values in by_instrument.items()
    }
