"""What each rater answered about an agency, for the analysis between agencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cpi_analysis.fidelity.plan import read_fidelity_key
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.fidelity.scores import read_ratings

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData


def build_agency_sheets(trial: TrialData, *, source: str, domain: str) -> pd.DataFrame:
    """Build the answers of every rater of a source about the agency, raters × items.

    Parameters
    ----------
    trial
        A trial with ``fidelity_ratings`` and a protocol with a fidelity plan.
    source
        One of the sources of the plan.
    domain
        Measure of a scale of which the items are about the agency, such as ``cpi_a``.

    Returns
    -------
    DataFrame
        ``agency_id`` and one column per item, in the direction of the scale; one row per rater
        and agency, without the rater's name. Missing where there is no answer.

    Raises
    ------
    DataError
        CPI-E045 when the source is not known, or the domain is not one about agencies; CPI-E047
        without a fidelity plan.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.fidelity import build_agency_sheets, estimate_agency_level
    >>> sheets = build_agency_sheets(cpi.load_example_trial(), source="worker", domain="cpi_a")
    >>> items = [column for column in sheets if column != "agency_id"]
    >>> estimate_agency_level(sheets, items=items, agency="agency_id", n_options=5).n_agencies
    14
    """
    key = read_fidelity_key(trial)
    if source not in key.plan.sources:
        raise refuse_choice("source", source, key.plan.sources)
    scale = key.scale(domain)
    if key.instrument.target_level_of(scale) != "agency":
        about = tuple(
            each.measure
            for each in key.instrument.scales
            if key.instrument.target_level_of(each) == "agency"
        )
        raise refuse_choice("domain", domain, about)
    ratings = read_ratings(trial, key, scale)
    own = ratings[ratings["source"] == source]
    wide = own.pivot_table(
        index=["target_id", "rater_id"], columns="item", values="value", dropna=False, observed=True
    )
    asked = [item for item in scale.items if item in wide.columns]
    sheets = wide.reindex(columns=asked).dropna(how="all").reset_index("target_id")
    return (
        sheets.rename(columns={"target_id": "agency_id"})
        .rename_axis(columns=None)
        .reset_index(drop=True)
    )
