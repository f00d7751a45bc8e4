"""Trials load from a folder of tables and from a study file, into the same model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.io.load import load_trial
from cpi_analysis.io.scoring import derive_scores
from tests.reference import reference_path

PBS = Path(__file__).parents[2] / "examples" / "pbs" / "study.toml"
DOCUMENT = Path(__file__).parents[2] / "docs" / "study_file.md"

TABLES = {
    "agencies": "agency_id,arm\nT1,intervention\nT2,comparison\n",
    "participants": "participant_id,agency_id,client_group\nP1,T1,mental_health\nP2,T2,\n",
    "timepoints": "timepoint,months,order\nbaseline,0,0\nm9,9,1\n",
    "measures": (
        "measure,label,unit,minimum,maximum,is_higher_better\nwemwbs,Well-being,points,14,70,true\n"
    ),
    "measurements": (
        "participant_id,timepoint,measure,value\n"
        "P1,baseline,wemwbs,41\nP1,m9,wemwbs,\nP2,baseline,wemwbs,38\nP2,m9,wemwbs,44\n"
    ),
}


def make_folder(folder, **changes):
    for name, content in {**TABLES, **changes}.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


def documented_example(folder):
    """Write the example of docs/study_file.md; return the path of its study file."""
    text = DOCUMENT.read_text(encoding="utf-8")
    (folder / "interviews.csv").write_text(text.split("```text\n")[1].split("```")[0])
    (folder / "study.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    return folder / "study.toml"


def test_folder_of_tables(tmp_path):
    trial = load_trial(make_folder(tmp_path))
    assert trial.table_names == (
        "agencies", "participants", "measurements", "measures", "timepoints",
    )  # fmt: skip
    values = trial.table("measurements")["value"]
    assert values.isna().tolist() == [False, True, False, False]
    assert values.dropna().tolist() == [41.0, 38.0, 44.0]
    assert set(trial.sources) == {f"{name}.csv" for name in TABLES}
    assert not trial.is_synthetic
    assert trial.protocol is None


def test_example_of_the_documentation(tmp_path):
    trial = load_trial(documented_example(tmp_path))
    assert trial.title == "Example"
    assert trial.is_synthetic
    assert trial.table("agencies").to_numpy().tolist() == [
        ["T1", "intervention"],
        ["T2", "comparison"],
    ]
    people = trial.table("participants")
    assert people["participant_id"].tolist() == ["P1", "P2"]
    assert people["agency_id"].tolist() == ["T1", "T2"]
    assert people["client_group"].unique().tolist() == ["mental_health"]
    wide = trial.table("measurements").pivot(
        index=["participant_id", "timepoint"], columns="measure", values="value"
    )
    assert wide.loc[("P1", "baseline"), "total_cost"] == 1200.5
    assert pd.isna(wide.loc[("P1", "m9"), "wemwbs"])
    assert wide.loc[("P2", "m9")].tolist() == [310.0, 44.0]
    assert trial.table("timepoints")["months"].tolist() == [0.0, 9.0]


def test_wide_file_gives_the_same_as_a_long_one(tmp_path):
    study = documented_example(tmp_path)
    long_trial = load_trial(study)
    (tmp_path / "wide.csv").write_text(
        "person,team,group,w1,w2,c1,c2\nP1,T1,A,41,,1200.50,900\nP2,T2,B,38,44,0,310\n"
    )
    text = study.read_text()
    for old, new in (
        ('path = "interviews.csv"\nseparator = ";"\ndecimal = ","\n', 'path = "wide.csv"\n'),
        ('column = "well_being"', 'columns = { baseline = "w1", m9 = "w2" }'),
        ('column = "cost"', 'columns = { baseline = "c1", m9 = "c2" }'),
        (', timepoint = "wave"', ""),
    ):
        assert old in text
        text = text.replace(old, new)
    study.write_text(text)
    wide_trial = load_trial(study)
    key = ["participant_id", "timepoint", "measure"]
    pd.testing.assert_frame_equal(
        wide_trial.table("measurements").sort_values(key, ignore_index=True),
        long_trial.table("measurements").sort_values(key, ignore_index=True),
    )


RESPONSES = """
[responses.wemwbs.items_by_timepoint.baseline]
wemwbs_01 = "b1"
wemwbs_02 = "b2"

