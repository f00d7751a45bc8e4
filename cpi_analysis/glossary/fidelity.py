"""Columns of the fidelity analysis."""

from __future__ import annotations

from cpi_analysis.glossary.entry import GlossaryEntry

ENTRIES: dict[str, GlossaryEntry] = {
    # validity
    "n_relevant": GlossaryEntry("experts who found the item relevant", "count"),
    "item_cvi": GlossaryEntry("share of experts who found the item relevant", "proportion"),
    "chance_agreement": GlossaryEntry("probability of that many by chance", "proportion"),
    "kappa_modified": GlossaryEntry("item index beyond chance", "number"),
    "content_validity_ratio": GlossaryEntry("Lawshe's ratio, from -1 to 1", "number"),
    "critical_ratio": GlossaryEntry(
        "smallest ratio that chance exceeds in at most 5% of panels", "number"
    ),
    "scale_average": GlossaryEntry("mean of the items' indices", "proportion"),
    "scale_universal": GlossaryEntry(
        "share of items that every expert found relevant", "proportion"
    ),
    # agreement
    "weights": GlossaryEntry("credit for ratings that differ a little", "text"),
    "metric": GlossaryEntry("distance between two ratings", "text"),
    "observed_agreement": GlossaryEntry("agreement of pairs of ratings", "proportion"),
    "expected_agreement": GlossaryEntry("agreement that chance would give", "proportion"),
    "bootstrap_low": GlossaryEntry("lower end of the bootstrap's range", "number"),
    "bootstrap_high": GlossaryEntry("upper end of the bootstrap's range", "number"),
    # triangulation
    "pair": GlossaryEntry("two sources or measures: first minus second", "text"),
    "choice": GlossaryEntry("how the sources are combined", "text"),
    # COSMIN
    "property": GlossaryEntry("measurement property", "text"),
    "criterion": GlossaryEntry("what a sufficient property asks for", "text"),
    "rating": GlossaryEntry("+ sufficient, - insufficient, ? not known", "text"),
    # generalisability and agencies
    "n_levels": GlossaryEntry("number of levels of a source of variance", "count"),
    "is_zero": GlossaryEntry("the variance was estimated as zero", "flag"),
    "rwg": GlossaryEntry("agreement within an agency on the mean of the items", "number"),
    "rwg_j": GlossaryEntry("agreement within an agency over the items", "number"),
    # structure
    "item_1": GlossaryEntry("first item of the pair", "text"),
    "item_2": GlossaryEntry("second item of the pair", "text"),
    "smallest_expected": GlossaryEntry(
        "people expected in the emptiest cell of the pair's table", "number"
    ),
    "n_empty_cells": GlossaryEntry("cells of the pair's table that hold nobody", "count"),
    "smallest_eigenvalue": GlossaryEntry("smallest eigenvalue of the correlations", "number"),
    # models of answers
    "trait": GlossaryEntry("place on the trait that the items measure", "number"),
    "answer": GlossaryEntry("answer to an item", "number"),
    "r_squared_change": GlossaryEntry("change of Nagelkerke's R²", "proportion"),
    "reliability": GlossaryEntry("reliability of people's places on the trait", "proportion"),
    "marginal_reliability": GlossaryEntry("mean of information over itself plus one", "proportion"),
    "separation": GlossaryEntry("share of people's variance that is not error", "proportion"),
    "n_parameters": GlossaryEntry("free parameters of the model", "count"),
    "n_starts": GlossaryEntry("starting points tried", "count"),
    "n_best": GlossaryEntry("starting points that led to the best optimum", "count"),
    "n_extreme": GlossaryEntry("people with the lowest or highest score", "count"),
    "communality": GlossaryEntry("share of the item's variance that the factors explain", "number"),
    "uniqueness": GlossaryEntry("share of the item's variance that the factors leave", "number"),
    "n_factors": GlossaryEntry("number of common factors", "count"),
    "rms_residual": GlossaryEntry("root mean square of the residual correlations", "number"),
    "component": GlossaryEntry("number of the principal component", "count"),
    "reference_mean": GlossaryEntry("mean eigenvalue of answers with nothing in common", "number"),
    "reference_quantile": GlossaryEntry(
        "quantile of the eigenvalue of answers with nothing in common", "number"
    ),
    "is_retained": GlossaryEntry("whether the component stands out", "flag"),
    "n_factors_mean": GlossaryEntry("number of factors by the mean of the references", "count"),
    "quantile": GlossaryEntry("quantile of the references", "proportion"),
    "kmo": GlossaryEntry("Kaiser-Meyer-Olkin measure of sampling adequacy", "proportion"),
    # items
    "floor": GlossaryEntry("share of answers at the lowest on offer", "proportion"),
    "ceiling": GlossaryEntry("share of answers at the highest on offer", "proportion"),
    "item_rest": GlossaryEntry("correlation of the item with the sum of the others", "number"),
    "alpha_if_deleted": GlossaryEntry("Cronbach's alpha without the item", "number"),
    "is_suspect": GlossaryEntry("whether the item goes against the others", "flag"),
    "n_complete": GlossaryEntry("number of people with every answer", "count"),
    "alpha": GlossaryEntry("Cronbach's alpha of all items", "number"),
    "mean_inter_item": GlossaryEntry("mean correlation between items", "number"),
    "smallest_detectable_change": GlossaryEntry(
        "change of one person that is beyond error, in points", "number"
    ),
    "omega": GlossaryEntry("omega total of one factor", "number"),
    "n_dimensions": GlossaryEntry("number of dimensions by parallel analysis", "count"),
    "standard_error_of_measurement": GlossaryEntry(
        "error of the total score of one person, in points", "number"
    ),
}
