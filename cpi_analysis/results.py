"""The shape that every analysis returns."""

from __future__ import annotations

import html
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from cpi_analysis.glossary import GLOSSARY, Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """An estimated table with what a reader needs to judge it.

    Subclasses add fields, implement :meth:`_draw`, and set ``title``. They hold numbers that
    are already computed: they never fit, resample or read.

    Parameters
    ----------
    estimates
        One row per estimate; every column is in :data:`GLOSSARY`.
    n_participants, n_agencies
        How many were analysed; None where the notion does not apply.
    method
        Model, reference distribution and correction, in words.
    seed
        Seed of the random numbers; None when none were drawn.
    confidence_level
        Level of every interval in ``estimates``; None when there is none.
    estimand
        The quantity estimated, in one sentence; None for descriptive tables.
    notes
        What the reader must know before using the numbers: exclusions, boundary fits, limits.
    """

    title: ClassVar[str] = "Result"

    estimates: pd.DataFrame
    n_participants: int | None
    n_agencies: int | None
    method: str
    seed: int | None = None
    confidence_level: float | None = None
    estimand: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(map(str, self.estimates.columns)) - set(GLOSSARY))
        if unknown:
            raise ValueError(f"columns {unknown} are not in cpi_analysis.glossary")
        object.__setattr__(self, "estimates", self.estimates.reset_index(drop=True))

    def tidy(self) -> pd.DataFrame:
        """Return a copy of the table, in full precision."""
        return self.estimates.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row with the scalars of the result."""
        scalars: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in GLOSSARY and (value is None or isinstance(value, int | float | str)):
                scalars[field.name] = value
        return pd.DataFrame([scalars])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the result on ``ax``, or on a new figure, and return the Axes."""
        if ax is None:
            # matplotlib takes a second to import: only those who draw pay for it.
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
        self._draw(ax)
        return ax

    def _draw(self, ax: Axes) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no figure")

    def summary(self) -> str:
        """Return what was found, in one or two sentences."""
        return f"{self.title}: {len(self.estimates)} estimates."

    def _facts(self) -> list[str]:
        facts = []
        if self.n_participants is not None:
            facts.append(f"{self.n_participants} participants")
        if self.n_agencies is not None:
            facts.append(f"{self.n_agencies} agencies")
        if self.confidence_level is not None:
            facts.append(f"{self.confidence_level:.0%} intervals")
        if self.seed is not None:
            facts.append(f"seed {self.seed}")
        return facts

    def __repr__(self) -> str:
        table = format_table(self.estimates).to_string(index=False)
        lines = [self.title, "; ".join(self._facts()), self.method, "", table]
        if self.estimand:
            lines += ["", f"Estimand: {self.estimand}"]
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        table = format_table(self.estimates).to_html(index=False, border=0, classes="cpi-table")
        parts = [
            f"<p><strong>{html.escape(self.title)}</strong><br>",
            html.escape("; ".join(self._facts())),
            f"<br>{html.escape(self.method)}</p>",
            table,
        ]
        if self.estimand:
            parts.append(f"<p><em>Estimand:</em> {html.escape(self.estimand)}</p>")
        parts += [f"<p><em>Note:</em> {html.escape(note)}</p>" for note in self.notes]
        return "".join(parts)


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text, rounded for reading by the glossary's rules.

    Halves are rounded away from zero (0.125 is shown as 0.13), as Stata and SAS do.
    """
    return pd.DataFrame(
        {
            column: [format_value(value, _display_of(str(column))) for value in table[column]]
            for column in table.columns
        }
    )


def _display_of(column: str) -> Display:
    return GLOSSARY[column].display if column in GLOSSARY else "text"


def format_value(value: object, display: Display = "number") -> str:
    """Return one value as text for a reader; a missing value is an empty string."""
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    if display == "flag" or isinstance(value, bool):
        return "yes" if value else "no"
    if display == "text" or isinstance(value, str):
        return str(value)
    number = float(value)  # type: ignore[arg-type]
    if number in (float("inf"), float("-inf")):
        return "∞" if number > 0 else "-∞"
    if display == "p_value":
        return "<0.001" if number < 0.001 else round_half_up(number, 3)
    decimals = {"count": 0, "df": 1, "proportion": 3, "money": 0}.get(display)
    return round_half_up(number, _decimals_of(number) if decimals is None else decimals)


def _decimals_of(number: float) -> int:
    magnitude = abs(number)
    for limit, decimals in ((1000.0, 0), (100.0, 1), (10.0, 2), (1.0, 3)):
        if magnitude >= limit:
            return decimals
    return 4


def round_half_up(number: float, decimals: int) -> str:
    """Return ``number`` with ``decimals`` decimals, halves away from zero, thousands by comma."""
    quantum = Decimal(1).scaleb(-decimals)
    rounded = Decimal(repr(float(number))).quantize(quantum, rounding=ROUND_HALF_UP)
    if rounded == 0:
        rounded = abs(rounded)
    return f"{rounded:,}"
