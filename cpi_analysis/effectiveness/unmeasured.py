"""How strong something unmeasured would have to be to explain a difference away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.figures import BLUE
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: From a standardised difference to an approximate risk ratio, and from its standard error
#: to the limits of a 95% interval of that ratio.
LOG_RATIO_PER_SD = 0.91
LOG_RATIO_PER_SE = 1.78


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EValueResult(Result):
    """E-values of a difference and of the nearer limit of its interval."""

    title: ClassVar[str] = "E-value for unmeasured confounding"

    def summary(self) -> str:
        """Return what would explain the difference away, in one sentence."""
        ratio = self.estimates["e_value"].iloc[0]
        return (
            "Something unmeasured could explain the whole difference if it were associated with "
            f"both the group and the outcome by a risk ratio of {ratio:.2f} each, beyond what "
            "is adjusted for; weaker confounding could not."
        )

    def _draw(self, ax: Axes) -> None:
        names = list(self.estimates["quantity"])
        places = np.arange(len(names))[::-1]
        ax.barh(places, self.estimates["e_value"] - 1, left=1.0, color=BLUE, height=0.5)
        ax.set_yticks(places, names)
        ax.set_xlabel("E-value (risk ratio; 1 is no confounding)")


def compute_e_value(difference: float, *, std_error: float, std_dev: float) -> EValueResult:
    """Compute the E-value of a difference in means.

    Parameters
    ----------
    difference
        Adjusted difference, in the unit of the outcome.
    std_error
        Its standard error, of the method that is reported (with few agencies: Kenward-Roger).
    std_dev
        Standard deviation of the outcome, in the same unit.

    Returns
    -------
    EValueResult
        A row for the estimate and one for the limit of the 95% interval that is nearer to no
        difference; 1 when the interval includes no difference.

    Raises
    ------
    ModelError
        CPI-M006 when a number is not finite, or a standard error or deviation not positive.

    Notes
    -----
    With ``d = difference / std_dev`` the risk ratio is approximately ``exp(0.91 d)``, its 95%
    interval ``exp(0.91 d ± 1.78 se_d)``, and ``E = RR + sqrt(RR (RR - 1))`` with RR taken
    above 1. The approximation is for an outcome that is roughly normal; the factor 1.78 is
    for many agencies, so that with few the limit is the less certain of the two.

    References
    ----------
    VanderWeele TJ, Ding P (2017). Sensitivity analysis in observational research: introducing
    the E-value. Annals of Internal Medicine 167, 268-274, table 2.

    Examples
    --------
    >>> result = compute_e_value(5.0, std_error=1.0, std_dev=10.0)
    >>> result.tidy()["e_value"].round(3).tolist()
    [2.529, 1.968]
    """
    numbers = (difference, std_error, std_dev)
    if not np.isfinite(numbers).all() or std_error <= 0 or std_dev <= 0:
        raise fault(
            "CPI-M006",
            "the difference must be finite, its standard error and the standard deviation more "
            "than 0",
            "give the numbers of one fitted model",
        )
    size = abs(difference) / std_dev
    reach = LOG_RATIO_PER_SE * std_error / std_dev
    ratios = np.exp([LOG_RATIO_PER_SD * size, max(LOG_RATIO_PER_SD * size - reach, 0.0)])
    return EValueResult(
        estimates=pd.DataFrame(
            {
                "quantity": ["estimate", "nearer limit of the 95% interval"],
                "risk_ratio": ratios,
                "e_value": [compute_e_value_of_ratio(float(ratio)) for ratio in ratios],
            }
        ),
        n_participants=None,
        n_agencies=None,
        method="E-value by the approximate risk ratio of a standardised difference",
    )


def compute_e_value_of_ratio(risk_ratio: float) -> float:
    """Return the E-value of a risk ratio; one below 1 is turned over first.

    Examples
    --------
    >>> round(compute_e_value_of_ratio(3.9), 2)
    7.26
    """
    ratio = max(risk_ratio, 1 / risk_ratio)
    return float(ratio + np.sqrt(ratio * (ratio - 1)))
