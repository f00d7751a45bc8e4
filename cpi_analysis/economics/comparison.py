"""From a table of participants to the arrays that an incremental analysis works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_choice, check_columns
from cpi_analysis.economics.contrast_groups import name_groups
from cpi_analysis.economics.design import build_covariate_design, build_design, note_levels
from cpi_analysis.economics.outcome_checks import check_complete, check_numbers, check_outcomes_vary
from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.inference.balance import Target
from cpi_analysis.inference.input_checks import check_table

FloatArray = NDArray[np.float64]
Covariates = Sequence[str] | Mapping[str, Sequence[str]]

#: Column of the group in both designs.
GROUP_COLUMN = 1

_EQUATIONS = ("cost", "effect")


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Participants with complete data, as arrays.

    Parameters
    ----------
    target, reference
        Labels of the two groups; differences are target minus reference.
    is_target
        1.0 in the target group, 0.0 in the reference group.
    cost, effect
        Outcomes per participant.
    cost_design, effect_design
        Intercept, ``is_target``, covariates.
    clusters
        Agency of each participant, coded from 0; each participant their own when there are
        no agencies.
    units
        Name of each agency; label of the row of each participant when there are none.
    strata
        Stratum of each agency.
    is_nested
        Every agency has participants of one group only.
    is_clustered
        Agencies were given.
    notes
        Who was left out, and why.
    level_notes
        The level that the others of each covariate in text are compared with.
    propensity_design
        Intercept and covariates of the model of who is in the target group; None without one.
    weighted_to
        Whom the weighted groups stand for.
    is_change
        The outcomes are changes from baseline: a difference in differences.
    """

    target: str
    reference: str
    is_target: FloatArray
    cost: FloatArray
    effect: FloatArray
    cost_design: FloatArray
    effect_design: FloatArray
    clusters: NDArray[np.int64]
    units: tuple[object, ...]
    strata: NDArray[np.int64]
    is_nested: bool
    is_clustered: bool
    notes: tuple[str, ...]
    level_notes: tuple[str, ...] = ()
    propensity_design: FloatArray | None = None
    weighted_to: Target | None = None
    is_change: bool = False

    @property
    def equations(self) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """Design and outcome of the cost equation and of the effect equation."""
        return (self.cost_design, self.cost), (self.effect_design, self.effect)

    @property
    def n_mixed(self) -> int:
        """Number of agencies that have participants of both groups."""
        targets = np.bincount(self.clusters, weights=self.is_target)
        return int(((targets > 0) & (targets < np.bincount(self.clusters))).sum())

    @property
    def n_clusters(self) -> int:
        """Number of agencies, or of participants when there are no agencies."""
        return int(self.strata.size)

    @property
    def n_participants(self) -> int:
        """Number of participants with complete data."""
        return int(self.cost.size)


class ComparisonSettings(NamedTuple):
    """How groups that were not randomised are made comparable, and who is compared.

    Parameters
    ----------
    target, reference
        Values of the column of groups; a list makes one group of several.
    propensity_covariates, weighted_to
        Columns of the model of who is in the target group, and whom the weights stand for.
    change_from
        Baseline columns of cost and effect that are subtracted.
    """

    target: object = None
    reference: object = None
    propensity_covariates: Sequence[str] = ()
    weighted_to: Target | None = None
    change_from: Mapping[str, str] | None = None


def build_comparison(
    data: pd.DataFrame,
    *,
    cost: str,
    effect: str,
    arm: str,
    cluster: str | None,
    covariates: Covariates,
    settings: ComparisonSettings | None = None,
) -> Comparison:
    """Check the table, keep participants with complete data, and return arrays."""
    settings = settings or ComparisonSettings()
    if not isinstance(data, pd.DataFrame):
        check_table(data, "data")
    by_equation = split_covariates(covariates)
    baselines = check_settings(settings)
    keys = [arm, *([cluster] if cluster else [])]
    used = [cost, effect, *keys, *by_equation["cost"], *by_equation["effect"]]
    used = list(dict.fromkeys([*used, *settings.propensity_covariates, *baselines.values()]))
    check_columns(data, used, table="data")
    check_complete(data, keys)
    check_numbers(
        data,
        used,
        costs=[cost, *_find(baselines, "cost")],
        effects=[effect, *_find(baselines, "effect")],
    )
    groups = name_groups(data[arm], arm=arm, target=settings.target, reference=settings.reference)
    is_compared = data[arm].isin([*groups.targets, *groups.references])
    notes = _note_not_compared(~is_compared)
    data = data.loc[is_compared, used]
    complete = data.dropna()
    notes += _note_left_out(data, arm=arm)
    is_target = np.asarray(complete[arm].isin(groups.targets), dtype=np.float64)
    _check_groups(is_target, complete, cost=cost, effect=effect)
    labels = np.where(is_target == 1, groups.target, groups.reference)
    codes, units, strata, is_nested = _code_clusters(complete, is_target, labels, cluster)
    return Comparison(
        target=groups.target,
        reference=groups.reference,
        is_target=is_target,
        cost=_subtract(complete, cost, baselines.get("cost")),
        effect=_subtract(complete, effect, baselines.get("effect")),
        cost_design=build_design(complete, is_target, by_equation["cost"]),
        effect_design=build_design(complete, is_target, by_equation["effect"]),
        clusters=codes,
        units=units,
        strata=strata,
        is_nested=is_nested,
        is_clustered=cluster is not None,
        notes=notes,
        level_notes=note_levels(
            complete,
            [*by_equation["cost"], *by_equation["effect"], *settings.propensity_covariates],
        ),
        propensity_design=build_covariate_design(complete, settings.propensity_covariates)
        if settings.weighted_to
        else None,
        weighted_to=settings.weighted_to,
        is_change=bool(baselines),
    )


