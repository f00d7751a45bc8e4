"""The model of ``study.toml``: how a trial that was not collected in our shape is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.protocol import Protocol
from cpi_analysis.io.readers.raw import read_bytes
from cpi_analysis.io.settings import StrictModel
from cpi_analysis.io.settings_faults import translate_problems

Separator = Literal[",", ";", "\t", "|"]
Name = Annotated[str, Field(min_length=1)]


def _same_names(columns: object) -> object:
    """Let a list of columns stand for columns that keep their names."""
    return {name: name for name in columns} if isinstance(columns, list) else columns


def _as_list(texts: object) -> object:
    return [texts] if isinstance(texts, str) else texts


ColumnMap = Annotated[dict[Name, Name], BeforeValidator(_same_names)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class StudyPart(StrictModel):
    """``[study]``: what the trial is."""

    title: Name
    is_synthetic: bool
    license: str | None = None
    notes: Texts = ()


class FilePart(StrictModel):
    """``[files.<name>]``: one file, and how its cells are written.

    ``keys`` maps identifying columns of the model (``participant_id``, ``agency_id``,
    ``timepoint`` …) to columns of the file; every table made from the file uses them.
    ``missing_codes`` are texts that mean missing in every column, ``column_missing_codes``
    in one column of the file.
    """

    path: str | None = None
    sheet: str | None = None
    separator: Separator | None = None
    decimal: Literal[".", ","] = "."
    date_format: str | None = None
    cell_text: Literal["code", "label"] = "code"
    missing_codes: Texts = ()
    column_missing_codes: dict[Name, Texts] = Field(default_factory=dict)
    keys: ColumnMap = Field(default_factory=dict)


class ArmsPart(StrictModel):
    """``[arms]``: the column of the agencies' file that holds the arm, and its two texts."""

    column: Name
    intervention: str
    comparison: str

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.intervention == self.comparison:
            raise ValueError("intervention and comparison must differ")
        return self


class TimepointPart(StrictModel):
    """``[timepoints.<name>]``: a scheduled interview, in months since baseline."""

    months: float = Field(ge=0)
    code: str | None = None


class TablePart(StrictModel):
    """``[tables.<canonical name>]``: one table of the model, from columns of one file.

    ``rows`` keeps only the rows in which a column of the file has one of the texts given.
    ``labels`` translates texts of the file, for each column of the table. ``repeated_rows``
    says what rows with the same key mean: they must agree and become one row, or they are
    an error.
    """

    file: str | None = None
    columns: ColumnMap = Field(default_factory=dict)
    constants: dict[Name, str] = Field(default_factory=dict)
    labels: dict[Name, dict[str, str]] = Field(default_factory=dict)
    rows: dict[Name, Texts] = Field(default_factory=dict)
    repeated_rows: Literal["must_agree", "refuse"] | None = None


class MeasurePart(StrictModel):
    """``[measures.<name>]``: an entry of the dictionary, and where its values are.

    ``column`` when the file has one row for each participant and timepoint, ``columns``
    (timepoint to column) when it has one row for each participant, neither when the measure
    is only declared.
    """

    label: Name
    unit: Name
    minimum: float | None = None
    maximum: float | None = None
    is_higher_better: bool | None = None
    file: str | None = None
    column: str | None = None
    columns: dict[Name, Name] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_layout(self) -> Self:
        if self.column is not None and self.columns:
            raise ValueError("give either column (long file) or columns (wide file)")
        if None not in (self.minimum, self.maximum) and self.minimum > self.maximum:  # type: ignore[operator]
            raise ValueError("minimum must not be larger than maximum")
        return self


class ResponsesPart(StrictModel):
    """``[responses.<instrument>]``: items of a questionnaire that stand side by side.

    ``items`` (item to column) when the file has one row for each participant and timepoint,
    ``items_by_timepoint`` when it has one row for each participant. ``labels`` translates
    answers to numbers.
    """

    file: str | None = None
    items: dict[Name, Name] = Field(default_factory=dict)
    items_by_timepoint: dict[Name, dict[Name, Name]] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_layout(self) -> Self:
        if bool(self.items) == bool(self.items_by_timepoint):
            raise ValueError("give either items (long file) or items_by_timepoint (wide file)")
        return self


class StudyFile(StrictModel):
    """Everything that ``study.toml`` may say."""

    study: StudyPart
    files: dict[Name, FilePart] = Field(default_factory=dict)
    arms: ArmsPart | None = None
    timepoints: dict[Name, TimepointPart] = Field(default_factory=dict)
    tables: dict[Name, TablePart] = Field(default_factory=dict)
    measures: dict[Name, MeasurePart] = Field(default_factory=dict)
    responses: dict[Name, ResponsesPart] = Field(default_factory=dict)
    analysis: Protocol | None = None

    @property
    def is_package_shape(self) -> bool:
        """Whether the tables stand in files of their own, one for each canonical table."""
        return not (self.tables or self.measures or self.responses)


def read_study_file(path: str | Path) -> StudyFile:
    """Read and check a study file.

    Parameters
    ----------
    path
        A TOML file; see ``docs/study_file.md``.

    Returns
    -------
    StudyFile

    Raises
    ------
    DataError
        CPI-E040 when it is not TOML, CPI-E041 for every setting that is not known or valid.
    """
    path = Path(path)
    try:
        text = read_bytes(path).decode("utf-8-sig")
        settings = tomllib.loads(text)
    except UnicodeDecodeError:
        raise _not_toml(path.name, "it is not encoded as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path.name, str(error)) from None
    return check_study_settings(settings, file=path.name)


def check_study_settings(settings: Mapping[str, Any], *, file: str = "study.toml") -> StudyFile:
    """Turn settings into a :class:`StudyFile`, or report every one that is wrong."""
    try:
        study = StudyFile.model_validate(settings)
    except ValidationError as error:
        raise DataError(translate_problems(error, model=StudyFile, file=file)) from None
    return study


def _not_toml(file: str, reason: str) -> DataError:
    return DataError(
        Fault(
            code="CPI-E040",
            file=file,
            rule=f"the file is not valid TOML ({reason})",
            cure="look at the line named; texts stand in quotation marks",
        )
    )
