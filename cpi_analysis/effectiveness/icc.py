"""How alike participants of one agency are: the intracluster correlation of an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import build_design
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.inference.group_sums import check_identified, summarise_groups
from cpi_analysis.inference.icc import (
    compute_anova_icc,
    compute_design_effect,
    compute_profile_icc,
)
from cpi_analysis.inference.input_checks import (
    check_confidence_level,
    check_resampling,
    check_table,
)
from cpi_analysis.inference.parametric_bootstrap import Groups, draw_variances
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AgencyIccResult(Result):
    """Intracluster correlation of one outcome by several methods.

    Parameters
    ----------
    formula, cluster
        The model, and the column of the agencies.
    sizes
        Participants of each agency (``n``), the largest first.
    size_mean, size_cv
        Mean of the sizes, and their standard deviation over the mean.
    """

    title: ClassVar[str] = "Intracluster correlation"

    formula: str
    cluster: str
    sizes: pd.DataFrame
    size_mean: float
    size_cv: float

    def summary(self) -> str:
        """Return estimate, interval and design effect, in one sentence."""
        rows = self.estimates.set_index("method")
        row = rows.loc["REML, profile likelihood"]
        return (
            f"The intracluster correlation is {row['estimate']:.3f} ({self.confidence_level:.0%} "
            f"CI {row['conf_low']:.3f} to {row['conf_high']:.3f}; {self.n_agencies} agencies): a "
            f"design effect of {row['design_effect']:.2f}, or "
            f"{row['design_effect_high']:.2f} at the upper limit."
        )

    def _draw(self, ax: Axes) -> None:
        draw_intervals(
            ax,
            labels=list(self.estimates["method"]),
            estimates=self.estimates["estimate"].to_numpy(),
            low=self.estimates["conf_low"].to_numpy(),
            high=self.estimates["conf_high"].to_numpy(),
            title=f"Intracluster correlation ({self.confidence_level:.0%} CI)",
        )


def estimate_icc(
    data: pd.DataFrame,
    *,
    formula: str,
    cluster: str,
    replicates: int | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
) -> AgencyIccResult:
    """Estimate the intracluster correlation of agencies, with intervals and design effect.

    Estimand: the share of the variance of the outcome, given the columns of the formula, that
    lies between agencies like these.

    Parameters
    ----------
    data
        One row per participant.
    formula
        ``"outcome ~ 1"``, or with the exposure and covariates for the correlation beside them,
        which is what the next trial needs: ``"outcome ~ exposure_target + baseline"``.
    cluster
        Column of the agencies.
    replicates, seed
        Data sets of the parametric bootstrap (1,000 or more); None leaves this row out.
    confidence_level
        Level of the intervals.

    Returns
    -------
    AgencyIccResult
        A row for the analysis of variance with Searle's F interval, for REML with its profile
        likelihood, and for REML with a parametric bootstrap (percentiles); each with the design
        effect at the estimate and at the upper limit.

    Raises
    ------
    DataError
        CPI-E006, E021, E024, E045, E047 a setting or the table cannot be used.
    ModelError
        CPI-M001 to M007, see :func:`fit_mixed_model`.

    Notes
    -----
    See :mod:`cpi_analysis.inference.icc`. With a dozen agencies every interval is wide. An
    estimate of 0 does not show that there is no correlation: plan with the upper limit. The
    percentiles of the bootstrap are too short when the correlation is small, as estimates at
    zero pile up.

    References
    ----------
    Eldridge SM, Ukoumunne OC, Carlin JB (2009). The intra-cluster correlation coefficient in
    cluster randomized trials: a review of definitions. International Statistical Review 77,
    378-394.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": [name for name in "ABCDEF" for _ in range(2)],
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 6.0, 6.5, 3.0, 4.0, 5.0, 5.5, 2.0, 3.0],
    ...     }
    ... )
    >>> table = estimate_icc(data, formula="outcome ~ 1", cluster="agency_id").tidy()
    >>> table["estimate"].round(3).tolist()
    [0.85, 0.85]
    """
    check_table(data, "data")
    check_confidence_level(confidence_level)
    if replicates is not None or seed is not None:
        check_resampling(replicates, seed)
    design = build_design(data, formula, cluster)
    names = [str(column) for column in design.fixed.columns]
    X = design.fixed.to_numpy(dtype=np.float64)
    sums = summarise_groups(design.outcome, X, design.clusters, names)
    check_identified(sums)
    anova = compute_anova_icc(sums, confidence_level=confidence_level)
    profile = compute_profile_icc(
        design.outcome, X, design.clusters, confidence_level=confidence_level
    )
    rows = [
        ("analysis of variance, F", anova.icc, anova.conf_low, anova.conf_high),
        ("REML, profile likelihood", *profile),
    ]
    if replicates is not None and seed is not None:
        limits = _bootstrap(X, design.clusters, profile.icc, replicates, seed, confidence_level)
        rows.append(("REML, parametric bootstrap", profile.icc, *limits))
    return AgencyIccResult(
        estimates=_tabulate(rows, sums.sizes),
        n_participants=sums.n,
        n_agencies=len(sums.sizes),
        method="share of variance between agencies, given the columns of the formula",
        seed=seed,
        confidence_level=confidence_level,
        notes=(*design.notes, *_warn(profile.icc, anova.icc)),
        formula=formula,
        cluster=cluster,
        sizes=pd.DataFrame({"n": np.sort(sums.sizes.astype(int))[::-1]}),
        size_mean=float(sums.sizes.mean()),
        size_cv=float(sums.sizes.std() / sums.sizes.mean()),
    )


def _bootstrap(
    X: NDArray[np.float64],
    codes: NDArray[np.intp],
    icc: float,
    replicates: int,
    seed: int,
    level: float,
) -> tuple[float, float]:
    drawn = draw_variances(X, Groups(codes), [icc / (1 - icc)], replicates=replicates, seed=seed)
    values = drawn.icc[np.isfinite(drawn.icc)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _tabulate(
    rows: list[tuple[str, float, float, float]], sizes: NDArray[np.float64]
) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["method", "estimate", "conf_low", "conf_high"])
    table["design_effect"] = [compute_design_effect(icc, sizes) for icc in table["estimate"]]
    table["design_effect_high"] = [compute_design_effect(icc, sizes) for icc in table["conf_high"]]
    return table


def _warn(reml: float, anova: float) -> tuple[str, ...]:
    if reml > 0 and anova >= 0:
        return ()
    return (
        "Agencies differ no more than chance would have it: the estimate is on the boundary. "
        "With few agencies this is common, and does not show that there is no correlation; the "
        "next trial should be planned with the upper limit.",
    )
