"""The result of a confirmatory factor model, and how it is put together from a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.fidelity.confirmatory_fit import ConfirmatoryFit
from cpi_analysis.fidelity.confirmatory_notes import (
    describe_search,
    describe_solution,
    find_heywood_items,
)
from cpi_analysis.fidelity.confirmatory_tables import (
    tabulate_discrimination,
    tabulate_estimates,
    tabulate_indices,
    tabulate_modifications,
    tabulate_reliability,
    tabulate_residuals,
)
from cpi_analysis.fidelity.factor_tables import FactorModel
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METHODS = {
    "wlsmv": "diagonally weighted least squares on polychoric correlations, test with its mean and "
    "variance adjusted (WLSMV)",
    "ulsmv": "unweighted least squares on polychoric correlations, test with its mean and variance "
    "adjusted (ULSMV)",
    "dwls": "diagonally weighted least squares on polychoric correlations, no robust correction",
    "ml": "maximum likelihood for normal items",
    "mlr": "maximum likelihood, Huber–White standard errors, Yuan–Bentler test (MLR)",
    "mlm": "maximum likelihood, Satorra–Bentler standard errors and test (MLM)",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ConfirmatoryResult(Result):
    """A fitted confirmatory factor model.

    Parameters
    ----------
    estimator
        Which one.
    fit_indices
        One row per version (standard, scaled, robust): ``chi_square``, ``chi_square_df``,
        ``p_value``, ``cfi``, ``tli``, ``rmsea`` with its 90% interval, ``close_fit_p_value``,
        ``srmr`` and the baseline.
    thresholds
        Of ordered items: ``item``, ``threshold``, ``estimate``, ``std_error``; None otherwise.
    residuals
        Observed minus implied correlations, items × items.
    reliability
        Per factor: ``composite_reliability``, ``average_variance_extracted``.
    discrimination
        Per pair of factors: ``correlation``, ``heterotrait_monotrait``.
    modification_indices
        What each fixed loading or residual covariance would bring; None unless asked for.
    is_verdict_possible
        Whether the sample allows a verdict on fit.
    heywood_items
        Items of which the residual variance is not above 0.
    n_targets, n_items, n_parameters
        People, items and free parameters.
    people_per_parameter
        People for each free parameter.
    smallest_expected
        People expected in the emptiest cell of two items; None for measurements.
    chi_square, chi_square_df, p_value, cfi, tli, rmsea, rmsea_low, rmsea_high
        The version to report: the scaled test, and the robust indices if there are any.
    srmr
        Standardised root mean square residual.
    log_likelihood, aic, bic
        Of maximum likelihood; None otherwise.
    scaling_factor
        The statistic over the scaled one; None without a correction.
    gradient
        Largest derivative at the end of the search.
    """

    title: ClassVar[str] = "Confirmatory factor model"

    estimator: str
    fit_indices: pd.DataFrame
    thresholds: pd.DataFrame | None
    residuals: pd.DataFrame
    reliability: pd.DataFrame
    discrimination: pd.DataFrame
    modification_indices: pd.DataFrame | None
    is_verdict_possible: bool
    heywood_items: tuple[str, ...]
    n_targets: int
    n_items: int
    n_parameters: int
    people_per_parameter: float
    smallest_expected: float | None
    chi_square: float
    chi_square_df: float
    p_value: float
    cfi: float
    tli: float
    rmsea: float
    rmsea_low: float
    rmsea_high: float
    srmr: float
    log_likelihood: float | None
    aic: float | None
    bic: float | None
    scaling_factor: float | None
    gradient: float

    def summary(self) -> str:
        """Return the fit in one sentence, or that there is no verdict on it."""
        loadings = self.estimates.loc[
            self.estimates["parameter"] == "loading", "standardised"
        ].dropna()
        if loadings.empty:
            spread = "cannot be standardised"
        else:
            low, high = (round_half_up(float(one), 2) for one in (loadings.min(), loadings.max()))
            spread = f"go from {low} to {high}"
        head = f"Standardised loadings of {self.n_items} items in {self.n_targets} people {spread}"
        if not self.is_verdict_possible:
            return f"{head}; the sample allows no verdict on fit."
        if self.chi_square_df == 0:
            return f"{head}; the model has no degrees of freedom, so its fit cannot be tested."
        numbers = [
            round_half_up(value, decimals)
            for value, decimals in (
                (self.chi_square, 1),
                (self.cfi, 3),
                (self.rmsea, 3),
                (self.srmr, 3),
            )
        ]
        chi, cfi, rmsea, srmr = numbers
        return (
            f"{head}; chi-square {chi} on {self.chi_square_df:.0f} degrees of freedom, CFI {cfi}, "
            f"RMSEA {rmsea}, SRMR {srmr}."
        )

    def _facts(self) -> list[str]:
        return [
            f"{self.n_targets} people or targets",
            f"{self.n_items} items",
            f"{round_half_up(self.people_per_parameter, 1)} people per free parameter",
            *super()._facts(),
        ]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.path_figure import draw_paths

        draw_paths(ax, self.estimates)


def build_result(
    model: FactorModel,
    fit: ConfirmatoryFit,
    *,
    estimator: str,
    confidence_level: float,
    notes: tuple[str, ...],
    is_verdict_possible: bool,
    thresholds: pd.DataFrame | None,
    smallest_expected: float | None,
    with_modification_indices: bool,
) -> ConfirmatoryResult:
    """Return the tables, notes and scalars of a fitted model."""
    estimates = tabulate_estimates(model, fit, confidence_level)
    indices = tabulate_indices(fit)
    versions = [test.version for test in fit.tests]
    test = fit.tests[versions.index("scaled") if "scaled" in versions else 0].comparative
    best = fit.tests[-1]
    low, high = best.approximation.rmsea_interval()
    is_likelihood = fit.log_likelihood is not None
    deviance = -2 * fit.log_likelihood if fit.log_likelihood is not None else np.nan
    return ConfirmatoryResult(
        estimates=estimates,
        n_participants=None,
        n_agencies=None,
        method=f"{_METHODS[estimator]}; "
        + ("first loading of each factor 1" if model.is_marker else "factor variances 1"),
        confidence_level=confidence_level,
        estimand="loadings of the items on factors named beforehand, and the factors' covariances",
        notes=(*notes, *describe_solution(model, fit, estimates), describe_search(fit)),
        estimator=estimator,
        fit_indices=indices,
        thresholds=thresholds,
        residuals=tabulate_residuals(model, fit),
        reliability=tabulate_reliability(model, fit),
        discrimination=tabulate_discrimination(model, fit),
        modification_indices=(
            tabulate_modifications(model, fit) if with_modification_indices else None
        ),
        is_verdict_possible=is_verdict_possible,
        heywood_items=find_heywood_items(estimates),
        n_targets=fit.n_people,
        n_items=len(model.items),
        n_parameters=fit.n_parameters,
        people_per_parameter=fit.n_people / fit.n_parameters,
        smallest_expected=smallest_expected,
        chi_square=test.statistic,
        chi_square_df=test.df,
        p_value=test.p_value,
        cfi=best.comparative.cfi,
        tli=best.comparative.tli,
        rmsea=best.approximation.rmsea,
        rmsea_low=low,
        rmsea_high=high,
        srmr=fit.srmr,
        log_likelihood=fit.log_likelihood,
        aic=deviance + 2 * fit.n_parameters if is_likelihood else None,
        bic=deviance + np.log(fit.n_people) * fit.n_parameters if is_likelihood else None,
        scaling_factor=fit.scaling_factor,
        gradient=fit.gradient,
    )
