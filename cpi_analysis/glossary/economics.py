"""Columns of the economics."""

from __future__ import annotations

from cpi_analysis.glossary.entry import GlossaryEntry

ENTRIES: dict[str, GlossaryEntry] = {
    "threshold": GlossaryEntry("willingness to pay for one unit of effect, in GBP", "money"),
    "probability": GlossaryEntry("probability of being cost-effective", "proportion"),
    "is_optimal": GlossaryEntry("highest mean net benefit at the threshold", "flag"),
    "delta_cost": GlossaryEntry("difference in cost, GBP, target minus reference", "money"),
    "delta_effect": GlossaryEntry("difference in effect, target minus reference", "number"),
    "cost": GlossaryEntry("cost in GBP", "money"),
    "effect": GlossaryEntry("effect", "number"),
    "icer": GlossaryEntry("incremental cost-effectiveness ratio, GBP per unit", "money"),
    "is_singular": GlossaryEntry("a variance component was estimated as zero", "flag"),
}
