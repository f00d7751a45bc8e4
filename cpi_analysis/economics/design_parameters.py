"""What the sizing of a main trial needs to know, estimated from a pilot with agencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.comparison import ComparisonSettings, build_comparison
from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

#: Quantities of the table, in its order.
QUANTITIES = (
    "std_dev_cost",
    "std_dev_effect",
    "icc_cost",
    "icc_effect",
    "correlation_within_person",
    "correlation_within_agency",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DesignParametersResult(Result):
    """Spread and correlation of cost and effect, within people and within agencies.

    Parameters
    ----------
    std_dev_cost, std_dev_effect
        Standard deviation between people of one group.
    icc_cost, icc_effect
        Intracluster correlations.
    correlation_within_person
        Of cost and effect of one person.
    correlation_within_agency
        Of the cost of one person and the effect of another of the same agency.
    """

    title: ClassVar[str] = "Parameters of the design"

    std_dev_cost: float
    std_dev_effect: float
    icc_cost: float
    icc_effect: float
    correlation_within_person: float
    correlation_within_agency: float

    def summary(self) -> str:
        """Return the intracluster correlations in words."""
        return (
            f"Intracluster correlation of cost {self.icc_cost:.3f}, of effect "
            f"{self.icc_effect:.3f}; cost and effect of one person correlate "
            f"{self.correlation_within_person:.2f}."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_bars

        rows = self.estimates.iloc[2:]
        names = [name.replace("_", " ") for name in rows["quantity"]]
        draw_bars(ax, names, rows["estimate"].tolist(), label="Correlation")
        ax.set_xlim(-1, 1)


def build_design_parameters(
    *,
    std_dev_cost: float,
    std_dev_effect: float,
    icc_cost: float,
    icc_effect: float,
    correlation_within_person: float,
    correlation_within_agency: float,
    origin: str = "given by the user",
    n_participants: int | None = None,
    n_agencies: int | None = None,
    notes: tuple[str, ...] = (),
) -> DesignParametersResult:
    """Return parameters of a design that were taken from elsewhere, after checking them.

    Parameters
    ----------
    std_dev_cost, std_dev_effect
        Standard deviation between people of one group.
    icc_cost, icc_effect
        Intracluster correlations, from 0 to below 1.
    correlation_within_person
        Of cost and effect of one person.
    correlation_within_agency
        Of the cost of one person and the effect of another of the same agency: no larger than
        the root of the product of the intracluster correlations.
    origin
        Where they come from.
    n_participants, n_agencies
        How many they were estimated from.
    notes
        What a reader must know.

    Raises
    ------
    DataError
        CPI-E024 a parameter is out of range, or the correlations are not possible together.

    Examples
    --------
    >>> build_design_parameters(
    ...     std_dev_cost=3000, std_dev_effect=0.2, icc_cost=0.05, icc_effect=0.05,
    ...     correlation_within_person=-0.2, correlation_within_agency=0.0,
    ... ).icc_cost
    0.05
    """
    shares = np.array(
        [
            [icc_cost, correlation_within_agency],
            [correlation_within_agency, icc_effect],
        ]
    )
    whole = np.array([[1.0, correlation_within_person], [correlation_within_person, 1.0]])
    is_possible = (
        np.isfinite([std_dev_cost, std_dev_effect]).all()
        and min(std_dev_cost, std_dev_effect) > 0
        and 0 <= icc_cost < 1
        and 0 <= icc_effect < 1
        # Covariances between and within agencies must both be covariances; rounding is let pass.
        and np.linalg.eigvalsh(shares).min() >= -1e-9
        and np.linalg.eigvalsh(whole - shares).min() >= -1e-9
    )
    if not is_possible:
        raise DataError(
            Fault(
                code="CPI-E024",
                rule="spreads are above 0, intracluster correlations from 0 to below 1, and the "
                "correlations of cost and effect must be possible beside them",
                cure="take all of them from one trial; with an intracluster correlation of 0 the "
                "correlation within agencies is 0",
            )
        )
    values = (
        std_dev_cost,
        std_dev_effect,
        icc_cost,
        icc_effect,
        correlation_within_person,
        correlation_within_agency,
    )
    return DesignParametersResult(
        estimates=pd.DataFrame({"quantity": QUANTITIES, "estimate": [float(v) for v in values]}),
        n_participants=n_participants,
        n_agencies=n_agencies,
        method=origin,
        estimand="spread and correlation of cost and effect between people of one group",
        notes=notes,
        std_dev_cost=float(std_dev_cost),
        std_dev_effect=float(std_dev_effect),
        icc_cost=float(icc_cost),
        icc_effect=float(icc_effect),
        correlation_within_person=float(correlation_within_person),
        correlation_within_agency=float(correlation_within_agency),
    )


def estimate_design_parameters(
    data: pd.DataFrame,
    *,
    cost: str,
    effect: str,
    arm: str,
    cluster: str,
    target: object = None,
    reference: object = None,
) -> DesignParametersResult:
    """Estimate the parameters that the size of a main trial depends on, from a pilot.

    Parameters
    ----------
    data
        One row per participant.
    cost, effect
        Columns of the outcomes.
    arm, cluster
        Columns of the group and of the agency.
    target, reference
        The values of ``arm`` that are compared.

    Returns
    -------
    DesignParametersResult
        Standard deviations, intracluster correlations, and the correlations of cost and effect
        within people and within agencies.

    Raises
    ------
    DataError
        When columns are missing or their values cannot be used.
    ModelError
        CPI-M001 when no agency has two participants.

    Notes
    -----
    Analysis of variance of agencies within groups, for cost, effect and their product alike:
    between = (MSB − MSW)/n₀, within = MSW, n₀ = (N − Σ_a Σ_i n_i²/N_a)/(K − 2). A variance
    component below 0 is set to 0, and a covariance that does not fit is drawn to its limit; the
    notes say so. From one pilot an intracluster correlation is known very roughly: vary it.

    References
    ----------
    Donner A, Klar N (2000). Design and Analysis of Cluster Randomization Trials, section 1.5.

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({
    ...     "agency": list("aabbccdd"), "arm": [1, 1, 1, 1, 0, 0, 0, 0],
    ...     "cost": [4.0, 6.0, 1.0, 3.0, 2.0, 4.0, 5.0, 7.0],
    ...     "qaly": [0.7, 0.8, 0.6, 0.7, 0.6, 0.6, 0.5, 0.7],
    ... })
    >>> result = estimate_design_parameters(
    ...     people, cost="cost", effect="qaly", arm="arm", cluster="agency"
    ... )
    >>> round(result.icc_cost, 4)
    0.6364
    """
    comparison = build_comparison(
        data,
        cost=cost,
        effect=effect,
        arm=arm,
        cluster=cluster,
        covariates=(),
        settings=ComparisonSettings(target=target, reference=reference),
    )
    outcomes = np.column_stack([comparison.cost, comparison.effect])
    between, within = estimate_components(outcomes, comparison.clusters, comparison.is_target)
    between, notes = _make_possible(between)
    total = between + within
    spread = np.sqrt(np.diag(total))
    return build_design_parameters(
        std_dev_cost=float(spread[0]),
        std_dev_effect=float(spread[1]),
        icc_cost=float(between[0, 0] / total[0, 0]),
        icc_effect=float(between[1, 1] / total[1, 1]),
        correlation_within_person=float(total[0, 1] / spread.prod()),
        correlation_within_agency=float(between[0, 1] / spread.prod()),
        origin="analysis of variance of agencies within groups",
        n_participants=comparison.n_participants,
        n_agencies=comparison.n_clusters,
        notes=(*comparison.notes, *notes),
    )


def estimate_components(
    outcomes: FloatArray, clusters: NDArray[np.int64], is_target: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the covariance between and within agencies of the same group.

    Parameters
    ----------
    outcomes
        Shape (n, m).
    clusters
        Agency of each participant; agencies with both groups count once in each.
    is_target
        Group of each participant, 1 or 0.

    Returns
    -------
    between, within
        Shape (m, m); ``between`` may be negative.
    """
    _, cells = np.unique(
        np.column_stack([clusters, is_target.astype(np.int64)]), axis=0, return_inverse=True
    )
    cells = np.ravel(cells)
    sizes = np.bincount(cells).astype(float)
    group = np.zeros(len(sizes), dtype=np.int64)
    group[cells] = is_target.astype(np.int64)
    totals = np.bincount(group, weights=sizes, minlength=2)
    n, count = len(outcomes), len(sizes)
    if count <= 2 or n <= count:
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule="variance between and within agencies needs three agencies or more, and two "
                "participants in one of them",
                cure="give the parameters of another trial with build_design_parameters",
            )
        )
    sums = np.column_stack([np.bincount(cells, weights=column) for column in outcomes.T])
    means = sums / sizes[:, None]
    grand = (
        np.column_stack([np.bincount(group, weights=column, minlength=2) for column in sums.T])
        / np.maximum(totals, 1.0)[:, None]
    )
    residual = outcomes - means[cells]
    deviation = means - grand[group]
    mean_within = residual.T @ residual / (n - count)
    mean_between = (deviation * sizes[:, None]).T @ deviation / (count - 2)
    squares = np.bincount(group, weights=sizes**2, minlength=2) / np.maximum(totals, 1.0)
    size = (n - squares.sum()) / (count - 2)
    return (mean_between - mean_within) / size, mean_within


def _make_possible(between: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    possible = between.copy()
    notes = []
    for place, name in enumerate(("cost", "effect")):
        if possible[place, place] < 0:
            possible[place, place] = 0.0
            notes.append(
                f"The variance of {name} between agencies was estimated below 0, and is set to 0."
            )
    limit = float(np.sqrt(possible[0, 0] * possible[1, 1]))
    if abs(possible[0, 1]) > limit:
        possible[0, 1] = possible[1, 0] = np.copysign(limit, possible[0, 1])
        notes.append("The covariance between agencies was drawn to its limit.")
    return possible, tuple(notes)
