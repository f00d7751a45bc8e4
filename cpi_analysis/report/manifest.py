"""What was run on what, so that anyone can run it again and compare."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import cpi_analysis
from cpi_analysis.report.saving import WRITTEN_BY
from cpi_analysis.report.tables import write_csv

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData

SCHEMA_VERSION = 1

#: The libraries that can change a number or a picture.
DEPENDENCIES = (
    "formulaic",
    "jinja2",
    "matplotlib",
    "numpy",
    "pandas",
    "pandera",
    "pingouin",
    "pydantic",
    "scipy",
    "statsmodels",
)


def describe_run(trial: TrialData, *, seed: int) -> dict[str, Any]:
    """Return what identifies a run: versions, seed, settings, and hashes of what went in.

    There is no date and no path in it: the same data, seed and versions give the same bytes.
    """
    protocol = trial.protocol
    return {
        "written_by": WRITTEN_BY,
        "schema_version": SCHEMA_VERSION,
        "package_version": cpi_analysis.__version__,
        "python_version": platform.python_version(),
        "dependencies": {name: importlib.metadata.version(name) for name in DEPENDENCIES},
        "title": trial.title,
        "is_synthetic": trial.is_synthetic,
        "seed": seed,
        "input_files": _hashes_of_sources(trial),
        "input_tables": {
            name: hash_bytes(write_csv(trial.table(name))) for name in sorted(trial.table_names)
        },
        "protocol": None if protocol is None else protocol.model_dump(mode="json"),
        "assumptions": list(trial.assumptions),
        "load_notes": list(trial.load_notes),
    }


def write_manifest(run: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return the manifest: the run, and the hash of every file that it wrote."""
    outputs = {name: hash_bytes(files[name]) for name in sorted(files)}
    content = {**run, "outputs": outputs}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def hash_bytes(content: bytes) -> str:
    """Return the SHA-256 of the content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _hashes_of_sources(trial: TrialData) -> dict[str, str]:
    # Only the name of a file is kept: where it stood says nothing about the data, and may
    # hold a person's name.
    named = ((PurePath(str(path)).name, digest) for path, digest in trial.sources.items())
    return dict(sorted(named))
