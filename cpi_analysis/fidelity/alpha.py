"""Cronbach's alpha with its intervals, and omega and the number of dimensions beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.alpha_intervals import (
    METHODS,
    compute_bootstrap_intervals,
    draw_counts,
    sum_units,
)
from cpi_analysis.fidelity.complete_items import describe_left_out, keep_complete
from cpi_analysis.fidelity.dimension_check import DimensionCheck, check_dimensions
from cpi_analysis.inference.input_checks import (
    check_confidence_level,
    check_resampling,
    check_table,
)
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Below this number of people the estimate is called imprecise. A convention, not a law.
FEW_PEOPLE = 50
#: Above this value alpha rather says that items repeat each other. A convention.
VERY_HIGH_ALPHA = 0.95
#: With fewer items than this alpha rests on one or two covariances.
FEW_ITEMS = 3
#: A smallest detectable change has this level by convention.
DETECTABLE_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AlphaResult(Result):
    """Cronbach's alpha of one scale, with omega and a look at its dimensions.

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
    omega
        Omega total of the sum of the items, if one factor is behind them; None with fewer than
        three items.
    n_dimensions
        Number of dimensions by parallel analysis; None with fewer than three items.
    standard_error_of_measurement
        Of the sum of the items: its standard deviation times √(1 − alpha).
    smallest_detectable_change
        Of the sum of the items of one person: 1.96 √2 times that error.
    """

    title: ClassVar[str] = "Cronbach's alpha"

    n_targets: int
    n_items: int
    n_missing: int
    against_the_rest: tuple[str, ...]
    omega: float | None
    n_dimensions: int | None
    standard_error_of_measurement: float | None
    smallest_detectable_change: float | None

    def summary(self) -> str:
        """Return alpha with its interval, omega and the number of dimensions."""
        row = self.estimates.iloc[0]
        estimate, low, high = (
            round_half_up(float(row[column]), 2) for column in ("estimate", "conf_low", "conf_high")
        )
        text = (
            f"Cronbach's alpha of {self.n_items} items in {self.n_targets} people is "
            f"{estimate} ({self.confidence_level:.0%} CI {low} to {high})"
        )
        if self.omega is not None:
            text += f"; omega is {round_half_up(self.omega, 2)}"
        if self.n_dimensions is not None:
            plural = "" if self.n_dimensions == 1 else "s"
            text += f", and parallel analysis finds {self.n_dimensions} dimension{plural}"
        return f"{text}."

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        rows = self.estimates[self.estimates["quantity"] == "alpha"]
        draw_forest(ax, rows, list(rows["method"]), axis_label="Cronbach's alpha")


def estimate_alpha(
    items: pd.DataFrame,
    *,
    confidence_level: float = 0.95,
    agencies: pd.Series | None = None,
    replicates: int = 2000,
    seed: int | None = None,
) -> AlphaResult:
    """Estimate Cronbach's alpha of a scale in the people who answered every item.

    Parameters
    ----------
    items
        People × items: one row per person, one numeric column per item. Items that are worded
        the other way round must be reversed before: nothing is reversed here. No other
        columns; people are rows or the index.
    confidence_level
        Level of the intervals.
    agencies
        Agency of each person, with the index of ``items``, for intervals by agency; they need
        a seed too.
    replicates
        Bootstrap resamples.
    seed
        Seed of the resamples; without one there is no bootstrap.

    Returns
    -------
    AlphaResult
        ``quantity``, ``method``, ``estimate``, ``conf_low``, ``conf_high``, ``n``, ``n_items``.
        Alpha with Feldt's interval in the first row; with a seed, one row more for each bootstrap
        interval by person, and by agency if agencies are given; omega total in the last row.
        ``n`` counts the people with every answer.

    Raises
    ------
    DataError
        CPI-E006 when two items have one name, CPI-E020 when a column is not numeric,
        CPI-E024 when the confidence level is not between 0 and 1, CPI-E045 when the items are
        not a DataFrame or the agencies do not fit them; CPI-E014 a person without an agency;
        CPI-E021, E024, E047 for replicates or seed.
    ModelError
        CPI-M008 with fewer than two items or two complete people, an item that does not vary,
        a total score that does not vary, or too few people or agencies to resample; CPI-M006
        when an answer is infinite.

    Notes
    -----
    With k items, variances s²ᵢ and variance s² of the total score,
    α = k / (k − 1) · (1 − Σ s²ᵢ / s²). The interval is that of Feldt: with
    W = F quantile on (n − 1) and (n − 1)(k − 1) degrees of freedom, it goes from
    1 − (1 − α) W(1 − γ/2) to 1 − (1 − α) W(γ/2), γ = 1 − ``confidence_level``. It assumes
    normal answers that are equally related to one thing, and people who are independent: with
    skewed answers, or people alike within agencies, it covers less than it says. In simulations
    with 14 agencies, skewed answers and agencies that differ, no 95% interval covered 95%; the
    bootstrap-t by agency came nearest (docs/studies/fidelity_reliability.md).

    Alpha is a reliability only if one thing is behind all items and each shows it equally.
    Omega total, 1 − Σψ / ΣΣσ of a one-factor model, needs the first only; parallel analysis
    asks whether it holds.

    References
    ----------
    Cronbach LJ. Psychometrika 1951;16:297-334.
    Feldt LS, Woodruff DJ, Salih FA. Applied Psychological Measurement 1987;11:93-103.
    McDonald RP. Test theory: a unified treatment. Erlbaum 1999.

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
    complete = keep_complete(items)
    n, k = complete.shape
    answers = complete.to_numpy()
    estimate = compute_alpha(complete)
    limits = compute_feldt_interval(
        estimate, n_people=n, n_items=k, confidence_level=confidence_level
    )
    intervals = {"Feldt": limits}
    n_agencies = None
    if seed is not None:
        check_resampling(replicates, seed)
        units = _number_agencies(agencies, items)
        n_agencies = None if units is None else int(units.max()) + 1
        intervals |= _bootstrap(
            answers, units, replicates=replicates, seed=seed, confidence_level=confidence_level
        )
    elif agencies is not None:
        raise _refuse_agencies("CPI-E047", "intervals by agency need a seed", "give seed=")
    dimensions = check_dimensions(answers)
    against = find_items_against_the_rest(complete)
    spread = float(answers.sum(axis=1).std(ddof=1))
    error = spread * float(np.sqrt(1 - estimate)) if 0 <= estimate <= 1 else None
    z = float(stats.norm.ppf((1 + DETECTABLE_LEVEL) / 2))
    return AlphaResult(
        estimates=_tabulate(estimate, intervals, dimensions, n=n, k=k),
        n_participants=None,
        n_agencies=n_agencies,
        method="Cronbach's alpha of complete answers; Feldt's interval (F distribution)"
        + ("" if seed is None else f"; {replicates} bootstrap resamples"),
        seed=seed,
        confidence_level=confidence_level,
        estimand="share of the variance of the total score that is true-score variance, if every "
        "item measures the same thing equally well; otherwise a lower bound of it",
        notes=(
            *_describe_alpha(estimate, n, k, len(items)),
            *describe_against(against),
            *dimensions.notes,
        ),
        n_targets=n,
        n_items=k,
        n_missing=len(items) - n,
        against_the_rest=against,
        omega=dimensions.omega,
        n_dimensions=dimensions.n_dimensions,
        standard_error_of_measurement=error,
        smallest_detectable_change=None if error is None else z * float(np.sqrt(2)) * error,
    )


