"""The graded response model of ordered answers; with two categories, the two-parameter model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.graded_response_curves import (
    compute_item_information,
    compute_probabilities,
    locate_parameters,
)
from cpi_analysis.fidelity.graded_response_fit import (
    GradedFit,
    build_quadrature,
    build_starts,
    collect_patterns,
    compute_posterior,
    fit_graded_model,
)
from cpi_analysis.fidelity.item_curves import CURVE_POINTS, tabulate_curves, tabulate_people
from cpi_analysis.fidelity.polychoric import describe_coding
from cpi_analysis.fidelity.sample_gate import describe_sample_gate
from cpi_analysis.fidelity.thresholds import CodedItems, encode_items
from cpi_analysis.inference.input_checks import check_confidence_level, is_whole
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Slopes of the starting points, beside those guessed from the correlations.
_SCALES = (1.0, 0.5, 2.0)
#: A slope beyond this says that the item repeats the trait: a convention.
STEEP = 5.0

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GradedResponseResult(Result):
    """Slopes and difficulties of ordered items, and where people stand.

    Parameters
    ----------
    curves
        Probability of each answer: ``item``, ``answer``, ``trait``, ``proportion``.
    information
        Fisher's information on the trait: ``item``, ``trait``, ``information``.
    people
        Per row of the items: ``estimate`` (mean of the trait given the answers) and
        ``std_error`` (its standard deviation); missing for people without any answer.
    reliability
        Variance of the people's estimates over itself plus the mean squared error.
    marginal_reliability
        Mean over the trait of information / (information + 1).
    log_likelihood
        Of the answers, the trait integrated out.
    n_parameters
        Slopes and intercepts.
    n_targets, n_items
        People with at least one answer, and items.
    n_starts, n_best
        Starting points, and how many of them led to the best maximum.
    """

    title: ClassVar[str] = "Graded response model"

    curves: pd.DataFrame
    information: pd.DataFrame
    people: pd.DataFrame
    reliability: float
    marginal_reliability: float
    log_likelihood: float
    n_parameters: int
    n_targets: int
    n_items: int
    n_starts: int
    n_best: int

    def summary(self) -> str:
        """Return the range of the slopes and the reliability in one sentence."""
        slopes = self.estimates.loc[self.estimates["term"] == "discrimination", "estimate"]
        low, high = (round_half_up(float(value), 2) for value in (slopes.min(), slopes.max()))
        return (
            f"The {self.n_items} items discriminate by {low} to {high}; people's places on the "
            f"trait have a reliability of {round_half_up(self.reliability, 2)} "
            f"({self.n_targets} people)."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.response_figures import draw_information

        draw_information(ax, self.information)


def fit_graded_response(
    items: pd.DataFrame,
    *,
    categories: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    n_points: int = 61,
    n_random_starts: int = 0,
    seed: int | None = None,
    confidence_level: float = 0.95,
) -> GradedResponseResult:
    """Fit the graded response model by marginal maximum likelihood.

    The estimand is, per item, how sharply its answers tell people apart, and at which place of
    the trait half of them pass from one answer to the next. The trait is standard normal.

    Parameters
    ----------
    items
        People × items: one row per person, one numeric column per item; a missing answer is
        NaN and taken as missing at random. With two categories this is the two-parameter
        logistic model.
    categories
        Answers that were on offer, one list or a list per item; see
        :func:`compute_polychoric`.
    n_points
        Points of the trait between −6 and 6.
    n_random_starts
        Random starting points beside the three usual ones; they need ``seed``.
    seed
        Of the random starting points.
    confidence_level
        Level of the intervals.

    Returns
    -------
    GradedResponseResult
        Rows per item: ``term`` ``discrimination``, then ``difficulty 1``, ... , with
        ``estimate``, ``std_error``, ``conf_low``, ``conf_high``.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 for the table, E036 for an answer that is not on offer, E024 for a
        number out of range, E047 when random starts have no seed.
    ModelError
        CPI-M006, M008 for items that cannot be analysed, M005 without a maximum.

    Notes
    -----
    P(answer ≥ k | θ) = σ(a (θ − bₖ)), a the discrimination, bₖ the difficulties; the trait is
    integrated over ``n_points`` equally spaced points with normal weights. Standard errors are
    from the observed information, by the delta method for the difficulties. People of one
    agency are taken as independent.

    References
    ----------
    Samejima F. Psychometrika Monograph 17, 1969, equation 4-11.
    Bock RD, Aitkin M. Psychometrika 1981;46:443-459.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import fit_graded_response
    >>> rng = np.random.default_rng(1)
    >>> trait = rng.normal(size=300)
    >>> answers = {name: (trait + rng.logistic(size=300) > 0) * 1 for name in "abcd"}
    >>> fit_graded_response(pd.DataFrame(answers)).n_parameters
    8
    """
    check_confidence_level(confidence_level)
    _check_settings(n_points, n_random_starts, seed)
    coded = encode_items(items, categories=categories)
    patterns = collect_patterns(coded.codes, coded.n_categories)
    quadrature = build_quadrature(n_points)
    starts = build_starts(patterns, _draw_scales(n_random_starts, seed, len(coded.names)))
    fit = fit_graded_model(patterns, quadrature, starts=starts)
    estimates = _tabulate(coded, fit, confidence_level)
    mean, spread = compute_posterior(fit.parameters, patterns, quadrature)
    trait, error = mean[patterns.of_person], spread[patterns.of_person]
    variance = float(trait.var(ddof=1))
    total = compute_item_information(fit.parameters, coded.n_categories, quadrature.points).sum(
        axis=0
    )
    return GradedResponseResult(
        estimates=estimates,
        n_participants=None,
        n_agencies=None,
        method="marginal maximum likelihood, standard normal trait at "
        f"{n_points} points; errors from the observed information",
        seed=seed,
        confidence_level=confidence_level,
        estimand="discrimination and difficulties of each item on one standard normal trait",
        notes=_collect_notes(coded, fit, estimates),
        curves=_tabulate_curves(coded, fit),
        information=_tabulate_information(coded, fit),
        people=tabulate_people(items, trait, error),
        reliability=variance / (variance + float(np.mean(error**2))),
        marginal_reliability=float(np.exp(quadrature.log_weights) @ (total / (total + 1))),
        log_likelihood=fit.log_likelihood,
        n_parameters=len(fit.parameters),
        n_targets=len(coded.codes),
        n_items=len(coded.names),
        n_starts=fit.n_starts,
        n_best=fit.n_best,
    )


def _check_settings(n_points: object, n_random_starts: object, seed: object) -> None:
    faults = []
    if not is_whole(n_points) or not 11 <= int(n_points) <= 1001:  # type: ignore[call-overload]
        faults.append(("CPI-E024", "n_points", "n_points is a whole number from 11 to 1001"))
    if not is_whole(n_random_starts) or int(n_random_starts) < 0:  # type: ignore[call-overload]
        faults.append(
            ("CPI-E024", "n_random_starts", "n_random_starts is a whole number, 0 or more")
        )
    elif n_random_starts and (not is_whole(seed) or int(seed) < 0):  # type: ignore[call-overload]
        faults.append(("CPI-E047", "seed", "random starts need a seed: a whole number, 0 or more"))
    if faults:
        raise DataError(
            [
                Fault(code=code, column=column, rule=rule, cure=f"give another {column}")
                for code, column, rule in faults
            ]
        )


def _draw_scales(n_random: int, seed: int | None, n_items: int) -> Array:
    usual = np.repeat(np.array(_SCALES)[:, None], n_items, axis=1)
    if not n_random:
        return usual
    drawn = np.exp(np.random.default_rng(seed).normal(0, 0.7, size=(n_random, n_items)))
    return np.vstack([usual, drawn])


def _tabulate(coded: CodedItems, fit: GradedFit, confidence_level: float) -> pd.DataFrame:
    rows = []
    places = locate_parameters(coded.n_categories)
    for name, place, count in zip(coded.names, places, coded.n_categories, strict=True):
        block = fit.parameters[place : place + count]
        slope, values = block[0], -block[1:] / block[0]
        turn = np.eye(count)
        turn[1:, 0] = -values / slope
        turn[1:, 1:] = -np.eye(count - 1) / slope
        covariance = turn @ fit.covariance[place : place + count, place : place + count] @ turn.T
        terms = ["discrimination", *(f"difficulty {k}" for k in range(1, count))]
        rows += [
            {"item": name, "term": term, "estimate": value, "std_error": error}
            for term, value, error in zip(
                terms, np.concatenate([[slope], values]), np.sqrt(np.diag(covariance)), strict=True
            )
        ]
    table = pd.DataFrame(rows)
    half = stats.norm.ppf(0.5 + confidence_level / 2) * table["std_error"]
    return table.assign(conf_low=table["estimate"] - half, conf_high=table["estimate"] + half)


def _tabulate_curves(coded: CodedItems, fit: GradedFit) -> pd.DataFrame:
    probabilities = compute_probabilities(fit.parameters, coded.n_categories, CURVE_POINTS)
    return tabulate_curves(coded, probabilities, CURVE_POINTS)


def _tabulate_information(coded: CodedItems, fit: GradedFit) -> pd.DataFrame:
    values = compute_item_information(fit.parameters, coded.n_categories, CURVE_POINTS)
    return pd.DataFrame(
        {
            "item": np.repeat(np.array(coded.names, dtype=object), len(CURVE_POINTS)),
            "trait": np.tile(CURVE_POINTS, len(coded.names)),
            "information": values.ravel(),
        }
    )


def _collect_notes(coded: CodedItems, fit: GradedFit, estimates: pd.DataFrame) -> tuple[str, ...]:
    gate = describe_sample_gate(
        len(coded.codes),
        n_items=len(coded.names),
        n_parameters=len(fit.parameters),
        lost_categories=tuple(coded.lost),
    )
    notes = list(dict.fromkeys([*gate.notes, *describe_coding(coded)]))
    slopes = estimates[estimates["term"] == "discrimination"]
    against = slopes.loc[slopes["estimate"] < 0, "item"]
    if len(against):
        notes.append(
            f"{', '.join(against)}: answers fall as the trait rises. Reverse the item by its "
            "declared range if it is worded the other way; nothing was reversed here."
        )
    steep = slopes.loc[slopes["estimate"].abs() > STEEP, "item"]
    if len(steep):
        notes.append(
            f"{', '.join(steep)}: a discrimination above {STEEP:g} says that the item nearly "
            "decides the trait alone; look for items that repeat each other."
        )
    if fit.n_best < fit.n_starts:
        notes.append(
            f"{fit.n_best} of {fit.n_starts} starting points led to the best maximum: there are "
            "others, with a lower likelihood. Try more random starts."
        )
    notes.append("People of one agency are taken as independent: the intervals may be too narrow.")
    return tuple(notes)
