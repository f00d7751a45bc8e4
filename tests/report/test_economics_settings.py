"""The report says what was costed and valued, and does not invent what the data do not say."""

from __future__ import annotations

import pandas as pd

import cpi_analysis as cpi
from cpi_analysis.io.protocol import CostPlan, UtilityPlan
from cpi_analysis.report.economics_settings import NOT_STATED, build_settings_block
from cpi_analysis.report.report import Report


def read_settings(trial: cpi.TrialData, **changes: object) -> pd.Series:
    assert trial.protocol is not None
    assert trial.protocol.economics is not None
    plan = trial.protocol.economics.model_copy(update=changes)
    table = build_settings_block(trial, plan).tables[0].content
    assert isinstance(table, pd.DataFrame)
    return table.set_index("setting")["choice"]


def test_settings_of_the_built_in_trial(report: Report) -> None:
    settings = read_settings(report.measured)
    assert settings["effect"] == "QALY: area under the curve of utilities at 0, 9 months"
    assert "UK_3L_A1" in settings["value set"]
    assert "EQ-5D-3L" in settings["value set"]
    assert settings["perspective"] == "NHS and personal social services"
    assert settings["price year"] == "2012/13"
    assert settings["recall window"] == (
        "as recorded: 6 months before the interview at 0 months; "
        "9 months before the interview at 9 months"
    )
    assert settings["time horizon"] == "9 months"
    assert settings["discounting"].startswith("none")
    assert settings["adjusted for"] == ("baseline cost and baseline effect, sector, client group")


def test_verified_prices_are_counted(report: Report) -> None:
    prices = report.measured.table("unit_costs")
    verified = sum(bool(flag) for flag in prices["is_verified"])
    assert 0 < verified < len(prices)
    costs = read_settings(report.measured)["costs"]
    assert f"{verified} of {len(prices)} unit costs are verified" in costs


def test_what_came_computed_is_said_to_be_not_stated(report: Report) -> None:
    settings = read_settings(
        report.measured,
        cost=CostPlan(measure="total_cost"),
        utility=UtilityPlan(measure="eq5d_utility"),
        adjust_for_baseline=False,
        covariates=(),
    )
    for name in ("value set", "perspective", "price year", "recall window"):
        assert settings[name] == NOT_STATED
    assert settings["adjusted for"] == "nothing"


def test_settings_are_on_the_page_and_a_table(report: Report) -> None:
    assert "economic_settings" in report.tables
