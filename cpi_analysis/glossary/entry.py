"""One entry of the glossary: what a column means, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Display = Literal["text", "count", "number", "p_value", "df", "proportion", "money", "flag"]


@dataclass(frozen=True)
class GlossaryEntry:
    """What a column of a result means, and how it is rounded when it is shown."""

    description: str
    display: Display
