"""Services: how much they are used, and an illustrative price list.

The price lists of 2012/13 could not be read. Amounts are recalled, or verified for another year
and carried over; so each says where it comes from, and only one that follows by arithmetic from
verified numbers counts as verified.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cpi_analysis.io.simulate.marks import Mark

#: The one price year of the built-in trial.
PRICE_YEAR = "2012/13"

_RECALLED = "[R] recalled for 2012/13, not verified"
_CARRIED = (
    "[A] carried unchanged from about 2010/11-2011/12, where it is verified (docest.com 626494)"
)
# Community mental health team: £128 per face-to-face contact in 2013/14 (PSSRU 2014, p. 218, as
# quoted at globalvaluexchange.org), deflated with the HCHS pay and prices index.
CMHT_CONTACT = round(128 * 287.3 / 290.5, 2)
_DEFLATED = (
    "[D] £128 in 2013/14 [V: PSSRU 2014 p. 218, quoted at globalvaluexchange.org] "
    "x HCHS index 287.3/290.5 [V]"
)


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """One service: its price, and how much of it people use.

    ``monthly_units`` is the mean number of contacts (days, sessions) of a person in a month;
    ``user_share`` the share of people who use it at all, more or less. Only prices by the hour
    have ``minutes``.
    """

    name: str
    unit: str
    price: float
    mark: Mark
    source: str
    monthly_units: float
    user_share: float
    minutes: float | None = None
    perspective: str = "nhs_pss"

    @property
    def cost_per_contact(self) -> float:
        """Price of one contact in pounds."""
        return self.price if self.minutes is None else self.price * self.minutes / 60

    def describe(self) -> str:
        """Return the service in one phrase."""
        length = "" if self.minutes is None else f", {self.minutes:g} minutes each"
        return (
            f"{self.name}: £{self.price:g} per {self.unit}, price year {PRICE_YEAR}, "
            f"{self.source}; use assumed [A]: {self.monthly_units:g} a month{length}, "
            f"by {self.user_share:.0%} of people"
        )


def _recalled(
    name: str, unit: str, price: float, use: tuple[float, float], minutes: float | None = None
) -> ServicePlan:
    return ServicePlan(
        name=name,
        unit=unit,
        price=price,
        mark="R",
        source=_RECALLED,
        monthly_units=use[0],
        user_share=use[1],
        minutes=minutes,
    )


def _carried(name: str, unit: str, price: float, use: tuple[float, float]) -> ServicePlan:
    return ServicePlan(
        name=name,
        unit=unit,
        price=price,
        mark="A",
        source=_CARRIED,
        monthly_units=use[0],
        user_share=use[1],
    )


SERVICES: tuple[ServicePlan, ...] = (
    _recalled("accident_emergency", "contact", 115.0, (0.05, 0.35)),
    ServicePlan(
        name="cmht_contact",
        unit="contact",
        price=CMHT_CONTACT,
        mark="D",
        source=_DEFLATED,
        monthly_units=0.6,
        user_share=0.6,
    ),
    _recalled("day_centre", "session", 35.0, (1.0, 0.3)),
    _recalled("gp_phone", "contact", 27.0, (0.1, 0.4)),
    _recalled("gp_surgery", "contact", 45.0, (0.45, 0.85)),
    _recalled("home_care", "hour", 24.0, (1.5, 0.2), 60.0),
    ServicePlan(
        name="informal_care",
        unit="hour",
        price=24.0,
        mark="A",
        source="[A] priced like home care, a replacement cost",
        monthly_units=8.0,
        user_share=0.4,
        minutes=60.0,
        perspective="societal",
    ),
    _recalled("inpatient_psych_day", "day", 340.0, (0.18, 0.10)),
    _recalled("mental_health_nurse", "hour", 75.0, (1.0, 0.5), 30.0),
    _recalled("occupational_therapist", "hour", 42.0, (0.2, 0.2), 45.0),
    _carried("outpatient_other", "contact", 112.0, (0.15, 0.4)),
    _carried("outpatient_psych", "contact", 134.0, (0.25, 0.6)),
    _recalled("practice_nurse", "hour", 52.0, (0.15, 0.4), 15.0),
    _recalled("psychologist", "hour", 136.0, (0.2, 0.25), 50.0),
    _carried("sheltered_work", "session", 57.0, (0.5, 0.2)),
    _recalled("social_worker", "hour", 55.0, (0.6, 0.5), 60.0),
    _recalled("support_worker", "hour", 24.0, (3.0, 0.5), 60.0),
)


def build_unit_costs(services: tuple[ServicePlan, ...]) -> pd.DataFrame:
    """Return the table ``unit_costs``."""
    return pd.DataFrame(
        {
            "service": [service.name for service in services],
            "unit": [service.unit for service in services],
            "unit_cost_gbp": [service.price for service in services],
            "price_year": PRICE_YEAR,
            "perspective": [service.perspective for service in services],
            "source": [service.source for service in services],
            "is_verified": [service.mark in ("V", "D") for service in services],
        }
    )
