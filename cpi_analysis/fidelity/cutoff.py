"""A cut-off of a score against a criterion, with what choosing it on the same data is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.fidelity.figures import COLOURS
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.fidelity.roc import (
    CutoffCounts,
    compute_area,
    compute_delong_variance,
    compute_rates,
    count_by_score,
)
from cpi_analysis.inference.input_checks import (
    check_confidence_level,
    check_resampling,
    check_table,
)
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, str | float]

#: Fewer people than this in the smaller class leave a cut-off to chance.
FEW_PEOPLE = 10


class _Best(NamedTuple):
    threshold: float
    sensitivity: float
    specificity: float
    position: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CutoffResult(Result):
    """A cut-off by Youden's index, its accuracy, and the optimism of that accuracy.

    Parameters
    ----------
    threshold
        Scores above it are called positive: halfway between two scores that occur.
    grey_zone
        Threshold minus and plus the measurement error; None when that was not given.
    curve
        ``threshold``, ``sensitivity``, ``specificity`` at every possible cut-off.
    """

    title: ClassVar[str] = "Cut-off against a criterion"

    threshold: float
    grey_zone: tuple[float, float] | None
    curve: pd.DataFrame

    def summary(self) -> str:
        """Return the cut-off and its corrected accuracy, in one sentence."""
        table = self.estimates.set_index("quantity")["estimate"]
        return (
            f"A score above {self.threshold:g} finds {table['sensitivity']:.0%} of those with the "
            f"criterion and {table['specificity']:.0%} of those without; Youden's index is "
            f"{table['youden']:.2f}, and {table['youden_corrected']:.2f} corrected for having "
            "been chosen on these data."
        )

    def _draw(self, ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1)
        ax.step(
            1 - self.curve["specificity"], self.curve["sensitivity"], color=COLOURS[0], where="post"
        )
        table = self.estimates.set_index("quantity")["estimate"]
        ax.plot(
            1 - table["specificity"],
            table["sensitivity"],
            "o",
            color=COLOURS[1],
            label=f"above {self.threshold:g}",
        )
        ax.set_xlabel("1 − specificity")
        ax.set_ylabel("sensitivity")
        ax.legend(frameon=False, loc="lower right")


def estimate_cutoff(
    data: pd.DataFrame,
    *,
    score: str,
    criterion: str,
    cluster: str | None,
    replicates: int,
    seed: int,
    measurement_error: float | None = None,
    confidence_level: float = 0.95,
) -> CutoffResult:
    """Find the score that separates people with and without a criterion best.

    Estimands: the chance that somebody with the criterion scores higher than somebody without
    (area under the curve), and the sensitivity and specificity of the chosen cut-off in the
    population that the agencies stand for.

    Parameters
    ----------
    data
        One row per person.
    score
        Column of the score; higher goes with the criterion.
    criterion
        Column with 1 (or True) for people with the criterion and 0 without.
    cluster
        Column of the agencies, which the bootstrap draws whole; None for people who do not
        belong to agencies.
    replicates, seed
        Of the bootstrap that corrects for optimism.
    measurement_error
        Smallest detectable change of the score, in its unit: scores nearer to the cut-off than
        that lie in the grey zone.
    confidence_level
        Level of the intervals: DeLong for the area, Wilson for shares. With agencies they are
        too narrow, which a note says; the bootstrap range of the area stands beside them.

    Returns
    -------
    CutoffResult
        Rows ``area_under_curve``, ``threshold``, ``sensitivity``, ``specificity``,
        ``positive_predictive_value``, ``negative_predictive_value``, ``youden``,
        ``youden_corrected`` and ``area_bootstrap``.

    Raises
    ------
    DataError
        CPI-E006, E024, E045 the table or a setting cannot be used.
    ModelError
        CPI-M008 a class is missing, the score does not vary, or a column is missing.

    Notes
    -----
    ``J = sensitivity + specificity - 1``. The optimism is the mean over replicates of J at the
    cut-off found in the replicate, in the replicate minus in the data (Harrell's bootstrap);
    replicates without both classes are drawn again. In pure noise it takes back about 60% of
    the apparent J, so that the corrected one is still a little high. Of cut-offs with the same
    J the lowest is taken.

    References
    ----------
    Youden WJ (1950). Index for rating diagnostic tests. Cancer 3, 32-35. DeLong ER and others
    (1988). Biometrics 44, 837-845. Harrell FE (2015). Regression Modeling Strategies, 5.3.4.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"x": [1, 2, 3, 4, 5, 6, 7, 8], "y": [0, 0, 0, 1, 0, 1, 1, 1]})
    >>> result = estimate_cutoff(
    ...     data, score="x", criterion="y", cluster=None, replicates=200, seed=1
    ... )
    >>> result.threshold, float(result.tidy()["estimate"][0])
    (3.5, 0.9375)
    """
    check_confidence_level(confidence_level)
    check_resampling(replicates, seed)
    used = _pick(data, score, criterion, cluster)
    values = used[score].to_numpy(dtype=float)
    has = used[criterion].to_numpy(dtype=float) == 1
    names = np.arange(len(used)) if cluster is None else used[cluster].to_numpy()
    clusters = pd.factorize(names, sort=True)[0]
    counts = count_by_score(values, has, clusters)
    positive, negative = counts.positive.sum(0), counts.negative.sum(0)
    sensitivity, specificity = compute_rates(positive, negative)
    best = _choose(counts.scores, sensitivity, specificity)
    areas, optimism = _resample(counts, sensitivity + specificity - 1, replicates, seed)
    youden = best.sensitivity + best.specificity - 1
    rows = [
        _area_row(values, has, positive, negative, confidence_level),
        _row("threshold", best.threshold),
        *_share_rows(best, positive, negative, confidence_level),
        _row("youden", youden),
        _row("youden_corrected", youden - optimism),
        _bootstrap_row(areas, float(compute_area(positive, negative)), confidence_level),
    ]
    return CutoffResult(
        estimates=pd.DataFrame(rows),
        n_participants=len(used),
        n_agencies=None if cluster is None else int(clusters.max()) + 1,
        method="Youden's index; DeLong and Wilson intervals; bootstrap of "
        + ("agencies" if cluster else "people"),
        seed=seed,
        confidence_level=confidence_level,
        notes=_write_notes(len(data) - len(used), has, cluster, optimism),
        threshold=best.threshold,
        grey_zone=None
        if measurement_error is None
        else (best.threshold - measurement_error, best.threshold + measurement_error),
        curve=pd.DataFrame(
            {
                "threshold": _find_thresholds(counts.scores),
                "sensitivity": sensitivity,
                "specificity": specificity,
            }
        ),
    )


def _pick(data: pd.DataFrame, score: str, criterion: str, cluster: str | None) -> pd.DataFrame:
    check_table(data, "data")
    needed = [score, criterion, *([] if cluster is None else [cluster])]
    absent = [name for name in needed if name not in data.columns]
    if absent:
        raise refuse_items(
            f"the data have no column {', '.join(absent)}",
            "check the spelling",
            allowed=", ".join(map(str, data.columns)),
        )
    used = data[needed].dropna().reset_index(drop=True)
    numbers = used[[score, criterion]].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not np.isfinite(numbers).all() or not np.isin(numbers[:, 1], (0, 1)).all():
        raise refuse_items(
            f"{score} must be finite numbers, and {criterion} 1 or 0",
            "code people with the criterion as 1 and those without as 0",
        )
    if len(np.unique(numbers[:, 1])) < 2 or len(np.unique(numbers[:, 0])) < 2:
        raise refuse_items(
            "everybody has the same score, or is in the same class of the criterion",
            "a cut-off needs people with and without the criterion, and scores that differ",
        )
    return used


def _find_thresholds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[-np.inf], (scores[1:] + scores[:-1]) / 2])


def _choose(scores: NDArray[Any], sensitivity: NDArray[Any], specificity: NDArray[Any]) -> _Best:
    # Rounding to a billionth: equal indices differ in their last digits.
    place = int(np.argmax(np.round(sensitivity + specificity, 9)))
    return _Best(
        float(_find_thresholds(scores)[place]),
        float(sensitivity[place]),
        float(specificity[place]),
        place,
    )


def _resample(
    counts: CutoffCounts, youden: NDArray[np.float64], replicates: int, seed: int
) -> tuple[NDArray[np.float64], float]:
    """Return the area in each replicate, and the mean optimism of Youden's index."""
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    n = len(counts.positive)
    areas, optimism = [], []
    wanted = replicates
    while wanted > 0:
        weights = generator.multinomial(n, np.full(n, 1 / n), size=min(wanted, 500)).astype(float)
        positive, negative = weights @ counts.positive, weights @ counts.negative
        usable = (positive.sum(1) > 0) & (negative.sum(1) > 0)
        positive, negative = positive[usable], negative[usable]
        sensitivity, specificity = compute_rates(positive, negative)
        index = sensitivity + specificity - 1
        place = np.argmax(np.round(index, 9), axis=1)
        optimism.append(np.take_along_axis(index, place[:, None], 1)[:, 0] - youden[place])
        areas.append(compute_area(positive, negative))
        wanted -= int(usable.sum())
    return np.concatenate(areas), float(np.concatenate(optimism).mean())


