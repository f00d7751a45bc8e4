"""One small instance of the results that are built on a mixed model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd

import cpi_analysis
from cpi_analysis import effectiveness
from cpi_analysis.results import Result
from tests.effectiveness import small_trial


@cache
def _people() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    agency = np.arange(72) // 9
    arm = np.where(agency % 2 == 1, "cpi", "usual")
    before = rng.normal(40, 8, 72)
    outcome = 0.5 * before + 3.0 * (arm == "cpi") + rng.normal(0, 2, 8)[agency]
    return pd.DataFrame(
        {
            "agency_id": agency,
            "arm": arm,
            "sector": np.where(agency < 4, "statutory", "third"),
            "before": before,
            "outcome": outcome + rng.normal(0, 6, 72),
        }
    )


@cache
def _model() -> effectiveness.MixedModelResult:
    return effectiveness.fit_mixed_model(
        _people(), formula="outcome ~ arm * sector + before", random={"agency_id": "1"}
    )


@cache
def _trial() -> cpi_analysis.TrialData:
    return small_trial.make_trial()


@cache
def _set(*covariates: str) -> effectiveness.AnalysisSet:
    return effectiveness.build_analysis_set(
        _trial(), measure="wemwbs", timepoint="m9", covariates=covariates
    )


FACTORIES: dict[str, Callable[[], Result]] = {
    "ContrastResult": lambda: effectiveness.estimate_contrasts(
        _model(), by="arm", within="sector", family="stratum"
    ),
    "DoseResponseResult": lambda: effectiveness.fit_dose_response(
        _set("fidelity_percent@m9"), dose="fidelity_percent@m9", step=10.0
    ),
    "LongitudinalModelResult": lambda: effectiveness.fit_longitudinal_model(
        effectiveness.build_longitudinal_set(_trial(), measure="wemwbs")
    ),
    "ModeratorResult": lambda: effectiveness.fit_moderator_model(_set("sex"), moderator="sex"),
    "MarginalMeansResult": lambda: effectiveness.estimate_marginal_means(
        _model(), by=["arm", "sector"]
    ),
    "RepeatedMancovaResult": lambda: effectiveness.fit_repeated_mancova(
        _people().assign(u0=lambda d: d["before"] % 7, u9=lambda d: d["outcome"] % 5),
        outcomes={"score": ["before", "outcome"], "other": ["u0", "u9"]},
        group="arm",
        cluster="agency_id",
    ),
    "EffectSizeResult": lambda: effectiveness.estimate_effect_size(
        _people().assign(arm=lambda d: (d["arm"] == "cpi").astype(float)),
        outcome="outcome",
        exposure="arm",
        cluster="agency_id",
    ),
    "MinimalChangeResult": lambda: effectiveness.compute_minimal_change(_set(), reliability=0.85),
    "ResponderResult": lambda: effectiveness.estimate_responders(_set(), minimal_change=3.0),
    "InfluenceResult": lambda: effectiveness.compute_influence(_model()),
    "LeaveOneOutResult": lambda: effectiveness.estimate_leave_one_out(_model()),
    "ResidualCheckResult": lambda: effectiveness.compute_residual_check(_model()),
    "SingularityResult": lambda: effectiveness.build_singularity_report(_model()),
}
