"""The measurement properties of the scale at a glance: a COSMIN table rated from results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.alpha import AlphaResult
from cpi_analysis.fidelity.confirmatory_result import ConfirmatoryResult
from cpi_analysis.fidelity.content_validity import ContentValidityResult
from cpi_analysis.fidelity.convergent import ConvergentValidityResult
from cpi_analysis.fidelity.cosmin_criteria import (
    INSUFFICIENT,
    SUFFICIENT,
    UNKNOWN,
    Verdict,
    absent,
    rate_consistency,
    rate_criterion,
    rate_error,
    rate_hypotheses,
    rate_invariance,
    rate_reliability,
    rate_structure,
)
from cpi_analysis.fidelity.cutoff import CutoffResult
from cpi_analysis.fidelity.differential_item_functioning import DifferentialItemFunctioningResult
from cpi_analysis.fidelity.domain_reliability import DomainReliabilityResult
from cpi_analysis.fidelity.icc import IccResult
from cpi_analysis.fidelity.kappa import KappaResult
from cpi_analysis.fidelity.limits_of_agreement import LimitsOfAgreementResult
from cpi_analysis.fidelity.retest import RetestResult
from cpi_analysis.fidelity.source_agreement import SourceAgreementResult
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Each property with what it asks for, in the order of the criteria.
CRITERIA = {
    "content validity": "items relevant, complete and understood, judged by COSMIN's own review",
    "structural validity": "CFI or TLI above .95, or RMSEA below .06, or SRMR below .08",
    "internal consistency": "structure shown, and alpha of .70 or more for each scale",
    "reliability": "ICC or weighted kappa of .70 or more",
    "measurement error": "smallest detectable change below the minimal important change",
    "hypotheses testing": "at least 75% of hypotheses stated beforehand hold",
    "measurement invariance": "no item with a change of pseudo R-squared of .02 or more",
    "criterion validity": "correlation with a gold standard, or area under the curve, of .70",
    "responsiveness": "area under the curve, or correlation of changes, of .70 or more",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CosminResult(Result):
    """Measurement properties rated sufficient, insufficient or not known."""

    title: ClassVar[str] = "Measurement properties by COSMIN's criteria"

    def summary(self) -> str:
        """Return how many properties have which rating."""
        counts = self.estimates["rating"].value_counts()
        sufficient, insufficient, unknown = (
            int(counts.get(rating, 0)) for rating in (SUFFICIENT, INSUFFICIENT, UNKNOWN)
        )
        return (
            f"Of {len(self.estimates)} measurement properties {sufficient} are sufficient, "
            f"{insufficient} insufficient, and {unknown} not known."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import COLOURS

        columns = {INSUFFICIENT: 0, UNKNOWN: 1, SUFFICIENT: 2}
        places = np.arange(len(self.estimates))[::-1]
        colours = {INSUFFICIENT: COLOURS[1], UNKNOWN: "0.7", SUFFICIENT: COLOURS[0]}
        for place, rating in zip(places, self.estimates["rating"], strict=True):
            ax.plot(columns[rating], place, "o", color=colours[rating], markersize=12)
        ax.set_xticks([0, 1, 2], ["insufficient", "not known", "sufficient"])
        ax.set_xlim(-0.5, 2.5)
        ax.set_yticks(places, list(self.estimates["property"]))
        ax.set_xlabel("Rating")
        ax.spines[["top", "right"]].set_visible(False)


def build_cosmin_table(
    *,
    content: ContentValidityResult | None = None,
    structure: ConfirmatoryResult | None = None,
    consistency: AlphaResult | DomainReliabilityResult | None = None,
    reliability: IccResult | KappaResult | RetestResult | SourceAgreementResult | None = None,
    measurement_error: RetestResult | LimitsOfAgreementResult | None = None,
    minimal_important_change: float | None = None,
    hypotheses: Mapping[str, bool] | None = None,
    invariance: DifferentialItemFunctioningResult | None = None,
    criterion: CutoffResult | ConvergentValidityResult | None = None,
    responsiveness: CutoffResult | ConvergentValidityResult | None = None,
) -> CosminResult:
    """Build a table of measurement properties, rated from the results that are there.

    Parameters
    ----------
    content
        Indices of experts. Shown, never rated: COSMIN asks for more than indices.
    structure
        A confirmatory factor model. Without a verdict on its fit the rating is ``?``.
    consistency
        Alpha of the scale, or of every domain and source.
    reliability
        Agreement of raters or occasions. Of several forms ICC(A,1) counts; of the sources, the
        form of their mean, ICC(A,k).
    measurement_error, minimal_important_change
        Result with a smallest detectable change, and the smallest change that matters, in the
        same unit.
    hypotheses
        Each hypothesis stated beforehand, and whether it holds.
    invariance
        Differential item functioning between groups.
    criterion, responsiveness
        Area under the curve, or correlation, against a gold standard of the state, and of change.

    Returns
    -------
    CosminResult
        Per ``property``: ``criterion``, ``rating`` (``+``, ``-``, or ``?`` where data are absent
        or allow no verdict), ``estimate`` that decided, ``reason``.

    Raises
    ------
    DataError
        CPI-E045 a result is of a kind that the property cannot be rated from.

    Notes
    -----
    Ratings hold point estimates against limits, as the criteria do; the intervals are with the
    results. A rating says nothing about the quality of the study, which COSMIN judges apart.

    References
    ----------
    BMJ Open 2022;12:e059360, table 3. Prinsen CAC and others (2018). COSMIN guideline for
    systematic reviews of patient-reported outcome measures. Quality of Life Research 27,
    1147-1157.

    Examples
    --------
    >>> from cpi_analysis.fidelity import build_cosmin_table
    >>> build_cosmin_table(hypotheses={"trained workers score higher": True}).summary()
    'Of 9 measurement properties 1 are sufficient, 0 insufficient, and 8 not known.'
    """
    _check_kinds(
        content=(content, (ContentValidityResult,)),
        structure=(structure, (ConfirmatoryResult,)),
        consistency=(consistency, (AlphaResult, DomainReliabilityResult)),
        reliability=(reliability, (IccResult, KappaResult, RetestResult, SourceAgreementResult)),
        measurement_error=(measurement_error, (RetestResult, LimitsOfAgreementResult)),
        hypotheses=(hypotheses, (Mapping,)),
        invariance=(invariance, (DifferentialItemFunctioningResult,)),
        criterion=(criterion, (CutoffResult, ConvergentValidityResult)),
        responsiveness=(responsiveness, (CutoffResult, ConvergentValidityResult)),
    )
    of_structure = rate_structure(structure)
    verdicts = (
        _show_content(content),
        of_structure,
        rate_consistency(consistency, of_structure),
        rate_reliability(reliability),
        rate_error(measurement_error, minimal_important_change),
        rate_hypotheses(hypotheses),
        rate_invariance(invariance),
        rate_criterion(criterion, "a gold standard"),
        rate_criterion(responsiveness, "change against a gold standard of change"),
    )
    rows = [
        {"property": name, "criterion": criterion_, **verdict._asdict()}
        for (name, criterion_), verdict in zip(CRITERIA.items(), verdicts, strict=True)
    ]
    return CosminResult(
        estimates=pd.DataFrame(rows),
        n_participants=None,
        n_agencies=None,
        method="point estimates held against COSMIN's criteria (BMJ Open 2022;12:e059360)",
        notes=(
            "A question mark is no fault: data are absent, or allow no verdict.",
            "The ratings leave the quality of the study out, and the width of the intervals.",
        ),
    )


def _show_content(content: ContentValidityResult | None) -> Verdict:
    if content is None:
        return absent("experts' and participants' judgement of the items")
    told = (
        f"average index of the experts {content.scale_average:.2f}; completeness and "
        "comprehensibility are not in it"
    )
    return Verdict(UNKNOWN, content.scale_average, told)


def _check_kinds(**given: tuple[object, tuple[type, ...]]) -> None:
    faults = [
        Fault(
            code="CPI-E045",
            column=name,
            rule=f"{name} is of type {type(value).__name__}",
            allowed=", ".join(kind.__name__ for kind in kinds),
            cure="pass a result of one of these kinds, or leave it out",
        )
        for name, (value, kinds) in given.items()
        if value is not None and not isinstance(value, kinds)
    ]
    if faults:
        raise DataError(faults)
