"""What a reader must know before using a confirmatory factor model, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpi_analysis.fidelity.confirmatory_fit import ConfirmatoryFit
from cpi_analysis.fidelity.factor_structure import fill_matrices
from cpi_analysis.fidelity.factor_tables import FactorModel

#: How many names a note shows.
_SHOWN = 5
#: A residual variance below this share of the item's variance is as good as none.
_NO_RESIDUAL = 1e-6
#: Items with so few different answers are ordered categories; with so many people it matters less
#: (docs/studies/fidelity_fit_decisions.md).
_FEW_ANSWERS = 7
_ENOUGH_PEOPLE = 300


def find_heywood_items(estimates: pd.DataFrame) -> tuple[str, ...]:
    """Return the items of which the residual variance is not above 0."""
    residual = estimates[estimates["parameter"] == "residual variance"]
    return tuple(residual.loc[~(residual["standardised"] > _NO_RESIDUAL), "item"])


def describe_solution(
    model: FactorModel, fit: ConfirmatoryFit, estimates: pd.DataFrame
) -> list[str]:
    """Return notes on improper solutions: Heywood cases, factors that are one, singular Σ."""
    notes = []
    heywood = find_heywood_items(estimates)
    if heywood:
        notes.append(
            f"Heywood case: the residual variance of {_list(heywood)} is not above 0, which no "
            "population has. Leave out an item that repeats another, join factors, or collect "
            "more answers; standardised values of these items mean nothing."
        )
    factors = fill_matrices(fit.structure, fit.theta)[0].factors
    spread = np.sqrt(np.maximum(np.diag(factors), 1e-300))
    correlations = factors / np.outer(spread, spread)
    first, second = np.triu_indices(len(factors), 1)
    over = [
        f"{model.factors[a]} and {model.factors[b]}"
        for a, b in zip(first, second, strict=True)
        if abs(correlations[a, b]) >= 1
    ]
    if over:
        notes.append(
            f"The correlation of {_list(over)} is 1 or beyond: the answers do not tell these "
            "factors apart. Join them."
        )
    elif len(factors) and np.linalg.eigvalsh(factors)[0] <= 0:
        notes.append(
            "The covariance of the factors is not positive definite: some factor is a mixture of "
            "the others. Ask for fewer factors."
        )
    return notes


def describe_people(n_kept: int, n_all: int, missing: str) -> list[str]:
    """Return a note on people left out."""
    if n_kept == n_all:
        return []
    left = n_all - n_kept
    if missing == "listwise":
        return [
            f"{left} of {n_all} people left out because an answer is missing (listwise): right "
            "only if answers are missing completely at random. Compare with missing='pairwise' "
            "(ordered items) or missing='fiml' (measurements)."
        ]
    return [f"{left} of {n_all} people left out: they answered no item of the model."]


def describe_few_answers(answers: np.ndarray) -> list[str]:
    """Return a note when ordered answers are treated as measurements in a small sample."""
    n = len(answers)
    most = max(len(np.unique(column[~np.isnan(column)])) for column in answers.T)
    if n >= _ENOUGH_PEOPLE or most > _FEW_ANSWERS:
        return []
    return [
        f"The items have at most {most} different answers, taken here as measurements of {n} "
        "people: the test then rejects true models too often, above all when answers are skewed. "
        "Use estimator='wlsmv' for ordered answers."
    ]


def describe_search(fit: ConfirmatoryFit) -> str:
    """Return how sharply the search ended."""
    return (
        f"The search ended with no derivative above {fit.gradient:.0e}. That a search ends says "
        "nothing about fit."
    )


def _list(names: tuple[str, ...] | list[str]) -> str:
    more = " and others" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
