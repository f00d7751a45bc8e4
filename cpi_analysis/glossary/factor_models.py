"""Columns of the confirmatory factor models."""

from __future__ import annotations

from cpi_analysis.glossary.entry import GlossaryEntry

ENTRIES: dict[str, GlossaryEntry] = {
    "factor": GlossaryEntry("factor of the model", "text"),
    "other": GlossaryEntry("second factor or item of a covariance", "text"),
    "standardised": GlossaryEntry("estimate when items and factors have variance 1", "number"),
    "standardised_low": GlossaryEntry("lower limit of the standardised estimate", "number"),
    "standardised_high": GlossaryEntry("upper limit of the standardised estimate", "number"),
    "estimator": GlossaryEntry("estimator of the factor model", "text"),
    "chi_square": GlossaryEntry("chi-square of the model, scaled if the estimator does", "number"),
    "chi_square_df": GlossaryEntry("degrees of freedom of the chi-square", "count"),
    "cfi": GlossaryEntry("comparative fit index, robust if there is one", "proportion"),
    "tli": GlossaryEntry("Tucker-Lewis index, robust if there is one", "proportion"),
    "rmsea": GlossaryEntry(
        "root mean square error of approximation, robust if there is one", "proportion"
    ),
    "rmsea_low": GlossaryEntry("lower limit of its 90% interval", "proportion"),
    "rmsea_high": GlossaryEntry("upper limit of its 90% interval", "proportion"),
    "srmr": GlossaryEntry("standardised root mean square residual", "proportion"),
    "aic": GlossaryEntry("Akaike information criterion", "number"),
    "bic": GlossaryEntry("Bayesian information criterion", "number"),
    "scaling_factor": GlossaryEntry("chi-square over the scaled one", "number"),
    "people_per_parameter": GlossaryEntry("people for each free parameter", "number"),
    "is_verdict_possible": GlossaryEntry("whether the sample allows a verdict on fit", "flag"),
    "gradient": GlossaryEntry("largest derivative at the end of the search", "number"),
    "held_equal": GlossaryEntry("what is held equal in the groups, with all before it", "text"),
    "difference": GlossaryEntry("chi-square of the level against the one before", "number"),
    "difference_df": GlossaryEntry("its degrees of freedom", "count"),
    "difference_p_value": GlossaryEntry("its p-value", "p_value"),
    "cfi_change": GlossaryEntry("change of the comparative fit index", "proportion"),
    "rmsea_change": GlossaryEntry(
        "change of the root mean square error of approximation", "proportion"
    ),
    "smallest_group": GlossaryEntry("people in the smallest group", "count"),
}
