"""How much of a rating is the target: variance components (G study), and designs (D study)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.facets import (
    DesignErrors,
    Effect,
    code_effect,
    compute_errors,
    count_levels,
    describe_effects,
    find_needed,
    is_within,
    list_default_effects,
)
from cpi_analysis.fidelity.rating_matrix import check_finite
from cpi_analysis.fidelity.refusals import refuse_choice, refuse_items
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.inference.variance_components import (
    VarianceComponentFit,
    fit_variance_components,
)
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, object]

#: Numbers of levels of each facet that the D study tries unless others are asked for.
DEFAULT_SIZES = (1, 2, 3, 4, 6, 8, 10, 15, 20)
#: Fewer levels than this say little about a variance.
FEW_LEVELS = 10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GeneralizabilityResult(Result):
    """Variance components of ratings, and what other designs would reach.

    Parameters
    ----------
    target
        What is measured.
    goal
        Coefficient that a design should reach.
    designs
        D study: numbers of levels of each facet, ``universe_variance``, ``relative_error``,
        ``absolute_error``, ``generalizability``, ``dependability``, ``reaches_goal``.
    log_likelihood
        Restricted log-likelihood of the fit.
    n_rows
        Number of ratings.
    """

    title: ClassVar[str] = "Generalisability of ratings"

    target: str
    goal: float
    designs: pd.DataFrame
    log_likelihood: float
    n_rows: int

    def summary(self) -> str:
        """Return the coefficients of the design at hand."""
        table = self.estimates.set_index("quantity")["estimate"]
        g, phi = (round_half_up(float(table[q]), 2) for q in ("generalizability", "dependability"))
        reached = self.designs[self.designs["reaches_goal"]]
        return (
            f"The mean over the ratings at hand has a generalisability of {g} for comparing "
            f"{self.target}s and a dependability of {phi}; {len(reached)} of "
            f"{len(self.designs)} designs tried reach {self.goal:g}."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_rows} ratings", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import COLOURS

        table = self.estimates[self.estimates["quantity"] == "variance"]
        places = np.arange(len(table))[::-1]
        ax.barh(places, 100 * table["proportion"], color=COLOURS[0])
        ax.set_yticks(places, [str(term) for term in table["term"]])
        ax.set_xlabel("Share of the variance of one rating, %")
        ax.spines[["top", "right"]].set_visible(False)


def estimate_generalizability(
    ratings: pd.DataFrame,
    *,
    target: str,
    facets: Sequence[str],
    rating: str,
    groups: Sequence[str] = (),
    effects: Sequence[str] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    goal: float = 0.8,
    confidence_level: float = 0.95,
) -> GeneralizabilityResult:
    """Estimate variance components of ratings and what other designs would reach.

    Parameters
    ----------
    ratings
        One row per rating: the target, the conditions under which it was made, and the number.
    target
        Column of what is measured, such as participants or workers.
    facets
        Columns of the conditions that could have been others, such as raters and items.
    rating
        Column of the numbers.
    groups
        Columns in which targets are nested, such as workers and agencies. Their variance is
        part of what differs between targets.
    effects
        Sources of variance: columns, or ``a:b`` for an interaction. None: all columns and their
        two-way interactions that can be told apart. What is left is the residual.
    sizes
        For each facet the numbers of levels to try in the D study; None for 1 to 20.
    goal
        Coefficient that a design should reach.
    confidence_level
        Level of the intervals.

    Returns
    -------
    GeneralizabilityResult
        Rows ``variance`` per ``term`` (``estimate``, ``std_error``, ``conf_low``,
        ``conf_high``, ``proportion`` of the whole, ``n_levels``, ``is_zero``);
        ``generalizability`` and ``dependability`` of the design at hand; ``needed_relative``
        and ``needed_absolute`` per facet (``term``): the fewest levels that reach the goal with
        the others as they are, missing when no number does. ``designs`` has the D study.

    Raises
    ------
    DataError
        CPI-E011, E014, E020 columns are missing, empty or not numeric; E032 a target in two
        groups; E045 an effect or a facet is not known; E024 goal or level.
    ModelError
        CPI-M007 two effects cannot be told apart; CPI-M001 to M006 the model cannot be fitted;
        CPI-M008 no ratings.

    Notes
    -----
    REML with independent random effects. Intervals of components follow Satterthwaite: chi-square
    on ``2 (variance / standard error)^2`` df, very wide for few levels (14 agencies have 13 df
    at most). Components cannot be negative; one at zero is flagged: an analysis of variance
    might give it a negative value. Error for comparing targets (relative) is what interacts with
    them; error of a score as such (absolute) is also what shifts all targets alike.

    References
    ----------
    Brennan RL (2001). Generalizability Theory. Springer, chapters 3 to 5.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_generalizability
    >>> rng = np.random.default_rng(1)
    >>> grid = pd.MultiIndex.from_product([range(30), range(3)], names=["worker", "rater"])
    >>> ratings = grid.to_frame(index=False)
    >>> ratings["x"] = rng.normal(size=30)[ratings["worker"]] + rng.normal(size=90)
    >>> result = estimate_generalizability(ratings, target="worker", facets=["rater"], rating="x")
    >>> result.tidy()["term"].dropna().unique().tolist()
    ['worker', 'rater', 'residual']
    """
    check_confidence_level(confidence_level)
    _check_goal(goal)
    used = _pick(ratings, target, facets, groups, rating)
    names = _choose_effects(used, target, facets, groups, effects)
    described = describe_effects(used, names, target=target, facets=facets, groups=groups)
    fit = fit_variance_components(
        used[rating].to_numpy(dtype=np.float64), [effect.codes for effect in described[:-1]]
    )
    at_hand = count_levels(used, target, facets)
    variances = fit.components.tolist()
    rows = [
        *_component_rows(described, fit, confidence_level),
        *_coefficient_rows(compute_errors(described, variances, at_hand)),
        *_needed_rows(described, variances, at_hand, goal),
    ]
    return GeneralizabilityResult(
        estimates=pd.DataFrame(rows),
        n_participants=None,
        n_agencies=None,
        method="variance components by REML; intervals by Satterthwaite; design at hand: "
        + ", ".join(f"{round_half_up(size, 1)} {facet}" for facet, size in at_hand.items()),
        confidence_level=confidence_level,
        estimand=f"share of the variance of a mean rating that lies between {target}s, for "
        "comparing them (generalisability) and for the score as such (dependability)",
        notes=_describe(described, fit, len(ratings) - len(used)),
        target=target,
        goal=goal,
        designs=_build_designs(described, variances, facets, sizes, goal),
        log_likelihood=fit.log_likelihood,
        n_rows=fit.n,
    )


def _check_goal(goal: float) -> None:
    if not 0 < goal < 1:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="goal",
                rule="the goal is a coefficient between 0 and 1",
                cure="give a number such as 0.8",
                allowed="more than 0, less than 1",
            )
        )


def _pick(
    ratings: pd.DataFrame, target: str, facets: Sequence[str], groups: Sequence[str], rating: str
) -> pd.DataFrame:
    check_table(ratings, "ratings")
    factors = [*groups, target, *facets]
    faults = [
        Fault(
            code="CPI-E011",
            table="ratings",
            column=name,
            rule="the column is missing",
            cure="name a column of the table",
        )
        for name in [*factors, rating]
        if name not in ratings.columns
    ]
    if not faults:
        faults = [
            Fault(
                code="CPI-E014",
                table="ratings",
                column=name,
                rule="a cell is empty",
                cure="name the level of every rating",
            )
            for name in factors
            if ratings[name].isna().any()
        ]
        if not pd.api.types.is_numeric_dtype(ratings[rating]):
            faults.append(
                Fault(
                    code="CPI-E020",
                    table="ratings",
                    column=rating,
                    rule="the column is not numeric",
                    cure="give numbers",
                )
            )
    if faults:
        raise DataError(faults)
    if not facets:
        raise refuse_items("no facet is named", "name what could have been another: rater, item")
    check_finite(ratings[rating])
    used = ratings[ratings[rating].notna()].reset_index(drop=True)
    if used.empty:
        raise refuse_items("there is no rating", "see whether the column is the right one")
    _check_groups(used, target, groups)
    return used


def _check_groups(used: pd.DataFrame, target: str, groups: Sequence[str]) -> None:
    for group in groups:
        if not is_within(code_effect(used, target), code_effect(used, group)):
            raise DataError(
                Fault(
                    code="CPI-E032",
                    table="ratings",
                    column=group,
                    rule=f"a {target} belongs to more than one {group}",
                    cure="give the targets names that are theirs alone, or name it as a facet",
                )
            )


def _choose_effects(
    used: pd.DataFrame,
    target: str,
    facets: Sequence[str],
    groups: Sequence[str],
    effects: Sequence[str] | None,
) -> list[str]:
    factors = (*groups, target, *facets)
    if effects is None:
        names = list_default_effects(used, target, facets, groups)
    else:
        names = list(effects)
        unknown = {part for name in names for part in name.split(":")} - set(factors)
        if unknown:
            raise refuse_choice("effects", ", ".join(sorted(unknown)), factors)
    if target not in names:
        raise refuse_items(
            f"the variance of {target} cannot be told from the rest",
            f"have more than one rating of a {target}, and more than one {target}",
        )
    return names


def _component_rows(
    effects: Sequence[Effect], fit: VarianceComponentFit, level: float
) -> list[Row]:
    total = float(fit.components.sum())
    rows: list[Row] = []
    for index, effect in enumerate(effects):
        variance, error = float(fit.components[index]), float(fit.std_error[index])
        low, high = _bound(variance, error, level)
        rows.append(
            {
                "quantity": "variance",
                "term": effect.name,
                "estimate": variance,
                "std_error": error,
                "conf_low": low,
                "conf_high": high,
                "proportion": variance / total,
                "n_levels": int(effect.codes.max()) + 1,
                "is_zero": bool(fit.is_zero[index]),
            }
        )
    return rows


def _bound(variance: float, error: float, level: float) -> tuple[float, float]:
    if not error > 0:
        return float("nan"), float("nan")
    df = 2 * (variance / error) ** 2
    upper = float(stats.chi2.isf((1 - level) / 2, df))
    lower = float(stats.chi2.isf((1 + level) / 2, df))
    return float(df * variance / upper), float(df * variance / lower) if lower > 0 else np.inf


def _coefficient_rows(errors: DesignErrors) -> list[Row]:
    return [
        {"quantity": "universe_variance", "estimate": errors.universe},
        {"quantity": "relative_error", "estimate": errors.relative},
        {"quantity": "absolute_error", "estimate": errors.absolute},
        {"quantity": "generalizability", "estimate": errors.generalizability},
        {"quantity": "dependability", "estimate": errors.dependability},
    ]


def _needed_rows(
    effects: Sequence[Effect], variances: Sequence[float], at_hand: Mapping[str, float], goal: float
) -> list[Row]:
    return [
        {
            "quantity": quantity,
            "term": facet,
            "estimate": find_needed(
                effects, variances, at_hand, facet=facet, goal=goal, is_absolute=is_absolute
            ),
        }
        for quantity, is_absolute in (("needed_relative", False), ("needed_absolute", True))
        for facet in at_hand
    ]


def _build_designs(
    effects: Sequence[Effect],
    variances: Sequence[float],
    facets: Sequence[str],
    sizes: Mapping[str, Sequence[int]] | None,
    goal: float,
) -> pd.DataFrame:
    asked = dict(sizes or {})
    unknown = set(asked) - set(facets)
    if unknown:
        raise refuse_choice("sizes", ", ".join(sorted(unknown)), tuple(facets))
    rows = []
    for numbers in product(*(asked.get(facet, DEFAULT_SIZES) for facet in facets)):
        design = dict(zip(facets, numbers, strict=True))
        errors = compute_errors(effects, variances, design)
        rows.append(
            {
                **design,
                "universe_variance": errors.universe,
                "relative_error": errors.relative,
                "absolute_error": errors.absolute,
                "generalizability": errors.generalizability,
                "dependability": errors.dependability,
                "reaches_goal": errors.generalizability >= goal,
            }
        )
    return pd.DataFrame(rows)


def _describe(
    effects: Sequence[Effect], fit: VarianceComponentFit, n_missing: int
) -> tuple[str, ...]:
    notes = []
    if n_missing:
        notes.append(f"{n_missing} rows without a rating are left out.")
    zero = [e.name for e, at in zip(effects, fit.is_zero, strict=True) if at]
    if zero:
        notes.append(
            f"Variances at zero: {', '.join(zero)}. An analysis of variance might give a negative "
            "number. Such a source is too small, or has too few levels, to be seen here."
        )
    few = [e.name for e in effects[:-1] if e.codes.max() + 1 < FEW_LEVELS]
    if few:
        notes.append(
            f"Fewer than {FEW_LEVELS} levels: {', '.join(few)}. Their variances are hardly known; "
            "read the intervals."
        )
    return tuple(notes)
