"""Profile-likelihood intervals of a mixed model: coefficients, deviations, correlations, ICC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.mixed_general import RESIDUAL
from cpi_analysis.effectiveness.random_terms import MixedDesign, RandomColumns, build_mixed_design
from cpi_analysis.inference.icc import compute_profile_icc
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.inference.linear_mixed_model import fit_linear_mixed_model
from cpi_analysis.inference.profile_likelihood import (
    VarianceInterval,
    compute_profile_intervals,
)
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COEFFICIENT, DEVIATION, CORRELATION, ICC = (
    "coefficient",
    "standard deviation",
    "correlation",
    "intracluster correlation",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProfileIntervalResult(Result):
    """Every parameter of a mixed model with its profile-likelihood interval.

    Parameters
    ----------
    formula
        The fixed effects.
    log_likelihood
        Maximised.
    n_rows
        Rows analysed.
    """

    title: ClassVar[str] = "Profile-likelihood intervals"

    formula: str
    log_likelihood: float
    n_rows: int

    def summary(self) -> str:
        """Return what was done, in one sentence."""
        return (
            f"{len(self.estimates)} parameters of {self.formula} have profile-likelihood "
            f"intervals ({self.confidence_level:.0%}); those of deviations are not symmetric."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[self.estimates["quantity"] == COEFFICIENT]
        rows = rows if len(rows) == 1 else rows[rows["term"] != "Intercept"]
        draw_intervals(
            ax,
            labels=list(rows["term"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Coefficient ({self.confidence_level:.0%} profile-likelihood CI)",
        )


def estimate_profile_intervals(
    data: pd.DataFrame,
    *,
    formula: str,
    random: Mapping[str, str],
    confidence_level: float = 0.95,
) -> ProfileIntervalResult:
    """Estimate a mixed model by maximum likelihood, with profile-likelihood intervals.

    Estimand: the coefficients, and the standard deviations and correlations of the random
    effects, in the population of agencies like these.

    Parameters
    ----------
    data, formula, random
        As :func:`fit_mixed_model`; at most two effects in a random term.
    confidence_level
        Level of the intervals.

    Returns
    -------
    ProfileIntervalResult
        Columns ``quantity`` (coefficient, standard deviation, correlation, intracluster
        correlation), ``group``, ``term``, estimate and limits, in the units of the data. The
        intracluster correlation is there when the only random effect is an intercept.

    Raises
    ------
    DataError
        CPI-E006, E024, E045 as :func:`fit_mixed_model`.
    ModelError
        CPI-M001 to M007 as :func:`fit_mixed_model`; M004 for three effects in a term.

    Notes
    -----
    See :func:`cpi_analysis.inference.profile_likelihood.compute_profile_intervals`. The
    intervals of coefficients compare likelihoods with chi-squared and are too short with a
    dozen agencies: those of Kenward-Roger (:func:`fit_mixed_model`) or of the parametric
    bootstrap (:func:`estimate_parametric_bootstrap`) are the ones to report.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": [name for name in "ABCDEF" for _ in range(2)],
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 6.0, 6.5, 3.0, 4.0, 5.0, 5.5, 2.0, 3.0],
    ...     }
    ... )
    >>> result = estimate_profile_intervals(
    ...     data, formula="outcome ~ 1", random={"agency_id": "1"}
    ... )
    >>> result.tidy()["quantity"].tolist()[:2]
    ['coefficient', 'standard deviation']
    """
    check_table(data, "data")
    check_confidence_level(confidence_level)
    design = build_mixed_design(data, formula, random, None)
    names = [str(column) for column in design.fixed.fixed.columns]
    fit = fit_linear_mixed_model(
        design.fixed.outcome,
        design.fixed.fixed.to_numpy(dtype=np.float64),
        [(term.columns, term.codes) for term in design.terms],
        method="ML",
        column_names=names,
    )
    found = compute_profile_intervals(fit, confidence_level=confidence_level)
    rows = [
        _write_row(COEFFICIENT, "", name, *interval)
        for name, interval in zip(names, found.coefficients, strict=True)
    ]
    rows += [_describe(interval, design.terms) for interval in found.variances]
    rows += _add_icc(design, confidence_level)
    people = {term.group: len(term.levels) for term in design.terms}
    return ProfileIntervalResult(
        estimates=pd.DataFrame(rows),
        n_participants=people.get("participant_id", fit.n),
        n_agencies=len(design.terms[0].levels),
        method="ML, profile likelihood against chi-squared",
        confidence_level=confidence_level,
        notes=design.notes,
        formula=formula,
        log_likelihood=fit.log_likelihood,
        n_rows=fit.n,
    )


def _write_row(
    quantity: str, group: str, term: str, estimate: float, low: float, high: float
) -> dict[str, Any]:
    return {
        "quantity": quantity,
        "group": group,
        "term": term,
        "estimate": estimate,
        "conf_low": low,
        "conf_high": high,
    }


def _describe(found: VarianceInterval, terms: tuple[RandomColumns, ...]) -> dict[str, Any]:
    if found.kind == "residual":
        return _write_row(DEVIATION, RESIDUAL, "", *found.interval)
    term = terms[found.term]
    name = term.names[found.row]
    if found.kind == "correlation":
        both = f"{term.names[found.column]}, {name}"
        return _write_row(CORRELATION, term.group, both, *found.interval)
    return _write_row(DEVIATION, term.group, name, *found.interval)


def _add_icc(design: MixedDesign, confidence_level: float) -> list[dict[str, Any]]:
    terms = design.terms
    if len(terms) > 1 or terms[0].columns.shape[1] > 1 or (terms[0].columns != 1.0).any():
        return []
    found = compute_profile_icc(
        design.fixed.outcome,
        design.fixed.fixed.to_numpy(dtype=np.float64),
        terms[0].codes,
        method="ML",
        confidence_level=confidence_level,
    )
    return [_write_row(ICC, terms[0].group, "", *found)]
