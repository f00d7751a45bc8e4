"""The notebooks run from top to bottom without a warning, and are kept without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))

#: Seconds that one cell may take on a busy machine.
PATIENCE = 300

STRICT = "import warnings; warnings.simplefilter('error')"
#: The kernel itself warns when it is told to stop.
LENIENT = "warnings.simplefilter('default')"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a kernel that runs this very interpreter, known only to this test."""
    folder = tmp_path / "jupyter" / "kernels" / "this_python"
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "this Python", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    # A backend that the environment names would keep the figures of the cells out of the notebook.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    return "this_python"


def test_there_are_notebooks() -> None:
    assert SOURCES


def test_each_notebook_is_equal_to_its_source() -> None:
    done = subprocess.run(
        [sys.executable, "tools/pair_notebooks.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_runs(source: Path, kernel: str, tmp_path: Path) -> None:
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    notebook.cells.append(nbformat.v4.new_code_cell(LENIENT))
    client = NotebookClient(
        notebook,
        kernel_name=kernel,
        timeout=PATIENCE,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert pictures
    assert "synthetic" in notebook.cells[1]["source"].lower()
