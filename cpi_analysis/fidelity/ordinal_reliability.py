"""Reliability of ordered answers: ordinal alpha and categorical omega."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import ndtr

from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.fidelity.bivariate_normal import compute_distribution
from cpi_analysis.fidelity.covariance_reliability import compute_alpha_of
from cpi_analysis.fidelity.factor_extraction import extract_minres
from cpi_analysis.fidelity.polychoric import compute_polychoric
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.fidelity.sample_gate import SampleGate, describe_sample_gate
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A loading of 1 leaves nothing to the item itself.
LARGEST_LOADING = 1.0
#: The largest element of the gradient at which the search for loadings is accepted.
ACCEPTED_GRADIENT = 1e-6
#: Correlations nearer to ±1 than this have a limit that is handled apart.
NEARLY_ONE = 1e-9

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OrdinalReliabilityResult(Result):
    """Reliability of ordered answers, of the sum that is used and of the responses behind them.

    Parameters
    ----------
    loadings
        Of the items on the one factor, by diagonally weighted least squares.
    gate
        Whether the sample lets anybody judge the one-factor model.
    n_targets, n_items
        People and items.
    """

    title: ClassVar[str] = "Reliability of ordered answers"

    loadings: pd.Series
    gate: SampleGate
    n_targets: int
    n_items: int

    def summary(self) -> str:
        """Return categorical omega beside ordinal alpha."""
        values = self.estimates.set_index("quantity")["estimate"]
        omega, alpha = (
            round_half_up(float(values[name]), 2) for name in ("categorical omega", "ordinal alpha")
        )
        return (
            f"Categorical omega of the sum of {self.n_items} items in {self.n_targets} people is "
            f"{omega}; ordinal alpha, which is about responses nobody observes, is {alpha}."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        shown = self.loadings[::-1]
        ax.plot(shown.to_numpy(), np.arange(len(shown)), "o", color="#0072B2")
        ax.set_yticks(np.arange(len(shown)), [str(name) for name in shown.index])
        ax.set_xlabel("Loading on one factor")
        ax.set_xlim(min(0.0, float(shown.min())) - 0.05, 1.05)
        ax.spines[["top", "right"]].set_visible(False)


def estimate_ordinal_reliability(items: pd.DataFrame) -> OrdinalReliabilityResult:
    """Estimate the reliability of the sum of ordered answers under one factor.

    Parameters
    ----------
    items
        People × items with few ordered categories each; a missing answer is NaN.

    Returns
    -------
    OrdinalReliabilityResult
        ``quantity``, ``estimate``: categorical omega (of the sum of the answers as they are),
        omega of the latent responses, and ordinal alpha (alpha of the polychoric correlations).

    Raises
    ------
    DataError, ModelError
        As :func:`compute_polychoric`; also CPI-M005 when the loadings do not converge, and
        CPI-M008 with fewer than three items.

    Notes
    -----
    Loadings λ minimise Σ (rᵢⱼ − λᵢλⱼ)² / se²(rᵢⱼ) over the polychoric correlations r. With
    thresholds τ, categorical omega is Σᵢⱼ [Σ Φ₂(τᵢ, τⱼ; λᵢλⱼ) − Σ Φ(τᵢ) Σ Φ(τⱼ)] divided by the
    same with the observed rᵢⱼ (and 1 for i = j): true-score variance over variance of the sum.
    Ordinal alpha and omega of the latent responses speak of continuous responses that nobody
    sees; they are usually higher, and do not describe the score that is used.

    References
    ----------
    Green SB, Yang Y. Psychometrika 2009;74:155-167.
    Zumbo BD, Gadermann AM, Zeisser C. Journal of Modern Applied Statistical Methods 2007;6:21-29.
    Chalmers RP. Educational and Psychological Measurement 2018;78:1056-1071.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_ordinal_reliability
    >>> rng = np.random.default_rng(1)
    >>> answers = rng.normal(size=(200, 1)) + rng.normal(size=(200, 4))
    >>> items = pd.DataFrame(np.digitize(answers, [-1, 0, 1]), columns=list("abcd"))
    >>> bool(estimate_ordinal_reliability(items).tidy()["estimate"][0] > 0.6)
    True
    """
    found = compute_polychoric(items)
    names = [str(name) for name in found.correlation.index]
    if len(names) < 3:
        raise refuse_items(
            "one factor cannot be found in fewer than three items",
            "use estimate_alpha for two items",
        )
    correlation = found.correlation.to_numpy()
    loadings = fit_weighted_factor(correlation, found.estimates["std_error"].to_numpy())
    thresholds = [
        part["estimate"].to_numpy()
        for _, part in found.thresholds.groupby("item", sort=False, observed=True)
    ]
    gate = describe_sample_gate(
        int(found.estimates["n"].min()),
        n_items=len(names),
        n_parameters=len(found.thresholds) + len(names),
        lost_categories=found.lost_categories,
        smallest_expected=float(found.estimates["smallest_expected"].min()),
    )
    rows = {
        "categorical omega": compute_categorical_omega(loadings, thresholds, correlation),
        "omega of latent responses": float(loadings.sum() ** 2 / correlation.sum()),
        "ordinal alpha": float(compute_alpha_of(correlation)),
    }
    return OrdinalReliabilityResult(
        estimates=pd.DataFrame({"quantity": list(rows), "estimate": list(rows.values())}),
        n_participants=None,
        n_agencies=None,
        method="one factor by diagonally weighted least squares on polychoric correlations",
        estimand="share of the variance of the sum of the answers that is due to the one factor "
        "(categorical omega)",
        notes=(*gate.notes, *_describe(names, loadings), *found.notes),
        loadings=pd.Series(loadings, index=names),
        gate=gate,
        n_targets=found.n_targets,
        n_items=len(names),
    )


def fit_weighted_factor(correlation: Array, std_error: Array) -> Array:
    """Return the loadings of one factor by diagonally weighted least squares.

    Parameters
    ----------
    correlation
        Items × items.
    std_error
        Of the correlations in the upper triangle, row by row.

    Raises
    ------
    ModelError
        CPI-M008 when a correlation has no standard error, CPI-M005 without convergence.
    """
    if not (np.isfinite(std_error) & (std_error > 0)).all():
        raise refuse_items(
            "a polychoric correlation ran into ±1 and has no standard error",
            "leave out an item that repeats another",
        )
    first, second = np.triu_indices(len(correlation), 1)
    observed, weight = correlation[first, second], 1 / std_error

    def residual(loading: Array) -> Array:
        return (observed - loading[first] * loading[second]) * weight

    each = np.arange(len(observed))

    def slope(loading: Array) -> Array:
        jacobian = np.zeros((len(observed), len(loading)))
        jacobian[each, first] = -loading[second] * weight
        jacobian[each, second] = -loading[first] * weight
        return jacobian

    start = extract_minres(correlation, 1).loadings[:, 0]
    found = optimize.least_squares(
        residual, start, jac=slope, xtol=1e-15, ftol=1e-15, gtol=1e-14, method="trf"
    )
    if np.abs(found.grad).max() > ACCEPTED_GRADIENT * max(1.0, float(weight.max())):
        raise ModelError(
            Fault(
                code="CPI-M005",
                rule="the search for the loadings of one factor did not converge",
                cure="look at the items: some may belong to another factor",
            )
        )
    return np.asarray(found.x if found.x.sum() >= 0 else -found.x, dtype=np.float64)


def compute_categorical_omega(
    loadings: Array, thresholds: list[Array], correlation: Array
) -> float:
    """Return the share of the variance of the sum of the answers that is due to the factor.

    Parameters
    ----------
    loadings
        Of the items.
    thresholds
        Of each item, in rising order.
    correlation
        Polychoric correlations of the items.
    """
    true = covary_answers(thresholds, np.outer(loadings, loadings))
    observed = correlation.copy()
    np.fill_diagonal(observed, 1.0)
    return float(true.sum() / covary_answers(thresholds, observed).sum())


def covary_answers(thresholds: list[Array], correlation: Array) -> Array:
    """Return the covariances of category numbers whose latent responses correlate like this.

    Examples
    --------
    >>> covary_answers([np.zeros(1), np.zeros(1)], np.array([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [[0.25, 0.0], [0.0, 0.25]]
    """
    widest = max(map(len, thresholds))
    # An item with fewer thresholds is filled with infinite ones, which add 1 to both terms.
    padded = np.full((len(thresholds), widest), 40.0)
    for row, tau in enumerate(thresholds):
        padded[row, : len(tau)] = tau
    first, second = np.triu_indices(len(thresholds))
    x = np.broadcast_to(padded[first][:, :, None], (len(first), widest, widest))
    y = np.broadcast_to(padded[second][:, None, :], (len(first), widest, widest))
    rho = correlation[first, second]
    is_one = np.abs(rho) >= 1 - NEARLY_ONE
    joint = compute_distribution(x, y, np.where(is_one, 0.0, rho))
    # Perfectly correlated responses: the smaller threshold decides, or for −1 the overlap.
    high, low = ndtr(np.minimum(x, y)), np.maximum(ndtr(x) + ndtr(y) - 1, 0.0)
    at_one = np.where((rho > 0)[:, None, None], high, low)
    joint = np.where(is_one[:, None, None], at_one, joint)
    values = (joint - ndtr(x) * ndtr(y)).sum(axis=(1, 2))
    covariance = np.zeros((len(thresholds),) * 2)
    covariance[first, second] = values
    covariance[second, first] = values
    return covariance


def _describe(names: list[str], loadings: Array) -> tuple[str, ...]:
    notes = [
        "Ordinal alpha and omega of latent responses are not reliabilities of the sum score: "
        "report categorical omega for it."
    ]
    against = [name for name, value in zip(names, loadings, strict=True) if value < 0]
    if against:
        notes.append(
            f"Negative loading: {', '.join(against)}. These may be worded the other way round; "
            "nothing was reversed here."
        )
    beyond = [n for n, v in zip(names, loadings, strict=True) if abs(v) >= LARGEST_LOADING]
    if beyond:
        notes.append(
            f"Heywood case: the loading of {', '.join(beyond)} is 1 or more. The items are too "
            "few or too alike for one factor: not to be relied on."
        )
    return tuple(notes)
