"""Find and read scoring keys and value sets, and say what is wrong with one that is refused."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.instruments.model import Instrument, ValueSet
from cpi_analysis.io.settings_faults import nearest_phrase, translate_problems

Model = TypeVar("Model", Instrument, ValueSet)


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
            cure=nearest_phrase(name, known),
        )
    )


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
        raise DataError(translate_problems(error, model=model, file=shown, code=code)) from None
    except ValueError as error:
        raise DataError(
            Fault(
                code=code,
                file=shown,
                rule=f"the file is not TOML in UTF-8: {error}",
                cure="correct the place that is named; docs/instruments.md has an example",
            )
        ) from error
