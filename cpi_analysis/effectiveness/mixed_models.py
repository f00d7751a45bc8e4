"""Linear mixed models with a random intercept per agency, from a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.design import build_design, fault
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.wording import phrase_icc
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.inference.kenward_roger import (
    Information,
    SmallSample,
    adjust_kenward_roger,
    compute_satterthwaite,
)
from cpi_analysis.inference.mixed_model import Method, RandomInterceptFit, fit_random_intercept
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DegreesOfFreedom = Literal["kenward_roger", "satterthwaite"]

#: Below this many degrees of freedom a t interval is more than 1.4 times the normal one.
FEW_DF = 4.0
BOUNDARY_NOTE = (
    "The variance between agencies was estimated as zero, the boundary of what is possible. "
    "With few agencies this is common even when agencies differ: it does not show that the "
    "intracluster correlation is zero. The degrees of freedom still allow for agencies."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MixedModelResult(Result):
    """Coefficients of a mixed model, with the variances.

    Parameters
    ----------
    formula, cluster
        The fixed effects, and the column whose values each have an intercept.
    agency_variance, residual_variance, icc
        Variances between and within agencies, and the share of the first.
    log_likelihood
        Restricted under REML.
    is_singular
        The variance between agencies was estimated as zero.
    covariance
        Of the coefficients, with the small-sample correction of ``method``.
    """

    title: ClassVar[str] = "Mixed model"

    formula: str
    cluster: str
    agency_variance: float
    residual_variance: float
    icc: float
    log_likelihood: float
    is_singular: bool
    covariance: pd.DataFrame

    def summary(self) -> str:
        """Return what was fitted, in one sentence."""
        return (
            f"{self.formula}, with an intercept per agency, was fitted to {self.n_participants} "
            f"participants in {self.n_agencies} agencies ({self.method})."
        )

    def _facts(self) -> list[str]:
        between, within = map(format_value, (self.agency_variance, self.residual_variance))
        return [
            f"{self.formula}, with an intercept per {self.cluster}",
            *super()._facts(),
            f"variance {between} between and {within} within {self.cluster}",
            phrase_icc(self.icc, is_singular=self.is_singular),
        ]

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[self.estimates["term"] != "Intercept"]
        draw_intervals(
            ax,
            labels=list(rows["term"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Coefficient ({self.confidence_level:.0%} CI)",
        )


def fit_mixed_model(
    data: pd.DataFrame,
    *,
    formula: str,
    random: Mapping[str, str],
    method: Method = "REML",
    df: DegreesOfFreedom = "kenward_roger",
    information: Information = "expected",
    confidence_level: float = 0.95,
) -> MixedModelResult:
    """Fit a linear mixed model with a random intercept.

    Parameters
    ----------
    data
        One row per participant.
    formula
        Outcome and fixed effects, as in ``"outcome ~ exposure_target + baseline"``. Text
        columns become indicators against the first category: a categorical of pandas follows
        its own order, without the levels that nobody has; other text is in alphabetical
        order. A formula can call functions: do not take one from somebody you do not trust.
    random
        Column of the clusters and its random terms; only ``{"agency_id": "1"}``, an intercept
        per agency, for any column name.
    method
        ``"REML"``, or ``"ML"`` (then ``df`` must be ``"satterthwaite"``).
    df
        ``"kenward_roger"``, which also corrects the standard errors, or ``"satterthwaite"``.
    information
        For Kenward-Roger: ``"expected"`` as pbkrtest, or ``"observed"`` as SAS PROC MIXED.
    confidence_level
        Level of the intervals.

    Returns
    -------
    MixedModelResult
        One row per coefficient, against the t distribution with the row's own ``df``.

    Raises
    ------
    DataError
        CPI-E006 a column name occurs twice, E024 the confidence level is not a share, E045
        ``data`` is not a DataFrame.
    ModelError
        CPI-M001 to M007; see :func:`cpi_analysis.inference.mixed_model.fit_random_intercept`.

    Notes
    -----
    ``y = X beta + b[agency] + e``. Rows with a missing cell are left out and counted in
    ``notes``. See :func:`cpi_analysis.inference.kenward_roger.adjust_kenward_roger` for the
    correction, and for the references.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": ["A", "A", "B", "B", "C", "C", "D", "D"],
    ...         "arm": [1, 1, 1, 1, 0, 0, 0, 0],
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 3.0, 4.0, 5.0, 5.5],
    ...     }
    ... )
    >>> result = fit_mixed_model(data, formula="outcome ~ arm", random={"agency_id": "1"})
    >>> row = result.tidy().set_index("term").loc["arm"]
    >>> float(round(row["estimate"], 3)), float(round(row["df"], 3))
    (2.375, 2.0)
    """
    check_table(data, "data")
    check_confidence_level(confidence_level)
    cluster = _check_random(random)
    design = build_design(data, formula, cluster)
    names = [str(column) for column in design.fixed.columns]
    fit = fit_random_intercept(
        design.outcome,
        design.fixed.to_numpy(dtype=np.float64),
        design.clusters,
        method=method,
        column_names=names,
    )
    small, name = _infer(fit, df, information)
    return MixedModelResult(
        estimates=_tabulate(fit, small, names, confidence_level),
        n_participants=fit.n,
        n_agencies=fit.n_groups,
        method=f"{method}, {name}",
        confidence_level=confidence_level,
        notes=(*design.notes, *_warn(fit, small, names)),
        formula=formula,
        cluster=cluster,
        agency_variance=fit.agency_variance,
        residual_variance=fit.residual_variance,
        icc=fit.icc,
        log_likelihood=fit.log_likelihood,
        is_singular=fit.is_singular,
        covariance=pd.DataFrame(small.covariance, index=names, columns=names),
    )


def _check_random(random: object) -> str:
    if not isinstance(random, Mapping):
        name = random if isinstance(random, str) else "agency_id"
        raise fault(
            "CPI-M004",
            "random must be a dict: the column of the clusters, and its random terms",
            "write '1' for an intercept",
            allowed=f"random={{'{name}': '1'}}",
        )
    if len(random) != 1 or str(next(iter(random.values()))).strip() != "1":
        raise fault(
            "CPI-M004",
            "only one random intercept is available: slopes, nested and crossed terms are not yet",
            "use one column with an intercept",
            allowed="random={'agency_id': '1'}",
        )
    return str(next(iter(random)))


def _infer(fit: RandomInterceptFit, df: str, information: Information) -> tuple[SmallSample, str]:
    if df == "kenward_roger":
        peer = {"expected": "as pbkrtest", "observed": "as SAS"}.get(information, "")
        small = adjust_kenward_roger(fit, information=information)
        return small, f"Kenward–Roger ({information} information, {peer})"
    if df == "satterthwaite":
        return compute_satterthwaite(fit), "Satterthwaite"
    raise fault(
        "CPI-M004",
        "the degrees of freedom are not known",
        "choose one of the allowed methods",
        allowed="kenward_roger, satterthwaite",
    )


def _tabulate(
    fit: RandomInterceptFit, small: SmallSample, names: list[str], level: float
) -> pd.DataFrame:
    from scipy import stats

    std_error = np.sqrt(np.diag(small.covariance))
    statistic = fit.beta / std_error
    reach = stats.t.ppf((1 + level) / 2, small.df) * std_error
    return pd.DataFrame(
        {
            "term": names,
            "estimate": fit.beta,
            "std_error": std_error,
            "df": small.df,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), small.df),
            "conf_low": fit.beta - reach,
            "conf_high": fit.beta + reach,
        }
    )


def _warn(fit: RandomInterceptFit, small: SmallSample, names: list[str]) -> list[str]:
    notes = [BOUNDARY_NOTE] if fit.is_singular else []
    few = [name for name, df in zip(names, small.df, strict=True) if df < FEW_DF]
    if few:
        notes.append(
            f"Fewer than {FEW_DF:g} degrees of freedom for {', '.join(few)}: {fit.n_groups} "
            "agencies are few for the columns that are constant within them. The intervals are "
            "wide and depend on the model; adjust for fewer agency-level columns."
        )
    return notes
