"""Groups that were not randomised: the propensity of being in the target group, and weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.balance import ORANGE, say_effective_sizes
from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.figures import BLUE
from cpi_analysis.effectiveness.groups import Groups, build_groups
from cpi_analysis.inference.balance import Target, compute_effective_size, compute_weights
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ESTIMANDS = {
    "everybody": "the average effect in everybody analysed (ATE)",
    "target": "the average effect in the people of the target group (ATT)",
    "overlap": "the average effect in people who could have been in either group (ATO)",
}
#: A fitted propensity nearer to 0 or 1 than this cannot be told from certainty.
CERTAIN = 1e-8
#: Agency-level covariates that a dozen agencies can bear without a warning.
FEW_AGENCY_COVARIATES = 2


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PropensityResult(Result):
    """A logistic model of who is in the target group, and the weights that follow from it.

    Parameters
    ----------
    weighted
        One row per person analysed: the columns that were used, ``propensity`` and ``weight``.
    exposure, target
        Column of the groups, and whom the weights make them stand for.
    effective_sizes
        Effective number of people of target and reference.
    share_of_overlap
        Share of people whose propensity lies inside the range of the other group.
    """

    title: ClassVar[str] = "Propensity of being in the target group"

    weighted: pd.DataFrame
    exposure: str
    target: str
    effective_sizes: tuple[float, float]
    share_of_overlap: float

    def summary(self) -> str:
        """Return how far the groups overlap, in one sentence."""
        return (
            f"{self.share_of_overlap:.0%} of {self.n_participants} participants have a propensity "
            "that also occurs in the other group; the weights stand for "
            f"{ESTIMANDS[self.target]}."
        )

    def _draw(self, ax: Axes) -> None:
        is_target = self.weighted[self.exposure].to_numpy(dtype=float) == 1
        propensity = self.weighted["propensity"].to_numpy()
        bins = np.linspace(0, 1, 21)
        heights, _ = np.histogram(propensity[is_target], bins)
        below, _ = np.histogram(propensity[~is_target], bins)
        width = bins[1] - bins[0]
        ax.bar(bins[:-1], heights, width, align="edge", color=BLUE, label="target")
        ax.bar(bins[:-1], -below, width, align="edge", color=ORANGE, label="reference")
        ax.axhline(0.0, color="0.3", linewidth=1.0)
        ax.yaxis.set_major_formatter(lambda count, _: f"{abs(count):g}")
        ax.set_xlabel("propensity of being in the target group")
        ax.set_ylabel("participants")
        ax.legend(frameon=False)


def fit_propensity(
    data: pd.DataFrame,
    *,
    exposure: str,
    covariates: Sequence[str],
    target: Target,
    cluster: str | None = None,
    keep: Sequence[str] = (),
) -> PropensityResult:
    """Fit who is in the target group, and weight the groups to be alike.

    Parameters
    ----------
    data
        One row per participant.
    exposure
        Column with 1 for the target group and 0 for the reference.
    covariates
        Columns measured before the groups differed. Never an outcome, nor anything that the
        intervention can change.
    target
        Whom both weighted groups stand for: ``"everybody"`` (ATE), ``"target"`` (ATT) or
        ``"overlap"`` (ATO), which never has extreme weights.
    cluster
        Column of the agencies. A covariate that is constant within agencies has only as many
        values as there are agencies; too many of them are refused.
    keep
        Further columns, such as the outcome, that ``weighted`` should have; a row in which
        one is missing is left out.

    Returns
    -------
    PropensityResult
        Coefficients on the logit scale, without intervals: they are a means, not an answer.

    Raises
    ------
    DataError
        CPI-E006, E045 the data are not a table with one name per column.
    ModelError
        CPI-M001 a group has fewer than two people, or the agencies are too few for the
        covariates at their level, M002 covariates are constant or collinear, M004 a column is
        missing or the exposure is not 0 and 1, M006 infinite values, M007 the covariates
        separate the groups.

    References
    ----------
    Li F, Morgan KL, Zaslavsky AM (2018). Balancing covariates via propensity score weighting.
    Journal of the American Statistical Association 113, equation 3.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"group": [1, 1, 1, 0, 0, 0], "age": [50, 62, 41, 48, 39, 55]})
    >>> result = fit_propensity(data, exposure="group", covariates=["age"], target="overlap")
    >>> sorted(result.weighted.columns)
    ['age', 'group', 'propensity', 'weight']
    """
    if target not in ESTIMANDS:
        raise fault(
            "CPI-M004", "the target is not known", "choose one", allowed=", ".join(ESTIMANDS)
        )
    further = [*keep, *([] if cluster is None else [cluster])]
    groups = build_groups(data, exposure=exposure, covariates=covariates, further=further)
    crowded = () if cluster is None else _check_agency_level(groups, cluster)
    coefficients, propensity = _fit_logistic(groups)
    weight = compute_weights(propensity, groups.is_target, target=target)
    inside = _find_overlap(propensity, groups.is_target)
    sizes = (
        compute_effective_size(weight[groups.is_target]),
        compute_effective_size(weight[~groups.is_target]),
    )
    outside = int((~inside).sum())
    notes = [*groups.notes, *crowded, say_effective_sizes(sizes, groups.is_target)]
    if outside:
        notes.append(
            f"{outside} people have a propensity outside of the range of the other group: for "
            "them the comparison rests on the model alone."
        )
    return PropensityResult(
        estimates=pd.DataFrame(
            {"term": ["Intercept", *map(str, groups.covariates)], "estimate": coefficients}
        ),
        n_participants=len(groups.rows),
        n_agencies=None if cluster is None else int(groups.rows[cluster].nunique()),
        method=f"logistic regression; weights for {ESTIMANDS[target]}",
        notes=tuple(notes),
        weighted=groups.rows.assign(propensity=propensity, weight=weight),
        exposure=exposure,
        target=target,
        effective_sizes=sizes,
        share_of_overlap=float(inside.mean()),
    )


def _check_agency_level(groups: Groups, cluster: str) -> tuple[str, ...]:
    agencies = groups.rows[cluster].to_numpy()
    values = groups.covariates.groupby(agencies).nunique()
    constant = [str(name) for name in values if (values[name] <= 1).all()]
    n_agencies = len(values)
    if len(constant) > max(n_agencies - 3, 0):
        raise fault(
            "CPI-M001",
            f"{len(constant)} covariates are constant within the {n_agencies} agencies: "
            f"{', '.join(constant)}",
            "keep one or two covariates of the agencies, those that matter most",
        )
    if len(constant) <= FEW_AGENCY_COVARIATES:
        return ()
    return (
        f"{len(constant)} covariates are constant within agencies ({', '.join(constant)}): "
        f"{n_agencies} agencies can hardly tell them apart.",
    )


def _fit_logistic(groups: Groups) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import PerfectSeparationError

    # Standardised columns: the fit does not depend on the units of the covariates.
    values = groups.covariates.to_numpy(dtype=float)
    centre, spread = values.mean(axis=0), values.std(axis=0)
    design = sm.add_constant((values - centre) / spread, has_constant="add")
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise fault(
            "CPI-M002",
            f"these covariates are collinear: {', '.join(map(str, groups.covariates))}",
            "leave out those that follow from the others",
        )
    model = sm.GLM(groups.is_target.astype(float), design, family=sm.families.Binomial())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = model.fit(tol=1e-13, maxiter=200)
        propensity = np.asarray(fit.fittedvalues, dtype=np.float64)
        is_certain = np.minimum(propensity, 1 - propensity) < CERTAIN
    except PerfectSeparationError:
        is_certain = np.array([True])
    if is_certain.any():
        raise fault(
            "CPI-M007",
            "the covariates say for some people with certainty which group they are in",
            "leave out the covariate that separates the groups, or compare the people "
            "who could be in either group only",
        )
    slopes = np.asarray(fit.params[1:], dtype=np.float64) / spread
    return np.r_[fit.params[0] - slopes @ centre, slopes], propensity


def _find_overlap(
    propensity: NDArray[np.float64], is_target: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return who has a propensity between the smallest and the largest of the other group."""
    inside = np.zeros(len(propensity), dtype=bool)
    for part in (is_target, ~is_target):
        other = propensity[~part]
        inside |= part & (propensity >= other.min()) & (propensity <= other.max())
    return inside
