"""Probability of each answer to an item along the trait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.thresholds import CodedItems
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Places on the trait at which curves are computed.
CURVE_POINTS: NDArray[np.float64] = np.linspace(-4.0, 4.0, 81)


class ResponseModel(Protocol):
    """A fitted model of answers: it has the curves of all its items."""

    title: ClassVar[str]

    @property
    def curves(self) -> pd.DataFrame:
        """Probability of each answer: ``item``, ``answer``, ``trait``, ``proportion``."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ItemCurveResult(Result):
    """Probability of each answer to one item.

    Parameters
    ----------
    item
        Name of the item.
    """

    title: ClassVar[str] = "Category curves of an item"

    item: str

    def summary(self) -> str:
        """Return how many answers are the likeliest one somewhere."""
        wide = self.estimates.pivot(index="trait", columns="answer", values="proportion")
        is_best = wide.eq(wide.max(axis=1), axis=0).any()
        never = [f"{answer:g}" for answer in wide.columns[~is_best.to_numpy()]]
        if not never:
            return f"Every answer to {self.item} is the likeliest one somewhere on the trait."
        return (
            f"Answers to {self.item} that are nowhere the likeliest one between trait "
            f"{wide.index.min():g} and {wide.index.max():g}: {', '.join(never)}."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.response_figures import draw_category_curves

        draw_category_curves(ax, self.estimates, title=self.item)


def compute_item_curves(model: ResponseModel, *, item: str) -> ItemCurveResult:
    """Compute the probability of each answer to one item along the trait.

    Parameters
    ----------
    model
        A result of :func:`fit_graded_response` or :func:`fit_partial_credit`.
    item
        Name of the item.

    Returns
    -------
    ItemCurveResult
        Rows per answer and place: ``item``, ``answer``, ``trait``, ``proportion``.

    Raises
    ------
    DataError
        CPI-E045 when the model has no such item.

    References
    ----------
    Samejima F. Psychometrika Monograph 17, 1969.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import compute_item_curves, fit_partial_credit
    >>> items = pd.DataFrame({"a": [0, 1, 0, 1, 1], "b": [1, 0, 0, 1, 1], "c": [0, 1, 1, 0, 1]})
    >>> compute_item_curves(fit_partial_credit(items), item="a").tidy().shape
    (162, 4)
    """
    table = model.curves
    if item not in set(table["item"]):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="item",
                rule="the model has no such item",
                cure="name one of its items",
                allowed=", ".join(map(str, dict.fromkeys(table["item"]))),
            )
        )
    return ItemCurveResult(
        estimates=table[table["item"] == item],
        n_participants=None,
        n_agencies=None,
        method=f"{model.title}: probability of each answer at places of the trait",
        item=item,
    )


def tabulate_curves(
    coded: CodedItems, probabilities: list[NDArray[np.float64]], points: NDArray[np.float64]
) -> pd.DataFrame:
    """Return the curves of all items as one table."""
    parts = [
        pd.DataFrame(
            {
                "item": name,
                "answer": np.repeat(values, len(points)),
                "trait": np.tile(points, len(values)),
                "proportion": table.ravel(),
            }
        )
        for name, values, table in zip(coded.names, coded.values, probabilities, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def tabulate_people(
    items: pd.DataFrame, trait: NDArray[np.float64], error: NDArray[np.float64]
) -> pd.DataFrame:
    """Return a row per person of the items; people without any answer have no place."""
    has_answer = items.notna().any(axis=1).to_numpy()
    table = pd.DataFrame({"estimate": np.nan, "std_error": np.nan}, index=items.index)
    table.loc[has_answer, "estimate"] = trait
    table.loc[has_answer, "std_error"] = error
    return table
