"""Who is analysed: counted by hand on a small trial."""

from __future__ import annotations

import pandas as pd
import pytest

from cpi_analysis.effectiveness import build_analysis_set
from cpi_analysis.errors import DataError
from cpi_analysis.io.trial import build_trial
from tests.effectiveness.small_trial import BANDS, make_tables, make_trial, protocol_with


def flow_of(analysis_set) -> dict[tuple[str, str], int]:
    rows = analysis_set.flow.itertuples(index=False)
    return {(row.reason, row.group): row.n for row in rows}


def test_flow_counts_each_person_once_by_the_first_reason():
    analysis_set = build_analysis_set(make_trial(), measure="wemwbs", timepoint="m9")
    assert flow_of(analysis_set) == {
        ("recruited", "intervention"): 12,
        ("recruited", "comparison"): 14,
        # p13 lacks both and is counted for the outcome only.
        ("wemwbs@m9 is missing", "intervention"): 1,
        ("wemwbs@m9 is missing", "comparison"): 1,
        ("wemwbs@baseline is missing", "intervention"): 1,
        ("wemwbs@baseline is missing", "comparison"): 0,
        ("analysed", "intervention"): 10,
        ("analysed", "comparison"): 13,
    }
    assert analysis_set.n_participants == 23
    assert analysis_set.n_agencies == 6
    assert not {"p01", "p02", "p13"} & set(analysis_set.data["participant_id"])
    assert analysis_set.notes[0].startswith("3 of 26 participants are left out")


def test_columns_and_values():
    analysis_set = build_analysis_set(
        make_trial(),
        measure="wemwbs",
        timepoint="m9",
        covariates=("age_years", "sector", "eq5d_utility@m9"),
    )
    data = analysis_set.data.set_index("participant_id")
    assert list(data.columns) == [
        "agency_id",
        "exposure",
        "exposure_target",
        "outcome",
        "baseline",
        "age_years",
        "sector",
        "eq5d_utility_at_m9",
    ]
    tables = make_tables()
    rows = tables["measurements"].set_index(["participant_id", "measure", "timepoint"])["value"]
    assert data.loc["p16", "outcome"] == rows["p16", "wemwbs", "m9"]
    assert data.loc["p16", "baseline"] == rows["p16", "wemwbs", "baseline"]
    assert data.loc["p16", ["exposure", "exposure_target"]].tolist() == ["comparison", 0.0]
    assert data.loc["p10", ["agency_id", "sector"]].tolist() == ["a3", "statutory"]
    assert "p14" not in data.index  # no utility
    assert analysis_set.label == "Well-being (WEMWBS)"
    assert (analysis_set.unit, analysis_set.months) == ("points", 9.0)
    assert analysis_set.is_higher_better is True


@pytest.mark.parametrize(
    ("baseline", "expected", "n"),
    [
        ("same", "wemwbs@baseline", 23),
        ("none", None, 24),
        ("eq5d_utility@m9", "eq5d_utility@m9", 23),
    ],
)
def test_baseline_is_what_the_plan_says(baseline, expected, n):
    analysis_set = build_analysis_set(
        make_trial(), measure="wemwbs", timepoint="m9", baseline=baseline
    )
    assert analysis_set.baseline == expected
    assert ("baseline" in analysis_set.data) == (expected is not None)
    assert len(analysis_set.data) == n


def test_one_covariate_may_be_a_bare_text():
    options = {"measure": "wemwbs", "timepoint": "m9"}
    bare = build_analysis_set(make_trial(), **options, covariates="sector")
    listed = build_analysis_set(make_trial(), **options, covariates=["sector"])
    assert bare.covariates == listed.covariates == ("sector",)
    pd.testing.assert_frame_equal(bare.data, listed.data)


def test_print_is_short_and_shows_nobody():
    analysis_set = build_analysis_set(
        make_trial(), measure="wemwbs", timepoint="m9", covariates="age_years"
    )
    text = repr(analysis_set)
    assert text.splitlines()[:4] == [
        "Analysis set",
        "Well-being (WEMWBS) at 9 months (wemwbs@m9)",
        "23 participants (intervention 10, comparison 13) in 6 agencies",
        "adjusted for baseline and age in years; population observed",
    ]
    assert "Note: 3 of 26 participants are left out (" in text
    page = analysis_set._repr_html_()
    assert "intervention 10, comparison 13" in page
    for shown in (text, page):
        assert not any(name in shown for name in analysis_set.data["participant_id"])
        assert "<table" not in shown


