"""Columns of the effectiveness analysis."""

from __future__ import annotations

from cpi_analysis.glossary.entry import GlossaryEntry

ENTRIES: dict[str, GlossaryEntry] = {
    # comparability of the groups
    "covariate": GlossaryEntry("what was measured before the groups differed", "text"),
    "mean_target": GlossaryEntry("mean in the target group", "number"),
    "mean_reference": GlossaryEntry("mean in the reference group", "number"),
    "standardised_difference": GlossaryEntry(
        "difference in means over the standard deviation", "number"
    ),
    "variance_ratio": GlossaryEntry("variance of the target over the reference group", "number"),
    "risk_ratio": GlossaryEntry("risk ratio, above 1", "number"),
    "e_value": GlossaryEntry(
        "risk ratio with group and outcome that would explain the difference away", "number"
    ),
    "mean_baseline": GlossaryEntry("mean at baseline", "number"),
    "mean_change": GlossaryEntry("mean change from baseline", "number"),
    "expected_change": GlossaryEntry("change to expect without any effect", "number"),
    "remaining_change": GlossaryEntry("mean change less the expected change", "number"),
    "share_of_overlap": GlossaryEntry(
        "share of people with a propensity that occurs in the other group", "proportion"
    ),
    "correlation": GlossaryEntry("correlation", "number"),
    # multivariate analysis of variance
    "test": GlossaryEntry("which test", "text"),
    "value": GlossaryEntry("value of the statistic, or its correction for sphericity", "number"),
    "partial_eta_squared": GlossaryEntry("partial eta squared", "proportion"),
    # diagnostics
    "cooks_distance": GlossaryEntry("Cook's distance over all coefficients", "number"),
    "dfbeta": GlossaryEntry("move of a coefficient, in its standard errors", "number"),
    "skewness": GlossaryEntry("skewness", "number"),
    "excess_kurtosis": GlossaryEntry("kurtosis less that of the normal distribution", "number"),
    "share": GlossaryEntry("share of the variance", "proportion"),
    # marginal means and contrasts
    "level": GlossaryEntry("values of the columns that the row is about", "text"),
    "n_target": GlossaryEntry("number in the target group", "count"),
    "n_reference": GlossaryEntry("number in the reference group", "count"),
    "stratum": GlossaryEntry("values within which groups are compared", "text"),
    "p_value_adjusted": GlossaryEntry(
        "p-value adjusted for the number of comparisons, as the method says", "p_value"
    ),
    # agencies
    "design_effect": GlossaryEntry(
        "by how much agencies inflate the variance of a mean, at the estimate", "number"
    ),
    "design_effect_high": GlossaryEntry("design effect at the upper limit", "number"),
    "size_mean": GlossaryEntry("mean number of participants of an agency", "number"),
    "size_cv": GlossaryEntry(
        "standard deviation of the participants per agency over their mean", "proportion"
    ),
    # trials that are simulated
    "agencies_target": GlossaryEntry("agencies in the target group", "count"),
    "agencies_reference": GlossaryEntry("agencies in the reference group", "count"),
    "people_analysed": GlossaryEntry("mean number of people with an outcome in a trial", "number"),
    "retention": GlossaryEntry("share of the people who have an outcome", "proportion"),
    "standardised_effect": GlossaryEntry(
        "difference in standard deviations of the outcome", "number"
    ),
    "baseline_correlation": GlossaryEntry("correlation of outcome and baseline", "number"),
    "share_singular": GlossaryEntry(
        "share of trials with a variance between agencies of zero", "proportion"
    ),
    "significance_level": GlossaryEntry("level of the tests", "proportion"),
    # ratios
    "ratio": GlossaryEntry("exponential of the estimate: ratio of odds or rates", "number"),
    "ratio_low": GlossaryEntry("lower limit of the interval of the ratio", "number"),
    "ratio_high": GlossaryEntry("upper limit of the interval of the ratio", "number"),
}
