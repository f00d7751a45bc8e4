"""Intraclass correlation of ratings: six forms from mean squares, or from REML with gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pandas as pd
from scipy import stats

from cpi_analysis.fidelity.icc_reml import RatingComponents, fit_rating_components
from cpi_analysis.fidelity.mean_squares import (
    FORMS,
    MeanSquares,
    compute_icc,
    compute_icc_interval,
    compute_mean_squares,
    noise_df_of,
    noise_of,
    step_up,
)
from cpi_analysis.fidelity.rating_matrix import (
    check_finite,
    check_matrix,
    check_ratings,
    choose_method,
    cross_raters,
    stack_by_target,
)
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Shrout and Fleiss' names of the same coefficients.
ALIASES = {
    "ICC(2,1)": "ICC(A,1)",
    "ICC(3,1)": "ICC(C,1)",
    "ICC(2,k)": "ICC(A,k)",
    "ICC(3,k)": "ICC(C,k)",
}
#: How the variances are estimated.
METHODS = ("auto", "anova", "reml")
_MEANING = {
    "1": "agreement of raters who differ from target to target (one-way)",
    "A": "absolute agreement of the same raters (two-way)",
    "C": "consistency of the same raters, their mean levels set aside (two-way)",
}
#: Below this number of targets the interval says little. A convention, not a law.
FEW_TARGETS = 10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IccResult(Result):
    """Intraclass correlations of ratings of the same targets.

    Parameters
    ----------
    n_targets
        Number of targets analysed: participants, workers, agencies or whatever was rated.
    n_raters
        Number of raters of every target.
    n_missing
        Number of targets left out because a rating is missing.
    """

    title: ClassVar[str] = "Intraclass correlation of ratings"

    n_targets: int
    n_raters: int
    n_missing: int

    def summary(self) -> str:
        """Return each coefficient with its interval."""
        level = f"{self.confidence_level:.0%}"
        shown = [
            [round_half_up(float(number), 2) for number in self.estimates[column]]
            for column in ("estimate", "conf_low", "conf_high")
        ]
        parts = [
            f"{form} = {estimate} ({level} CI {low} to {high})"
            for form, estimate, low, high in zip(self.estimates["form"], *shown, strict=True)
        ]
        return f"{self.n_targets} targets, {self.n_raters} raters: {'; '.join(parts)}."

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} targets", f"{self.n_raters} raters", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        labels = [str(form) for form in self.estimates["form"]]
        draw_forest(ax, self.estimates, labels, axis_label="Intraclass correlation")


def estimate_icc(
    ratings: pd.DataFrame,
    *,
    target: str,
    rater: str,
    rating: str,
    form: str = "ICC(A,k)",
    method: str = "auto",
    confidence_level: float = 0.95,
) -> IccResult:
    """Estimate how far raters agree on the same targets.

    Parameters
    ----------
    ratings
        One row per rating: columns of the target, the rater and the number given.
    target, rater, rating
        Names of these columns.
    form
        ``ICC(1,1)``, ``ICC(A,1)``, ``ICC(C,1)`` for one rater, ``ICC(1,k)``, ``ICC(A,k)``,
        ``ICC(C,k)`` for the mean of the k raters, or ``all``. 1: every target has raters of
        its own; A: same raters, absolute agreement; C: same raters, consistency. Shrout and
        Fleiss' ICC(2,·) is A, their ICC(3,·) is C.
    method
        ``anova``: mean squares of the targets that have every rating. ``reml``: variances by
        restricted maximum likelihood, from every rating. ``auto``: ``anova`` when no rating is
        missing, else ``reml``; the ``method`` of the result says which.
    confidence_level
        Level of the intervals.

    Returns
    -------
    IccResult
        One row per form: ``form``, ``estimate``, ``conf_low``, ``conf_high``, ``statistic``,
        ``df1``, ``df2``, ``p_value`` (F test of no difference between targets), ``n``
        (targets used), ``n_raters``. A coefficient from mean squares can be below 0.

    Raises
    ------
    DataError
        CPI-E011 when a column is missing, CPI-E013 when a rater rated a target twice,
        CPI-E014 when a target or rater is not named, CPI-E020 when a rating is not a number,
        CPI-E045 when the form or method is not known or the ratings are not a DataFrame,
        CPI-E006 when a column name occurs twice, CPI-E024 when the level is not between 0 and 1.
    ModelError
        CPI-M008 with one rater, fewer than two targets with enough ratings, raters that are
        not connected by targets in common, or ratings that are all the same; CPI-M006 when a
        rating is infinite; CPI-M005 when REML finds no optimum.

    Notes
    -----
    With n targets, k raters and mean squares R (targets), C (raters), E (error), W (within):
    ICC(1,1) = (R − W) / (R + (k − 1) W); ICC(C,1) = (R − E) / (R + (k − 1) E);
    ICC(A,1) = (R − E) / (R + (k − 1) E + k (C − E) / n); the mean of k raters has
    k ρ / (1 + (k − 1) ρ). Intervals follow McGraw and Wong (table 7): exact for the forms 1
    and C, by Satterthwaite's approximation for A. Targets that lack a rating are left out.
    When only forms 1 are asked for, who gave a rating does not matter: k is the commonest
    number of ratings per target (at least two, the larger of equally common ones), and
    targets with another number are left out. With ``all``, every rater rates every target.

    References
    ----------
    Shrout PE, Fleiss JL. Psychological Bulletin 1979;86:420-428.
    McGraw KO, Wong SP. Psychological Methods 1996;1:30-46.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_icc
    >>> ratings = pd.DataFrame(
    ...     {"t": [1, 1, 2, 2, 3, 3], "r": ["a", "b"] * 3, "x": [1, 2, 3, 3, 5, 6]}
    ... )
    >>> result = estimate_icc(ratings, target="t", rater="r", rating="x")
    >>> result.tidy()["estimate"].round(2).tolist()
    [0.96]
    """
    check_table(ratings, "ratings")
    check_confidence_level(confidence_level)
    forms = FORMS if form == "all" else (ALIASES.get(form, form),)
    if forms[0] not in FORMS:
        raise refuse_choice("form", form, (*FORMS, *ALIASES, "all"))
    if method not in METHODS:
        raise refuse_choice("method", method, METHODS)
    names = {"target": target, "rater": rater, "rating": rating}
    check_ratings(ratings, target=target, rater=rater, rating=rating)
    check_finite(ratings[rating])
    is_one_way = all(name[4] == "1" for name in forms)
    if method == "auto":
        method = choose_method(ratings, **names, is_one_way=is_one_way)
    if method == "anova":
        return _estimate_anova(ratings, names, forms, confidence_level)
    return _estimate_reml(ratings, names, forms, confidence_level)


def _estimate_anova(
    ratings: pd.DataFrame, names: dict[str, str], forms: tuple[str, ...], level: float
) -> IccResult:
    is_one_way = all(name[4] == "1" for name in forms)
    wide = (
        stack_by_target(ratings, target=names["target"], rating=names["rating"])
        if is_one_way
        else cross_raters(ratings, **names)
    )
    check_matrix(wide)
    squares = compute_mean_squares(wide)
    n, k = wide.shape
    n_missing = int(ratings[names["target"]].nunique()) - n
    design = "ratings within targets" if is_one_way else "targets × raters"
    return IccResult(
        estimates=pd.DataFrame([_estimate_form(squares, f, level, k) for f in forms]),
        n_participants=None,
        n_agencies=None,
        method=f"mean squares of {design}; intervals of McGraw and Wong (F distribution)",
        confidence_level=level,
        estimand=_phrase_estimand(forms),
        notes=_describe(squares, n_missing, is_one_way=is_one_way),
        n_targets=n,
        n_raters=k,
        n_missing=n_missing,
    )


def _estimate_reml(
    ratings: pd.DataFrame, names: dict[str, str], forms: tuple[str, ...], level: float
) -> IccResult:
    is_one_way = all(name[4] == "1" for name in forms)
    found = fit_rating_components(ratings, **names, is_one_way=is_one_way)
    rows = [_estimate_form(found.squares, f, level, found.n_raters) for f in forms]
    per_target = found.squares.n_raters
    design = "targets" if is_one_way else "targets and raters"
    return IccResult(
        estimates=pd.DataFrame(rows),
        n_participants=None,
        n_agencies=None,
        method=f"REML variances of {design}; intervals of McGraw and Wong (F distribution) with "
        f"{round_half_up(per_target, 2)} ratings per target",
        confidence_level=level,
        estimand=_phrase_estimand(forms),
        notes=_describe_reml(found),
        n_targets=found.n_targets,
        n_raters=found.n_raters,
        n_missing=int(ratings[names["target"]].nunique()) - found.n_targets,
    )


def _phrase_estimand(forms: tuple[str, ...]) -> str:
    return (
        "share of the variance of a rating (1) or of the mean of the raters (k) that "
        "lies between targets: " + "; ".join(dict.fromkeys(_MEANING[name[4]] for name in forms))
    )


def _describe_reml(found: RatingComponents) -> tuple[str, ...]:
    notes = []
    if found.n_missing:
        share = found.n_missing / (found.n_missing + found.n_ratings)
        notes.append(
            f"{found.n_missing} ratings of a target by a rater are missing ({share:.0%}); every "
            "rating is used, on the condition that what is missing depends on what is observed."
        )
    if found.is_singular:
        notes.append(
            "A variance is estimated as zero (the unrestricted estimate may be below): the "
            "coefficient lies at its boundary. Have more targets rated, or by more raters."
        )
    if found.n_targets < FEW_TARGETS:
        notes.append(f"Fewer than {FEW_TARGETS} targets: the estimate is imprecise.")
    return tuple(notes)


def _estimate_form(
    squares: MeanSquares, form: str, confidence_level: float, n_raters: int
) -> dict[str, str | float | int]:
    low, high = compute_icc_interval(
        squares, form, confidence_level=confidence_level, n_averaged=n_raters
    )
    noise, df1, df2 = noise_of(squares, form), squares.n_targets - 1, noise_df_of(squares, form)
    statistic = squares.targets / noise if noise else float("inf")
    return {
        "form": form,
        "estimate": _compute_point(squares, form, n_raters),
        "conf_low": low,
        "conf_high": high,
        "statistic": statistic,
        "df1": df1,
        "df2": df2,
        "p_value": float(stats.f.sf(statistic, df1, df2)),
        "n": squares.n_targets,
        "n_raters": n_raters,
    }


def _compute_point(squares: MeanSquares, form: str, n_raters: int) -> float:
    if form.endswith("k)") and n_raters != squares.n_raters:
        return step_up(compute_icc(squares, form.replace("k)", "1)")), n_raters)
    return compute_icc(squares, form)


def _describe(squares: MeanSquares, n_missing: int, *, is_one_way: bool) -> tuple[str, ...]:
    notes = []
    n = squares.n_targets
    noise = squares.within if is_one_way else squares.error
    if n_missing:
        why = (
            f"they do not have {squares.n_raters:g} ratings, the commonest number"
            if is_one_way
            else "a rating is missing"
        )
        notes.append(f"{n_missing} of {n + n_missing} targets left out: {why}.")
    if noise == 0:
        how = (
            "The ratings of a target never differ"
            if is_one_way
            else "The raters order and space the targets identically"
        )
        notes.append(
            f"{how}: there is no error to estimate, F is infinite, and an interval that is a "
            "single point is no proof of precision. See whether the ratings were independent."
        )
    if squares.targets < noise:
        notes.append("Targets differ less than error would make them: no evidence of agreement.")
    if n < FEW_TARGETS:
        notes.append(f"Fewer than {FEW_TARGETS} targets: the estimate is imprecise.")
    return tuple(notes)