def test_population_of_the_protocol():
    analysis_set = build_analysis_set(
        make_trial(), measure="wemwbs", timepoint="m9", population="complete"
    )
    flow = flow_of(analysis_set)
    assert flow["not in the population: wemwbs@m9 is missing", "intervention"] == 1
    assert flow["not in the population: eq5d_utility@m9 is missing", "comparison"] == 1
    assert flow["analysed", "comparison"] == 12
    assert analysis_set.requirements == ("wemwbs@m9", "eq5d_utility@m9")


def test_fidelity_bands_are_cut_at_the_cutoff():
    trial = make_trial(protocol_with(BANDS))
    analysis_set = build_analysis_set(trial, measure="wemwbs", timepoint="m9")
    data = analysis_set.data.set_index("participant_id")
    assert data.loc["p03", "exposure"] == "high"  # exactly 60
    reason = "fidelity_percent@m9, which forms the groups, is missing"
    assert flow_of(analysis_set)[reason, "not classified"] == 1
    assert flow_of(analysis_set)["recruited", "not classified"] == 1
    assert "p20" not in data.index
    assert any("not by allocation" in note for note in analysis_set.notes)


@pytest.mark.parametrize("contrast", [None, BANDS])
@pytest.mark.parametrize("population", ["observed", "complete"])
def test_nobody_is_lost(contrast, population):
    protocol = protocol_with(contrast) if contrast else protocol_with()
    analysis_set = build_analysis_set(
        make_trial(protocol),
        measure="wemwbs",
        timepoint="m9",
        covariates=("eq5d_utility@m9",),
        population=population,
    )
    for _, rows in analysis_set.flow.groupby("group"):
        assert rows["n"].iloc[0] == rows["n"].iloc[1:].sum()
    recruited = analysis_set.flow[analysis_set.flow["reason"] == "recruited"]["n"].sum()
    assert recruited == 26


def test_order_of_rows_does_not_matter():
    shuffled = {name: table.sample(frac=1, random_state=3) for name, table in make_tables().items()}
    tables = {name: table.reset_index(drop=True) for name, table in shuffled.items()}
    other = build_trial(tables, title="A small trial", protocol=protocol_with(), is_synthetic=True)
    options = {"measure": "wemwbs", "timepoint": "m9", "covariates": ("age_years", "sex")}
    first, second = (build_analysis_set(trial, **options) for trial in (make_trial(), other))
    pd.testing.assert_frame_equal(first.data, second.data)
    pd.testing.assert_frame_equal(first.flow, second.flow)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"timepoint": "m12"}, "CPI-E045", "wemwbs@m12"),
        ({"measure": "scope"}, "CPI-E045", "scope@m9"),
        ({"baseline": "first"}, "CPI-E045", "same, none, measure@timepoint"),
        ({"covariates": ("height",)}, "CPI-E045", "age_years"),
        ({"covariates": ("agency_id",)}, "CPI-E045", "agency_id"),
        ({"covariates": ("eq5d_utility@baseline",)}, "CPI-E045", "eq5d_utility@m9"),
        ({"population": "everybody"}, "CPI-E045", "observed, complete"),
    ],
)
def test_unknown_names_are_refused_with_what_is_allowed(options, code, words):
    settings = {"measure": "wemwbs", "timepoint": "m9", **options}
    with pytest.raises(DataError, match=words) as caught:
        build_analysis_set(make_trial(), **settings)
    assert caught.value.codes == (code,)


def test_needs_a_protocol_and_both_groups():
    tables = make_tables()
    with pytest.raises(DataError) as caught:
        build_analysis_set(
            build_trial(tables, title="No protocol"), measure="wemwbs", timepoint="m9"
        )
    assert caught.value.codes == ("CPI-E047",)
    rows = tables["measurements"]
    comparison = rows["participant_id"].isin([f"p{k:02d}" for k in range(13, 27)])
    is_outcome = (rows["measure"] == "wemwbs") & (rows["timepoint"] == "m9")
    rows.loc[comparison & is_outcome, "value"] = float("nan")
    trial = build_trial(tables, title="One arm", protocol=protocol_with())
    with pytest.raises(DataError, match="comparison") as caught:
        build_analysis_set(trial, measure="wemwbs", timepoint="m9")
    assert caught.value.codes == ("CPI-E038",)
