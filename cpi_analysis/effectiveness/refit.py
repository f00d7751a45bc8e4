"""Fit a model again without one of its agencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.errors import ModelError
from cpi_analysis.inference.contrasts import ContrastBasis
from cpi_analysis.inference.kenward_roger import Information, derive_contrast_parts
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
from cpi_analysis.inference.lmm_criterion import Method
from cpi_analysis.inference.lmm_small_sample import adjust_mixed_model, approximate_satterthwaite
from cpi_analysis.inference.mixed_model import fit_random_intercept

if TYPE_CHECKING:
    from cpi_analysis.effectiveness.mixed_models import MixedModelResult
    from cpi_analysis.effectiveness.model_basis import ModelBasis

#: Leaving one out says something only when this many agencies stay.
FEWEST = 3


class Refit(NamedTuple):
    """A level that was left out, how many rows it had, and the fit, or why there is none."""

    level: str
    n_rows: int
    contrasts: ContrastBasis | None
    reason: str


def refit_without_each(model: MixedModelResult) -> list[Refit]:
    """Fit the model without each level of its first grouping column, in sorted order."""
    basis = model.basis
    column = basis.groups.iloc[:, 0]
    codes, levels = pd.factorize(column, sort=True)
    if len(levels) <= FEWEST:
        raise fault(
            "CPI-M001",
            f"{basis.groups.columns[0]} has {len(levels)} levels, too few to leave one out",
            f"use at least {FEWEST + 1}",
            column=str(basis.groups.columns[0]),
        )
    results = []
    for code, level in enumerate(levels):
        keep = np.asarray(codes != code)
        try:
            fitted: ContrastBasis | None = _refit(basis, keep)
            reason = ""
        except ModelError as error:
            fitted, reason = None, error.faults[0].rule
        results.append(Refit(str(level), int((~keep).sum()), fitted, reason))
    return results


def _refit(basis: ModelBasis, keep: NDArray[np.bool_]) -> ContrastBasis:
    y, X = basis.outcome[keep], basis.fixed.to_numpy(dtype=np.float64)[keep]
    names = [str(name) for name in basis.fixed.columns]
    method = cast("Method", basis.settings["method"])
    df, information = str(basis.settings["df"]), cast("Information", basis.settings["information"])
    is_scaled = df == "kenward_roger"
    if not basis.random_terms:
        codes = pd.factorize(basis.groups.iloc[:, 0][keep], sort=True)[0]
        fit = fit_random_intercept(y, X, codes, method=method, column_names=names)
        parts = derive_contrast_parts(fit, df=df, information=information)
        return ContrastBasis(
            fit.beta, parts.covariance, parts.phi, parts.P, parts.precision, is_scaled
        )
    residual = basis.residual_codes
    general = fit_linear_mixed_model(
        y,
        X,
        [(columns[keep], codes[keep]) for columns, codes in basis.random_terms],
        method=method,
        residual_groups=None if residual is None else residual[keep],
        column_names=names,
    )
    adjusted = (
        adjust_mixed_model(general, information=information)
        if is_scaled
        else approximate_satterthwaite(general)
    )
    return ContrastBasis(
        general.beta,
        adjusted.covariance,
        adjusted.pieces.phi,
        adjusted.pieces.P,
        adjusted.precision,
        is_scaled,
    )
