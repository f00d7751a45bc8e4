"""Does the intervention work: analysis sets and mixed-effects outcome models."""

from cpi_analysis.effectiveness.analysis_set import AnalysisSet, build_analysis_set
from cpi_analysis.effectiveness.balance import BalanceResult, build_balance_table
from cpi_analysis.effectiveness.mixed_models import MixedModelResult, fit_mixed_model
from cpi_analysis.effectiveness.outcome_model import OutcomeModelResult, fit_outcome_model
from cpi_analysis.effectiveness.paired_change import PairedChangeResult, estimate_paired_change
from cpi_analysis.effectiveness.propensity import PropensityResult, fit_propensity
from cpi_analysis.effectiveness.regression_to_mean import (
    RegressionToMeanResult,
    estimate_regression_to_mean,
)
from cpi_analysis.effectiveness.tables import (
    DescriptiveTableResult,
    OutcomeTableResult,
    build_descriptive_table,
    build_outcome_table,
)
from cpi_analysis.effectiveness.unmeasured import EValueResult, compute_e_value

__all__ = [
    "AnalysisSet",
    "BalanceResult",
    "DescriptiveTableResult",
    "EValueResult",
    "MixedModelResult",
    "OutcomeModelResult",
    "OutcomeTableResult",
    "PairedChangeResult",
    "PropensityResult",
    "RegressionToMeanResult",
    "build_analysis_set",
    "build_balance_table",
    "build_descriptive_table",
    "build_outcome_table",
    "compute_e_value",
    "estimate_paired_change",
    "estimate_regression_to_mean",
    "fit_mixed_model",
    "fit_outcome_model",
    "fit_propensity",
]
