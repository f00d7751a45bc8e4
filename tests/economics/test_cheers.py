"""The checklist, and the plane with its ellipse and shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.economics import (
    build_cheers_table,
    build_economic_set,
    derive_economic_measures,
    estimate_planned_evaluation,
)
from cpi_analysis.economics.figures import draw_plane
from cpi_analysis.errors import DataError
from tests.economics.small_trial import make_protocol, make_trial


def test_what_nobody_said_is_not_reported():
    table = build_cheers_table(make_trial()).set_index("item")
    assert table.index.tolist() == list(range(1, 29))
    assert table.loc[8, "statement"] == "not reported"
    assert not table.loc[27, "is_reported"]
    assert (table["statement"].str.len() > 0).all()


def test_settings_fill_what_they_say():
    table = build_cheers_table(make_trial()).set_index("item")["statement"]
    assert table[7] == "intervention against comparison, by arm"
    assert table[9] == "9 months from the baseline interview"
    assert "none" in table[10]
    assert table[12] == "area under the curve of utilities at 0, 9 months"
    priced = make_protocol(
        cost={
            "from_service_use": True,
            "perspective": "societal",
            "price_year": "2012/13",
            "recall": "as_recorded",
        }
    )
    table = build_cheers_table(make_trial(protocol=priced)).set_index("item")["statement"]
    assert (table[8], table[15]) == ("societal", "pounds sterling, 2012/13 prices")
    assert "as recorded" in table[14]


def test_results_and_authors_fill_the_rest():
    trial = derive_economic_measures(make_trial())
    evaluation = estimate_planned_evaluation(build_economic_set(trial), seed=1, replicates=200)
    table = build_cheers_table(
        trial, evaluation=evaluation, statements={27: "None.", 8: "societal, as in the protocol"}
    ).set_index("item")
    assert table.loc[23, "statement"] == evaluation.incremental.summary()
    assert table.loc[24, "statement"] == evaluation.acceptability.summary()
    assert table.loc[27, "statement"] == "None."
    assert table.loc[8, "statement"] == "societal, as in the protocol"
    assert table.loc[[17, 20, 22], "is_reported"].all()
    assert not table.loc[[18, 19, 21, 25, 28], "is_reported"].any()


def test_a_statement_without_an_item_is_refused():
    with pytest.raises(DataError) as caught:
        build_cheers_table(make_trial(), statements={29: "more"})
    assert caught.value.codes == ("CPI-E045",)


def _draw(cost, effect):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    draws = pd.DataFrame({"delta_cost": cost, "delta_effect": effect})
    point = (float(np.mean(effect)), float(np.mean(cost)))
    draw_plane(ax, draws, point=point, effect_label="QALY")
    return ax


def test_the_ellipse_holds_95_per_cent_of_a_normal_cloud():
    rng = np.random.default_rng(1)
    cloud = rng.multivariate_normal([500, 0.03], [[640_000, -9.0], [-9.0, 0.0016]], 20_000)
    ax = _draw(cloud[:, 0], cloud[:, 1])
    edge = next(line for line in ax.lines if line.get_label() == "95% ellipse").get_xydata()
    covariance = np.cov(cloud[:, ::-1].T)
    inverse = np.linalg.inv(covariance)
    centre = cloud[:, ::-1].mean(axis=0)
    # Every point of the edge is at the distance of qchisq(.95, 2) = 5.991465 (R 4.2.2).
    away = np.einsum("ij,jk,ik->i", edge - centre, inverse, edge - centre)
    assert away == pytest.approx(np.full(len(away), 5.991465), rel=1e-5)
    inside = np.einsum("ij,jk,ik->i", cloud[:, ::-1] - centre, inverse, cloud[:, ::-1] - centre)
    assert np.mean(inside < 5.991465) == pytest.approx(0.95, abs=0.005)


def test_the_corners_say_how_many_draws_they_hold():
    ax = _draw([1.0, 1, 1, -1, -1, 0], [1.0, 1, -1, 1, -1, 1])
    texts = {text.get_text() for text in ax.texts}
    assert texts == {
        "more costly, more effect: 33%",
        "more costly, less effect: 17%",
        "less costly, more effect: 33%",
        "less costly, less effect: 17%",
    }
