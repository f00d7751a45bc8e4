"""What a scoring key is: items, answers, scales and value sets, as data.

No wording of items is held here: questionnaires are licensed, scoring rules are facts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from cpi_analysis.io.instruments import checks
from cpi_analysis.io.settings import StrictModel

#: How far an element can be trusted: V verified in the source named, D derived by arithmetic
#: from verified numbers, R recalled from the literature and not verified, A assumed.
Status = Literal["V", "D", "R", "A"]
#: From the most to the least trusted.
STATUS_ORDER: tuple[Status, ...] = ("V", "D", "R", "A")

TargetLevel = Literal["participant", "worker", "agency"]
RatingSource = Literal["worker", "participant", "researcher"]
Method = Literal["sum", "mean", "percent_of_range", "table", "weighted_sum"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class Sourced(StrictModel):
    """An element with its mark and where it comes from.

    In a file, an element without ``status`` and ``source`` takes those of the instrument.
    """

    status: Status
    source: str


class Item(Sourced):
    """One item: its id and the whole numbers that may be answered, but not its words."""

    id: Name
    minimum: int
    maximum: int
    is_reversed: bool
    target_level: TargetLevel
    allows_not_applicable: bool
    natural_sources: tuple[RatingSource, ...]

    @property
    def levels(self) -> tuple[int, ...]:
        """Every answer that is allowed, in increasing order."""
        return tuple(range(self.minimum, self.maximum + 1))


class ItemSet(Sourced):
    """Items that share the range of their answers.

    ``reversed`` items are scored as minimum + maximum − answer. ``target_level`` is what an
    answer is about, ``natural_sources`` who is best placed to rate it.
    """

    ids: tuple[Name, ...] = Field(min_length=1)
    minimum: int
    maximum: int
    reversed: tuple[Name, ...] = ()
    target_level: TargetLevel = "participant"
    allows_not_applicable: bool = False
    natural_sources: tuple[RatingSource, ...] = ()

    def expand(self) -> tuple[Item, ...]:
        """Return the items one by one."""
        return tuple(
            Item(
                id=item,
                minimum=self.minimum,
                maximum=self.maximum,
                is_reversed=item in self.reversed,
                target_level=self.target_level,
                allows_not_applicable=self.allows_not_applicable,
                natural_sources=self.natural_sources,
                status=self.status,
                source=self.source,
            )
            for item in self.ids
        )


class MissingRule(StrictModel):
    """When a scale has a score although items are missing.

    ``complete``: every item that applies must be answered. ``prorate``: the mean of the
    answered items stands for the missing ones, if at least ``minimum_answered`` items, or the
    share ``minimum_share`` of the items that apply, are answered.
    """

    rule: Literal["complete", "prorate"] = "complete"
    minimum_answered: int | None = Field(default=None, ge=1)
    minimum_share: float | None = Field(default=None, gt=0, le=1)
    status: Status = "A"
    source: str = "chosen by the analyst"

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        given = (self.minimum_answered is not None) + (self.minimum_share is not None)
        if self.rule == "prorate" and given != 1:
            raise ValueError("prorate needs either minimum_answered or minimum_share")
        if self.rule == "complete" and given:
            raise ValueError("complete takes neither minimum_answered nor minimum_share")
        return self

    def required(self, n_items: int) -> int:
        """Return how many of ``n_items`` items must be answered."""
        if self.minimum_answered is not None:
            return min(self.minimum_answered, n_items)
        share = 1.0 if self.minimum_share is None else self.minimum_share
        # 0.8 * 5 is 4.000000000000001 in some orders of arithmetic: it must stay 4.
        return max(1, math.ceil(share * n_items - 1e-9))


COMPLETE = MissingRule()


class Cut(Sourced):
    """A band of a score: it starts at ``at_least`` and ends where the next one starts."""

    label: str
    at_least: float


class ScoreTable(Sourced):
    """A transformation: the raw score ``raw[i]`` becomes ``score[i]``."""

    raw: tuple[int, ...]
    score: tuple[float, ...]


class Scale(Sourced):
    """One score: which items, how they are combined, what range results.

    ``sum``, ``mean``: of the answers after reversal. ``percent_of_range``: 100 × the mean of
    (answer − minimum) / (maximum − minimum). ``table``: the sum, transformed by ``table``.
    ``weighted_sum``: intercept + slope × Σ weight of the level answered, where ``weights``
    lists for each item one weight per level, from the lowest answer to the highest.
    """

    measure: Name
    label: str
    items: tuple[Name, ...] = Field(min_length=1)
    method: Method
    unit: str
    minimum: float
    maximum: float
    is_higher_better: bool
    missing: MissingRule = COMPLETE
    part_of: Name | None = None
    is_formative: bool = False
    table: ScoreTable | None = None
    weights: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    intercept: float = 0.0
    slope: float = 1.0
    cuts: tuple[Cut, ...] = ()


class Instrument(Sourced):
    """A questionnaire's scoring key.

    Parameters
    ----------
    id, title
        Name used in the table ``responses`` and name for readers.
    answers_from
        Instrument whose answers are scored; its own id unless it is a short form.
    licence
        What a user must do before using the questionnaire itself.
    notes
        What is not known, or was decided.
    n_items
        Number of items there must be; a check on typing.
    item_sets, scales
        Items by range of answers, and the scores. A profile such as EQ-5D has no scales.

    Examples
    --------
    >>> from cpi_analysis.io.instruments import load_instrument
    >>> key = load_instrument("swemwbs")
    >>> len(key.items), key.answers_from, key.scales[0].measure
    (7, 'wemwbs', 'swemwbs')
    """

    id: Name
    title: str
    answers_from: Name
    licence: str
    notes: tuple[str, ...] = ()
    n_items: int | None = None
    item_sets: tuple[ItemSet, ...] = Field(min_length=1)
    scales: tuple[Scale, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        return checks.fill_in(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := checks.find_problems(self):
            raise ValueError("\n".join(problems))
        return self

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The items, in the order of the file."""
        return tuple(item for item_set in self.item_sets for item in item_set.expand())

    @cached_property
    def item_ids(self) -> tuple[str, ...]:
        """The ids of the items, in the order of the file."""
        return tuple(item for item_set in self.item_sets for item in item_set.ids)

    def target_level_of(self, scale: Scale) -> TargetLevel:
        """Return what the items of a scale are about."""
        return next(item.target_level for item in self.items if item.id == scale.items[0])

    def status_of(self, scale: Scale) -> Status:
        """Return the least trusted mark among a scale, its items and its proration."""
        marks = {scale.status, *(item.status for item in self.items if item.id in scale.items)}
        if scale.table is not None:
            marks.add(scale.table.status)
        if scale.missing.rule == "prorate":
            marks.add(scale.missing.status)
        return max(marks, key=STATUS_ORDER.index)


