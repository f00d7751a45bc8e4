"""How numbers are written in the sentences of a summary."""

from __future__ import annotations

from cpi_analysis.results import format_value, round_half_up


def format_interval(estimate: float, low: float, high: float) -> tuple[str, str, str]:
    """Return the three numbers with the same decimals: two significant digits of half the width."""
    half = (high - low) / 2
    limits = ((10.0, 0), (1.0, 1), (0.1, 2), (0.01, 3))
    decimals = next((places for limit, places in limits if half >= limit), 4)
    first, second, third = (round_half_up(number, decimals) for number in (estimate, low, high))
    return first, second, third


def format_p_value(p_value: float) -> str:
    """Return ``p = 0.012`` or ``p < 0.001``."""
    text = format_value(p_value, "p_value")
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"
