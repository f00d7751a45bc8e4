"""The answers of the people who answered every item, or a refusal that says why there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.fidelity.thresholds import check_items


def keep_complete(items: pd.DataFrame) -> pd.DataFrame:
    """Return the complete rows as floats, after checking that items and total vary.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 when the table does not hold items.
    ModelError
        CPI-M006 for an infinite answer; CPI-M008 with fewer than two items or complete people,
        an item that does not vary, or a total score that does not vary.
    """
    answers = check_items(items)
    is_complete = np.asarray(~np.isnan(answers).any(axis=1))
    complete = pd.DataFrame(
        answers[is_complete], index=items.index[is_complete], columns=items.columns
    )
    n = len(complete)
    if n < 2:
        raise refuse_items(
            f"{n} of {len(items)} people answered every item, which is fewer than two",
            "leave out an item that hardly anybody answered, or check the table",
        )
    constant = [str(item) for item in complete.columns if complete[item].nunique() < 2]
    if constant:
        raise refuse_items(
            f"items {', '.join(constant)} do not vary among the {n} people with every answer",
            "leave these items out and say so: an item without variation has no reliability",
        )
    totals = complete.sum(axis=1).to_numpy()
    if np.ptp(totals) <= float(np.abs(totals).max()) * 1e-12:
        raise refuse_items(
            "the total score does not vary", "check whether items must be reversed before"
        )
    return complete


def describe_left_out(n_complete: int, n_people: int) -> tuple[str, ...]:
    """Return the note on people who were left out; nothing when nobody was."""
    if n_complete == n_people:
        return ()
    return (f"{n_people - n_complete} of {n_people} people left out: an answer is missing.",)
