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
    "interval": GlossaryEntry("kind of confidence interval", "text"),
    "icer": GlossaryEntry("incremental cost-effectiveness ratio, GBP per unit", "money"),
    "is_singular": GlossaryEntry("a variance component was estimated as zero", "flag"),
    "status": GlossaryEntry("efficient, dominated or extendedly dominated", "text"),
    "evpi": GlossaryEntry("expected value of perfect information, GBP per person", "number"),
    "evpi_normal": GlossaryEntry("the same if net benefits differed normally", "number"),
    "evppi": GlossaryEntry("expected value of perfect information on it, GBP", "number"),
    "population_evpi": GlossaryEntry("the same over everybody decided about, GBP", "money"),
    "service": GlossaryEntry("service that was used", "text"),
    "unit_cost": GlossaryEntry("price of one unit in GBP", "number"),
    "at_minimum": GlossaryEntry("net benefit at the lowest price, GBP", "money"),
    "at_maximum": GlossaryEntry("net benefit at the highest price, GBP", "money"),
    "width": GlossaryEntry("distance between the two, GBP", "money"),
    "power": GlossaryEntry("probability of showing the difference", "proportion"),
    "evsi": GlossaryEntry("expected value of the sample of a trial, GBP per person", "number"),
    "population_evsi": GlossaryEntry("the same over everybody decided about, GBP", "money"),
    "std_dev_cost": GlossaryEntry("standard deviation of cost between people", "money"),
    "std_dev_effect": GlossaryEntry("standard deviation of effect between people", "number"),
    "icc_cost": GlossaryEntry("intracluster correlation of cost", "proportion"),
    "icc_effect": GlossaryEntry("intracluster correlation of effect", "proportion"),
    "correlation_within_person": GlossaryEntry("correlation of cost and effect", "number"),
    "correlation_within_agency": GlossaryEntry(
        "correlation of one person's cost with another's effect in the agency", "number"
    ),
    "scenario": GlossaryEntry("analysis that is compared with the others", "text"),
    "scale_factor": GlossaryEntry("interval over recall window; 1 is as recorded", "number"),
    "total_cost": GlossaryEntry("whole cost in GBP", "money"),
    "cost_in_period": GlossaryEntry("part of the cost that falls in the period, GBP", "money"),
    "people_reached": GlossaryEntry("people whom an agency reaches in the period", "count"),
    "cost_per_participant": GlossaryEntry("cost in GBP for each person reached", "money"),
    # missing data
    "mean_imputed": GlossaryEntry("mean of the imputed values", "number"),
    "r_hat": GlossaryEntry("spread between chains over that within; near 1 when mixed", "number"),
    "n_imputations": GlossaryEntry("number of imputed data sets", "count"),
    "effect_factor_target": GlossaryEntry("factor on imputed effects, target group", "number"),
    "effect_factor_reference": GlossaryEntry(
        "factor on imputed effects, reference group", "number"
    ),
    "cost_factor_target": GlossaryEntry("factor on imputed costs, target group", "number"),
    "cost_factor_reference": GlossaryEntry("factor on imputed costs, reference group", "number"),
}
