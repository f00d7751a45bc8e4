"""Columns of the effectiveness analysis."""

from __future__ import annotations

from cpi_analysis.glossary.entry import GlossaryEntry

ENTRIES: dict[str, GlossaryEntry] = {}
