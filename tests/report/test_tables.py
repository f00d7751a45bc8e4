"""Tables as files and on the page."""

from __future__ import annotations

import csv
import datetime as dt
import io

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.report.tables import page_rows, phrase_estimate, write_csv


def read_back(table: pd.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(write_csv(table).decode("utf-8"))))


def test_a_csv_keeps_full_precision() -> None:
    number = 0.1 + 0.2
    assert float(read_back(pd.DataFrame({"estimate": [number]}))[1][0]) == number


def test_a_csv_has_iso_dates_and_line_feeds() -> None:
    table = pd.DataFrame(
        {
            "a": pd.to_datetime(["2013-05-09", None]),
            "b": [dt.date(2012, 8, 1), None],
            "c": pd.array([1, None], dtype="Int64"),
        }
    )
    assert write_csv(table) == b"a,b,c\n2013-05-09,2012-08-01,1\n,,\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@SUM(A1)", "\tx", "\rx"])
def test_text_that_a_spreadsheet_would_run_is_disarmed(text: str) -> None:
    rows = read_back(pd.DataFrame({"reason": [text], text: ["plain"]}))
    expected = "'" + text.replace("\r", "\n")
    assert rows == [["reason", expected], [expected, "plain"]]


def test_a_negative_number_is_not_text() -> None:
    assert read_back(pd.DataFrame({"estimate": [-1.5]}))[1] == ["-1.5"]


def test_the_limits_of_an_interval_share_a_column() -> None:
    table = pd.DataFrame(
        {
            "quantity": ["delta"],
            "estimate": [-1.25],
            "conf_low": [-2.0],
            "conf_high": [0.5],
            "seed": [1],
            "statistic": [np.nan],
        }
    )
    headings, rows = page_rows(table, confidence_level=0.9)
    assert [heading[0] for heading in headings] == ["quantity", "estimate", "90% CI"]
    assert rows == [["delta", "−1.25", "−2.00 to 0.50"]]


def test_a_limit_that_does_not_exist_is_blank() -> None:
    table = pd.DataFrame({"estimate": [1.0, 2.0], "conf_low": [0.5, np.nan], "conf_high": [2, 3]})
    _, rows = page_rows(table, confidence_level=None)
    assert rows[1][1] == ""


def test_an_estimate_and_its_limits_have_the_same_decimals() -> None:
    row = {"estimate": 0.56943, "conf_low": 0.08219, "conf_high": 1.05667}
    assert phrase_estimate(row) == "0.569 (0.082 to 1.057)"
    # A region without a limit has no width: each number stands for itself.
    open_row = {"estimate": 12.5, "conf_low": -np.inf, "conf_high": 60_659.4}
    assert phrase_estimate(open_row) == "12.50 (−∞ to 60,659)"
