"""McDonald's omega, total and hierarchical, from a Schmid-Leiman solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.fidelity.covariance_reliability import compute_alpha_of
from cpi_analysis.fidelity.factor_extraction import extract_minres
from cpi_analysis.fidelity.factor_model import fit_factor_model
from cpi_analysis.fidelity.item_correlations import correlate_items
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OmegaResult(Result):
    """Reliability of the sum of the items under a general factor and group factors.

    Parameters
    ----------
    schmid_leiman
        Per item: ``general``, one column per group factor, ``communality``, ``uniqueness``.
    against_the_general
        Items that load negatively on the general factor. Nothing is reversed.
    n_targets, n_items, n_factors
        People with an answer, items, group factors (1: a single factor and no groups).
    """

    title: ClassVar[str] = "McDonald's omega"

    schmid_leiman: pd.DataFrame
    against_the_general: tuple[str, ...]
    n_targets: int
    n_items: int
    n_factors: int

    def summary(self) -> str:
        """Return omega total and hierarchical beside alpha."""
        values = self.estimates.set_index("quantity")["estimate"]
        parts = [
            f"{name} is {round_half_up(float(values[name]), 2)}"
            for name in ("omega total", "omega hierarchical", "alpha")
            if name in values.index
        ]
        return f"Of {self.n_items} items in {self.n_targets} people, {', '.join(parts)}."

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.structural_figures import draw_matrix

        draw_matrix(ax, self.schmid_leiman.iloc[:, :-2], label="Schmid-Leiman loading")


def estimate_omega(
    items: pd.DataFrame,
    *,
    n_factors: int,
    extraction: str = "minres",
    correlation: str = "pearson",
    starts: int = 10,
    seed: int = 1,
) -> OmegaResult:
    """Estimate how much of the sum of the standardised items is due to common factors.

    Parameters
    ----------
    items
        People × items, items to be reversed already reversed; a missing answer is NaN.
    n_factors
        Number of group factors below the general one; 1 for a single factor. Three or more
        identify the general factor.
    extraction, correlation, starts, seed
        As in :func:`fit_factor_model`.

    Returns
    -------
    OmegaResult
        ``quantity``, ``estimate``: omega total, omega hierarchical and its limit for endlessly
        many items of the kind (with two group factors or more), and alpha of the same
        correlations.

    Raises
    ------
    DataError, ModelError
        As :func:`fit_factor_model`; also CPI-M008 when the general factor cannot be found.

    Notes
    -----
    Oblimin factors with correlations Φ are factored once more: Φ ≈ γγ′. An item's loading on
    the general factor is g = Λγ, on group factor m λₘ √(1 − γ²ₘ). With R the correlations,
    ω total = 1 − Σψ / ΣΣR and ω hierarchical = (Σg)² / ΣΣR; its limit is (Σg)² / (ΣΣR − Σψ).
    Two group factors do not identify the general one: both then load equally, √φ.

    References
    ----------
    Schmid J, Leiman JM. Psychometrika 1957;22:53-61.
    Zinbarg RE, Revelle W, Yovel I, Li W. Psychometrika 2005;70:123-133.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_omega
    >>> rng = np.random.default_rng(1)
    >>> items = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 4)))
    >>> estimate_omega(items, n_factors=1).tidy()["quantity"].tolist()
    ['omega total', 'alpha']
    """
    model = fit_factor_model(
        items,
        n_factors=n_factors,
        extraction=extraction,
        rotation="oblimin",
        correlation=correlation,
        starts=starts,
        seed=seed,
    )
    found = correlate_items(items, correlation=correlation)
    general, groups, gamma = compute_schmid_leiman(
        model.loadings.to_numpy(), model.factor_correlation.to_numpy()
    )
    uniquenesses = model.uniquenesses.to_numpy()
    rows = compute_omegas(found.matrix, general, uniquenesses)
    if n_factors == 1:
        rows = {"omega total": rows["omega total"]}
    rows["alpha"] = float(compute_alpha_of(found.matrix))
    names = list(model.loadings.index)
    loadings = {"general": general}
    if n_factors > 1:
        loadings |= {f"group_{number + 1}": column for number, column in enumerate(groups.T)}
    against = tuple(name for name, loading in zip(names, general, strict=True) if loading < 0)
    size = "1 factor" if n_factors == 1 else f"{n_factors} group factors and a general one"
    return OmegaResult(
        estimates=pd.DataFrame({"quantity": list(rows), "estimate": list(rows.values())}),
        n_participants=None,
        n_agencies=None,
        method=f"Schmid-Leiman solution of {size}; {model.method}",
        seed=seed,
        estimand="share of the variance of the sum of the standardised items that is due to all "
        "common factors (total) or to the general one (hierarchical)",
        notes=(*_describe(n_factors, gamma, against), *model.notes),
        schmid_leiman=pd.DataFrame(
            {**loadings, "communality": 1 - uniquenesses, "uniqueness": uniquenesses}, index=names
        ),
        against_the_general=against,
        n_targets=model.n_targets,
        n_items=len(names),
        n_factors=n_factors,
    )


def compute_schmid_leiman(loadings: Array, factor_correlation: Array) -> tuple[Array, Array, Array]:
    """Return loadings on the general factor, on the group factors, and γ of the factors.

    Examples
    --------
    >>> loadings = np.array([[0.8, 0.0], [0.6, 0.0], [0.0, 0.7], [0.0, 0.7]])
    >>> general, _, gamma = compute_schmid_leiman(loadings, np.array([[1.0, 0.49], [0.49, 1.0]]))
    >>> gamma.round(3).tolist(), general.round(3).tolist()
    ([0.7, 0.7], [0.56, 0.42, 0.49, 0.49])
    """
    k = len(factor_correlation)
    if k == 1:
        return loadings[:, 0], np.zeros_like(loadings), np.ones(1)
    if k == 2:
        phi = float(factor_correlation[0, 1])
        gamma = np.array([1.0, np.sign(phi)]) * np.sqrt(abs(phi))
    else:
        gamma = extract_minres(factor_correlation, 1).loadings[:, 0]
    if not np.abs(gamma).max() > 0:
        raise refuse_items(
            "the factors do not correlate, so there is no general factor",
            "report omega total of each factor's items alone (n_factors=1)",
        )
    general = loadings @ gamma
    if general.sum() < 0:
        general, gamma = -general, -gamma
    return general, np.asarray(loadings * np.sqrt(np.maximum(1 - gamma**2, 0.0))), gamma


def compute_omegas(correlation: Array, general: Array, uniquenesses: Array) -> dict[str, float]:
    """Return omega total, hierarchical, and the limit of the latter."""
    total = float(correlation.sum())
    common = float(general.sum() ** 2)
    left = float(uniquenesses.sum())
    return {
        "omega total": 1 - left / total,
        "omega hierarchical": common / total,
        "omega hierarchical, limit": common / (total - left),
    }


def _describe(n_factors: int, gamma: Array, against: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    if n_factors == 1:
        notes.append(
            "One factor: omega total takes for granted that the items measure one thing. See "
            "estimate_parallel_analysis for whether they do."
        )
    if n_factors == 2:
        notes.append(
            "Two group factors do not identify a general one: it was given equal weight in both. "
            "Omega hierarchical rests on that."
        )
    if n_factors > 2 and np.abs(gamma).max() > 1 - 1e-2:
        notes.append(
            "A group factor is the general factor itself (Heywood case of the second order): "
            "ask for another number of factors."
        )
    if against:
        notes.append(
            f"Negative loading on the general factor: {', '.join(against)}. These may be worded "
            "the other way round; nothing was reversed here, and omega is too low if they are."
        )
    return tuple(notes)