[responses.wemwbs.labels]
"Rarely" = "2"
"Often" = "4"
"""


def test_answers_side_by_side_become_long(tmp_path):
    study = documented_example(tmp_path)
    text = study.read_text().split("[measures.wemwbs]")[0]
    text = text.replace(', timepoint = "wave"', "").replace('";"', '","')
    study.write_text(text + RESPONSES)
    (tmp_path / "interviews.csv").write_text(
        "person,team,group,b1,b2\nP1,T1,A,Rarely,Often\nP2,T2,B,Often,-9\n"
    )
    answers = load_trial(study).table("responses")
    found = answers.set_index(["participant_id", "item"])["answer"]
    assert found["P1"].to_dict() == {"wemwbs_01": 2.0, "wemwbs_02": 4.0}
    assert found[("P2", "wemwbs_01")] == 4.0
    assert pd.isna(found[("P2", "wemwbs_02")])
    assert answers["timepoint"].unique().tolist() == ["baseline"]


def test_unused_columns_are_dropped_and_listed(tmp_path):
    study = documented_example(tmp_path)
    path = tmp_path / "interviews.csv"
    lines = path.read_text().split("\n")
    path.write_text("\n".join([lines[0] + ";surname", *(f"{x};SECRET" for x in lines[1:] if x)]))
    trial = load_trial(study)
    assert trial.load_notes == ("interviews.csv: columns not used: surname",)
    assert "surname" not in str(trial.assumptions)
    assert all("SECRET" not in trial.table(name).to_string() for name in trial.table_names)


def test_data_in_another_place(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    study = documented_example(tmp_path / "here")
    moved = (tmp_path / "here" / "interviews.csv").rename(tmp_path / "there" / "interviews.csv")
    by_file = load_trial(study, data=moved)
    by_folder = load_trial(study, data=moved.parent)
    assert by_file.sources == by_folder.sources
    with pytest.raises(DataError) as caught:
        load_trial(study)
    assert caught.value.codes == ("CPI-E001",)


def test_folder_with_settings_for_its_files(tmp_path):
    semicolons = TABLES["measurements"].replace(",", ";").replace("m9;wemwbs;\n", "m9;wemwbs;-9\n")
    make_folder(tmp_path, measurements=semicolons)
    (tmp_path / "study.toml").write_text(
        '[study]\ntitle = "Shaped"\nis_synthetic = false\n'
        '[files.measurements]\nseparator = ";"\nmissing_codes = ["-9"]\n'
    )
    trial = load_trial(tmp_path)
    assert trial.title == "Shaped"
    assert trial.table("measurements")["value"].isna().sum() == 1


def test_pbs_has_the_published_means():
    trial = load_trial(PBS, data=reference_path("economics/pbs_long.csv"))
    assert len(trial.table("agencies")) == 23
    assert len(trial.table("participants")) == 244
    arms = trial.table("participants").merge(trial.table("agencies"))
    assert arms["arm"].value_counts().to_dict() == {"comparison": 136, "intervention": 108}
    values = trial.table("measurements").merge(arms)
    means = values.groupby(["measure", "timepoint", "arm"])["value"].agg(["mean", "count"])
    # Computed in R from the data set PBS of the package missingHE, to the digits shown.
    for place, mean, count in (
        (("eq5d_utility", "baseline", "comparison"), 0.4779, 127),
        (("eq5d_utility", "m12", "intervention"), 0.6171, 103),
        (("total_cost", "m6", "comparison"), 1450.36, 128),
        (("total_cost", "m12", "intervention"), 2866.97, 104),
    ):
        digits = 4 if place[0] == "eq5d_utility" else 2
        assert round(means.loc[place, "mean"], digits) == mean
        assert means.loc[place, "count"] == count
    assert trial.protocol is not None
    assert trial.protocol.economics is not None
    assert any("columns not used" in line for line in trial.load_notes)


OWN_KEY = """
id = "mood"
title = "Mood"
status = "A"
source = "made for this test"
licence = "none"
item_sets = [{ ids = ["mood_01", "mood_02", "mood_03"], minimum = 0, maximum = 4 }]

[[scales]]
measure = "mood"
label = "Mood"
items = "all"
method = "sum"
unit = "points"
minimum = 0
maximum = 12
is_higher_better = true
missing = { rule = "complete" }
"""
OWN_STUDY = """
[study]
title = "Own key"
is_synthetic = false

[analysis]
instruments = ["keys/mood.toml"]
contrast = { variable = "arm", target = "intervention", reference = "comparison" }
outcomes = [{ measure = "mood", timepoint = "m9", baseline = "none" }]
"""
OWN_ANSWERS = (
    "participant_id,timepoint,instrument,item,answer\n"
    "P1,m9,mood,mood_01,4\nP1,m9,mood,mood_02,2\nP1,m9,mood,mood_03,\n"
    "P2,m9,mood,mood_01,1\nP2,m9,mood,mood_02,1\nP2,m9,mood,mood_03,0\n"
)


def make_study_with_own_key(folder, *, key=OWN_KEY, rule=""):
    make_folder(folder, responses=OWN_ANSWERS)
    (folder / "keys").mkdir()
    (folder / "keys" / "mood.toml").write_text(key, encoding="utf-8")
    (folder / "study.toml").write_text(OWN_STUDY + rule, encoding="utf-8")
    return folder / "study.toml"


def read_mood(trial):
    table = derive_scores(trial).table("measurements")
    return table[table["measure"] == "mood"].set_index("participant_id")["value"]


def test_own_key_is_found_beside_the_study_file(tmp_path):
    mood = read_mood(load_trial(make_study_with_own_key(tmp_path)))
    assert mood["P2"] == 2.0
    assert pd.isna(mood["P1"])


def test_protocol_may_prorate_where_the_key_is_strict(tmp_path):
    rule = """
[analysis.missing_rules."keys/mood.toml"]
rule = "prorate"
minimum_answered = 2
"""
    mood = read_mood(load_trial(make_study_with_own_key(tmp_path, rule=rule)))
    assert mood["P1"] == 9.0  # two answers of 3 on average stand for three
    assert mood["P2"] == 2.0


def test_missing_rule_without_its_instrument_is_refused(tmp_path):
    rule = '[analysis.missing_rules.wemwbs]\nrule = "complete"\n'
    with pytest.raises(DataError, match="not among instruments") as caught:
        load_trial(make_study_with_own_key(tmp_path, rule=rule))
    assert caught.value.codes == ("CPI-E041",)


def test_faults_of_an_own_key_are_reported(tmp_path):
    key = OWN_KEY.replace("minimum = 0, maximum = 4", "minimum = 0, maximal = 4")
    with pytest.raises(DataError, match="maximal") as caught:
        load_trial(make_study_with_own_key(tmp_path, key=key))
    assert caught.value.codes == ("CPI-E042",)
