"""Columns that results of more than one analysis have."""

from __future__ import annotations

from cpi_analysis.glossary.entry import GlossaryEntry

ENTRIES: dict[str, GlossaryEntry] = {
    # what a row is about
    "term": GlossaryEntry("term of the model", "text"),
    "quantity": GlossaryEntry("what is estimated", "text"),
    "measure": GlossaryEntry("measure of the outcome", "text"),
    "timepoint": GlossaryEntry("scheduled interview", "text"),
    "analysis": GlossaryEntry("name of the analysis", "text"),
    "contrast": GlossaryEntry("the two groups compared: target minus reference", "text"),
    "group": GlossaryEntry("group of participants", "text"),
    "instrument": GlossaryEntry("questionnaire", "text"),
    "scale": GlossaryEntry("scale or subscale of a questionnaire", "text"),
    "source": GlossaryEntry("who rated", "text"),
    "item": GlossaryEntry("item of a questionnaire", "text"),
    "method": GlossaryEntry("how the number was estimated", "text"),
    "reason": GlossaryEntry("why", "text"),
    "quadrant": GlossaryEntry("quadrant of the cost-effectiveness plane", "text"),
    "category": GlossaryEntry("category of cost, or of a rating", "text"),
    "strategy": GlossaryEntry("strategy compared", "text"),
    "unit": GlossaryEntry("unit of the estimate", "text"),
    "interpretation": GlossaryEntry("the number in words", "text"),
    "participant_id": GlossaryEntry("pseudonym of a participant", "text"),
    "agency_id": GlossaryEntry("code of an agency", "text"),
    "form": GlossaryEntry("form of the coefficient", "text"),
    "parameter": GlossaryEntry("uncertain quantity, or kind of parameter of a model", "text"),
    "people_per_agency": GlossaryEntry("people of one agency, in the mean", "number"),
    # counts
    "n": GlossaryEntry("number of participants, or of targets rated", "count"),
    "n_agencies": GlossaryEntry("number of agencies", "count"),
    "n_participants": GlossaryEntry("number of participants", "count"),
    "n_targets": GlossaryEntry("number of targets rated", "count"),
    "n_items": GlossaryEntry("number of items", "count"),
    "n_raters": GlossaryEntry("number of raters or sources, or of ratings per target", "count"),
    "n_missing": GlossaryEntry("number of missing values", "count"),
    "n_observed": GlossaryEntry("number of observed values", "count"),
    "draw": GlossaryEntry("number of the replicate", "count"),
    "replicates": GlossaryEntry("number of bootstrap replicates", "count"),
    # estimates
    "estimate": GlossaryEntry("point estimate, in the unit of the measure", "number"),
    "std_error": GlossaryEntry("standard error of the estimate", "number"),
    "df": GlossaryEntry("degrees of freedom of the t reference distribution", "df"),
    "df1": GlossaryEntry("numerator degrees of freedom", "df"),
    "df2": GlossaryEntry("denominator degrees of freedom", "df"),
    "statistic": GlossaryEntry("test statistic", "number"),
    "p_value": GlossaryEntry("two-sided p-value", "p_value"),
    "p_value_holm": GlossaryEntry("p-value with Holm's adjustment", "p_value"),
    "effect_size_dz": GlossaryEntry("mean change over its standard deviation", "number"),
    "effect_size_hedges": GlossaryEntry("dz with Hedges' correction", "number"),
    "conf_low": GlossaryEntry("lower limit of the confidence interval", "number"),
    "conf_high": GlossaryEntry("upper limit of the confidence interval", "number"),
    "mean": GlossaryEntry("mean", "number"),
    "std_dev": GlossaryEntry("standard deviation", "number"),
    "median": GlossaryEntry("median", "number"),
    "minimum": GlossaryEntry("smallest value", "number"),
    "maximum": GlossaryEntry("largest value", "number"),
    "variance": GlossaryEntry("variance component", "number"),
    "proportion": GlossaryEntry("share, from 0 to 1", "proportion"),
    # fields shown by glance
    "seed": GlossaryEntry("seed of the random numbers", "count"),
    "confidence_level": GlossaryEntry("level of the intervals", "proportion"),
    "log_likelihood": GlossaryEntry("log-likelihood (restricted under REML)", "number"),
    "residual_variance": GlossaryEntry("variance within agencies", "number"),
    "agency_variance": GlossaryEntry("variance between agencies", "number"),
    "icc": GlossaryEntry(
        "intracluster correlation: share of variance between agencies", "proportion"
    ),
    "n_rows": GlossaryEntry("number of rows analysed", "count"),
}
