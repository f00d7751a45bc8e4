"""What must stand beside alpha: omega of one factor, and how many dimensions the items have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity.factor_extraction import extract_minres
from cpi_analysis.fidelity.parallel_references import draw_normal_eigenvalues

#: References of the parallel analysis, their seed and quantile: fixed, so that alpha needs none.
REPLICATES = 500
SEED = 20190101
QUANTILE = 0.95
#: With fewer items one factor cannot be found.
FEWEST_ITEMS = 3

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DimensionCheck:
    """Omega total of one factor, and the number of dimensions by parallel analysis.

    Parameters
    ----------
    omega
        Of the sum of the items; None when it cannot be found.
    n_dimensions
        Eigenvalues above the 95% quantile of independent normal answers; None with fewer than
        three items.
    notes
        What they say about alpha.
    """

    omega: float | None
    n_dimensions: int | None
    notes: tuple[str, ...]


def check_dimensions(answers: Array) -> DimensionCheck:
    """Return omega and the number of dimensions of complete answers.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> answers = rng.normal(size=(200, 1)) + rng.normal(size=(200, 5))
    >>> check_dimensions(answers).n_dimensions
    1
    """
    n_people, n_items = answers.shape
    if n_items < FEWEST_ITEMS or n_people < FEWEST_ITEMS:
        return DimensionCheck(omega=None, n_dimensions=None, notes=())
    correlation = np.asarray(np.corrcoef(answers, rowvar=False))
    drawn = draw_normal_eigenvalues(n_people, n_items, replicates=REPLICATES, seed=SEED)
    is_above = np.linalg.eigvalsh(correlation)[::-1] > np.quantile(drawn, QUANTILE, axis=0)
    n_dimensions = int(n_items if is_above.all() else np.argmin(is_above))
    omega, omega_note = _compute_omega(answers, correlation)
    return DimensionCheck(
        omega=omega,
        n_dimensions=n_dimensions,
        notes=(*_describe(n_dimensions), *omega_note),
    )


def _compute_omega(answers: Array, correlation: Array) -> tuple[float | None, tuple[str, ...]]:
    try:
        found = extract_minres(correlation, 1)
    except ModelError:
        return None, ("No omega: a model of one factor could not be fitted to the items.",)
    spread = answers.std(axis=0, ddof=1)
    total = float(answers.sum(axis=1).var(ddof=1))
    omega = 1 - float((spread**2 * found.uniquenesses).sum()) / total
    if found.is_at_bound.any():
        return omega, (
            "Omega rests on a Heywood case: one factor would explain an item entirely. It is not "
            "to be relied on.",
        )
    return omega, ()


def _describe(n_dimensions: int) -> tuple[str, ...]:
    if n_dimensions == 1:
        return ()
    if n_dimensions == 0:
        return (
            "Parallel analysis finds no dimension that the items share: alpha is not a "
            "reliability of anything here.",
        )
    return (
        f"Parallel analysis finds {n_dimensions} dimensions: alpha and omega of one factor mix "
        "them. See estimate_omega for a general factor, and fit_factor_model for the structure.",
    )
