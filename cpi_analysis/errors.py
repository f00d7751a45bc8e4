"""The errors that the package raises: one root, two kinds, stable codes.

A fault never carries a participant's value. It names the place (file, table, column, row
numbers), the rule that was broken, what is allowed, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

#: How many faults, and how many row numbers of one fault, an error message shows.
SHOWN_FAULTS = 10
SHOWN_ROWS = 5

#: Every code the package can report, with its meaning. Codes are never reused.
CODES: dict[str, str] = {
    # E00x files
    "CPI-E001": "a file or folder does not exist or cannot be read",
    "CPI-E002": "a file is empty",
    "CPI-E003": "a file has a header but no rows",
    "CPI-E004": "a file is not encoded as UTF-8",
    "CPI-E005": "a row has more or fewer cells than the header",
    "CPI-E006": "a column heading occurs twice or is blank",
    "CPI-E007": "the content of a file is not what its name says",
    "CPI-E008": "a file is too large or not safe to open",
    "CPI-E009": "a package needed to read this kind of file is not installed",
    # E01x shape of a table
    "CPI-E010": "a required table is missing",
    "CPI-E011": "a required column is missing",
    "CPI-E012": "a column is not known",
    "CPI-E013": "a key occurs more than once",
    "CPI-E014": "a required cell is empty",
    "CPI-E015": "a column looks like it identifies people",
    "CPI-E016": "a data file of a folder does not stand for one table",
    "CPI-E017": "timepoints are not in the order of their months",
    # E02x values
    "CPI-E020": "a cell is not a number",
    "CPI-E021": "a cell is not a whole number",
    "CPI-E022": "a cell is not an ISO date (YYYY-MM-DD)",
    "CPI-E023": "a cell is not one of the allowed values",
    "CPI-E024": "a number is outside the allowed range",
    "CPI-E025": "an identifier has characters or spaces that are not allowed",
    "CPI-E026": "a number looks like an undeclared code for missing",
    "CPI-E027": "a cell is not true or false",
    "CPI-E028": "a date is outside the years that are possible",
    "CPI-E029": "a cell goes over more than one line",
    # E03x rules between tables
    "CPI-E030": "a key does not occur in the table that it refers to",
    "CPI-E031": "an agency has more than one arm",
    "CPI-E032": "a participant has more than one agency",
    "CPI-E033": "a follow-up is dated before the baseline",
    "CPI-E034": "a measure is not in the dictionary of measures",
    "CPI-E035": "a value is outside the range of its measure",
    "CPI-E036": "an answer is outside the range of its item",
    "CPI-E037": "an item does not belong to its instrument",
    "CPI-E038": "only one group of the comparison has participants",
    "CPI-E039": "a participant and their worker belong to different agencies",
    # E04x study files, instruments, settings
    "CPI-E040": "a study file is not valid TOML",
    "CPI-E041": "a study file has a setting that is not known or not valid",
    "CPI-E042": "an instrument file is not valid",
    "CPI-E043": "an instrument is not known",
    "CPI-E044": "a value set is not known or does not fit the profiles",
    "CPI-E045": "an argument is not one of the allowed choices",
    "CPI-E046": "a service has no unit cost",
    "CPI-E047": "a setting that the protocol must make is missing",
    "CPI-E048": "the folder for the results cannot be written",
    "CPI-E049": "unit costs are not all in the price year of the analysis",
    # M0xx models
    "CPI-M001": "too few participants or agencies for the analysis",
    "CPI-M002": "columns of the model are collinear or constant",
    "CPI-M003": "the outcome does not vary",
    "CPI-M004": "a formula or a column of the model cannot be used",
    "CPI-M005": "the model did not converge",
    "CPI-M006": "values that are not finite reached a model",
    "CPI-M007": "the effect and the agencies cannot be separated",
    "CPI-M008": "the items or ratings cannot be analysed",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong, and how to put it right.

    Parameters
    ----------
    code
        A key of :data:`CODES`.
    rule
        What must hold, in words.
    cure
        What the reader can do.
    table, file, column
        Where; None where it does not apply.
    rows
        Row numbers as the reader sees them: the line of a CSV file or the row of a sheet
        (the header is 1), else the position in the table counted from 1.
    allowed
        The values or the range that would be accepted.
    """

    code: str
    rule: str
    cure: str
    table: str | None = None
    file: str | None = None
    column: str | None = None
    rows: tuple[int, ...] = ()
    allowed: str | None = None

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"{self.code} is not in cpi_analysis.errors.CODES")

    def place(self) -> str:
        """Return file, table, column and rows in one phrase."""
        parts = [self.file or (f"table {self.table}" if self.table else "")]
        if self.file and self.table and self.table not in self.file:
            parts.append(f"table {self.table}")
        if self.column:
            parts.append(f"column {self.column}")
        if self.rows:
            parts.append(_phrase_rows(self.rows))
        return ", ".join(part for part in parts if part)

    def __repr__(self) -> str:
        # A fault may hold a million rows; whoever prints it wants to read it.
        place = f"{self.place()!r}, " if self.place() else ""
        return f"Fault({self.code!r}, {place}rule={self.rule!r}, cure={self.cure!r})"

    def __str__(self) -> str:
        lines = [f"[{self.code}] {self.place() or 'settings'}: {self.rule}"]
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        lines.append(f"    cure: {self.cure}")
        return "\n".join(lines)


def _phrase_rows(rows: Sequence[int]) -> str:
    shown = ", ".join(str(row) for row in rows[:SHOWN_ROWS])
    rest = len(rows) - SHOWN_ROWS
    word = "row" if len(rows) == 1 else "rows"
    return f"{word} {shown}" + (f" and {rest} more" if rest > 0 else "")


class CPIAnalysisError(Exception):
    """Root of every error that the package raises on purpose."""

    #: How the codes of this kind of error begin.
    prefix: ClassVar[str] = "CPI-"

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        foreign = [code for code in self.codes if not code.startswith(self.prefix)]
        if foreign:
            raise ValueError(f"{type(self).__name__} has codes {self.prefix}..., not {foreign}")
        super().__init__(self._message())

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are copied between processes by their arguments: here, the faults.
        return type(self), (self.faults,)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the faults, in order, each once."""
        return tuple(dict.fromkeys(fault.code for fault in self.faults))

    def _message(self) -> str:
        count = len(self.faults)
        head = "1 problem was found" if count == 1 else f"{count} problems were found"
        lines = [head, *(str(fault) for fault in self.faults[:SHOWN_FAULTS])]
        if count > SHOWN_FAULTS:
            lines.append(f"... and {count - SHOWN_FAULTS} more (see .faults)")
        return "\n".join(lines)


class DataError(CPIAnalysisError):
    """The data, or the settings that describe them, break a rule: codes CPI-E."""

    prefix = "CPI-E"


class ModelError(CPIAnalysisError):
    """An analysis cannot give a number that could be trusted: codes CPI-M."""

    prefix = "CPI-M"
