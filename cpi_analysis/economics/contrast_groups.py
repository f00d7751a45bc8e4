"""Which two groups are compared: never guessed."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from cpi_analysis.errors import DataError, Fault


class ContrastGroups(NamedTuple):
    """Values of the column of groups on either side, and what the sides are called."""

    targets: tuple[object, ...]
    references: tuple[object, ...]
    target: str
    reference: str


def name_groups(
    values: pd.Series, *, arm: str, target: object, reference: object
) -> ContrastGroups:
    """Return the two groups; a list of values on one side makes one group of them."""
    found = list(values.unique())
    if target is not None and reference is not None:
        targets, references = _as_values(target), _as_values(reference)
        absent = not set(targets) & set(found) or not set(references) & set(found)
        if set(targets) & set(references) or absent:
            raise DataError(_fault_groups(arm, "E038" if absent else "E045"))
        return ContrastGroups(targets, references, _label(targets, arm), _label(references, arm))
    if target is None and reference is None and {0, 1} == set(found):
        pair: tuple[object, object] = (True, False) if values.dtype == bool else (1, 0)
        return ContrastGroups(pair[:1], pair[1:], _label(pair[:1], arm), _label(pair[1:], arm))
    raise DataError(_fault_groups(arm, "E038" if len(found) < 2 else "E047"))


def _as_values(group: object) -> tuple[object, ...]:
    return tuple(group) if isinstance(group, list | tuple) else (group,)


def _label(values: tuple[object, ...], arm: str) -> str:
    names = [value if isinstance(value, str) else f"{arm} {value}" for value in values]
    return " or ".join(names)


def _fault_groups(arm: str, code: str) -> Fault:
    return Fault(
        code=f"CPI-{code}",
        table="data",
        column=arm,
        rule="two groups are compared, target minus reference, and both must have participants",
        cure="name them with target= and reference=, or give a column of 1 (target) and 0 "
        "(reference): which is which is never guessed",
    )
