"""Whether a sample is large enough for a verdict on the fit of a factor model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cpi_analysis.results import round_half_up

#: With fewer people no verdict on fit is given. In simulations of true models with skewed
#: five-point answers, 72% to 97% were rejected by robust ML and 23% to 47% by WLSMV with 50 to 100
#: people, although every fit converged.
FEWEST_PEOPLE = 100
#: A cell in which fewer people are expected says little about a correlation. A convention.
SMALL_EXPECTED = 1.0
#: Fewer people for each free parameter than this are pointed out. A convention.
FEWEST_PER_PARAMETER = 5.0
#: How many names a note shows.
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class SampleGate:
    """What the sample allows to be said about the fit of a model.

    Parameters
    ----------
    is_open
        Whether a verdict on fit may be given. When it is not, indices are shown as numbers only
        and nothing is called good or bad.
    banner
        One sentence for the top of the result when the gate is shut; None when it is open.
    notes
        The banner and whatever else a reader must know about the size of the sample.
    """

    is_open: bool
    banner: str | None
    notes: tuple[str, ...]


def describe_sample_gate(
    n_people: int,
    *,
    n_items: int,
    n_parameters: int | None = None,
    lost_categories: Sequence[str] = (),
    smallest_expected: float | None = None,
) -> SampleGate:
    """Return whether so small a sample lets anybody judge the fit of a factor model.

    Parameters
    ----------
    n_people
        People that the model rests on; with pairwise missing answers, the fewest of any pair.
    n_items
        Items of the model.
    n_parameters
        Free parameters of the model; None when they are not counted.
    lost_categories
        Items of which a category was chosen by nobody.
    smallest_expected
        People expected in the emptiest cell of any two items; None for continuous answers.

    Returns
    -------
    SampleGate
        Shut below 100 people, or when an item lost a category.

    Examples
    --------
    >>> describe_sample_gate(80, n_items=10).is_open
    False
    >>> describe_sample_gate(300, n_items=10).notes
    ()
    """
    reasons = []
    if n_people < FEWEST_PEOPLE:
        reasons.append(f"{n_people} people are fewer than {FEWEST_PEOPLE}")
    if lost_categories:
        names = ", ".join(lost_categories[:_SHOWN])
        more = " and others" if len(lost_categories) > _SHOWN else ""
        reasons.append(f"nobody chose a category of {names}{more}")
    banner = None
    if reasons:
        banner = (
            f"NO VERDICT ON FIT: {'; '.join(reasons)}. In such samples true models are often "
            "rejected and false ones kept: read loadings as a description, and collect more "
            "answers before a decision about the structure."
        )
    notes = [] if banner is None else [banner]
    notes += _describe_size(n_people, n_items, n_parameters, smallest_expected)
    return SampleGate(is_open=banner is None, banner=banner, notes=tuple(notes))


def _describe_size(
    n_people: int, n_items: int, n_parameters: int | None, smallest_expected: float | None
) -> list[str]:
    notes = []
    if n_people < n_items:
        notes.append(f"Fewer people ({n_people}) than items ({n_items}): not to be relied on.")
    if n_parameters:
        ratio = n_people / n_parameters
        if ratio < FEWEST_PER_PARAMETER:
            notes.append(
                f"{round_half_up(ratio, 1)} people for each of the {n_parameters} free parameters: "
                f"fewer than {FEWEST_PER_PARAMETER:.0f}."
            )
    if smallest_expected is not None and smallest_expected < SMALL_EXPECTED:
        notes.append(
            f"In the emptiest cell of two items {round_half_up(smallest_expected, 2)} people are "
            "expected: standard errors and fit are rough."
        )
    return notes
