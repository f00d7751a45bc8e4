"""Least squares with a covariance that is robust to likeness within agencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.balance import check_weights
from cpi_analysis.effectiveness.design import build_design, fault
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.inference.cluster_robust import (
    ClusterRobustFit,
    JointTest,
    Kind,
    compute_joint_test,
    fit_cluster_robust,
)
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.inference.single_cluster import check_several_clusters, find_single_cluster
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Below this many degrees of freedom the approximation itself is poor (Tipton 2015).
FEW_DF = 4.0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClusterRobustResult(Result):
    """Coefficients with cluster-robust standard errors.

    Parameters
    ----------
    formula, cluster, kind
        The model, the column of the clusters, the correction.
    covariance
        Of the coefficients.
    joint
        Test of several terms at once, when it was asked for.
    """

    title: ClassVar[str] = "Cluster-robust regression"

    formula: str
    cluster: str
    kind: str
    covariance: pd.DataFrame
    joint: JointTest | None

    def summary(self) -> str:
        """Return what was fitted, in one sentence."""
        return (
            f"{self.formula} was fitted to {self.n_participants} participants, with standard "
            f"errors robust to likeness within {self.n_agencies} agencies ({self.method})."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[self.estimates["term"] != "Intercept"]
        draw_intervals(
            ax,
            labels=list(rows["term"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Coefficient ({self.confidence_level:.0%} CI)",
        )


def estimate_cluster_robust(
    data: pd.DataFrame,
    *,
    formula: str,
    cluster: str,
    kind: Kind = "CR2",
    weights: str | None = None,
    joint: Sequence[str] = (),
    confidence_level: float = 0.95,
) -> ClusterRobustResult:
    """Fit by least squares, with standard errors robust to likeness within agencies.

    Estimand: the coefficients of the linear model in the population of participants of
    agencies like these, whatever the dependence within an agency.

    Parameters
    ----------
    data
        One row per participant.
    formula
        Outcome and columns, as in ``"outcome ~ exposure_target + baseline"``.
    cluster
        Column of the agencies.
    kind
        ``"CR2"`` (bias-reduced, the default), ``"CR3"``, or ``"CR0"``, ``"CR1"``, ``"CR1S"``,
        which are too small with few agencies.
    weights
        Column of weights of the participants; rows without one are left out.
    joint
        Terms to test at once (HTZ).
    confidence_level
        Level of the intervals.

    Returns
    -------
    ClusterRobustResult
        One row per coefficient, each against t with its own Satterthwaite degrees of freedom;
        without an error where one agency alone decides the coefficient.

    Raises
    ------
    DataError
        CPI-E006, E024, E045.
    ModelError
        CPI-M007 when one agency alone decides a term of ``joint``; CPI-M001 to M006: see
        :func:`cpi_analysis.inference.cluster_robust.fit_cluster_robust`.

    Notes
    -----
    See :func:`cpi_analysis.inference.cluster_robust.fit_cluster_robust` for the equations and
    the references. The degrees of freedom of a term depend on how the agencies carry it:
    few agencies in one group, or one very large agency, leave few.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": ["A", "A", "B", "B", "C", "C", "D", "D"],
    ...         "arm": [1, 1, 1, 1, 0, 0, 0, 0],
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 3.0, 4.0, 5.0, 5.5],
    ...     }
    ... )
    >>> result = estimate_cluster_robust(data, formula="outcome ~ arm", cluster="agency_id")
    >>> row = result.tidy().set_index("term").loc["arm"]
    >>> float(round(row["estimate"], 3)), float(round(row["df"], 3))
    (2.375, 2.0)
    """
    check_table(data, "data")
    check_confidence_level(confidence_level)
    used, notes = _keep_weighted(data, weights)
    design = build_design(used, formula, cluster)
    names = [str(column) for column in design.fixed.columns]
    weight = None if weights is None else used[weights].to_numpy(dtype=np.float64)[design.rows]
    fit = fit_cluster_robust(
        design.outcome,
        design.fixed.to_numpy(dtype=np.float64),
        design.clusters,
        kind=kind,
        weights=weight,
        column_names=names,
    )
    table = tabulate_robust(fit, names, confidence_level)
    X = design.fixed.to_numpy(dtype=np.float64)
    is_single = find_single_cluster(X, design.clusters, np.eye(len(names)))
    if is_single.any():
        table.loc[is_single, table.columns.drop(["term", "estimate"])] = np.nan
        single = ", ".join(table.loc[is_single, "term"])
        notes += (
            f"One {cluster} alone decides {single}: there is no error to show, because how it "
            "would vary between agencies cannot be seen. Have at least two agencies in each "
            "group, or leave the column out.",
        )
    few = table.loc[table["df"] < FEW_DF, "term"]
    if len(few):
        notes += (
            f"Fewer than {FEW_DF:g} degrees of freedom for {', '.join(few)}: the approximation "
            "is poor there, and true p-values may be larger than the ones shown.",
        )
    return ClusterRobustResult(
        estimates=table,
        n_participants=fit.n,
        n_agencies=fit.n_clusters,
        method=f"least squares, {kind} covariance, Satterthwaite df",
        confidence_level=confidence_level,
        notes=(*design.notes, *notes),
        formula=formula,
        cluster=cluster,
        kind=kind,
        covariance=pd.DataFrame(fit.cov, index=names, columns=names),
        joint=_test_jointly(fit, X, design.clusters, names, joint),
    )


def tabulate_robust(fit: ClusterRobustFit, names: Sequence[str], level: float) -> pd.DataFrame:
    """Return the rows of a table of coefficients with their t intervals."""
    from scipy import stats

    df = fit.compute_df(np.eye(len(names)))
    statistic = fit.beta / fit.std_error
    reach = stats.t.ppf((1 + level) / 2, df) * fit.std_error
    return pd.DataFrame(
        {
            "term": list(names),
            "estimate": fit.beta,
            "std_error": fit.std_error,
            "df": df,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), df),
            "conf_low": fit.beta - reach,
            "conf_high": fit.beta + reach,
        }
    )


def _keep_weighted(data: pd.DataFrame, weights: str | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if weights is None:
        return data, ()
    if weights not in data.columns:
        raise fault("CPI-M004", f"the data have no column {weights}", "check the spelling")
    known = data[data[weights].notna()]
    value = check_weights(known[weights], weights)
    kept = known[value > 0]
    left_out = len(data) - len(kept)
    said = f"{left_out} rows are left out: their weight is missing or zero."
    return kept, (said,) if left_out else ()


def _test_jointly(
    fit: ClusterRobustFit,
    X: NDArray[np.float64],
    clusters: NDArray[np.intp],
    names: Sequence[str],
    terms: Sequence[str],
) -> JointTest | None:
    if not terms:
        return None
    absent = [term for term in terms if term not in names]
    if absent:
        raise fault(
            "CPI-M004",
            f"the model has no term {', '.join(absent)}",
            "name terms as the table of coefficients does",
            allowed=", ".join(names),
        )
    contrasts = np.eye(len(names))[[names.index(term) for term in terms]]
    check_several_clusters(X, clusters, contrasts, what=", ".join(terms))
    return compute_joint_test(fit, contrasts)
