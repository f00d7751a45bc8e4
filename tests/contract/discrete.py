"""One small instance of each model for events, counts and categories."""

from __future__ import annotations

from collections.abc import Callable

from cpi_analysis import effectiveness
from cpi_analysis.results import Result
from tests.effectiveness.made_discrete import make_people

FACTORIES: dict[str, Callable[[], Result]] = {
    "GeeResult": lambda: effectiveness.fit_gee(
        make_people(), formula="event ~ arm + age", cluster="agency", family="binomial"
    ),
    "StandardisedRiskResult": lambda: effectiveness.estimate_standardised_risks(
        make_people(),
        formula="event ~ arm + age",
        cluster="agency",
        exposure="arm",
    ),
    "GlmmResult": lambda: effectiveness.fit_glmm(
        make_people(), formula="event ~ arm + age", random={"agency": "1"}, family="binomial"
    ),
}
