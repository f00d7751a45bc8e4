"""Lower bounds of the reliability: Guttman's lambdas, and all splits in halves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.fidelity.complete_items import describe_left_out, keep_complete
from cpi_analysis.fidelity.covariance_reliability import compute_lambdas
from cpi_analysis.inference.input_checks import check_resampling
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: All splits are tried when there are not more of them than this; otherwise as many are drawn.
MOST_SPLITS = 200_000

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SplitHalfResult(Result):
    """Guttman's lower bounds, and the distribution of the reliability over splits in halves.

    Parameters
    ----------
    splits
        Reliability of every split that was tried.
    best_half, worst_half
        Items of one half of the best and of the worst split.
    is_exhaustive
        Whether every split was tried.
    n_targets, n_items
        People with every answer, and items.
    """

    title: ClassVar[str] = "Split halves and Guttman's bounds"

    splits: Array
    best_half: tuple[str, ...]
    worst_half: tuple[str, ...]
    is_exhaustive: bool
    n_targets: int
    n_items: int

    def summary(self) -> str:
        """Return the range of the split halves in one sentence."""
        low, mean, high = (
            round_half_up(float(value), 2)
            for value in (self.splits.min(), self.splits.mean(), self.splits.max())
        )
        what = "All" if self.is_exhaustive else "Sampled"
        return (
            f"{what} {len(self.splits)} splits of {self.n_items} items in {self.n_targets} people "
            f"have reliabilities from {low} to {high}, on average {mean}."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        ax.hist(self.splits, bins="sturges", color="#0072B2", edgecolor="white")
        ax.set_xlabel("Reliability of the split in halves")
        ax.set_ylabel("Splits")
        ax.spines[["top", "right"]].set_visible(False)


def compute_split_halves(
    items: pd.DataFrame, *, is_standardised: bool = False, seed: int = 1
) -> SplitHalfResult:
    """Compute Guttman's six lower bounds and the reliability of all splits in halves.

    Parameters
    ----------
    items
        People × items; only people who answered every item are used.
    is_standardised
        Whether items are given the same variance before.
    seed
        Of the splits that are drawn when there are more than 200,000 (more than 20 items).

    Returns
    -------
    SplitHalfResult
        ``quantity``, ``estimate``: lambda 1 to 6, and the largest, mean and smallest split. All
        are reliabilities of the sum of the items.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 when the table does not hold items; CPI-E047 for the seed.
    ModelError
        CPI-M006, CPI-M008 when the items have no reliability.

    Notes
    -----
    A split in halves A and B has 4 cov(A, B) / s² (Guttman, Flanagan); with an odd number of
    items one half has one item more. λ₁ = 1 − Σs²ᵢ/s²; λ₂ = λ₁ + √(k/(k − 1) Σ c²ᵢⱼ)/s²; λ₃ is
    Cronbach's alpha; λ₄ the best split; λ₅ = λ₁ + 2√(max Σⱼ c²ᵢⱼ)/s²; λ₆ = 1 − Σe²ᵢ/s², e² being
    what the other items do not predict. The best of many splits capitalises on chance: with few
    people λ₄ is too high.

    References
    ----------
    Guttman L. Psychometrika 1945;10:255-282.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import compute_split_halves
    >>> items = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 1, 4, 3], "c": [1, 1, 2, 2]})
    >>> compute_split_halves(items).tidy()["estimate"].round(3).tolist()[2]
    0.84
    """
    check_resampling(2, seed)
    complete = keep_complete(items)
    covariance = np.cov(complete.to_numpy(), rowvar=False)
    if is_standardised:
        spread = np.sqrt(np.diag(covariance))
        covariance = covariance / np.outer(spread, spread)
    k = len(covariance)
    halves, is_exhaustive = list_halves(k, seed=seed)
    splits = compute_splits(covariance, halves)
    names = np.array([str(name) for name in complete.columns], dtype=object)
    lambdas = compute_lambdas(covariance, float(splits.max()))
    rows = {f"lambda {number}": getattr(lambdas, f"lambda_{number}") for number in range(1, 7)}
    rows |= {
        "largest split half": float(splits.max()),
        "mean split half": float(splits.mean()),
        "smallest split half": float(splits.min()),
    }
    notes = [*describe_left_out(len(complete), len(items))]
    if not np.isfinite(lambdas.lambda_6):
        notes.append("No lambda 6: an item is a sum of others, so its error cannot be told.")
    if splits.min() < 0:
        notes.append(
            "A split has a negative reliability: its halves disagree. Check for items to reverse."
        )
    return SplitHalfResult(
        estimates=pd.DataFrame({"quantity": list(rows), "estimate": list(rows.values())}),
        n_participants=None,
        n_agencies=None,
        method="lower bounds of the reliability of the sum of the "
        + ("standardised items" if is_standardised else "items"),
        seed=None if is_exhaustive else seed,
        estimand="share of the variance of the total score that is true-score variance, at least",
        notes=tuple(notes),
        splits=splits,
        best_half=tuple(names[halves[splits.argmax()] > 0]),
        worst_half=tuple(names[halves[splits.argmin()] > 0]),
        is_exhaustive=is_exhaustive,
        n_targets=len(complete),
        n_items=k,
    )


def list_halves(n_items: int, *, seed: int) -> tuple[Array, bool]:
    """Return marks of one half per split (splits × items), and whether these are all splits.

    Examples
    --------
    >>> list_halves(4, seed=1)[0].tolist()
    [[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
    """
    size = n_items // 2
    is_even = n_items % 2 == 0
    n_splits = comb(n_items, size) // (2 if is_even else 1)
    if n_splits <= MOST_SPLITS:
        # With an even number the first item is in the first half, or each split came twice.
        chosen = (
            [(0, *rest) for rest in combinations(range(1, n_items), size - 1)]
            if is_even
            else list(combinations(range(n_items), size))
        )
        places = np.array(chosen)
    else:
        rng = np.random.default_rng(seed)
        order = rng.permuted(np.tile(np.arange(n_items), (MOST_SPLITS, 1)), axis=1)
        places = order[:, :size]
    halves = np.zeros((len(places), n_items))
    np.put_along_axis(halves, places, 1.0, axis=1)
    return halves, n_splits <= MOST_SPLITS


def compute_splits(covariance: Array, halves: Array) -> Array:
    """Return 4 cov(A, B) / s² for every split."""
    between = ((halves @ covariance) * (1 - halves)).sum(axis=1)
    return np.asarray(4 * between / covariance.sum())
