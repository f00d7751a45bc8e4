"""A coefficient that one cluster alone decides has no error, whatever a formula would print."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.effectiveness import (
    build_cross_checks,
    estimate_agency_means,
    estimate_cluster_robust,
    estimate_wild_bootstrap,
)
from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity import estimate_known_groups
from cpi_analysis.inference.single_cluster import find_single_cluster


def draw(n_target: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    agency = np.repeat(np.arange(8), 10)
    effect = rng.normal(size=8)[agency]
    arm = (agency < n_target).astype(int)
    return pd.DataFrame(
        {
            "agency_id": agency,
            "arm": arm,
            "before": rng.normal(size=80),
            "outcome": arm + effect + rng.normal(size=80),
        }
    )


def test_one_agency_in_an_arm_leaves_no_error_for_the_arm():
    result = estimate_cluster_robust(draw(1), formula="outcome ~ arm + before", cluster="agency_id")
    table = result.tidy().set_index("term")
    assert table.loc["arm", "std_error":].isna().all()
    assert np.isfinite(table.loc["arm", "estimate"])
    assert table.loc[["Intercept", "before"]].notna().all(axis=None)
    assert any("alone decides arm" in note for note in result.notes)


def test_two_agencies_in_an_arm_keep_it():
    table = estimate_cluster_robust(draw(2), formula="outcome ~ arm", cluster="agency_id").tidy()
    assert table.notna().all(axis=None)


@pytest.mark.parametrize(
    "analyse",
    [
        lambda d: estimate_wild_bootstrap(
            d, formula="outcome ~ arm", cluster="agency_id", term="arm"
        ),
        lambda d: estimate_cluster_robust(
            d, formula="outcome ~ arm + before", cluster="agency_id", joint=["arm", "before"]
        ),
        lambda d: estimate_known_groups(
            d, score="outcome", group="arm", target=1, reference=0, cluster="agency_id"
        ),
    ],
)
def test_other_analyses_refuse_it(analyse):
    with pytest.raises(ModelError) as caught:
        analyse(draw(1))
    assert caught.value.codes == ("CPI-M007",)


def test_cross_checks_leave_out_what_has_no_error():
    result = build_cross_checks(draw(1), formula="outcome ~ arm", term="arm", cluster="agency_id")
    assert not result.estimates["analysis"].str.contains("CR2|CR3|wild").any()
    assert any("one agency alone decides arm" in note for note in result.notes)


def test_rows_that_repeat_are_named_with_what_they_follow_from():
    data = draw(4).assign(twice=lambda d: 2 * d["before"] + 1)
    with pytest.raises(ModelError) as caught:
        estimate_agency_means(
            data, formula="outcome ~ arm + before + twice", cluster="agency_id", term="arm"
        )
    assert "twice (follows from before)" in str(caught.value)


def test_a_contrast_of_columns_within_agencies_needs_no_single_agency():
    # Indicators of agencies are decided by one agency each; a column within agencies is not.
    agency = np.repeat(np.arange(4), 3)
    design = np.column_stack(
        [(agency[:, None] == np.arange(4)).astype(float), np.tile([0, 1, 2], 4)]
    )
    found = find_single_cluster(design, agency, np.eye(5))
    assert found.tolist() == [True, True, True, True, False]
