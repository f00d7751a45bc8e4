"""Does the score differ between groups that should differ: known-groups validity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.rating_matrix import check_finite
from cpi_analysis.fidelity.refusals import refuse_choice, refuse_items
from cpi_analysis.inference.cluster_robust import fit_cluster_robust
from cpi_analysis.inference.input_checks import check_confidence_level, check_table
from cpi_analysis.inference.single_cluster import check_several_clusters
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class KnownGroupsResult(Result):
    """Difference of a score between two groups.

    Parameters
    ----------
    score
        Name of the score.
    target, reference
        The groups: differences are target minus reference.
    """

    title: ClassVar[str] = "Known groups"

    score: str
    target: str
    reference: str

    def summary(self) -> str:
        """Return the difference with its interval."""
        row = self.estimates.iloc[0]
        shown = [round_half_up(float(row[c]), 2) for c in ("estimate", "conf_low", "conf_high")]
        return (
            f"{self.score}: {self.target} minus {self.reference} is {shown[0]} "
            f"({self.confidence_level:.0%} CI {shown[1]} to {shown[2]})."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.figures import draw_forest

        rows = self.estimates[self.estimates["quantity"] == "mean"]
        draw_forest(ax, rows, [str(name) for name in rows["group"]], axis_label=self.score)


def estimate_known_groups(
    data: pd.DataFrame,
    *,
    score: str,
    group: str,
    target: object,
    reference: object,
    cluster: str | None,
    confidence_level: float = 0.95,
) -> KnownGroupsResult:
    """Estimate the difference of a score between groups that are known to differ.

    Parameters
    ----------
    data
        One row per person.
    score
        Column of the score.
    group
        Column that says to which group somebody belongs.
    target, reference
        The two groups compared; state which should score higher before looking.
    cluster
        Column of the agencies; None when people do not belong to any.
    confidence_level
        Level of the intervals.

    Returns
    -------
    KnownGroupsResult
        Rows ``difference`` (target minus reference: ``std_error``, ``df``, ``conf_low``,
        ``conf_high``, ``statistic``, ``p_value``), ``effect_size`` (Cohen's d, pooled standard
        deviation), ``effect_size_hedges``, and ``mean`` per ``group``.

    Raises
    ------
    DataError
        CPI-E006, E011, E020, E024, E045 the table, its columns or a group cannot be used.
    ModelError
        CPI-M008 a group has fewer than two people, or the score does not vary; M001 too few
        agencies; M006 an infinite score.

    Notes
    -----
    CR2 standard errors with Satterthwaite degrees of freedom. When the groups differ between
    agencies only, the degrees of freedom are few, and should be. Without agencies it is Welch's
    test.

    References
    ----------
    Bell RM, McCaffrey DF (2002). Survey Methodology 28, 169-181.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_known_groups
    >>> data = pd.DataFrame({"x": [1.0, 2, 3, 5, 6, 7], "trained": ["no"] * 3 + ["yes"] * 3})
    >>> result = estimate_known_groups(
    ...     data, score="x", group="trained", target="yes", reference="no", cluster=None
    ... )
    >>> float(result.tidy()["estimate"][0])
    4.0
    """
    check_confidence_level(confidence_level)
    used = _pick(data, score, group, (target, reference), cluster)
    y = used[score].to_numpy(dtype=np.float64)
    is_target = (used[group] == target).to_numpy()
    codes = np.arange(len(y)) if cluster is None else pd.factorize(used[cluster], sort=True)[0]
    design = np.column_stack([np.ones(len(y)), is_target.astype(np.float64)])
    check_several_clusters(design, codes, [[0.0, 1.0]], what="the difference between the groups")
    fit = fit_cluster_robust(y, design, codes)
    estimate, error = float(fit.beta[1]), float(fit.std_error[1])
    df = float(fit.compute_df([[0.0, 1.0]])[0])
    half = float(stats.t.isf((1 - confidence_level) / 2, df)) * error
    effect, hedges = _standardise(y[is_target], y[~is_target])
    rows: list[dict[str, object]] = [
        {
            "quantity": "difference",
            "estimate": estimate,
            "std_error": error,
            "df": df,
            "conf_low": estimate - half,
            "conf_high": estimate + half,
            "statistic": estimate / error if error > 0 else np.nan,
            "p_value": float(2 * stats.t.sf(abs(estimate) / error, df)) if error > 0 else np.nan,
            "n": len(y),
        },
        {"quantity": "effect_size", "estimate": effect, "n": len(y)},
        {"quantity": "effect_size_hedges", "estimate": hedges, "n": len(y)},
        *(
            _describe_group(str(name), y[mask], codes[mask], confidence_level)
            for name, mask in ((target, is_target), (reference, ~is_target))
        ),
    ]
    return KnownGroupsResult(
        estimates=pd.DataFrame(rows),
        n_participants=None,
        n_agencies=None if cluster is None else int(codes.max()) + 1,
        method="difference of means, CR2 standard error, Satterthwaite df",
        confidence_level=confidence_level,
        estimand=f"difference of mean {score}, {target} minus {reference}",
        notes=_describe(len(data) - len(used), is_target, codes, cluster),
        score=score,
        target=str(target),
        reference=str(reference),
    )


def _pick(
    data: pd.DataFrame, score: str, group: str, groups: tuple[object, object], cluster: str | None
) -> pd.DataFrame:
    check_table(data, "data")
    needed = [score, group, *([] if cluster is None else [cluster])]
    absent = [name for name in needed if name not in data.columns]
    if absent:
        code, rule, cure = "CPI-E011", "the column is missing", "name a column of the table"
    elif not pd.api.types.is_numeric_dtype(data[score]):
        absent, code, rule, cure = [score], "CPI-E020", "the column is not numeric", "give numbers"
    if absent:
        raise DataError(
            Fault(code=code, table="data", column=name, rule=rule, cure=cure) for name in absent
        )
    check_finite(data[score])
    known = data[needed].dropna()
    present = tuple(map(str, pd.unique(known[group])))
    for name in groups:
        if not (known[group] == name).any():
            raise refuse_choice("group", str(name), present)
    used = known[known[group].isin(groups)].reset_index(drop=True)
    if used[group].value_counts().min() < 2 or used[score].nunique() < 2:
        raise refuse_items(
            "a group has one person, or the score does not vary", "compare groups of several people"
        )
    return used


def _standardise(target: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    m, n = len(target), len(reference)
    pooled = ((m - 1) * target.var(ddof=1) + (n - 1) * reference.var(ddof=1)) / (m + n - 2)
    if pooled == 0:
        return np.nan, np.nan
    effect = float((target.mean() - reference.mean()) / np.sqrt(pooled))
    return effect, effect * (1 - 3 / (4 * (m + n - 2) - 1))


def _describe_group(
    name: str, values: np.ndarray, codes: np.ndarray, level: float
) -> dict[str, object]:
    row = {"quantity": "mean", "group": name, "estimate": float(values.mean()), "n": len(values)}
    codes = np.unique(codes, return_inverse=True)[1]
    if codes.max() < 1 or np.ptp(values) == 0:
        return row
    fit = fit_cluster_robust(values, np.ones((len(values), 1)), codes)
    df = float(fit.compute_df([[1.0]])[0])
    half = float(stats.t.isf((1 - level) / 2, df)) * float(fit.std_error[0])
    mean = float(values.mean())
    return {**row, "conf_low": mean - half, "conf_high": mean + half}


def _describe(
    n_missing: int, is_target: np.ndarray, codes: np.ndarray, cluster: str | None
) -> tuple[str, ...]:
    notes = []
    if n_missing:
        notes.append(f"{n_missing} rows lack a value, or belong to another group: left out.")
    if cluster is not None and not set(codes[is_target]) & set(codes[~is_target]):
        notes.append(
            "No agency has people of both groups: the difference cannot be told from one between "
            "agencies."
        )
    return tuple(notes)
