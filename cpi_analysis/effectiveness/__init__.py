"""Does the intervention work: analysis sets and mixed-effects outcome models."""

from cpi_analysis.effectiveness.analysis_set import AnalysisSet, build_analysis_set
from cpi_analysis.effectiveness.mixed_models import MixedModelResult, fit_mixed_model
from cpi_analysis.effectiveness.outcome_model import OutcomeModelResult, fit_outcome_model
from cpi_analysis.effectiveness.paired_change import PairedChangeResult, estimate_paired_change
from cpi_analysis.effectiveness.tables import (
    DescriptiveTableResult,
    OutcomeTableResult,
    build_descriptive_table,
    build_outcome_table,
)

__all__ = [
    "AnalysisSet",
    "DescriptiveTableResult",
    "MixedModelResult",
    "OutcomeModelResult",
    "OutcomeTableResult",
    "PairedChangeResult",
    "build_analysis_set",
    "build_descriptive_table",
    "build_outcome_table",
    "estimate_paired_change",
    "fit_mixed_model",
    "fit_outcome_model",
]
