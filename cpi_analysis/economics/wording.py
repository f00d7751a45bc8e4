"""Numbers of the economic analysis in words."""

from __future__ import annotations

from collections.abc import Sequence

from cpi_analysis.results import format_value, round_half_up


def phrase_money(amount: float) -> str:
    """Return pounds in words, the sign before the pound.

    Examples
    --------
    >>> phrase_money(2663.9), phrase_money(-249.87)
    ('£2,664', '-£250')
    """
    shown = round_half_up(abs(float(amount)), 0)
    return ("-£" if amount < 0 and shown != "0" else "£") + shown


def phrase_interval(low: float, high: float, level: float, *, is_money: bool) -> str:
    """Return an interval in words, such as ``95% CI £1 to £2``."""
    show = phrase_money if is_money else format_value
    return f"{level:.0%} CI {show(low)} to {show(high)}"


def name_effect(column: str) -> str:
    """Return the name of a column as the words for an effect.

    Examples
    --------
    >>> name_effect("qaly"), name_effect("days_at_home")
    ('QALY', 'days at home')
    """
    return "QALY" if column.lower() in ("qaly", "qalys") else column.replace("_", " ")


def phrase_list(names: Sequence[str]) -> str:
    """Return names joined by commas and a last ``and``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def phrase_probability(probability: float) -> str:
    """Return a share of draws in per cent, never claiming certainty.

    Examples
    --------
    >>> phrase_probability(0.4267), phrase_probability(1.0), phrase_probability(0.0004)
    ('43%', 'over 99%', 'under 1%')
    """
    if probability > 0.99:
        return "over 99%"
    if probability < 0.01:
        return "under 1%"
    return f"{round_half_up(100 * float(probability), 0)}%"
