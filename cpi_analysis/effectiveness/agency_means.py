"""The agencies as the units: a t test of their means, and exchanging their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.design import Design, build_design, check_full_rank, fault
from cpi_analysis.effectiveness.figures import BLUE
from cpi_analysis.inference.agency_means import (
    AgencyMeans,
    compute_agency_means,
    compute_means_test,
    compute_permutation_test,
    draw_labellings,
)
from cpi_analysis.inference.input_checks import (
    check_confidence_level,
    check_resampling,
    check_table,
)
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AgencyMeansResult(Result):
    """Two groups of agencies compared by the agencies' means.

    Parameters
    ----------
    means
        Per agency the adjusted mean (``mean``) and the group (``group``), without its name.
    """

    title: ClassVar[str] = "Comparison of agencies"

    means: pd.DataFrame

    def summary(self) -> str:
        """Return the rows, in one sentence."""
        row = self.estimates.iloc[0]
        return (
            f"The mean of the agencies' means differs by {row['estimate']:.3g} "
            f"({self.confidence_level:.0%} CI {row['conf_low']:.3g} to {row['conf_high']:.3g}) "
            f"between the groups of {self.n_agencies} agencies."
        )

    def _draw(self, ax: Axes) -> None:
        for place, (group, rows) in enumerate(self.means.groupby("group", sort=False)):
            spread = np.linspace(-0.12, 0.12, len(rows)) if len(rows) > 1 else np.zeros(1)
            ax.plot(place + spread, np.sort(rows["mean"]), "o", color=BLUE, alpha=0.8)
            ax.hlines(rows["mean"].mean(), place - 0.25, place + 0.25, color="0.3")
            ax.text(place, rows["mean"].max(), f" {group}", ha="center", va="bottom")
        ax.set_xticks([])
        ax.margins(x=0.3, y=0.15)
        ax.set_ylabel("adjusted mean of an agency")


def estimate_agency_means(
    data: pd.DataFrame,
    *,
    formula: str,
    cluster: str,
    term: str,
    replicates: int | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
) -> AgencyMeansResult:
    """Compare two groups of agencies by the means of the agencies.

    Estimand: the difference between the mean of target agencies and the mean of reference
    agencies, each agency counted once whatever its size.

    Parameters
    ----------
    data
        One row per participant.
    formula
        Outcome, exposure and covariates, as in ``"outcome ~ exposure_target + baseline"``.
        Covariates are taken off the outcome of the participants first.
    cluster
        Column of the agencies.
    term
        The exposure: 1 or 0, the same for everybody in an agency.
    replicates, seed
        Needed when there are more than 100,000 labellings (more than 9 + 9 agencies): then
        they are drawn at random.
    confidence_level
        Level of the intervals.

    Returns
    -------
    AgencyMeansResult
        A row for the t test on K - 2 degrees of freedom, and one for exchanging labels, whose
        interval is found by inverting the test.

    Raises
    ------
    DataError
        CPI-E021, E024, E045, E047 a setting cannot be used.
    ModelError
        CPI-M001 a group has one agency, M002 columns are collinear, M003 the means do not vary,
        M004 the exposure varies within agencies or a column is missing.

    Notes
    -----
    See :mod:`cpi_analysis.inference.agency_means`. With three agencies in each group there are
    20 labellings and no p-value is below 0.1.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": [name for name in "ABCDEF" for _ in range(2)],
    ...         "arm": [1] * 6 + [0] * 6,
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 6.0, 6.5, 3.0, 4.0, 5.0, 5.5, 2.0, 3.0],
    ...     }
    ... )
    >>> table = estimate_agency_means(
    ...     data, formula="outcome ~ arm", cluster="agency_id", term="arm"
    ... ).tidy()
    >>> table["p_value"].round(3).tolist()
    [0.061, 0.1]
    """
    check_table(data, "data")
    check_confidence_level(confidence_level)
    if replicates is not None or seed is not None:
        check_resampling(replicates, seed)
    design = build_design(data, formula, cluster)
    agencies = _reduce(design, term)
    labellings = draw_labellings(agencies.is_target, replicates=replicates, seed=seed)
    test = compute_means_test(agencies, confidence_level=confidence_level)
    exchanged = compute_permutation_test(agencies, labellings, confidence_level=confidence_level)
    notes = list(design.notes)
    if exchanged.is_exact:
        notes.append(
            f"There are {exchanged.labellings:,} ways to label the agencies: no p-value by "
            f"exchanging labels is smaller than {1 / exchanged.labellings:.2g}."
        )
    return AgencyMeansResult(
        estimates=pd.DataFrame(
            {
                "analysis": ["t test of agency means", "exchange of labels"],
                "estimate": [test.estimate, exchanged.estimate],
                "std_error": [test.std_error, np.nan],
                "df": [test.df, np.nan],
                "p_value": [test.p_value, exchanged.p_value],
                "conf_low": [test.conf_low, exchanged.conf_low],
                "conf_high": [test.conf_high, exchanged.conf_high],
            }
        ),
        n_participants=len(design.outcome),
        n_agencies=len(agencies.means),
        method="means of agencies, covariates taken off first; t on K − 2 df, and "
        + ("all labellings" if exchanged.is_exact else "random labellings"),
        seed=None if exchanged.is_exact else seed,
        confidence_level=confidence_level,
        notes=tuple(notes),
        means=pd.DataFrame(
            {
                "mean": agencies.means,
                "group": np.where(agencies.is_target, "target", "reference"),
            }
        ),
    )


def _reduce(design: Design, term: str) -> AgencyMeans:
    names = [str(column) for column in design.fixed.columns]
    if term not in names:
        raise fault(
            "CPI-M004", f"the model has no term {term}", "name one", allowed=", ".join(names)
        )
    check_full_rank(design.fixed)
    return compute_agency_means(
        design.outcome,
        design.fixed.to_numpy(dtype=np.float64),
        design.clusters,
        column=names.index(term),
    )
