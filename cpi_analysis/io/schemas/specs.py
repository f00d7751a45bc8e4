"""What a table is, read from its schema: for typing, checks and the dictionary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import pandera.pandas as pa

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.schemas import observations, people, registries
from cpi_analysis.io.schemas.fields import Kind

#: Every table of a trial, in the order in which they are read and shown.
TABLES: dict[str, type[pa.DataFrameModel]] = {
    "agencies": people.Agencies,
    "workers": people.Workers,
    "participants": people.Participants,
    "visits": people.Visits,
    "responses": observations.Responses,
    "measurements": observations.Measurements,
    "service_use": observations.ServiceUse,
    "unit_costs": registries.UnitCosts,
    "fidelity_ratings": observations.FidelityRatings,
    "network_members": observations.NetworkMembers,
    "scoping_answers": observations.ScopingAnswers,
    "screening": people.Screening,
    "measures": registries.Measures,
    "timepoints": registries.Timepoints,
}

#: A trial needs one of these besides the tables that are required.
OUTCOME_TABLES = ("responses", "measurements")


@dataclass(frozen=True, kw_only=True)
class ColumnSpec:
    """What a column holds.

    Parameters
    ----------
    name, kind, description, unit
        ``kind`` says how cells are read and stored; ``unit`` is None where there is none.
    allowed
        The labels that are accepted; None when the trial chooses them.
    minimum, maximum
        The range that is accepted; None where it is open.
    is_nullable, is_required
        Whether a cell may be empty, and whether the column must be there.
    is_whole
        Whether numbers must be whole, also where they are stored as float64.
    """

    name: str
    kind: Kind
    description: str
    unit: str | None
    allowed: tuple[str, ...] | None
    minimum: float | None
    maximum: float | None
    is_nullable: bool
    is_required: bool
    is_whole: bool = False


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """What a table holds: one row is ``row_meaning``, named by ``key``.

    ``references`` maps a column to the table whose key it must occur in.
    """

    name: str
    description: str
    row_meaning: str
    key: tuple[str, ...]
    columns: tuple[ColumnSpec, ...]
    references: dict[str, str]
    is_required: bool

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> ColumnSpec:
        """Return the column called ``name``."""
        return next(column for column in self.columns if column.name == name)


@cache
def table_schema(name: str) -> pa.DataFrameSchema:
    """Return the pandera schema of one table."""
    return TABLES[name].to_schema()


@cache
def table_spec(name: str) -> TableSpec:
    """Return what the table called ``name`` holds.

    Raises
    ------
    DataError
        When there is no such table (CPI-E045).

    Examples
    --------
    >>> table_spec("visits").key
    ('participant_id', 'timepoint')
    """
    if name not in TABLES:
        raise DataError(
            Fault(
                code="CPI-E045",
                rule="a table must be one of those in the data dictionary",
                cure="use one of the names that are allowed",
                allowed=", ".join(TABLES),
            )
        )
    model = TABLES[name]
    schema = table_schema(name)
    meta = cast(Any, model).Config.metadata
    return TableSpec(
        name=name,
        description=" ".join((model.__doc__ or "").split()),
        row_meaning=meta["row"],
        key=tuple(meta["key"]),
        columns=tuple(_column_spec(str(key), column) for key, column in schema.columns.items()),
        references=dict(meta["references"]),
        is_required=meta["required"],
    )


def _column_spec(name: str, column: Any) -> ColumnSpec:
    meta = column.metadata
    return ColumnSpec(
        name=name,
        kind=meta["kind"],
        description=column.description,
        unit=meta.get("unit"),
        allowed=meta.get("allowed"),
        minimum=meta.get("minimum"),
        maximum=meta.get("maximum"),
        is_nullable=column.nullable,
        is_required=column.required,
        is_whole=bool(meta.get("is_whole", False)),
    )