def _row(quantity: str, estimate: float, low: float = np.nan, high: float = np.nan) -> Row:
    return {"quantity": quantity, "estimate": estimate, "conf_low": low, "conf_high": high}


def _area_row(
    values: NDArray[Any],
    has: NDArray[np.bool_],
    positive: NDArray[Any],
    negative: NDArray[Any],
    level: float,
) -> Row:
    from scipy import stats

    area = float(compute_area(positive, negative))
    few = min(has.sum(), (~has).sum()) < 2
    variance = np.nan if few else compute_delong_variance(values, has)[0]
    reach = stats.norm.ppf((1 + level) / 2) * np.sqrt(variance)
    return _row("area_under_curve", area, max(area - reach, 0.0), min(area + reach, 1.0))


def _bootstrap_row(areas: NDArray[np.float64], area: float, level: float) -> Row:
    low, high = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return _row("area_bootstrap", area, min(float(low), area), max(float(high), area))


def _share_rows(
    best: _Best, positive: NDArray[Any], negative: NDArray[Any], level: float
) -> list[Row]:
    from statsmodels.stats.proportion import proportion_confint

    above = (positive[best.position :].sum(), negative[best.position :].sum())
    below = (positive[: best.position].sum(), negative[: best.position].sum())
    shares = {
        "sensitivity": (above[0], above[0] + below[0]),
        "specificity": (below[1], above[1] + below[1]),
        "positive_predictive_value": (above[0], sum(above)),
        "negative_predictive_value": (below[1], sum(below)),
    }
    rows = []
    for name, (count, total) in shares.items():
        if total == 0:
            rows.append(_row(name, np.nan))
            continue
        low, high = proportion_confint(count, total, alpha=1 - level, method="wilson")
        share = count / total
        rows.append(_row(name, share, min(float(low), share), max(float(high), share)))
    return rows


def _write_notes(
    left_out: int, has: NDArray[np.bool_], cluster: str | None, optimism: float
) -> tuple[str, ...]:
    notes = []
    if left_out:
        notes.append(f"{left_out} rows are left out: score, criterion or agency is missing.")
    smaller = int(min(has.sum(), (~has).sum()))
    if smaller < FEW_PEOPLE:
        notes.append(f"The smaller class has {smaller} people: the cut-off is left to chance.")
    notes.append(
        f"The cut-off was chosen on these data, which adds {optimism:.3f} to Youden's index on "
        "average; confirm it on others before it is used."
    )
    if cluster:
        notes.append(
            "DeLong's and Wilson's intervals take people as independent, and are too narrow "
            "when people of an agency are alike; the bootstrap draws whole agencies."
        )
    return tuple(notes)
