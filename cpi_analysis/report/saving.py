"""Results appear whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from cpi_analysis.errors import DataError, Fault

MANIFEST = "manifest.json"
#: How our manifest is recognised, so that nobody else's folder is ever replaced.
WRITTEN_BY = "cpi_analysis"

_PARTIAL = ".partial-"
_STALE_SECONDS = 3600
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def save_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a set of files as one folder, so that a reader sees the old set or the new one.

    The files go to a new folder beside the target and to the disk, the manifest last; then
    the two folders change places.

    Parameters
    ----------
    folder
        The target. It may be absent, empty, or hold results written here before.
    files
        Path inside the folder (with ``/``) → content. One of them is the manifest.

    Raises
    ------
    DataError
        CPI-E048: the target holds something else, or cannot be written.
    """
    target = Path(os.path.abspath(folder)).resolve()
    check_replaceable(target)
    partial = target.with_name(f".{target.name}{_PARTIAL}{secrets.token_hex(6)}")
    with _as_data_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        try:
            _write_all(partial, files)
            _put_in_place(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Raise CPI-E048 when writing results to ``folder`` would destroy something else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise _refusal(folder, "it is a file, not a folder", "name a folder")
    present = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    }
    if not present:
        return
    known = _known_files(folder)
    if known is None:
        rule = "it holds files but no results written by cpi_analysis, so it is not replaced"
        raise _refusal(folder, rule, "name a new or empty folder")
    strangers = sorted(present - known)
    if strangers:
        named = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        rule = f"it also holds files that are not results ({named})"
        raise _refusal(folder, rule, "move them away, or name another folder")


def _known_files(folder: Path) -> set[str] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["written_by"] != WRITTEN_BY:
            return None
        return {MANIFEST, *manifest["outputs"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refusal(folder: Path, rule: str, cure: str) -> DataError:
    return DataError(Fault(code="CPI-E048", file=str(folder), rule=rule, cure=cure))


@contextlib.contextmanager
def _as_data_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        rule = f"the results cannot be written: {error.strerror or type(error).__name__}"
        raise _refusal(folder, rule, "check the permissions and the free space") from error


def _write_all(partial: Path, files: Mapping[str, bytes]) -> None:
    partial.mkdir()
    folders = {partial}
    for name in sorted(files, key=lambda name: (name == MANIFEST, name)):
        path = partial / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.add(path.parent)
        with path.open("xb") as stream:
            stream.write(files[name])
            stream.flush()
            os.fsync(stream.fileno())
    for folder in sorted(folders, reverse=True):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder to flush it.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_in_place(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
    elif not any(target.iterdir()):
        target.rmdir()
        partial.rename(target)
    elif not _exchange(partial, target):
        _swap_in_two_steps(partial, target)
    _sync_folder(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step of the kernel; False where it cannot."""
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    rename.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    )
    first, second = os.fsencode(one), os.fsencode(other)
    return bool(rename(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE) == 0)


def _swap_in_two_steps(partial: Path, target: Path) -> None:
    # Between the two renames the target is absent; it is never a mixture.
    previous = partial.with_name(partial.name + "-old")
    target.rename(previous)
    try:
        partial.rename(target)
    except OSError:
        previous.rename(target)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Remove what a killed run left beside the target more than an hour ago."""
    oldest = time.time() - _STALE_SECONDS
    for path in target.parent.iterdir():
        # A folder that ends in -old is the only copy of results that were being replaced.
        is_left_over = path.name.startswith(f".{target.name}{_PARTIAL}")
        if is_left_over and path.stat().st_mtime < oldest and not path.name.endswith("-old"):
            shutil.rmtree(path, ignore_errors=True)
