"""Risk differences and ratios against recycled predictions in R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpi_analysis.effectiveness import StandardisedRiskResult, estimate_standardised_risks
from cpi_analysis.errors import DataError, ModelError
from tests.effectiveness.made_discrete import make_people

#: R's derivatives are differences with a step of 1e-6.
SAME = 1e-7
MODEL: dict[str, Any] = {"cluster": "agency", "exposure": "arm"}


def _estimate(**changes: Any) -> StandardisedRiskResult:
    arguments: dict[str, Any] = {"formula": "event ~ arm * age", **MODEL}
    return estimate_standardised_risks(make_people(), **(arguments | changes))


def test_agrees_with_recycled_predictions_in_r() -> None:
    # geepack 1.3.9, geeglm(event ~ arm * age, independence), R 4.2.2; delta method by hand.
    result = _estimate(working="independence", covariance="robust", reference="z")
    table = result.tidy().set_index("quantity")
    expected = [0.47215621132700, 0.28329577055566, 0.18886044077134, 1.66665464295818]
    np.testing.assert_allclose(table["estimate"], expected, rtol=1e-9)
    difference, ratio = table.loc["difference"], table.loc["ratio"]
    assert difference["std_error"] == pytest.approx(0.090686502253069, rel=SAME)
    assert ratio["std_error"] / ratio["estimate"] == pytest.approx(0.272573606933232, rel=SAME)
    for row, limits in (
        ("difference", (0.01111816247142, 0.36660271907127)),
        ("ratio", (0.9768559849185, 2.8435488360404)),
        ("risk in the target group", (0.35917386637533, 0.58806468186254)),
    ):
        assert tuple(table.loc[row, ["conf_low", "conf_high"]]) == pytest.approx(limits, rel=SAME)


def test_without_covariates_risks_are_those_of_the_groups() -> None:
    people = make_people()
    result = _estimate(formula="event ~ arm", working="independence")
    risks = people.groupby("arm")["event"].mean()
    expected = [risks[1], risks[0], risks[1] - risks[0], risks[1] / risks[0]]
    np.testing.assert_allclose(result.estimates["estimate"], expected, rtol=1e-9)
    # 12 agencies less intercept and arm.
    assert result.estimates["df"].tolist() == [10.0] * 4


def test_mean_counts_and_grouped_events_can_be_standardised() -> None:
    people = make_people()
    counts = _estimate(formula="count ~ arm", family="poisson", working="independence")
    means = people.groupby("arm")["count"].mean()
    assert counts.estimates["estimate"][2] == pytest.approx(means[1] - means[0], rel=1e-9)
    grouped = people.groupby(["agency", "arm", "age"], as_index=False).agg(
        event=("event", "sum"), people=("event", "size")
    )
    single = _estimate()
    joined = estimate_standardised_risks(
        grouped, formula="event ~ arm * age", trials="people", **MODEL
    )
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    np.testing.assert_allclose(joined.estimates[columns], single.estimates[columns], rtol=1e-8)


def test_an_exposure_that_is_not_there_or_not_coded_is_refused() -> None:
    for changes in ({"exposure": "nobody"}, {"exposure": "age"}):
        with pytest.raises(ModelError) as caught:
            _estimate(**changes)
        assert caught.value.codes == ("CPI-M004",)
    with pytest.raises(DataError) as refused:
        _estimate(family="gaussian")
    assert refused.value.codes == ("CPI-E045",)
