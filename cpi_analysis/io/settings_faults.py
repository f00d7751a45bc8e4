"""Problems in a settings file, said as faults: the key, what is allowed, the nearest name."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from cpi_analysis.errors import Fault


def nearest_phrase(name: str, known: Sequence[str]) -> str:
    """Return a suggestion for a name that is not known, or a list of what is."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean `{by_lower[close[0]]}`?" if close else "use one of the allowed names"


def unknown_name(
    place: str, name: str, known: Sequence[str], what: str, file: str, *, code: str = "CPI-E041"
) -> Fault:
    """Return the fault of a name that is not among those known."""
    return Fault(
        code=code,
        file=file,
        rule=f"in {place or 'the file'}, `{name}` is not {what}",
        allowed=", ".join(known) or "none is declared",
        cure=nearest_phrase(name, known),
    )


def translate_problems(
    error: ValidationError, *, model: type[BaseModel], file: str, code: str = "CPI-E041"
) -> list[Fault]:
    """Turn what pydantic found wrong in a settings file into faults, one for each problem."""
    return [
        fault
        for problem in error.errors(include_url=False)
        for fault in _translate(problem, model, file, code)
    ]


def _translate(problem: Any, model: type[BaseModel], file: str, code: str) -> list[Fault]:
    path, kind = tuple(problem["loc"]), problem["type"]
    key = _phrase_path(path)
    place = key or "the whole file"
    if kind == "extra_forbidden":
        known = _settings_at(model, path[:-1])
        owner = _phrase_path(path[:-1])
        return [unknown_name(owner, str(path[-1]), known, "a setting", file, code=code)]
    rules, cure, allowed = [": " + str(problem["msg"])], f"correct `{place}`", None
    if kind == "value_error":
        # Our own checks give one problem a line.
        rules = [f": {line}" for line in str(problem["ctx"]["error"]).splitlines()]
    elif kind == "missing":
        rules, cure = [" is missing"], f"add `{path[-1]}`"
    elif kind == "literal_error":
        allowed = str(problem["ctx"]["expected"])
        options = [part.strip("' ") for part in allowed.replace(" or ", ",").split(",")]
        rules, cure = (
            [" is not one of the allowed texts"],
            nearest_phrase(str(problem["input"]), options),
        )
    elif kind == "string_type":
        rules, cure = [" must be a text"], f"put the value of `{place}` in quotation marks"
    return [
        Fault(code=code, file=file, rule=f"`{place}`{rule}", allowed=allowed, cure=cure)
        for rule in rules
    ]


def _phrase_path(path: Sequence[int | str]) -> str:
    phrase = ""
    for part in path:
        phrase += f"[{part}]" if isinstance(part, int) else f".{part}" if phrase else str(part)
    return phrase


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
