"""What a fitted model keeps of itself, so that contrasts and diagnostics need no second fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.inference.contrasts import ContrastBasis

if TYPE_CHECKING:
    from formulaic import ModelSpec

    from cpi_analysis.effectiveness.design import Design
    from cpi_analysis.effectiveness.mixed_general import GeneralFit
    from cpi_analysis.inference.kenward_roger import ContrastParts
    from cpi_analysis.inference.mixed_model import RandomInterceptFit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ModelBasis:
    """The rows, design and inference of one fitted model.

    Parameters
    ----------
    outcome, fixed
        Outcome (n,) and columns of the fixed effects (n, p), on the rows analysed.
    frame, columns
        The cells of those rows, and the columns that the right side of the formula needs.
    spec
        How the formula turns columns into the design; used to predict elsewhere.
    groups
        The grouping columns (n rows), the agencies first.
    effects
        Sum of the predicted random effects of each row (n,).
    residual_std_dev
        Standard deviation of the residual of each row (n,).
    random_terms, residual_codes
        Columns (n, k) and codes (n,) of each random term, and the residual group of each row;
        empty and None for one intercept per agency.
    random, settings
        The random part, and ``method``, ``df``, ``information`` and ``residual_by``.
    contrasts
        Coefficients with what their tests need.
    """

    outcome: FloatArray
    fixed: pd.DataFrame
    frame: pd.DataFrame
    columns: tuple[str, ...]
    spec: ModelSpec
    groups: pd.DataFrame
    effects: FloatArray
    residual_std_dev: FloatArray
    random_terms: tuple[tuple[FloatArray, NDArray[np.intp]], ...]
    residual_codes: NDArray[np.intp] | None
    random: Mapping[str, str]
    settings: Mapping[str, str | None]
    contrasts: ContrastBasis

    @property
    def residuals(self) -> FloatArray:
        """Return the outcome less fixed and predicted random effects."""
        fixed = self.fixed.to_numpy(dtype=np.float64) @ self.contrasts.beta
        return np.asarray(self.outcome - fixed - self.effects, dtype=np.float64)


def keep_one_intercept(
    design: Design,
    fit: RandomInterceptFit,
    parts: ContrastParts,
    cluster: str,
    settings: Mapping[str, str | None],
) -> ModelBasis:
    """Return the basis of a model with one intercept per agency."""
    X = design.fixed.to_numpy(dtype=np.float64)
    rest = design.outcome - X @ fit.beta
    sizes = np.bincount(design.clusters)
    shrink = fit.agency_variance / (fit.residual_variance + sizes * fit.agency_variance)
    effects = shrink * np.bincount(design.clusters, weights=rest)
    return ModelBasis(
        outcome=design.outcome,
        fixed=design.fixed,
        frame=design.frame,
        columns=design.columns,
        spec=design.spec,
        groups=design.frame[[cluster]],
        effects=np.asarray(effects[design.clusters], dtype=np.float64),
        residual_std_dev=np.full(fit.n, np.sqrt(fit.residual_variance)),
        random_terms=(),
        residual_codes=None,
        random={cluster: "1"},
        settings=settings,
        contrasts=ContrastBasis(
            fit.beta,
            parts.covariance,
            parts.phi,
            parts.P,
            parts.precision,
            settings["df"] == "kenward_roger",
        ),
    )


def keep_general(
    general: GeneralFit, random: Mapping[str, str], settings: Mapping[str, str | None]
) -> ModelBasis:
    """Return the basis of a model with any random terms."""
    fit, design = general.fit, general.design
    adjusted = general.adjusted
    effects = np.zeros(fit.n)
    for term, predicted in zip(design.terms, fit.effects, strict=True):
        effects += np.einsum("ik,ik->i", term.columns, predicted[term.codes])
    codes = design.residual_codes
    variances = fit.residual_variances
    residual = np.full(fit.n, variances[0]) if codes is None else variances[codes]
    return ModelBasis(
        outcome=design.fixed.outcome,
        fixed=design.fixed.fixed,
        frame=design.fixed.frame,
        columns=design.fixed.columns,
        spec=design.fixed.spec,
        groups=pd.DataFrame(
            {term.group: np.asarray(term.levels, dtype=object)[term.codes] for term in design.terms}
        ),
        effects=effects,
        residual_std_dev=np.sqrt(residual),
        random_terms=tuple((term.columns, term.codes) for term in design.terms),
        residual_codes=codes,
        random=dict(random),
        settings=settings,
        contrasts=ContrastBasis(
            fit.beta,
            adjusted.covariance,
            adjusted.pieces.phi,
            adjusted.pieces.P,
            adjusted.precision,
            settings["df"] == "kenward_roger",
        ),
    )
