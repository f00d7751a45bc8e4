"""Writes data_dictionary/ from the schemas and the scoring keys, or checks that it is current."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cpi_analysis.io.dictionary_machines import build_data_package, build_redcap_dictionary
from cpi_analysis.io.dictionary_pages import build_pages

DEFAULT_FOLDER = Path("data_dictionary")


def build_dictionary() -> dict[str, bytes]:
    """Return every file of the data dictionary: its name and its bytes."""
    texts = {
        **build_pages(),
        "datapackage.json": build_data_package(),
        "redcap_data_dictionary.csv": build_redcap_dictionary(),
    }
    return {name: text.encode("utf-8") for name, text in sorted(texts.items())}


def write_dictionary(folder: str | Path = DEFAULT_FOLDER) -> None:
    """Write the data dictionary; files in ``folder`` that do not belong to it are left alone.

    Parameters
    ----------
    folder
        Made when it does not exist.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in build_dictionary().items():
        (folder / name).write_bytes(content)


def find_stale(folder: str | Path = DEFAULT_FOLDER) -> tuple[str, ...]:
    """Return the files that are missing, differ from what would be written, or are left over."""
    folder = Path(folder)
    expected = build_dictionary()
    stale = {
        name
        for name, content in expected.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    }
    left_over = {path.name for path in folder.glob("*") if path.name not in expected}
    return tuple(sorted(stale | left_over))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m cpi_analysis.io.dictionary``: return 1 when a check finds a stale file."""
    parser = argparse.ArgumentParser(prog="python -m cpi_analysis.io.dictionary")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="say which files are stale")
    action.add_argument("--write", action="store_true", help="write the files")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    options = parser.parse_args(arguments)
    if options.write:
        write_dictionary(options.folder)
        return 0
    stale = find_stale(options.folder)
    if stale:
        names = ", ".join(stale)
        sys.stderr.write(f"{options.folder} is stale ({names}): run `make generate`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
