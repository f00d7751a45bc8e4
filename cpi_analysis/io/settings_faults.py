"""Problems in a settings file, said as faults: the key, what is allowed, the nearest name."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from cpi_analysis.errors import Fault


def nearest_phrase(name: str, known: Sequence[str]) -> str:
    """Return a suggestion for a name that is not known, or a list of what is."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else "use one of the allowed names"


def unknown_name(place: str, name: str, known: Sequence[str], what: str, file: str) -> Fault:
    """Return the fault of a name that is not among those known."""
    return Fault(
        code="CPI-E041",
        file=file,
        rule=f"in {place or 'the file'}, `{name}` is not {what}",
        allowed=", ".join(known) or "none is declared",
        cure=nearest_phrase(name, known),
    )


def translate_problem(problem: Any, *, model: type[BaseModel], file: str) -> Fault:
    """Turn one problem found by pydantic into a fault, without the value that was given."""
    path = tuple(problem["loc"])
    key = ".".join(map(str, path)) or "the whole file"
    kind = problem["type"]
    allowed = None
    if kind == "extra_forbidden":
        known = _settings_at(model, path[:-1])
        return unknown_name(".".join(map(str, path[:-1])), str(path[-1]), known, "a setting", file)
    rule = f"`{key}`: " + str(problem["msg"]).removeprefix("Value error, ")
    cure = f"correct `{key}`"
    if kind == "missing":
        rule, cure = f"`{key}` is missing", f"add `{path[-1]}`"
    elif kind == "literal_error":
        rule, allowed = f"`{key}` is not one of the allowed texts", problem["ctx"]["expected"]
    elif kind == "string_type":
        rule, cure = f"`{key}` must be a text", f"put the value of `{key}` in quotation marks"
    return Fault(code="CPI-E041", file=file, rule=rule, allowed=allowed, cure=cure)


def _settings_at(model: Any, path: Sequence[Any]) -> tuple[str, ...]:
    """Return the settings that a place of the file may have."""
    here: Any = model
    for step in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(step))
            here = field.annotation if field else None
        elif typing.get_origin(here) is dict or typing.get_origin(here) is tuple:
            here = typing.get_args(here)[-1 if typing.get_origin(here) is dict else 0]
        here = _without_none(here)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return tuple(here.model_fields)
    return ()


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next(part for part in typing.get_args(annotation) if part is not types.NoneType)
    return annotation
