"""Agreement of the sources that rate fidelity, and how far each lies above or below the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from cpi_analysis.fidelity.icc import IccResult, estimate_icc
from cpi_analysis.fidelity.plan import FidelityKey, agencies_of_targets, read_fidelity_key
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.fidelity.scores import read_ratings, score_sources
from cpi_analysis.fidelity.wording import add_targets, count_participants
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cpi_analysis.io.trial import TrialData

#: The coefficients reported: one source, the mean of the sources, and the latter without bias.
REPORTED_FORMS = ("ICC(A,1)", "ICC(A,k)", "ICC(C,k)")
_COLUMNS = ("quantity", "form", "source", "estimate", "conf_low", "conf_high", "n", "n_raters")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SourceAgreementResult(Result):
    """Intraclass correlations between the sources and the bias of each.

    Parameters
    ----------
    scores
        Score of each source (columns) for each target that all sources rated, in percent,
        without identifiers, ordered by their mean.
    n_missing
        Number of rated targets that lack the score of a source.
    target_level
        What was rated: participant, worker or agency.
    """

    title: ClassVar[str] = "Agreement of the sources on fidelity"

    scores: pd.DataFrame
    n_missing: int
    target_level: str

    def summary(self) -> str:
        """Return the reliability of the mean of the sources in one sentence."""
        row = self.estimates[self.estimates["form"] == "ICC(A,k)"].iloc[0]
        estimate, low, high = (
            round_half_up(float(row[column]), 2) for column in ("estimate", "conf_low", "conf_high")
        )
        return (
            f"The mean of {self.scores.shape[1]} sources has an agreement ICC(A,k) of {estimate} "
            f"({self.confidence_level:.0%} CI {low} to {high}) in {len(self.scores)} targets "
            "that all of them rated."
        )

    def _facts(self) -> list[str]:
        return add_targets(super()._facts(), len(self.scores), self.target_level)

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import COLOURS, MARKERS

        for index, source in enumerate(self.scores.columns):
            ax.plot(
                range(1, len(self.scores) + 1),
                self.scores[source],
                MARKERS[index % len(MARKERS)],
                color=COLOURS[index % len(COLOURS)],
                markersize=4,
                label=str(source),
            )
        ax.set_xlabel("Targets, ordered by the mean of the sources")
        ax.set_ylabel("Fidelity, % of the maximum")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)


def estimate_source_agreement(trial: TrialData) -> SourceAgreementResult:
    """Estimate how far the sources agree on the fidelity of the same targets.

    Parameters
    ----------
    trial
        A trial with ``fidelity_ratings`` and a protocol with a fidelity plan of at least two
        sources.

    Returns
    -------
    SourceAgreementResult
        A row per form (``quantity`` = ``icc``, ``form``) and a row per source (``quantity`` =
        ``bias``, ``source``): ``estimate``, ``conf_low``, ``conf_high``, ``n``, ``n_raters``.
        The bias is in points of the percentage.

    Raises
    ------
    ModelError
        CPI-M008 with fewer than two sources or two targets that all sources rated.
    DataError
        CPI-E047 without a fidelity plan.

    Notes
    -----
    Only targets with a score of every source are used. ICC(A,1) and ICC(A,k) count a constant
    difference between sources as disagreement; ICC(C,k) does not. The bias of a source is the
    mean over targets of its score minus the mean of all sources. Its variance allows for
    targets alike within agencies: with residuals e, n targets and G agencies it is
    G / (G − 1) · Σ_g (Σ_{i in g} e_i)² / n², and the interval uses t with G − 1 df.
    The intervals of the ICCs treat targets as independent.

    References
    ----------
    McGraw KO, Wong SP. Psychological Methods 1996;1:30-46.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.fidelity import estimate_source_agreement
    >>> table = estimate_source_agreement(cpi.load_example_trial()).tidy()
    >>> table["form"].dropna().tolist()
    ['ICC(A,1)', 'ICC(A,k)', 'ICC(C,k)']
    """
    key = read_fidelity_key(trial)
    level = trial.protocol.confidence_level if trial.protocol is not None else 0.95
    ratings = read_ratings(trial, key, key.composite)
    scores = score_sources(ratings, key, key.composite)
    complete = _keep_complete(scores)
    agencies = agencies_of_targets(trial, key.plan.target_level).reindex(complete.index)
    icc = _estimate_icc(complete, level)
    bias_rows = _estimate_biases(complete, agencies, level)
    order = complete.mean(axis=1).sort_values(kind="stable").index
    return SourceAgreementResult(
        estimates=pd.concat([_pick_forms(icc), bias_rows], ignore_index=True)[list(_COLUMNS)],
        n_participants=count_participants(len(complete), key.plan.target_level),
        n_agencies=int(agencies.nunique()),
        method="intraclass correlations of the sources' scores (McGraw and Wong); bias with "
        "an interval robust to agencies, t on agencies − 1 df",
        confidence_level=level,
        estimand="share of the variance of a source's score (1), or of the mean of the sources "
        "(k), that lies between targets; bias: a source minus the mean of the sources",
        notes=(*_describe(scores, complete, ratings, key), *icc.notes),
        target_level=key.plan.target_level,
        scores=complete.loc[order].reset_index(drop=True),
        n_missing=len(scores) - len(complete),
    )


def compute_clustered_mean(
    values: np.ndarray, clusters: np.ndarray, *, confidence_level: float
) -> tuple[float, float, float]:
    """Return a mean and its interval, robust to values that are alike within clusters.

    Examples
    --------
    >>> import numpy as np
    >>> values, clusters = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1])
    >>> mean, low, high = compute_clustered_mean(values, clusters, confidence_level=0.95)
    >>> mean, round(high - mean, 3)
    (4.0, 25.412)
    """
    mean = float(values.mean())
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(index, weights=values - mean)
    n_clusters = len(sums)
    if n_clusters < 2:
        return mean, float("nan"), float("nan")
    variance = n_clusters / (n_clusters - 1) * float((sums**2).sum()) / len(values) ** 2
    tail = (1 - confidence_level) / 2
    half = float(stats.t.isf(tail, n_clusters - 1)) * variance**0.5
    return mean, mean - half, mean + half


def _keep_complete(scores: pd.DataFrame) -> pd.DataFrame:
    if scores.shape[1] < 2:
        raise refuse_items(
            "the protocol names one source", "agreement needs at least two sources in the plan"
        )
    silent = [str(source) for source in scores if scores[source].notna().sum() == 0]
    complete = scores.dropna()
    if len(complete) < 2:
        cure = "leave a source out of the plan that rated few targets"
        raise refuse_items(
            f"{len(complete)} of {len(scores)} targets have a score of every source"
            + (f"; {', '.join(silent)} gave no score" if silent else ""),
            cure,
        )
    return complete


def _estimate_icc(complete: pd.DataFrame, confidence_level: float) -> IccResult:
    long = complete.reset_index().melt(id_vars="target_id", var_name="source", value_name="score")
    return estimate_icc(
        long,
        target="target_id",
        rater="source",
        rating="score",
        form="all",
        confidence_level=confidence_level,
    )


def _pick_forms(icc: IccResult) -> pd.DataFrame:
    chosen = icc.tidy().set_index("form").loc[list(REPORTED_FORMS)].reset_index()
    chosen.insert(0, "quantity", "icc")
    return chosen


def _estimate_biases(
    complete: pd.DataFrame, agencies: pd.Series[str], confidence_level: float
) -> pd.DataFrame:
    deviations = complete.sub(complete.mean(axis=1), axis=0)
    rows = []
    for source in complete.columns:
        mean, low, high = compute_clustered_mean(
            deviations[source].to_numpy(), agencies.to_numpy(), confidence_level=confidence_level
        )
        interval = {"estimate": mean, "conf_low": low, "conf_high": high}
        counts = {"n": len(complete), "n_raters": complete.shape[1]}
        rows.append({"quantity": "bias", "source": str(source), **interval, **counts})
    return pd.DataFrame(rows)


def _describe(
    scores: pd.DataFrame, complete: pd.DataFrame, ratings: pd.DataFrame, key: FidelityKey
) -> tuple[str, ...]:
    observed = ", ".join(f"{source} {scores[source].notna().sum()}" for source in scores)
    asked = {
        source: set(ratings.loc[ratings["source"] == source, "item"]) for source in key.plan.sources
    }
    shared = set.intersection(*asked.values())
    counts = ", ".join(f"{source} {len(items)}" for source, items in asked.items())
    notes = [
        "The sources are fixed and not interchangeable: read the agreement with the bias of "
        "each; consistency, ICC(C,k), hides a constant bias.",
        f"Targets with a score: {observed}; all sources: {len(complete)} of {len(scores)}. "
        "Agreement is known only in those, who may not be like the rest.",
        "The intervals of the ICCs treat targets as independent: targets alike within agencies "
        "make them too narrow.",
    ]
    if any(items != shared for items in asked.values()):
        notes.append(
            f"The sources rate different items ({counts}; {len(shared)} in common): disagreement "
            "is also about content."
        )
    return tuple(notes)
