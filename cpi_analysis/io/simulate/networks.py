"""Network maps: who the people around a participant are, at two interviews."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpi_analysis.io.simulate.draws import Booleans, Integers
from cpi_analysis.io.simulate.parameters import NetworkParameters
from cpi_analysis.io.simulate.people import People

#: Roles other than kin and friends, and what part of the rest they are [A].
_OTHER_ROLES, _OTHER_SHARES = ("neighbour", "acquaintance", "professional"), (0.3, 0.3, 0.4)
#: How often a role stands in the inner, middle and outer circle [A].
_CIRCLES = {
    "kin": (0.5, 0.3, 0.2),
    "friend": (0.3, 0.4, 0.3),
    "neighbour": (0.1, 0.3, 0.6),
    "acquaintance": (0.05, 0.25, 0.7),
    "professional": (0.1, 0.4, 0.5),
}


def build_network_members(
    rng: np.random.Generator,
    people: People,
    parameters: NetworkParameters,
    *,
    held: Booleans,
    timepoints: tuple[str, str],
) -> pd.DataFrame:
    """Return the table ``network_members``.

    At follow-up a person keeps each member with probability ``stability`` and gains others,
    so that the expected size is the same.
    """
    spread = parameters.dispersion
    size = parameters.size * rng.gamma(spread, 1 / spread, len(people))
    kept = rng.binomial(first := rng.poisson(size), parameters.stability)
    gained = rng.poisson(size * (1 - parameters.stability))
    total = first + gained
    owner = np.repeat(np.arange(len(people)), total)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(total) - total, total)
    # Members 1 to first are on the first map; the last ones of them, and the new ones, stay.
    is_on = (place < first[owner], place >= (first - kept)[owner])
    role = _draw_roles(rng, len(owner), parameters)
    service_only = (role == "professional") | (
        rng.random(len(owner)) < _extra_service_share(parameters)
    )
    members = pd.DataFrame(
        {
            "participant_id": np.array(people.ids)[owner],
            "member_id": [f"N{index + 1:02d}" for index in place],
            "circle": _draw_circles(rng, role),
            "role": role,
            "is_service_contact": service_only,
        }
    )
    waves = [
        members[is_on[wave] & held[owner, wave]].assign(timepoint=timepoint)
        for wave, timepoint in enumerate(timepoints)
    ]
    columns = ["participant_id", "timepoint", "member_id", "circle", "role", "is_service_contact"]
    table: pd.DataFrame = pd.concat(waves, ignore_index=True)[columns]
    return table


def _draw_roles(rng: np.random.Generator, rows: int, parameters: NetworkParameters) -> np.ndarray:
    rest = 1 - parameters.kin - parameters.friends
    shares = [parameters.kin, parameters.friends, *(rest * share for share in _OTHER_SHARES)]
    return rng.choice(np.array(["kin", "friend", *_OTHER_ROLES]), rows, p=np.array(shares))


def _extra_service_share(parameters: NetworkParameters) -> float:
    """Share of other roles known through services, so that the total is as declared."""
    professional = (1 - parameters.kin - parameters.friends) * _OTHER_SHARES[2]
    return max(0.0, (parameters.service_contacts - professional) / (1 - professional))


def _draw_circles(rng: np.random.Generator, role: np.ndarray) -> Integers:
    shares = np.array([_CIRCLES[name] for name in _CIRCLES])
    index = np.array([list(_CIRCLES).index(name) for name in role], dtype=int)
    upper = np.cumsum(shares, axis=1)[index]
    circle: Integers = 1 + (rng.random(len(role))[:, None] > upper[:, :2]).sum(axis=1)
    return circle
