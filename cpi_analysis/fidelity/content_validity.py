"""Do experts find the items relevant: content validity indices and ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.fidelity.figures import COLOURS
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Modified kappa from which an item is called fair, good, excellent.
KAPPA_BANDS = ((0.74, "excellent"), (0.60, "good"), (0.40, "fair"))
#: One-sided level of the smallest content validity ratio that chance seldom gives.
CHANCE_LEVEL = 0.05
#: Fewer experts than this cannot show agreement beyond chance.
FEW_EXPERTS = 5


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ContentValidityResult(Result):
    """Content validity of each item, and of the scale.

    Parameters
    ----------
    scale_average, scale_universal
        Mean of the items' indices (S-CVI/Ave), and the share of items that every expert
        found relevant (S-CVI/UA).
    """

    title: ClassVar[str] = "Content validity"

    scale_average: float
    scale_universal: float

    def summary(self) -> str:
        """Return how many items the experts agree on, in one sentence."""
        table = self.estimates
        excellent = int((table["interpretation"] == "excellent").sum())
        return (
            f"{excellent} of {len(table)} items have excellent content validity by modified "
            f"kappa; the scale's average index is {self.scale_average:.2f}."
        )

    def _draw(self, ax: Axes) -> None:
        table = self.estimates
        places = np.arange(len(table))[::-1]
        ax.hlines(places, 0, table["kappa_modified"], color="0.8", linewidth=2)
        ax.plot(table["kappa_modified"], places, "s", color=COLOURS[0], label="modified kappa")
        ax.plot(table["item_cvi"], places, "o", color=COLOURS[1], label="item index")
        ax.axvline(KAPPA_BANDS[0][0], color="0.5", linestyle="--", linewidth=1)
        ax.set_yticks(places, list(table["item"]))
        ax.set_xlabel("share of experts, and kappa beyond chance")
        ax.legend(frameon=False)


def compute_content_validity(
    ratings: pd.DataFrame, *, relevant: Sequence[float] = (3, 4)
) -> ContentValidityResult:
    """Compute content validity of items from ratings of experts.

    Parameters
    ----------
    ratings
        Experts × items. With the usual answers 1 (not relevant) to 4 (highly relevant); for
        Lawshe's question, 1 where the item is essential and 0 where not, with
        ``relevant=(1,)``. A missing rating is left out of its item.
    relevant
        Answers that count as relevant (or essential).

    Returns
    -------
    ContentValidityResult
        Per item: experts, how many found it relevant, the item's index (I-CVI), the
        probability of that many by chance, kappa modified for chance, Lawshe's ratio (CVR)
        and the smallest ratio that chance exceeds in no more than 5% of panels (missing when
        the panel is too small for any).

    Raises
    ------
    DataError
        CPI-E006, E045 the ratings are not a table with one name per column.
    ModelError
        CPI-M008 there are no items, or an item was rated by fewer than two experts.

    Notes
    -----
    With ``A`` of ``N`` experts: index ``A/N``; chance ``N!/(A!(N-A)!) 0.5^N``; kappa
    ``(A/N - chance) / (1 - chance)``; ratio ``(A - N/2) / (N/2)``, its critical value from
    the exact binomial. Few experts agree by chance easily: kappa corrects the index for it.

    References
    ----------
    Polit DF, Beck CT, Owen SV (2007). Is the CVI an acceptable indicator of content validity?
    Research in Nursing & Health 30, 459-467, table 2. Ayre C, Scally AJ (2014). Critical
    values for Lawshe's content validity ratio. Measurement and Evaluation in Counseling and
    Development 47, 79-86.

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({"item_1": [4, 3, 4, 3, 4], "item_2": [4, 3, 1, 2, 4]})
    >>> compute_content_validity(ratings).tidy()["kappa_modified"].round(3).tolist()
    [1.0, 0.418]
    """
    check_table(ratings, "ratings")
    n_experts = ratings.notna().sum().to_numpy()
    if ratings.shape[1] == 0 or n_experts.min() < 2:
        thin = [str(name) for name, n in zip(ratings.columns, n_experts, strict=True) if n < 2]
        raise refuse_items(
            f"fewer than two experts rated: {', '.join(thin) or 'no item is there'}",
            "give a table of experts by items, with at least two ratings of each item",
        )
    counts = ratings.isin(list(relevant)).sum().to_numpy()
    chance = _compute_chance(n_experts, counts)
    index = counts / n_experts
    kappa = (index - chance) / (1 - chance)
    return ContentValidityResult(
        estimates=pd.DataFrame(
            {
                "item": list(map(str, ratings.columns)),
                "n_raters": n_experts,
                "n_relevant": counts,
                "item_cvi": index,
                "chance_agreement": chance,
                "kappa_modified": kappa,
                "content_validity_ratio": 2 * index - 1,
                "critical_ratio": [_find_critical_ratio(int(n)) for n in n_experts],
                "interpretation": [_say_kappa(value) for value in kappa],
            }
        ),
        n_participants=None,
        n_agencies=None,
        method="content validity index, modified kappa and Lawshe's ratio",
        notes=_describe_panel(ratings, n_experts),
        scale_average=float(index.mean()),
        scale_universal=float((counts == n_experts).mean()),
    )


def _compute_chance(n: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.float64]:
    from scipy import stats

    return np.asarray(stats.binom.pmf(counts, n, 0.5), dtype=np.float64)


def _find_critical_ratio(n: int) -> float:
    from scipy import stats

    needed = int(stats.binom.isf(CHANCE_LEVEL, n, 0.5)) + 1
    return 2 * needed / n - 1 if needed <= n else np.nan


def _say_kappa(kappa: float) -> str:
    return next((word for limit, word in KAPPA_BANDS if kappa >= limit), "poor")


def _describe_panel(ratings: pd.DataFrame, n_experts: NDArray[np.integer]) -> tuple[str, ...]:
    notes = []
    missing = int(ratings.isna().sum().sum())
    if missing:
        notes.append(f"{missing} ratings are missing; each index is of the experts who rated.")
    if n_experts.min() < FEW_EXPERTS:
        notes.append(
            f"An item was rated by {n_experts.min()} experts: with fewer than {FEW_EXPERTS} even "
            "full agreement comes about by chance too often for Lawshe's ratio."
        )
    return tuple(notes)
