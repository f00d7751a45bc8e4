"""Use of services and costs by category, sector and payer: arithmetic on a few rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import compute_cost_table, compute_costs, compute_resource_use
from cpi_analysis.errors import DataError
from tests.contract.costing import make_costs, make_people, make_prices, make_use


def _find(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_costs_by_category_by_hand():
    """Intervention: p0, p2, p4 with 1, 3 and 5 contacts of each service, 20 minutes each."""
    table = compute_cost_table(make_costs(), participants=make_people(), group="arm").tidy()
    row = _find(table, timepoint="m9", group="intervention", category="primary care")
    # 45 + 60/3 = 65 a contact.
    assert (row["n"], row["mean"]) == (3, pytest.approx(65 * 3))
    assert row["std_dev"] == pytest.approx(65 * 2)
    care = _find(table, timepoint="m9", group="comparison", category="informal care")
    assert care["mean"] == pytest.approx(4 * 4)
    total = _find(table, timepoint="m9", group="intervention", category="total")
    assert total["mean"] == pytest.approx(69 * 3)


@pytest.mark.parametrize("by", ["service", "category", "sector", "perspective"])
def test_parts_add_up_to_the_total_when_nothing_is_missing(by):
    table = compute_cost_table(make_costs(), participants=make_people(), group="arm", by=by).tidy()
    is_total = table["category"] == "total"
    keys = ["timepoint", "group"]
    parts = table[~is_total].groupby(keys)["mean"].sum()
    totals = table[is_total].set_index(keys)["mean"]
    assert parts.to_numpy() == pytest.approx(totals.loc[parts.index].to_numpy())
    assert is_total.sum() == 4


def test_a_category_is_missing_when_one_of_its_services_is():
    use = make_use()
    use.loc[use["service"] == "nurse", "contacts"] = np.nan
    costs = compute_costs(use, make_prices(), perspective="societal", recall="as_recorded")
    table = compute_cost_table(costs, participants=make_people(), group="arm").tidy()
    row = _find(table, timepoint="m9", group="comparison", category="primary care")
    assert (row["n"], row["n_missing"]) == (0, 3)
    assert _find(table, timepoint="m9", group="comparison", category="informal care")["n"] == 3
    assert _find(table, timepoint="m9", group="comparison", category="total")["n"] == 0


def test_use_is_a_share_and_a_mean_quantity_and_never_scaled():
    use = make_use()
    use.loc[(use["service"] == "gp") & (use["participant_id"] == "p0"), "contacts"] = 0
    costs = compute_costs(
        use,
        make_prices(),
        perspective="societal",
        recall="scaled_to_interval",
        recall_months=6,
        interval_months={"m9": 9.0},
    )
    table = compute_resource_use(costs, participants=make_people(), group="arm").tidy()
    row = _find(table, timepoint="m9", group="intervention", service="gp")
    # p0 none, p2 three, p4 five contacts.
    assert (row["n"], row["unit"], row["unit_cost"]) == (3, "contact", 45.0)
    assert row["proportion"] == pytest.approx(2 / 3)
    assert row["mean"] == pytest.approx(8 / 3)
    nurse = _find(table, timepoint="m9", group="comparison", service="nurse")
    assert nurse["mean"] == pytest.approx(4 / 3)


def test_a_scaled_cost_says_so_in_its_table():
    costs = compute_costs(
        make_use(),
        make_prices(),
        perspective="nhs_pss",
        recall="scaled_to_interval",
        recall_months=6,
        interval_months={"m9": 9.0},
    )
    factor = costs.tidy().groupby("timepoint")["scale_factor"].unique()
    assert factor["baseline"].tolist() == [1.0]
    assert factor["m9"].tolist() == [1.5]


def test_a_missing_duration_has_the_default_only_when_one_is_given():
    use = make_use().assign(minutes_per_contact=np.nan)
    settings = {"perspective": "nhs_pss", "recall": "as_recorded"}
    without = compute_costs(use, make_prices(), **settings)
    assert without.lines.loc[without.lines["service"] == "nurse", "cost"].isna().all()
    given = compute_costs(use, make_prices(), default_minutes={"nurse": 30}, **settings)
    nurse = given.lines[given.lines["service"] == "nurse"]
    # Person k had k + 1 contacts of half an hour at 60 an hour.
    assert sorted(nurse["cost"]) == sorted([30.0 * (k + 1) for k in range(6)] * 2)
    assert nurse["is_default_duration"].all()
    assert not given.lines.loc[given.lines["service"] == "gp", "is_default_duration"].any()
    assert "12 lines have the default duration of their service." in given.notes
    with pytest.raises(DataError) as caught:
        compute_costs(use, make_prices(), default_minutes={"nurse": 0}, **settings)
    assert caught.value.codes == ("CPI-E024",)


def test_the_figures_show_the_last_timepoint_by_group():
    table = compute_cost_table(make_costs(), participants=make_people(), group="arm")
    axes = table.plot()
    assert axes.get_xlabel() == "Mean cost per person, m9 (£)"
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        "intervention",
        "comparison",
    }
    assert "intervention £207 (n = 3)" in table.summary()


@pytest.mark.parametrize(
    ("people", "settings", "code"),
    [
        (make_people().iloc[1:], {}, "CPI-E030"),
        (make_people(), {"group": "team"}, "CPI-E011"),
        (make_people(), {"by": "colour"}, "CPI-E045"),
    ],
)
def test_people_without_a_group_are_refused(people, settings, code):
    with pytest.raises(DataError) as caught:
        compute_cost_table(make_costs(), participants=people, **({"group": "arm"} | settings))
    assert caught.value.codes == (code,)


def test_summaries_are_of_pandas_tables_in_any_row_order():
    use = make_use()
    one, other = (
        compute_cost_table(
            compute_costs(rows, make_prices(), perspective="societal", recall="as_recorded"),
            participants=make_people(),
            group="arm",
        ).tidy()
        for rows in (use, use.sample(frac=1, random_state=1))
    )
    pd.testing.assert_frame_equal(one, other)
