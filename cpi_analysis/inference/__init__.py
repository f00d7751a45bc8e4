"""What is right with few agencies: plain functions of arrays, shared by the analyses."""

from cpi_analysis.inference.kenward_roger import adjust_kenward_roger, compute_satterthwaite
from cpi_analysis.inference.mixed_model import RandomInterceptFit, fit_random_intercept

__all__ = [
    "RandomInterceptFit",
    "adjust_kenward_roger",
    "compute_satterthwaite",
    "fit_random_intercept",
]
