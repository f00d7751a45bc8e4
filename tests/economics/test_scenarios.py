"""Scenarios beside each other: paired by replicate, and dominance in words."""

from __future__ import annotations

import numpy as np
import pytest

from cpi_analysis.economics import (
    build_resampling_plan,
    compute_scenarios,
    estimate_incremental,
)
from cpi_analysis.errors import DataError
from tests.contract.costing import make_quantities

ROUNDING = 1e-9


def make_people():
    people = make_quantities()
    return people.assign(other=people["cost"] + people["training"], zero=0.0)


def analyse(people, cost="cost", *, seed=1, **settings):
    plan = build_resampling_plan(
        make_people(), cluster="agency_id", strata="arm", replicates=300, seed=seed
    )
    given = {"effect": "qaly", "arm": "arm", "cluster": "agency_id", "plan": plan}
    return estimate_incremental(people, cost=cost, **(given | settings))


def make_table(**settings):
    people = make_people()
    analyses = {"health care": analyse(people), "with training": analyse(people, "other")}
    given = {"thresholds": [20_000, 30_000], "is_one_plan": True} | settings
    return compute_scenarios(analyses, **given)


def _find(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_every_scenario_has_its_rows():
    table = make_table().tidy()
    assert table["scenario"].value_counts().to_dict() == {"with training": 7, "health care": 5}
    rows = table[table["scenario"] == "health care"]["quantity"].tolist()
    assert rows == ["delta_cost", "delta_effect", "icer", "inb", "inb"]


def test_numbers_are_those_of_the_analysis():
    people = make_people()
    whole = analyse(people, "other", thresholds=[20_000, 30_000]).tidy()
    table = make_table().tidy()
    for quantity in ("delta_cost", "delta_effect"):
        mine = _find(table, scenario="with training", quantity=quantity)
        theirs = _find(whole, quantity=quantity)
        for column in ("estimate", "std_error", "conf_low", "conf_high"):
            assert mine[column] == pytest.approx(theirs[column], rel=ROUNDING)
    mine = _find(table, scenario="with training", quantity="inb", threshold=20_000)
    theirs = _find(whole, quantity="inb", threshold=20_000)
    assert mine["std_error"] == pytest.approx(theirs["std_error"], rel=ROUNDING)
    assert 0 <= mine["probability"] <= 1


def test_the_change_is_paired_and_far_more_certain_than_the_two_apart():
    """Training adds 40 plus the number of the agency: that difference alone is uncertain."""
    people = make_people()
    row = _find(make_table().tidy(), quantity="inb_change", threshold=30_000)
    alone = analyse(people.assign(added=people["training"]), "added").point("delta_cost")
    assert row["estimate"] == pytest.approx(-alone["estimate"], rel=ROUNDING)
    assert row["std_error"] == pytest.approx(alone["std_error"], rel=1e-7)
    apart = make_table().tidy().query("quantity == 'inb' and threshold == 30_000")["std_error"]
    assert row["std_error"] < 0.1 * apart.min()


def test_without_one_plan_no_change_is_given():
    table = make_table(is_one_plan=False).tidy()
    assert "inb_change" not in set(table["quantity"])


def test_dominance_is_a_word_and_no_number():
    people = make_people()
    cheap = people.assign(
        cost=np.where(people["arm"] == 1, 10.0, 900.0) + people["gp"],
        qaly=np.where(people["arm"] == 1, 0.9, 0.1) + people["qaly"] / 100,
    )
    table = compute_scenarios(
        {"base case": analyse(cheap)}, thresholds=[20_000], is_one_plan=True
    ).tidy()
    row = _find(table, quantity="icer")
    assert np.isnan(row["estimate"])
    assert row["interpretation"].startswith("dominant")
    assert row["quadrant"] == "south-east"


def test_subgroups_are_drawn_by_the_same_plan():
    people = make_people()
    young = people[people.index % 2 == 0]
    result = compute_scenarios(
        {"everybody": analyse(people), "younger": analyse(young)},
        thresholds=[20_000],
        is_one_plan=True,
    )
    counts = result.tidy().groupby("scenario")["n_participants"].first()
    assert counts.to_dict() == {"everybody": 48, "younger": 24}
    assert len(result.plot().get_yticklabels()) == 2
    assert "younger" in result.summary()


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"seed": 2}, "CPI-E045"),
        ({"confidence_level": 0.9}, "CPI-E045"),
        ({"effect_label": "point"}, "CPI-E045"),
    ],
)
def test_analyses_that_do_not_belong_together_are_refused(settings, code):
    people = make_people()
    with pytest.raises(DataError) as caught:
        compute_scenarios(
            {"one": analyse(people), "two": analyse(people, **settings)},
            thresholds=[20_000],
            is_one_plan=True,
        )
    assert caught.value.codes == (code,)


def test_nothing_is_refused():
    with pytest.raises(DataError) as caught:
        compute_scenarios({}, thresholds=[20_000], is_one_plan=True)
    assert caught.value.codes == ("CPI-E047",)
    with pytest.raises(DataError) as caught:
        compute_scenarios({"one": analyse(make_people())}, thresholds=[], is_one_plan=True)
    assert caught.value.codes == ("CPI-E047",)
