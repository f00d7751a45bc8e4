"""How many components: Velicer's minimum average partial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.fidelity.item_correlations import correlate_items
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
#: What is left of an item's variance below this is rounding.
NOTHING_LEFT = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MinimumAveragePartialResult(Result):
    """Average squared partial correlation after each number of components.

    Parameters
    ----------
    n_factors
        The number of components at which it is smallest.
    n_targets, n_items
        People and items.
    """

    title: ClassVar[str] = "Minimum average partial"

    n_factors: int
    n_targets: int
    n_items: int

    def summary(self) -> str:
        """Return the number of components at the minimum."""
        plural = "" if self.n_factors == 1 else "s"
        return (
            f"The average squared partial correlation of {self.n_items} items is smallest after "
            f"{self.n_factors} component{plural}."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        ax.plot(self.estimates["component"], self.estimates["estimate"], "o-", color="#0072B2")
        ax.axvline(self.n_factors, color="black", linestyle="--", linewidth=1)
        ax.set_xlabel("Components taken out")
        ax.set_ylabel("Average squared partial correlation")
        ax.spines[["top", "right"]].set_visible(False)


def compute_minimum_average_partial(
    items: pd.DataFrame, *, correlation: str = "pearson"
) -> MinimumAveragePartialResult:
    """Compute what correlation is left between items after each number of components.

    Parameters
    ----------
    items
        People × items, numeric; a missing answer is NaN.
    correlation
        ``pearson``, or ``polychoric`` for ordered categories.

    Returns
    -------
    MinimumAveragePartialResult
        One row per number of components taken out, from 0: ``component``, ``estimate``.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 for the table or an unknown choice.
    ModelError
        CPI-M006, CPI-M008 for items that have no correlation.

    Notes
    -----
    After m principal components, C = R − A A′; the average is that of the squared elements of
    C, scaled to a unit diagonal, off the diagonal. It falls while components take out what items
    share, and rises once they take out what is single items' own.

    References
    ----------
    Velicer WF. Psychometrika 1976;41:321-327.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import compute_minimum_average_partial
    >>> rng = np.random.default_rng(1)
    >>> items = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 5)))
    >>> compute_minimum_average_partial(items).n_factors
    1
    """
    found = correlate_items(items, correlation=correlation)
    averages = compute_average_partials(found.matrix)
    kind = found.kind.replace("pearson", "Pearson")
    return MinimumAveragePartialResult(
        estimates=pd.DataFrame({"component": np.arange(len(averages)), "estimate": averages}),
        n_participants=None,
        n_agencies=None,
        method=f"average squared partial {kind} correlation after principal components",
        notes=found.notes,
        n_factors=int(np.argmin(averages)),
        n_targets=found.n_people,
        n_items=len(found.names),
    )


def compute_average_partials(correlation: Array) -> Array:
    """Return the averages after 0, 1, 2, … components, as long as every item has variance left.

    Examples
    --------
    >>> compute_average_partials(np.array([[1.0, 0.5], [0.5, 1.0]])).tolist()
    [0.25]
    """
    n_items = len(correlation)
    values, vectors = np.linalg.eigh(correlation)
    components = (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1]
    averages = []
    for taken in range(n_items - 1):
        rest = correlation - components[:, :taken] @ components[:, :taken].T
        left = np.diag(rest)
        if left.min() <= NOTHING_LEFT:
            break
        partial = rest / np.sqrt(np.outer(left, left))
        averages.append((float((partial**2).sum()) - n_items) / (n_items * (n_items - 1)))
    return np.array(averages)
