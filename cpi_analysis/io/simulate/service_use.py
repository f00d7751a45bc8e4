"""Contacts with services, drawn so that expected costs and their difference are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.simulate.draws import (
    Booleans,
    Floats,
    Integers,
    draw_gamma_pair,
    draw_two_waves,
)
from cpi_analysis.io.simulate.parameters import CostParameters
from cpi_analysis.io.simulate.people import People
from cpi_analysis.io.simulate.sites import StudyDesign


def relative_use(third: Booleans, group: Integers, parameters: CostParameters) -> Floats:
    """Return how much people of a sector and client group use, statutory mental health = 1."""
    by_group = np.array([1.0, parameters.older_ratio, parameters.learning_ratio])
    return by_group[group] * np.where(third, parameters.third_sector_ratio, 1.0)


def monthly_cost(parameters: CostParameters) -> float:
    """Return the expected cost of a month to the NHS and social services, relative use 1."""
    return sum(
        service.monthly_units * service.cost_per_contact
        for service in parameters.services
        if service.perspective == "nhs_pss"
    )


def effect_ratio(relative: Floats, months: int, parameters: CostParameters) -> Floats:
    """Return the ratio of use that makes the expected cost differ by exactly ``effect_gbp``."""
    expected = relative * months * monthly_cost(parameters)
    ratio = 1 + parameters.effect_gbp / expected
    if (ratio <= 0).any():
        raise DataError(
            Fault(
                code="CPI-E045",
                rule="effect_gbp would make expected costs negative",
                cure="make the saving smaller or service use larger",
            )
        )
    return ratio


def draw_contacts(
    rng: np.random.Generator,
    people: People,
    exposed: Booleans,
    design: StudyDesign,
    parameters: CostParameters,
) -> Integers:
    """Return contacts (2 waves × people × services) over the recall windows."""
    services = parameters.services
    months = (parameters.baseline_recall_months, design.follow_up_months)
    relative = relative_use(people.is_third_sector, people.group, parameters)
    ratio = np.where(exposed, effect_ratio(relative, months[1], parameters), 1.0)
    need = draw_gamma_pair(rng, len(people), shape=parameters.shape, stability=parameters.stability)
    agencies = int(people.agency.max()) + 1
    spread = rng.gamma(1 / parameters.agency_share, parameters.agency_share, agencies)
    person = relative * spread[people.agency]
    level = np.stack([person * need[:, 0] * months[0], person * need[:, 1] * months[1] * ratio])
    units = np.array([service.monthly_units for service in services])
    shares = np.array([service.user_share for service in services])
    users = _draw_users(rng, people, shares, stability=parameters.stability)
    contacts: Integers = rng.poisson(level[:, :, None] * units / shares * users)
    return contacts


def _draw_users(
    rng: np.random.Generator, people: People, shares: Floats, *, stability: float
) -> Booleans:
    waves = [
        draw_two_waves(rng, len(people), agencies=people.agency, share=0.0, stability=stability)
        for _ in shares
    ]
    places = np.stack(waves, axis=-1).transpose(1, 0, 2)
    users: Booleans = places < ndtri(shares)
    return users


def build_service_use(
    rng: np.random.Generator,
    contacts: Integers,
    people: People,
    parameters: CostParameters,
    *,
    held: Booleans,
    timepoints: tuple[str, str],
    forgotten_share: float,
) -> pd.DataFrame:
    """Return the table ``service_use``; an interview that was not held gives empty rows."""
    services = parameters.services
    shape = contacts.shape
    known = np.broadcast_to(held.T[:, :, None], shape)
    is_used = contacts > 0
    forgotten = is_used & (rng.random(shape) < forgotten_share)
    minutes = np.array([service.minutes or np.nan for service in services])
    lengths = np.where(is_used & known, np.broadcast_to(minutes, shape), np.nan)
    return pd.DataFrame(
        {
            "participant_id": np.tile(np.repeat(people.ids, len(services)), 2),
            "timepoint": np.repeat(timepoints, shape[1] * shape[2]),
            "service": np.tile([service.name for service in services], 2 * shape[1]),
            "is_used": pd.array(is_used.ravel(), dtype="boolean"),
            "contacts": np.where(known & ~forgotten, contacts, np.nan).ravel(),
            "minutes_per_contact": lengths.ravel(),
        }
    ).assign(is_used=lambda table: table["is_used"].mask(~known.ravel()))
