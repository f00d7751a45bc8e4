"""The scoring keys that come with the package, and keys that a user writes."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.io.instruments import (
    Instrument,
    MissingRule,
    list_instruments,
    list_value_sets,
    load_instrument,
    load_value_set,
)

INSTRUMENTS = (
    "agency_selection",
    "ascot_sct4",
    "cpi_fidelity",
    "eq5d_3l",
    "eq5d_5l",
    "icecap_a",
    "icecap_o",
    "mini_spin",
    "rg_uk",
    "scope_short",
    "spin",
    "swemwbs",
    "wemwbs",
)
# Scale, number of items, declared range, whether higher is better.
SCALES = {
    "wemwbs": (14, 14, 70, True),
    "swemwbs": (7, 7, 35, True),
    "rg_uk": (27, 0, 27, True),
    "rg_uk_domestic": (6, 0, 6, True),
    "rg_uk_expert_advice": (8, 0, 8, True),
    "rg_uk_personal_skills": (6, 0, 6, True),
    "rg_uk_problem_solving": (7, 0, 7, True),
    "spin": (17, 0, 68, False),
    "spin_fear": (6, 0, 24, False),
    "spin_avoidance": (7, 0, 28, False),
    "spin_physiological": (4, 0, 16, False),
    "mini_spin": (3, 0, 12, False),
    "fidelity_percent": (27, 0, 100, True),
    "agency_selection": (18, 1, 9, True),
}

KEY = """
id = "loneliness"
title = "A questionnaire of the user's own"
status = "A"
source = "made for this test"
licence = "none"

[[item_sets]]
ids = ["lonely_01", "lonely_02", "lonely_03", "lonely_04"]
minimum = 1
maximum = 4
reversed = ["lonely_02"]

