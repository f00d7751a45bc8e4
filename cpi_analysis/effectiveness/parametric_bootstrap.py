"""The parametric-bootstrap likelihood-ratio test of one coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.figures import BLUE
from cpi_analysis.effectiveness.random_terms import MixedDesign, build_mixed_design
from cpi_analysis.inference.input_checks import (
    check_confidence_level,
    check_resampling,
    check_table,
)
from cpi_analysis.inference.parametric_bootstrap import Groups, compute_bootstrap_test
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ParametricBootstrapResult(Result):
    """One coefficient tested against data drawn from the model without it.

    Parameters
    ----------
    formula
        The fixed effects.
    replicates
        Data sets drawn.
    n_failed
        Replicates without a fit, which are left out.
    p_value_chi_squared
        What the likelihood ratio would give without the bootstrap; too small with few agencies.
    draws
        Likelihood ratios of the data sets (``statistic``).
    """

    title: ClassVar[str] = "Parametric bootstrap"

    formula: str
    replicates: int
    n_failed: int
    p_value_chi_squared: float
    draws: pd.DataFrame

    def summary(self) -> str:
        """Return the test, in one sentence."""
        row = self.estimates.iloc[0]
        return (
            f"{row['term']} is {row['estimate']:.3g} ({self.confidence_level:.0%} CI "
            f"{row['conf_low']:.3g} to {row['conf_high']:.3g}; p = {row['p_value']:.3f}) by the "
            f"likelihood ratio against {self.replicates:,} data sets drawn without it."
        )

    def _draw(self, ax: Axes) -> None:
        ax.hist(self.draws["statistic"], bins=40, color=BLUE, alpha=0.6)
        ax.axvline(float(self.estimates["statistic"].iloc[0]), color="0.2", linestyle="--")
        ax.set_xlabel("likelihood ratio under no effect; dashed: the data")
        ax.set_ylabel("data sets")


def estimate_parametric_bootstrap(
    data: pd.DataFrame,
    *,
    formula: str,
    random: Mapping[str, str],
    term: str,
    replicates: int,
    seed: int,
    confidence_level: float = 0.95,
) -> ParametricBootstrapResult:
    """Test one coefficient by a likelihood ratio, against its distribution in simulated data.

    Estimand: one coefficient of the mixed model, in the population of participants of agencies
    like these.

    Parameters
    ----------
    data
        One row per participant, or per interview in a repeated-measures model.
    formula
        Outcome and columns, as in ``"outcome ~ exposure_target + baseline"``.
    random
        ``{"agency_id": "1"}``, or ``{"agency_id": "1", "participant_id": "1"}`` with
        participants nested in agencies.
    term
        Name of the coefficient, as the table of coefficients has it.
    replicates, seed
        Data sets to draw (5,000 give a Monte Carlo error of .003 at p = .05), and the seed.
    confidence_level
        Level of the interval.

    Returns
    -------
    ParametricBootstrapResult
        One row: maximum-likelihood estimate, its standard error, the likelihood ratio
        (``statistic``), the bootstrap p-value and the interval of null values that the same
        draws do not reject.

    Raises
    ------
    DataError
        CPI-E006, E021, E024, E045, E047 a setting or the table cannot be used.
    ModelError
        CPI-M001 to M007 as :func:`fit_mixed_model`; M004 for random slopes or crossed terms.

    Notes
    -----
    See :func:`cpi_analysis.inference.parametric_bootstrap.compute_bootstrap_test`.

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
    >>> result = estimate_parametric_bootstrap(
    ...     data, formula="outcome ~ arm", random={"agency_id": "1"}, term="arm",
    ...     replicates=999, seed=1,
    ... )
    >>> row = result.tidy().iloc[0]
    >>> bool(row["p_value"] > result.p_value_chi_squared)
    True
    """
    from scipy import stats

    check_table(data, "data")
    check_confidence_level(confidence_level)
    check_resampling(replicates, seed)
    design = build_mixed_design(data, formula, random, None)
    groups = find_groups(design)
    names = [str(column) for column in design.fixed.fixed.columns]
    if term not in names:
        raise fault(
            "CPI-M004", f"the model has no term {term}", "name one", allowed=", ".join(names)
        )
    test = compute_bootstrap_test(
        design.fixed.outcome,
        design.fixed.fixed.to_numpy(dtype=np.float64),
        groups,
        column=names.index(term),
        replicates=replicates,
        seed=seed,
        confidence_level=confidence_level,
        column_names=names,
    )
    ratio = test.ratio
    return ParametricBootstrapResult(
        estimates=pd.DataFrame(
            {
                "term": [term],
                "estimate": [ratio.estimate],
                "std_error": [ratio.std_error],
                "statistic": [ratio.statistic],
                "p_value": [test.p_value],
                "conf_low": [test.conf_low],
                "conf_high": [test.conf_high],
            }
        ),
        n_participants=count_people(groups),
        n_agencies=int(groups.agencies.max()) + 1,
        method="likelihood ratio (ML) against data drawn from the model without the term",
        seed=seed,
        confidence_level=confidence_level,
        notes=(*design.notes, *_warn(replicates, test.n_failed)),
        formula=formula,
        replicates=replicates,
        n_failed=test.n_failed,
        p_value_chi_squared=float(stats.chi2.sf(ratio.statistic, 1)),
        draws=pd.DataFrame({"statistic": test.draws[np.isfinite(test.draws)]}),
    )


def find_groups(design: MixedDesign) -> Groups:
    """Return agencies and persons of a model with intercepts only, nested."""
    terms = design.terms
    if len(terms) > 2 or any(not _is_intercept(term.columns) for term in terms):
        raise fault(
            "CPI-M004",
            "only intercepts of agencies, and of participants in them, can be drawn",
            "leave out slopes and further terms",
            allowed="random={'agency_id': '1', 'participant_id': '1'}",
        )
    agencies = terms[0].codes
    if len(terms) == 1:
        return Groups(agencies)
    persons = terms[1].codes
    return Groups(agencies, persons)


def _is_intercept(columns: NDArray[np.float64]) -> bool:
    return columns.shape[1] == 1 and bool((columns == 1.0).all())


def count_people(groups: Groups) -> int:
    """Return the participants: rows when there is no intercept per person."""
    codes = groups.agencies if groups.persons is None else groups.persons
    return len(codes) if groups.persons is None else int(codes.max()) + 1


def _warn(replicates: int, n_failed: int) -> tuple[str, ...]:
    notes = [f"No p-value is smaller than {1 / (replicates + 1):.2g} with {replicates:,} draws."]
    if n_failed:
        notes.append(f"{n_failed} of {replicates} data sets had no fit and are left out.")
    return tuple(notes)
