"""What the documents promise can be done."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

import cpi_analysis as cpi
from cpi_analysis.effectiveness import OutcomeModelResult
from cpi_analysis.io.scoring import compute_scores

ROOT = Path(__file__).resolve().parents[2]
STUDY = (ROOT / "docs" / "study_file.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def write_interviews(path: Path, heading: str) -> None:
    """Write 48 people of 8 teams in the shape of the example of the document."""
    random = np.random.default_rng(1)
    lines = [heading]
    for person in range(48):
        team = person % 8
        for wave in (1, 2):
            score = round(random.normal(42, 6))
            lines.append(f"P{person};T{team};{'AB'[team % 2]};{wave};{score};{person},50")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_example_of_a_study_file_can_be_analysed(tmp_path: Path) -> None:
    example, analysis = blocks(STUDY, "toml")[:2]
    assert analysis.startswith("[analysis]")
    (tmp_path / "study.toml").write_text(example + analysis, encoding="utf-8")
    write_interviews(tmp_path / "interviews.csv", blocks(STUDY, "text")[0].splitlines()[0])
    report = cpi.analyse(cpi.load_trial(tmp_path / "study.toml"), seed=1)
    assert report.effectiveness["outcome_wemwbs_m9"].n_participants == 48
    assert "not part of this protocol" in report.headlines[1]


def test_the_readme_goes_from_a_trial_to_a_single_model() -> None:
    code = next(block for block in blocks(README, "python") if "derive_measures" in block)
    *body, last = code.strip().splitlines()
    names: dict[str, object] = {"cpi": cpi}
    exec("\n".join(body), names)  # noqa: S102
    assert isinstance(eval(last.split("#")[0].strip(), names), OutcomeModelResult)  # noqa: S307


def test_scores_need_the_four_columns_of_the_document(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "instruments.md").read_text(encoding="utf-8")
    (tmp_path / "loneliness.toml").write_text(blocks(text, "toml")[0], encoding="utf-8")
    table = text.split("`responses` has one row for each answer")[1]
    columns = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)[:4]
    rows = [("P1", "baseline", f"loneliness_0{number}", 2) for number in range(1, 5)]
    responses = pd.DataFrame(rows, columns=columns)
    scores = compute_scores(responses, instrument=tmp_path / "loneliness.toml")
    # Three items at 2 and one reversed: 2 + 2 + 2 + (1 + 4 - 2).
    assert scores["value"].tolist() == [9.0]
