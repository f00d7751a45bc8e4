"""The protocol: what it refuses, and that its page names every setting."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from cpi_analysis.io import protocol as settings
from cpi_analysis.io.protocol import Contrast, CostPlan, EconomicPlan, Protocol, UtilityPlan

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
MODELS = [
    model
    for model in vars(settings).values()
    if isinstance(model, type)
    and issubclass(model, settings.StrictModel)
    and model.__module__ == settings.__name__
]
ARMS = Contrast(variable="arm", target="intervention", reference="comparison")
ECONOMICS = {
    "effect": "wemwbs",
    "cost": {"measure": "total_cost"},
    "cost_timepoints": ["m9"],
    "adjust_for_baseline": True,
    "thresholds": [20000, 30000],
    "headline_threshold": 20000,
    "threshold_maximum": 50000,
    "replicates": 1000,
}


@pytest.mark.parametrize("model", MODELS)
def test_the_page_names_every_setting(model):
    missing = [name for name in model.model_fields if not re.search(rf"`{name}`|\b{name} = ", PAGE)]
    assert missing == []


def test_the_example_of_the_page_is_a_protocol():
    example = PAGE.split("```toml\n")[1].split("```")[0]
    plan = Protocol.model_validate(tomllib.loads(example)["analysis"])
    assert plan.outcomes[0].baseline == "same"


@pytest.mark.parametrize(
    ("model", "values", "words"),
    [
        (Contrast, {"variable": "fidelity_band", "target": "a", "reference": "b"}, "cutoff"),
        (Contrast, {"variable": "arm", "target": "a", "reference": "a"}, "must differ"),
        (UtilityPlan, {"instrument": "eq5d_3l"}, "there is no default"),
        (UtilityPlan, {}, "either measure"),
        (CostPlan, {"from_service_use": True}, "price_year"),
        (CostPlan, {"measure": "total_cost", "from_service_use": True}, "either measure"),
        (EconomicPlan, ECONOMICS | {"thresholds": [30000, 20000]}, "increasing order"),
        (EconomicPlan, ECONOMICS | {"headline_threshold": 25000}, "one of thresholds"),
        (EconomicPlan, ECONOMICS | {"effect": "qaly"}, "two utility_timepoints"),
        (EconomicPlan, ECONOMICS | {"replicates": 10}, "100"),
        (Protocol, {"contrast": ARMS, "outcomes": []}, "at least one outcome"),
        (
            Protocol,
            {
                "contrast": ARMS,
                "outcomes": [{"measure": "x", "timepoint": "m9", "population": "some"}],
            },
            "not defined",
        ),
    ],
)
def test_what_a_protocol_refuses(model, values, words):
    with pytest.raises(ValidationError, match=words):
        model.model_validate(values)


def test_a_sound_economic_plan_is_accepted():
    assert EconomicPlan.model_validate(ECONOMICS).thresholds == (20000, 30000)
