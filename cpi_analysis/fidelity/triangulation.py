"""The sources of fidelity side by side: bias, agreement, composites, and what hangs on a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.alpha import compute_alpha
from cpi_analysis.fidelity.multitrait import (
    CONVERGENT,
    METHOD,
    build_multitrait_matrix,
    summarise_matrix,
)
from cpi_analysis.fidelity.outcome_contrast import check_outcomes, compute_contrast
from cpi_analysis.fidelity.plan import FidelityKey, agencies_of_targets, read_fidelity_key
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.fidelity.scores import read_ratings, score_sources, tabulate_items
from cpi_analysis.fidelity.source_composites import (
    FEW_TARGETS,
    MEAN,
    Classification,
    Contrast,
    Row,
    build_choices,
    build_contrast_rows,
    build_pair_rows,
    build_reliability_rows,
    classify,
)
from cpi_analysis.fidelity.wording import add_targets, count_participants
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cpi_analysis.io.trial import TrialData


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TriangulationResult(Result):
    """Everything that the sources say about fidelity together.

    Parameters
    ----------
    items
        Mean of each item by source, in percent of its range: items × sources.
    multitrait
        Multitrait–multimethod matrix, one row per pair of a domain by a source.
    cutoff
        Score from which fidelity is high.
    n_targets
        Number of targets that a source rated.
    target_level
        What was rated: participant, worker or agency.
    """

    title: ClassVar[str] = "Triangulation of the sources of fidelity"

    items: pd.DataFrame
    multitrait: pd.DataFrame
    cutoff: float
    n_targets: int
    target_level: str

    def summary(self) -> str:
        """Return how far the share of high fidelity moves with the choice of sources."""
        shares = self.estimates[self.estimates["quantity"] == "share_high"].dropna(
            subset=["estimate"]
        )
        if shares.empty:
            return f"No target has a score of the {self.items.shape[1]} sources."
        ranked = shares.sort_values("estimate", kind="stable")
        low, high = ranked.iloc[0], ranked.iloc[-1]
        return (
            f"Fidelity is high for {low['estimate']:.0%} ({low['choice']}) to "
            f"{high['estimate']:.0%} ({high['choice']}) of targets, depending on how the sources "
            "are combined."
        )

    def _facts(self) -> list[str]:
        return add_targets(super()._facts(), self.n_targets, self.target_level)

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_heat_map

        draw_heat_map(ax, self.items, label="Mean, % of the range")


def build_triangulation(
    trial: TrialData,
    *,
    outcomes: pd.DataFrame | Contrast | None = None,
    cutoff: float | None = None,
    confidence_level: float | None = None,
) -> TriangulationResult:
    """Build one report of the sources of fidelity, and of what depends on how they are combined.

    Estimands: bias (first source minus second) and agreement of each pair of sources on the same
    targets; reliability of composites; difference of an outcome between targets of high fidelity
    and the others, under each way to combine the sources.

    Parameters
    ----------
    trial
        A trial with ``fidelity_ratings`` and a protocol with a fidelity plan of at least two
        sources.
    outcomes
        For the contrast of an outcome: a table with ``target_id``, ``outcome``, optionally
        ``agency_id``, and further numeric columns to adjust for, such as the baseline; or a
        function that takes a Series of True and False by target (is fidelity high) and returns
        ``estimate``, ``std_error``, ``df``, ``conf_low``, ``conf_high``, ``p_value``, ``n`` of
        its own model. None: no contrast.
    cutoff
        Score in percent from which fidelity is high; None for the protocol's, else the
        start of the highest band of the key.
    confidence_level
        Level of the intervals; None for the protocol's.

    Returns
    -------
    TriangulationResult
        ``estimates`` has per ``pair``: ``bias``, ``icc`` (A,1 and C,1), ``concordance`` (Lin),
        ``band_agreement``, ``band_kappa``; per ``choice`` of sources: ``reliability`` (A,k and
        C,k), ``share_high``, ``share_moved`` (classified otherwise than by the mean), and
        ``outcome_contrast``; and the mean correlations of the multitrait–multimethod matrix.
        ``items`` is the item × source heat map, ``multitrait`` the matrix.

    Raises
    ------
    DataError
        CPI-E047 without a fidelity plan or a cut-off, E024 level or cut-off, E011, E013, E020,
        E045 outcomes that cannot be used.
    ModelError
        CPI-M008 with one source, or no two sources that rated the same targets.

    Notes
    -----
    Choices: the mean of the sources, their median (what the majority says), the mean with one
    source left out, each source alone. Combinations need two sources of a target. Intervals of
    bias, band kappa and contrast are robust to agencies; those of ICC, concordance and
    reliability take targets as independent. The contrast of a table is least squares with CR2
    and Satterthwaite df. Fidelity was observed, not allocated: a contrast is no effect.

    References
    ----------
    Campbell DT, Fiske DW (1959). Convergent and discriminant validation by the
    multitrait-multimethod matrix. Psychological Bulletin 56, 81-105.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.fidelity import build_triangulation
    >>> result = build_triangulation(cpi.load_example_trial())
    >>> result.items.columns.tolist()
    ['worker', 'participant', 'researcher']
    """
    key = read_fidelity_key(trial)
    level = confidence_level
    if level is None:
        level = trial.protocol.confidence_level if trial.protocol is not None else 0.95
    check_confidence_level(level)
    cut = _find_cutoff(trial, key) if cutoff is None else float(cutoff)
    _check_cutoff(cut)
    ratings = read_ratings(trial, key, key.composite)
    scores = score_sources(ratings, key, key.composite)
    _check_overlap(scores)
    agencies = agencies_of_targets(trial, key.plan.target_level).reindex(scores.index)
    starts = sorted(
        {float(each.at_least) for each in key.composite.cuts if each.at_least > 0} | {cut}
    )
    matrix = _build_matrix(ratings, key)
    found = classify(build_choices(scores), cut)
    rows = [
        *build_pair_rows(scores, agencies, starts, level),
        *build_reliability_rows(scores, level),
        *found.rows,
        *_contrast(outcomes, found, agencies, level),
        *_matrix_rows(matrix),
    ]
    rated = int(scores.notna().any(axis=1).sum())
    return TriangulationResult(
        estimates=pd.DataFrame(rows),
        n_participants=count_participants(rated, key.plan.target_level),
        n_agencies=int(agencies.nunique()),
        method=f"pairs of sources, composites, and fidelity high from {cut:g}%; intervals of bias, "
        "band kappa and contrast robust to agencies",
        confidence_level=level,
        estimand="bias and agreement of sources; what their combination does to who is high and "
        "to an outcome's difference, high minus the rest",
        notes=_describe(scores, matrix, rows),
        items=_build_heat_map(ratings, key),
        multitrait=matrix,
        cutoff=cut,
        n_targets=rated,
        target_level=key.plan.target_level,
    )


def _find_cutoff(trial: TrialData, key: FidelityKey) -> float:
    contrast = trial.protocol.contrast if trial.protocol is not None else None
    if contrast is not None and contrast.measure == key.composite.measure:
        return float(contrast.cutoff or 0.0)
    if not key.composite.cuts:
        raise DataError(
            Fault(
                code="CPI-E047",
                column="cutoff",
                rule="neither the protocol nor the key says from where fidelity is high",
                cure="give cutoff=, or declare bands in the scoring key",
            )
        )
    return float(max(cut.at_least for cut in key.composite.cuts))


def _check_cutoff(cutoff: float) -> None:
    if not 0 < cutoff <= 100:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="cutoff",
                rule="the cut-off is a percentage of the maximum",
                cure="give a number such as 80",
                allowed="more than 0, at most 100",
            )
        )


def _check_overlap(scores: pd.DataFrame) -> None:
    if scores.shape[1] < 2:
        raise refuse_items(
            "the protocol names one source", "triangulation needs at least two in the plan"
        )
    if (scores.notna().sum(axis=1) >= 2).sum() < 2:
        raise refuse_items(
            "fewer than two targets were rated by two sources",
            "without overlap sources cannot be compared: have the same targets rated twice",
        )


def _build_heat_map(ratings: pd.DataFrame, key: FidelityKey) -> pd.DataFrame:
    share = (ratings["value"] - ratings["minimum"]) / (ratings["maximum"] - ratings["minimum"])
    means = ratings.assign(percent=100 * share).groupby(["item", "source"], observed=True)[
        "percent"
    ]
    table = means.mean().unstack("source")
    order = [item for item in key.composite.items if item in table.index]
    return table.reindex(index=order, columns=list(key.plan.sources)).rename_axis(
        index="item", columns=None
    )


def _build_matrix(ratings: pd.DataFrame, key: FidelityKey) -> pd.DataFrame:
    scores: dict[tuple[str, str], pd.Series] = {}
    reliability: dict[tuple[str, str], float] = {}
    for scale in key.domains:
        mine = ratings[ratings["item"].isin(scale.items)]
        if mine.empty:
            continue
        table = score_sources(mine, key, scale)
        for source in table:
            if table[source].notna().sum() == 0:
                continue
            place = (scale.label, str(source))
            scores[place] = table[source]
            items = tabulate_items(mine, scale, str(source)).dropna()
            if items.shape[1] > 1 and len(items) >= FEW_TARGETS and items.sum(axis=1).nunique() > 1:
                reliability[place] = compute_alpha(items)
    return build_multitrait_matrix(scores, reliability)


def _matrix_rows(matrix: pd.DataFrame) -> list[Row]:
    means = summarise_matrix(matrix) if len(matrix) else {}
    return [
        {"quantity": "mean_correlation", "choice": kind, "estimate": value}
        for kind, value in means.items()
    ]


def _contrast(
    outcomes: pd.DataFrame | Contrast | None,
    found: Classification,
    agencies: pd.Series,
    level: float,
) -> list[Row]:
    if outcomes is None:
        return []
    if callable(outcomes):
        return build_contrast_rows(found.is_high, outcomes)
    table = check_outcomes(outcomes)
    of_target = table.get("agency_id", agencies)
    return build_contrast_rows(
        found.is_high,
        lambda high: compute_contrast(high, table, of_target, confidence_level=level),
    )


def _describe(scores: pd.DataFrame, matrix: pd.DataFrame, rows: list[Row]) -> tuple[str, ...]:
    counts = ", ".join(f"{source} {scores[source].notna().sum()}" for source in scores)
    notes = [
        f"Targets with a score: {counts}. A pair or a composite holds for the targets that its "
        "sources rated, who may not be like the rest.",
        "The sources are fixed and not interchangeable: consistency hides a constant bias.",
    ]
    means = summarise_matrix(matrix) if len(matrix) else {}
    if means and means[METHOD] > means[CONVERGENT]:
        notes.append(
            "Domains go together within a source more than sources agree on a domain: scores "
            "say more about who rated than about the domain."
        )
    contrasts = [row["estimate"] for row in rows if row["quantity"] == "outcome_contrast"]
    signs = {np.sign(float(value)) for value in contrasts if value == value}  # type: ignore[arg-type]
    if len(signs) > 1:
        notes.append("The outcome's difference changes its sign with the choice of sources.")
    lacking = [
        str(r["choice"]) for r in rows if r["quantity"] == "outcome_contrast" and "reason" in r
    ]
    if lacking:
        notes.append(f"No contrast could be estimated for: {', '.join(lacking)}.")
    if contrasts:
        notes.append(
            f"Name the choice in the protocol ({MEAN} unless it says otherwise): do not take the "
            "one that suits. Fidelity was observed, not allocated."
        )
    return tuple(notes)
