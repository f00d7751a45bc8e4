"""Mixed models for events, counts and ordered categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, get_args

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.coefficients import (
    Reference,
    draw_ratios,
    note_few_df,
    tabulate_coefficients,
)
from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.discrete_outcomes import (
    FamilyName,
    Outcome,
    make_family,
    read_outcome,
)
from cpi_analysis.effectiveness.mixed_models import BOUNDARY_NOTE
from cpi_analysis.inference.between_within import compute_between_within_df
from cpi_analysis.inference.glmm import GlmmFit, fit_random_intercept_glmm
from cpi_analysis.inference.input_checks import (
    check_choice,
    check_confidence_level,
    check_table,
    is_whole,
)
from cpi_analysis.inference.outcome_families import Link
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Variance of the standard logistic and normal distributions, for the ICC of the latent scale.
LATENT_VARIANCE = {"logit": np.pi**2 / 3, "probit": 1.0}
MOST_POINTS = 101
RATIO_NAMES = {
    "binomial": "odds ratio",
    "ordinal": "odds ratio of a higher category",
    "poisson": "rate ratio",
    "negative_binomial": "rate ratio",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GlmmResult(Result):
    """Coefficients of a generalised linear mixed model.

    Parameters
    ----------
    formula, cluster, family, link
        The model.
    agency_variance
        Variance of the intercepts on the scale of the linear predictor.
    icc
        Share of it in the variance of the latent variable behind an event or a category
        (``pi^2 / 3`` within agencies under the logit); not a number for counts.
    dispersion
        Size of the negative binomial distribution (``variance = mu + mu^2 / size``), else None.
    log_likelihood
        With all constants.
    is_singular
        The variance between agencies was estimated as zero.
    covariance
        Of all rows of ``estimates``.
    random_effects
        ``agency_id`` and the predicted intercept of each.
    quadrature_points
        1 is the Laplace approximation.
    n_rows
        Rows analysed.
    """

    title: ClassVar[str] = "Generalised linear mixed model"

    formula: str
    cluster: str
    family: str
    link: str
    agency_variance: float
    icc: float
    dispersion: float | None
    log_likelihood: float
    is_singular: bool
    covariance: pd.DataFrame
    random_effects: pd.DataFrame
    quadrature_points: int
    n_rows: int

    def summary(self) -> str:
        """Return what was fitted, in one sentence."""
        return (
            f"{self.formula} ({self.family.replace('_', ' ')}), with an intercept per agency, was "
            f"fitted to {self.n_rows} rows of {self.n_agencies} agencies ({self.method})."
        )

    def _facts(self) -> list[str]:
        size = [] if self.dispersion is None else [f"size {format_value(self.dispersion)}"]
        return [
            f"{self.formula}, with an intercept per {self.cluster}",
            *super()._facts(),
            f"variance {format_value(self.agency_variance)} between {self.cluster}",
            *size,
        ]

    def _draw(self, ax: Axes) -> None:
        draw_ratios(
            ax, self.estimates, f"{RATIO_NAMES[self.family]} ({self.confidence_level:.0%} CI)"
        )


def fit_glmm(
    data: pd.DataFrame,
    *,
    formula: str,
    random: Mapping[str, str],
    family: FamilyName,
    link: Link = "logit",
    trials: str | None = None,
    offset: str | None = None,
    quadrature_points: int = 15,
    reference: Reference = "t",
    confidence_level: float = 0.95,
) -> GlmmResult:
    """Fit a mixed model to events, counts or ordered categories.

    Estimand: the ratio (of odds, or of rates) between people of the *same* agency, or of agencies
    with the same intercept. It is further from 1 than the ratio in the population, which
    :func:`fit_gee` estimates.

    Parameters
    ----------
    data
        One row per participant (or per group of participants, with ``trials``).
    formula
        Outcome and fixed effects, as in ``"event ~ exposure_target + baseline"``. The outcome is a
        column: 0 and 1 or a number of events (binomial), a whole number (counts), an ordered
        categorical or whole numbers (ordinal).
    random
        The column of the agencies with an intercept each: ``{"agency_id": "1"}``.
    family
        ``"binomial"`` (logit link), ``"poisson"`` or ``"negative_binomial"`` (NB2; logarithmic
        link), ``"ordinal"`` (cumulative, proportional odds).
    link
        For ordinal outcomes also ``"probit"``.
    trials
        Column with the number of people of whom the outcome counts the events.
    offset
        Column added to the linear predictor, such as the logarithm of the time at risk.
    quadrature_points
        Points of the adaptive Gauss-Hermite quadrature; 1 is the Laplace approximation, the
        default of glmer.
    reference
        ``"t"`` with between-within degrees of freedom, or ``"z"``, which finds too many effects
        with few agencies.
    confidence_level
        Level of the intervals.

    Returns
    -------
    GlmmResult
        One row per coefficient (first the cut-points of an ordinal model, named as R does);
        ``ratio`` is its exponential.

    Raises
    ------
    DataError
        CPI-E006, E020, E021, E023, E024, E045: cells or arguments that cannot be used.
    ModelError
        CPI-M001 too few agencies, M002 collinear columns, M003 one category, M004 the formula
        or more random effects than one intercept, M005 no convergence, M007 separation: all
        events on one side of a column.

    Notes
    -----
    Standard errors come from the Hessian in all parameters, as in glmer and clmm. See
    :func:`cpi_analysis.inference.glmm.fit_random_intercept_glmm` for the likelihood and
    :func:`cpi_analysis.inference.between_within.compute_between_within_df` for the degrees of
    freedom. ``docs/studies/binary_outcomes.md`` has the size of the tests with 14 agencies.

    References
    ----------
    Pinheiro JC, Chao EC (2006). Efficient Laplacian and adaptive Gaussian quadrature algorithms
    for multilevel generalized linear mixed models. Journal of Computational and Graphical
    Statistics 15:58-81. Li P, Redden DT (2015), BMC Medical Research Methodology 15:38.

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
    >>> result = fit_glmm(
    ...     data,
    ...     formula="working ~ arm",
    ...     random={"agency_id": "1"},
    ...     family="binomial",
    ...     trials="people",
    ... )
    >>> row = result.tidy().set_index("term").loc["arm"]
    >>> float(round(row["ratio"], 2)), float(row["df"])
    (2.34, 4.0)
    """
    check_table(data, "data")
    check_confidence_level(confidence_level)
    check_choice(family, argument="family", allowed=get_args(FamilyName))
    check_choice(
        link, argument="link", allowed=get_args(Link) if family == "ordinal" else ("logit",)
    )
    check_choice(reference, argument="reference", allowed=get_args(Reference))
    _check_points(quadrature_points)
    cluster = _read_random(random)
    outcome = read_outcome(
        data, formula=formula, cluster=cluster, family=family, trials=trials, offset=offset
    )
    distribution, categories = make_family(outcome, family, link)
    design, names = outcome.design.fixed, outcome.names
    if family == "ordinal":
        names = [name for name in names if name != "Intercept"]
        if not names:
            raise fault("CPI-M004", "the model has no columns", "name at least one in the formula")
        design = design[names]
    columns = design.to_numpy(dtype=np.float64)
    clusters = outcome.design.clusters
    fit = fit_random_intercept_glmm(
        columns,
        clusters,
        distribution,
        offset=outcome.offset,
        points=quadrature_points,
        column_names=names,
    )
    n_cuts = len(fit.extra) if family == "ordinal" else 0
    # Cut-points take the place of an intercept and cost as much.
    level = np.ones((len(columns), 1 if n_cuts else 0))
    df = compute_between_within_df(np.hstack([level, columns]), [clusters])
    df = np.concatenate([np.repeat(df[:1], n_cuts), df[1 if n_cuts else 0 :]])
    rows, covariance = _arrange(fit, names, categories)
    table = tabulate_coefficients(
        rows.to_numpy(),
        covariance.to_numpy(),
        list(rows.index),
        df if reference == "t" else np.full(len(df), np.inf),
        confidence_level,
        without_ratio=[*rows.index[:n_cuts], *(() if link == "logit" else rows.index)],
    )
    return GlmmResult(
        estimates=table,
        n_participants=int(outcome.trials.sum()),
        n_agencies=fit.n_groups,
        method=_say_method(family, link, quadrature_points, reference),
        confidence_level=confidence_level,
        estimand=_say_estimand(family, link),
        notes=(*outcome.notes, *_collect_notes(fit, table, reference, outcome)),
        formula=formula,
        cluster=cluster,
        family=family,
        link=link if family in ("binomial", "ordinal") else "log",
        agency_variance=fit.sd**2,
        icc=_share(fit, family, link),
        dispersion=float(np.exp(fit.extra[0])) if family == "negative_binomial" else None,
        log_likelihood=fit.log_likelihood,
        is_singular=fit.is_singular,
        covariance=covariance,
        random_effects=_tabulate_effects(outcome, cluster, fit),
        quadrature_points=quadrature_points,
        n_rows=fit.n,
    )


def _check_points(points: object) -> None:
    if not is_whole(points) or not 1 <= int(points) <= MOST_POINTS:  # type: ignore[call-overload]
        raise fault(
            "CPI-M004",
            "the number of quadrature points is not usable",
            "use 1 for the Laplace approximation, 15 else",
            column="quadrature_points",
            allowed=f"a whole number from 1 to {MOST_POINTS}",
        )


def _read_random(random: object) -> str:
    is_one = isinstance(random, Mapping) and len(random) == 1
    if not is_one or str(next(iter(random.values()))).strip() != "1":  # type: ignore[attr-defined]
        raise fault(
            "CPI-M004",
            "one random intercept is fitted for outcomes of this kind, and no slopes",
            "name the column of the agencies alone; for several persons' rows within agencies use "
            "fit_gee, which allows for any dependence within an agency",
            allowed="random={'agency_id': '1'}",
        )
    return str(next(iter(random)))  # type: ignore[call-overload]


def _arrange(
    fit: GlmmFit, names: list[str], categories: tuple[str, ...]
) -> tuple[pd.Series, pd.DataFrame]:
    """Return estimates and covariance: cut-points first; the size of counts is left out."""
    p = len(names)
    order = list(range(p))
    if categories:
        cuts = [f"{low}|{high}" for low, high in pairwise(categories)]
        order = [*range(p, p + len(cuts)), *order]
        names = [*cuts, *names]
    values = np.concatenate([fit.beta, fit.extra])[order]
    covariance = fit.covariance[np.ix_(order, order)]
    return pd.Series(values, index=names), pd.DataFrame(covariance, index=names, columns=names)


def _tabulate_effects(outcome: Outcome, cluster: str, fit: GlmmFit) -> pd.DataFrame:
    levels = pd.factorize(outcome.design.frame[cluster], sort=True)[1]
    return pd.DataFrame({"agency_id": [str(level) for level in levels], "estimate": fit.modes})


def _share(fit: GlmmFit, family: str, link: str) -> float:
    if family not in ("binomial", "ordinal"):
        return float("nan")
    return float(fit.sd**2 / (fit.sd**2 + LATENT_VARIANCE[link]))


def _say_method(family: str, link: str, points: int, reference: str) -> str:
    kind = family.replace("_", " ")
    scale = link if family in ("binomial", "ordinal") else "log"
    how = "Laplace" if points == 1 else f"adaptive quadrature, {points} points"
    tests = "t with between-within df" if reference == "t" else "z"
    return f"{kind} mixed model, {scale} link, maximum likelihood ({how}), {tests}"


def _say_estimand(family: str, link: str) -> str:
    if link == "probit":
        return "difference on the latent normal scale between people of the same agency"
    return f"{RATIO_NAMES[family]} between people of the same agency (conditional on the agency)"


def _collect_notes(
    fit: GlmmFit, table: pd.DataFrame, reference: str, outcome: Outcome
) -> tuple[str, ...]:
    notes = [BOUNDARY_NOTE] if fit.is_singular else []
    if reference == "t":
        notes.append(
            "Tests and intervals use t: for columns that are constant within agencies with "
            f"agencies minus such columns as degrees of freedom, as {fit.n_groups} agencies allow."
        )
        notes += note_few_df(table, fit.n_groups)
    else:
        notes.append(
            f"Tests and intervals use z; with {fit.n_groups} agencies they find too many effects "
            "of agency-level columns. reference='t' is the default."
        )
    return tuple(notes)
