"""Rotations against GPArotation, psych and what must hold at any optimum."""

from __future__ import annotations

import numpy as np
import pytest

from cpi_analysis.fidelity.rotation import (
    draw_starts,
    order_factors,
    rotate_oblimin,
    rotate_promax,
    rotate_varimax,
)
from tests.reference import reference_json

#: GPArotation asked for 1e-10 stalls at loadings about 1e-8 apart.
TIGHT = 2e-7
#: psych stops GPArotation at a gradient of 1e-5, and varimax when the sum of singular values
#: changes by less than 1e-5, which leaves loadings 1.5e-3 away.
PSYCH_OBLIMIN = 2e-4
PSYCH_VARIMAX = 2e-3
MATRICES = ("bfi25", "bfi25_poly", "hs9", "lq_lead")

A = np.array([[0.7, 0.3], [0.6, 0.1], [0.65, -0.2], [0.5, 0.35], [0.4, 0.4], [0.45, 0.3]])
# GPArotation 2022.10-2 run to 1e-12: oblimin with its correlation, and Varimax with Kaiser's
# weights; promax is psych 2.2.9's formula on that varimax.
OBLIMIN_CORRELATION = 0.60787621741621
VARIMAX = [
    [0.43491272793308, 0.62518070914081],
    [0.45600104409547, 0.40257055007022],
    [0.65728631913058, 0.17457002802248],
    [0.23878124800202, 0.56167919278054],
    [0.12747616846673, 0.55113503469934],
    [0.22284672694368, 0.49278731344312],
]
OBLIMIN = [
    [0.64271792008311, 0.17459870970338],
    [0.36364006371419, 0.31432853134098],
    [0.026514601171629, 0.66362997003728],
    [0.62080964691318, -0.017503790225923],
    [0.63964703474865, -0.13975293703527],
    [0.54085376756960, -3.4673096514226e-05],
]
PROMAX = [
    [0.237787207843751, 0.578513147617541],
    [0.377852434524572, 0.283363020707207],
    [0.750817564678525, -0.109984730657553],
    [0.019545199774235, 0.596751060469290],
    [-0.117263163228921, 0.639677692821410],
    [0.034203095177850, 0.516791348866614],
]
PROMAX_CORRELATION = 0.6861574189256


def align(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the found columns in the order and with the signs of the expected ones."""
    product = found.T @ expected
    order = np.abs(product).argmax(axis=0)
    assert sorted(order) == list(range(expected.shape[1]))
    return found[:, order] * np.sign(product[order, np.arange(len(order))])


@pytest.mark.parametrize(
    ("rotate", "expected", "correlation"),
    [
        (rotate_oblimin, OBLIMIN, OBLIMIN_CORRELATION),
        (rotate_varimax, VARIMAX, 0.0),
        (rotate_promax, PROMAX, PROMAX_CORRELATION),
    ],
)
def test_two_factors_agree_with_gparotation(rotate, expected, correlation):
    found = order_factors(rotate(A))
    assert found.is_converged
    assert align(found.loadings, np.array(expected)) == pytest.approx(np.array(expected), abs=TIGHT)
    assert found.factor_correlation[0, 1] == pytest.approx(correlation, abs=TIGHT)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize(
    ("key", "rotate"),
    [("gpa_oblimin_tight", rotate_oblimin), ("gpa_varimax_kaiser_tight", rotate_varimax)],
)
def test_loadings_agree_with_tight_gparotation(name, key, rotate):
    expected = reference_json("fidelity/ref_efa.json")[name]
    unrotated = np.array(expected["fa"]["minres_none"]["loadings"]["values"])
    starts = draw_starts(np.random.default_rng(1), 10, unrotated.shape[1])
    theirs = np.array(expected[key]["loadings"]["values"])
    for given in (None, starts):
        found = rotate(unrotated, starts=given)
        assert found.is_converged
        assert align(found.loadings, theirs) == pytest.approx(theirs, abs=TIGHT)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize(
    ("key", "rotate", "tolerance"),
    [
        ("minres_oblimin", rotate_oblimin, PSYCH_OBLIMIN),
        ("minres_varimax", rotate_varimax, PSYCH_VARIMAX),
        ("minres_promax", rotate_promax, PSYCH_VARIMAX),
    ],
)
def test_loadings_agree_with_psych(name, key, rotate, tolerance):
    reference = reference_json("fidelity/ref_efa.json")[name]["fa"]
    expected = np.array(reference[key]["loadings"]["values"])
    found = order_factors(rotate(np.array(reference["minres_none"]["loadings"]["values"])))
    assert align(found.loadings, expected) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("rotate", [rotate_oblimin, rotate_varimax, rotate_promax])
def test_a_rotation_keeps_what_the_factors_explain(rotate):
    found = rotate(A)
    again = found.loadings @ found.factor_correlation @ found.loadings.T
    assert again == pytest.approx(A @ A.T, abs=1e-12)
    assert np.diag(found.factor_correlation) == pytest.approx([1, 1], abs=1e-12)


@pytest.mark.parametrize("rotate", [rotate_oblimin, rotate_varimax, rotate_promax])
def test_the_position_before_rotation_does_not_matter(rotate):
    turn = draw_starts(np.random.default_rng(3), 1, 2)[0]
    straight, turned = (order_factors(rotate(loadings)) for loadings in (A, A @ turn))
    assert turned.loadings == pytest.approx(straight.loadings, abs=TIGHT)


def test_a_perfect_simple_structure_is_found():
    simple = np.zeros((9, 3))
    simple[[0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 0, 1, 1, 1, 2, 2]] = 0.7
    correlation = np.array([[1.0, 0.3, 0.2], [0.3, 1.0, 0.4], [0.2, 0.4, 1.0]])
    unrotated = simple @ np.linalg.cholesky(correlation)
    found = order_factors(rotate_oblimin(unrotated))
    assert found.criterion == pytest.approx(0, abs=1e-12)
    assert align(found.loadings, simple) == pytest.approx(simple, abs=1e-6)


def test_factors_are_ordered_by_what_they_explain_and_signed():
    found = order_factors(rotate_varimax(A[:, ::-1] * [-1, 1]))
    explained = (found.loadings**2).sum(axis=0)
    assert explained[0] > explained[1]
    assert (found.loadings.sum(axis=0) > 0).all()


def test_random_starts_are_orthogonal():
    starts = draw_starts(np.random.default_rng(2), 4, 3)
    product = starts @ starts.transpose(0, 2, 1)
    assert product == pytest.approx(np.broadcast_to(np.eye(3), (4, 3, 3)), abs=1e-12)
