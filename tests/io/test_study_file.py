"""A study file is understood as a whole, or every wrong setting is named."""

from __future__ import annotations

import copy

import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.io.study_checks import check_study
from cpi_analysis.io.study_file import check_study_settings, read_study_file

GOOD = {
    "study": {"title": "T", "is_synthetic": True},
    "files": {"long": {"path": "a.csv", "keys": {"participant_id": "id", "timepoint": "time"}}},
    "timepoints": {"baseline": {"months": 0, "code": "1"}},
    "tables": {"participants": {"columns": {"agency_id": "site"}}},
    "measures": {"wemwbs": {"label": "Well-being", "unit": "points", "column": "w"}},
}


def settings(path, value):
    """GOOD with one setting put in."""
    changed = copy.deepcopy(GOOD)
    here = changed
    for step in path[:-1]:
        here = here.setdefault(step, {})
    here[path[-1]] = value
    return changed


def refused(changed):
    with pytest.raises(DataError) as caught:
        check_study(check_study_settings(changed))
    assert set(caught.value.codes) == {"CPI-E041"}
    return str(caught.value)


def test_good_settings_pass():
    check_study(check_study_settings(GOOD))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("studdy",), {}, "did you mean `study`?"),
        (("files", "long", "seperator"), ";", "did you mean `separator`?"),
        (("files", "long", "separator"), "x", "allowed: ',', ';', '\\t' or '|'"),
        (("files", "long", "encoding"), "latin-1", "`encoding` is not a setting"),
        (("files", "long", "keys", "participant"), "id", "did you mean `participant_id`?"),
        (("study", "is_synthetic"), "perhaps", "`study.is_synthetic`"),
        (("arms",), {"column": "a", "intervention": 1, "comparison": "0"}, "quotation marks"),
        (("arms",), {"column": "a", "intervention": "0", "comparison": "0"}, "must differ"),
        (("arms",), {"column": "a", "intervention": "1"}, "`arms.comparison` is missing"),
        (("timepoints", "m9"), {"months": -1}, "`timepoints.m9.months`"),
        (("tables", "participant"), {}, "did you mean `participants`?"),
        (("tables", "participants", "columns", "age_year"), "a", "did you mean `age_years`?"),
        (("tables", "participants", "file"), "lnog", "did you mean `long`?"),
        (("measures", "wemwbs", "columns"), {"baseline": "w1"}, "either column"),
        (("measures", "x"), {"label": "x", "unit": "x", "columns": {"m1": "x"}}, "`m1`"),
        (("responses", "wemwbs"), {}, "either items"),
        (("analysis",), {"outcomes": []}, "`analysis.contrast` is missing"),
        (
            ("analysis",),
            {"contrast": {"variabel": "arm"}, "outcomes": []},
            "did you mean `variable`?",
        ),
        (
            ("analysis",),
            {"outcomes": [{"measur": "x"}], "contrast": {"variable": "arm"}},
            "did you mean `measure`?",
        ),
    ],
)
def test_wrong_setting_is_named(path, value, said):
    assert said in refused(settings(path, value))


def test_every_wrong_setting_is_named_at_once():
    changed = settings(("files", "long", "seperator"), ";")
    changed["tables"]["participants"]["colums"] = {}
    message = refused(changed)
    assert "seperator" in message
    assert "colums" in message


def test_file_must_be_named_when_there_are_two():
    message = refused(settings(("files", "other"), {"path": "b.csv"}))
    assert "`measures.wemwbs` must name its file" in message


def test_values_need_to_know_person_and_time():
    changed = copy.deepcopy(GOOD)
    changed["files"]["long"]["keys"] = {"participant_id": "id"}
    assert "which column holds timepoint" in refused(changed)


def test_list_of_columns_keeps_their_names():
    study = check_study_settings(settings(("tables", "participants", "columns"), ["agency_id"]))
    assert study.tables["participants"].columns == {"agency_id": "agency_id"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[study\ntitle = 1", "CPI-E040"),
        ("title = 'é'".encode("cp1252"), "CPI-E040"),
        (b"", "CPI-E002"),
        (b"[study]\n", "CPI-E041"),
    ],
)
def test_file_that_is_not_a_study(tmp_path, content, code):
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_study_file(path)
    assert set(caught.value.codes) == {code}
    assert "study.toml" in str(caught.value)
