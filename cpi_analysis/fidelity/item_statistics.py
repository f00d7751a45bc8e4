"""What each item does: how it was answered, and how it goes with the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.covariance_reliability import (
    compute_alpha_if_deleted,
    compute_alpha_of,
    compute_item_rest,
)
from cpi_analysis.fidelity.item_correlations import correlate_pairwise
from cpi_analysis.fidelity.thresholds import MOST_CATEGORIES, check_items
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: An item counts as piled up when more than this share answered at one end. A convention.
PILED_UP = 0.50
#: A loading on the first component this far against the others makes an item suspect.
AGAINST = -0.30
#: What a missing answer without a stated reason is called.
NO_REASON = "no reason given"

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ItemStatisticsResult(Result):
    """How each item was answered and how it goes with the others.

    Parameters
    ----------
    frequencies
        Items × answers: share of those who answered.
    missing
        Items × reasons: number of missing answers.
    inter_item
        Items × items: Pearson correlations of those who answered both.
    alpha
        Cronbach's alpha of all items; None when it cannot be computed.
    mean_inter_item
        Mean of the correlations between items.
    suspects
        Items that may be worded the other way round, or belong elsewhere. Nothing is reversed.
    n_targets, n_complete, n_items
        People with an answer, people with every answer, items.
    """

    title: ClassVar[str] = "Item statistics"

    frequencies: pd.DataFrame
    missing: pd.DataFrame
    inter_item: pd.DataFrame
    alpha: float | None
    mean_inter_item: float | None
    suspects: tuple[str, ...]
    n_targets: int
    n_complete: int
    n_items: int

    def summary(self) -> str:
        """Return the range of the item-rest correlations, and the suspects."""
        known = self.estimates["item_rest"].dropna()
        text = f"{self.n_items} items answered by {self.n_targets} people"
        if len(known):
            low, high = (round_half_up(float(v), 2) for v in (known.min(), known.max()))
            text += f": item-rest correlations from {low} to {high}"
        if self.suspects:
            text += f"; perhaps reversed: {', '.join(self.suspects)}"
        return f"{text}."

    def _facts(self) -> list[str]:
        return [
            f"{self.n_targets} people or targets",
            f"{self.n_complete} with every answer",
            f"{self.n_items} items",
            *super()._facts(),
        ]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.item_figures import draw_diverging_bars

        draw_diverging_bars(ax, self.frequencies)


def compute_item_statistics(
    items: pd.DataFrame,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    missing_reasons: pd.DataFrame | None = None,
) -> ItemStatisticsResult:
    """Compute how each item was answered, and how it goes with the others.

    Parameters
    ----------
    items
        People × items: one row per person, one numeric column per item; a missing answer is NaN.
    minimum, maximum
        The lowest and highest answer on offer; None takes those that occur in any item.
    missing_reasons
        A table of the same shape with the reason of each missing answer, such as
        ``not_applicable``, ``not_observed``, ``skipped``; elsewhere it is empty.

    Returns
    -------
    ItemStatisticsResult
        One row per item: ``item``, ``n`` (who answered), ``n_missing``, ``mean``, ``std_dev``,
        ``floor`` and ``ceiling`` (share at the lowest and highest answer on offer),
        ``item_rest`` (correlation with the sum of the other items), ``alpha_if_deleted``,
        ``is_suspect``.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 when a table does not hold items or the reasons do not fit the
        items; CPI-E036 when an answer is outside the range on offer.
    ModelError
        CPI-M006 for an infinite answer; CPI-M008 for fewer than two items.

    Notes
    -----
    Frequencies, means and floor and ceiling are of everybody who answered the item; item-rest
    correlations and alpha of those who answered every item. An item is suspect when its
    loading on the first principal component is below −0.30 while most load positively, or below
    0.30 with a negative item-rest correlation. It is reported and never reversed: that is for
    the item key, where the range is declared.

    References
    ----------
    Nunnally JC, Bernstein IH. Psychometric theory. 3rd ed. McGraw-Hill 1994, chapter 8.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import compute_item_statistics
    >>> items = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 3, 3, 4], "c": [4, 3, 1, 1]})
    >>> compute_item_statistics(items, minimum=1, maximum=5).suspects
    ('c',)
    """
    answers = check_items(items)
    names = tuple(map(str, items.columns))
    low, high = _find_range(answers, minimum, maximum, names)
    reasons = _tabulate_missing(items, answers, missing_reasons)
    is_there = ~np.isnan(answers)
    answers, is_there = answers[is_there.any(axis=1)], is_there[is_there.any(axis=1)]
    complete = answers[is_there.all(axis=1)]
    covariance = _covary(complete)
    correlation = correlate_pairwise(answers)[0]
    item_rest = compute_item_rest(covariance)
    suspect = _find_suspects(item_rest, correlation)
    counts = is_there.sum(axis=0)
    filled = np.where(is_there, answers, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / counts
        squares = (np.where(is_there, answers - mean, 0.0) ** 2).sum(axis=0)
        estimates = pd.DataFrame(
            {
                "item": names,
                "n": counts,
                "n_missing": len(items) - counts,
                "mean": mean,
                "std_dev": np.sqrt(squares / np.maximum(counts - 1, 0)),
                "floor": (answers == low).sum(axis=0) / counts,
                "ceiling": (answers == high).sum(axis=0) / counts,
                "item_rest": item_rest,
                "alpha_if_deleted": compute_alpha_if_deleted(covariance),
                "is_suspect": suspect,
            }
        )
    alpha = float(compute_alpha_of(covariance))
    off_diagonal = correlation[np.triu_indices(len(names), 1)]
    known = off_diagonal[~np.isnan(off_diagonal)]
    return ItemStatisticsResult(
        estimates=estimates,
        n_participants=None,
        n_agencies=None,
        method="answers of everybody who answered the item; item-rest correlations and alpha of "
        "those who answered every item",
        notes=_describe(estimates, len(complete), alpha),
        frequencies=_tabulate_frequencies(answers, counts, names, (low, high)),
        missing=reasons,
        inter_item=pd.DataFrame(correlation, index=list(names), columns=list(names)),
        alpha=alpha if np.isfinite(alpha) else None,
        mean_inter_item=float(known.mean()) if len(known) else None,
        suspects=tuple(np.array(names, dtype=object)[suspect]),
        n_targets=len(answers),
        n_complete=len(complete),
        n_items=len(names),
    )


def _covary(complete: Array) -> Array:
    n_items = complete.shape[1]
    if len(complete) < 3:
        return np.full((n_items, n_items), np.nan)
    return np.asarray(np.cov(complete, rowvar=False))


def _find_suspects(item_rest: Array, correlation: Array) -> NDArray[np.bool_]:
    values, vectors = np.linalg.eigh(np.nan_to_num(correlation))
    loading = vectors[:, -1] * np.sqrt(max(float(values[-1]), 0.0))
    loading = loading if (loading > 0).sum() >= (loading < 0).sum() else -loading
    # One reversed item pulls down the total that the others are held against: an item that
    # loads well is not suspect for that.
    is_low = (np.nan_to_num(item_rest) < -1e-12) & (loading < -AGAINST)
    return np.asarray(is_low | (loading < AGAINST))


def _find_range(
    answers: Array, minimum: float | None, maximum: float | None, names: tuple[str, ...]
) -> tuple[float, float]:
    known = answers[~np.isnan(answers)]
    low = float(minimum) if minimum is not None else float(np.min(known, initial=np.inf))
    high = float(maximum) if maximum is not None else float(np.max(known, initial=-np.inf))
    with np.errstate(invalid="ignore"):
        is_outside = np.asarray(((answers < low) | (answers > high)).any(axis=0))
    if is_outside.any():
        outside = [name for name, flag in zip(names, is_outside, strict=True) if flag]
        raise DataError(
            Fault(
                code="CPI-E036",
                table="items",
                column=", ".join(outside),
                rule="an answer is outside the range on offer",
                cure="correct the answers, or the range",
                allowed=f"{low:g} to {high:g}",
            )
        )
    return low, high


def _tabulate_frequencies(
    answers: Array, counts: NDArray[np.intp], names: tuple[str, ...], limits: tuple[float, float]
) -> pd.DataFrame:
    values = np.unique(answers[~np.isnan(answers)])
    if (values == np.rint(values)).all() and 0 <= limits[1] - limits[0] < MOST_CATEGORIES:
        # Categories that nobody chose are shown too.
        values = np.union1d(values, np.arange(np.ceil(limits[0]), limits[1] + 1))
    shares = (answers[:, :, None] == values).sum(axis=0) / np.maximum(counts, 1)[:, None]
    columns = [int(value) if value == np.rint(value) else float(value) for value in values]
    return pd.DataFrame(shares, index=list(names), columns=columns)


def _tabulate_missing(
    items: pd.DataFrame, answers: Array, missing_reasons: pd.DataFrame | None
) -> pd.DataFrame:
    is_missing = np.isnan(answers)
    names = [str(name) for name in items.columns]
    if missing_reasons is None:
        return pd.DataFrame({NO_REASON: is_missing.sum(axis=0)}, index=names)
    check_table(missing_reasons, "missing_reasons")
    has_same_shape = missing_reasons.index.equals(items.index) and set(items.columns) <= set(
        missing_reasons.columns
    )
    if not has_same_shape:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="missing_reasons",
                rule="the reasons do not have the same people and items as the answers",
                cure="give a table with the index and the columns of items",
            )
        )
    said = missing_reasons[list(items.columns)].astype(object)
    reasons = said.where(said.notna(), NO_REASON).to_numpy()
    given = sorted({str(reason) for reason in reasons[is_missing]} - {NO_REASON})
    return pd.DataFrame(
        {reason: ((reasons == reason) & is_missing).sum(axis=0) for reason in (*given, NO_REASON)},
        index=names,
    )


def _describe(estimates: pd.DataFrame, n_complete: int, alpha: float) -> tuple[str, ...]:
    notes = []
    suspects = ", ".join(estimates.loc[estimates["is_suspect"], "item"])
    if suspects:
        notes.append(
            f"Against the other items: {suspects}. These may be worded the other way round, or "
            "belong to another scale; nothing was reversed here. If they are reversed, say so in "
            "the item key."
        )
    flat = ", ".join(estimates.loc[estimates["std_dev"] == 0, "item"])
    if flat:
        notes.append(
            f"Everybody gave the same answer: {flat}. Such an item tells nobody apart; leave it "
            "out and say so."
        )
    for column, end in (("floor", "lowest"), ("ceiling", "highest")):
        piled = ", ".join(estimates.loc[estimates[column] > PILED_UP, "item"])
        if piled:
            notes.append(f"More than half gave the {end} answer: {piled}.")
    if not np.isfinite(alpha):
        notes.append(
            f"{n_complete} people answered every item, or their total does not vary: no item-rest "
            "correlation and no alpha."
        )
    elif (estimates["n_missing"] > 0).any():
        notes.append(
            f"Item-rest correlations and alpha rest on the {n_complete} people with every answer."
        )
    return tuple(notes)
