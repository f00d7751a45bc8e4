"""The first results of each room: one small instance of each class."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

import cpi_analysis
from cpi_analysis import economics, effectiveness, fidelity
from cpi_analysis.results import Result
from tests.effectiveness import small_trial as outcomes
from tests.fidelity import small_trial as ratings

# small data ------------------------------------------------------------------------------------


@cache
def _analysis_set() -> effectiveness.AnalysisSet:
    return effectiveness.build_analysis_set(outcomes.make_trial(), measure="wemwbs", timepoint="m9")


@cache
def _outcome_model() -> effectiveness.OutcomeModelResult:
    return effectiveness.fit_outcome_model(_analysis_set())


def _costs() -> economics.CostResult:
    use = pd.DataFrame(
        {
            "participant_id": ["P1", "P2"],
            "timepoint": ["m9", "m9"],
            "service": ["gp", "gp"],
            "is_used": [True, True],
            "contacts": [2.0, 3.0],
        }
    )
    prices = pd.DataFrame(
        {
            "service": ["gp"],
            "unit": ["contact"],
            "unit_cost_gbp": [40.0],
            "price_year": ["2012/13"],
            "perspective": ["nhs_pss"],
            "source": ["made up"],
            "is_verified": [False],
        }
    )
    return economics.compute_costs(use, prices, perspective="nhs_pss", recall="as_recorded")


@cache
def _people() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    agency = np.repeat(np.arange(8), 6)
    arm = agency % 2
    return pd.DataFrame(
        {
            "agency": [f"a{number}" for number in agency],
            "arm": arm,
            "cost": rng.gamma(2.0, 1000.0, agency.size) + 1500 * arm,
            "qaly": 0.5 + 0.1 * arm + rng.normal(0, 0.2, agency.size),
        }
    )


@cache
def _incremental() -> economics.IncrementalResult:
    return economics.estimate_incremental(
        _people(),
        cost="cost",
        effect="qaly",
        arm="arm",
        cluster="agency",
        replicates=200,
        seed=1,
        thresholds=[20_000.0, 30_000.0],
    )


def _mixed_incremental() -> economics.IncrementalModelsResult:
    return economics.fit_incremental_models(
        _people(), cost="cost", effect="qaly", arm="arm", cluster="agency"
    )


@cache
def _rated_trial() -> cpi_analysis.TrialData:
    names = tuple(f"P{number}" for number in range(1, 13))
    return ratings.make_trial(ratings.simulate_ratings(12, seed=1), participants=names)


def _alpha() -> fidelity.AlphaResult:
    items = fidelity.build_fidelity_items(_rated_trial(), source="worker", domain="cpi_p")
    return fidelity.estimate_alpha(items)


def _icc() -> fidelity.IccResult:
    long = pd.DataFrame(
        {"t": [1, 1, 2, 2, 3, 3], "r": ["a", "b"] * 3, "x": [1.0, 2.0, 3.0, 3.0, 5.0, 6.0]}
    )
    return fidelity.estimate_icc(long, target="t", rater="r", rating="x", form="all")


#: One small instance of every Result class, by the name of the class.
FACTORIES: dict[str, Callable[[], Result]] = {
    "AcceptabilityResult": lambda: economics.compute_acceptability(
        _incremental(), thresholds=[0.0, 20_000.0, 30_000.0]
    ),
    "AlphaResult": _alpha,
    "CostResult": _costs,
    "DescriptiveTableResult": lambda: effectiveness.build_descriptive_table(_analysis_set()),
    "DomainReliabilityResult": lambda: fidelity.estimate_domain_reliability(_rated_trial()),
    "FidelityBandResult": lambda: fidelity.build_fidelity_bands(_rated_trial()),
    "FiellerResult": lambda: economics.estimate_fieller_interval(
        delta_cost=1000.0,
        delta_effect=0.1,
        variance_cost=40_000.0,
        variance_effect=0.0004,
        covariance=0.0,
    ),
    "IccResult": _icc,
    "IcerResult": lambda: economics.compute_icer(_incremental()),
    "IncrementalModelsResult": _mixed_incremental,
    "IncrementalResult": _incremental,
    "MixedModelResult": lambda: _outcome_model().model,
    "OutcomeModelResult": _outcome_model,
    "OutcomeTableResult": lambda: effectiveness.build_outcome_table([_outcome_model()]),
    "PairedChangeResult": lambda: effectiveness.estimate_paired_change(_analysis_set()),
    "SourceAgreementResult": lambda: fidelity.estimate_source_agreement(_rated_trial()),
}
