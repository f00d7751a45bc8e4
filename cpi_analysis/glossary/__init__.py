"""The glossary: every column that a result may have. One word means one thing everywhere."""

from __future__ import annotations

from cpi_analysis.glossary import economics, effectiveness, factor_models, fidelity, shared
from cpi_analysis.glossary.entry import Display, GlossaryEntry

__all__ = ["GLOSSARY", "Display", "GlossaryEntry"]

_PARTS = (
    shared.ENTRIES,
    effectiveness.ENTRIES,
    economics.ENTRIES,
    fidelity.ENTRIES,
    factor_models.ENTRIES,
)

#: Every column by its name; a test fails when two parts define the same name.
GLOSSARY: dict[str, GlossaryEntry] = {
    name: entry for part in _PARTS for name, entry in part.items()
}
