"""Whether items correlate enough to be factored: Kaiser, Meyer and Olkin; Bartlett; Velicer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.fidelity.item_correlations import ItemCorrelations, correlate_items
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.results import Result, format_value, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Below this Kaiser called the measure unacceptable. A convention.
LOWEST_KMO = 0.50

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SamplingAdequacyResult(Result):
    """The measure of sampling adequacy of all items and of each, and Bartlett's test.

    Parameters
    ----------
    kmo
        Of all items together.
    statistic, df, p_value
        Bartlett's test that no items correlate; None for polychoric correlations.
    n_targets, n_items
        People and items.
    """

    title: ClassVar[str] = "Sampling adequacy"

    kmo: float
    statistic: float | None
    df: int
    p_value: float | None
    n_targets: int
    n_items: int

    def summary(self) -> str:
        """Return the overall measure and Bartlett's test in one sentence."""
        text = f"The Kaiser-Meyer-Olkin measure of {self.n_items} items is "
        text += round_half_up(self.kmo, 2)
        if self.statistic is None or self.p_value is None:
            return f"{text}."
        p_value = format_value(self.p_value, "p_value")
        relation = "p" if p_value.startswith("<") else "p = "
        return (
            f"{text}; Bartlett's chi-square is {round_half_up(self.statistic, 1)} on {self.df} "
            f"degrees of freedom ({relation}{p_value})."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates.iloc[1:][::-1]
        ax.barh(rows["item"].astype(str), rows["estimate"], color="#0072B2")
        ax.axvline(LOWEST_KMO, color="black", linestyle="--", linewidth=1)
        ax.set_xlim(0, 1)
        ax.set_xlabel("Measure of sampling adequacy")
        ax.spines[["top", "right"]].set_visible(False)


def compute_sampling_adequacy(
    items: pd.DataFrame, *, correlation: str = "pearson"
) -> SamplingAdequacyResult:
    """Compute the Kaiser-Meyer-Olkin measure of the items, and Bartlett's test of sphericity.

    Parameters
    ----------
    items
        People × items, numeric; a missing answer is NaN.
    correlation
        ``pearson`` or ``polychoric``; Bartlett's test needs Pearson correlations.

    Returns
    -------
    SamplingAdequacyResult
        ``quantity``, ``item``, ``estimate``: all items in the first row, then one row per item.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 for the table or an unknown choice.
    ModelError
        CPI-M006, CPI-M008 for items that have no correlation, or a matrix that is not positive
        definite.

    Notes
    -----
    With correlations r and partial correlations q of two items given all others,
    KMO = Σ r² / (Σ r² + Σ q²) over all pairs, and the same over the pairs of one item.
    Bartlett: χ² = −(n − 1 − (2p + 5)/6) log|R| on p(p − 1)/2 degrees of freedom.

    References
    ----------
    Kaiser HF, Rice J. Educational and Psychological Measurement 1974;34:111-117.
    Bartlett MS. Journal of the Royal Statistical Society B 1951;16:296-298.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import compute_sampling_adequacy
    >>> items = pd.DataFrame({"a": [1, 2, 3, 4, 4], "b": [2, 1, 4, 3, 4]})
    >>> round(compute_sampling_adequacy(items).kmo, 6)
    0.5
    """
    found = correlate_items(items, correlation=correlation)
    if not found.is_positive_definite:
        raise refuse_items(
            "the correlation matrix is not positive definite, so there are no partial correlations",
            "leave out items that repeat others, or collect more answers",
        )
    overall, single = compute_kmo(found.matrix)
    statistic, df, p_value = _test_sphericity(found)
    return SamplingAdequacyResult(
        estimates=pd.DataFrame(
            {
                "quantity": "measure of sampling adequacy",
                "item": ["all items", *found.names],
                "estimate": [overall, *single],
            }
        ),
        n_participants=None,
        n_agencies=None,
        method=f"Kaiser-Meyer-Olkin measure of {found.kind.replace('pearson', 'Pearson')} "
        "correlations; Bartlett's test of sphericity",
        notes=(*_describe_low(found.names, overall, single), *found.notes),
        kmo=overall,
        statistic=statistic,
        df=df,
        p_value=p_value,
        n_targets=found.n_people,
        n_items=len(found.names),
    )


def compute_kmo(correlation: Array) -> tuple[float, Array]:
    """Return the measure of all items, and of each, from a positive definite matrix."""
    inverse = np.linalg.inv(correlation)
    spread = np.sqrt(np.diag(inverse))
    partial = inverse / np.outer(spread, spread)
    own, rest = correlation**2, partial**2
    np.fill_diagonal(own, 0.0)
    np.fill_diagonal(rest, 0.0)
    overall = float(own.sum() / (own.sum() + rest.sum()))
    return overall, np.asarray(own.sum(axis=0) / (own + rest).sum(axis=0))


def _test_sphericity(found: ItemCorrelations) -> tuple[float | None, int, float | None]:
    n_items = len(found.names)
    df = n_items * (n_items - 1) // 2
    factor = found.n_fewest - 1 - (2 * n_items + 5) / 6
    if found.kind != "pearson" or factor <= 0:
        return None, df, None
    statistic = -factor * float(np.linalg.slogdet(found.matrix)[1])
    return statistic, df, float(stats.chi2.sf(statistic, df))


def _describe_low(names: tuple[str, ...], overall: float, single: Array) -> tuple[str, ...]:
    notes = []
    if overall < LOWEST_KMO:
        notes.append(
            f"The measure is below {LOWEST_KMO}: the items share too little for common factors."
        )
    low = [name for name, value in zip(names, single, strict=True) if value < LOWEST_KMO]
    if low:
        notes.append(f"Below {LOWEST_KMO}: {', '.join(low)}; consider leaving these items out.")
    return tuple(notes)
