"""How many targets reach each band of fidelity, with the continuous score beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.plan import FidelityKey, agencies_of_targets, read_fidelity_key
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.fidelity.scores import compute_composite, read_ratings, score_sources
from cpi_analysis.fidelity.wording import add_targets, count_participants
from cpi_analysis.io.instruments import Cut
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cpi_analysis.io.trial import TrialData

#: Name of the row that describes every target with a score.
EVERYBODY = "all"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FidelityBandResult(Result):
    """Counts of targets by band of fidelity, and the distribution of the score.

    Parameters
    ----------
    scores
        The score of every target that has one, in increasing order.
    cuts
        Band and score at which it starts.
    target_level
        What was rated: participant, worker or agency.
    """

    title: ClassVar[str] = "Fidelity by band"

    scores: tuple[float, ...]
    cuts: tuple[tuple[str, float], ...]
    target_level: str

    def summary(self) -> str:
        """Return the counts by band and the mean of the score."""
        everybody = self.estimates[self.estimates["group"] == EVERYBODY].iloc[0]
        bands = self.estimates[self.estimates["group"] != EVERYBODY]
        counts = ", ".join(
            f"{count} {band}" for band, count in zip(bands["group"], bands["n"], strict=True)
        )
        mean, std_dev = (round_half_up(float(everybody[name]), 1) for name in ("mean", "std_dev"))
        return (
            f"Of {everybody['n']} with a fidelity score: {counts}; "
            f"mean {mean}% of the maximum (SD {std_dev})."
        )

    def _facts(self) -> list[str]:
        return add_targets(super()._facts(), len(self.scores), self.target_level)

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import COLOURS

        ax.hist(
            self.scores, bins=np.arange(0, 101, 5).tolist(), color=COLOURS[0], edgecolor="white"
        )
        for label, at_least in self.cuts:
            if at_least > 0:
                ax.axvline(at_least, color="black", linestyle="--", linewidth=1)
            ax.text(
                at_least + 1, 0.98, label, transform=ax.get_xaxis_transform(), va="top", fontsize=9
            )
        ax.set_xlim(0, 100)
        # Room above the bars for the names of the bands.
        ax.set_ylim(0, 1.12 * ax.get_ylim()[1])
        ax.set_xlabel("Fidelity, % of the maximum (mean of the sources)")
        ax.set_ylabel("Number of targets")
        ax.spines[["top", "right"]].set_visible(False)


def build_fidelity_bands(trial: TrialData) -> FidelityBandResult:
    """Build the counts of targets by declared band of fidelity.

    Parameters
    ----------
    trial
        A trial with ``fidelity_ratings`` and a protocol with a fidelity plan. The bands are
        the cuts of the instrument's score; a user edits them in the key.

    Returns
    -------
    FidelityBandResult
        One row per band, from the lowest, and one for all: ``group``, ``n``, ``proportion``
        of those with a score, ``mean``, ``std_dev``, ``minimum``, ``median``, ``maximum``
        of the score in percent.

    Raises
    ------
    DataError
        CPI-E047 when there is no fidelity plan, or the instrument declares no cuts.
    ModelError
        CPI-M008 when no target has a score.

    Notes
    -----
    A band holds the scores from its own cut up to, and without, the next one. Cutting a score
    into bands discards information: the continuous score stands beside them for that reason.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.fidelity import build_fidelity_bands
    >>> build_fidelity_bands(cpi.load_example_trial()).tidy()["group"].tolist()
    ['low', 'moderate', 'high', 'all']
    """
    key = read_fidelity_key(trial)
    cuts = sorted(key.composite.cuts, key=lambda cut: cut.at_least)
    if not cuts:
        raise DataError(
            Fault(
                code="CPI-E047",
                file=key.plan.instrument,
                rule=f"the scale {key.composite.measure} declares no cuts",
                cure="add [[scales.cuts]] with label and at_least to the scoring key",
            )
        )
    sources = score_sources(read_ratings(trial, key, key.composite), key, key.composite)
    composite = compute_composite(sources)
    known = composite.dropna().sort_values(kind="stable")
    if known.empty:
        raise refuse_items(
            "no target has a fidelity score", "see how many sources and answers a score needs"
        )
    band = np.searchsorted([cut.at_least for cut in cuts], known.to_numpy(), side="right") - 1
    labels = [cut.label for cut in cuts]
    rows = [
        _describe(label, known[band == index], len(known)) for index, label in enumerate(labels)
    ]
    agencies = agencies_of_targets(trial, key.plan.target_level).reindex(known.index)
    return FidelityBandResult(
        estimates=pd.DataFrame([*rows, _describe(EVERYBODY, known, len(known))]),
        n_participants=count_participants(len(known), key.plan.target_level),
        n_agencies=int(agencies.nunique()),
        method="mean of the sources' scores, cut at " + _phrase_cuts(labels, cuts),
        notes=_describe_notes(trial, key, composite, [cut.at_least for cut in cuts]),
        scores=tuple(float(score) for score in known),
        target_level=key.plan.target_level,
        cuts=tuple((cut.label, float(cut.at_least)) for cut in cuts),
    )


def _describe(label: str, scores: pd.Series[float], n_scored: int) -> dict[str, object]:
    return {
        "group": label,
        "n": len(scores),
        "proportion": len(scores) / n_scored,
        "mean": float(scores.mean()),
        "std_dev": float(scores.std()),
        "minimum": float(scores.min()),
        "median": float(scores.median()),
        "maximum": float(scores.max()),
    }


def _phrase_cuts(labels: list[str], cuts: list[Cut]) -> str:
    return ", ".join(
        f"{label} from {cut.at_least:g}%" for label, cut in zip(labels, cuts, strict=True)
    )


def _describe_notes(
    trial: TrialData, key: FidelityKey, composite: pd.Series[float], starts: list[float]
) -> tuple[str, ...]:
    notes = ["Bands discard information: analyse the continuous score too."]
    missing = int(composite.isna().sum())
    if missing:
        notes.append(f"{missing} rated targets have no score: too few sources or answers.")
    below = int((composite < starts[0]).sum())
    if below:
        notes.append(f"{below} scores lie below the lowest band and are only in the row 'all'.")
    status = {cut.status for cut in key.composite.cuts}
    if status - {"V", "D"}:
        notes.append("The cuts are assumed or recalled, not established for this questionnaire.")
    contrast = trial.protocol.contrast if trial.protocol is not None else None
    is_other = contrast is not None and contrast.measure == key.composite.measure
    if contrast is not None and is_other and contrast.cutoff not in starts:
        notes.append(f"The protocol's contrast cuts elsewhere, at {contrast.cutoff:g}%.")
    return tuple(notes)
