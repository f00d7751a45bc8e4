"""What it would be worth to know one uncertain quantity, such as a unit cost, before choosing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_choice, check_columns, check_some_thresholds
from cpi_analysis.economics.draws import StrategyDraws, arrange_draws
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.spline_regression import fit_smooth
from cpi_analysis.economics.threshold_profile import compute_expected_losses
from cpi_analysis.economics.value_of_information import compute_unit_normal_loss
from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

METHODS = ("spline", "quadratic", "normal")

#: Knots of the spline: the default of mgcv's ``te``, which voi and BCEA use.
KNOTS = 5

_METHOD_WORDS = {
    "spline": "cubic regression spline, smoothness by generalised cross-validation",
    "quadratic": "least squares on all terms up to the second degree",
    "normal": "closed form for jointly normal parameter and net benefit",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PartialInformationResult(Result):
    """Value of perfect information on parameters, by parameter and threshold.

    Parameters
    ----------
    replicates
        How many draws.
    effect_label
        What one unit of effect is called.
    """

    title: ClassVar[str] = "Value of perfect information on parameters"

    replicates: int
    effect_label: str

    def summary(self) -> str:
        """Return the parameter that is worth most at the largest threshold, in one sentence."""
        last = self.estimates[self.estimates["threshold"] == self.estimates["threshold"].max()]
        best = last.loc[last["evppi"].idxmax()]
        return (
            f"At £{best['threshold']:,.0f} per {self.effect_label}, knowing {best['parameter']} is "
            f"worth most of the {len(last)} parameters: £{best['evppi']:,.2f} for each person "
            "decided about."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_lines_by_threshold

        draw_lines_by_threshold(
            ax,
            self.estimates,
            group="parameter",
            value="evppi",
            effect_label=self.effect_label,
            label="Value of information per person (£)",
        )


def compute_partial_information(
    draws: pd.DataFrame | IncrementalResult,
    *,
    parameters: pd.DataFrame,
    thresholds: Sequence[float],
    groups: Mapping[str, Sequence[str]] | None = None,
    method: str = "spline",
    target: str | None = None,
    reference: str | None = None,
    effect_label: str | None = None,
) -> PartialInformationResult:
    """Compute the expected value of perfect information on parameters, by regression.

    Estimand: the net benefit gained, on average over what is uncertain, by choosing after the
    parameter has become known instead of now.

    Parameters
    ----------
    draws
        The result of an incremental analysis, or a table: ``draw, delta_cost, delta_effect``,
        or ``draw, strategy, cost, effect``.
    parameters
        ``draw`` and one column per uncertain quantity: its value in the same draw. Rows are
        matched by ``draw``, never by their order.
    thresholds
        Willingness to pay for one unit of effect, in GBP, increasing.
    groups
        Names of parameters that would become known together; each column alone when not given.
    method
        ``"spline"``: a smooth curve of one parameter. ``"quadratic"``: a polynomial of the
        second degree with products, for a group. ``"normal"``: closed form for two strategies.
    target, reference
        Names of the two groups when the draws are a table of differences.
    effect_label
        What one unit of effect is called.

    Returns
    -------
    PartialInformationResult
        ``parameter, threshold, evppi`` in GBP per person, ``evpi`` of everything, and the
        ``proportion`` of it that the parameter explains (missing where the EVPI is 0).

    Raises
    ------
    DataError
        CPI-E030 a draw has no parameters, E013 one has them twice, E011 a column is missing,
        E024 a value is not finite, E045 the method does not fit the groups.
    ModelError
        CPI-M002 a parameter has too few different values.

    Notes
    -----
    ``EVPPI = E[max_d E(NB_d | φ)] - max_d E[NB_d]``, the conditional mean being a regression on
    φ. Cost and effect are each regressed once, on differences to a common strategy; thresholds
    combine the fitted values, so that no threshold has a fit of its own. In the normal form with
    mean m and explained variance v of the incremental net benefit it is the unit normal loss of
    (m, √v). Regression overfits a little: values near 0 are biased upwards.

    References
    ----------
    Strong M, Oakley JE, Brennan A (2014). Medical Decision Making 34:311-326.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> price = rng.normal(size=500)
    >>> draws = pd.DataFrame({"draw": range(500), "delta_cost": 100 * price, "delta_effect": 0.0})
    >>> parameters = pd.DataFrame({"draw": range(500), "price": price})
    >>> result = compute_partial_information(draws, parameters=parameters, thresholds=[0.0])
    >>> round(float(result.tidy()["proportion"][0]), 3)
    1.0
    """
    check_some_thresholds(thresholds)
    check_choice(method, argument="method", allowed=METHODS)
    arranged = arrange_draws(draws, target=target, reference=reference)
    named = _match(parameters, draws, arranged)
    chosen = _choose_groups(named, groups, method, len(arranged.strategies))
    grid = np.asarray(thresholds, dtype=np.float64)
    evpi = compute_expected_losses(arranged.cost, arranged.effect, grid).min(axis=1)
    parts = [
        pd.DataFrame(
            {
                "parameter": name,
                "threshold": grid,
                "evppi": _compute_value(arranged, named[list(columns)].to_numpy(), grid, method),
                "evpi": evpi,
            }
        )
        for name, columns in chosen.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    table["proportion"] = table["evppi"] / table["evpi"].where(table["evpi"] > 0)
    origin = draws if isinstance(draws, IncrementalResult) else None
    return PartialInformationResult(
        estimates=table,
        n_participants=origin.n_participants if origin else None,
        n_agencies=origin.n_agencies if origin else None,
        method=f"{_METHOD_WORDS[method]}; {arranged.n_draws:,} draws",
        seed=origin.seed if origin else None,
        estimand="expected net benefit of choosing once the parameter is known, less that of "
        "choosing now, in GBP per person",
        replicates=arranged.n_draws,
        effect_label=effect_label or arranged.effect_label or "unit of effect",
    )


def _compute_value(
    draws: StrategyDraws, values: FloatArray, thresholds: FloatArray, method: str
) -> FloatArray:
    outcomes = np.hstack(
        [draws.cost[:, :-1] - draws.cost[:, -1:], draws.effect[:, :-1] - draws.effect[:, -1:]]
    )
    if method == "spline":
        fitted = fit_smooth(values[:, 0], outcomes, n_knots=KNOTS)
    else:
        design = _expand(values, is_quadratic=method == "quadratic")
        fitted = design @ np.linalg.lstsq(design, outcomes, rcond=None)[0]
    if method == "normal":
        loading = np.column_stack([-np.ones(len(thresholds)), thresholds])
        variance = np.einsum("ti,ij,tj->t", loading, np.cov(fitted, rowvar=False), loading)
        mean = loading @ outcomes.mean(axis=0)
        return compute_unit_normal_loss(mean, np.sqrt(np.maximum(variance, 0.0)))
    count = len(draws.strategies) - 1
    zeros = np.zeros((draws.n_draws, 1))
    cost, effect = (np.hstack([part, zeros]) for part in (fitted[:, :count], fitted[:, count:]))
    return np.asarray(compute_expected_losses(cost, effect, thresholds).min(axis=1))


def _expand(values: FloatArray, *, is_quadratic: bool) -> FloatArray:
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    columns = [np.ones(len(values)), *scaled.T]
    if is_quadratic:
        first, second = np.triu_indices(values.shape[1])
        columns += [scaled[:, i] * scaled[:, j] for i, j in zip(first, second, strict=True)]
    return np.column_stack(columns)


def _match(
    parameters: pd.DataFrame, draws: pd.DataFrame | IncrementalResult, arranged: StrategyDraws
) -> pd.DataFrame:
    """Return the parameters in the order of the draws."""
    check_table(parameters, "parameters")
    check_columns(parameters, ["draw"], table="parameters")
    table = draws.draws if isinstance(draws, IncrementalResult) else draws
    check_columns(table, ["draw"], table="draws")
    numbers = table["draw"] if arranged.is_difference else np.sort(table["draw"].unique())
    if parameters["draw"].duplicated().any():
        raise DataError(
            _fault("CPI-E013", "draw", "every draw has its parameters once", "leave out repeats")
        )
    missing = ~pd.Series(numbers).isin(parameters["draw"])
    if missing.any():
        raise DataError(
            _fault(
                "CPI-E030",
                "draw",
                f"{int(missing.sum())} draws have no parameters",
                "give the parameters from which each draw was computed",
            )
        )
    matched = parameters.set_index("draw").loc[list(numbers)].reset_index(drop=True)
    for column in matched.columns:
        _check_parameter(matched[column], str(column))
    return matched.astype(float)


def _check_parameter(values: pd.Series, name: str) -> None:
    is_number = pd.api.types.is_numeric_dtype(values)
    if not is_number or not np.isfinite(values.to_numpy(dtype=float, na_value=np.nan)).all():
        raise DataError(
            _fault("CPI-E024", name, "a parameter is a finite number", "complete the column")
        )
    if values.nunique() < KNOTS + 1:
        raise ModelError(
            _fault(
                "CPI-M002",
                name,
                "the parameter has too few different values to be regressed on",
                "leave out what is not uncertain",
            )
        )


def _fault(code: str, column: str, rule: str, cure: str) -> Fault:
    return Fault(code=code, table="parameters", column=column, rule=rule, cure=cure)


def _choose_groups(
    parameters: pd.DataFrame,
    groups: Mapping[str, Sequence[str]] | None,
    method: str,
    n_strategies: int,
) -> dict[str, tuple[str, ...]]:
    if groups is None:
        chosen: dict[str, tuple[str, ...]] = {str(name): (str(name),) for name in parameters}
    else:
        chosen = {name: tuple(columns) for name, columns in groups.items()}
    check_columns(
        parameters, [name for columns in chosen.values() for name in columns], table="parameters"
    )
    is_too_many = method == "spline" and any(len(columns) > 1 for columns in chosen.values())
    if is_too_many or (method == "normal" and n_strategies > 2):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="method",
                rule="a spline takes one parameter at a time, and the normal form two strategies",
                cure='give method="quadratic"',
                allowed=", ".join(METHODS),
            )
        )
    return chosen
