"""Population-averaged models for events, counts and continuous outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.coefficients import (
    Reference,
    draw_ratios,
    note_few_df,
    tabulate_coefficients,
)
from cpi_analysis.effectiveness.discrete_outcomes import Outcome, read_outcome
from cpi_analysis.inference.between_within import compute_between_within_df
from cpi_analysis.inference.estimating_equations import (
    CovarianceKind,
    GeeFit,
    MeanFamily,
    Moments,
    Working,
    compute_gee_covariance,
    solve_gee,
)
from cpi_analysis.inference.group_sums import FloatArray
from cpi_analysis.inference.input_checks import check_choice, check_confidence_level, check_table
from cpi_analysis.inference.outcome_families import Binomial, Poisson
from cpi_analysis.inference.separation import check_separation
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAID = {
    "mancl_derouen": "Mancl-DeRouen covariance",
    "kauermann_carroll": "Kauermann-Carroll covariance",
    "fay_graubard": "Fay-Graubard covariance",
    "robust": "uncorrected robust covariance",
}
_ESTIMAND = {
    "binomial": "odds ratio in the population of participants, averaged over agencies",
    "poisson": "ratio of means (rate ratio) in the population, averaged over agencies",
    "gaussian": "difference in means in the population, averaged over agencies",
}
_AXIS = {"binomial": "odds ratio", "poisson": "rate ratio", "gaussian": "coefficient"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GeeResult(Result):
    """Coefficients of a population-averaged model.

    Parameters
    ----------
    formula, cluster, family, working, covariance_kind, moments
        The model and how its uncertainty is estimated.
    working_correlation
        Correlation of two people of an agency in the working model; 0 under independence.
    scale
        Mean squared Pearson residual: above 1 for counts that vary more than Poisson counts.
    covariance
        Of the coefficients.
    n_rows
        Rows analysed.
    """

    title: ClassVar[str] = "Generalised estimating equations"

    formula: str
    cluster: str
    family: str
    working: str
    covariance_kind: str
    moments: str
    working_correlation: float
    scale: float
    covariance: pd.DataFrame
    n_rows: int

    def summary(self) -> str:
        """Return what was fitted, in one sentence."""
        return (
            f"{self.formula} ({self.family}) was fitted to {self.n_participants} participants of "
            f"{self.n_agencies} agencies by estimating equations ({self.method})."
        )

    def _facts(self) -> list[str]:
        return [
            self.formula,
            *super()._facts(),
            f"working correlation within {self.cluster} {format_value(self.working_correlation)}",
        ]

    def _draw(self, ax: Axes) -> None:
        draw_ratios(ax, self.estimates, f"{_AXIS[self.family]} ({self.confidence_level:.0%} CI)")


def fit_gee(
    data: pd.DataFrame,
    *,
    formula: str,
    cluster: str,
    family: MeanFamily,
    working: Working = "exchangeable",
    covariance: CovarianceKind = "mancl_derouen",
    moments: Moments = "liang_zeger",
    trials: str | None = None,
    offset: str | None = None,
    reference: Reference = "t",
    confidence_level: float = 0.95,
) -> GeeResult:
    """Fit a population-averaged model by generalised estimating equations.

    Estimand: the ratio of odds or means (or the difference in means) between groups of the
    population of participants, whatever the dependence within an agency.

    Parameters
    ----------
    data
        One row per participant and timepoint (or per group of participants, with ``trials``).
    formula
        Outcome and columns, as in ``"event ~ exposure_target + baseline"``.
    cluster
        Column of the agencies; all rows of an agency may be dependent.
    family
        ``"binomial"`` (logit link), ``"poisson"`` (log link; for events of 0 and 1 the ratio is a
        risk ratio, with valid errors), ``"gaussian"`` (identity).
    working
        Working correlation: ``"exchangeable"`` or ``"independence"``.
    covariance
        ``"mancl_derouen"`` (the default: it errs on the side of caution), ``"kauermann_carroll"``,
        ``"fay_graubard"``, or ``"robust"``, which is too small with few agencies.
    moments
        Denominators of scale and correlation: ``"liang_zeger"`` takes the number of
        coefficients off (SAS, statsmodels), ``"geepack"`` does not.
    trials
        Column with the number of people of whom the outcome counts the events.
    offset
        Column added to the linear predictor.
    reference
        ``"t"`` with agencies minus agency-level columns as degrees of freedom for every
        coefficient, or ``"z"``.
    confidence_level
        Level of the intervals.

    Returns
    -------
    GeeResult
        One row per coefficient; ``ratio`` is its exponential (empty for ``"gaussian"``).

    Raises
    ------
    DataError
        CPI-E006, E020, E021, E024, E045: cells or arguments that cannot be used.
    ModelError
        CPI-M001 too few agencies, M002 collinear columns, M003 one category, M004 the formula,
        M005 no convergence, M007 separation, or one agency decides a coefficient alone.

    Notes
    -----
    See :func:`cpi_analysis.inference.estimating_equations.solve_gee` and
    :func:`cpi_analysis.inference.estimating_equations.compute_gee_covariance` for the equations
    and the references. The sandwich has at most as many independent parts as there are
    agencies, for columns that vary within agencies too: the degrees of freedom are the same for
    all. ``docs/studies/binary_outcomes.md`` has the size of the tests with 14 agencies.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": ["A", "B", "C", "D", "E", "F"],
    ...         "arm": [1, 1, 1, 0, 0, 0],
    ...         "working": [6, 7, 4, 3, 2, 5],
    ...         "people": [10, 12, 11, 10, 9, 13],
    ...     }
    ... )
    >>> result = fit_gee(
    ...     data,
    ...     formula="working ~ arm",
    ...     cluster="agency_id",
    ...     family="binomial",
    ...     trials="people",
    ... )
    >>> row = result.tidy().set_index("term").loc["arm"]
    >>> float(round(row["ratio"], 2)), float(row["df"])
    (2.15, 4.0)
    """
    check_table(data, "data")
    check_confidence_level(confidence_level)
    for argument, value, allowed in (
        ("family", family, get_args(MeanFamily)),
        ("working", working, get_args(Working)),
        ("covariance", covariance, get_args(CovarianceKind)),
        ("moments", moments, get_args(Moments)),
        ("reference", reference, get_args(Reference)),
    ):
        check_choice(value, argument=argument, allowed=allowed)
    outcome = read_outcome(
        data, formula=formula, cluster=cluster, family=family, trials=trials, offset=offset
    )
    names = outcome.names
    y, X, groups, known = expand_trials(outcome)
    if family != "gaussian":
        one = np.ones(len(y))
        check_separation(Binomial(y, one) if family == "binomial" else Poisson(y), X, names)
    fit = solve_gee(
        y,
        X,
        groups,
        family=family,
        working=working,
        moments=moments,
        offset=known,
        column_names=names,
    )
    matrix = compute_gee_covariance(fit, covariance)
    level = np.ones((len(X), 0 if "Intercept" in names else 1))
    df = int(compute_between_within_df(np.hstack([level, X]), [groups])[0])
    table = tabulate_coefficients(
        fit.beta,
        matrix,
        names,
        np.full(len(names), float(df) if reference == "t" else np.inf),
        confidence_level,
        without_ratio=names if family == "gaussian" else (),
    )
    return GeeResult(
        estimates=table,
        n_participants=len(y),
        n_agencies=fit.n_groups,
        method=(
            f"GEE, {working} working correlation ({moments.replace('_', '-')} moments), "
            f"{_SAID[covariance]}, {f't with {df} df' if reference == 't' else 'z'}"
        ),
        confidence_level=confidence_level,
        estimand=_ESTIMAND[family],
        notes=(*outcome.notes, *_collect_notes(fit, table, covariance, reference)),
        formula=formula,
        cluster=cluster,
        family=family,
        working=working,
        covariance_kind=covariance,
        moments=moments,
        working_correlation=fit.alpha,
        scale=fit.scale,
        covariance=pd.DataFrame(matrix, index=names, columns=names),
        n_rows=len(outcome.design.outcome),
    )


def expand_trials(
    outcome: Outcome,
) -> tuple[FloatArray, FloatArray, NDArray[np.intp], FloatArray]:
    """Return one row per person: the correlation of a working model is that of people."""
    design = outcome.design
    X = design.fixed.to_numpy(dtype=np.float64)
    if (outcome.trials == 1).all():
        return design.outcome, X, design.clusters, outcome.offset
    trials = outcome.trials.astype(np.intp)
    events = np.round(design.outcome * outcome.trials).astype(np.intp)
    rows = np.repeat(np.arange(len(trials)), trials)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(trials) - trials, trials)
    y = (place < events[rows]).astype(np.float64)
    return y, X[rows], design.clusters[rows], outcome.offset[rows]


def _collect_notes(
    fit: GeeFit, table: pd.DataFrame, covariance: str, reference: str
) -> tuple[str, ...]:
    notes = []
    if fit.is_held:
        notes.append(
            "The working correlation could not be estimated: it is more negative than agencies of "
            "this size can have, or nearly. Independence was used instead. The standard errors "
            "allow for any dependence within agencies all the same."
        )
    if covariance == "robust" or reference == "z":
        notes.append(
            f"With {fit.n_groups} agencies an uncorrected covariance or z finds too many effects; "
            "covariance='mancl_derouen' and reference='t' are the defaults."
        )
    if reference == "t":
        notes += note_few_df(table, fit.n_groups)
    return tuple(notes)
