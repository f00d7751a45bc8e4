"""A trial: its tables, checked once and then frozen."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.labels import PlainTables

if TYPE_CHECKING:
    from cpi_analysis.io.protocol import Protocol
    from cpi_analysis.io.value_ranges import Key

Rows = Sequence[int] | np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrialData:
    """The checked tables of one trial; made by :func:`build_trial` or ``load_trial``.

    Parameters
    ----------
    title
        Name of the trial, for readers.
    is_synthetic
        Whether the data were simulated.
    protocol
        The choices of the analysis; None when they were not given.
    assumptions
        Lines that declare what is assumed and not verified.
    sources
        File and the SHA-256 of its bytes.
    load_notes
        What the load saw and did not refuse: columns that are not used, hidden rows, keys that
        could not be checked.
    """

    title: str
    is_synthetic: bool = False
    protocol: Protocol | None = None
    assumptions: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    load_notes: tuple[str, ...] = ()
    _tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def table_names(self) -> tuple[str, ...]:
        """The names of the tables that the trial has, in the order of the data model."""
        return tuple(self._tables)

    def has_table(self, name: str) -> bool:
        """Return whether the trial has the table and it is not empty."""
        return name in self._tables and self._count_rows(name) > 0

    def table(self, name: str, *, needed_for: str | None = None) -> pd.DataFrame:
        """Return a copy of one table.

        Raises
        ------
        DataError
            When the trial does not have the table (CPI-E010).
        """
        if name not in self._tables:
            purpose = f"{needed_for} needs the table" if needed_for else "there is no table"
            raise DataError(
                Fault(
                    code="CPI-E010",
                    rule=f"{purpose} {name}",
                    cure=f"add the table {name} to the data of the trial",
                    table=name,
                    allowed=", ".join(self._tables),
                )
            )
        return self._tables[name].copy()

    def with_measurements(
        self, values: pd.DataFrame, *, measures: pd.DataFrame | None = None
    ) -> TrialData:
        """Return the trial with rows added to ``measurements`` (and ``measures``).

        Parameters
        ----------
        values
            participant_id, timepoint, measure, value.
        measures
            Rows for measures that are not in the table ``measures`` yet; a row that is there
            already must be the same.

        Raises
        ------
        DataError
            When a value exists already (CPI-E013), or a rule is broken.
        """
        from cpi_analysis.io.checks import check_measurement_tables

        tables = dict(self._tables)
        tables["measurements"] = _append(tables.get("measurements"), values)
        if measures is not None:
            merged = _append(tables.get("measures"), measures)
            tables["measures"] = merged.drop_duplicates(ignore_index=True)
        return dataclasses.replace(self, _tables=check_measurement_tables(tables))

    def with_protocol(self, protocol: Protocol) -> TrialData:
        """Return the trial with another protocol, whose groups must have participants."""
        from cpi_analysis.io.integrity import check_arms

        faults = check_arms(self._tables, protocol)
        if faults:
            raise DataError(faults)
        return dataclasses.replace(self, protocol=protocol)

    def _facts(self) -> list[str]:
        facts = [
            f"{self._count_rows(name)} {name}"
            for name in ("participants", "agencies", "timepoints")
            if name in self._tables
        ]
        count = len(self.load_notes)
        if count:
            facts.append(f"{count} {'note' if count == 1 else 'notes'} of the load (load_notes)")
        return [*(["SYNTHETIC DATA"] if self.is_synthetic else []), *facts]

    def __repr__(self) -> str:
        lines = [f"TrialData: {self.title}", " · ".join(self._facts())]
        width = max((len(name) for name in self._tables), default=0)
        lines += [f"  {name:<{width}}  {self._count_rows(name):>9,} rows" for name in self._tables]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td>"
            f"<td style='text-align:right'>{self._count_rows(name):,}</td></tr>"
            for name in self._tables
        )
        head = f"<p><strong>{html.escape(self.title)}</strong><br>{' · '.join(self._facts())}</p>"
        return f"{head}<table><tr><th>table</th><th>rows</th></tr>{rows}</table>"

    def _count_rows(self, name: str) -> int:
        if isinstance(self._tables, PlainTables):
            return self._tables.count_rows(name)
        return len(self._tables[name])


def _append(table: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame:
    if table is None or table.empty:
        return rows.reset_index(drop=True)
    if rows.empty:
        return table
    return pd.concat([table, rows], ignore_index=True)


def build_trial(
    tables: Mapping[str, pd.DataFrame],
    *,
    title: str,
    is_synthetic: bool = False,
    protocol: Protocol | None = None,
    assumptions: Iterable[str] = (),
    sources: Mapping[str, str] | None = None,
    row_labels: Mapping[str, Rows] | None = None,
    files: Mapping[str, str] | None = None,
    instruments: Mapping[str, Key] | None = None,
    earlier_faults: Iterable[Fault] = (),
) -> TrialData:
    """Check the tables of a trial, each alone and all together, and freeze them.

    Parameters
    ----------
    tables
        Name of a table of the data model and its rows; columns in any order.
    title, is_synthetic, protocol, assumptions, sources
        See :class:`TrialData`.
    row_labels
        For a table, the row numbers of its file, one per row; positions counted from 1 else.
    files
        For a table, the file it came from, as faults should name it.
    instruments
        Scoring keys besides the built-in ones, by name.
    earlier_faults
        Faults that were found while the cells were read. They are reported with the others,
        and a cell that could not be read is not reported as empty too.

    Returns
    -------
    TrialData

    Raises
    ------
    DataError
        With every fault of every table and of the rules between them.

    Examples
    --------
    >>> import pandas as pd
    >>> trial = build_trial(
    ...     {
    ...         "agencies": pd.DataFrame({"agency_id": ["A1"], "arm": ["intervention"]}),
    ...         "participants": pd.DataFrame({"participant_id": ["P1"], "agency_id": ["A1"]}),
    ...         "timepoints": pd.DataFrame(
    ...             {"timepoint": ["baseline"], "months": [0], "order": [0]}
    ...         ),
    ...         "measures": pd.DataFrame(
    ...             {"measure": ["wemwbs"], "label": ["Well-being"], "unit": ["points"],
    ...              "minimum": [14], "maximum": [70], "is_higher_better": [True]}
    ...         ),
    ...         "measurements": pd.DataFrame(
    ...             {"participant_id": ["P1"], "timepoint": ["baseline"], "measure": ["wemwbs"],
    ...              "value": [40.0]}
    ...         ),
    ...     },
    ...     title="One person",
    ... )
    >>> trial.has_table("visits")
    False
    """
    from cpi_analysis.io.checks import check_tables

    checked, faults = check_tables(
        tables,
        protocol=protocol,
        row_labels=row_labels or {},
        files=files or {},
        instruments=instruments or {},
        earlier_faults=tuple(earlier_faults),
    )
    if faults:
        raise DataError(faults)
    return TrialData(
        title=title,
        is_synthetic=is_synthetic,
        protocol=protocol,
        assumptions=tuple(assumptions),
        sources=dict(sources or {}),
        _tables=checked,
    )


def describe_trial(trial: TrialData) -> pd.DataFrame:
    """Count, for each column of each table, rows, missing cells and suspect numbers.

    Returns
    -------
    DataFrame
        ``table``, ``column``, ``n_rows``, ``n_missing``, ``n_suspect``: numbers inside their
        range that files often use for missing, such as 99, which nobody but the reader can
        judge.
    """
    from cpi_analysis.io.schemas.validation import is_missing_number

    rows = []
    for name in trial.table_names:
        table = trial.table(name)
        for column in table.columns:
            series = table[column]
            numeric = series.dtype.kind in "iuf"
            rows.append(
                {
                    "table": name,
                    "column": column,
                    "n_rows": len(table),
                    "n_missing": int(series.isna().sum()),
                    "n_suspect": int(is_missing_number(series).sum()) if numeric else 0,
                }
            )
    return pd.DataFrame(rows, columns=["table", "column", "n_rows", "n_missing", "n_suspect"])