def check_settings(settings: ComparisonSettings) -> dict[str, str]:
    """Raise when the settings contradict each other; return the baseline of each outcome."""
    if settings.weighted_to is not None:
        check_choice(settings.weighted_to, argument="weighted_to", allowed=get_args(Target))
    covariates = settings.propensity_covariates
    if isinstance(covariates, str) or bool(covariates) != (settings.weighted_to is not None):
        raise DataError(
            Fault(
                code="CPI-E047",
                column="propensity_covariates, weighted_to",
                rule="weights need a list of covariates, and a choice of whom they stand for",
                cure='give both: propensity_covariates=["age_years"], weighted_to="overlap"',
                allowed=", ".join(get_args(Target)),
            )
        )
    baselines = dict(settings.change_from or {})
    if set(baselines) - set(_EQUATIONS):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="change_from",
                rule="a difference in differences names the baseline of cost, of effect, or both",
                cure='give {"cost": "baseline_cost", "effect": "baseline_utility"}',
                allowed="a mapping with the keys cost and effect",
            )
        )
    return baselines


def _find(baselines: Mapping[str, str], outcome: str) -> list[str]:
    return [baselines[outcome]] if outcome in baselines else []


def _subtract(data: pd.DataFrame, outcome: str, baseline: str | None) -> FloatArray:
    values = data[outcome].to_numpy(dtype=float)
    return values if baseline is None else values - data[baseline].to_numpy(dtype=float)


def split_covariates(covariates: Covariates) -> dict[str, tuple[str, ...]]:
    """Return the covariates of each equation."""
    if isinstance(covariates, str):
        raise DataError(_fault_covariates())
    if not isinstance(covariates, Mapping):
        return {equation: tuple(covariates) for equation in _EQUATIONS}
    if set(covariates) - set(_EQUATIONS) or any(isinstance(v, str) for v in covariates.values()):
        raise DataError(_fault_covariates())
    return {equation: tuple(covariates.get(equation, ())) for equation in _EQUATIONS}


def arrange_covariates(covariates: Covariates, method: str) -> Covariates:
    """Return the covariates; those of both equations in one list for net-benefit regression."""
    by_equation = split_covariates(covariates)
    if method != "net_benefit_regression":
        return by_equation
    return tuple(dict.fromkeys([*by_equation["cost"], *by_equation["effect"]]))


def _fault_covariates() -> Fault:
    return Fault(
        code="CPI-E045",
        column="covariates",
        rule="covariates are a list of columns for both equations, or one list for each",
        cure='give ["age_years"] or {"cost": ["baseline_cost"], "effect": ["baseline_effect"]}',
        allowed="list, or mapping with the keys cost and effect",
    )


def _note_not_compared(mask: pd.Series) -> tuple[str, ...]:
    count = int(mask.sum())
    if count == 0:
        return ()
    return (f"{count} participants belong to neither of the two groups and are not compared.",)


def _note_left_out(data: pd.DataFrame, *, arm: str) -> tuple[str, ...]:
    missing = data.isna()
    incomplete = missing.any(axis=1)
    if not incomplete.any():
        return ()
    groups = data.loc[incomplete, arm].astype(str).value_counts().sort_index()
    columns = missing.sum().loc[lambda count: count > 0]
    return (
        f"{int(incomplete.sum())} of {len(data)} participants were left out because a value is "
        "missing ("
        + "; ".join(f"{group}: {count}" for group, count in groups.items())
        + "). Missing values by column: "
        + "; ".join(f"{column} {count}" for column, count in columns.items())
        + ".",
    )


def _check_groups(is_target: FloatArray, data: pd.DataFrame, *, cost: str, effect: str) -> None:
    if is_target.size == 0 or is_target.min() == is_target.max():
        raise DataError(
            Fault(
                code="CPI-E038",
                table="data",
                rule="both groups must have participants with complete data",
                cure="see which columns are missing in one group; leave out covariates that "
                "were not recorded there",
            )
        )
    check_outcomes_vary(data, (cost, effect))


def _code_clusters(
    data: pd.DataFrame, is_target: FloatArray, labels: NDArray[np.str_], cluster: str | None
) -> tuple[NDArray[np.int64], tuple[object, ...], NDArray[np.int64], bool]:
    # Groups are numbered by their label, so that swapping target and reference draws the
    # same replicates and turns every sign exactly.
    _, group = np.unique(labels, return_inverse=True)
    group = group.astype(np.int64)
    if cluster is None:
        return np.arange(len(data), dtype=np.int64), tuple(data.index), group, True
    names, codes = np.unique(data[cluster].to_numpy(), return_inverse=True)
    has_target = np.bincount(codes, weights=is_target, minlength=names.size) > 0
    has_reference = np.bincount(codes, weights=1 - is_target, minlength=names.size) > 0
    _check_agencies(int(has_target.sum()), int(has_reference.sum()))
    is_nested = not (has_target & has_reference).any()
    strata = np.zeros(names.size, dtype=np.int64)
    if is_nested:
        strata[codes] = group
    return codes.astype(np.int64), tuple(names.tolist()), strata, is_nested


def _check_agencies(n_target: int, n_reference: int) -> None:
    if min(n_target, n_reference) < 2:
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule=f"the target group has {n_target} and the reference group {n_reference} "
                "agencies with complete data: each needs two or more",
                cure="one agency cannot show how agencies differ; compare groups with more "
                "agencies, or describe the costs without an interval",
            )
        )
