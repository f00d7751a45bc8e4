"""The built-in trial analysed once, for every test of the report."""

from __future__ import annotations

from pathlib import Path

import pytest

import cpi_analysis as cpi
from cpi_analysis.report import Report


@pytest.fixture(scope="session")
def report() -> Report:
    return cpi.analyse(cpi.load_example_trial(), seed=1)


@pytest.fixture(scope="session")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.save(tmp_path_factory.mktemp("report") / "results")
