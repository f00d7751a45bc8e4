"""Repeated-measures MANCOVA: several outcomes over time, by group, with covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.figures import BLUE
from cpi_analysis.effectiveness.mancova_arrays import MancovaArrays, build_arrays, check_outcomes
from cpi_analysis.effectiveness.wording import format_p_value
from cpi_analysis.errors import ModelError
from cpi_analysis.inference.cluster_robust import compute_joint_test, fit_cluster_robust
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.inference.manova import (
    build_hypothesis,
    build_orthonormal_contrasts,
    compute_multivariate_tests,
    compute_univariate_test,
)
from cpi_analysis.inference.single_cluster import check_several_clusters
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

TIME, GROUP, INTERACTION = "time", "group", "time x group"
ROBUST = "agency-robust (CR2)"
EVERY = "all"
AGENCY_NOTE = (
    "The analysis takes participants as independent and ignores agencies: its p-values are too "
    "small where people of one agency are alike or groups differ between agencies. "
)
COMPLETE_NOTE = (
    "Only participants with every outcome at every interview are analysed, and a partial eta "
    "squared is a share of variance in them, not an effect of the intervention."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RepeatedMancovaResult(Result):
    """Tests of time, group and their interaction, for all outcomes and for each.

    Parameters
    ----------
    measures, group
        Names of the outcomes, and the column of the groups.
    """

    title: ClassVar[str] = "Repeated-measures MANCOVA"

    measures: tuple[str, ...]
    group: str

    def summary(self) -> str:
        """Return Pillai's test of time by group, and the robust one, in one sentence."""
        rows = self.estimates[self.estimates["term"] == INTERACTION].set_index("test")
        rows = rows[rows["measure"] == EVERY]
        said = [
            f"{name}: F({row['df1']:.0f}, {format_value(row['df2'], 'df')}) = "
            f"{format_value(row['statistic'])}, {format_p_value(row['p_value'])}"
            for name, row in rows.to_dict("index").items()
            if name in ("Pillai", ROBUST)
        ]
        eta = format_value(rows.loc["Pillai", "partial_eta_squared"], "proportion")
        return f"Time by {self.group} over {len(self.measures)} outcomes, {'; '.join(said)}; " + (
            f"partial eta squared {eta}."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[self.estimates["test"].isin(["Pillai", "univariate"])]
        labels = list(rows["term"] + ", " + rows["measure"])
        places = np.arange(len(labels))[::-1]
        ax.barh(places, rows["partial_eta_squared"], color=BLUE, height=0.5)
        ax.set_yticks(places, labels)
        ax.set_xlabel("Partial eta squared (agencies ignored)")
        ax.set_xlim(left=0.0)


def fit_repeated_mancova(
    data: pd.DataFrame,
    *,
    outcomes: Mapping[str, Sequence[str]],
    group: str,
    covariates: Sequence[str] = (),
    cluster: str | None = None,
) -> RepeatedMancovaResult:
    """Fit the repeated-measures MANCOVA of several outcomes, as pre-post studies report it.

    Estimand: whether the mean profile of all outcomes over time differs between groups, for
    participants of the same covariates, in those with every value.

    Parameters
    ----------
    data
        One row per participant.
    outcomes
        Name of each outcome and its columns in the order of time, for all the same times:
        ``{"well-being": ["wemwbs_baseline", "wemwbs_m9"], ...}``.
    group
        Column of the groups; numbers are taken as names.
    covariates
        Columns adjusted for; text becomes indicators.
    cluster
        Column of the agencies. With it, tests that are robust to likeness within agencies
        stand beside those that ignore agencies.

    Returns
    -------
    RepeatedMancovaResult
        For ``time x group``, ``group`` and ``time``: Pillai, Wilks, Hotelling-Lawley and Roy
        with approximate F and partial eta squared over all outcomes; ``univariate`` tests of
        each outcome, with the df corrected by Greenhouse and Geisser when there are more than
        two times; and ``agency-robust (CR2)`` tests of the same hypotheses.

    Raises
    ------
    DataError
        CPI-E006, E045 the data are not a table with one name per column.
    ModelError
        CPI-M001 too few rows or one group, M002 collinear columns, M003 an outcome that does
        not vary or follows from the others, M004 a column or the outcomes are not usable,
        M006 values that are not finite.

    Notes
    -----
    ``Y = X B + E`` with all outcomes at all times as responses; ``L B M = 0`` with ``M`` the
    contrasts of time within each outcome (their mean for ``group``). The effect of time is
    that of the average group at the means of the covariates, as with sum contrasts and centred
    covariates (type III); a package that takes it at a covariate of zero gives another test of
    time, not of time by group. The robust tests stack the transformed outcomes, cluster by
    agency, and use CR2 with the HTZ test (see :func:`estimate_cluster_robust`).

    References
    ----------
    Rencher AC, Christensen WF (2012). Methods of multivariate analysis, 3rd ed., chapter 6.

    Pustejovsky JE, Tipton E (2018). Small-sample methods for cluster-robust variance
    estimation and hypothesis testing in fixed effects models. Journal of Business & Economic
    Statistics 36, 672-683.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame(rng.normal(size=(30, 4)), columns=["a0", "a9", "b0", "b9"])
    >>> data["arm"] = ["cpi", "usual"] * 15
    >>> outcomes = {"a": ["a0", "a9"], "b": ["b0", "b9"]}
    >>> result = fit_repeated_mancova(data, outcomes=outcomes, group="arm")
    >>> row = result.tidy().iloc[0]
    >>> row["term"], row["test"], float(row["df1"]), float(row["df2"])
    ('time x group', 'Pillai', 2.0, 27.0)
    """
    check_table(data, "data")
    check_outcomes(outcomes)
    arrays = build_arrays(data, outcomes, group, covariates, cluster)
    k, t = len(outcomes), arrays.n_times
    change = build_orthonormal_contrasts(t)
    mean = np.full((t, 1), 1 / np.sqrt(t))
    effects = ((INTERACTION, arrays.group, change), (GROUP, arrays.group, mean))
    rows = [
        row
        for term, L, M in (*effects, (TIME, arrays.time, change))
        for row in _test_effect(arrays, list(outcomes), term, L, M)
    ]
    notes = [AGENCY_NOTE + _say_robust(cluster), COMPLETE_NOTE]
    wanted = 2 * (k + 1) if cluster else 0
    if sum(row["test"] == ROBUST for row in rows) < wanted:
        notes.append(f"Some rows {ROBUST} are missing: too few agencies for the contrasts.")
    if k > 1:
        notes.append("The univariate tests are not adjusted for the number of outcomes.")
    return RepeatedMancovaResult(
        estimates=pd.DataFrame(rows),
        n_participants=len(arrays.Y),
        n_agencies=None if arrays.clusters is None else int(arrays.clusters.max()) + 1,
        method=f"Repeated-measures MANCOVA of {k} outcomes at {t} times, ignoring agencies",
        estimand=(
            f"Whether mean change over time in {', '.join(outcomes)} differs by {group}"
            f"{', given ' + ', '.join(covariates) if len(covariates) else ''}; population: "
            "participants with every value; no claim that the groups caused the difference."
        ),
        notes=(*notes, *arrays.notes),
        measures=tuple(outcomes),
        group=group,
    )


def _say_robust(cluster: str | None) -> str:
    if cluster is None:
        return "Name the column of the agencies in cluster= for tests that do not."
    return f"The rows {ROBUST} do not: read those, and the mixed models."


def _test_effect(
    arrays: MancovaArrays, measures: list[str], term: str, L: FloatArray, M: FloatArray
) -> list[dict[str, Any]]:
    k, t = len(measures), arrays.n_times
    every = np.asarray(np.kron(np.eye(k), M), dtype=np.float64)
    rows: list[dict[str, Any]] = [
        {"term": term, "measure": EVERY, **_as_row(test)}
        for test in compute_multivariate_tests(build_hypothesis(arrays.Y, arrays.X, L, every))
    ]
    rows += _test_robust(arrays, term, EVERY, L, every)
    for place, measure in enumerate(measures):
        own = np.zeros((k * t, M.shape[1]))
        own[place * t : (place + 1) * t] = M
        test = compute_univariate_test(build_hypothesis(arrays.Y, arrays.X, L, own))
        rows.append({"term": term, "measure": measure, **_as_row(test)})
        rows += _test_robust(arrays, term, measure, L, own)
    return rows


def _as_row(test: Any) -> dict[str, Any]:
    row = dict(test._asdict())
    return {"test": row.pop("name"), **row}


def _test_robust(
    arrays: MancovaArrays, term: str, measure: str, L: FloatArray, M: FloatArray
) -> list[dict[str, Any]]:
    """Return the CR2 test of ``L B M = 0``; nothing where it cannot be computed."""
    if arrays.clusters is None or term == TIME:
        return []
    Z = arrays.Y @ M
    r = Z.shape[1]
    names = [f"column {k}" for k in range(r * arrays.X.shape[1])]
    design, codes = (
        np.asarray(np.kron(np.eye(r), arrays.X), np.float64),
        np.tile(arrays.clusters, r),
    )
    contrasts = np.kron(np.eye(r), L)
    try:
        check_several_clusters(design, codes, contrasts, what=term)
        fit = fit_cluster_robust(
            Z.T.ravel(),
            design,
            codes,
            kind="CR2",
            column_names=names,
        )
        test = compute_joint_test(fit, contrasts)
    except ModelError:
        # Too few agencies for so many contrasts: the row is missing, the note says where.
        return []
    return [
        {
            "term": term,
            "measure": measure,
            "test": ROBUST,
            "value": np.nan,
            "statistic": test.statistic,
            "df1": test.df1,
            "df2": test.df2,
            "p_value": test.p_value,
            "partial_eta_squared": np.nan,
        }
    ]
