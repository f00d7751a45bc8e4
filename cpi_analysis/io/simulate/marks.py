"""Numbers that carry a mark: how far each one can be trusted, and what it means."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

#: V verified in a public source, D derived by arithmetic from verified numbers, R recalled from
#: the literature and not verified, A assumed by this project.
Mark = Literal["V", "D", "R", "A"]
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class MarkedNumber:
    """One parameter as it is declared to the reader."""

    name: str
    mark: Mark
    text: str

    def __str__(self) -> str:
        return f"[{self.mark}] {self.name}: {self.text}"


def number(default: Value, mark: Mark, meaning: str) -> Value:
    """Return a dataclass field with its default, its mark and its meaning."""
    field: Any = dataclasses.field(default=default, metadata={"mark": mark, "meaning": meaning})
    return field  # type: ignore[no-any-return]


def group(default: Value, meaning: str) -> Value:
    """Return a dataclass field that holds a tuple of entries, each with a mark of its own."""
    field: Any = dataclasses.field(default=default, metadata={"meaning": meaning})
    return field  # type: ignore[no-any-return]


def list_marked(parameters: Any, prefix: str = "") -> Iterator[MarkedNumber]:
    """Yield every number under ``parameters`` with its mark, in the order of declaration.

    A number that the caller changed is an assumption of the caller: its mark becomes A. The
    entries of a tuple carry their own mark and ``describe()`` themselves.
    """
    for field in dataclasses.fields(parameters):
        name, value = prefix + field.name, getattr(parameters, field.name)
        if "mark" in field.metadata:
            mark: Mark = field.metadata["mark"] if value == field.default else "A"
            yield MarkedNumber(name=name, mark=mark, text=f"{value}; {field.metadata['meaning']}")
        elif isinstance(value, tuple):
            for entry in value:
                yield MarkedNumber(name=name, mark=entry.mark, text=entry.describe())
        else:
            yield from list_marked(value, f"{name}.")
