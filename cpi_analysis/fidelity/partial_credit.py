"""The partial credit model of ordered answers; with two categories, the Rasch model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.fidelity.item_curves import CURVE_POINTS, tabulate_curves, tabulate_people
from cpi_analysis.fidelity.partial_credit_fit import (
    PartialCreditFit,
    compute_category_probabilities,
    fit_partial_credit_model,
)
from cpi_analysis.fidelity.partial_credit_people import compute_item_fit, locate_people
from cpi_analysis.fidelity.polychoric import describe_coding
from cpi_analysis.fidelity.sample_gate import describe_sample_gate
from cpi_analysis.fidelity.thresholds import CodedItems, encode_items
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Mean squares outside this range are pointed out: a convention for rating scales.
FITTING = (0.6, 1.4)

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PartialCreditResult(Result):
    """Thresholds of ordered items on one scale with the people.

    Parameters
    ----------
    item_fit
        Per item: ``infit``, ``infit_z``, ``outfit``, ``outfit_z`` and ``n`` people they rest on.
    curves
        Probability of each answer: ``item``, ``answer``, ``trait``, ``proportion``.
    people
        Per row of the items: ``estimate`` (weighted likelihood) and ``std_error``; missing for
        people without any answer.
    separation
        Share of the variance of the people's places that is not error, in people whose score is
        neither the lowest nor the highest; None when errors are larger than the variance.
    log_likelihood
        Conditional on the raw scores.
    n_parameters
        Thresholds that can vary: one fewer than there are.
    n_targets, n_items
        People with at least one answer, and items.
    n_extreme
        People with the lowest or highest score, who say nothing about the items.
    """

    title: ClassVar[str] = "Partial credit model"

    item_fit: pd.DataFrame
    curves: pd.DataFrame
    people: pd.DataFrame
    separation: float | None
    log_likelihood: float
    n_parameters: int
    n_targets: int
    n_items: int
    n_extreme: int

    def summary(self) -> str:
        """Return how many items fit, and the separation, in one sentence."""
        outfit = self.item_fit["outfit"]
        fitting = int(outfit.between(*FITTING).sum())
        told = "" if self.separation is None else f"; separation reliability {self._separation()}"
        return (
            f"{fitting} of {self.n_items} items have an outfit between {FITTING[0]:g} and "
            f"{FITTING[1]:g} in {self.n_targets} people{told}."
        )

    def _separation(self) -> str:
        return "" if self.separation is None else round_half_up(self.separation, 2)

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.response_figures import draw_people_and_thresholds

        rows = self.estimates[self.estimates["term"].str.startswith("threshold")]
        draw_people_and_thresholds(ax, self.people["estimate"], rows)


def fit_partial_credit(
    items: pd.DataFrame,
    *,
    categories: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    confidence_level: float = 0.95,
) -> PartialCreditResult:
    """Fit the partial credit model by conditional maximum likelihood.

    The estimand is, per item, the places of the trait at which two neighbouring answers are
    equally likely. Nothing is assumed about how the trait is distributed.

    Parameters
    ----------
    items
        People × items: one row per person, one numeric column per item; a missing answer is
        NaN, and people are compared with those who answered the same items. With two
        categories this is the Rasch model.
    categories
        Answers that were on offer, one list or a list per item; see
        :func:`compute_polychoric`.
    confidence_level
        Level of the intervals.

    Returns
    -------
    PartialCreditResult
        Rows per item: ``term`` ``location`` (mean of its thresholds), then ``threshold 1``, ...,
        with ``estimate``, ``std_error``, ``conf_low``, ``conf_high``; the mean of all thresholds
        is zero.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 for the table, E036 for an answer that is not on offer, E024 for
        the confidence level.
    ModelError
        CPI-M006, M008 for items that cannot be analysed, M001 when all scores are extreme, M005
        when the answers do not fix the thresholds.

    Notes
    -----
    P(k | θ) ∝ exp(k θ − Σ_{j≤k} δⱼ). The likelihood given the raw score does not hold θ.
    People's places are Warm's weighted likelihood estimates; infit and outfit use maximum
    likelihood places. A category that nobody chose is closed up: the score counts the answers
    that were used.

    References
    ----------
    Masters GN. Psychometrika 1982;47:149-174, equation 2.
    Warm TA. Psychometrika 1989;54:427-450.
    Wright BD, Masters GN. Rating scale analysis. MESA Press 1982.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import fit_partial_credit
    >>> items = pd.DataFrame({"a": [0, 0, 0, 1, 1], "b": [1, 1, 1, 0, 1], "c": [0, 1, 1, 0, 0]})
    >>> fit_partial_credit(items).n_extreme
    0
    """
    check_confidence_level(confidence_level)
    coded = encode_items(items, categories=categories)
    fit = fit_partial_credit_model(coded.codes, coded.n_categories)
    estimates = _tabulate(coded, fit, confidence_level)
    trait, error = locate_people(fit.difficulties, coded.codes, is_weighted=True)
    item_fit = _tabulate_fit(coded, fit)
    probabilities = [compute_category_probabilities(one, CURVE_POINTS) for one in fit.difficulties]
    n_parameters = sum(len(one) for one in fit.difficulties) - 1
    n_extreme = len(coded.codes) - fit.n_used
    return PartialCreditResult(
        estimates=estimates,
        n_participants=None,
        n_agencies=None,
        method="conditional maximum likelihood; errors from the observed information; mean "
        "threshold zero",
        confidence_level=confidence_level,
        estimand="places of the trait at which two neighbouring answers are equally likely",
        notes=_collect_notes(coded, item_fit, n_parameters, n_extreme),
        item_fit=item_fit,
        curves=tabulate_curves(coded, probabilities, CURVE_POINTS),
        people=tabulate_people(items, trait, error),
        separation=_compute_separation(fit, coded),
        log_likelihood=fit.log_likelihood,
        n_parameters=n_parameters,
        n_targets=len(coded.codes),
        n_items=len(coded.names),
        n_extreme=n_extreme,
    )


def _tabulate(coded: CodedItems, fit: PartialCreditFit, confidence_level: float) -> pd.DataFrame:
    lengths = [len(one) for one in fit.difficulties]
    ends = np.cumsum(lengths)
    constraint = np.zeros(ends[-1])
    constraint[ends - 1] = 1.0
    covariance = fit.covariance(constraint)
    rows, turns = [], []
    for name, sums, end, length in zip(coded.names, fit.difficulties, ends, lengths, strict=True):
        thresholds = np.diff(sums, prepend=0.0)
        values = np.concatenate([[thresholds.mean()], thresholds])
        terms = ["location", *(f"threshold {k}" for k in range(1, length + 1))]
        rows += [
            {"item": name, "term": term, "estimate": value}
            for term, value in zip(terms, values, strict=True)
        ]
        turn = np.zeros((length + 1, ends[-1]))
        turn[0, end - 1] = 1 / length
        block = np.arange(length)
        turn[block + 1, end - length + block] = 1.0
        turn[block[1:] + 1, end - length + block[1:] - 1] = -1.0
        turns.append(turn)
    turned = np.vstack(turns)
    error = np.sqrt(np.maximum(np.diag(turned @ covariance @ turned.T), 0.0))
    half = stats.norm.ppf(0.5 + confidence_level / 2) * error
    table = pd.DataFrame(rows).assign(std_error=error)
    return table.assign(conf_low=table["estimate"] - half, conf_high=table["estimate"] + half)


def _tabulate_fit(coded: CodedItems, fit: PartialCreditFit) -> pd.DataFrame:
    found = compute_item_fit(fit.difficulties, coded.codes)
    return pd.DataFrame(
        {
            "item": list(coded.names),
            "infit": found.infit,
            "infit_z": found.infit_z,
            "outfit": found.outfit,
            "outfit_z": found.outfit_z,
            "n": found.n,
        }
    )


def _compute_separation(fit: PartialCreditFit, coded: CodedItems) -> float | None:
    trait, error = locate_people(fit.difficulties, coded.codes, is_weighted=False)
    is_inner = ~np.isnan(trait)
    if is_inner.sum() < 2:
        return None
    variance = float(trait[is_inner].var(ddof=1))
    noise = float(np.mean(error[is_inner] ** 2))
    return (variance - noise) / variance if variance > noise else None


def _collect_notes(
    coded: CodedItems, item_fit: pd.DataFrame, n_parameters: int, n_extreme: int
) -> tuple[str, ...]:
    gate = describe_sample_gate(
        len(coded.codes),
        n_items=len(coded.names),
        n_parameters=n_parameters,
        lost_categories=tuple(coded.lost),
    )
    notes = list(dict.fromkeys([*gate.notes, *describe_coding(coded)]))
    if coded.lost:
        notes.append("Scores count the answers that were used, so a lost category is closed up.")
    if n_extreme:
        notes.append(
            f"{n_extreme} of {len(coded.codes)} people have the lowest or highest possible score: "
            "they say nothing about the items."
        )
    misfit = item_fit.loc[~item_fit["outfit"].between(*FITTING), "item"]
    if len(misfit):
        notes.append(
            f"Outfit outside {FITTING[0]:g} to {FITTING[1]:g}: {', '.join(misfit)}. Above, answers "
            "are noisier than the model expects; below, they repeat other items."
        )
    notes.append("People of one agency are taken as independent: the intervals may be too narrow.")
    return tuple(notes)
