"""The words of faults in cells and columns: what must hold, and what to do."""

from __future__ import annotations

from cpi_analysis.io.schemas.fields import EARLIEST_DATE, LATEST_DATE, Kind
from cpi_analysis.io.schemas.specs import ColumnSpec

_DECLARE = "if it stands for a missing value, declare it under missing_codes in study.toml"

RULES: dict[str, str] = {
    "CPI-E003": "a required table must have rows",
    "CPI-E006": "a column must occur once",
    "CPI-E010": "a required table is missing",
    "CPI-E011": "a required column is missing",
    "CPI-E012": "every column must be known",
    "CPI-E013": "each key must occur once",
    "CPI-E014": "the cell must not be empty",
    "CPI-E015": "data must not hold what identifies people",
    "CPI-E020": "the cell must be a number",
    "CPI-E021": "the cell must be a whole number",
    "CPI-E022": "the cell must be a date of the calendar, written YYYY-MM-DD",
    "CPI-E023": "the cell must be one of the allowed labels, written exactly so",
    "CPI-E024": "the number must be in the range",
    "CPI-E025": "an identifier must be made of the allowed characters",
    "CPI-E026": "the number is outside the range and looks like a code for missing",
    "CPI-E027": "the cell must be true or false",
    "CPI-E028": "the date must be in the years that are possible",
}

CURES: dict[str, str] = {
    "CPI-E003": "add the rows, or point to the file that holds them",
    "CPI-E006": "rename or remove one of the columns",
    "CPI-E010": "add the table",
    "CPI-E011": "add the column, or map a column to it in study.toml",
    "CPI-E012": "remove the column, correct its name, or map it in study.toml",
    "CPI-E013": "remove the copies, and find out which row is right where they differ",
    "CPI-E014": "fill the cell, or remove the row",
    "CPI-E015": "remove the column from the file: names, contacts and numbers stay at the site",
    "CPI-E020": f"write plain digits with a decimal point (no unit, no comma); {_DECLARE}",
    "CPI-E021": f"correct the cell; {_DECLARE}",
    "CPI-E022": (
        "write YYYY-MM-DD, or declare how dates are written with date_format in study.toml, "
        f'for example date_format = "%d/%m/%Y"; {_DECLARE}'
    ),
    "CPI-E023": f"correct the label, or map labels in study.toml; {_DECLARE}",
    "CPI-E024": f"correct the number; {_DECLARE}",
    "CPI-E025": "remove spaces and signs, and retype letters or digits that only look alike",
    "CPI-E026": "declare the code under missing_codes in study.toml, or correct the cell",
    "CPI-E027": f"write true or false; {_DECLARE}",
    "CPI-E028": "correct the year",
}

#: The fault of a cell that is not of the kind of its column.
NOT_OF_KIND: dict[Kind, str] = {
    "identifier": "CPI-E025",
    "category": "CPI-E023",
    "text": "CPI-E023",
    "integer": "CPI-E021",
    "number": "CPI-E020",
    "boolean": "CPI-E027",
    "date": "CPI-E022",
}


def say_allowed(column: ColumnSpec) -> str:
    """Return in words what a cell of the column may hold."""
    if column.allowed:
        return ", ".join(column.allowed)
    if column.kind == "date":
        return f"from {EARLIEST_DATE.date()} to {LATEST_DATE.date()}"
    if column.kind in ("number", "integer"):
        return say_range(column.minimum, column.maximum, whole=column.is_whole)
    words = {
        "identifier": "letters A-Z a-z, digits 0-9, underscore and hyphen",
        "boolean": "true, false, yes, no, 1, 0",
    }
    return words.get(column.kind, "text")


def say_range(minimum: float | None, maximum: float | None, *, whole: bool = False) -> str:
    """Return a range in words."""
    noun = "whole numbers" if whole else "numbers"
    if minimum is None and maximum is None:
        return f"{noun} that are finite"
    if maximum is None:
        return f"{noun} from {minimum:g}"
    if minimum is None:
        return f"{noun} up to {maximum:g}"
    return f"{noun} from {minimum:g} to {maximum:g}"
