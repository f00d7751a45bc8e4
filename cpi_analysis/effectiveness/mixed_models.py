"""Linear mixed models with a random intercept per agency, from a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.errors import Fault, ModelError
from cpi_analysis.inference.kenward_roger import (
    Information,
    SmallSample,
    adjust_kenward_roger,
    compute_satterthwaite,
)
from cpi_analysis.inference.mixed_model import Method, RandomInterceptFit, fit_random_intercept
from cpi_analysis.results import Result

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
    formula
        The fixed effects.
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
        columns become indicators against the first category in alphabetical order. A formula
        can call functions: do not take one from somebody you do not trust.
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
    cluster = _check_settings(random, confidence_level)
    frame, outcome, design, notes = _build_design(data, formula, cluster)
    fit = fit_random_intercept(
        outcome,
        design.to_numpy(dtype=np.float64),
        pd.factorize(frame[cluster], sort=True)[0],
        method=method,
        column_names=list(design.columns),
    )
    small, name = _infer(fit, df, information)
    names = [str(column) for column in design.columns]
    return MixedModelResult(
        estimates=_tabulate(fit, small, names, confidence_level),
        n_participants=fit.n,
        n_agencies=fit.n_groups,
        method=f"{method}, {name}",
        confidence_level=confidence_level,
        notes=(*notes, *_warn(fit, small, names)),
        formula=formula,
        agency_variance=fit.agency_variance,
        residual_variance=fit.residual_variance,
        icc=fit.icc,
        log_likelihood=fit.log_likelihood,
        is_singular=fit.is_singular,
        covariance=pd.DataFrame(small.covariance, index=names, columns=names),
    )


def _fault(code: str, rule: str, cure: str, allowed: str | None = None) -> ModelError:
    return ModelError(Fault(code=code, rule=rule, cure=cure, allowed=allowed))


def _check_settings(random: Mapping[str, str], confidence_level: float) -> str:
    if len(random) != 1 or next(iter(random.values())).strip() != "1":
        raise _fault(
            "CPI-M004",
            "only one random intercept is available: slopes, nested and crossed terms are not yet",
            "use one column with an intercept",
            allowed="random={'agency_id': '1'}",
        )
    if not 0 < confidence_level < 1:
        raise _fault("CPI-M004", "confidence_level is not a share", "use 0.95 for 95%")
    return next(iter(random))


def _build_design(
    data: pd.DataFrame, formula: str, cluster: str
) -> tuple[pd.DataFrame, np.ndarray[Any, np.dtype[np.float64]], pd.DataFrame, list[str]]:
    """Return the rows used, the outcome, the design and a note on rows that were left out."""
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        parsed = Formula(formula)
        needed = {str(name) for name in parsed.required_variables} | {cluster}
        left = [str(term) for term in parsed.lhs]
    except (FormulaicError, SyntaxError, AttributeError) as error:
        raise _fault(
            "CPI-M004", "the formula cannot be read", "write it as outcome ~ exposure + baseline"
        ) from error
    absent = sorted(needed - set(map(str, data.columns)))
    if absent:
        raise _fault(
            "CPI-M004",
            f"the data have no column {', '.join(absent)}",
            "check the spelling",
            allowed=", ".join(map(str, data.columns)),
        )
    frame = data.dropna(subset=sorted(needed))
    _check_columns(frame, left, needed - {cluster})
    try:
        matrices = parsed.get_model_matrix(frame, context={}, na_action="raise")
    except (FormulaicError, ValueError, SyntaxError, TypeError) as error:
        raise _fault(
            "CPI-M004",
            "the formula cannot be evaluated on the data",
            "check that functions in it give one finite number for each row",
        ) from error
    outcome = np.asarray(matrices.lhs, dtype=np.float64)
    if outcome.shape[1] != 1:
        raise _fault("CPI-M004", "the outcome must be one numeric column", "name a numeric column")
    dropped = len(data) - len(frame)
    notes = [f"{dropped} of {len(data)} rows are left out: a cell is missing."] if dropped else []
    return frame, outcome[:, 0], pd.DataFrame(matrices.rhs), notes


def _check_columns(frame: pd.DataFrame, left: list[str], needed: set[str]) -> None:
    if frame.empty:
        raise _fault("CPI-M001", "no row is complete", "check the missing values of the columns")
    # A text column with one category would vanish from the design without a word.
    constant = sorted(name for name in needed if frame[name].nunique() < 2)
    if set(constant) & set(left):
        raise _fault("CPI-M003", "the outcome is the same for everybody", "check the outcome")
    if constant:
        raise _fault(
            "CPI-M002",
            f"the same for everybody who is analysed: {', '.join(constant)}",
            "leave these columns out of the formula",
        )


def _infer(fit: RandomInterceptFit, df: str, information: Information) -> tuple[SmallSample, str]:
    if df == "kenward_roger":
        peer = {"expected": "as pbkrtest", "observed": "as SAS"}.get(information, "")
        small = adjust_kenward_roger(fit, information=information)
        return small, f"Kenward–Roger ({information} information, {peer})"
    if df == "satterthwaite":
        return compute_satterthwaite(fit), "Satterthwaite"
    raise _fault(
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
