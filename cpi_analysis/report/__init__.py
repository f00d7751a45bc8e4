"""The reproduced study: pipeline, tables, figures, page and manifest."""

from cpi_analysis.report.measures import derive_measures
from cpi_analysis.report.pipeline import analyse
from cpi_analysis.report.report import Report

__all__ = ["Report", "analyse", "derive_measures"]