def _tabulate(
    estimate: float,
    intervals: dict[str, tuple[float, float]],
    dimensions: DimensionCheck,
    *,
    n: int,
    k: int,
) -> pd.DataFrame:
    rows = [
        {
            "quantity": "alpha",
            "method": method,
            "estimate": estimate,
            "conf_low": low,
            "conf_high": high,
        }
        for method, (low, high) in intervals.items()
    ]
    if dimensions.omega is not None:
        rows.append(
            {
                "quantity": "omega total",
                "method": "one factor, minimum residuals",
                "estimate": dimensions.omega,
                "conf_low": np.nan,
                "conf_high": np.nan,
            }
        )
    return pd.DataFrame(rows).assign(n=n, n_items=k)


def _bootstrap(
    answers: NDArray[np.float64],
    units: NDArray[np.intp] | None,
    *,
    replicates: int,
    seed: int,
    confidence_level: float,
) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for stream, (who, groups) in enumerate((("person", None), ("agency", units))):
        if who == "agency" and groups is None:
            continue
        sums = sum_units(answers, groups)
        counts = draw_counts(len(sums.n), replicates=replicates, seed=seed, stream=stream)
        intervals = compute_bootstrap_intervals(
            sums, counts, n_items=answers.shape[1], confidence_level=confidence_level
        )
        found |= {f"{name} by {who}": intervals[name] for name in METHODS}
    return found


def _number_agencies(agencies: pd.Series | None, items: pd.DataFrame) -> NDArray[np.intp] | None:
    if agencies is None:
        return None
    if not isinstance(agencies, pd.Series) or not agencies.index.equals(items.index):
        raise _refuse_agencies(
            "CPI-E045",
            "the agencies are not a Series with the index of the items",
            "give one agency per person, in a Series with the index of items",
        )
    # Row by row, so that an index with repeated labels does no harm.
    own = agencies[items.notna().all(axis=1).to_numpy()]
    if own.isna().any():
        raise _refuse_agencies(
            "CPI-E014", "a person has no agency", "give the agency of everybody, or leave them out"
        )
    codes: NDArray[np.intp] = pd.factorize(own)[0]
    return codes


def _refuse_agencies(code: str, rule: str, cure: str) -> DataError:
    return DataError(Fault(code=code, column="agencies", rule=rule, cure=cure))


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


def _describe_alpha(estimate: float, n: int, k: int, n_people: int) -> tuple[str, ...]:
    notes = [*describe_left_out(n, n_people)]
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
