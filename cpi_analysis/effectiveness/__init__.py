"""Does the intervention work: analysis sets and mixed-effects outcome models."""

from cpi_analysis.effectiveness.agency_means import AgencyMeansResult, estimate_agency_means
from cpi_analysis.effectiveness.analysis_set import AnalysisSet, build_analysis_set
from cpi_analysis.effectiveness.balance import BalanceResult, build_balance_table
from cpi_analysis.effectiveness.cluster_robust import ClusterRobustResult, estimate_cluster_robust
from cpi_analysis.effectiveness.contrasts import ContrastResult, estimate_contrasts
from cpi_analysis.effectiveness.cross_checks import CrossCheckResult, build_cross_checks
from cpi_analysis.effectiveness.dose_response import DoseResponseResult, fit_dose_response
from cpi_analysis.effectiveness.effect_size import EffectSizeResult, estimate_effect_size
from cpi_analysis.effectiveness.gee import GeeResult, fit_gee
from cpi_analysis.effectiveness.glmm import GlmmResult, fit_glmm
from cpi_analysis.effectiveness.icc import AgencyIccResult, estimate_icc
from cpi_analysis.effectiveness.influence import (
    InfluenceResult,
    LeaveOneOutResult,
    compute_influence,
    estimate_leave_one_out,
)
from cpi_analysis.effectiveness.longitudinal_model import (
    LongitudinalModelResult,
    fit_longitudinal_model,
)
from cpi_analysis.effectiveness.longitudinal_set import LongitudinalSet, build_longitudinal_set
from cpi_analysis.effectiveness.marginal_means import MarginalMeansResult, estimate_marginal_means
from cpi_analysis.effectiveness.mixed_models import MixedModelResult, fit_mixed_model
from cpi_analysis.effectiveness.model_checks import (
    ResidualCheckResult,
    SingularityResult,
    build_singularity_report,
    compute_residual_check,
)
from cpi_analysis.effectiveness.moderator import ModeratorResult, fit_moderator_model
from cpi_analysis.effectiveness.outcome_model import OutcomeModelResult, fit_outcome_model
from cpi_analysis.effectiveness.paired_change import PairedChangeResult, estimate_paired_change
from cpi_analysis.effectiveness.parametric_bootstrap import (
    ParametricBootstrapResult,
    estimate_parametric_bootstrap,
)
from cpi_analysis.effectiveness.power import PowerResult, build_power_scenarios, simulate_power
from cpi_analysis.effectiveness.profile_intervals import (
    ProfileIntervalResult,
    estimate_profile_intervals,
)
from cpi_analysis.effectiveness.propensity import PropensityResult, fit_propensity
from cpi_analysis.effectiveness.regression_to_mean import (
    RegressionToMeanResult,
    estimate_regression_to_mean,
)
from cpi_analysis.effectiveness.repeated_mancova import RepeatedMancovaResult, fit_repeated_mancova
from cpi_analysis.effectiveness.responders import (
    MinimalChangeResult,
    ResponderResult,
    compute_minimal_change,
    estimate_responders,
)
from cpi_analysis.effectiveness.standardised_risks import (
    StandardisedRiskResult,
    estimate_standardised_risks,
)
from cpi_analysis.effectiveness.tables import (
    DescriptiveTableResult,
    OutcomeTableResult,
    build_descriptive_table,
    build_outcome_table,
)
from cpi_analysis.effectiveness.unmeasured import EValueResult, compute_e_value
from cpi_analysis.effectiveness.wild_bootstrap import WildBootstrapResult, estimate_wild_bootstrap

__all__ = [
    "AgencyIccResult",
    "AgencyMeansResult",
    "AnalysisSet",
    "BalanceResult",
    "ClusterRobustResult",
    "ContrastResult",
    "CrossCheckResult",
    "DescriptiveTableResult",
    "DoseResponseResult",
    "EValueResult",
    "EffectSizeResult",
    "GeeResult",
    "GlmmResult",
    "InfluenceResult",
    "LeaveOneOutResult",
    "LongitudinalModelResult",
    "LongitudinalSet",
    "MarginalMeansResult",
    "MinimalChangeResult",
    "MixedModelResult",
    "ModeratorResult",
    "OutcomeModelResult",
    "OutcomeTableResult",
    "PairedChangeResult",
    "ParametricBootstrapResult",
    "PowerResult",
    "ProfileIntervalResult",
    "PropensityResult",
    "RegressionToMeanResult",
    "RepeatedMancovaResult",
    "ResidualCheckResult",
    "ResponderResult",
    "SingularityResult",
    "StandardisedRiskResult",
    "WildBootstrapResult",
    "build_analysis_set",
    "build_balance_table",
    "build_cross_checks",
    "build_descriptive_table",
    "build_longitudinal_set",
    "build_outcome_table",
    "build_power_scenarios",
    "build_singularity_report",
    "compute_e_value",
    "compute_influence",
    "compute_minimal_change",
    "compute_residual_check",
    "estimate_agency_means",
    "estimate_cluster_robust",
    "estimate_contrasts",
    "estimate_effect_size",
    "estimate_icc",
    "estimate_leave_one_out",
    "estimate_marginal_means",
    "estimate_paired_change",
    "estimate_parametric_bootstrap",
    "estimate_profile_intervals",
    "estimate_regression_to_mean",
    "estimate_responders",
    "estimate_standardised_risks",
    "estimate_wild_bootstrap",
    "fit_dose_response",
    "fit_gee",
    "fit_glmm",
    "fit_longitudinal_model",
    "fit_mixed_model",
    "fit_moderator_model",
    "fit_outcome_model",
    "fit_propensity",
    "fit_repeated_mancova",
    "simulate_power",
]
