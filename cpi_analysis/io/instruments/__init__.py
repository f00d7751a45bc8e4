"""Scoring keys and value sets: questionnaires described as data."""

from cpi_analysis.io.instruments.library import (
    list_instruments,
    list_value_sets,
    load_instrument,
    load_value_set,
)
from cpi_analysis.io.instruments.model import (
    COMPLETE,
    Cut,
    Instrument,
    Item,
    ItemSet,
    MissingRule,
    Scale,
    ScoreTable,
    ValueSet,
)

__all__ = [
    "COMPLETE",
    "Cut",
    "Instrument",
    "Item",
    "ItemSet",
    "MissingRule",
    "Scale",
    "ScoreTable",
    "ValueSet",
    "list_instruments",
    "list_value_sets",
    "load_instrument",
    "load_value_set",
]
