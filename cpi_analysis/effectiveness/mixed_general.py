"""A mixed model with several random terms, from a table to the parts of its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.random_terms import MixedDesign, build_mixed_design
from cpi_analysis.inference.between_within import compute_between_within_df
from cpi_analysis.inference.contrasts import ContrastBasis, compute_joint_test
from cpi_analysis.inference.linear_mixed_model import (
    LinearMixedModelFit,
    fit_linear_mixed_model,
)
from cpi_analysis.inference.lmm_criterion import Method
from cpi_analysis.inference.lmm_small_sample import (
    AdjustedFit,
    Information,
    JointF,
    adjust_mixed_model,
    approximate_satterthwaite,
)

DegreesOfFreedom = Literal["kenward_roger", "satterthwaite", "between_within"]
RESIDUAL = "residual"


class GeneralFit(NamedTuple):
    """What a result shows of a fit with any random terms."""

    fit: LinearMixedModelFit
    design: MixedDesign
    names: list[str]
    adjusted: AdjustedFit
    df: NDArray[np.float64]
    joint: JointF | None
    variances: pd.DataFrame
    effects: pd.DataFrame


def fit_general(
    data: pd.DataFrame,
    *,
    formula: str,
    random: Mapping[str, str],
    method: Method,
    df: str,
    information: Information,
    residual_by: str | None,
    joint: Sequence[str],
) -> GeneralFit:
    """Fit a model with any random terms, and its small-sample inference."""
    design = build_mixed_design(data, formula, random, residual_by)
    fixed = design.fixed.fixed
    names = [str(column) for column in fixed.columns]
    fit = fit_linear_mixed_model(
        design.fixed.outcome,
        fixed.to_numpy(dtype=np.float64),
        [(term.columns, term.codes) for term in design.terms],
        method=method,
        residual_groups=design.residual_codes,
        column_names=names,
    )
    adjusted = _adjust(fit, df, information)
    own = adjusted.compute_df()
    if df == "between_within":
        own = compute_between_within_df(fixed, [term.codes for term in design.terms])
    return GeneralFit(
        fit=fit,
        design=design,
        names=names,
        adjusted=adjusted,
        df=own,
        joint=_test_terms(fit, adjusted, names, joint, is_scaled=df == "kenward_roger"),
        variances=_tabulate_variances(fit, design),
        effects=_tabulate_effects(fit, design),
    )


def _adjust(fit: LinearMixedModelFit, df: str, information: Information) -> AdjustedFit:
    if df == "kenward_roger":
        return adjust_mixed_model(fit, information=information)
    if df in ("satterthwaite", "between_within"):
        return approximate_satterthwaite(fit)
    raise fault(
        "CPI-M004",
        "the degrees of freedom are not known",
        "choose one of the allowed methods",
        allowed="kenward_roger, satterthwaite, between_within",
    )


def _test_terms(
    fit: LinearMixedModelFit,
    adjusted: AdjustedFit,
    names: Sequence[str],
    terms: Sequence[str],
    *,
    is_scaled: bool,
) -> JointF | None:
    """Test all ``terms`` at once; None when there are none."""
    if not terms:
        return None
    absent = [term for term in terms if term not in names]
    if absent:
        raise fault(
            "CPI-M004",
            f"the model has no term {', '.join(absent)}",
            "name terms as the table of coefficients does",
            allowed=", ".join(names),
        )
    rows = np.eye(len(names))[[list(names).index(term) for term in terms]]
    pieces = adjusted.pieces
    basis = ContrastBasis(
        fit.beta, adjusted.covariance, pieces.phi, pieces.P, adjusted.precision, is_scaled
    )
    return compute_joint_test(basis, rows)


def _tabulate_variances(fit: LinearMixedModelFit, design: MixedDesign) -> pd.DataFrame:
    rows = []
    for term, G in zip(design.terms, fit.random_covariances, strict=True):
        for a, name in enumerate(term.names):
            for b in range(a + 1):
                other = term.names[b]
                rows.append(
                    {
                        "group": term.group,
                        "term": name if a == b else f"{other}, {name}",
                        "variance": float(G[a, b]),
                        "correlation": np.nan if a == b else _correlate(G, a, b),
                    }
                )
    levels = design.residual_levels or ("",)
    for level, variance in zip(levels, fit.residual_variances, strict=True):
        rows.append(
            {
                "group": RESIDUAL,
                "term": level,
                "variance": float(variance),
                "correlation": np.nan,
            }
        )
    return pd.DataFrame(rows)


def _correlate(G: NDArray[np.float64], a: int, b: int) -> float:
    scale = np.sqrt(G[a, a] * G[b, b])
    return float(G[a, b] / scale) if scale > 0 else np.nan


def _tabulate_effects(fit: LinearMixedModelFit, design: MixedDesign) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "group": term.group,
                "level": np.repeat(term.levels, len(term.names)),
                "term": np.tile(term.names, len(term.levels)),
                "estimate": effects.ravel(),
            }
        )
        for term, effects in zip(design.terms, fit.effects, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
