"""When people are interviewed, and who is lost to follow-up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpi_analysis.io.simulate.draws import Booleans, Floats, Integers
from cpi_analysis.io.simulate.parameters import MissingParameters
from cpi_analysis.io.simulate.people import People
from cpi_analysis.io.simulate.sites import StudyDesign

#: Recruitment ran from August 2012; 84, 120 and 141 first interviews were done by the dates
#: given, the last ones soon after [V, but for the first and the last day: A].
_CURVE_DAYS = pd.to_datetime(["2012-08-20", "2013-03-19", "2013-04-30", "2013-05-09", "2013-05-24"])
_CURVE_SHARES = np.array([0, 84, 120, 141, 155]) / 155
#: A planned trial of twelve months must recruit earlier to end in the same winter [A].
_PLANNED_DAYS = pd.to_datetime(["2012-08-20", "2013-02-08"])
_LAST_DAY = pd.Timestamp("2014-02-28")
_INTERVIEWERS = ("R1", "R2", "R3")


def choose_followed_up(
    rng: np.random.Generator,
    design: StudyDesign,
    agency: Integers,
    baseline_wemwbs: Floats,
    parameters: MissingParameters,
) -> Booleans:
    """Return who is interviewed at follow-up: exactly as many as the design says.

    The people kept are those with the largest logit plus Gumbel noise, which is weighted
    sampling without replacement: missing at random given baseline well-being and agency.
    """
    spread = parameters.loss_agency_sd * rng.standard_normal(len(design.agencies))
    # loss_slope is about loss; staying has the opposite sign.
    stays = -parameters.loss_slope * baseline_wemwbs + spread[agency] + rng.gumbel(size=len(agency))
    kept = np.zeros(len(agency), dtype=bool)
    kept[np.argsort(-stays, kind="stable")[: design.followed_up]] = True
    return kept


def draw_first_days(rng: np.random.Generator, design: StudyDesign) -> pd.DatetimeIndex:
    """Return the day of each baseline interview, a weekday, along the recruitment curve."""
    days, shares = (
        (_PLANNED_DAYS, np.array([0.0, 1.0]))
        if design.has_comparison
        else (_CURVE_DAYS, _CURVE_SHARES)
    )
    ranks = (rng.permutation(design.participants) + 0.5) / design.participants
    offsets = np.interp(ranks, shares, (days - days[0]).days)
    return _to_weekday(days[0] + pd.to_timedelta(np.floor(offsets), unit="D"))


def _to_weekday(days: pd.DatetimeIndex) -> pd.DatetimeIndex:
    back = np.maximum(days.day_of_week.to_numpy() - 4, 0)
    earlier: pd.DatetimeIndex = days - pd.to_timedelta(back, unit="D")
    return earlier


def build_visits(
    rng: np.random.Generator,
    design: StudyDesign,
    people: People,
    *,
    first_days: pd.DatetimeIndex,
    followed: Booleans,
    jitter: int,
    recall: tuple[int, int],
) -> pd.DataFrame:
    """Return the table ``visits``: baseline and follow-up of everyone who was recruited."""
    due = first_days + pd.DateOffset(months=design.follow_up_months)
    shift = pd.to_timedelta(rng.integers(-jitter, jitter + 1, len(people)), unit="D")
    planned = due + shift
    later = _to_weekday(planned.where(planned <= _LAST_DAY, _LAST_DAY))
    interviewer = rng.choice(_INTERVIEWERS, (2, len(people)))
    parts = (
        ("baseline", pd.Series(first_days), np.ones(len(people), dtype=bool), recall[0]),
        (design.follow_up, pd.Series(later), followed, recall[1]),
    )
    tables = [
        pd.DataFrame(
            {
                "participant_id": people.ids,
                "timepoint": timepoint,
                "visited_on": days.where(held),
                "status": np.where(held, "completed", "lost"),
                "interviewer_id": pd.Series(interviewer[wave]).where(held),
                "recall_months": float(months),
            }
        )
        for wave, (timepoint, days, held, months) in enumerate(parts)
    ]
    return pd.concat(tables, ignore_index=True)
