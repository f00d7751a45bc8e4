"""Agreement beyond chance of raters who choose categories: kappas and Gwet's coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from cpi_analysis.fidelity.agreement_rows import ask_precision, build_kappa_rows, is_crossed
from cpi_analysis.fidelity.category_table import CategoryTable, tabulate_categories
from cpi_analysis.fidelity.chance_agreement import WEIGHTS
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Agreement this high with a kappa this low: the paradox of a category that most ratings share.
PARADOX_AGREEMENT, PARADOX_KAPPA = 0.8, 0.4
#: Names of the coefficients for readers.
LABELS = {
    "percentage_agreement": "agreement",
    "cohen_kappa": "Cohen's kappa",
    "conger_kappa": "Conger's kappa",
    "light_kappa": "Light's kappa",
    "fleiss_kappa": "Fleiss' kappa",
    "brennan_prediger": "Brennan–Prediger",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2": "Gwet's AC2",
    "krippendorff_alpha": "Krippendorff's alpha",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class KappaResult(Result):
    """Coefficients of agreement beyond chance with one kind of weights.

    Parameters
    ----------
    n_targets
        Number of targets with a rating.
    n_raters
        Number of raters.
    """

    title: ClassVar[str] = "Agreement beyond chance"

    n_targets: int
    n_raters: int

    def summary(self) -> str:
        """Return each coefficient in one sentence."""
        parts = [
            f"{LABELS[quantity]} "
            + ("not defined" if estimate != estimate else round_half_up(float(estimate), 2))
            for quantity, estimate in zip(
                self.estimates["quantity"], self.estimates["estimate"], strict=True
            )
        ]
        return f"{self.n_targets} targets, {self.n_raters} raters: {', '.join(parts)}."

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} targets", f"{self.n_raters} raters", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        labels = [LABELS[quantity] for quantity in self.estimates["quantity"]]
        draw_forest(ax, self.estimates, labels, axis_label="Agreement beyond chance")


def estimate_kappa(
    ratings: pd.DataFrame,
    *,
    target: str,
    rater: str,
    rating: str,
    weights: str = "unweighted",
    categories: Sequence[object] | None = None,
    cluster: str | None = None,
    replicates: int | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
) -> KappaResult:
    """Estimate how far raters agree on categories beyond what chance would bring about.

    Parameters
    ----------
    ratings
        One row per rating: target, rater and the category chosen. Missing ratings may be
        missing rows or empty cells.
    target, rater, rating
        Names of these columns.
    weights
        ``unweighted``, or ``linear``, ``quadratic``, ``ordinal`` credit for near misses.
    categories
        Every category that could be chosen, in order; None for those seen. Text needs them
        for weights. Brennan–Prediger and Gwet's coefficients depend on their number.
    cluster
        Column of the agencies, when targets of one may be alike: standard errors are robust to
        that, on agencies − 1 degrees of freedom.
    replicates, seed
        Of an optional bootstrap of agencies (targets without ``cluster``); its percentile range
        stands beside the interval. None: no bootstrap.
    confidence_level
        Level of the intervals.

    Returns
    -------
    KappaResult
        Rows ``cohen_kappa`` (two raters) or ``conger_kappa`` and ``light_kappa`` (more),
        ``fleiss_kappa``, ``brennan_prediger``, ``gwet_ac1`` (``gwet_ac2`` with weights):
        ``weights``, ``observed_agreement``, ``expected_agreement`` (by chance), ``estimate``,
        ``std_error``, ``conf_low``, ``conf_high``, ``n``, ``n_raters``, and ``bootstrap_low``,
        ``bootstrap_high`` after a bootstrap. A coefficient that is not defined is missing.

    Raises
    ------
    DataError
        CPI-E011, E013, E014 columns, ratings or names are missing or occur twice, E023 a
        rating outside the categories, E032 a target with two agencies, E045 weights that are
        not known, E024, E021, E047 level, replicates or seed.
    ModelError
        CPI-M008 with one rater, no overlap between raters, or one category.

    Notes
    -----
    All are ``(observed - expected) / (1 - expected)`` and differ in what chance would do:
    Cohen and Conger take each rater's shares, Fleiss the shares over all raters, Brennan and
    Prediger equal shares, Gwet the chance that a rating made at random agrees. Light's is the
    mean of Cohen's over the pairs of raters. Standard errors are of the first order in all
    sums, the number of targets with two ratings among them; without missing ratings they are
    Gwet's, and those of Fleiss, Cohen and Everitt times sqrt(n / (n − 1)).

    References
    ----------
    Gwet KL (2014). Handbook of Inter-Rater Reliability, 4th ed., chapters 2 to 5. Fleiss JL,
    Cohen J, Everitt BS (1969). Psychological Bulletin 72, 323-327. Conger AJ (1980).
    Psychological Bulletin 88, 322-328.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_kappa
    >>> ratings = pd.DataFrame(
    ...     {"t": [1, 1, 2, 2, 3, 3, 4, 4], "r": ["a", "b"] * 4, "x": [1, 1, 2, 2, 1, 2, 2, 2]}
    ... )
    >>> result = estimate_kappa(ratings, target="t", rater="r", rating="x")
    >>> float(result.tidy().set_index("quantity")["estimate"]["cohen_kappa"])
    0.5
    """
    check_confidence_level(confidence_level)
    if weights not in WEIGHTS:
        raise refuse_choice("weights", str(weights), WEIGHTS)
    precision = ask_precision(confidence_level, replicates, seed)
    table = tabulate_categories(
        ratings,
        target=target,
        rater=rater,
        rating=rating,
        categories=categories,
        cluster=cluster,
    )
    if weights != "unweighted" and not table.is_ordered:
        raise refuse_choice("weights", weights, ("unweighted, or name categories= in order",))
    rows = pd.DataFrame(build_kappa_rows(table, weights, precision))
    return KappaResult(
        estimates=rows,
        n_participants=None,
        n_agencies=table.n_clusters,
        method=f"{weights} coefficients of agreement; {phrase_error(table)}",
        seed=seed,
        confidence_level=confidence_level,
        estimand="agreement of two raters drawn from these, of a target drawn from such targets, "
        "beyond what chance would give, as a share of what is left",
        notes=describe_table(table, rows),
        n_targets=len(table.codes),
        n_raters=table.codes.shape[1],
    )


def phrase_error(table: CategoryTable) -> str:
    """Return how the intervals were made."""
    if table.n_clusters is None:
        return "linearised standard errors, t on targets − 1 df"
    return "linearised standard errors robust to agencies, t on agencies − 1 df"


def describe_table(table: CategoryTable, rows: pd.DataFrame) -> tuple[str, ...]:
    """Return what a reader must know about the ratings before using a coefficient."""
    notes = []
    if table.n_dropped:
        notes.append(f"{table.n_dropped} targets have no rating and are left out.")
    missing = int((table.codes < 0).sum())
    if missing:
        notes.append(
            f"{missing} of {table.codes.size} ratings of a target by a rater are missing; every "
            "rating that is there is used."
        )
    if not is_crossed(table):
        notes.append(
            "Some raters rated one target: coefficients that need each rater's own shares "
            "(Cohen, Conger, Light) are left out."
        )
    unused = table.n_categories - table.n_used
    if unused:
        notes.append(f"{unused} of {table.n_categories} declared categories were never used.")
    if table.n_used == 1:
        notes.append(
            "Only one category was used: kappas and alpha are not defined, and the others say "
            "nothing about telling targets apart. Rate targets that differ."
        )
    kappas = rows[rows["quantity"].astype(str).str.contains("kappa")]
    agreed = rows["observed_agreement"].max()
    if agreed >= PARADOX_AGREEMENT and kappas["estimate"].min() < PARADOX_KAPPA:
        notes.append(
            f"Raters agree on {agreed:.0%} and kappa is low: most ratings share a category, so "
            "that chance alone would agree nearly as often. Read agreement, prevalence, kappa "
            "and AC together; do not pick the highest."
        )
    return tuple(notes)
