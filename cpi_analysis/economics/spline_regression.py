"""A penalised cubic regression spline with smoothness by generalised cross-validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Logarithms of the penalty that are tried before the best is refined.
LOG_PENALTIES = np.linspace(-20.0, 25.0, 91)


def fit_smooth(values: FloatArray, outcomes: FloatArray, *, n_knots: int = 5) -> FloatArray:
    """Return the fitted values of a smooth curve of ``outcomes`` on ``values``.

    Parameters
    ----------
    values
        Shape (n,); with at least ``n_knots`` different ones.
    outcomes
        Shape (n, m): each column gets a smoothness of its own.
    n_knots
        Knots of the natural cubic spline, at quantiles of the different values.

    Notes
    -----
    The basis and the criterion of ``mgcv::gam(y ~ te(x, bs = "cr"))``: minimise
    ``n RSS / (n - edf)^2`` over the weight of the penalty ``∫ f''(x)^2 dx``. In the basis that
    makes cross-products and penalty diagonal every weight is a matter of ``n_knots`` numbers.

    References
    ----------
    Wood SN (2017). Generalized Additive Models, 2nd edition, sections 5.3.1 and 6.2.
    """
    basis, penalty = build_basis(values, n_knots)
    factor = np.linalg.qr(basis, mode="r")
    inverse = np.linalg.inv(factor)
    roughness, turn = np.linalg.eigh(inverse.T @ penalty @ inverse)
    roughness = np.maximum(roughness, 0.0)
    # Constant and slope bend nowhere: what is left of their roughness is rounding.
    roughness[:2] = 0.0
    orthogonal = basis @ inverse @ turn
    projected = orthogonal.T @ outcomes
    squares = (outcomes**2).sum(axis=0) - (projected**2).sum(axis=0)
    fitted = np.empty_like(outcomes)
    for column in range(outcomes.shape[1]):
        kept = _choose_smoothness(
            roughness / roughness.max(), projected[:, column], float(squares[column]), len(values)
        )
        fitted[:, column] = orthogonal @ (kept * projected[:, column])
    return fitted


def build_basis(values: FloatArray, n_knots: int) -> tuple[FloatArray, FloatArray]:
    """Return the natural cubic spline basis at ``values``, and its penalty.

    Column j is the spline that is 1 at knot j and 0 at the others; the penalty is the integral
    of the product of second derivatives.
    """
    from scipy.interpolate import CubicSpline

    knots = np.quantile(np.unique(values), np.linspace(0, 1, n_knots))
    spline = CubicSpline(knots, np.eye(n_knots), bc_type="natural")
    bend = spline(knots, 2)
    width = np.diff(knots)[:, None, None]
    left, right = bend[:-1], bend[1:]
    # Second derivatives are straight between knots: the integral of a product of two lines.
    outer = (
        np.einsum("ki,kj->kij", left, left) * 2
        + np.einsum("ki,kj->kij", left, right)
        + np.einsum("ki,kj->kij", right, left)
        + np.einsum("ki,kj->kij", right, right) * 2
    )
    return np.asarray(spline(values)), np.asarray((width / 6 * outer).sum(axis=0))


def _choose_smoothness(
    roughness: FloatArray, projected: FloatArray, left_over: float, n: int
) -> FloatArray:
    """Return by how much each coordinate is kept, at the best weight of the penalty."""
    from scipy.optimize import minimize_scalar

    def keep(log_penalty: float) -> FloatArray:
        return np.asarray(1 / (1 + np.exp(log_penalty) * roughness))

    def criterion(log_penalty: float) -> float:
        kept = keep(log_penalty)
        residual = left_over + float((((1 - kept) * projected) ** 2).sum())
        return n * residual / (n - float(kept.sum())) ** 2

    tried = np.array([criterion(log_penalty) for log_penalty in LOG_PENALTIES])
    best = int(tried.argmin())
    ends = LOG_PENALTIES[max(best - 1, 0)], LOG_PENALTIES[min(best + 1, len(tried) - 1)]
    found = minimize_scalar(criterion, bounds=ends, method="bounded", options={"xatol": 1e-8})
    return keep(float(found.x))
