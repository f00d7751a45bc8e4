"""Was it delivered as meant: reliability of the questionnaire, agreement of its sources."""

from __future__ import annotations

from cpi_analysis.fidelity.agency_level import AgencyLevelResult, estimate_agency_level
from cpi_analysis.fidelity.agency_sheets import build_agency_sheets
from cpi_analysis.fidelity.agreement import AgreementResult, estimate_agreement
from cpi_analysis.fidelity.alpha import AlphaResult, estimate_alpha
from cpi_analysis.fidelity.bands import FidelityBandResult, build_fidelity_bands
from cpi_analysis.fidelity.confirmatory import fit_confirmatory_model
from cpi_analysis.fidelity.confirmatory_result import ConfirmatoryResult
from cpi_analysis.fidelity.content_validity import ContentValidityResult, compute_content_validity
from cpi_analysis.fidelity.convergent import (
    ConvergentValidityResult,
    estimate_convergent_validity,
)
from cpi_analysis.fidelity.cosmin import CosminResult, build_cosmin_table
from cpi_analysis.fidelity.cutoff import CutoffResult, estimate_cutoff
from cpi_analysis.fidelity.differential_item_functioning import (
    DifferentialItemFunctioningResult,
    estimate_differential_item_functioning,
)
from cpi_analysis.fidelity.domain_reliability import (
    DomainReliabilityResult,
    estimate_domain_reliability,
)
from cpi_analysis.fidelity.factor_model import FactorModelResult, fit_factor_model
from cpi_analysis.fidelity.generalizability import GeneralizabilityResult, estimate_generalizability
from cpi_analysis.fidelity.graded_response import GradedResponseResult, fit_graded_response
from cpi_analysis.fidelity.icc import IccResult, estimate_icc
from cpi_analysis.fidelity.invariance import InvarianceResult, estimate_invariance
from cpi_analysis.fidelity.item_curves import ItemCurveResult, compute_item_curves
from cpi_analysis.fidelity.item_statistics import ItemStatisticsResult, compute_item_statistics
from cpi_analysis.fidelity.kappa import KappaResult, estimate_kappa
from cpi_analysis.fidelity.known_groups import KnownGroupsResult, estimate_known_groups
from cpi_analysis.fidelity.krippendorff import KrippendorffResult, estimate_krippendorff
from cpi_analysis.fidelity.limits_of_agreement import (
    LimitsOfAgreementResult,
    compute_limits_of_agreement,
)
from cpi_analysis.fidelity.minimum_average_partial import (
    MinimumAveragePartialResult,
    compute_minimum_average_partial,
)
from cpi_analysis.fidelity.omega import OmegaResult, estimate_omega
from cpi_analysis.fidelity.ordinal_reliability import (
    OrdinalReliabilityResult,
    estimate_ordinal_reliability,
)
from cpi_analysis.fidelity.parallel_analysis import (
    ParallelAnalysisResult,
    estimate_parallel_analysis,
)
from cpi_analysis.fidelity.partial_credit import PartialCreditResult, fit_partial_credit
from cpi_analysis.fidelity.polychoric import PolychoricResult, compute_polychoric
from cpi_analysis.fidelity.retest import RetestResult, estimate_test_retest
from cpi_analysis.fidelity.sampling_adequacy import (
    SamplingAdequacyResult,
    compute_sampling_adequacy,
)
from cpi_analysis.fidelity.scores import (
    build_fidelity_items,
    build_source_scores,
    derive_fidelity_scores,
)
from cpi_analysis.fidelity.source_agreement import SourceAgreementResult, estimate_source_agreement
from cpi_analysis.fidelity.split_halves import SplitHalfResult, compute_split_halves
from cpi_analysis.fidelity.triangulation import TriangulationResult, build_triangulation

__all__ = [
    "AgencyLevelResult",
    "AgreementResult",
    "AlphaResult",
    "ConfirmatoryResult",
    "ContentValidityResult",
    "ConvergentValidityResult",
    "CosminResult",
    "CutoffResult",
    "DifferentialItemFunctioningResult",
    "DomainReliabilityResult",
    "FactorModelResult",
    "FidelityBandResult",
    "GeneralizabilityResult",
    "GradedResponseResult",
    "IccResult",
    "InvarianceResult",
    "ItemCurveResult",
    "ItemStatisticsResult",
    "KappaResult",
    "KnownGroupsResult",
    "KrippendorffResult",
    "LimitsOfAgreementResult",
    "MinimumAveragePartialResult",
    "OmegaResult",
    "OrdinalReliabilityResult",
    "ParallelAnalysisResult",
    "PartialCreditResult",
    "PolychoricResult",
    "RetestResult",
    "SamplingAdequacyResult",
    "SourceAgreementResult",
    "SplitHalfResult",
    "TriangulationResult",
    "build_agency_sheets",
    "build_cosmin_table",
    "build_fidelity_bands",
    "build_fidelity_items",
    "build_source_scores",
    "build_triangulation",
    "compute_content_validity",
    "compute_item_curves",
    "compute_item_statistics",
    "compute_limits_of_agreement",
    "compute_minimum_average_partial",
    "compute_polychoric",
    "compute_sampling_adequacy",
    "compute_split_halves",
    "derive_fidelity_scores",
    "estimate_agency_level",
    "estimate_agreement",
    "estimate_alpha",
    "estimate_convergent_validity",
    "estimate_cutoff",
    "estimate_differential_item_functioning",
    "estimate_domain_reliability",
    "estimate_generalizability",
    "estimate_icc",
    "estimate_invariance",
    "estimate_kappa",
    "estimate_known_groups",
    "estimate_krippendorff",
    "estimate_omega",
    "estimate_ordinal_reliability",
    "estimate_parallel_analysis",
    "estimate_source_agreement",
    "estimate_test_retest",
    "fit_confirmatory_model",
    "fit_factor_model",
    "fit_graded_response",
    "fit_partial_credit",
]
