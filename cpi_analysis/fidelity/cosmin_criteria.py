"""COSMIN's criteria for good measurement properties, each held against one result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cpi_analysis.fidelity.alpha import AlphaResult
from cpi_analysis.fidelity.confirmatory_result import ConfirmatoryResult
from cpi_analysis.fidelity.convergent import ConvergentValidityResult
from cpi_analysis.fidelity.cutoff import CutoffResult
from cpi_analysis.fidelity.differential_item_functioning import DifferentialItemFunctioningResult
from cpi_analysis.fidelity.domain_reliability import DomainReliabilityResult
from cpi_analysis.fidelity.icc import IccResult
from cpi_analysis.fidelity.kappa import KappaResult
from cpi_analysis.fidelity.limits_of_agreement import LimitsOfAgreementResult
from cpi_analysis.fidelity.retest import RetestResult
from cpi_analysis.fidelity.source_agreement import SourceAgreementResult
from cpi_analysis.results import round_half_up

SUFFICIENT, INSUFFICIENT, UNKNOWN = "+", "-", "?"

#: Limits of the criteria (BMJ Open 2022;12:e059360, table 3).
LOWEST_FIT, HIGHEST_RMSEA, HIGHEST_SRMR = 0.95, 0.06, 0.08
LOWEST_ALPHA = LOWEST_RELIABILITY = LOWEST_CORRELATION = LOWEST_AREA = 0.70
HIGHEST_DIF = 0.02
#: Share of several hypotheses that must hold: COSMIN's manual, recalled and not looked up again.
SHARE_OF_HYPOTHESES = 0.75


class Verdict(NamedTuple):
    """Rating ``+``, ``-`` or ``?``, the number that decided, and why."""

    rating: str
    estimate: float
    reason: str


def absent(what: str) -> Verdict:
    """Return the verdict on a property for which nothing was given."""
    return Verdict(UNKNOWN, float("nan"), f"no data: {what}")


def _rate(is_met: bool, estimate: float, reason: str) -> Verdict:
    return Verdict(SUFFICIENT if is_met else INSUFFICIENT, estimate, reason)


def _show(number: float, decimals: int = 2) -> str:
    return round_half_up(number, decimals)


def rate_structure(result: ConfirmatoryResult | None) -> Verdict:
    """Ask that one of the usual indices of fit reaches its limit."""
    if result is None:
        return absent("a confirmatory factor model")
    told = (
        f"CFI {_show(result.cfi, 3)}, TLI {_show(result.tli, 3)}, "
        f"RMSEA {_show(result.rmsea, 3)}, SRMR {_show(result.srmr, 3)}"
    )
    if not result.is_verdict_possible:
        return Verdict(UNKNOWN, result.cfi, f"the sample allows no verdict on fit ({told})")
    if result.heywood_items:
        return Verdict(
            UNKNOWN, result.cfi, f"improper solution: residual variance below 0 ({told})"
        )
    is_met = (
        result.cfi > LOWEST_FIT
        or result.tli > LOWEST_FIT
        or result.rmsea < HIGHEST_RMSEA
        or result.srmr < HIGHEST_SRMR
    )
    return _rate(is_met, result.cfi, told)


def rate_consistency(
    result: AlphaResult | DomainReliabilityResult | None, structure: Verdict
) -> Verdict:
    """Ask for an alpha of .70 in every scale, once its structure is shown to hold."""
    if result is None:
        return absent("alpha of each scale")
    table = result.estimates
    if "quantity" in table and (table["quantity"] == "alpha").any():
        table = table[table["quantity"] == "alpha"]
    lowest, highest = float(table["estimate"].min()), float(table["estimate"].max())
    told = f"alpha {_show(lowest)}" + (
        f" to {_show(highest)} over {len(table)} scales and sources" if len(table) > 1 else ""
    )
    if structure.rating != SUFFICIENT:
        return Verdict(UNKNOWN, lowest, f"{told}; structural validity is not shown")
    return _rate(lowest >= LOWEST_ALPHA, lowest, told)


def rate_reliability(
    result: IccResult | KappaResult | RetestResult | SourceAgreementResult | None,
) -> Verdict:
    """Ask for an intraclass correlation or a weighted kappa of .70 or more."""
    if result is None:
        return absent("an intraclass correlation or weighted kappa")
    table = result.estimates
    if isinstance(result, KappaResult):
        chosen = table[table["quantity"].isin(["cohen_kappa", "conger_kappa"])]
        if chosen.empty or chosen["weights"].iloc[0] == "unweighted":
            return Verdict(UNKNOWN, float("nan"), "the criterion asks for a weighted kappa")
        name = f"{chosen['weights'].iloc[0]} weighted kappa"
    elif isinstance(result, RetestResult):
        chosen, name = table.iloc[[0]], "test-retest ICC(A,1)"
    else:
        # The score in use: the mean of the sources; else one rater, in absolute agreement.
        wanted = ["ICC(A,k)"] if isinstance(result, SourceAgreementResult) else ["ICC(A,1)"]
        chosen = table[table["form"].isin(wanted)]
        chosen = table.nsmallest(1, "estimate") if chosen.empty else chosen
        name = str(chosen["form"].iloc[0])
    estimate = float(chosen["estimate"].iloc[0])
    if estimate != estimate:
        return Verdict(UNKNOWN, estimate, f"{name} is not defined for these ratings")
    return _rate(estimate >= LOWEST_RELIABILITY, estimate, f"{name} {_show(estimate)}")


def rate_error(
    result: RetestResult | LimitsOfAgreementResult | None, important_change: float | None
) -> Verdict:
    """Ask that changes that matter are larger than those that error can make."""
    if result is None:
        return absent("a smallest detectable change")
    if isinstance(result, RetestResult):
        detectable = float(result.smallest_detectable_change)
    else:
        rows = result.estimates.set_index("quantity")["estimate"]
        detectable = float(rows["smallest_detectable_change"])
    told = f"smallest detectable change {_show(detectable)}"
    if important_change is None:
        return Verdict(UNKNOWN, detectable, f"{told}; no minimal important change is known")
    told += f", minimal important change {_show(important_change)}"
    return _rate(detectable < important_change, detectable, told)


def rate_hypotheses(hypotheses: Mapping[str, bool] | None) -> Verdict:
    """Ask that 75% of the hypotheses stated beforehand hold."""
    if not hypotheses:
        return absent("hypotheses stated beforehand")
    held = sum(map(bool, hypotheses.values()))
    share = held / len(hypotheses)
    return _rate(
        share >= SHARE_OF_HYPOTHESES, share, f"{held} of {len(hypotheses)} hypotheses hold"
    )


def rate_invariance(result: DifferentialItemFunctioningResult | None) -> Verdict:
    """Ask that groups of equal standing answer no item differently (pseudo R-squared)."""
    if result is None:
        return absent("differential item functioning between groups")
    both = result.estimates[result.estimates["term"] == "both"]
    largest = float(both["r_squared_change"].max())
    if largest != largest:
        return Verdict(UNKNOWN, largest, "differential item functioning could not be tested")
    told = f"largest change of pseudo R-squared {_show(largest, 3)} by {result.group}"
    return _rate(largest < HIGHEST_DIF, largest, told)


def rate_criterion(result: CutoffResult | ConvergentValidityResult | None, what: str) -> Verdict:
    """Ask for an area under the curve, or a correlation with the gold standard, of .70."""
    if result is None:
        return absent(what)
    table = result.estimates
    if isinstance(result, CutoffResult):
        estimate = float(table.set_index("quantity")["estimate"]["area_under_curve"])
        return _rate(estimate >= LOWEST_AREA, estimate, f"area under the curve {_show(estimate)}")
    rows = table[table["quantity"] == "correlation"]
    estimate = float(rows["estimate"].min())
    return _rate(estimate >= LOWEST_CORRELATION, estimate, f"lowest correlation {_show(estimate)}")
