"""How much of a change would be seen if nothing had happened: regression to the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.figures import BLUE
from cpi_analysis.effectiveness.groups import build_groups
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegressionToMeanResult(Result):
    """Change in each group beside the change that its baseline alone leads to expect.

    Parameters
    ----------
    correlation
        Of baseline and outcome within groups.
    population_mean
        Mean toward which scores regress.
    slope
        Expected outcome per point of baseline, within groups.
    """

    title: ClassVar[str] = "Regression to the mean"

    correlation: float
    population_mean: float
    slope: float

    def summary(self) -> str:
        """Return the expected difference in change without any effect, in one sentence."""
        table = self.estimates.set_index("group")["expected_change"]
        gap = table["target"] - table["reference"]
        return (
            f"With a correlation of {self.correlation:.2f} between the interviews, the groups' "
            f"different baselines alone lead to expect a difference of {gap:.2f} in their changes."
        )

    def _draw(self, ax: Axes) -> None:
        places = np.arange(len(self.estimates))
        ax.bar(places - 0.2, self.estimates["mean_change"], 0.38, color=BLUE, label="observed")
        ax.bar(
            places + 0.2,
            self.estimates["expected_change"],
            0.38,
            color="0.7",
            label="expected from the baseline alone",
        )
        ax.axhline(0.0, color="0.3", linewidth=1.0)
        ax.set_xticks(places, list(self.estimates["group"]))
        ax.set_ylabel("change from baseline")
        ax.legend(frameon=False)


def estimate_regression_to_mean(
    data: pd.DataFrame,
    *,
    outcome: str,
    baseline: str,
    exposure: str,
    population_mean: float | None = None,
) -> RegressionToMeanResult:
    """Show what change to expect in each group when the intervention does nothing.

    Estimand: the mean change of a group whose members were drawn by their baseline scores from
    a population that stays as it is.

    Parameters
    ----------
    data
        One row per participant.
    outcome, baseline
        Columns of the same score at follow-up and at baseline.
    exposure
        Column with 1 for the target group and 0 for the reference.
    population_mean
        Mean of the score in the population that the groups come from, in its unit. None: the
        mean of the baseline of everybody, which answers how the *groups* differ but not how
        far all of them were chosen for low scores.

    Returns
    -------
    RegressionToMeanResult
        Per group the number, mean baseline, mean change, expected change, and the rest.

    Raises
    ------
    DataError
        CPI-E006, E045 the data are not a table with one name per column.
    ModelError
        CPI-M001 a group has fewer than two complete rows, M002 a column is constant, M003 a
        score does not vary within groups, M004 a column is missing, M006 infinite values.

    Notes
    -----
    The expected change of a group with mean baseline ``m`` is ``(slope - 1) (m - mu)``, with
    ``slope`` the pooled within-group regression of outcome on baseline and ``mu`` the mean of
    the population; with equal spread at both times it is ``(1 - r) (mu - m)``.

    References
    ----------
    Barnett AG, van der Pols JC, Dobson AJ (2005). Regression to the mean: what it is and how to
    deal with it. International Journal of Epidemiology 34, 215-220.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "group": [1, 1, 1, 0, 0, 0],
    ...         "before": [30.0, 34.0, 38.0, 40.0, 44.0, 48.0],
    ...         "after": [36.0, 38.0, 40.0, 42.0, 44.0, 46.0],
    ...     }
    ... )
    >>> result = estimate_regression_to_mean(
    ...     data, outcome="after", baseline="before", exposure="group"
    ... )
    >>> result.tidy()["expected_change"].tolist()
    [2.5, -2.5]
    """
    groups = build_groups(data, exposure=exposure, covariates=[baseline, outcome])
    before = groups.covariates[baseline].to_numpy()
    after = groups.covariates[outcome].to_numpy()
    parts = {"target": groups.is_target, "reference": ~groups.is_target}
    inner = [
        np.stack([before[part] - before[part].mean(), after[part] - after[part].mean()])
        for part in parts.values()
    ]
    joined = np.concatenate(inner, axis=1)
    products = joined @ joined.T
    if min(products[0, 0], products[1, 1]) <= 0:
        raise fault("CPI-M003", "a score does not vary within the groups", "check both interviews")
    slope = float(products[0, 1] / products[0, 0])
    mean = float(before.mean()) if population_mean is None else float(population_mean)
    rows = []
    for name, part in parts.items():
        change = float((after[part] - before[part]).mean())
        expected = (slope - 1) * (float(before[part].mean()) - mean)
        rows.append(
            {
                "group": name,
                "n": int(part.sum()),
                "mean_baseline": float(before[part].mean()),
                "mean_change": change,
                "expected_change": expected,
                "remaining_change": change - expected,
            }
        )
    return RegressionToMeanResult(
        estimates=pd.DataFrame(rows),
        n_participants=len(groups.rows),
        n_agencies=None,
        method="pooled within-group regression of the follow-up on the baseline",
        estimand="mean change of each group if the intervention did nothing",
        notes=(
            *groups.notes,
            "A change within one group is not an effect; compare groups, adjusted for baseline.",
        ),
        correlation=float(products[0, 1] / np.sqrt(products[0, 0] * products[1, 1])),
        population_mean=mean,
        slope=slope,
    )
