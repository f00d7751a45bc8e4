"""Cells of a source file, before they become cells of a canonical table."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cpi_analysis.errors import Fault
from cpi_analysis.io.labels import clear, rewrite, split
from cpi_analysis.io.readers.raw import RawTable
from cpi_analysis.io.schemas.specs import table_spec
from cpi_analysis.io.study_file import FilePart

_PERSON = (
    "first|last|full|sur|fore|given|family|middle|maiden|participant|patient|client|user|"
    "worker|carer|interviewer|person|next_of_kin|gp"
)
#: Headings that look as if their column identifies people.
IDENTIFYING_HEADING = re.compile(
    rf"name|(.*_)?({_PERSON})_?names?|initials|"
    r"(.*_)?nhs(_?(number|num|no|id))?|(.*_)?chi_number|(.*_)?hospital_(number|no)|"
    r"(.*_)?national_insurance(_(number|no))?|ni_?(number|no)|"
    r"(.*_)?(postcode|post_code|zip_?code|address|street)(_?[0-9])?|"
    r"(.*_)?(dob|date_of_birth|birth_?date|birthday|d_o_b)|"
    r"(.*_)?e_?mail(_address)?|"
    r"(.*_)?(phone|telephone|tel|mobile|mobile_phone)(_?(number|num|no))?|"
    r"ip_address|username"
)


def looks_identifying(heading: str) -> bool:
    """Return whether a heading looks as if its column identifies people.

    Examples
    --------
    >>> looks_identifying("NHS Number"), looks_identifying("surname"), looks_identifying("arm")
    (True, True, False)
    """
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", heading.strip())
    plain = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    return IDENTIFYING_HEADING.fullmatch(plain) is not None


def find_identifying(headings: Iterable[str], *, file: str, table: str | None) -> list[Fault]:
    """Return a fault for every heading that looks identifying."""
    return [
        Fault(
            code="CPI-E015",
            file=file,
            table=table,
            column=heading,
            rule="the column looks as if it identifies people",
            cure="remove it; use a pseudonym that only the trial team can resolve",
        )
        for heading in headings
        if looks_identifying(heading)
    ]


def find_absent(needed: Sequence[str], raw: RawTable) -> list[Fault]:
    """Return a fault for every column that a study needs and a file does not have."""
    headings = [str(heading) for heading in raw.frame.columns]
    absent = [name for name in needed if name not in headings]
    if absent and len(absent) == len(needed):
        # The first line may not be a header at all, so nothing of it is shown.
        return [
            Fault(
                code="CPI-E011",
                file=raw.file,
                rows=(1,),
                rule="the first row holds none of the headings that the study file names",
                allowed=", ".join(needed),
                cure="put the headings in the first row, or correct the study file",
            )
        ]
    return [
        Fault(
            code="CPI-E011",
            file=raw.file,
            column=name,
            rule="the study file names this column, and the file does not have it",
            cure=_suggest(name, headings),
        )
        for name in absent
    ]


def find_header(table: str, headings: Sequence[str], raw: RawTable) -> list[Fault]:
    """Return a fault when no heading of a file is a column of its table."""
    known = table_spec(table).column_names
    if set(headings) & set(known):
        return []
    # The first line may not be a header at all, so nothing of it is shown.
    return [
        Fault(
            code="CPI-E011",
            file=raw.file,
            table=table,
            rows=(1,),
            rule="the first row holds none of the headings of the table",
            allowed=", ".join(known),
            cure="put the headings in the first row, written exactly so",
        )
    ]


def find_line_breaks(needed: Iterable[str], raw: RawTable) -> list[Fault]:
    """Return a fault for every column in use with a cell that goes over several lines."""
    return [
        Fault(
            code="CPI-E029",
            file=raw.file,
            column=name,
            rows=raw.line_breaks[name],
            rule="a cell goes over more than one line",
            cure="look for a quotation mark that swallows rows; remove the line break",
        )
        for name in needed
        if name in raw.line_breaks
    ]


def clear_missing(raw: RawTable, needed: Sequence[str], part: FilePart) -> pd.DataFrame:
    """Keep the columns in use, with the declared codes for missing made missing."""
    cleared = {}
    for name in needed:
        codes = [*part.missing_codes, *part.column_missing_codes.get(name, ())]
        cleared[name] = clear(raw.frame[name], codes) if codes else raw.frame[name]
    return pd.DataFrame(cleared, index=raw.frame.index, copy=False)


def translate(
    column: pd.Series[Any],
    labels: Mapping[str, str],
    *,
    accepted: Iterable[str] = (),
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Translate texts by labels; return the column and which cells have no label.

    Texts that are already among ``accepted`` stay.
    """
    known = {**{text: text for text in accepted}, **labels}
    translated = rewrite(column, [known.get(text, np.nan) for text in split(column)[1]])
    return translated, column.notna() & translated.isna()


def to_decimal_points(column: pd.Series[Any]) -> pd.Series[Any]:
    """Rewrite numbers with a decimal comma; a cell with both marks stays as it is."""
    texts = split(column)[1]
    return rewrite(column, [text if "." in text else text.replace(",", ".", 1) for text in texts])


def _suggest(name: str, headings: Sequence[str]) -> str:
    plain = {heading.strip().casefold(): heading for heading in headings}
    close = difflib.get_close_matches(name.strip().casefold(), plain, n=1, cutoff=0.7)
    if not close:
        return "correct the study file, or export the column"
    return f"did you mean `{plain[close[0]]}`? Headings must agree to the letter"
