"""Mean costs by a gamma model with logarithmic link, and the test of its family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import Fault, ModelError

FloatArray = NDArray[np.float64]

#: Slope of the modified Park test and the family whose variance is that power of the mean.
FAMILIES = {0: "normal", 1: "Poisson", 2: "gamma", 3: "inverse Gaussian"}


@dataclass(frozen=True, kw_only=True, eq=False)
class GammaFit:
    """A gamma model with logarithmic link.

    Parameters
    ----------
    beta, cov
        Coefficients on the log scale, and their covariance if people were independent and the
        family right.
    fitted
        Mean of each person.
    dispersion
        Pearson's estimate.
    working_response
        x'β + (y − μ)/μ: least squares of it on the design gives β again, because the working
        weights of this model are 1, so that robust covariances of least squares hold for it.
    """

    beta: FloatArray
    cov: FloatArray
    fitted: FloatArray
    dispersion: float
    working_response: FloatArray


class Recycled(NamedTuple):
    """Mean predictions if everybody were in the target group, or in the reference group.

    ``gradient`` is the derivative of their difference by the coefficients.
    """

    target: float
    reference: float
    gradient: FloatArray

    @property
    def difference(self) -> float:
        """Target minus reference."""
        return self.target - self.reference


class ParkTest(NamedTuple):
    """log E(y − μ)² = intercept + slope × log μ."""

    intercept: float
    slope: float

    @property
    def family(self) -> str:
        """The family whose variance function is nearest."""
        return FAMILIES[int(np.clip(round(self.slope), 0, 3))]


def fit_gamma_log(response: FloatArray, design: FloatArray) -> GammaFit:
    """Fit E(y) = exp(x'β) with a variance proportional to the square of the mean.

    Parameters
    ----------
    response
        Costs, above 0, shape (n,).
    design
        Shape (n, p), with an intercept.

    Raises
    ------
    ModelError
        CPI-M004 when a cost is 0 or less, M005 when the fit does not converge.

    References
    ----------
    McCullagh P, Nelder JA (1989). Generalized Linear Models, chapter 8.

    Examples
    --------
    >>> import numpy as np
    >>> fit = fit_gamma_log(np.array([1.0, 3.0, 4.0, 8.0]), np.ones((4, 1)))
    >>> float(np.exp(fit.beta[0]).round(6))
    4.0
    """
    import statsmodels.api as sm

    if (response <= 0).any():
        raise ModelError(
            Fault(
                code="CPI-M004",
                rule=f"{int((response <= 0).sum())} of {len(response)} costs are 0 or less: a "
                "gamma distribution has none",
                cure="use a method that needs no distribution of costs, such as method='rao_wu'",
            )
        )
    model = sm.GLM(response, design, family=sm.families.Gamma(sm.families.links.Log()))
    fit = model.fit(tol=1e-10, tol_criterion="params", maxiter=200)
    if not fit.converged or not np.isfinite(fit.params).all():
        raise ModelError(
            Fault(
                code="CPI-M005",
                rule="the gamma model of costs did not converge",
                cure="leave out covariates with extreme values",
            )
        )
    fitted = np.asarray(fit.fittedvalues, dtype=np.float64)
    return GammaFit(
        beta=np.asarray(fit.params, dtype=np.float64),
        cov=np.asarray(fit.cov_params(), dtype=np.float64),
        fitted=fitted,
        dispersion=float(fit.scale),
        working_response=np.log(fitted) + (response - fitted) / fitted,
    )


def recycle_predictions(fit: GammaFit, design: FloatArray, column: int) -> Recycled:
    """Return mean predictions with everybody in the target group and in the reference group.

    Parameters
    ----------
    fit
        From :func:`fit_gamma_log`.
    design
        Its design.
    column
        The column that is 1 in the target group.

    References
    ----------
    Basu A, Rathouz PJ (2005). Biostatistics 6:93-109.
    """
    means, gradients = [], []
    for group in (1.0, 0.0):
        moved = design.copy()
        moved[:, column] = group
        predicted = np.exp(moved @ fit.beta)
        means.append(float(predicted.mean()))
        gradients.append(moved.T @ predicted / len(predicted))
    return Recycled(means[0], means[1], gradients[0] - gradients[1])


def compute_park_test(response: FloatArray, fitted: FloatArray) -> ParkTest:
    """Return how the variance of costs grows with their mean.

    Parameters
    ----------
    response, fitted
        Costs, and their fitted means.

    Notes
    -----
    A gamma model with logarithmic link of the squared residuals on the log of the fitted means:
    a slope of 0 speaks for the normal, 1 for the Poisson, 2 for the gamma and 3 for the inverse
    Gaussian family.

    References
    ----------
    Manning WG, Mullahy J (2001). Journal of Health Economics 20:461-494.
    """
    import statsmodels.api as sm

    logs = np.log(fitted)
    if np.ptp(logs) < 1e-8:
        return ParkTest(np.nan, np.nan)
    design = np.column_stack([np.ones(len(logs)), logs])
    model = sm.GLM(
        (response - fitted) ** 2, design, family=sm.families.Gamma(sm.families.links.Log())
    )
    fit = model.fit(tol=1e-10, tol_criterion="params", maxiter=200)
    return ParkTest(float(fit.params[0]), float(fit.params[1]))
