"""Where the reference data are, for the tests that read them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

#: Beside the checkout, or where the environment says.
REFERENCE = Path(
    os.environ.get("CPI_REFERENCE", Path(__file__).resolve().parents[2] / "shared" / "reference")
)


def reference_path(name: str) -> Path:
    """Return the path of a reference file, or skip the test when it is not on this machine."""
    path = REFERENCE / name
    if not path.exists():
        pytest.skip(f"reference data {name} are not on this machine")
    return path


def reference_json(name: str) -> Any:
    return json.loads(reference_path(name).read_text(encoding="utf-8"))
