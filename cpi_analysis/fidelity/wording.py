"""What is counted, in words: targets may be participants, workers or agencies."""

from __future__ import annotations

_PLURALS = {"participant": "participants", "worker": "workers", "agency": "agencies"}


def phrase_targets(count: int, level: str) -> str:
    """Return a number of targets as what they are.

    Examples
    --------
    >>> phrase_targets(12, "worker"), phrase_targets(1, "agency")
    ('12 workers', '1 agency')
    """
    return f"{count} {level if count == 1 else _PLURALS.get(level, 'targets')}"


def add_targets(facts: list[str], count: int, level: str) -> list[str]:
    """Put the number of targets before the facts that do not have it yet."""
    targets = phrase_targets(count, level)
    return facts if targets in facts else [targets, *facts]


def count_participants(count: int, level: str) -> int | None:
    """Return the number of participants: that of the targets, if participants were rated."""
    return count if level == "participant" else None
