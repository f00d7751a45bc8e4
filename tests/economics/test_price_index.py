"""Price years: the ratios of public code, its two traps, and what is refused."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from cpi_analysis.economics import (
    compute_costs,
    derive_price_year,
    list_price_indices,
    load_price_index,
)
from cpi_analysis.errors import DataError

#: The ratios that public code uses are given to six digits.
SIX_DIGITS = 6e-7


def make_prices(**change) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "service": ["gp", "nurse", "psychiatrist"],
            "unit": "contact",
            "unit_cost_gbp": [36.0, 11.0, 106.0],
            "unit_cost_std_error": [2.0, 1.0, 10.0],
            "price_year": ["2010/11", "2012/13", "2015/16"],
            "is_verified": [True, True, False],
        }
    )
    return table.assign(**change)


@pytest.mark.parametrize(
    ("year", "factor"), [("2010/11", 1.092519), ("2012/13", 1.052210), ("2015/16", 1.017845)]
)
def test_hchs_has_the_ratios_of_public_code_to_2016_17(year, factor):
    index = load_price_index("hchs_pay_and_prices")
    assert index.factor(year, "2016/17") == pytest.approx(factor, rel=SIX_DIGITS)
    assert index.factor("2016/17", year) == pytest.approx(1 / factor, rel=SIX_DIGITS)


def test_first_trap_the_base_of_that_code_is_2016_17_not_2015_16():
    """Comments there call 302.3 the level of 2015/16; it is 1.8% above that year's 297.0."""
    index = load_price_index("hchs_pay_and_prices")
    assert index.levels["2015/16"] == 297.0
    assert index.levels["2016/17"] == 302.3
    assert max(index.levels) == "2016/17"


def test_second_trap_the_prices_only_series_is_not_hchs_pay_and_prices():
    """R's inflatably ships 5.2, -1.3, 2.8, 4.1, 3.1, 1.8, 1.7, 2.7, 3.9 per cent as HCHS."""
    levels = list(load_price_index("hchs_pay_and_prices").levels.values())
    changes = {round(100 * (after / before - 1), 1) for before, after in itertools.pairwise(levels)}
    assert changes == {2.1, 1.7, 1.1, 0.9, 1.3, 1.8}
    with pytest.raises(DataError) as caught:
        load_price_index("hchs")
    assert caught.value.codes == ("CPI-E045",)
    assert "hchs_pay_and_prices" in str(caught.value)
    both, prices = (load_price_index(f"nhscii_{name}") for name in ("pay_and_prices", "prices"))
    assert both.factor("2014/15", "2023/24") == pytest.approx(1.267387, rel=1e-6)
    assert prices.factor("2014/15", "2023/24") == pytest.approx(1.216501, rel=1e-6)


def test_the_chain_follows_each_index_in_its_years():
    chain, early, late = (
        load_price_index(name)
        for name in ("hchs_then_nhscii", "hchs_pay_and_prices", "nhscii_pay_and_prices")
    )
    assert chain.factor("2010/11", "2016/17") == early.factor("2010/11", "2016/17")
    assert chain.factor("2016/17", "2023/24") == pytest.approx(
        late.factor("2016/17", "2023/24"), rel=1e-12
    )
    # 302.3/276.7 × 1.0124 × 1.0160, by hand.
    assert chain.factor("2010/11", "2018/19") == pytest.approx(1.123763, rel=1e-6)
    assert chain.status == "A"


def test_every_index_says_its_source_and_mark():
    for name in list_price_indices():
        index = load_price_index(name)
        assert index.source
        assert index.status in {"V", "D", "A"}
        assert all(level > 0 for level in index.levels.values())


def test_prices_are_moved_row_by_row_and_say_how():
    moved = derive_price_year(
        make_prices(), price_year="2012/13", price_index="hchs_pay_and_prices"
    )
    factor = [287.3 / 276.7, 1.0, 287.3 / 297.0]
    assert moved["price_factor"].tolist() == pytest.approx(factor)
    assert moved["unit_cost_gbp"].tolist() == pytest.approx([36 * factor[0], 11.0, 106 * factor[2]])
    assert moved["unit_cost_std_error"].tolist() == pytest.approx(
        [2 * factor[0], 1.0, 10 * factor[2]]
    )
    assert moved["price_year"].tolist() == ["2012/13"] * 3
    assert moved["original_price_year"].tolist() == ["2010/11", "2012/13", "2015/16"]
    # A product of two numbers was read nowhere.
    assert moved["is_verified"].tolist() == [False, True, False]
    assert moved["service"].tolist() == ["gp", "nurse", "psychiatrist"]


def test_moving_there_and_back_changes_nothing_and_costs_can_be_computed():
    there = derive_price_year(
        make_prices(), price_year="2012/13", price_index="hchs_pay_and_prices"
    )
    back = derive_price_year(there, price_year="2010/11", price_index="hchs_pay_and_prices")
    assert back["unit_cost_gbp"][0] == pytest.approx(36.0, rel=1e-12)
    use = pd.DataFrame(
        {
            "participant_id": "p1",
            "timepoint": "m9",
            "service": ["gp", "nurse", "psychiatrist"],
            "is_used": True,
            "contacts": 1,
        }
    )
    settings = {"perspective": "nhs_pss", "recall": "as_recorded"}
    with pytest.raises(DataError, match="derive_price_year"):
        compute_costs(use, make_prices(), **settings)
    total = compute_costs(use, there, **settings).totals["total_cost"]
    assert total.tolist() == pytest.approx([36 * 287.3 / 276.7 + 11 + 106 * 287.3 / 297.0])


def test_levels_of_ones_own_can_be_given():
    moved = derive_price_year(
        make_prices(price_year="2010/11"),
        price_year="2012/13",
        price_index={"2010/11": 50, "2012/13": 55},
    )
    assert moved["price_factor"].tolist() == pytest.approx([1.1] * 3)


@pytest.mark.parametrize(
    ("prices", "settings", "code"),
    [
        (make_prices(price_year=None), {}, "CPI-E014"),
        (make_prices(price_year="2011"), {}, "CPI-E045"),
        (make_prices(), {"price_year": "2031/32"}, "CPI-E045"),
        (make_prices(), {"price_index": "hchs_prices"}, "CPI-E045"),
        (make_prices(), {"price_index": {"2010/11": 0.0}}, "CPI-E024"),
        (make_prices(unit_cost_gbp=-1.0), {}, "CPI-E024"),
        (make_prices().drop(columns="price_year"), {}, "CPI-E011"),
        ("prices.csv", {}, "CPI-E045"),
    ],
)
def test_prices_that_cannot_be_moved_are_refused(prices, settings, code):
    given = {"price_year": "2012/13", "price_index": "hchs_pay_and_prices"} | settings
    with pytest.raises(DataError) as caught:
        derive_price_year(prices, **given)
    assert caught.value.codes == (code,)
