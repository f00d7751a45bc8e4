"""What every analysis asks of the tables and settings that a user gives it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from numbers import Real

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault


def check_table(data: object, argument: str) -> None:
    """Raise unless ``data`` is a DataFrame in which every column has a name of its own.

    Raises
    ------
    DataError
        CPI-E045 it is something else, E006 a column name occurs more than once.
    """
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            Fault(
                code="CPI-E045",
                column=argument,
                rule=f"{argument} is of type {type(data).__name__}, not a table",
                cure=f"put it into a table first: pandas.DataFrame({argument})",
                allowed="a pandas DataFrame",
            )
        )
    check_names(data.columns, argument)


def check_names(columns: pd.Index, argument: str) -> None:
    """Raise CPI-E006 when a column name occurs more than once, naming each such column."""
    twice = list(dict.fromkeys(columns[columns.duplicated()]))
    if twice:
        raise DataError(
            Fault(
                code="CPI-E006",
                table=argument,
                column=_list(twice),
                rule="more than one column has this name",
                cure="rename or drop the columns that occur again",
            )
        )


def check_choice(value: object, *, argument: str, allowed: Sequence[str]) -> None:
    """Raise when an argument is not one of its choices."""
    if value not in allowed:
        raise DataError(
            Fault(
                code="CPI-E045",
                column=argument,
                rule=f"{argument} is not one of its choices",
                cure=f"give {argument}= one of them",
                allowed=", ".join(allowed),
            )
        )


def check_confidence_level(confidence_level: object) -> None:
    """Raise CPI-E024 unless a confidence level lies between 0 and 1."""
    is_number = isinstance(confidence_level, Real) and not isinstance(confidence_level, bool)
    if not (is_number and 0 < float(confidence_level) < 1):  # type: ignore[arg-type]
        raise DataError(
            Fault(
                code="CPI-E024",
                column="confidence_level",
                rule="the confidence level must be between 0 and 1, such as 0.95",
                cure="give a share: 0.95 for 95% intervals",
                allowed="more than 0, less than 1",
            )
        )


def is_whole(number: object) -> bool:
    """Return whether an argument is a whole number by its type: 1000.0 and True are not."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def fault_replicates_not_whole() -> Fault:
    """Return the fault of a number of replicates such as 1e3, which Python reads as 1000.0."""
    return Fault(
        code="CPI-E021",
        column="replicates",
        rule="the number of replicates is a whole number",
        cure="write it without decimals or exponent: 1000, not 1e3",
    )


def check_resampling(replicates: object, seed: object) -> None:
    """Raise unless replicates and seed are whole numbers that a bootstrap can use.

    Raises
    ------
    DataError
        CPI-E021 or E024 the number of replicates, E047 the seed.
    """
    faults = []
    if not is_whole(replicates):
        faults.append(fault_replicates_not_whole())
    elif int(replicates) < 2:  # type: ignore[call-overload]
        faults.append(
            Fault(
                code="CPI-E024",
                column="replicates",
                rule="a standard error needs at least two replicates",
                cure="ask for 1,000 or more",
            )
        )
    if not is_whole(seed) or int(seed) < 0:  # type: ignore[call-overload]
        faults.append(
            Fault(
                code="CPI-E047",
                column="seed",
                rule="random numbers need a seed: a whole number, 0 or more",
                cure="give seed=, and keep it with the results",
            )
        )
    if faults:
        raise DataError(faults)


def _list(names: Iterable[Hashable]) -> str:
    return ", ".join(map(str, names))