[[scales]]
measure = "loneliness"
label = "Loneliness"
items = "all"
method = "sum"
unit = "points"
minimum = 4
maximum = 16
is_higher_better = false
"""


def write_key(folder: Path, text: str) -> Path:
    path = folder / "loneliness.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refuse(folder: Path, text: str) -> DataError:
    with pytest.raises(DataError) as caught:
        load_instrument(write_key(folder, text))
    assert set(caught.value.codes) == {"CPI-E042"}
    return caught.value


def test_the_lists_are_complete() -> None:
    assert list_instruments() == INSTRUMENTS
    assert list_value_sets() == ("ENG_5L_2018", "UK_3L_A1", "UK_5L_2026")


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_key_loads_and_says_where_it_comes_from(name: str) -> None:
    key = load_instrument(name)
    assert key.id == name
    assert key.licence
    for element in (key, *key.items, *key.scales):
        assert element.status in "VDRA"
        assert element.source
    for scale in key.scales:
        assert key.status_of(scale) in "VDRA"


def test_scales() -> None:
    found = {
        scale.measure: (len(scale.items), scale.minimum, scale.maximum, scale.is_higher_better)
        for name in INSTRUMENTS
        for scale in load_instrument(name).scales
    }
    assert {measure: found[measure] for measure in SCALES} == SCALES


def test_measures_are_named_once_in_the_package() -> None:
    measures = [s.measure for name in INSTRUMENTS for s in load_instrument(name).scales]
    assert len(set(measures)) == len(measures)


def test_short_forms_take_items_of_their_long_form() -> None:
    swemwbs, mini_spin = load_instrument("swemwbs"), load_instrument("mini_spin")
    assert swemwbs.answers_from == "wemwbs"
    assert [int(item.removeprefix("wemwbs_")) for item in swemwbs.item_ids] == [
        1,
        2,
        3,
        6,
        7,
        9,
        11,
    ]
    assert set(swemwbs.item_ids) <= set(load_instrument("wemwbs").item_ids)
    assert mini_spin.answers_from == "spin"
    assert set(mini_spin.item_ids) <= set(load_instrument("spin").item_ids)


def test_marks_are_carried() -> None:
    marks = {
        scale.measure: load_instrument(name).status_of(scale)
        for name in INSTRUMENTS
        for scale in load_instrument(name).scales
    }
    assert marks["wemwbs"] == "V"
    # The table is verified, but which seven items is recalled: the weaker mark counts.
    assert marks["swemwbs"] == "R"
    assert load_instrument("swemwbs").scales[0].table.status == "V"  # type: ignore[union-attr]
    assert marks["icecap_o"] == "V"
    assert marks["icecap_a"] == "R"
    assert marks["ascot_scrqol"] == "R"
    assert marks["rg_uk"] == "A"
    assert marks["fidelity_percent"] == "A"
    assert (marks["spin"], marks["spin_fear"], marks["mini_spin"]) == ("V", "R", "R")


def test_cuts() -> None:
    cuts = {
        scale.measure: [(cut.at_least, cut.status) for cut in scale.cuts]
        for name in ("spin", "mini_spin", "cpi_fidelity")
        for scale in load_instrument(name).scales
    }
    assert cuts["spin"][1] == (19, "V")
    assert cuts["mini_spin"][1] == (6, "R")
    assert cuts["fidelity_percent"] == [(0, "A"), (51, "A"), (80, "A")]


def test_fidelity_questionnaire() -> None:
    key = load_instrument("cpi_fidelity")
    sizes = {scale.measure: len(scale.items) for scale in key.scales}
    del sizes["fidelity_percent"]
    assert sizes == {
        "cpi_w0": 4,
        "cpi_i0": 3,
        "cpi_p": 6,
        "cpi_w": 8,
        "cpi_i": 6,
        "cpi_b": 8,
        "cpi_a": 7,
    }
    by_id = {item.id: item for item in key.items}
    assert {item.id[4] for item in key.items if item.target_level == "agency"} == {"a"}
    assert {item.id[4] for item in key.items if item.allows_not_applicable} == {"b"}
    assert by_id["cpi_w0_1"].levels == (1, 2, 3, 4, 5)
    formative = [scale.measure for scale in key.scales if scale.is_formative]
    assert formative == ["cpi_b"]
    main = next(scale for scale in key.scales if scale.measure == "fidelity_percent")
    assert not {item for item in main.items if item.startswith(("cpi_a_", "cpi_b_"))}


def test_profiles_fit_their_value_sets() -> None:
    for name in list_value_sets():
        value_set = load_value_set(name)
        key = load_instrument(value_set.instrument)
        assert value_set.dimensions == key.item_ids
        assert {item.levels for item in key.items} == {tuple(range(1, value_set.n_levels + 1))}


def test_files_are_data_of_the_package() -> None:
    folder = resources.files("cpi_analysis.io.instruments")
    for kind, names in (("keys", list_instruments()), ("value_sets", list_value_sets())):
        for name in names:
            text = folder.joinpath(kind, f"{name}.toml").read_text(encoding="utf-8")
            assert tomllib.loads(text)["id"] == name


def test_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_instrument("wemwbs").title = "other"  # type: ignore[misc]


def test_user_file(tmp_path: Path) -> None:
    path = write_key(tmp_path, KEY)
    for given in (path, str(path)):
        key = load_instrument(given)
        assert key.answers_from == "loneliness"
        assert [item.is_reversed for item in key.items] == [False, True, False, False]
        # Without status and source of their own, elements take those of the instrument.
        assert (key.scales[0].status, key.scales[0].source) == ("A", "made for this test")
        assert key.scales[0].missing.rule == "complete"


def test_a_copy_of_a_key_round_trips(tmp_path: Path) -> None:
    for name in INSTRUMENTS:
        key = load_instrument(name)
        assert Instrument.model_validate(key.model_dump()) == key


def test_unknown_name() -> None:
    with pytest.raises(DataError) as caught:
        load_instrument("wemwb")
    (fault,) = caught.value.faults
    assert fault.code == "CPI-E043"
    assert "`wemwbs`" in fault.cure
    assert "rg_uk" in (fault.allowed or "")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="CPI-E001"):
        load_instrument(tmp_path / "nothing.toml")


def test_a_name_cannot_leave_the_folder() -> None:
    with pytest.raises(DataError, match="CPI-E043"):
        load_instrument("../value_sets/UK_3L_A1")


def test_not_toml(tmp_path: Path) -> None:
    assert "line 2" in str(refuse(tmp_path, 'id = "x"\ntitle = \nlicence = 1'))
    path = tmp_path / "latin.toml"
    path.write_bytes('title = "é"'.encode("latin-1"))
    with pytest.raises(DataError, match="CPI-E042"):
        load_instrument(path)


def test_unknown_key_is_named_with_a_suggestion(tmp_path: Path) -> None:
    error = refuse(tmp_path, KEY.replace('unit = "points"', 'unit = "points"\nis_higher_bettr = 1'))
    (fault,) = error.faults
    assert "in scales[0], `is_higher_bettr` is not" in fault.rule
    assert "`is_higher_better`" in fault.cure
    assert "method" in (fault.allowed or "")


def test_all_faults_at_once(tmp_path: Path) -> None:
    text = KEY.replace('title = "A questionnaire of the user\'s own"\n', "")
    text = text.replace('method = "sum"', 'method = "summ"').replace("maximum = 4", 'maximum = "x"')
    rules = "\n".join(fault.rule for fault in refuse(tmp_path, text).faults)
    assert "`title` is missing" in rules
    assert "scales[0].method" in rules
    assert "item_sets[0].maximum" in rules


def test_allowed_choice_is_listed_and_suggested(tmp_path: Path) -> None:
    (fault,) = refuse(tmp_path, KEY.replace('method = "sum"', 'method = "summ"')).faults
    assert "weighted_sum" in (fault.allowed or "")
    assert "`sum`" in fault.cure


PARTS = """
[[scales]]
measure = "part_a"
label = "a"
part_of = "loneliness"
items = ["lonely_01", "lonely_02"]
method = "sum"
unit = "points"
minimum = 2
maximum = 8
is_higher_better = false