class ValueSet(Sourced):
    """Preference weights that turn an EQ-5D profile into a utility.

    ``decrements`` holds for each dimension one decrement per level, from 1 (no problems) up.
    ``any_above_one`` is subtracted once when a level is above 1, ``any_at_worst`` once when a
    level is the worst. ``anchors`` are states with known utilities: the file is refused when
    it does not give them.
    """

    id: str
    title: str
    instrument: Name
    policy: str
    decrements: dict[str, tuple[float, ...]]
    any_above_one: float = 0.0
    any_at_worst: float = 0.0
    minimum: float
    maximum: float = 1.0
    anchors: dict[str, float]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := checks.find_value_set_problems(self):
            raise ValueError("\n".join(problems))
        return self

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The items of the profile, in order."""
        return tuple(self.decrements)

    @property
    def n_levels(self) -> int:
        """The number of levels of each dimension."""
        return len(next(iter(self.decrements.values())))

    def utility_of(self, levels: tuple[int, ...]) -> float:
        """Return the utility of one profile of valid levels."""
        total = sum(
            weights[level - 1]
            for weights, level in zip(self.decrements.values(), levels, strict=True)
        )
        total += self.any_above_one * any(level > 1 for level in levels)
        total += self.any_at_worst * any(level == self.n_levels for level in levels)
        return 1.0 - total
