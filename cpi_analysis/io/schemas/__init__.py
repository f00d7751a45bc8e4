"""The tables of a trial: what each column means and may hold."""

from cpi_analysis.io.schemas.fields import IDENTIFIER_PATTERN
from cpi_analysis.io.schemas.specs import (
    OUTCOME_TABLES,
    TABLES,
    ColumnSpec,
    TableSpec,
    table_schema,
    table_spec,
)
from cpi_analysis.io.schemas.validation import check_table

__all__ = [
    "IDENTIFIER_PATTERN",
    "OUTCOME_TABLES",
    "TABLES",
    "ColumnSpec",
    "TableSpec",
    "check_table",
    "table_schema",
    "table_spec",
]
