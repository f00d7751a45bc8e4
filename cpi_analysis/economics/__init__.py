"""Unit costs, costs and QALYs, joint draws, and the decision they support."""

from cpi_analysis.economics.acceptability import AcceptabilityResult, compute_acceptability
from cpi_analysis.economics.bootstrap_imputation import estimate_bootstrap_imputed
from cpi_analysis.economics.bootstrap_interval import (
    BootstrapIntervalResult,
    estimate_bootstrap_intervals,
)
from cpi_analysis.economics.cheers import build_cheers_table
from cpi_analysis.economics.cost_table import (
    CostTableResult,
    ResourceUseResult,
    compute_cost_table,
    compute_resource_use,
)
from cpi_analysis.economics.costs import CostResult, compute_costs
from cpi_analysis.economics.cross_check import IncrementalModelsResult, fit_incremental_models
from cpi_analysis.economics.design_parameters import (
    DesignParametersResult,
    build_design_parameters,
    estimate_design_parameters,
)
from cpi_analysis.economics.economic_set import EconomicSet, build_economic_set
from cpi_analysis.economics.evaluation import EconomicEvaluation, estimate_planned_evaluation
from cpi_analysis.economics.fieller import FiellerResult, estimate_fieller_interval
from cpi_analysis.economics.frontier import FrontierResult, compute_frontier
from cpi_analysis.economics.imputation import ImputationResult, build_imputations
from cpi_analysis.economics.imputed_incremental import estimate_imputed_incremental
from cpi_analysis.economics.incremental import estimate_incremental
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.intervention_cost import (
    InterventionCostResult,
    compute_intervention_cost,
)
from cpi_analysis.economics.linear_outcomes import compute_qaly_weights
from cpi_analysis.economics.main_trial import MainTrialResult, compute_main_trial
from cpi_analysis.economics.measures import derive_economic_measures
from cpi_analysis.economics.missing_not_at_random import (
    MissingNotAtRandomResult,
    estimate_missing_not_at_random,
)
from cpi_analysis.economics.net_benefit import NetBenefitResult, compute_net_benefit
from cpi_analysis.economics.outcomes import compute_eq5d_utility, compute_qalys
from cpi_analysis.economics.partial_information import (
    PartialInformationResult,
    compute_partial_information,
)
from cpi_analysis.economics.price_index import (
    PriceIndex,
    derive_price_year,
    list_price_indices,
    load_price_index,
)
from cpi_analysis.economics.price_uncertainty import (
    PriceUncertaintyResult,
    estimate_price_uncertainty,
    simulate_unit_costs,
)
from cpi_analysis.economics.ratio import IcerResult, compute_icer
from cpi_analysis.economics.resampling_plan import build_resampling_plan
from cpi_analysis.economics.scenarios import ScenarioResult, compute_scenarios
from cpi_analysis.economics.tornado import TornadoResult, compute_tornado
from cpi_analysis.economics.value_of_information import (
    ValueOfInformationResult,
    compute_value_of_information,
)
from cpi_analysis.inference.resampling import ResamplingPlan

__all__ = [
    "AcceptabilityResult",
    "BootstrapIntervalResult",
    "CostResult",
    "CostTableResult",
    "DesignParametersResult",
    "EconomicEvaluation",
    "EconomicSet",
    "FiellerResult",
    "FrontierResult",
    "IcerResult",
    "ImputationResult",
    "IncrementalModelsResult",
    "IncrementalResult",
    "InterventionCostResult",
    "MainTrialResult",
    "MissingNotAtRandomResult",
    "NetBenefitResult",
    "PartialInformationResult",
    "PriceIndex",
    "PriceUncertaintyResult",
    "ResamplingPlan",
    "ResourceUseResult",
    "ScenarioResult",
    "TornadoResult",
    "ValueOfInformationResult",
    "build_cheers_table",
    "build_design_parameters",
    "build_economic_set",
    "build_imputations",
    "build_resampling_plan",
    "compute_acceptability",
    "compute_cost_table",
    "compute_costs",
    "compute_eq5d_utility",
    "compute_frontier",
    "compute_icer",
    "compute_intervention_cost",
    "compute_main_trial",
    "compute_net_benefit",
    "compute_partial_information",
    "compute_qaly_weights",
    "compute_qalys",
    "compute_resource_use",
    "compute_scenarios",
    "compute_tornado",
    "compute_value_of_information",
    "derive_economic_measures",
    "derive_price_year",
    "estimate_bootstrap_imputed",
    "estimate_bootstrap_intervals",
    "estimate_design_parameters",
    "estimate_fieller_interval",
    "estimate_imputed_incremental",
    "estimate_incremental",
    "estimate_missing_not_at_random",
    "estimate_planned_evaluation",
    "estimate_price_uncertainty",
    "fit_incremental_models",
    "list_price_indices",
    "load_price_index",
    "simulate_unit_costs",
]
