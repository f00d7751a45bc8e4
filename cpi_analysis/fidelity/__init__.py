"""Was it delivered as meant: reliability of the questionnaire, agreement of its sources."""

from __future__ import annotations

from cpi_analysis.fidelity.alpha import AlphaResult, estimate_alpha
from cpi_analysis.fidelity.bands import FidelityBandResult, build_fidelity_bands
from cpi_analysis.fidelity.content_validity import ContentValidityResult, compute_content_validity
from cpi_analysis.fidelity.cutoff import CutoffResult, estimate_cutoff
from cpi_analysis.fidelity.domain_reliability import (
    DomainReliabilityResult,
    estimate_domain_reliability,
)
from cpi_analysis.fidelity.icc import IccResult, estimate_icc
from cpi_analysis.fidelity.polychoric import PolychoricResult, compute_polychoric
from cpi_analysis.fidelity.scores import (
    build_fidelity_items,
    build_source_scores,
    derive_fidelity_scores,
)
from cpi_analysis.fidelity.source_agreement import SourceAgreementResult, estimate_source_agreement

__all__ = [
    "AlphaResult",
    "ContentValidityResult",
    "CutoffResult",
    "DomainReliabilityResult",
    "FidelityBandResult",
    "IccResult",
    "PolychoricResult",
    "SourceAgreementResult",
    "build_fidelity_bands",
    "build_fidelity_items",
    "build_source_scores",
    "compute_content_validity",
    "compute_polychoric",
    "derive_fidelity_scores",
    "estimate_alpha",
    "estimate_cutoff",
    "estimate_domain_reliability",
    "estimate_icc",
    "estimate_source_agreement",
]
