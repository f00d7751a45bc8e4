"""Balance: were the groups alike at baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.figures import BLUE
from cpi_analysis.effectiveness.groups import build_groups
from cpi_analysis.inference.balance import Denominator, compute_balance, compute_effective_size
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Beyond this standardised difference a covariate is usually called unbalanced.
CUSTOMARY_LIMIT = 0.1
ORANGE = "#D55E00"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BalanceResult(Result):
    """Standardised differences of the covariates of two groups.

    Parameters
    ----------
    limit
        Standardised difference beyond which a covariate is named.
    effective_sizes
        Effective number of people of target and reference under the weights; None unweighted.
    """

    title: ClassVar[str] = "Balance of the groups"

    limit: float
    effective_sizes: tuple[float, float] | None

    def summary(self) -> str:
        """Return how many covariates differ by more than the limit, in one sentence."""
        table = self.estimates
        when = "weighted" if self.effective_sizes else "unweighted"
        rows = table[table["analysis"] == when]
        beyond = rows.loc[rows["standardised_difference"].abs() > self.limit, "covariate"]
        names = f": {', '.join(beyond)}" if len(beyond) else ""
        return (
            f"{len(beyond)} of {len(rows)} covariates ({when}) differ by more than "
            f"{self.limit:g} standard deviations{names}."
        )

    def _draw(self, ax: Axes) -> None:
        styles = {"unweighted": ("o", ORANGE), "weighted": ("s", BLUE)}
        names = list(dict.fromkeys(self.estimates["covariate"]))
        places = {name: len(names) - 1 - position for position, name in enumerate(names)}
        for analysis, rows in self.estimates.groupby("analysis", sort=False):
            marker, colour = styles[str(analysis)]
            ax.plot(
                rows["standardised_difference"],
                [places[name] for name in rows["covariate"]],
                marker,
                color=colour,
                label=str(analysis),
            )
        for side in (-self.limit, self.limit):
            ax.axvline(side, color="0.6", linestyle="--", linewidth=1.0, zorder=0)
        ax.axvline(0.0, color="0.4", linewidth=1.0, zorder=0)
        ax.set_yticks(list(places.values()), list(places))
        ax.set_xlabel("standardised difference, target minus reference")
        ax.legend(frameon=False)


def build_balance_table(
    data: pd.DataFrame,
    *,
    exposure: str,
    covariates: Sequence[str],
    weights: str | None = None,
    cluster: str | None = None,
    denominator: Denominator = "pooled",
    limit: float = CUSTOMARY_LIMIT,
) -> BalanceResult:
    """Describe how far two groups differ in their covariates.

    Nothing is tested: a p-value answers how many people there are, not how different they are.

    Parameters
    ----------
    data
        One row per participant, such as ``AnalysisSet.data``.
    exposure
        Column with 1 for the target group and 0 for the reference.
    covariates
        Columns; text gives a row for each of its values but the first.
    weights
        Column of weights that should make the groups alike: each covariate then has a row
        ``unweighted`` and a row ``weighted``.
    cluster
        Column of the agencies, to count them.
    denominator
        ``"pooled"``: the root of the mean variance of both groups. ``"target"``: the standard
        deviation of the target group. Unweighted in both rows.
    limit
        Standardised difference, in standard deviations, beyond which a covariate is named.

    Returns
    -------
    BalanceResult
        ``covariate``, ``analysis``, ``mean_target``, ``mean_reference``,
        ``standardised_difference`` and ``variance_ratio``.

    Raises
    ------
    DataError
        CPI-E006 a column name occurs twice, E024 a weight or the limit is not possible, E045
        ``data`` is not a table.
    ModelError
        CPI-M001 a group has fewer than two people, M002 a covariate is constant, M004 a column
        is missing or the exposure is not 0 and 1, M006 a value is infinite.

    Notes
    -----
    See :func:`cpi_analysis.inference.balance.compute_balance`.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"group": [1, 1, 0, 0], "age": [50.0, 60.0, 40.0, 50.0]})
    >>> table = build_balance_table(data, exposure="group", covariates=["age"]).tidy()
    >>> float(round(table.loc[0, "standardised_difference"], 4))
    1.4142
    """
    if not 0 < limit < np.inf:
        raise fault("CPI-M004", "the limit must be more than 0", "use 0.1", column="limit")
    further = [name for name in (weights, cluster) if name is not None]
    groups = build_groups(data, exposure=exposure, covariates=covariates, further=further)
    weight = np.ones(len(groups.rows))
    if weights is not None:
        weight = check_weights(groups.rows[weights], weights)
    analyses = [("unweighted", np.ones(len(groups.rows)))]
    analyses += [("weighted", weight)] if weights is not None else []
    rows = [
        {"covariate": str(name), "analysis": analysis}
        | compute_balance(
            groups.covariates[name].to_numpy(), groups.is_target, used, denominator=denominator
        )
        for name in groups.covariates
        for analysis, used in analyses
    ]
    sizes = (
        (
            compute_effective_size(weight[groups.is_target]),
            compute_effective_size(weight[~groups.is_target]),
        )
        if weights is not None
        else None
    )
    said = () if sizes is None else (say_effective_sizes(sizes, groups.is_target),)
    return BalanceResult(
        estimates=pd.DataFrame(rows),
        n_participants=len(groups.rows),
        n_agencies=None if cluster is None else int(groups.rows[cluster].nunique()),
        method="standardised differences"
        + (", both groups pooled" if denominator == "pooled" else ", spread of the target group"),
        notes=(*groups.notes, *said),
        limit=limit,
        effective_sizes=sizes,
    )


def check_weights(column: pd.Series, name: str) -> np.ndarray:
    """Return weights as an array, or raise when they are negative or all zero."""
    weight = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    if not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() == 0:
        raise fault(
            "CPI-M004", "weights must be finite and not negative", "check them", column=name
        )
    return weight


def say_effective_sizes(sizes: tuple[float, float], is_target: np.ndarray) -> str:
    """Return what the weights cost in people, as a sentence."""
    n_target, n_reference = int(is_target.sum()), int((~is_target).sum())
    return (
        f"With the weights the {n_target} people of the target group count as many as "
        f"{sizes[0]:.1f}, the {n_reference} of the reference as {sizes[1]:.1f}."
    )
