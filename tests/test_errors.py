"""Errors name place, rule and cure."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from cpi_analysis.errors import CODES, CPIAnalysisError, DataError, Fault, ModelError


def make_fault(**changes: object) -> Fault:
    settings: dict = {
        "code": "CPI-E024",
        "rule": "age must be possible",
        "cure": "correct the cells",
        "file": "people.csv",
        "column": "age_years",
        "rows": (3, 8),
        "allowed": "16 to 110",
    }
    return Fault(**{**settings, **changes})


def test_message_has_place_rule_allowed_and_cure():
    message = str(DataError(make_fault()))
    for part in ("CPI-E024", "people.csv", "age_years", "rows 3, 8", "16 to 110", "correct"):
        assert part in message


def test_long_lists_are_shortened_but_kept():
    faults = [make_fault(rows=tuple(range(2, 100))) for _ in range(25)]
    error = DataError(faults)
    assert len(error.faults) == 25
    assert "and 15 more" in str(error)
    assert "rows 2, 3, 4, 5, 6 and 93 more" in str(error)


def test_unknown_code_is_refused():
    with pytest.raises(ValueError, match="CPI-E999"):
        make_fault(code="CPI-E999")


def test_both_errors_have_one_root():
    assert issubclass(DataError, CPIAnalysisError)
    assert issubclass(ModelError, CPIAnalysisError)


def test_codes_are_well_formed_and_explained():
    assert all(re.fullmatch(r"CPI-[EM][0-9]{3}", code) for code in CODES)
    assert len(set(CODES.values())) == len(CODES)


def test_codes_of_an_error_come_once_each():
    error = DataError([make_fault(), make_fault(), make_fault(code="CPI-E020")])
    assert error.codes == ("CPI-E024", "CPI-E020")


def test_each_kind_of_error_has_its_own_codes():
    with pytest.raises(ValueError, match="CPI-M006"):
        DataError(make_fault(code="CPI-M006"))
    with pytest.raises(ValueError, match="CPI-E024"):
        ModelError([make_fault(code="CPI-M006"), make_fault()])


def test_a_fault_with_a_million_rows_is_shown_in_a_line():
    shown = repr(make_fault(rows=tuple(range(1, 1_000_001))))
    assert len(shown) < 300
    assert "999995 more" in shown
    assert "CPI-E024" in shown


def test_errors_can_be_copied_between_processes():
    error = DataError([make_fault(), make_fault(code="CPI-E020")])
    copied_through_bytes = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    for copied in (copied_through_bytes, copy.copy(error)):
        assert type(copied) is DataError
        assert copied.faults == error.faults
        assert str(copied) == str(error)
