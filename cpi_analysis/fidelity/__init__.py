"""Was it delivered as meant: reliability of the questionnaire, agreement of its sources."""

from __future__ import annotations

from cpi_analysis.fidelity.alpha import AlphaResult, estimate_alpha
from cpi_analysis.fidelity.icc import IccResult, estimate_icc

__all__ = ["AlphaResult", "IccResult", "estimate_alpha", "estimate_icc"]
