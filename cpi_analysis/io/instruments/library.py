"""Find and read scoring keys and value sets, and say what is wrong with one that is refused."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.instruments.model import (
    Cut,
    Instrument,
    ItemSet,
    MissingRule,
    Scale,
    ScoreTable,
    ValueSet,
)

Model = TypeVar("Model", Instrument, ValueSet)

# The last name of a key path says which model its keys belong to.
_MODELS: dict[str, type[BaseModel]] = {
    "item_sets": ItemSet,
    "scales": Scale,
    "missing": MissingRule,
    "table": ScoreTable,
    "cuts": Cut,
}


def _folder(name: str) -> Traversable:
    return resources.files("cpi_analysis.io.instruments").joinpath(name)


def _names(folder: str) -> tuple[str, ...]:
    files = (entry.name for entry in _folder(folder).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def list_instruments() -> tuple[str, ...]:
    """Return the names of the instruments that come with the package, sorted.

    Examples
    --------
    >>> from cpi_analysis.io.instruments import list_instruments
    >>> "wemwbs" in list_instruments()
    True
    """
    return _names("keys")


def list_value_sets() -> tuple[str, ...]:
    """Return the names of the value sets that come with the package, sorted.

    Examples
    --------
    >>> from cpi_analysis.io.instruments import list_value_sets
    >>> list_value_sets()
    ('ENG_5L_2018', 'UK_3L_A1', 'UK_5L_2026')
    """
    return _names("value_sets")


def load_instrument(name_or_path: str | Path) -> Instrument:
    """Return a scoring key: one of the package's by its name, or a user's by its path.

    Parameters
    ----------
    name_or_path
        A name of :func:`list_instruments`, or the path of a TOML file. A text is a path when
        it ends in ``.toml``.

    Raises
    ------
    DataError
        CPI-E043 when the name is not known, CPI-E001 when the file cannot be read, CPI-E042
        when the key is not valid; every fault of the key at once.

    Examples
    --------
    >>> from cpi_analysis.io.instruments import load_instrument
    >>> load_instrument("wemwbs").scales[0].maximum
    70.0
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        return _read(Path(name_or_path), str(name_or_path), Instrument, code="CPI-E042")
    return _load_shipped_instrument(name_or_path)


@lru_cache(maxsize=64)
def _load_shipped_instrument(name: str) -> Instrument:
    _check_known(name, list_instruments(), "instrument", "CPI-E043")
    return _read(_folder("keys").joinpath(f"{name}.toml"), f"{name}.toml", Instrument, "CPI-E042")


def load_value_set(name_or_path: str | Path) -> ValueSet:
    """Return a value set: one of the package's by its name, or a user's by its path.

    Raises
    ------
    DataError
        CPI-E044 when the name is not known or the file is not valid, CPI-E001 when the file
        cannot be read.

    Examples
    --------
    >>> from cpi_analysis.io.instruments import load_value_set
    >>> load_value_set("UK_3L_A1").minimum
    -0.594
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        return _read(Path(name_or_path), str(name_or_path), ValueSet, code="CPI-E044")
    return _load_shipped_value_set(name_or_path)


@lru_cache(maxsize=16)
def _load_shipped_value_set(name: str) -> ValueSet:
    _check_known(name, list_value_sets(), "value set", "CPI-E044")
    file = _folder("value_sets").joinpath(f"{name}.toml")
    return _read(file, f"{name}.toml", ValueSet, "CPI-E044")


def _check_known(name: str, known: tuple[str, ...], kind: str, code: str) -> None:
    if name in known:
        return
    raise DataError(
        Fault(
            code=code,
            rule=f"the {kind} {name!r} is not known",
            allowed=", ".join(known) + ", or the path of a .toml file",
            cure=_suggest(name, known) or f"use the name of a {kind} that is listed",
        )
    )


def _suggest(name: str, known: Iterable[str]) -> str | None:
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"did you mean {by_lower[close[0]]!r}?" if close else None


def _read(file: Traversable | Path, shown: str, model: type[Model], code: str) -> Model:
    try:
        data = tomllib.loads(file.read_bytes().decode("utf-8"))
        return model.model_validate(data)
    except OSError as error:
        raise DataError(
            Fault(
                code="CPI-E001",
                file=shown,
                rule="the file cannot be read",
                cure="check the path; a relative one starts at the working folder",
            )
        ) from error
    # ValidationError is a ValueError too: the order of these branches matters.
    except ValidationError as error:
        raise DataError(_translate(error, model, shown, code)) from None
    except ValueError as error:
        raise DataError(
            Fault(
                code=code,
                file=shown,
                rule=f"the file is not TOML in UTF-8: {error}",
                cure="correct the place that is named; docs/instruments.md has an example",
            )
        ) from error


def _translate(
    error: ValidationError, model: type[BaseModel], shown: str, code: str
) -> list[Fault]:
    faults: list[Fault] = []
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        path = _phrase_path(loc)
        if detail["type"] == "extra_forbidden":
            faults.append(_unknown_key(loc, path, model, shown, code))
        elif detail["type"] == "missing":
            cure = f"add {loc[-1]} = ..."
            faults.append(_fault(code, shown, f"the key {path} is missing", None, cure))
        elif detail["type"] == "value_error":
            # Our own checks give one problem a line, each with its key path inside.
            for line in str(detail["ctx"]["error"]).splitlines():
                rule = f"{path}: {line}" if path else line
                faults.append(_fault(code, shown, rule, None, "correct the keys that are named"))
        else:
            faults.append(_wrong_value(dict(detail), path, shown, code))
    return faults


def _wrong_value(detail: dict[str, Any], path: str, shown: str, code: str) -> Fault:
    expected = detail.get("ctx", {}).get("expected")
    given = detail.get("input")
    options = [part.strip("' ") for part in str(expected).replace(" or ", ",").split(",")]
    hint = _suggest(given, options) if expected and isinstance(given, str) else None
    cure = hint or "give a value that is allowed"
    return _fault(code, shown, f"{path}: {detail['msg']}", expected, cure)


def _unknown_key(
    loc: tuple[int | str, ...], path: str, model: type[BaseModel], shown: str, code: str
) -> Fault:
    owners = [_MODELS[part] for part in loc[:-1] if isinstance(part, str) and part in _MODELS]
    allowed = sorted((owners[-1] if owners else model).model_fields)
    cure = _suggest(str(loc[-1]), allowed) or "remove the key"
    return _fault(code, shown, f"the key {path} is not known", ", ".join(allowed), cure)


def _fault(code: str, shown: str, rule: str, allowed: str | None, cure: str) -> Fault:
    return Fault(code=code, file=shown, rule=rule, allowed=allowed, cure=cure)


def _phrase_path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path
