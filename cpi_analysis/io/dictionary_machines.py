"""The data dictionary for machines: a Frictionless data package and a REDCap dictionary."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from cpi_analysis.io.instruments import list_instruments, load_instrument
from cpi_analysis.io.schemas import (
    IDENTIFIER_PATTERN,
    TABLES,
    ColumnSpec,
    TableSpec,
    table_spec,
)
from cpi_analysis.io.schemas.fields import EARLIEST_DATE, LATEST_DATE

_TYPES = {
    "identifier": "string",
    "category": "string",
    "text": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
}

#: The columns of a REDCap data dictionary, in the order that REDCap expects.
REDCAP_COLUMNS = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
#: Tables that are collected on forms; the others are kept by the trial's office.
_FORMS = ("participants", "visits", "service_use", "network_members")


def build_data_package(present: tuple[str, ...] = tuple(TABLES)) -> str:
    """Return the text of ``datapackage.json``.

    Parameters
    ----------
    present
        Tables to describe; a foreign key to a table that is left out is left out too, because
        a validator would look for its file.
    """
    package = {
        "name": "cpi-analysis-data-dictionary",
        "title": "Tables of a trial of the Connecting People Intervention",
        "description": "Generated from cpi_analysis.io.schemas. Each table is a CSV file.",
        "licenses": [{"name": "MIT"}],
        "resources": [_resource(table_spec(name), present) for name in present],
    }
    return json.dumps(package, indent=2, ensure_ascii=False) + "\n"


def _resource(spec: TableSpec, present: tuple[str, ...]) -> dict[str, Any]:
    foreign = [
        {
            "fields": [column],
            "reference": {"resource": target, "fields": [table_spec(target).key[0]]},
        }
        for column, target in spec.references.items()
        if target in present
    ]
    schema: dict[str, Any] = {
        "fields": [_package_field(column) for column in spec.columns],
        "missingValues": [""],
        "primaryKey": list(spec.key),
    }
    if foreign:
        schema["foreignKeys"] = foreign
    return {
        "name": spec.name,
        "type": "table",
        "path": f"{spec.name}.csv",
        "scheme": "file",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "description": spec.description,
        "cpi:rowMeaning": spec.row_meaning,
        "cpi:isRequired": spec.is_required,
        "schema": schema,
    }


def _package_field(column: ColumnSpec) -> dict[str, Any]:
    is_whole_number = column.kind == "number" and column.is_whole
    field: dict[str, Any] = {
        "name": column.name,
        "type": "integer" if is_whole_number else _TYPES[column.kind],
        "description": column.description,
        "cpi:kind": column.kind,
    }
    if column.unit:
        field["cpi:unit"] = column.unit
    if column.kind == "boolean":
        field["trueValues"] = ["true", "True", "TRUE", "yes", "1"]
        field["falseValues"] = ["false", "False", "FALSE", "no", "0"]
    if not column.is_required:
        field["cpi:isOptional"] = True
    constraints = _constraints(column)
    if constraints:
        field["constraints"] = constraints
    return field


def _constraints(column: ColumnSpec) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if not column.is_nullable:
        constraints["required"] = True
    if column.kind == "identifier":
        constraints["pattern"] = IDENTIFIER_PATTERN
    if column.allowed:
        constraints["enum"] = list(column.allowed)
    limits: dict[str, Any] = {"minimum": column.minimum, "maximum": column.maximum}
    if column.kind == "date":
        limits = {"minimum": str(EARLIEST_DATE.date()), "maximum": str(LATEST_DATE.date())}
    return {**constraints, **{name: limit for name, limit in limits.items() if limit is not None}}


def build_redcap_dictionary() -> str:
    """Return the text of a REDCap data dictionary: people, visits, questionnaires.

    The agency is a field; the timepoint is REDCap's event, so it is not one.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, REDCAP_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    seen = {"timepoint"}
    for name in _FORMS:
        for column in table_spec(name).columns:
            if column.name not in seen:
                seen.add(column.name)
                writer.writerow(_redcap_field(column, form=name))
    for instrument in list_instruments():
        key = load_instrument(instrument)
        for item in key.items:
            if item.target_level != "participant" or item.id in seen:
                continue
            seen.add(item.id)
            choices = " | ".join(f"{level}, {level}" for level in item.levels)
            writer.writerow(
                {
                    "Variable / Field Name": item.id,
                    "Form Name": instrument,
                    "Field Type": "radio",
                    "Field Label": item.id,
                    "Choices, Calculations, OR Slider Labels": choices,
                    "Field Note": "wording under licence: not included",
                }
            )
    return text.getvalue()


def _redcap_field(column: ColumnSpec, *, form: str) -> dict[str, str]:
    field = {
        "Variable / Field Name": column.name,
        "Form Name": form,
        "Field Type": "text",
        "Field Label": column.description,
        "Field Note": f"in {column.unit}" if column.unit else "",
        "Required Field?": "" if column.is_nullable else "y",
    }
    if column.kind == "boolean":
        field["Field Type"] = "yesno"
    elif column.allowed:
        field["Field Type"] = "dropdown"
        choices = " | ".join(f"{code}, {code.replace('_', ' ')}" for code in column.allowed)
        field["Choices, Calculations, OR Slider Labels"] = choices
    elif column.kind == "date":
        field["Text Validation Type OR Show Slider Number"] = "date_ymd"
        field["Text Validation Min"] = str(EARLIEST_DATE.date())
        field["Text Validation Max"] = str(LATEST_DATE.date())
    elif column.kind in ("number", "integer"):
        validation = "integer" if column.is_whole else "number"
        field["Text Validation Type OR Show Slider Number"] = validation
        field["Text Validation Min"] = _limit(column.minimum)
        field["Text Validation Max"] = _limit(column.maximum)
    return field


def _limit(limit: float | None) -> str:
    return "" if limit is None else f"{limit:g}"
