"""How far two measurements of the same targets differ: Bland–Altman and Lin's concordance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.fidelity.concordance import (
    FloatArray,
    Slope,
    compute_concordance,
    compute_limit_error,
)
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.cluster_robust import fit_cluster_robust
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = dict[str, object]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LimitsOfAgreementResult(Result):
    """Bias, limits of agreement, proportional bias and concordance of two measurements.

    Parameters
    ----------
    first, second
        Names of the two measurements; differences are first minus second.
    n_targets
        Number of targets with both.
    points
        ``mean`` and ``difference`` of each target, without identifiers, ordered by the mean.
    slope, intercept
        Line of the difference on the mean.
    """

    title: ClassVar[str] = "Limits of agreement"

    first: str
    second: str
    n_targets: int
    points: pd.DataFrame
    slope: float
    intercept: float

    def summary(self) -> str:
        """Return bias and limits in one sentence."""
        table = self.estimates.set_index("quantity")["estimate"]
        bias, low, high = (
            round_half_up(float(table[name]), 2) for name in ("bias", "lower_limit", "upper_limit")
        )
        return (
            f"{self.first} minus {self.second}: {bias} on average in {self.n_targets} targets; "
            f"{self.confidence_level:.0%} of differences are expected between {low} and {high}."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} targets", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_limits

        draw_limits(
            ax,
            self.points,
            self.estimates,
            line=(self.intercept, self.slope),
            names=(self.first, self.second),
        )


def compute_limits_of_agreement(
    data: pd.DataFrame,
    *,
    first: str,
    second: str,
    cluster: str | None = None,
    confidence_level: float = 0.95,
) -> LimitsOfAgreementResult:
    """Compute Bland and Altman's limits of agreement and Lin's concordance.

    Parameters
    ----------
    data
        One row per target, such as the table of :func:`build_source_scores`.
    first, second
        Columns of the two measurements, in the same unit.
    cluster
        Column of the agencies: intervals of bias and slope are then robust to targets alike
        within them (CR2, Satterthwaite df). The limits' own intervals are not.
    confidence_level
        Share of differences that the limits hold, and level of the intervals.

    Returns
    -------
    LimitsOfAgreementResult
        Rows ``bias``, ``lower_limit``, ``upper_limit``, ``std_dev_difference``,
        ``proportional_bias`` (change of the difference per unit of the mean),
        ``correlation_difference_mean``, ``concordance`` (Lin), ``precision`` (Pearson's r),
        ``accuracy`` (C_b), ``measurement_error`` (SD of the difference over √2) and
        ``smallest_detectable_change`` (z √2 times that): ``estimate``, ``std_error``, ``df``,
        ``conf_low``, ``conf_high``, ``p_value``, ``n``.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E020 it is not numeric, E045, E006, E024 arguments.
    ModelError
        CPI-M008 fewer than three targets have both, or a measurement does not vary; M006 a
        value is infinite.

    Notes
    -----
    Limits ``d ± z s`` with standard error ``s sqrt(1/n + z²/(2 (n − 1)))`` and t on n − 1 df.
    A proportional bias means that one pair of limits does not fit the whole range.

    References
    ----------
    Bland JM, Altman DG (1999). Measuring agreement in method comparison studies. Statistical
    Methods in Medical Research 8, 135-160. Lin LI (1989). Biometrics 45, 255-268.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import compute_limits_of_agreement
    >>> data = pd.DataFrame({"worker": [70.0, 80, 90, 60], "researcher": [60.0, 75, 70, 55]})
    >>> result = compute_limits_of_agreement(data, first="worker", second="researcher")
    >>> float(result.tidy()["estimate"][0])
    10.0
    """
    check_confidence_level(confidence_level)
    used = _pick(data, first, second, cluster)
    x, y = used[first].to_numpy(dtype=np.float64), used[second].to_numpy(dtype=np.float64)
    names = np.arange(len(x)) if cluster is None else used[cluster].to_numpy()
    codes = np.asarray(pd.factorize(names, sort=True)[0], dtype=np.intp)
    if codes.max() < 1:
        raise refuse_items("the targets belong to one agency", "leave out cluster=")
    difference, mean = x - y, (x + y) / 2
    slope = _fit_slope(difference, mean, codes)
    rows = [
        *_limit_rows(difference, codes, cluster is not None, confidence_level),
        *_slope_rows(difference, mean, slope, confidence_level),
        *_concordance_rows(x, y, confidence_level),
        *_error_rows(difference, confidence_level),
    ]
    order = np.argsort(mean, kind="stable")
    return LimitsOfAgreementResult(
        estimates=pd.DataFrame(rows).assign(n=len(x)),
        n_participants=None,
        n_agencies=None if cluster is None else int(codes.max()) + 1,
        method="Bland–Altman limits; Lin's concordance by the z-transformation"
        + ("; bias and slope robust to agencies (CR2)" if cluster else ""),
        confidence_level=confidence_level,
        estimand=f"difference {first} minus {second} of a target: mean and limits",
        notes=_describe(rows, len(data) - len(x), cluster),
        first=first,
        second=second,
        n_targets=len(x),
        points=pd.DataFrame({"mean": mean[order], "difference": difference[order]}),
        slope=slope.estimate,
        intercept=slope.intercept,
    )


def _pick(data: pd.DataFrame, first: str, second: str, cluster: str | None) -> pd.DataFrame:
    check_table(data, "data")
    needed = [first, second, *([] if cluster is None else [cluster])]
    faults = [
        Fault(
            code="CPI-E011",
            table="data",
            column=name,
            rule="the column is missing",
            cure="name a column of the table",
        )
        for name in needed
        if name not in data.columns
    ]
    faults = faults or [
        Fault(
            code="CPI-E020",
            table="data",
            column=name,
            rule="the column is not numeric",
            cure="give numbers",
        )
        for name in (first, second)
        if not pd.api.types.is_numeric_dtype(data[name])
    ]
    if faults:
        raise DataError(faults)
    used = data[needed].dropna()
    numbers = used[[first, second]].to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ModelError(
            Fault(
                code="CPI-M006",
                rule="a value is infinite",
                cure="set impossible values to missing",
            )
        )
    if len(used) < 3:
        raise refuse_items(
            f"{len(used)} targets have both {first} and {second}",
            "agreement needs at least three targets measured twice",
        )
    constant = [name for name in (first, second) if np.ptp(used[name].to_numpy(float)) == 0]
    if constant:
        raise refuse_items(
            f"all values of {', '.join(constant)} are the same",
            "targets that do not differ cannot show agreement",
        )
    return used


def _fit_slope(difference: FloatArray, mean: FloatArray, codes: NDArray[np.intp]) -> Slope:
    centre, scale = mean.mean(), float(mean.std())
    if scale == 0:
        return Slope(np.nan, np.nan, np.nan, np.nan, float(difference.mean()))
    design = np.column_stack([np.ones(len(mean)), (mean - centre) / scale])
    beta = np.linalg.lstsq(design, difference, rcond=None)[0]
    n_clusters = int(codes.max()) + 1
    if n_clusters < len(mean):
        fit = fit_cluster_robust(difference, design, codes, kind="CR2")
        error, df = float(fit.std_error[1]), float(fit.compute_df([[0.0, 1.0]])[0])
    else:
        rest = difference - design @ beta
        df = float(len(mean) - 2)
        error = float(np.sqrt((rest**2).sum() / df / len(mean)))
    slope = float(beta[1]) / scale
    rest_sd = float(np.std(difference - design @ beta))
    return Slope(slope, error / scale, df, rest_sd, float(beta[0]) - slope * centre)


def _interval(
    quantity: str, estimate: float, error: float, df: float, level: float, *, tested: bool
) -> Row:
    half = float(stats.t.isf((1 - level) / 2, df)) * error
    row: Row = {
        "quantity": quantity,
        "estimate": estimate,
        "std_error": error,
        "df": df,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
    }
    if tested and error > 0:
        row["p_value"] = float(2 * stats.t.sf(abs(estimate) / error, df))
    return row


def _limit_rows(
    difference: FloatArray, codes: NDArray[np.intp], is_clustered: bool, level: float
) -> list[Row]:
    n = len(difference)
    bias, spread = float(difference.mean()), float(difference.std(ddof=1))
    error, df = spread / np.sqrt(n), float(n - 1)
    if is_clustered and spread > 0:
        fit = fit_cluster_robust(difference, np.ones((n, 1)), codes, kind="CR2")
        error, df = float(fit.std_error[0]), float(fit.compute_df([[1.0]])[0])
    z = float(stats.norm.isf((1 - level) / 2))
    limit_error = compute_limit_error(spread, n, z)
    limits = {"lower_limit": bias - z * spread, "upper_limit": bias + z * spread}
    return [
        _interval("bias", bias, error, df, level, tested=True),
        *(
            _interval(name, value, limit_error, float(n - 1), level, tested=False)
            for name, value in limits.items()
        ),
        {"quantity": "std_dev_difference", "estimate": spread},
    ]


def _slope_rows(difference: FloatArray, mean: FloatArray, slope: Slope, level: float) -> list[Row]:
    if not np.isfinite(slope.estimate) or np.ptp(difference) == 0:
        empty = np.nan if not np.isfinite(slope.estimate) else 0.0
        return [{"quantity": "proportional_bias", "estimate": empty}]
    r = float(np.corrcoef(difference, mean)[0, 1])
    return [
        _interval(
            "proportional_bias", slope.estimate, slope.std_error, slope.df, level, tested=True
        ),
        {"quantity": "correlation_difference_mean", "estimate": r},
    ]


def _concordance_rows(x: FloatArray, y: FloatArray, level: float) -> list[Row]:
    found = compute_concordance(x, y, confidence_level=level)
    return [
        {
            "quantity": "concordance",
            "estimate": found.estimate,
            "conf_low": found.low,
            "conf_high": found.high,
        },
        {"quantity": "precision", "estimate": found.correlation},
        {"quantity": "accuracy", "estimate": found.accuracy},
    ]


def _error_rows(difference: FloatArray, level: float) -> list[Row]:
    error = float(difference.std(ddof=1)) / np.sqrt(2)
    z = float(stats.norm.isf((1 - level) / 2))
    return [
        {"quantity": "measurement_error", "estimate": error},
        {"quantity": "smallest_detectable_change", "estimate": z * np.sqrt(2) * error},
    ]


def _describe(rows: list[Row], n_missing: int, cluster: str | None) -> tuple[str, ...]:
    notes = []
    if n_missing:
        notes.append(f"{n_missing} targets lack a measurement and are left out.")
    by_name = {str(row["quantity"]): row for row in rows}
    p_value = by_name["proportional_bias"].get("p_value")
    if isinstance(p_value, float) and p_value < 0.05:
        notes.append(
            "The difference changes with the level (proportional bias): one pair of limits does "
            "not fit the whole range. See the figure."
        )
    if by_name["std_dev_difference"]["estimate"] == 0:
        notes.append("The differences never vary: see whether the measurements are independent.")
    if cluster is not None:
        notes.append(
            "Intervals of the limits and of the concordance take targets as independent, and "
            "are too narrow when targets of an agency are alike."
        )
    return tuple(notes)
