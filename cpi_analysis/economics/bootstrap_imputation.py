"""Imputation inside a bootstrap of agencies: the order of the two that is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.comparison import Covariates, arrange_covariates, split_covariates
from cpi_analysis.economics.contrast_groups import name_groups
from cpi_analysis.economics.estimation import Estimation
from cpi_analysis.economics.imputation import (
    ImputationSettings,
    build_members,
    build_predictors,
    check_imputation,
)
from cpi_analysis.economics.imputed_incremental import (
    DEFAULT_REPLICATES,
    ImputedAnalysis,
    check_report_settings,
    compare_data_set,
    report_pooled,
)
from cpi_analysis.economics.incremental_result import IncrementalResult
from cpi_analysis.economics.linear_outcomes import Outcome, check_outcome
from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.inference.imputation import ITERATIONS, ChainData, impute_outcomes
from cpi_analysis.inference.pooling import BootstrapPool, pool_bootstrap

FloatArray = NDArray[np.float64]

#: Replicates imputed side by side; fixed, so that the numbers do not depend on the machine.
_CHUNK = 100


def estimate_bootstrap_imputed(
    data: pd.DataFrame,
    *,
    columns: Sequence[str],
    cost: Outcome,
    effect: Outcome,
    arm: str,
    cluster: str,
    seed: int,
    predictors: Sequence[str] = (),
    covariates: Covariates = (),
    bootstrap_replicates: int = 200,
    n_imputations: int = 2,
    n_iterations: int = ITERATIONS,
    thresholds: Sequence[float] = (),
    headline_threshold: float | None = None,
    replicates: int = DEFAULT_REPLICATES,
    confidence_level: float = 0.95,
    target: object = None,
    reference: object = None,
    effect_label: str = "QALY",
) -> IncrementalResult:
    """Resample agencies, impute inside each replicate, and combine by von Hippel and Bartlett.

    The estimand is that of :func:`estimate_imputed_incremental`. Unlike Rubin's rules this does
    not need the imputation model to agree with the analysis.

    Parameters
    ----------
    data
        One row per participant, with its missing values.
    columns, predictors, n_iterations
        What is imputed, from what and how long: see :func:`build_imputations`.
    cost, effect
        A column, or weights of columns that are added up.
    arm, cluster, covariates, target, reference
        As in :func:`estimate_incremental`; covariates are columns with numbers or complete text.
    seed
        Seed of the random numbers.
    bootstrap_replicates, n_imputations
        Replicates of the trial, and imputations of each: 200 and 2 as recommended.
    thresholds, headline_threshold, confidence_level, effect_label
        As in :func:`estimate_incremental`.
    replicates
        Draws for probabilities.

    Returns
    -------
    IncrementalResult
        As from :func:`estimate_incremental`.

    Raises
    ------
    DataError, ModelError
        As :func:`build_imputations` and :func:`estimate_incremental`; CPI-M005 when there are
        too few replicates for a positive variance.

    Notes
    -----
    K − 1 of the K agencies of each group are drawn with replacement, which keeps the variance of
    few agencies right; a copy of an agency is an agency of its own in the imputation. Degrees of
    freedom are Satterthwaite's of von Hippel and Bartlett, but not above agencies minus two.

    References
    ----------
    von Hippel PT, Bartlett JW. Statistical Science 2021;36:400-420.
    Bartlett JW, Hughes RA. Statistical Methods in Medical Research 2020;29:3533-3546.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.economics import estimate_bootstrap_imputed
    >>> rng = np.random.default_rng(1)
    >>> people = pd.DataFrame({"arm": np.arange(80) % 10 % 2, "agency": np.arange(80) % 10})
    >>> people["cost"], people["qaly"] = rng.gamma(2, 500, 80), rng.normal(0.7, 0.1, 80)
    >>> people.loc[:5, "cost"] = np.nan
    >>> estimate_bootstrap_imputed(
    ...     people, columns=["cost", "qaly"], cost="cost", effect="qaly", arm="arm",
    ...     cluster="agency", seed=1, bootstrap_replicates=20, n_iterations=20,
    ... ).n_participants
    80
    """
    plan = ImputationSettings(tuple(columns), tuple(predictors), arm, cluster)
    check_imputation(data, plan, n_imputations=n_imputations, seed=seed, rounds=n_iterations)
    settings = check_report_settings(
        thresholds, headline_threshold, replicates, seed, confidence_level, effect_label
    )
    _check_bootstrap(bootstrap_replicates)
    analysis = ImputedAnalysis(
        cost=check_outcome(data, cost, argument="cost"),
        effect=check_outcome(data, effect, argument="effect"),
        arm=arm,
        cluster=cluster,
        covariates=arrange_covariates(covariates, "net_benefit_regression"),
        target=target,
        reference=reference,
    )
    names = tuple(dict.fromkeys(split_covariates(analysis.covariates)["cost"]))
    _check_complete(data, plan, analysis, names)
    # Only who is compared with whom is taken from this: its outcomes are filled with means.
    filled = data.fillna({name: data[name].mean() for name in columns})
    comparison = compare_data_set(filled, analysis)
    estimates = _replicate(
        data, plan, analysis, names, bootstrap_replicates, n_imputations, n_iterations, seed
    )
    pool = pool_bootstrap(estimates)
    return report_pooled(
        comparison,
        _estimation_of(pool, float(comparison.n_clusters - 2)),
        settings,
        method=f"{bootstrap_replicates} replicates of K − 1 agencies of each group, each imputed "
        f"{n_imputations} times; variance and degrees of freedom of von Hippel and Bartlett, the "
        "latter not above agencies minus two",
        among="all participants, when values are missing at random",
    )


def _check_bootstrap(replicates: object) -> None:
    if not isinstance(replicates, int) or isinstance(replicates, bool) or replicates < 20:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="bootstrap_replicates",
                rule="bootstrap_replicates is a whole number, 20 or more",
                cure="ask for 200",
                allowed="20 or more",
            )
        )


def _check_complete(
    data: pd.DataFrame, plan: ImputationSettings, analysis: ImputedAnalysis, names: Sequence[str]
) -> None:
    used = [*analysis.cost, *analysis.effect, *names]
    faults = [
        Fault(
            code="CPI-E014",
            table="data",
            column=name,
            rule="the column has missing values and is not among those that are imputed",
            cure="add it to columns=, or leave it out of the analysis",
        )
        for name in dict.fromkeys(used)
        if name not in plan.columns and data[name].isna().any()
    ]
    if faults:
        raise DataError(faults)


def _replicate(
    data: pd.DataFrame,
    plan: ImputationSettings,
    analysis: ImputedAnalysis,
    names: Sequence[str],
    n_replicates: int,
    n_imputations: int,
    n_iterations: int,
    seed: int,
) -> FloatArray:
    """Return the differences: replicates × imputations × (ΔC, ΔE)."""
    groups = name_groups(
        data[plan.arm], arm=plan.arm, target=analysis.target, reference=analysis.reference
    )
    sides = [
        _Side(data[data[plan.arm].isin(values)], plan, analysis, names)
        for values in (groups.targets, groups.references)
    ]
    parts = []
    for number, start in enumerate(range(0, n_replicates, _CHUNK)):
        size = min(_CHUNK, n_replicates - start)
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(12, number)))
        drawn = [side.draw(size, n_imputations, n_iterations, generator) for side in sides]
        parts.append(_compare(drawn[0], drawn[1]).reshape(size, n_imputations, 2))
    return np.concatenate(parts)


class _Side:
    """One group: its arrays, and replicates of its agencies with their values imputed."""

    def __init__(
        self,
        data: pd.DataFrame,
        plan: ImputationSettings,
        analysis: ImputedAnalysis,
        names: Sequence[str],
    ) -> None:
        self.columns = plan.columns
        self.outcomes = data[list(plan.columns)].to_numpy(dtype=np.float64, na_value=np.nan)
        self.design = build_predictors(data, plan.predictors)
        self.members = [np.flatnonzero(row) for row in build_members(data, plan.cluster)]
        self.known = {
            name: data[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in dict.fromkeys([*analysis.cost, *analysis.effect, *names])
            if name not in plan.columns
        }
        self.analysis, self.names = analysis, names
        if len(self.members) < 2:
            raise ModelError(
                Fault(
                    code="CPI-M001",
                    rule="a group has fewer than two agencies",
                    cure="agencies cannot be resampled; describe the costs without an interval",
                )
            )

    def draw(
        self, size: int, n_imputations: int, n_iterations: int, generator: np.random.Generator
    ) -> FloatArray:
        """Return chains × people × (used, cost, effect, covariates)."""
        n_slots = len(self.members) - 1
        chosen = generator.integers(0, len(self.members), size=(size, n_slots))
        people = [[self.members[agency] for agency in row] for row in chosen]
        width = max(sum(map(len, row)) for row in people)
        index = np.full((size, width), -1)
        slots = np.zeros((size, n_slots, width))
        for place, row in enumerate(people):
            index[place, : sum(map(len, row))] = np.concatenate(row)
            ends = np.cumsum([0, *map(len, row)])
            for slot in range(n_slots):
                slots[place, slot, ends[slot] : ends[slot + 1]] = 1.0
        index = np.repeat(index, n_imputations, axis=0)
        chain = ChainData(
            outcomes=self.outcomes[index],
            design=self.design[index],
            members=np.repeat(slots, n_imputations, axis=0),
        )
        completed, _ = impute_outcomes(chain, generator, n_iterations=n_iterations)
        return self._derive(completed, index)

    def _derive(self, completed: FloatArray, index: NDArray[np.intp]) -> FloatArray:
        def read(name: str) -> FloatArray:
            if name in self.columns:
                return np.asarray(completed[:, :, self.columns.index(name)])
            return self.known[name][index]

        def add(weights: dict[str, float]) -> FloatArray:
            return np.asarray(sum(weight * read(name) for name, weight in weights.items()))

        outcomes = [add(self.analysis.cost), add(self.analysis.effect)]
        parts = [np.ones(index.shape), *outcomes, *(read(name) for name in self.names)]
        return np.stack(parts, axis=2) * (index >= 0)[:, :, None]


def _compare(target: FloatArray, reference: FloatArray) -> FloatArray:
    """Return (ΔC, ΔE) of each chain by least squares."""
    rows = np.concatenate([target, reference], axis=1)
    group = np.concatenate([target[:, :, :1], np.zeros_like(reference[:, :, :1])], axis=1)
    covariates = rows[:, :, 3:]
    spread = np.abs(covariates).max(axis=(0, 1), keepdims=True)
    design = np.concatenate(
        [rows[:, :, :1], group, covariates / np.where(spread > 0, spread, 1.0)], axis=2
    )
    gram = design.transpose(0, 2, 1) @ design
    moment = design.transpose(0, 2, 1) @ rows[:, :, 1:3]
    return np.asarray(np.linalg.solve(gram, moment)[:, 1, :])


def _estimation_of(pool: BootstrapPool, most_df: float) -> Estimation:
    covariance = pool.covariance
    if np.linalg.eigvalsh(covariance)[0] <= 0:
        raise ModelError(
            Fault(
                code="CPI-M005",
                rule="imputations of one replicate differ more than replicates do, so that the "
                "variance is not positive",
                cure="ask for more bootstrap_replicates or n_imputations",
            )
        )

    def compute_df(loadings: FloatArray) -> FloatArray:
        return np.array([min(most_df, pool.combine(one)[2]) for one in loadings])

    return Estimation(
        point=pool.estimate,
        covariance=covariance,
        draws=np.empty((0, 2)),
        method="",
        compute_df=compute_df,
        notes=(
            "Draws for probabilities come from the bivariate normal distribution with the "
            "combined differences and covariance.",
        ),
    )
