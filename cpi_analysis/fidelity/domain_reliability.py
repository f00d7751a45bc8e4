"""Reliability of every domain of the fidelity questionnaire, by source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity.alpha import VERY_HIGH_ALPHA, describe_against, estimate_alpha
from cpi_analysis.fidelity.plan import (
    FidelityKey,
    agencies_of_targets,
    read_fidelity_key,
)
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.fidelity.scores import read_ratings, tabulate_items
from cpi_analysis.fidelity.wording import add_targets, count_participants
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cpi_analysis.io.trial import TrialData

_COLUMNS = ("estimate", "conf_low", "conf_high", "n", "n_items")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DomainReliabilityResult(Result):
    """Cronbach's alpha of each domain of the questionnaire in each source.

    Parameters
    ----------
    n_targets, target_level
        How many were rated, and what they are: participant, worker or agency.
    """

    title: ClassVar[str] = "Reliability of the fidelity domains"

    n_targets: int
    target_level: str

    def summary(self) -> str:
        """Return the range of alpha over domains and sources."""
        low, high = (
            round_half_up(float(number), 2)
            for number in (self.estimates["estimate"].min(), self.estimates["estimate"].max())
        )
        return (
            f"Cronbach's alpha of the fidelity domains lies between {low} and {high} "
            f"(domains: {self.estimates['scale'].nunique()}, "
            f"sources: {self.estimates['source'].nunique()})."
        )

    def _facts(self) -> list[str]:
        return add_targets(super()._facts(), self.n_targets, self.target_level)

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        draw_forest(
            ax,
            self.estimates,
            list(
                self.estimates["scale"].astype(str).where(~self.estimates["scale"].duplicated(), "")
            ),
            axis_label="Cronbach's alpha",
            groups=[str(source) for source in self.estimates["source"]],
        )


def estimate_domain_reliability(trial: TrialData) -> DomainReliabilityResult:
    """Estimate Cronbach's alpha of each domain of the fidelity questionnaire in each source.

    Parameters
    ----------
    trial
        A trial with ``fidelity_ratings`` and a protocol with a fidelity plan.

    Returns
    -------
    DomainReliabilityResult
        One row per domain and source: ``scale``, ``source``, ``estimate``, ``conf_low``,
        ``conf_high``, ``n`` (targets with every answer), ``n_items``, ``omega`` (total, of one
        factor), ``n_dimensions`` (by parallel analysis). Formative domains are
        not in it; domains that could not be estimated are named in the notes.

    Raises
    ------
    ModelError
        CPI-M008 when alpha can be estimated in no domain of any source.

    See Also
    --------
    estimate_alpha : formula, interval and what they assume.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.fidelity import estimate_domain_reliability
    >>> result = estimate_domain_reliability(cpi.load_example_trial())
    >>> bool((result.tidy()["estimate"] <= 1).all())
    True
    """
    key = read_fidelity_key(trial)
    level = trial.protocol.confidence_level if trial.protocol is not None else 0.95
    ratings = read_ratings(trial, key, key.composite)
    rows, notes = _estimate_all(ratings, key, level)
    if not rows:
        raise refuse_items(
            "alpha can be estimated in no domain of any source",
            "check that every domain has at least two items that were answered; " + " ".join(notes),
        )
    targets = sorted(ratings.loc[ratings["value"].notna(), "target_id"].unique())
    agencies = agencies_of_targets(trial, key.plan.target_level).reindex(targets)
    return DomainReliabilityResult(
        estimates=pd.DataFrame(rows),
        n_participants=count_participants(len(targets), key.plan.target_level),
        n_agencies=int(agencies.nunique()),
        method="Cronbach's alpha of complete answers by domain and source; Feldt's interval",
        confidence_level=level,
        estimand="share of the variance of a domain's total that is true-score variance, if its "
        "items measure one thing equally well; otherwise a lower bound of it",
        notes=(*_describe_formative(key), *notes, *_describe_limits()),
        n_targets=len(targets),
        target_level=key.plan.target_level,
    )


def _estimate_all(
    ratings: pd.DataFrame, key: FidelityKey, confidence_level: float
) -> tuple[list[dict[str, object]], list[str]]:
    rows: list[dict[str, object]] = []
    not_asked: list[str] = []
    notes: list[str] = []
    most_missing = 0
    for scale in key.domains:
        in_domain = ratings[ratings["item"].isin(scale.items)]
        for source in key.plan.sources:
            place = f"{scale.label} by {source}"
            items = tabulate_items(in_domain, scale, source)
            if items.shape[1] == 0:
                not_asked.append(place)
                continue
            try:
                result = estimate_alpha(items, confidence_level=confidence_level)
            except ModelError as error:
                reasons = "; ".join(fault.rule for fault in error.faults)
                notes.append(f"{place}: no alpha, because {reasons}.")
                continue
            row = result.estimates.iloc[0]
            beside = {"omega": result.omega, "n_dimensions": result.n_dimensions}
            values = {c: row[c] for c in _COLUMNS}
            rows.append({"scale": scale.label, "source": source, **values, **beside})
            alpha, against = float(row["estimate"]), result.against_the_rest
            notes.extend(_flag(place, alpha, result.n_dimensions, against))
            most_missing = max(most_missing, result.n_missing)
    if most_missing:
        notes.append(
            "Each row has the targets with every answer of its domain and source; n counts "
            f"them, and at most {most_missing} that were rated are left out."
        )
    if not_asked:
        notes.append(f"Not asked: {'; '.join(not_asked)}.")
    return rows, notes


def _flag(
    place: str, alpha: float, n_dimensions: int | None, against: tuple[str, ...]
) -> list[str]:
    flags = []
    if alpha < 0:
        flags.append(f"{place}: alpha is negative; check for items to reverse.")
    if alpha > VERY_HIGH_ALPHA:
        flags.append(f"{place}: alpha above {VERY_HIGH_ALPHA}; items may repeat each other.")
    if n_dimensions not in (None, 1):
        flags.append(f"{place}: parallel analysis finds {n_dimensions} dimensions, not one.")
    flags.extend(f"{place}: {note}" for note in describe_against(against))
    return flags


def _describe_formative(key: FidelityKey) -> tuple[str, ...]:
    labels = ", ".join(scale.label for scale in key.formative)
    if not labels:
        return ()
    return (f"No alpha for {labels}: a formative list, whose items need not go together.",)


def _describe_limits() -> tuple[str, ...]:
    return (
        "Alpha takes for granted that a domain measures one thing equally well with every item: "
        "omega drops the second assumption, and the number of dimensions asks for the first.",
        "The intervals treat targets as independent: with skewed answers, or targets alike "
        "within agencies, they are too narrow.",
    )
