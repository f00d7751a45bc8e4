"""The truth that a simulated trial is drawn from, by arithmetic on its parameters."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from scipy.special import ndtr

from cpi_analysis.io.simulate.draws import Floats
from cpi_analysis.io.simulate.outcomes import (
    DIMENSIONS,
    FORMS,
    SCORES,
    health_shift,
    level_thresholds,
    score_shift,
)
from cpi_analysis.io.simulate.parameters import HealthParameters, ScoreModel, SimulationParameters
from cpi_analysis.io.simulate.service_use import effect_ratio, monthly_cost, relative_use
from cpi_analysis.io.simulate.sites import StudyDesign

_MEASURES = {"rg_uk": "rg_uk", "scope": "scope_inclusion", "wemwbs": "wemwbs"}
_NODES = 61


def compute_truth(
    parameters: SimulationParameters | None = None, *, design: str = "as_run"
) -> pd.DataFrame:
    """Return the true effects of a simulated trial; no seed is involved.

    Parameters
    ----------
    parameters
        The numbers of the simulation; the standard ones when None.
    design
        ``as_run`` (target: high fidelity) or ``planned`` (target: the intervention arm).

    Returns
    -------
    DataFrame
        ``measure``, ``timepoint``, ``quantity``, ``value``. ``quantity`` is one of
        ``adjusted_difference`` (expected value if in the target group minus if not, averaged
        over the people recruited), ``standardised_difference`` (the same over the SD between
        people of one kind), ``mean_change`` (outside the target group, since baseline),
        ``mean_baseline``, ``sd_baseline``, and ``agency_share`` (variance between agencies
        of one kind).

    Notes
    -----
    A score is a normal variable, rounded into its range: its mean is
    minimum + Σ_k P(total ≥ k − ½) over the scores above the minimum. A utility is averaged
    over the 243 profiles, whose levels are independent given the latent problems, by
    Gauss–Hermite quadrature. Cost is linear in use. QALYs are half the interval times the
    difference at follow-up, since nothing differs at baseline.

    Examples
    --------
    >>> from cpi_analysis.io.simulate import compute_truth
    >>> truth = compute_truth().set_index(["measure", "quantity"])["value"]
    >>> round(truth["total_cost", "adjusted_difference"])
    -1331
    """
    parameters = parameters or SimulationParameters()
    plan = parameters.design(design)
    rows = [*_score_rows(parameters, plan), *_utility_rows(parameters, plan)]
    rows += _cost_rows(parameters, plan)
    return pd.DataFrame(rows, columns=["measure", "timepoint", "quantity", "value"])


Row = tuple[str, str, str, float]


def _score_rows(parameters: SimulationParameters, plan: StudyDesign) -> list[Row]:
    third, group, people = plan.cells()
    shift = score_shift(third, group, parameters.outcome)
    rows = []
    for name in SCORES:
        score, measure = parameters.outcome.score(name), _MEASURES[name]
        before, spread = _rounded_moments(score.mean + score.sd * shift, score, name)
        start = score.mean + score.sd * shift + score.change
        without, _ = _rounded_moments(start, score, name)
        exposed, _ = _rounded_moments(start + score.effect * score.sd, score, name)
        difference = float(np.average(exposed - without, weights=people))
        sd = float(np.sqrt(np.average(spread**2, weights=people)))
        rows += [
            (measure, plan.follow_up, "adjusted_difference", difference),
            (measure, plan.follow_up, "standardised_difference", difference / sd),
            (
                measure,
                plan.follow_up,
                "mean_change",
                float(np.average(without - before, weights=people)),
            ),
            (measure, "baseline", "mean_baseline", float(np.average(before, weights=people))),
            (measure, "baseline", "sd_baseline", sd),
            (measure, plan.follow_up, "agency_share", parameters.outcome.agency_share),
        ]
    return rows


def _rounded_moments(means: Floats, score: ScoreModel, name: str) -> tuple[Floats, Floats]:
    """Return mean and SD of a rounded normal, for each cell."""
    items, lowest, highest = FORMS[name]
    steps = np.arange(items * lowest + 1, items * highest + 1)
    reached = ndtr((means[:, None] - steps + 0.5) / score.sd)
    first = reached.sum(axis=1)
    square = (reached * (2 * (steps - steps[0]) + 1)).sum(axis=1)
    return items * lowest + first, np.sqrt(square - first**2)


def _utility_rows(parameters: SimulationParameters, plan: StudyDesign) -> list[Row]:
    _, group, people = plan.cells()
    health = parameters.health
    shift = health_shift(group, health)
    before, square = _expected_utility(shift, health)
    without, _ = _expected_utility(shift + health.change, health)
    exposed, _ = _expected_utility(shift + health.change + health.effect, health)
    difference = float(np.average(exposed - without, weights=people))
    mean = float(np.average(before, weights=people))
    years = plan.follow_up_months / 12
    return [
        ("eq5d_utility", plan.follow_up, "adjusted_difference", difference),
        (
            "eq5d_utility",
            plan.follow_up,
            "mean_change",
            float(np.average(without - before, weights=people)),
        ),
        ("eq5d_utility", "baseline", "mean_baseline", mean),
        (
            "eq5d_utility",
            "baseline",
            "sd_baseline",
            float(np.sqrt(np.average(square, weights=people) - mean**2)),
        ),
        ("qaly", plan.follow_up, "adjusted_difference", years / 2 * difference),
    ]


def _expected_utility(means: Floats, health: HealthParameters) -> tuple[Floats, Floats]:
    """Return the mean utility and mean squared utility for latent problems N(mean, 1)."""
    from cpi_analysis.io.utilities import compute_utilities

    profiles = np.array(list(itertools.product((1, 2, 3), repeat=len(DIMENSIONS))))
    utility = compute_utilities(profiles, value_set="UK_3L_A1")
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    place = means[:, None] + nodes
    own = np.sqrt(1 - health.loading**2)
    upper = ndtr((health.loading * place[..., None, None] - level_thresholds(health)) / own)
    level = np.stack([1 - upper[..., 0], upper[..., 0] - upper[..., 1], upper[..., 1]], axis=-1)
    chosen = np.stack([level[..., d, profiles[:, d] - 1] for d in range(len(DIMENSIONS))])
    probability = np.einsum("cnp,n->cp", chosen.prod(axis=0), weights / weights.sum())
    return probability @ utility, probability @ utility**2


def _cost_rows(parameters: SimulationParameters, plan: StudyDesign) -> list[Row]:
    third, group, people = plan.cells()
    cost = parameters.cost
    relative = relative_use(third, group, cost)
    month = monthly_cost(cost)
    without = relative * plan.follow_up_months * month
    exposed = without * effect_ratio(relative, plan.follow_up_months, cost)
    before = relative * cost.baseline_recall_months * month
    return [
        (
            "total_cost",
            plan.follow_up,
            "adjusted_difference",
            float(np.average(exposed - without, weights=people)),
        ),
        ("total_cost", "baseline", "mean_baseline", float(np.average(before, weights=people))),
        (
            "total_cost",
            plan.follow_up,
            "mean_without_effect",
            float(np.average(without, weights=people)),
        ),
    ]
