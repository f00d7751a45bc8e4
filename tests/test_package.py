"""The package as a whole: quick to import, complete in its front door, clean to publish."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cpi_analysis

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("statsmodels", "pingouin", "matplotlib", "scipy", "pandera", "formulaic", "pydantic")


def modules_after(code: str) -> set[str]:
    script = f"import sys; {code}; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_loads_nothing_heavy():
    assert modules_after("import cpi_analysis").isdisjoint((*HEAVY, "pandas", "numpy"))


def test_command_line_module_loads_no_pandas():
    assert modules_after("import cpi_analysis.cli").isdisjoint((*HEAVY, "pandas", "numpy"))


@pytest.mark.parametrize("name", cpi_analysis.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(cpi_analysis, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = cpi_analysis.no_such_name


def test_lock_has_hashes_and_no_addresses():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    pins = re.findall(r"^[A-Za-z0-9_.-]+==", lock, flags=re.MULTILINE)
    assert len(pins) > 50
    assert lock.count("--hash=sha256:") >= len(pins)


def test_lock_holds_every_direct_dependency():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", project, flags=re.DOTALL | re.MULTILINE)
    assert block is not None
    names = re.findall(r'"([a-z0-9-]+)', block.group(1))
    missing = [name for name in names if not re.search(rf"^{name}==", lock, flags=re.MULTILINE)]
    assert missing == []