[[scales]]
measure = "part_b"
label = "b"
part_of = "loneliness"
items = ["lonely_03", "lonely_04"]
method = "sum"
unit = "points"
minimum = 2
maximum = 8
is_higher_better = false
"""


def test_parts_that_share_the_items_out_are_accepted(tmp_path: Path) -> None:
    assert len(load_instrument(write_key(tmp_path, KEY + PARTS)).scales) == 3


BAD_KEYS = {
    "reversed item that is not there": (
        ('reversed = ["lonely_02"]', 'reversed = ["lonely_09"]'),
        "lonely_09 is not among its ids",
    ),
    "item of a scale that is not there": (
        ('items = "all"', 'items = ["lonely_01", "sad_01"]'),
        "sad_01 is not among the items",
    ),
    "item twice": (('"lonely_03", "lonely_04"]', '"lonely_03", "lonely_03"]'), "more than once"),
    "range of answers": (("maximum = 4", "maximum = 1"), "minimum must be below maximum"),
    "range of the score": (("maximum = 16", "maximum = 20"), "the items give 4 to 16"),
    "number of items": (('licence = "none"', 'licence = "none"\nn_items = 5'), "4 are listed"),
    "table without method": (
        (
            "is_higher_better = false",
            "is_higher_better = false\ntable = { raw = [4], score = [1] }",
        ),
        "table: it is needed by",
    ),
    "table with a gap": (
        (
            'method = "sum"',
            'method = "table"\ntable = { raw = [4,5,6,8,9,10,11,12,13,14,15,16],'
            " score = [4,5,6,8,9,10,11,12,13,14,15,16] }",
        ),
        "every whole number from 4 to 16",
    ),
    "table that is too short": (
        (
            'method = "sum"',
            'method = "table"\ntable = { raw = [4,5,6,7,8,9,10,11,12,13,14,15,16],'
            " score = [4, 16] }",
        ),
        "as many numbers as table.raw",
    ),
    "weights of too few levels": (
        (
            'method = "sum"',
            'method = "weighted_sum"\nweights = { lonely_01 = [0, 1, 2, 3], lonely_02 ='
            " [0, 1, 2], lonely_03 = [0, 1, 2, 3], lonely_04 = [0, 1, 2, 3] }",
        ),
        "weights.lonely_02: one weight for each of 4 levels",
    ),
    "weights of too few items": (
        ('method = "sum"', 'method = "weighted_sum"\nweights = { lonely_01 = [0, 1, 2, 3] }'),
        "lonely_02, lonely_03, lonely_04 must be in both",
    ),
    "weights without method": (
        ('method = "sum"', 'method = "sum"\nweights = { lonely_01 = [0, 1, 2, 3] }'),
        "weights: they are needed by",
    ),
    "proration without a limit": (
        ('method = "sum"', 'method = "sum"\nmissing = { rule = "prorate" }'),
        "either minimum_answered or minimum_share",
    ),
    "proration of more items than there are": (
        ('method = "sum"', 'method = "sum"\nmissing = { rule = "prorate", minimum_answered = 5 }'),
        "above the number of items",
    ),
    "complete with a limit": (
        ('method = "sum"', 'method = "sum"\nmissing = { rule = "complete", minimum_share = 0.5 }'),
        "complete takes neither",
    ),
    "sum of items that may not apply": (
        ("minimum = 1", "minimum = 1\nallows_not_applicable = true"),
        "need mean or percent_of_range",
    ),
    "same measure twice": (
        (
            "is_higher_better = false",
            "is_higher_better = false" + PARTS.replace("part_b", "part_a"),
        ),
        "part_a occurs more than once",
    ),
    "overlap of subscales": (
        (
            "is_higher_better = false",
            "is_higher_better = false" + PARTS.replace('"lonely_03", "l', '"lonely_02", "l'),
        ),
        "lonely_02 is in more than one part of loneliness",
    ),
    "part of nothing": (
        (
            "is_higher_better = false",
            "is_higher_better = false" + PARTS.replace('part_of = "loneliness"', 'part_of = "x"'),
        ),
        "there is no scale with the measure x",
    ),
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_bad_key(case: str, tmp_path: Path) -> None:
    (old, new), message = BAD_KEYS[case]
    text = KEY.replace(old, new, 1)
    assert text != KEY
    assert message in str(refuse(tmp_path, text))


def test_the_split_of_rg_uk_can_be_edited_but_stays_a_split(tmp_path: Path) -> None:
    folder = resources.files("cpi_analysis.io.instruments")
    text = folder.joinpath("keys", "rg_uk.toml").read_text(encoding="utf-8")
    # Item 6 leaves the first part and enters no other: 26 of 27 items are left.
    short = text.replace('"rg_uk_05", "rg_uk_06",\n]\nmethod', '"rg_uk_05",\n]\nmethod')
    short = short.replace("maximum = 6", "maximum = 5", 1)
    assert short != text
    assert "hold 26 items and the scale has 27" in str(refuse(tmp_path, short))


def test_items_of_two_levels_in_one_scale(tmp_path: Path) -> None:
    more = (
        '\n[[item_sets]]\nids = ["agency_01"]\nminimum = 1\nmaximum = 4\ntarget_level = "agency"\n'
    )
    text = KEY.replace("\n[[scales]]", more + "\n[[scales]]").replace(
        "maximum = 16", "maximum = 20"
    )
    text = text.replace("minimum = 4\n", "minimum = 5\n")
    assert "different target levels" in str(refuse(tmp_path, text))


def test_value_set_that_misses_its_anchor(tmp_path: Path) -> None:
    folder = resources.files("cpi_analysis.io.instruments")
    text = folder.joinpath("value_sets", "UK_3L_A1.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("0.123", "0.132"), encoding="utf-8")
    with pytest.raises(DataError, match=r"anchors\.22222") as caught:
        load_value_set(path)
    assert caught.value.codes == ("CPI-E044",)
    path.write_text(text, encoding="utf-8")
    assert load_value_set(path) == load_value_set("UK_3L_A1")


@pytest.mark.parametrize(
    ("share", "n_items", "needed"),
    # 80% of 6, 7, 8 and 27 items, rounded up by hand: 4.8, 5.6, 6.4, 21.6.
    [(0.8, 5, 4), (0.8, 6, 5), (0.8, 7, 6), (0.8, 8, 7), (0.8, 27, 22), (0.5, 1, 1), (1.0, 14, 14)],
)
def test_items_needed(share: float, n_items: int, needed: int) -> None:
    assert MissingRule(rule="prorate", minimum_share=share).required(n_items) == needed


def test_the_example_of_the_guide_is_a_valid_key(tmp_path: Path) -> None:
    guide = Path(__file__).resolve().parents[2] / "docs" / "instruments.md"
    text = guide.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    key = load_instrument(write_key(tmp_path, text))
    assert key.id == "loneliness"
    assert key.scales[0].missing.required(4) == 3
