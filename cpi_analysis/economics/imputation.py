"""Imputed data sets of a trial: values that are missing at random, drawn by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import IMPUTATION, check_columns, find_rows
from cpi_analysis.economics.outcome_checks import check_complete
from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.inference.imputation import (
    ITERATIONS,
    ChainData,
    compute_mixing,
    impute_outcomes,
)
from cpi_analysis.inference.input_checks import check_table, is_whole
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What is added to the name of a column to say whether its values were imputed.
IS_IMPUTED = "_is_imputed"
#: Chains that differ more than this have not mixed: the usual convention.
LARGEST_R_HAT = 1.1

FloatArray = NDArray[np.float64]


class ImputationSettings(NamedTuple):
    """What is imputed from what, in which groups."""

    columns: tuple[str, ...]
    predictors: tuple[str, ...]
    arm: str
    cluster: str | None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ImputationResult(Result):
    """Imputed data sets, and how what was imputed compares with what was observed.

    Parameters
    ----------
    imputed
        Every imputed data set below the one before: all columns of the data, ``imputation``
        (from 1) and, for each imputed column, whether its value was imputed.
    columns
        Columns that were imputed.
    n_imputations
        Number of data sets.
    """

    title: ClassVar[str] = "Imputed data sets"

    imputed: pd.DataFrame
    columns: tuple[str, ...]
    n_imputations: int

    def summary(self) -> str:
        """Return how much was imputed, in one sentence."""
        missing = int(self.estimates["n_missing"].sum())
        total = missing + int(self.estimates["n_observed"].sum())
        share = round_half_up(100 * missing / total, 1)
        return (
            f"{missing} of {total} values ({share}%) were imputed in {self.n_imputations} data "
            "sets."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates.iloc[::-1].reset_index(drop=True)
        scale = rows["std_dev"].replace(0, np.nan)
        moved = (rows["mean_imputed"] - rows["mean"]) / scale
        ax.axvline(0, color="0.6", linewidth=1)
        ax.scatter(moved, rows.index, s=12 + 6 * np.sqrt(rows["n_missing"]), color="C0")
        ax.set_yticks(rows.index, rows["measure"] + ", " + rows["group"])
        ax.set_xlabel("mean of imputed minus mean of observed values, in standard deviations")


def build_imputations(
    data: pd.DataFrame,
    *,
    columns: Sequence[str],
    arm: str,
    cluster: str | None,
    n_imputations: int,
    seed: int,
    predictors: Sequence[str] = (),
    n_iterations: int = ITERATIONS,
) -> ImputationResult:
    """Draw the missing values of several columns together, within each group of the trial.

    Parameters
    ----------
    data
        One row per participant.
    columns
        Numeric columns to impute: costs and utilities at each interview, before they are added
        up, and whatever else predicts them or their being missing.
    arm
        Column of the group: each group has a model of its own.
    cluster
        Column of the agency; None when people were not recruited through agencies.
    n_imputations
        Number of data sets; 20 or more for a report.
    seed
        Seed of the random numbers.
    predictors
        Complete columns that predict the others; text becomes indicators.
    n_iterations
        Rounds of the sampler.

    Returns
    -------
    ImputationResult
        Rows per column and group: ``measure``, ``group``, ``n_observed``, ``n_missing``,
        ``mean`` and ``std_dev`` of the observed values, ``mean_imputed``, ``r_hat`` (near 1 when
        the chains have mixed).

    Raises
    ------
    DataError
        CPI-E006, E011 for columns, E014 for an empty group, agency or predictor, E020 for text,
        E024, E021, E047 for settings.
    ModelError
        CPI-M001 when a group has too few observed values, M003 when they do not vary.

    Notes
    -----
    The values are drawn from a multivariate normal model with effects of agencies, under the
    assumption that they are missing at random given everything in the model. Imputed costs may
    be negative and imputed utilities above 1: cutting them off would bias the means, which are
    what the evaluation compares.

    References
    ----------
    Schafer JL, Yucel RM. Journal of Computational and Graphical Statistics 2002;11:437-457.
    Gomes M, et al. Medical Decision Making 2013;33:1051-1063.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.economics import build_imputations
    >>> rng = np.random.default_rng(1)
    >>> people = pd.DataFrame({"arm": [0, 1] * 30, "agency": np.arange(60) % 12})
    >>> people["cost"] = rng.gamma(2, 500, 60)
    >>> people.loc[:5, "cost"] = np.nan
    >>> drawn = build_imputations(
    ...     people, columns=["cost"], arm="arm", cluster="agency", n_imputations=2, seed=1
    ... )
    >>> len(drawn.imputed)
    120
    """
    settings = ImputationSettings(tuple(columns), tuple(predictors), arm, cluster)
    check_imputation(data, settings, n_imputations=n_imputations, seed=seed, rounds=n_iterations)
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(11,)))
    values = np.repeat(_read(data, settings.columns)[None], n_imputations, axis=0)
    mixing = {}
    for group, rows in data.groupby(arm, sort=True).indices.items():
        part = build_chain_data(data.iloc[rows], settings, n_chains=n_imputations)
        values[:, rows], trace = impute_outcomes(part, generator, n_iterations=n_iterations)
        mixing[group] = compute_mixing(trace)
    imputed = _stack(data, settings.columns, values)
    estimates = _tabulate(data, settings, imputed, mixing)
    return ImputationResult(
        estimates=estimates,
        n_participants=len(data),
        n_agencies=None if cluster is None else int(data[cluster].nunique()),
        method=f"{n_imputations} draws from a multivariate normal model of {len(columns)} columns "
        f"in each group{'' if cluster is None else ', with effects of agencies'}, after "
        f"{n_iterations} rounds",
        seed=seed,
        notes=_collect_notes(imputed, estimates, settings),
        imputed=imputed,
        columns=settings.columns,
        n_imputations=n_imputations,
    )


def check_imputation(
    data: pd.DataFrame,
    settings: ImputationSettings,
    *,
    n_imputations: object,
    seed: object,
    rounds: object,
) -> None:
    """Raise unless the columns can be imputed with these settings."""
    check_table(data, "data")
    keys = [settings.arm, *([settings.cluster] if settings.cluster else [])]
    check_columns(data, [*settings.columns, *settings.predictors, *keys], table="data")
    check_complete(data, [*keys, *settings.predictors])
    faults = [
        *_find_setting_faults(settings, n_imputations, seed, rounds),
        *_find_column_faults(data, settings),
    ]
    if faults:
        raise DataError(faults)
    _check_observed(data, settings)


def build_chain_data(
    data: pd.DataFrame, settings: ImputationSettings, *, n_chains: int
) -> ChainData:
    """Return one group as chains that are alike."""
    outcomes = _read(data, settings.columns)
    design = build_predictors(data, settings.predictors)
    members = build_members(data, settings.cluster)
    return ChainData(
        outcomes=np.repeat(outcomes[None], n_chains, axis=0),
        design=np.repeat(design[None], n_chains, axis=0),
        members=np.repeat(members[None], n_chains, axis=0),
        has_agency_effects=settings.cluster is not None,
    )


def build_predictors(data: pd.DataFrame, predictors: Sequence[str]) -> FloatArray:
    """Return an intercept and standardised predictors, without what the others already say."""
    columns = [np.ones(len(data))]
    for name in predictors:
        values = data[name]
        if pd.api.types.is_numeric_dtype(values):
            blocks = [values.to_numpy(dtype=float)]
        else:
            blocks = list(pd.get_dummies(values.astype(str), dtype=float).to_numpy().T)
        for block in blocks:
            spread = block.std()
            if spread > 0:
                columns.append((block - block.mean()) / spread)
    kept = columns[:1]
    for column in columns[1:]:
        if np.linalg.matrix_rank(np.column_stack([*kept, column])) > len(kept):
            kept.append(column)
    return np.column_stack(kept)


def build_members(data: pd.DataFrame, cluster: str | None) -> FloatArray:
    """Return agencies × people: 1 where the person belongs to the agency."""
    if cluster is None:
        return np.ones((1, len(data)))
    codes, names = pd.factorize(data[cluster], sort=True)
    return np.asarray(np.arange(len(names))[:, None] == codes[None, :], dtype=np.float64)


def _read(data: pd.DataFrame, columns: Sequence[str]) -> FloatArray:
    return data[list(columns)].to_numpy(dtype=np.float64, na_value=np.nan)


def _find_setting_faults(
    settings: ImputationSettings, n_imputations: object, seed: object, rounds: object
) -> list[Fault]:
    faults = []
    for name, value, least in (("n_imputations", n_imputations, 2), ("n_iterations", rounds, 20)):
        if not is_whole(value) or int(value) < least:  # type: ignore[call-overload]
            faults.append(
                Fault(
                    code="CPI-E024",
                    column=name,
                    rule=f"{name} is a whole number, {least} or more",
                    cure=f"give {name}= a whole number",
                    allowed=f"{least} or more",
                )
            )
    if not is_whole(seed) or int(seed) < 0:  # type: ignore[call-overload]
        faults.append(
            Fault(
                code="CPI-E047",
                column="seed",
                rule="random numbers need a seed: a whole number, 0 or more",
                cure="give seed=, and keep it with the results",
            )
        )
    if not settings.columns:
        faults.append(
            Fault(
                code="CPI-E047",
                column="columns",
                rule="no column to impute was named",
                cure="name the costs and utilities of every interview",
            )
        )
    return faults


def _find_column_faults(data: pd.DataFrame, settings: ImputationSettings) -> list[Fault]:
    faults = []
    for name in settings.columns:
        if not pd.api.types.is_numeric_dtype(data[name]):
            faults.append(
                Fault(
                    code="CPI-E020",
                    table="data",
                    column=name,
                    rule="only numbers are imputed",
                    cure="give a numeric column, or use it as a predictor when it is complete",
                )
            )
            continue
        is_infinite = np.isinf(data[name].to_numpy(dtype=float, na_value=np.nan))
        if is_infinite.any():
            faults.append(
                Fault(
                    code="CPI-E024",
                    table="data",
                    column=name,
                    rows=find_rows(is_infinite),
                    rule="values must be finite",
                    cure="correct the cells, or leave them empty when they are missing",
                )
            )
    return faults


def _check_observed(data: pd.DataFrame, settings: ImputationSettings) -> None:
    faults = []
    needed = len(settings.columns) + len(settings.predictors) + 2
    for group, part in data.groupby(settings.arm, sort=True):
        for name in settings.columns:
            known = part[name].dropna()
            if len(known) < needed:
                faults.append(
                    Fault(
                        code="CPI-M001",
                        column=name,
                        rule=f"group {group} has {len(known)} observed values, which is too few "
                        f"for a model of {needed - 2} columns",
                        cure="impute fewer columns together, or leave out predictors",
                    )
                )
            elif known.nunique() == 1:
                faults.append(
                    Fault(
                        code="CPI-M003",
                        column=name,
                        rule=f"every observed value in group {group} is the same",
                        cure="leave the column out: there is nothing to draw from",
                    )
                )
    if faults:
        raise ModelError(faults)


def _stack(data: pd.DataFrame, columns: tuple[str, ...], values: FloatArray) -> pd.DataFrame:
    m = len(values)
    stacked = pd.concat([data] * m, ignore_index=True)
    stacked[IMPUTATION] = np.repeat(np.arange(1, m + 1), len(data))
    for place, name in enumerate(columns):
        stacked[name + IS_IMPUTED] = np.tile(data[name].isna().to_numpy(), m)
        stacked[name] = values[:, :, place].ravel()
    return stacked


def _tabulate(
    data: pd.DataFrame,
    settings: ImputationSettings,
    imputed: pd.DataFrame,
    mixing: dict[object, FloatArray],
) -> pd.DataFrame:
    rows = []
    for place, name in enumerate(settings.columns):
        for group, part in data.groupby(settings.arm, sort=True):
            drawn = imputed[(imputed[settings.arm] == group) & imputed[name + IS_IMPUTED]]
            rows.append(
                {
                    "measure": name,
                    "group": str(group),
                    "n_observed": int(part[name].notna().sum()),
                    "n_missing": int(part[name].isna().sum()),
                    "mean": part[name].mean(),
                    "std_dev": part[name].std(ddof=1),
                    "mean_imputed": drawn[name].mean(),
                    "r_hat": mixing[group][place],
                }
            )
    return pd.DataFrame(rows)


def _collect_notes(
    imputed: pd.DataFrame, estimates: pd.DataFrame, settings: ImputationSettings
) -> tuple[str, ...]:
    notes = ["Missing at random given the columns of the model is assumed, and cannot be tested."]
    stuck = estimates.loc[estimates["r_hat"] > LARGEST_R_HAT, "measure"].unique()
    if len(stuck):
        notes.append(
            f"The chains have not mixed for {', '.join(stuck)}: ask for more rounds "
            "(n_iterations), or impute fewer columns together."
        )
    below = [
        name
        for name in settings.columns
        if imputed[name].min() < 0 <= imputed.loc[~imputed[name + IS_IMPUTED], name].min()
    ]
    if below:
        notes.append(
            f"Some imputed values of {', '.join(below)} are negative although no observed one is: "
            "they keep the means right and are not to be read one by one."
        )
    return tuple(notes)
