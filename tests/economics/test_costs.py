"""Costs from service use: every rule for missing cells, units, perspectives and windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import compute_costs
from cpi_analysis.errors import DataError

PRICES = pd.DataFrame(
    {
        "service": ["gp", "nurse", "bed", "informal_care", "phone"],
        "unit": ["contact", "hour", "day", "hour", "minute"],
        "unit_cost_gbp": [45.0, 60.0, 330.0, 12.0, 3.0],
        "price_year": ["2012/13"] * 5,
        "perspective": ["nhs_pss", "nhs_pss", None, "societal", "nhs_pss"],
        "is_verified": [True, False, False, False, False],
    }
)


def _use(*rows):
    columns = ["participant_id", "timepoint", "service", "is_used", "contacts"]
    table = pd.DataFrame(rows, columns=[*columns, "minutes_per_contact"])
    return table.astype({"is_used": "boolean", "contacts": "Float64"})


def _cost(*rows, prices=PRICES, **settings):
    settings = {"perspective": "nhs_pss", "recall": "as_recorded"} | settings
    return compute_costs(_use(*rows), prices, **settings)


def _one(service, is_used, contacts, minutes=np.nan):
    return _cost(("p1", "m9", service, is_used, contacts, minutes)).lines["cost"].iloc[0]


@pytest.mark.parametrize(
    ("service", "is_used", "contacts", "minutes", "cost"),
    [
        ("gp", True, 3, np.nan, 135.0),
        ("bed", True, 2, np.nan, 660.0),
        # 4 visits of 15 minutes are one hour.
        ("nurse", True, 4, 15, 60.0),
        ("phone", True, 2, 10, 60.0),
        ("gp", False, pd.NA, np.nan, 0.0),
        ("nurse", False, 0, np.nan, 0.0),
        ("nurse", True, 0, np.nan, 0.0),
        ("gp", True, pd.NA, np.nan, None),
        ("nurse", True, 4, np.nan, None),
        ("gp", pd.NA, 2, np.nan, 90.0),
        ("gp", pd.NA, pd.NA, np.nan, None),
    ],
)
def test_rules_for_one_service(service, is_used, contacts, minutes, cost):
    found = _one(service, is_used, contacts, minutes)
    assert np.isnan(found) if cost is None else found == pytest.approx(cost)


def test_a_total_is_missing_when_a_part_is_and_the_notes_say_so():
    result = _cost(
        ("p1", "m9", "gp", True, 2, np.nan),
        ("p1", "m9", "nurse", True, 1, 30),
        ("p2", "m9", "gp", True, pd.NA, np.nan),
        ("p2", "m9", "nurse", False, pd.NA, np.nan),
        ("p3", "m9", "gp", False, 0, np.nan),
    )
    totals = result.totals.set_index("participant_id")["total_cost"]
    assert totals["p1"] == pytest.approx(120.0)
    assert np.isnan(totals["p2"])
    # p3 was never asked about the nurse: the total is unknown, not zero.
    assert np.isnan(totals["p3"])
    assert any("1 services were used with contacts missing" in note for note in result.notes)
    assert any("1 interviews lack a row" in note for note in result.notes)


def test_the_table_counts_and_averages_by_service():
    result = _cost(
        ("p1", "m9", "gp", True, 2, np.nan),
        ("p2", "m9", "gp", True, 4, np.nan),
        ("p3", "m9", "gp", True, pd.NA, np.nan),
    )
    row = result.tidy().iloc[0]
    assert (row["category"], row["n"], row["n_missing"]) == ("gp", 2, 1)
    assert row["mean"] == pytest.approx(135.0)
    assert result.summary() == "Mean cost per participant, 2012/13 prices: m9 £135 (n = 2)."
    assert result.plot().get_xlabel() == "Mean cost per participant (£)"


def test_a_perspective_decides_which_services_count():
    rows = [("p1", "m9", "gp", True, 1, np.nan), ("p1", "m9", "informal_care", True, 1, 60)]
    health, society = (_cost(*rows, perspective=name) for name in ("nhs_pss", "societal"))
    assert health.totals["total_cost"].tolist() == [45.0]
    assert society.totals["total_cost"].tolist() == [57.0]
    assert any("left out: informal_care" in note for note in health.notes)


def test_how_many_prices_are_verified_is_said():
    result = _cost(("p1", "m9", "gp", True, 1, np.nan), ("p1", "m9", "bed", True, 1, np.nan))
    assert any("1 of 2 unit costs are verified" in note for note in result.notes)


def test_scaling_to_the_interval_stands_in_the_table():
    """Six months recalled of nine between interviews: 9/6 = 1.5; the baseline stays."""
    rows = [("p1", "baseline", "gp", True, 2, np.nan), ("p1", "m9", "gp", True, 2, np.nan)]
    result = _cost(*rows, recall="scaled_to_interval", recall_months=6, interval_months={"m9": 9.0})
    lines = result.lines.set_index("timepoint")
    assert lines["scale_factor"].to_dict() == {"baseline": 1.0, "m9": 1.5}
    assert lines["cost"].to_dict() == {"baseline": 90.0, "m9": 135.0}
    assert any("multiplied by 1.5" in note for note in result.notes)
    as_recorded = _cost(*rows)
    assert as_recorded.lines["scale_factor"].tolist() == [1.0, 1.0]
    assert as_recorded.lines["cost"].tolist() == [90.0, 90.0]


def test_the_order_of_the_rows_does_not_matter():
    rows = [
        (f"p{person}", "m9", service, True, person + 1, 20)
        for person in range(5)
        for service in ("gp", "nurse")
    ]
    pd.testing.assert_frame_equal(_cost(*rows).totals, _cost(*rows[::-1]).totals)


GP = ("p1", "m9", "gp", True, 1, np.nan)


@pytest.mark.parametrize(
    ("rows", "settings", "code"),
    [
        ([("p1", "m9", "chiropody", True, 1, np.nan)], {}, "CPI-E046"),
        ([GP], {"perspective": "hospital"}, "CPI-E045"),
        ([GP], {"recall": "doubled"}, "CPI-E045"),
        ([GP], {"recall": "scaled_to_interval"}, "CPI-E047"),
        (
            [GP],
            {
                "recall": "scaled_to_interval",
                "recall_months": {"m6": 6},
                "interval_months": {"m9": 9},
            },
            "CPI-E047",
        ),
        ([GP], {"price_year": "2016/17"}, "CPI-E049"),
        ([GP], {"prices": PRICES.assign(unit="visit")}, "CPI-E023"),
        ([GP], {"prices": PRICES.assign(unit_cost_gbp=-1.0)}, "CPI-E024"),
        ([GP], {"prices": PRICES.assign(price_year=None)}, "CPI-E014"),
        ([GP], {"prices": pd.concat([PRICES, PRICES])}, "CPI-E013"),
        ([GP], {"prices": PRICES.drop(columns="price_year")}, "CPI-E011"),
        ([("p1", "m9", "gp", True, -1, np.nan)], {}, "CPI-E024"),
        ([("p1", "m9", "gp", False, 2, np.nan)], {}, "CPI-E024"),
    ],
)
def test_what_cannot_be_priced_is_refused(rows, settings, code):
    with pytest.raises(DataError) as caught:
        _cost(*rows, **settings)
    assert code in caught.value.codes


def test_mixed_price_years_are_refused_naming_the_services():
    prices = PRICES.assign(price_year=["2012/13", "2008/09", "2012/13", "2012/13", "2012/13"])
    rows = [GP, ("p1", "m9", "nurse", True, 1, 30)]
    with pytest.raises(DataError, match="nurse \\(2008/09\\)"):
        _cost(*rows, prices=prices)
    with pytest.raises(DataError, match="nurse \\(2008/09\\)") as caught:
        _cost(*rows, prices=prices, price_year="2012/13")
    assert "gp (" not in str(caught.value)


def test_every_unpriced_service_is_named_at_once():
    with pytest.raises(DataError, match="service_use, column service, rows 1, 2:"):
        _cost(("p1", "m9", "chiropody", True, 1, np.nan), ("p1", "m9", "advocate", True, 1, np.nan))
