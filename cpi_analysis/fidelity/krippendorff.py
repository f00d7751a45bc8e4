"""Krippendorff's alpha: agreement of any number of raters, with ratings missing, by a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from cpi_analysis.fidelity.agreement_rows import ask_precision, build_alpha_row
from cpi_analysis.fidelity.category_table import CategoryTable, tabulate_categories
from cpi_analysis.fidelity.chance_agreement import METRICS
from cpi_analysis.fidelity.kappa import phrase_error
from cpi_analysis.fidelity.refusals import refuse_choice, refuse_items
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class KrippendorffResult(Result):
    """Krippendorff's alpha with its metric.

    Parameters
    ----------
    n_targets
        Number of targets with a rating.
    n_raters
        Number of raters.
    """

    title: ClassVar[str] = "Krippendorff's alpha"

    n_targets: int
    n_raters: int

    def summary(self) -> str:
        """Return alpha with its metric and interval."""
        parts = []
        for _, row in self.estimates.iterrows():
            estimate, low, high = (
                round_half_up(float(row[name]), 2) for name in ("estimate", "conf_low", "conf_high")
            )
            parts.append(
                f"{row['metric']} alpha = {estimate} "
                f"({self.confidence_level:.0%} CI {low} to {high})"
            )
        return f"{self.n_targets} targets, {self.n_raters} raters: {'; '.join(parts)}."

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} targets", f"{self.n_raters} raters", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        labels = [str(metric) for metric in self.estimates["metric"]]
        draw_forest(ax, self.estimates, labels, axis_label="Krippendorff's alpha")


def estimate_krippendorff(
    ratings: pd.DataFrame,
    *,
    target: str,
    rater: str,
    rating: str,
    metric: str,
    categories: Sequence[object] | None = None,
    cluster: str | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
) -> KrippendorffResult:
    """Estimate Krippendorff's alpha.

    Parameters
    ----------
    ratings
        One row per rating; missing ratings may be missing rows or empty cells.
    target, rater, rating
        Names of its columns.
    metric
        ``nominal``, ``ordinal``, ``interval``, ``ratio``, or ``all`` for one row each.
    categories
        Every category in order, when the ratings are text; None for those seen.
    cluster, replicates, seed, confidence_level
        As in :func:`estimate_kappa`.

    Returns
    -------
    KrippendorffResult
        Per metric: ``quantity``, ``metric``, ``estimate``, ``std_error``, ``conf_low``,
        ``conf_high``, ``n``, ``n_raters``.

    Raises
    ------
    DataError
        CPI-E045 the metric is not known, and as :func:`estimate_kappa`.
    ModelError
        CPI-M008 with one rater, no overlap or one category, an order that is not known, or a
        negative rating under the ratio metric.

    Notes
    -----
    ``alpha = 1 - D_o / D_e``: the squared distance of ratings of the same target over that of
    ratings of any. Targets with one rating are left out of both. *ordinal* is Krippendorff's own
    metric: the distance of two categories is the number of ratings between their middles, so
    that it depends on the data, as in R's irr; irrCAC's "ordinal" uses fixed weights by rank
    (0.717 against 0.755 on the same ratings). irr 0.84.1 counts the pairs of ratings, not the
    ratings, when more than two raters leave none out (0.040 for 0.048 on its own example);
    irrCAC and this function follow the book.

    References
    ----------
    Krippendorff K (2013). Content Analysis, 3rd ed., chapter 12.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_krippendorff
    >>> ratings = pd.DataFrame(
    ...     {"t": [1, 1, 2, 2, 3, 3, 4, 4], "r": ["a", "b"] * 4, "x": [1, 1, 2, 2, 1, 2, 2, 2]}
    ... )
    >>> result = estimate_krippendorff(
    ...     ratings, target="t", rater="r", rating="x", metric="nominal"
    ... )
    >>> round(float(result.tidy()["estimate"][0]), 4)
    0.5333
    """
    check_confidence_level(confidence_level)
    if metric not in (*METRICS, "all"):
        raise refuse_choice("metric", str(metric), (*METRICS, "all"))
    precision = ask_precision(confidence_level, replicates, seed)
    table = tabulate_categories(
        ratings, target=target, rater=rater, rating=rating, categories=categories, cluster=cluster
    )
    metrics = list_metrics(table) if metric == "all" else (metric,)
    _check_metric(table, metrics)
    alone = int(((table.codes >= 0).sum(axis=1) < 2).sum())
    return KrippendorffResult(
        estimates=pd.DataFrame([build_alpha_row(table, name, precision) for name in metrics]),
        n_participants=None,
        n_agencies=table.n_clusters,
        method=f"Krippendorff's alpha, {', '.join(metrics)}; {phrase_error(table)}",
        seed=seed,
        confidence_level=confidence_level,
        estimand="one minus the disagreement within targets over that between any two ratings",
        notes=(f"{alone} targets have one rating and are left out.",) if alone else (),
        n_targets=len(table.codes),
        n_raters=table.codes.shape[1],
    )


def list_metrics(table: CategoryTable) -> tuple[str, ...]:
    """Return the metrics that the categories allow."""
    if not table.is_ordered:
        return ("nominal",)
    return METRICS if (table.values >= 0).all() else METRICS[:3]


def _check_metric(table: CategoryTable, metrics: tuple[str, ...]) -> None:
    if table.n_used < 2:
        raise refuse_items(
            "all ratings fall into one category",
            "alpha is not defined without variation: rate targets that differ",
        )
    allowed = list_metrics(table)
    if not set(metrics) <= set(allowed):
        raise refuse_items(
            f"the {metrics[0]} metric needs "
            + ("ratings of zero or more" if table.is_ordered else "categories in order"),
            "name the categories in order, give numbers, or use another metric",
            allowed=", ".join(allowed),
        )
