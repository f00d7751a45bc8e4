"""Write a trial to a folder in the shape of the package, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cpi_analysis.errors import DataError, Fault

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData


def save_trial(trial: TrialData, folder: str | Path) -> Path:
    """Write a trial as one CSV file per table and a ``study.toml``.

    Everything is written to a folder beside the target, which takes its name at the end: an
    interrupted run leaves no half of a trial.

    Parameters
    ----------
    trial
        The trial.
    folder
        A folder that does not exist yet, or is empty.

    Returns
    -------
    Path
        The folder. ``load_trial(folder)`` gives an equal trial.

    Raises
    ------
    DataError
        CPI-E048 when the folder has files in it or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from cpi_analysis.io.simulate import simulate_trial
    >>> trial = simulate_trial(seed=1)
    >>> folder = save_trial(trial, tempfile.mkdtemp())
    >>> (folder / "agencies.csv").read_text(encoding="utf-8").splitlines()[0]
    'agency_id,arm,sector,setting,region,trained_on'
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise _not_written(folder, "the folder exists and is not empty")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write_files(trial, draft)
            draft.chmod(0o755)
            if folder.exists():
                folder.rmdir()
            os.replace(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise _not_written(folder, error.strerror or "it cannot be written") from error
    return folder


def _not_written(folder: Path, reason: str) -> DataError:
    return DataError(
        Fault(
            code="CPI-E048",
            file=folder.name,
            rule=f"the trial was not written: {reason}",
            cure="choose a folder that is new or empty, in a place that can be written",
        )
    )


def _write_files(trial: TrialData, folder: Path) -> None:
    for name in trial.table_names:
        _as_text(trial.table(name)).to_csv(
            folder / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8"
        )
    text = "\n".join(_format_table("", _study_settings(trial))) + "\n"
    (folder / "study.toml").write_text(text.lstrip("\n"), encoding="utf-8", newline="\n")


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cells as the loader reads them: true and false, ISO dates, exact numbers."""
    columns = {}
    for name, column in table.items():
        if pd.api.types.is_bool_dtype(column.dtype):
            columns[name] = column.map({True: "true", False: "false"}).astype(object)
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            columns[name] = column.dt.strftime("%Y-%m-%d")
        elif pd.api.types.is_float_dtype(column.dtype):
            columns[name] = column.map(_format_number, na_action="ignore").astype(object)
        else:
            columns[name] = column
    return pd.DataFrame(columns, columns=table.columns)


def _format_number(value: float) -> str:
    """Return the shortest text that reads back as the same number; 3.0 is 3."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))


def _study_settings(trial: TrialData) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "study": {
            "title": trial.title,
            "is_synthetic": trial.is_synthetic,
            "notes": list(trial.assumptions),
        }
    }
    if trial.protocol is not None:
        # What was not set is left out, so that the file says no more than the protocol did.
        settings["analysis"] = trial.protocol.model_dump(exclude_none=True, exclude_unset=True)
    return settings


def _format_table(path: str, table: Mapping[str, Any], *, repeated: bool = False) -> Iterator[str]:
    """Yield the lines of a TOML table: its plain keys first, then the tables inside it."""
    if path:
        yield ""
        yield f"[[{path}]]" if repeated else f"[{path}]"
    inside = {key: value for key, value in table.items() if _is_table(value)}
    for key, value in table.items():
        if key not in inside:
            yield f"{_format_key(key)} = {_format_value(value)}"
    for key, value in inside.items():
        name = f"{path}.{_format_key(key)}" if path else _format_key(key)
        if isinstance(value, Mapping):
            yield from _format_table(name, value)
        else:
            for entry in value:
                yield from _format_table(name, entry, repeated=True)


def _is_table(value: object) -> bool:
    if isinstance(value, Mapping):
        return True
    entries = value if isinstance(value, list | tuple) else ()
    return bool(entries) and all(isinstance(entry, Mapping) for entry in entries)


def _format_key(key: str) -> str:
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else _format_text(key)


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _format_text(value)
    if isinstance(value, list | tuple):
        if not value:
            return "[]"
        cells = [_format_value(entry) for entry in value]
        joined = ", ".join(cells)
        lines = "".join(f"  {cell},\n" for cell in cells)
        return f"[{joined}]" if len(joined) <= 80 else f"[\n{lines}]"
    raise TypeError(f"{type(value).__name__} has no form in TOML here")


def _format_text(text: str) -> str:
    """Return a basic string; JSON escapes what TOML does, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
