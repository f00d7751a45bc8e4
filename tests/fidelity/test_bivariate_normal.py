"""The bivariate normal distribution against closed forms and high-precision quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from cpi_analysis.fidelity.bivariate_normal import compute_density, compute_distribution

#: Rounding of sums of a few numbers below 1.
ROUNDING = 1e-15
SIZES = [0.0, 0.05, 0.1, 0.29, 0.31, 0.5, 0.74, 0.76, 0.92, 0.926, 0.99, 0.9999]


def distribution(x: float, y: float, rho: float) -> float:
    return float(compute_distribution(np.array([x]), np.array([y]), np.array([rho]))[0])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sign", [1, -1])
def test_quadrant_is_the_arc_sine(size, sign):
    expected = 0.25 + np.arcsin(sign * size) / (2 * np.pi)
    assert distribution(0, 0, sign * size) == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize("rho", [sign * size for size in SIZES for sign in (1, -1)])
def test_turning_an_axis_leaves_the_margin(rho):
    rng = np.random.default_rng(5)
    x, y = rng.normal(scale=1.6, size=(2, 200))
    r = np.full(200, rho)
    total = compute_distribution(x, y, r) + compute_distribution(x, -y, -r)
    assert total == pytest.approx(ndtr(x), abs=2 * ROUNDING)
    assert compute_distribution(y, x, r) == pytest.approx(
        compute_distribution(x, y, r), abs=ROUNDING
    )


# R 4.2.2, pbivnorm 0.6.0 (Genz's routine).
EXPECTED = [
    (1, -0.5, 0.2, 0.2757558084962052),
    (-0.3, 0.8, -0.6, 0.2276657505219773),
    (1.2, 1.1, 0.85, 0.8290782266784956),
    (-1.5, -1.4, 0.95, 0.0553893101317164),
    (0.4, -0.5, -0.97, 0.0201585918342909),
]


@pytest.mark.parametrize(("x", "y", "rho", "expected"), EXPECTED)
def test_agrees_with_genz(x, y, rho, expected):
    assert distribution(x, y, rho) == pytest.approx(expected, abs=1e-14)


def test_limits_of_forty_are_infinite():
    for rho in (-0.99, -0.5, 0.5, 0.99):
        assert distribution(40, 0.3, rho) == pytest.approx(float(ndtr(0.3)), abs=ROUNDING)
        assert distribution(-40, 0.3, rho) == pytest.approx(0, abs=ROUNDING)


def test_density_is_the_slope_in_the_correlation():
    # Plackett's identity: d P(X <= x, Y <= y) / d rho is the density.
    step = 1e-5
    slope = (distribution(0.7, -0.4, 0.6 + step) - distribution(0.7, -0.4, 0.6 - step)) / (2 * step)
    found = compute_density(np.array([0.7]), np.array([-0.4]), np.array([0.6]))[0]
    assert found == pytest.approx(slope, rel=1e-8)
