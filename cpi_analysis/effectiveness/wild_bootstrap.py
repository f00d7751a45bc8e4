"""The wild cluster bootstrap-t of one coefficient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.design import build_design, fault
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.inference.cluster_robust import fit_cluster_robust
from cpi_analysis.inference.input_checks import (
    check_confidence_level,
    check_resampling,
    check_table,
)
from cpi_analysis.inference.single_cluster import check_several_clusters
from cpi_analysis.inference.wild_bootstrap import compute_wild_test, draw_patterns
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class WildBootstrapResult(Result):
    """One coefficient, tested against patterns of signs of its agencies.

    Parameters
    ----------
    formula, cluster
        The model, and the column of the agencies.
    replicates
        How many patterns; all there are when ``is_exact``.
    is_exact
        Nothing was drawn at random.
    """

    title: ClassVar[str] = "Wild cluster bootstrap"

    formula: str
    cluster: str
    replicates: int
    is_exact: bool

    def summary(self) -> str:
        """Return the test, in one sentence."""
        row = self.estimates.iloc[0]
        return (
            f"{row['term']} is {row['estimate']:.3g} ({self.confidence_level:.0%} CI "
            f"{row['conf_low']:.3g} to {row['conf_high']:.3g}; p = {row['p_value']:.3f}) by the "
            f"wild cluster bootstrap over {self.n_agencies} agencies."
        )

    def _draw(self, ax: Axes) -> None:
        draw_intervals(
            ax,
            labels=list(self.estimates["term"]),
            estimates=self.estimates["estimate"].to_numpy(),
            low=self.estimates["conf_low"].to_numpy(),
            high=self.estimates["conf_high"].to_numpy(),
            title=f"Coefficient ({self.confidence_level:.0%} CI)",
        )


def estimate_wild_bootstrap(
    data: pd.DataFrame,
    *,
    formula: str,
    cluster: str,
    term: str,
    null: float = 0.0,
    replicates: int | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
) -> WildBootstrapResult:
    """Test one coefficient by the wild cluster bootstrap-t, with an interval by inversion.

    Estimand: one coefficient of the linear model, in the population of participants of
    agencies like these.

    Parameters
    ----------
    data
        One row per participant.
    formula
        Outcome and columns, as in ``"outcome ~ exposure_target + baseline"``.
    cluster
        Column of the agencies.
    term
        Name of the coefficient, as the table of coefficients has it.
    null
        Value of the coefficient that is tested, in the unit of the outcome.
    replicates, seed
        Needed beyond 16 agencies only, where patterns are drawn at random (Webb's weights); up
        to 16 all patterns of signs are used and the result is exact.
    confidence_level
        Level of the interval.

    Returns
    -------
    WildBootstrapResult
        One row; the standard error is CR1, by which the statistic is divided.

    Raises
    ------
    DataError
        CPI-E021, E024, E045, E047 a setting cannot be used.
    ModelError
        CPI-M001 fewer than four agencies, M002 to M006 see
        :func:`cpi_analysis.effectiveness.estimate_cluster_robust`.

    Notes
    -----
    See :func:`cpi_analysis.inference.wild_bootstrap.compute_wild_test`. With G agencies there
    are ``2^(G-1)`` different statistics, so that no p-value is smaller than ``2^(1-G)``: with
    five agencies no 95% interval has an end. With few agencies in one group the test loses
    its power (it hardly ever rejects).

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
    >>> result = estimate_wild_bootstrap(
    ...     data, formula="outcome ~ arm", cluster="agency_id", term="arm"
    ... )
    >>> float(result.tidy()["p_value"][0])
    0.0625
    """
    check_table(data, "data")
    check_confidence_level(confidence_level)
    if replicates is not None or seed is not None:
        check_resampling(replicates, seed)
    design = build_design(data, formula, cluster)
    names = [str(column) for column in design.fixed.columns]
    if term not in names:
        raise fault(
            "CPI-M004", f"the model has no term {term}", "name one", allowed=", ".join(names)
        )
    X = design.fixed.to_numpy(dtype=np.float64)
    robust = fit_cluster_robust(design.outcome, X, design.clusters, kind="CR1", column_names=names)
    n_agencies = robust.n_clusters
    if n_agencies < 4:
        raise fault(
            "CPI-M001",
            f"{n_agencies} agencies have too few patterns of signs",
            "compare means of agencies instead (estimate_agency_means)",
        )
    check_several_clusters(X, design.clusters, np.eye(len(names))[[names.index(term)]], what=term)
    patterns = draw_patterns(n_agencies, replicates=replicates, seed=seed)
    place = names.index(term)
    test = compute_wild_test(
        design.outcome,
        X,
        design.clusters,
        patterns,
        column=place,
        null=null,
        confidence_level=confidence_level,
    )
    estimate, std_error = float(robust.beta[place]), float(robust.std_error[place])
    return WildBootstrapResult(
        estimates=pd.DataFrame(
            {
                "term": [term],
                "estimate": [estimate],
                "std_error": [std_error],
                "statistic": [(estimate - null) / std_error],
                "p_value": [test.p_value],
                "conf_low": [test.conf_low],
                "conf_high": [test.conf_high],
            }
        ),
        n_participants=robust.n,
        n_agencies=n_agencies,
        method="wild cluster bootstrap-t, null imposed, "
        + ("all patterns of signs" if test.is_exact else "Webb's weights"),
        seed=None if test.is_exact else seed,
        confidence_level=confidence_level,
        notes=(*design.notes, *_warn(n_agencies, test.patterns, is_exact=test.is_exact)),
        formula=formula,
        cluster=cluster,
        replicates=test.patterns,
        is_exact=test.is_exact,
    )


def _warn(n_agencies: int, patterns: int, *, is_exact: bool) -> tuple[str, ...]:
    if not is_exact:
        return ()
    return (
        f"{n_agencies} agencies have {patterns:,} different patterns of signs: no p-value can be "
        f"smaller than {1 / patterns:.2g}.",
    )
