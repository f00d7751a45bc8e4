"""Cronbach's alpha with Feldt's interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Below this number of people the estimate is called imprecise. A convention, not a law.
FEW_PEOPLE = 50
#: Above this value alpha rather says that items repeat each other. A convention.
VERY_HIGH_ALPHA = 0.95
#: With fewer items than this alpha rests on one or two covariances.
FEW_ITEMS = 3


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AlphaResult(Result):
    """Cronbach's alpha of one scale.

    Parameters
    ----------
    n_targets
        Number of rows with every answer: people, or whatever was rated.
    n_items
        Number of items.
    n_missing
        Number of people left out because an answer is missing.
    against_the_rest
        Items that correlate negatively with the sum of the others.
    """

    title: ClassVar[str] = "Cronbach's alpha"

    n_targets: int
    n_items: int
    n_missing: int
    against_the_rest: tuple[str, ...]

    def summary(self) -> str:
        """Return alpha with its interval in one sentence."""
        row = self.estimates.iloc[0]
        estimate, low, high = (
            round_half_up(float(row[column]), 2) for column in ("estimate", "conf_low", "conf_high")
        )
        return (
            f"Cronbach's alpha of {self.n_items} items in {self.n_targets} people is "
            f"{estimate} ({self.confidence_level:.0%} CI {low} to {high})."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        labels = [f"{self.n_items} items, n = {self.n_targets}"]
        draw_forest(ax, self.estimates, labels, axis_label="Cronbach's alpha")


def estimate_alpha(items: pd.DataFrame, *, confidence_level: float = 0.95) -> AlphaResult:
    """Estimate Cronbach's alpha of a scale in the people who answered every item.

    Parameters
    ----------
    items
        People × items: one row per person, one numeric column per item. Items that are worded
        the other way round must be reversed before: nothing is reversed here. No other
        columns; people are rows or the index.
    confidence_level
        Level of the interval.

    Returns
    -------
    AlphaResult
        One row: ``quantity``, ``estimate``, ``conf_low``, ``conf_high``, ``n``, ``n_items``.
        ``n`` counts the people with every answer.

    Raises
    ------
    DataError
        CPI-E006 when two items have one name, CPI-E020 when a column is not numeric,
        CPI-E024 when the confidence level is not between 0 and 1, CPI-E045 when the items are
        not a DataFrame.
    ModelError
        CPI-M008 with fewer than two items or two complete people, an item that does not vary,
        or a total score that does not vary; CPI-M006 when an answer is infinite.

    Notes
    -----
    With k items, variances s²ᵢ and variance s² of the total score,
    α = k / (k − 1) · (1 − Σ s²ᵢ / s²). The interval is that of Feldt: with
    W = F quantile on (n − 1) and (n − 1)(k − 1) degrees of freedom, it goes from
    1 − (1 − α) W(1 − γ/2) to 1 − (1 − α) W(γ/2), γ = 1 − ``confidence_level``. It assumes
    normal answers that are equally related to one thing, and people who are independent: with
    skewed answers, or people alike within agencies, it covers less than it says.

    References
    ----------
    Cronbach LJ. Psychometrika 1951;16:297-334.
    Feldt LS, Woodruff DJ, Salih FA. Applied Psychological Measurement 1987;11:93-103.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_alpha
    >>> items = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 1, 4, 3]})
    >>> estimate_alpha(items).tidy()["estimate"].round(2).tolist()
    [0.75]
    """
    check_table(items, "items")
    check_confidence_level(confidence_level)
    complete = _complete_answers(items)
    n, k = complete.shape
    estimate = compute_alpha(complete)
    low, high = compute_feldt_interval(
        estimate, n_people=n, n_items=k, confidence_level=confidence_level
    )
    n_missing = len(items) - n
    against = find_items_against_the_rest(complete)
    row = {"quantity": "alpha", "estimate": estimate, "conf_low": low, "conf_high": high}
    return AlphaResult(
        estimates=pd.DataFrame([{**row, "n": n, "n_items": k}]),
        n_participants=None,
        n_agencies=None,
        method="Cronbach's alpha of complete answers; Feldt's interval (F distribution)",
        confidence_level=confidence_level,
        estimand="share of the variance of the total score that is true-score variance, if every "
        "item measures the same thing equally well; otherwise a lower bound of it",
        notes=_describe_alpha(estimate, n, k, n_missing) + describe_against(against),
        n_targets=n,
        n_items=k,
        n_missing=n_missing,
        against_the_rest=against,
    )


def compute_alpha(items: pd.DataFrame) -> float:
    """Return Cronbach's alpha of complete answers (people × items)."""
    # pingouin takes seconds to import: only those who ask for alpha pay for it.
    import pingouin

    return float(pingouin.cronbach_alpha(data=items)[0])


