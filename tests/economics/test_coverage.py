"""The coverage that the docs state: in its band, and made again by the script."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "studies" / "economics_coverage.md"


@pytest.fixture(scope="module")
def study():
    path = ROOT / "tools" / "economics_coverage.py"
    if not path.exists():
        pytest.skip("tools/ are not in this copy")
    spec = importlib.util.spec_from_file_location("economics_coverage", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _read_row(label):
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"| {label} |"):
            return [float(cell) for cell in line.split("|")[2:-1]]
    raise AssertionError(f"{label} is not in the table")


def test_the_table_states_its_seed_and_size_as_the_script_has_them(study):
    text = PAGE.read_text(encoding="utf-8")
    assert re.search(rf"Seed {study.SEED}; {study.REPLICATES:,} replicates", text)
    assert f"Share of {study.TRIALS:,} simulated trials" in text
    assert text.count("\n| `") == 2 * len(study.METHODS)


def test_the_default_covers_within_its_band_in_every_cell(study):
    shares = _read_row(study.METHODS["rao_wu"])
    assert len(shares) == len(study.CELLS) == 6
    assert min(shares) >= 93.5
    assert max(shares) <= 96.5


def test_people_by_themselves_do_not_cover(study):
    shares = dict(zip(study.CELLS, _read_row(study.METHODS["people"]), strict=True))
    assert shares[6, 0.15] < 80
    assert shares[7, 0.15] < 80


def test_the_net_benefit_drawn_by_itself_is_that_of_the_package(study):
    """The script draws λ ΔE − ΔC from what the package prepares: the same numbers."""
    from cpi_analysis.economics.estimation import tabulate
    from cpi_analysis.economics.resampled_methods import estimate_by_resampling

    trial, seed = study.draw_trial(1, 0, study.SEED)
    found = estimate_by_resampling(
        trial,
        method="two_stage",
        plan=None,
        replicates=study.REPLICATES,
        seed=seed,
        workers=None,
        effect_label="effect",
    )
    row = tabulate(found, [study.THRESHOLD], confidence_level=0.95).iloc[2]
    intervals = {name: limits for name, *limits in study.resample_people(trial, seed)}
    assert intervals["two_stage"] == pytest.approx([row["conf_low"], row["conf_high"]])


@pytest.mark.slow
@pytest.mark.parametrize("cell", range(6))
def test_the_script_makes_the_coverage_of_the_default_again(study, cell):
    covered = 0
    for number in range(study.TRIALS):
        trial, seed = study.draw_trial(cell, number, study.SEED)
        _, low, high = next(study.resample_agencies(trial, seed))
        covered += bool(low <= study.TRUTH <= high)
    share = 100 * covered / study.TRIALS
    assert 93.5 <= share <= 96.5
    # A trial on the edge may fall to the other side where sums are rounded otherwise.
    assert np.isclose(share, _read_row(study.METHODS["rao_wu"])[cell], atol=0.1001)
