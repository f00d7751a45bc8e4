"""What a model estimates, in one sentence: population, variable, intercurrent events, summary.

The parts are those of ICH E9(R1), section A.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpi_analysis.effectiveness.analysis_set import AnalysisSet, list_adjustments
from cpi_analysis.effectiveness.wording import phrase_list
from cpi_analysis.io.exposure import describe_exposure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cpi_analysis.io.protocol import Contrast

NO_CLAIM = "an observed exposure, without a claim that it caused the difference"
TREATMENT_POLICY = "whether or not they took up or stayed with the intervention"


def state_estimand(
    analysis_set: AnalysisSet,
    *,
    summary: str,
    without: Sequence[str] = (),
    claims: bool = True,
) -> str:
    """Return the estimand of a model of an analysis set.

    Parameters
    ----------
    analysis_set
        Who is analysed, and what is adjusted for.
    summary
        Variable and summary measure, as in "Difference in mean well-being between ...".
    without
        Columns of the set that the model does not adjust for: ``baseline`` of a change score,
        the dose or moderator that the summary already names.
    claims
        False when the exposure was measured whatever the contrast says.
    """
    columns = list_adjustments(analysis_set)
    adjustments = [
        words
        for column, words in zip(columns, analysis_set.adjustments, strict=True)
        if column not in without
    ]
    given = phrase_list(adjustments)
    alike = f"for participants of the same {given}" if given else "without adjustment"
    policy = say_intercurrent(analysis_set.contrast) if claims else NO_CLAIM
    return (
        f"{summary}, {alike}; population: {say_population(analysis_set)}; {policy}; "
        "missing outcomes are taken to be missing at random given what is adjusted for."
    )


def say_groups(contrast: Contrast) -> str:
    """Return the groups compared, with the direction of the difference."""
    return f"between {describe_exposure(contrast)}, target minus reference"


def say_population(analysis_set: AnalysisSet) -> str:
    """Return in whom the model is estimated."""
    has_more = bool(analysis_set.adjustments)
    observed = "the outcome and all of these" if has_more else "the outcome"
    further = phrase_list(analysis_set.further_requirements)
    who = f"participants in whom {observed}{f', and {further},' if further else ''}"
    return who + (" were observed" if has_more or further else " was observed")


def say_intercurrent(contrast: Contrast) -> str:
    """Return how events after the start of the intervention are dealt with."""
    return TREATMENT_POLICY if contrast.variable == "arm" else NO_CLAIM
