"""Correlations of a score with other measures, and tests between them in the same people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.linearisation import compute_std_error, linearise
from cpi_analysis.fidelity.rating_matrix import check_finite
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ConvergentValidityResult(Result):
    """Correlations of a score with other measures, and tests between them.

    Parameters
    ----------
    score
        Name of the score.
    n_people
        People with every measure.
    """

    title: ClassVar[str] = "Correlations with other measures"

    score: str
    n_people: int

    def summary(self) -> str:
        """Return each correlation."""
        rows = self.estimates[self.estimates["quantity"] == "correlation"]
        parts = [
            f"{measure} {round_half_up(float(value), 2)}"
            for measure, value in zip(rows["measure"], rows["estimate"], strict=True)
        ]
        return f"{self.score} correlates with {', '.join(parts)} in {self.n_people} people."

    def _facts(self) -> list[str]:
        return [f"{self.n_people} people", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        rows = self.estimates[self.estimates["quantity"] == "correlation"]
        draw_forest(
            ax, rows, [str(name) for name in rows["measure"]], axis_label=f"r with {self.score}"
        )


def compute_williams_test(xy: float, xz: float, yz: float, n: int) -> tuple[float, float]:
    """Return Williams' t of two correlations that share x, and its p-value (n − 3 df).

    Notes
    -----
    ``t = (xy - xz) sqrt((n - 1)(1 + yz) / (2 (n - 1) / (n - 3) |R| + m^2 (1 - yz)^3))`` with
    ``|R|`` the determinant of the three correlations and ``m`` the mean of the two.

    References
    ----------
    Steiger JH (1980). Tests for comparing elements of a correlation matrix. Psychological
    Bulletin 87, 245-251, equation 7.

    Examples
    --------
    >>> t, p = compute_williams_test(0.5, 0.3, 0.4, 103)
    >>> round(t, 4), round(p, 4)
    (2.0967, 0.0385)
    """
    determinant = 1 - xy**2 - xz**2 - yz**2 + 2 * xy * xz * yz
    mean = (xy + xz) / 2
    scale = 2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - yz) ** 3
    t = (xy - xz) * np.sqrt((n - 1) * (1 + yz) / scale)
    return float(t), float(2 * stats.t.sf(abs(t), n - 3))


def compute_steiger_test(matrix: FloatArray, n: int) -> tuple[float, float]:
    """Return Steiger's z that r(1,2) = r(3,4) in the same people, and its p-value.

    Parameters
    ----------
    matrix
        Correlations of the four measures, shape (4, 4).
    n
        People.

    Notes
    -----
    The difference of Fisher's z over ``sqrt(2 (1 - s) / (n - 3))``, with s the covariance of the
    two correlations at their mean.

    References
    ----------
    Steiger JH (1980). Psychological Bulletin 87, 245-251, equation 15.

    Examples
    --------
    >>> import numpy as np
    >>> R = np.eye(4)
    >>> R[0, 1], R[2, 3], R[1, 2], R[0, 2], R[0, 3], R[1, 3] = 0.5, 0.6, 0.5, 0.7, 0.5, 0.8
    >>> z, p = compute_steiger_test(R + R.T - np.eye(4), 103)
    >>> round(z, 4), round(p, 4)
    (-1.405, 0.16)
    """
    r12, r34, r23 = float(matrix[0, 1]), float(matrix[2, 3]), float(matrix[1, 2])
    r13, r14, r24 = float(matrix[0, 2]), float(matrix[0, 3]), float(matrix[1, 3])
    m = (r12 + r34) / 2
    product = (
        (r13 - m * r23) * (r24 - r23 * m)
        + (r14 - r13 * m) * (r23 - m * r13)
        + (r13 - r14 * m) * (r24 - m * r14)
        + (r14 - m * r24) * (r23 - r24 * m)
    ) / 2
    covariance = product / (1 - m**2) ** 2
    z = (np.arctanh(r12) - np.arctanh(r34)) * np.sqrt((n - 3) / (2 * (1 - covariance)))
    return float(z), float(2 * stats.norm.sf(abs(z)))


def estimate_convergent_validity(
    data: pd.DataFrame,
    *,
    score: str,
    measures: Sequence[str],
    cluster: str | None = None,
    confidence_level: float = 0.95,
) -> ConvergentValidityResult:
    """Estimate correlations of a score with other measures of the same people.

    Parameters
    ----------
    data
        One row per person.
    score
        Column of the score.
    measures
        Columns of the measures that it should go with, or not.
    cluster
        Column of the agencies: intervals of correlations are then robust to them (on agencies −
        1 df); the tests between correlations take people as independent all the same.
    confidence_level
        Level of the intervals.

    Returns
    -------
    ConvergentValidityResult
        Rows ``correlation`` per ``measure`` with an interval (Fisher's z); rows ``difference``
        per pair of measures (``pair``): first minus second correlation, Williams' t
        (``statistic``) on ``df`` and ``p_value``.

    Raises
    ------
    DataError
        CPI-E006, E011, E020, E024, E045 the table or its columns cannot be used.
    ModelError
        CPI-M008 fewer than five people have every measure, or one does not vary; M006 a value is
        infinite.

    Notes
    -----
    People with every measure are used, so that all correlations are of the same people; they
    are dependent, and Fisher's test of independent correlations would be wrong.

    References
    ----------
    Steiger JH (1980). Psychological Bulletin 87, 245-251.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_convergent_validity
    >>> data = pd.DataFrame(
    ...     {"x": [1, 2, 3, 4, 5, 6], "y": [1, 3, 2, 5, 4, 6], "z": [3, 1, 4, 1, 5, 2]}
    ... )
    >>> result = estimate_convergent_validity(data, score="x", measures=["y", "z"])
    >>> result.tidy()["estimate"].round(3).tolist()
    [0.886, 0.131, 0.755]
    """
    check_confidence_level(confidence_level)
    used = _pick(data, score, list(measures), cluster)
    matrix = used[[score, *measures]].corr().to_numpy(dtype=np.float64)
    codes = None if cluster is None else np.asarray(pd.factorize(used[cluster], sort=True)[0])
    rows = [
        _correlate(used[[score, name]].to_numpy(dtype=np.float64), name, codes, confidence_level)
        for name in measures
    ]
    for one, other in combinations(range(1, len(measures) + 1), 2):
        xy, xz, yz = (float(matrix[place]) for place in ((0, one), (0, other), (one, other)))
        t, p = compute_williams_test(xy, xz, yz, len(used))
        rows.append(
            {
                "quantity": "difference",
                "pair": f"{measures[one - 1]} − {measures[other - 1]}",
                "estimate": float(xy - xz),
                "statistic": t,
                "df": float(len(used) - 3),
                "p_value": p,
            }
        )
    return ConvergentValidityResult(
        estimates=pd.DataFrame(rows).assign(n=len(used)),
        n_participants=None,
        n_agencies=None if codes is None else int(codes.max()) + 1,
        method="Pearson's r with Fisher's z"
        + ("" if codes is None else ", robust to agencies")
        + "; Williams' test of dependent correlations",
        confidence_level=confidence_level,
        estimand=f"correlation of {score} with each measure in the population of these people",
        notes=(f"{len(data) - len(used)} people lack a measure and are left out.",)
        if len(data) > len(used)
        else (),
        score=score,
        n_people=len(used),
    )


def _pick(data: pd.DataFrame, score: str, measures: list[str], cluster: str | None) -> pd.DataFrame:
    check_table(data, "data")
    needed = [score, *measures, *([] if cluster is None else [cluster])]
    rules = {
        name: ("CPI-E011", "the column is missing", "name a column of the table")
        for name in needed
        if name not in data.columns
    }
    rules = rules or {
        name: ("CPI-E020", "the column is not numeric", "give numbers")
        for name in [score, *measures]
        if not pd.api.types.is_numeric_dtype(data[name])
    }
    if rules:
        raise DataError(
            Fault(code=code, table="data", column=name, rule=rule, cure=cure)
            for name, (code, rule, cure) in rules.items()
        )
    for name in [score, *measures]:
        check_finite(data[name])
    used = data[needed].dropna()
    if not measures or len(used) < 5:
        raise refuse_items(
            f"{len(used)} people have {score} and every other measure",
            "name at least one measure, and have five people with all of them",
        )
    constant = [name for name in [score, *measures] if used[name].nunique() < 2]
    if constant:
        raise refuse_items(
            f"all values of {', '.join(constant)} are the same", "leave out what does not vary"
        )
    if cluster is not None and used[cluster].nunique() < 2:
        raise refuse_items("the people belong to one agency", "leave out cluster=")
    return used


def _correlate(
    pair: FloatArray, name: str, codes: NDArray[np.intp] | None, level: float
) -> dict[str, object]:
    r = float(np.corrcoef(pair[:, 0], pair[:, 1])[0, 1])
    row: dict[str, object] = {"quantity": "correlation", "measure": name, "estimate": r}
    if abs(r) >= 1 - 1e-12:
        return {**row, "conf_low": r, "conf_high": r}
    if codes is None:
        half = float(stats.norm.isf((1 - level) / 2)) / np.sqrt(len(pair) - 3)
    else:
        half = float(stats.t.isf((1 - level) / 2, codes.max())) * _robust_error(pair, codes)
    low, high = np.tanh(np.arctanh(r) + np.array([-half, half]))
    return {**row, "conf_low": float(low), "conf_high": float(high)}


def _robust_error(pair: FloatArray, codes: NDArray[np.intp]) -> float:
    """Return the standard error of Fisher's z from the influence of each agency."""
    x, y = ((column - column.mean()) / column.std() for column in pair.T)
    features = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])

    def fisher(sums: NDArray) -> NDArray:  # type: ignore[type-arg]
        mean = sums / sums[..., :1]
        mx, my = mean[..., 1], mean[..., 2]
        spread = (mean[..., 3] - mx**2) * (mean[..., 4] - my**2)
        r = (mean[..., 5] - mx * my) / np.sqrt(spread)
        return np.asarray(np.log((1 + r) / (1 - r)) / 2)

    return compute_std_error(linearise(fisher, features).influence, codes)
