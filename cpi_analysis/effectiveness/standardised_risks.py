"""Risks, risk difference and risk ratio in the whole population, beside the odds ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy import special

from cpi_analysis.effectiveness.coefficients import Reference
from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.discrete_outcomes import Outcome, read_outcome
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.gee import GeeResult, fit_gee
from cpi_analysis.effectiveness.wording import format_interval
from cpi_analysis.inference.estimating_equations import (
    CovarianceKind,
    MeanFamily,
    Moments,
    Working,
)
from cpi_analysis.inference.group_sums import FloatArray
from cpi_analysis.inference.input_checks import check_choice
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUANTITIES = ("risk in the target group", "risk in the reference group", "difference", "ratio")
RiskFamily = ("binomial", "poisson")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StandardisedRiskResult(Result):
    """Mean outcome if everybody were in one group or in the other, and how the two compare.

    Parameters
    ----------
    model
        The population-averaged model that the risks come from.
    exposure
        The column that was set to 1 and to 0.
    """

    title: ClassVar[str] = "Standardised risks"

    model: GeeResult
    exposure: str

    def summary(self) -> str:
        """Return the difference, in one sentence."""
        rows = self.estimates[self.estimates["quantity"] == "difference"]
        numbers = rows[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)[0]
        middle, low, high = format_interval(*numbers.tolist())
        return (
            f"The difference between everybody and nobody having {self.exposure} is {middle} "
            f"({self.confidence_level:.0%} CI {low} to {high})."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[self.estimates["quantity"] != "ratio"]
        draw_intervals(
            ax,
            labels=list(rows["quantity"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Risk ({self.confidence_level:.0%} CI)",
        )


def estimate_standardised_risks(
    data: pd.DataFrame,
    *,
    formula: str,
    cluster: str,
    exposure: str,
    family: MeanFamily = "binomial",
    working: Working = "exchangeable",
    covariance: CovarianceKind = "mancl_derouen",
    moments: Moments = "liang_zeger",
    trials: str | None = None,
    reference: Reference = "t",
    confidence_level: float = 0.95,
) -> StandardisedRiskResult:
    """Estimate the risk difference and the risk ratio of an exposure.

    Estimand: mean outcome if everybody analysed were exposed, less (or over) the mean if nobody
    were, with their other columns as they are.

    Parameters
    ----------
    data, formula, cluster, working, covariance, moments, trials, reference, confidence_level
        See :func:`fit_gee`.
    exposure
        Column of the formula that is 1 in the target group and 0 in the reference group; it may
        also be part of an interaction.
    family
        ``"binomial"`` for risks, ``"poisson"`` for mean counts.

    Returns
    -------
    StandardisedRiskResult
        ``quantity``: both risks, ``difference`` and ``ratio``, with intervals.

    Raises
    ------
    DataError, ModelError
        See :func:`fit_gee`; CPI-M004 when the exposure is not 0 and 1 or not in the formula.

    Notes
    -----
    Recycled predictions of the model of :func:`fit_gee`, with errors by the delta method from its
    covariance (as ``margins`` in Stata, columns held fixed): ``g = mean h'(eta) x`` for a risk. The
    interval of a risk is made on the scale of the linear predictor, that of the ratio on the
    logarithmic scale, that of the difference directly. Degrees of freedom as in ``fit_gee``.

    References
    ----------
    Localio AR, Margolis DJ, Berlin JA (2007). Relative risks and confidence intervals were easily
    computed indirectly from multivariable logistic regression. Journal of Clinical Epidemiology
    60:874-882.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": ["A", "B", "C", "D", "E", "F"],
    ...         "arm": [1, 1, 1, 0, 0, 0],
    ...         "working": [5, 6, 7, 2, 3, 4],
    ...         "people": [10, 10, 10, 9, 9, 12],
    ...     }
    ... )
    >>> result = estimate_standardised_risks(
    ...     data,
    ...     formula="working ~ arm",
    ...     cluster="agency_id",
    ...     exposure="arm",
    ...     trials="people",
    ...     working="independence",
    ... )
    >>> result.tidy()["estimate"].round(3).tolist()
    [0.6, 0.3, 0.3, 2.0]
    """
    check_choice(family, argument="family", allowed=RiskFamily)
    model = fit_gee(
        data,
        formula=formula,
        cluster=cluster,
        family=family,
        working=working,
        covariance=covariance,
        moments=moments,
        trials=trials,
        reference=reference,
        confidence_level=confidence_level,
    )
    outcome = read_outcome(data, formula=formula, cluster=cluster, family=family, trials=trials)
    designs = _set_exposure(outcome, exposure)
    table = _tabulate(model, designs, outcome.trials, family)
    return StandardisedRiskResult(
        estimates=table,
        n_participants=model.n_participants,
        n_agencies=model.n_agencies,
        method=f"standardised over everybody analysed, from {model.method}",
        confidence_level=confidence_level,
        estimand=f"mean outcome if everybody had {exposure}, against nobody",
        notes=model.notes,
        model=model,
        exposure=exposure,
    )


def _set_exposure(outcome: Outcome, exposure: str) -> tuple[FloatArray, FloatArray]:
    """Return the design with everybody and with nobody exposed."""
    design = outcome.design
    if exposure not in design.columns:
        raise fault(
            "CPI-M004",
            f"the formula has no column {exposure}",
            "name the exposure as the formula does",
            allowed=", ".join(design.columns),
        )
    values = pd.to_numeric(design.frame[exposure], errors="coerce")
    if not values.isin([0, 1]).all():
        raise fault(
            "CPI-M004",
            "the exposure must be 1 for the target group and 0 for the reference",
            "code the groups so",
            column=exposure,
        )
    made = []
    for value in (1, 0):
        column = pd.Series(value, index=design.frame.index)
        frame = design.frame.assign(**{exposure: column.astype(design.frame[exposure].dtype)})
        matrix = design.spec.get_model_matrix(frame, context={}, na_action="ignore")
        made.append(pd.DataFrame(matrix).astype("float64").to_numpy())
    return made[0], made[1]


def _tabulate(
    model: GeeResult, designs: tuple[FloatArray, FloatArray], weights: FloatArray, family: str
) -> pd.DataFrame:
    from scipy import stats

    beta = model.estimates["estimate"].to_numpy()
    covariance = model.covariance.to_numpy()
    df = float(model.estimates["df"].iloc[0])
    share = weights / weights.sum()
    risks, slopes = [], []
    for X in designs:
        eta = X @ beta
        mean = special.expit(eta) if family == "binomial" else np.exp(eta)
        steep = mean * (1 - mean) if family == "binomial" else mean
        risks.append(float(share @ mean))
        slopes.append((share * steep) @ X)
    p, q = risks
    to_link = [p * (1 - p), q * (1 - q)] if family == "binomial" else [p, q]
    # Each quantity on the scale of its interval: link, link, identity, logarithm.
    gradients = np.array(
        [slopes[0] / to_link[0], slopes[1] / to_link[1], slopes[0] - slopes[1],
         slopes[0] / p - slopes[1] / q]
    )  # fmt: skip
    # Where agencies do not differ at all, rounding may leave a variance just below zero.
    variance = np.einsum("ij,jk,ik->i", gradients, covariance, gradients)
    scaled = np.sqrt(np.maximum(variance, 0.0))
    level = model.confidence_level or 0.95
    reach = stats.t.ppf((1 + level) / 2, df) * scaled
    estimates = np.array([p, q, p - q, p / q])
    link, back = (special.logit, special.expit) if family == "binomial" else (np.log, np.exp)
    centres = np.array([link(p), link(q), p - q, np.log(p / q)])
    low, high = centres - reach, centres + reach
    for limits in (low, high):
        limits[:2], limits[3] = back(limits[:2]), np.exp(limits[3])
    statistic = np.array([np.nan, np.nan, *(centres[2:] / scaled[2:])])
    return pd.DataFrame(
        {
            "quantity": list(QUANTITIES),
            "estimate": estimates,
            "std_error": scaled * np.array([*to_link, 1.0, p / q]),
            "df": np.full(4, df),
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), df),
            "conf_low": low,
            "conf_high": high,
        }
    )
