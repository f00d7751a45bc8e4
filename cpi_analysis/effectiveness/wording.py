"""How numbers are written in the sentences of a summary."""

from __future__ import annotations

from collections.abc import Sequence

from cpi_analysis.results import format_value, round_half_up


def format_interval(estimate: float, low: float, high: float) -> tuple[str, str, str]:
    """Return the three numbers with the same decimals: two significant digits of half the width."""
    half = (high - low) / 2
    limits = ((10.0, 0), (1.0, 1), (0.1, 2), (0.01, 3))
    decimals = next((places for limit, places in limits if half >= limit), 4)
    first, second, third = (round_half_up(number, decimals) for number in (estimate, low, high))
    return first, second, third


def phrase_icc(icc: float, *, is_singular: bool) -> str:
    """Return ``ICC 0.012``; at zero it says that this is the edge of what is possible."""
    boundary = " (on the boundary, see the notes)" if is_singular else ""
    return f"ICC {format_value(icc, 'proportion')}{boundary}"


def phrase_list(names: Sequence[str]) -> str:
    """Return ``a``, ``a and b``, or ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def phrase_amount(number: str, unit: str | None, direction: str = "") -> str:
    """Return a number with its unit, and ``higher`` or ``lower`` where they belong.

    Examples
    --------
    >>> phrase_amount("0.8", "points", "higher")
    '0.8 points higher'
    >>> phrase_amount("0.092", "utility", "higher")
    '0.092 higher on the utility scale'
    """
    scale = "on the utility scale" if unit == "utility" else ""
    noun = {None: "", "utility": "", "percent": "percentage points"}.get(unit, unit)
    return " ".join(part for part in (number, noun, direction, scale) if part)


def format_p_value(p_value: float) -> str:
    """Return ``p = 0.012`` or ``p < 0.001``."""
    text = format_value(p_value, "p_value")
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"
