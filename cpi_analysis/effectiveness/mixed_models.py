"""Linear mixed models from a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import build_design, fault, note_lonely_levels
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.mixed_general import RESIDUAL, GeneralFit, fit_general
from cpi_analysis.effectiveness.model_basis import ModelBasis, keep_general, keep_one_intercept
from cpi_analysis.effectiveness.wording import phrase_icc
from cpi_analysis.inference.between_within import compute_between_within_df
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.inference.kenward_roger import (
    Information,
    SmallSample,
    adjust_kenward_roger,
    compute_satterthwaite,
    derive_contrast_parts,
)
from cpi_analysis.inference.lmm_small_sample import JointF
from cpi_analysis.inference.mixed_model import Method, RandomInterceptFit, fit_random_intercept
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DegreesOfFreedom = Literal["kenward_roger", "satterthwaite", "between_within"]

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
        A variance was estimated as zero, or a correlation as one.
    covariance
        Of the coefficients, with the small-sample correction of ``method``.
    variance_components
        ``group``, ``term``, ``variance`` and ``correlation`` of every random effect and of the
        residual.
    random_effects
        ``group``, ``level``, ``term`` and the predicted effect of each level; None for one
        intercept per agency.
    joint
        Test of several terms at once, when it was asked for.
    n_rows
        Rows analysed: several for each participant in a repeated-measures model.
    basis
        Rows, design and inference, for contrasts, marginal means and diagnostics.
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
    variance_components: pd.DataFrame
    random_effects: pd.DataFrame | None
    joint: JointF | None
    n_rows: int
    basis: ModelBasis

    def summary(self) -> str:
        """Return what was fitted, in one sentence."""
        return (
            f"{self.formula}, with random effects of {self.cluster}, was fitted to "
            f"{self.n_participants} participants ({self.method})."
            if self.random_effects is not None
            else f"{self.formula}, with an intercept per agency, was fitted to "
            f"{self.n_participants} participants in {self.n_agencies} agencies ({self.method})."
        )

    def _facts(self) -> list[str]:
        if self.random_effects is not None:
            parts = [
                f"{row['group']} {row['term']}".strip() + f" {format_value(row['variance'])}"
                for row in self.variance_components.to_dict("records")
            ]
            return [self.formula, *super()._facts(), f"variances: {', '.join(parts)}"]
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
    residual_by: str | None = None,
    joint: Sequence[str] = (),
    confidence_level: float = 0.95,
) -> MixedModelResult:
    """Fit a linear mixed model.

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
        Grouping columns and their random effects as formulas: ``{"agency_id": "1"}`` an
        intercept per agency; ``{"agency_id": "1", "participant_id": "1"}`` nested (a person's
        identifier must not occur in two agencies) or crossed; ``{"subject": "1 + days"}`` an
        intercept and a slope that are correlated. The first is the level of the agencies.
    method
        ``"REML"``, or ``"ML"`` (then ``df`` cannot be ``"kenward_roger"``).
    df
        ``"kenward_roger"``, which also corrects the standard errors; ``"satterthwaite"``; or
        ``"between_within"``, which counts groups by the level at which a column varies (nested
        groupings only; joint tests and contrasts then use Satterthwaite's).
    information
        For Kenward-Roger: ``"expected"`` as pbkrtest, or ``"observed"`` as SAS PROC MIXED.
    residual_by
        Column whose values have a residual variance each, such as the timepoint or the arm.
    joint
        Terms to test at once, by the F of Kenward and Roger, or of Satterthwaite.
    confidence_level
        Level of the intervals.

    Returns
    -------
    MixedModelResult
        One row per coefficient, against the t distribution with the row's own ``df``.

    Raises
    ------
    DataError
        CPI-E006 a column name occurs twice, E032 with ``agency_id`` and ``participant_id`` a
        participant is in two agencies, E024 the confidence level is not a share, E045
        ``data`` is not a DataFrame.
    ModelError
        CPI-M001 to M007; see :func:`cpi_analysis.inference.mixed_model.fit_random_intercept`
        and :func:`cpi_analysis.inference.linear_mixed_model.fit_linear_mixed_model`.

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
    _check_random(random)
    if len(random) == 1 and _is_intercept(random) and residual_by is None and not joint:
        return _fit_one_intercept(
            data, formula, str(next(iter(random))), method, df, information, confidence_level
        )
    general = fit_general(
        data,
        formula=formula,
        random=random,
        method=method,
        df=df,
        information=information,
        residual_by=residual_by,
        joint=joint,
    )
    settings = _keep_settings(method, df, information, residual_by)
    basis = keep_general(general, random, settings)
    return _wrap_general(general, basis, formula, df, confidence_level)


def _keep_settings(
    method: Method, df: DegreesOfFreedom, information: Information, residual_by: str | None
) -> dict[str, str | None]:
    # Between-within has no rule for a contrast of several columns: those use Satterthwaite.
    kept = "satterthwaite" if df == "between_within" else df
    return {"method": method, "df": kept, "information": information, "residual_by": residual_by}


def _check_random(random: object) -> None:
    if not isinstance(random, Mapping) or not random:
        name = random if isinstance(random, str) else "agency_id"
        raise fault(
            "CPI-M004",
            "random must be a dict: the grouping columns, and their random effects",
            "write '1' for an intercept",
            allowed=f"random={{'{name}': '1'}}",
        )


def _is_intercept(random: Mapping[str, str]) -> bool:
    return str(next(iter(random.values()))).strip() == "1"


def _fit_one_intercept(
    data: pd.DataFrame,
    formula: str,
    cluster: str,
    method: Method,
    df: DegreesOfFreedom,
    information: Information,
    confidence_level: float,
) -> MixedModelResult:
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
    if df == "between_within":
        own = compute_between_within_df(design.fixed, [design.clusters])
        small = SmallSample(small.covariance, own)
    settings = _keep_settings(method, df, information, None)
    parts = derive_contrast_parts(fit, df=str(settings["df"]), information=information)
    return MixedModelResult(
        estimates=_tabulate(fit.beta, small, names, confidence_level),
        n_participants=fit.n,
        n_agencies=fit.n_groups,
        method=f"{method}, {name}",
        confidence_level=confidence_level,
        notes=(
            *design.notes,
            *note_lonely_levels(design, cluster),
            *_warn(small, names, fit.n_groups, is_singular=fit.is_singular),
        ),
        formula=formula,
        cluster=cluster,
        agency_variance=fit.agency_variance,
        residual_variance=fit.residual_variance,
        icc=fit.icc,
        log_likelihood=fit.log_likelihood,
        is_singular=fit.is_singular,
        covariance=pd.DataFrame(small.covariance, index=names, columns=names),
        variance_components=pd.DataFrame(
            {
                "group": [cluster, RESIDUAL],
                "term": ["Intercept", ""],
                "variance": [fit.agency_variance, fit.residual_variance],
                "correlation": [np.nan, np.nan],
            }
        ),
        random_effects=None,
        joint=None,
        n_rows=fit.n,
        basis=keep_one_intercept(design, fit, parts, cluster, settings),
    )


def _wrap_general(
    general: GeneralFit, basis: ModelBasis, formula: str, df: str, confidence_level: float
) -> MixedModelResult:
    fit, terms = general.fit, general.design.terms
    small = SmallSample(general.adjusted.covariance, general.df)
    settings = basis.settings
    first = float(fit.random_covariances[0][0, 0])
    is_plain = all(len(term.names) == 1 for term in terms) and len(fit.residual_variances) == 1
    total = sum(float(G[0, 0]) for G in fit.random_covariances) + float(fit.residual_variances[0])
    people = {term.group: len(term.levels) for term in terms}
    notes = _warn(small, general.names, len(terms[0].levels), is_singular=fit.is_singular)
    return MixedModelResult(
        estimates=_tabulate(fit.beta, small, general.names, confidence_level),
        n_participants=people.get("participant_id", fit.n),
        n_agencies=len(terms[0].levels),
        method=f"{fit.method}, {_name_df(df, str(settings['information']))}",
        confidence_level=confidence_level,
        notes=(
            *general.design.notes,
            *note_lonely_levels(general.design.fixed, terms[0].group),
            *notes,
        ),
        formula=formula,
        cluster=" and per ".join(people),
        agency_variance=first,
        residual_variance=float(fit.residual_variances[0]),
        icc=first / total if is_plain else np.nan,
        log_likelihood=fit.log_likelihood,
        is_singular=fit.is_singular,
        covariance=pd.DataFrame(small.covariance, index=general.names, columns=general.names),
        variance_components=general.variances,
        random_effects=general.effects,
        joint=general.joint,
        n_rows=fit.n,
        basis=basis,
    )


def _name_df(df: str, information: str) -> str:
    if df == "satterthwaite":
        return "Satterthwaite"
    if df == "between_within":
        return "between-within"
    peer = {"expected": "as pbkrtest", "observed": "as SAS"}.get(information, "")
    return f"Kenward–Roger ({information} information, {peer})"


def _infer(fit: RandomInterceptFit, df: str, information: Information) -> tuple[SmallSample, str]:
    if df == "kenward_roger":
        small = adjust_kenward_roger(fit, information=information)
        return small, _name_df(df, information)
    if df in ("satterthwaite", "between_within"):
        return compute_satterthwaite(fit), _name_df(df, information)
    raise fault(
        "CPI-M004",
        "the degrees of freedom are not known",
        "choose one of the allowed methods",
        allowed="kenward_roger, satterthwaite, between_within",
    )


def _tabulate(
    beta: NDArray[np.float64], small: SmallSample, names: list[str], level: float
) -> pd.DataFrame:
    from scipy import stats

    std_error = np.sqrt(np.diag(small.covariance))
    statistic = beta / std_error
    reach = stats.t.ppf((1 + level) / 2, small.df) * std_error
    return pd.DataFrame(
        {
            "term": names,
            "estimate": beta,
            "std_error": std_error,
            "df": small.df,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), small.df),
            "conf_low": beta - reach,
            "conf_high": beta + reach,
        }
    )


def _warn(small: SmallSample, names: list[str], n_agencies: int, *, is_singular: bool) -> list[str]:
    notes = [BOUNDARY_NOTE] if is_singular else []
    few = [name for name, df in zip(names, small.df, strict=True) if df < FEW_DF]
    if few:
        notes.append(
            f"Fewer than {FEW_DF:g} degrees of freedom for {', '.join(few)}: {n_agencies} "
            "agencies are few for the columns that are constant within them. The intervals are "
            "wide and depend on the model; adjust for fewer agency-level columns."
        )
    return notes