def compute_feldt_interval(
    alpha: float, *, n_people: int, n_items: int, confidence_level: float
) -> tuple[float, float]:
    """Return Feldt's interval of an alpha estimated in ``n_people`` with every answer.

    Examples
    --------
    >>> low, high = compute_feldt_interval(0.7, n_people=50, n_items=10, confidence_level=0.95)
    >>> round(low, 4), round(high, 4)
    (0.5588, 0.8101)
    """
    df1 = n_people - 1
    df2 = df1 * (n_items - 1)
    tail = (1 - confidence_level) / 2
    low = 1 - (1 - alpha) * stats.f.isf(tail, df1, df2)
    high = 1 - (1 - alpha) * stats.f.ppf(tail, df1, df2)
    return float(low), float(high)


def _complete_answers(items: pd.DataFrame) -> pd.DataFrame:
    _check_columns(items)
    complete = items.dropna().astype(float)
    n, k = complete.shape
    if k < 2:
        raise refuse_items("there are fewer than two items", "give at least two items")
    if n < 2:
        raise refuse_items(
            f"{n} of {len(items)} people answered every item, which is fewer than two",
            "leave out an item that hardly anybody answered, or check the table",
        )
    if not np.isfinite(complete.to_numpy()).all():
        raise ModelError(
            Fault(
                code="CPI-M006",
                rule="an answer is infinite",
                cure="set impossible answers to missing",
            )
        )
    constant = [str(item) for item in complete.columns if complete[item].nunique() < 2]
    if constant:
        raise refuse_items(
            f"items {', '.join(constant)} do not vary among the {n} people with every answer",
            "leave these items out and say so: an item without variation has no reliability",
        )
    if _is_constant(complete.sum(axis=1).to_numpy()):
        raise refuse_items(
            "the total score does not vary", "check whether items must be reversed before"
        )
    return complete


def find_items_against_the_rest(complete: pd.DataFrame) -> tuple[str, ...]:
    """Return the items whose covariance with the sum of the other items is negative.

    Examples
    --------
    >>> answers = {"a": [1, 2, 3, 4], "b": [1, 2, 4, 4], "c": [4, 3, 2, 1]}
    >>> find_items_against_the_rest(pd.DataFrame(answers))
    ('c',)
    """
    covariances = np.cov(complete.to_numpy(dtype=np.float64), rowvar=False)
    own = np.diag(covariances)
    with_rest = covariances.sum(axis=0) - own
    below = with_rest < -1e-12 * own.sum()
    return tuple(str(item) for item in complete.columns[below])


def describe_against(items: Sequence[str]) -> tuple[str, ...]:
    """Return the note on items that go against the others; nothing is reversed."""
    if not items:
        return ()
    return (
        f"Negative item-rest correlation: {', '.join(items)}. These may be worded the other way "
        "round, or belong to another scale; nothing was reversed here.",
    )


def _is_constant(totals: np.ndarray) -> bool:
    scale = float(np.abs(totals).max())
    return bool(np.ptp(totals) <= scale * 1e-12)


def _check_columns(items: pd.DataFrame) -> None:
    text = [str(item) for item in items.columns if not pd.api.types.is_numeric_dtype(items[item])]
    if text:
        raise DataError(
            Fault(
                code="CPI-E020",
                table="items",
                column=", ".join(text),
                rule="the column is not numeric",
                cure="give only items, as numbers; set people as the index",
            )
        )


def _describe_alpha(estimate: float, n: int, k: int, n_missing: int) -> tuple[str, ...]:
    notes = []
    if n_missing:
        notes.append(f"{n_missing} of {n + n_missing} people left out: an answer is missing.")
    if estimate < 0:
        notes.append(
            "Alpha is negative: the items disagree with each other. Check whether items must be "
            "reversed, and whether they belong to one scale."
        )
    if estimate > VERY_HIGH_ALPHA:
        notes.append(f"Alpha above {VERY_HIGH_ALPHA}: items may repeat each other.")
    if k < FEW_ITEMS:
        notes.append(f"Alpha of {k} items rests on a single covariance.")
    if n < k:
        notes.append(f"Fewer people ({n}) than items ({k}): not to be relied on.")
    if n < FEW_PEOPLE:
        notes.append(f"Fewer than {FEW_PEOPLE} people: the estimate is imprecise.")
    return tuple(notes)
