"""Two outcomes of the same people with correlated agency effects and correlated errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError

FloatArray = NDArray[np.float64]
#: Real values, or complex ones on the way to an exact derivative.
AnyArray = NDArray[Any]
Equation = tuple[FloatArray, FloatArray]
Method = Literal["REML", "ML"]

#: Step in the imaginary direction: derivatives are exact to rounding, whatever its size.
IMAGINARY = 1e-30
#: Step of the differences of the exact gradient.
STEP = 1e-5
#: Largest entry of the gradient at an optimum.
POLISHED = 1e-5
#: Smallest variance of agency effects in any direction, relative to the errors, above zero.
NEAR_ZERO = 1e-8
#: Derivatives of the variances by the parameters: three of the errors, three of the agencies.
N_PARAMETERS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class BivariateFit:
    """A fitted bivariate random-intercept model.

    Parameters
    ----------
    beta, cov
        Coefficients of the first, then of the second equation, and (X'V⁻¹X)⁻¹.
    agency_covariance, error_covariance
        Covariances of the two agency effects and of the two errors, shape (2, 2).
    log_likelihood
        Maximised, restricted under REML, with all constants.
    is_singular
        The agency effects have no full rank: a variance of zero or a correlation of one.
    """

    beta: FloatArray
    cov: FloatArray
    agency_covariance: FloatArray
    error_covariance: FloatArray
    log_likelihood: float
    is_singular: bool
    n_agencies: int
    theta: FloatArray = field(repr=False)
    sums: _Sums = field(repr=False)

    def compute_df(self, contrasts: FloatArray) -> FloatArray:
        """Return Satterthwaite's degrees of freedom of each row of ``contrasts``.

        Notes
        -----
        2 f²/(g'Ag) with f = c'C(θ)c, its gradient g, and A twice the inverse of the Hessian of
        minus two log-likelihoods. Where the agency effects have no full rank that Hessian says
        nothing: agencies − 2.
        """
        fallback = float(self.n_agencies - 2)
        hessian = _compute_hessian(self.sums, self.theta)
        values = np.linalg.eigvalsh(hessian)
        if self.is_singular or values[0] <= 1e-8 * values[-1]:
            return np.full(len(contrasts), fallback)
        rows = contrasts * self.sums.scale
        parts = _evaluate(self.sums, _nudge(self.theta)).cov
        gradients = np.einsum("mi,kij,mj->km", rows, parts.imag, rows) / IMAGINARY
        variances = np.einsum("mi,ij,mj->m", rows, parts[0].real, rows)
        spread = np.einsum("km,km->m", gradients, np.linalg.solve(hessian, gradients))
        return np.asarray(variances**2 / spread, dtype=np.float64)


class _Sums(NamedTuple):
    """Cross-products of design and response, on least-squares residuals in units of one.

    ``within`` has them about the agency means, ``products`` those of the agency means, times n.
    """

    within: FloatArray
    products: FloatArray
    outcome: NDArray[np.intp]
    is_response: NDArray[np.bool_]
    sizes: FloatArray
    scale: FloatArray
    method: Method

    @property
    def n_rows(self) -> float:
        return float(2 * self.sizes.sum())


class _State(NamedTuple):
    criterion: AnyArray
    step: AnyArray
    cov: AnyArray


def fit_bivariate_mixed(
    first: Equation,
    second: Equation,
    agencies: NDArray[np.integer],
    *,
    method: Method = "REML",
) -> BivariateFit:
    """Fit two outcomes together, each with an effect of the agency.

    Parameters
    ----------
    first, second
        Response (n,) and design (n, p) of each equation, on the same people.
    agencies
        Agency of each person, coded 0, 1, …
    method
        ``"REML"`` or ``"ML"``.

    Returns
    -------
    BivariateFit

    Raises
    ------
    ModelError
        CPI-M005 when no optimum was found, M007 when hardly an agency has two people.

    Notes
    -----
    y_k = X_k β_k + u_k + e_k for outcome k, with (u₁, u₂) of an agency ~ N(0, G) and (e₁, e₂) of
    a person ~ N(0, Σ). For an agency of n people the covariance has the inverse Σ⁻¹ about its
    means and (Σ + nG)⁻¹ on them, so that the likelihood needs 2×2 matrices only. It is minimised
    over Cholesky roots with exact derivatives by the complex step.

    References
    ----------
    Nixon RM, Thompson SG (2005). Health Economics 14:1217-1229.
    Grieve R, Nixon R, Thompson SG (2010). Medical Decision Making 30:163-175.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> agency = np.repeat(np.arange(6), 5)
    >>> pair = rng.normal(size=(30, 2)) + rng.normal(size=(6, 2))[agency]
    >>> ones = np.ones((30, 1))
    >>> fit = fit_bivariate_mixed((pair[:, 0], ones), (pair[:, 1], ones), agency)
    >>> bool(np.allclose(fit.beta, pair.mean(axis=0)))
    True
    """
    sizes = np.bincount(agencies).astype(np.float64)
    if sizes.sum() <= len(sizes) + 1:
        raise ModelError(
            Fault(
                code="CPI-M007",
                rule="too few participants share an agency: the variance within agencies is not "
                "estimable",
                cure="use method='sur' with each participant by themselves",
            )
        )
    start, sums, spread = _summarise(first, second, agencies, sizes, method)
    theta = _minimise(sums)
    state = _evaluate(sums, theta[None, :].astype(complex))
    errors, effects = (matrix[0] for matrix in _build_covariances(theta[None, :]))
    units = np.outer(spread, spread)
    df = sums.n_rows - (len(start) if method == "REML" else 0)
    constant = df * np.log(2 * np.pi) + _log_units(sums, spread, start)
    whole = np.linalg.eigvalsh(np.linalg.solve(errors, effects) + 0.0)
    return BivariateFit(
        beta=start + state.step[0].real * sums.scale,
        cov=state.cov[0].real * np.outer(sums.scale, sums.scale),
        agency_covariance=effects * units,
        error_covariance=errors * units,
        log_likelihood=float(-(state.criterion[0].real + constant) / 2),
        is_singular=bool(np.linalg.eigvalsh(effects)[0] <= NEAR_ZERO or whole.min() <= NEAR_ZERO),
        n_agencies=len(sizes),
        theta=theta,
        sums=sums,
    )


def _log_units(sums: _Sums, spread: FloatArray, start: FloatArray) -> float:
    """Return what the units of the outcomes add to minus two log-likelihoods."""
    rows = float(sums.n_rows) * float(np.log(spread).sum())
    if sums.method == "ML":
        return rows
    return rows - 2 * float(np.log(sums.scale).sum())


def _summarise(
    first: Equation,
    second: Equation,
    agencies: NDArray[np.integer],
    sizes: FloatArray,
    method: Method,
) -> tuple[FloatArray, _Sums, FloatArray]:
    columns, starts, spreads, scales, outcome, is_response = [], [], [], [], [], []
    for k, (response, design) in enumerate((first, second)):
        beta = np.linalg.lstsq(design, response, rcond=None)[0]
        rest = response - design @ beta
        spread = float(np.sqrt(np.mean(rest**2)))
        columns += [design, (rest / spread)[:, None]]
        starts.append(beta)
        spreads.append(spread)
        scales.append(np.full(len(beta), spread))
        outcome += [k] * (len(beta) + 1)
        is_response += [False] * len(beta) + [True]
    joined = np.column_stack(columns)
    means = np.zeros((len(sizes), joined.shape[1]))
    np.add.at(means, agencies, joined)
    means /= sizes[:, None]
    centred = joined - means[agencies]
    sums = _Sums(
        within=centred.T @ centred,
        products=means[:, :, None] * means[:, None, :] * sizes[:, None, None],
        outcome=np.array(outcome, dtype=np.intp),
        is_response=np.array(is_response),
        sizes=sizes,
        scale=np.concatenate(scales),
        method=method,
    )
    return np.concatenate(starts), sums, np.array(spreads)


def _build_covariances(theta: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return Σ and G for each row of parameters; the root of Σ has logarithms on its diagonal."""
    roots = np.zeros((2, len(theta), 2, 2), dtype=theta.dtype)
    roots[0, :, 0, 0], roots[0, :, 1, 0] = np.exp(theta[:, 0]), theta[:, 1]
    roots[0, :, 1, 1] = np.exp(theta[:, 2])
    roots[1, :, 0, 0], roots[1, :, 1, 0], roots[1, :, 1, 1] = theta[:, 3:].T
    errors, effects = roots @ roots.swapaxes(2, 3)
    return errors, effects


def _evaluate(sums: _Sums, theta: AnyArray) -> _State:
    """Return minus two log-likelihoods without constants, the generalised step, and C.

    For each row of ``theta``, shape (rows, 6), at once.
    """
    errors, effects = _build_covariances(theta)
    on_means = errors[:, None] + sums.sizes[:, None, None] * effects[:, None]
    inverse, inverses = np.linalg.inv(errors), np.linalg.inv(on_means)
    rows, columns = sums.outcome[:, None], sums.outcome[None, :]
    total = inverse[:, rows, columns] * sums.within
    total += (inverses[:, :, rows, columns] * sums.products).sum(axis=1)
    fixed, response = ~sums.is_response, sums.is_response
    gram = total[:, fixed][:, :, fixed]
    moment = total[:, fixed][:, :, response].sum(axis=2)
    square = total[:, response][:, :, response].sum(axis=(1, 2))
    cov = np.linalg.inv(gram)
    step = np.einsum("tij,tj->ti", cov, moment)
    criterion = (
        (sums.sizes.sum() - len(sums.sizes)) * _log_det(errors)
        + _log_det(on_means).sum(axis=1)
        + square
        - np.einsum("ti,ti->t", moment, step)
    )
    if sums.method == "REML":
        criterion = criterion + _log_det(gram)
    return _State(criterion, step, cov)


def _log_det(matrix: AnyArray) -> AnyArray:
    sign, size = np.linalg.slogdet(matrix)
    return np.asarray(size + 1j * np.angle(sign))


def _nudge(theta: FloatArray) -> AnyArray:
    """Return the parameters, each moved by an imaginary step: one row for each."""
    return np.asarray(theta + 1j * IMAGINARY * np.eye(N_PARAMETERS))


def _value_and_gradient(theta: FloatArray, sums: _Sums) -> tuple[float, FloatArray]:
    criterion = _evaluate(sums, _nudge(theta)).criterion
    return float(criterion[0].real), np.asarray(criterion.imag / IMAGINARY, dtype=np.float64)


def _compute_hessian(sums: _Sums, theta: FloatArray) -> FloatArray:
    steps = np.concatenate([np.eye(N_PARAMETERS), -np.eye(N_PARAMETERS)]) * STEP
    moved = np.concatenate([_nudge(theta + step) for step in steps])
    gradients = (_evaluate(sums, moved).criterion.imag / IMAGINARY).reshape(2, N_PARAMETERS, -1)
    hessian = (gradients[0] - gradients[1]) / (2 * STEP)
    return np.asarray((hessian + hessian.T) / 2, dtype=np.float64)


def _minimise(sums: _Sums) -> FloatArray:
    from scipy.optimize import minimize

    # No agency effect at all is always stationary: start with some.
    theta = np.array([0.0, 0.0, 0.0, 0.3, 0.0, 0.3])
    for accuracy in (1e-4, 1e-7):
        found = minimize(
            _value_and_gradient,
            theta,
            args=(sums,),
            jac=True,
            method="BFGS",
            options={"gtol": accuracy},
        )
        theta, steepest = _polish(sums, np.asarray(found.x, dtype=np.float64))
        if steepest < POLISHED:
            return theta
    raise ModelError(
        Fault(
            code="CPI-M005",
            rule="no optimum of the variances of the bivariate model was found",
            cure="leave out covariates, or use method='rao_wu'",
        )
    )


def _polish(sums: _Sums, theta: FloatArray) -> tuple[FloatArray, float]:
    """Go on by Newton steps; return the parameters and the largest entry of the gradient."""
    value, gradient = _value_and_gradient(theta, sums)
    for _ in range(8):
        if np.abs(gradient).max() < POLISHED / 100:
            break
        values, vectors = np.linalg.eigh(_compute_hessian(sums, theta))
        safe = np.maximum(np.abs(values), 1e-6 * np.abs(values).max())
        trial = theta - vectors @ ((vectors.T @ gradient) / safe)
        new_value, new_gradient = _value_and_gradient(trial, sums)
        if new_value > value + 1e-8:
            break
        theta, value, gradient = trial, new_value, new_gradient
    return theta, float(np.abs(gradient).max())
