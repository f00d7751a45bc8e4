"""Small-sample inference for a random-intercept fit: Kenward-Roger and Satterthwaite."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.mixed_model import RandomInterceptFit

FloatArray = NDArray[np.float64]
Information = Literal["expected", "observed"]


class SmallSample(NamedTuple):
    """Covariance of the coefficients, and degrees of freedom of each contrast."""

    covariance: FloatArray
    df: FloatArray


class ContrastParts(NamedTuple):
    """Covariance of the coefficients with and without correction, derivatives, and precision.

    ``P`` (m, p, p) are ``-X'V^-1 G_r V^-1 X`` for the m variances; ``precision`` (m, m) is the
    covariance of the variances.
    """

    covariance: FloatArray
    phi: FloatArray
    P: FloatArray
    precision: FloatArray


class _Pieces(NamedTuple):
    """Derivative blocks for the two variances (between, within), in the basis ``Q``."""

    phi: FloatArray
    P: FloatArray
    Q: FloatArray
    traces: FloatArray
    precision: FloatArray


def adjust_kenward_roger(
    fit: RandomInterceptFit,
    *,
    information: Information = "expected",
    contrasts: ArrayLike | None = None,
) -> SmallSample:
    """Return the Kenward-Roger covariance and degrees of freedom.

    Parameters
    ----------
    fit
        A REML fit.
    information
        ``"expected"`` information of the variances, as pbkrtest and lmerTest use, or
        ``"observed"``, as SAS PROC MIXED uses. The two give different degrees of freedom; say
        which one a table used.
    contrasts
        Rows of contrasts, shape (k, p); one row per coefficient when None.

    Returns
    -------
    SmallSample
        ``covariance`` of the coefficients, shape (p, p), and ``df``, shape (k,).

    Raises
    ------
    ModelError
        CPI-M004 when the fit is not REML, or when the observed information is not positive
        definite (which may happen when the variance between groups is zero).

    Notes
    -----
    With ``Phi = (X' V^-1 X)^-1``, ``G_r`` the derivative of ``V`` in variance ``r``,
    ``P_r = -X' V^-1 G_r V^-1 X``, ``Q_rs = X' V^-1 G_r V^-1 G_s V^-1 X`` and ``W`` the inverse
    information of the variances,

    ``Phi_A = Phi + 2 Phi { sum_rs W_rs (Q_rs - P_r Phi P_s) } Phi``

    and for one contrast ``l`` the degrees of freedom are ``2 (l Phi l')^2 / (q' W q)`` with
    ``q_r = l Phi P_r Phi l'``; the scale of the F statistic is then one. A variance estimated
    as zero stays in ``W``: dropping it would claim the degrees of freedom of independent
    participants.

    References
    ----------
    Kenward MG, Roger JH (1997). Small sample inference for fixed effects from restricted
    maximum likelihood. Biometrics 53, 983-997.

    Halekoh U, Højsgaard S (2014). A Kenward-Roger approximation and parametric bootstrap
    methods for tests in linear mixed models: the R package pbkrtest. Journal of Statistical
    Software 59(9).

    Examples
    --------
    Balanced groups give the degrees of freedom of the analysis of variance: here three groups.

    >>> from cpi_analysis.inference.mixed_model import fit_random_intercept
    >>> y, groups = [1.0, 2.0, 4.0, 5.0, 3.0, 4.0], [0, 0, 1, 1, 2, 2]
    >>> covariance, df = adjust_kenward_roger(fit_random_intercept(y, [[1.0]] * 6, groups))
    >>> float(round(df[0], 9))
    2.0
    """
    if fit.method != "REML":
        raise ModelError(
            Fault(
                code="CPI-M004",
                rule="Kenward-Roger needs a REML fit",
                cure="use method='REML', or df='satterthwaite' with method='ML'",
            )
        )
    if information not in ("expected", "observed"):
        raise ModelError(
            Fault(
                code="CPI-M004",
                rule="the kind of information is not known",
                cure="choose one of the allowed kinds",
                allowed="expected, observed",
            )
        )
    pieces = _compute_pieces(fit)
    W = _invert(_compute_information(fit, pieces, information))
    covariance = _correct_covariance(fit, pieces, W)
    return SmallSample(covariance, _compute_df(fit, pieces, W, contrasts))


def _correct_covariance(fit: RandomInterceptFit, pieces: _Pieces, W: FloatArray) -> FloatArray:
    inner = np.einsum("rs,rspq->pq", W, pieces.Q)
    inner -= np.einsum("rs,rpq,qt,stu->pu", W, pieces.P, pieces.phi, pieces.P)
    adjusted = pieces.phi + 2 * pieces.phi @ inner @ pieces.phi
    back = fit.sums.to_coefficients
    return np.asarray(back @ ((adjusted + adjusted.T) / 2) @ back.T, dtype=np.float64)


def derive_contrast_parts(
    fit: RandomInterceptFit, *, df: str, information: Information = "expected"
) -> ContrastParts:
    """Return what the tests of contrasts need, for the coefficients themselves.

    Parameters
    ----------
    fit
        A REML fit, or ML with ``df="satterthwaite"``.
    df, information
        As for :func:`adjust_kenward_roger`; ``df="satterthwaite"`` as for
        :func:`compute_satterthwaite`.
    """
    pieces = _compute_pieces(fit)
    if df == "satterthwaite":
        kind: Information = "expected" if fit.is_singular else "observed"
        W = _invert(_compute_information(fit, pieces, kind))
        covariance = fit.cov.copy()
    else:
        W = _invert(_compute_information(fit, pieces, information))
        covariance = _correct_covariance(fit, pieces, W)
    back = fit.sums.to_coefficients
    into = np.linalg.inv(back)
    return ContrastParts(covariance, back @ pieces.phi @ back.T, into.T @ pieces.P @ into, W)


def compute_satterthwaite(
    fit: RandomInterceptFit, *, contrasts: ArrayLike | None = None
) -> SmallSample:
    """Return the unadjusted covariance and Satterthwaite degrees of freedom.

    Parameters
    ----------
    fit
        A REML or ML fit.
    contrasts
        Rows of contrasts, shape (k, p); one row per coefficient when None.

    Returns
    -------
    SmallSample

    Notes
    -----
    ``df = 2 v^2 / (q' W q)`` with ``v`` the variance of the contrast, ``q`` its gradient in the
    variances and ``W`` the inverse observed information, in closed form; lmerTest finds the
    same by numerical derivatives. Where the variance between groups is zero lmerTest returns
    ``n - p``, as if participants were independent; here the variance is kept, with the expected
    information, and the degrees of freedom stay near those of Kenward-Roger.

    References
    ----------
    Kuznetsova A, Brockhoff PB, Christensen RHB (2017). lmerTest package: tests in linear mixed
    effects models. Journal of Statistical Software 82(13).
    """
    pieces = _compute_pieces(fit)
    kind: Information = "expected" if fit.is_singular else "observed"
    W = _invert(_compute_information(fit, pieces, kind))
    return SmallSample(fit.cov.copy(), _compute_df(fit, pieces, W, contrasts))


def _compute_pieces(fit: RandomInterceptFit) -> _Pieces:
    """Return Phi, P_r, Q_rs and the traces from the sums per group: no n x n matrix."""
    sums, sigma2 = fit.sums, fit.residual_variance
    n_i, q = sums.sizes, sums.design_means
    # V has two eigenvalues in a group: sigma2 within it, and this for its mean.
    v = 1.0 / (sigma2 + n_i * fit.agency_variance)
    outer = q[:, :, None] * q[:, None, :]

    def sum_up(weights: FloatArray, power: int) -> FloatArray:
        # power 0: a derivative in the variance between groups has no part within them.
        total: FloatArray = np.tensordot(weights, outer, axes=1)
        return total + sums.within_design / sigma2**power if power else total

    phi = np.asarray(np.linalg.inv(sum_up(n_i * v, 1)), dtype=np.float64)
    P = -np.stack([sum_up(n_i**2 * v**2, 0), sum_up(n_i * v**2, 2)])
    cross = sum_up(n_i**2 * v**3, 0)
    Q = np.stack(
        [
            np.stack([sum_up(n_i**3 * v**3, 0), cross]),
            np.stack([cross, sum_up(n_i * v**3, 3)]),
        ]
    )
    rest = (sums.n - len(n_i)) / sigma2**2
    mixed = float(n_i @ v**2)
    traces = np.array([[float(n_i**2 @ v**2), mixed], [mixed, float(np.sum(v**2)) + rest]])
    return _Pieces(phi, P, Q, traces, v)


def _compute_information(fit: RandomInterceptFit, pieces: _Pieces, kind: Information) -> FloatArray:
    phi, P = pieces.phi, pieces.P
    expected = pieces.traces / 2
    if fit.method == "REML":
        expected = expected - np.einsum("pq,rsqp->rs", phi, pieces.Q)
        expected = expected + np.einsum("pq,rqt,tu,sup->rs", phi, P, phi, P) / 2
    if kind == "expected":
        return expected
    return _compute_quadratic(fit, pieces) - expected


def _compute_quadratic(fit: RandomInterceptFit, pieces: _Pieces) -> FloatArray:
    """Return ``y' P G_r P G_s P y`` for the two variances, ``P`` the residual projection."""
    sums, sigma2, v = fit.sums, fit.residual_variance, pieces.precision
    n_i, q = sums.sizes, sums.design_means
    gamma = np.linalg.solve(sums.to_coefficients, fit.beta - sums.ols_coefficients)
    mean = sums.residual_means - q @ gamma
    cross = sums.within_cross - sums.within_design @ gamma
    within = sums.within_residual - gamma @ sums.within_cross - gamma @ cross
    # Means per group of G_r V^-1 e; the residual variance has a part within groups as well.
    u = np.stack([n_i * v * mean, v * mean])
    direct = (u * (n_i * v)) @ u.T
    direct[1, 1] += within / sigma2**3
    projected = (u * (n_i * v)) @ q
    projected[1] += cross / sigma2**2
    result: FloatArray = direct - projected @ pieces.phi @ projected.T
    return result


def _invert(information: FloatArray) -> FloatArray:
    # Scaled first: the two variances may differ by many orders of magnitude.
    diagonal = np.diag(information)
    if np.all(diagonal > 0):
        scale = 1.0 / np.sqrt(diagonal)
        scaled = information * np.outer(scale, scale)
        if abs(scaled[0, 1]) < 1.0:
            inverse: FloatArray = np.linalg.inv(scaled) * np.outer(scale, scale)
            return inverse
    raise ModelError(
        Fault(
            code="CPI-M004",
            rule="the information of the variances is not positive definite",
            cure="use information='expected', which is defined when a variance is zero",
        )
    )


def _compute_df(
    fit: RandomInterceptFit, pieces: _Pieces, W: FloatArray, contrasts: ArrayLike | None
) -> FloatArray:
    back = fit.sums.to_coefficients
    rows = back if contrasts is None else np.atleast_2d(np.asarray(contrasts, float)) @ back
    reach = rows @ pieces.phi
    variance = np.sum(reach * rows, axis=1)
    gradient = np.einsum("kp,rpq,kq->rk", reach, pieces.P, reach)
    df: FloatArray = 2 * variance**2 / np.einsum("rk,rs,sk->k", gradient, W, gradient)
    return df
