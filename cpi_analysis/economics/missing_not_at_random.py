"""What if values are not missing at random: the net benefit over a grid of departures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.economics.checks import check_columns
from cpi_analysis.economics.comparison import Comparison, Covariates, arrange_covariates
from cpi_analysis.economics.contrast_groups import name_groups
from cpi_analysis.economics.imputation import IS_IMPUTED, ImputationResult
from cpi_analysis.economics.imputed_incremental import (
    ImputedAnalysis,
    check_imputed,
    pool_data_sets,
)
from cpi_analysis.economics.linear_outcomes import Outcome, check_outcome
from cpi_analysis.economics.wording import phrase_money
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.inference.pooling import pool_imputations
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

FACTORS = (
    "effect_factor_target",
    "effect_factor_reference",
    "cost_factor_target",
    "cost_factor_reference",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MissingNotAtRandomResult(Result):
    """Net benefit when imputed values are made larger or smaller by group.

    Parameters
    ----------
    threshold
        Willingness to pay for one unit of effect, in GBP.
    effect_label
        What the effect is called.
    target, reference
        The two groups.
    tipping
        Intercept and slopes of the net benefit in the factors of the effect (target, then
        reference), with costs as imputed: it is linear, and zero on the tipping line.
    """

    title: ClassVar[str] = "Missing not at random: incremental net benefit"

    threshold: float
    effect_label: str
    target: str
    reference: str
    tipping: tuple[float, float, float]

    def summary(self) -> str:
        """Return over what range the net benefit goes, in one sentence."""
        values = self.estimates["estimate"]
        is_one_sided = bool((values > 0).all() or (values < 0).all())
        return (
            f"At {phrase_money(self.threshold)} per {self.effect_label} the incremental net "
            f"benefit goes from {phrase_money(values.min())} to {phrase_money(values.max())} over "
            f"the grid and {'keeps' if is_one_sided else 'changes'} its sign."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.missing_figures import draw_tipping_map

        draw_tipping_map(
            ax,
            self.estimates,
            tipping=self.tipping,
            target=self.target,
            reference=self.reference,
            effect_label=self.effect_label,
        )


def estimate_missing_not_at_random(
    imputed: ImputationResult | pd.DataFrame,
    *,
    cost: Outcome,
    effect: Outcome,
    arm: str,
    cluster: str | None,
    threshold: float,
    effect_factors: Sequence[float],
    cost_factors: Sequence[float] = (1.0,),
    covariates: Covariates = (),
    confidence_level: float = 0.95,
    target: object = None,
    reference: object = None,
    effect_label: str = "QALY",
) -> MissingNotAtRandomResult:
    """Estimate the net benefit when imputed values are multiplied by a factor for each group.

    Parameters
    ----------
    imputed
        From :func:`build_imputations`, or a table of imputed data sets with a column
        ``imputation`` and, for each imputed column, one that ends in ``_is_imputed``.
    cost, effect
        A column, or weights of columns that are added up. The factors change their imputed
        values, not the observed ones.
    arm, cluster, covariates, target, reference
        As in :func:`estimate_imputed_incremental`.
    threshold
        Willingness to pay for one unit of effect, in GBP.
    effect_factors, cost_factors
        Factors that are tried in either group; 1 is missing at random. The grid has every pair.
    confidence_level, effect_label
        As in :func:`estimate_incremental`.

    Returns
    -------
    MissingNotAtRandomResult
        Rows per pair: ``effect_factor_target``, ``effect_factor_reference``,
        ``cost_factor_target``, ``cost_factor_reference``, ``estimate`` (net benefit),
        ``std_error``, ``df``, ``p_value``, ``conf_low``, ``conf_high``.

    Raises
    ------
    DataError
        CPI-E011 when no column says what was imputed, E024 for a threshold or factor out of
        range, and as :func:`estimate_imputed_incremental`.

    Notes
    -----
    The net benefit is linear in the factors, so the tipping line, on which it is zero, is exact.

    References
    ----------
    Leurent B, et al. PharmacoEconomics 2018;36:889-901.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.economics import build_imputations, estimate_missing_not_at_random
    >>> rng = np.random.default_rng(1)
    >>> people = pd.DataFrame({"arm": np.arange(80) % 12 % 2, "agency": np.arange(80) % 12})
    >>> people["cost"], people["qaly"] = rng.gamma(2, 500, 80), rng.normal(0.7, 0.1, 80)
    >>> people.loc[:5, "qaly"] = np.nan
    >>> drawn = build_imputations(
    ...     people, columns=["cost", "qaly"], arm="arm", cluster="agency", n_imputations=2, seed=1
    ... )
    >>> len(estimate_missing_not_at_random(
    ...     drawn, cost="cost", effect="qaly", arm="arm", cluster="agency", threshold=20_000,
    ...     effect_factors=[0.9, 1.0],
    ... ).estimates)
    4
    """
    table = check_imputed(imputed)
    check_confidence_level(confidence_level)
    _check_numbers(threshold, effect_factors, cost_factors)
    analysis = ImputedAnalysis(
        cost=check_outcome(table, cost, argument="cost"),
        effect=check_outcome(table, effect, argument="effect"),
        arm=arm,
        cluster=cluster,
        covariates=arrange_covariates(covariates, "net_benefit_regression"),
        target=target,
        reference=reference,
    )
    _check_flags(table, analysis)
    surface = _build_surface(table, analysis, has_cost=set(cost_factors) != {1.0})
    rows = [
        dict(zip(FACTORS, cell, strict=True))
        | _evaluate(surface, cell, threshold, confidence_level)
        for cell in _list_cells(effect_factors, cost_factors)
    ]
    first = surface.comparison
    base, up_target, up_reference = (
        float(np.array([-1.0, threshold]) @ surface.evaluate(cell)[0].mean(axis=0))
        for cell in ((0, 0, 1, 1), (1, 0, 1, 1), (0, 1, 1, 1))
    )
    return MissingNotAtRandomResult(
        estimates=pd.DataFrame(rows),
        n_participants=first.n_participants,
        n_agencies=first.n_clusters if first.is_clustered else None,
        method="imputed values multiplied by a factor for each group, then Rubin's rules with "
        "covariances robust to agencies (CR2)",
        confidence_level=confidence_level,
        estimand="incremental net benefit if missing values were, in the mean, the given multiple "
        "of what is expected when missing at random",
        notes=("The data cannot say which factor is true: judge which are plausible.",),
        threshold=float(threshold),
        effect_label=effect_label,
        target=first.target,
        reference=first.reference,
        tipping=(base, up_target - base, up_reference - base),
    )


@dataclass(frozen=True)
class _Surface:
    """Differences and covariances of every data set as polynomials in the factors.

    ``varied`` are the places of the factors that vary; coefficients belong to the monomials of
    :func:`_expand`.
    """

    points: FloatArray
    covariances: FloatArray
    varied: tuple[int, ...]
    compute_df: Callable[[FloatArray], FloatArray]
    comparison: Comparison

    def evaluate(self, cell: Sequence[float]) -> tuple[FloatArray, FloatArray]:
        """Return points (data sets × 2) and covariances at these factors."""
        terms = _expand(np.array([cell[place] for place in self.varied]))
        return (
            np.tensordot(terms, self.points, axes=1),
            np.tensordot(terms, self.covariances, axes=1),
        )


def _list_cells(
    effect_factors: Sequence[float], cost_factors: Sequence[float]
) -> list[tuple[float, float, float, float]]:
    return [
        (float(e_target), float(e_reference), float(c_target), float(c_reference))
        for e_target, e_reference in product(effect_factors, repeat=2)
        for c_target, c_reference in product(cost_factors, repeat=2)
    ]


def _build_surface(table: pd.DataFrame, analysis: ImputedAnalysis, *, has_cost: bool) -> _Surface:
    """Analyse the data sets at a few factors, which fix a polynomial of the second degree."""
    varied = (0, 1, 2, 3) if has_cost else (0, 1)
    steps = np.eye(len(varied))
    nodes = [np.ones(len(varied))]
    nodes += [nodes[0] + sign * step for step in steps for sign in (1, -1)]
    nodes += [nodes[0] + steps[i] + steps[j] for i, j in combinations(range(len(varied)), 2)]
    is_target = _find_target(table, analysis)
    found = []
    for node in nodes:
        cell = np.ones(4)
        cell[list(varied)] = node
        found.append(pool_data_sets(_change(table, analysis, is_target, cell), analysis))
    solve = np.linalg.inv(np.array([_expand(node) for node in nodes]))
    return _Surface(
        points=np.tensordot(solve, np.array([one.points for one in found]), axes=1),
        covariances=np.tensordot(solve, np.array([one.covariances for one in found]), axes=1),
        varied=varied,
        compute_df=found[0].compute_df,
        comparison=found[0].comparison,
    )


def _expand(factors: FloatArray) -> FloatArray:
    """Return one, the factors, and their products: the monomials up to the second degree."""
    squares = [factors[i] * factors[j] for i in range(len(factors)) for j in range(i + 1)]
    return np.concatenate([[1.0], factors, squares])


def _evaluate(
    surface: _Surface, cell: Sequence[float], threshold: float, confidence_level: float
) -> dict[str, float]:
    pooled = pool_imputations(*surface.evaluate(cell))
    loading = np.array([-1.0, threshold])
    complete = float(surface.compute_df(loading[None])[0])
    estimate, error, df, _ = pooled.combine(loading, complete)
    half = float(stats.t.ppf(0.5 + confidence_level / 2, df)) * error
    return {
        "estimate": estimate,
        "std_error": error,
        "df": df,
        "p_value": float(2 * stats.t.sf(abs(estimate) / error, df)),
        "conf_low": estimate - half,
        "conf_high": estimate + half,
    }


def _change(
    table: pd.DataFrame,
    analysis: ImputedAnalysis,
    is_target: NDArray[np.bool_],
    factors: FloatArray,
) -> pd.DataFrame:
    changed = table.copy()
    pairs = ((analysis.effect, factors[:2]), (analysis.cost, factors[2:]))
    for weights, (of_target, of_reference) in pairs:
        factor = np.where(is_target, of_target, of_reference)
        for name in weights:
            if name + IS_IMPUTED in table.columns:
                flag = table[name + IS_IMPUTED].to_numpy(dtype=bool)
                changed[name] = np.where(flag, factor, 1.0) * table[name].to_numpy(dtype=float)
    return changed


def _find_target(table: pd.DataFrame, analysis: ImputedAnalysis) -> NDArray[np.bool_]:
    groups = name_groups(
        table[analysis.arm],
        arm=analysis.arm,
        target=analysis.target,
        reference=analysis.reference,
    )
    return table[analysis.arm].isin(groups.targets).to_numpy()


def _check_flags(table: pd.DataFrame, analysis: ImputedAnalysis) -> None:
    flags = [
        name + IS_IMPUTED
        for name in [*analysis.effect, *analysis.cost]
        if name + IS_IMPUTED in table.columns
    ]
    if not flags:
        check_columns(table, [f"{name}{IS_IMPUTED}" for name in analysis.effect], table="imputed")


def _check_numbers(
    threshold: float, effect_factors: Sequence[float], cost_factors: Sequence[float]
) -> None:
    faults = []
    for name, values in (
        ("threshold", [threshold]),
        ("effect_factors", effect_factors),
        ("cost_factors", cost_factors),
    ):
        numbers = np.asarray(values, dtype=float)
        if not len(numbers) or not np.isfinite(numbers).all() or (numbers < 0).any():
            faults.append(
                Fault(
                    code="CPI-E024",
                    column=name,
                    rule=f"{name} must be finite and 0 or more",
                    cure="give 1 for missing at random, 0.9 for values a tenth lower",
                    allowed="0 or more",
                )
            )
    if faults:
        raise DataError(faults)
