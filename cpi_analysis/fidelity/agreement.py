"""Every coefficient of agreement in one table, so that nobody picks one after seeing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity.agreement_rows import (
    Row,
    ask_precision,
    build_alpha_row,
    build_category_rows,
    build_kappa_rows,
    build_percentage_row,
)
from cpi_analysis.fidelity.category_table import CategoryTable, tabulate_categories
from cpi_analysis.fidelity.chance_agreement import WEIGHTS
from cpi_analysis.fidelity.icc import estimate_icc
from cpi_analysis.fidelity.kappa import LABELS, describe_table, phrase_error
from cpi_analysis.fidelity.krippendorff import list_metrics
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = (
    "quantity",
    "weights",
    "metric",
    "form",
    "category",
    "observed_agreement",
    "expected_agreement",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "bootstrap_low",
    "bootstrap_high",
    "n",
    "n_raters",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AgreementResult(Result):
    """All coefficients of agreement of the same ratings.

    Parameters
    ----------
    n_targets
        Number of targets with a rating.
    n_raters
        Number of raters.
    """

    title: ClassVar[str] = "Agreement of raters, every coefficient"

    n_targets: int
    n_raters: int

    def summary(self) -> str:
        """Return percentage agreement and the range of the coefficients beyond chance."""
        table = self.estimates
        agreed = table.loc[table["quantity"] == "percentage_agreement", "estimate"].iloc[0]
        chance = table[table["weights"].notna() | table["metric"].notna()].dropna(
            subset=["estimate"]
        )
        ranked = chance.sort_values("estimate", kind="stable")
        return (
            f"Raters agree on {agreed:.0%} of {self.n_targets} targets; beyond chance, "
            f"coefficients lie from {_say(ranked.iloc[0])} to {_say(ranked.iloc[-1])}."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} targets", f"{self.n_raters} raters", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        table = self.estimates[self.estimates["category"].isna()].dropna(subset=["estimate"])
        labels = [_label(row) for _, row in table.iterrows()]
        draw_forest(ax, table, labels, axis_label="Agreement")
        ax.tick_params(axis="y", labelsize=6)


def _label(row: pd.Series) -> str:
    if isinstance(row["form"], str):
        return str(row["form"])
    kind = next((row[name] for name in ("weights", "metric") if isinstance(row[name], str)), "")
    return f"{LABELS[row['quantity']]} {kind}".strip()


def _say(row: pd.Series) -> str:
    return f"{round_half_up(float(row['estimate']), 2)} ({_label(row)})"


def estimate_agreement(
    ratings: pd.DataFrame,
    *,
    target: str,
    rater: str,
    rating: str,
    categories: Sequence[object] | None = None,
    cluster: str | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
) -> AgreementResult:
    """Estimate agreement by every coefficient that the ratings allow, in one table.

    Parameters
    ----------
    ratings
        One row per rating; missing ratings may be missing rows or empty cells.
    target, rater, rating
        Names of its columns.
    categories
        Every category that could be chosen, in order; None for those seen.
    cluster, replicates, seed, confidence_level
        As in :func:`estimate_kappa`. The intervals of intraclass correlations take targets as
        independent all the same.

    Returns
    -------
    AgreementResult
        Rows ``percentage_agreement``; ``prevalence_index``, ``bias_index`` and
        ``specific_agreement`` of each ``category``; the rows of :func:`estimate_kappa` for each
        kind of ``weights``; ``krippendorff_alpha`` for each ``metric``; ``icc`` for each
        ``form`` when the ratings are numbers.

    Raises
    ------
    DataError, ModelError
        As :func:`estimate_kappa`.

    Notes
    -----
    Coefficients differ because they answer different questions; which one a study reports is
    for its protocol. The table shows all, with what explains their differences: high agreement
    with low kappa comes with a high prevalence index.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_agreement
    >>> ratings = pd.DataFrame(
    ...     {"t": [1, 1, 2, 2, 3, 3, 4, 4], "r": ["a", "b"] * 4, "x": [1, 1, 2, 2, 1, 2, 2, 2]}
    ... )
    >>> table = estimate_agreement(ratings, target="t", rater="r", rating="x").tidy()
    >>> float(table["estimate"][0]), len(table)
    (0.75, 33)
    """
    check_confidence_level(confidence_level)
    precision = ask_precision(confidence_level, replicates, seed)
    table = tabulate_categories(
        ratings, target=target, rater=rater, rating=rating, categories=categories, cluster=cluster
    )
    kinds = WEIGHTS if table.is_ordered else WEIGHTS[:1]
    rows: list[Row] = [build_percentage_row(table, precision), *build_category_rows(table)]
    for weights in kinds:
        rows += build_kappa_rows(table, weights, precision)
    rows += [build_alpha_row(table, metric, precision) for metric in list_metrics(table)]
    icc_rows, icc_note = _estimate_icc(
        ratings, target=target, rater=rater, rating=rating, confidence_level=confidence_level
    )
    found = pd.DataFrame([*rows, *icc_rows])
    return AgreementResult(
        estimates=found[[name for name in _COLUMNS if name in found]],
        n_participants=None,
        n_agencies=table.n_clusters,
        method=f"all coefficients of agreement; {phrase_error(table)}",
        seed=seed,
        confidence_level=confidence_level,
        estimand="agreement of raters of the same target: plain, beyond chance, and as a share "
        "of variance",
        notes=(*_note_weights(table), *describe_table(table, found), *icc_note),
        n_targets=len(table.codes),
        n_raters=table.codes.shape[1],
    )


def _note_weights(table: CategoryTable) -> tuple[str, ...]:
    notes = ["Name in the protocol the coefficient that counts, before seeing them."]
    if not table.is_ordered:
        notes.append("The categories have no declared order: no weights, nominal alpha only.")
    return tuple(notes)


def _estimate_icc(
    ratings: pd.DataFrame, *, target: str, rater: str, rating: str, confidence_level: float
) -> tuple[list[Row], tuple[str, ...]]:
    if not pd.api.types.is_numeric_dtype(ratings[rating]):
        return [], ()
    try:
        found = estimate_icc(
            ratings,
            target=target,
            rater=rater,
            rating=rating,
            form="all",
            confidence_level=confidence_level,
        )
    except ModelError as error:
        return [], (f"No intraclass correlation: {error.faults[0].rule}.",)
    kept = ["form", "estimate", "conf_low", "conf_high", "n", "n_raters"]
    rows = found.tidy()[kept].assign(quantity="icc")
    return rows.to_dict("records"), found.notes  # type: ignore[return-value]
