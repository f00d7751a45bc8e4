"""Write docs/errors.md, the list of error codes, from `cpi_analysis.errors.CODES`."""

from __future__ import annotations

import sys
from pathlib import Path

from cpi_analysis.errors import CODES

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
HEAD = """# Error codes

Made by `make generate` from `cpi_analysis/errors.py`; do not edit.

Every error names the file or table, the column, the row numbers, the rule, what is allowed
and the cure. It never shows a participant's value. All faults of a load come at once. The
command line prints them and ends with exit code 2.

`E` codes are faults of data or settings (`DataError`); `M` codes say that an analysis cannot
give a number that could be trusted (`ModelError`).

| code | meaning |
|---|---|
"""


def build_page() -> str:
    return HEAD + "".join(f"| `{code}` | {meaning} |\n" for code, meaning in CODES.items())


def main(mode: str) -> int:
    if mode == "--write":
        PAGE.write_text(build_page(), encoding="utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != build_page():
        print("docs/errors.md is not current: run `make generate`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
