"""Encoded columns hold the same cells as plain ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cpi_analysis.errors import DataError
from cpi_analysis.io.labels import TEXT_DTYPE, clear, decode, encode, mark, rewrite
from cpi_analysis.io.readers import csv_text
from cpi_analysis.io.schemas import table_spec
from cpi_analysis.io.schemas.validation import check_table, find_repeated
from cpi_analysis.io.trial import build_trial
from cpi_analysis.io.value_ranges import find_unresolved
from tests.io.small_trial import valid_tables

TEXTS = st.lists(st.none() | st.text(max_size=3), max_size=12)


def column(cells: list[str | None]) -> pd.Series:
    return pd.Series([np.nan if cell is None else cell for cell in cells], dtype=TEXT_DTYPE)


def cells_of(series: pd.Series) -> list[str | None]:
    return [None if pd.isna(cell) else cell for cell in series.tolist()]


@given(TEXTS)
def test_encoding_loses_nothing(cells):
    plain = column(cells)
    encoded = encode(plain)
    assert cells_of(encoded) == cells
    pd.testing.assert_series_equal(decode(encoded), plain)


@given(TEXTS, st.lists(st.text(max_size=1), max_size=3))
def test_clearing_takes_away_these_texts_only(cells, texts):
    left = clear(encode(column(cells)), texts)
    assert cells_of(left) == [None if cell in texts else cell for cell in cells]


def test_texts_are_rewritten_and_marked_where_they_stand():
    encoded = encode(column(["b", None, "a", "b"]))
    assert cells_of(rewrite(encoded, ["x", np.nan])) == ["x", None, None, "x"]
    codes = encoded.cat.codes.to_numpy()
    assert mark(np.array([False, True]), codes).tolist() == [False, False, True, False]
    assert mark(np.array([False, False]), codes).tolist() == [False] * 4


# Lengths around the eight bytes that are compared at once, and above what is compared so.
LONG = st.integers(0, 40).flatmap(
    lambda size: st.text(alphabet="ab\u00e9\u20ac", min_size=size, max_size=size)
)


@given(st.lists(LONG, min_size=1, max_size=12))
@example(["a" * 8, "a" * 9, "a" * 16, "a" * 17, "a" * 8, "b" + "a" * 8, "a" * 32, "a" * 33])
@example(["aaaaaaaab", "baaaaaaab", "aaaaaaaab", "baaaaaaaa", "aaaaaaaaa"])
def test_cells_of_any_length_come_back(cells):
    content = "\n".join(["x,y", *(f"{cell},{cell[::-1]}" for cell in cells)]).encode()
    found = csv_text.read_unquoted(content, file="a.csv", separator=",")
    assert cells_of(found.columns[0]) == [cell or None for cell in cells]
    assert cells_of(found.columns[1]) == [cell[::-1] or None for cell in cells]
    assert found.columns[0].nunique() == len({cell for cell in cells if cell})


KEYS = st.lists(st.tuples(*[st.sampled_from(["a", "b", "c", None])] * 3), max_size=15)


@given(KEYS)
def test_repeated_keys_are_those_that_occur_twice_and_are_complete(keys):
    table = pd.DataFrame(keys, columns=["x", "y", "z"]).astype(object)
    expected = [None not in key and keys.count(key) > 1 for key in keys]
    assert find_repeated(table, ["x", "y", "z"]).tolist() == expected


def test_many_columns_with_many_texts_do_not_overflow_a_key():
    rows = np.arange(3000)
    table = pd.DataFrame({f"c{k}": [f"{k}_{row}" for row in rows] for k in range(12)})
    table = pd.concat([table, table.iloc[[7]]], ignore_index=True)
    assert np.flatnonzero(find_repeated(table, list(table.columns))).tolist() == [7, 3000]


@given(TEXTS, TEXTS)
def test_unresolved_keys_are_those_that_are_not_known(keys, known):
    expected = [key is not None and key not in known for key in keys]
    assert find_unresolved(column(keys), column(known)).tolist() == expected
    assert find_unresolved(encode(column(keys)), encode(column(known))).tolist() == expected


def test_a_category_without_rows_resolves_nothing():
    known = pd.Series(pd.Categorical(["a"], categories=["a", "b"]))
    assert find_unresolved(column(["a", "b"]), known).tolist() == [False, True]
    tables = valid_tables()
    people = tables["participants"]
    names = [*people["participant_id"], "P99"]
    people["participant_id"] = pd.Categorical(people["participant_id"], categories=names)
    tables["visits"].loc[0, "participant_id"] = "P99"
    with pytest.raises(DataError) as caught:
        build_trial(tables, title="t")
    assert ("CPI-E030", "visits", (1,)) in {(f.code, f.table, f.rows) for f in caught.value.faults}


@pytest.mark.parametrize("ordered", [False, True])
def test_categoricals_of_the_user_are_taken_as_text(ordered):
    tables = valid_tables()
    plain = build_trial(tables, title="t")
    for table in tables.values():
        for name in table.columns:
            if pd.api.types.is_string_dtype(table[name]):
                table[name] = pd.Categorical(table[name], ordered=ordered)
    trial = build_trial(tables, title="t")
    for name in plain.table_names:
        pd.testing.assert_frame_equal(trial.table(name), plain.table(name))
    numbers = tables["agencies"].assign(arm=pd.Categorical([1, 2]))
    faults = check_table(numbers, spec=table_spec("agencies"))[1]
    assert [(fault.code, fault.column, fault.rows) for fault in faults] == [
        ("CPI-E023", "arm", (1, 2))
    ]
