"""From a table of participants to the arrays that an incremental analysis works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.economics.checks import check_columns
from cpi_analysis.economics.outcome_checks import check_complete, check_numbers, check_outcomes_vary
from cpi_analysis.economics.wording import phrase_list
from cpi_analysis.errors import DataError, Fault, ModelError

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
    """

    target: str
    reference: str
    is_target: FloatArray
    cost: FloatArray
    effect: FloatArray
    cost_design: FloatArray
    effect_design: FloatArray
    clusters: NDArray[np.int64]
    strata: NDArray[np.int64]
    is_nested: bool
    is_clustered: bool
    notes: tuple[str, ...]
    level_notes: tuple[str, ...] = ()

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


def build_comparison(
    data: pd.DataFrame,
    *,
    cost: str,
    effect: str,
    arm: str,
    cluster: str | None,
    covariates: Covariates,
    target: object = None,
    reference: object = None,
) -> Comparison:
    """Check the table, keep participants with complete data, and return arrays."""
    by_equation = split_covariates(covariates)
    used = [cost, effect, arm, *([cluster] if cluster else [])]
    used += [name for names in by_equation.values() for name in names]
    used = list(dict.fromkeys(used))
    check_columns(data, used, table="data")
    check_complete(data, [arm, *([cluster] if cluster else [])])
    check_numbers(data, used, cost=cost, effect=effect)
    target, reference = _name_groups(data[arm], arm=arm, target=target, reference=reference)
    is_compared = data[arm].isin([target, reference])
    notes = _note_not_compared(~is_compared)
    data = data.loc[is_compared, used]
    complete = data.dropna()
    notes += _note_left_out(data, arm=arm)
    is_target = np.asarray(complete[arm] == target, dtype=np.float64)
    _check_groups(is_target, complete, cost=cost, effect=effect)
    codes, strata, is_nested = _code_clusters(complete, is_target, arm=arm, cluster=cluster)
    return Comparison(
        target=_label(target, arm),
        reference=_label(reference, arm),
        is_target=is_target,
        cost=complete[cost].to_numpy(dtype=float),
        effect=complete[effect].to_numpy(dtype=float),
        cost_design=_build_design(complete, is_target, by_equation["cost"]),
        effect_design=_build_design(complete, is_target, by_equation["effect"]),
        clusters=codes,
        strata=strata,
        is_nested=is_nested,
        is_clustered=cluster is not None,
        notes=notes,
        level_notes=_note_levels(complete, [*by_equation["cost"], *by_equation["effect"]]),
    )


def split_covariates(covariates: Covariates) -> dict[str, tuple[str, ...]]:
    """Return the covariates of each equation."""
    if isinstance(covariates, str):
        raise DataError(_fault_covariates())
    if not isinstance(covariates, Mapping):
        return {equation: tuple(covariates) for equation in _EQUATIONS}
    if set(covariates) - set(_EQUATIONS) or any(isinstance(v, str) for v in covariates.values()):
        raise DataError(_fault_covariates())
    return {equation: tuple(covariates.get(equation, ())) for equation in _EQUATIONS}


def _fault_covariates() -> Fault:
    return Fault(
        code="CPI-E045",
        column="covariates",
        rule="covariates are a list of columns for both equations, or one list for each",
        cure='give ["age_years"] or {"cost": ["baseline_cost"], "effect": ["baseline_effect"]}',
        allowed="list, or mapping with the keys cost and effect",
    )


def _name_groups(
    values: pd.Series, *, arm: str, target: object, reference: object
) -> tuple[object, object]:
    found = list(values.unique())
    if target is not None and reference is not None:
        absent = [group for group in (target, reference) if group not in found]
        if target == reference or absent:
            raise DataError(_fault_groups(arm, "E045" if target == reference else "E038"))
        return target, reference
    if target is None and reference is None and {0, 1} == set(found):
        return (True, False) if values.dtype == bool else (1, 0)
    code = "E038" if len(found) < 2 else "E047"
    raise DataError(_fault_groups(arm, code))


def _label(group: object, arm: str) -> str:
    return group if isinstance(group, str) else f"{arm} {group}"


def _fault_groups(arm: str, code: str) -> Fault:
    return Fault(
        code=f"CPI-{code}",
        table="data",
        column=arm,
        rule="two groups are compared, target minus reference, and both must have participants",
        cure="name them with target= and reference=, or give a column of 1 (target) and 0 "
        "(reference): which is which is never guessed",
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


def _note_levels(data: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        f"{name}: the other levels are compared with {data[name].astype(str).min()!r}, the first "
        "in the alphabet."
        for name in dict.fromkeys(names)
        if not pd.api.types.is_numeric_dtype(data[name])
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
    data: pd.DataFrame, is_target: FloatArray, *, arm: str, cluster: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], bool]:
    # Groups are numbered by their label, so that swapping target and reference draws the
    # same replicates and turns every sign exactly.
    _, group = np.unique(data[arm].astype(str).to_numpy(dtype=object), return_inverse=True)
    if cluster is None:
        return np.arange(len(data), dtype=np.int64), group.astype(np.int64), True
    names, codes = np.unique(data[cluster].to_numpy(), return_inverse=True)
    has_target = np.bincount(codes, weights=is_target, minlength=names.size) > 0
    has_reference = np.bincount(codes, weights=1 - is_target, minlength=names.size) > 0
    _check_agencies(int(has_target.sum()), int(has_reference.sum()))
    is_nested = not (has_target & has_reference).any()
    strata = np.zeros(names.size, dtype=np.int64)
    if is_nested:
        strata[codes] = group
    return codes.astype(np.int64), strata, is_nested


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


def _build_design(
    data: pd.DataFrame, is_target: FloatArray, covariates: Sequence[str]
) -> FloatArray:
    columns = [np.ones(len(data)), is_target]
    names = ["intercept", "group"]
    for covariate in covariates:
        columns += _encode(data[covariate])
        # Levels are values of participants: an error names the covariate only.
        names.append(covariate)
    design = np.column_stack(columns)
    _check_rank(design, names)
    return design


def _encode(values: pd.Series) -> list[FloatArray]:
    if not pd.api.types.is_numeric_dtype(values):
        dummies = pd.get_dummies(values.astype(str), drop_first=True, dtype=float)
        return list(dummies.to_numpy().T)
    numbers = values.to_numpy(dtype=float)
    # The coefficient of the group does not change; cross-products keep their precision.
    spread = numbers.std()
    return [(numbers - numbers.mean()) / (spread if spread > 0 else 1.0)]


def _check_rank(design: FloatArray, names: Sequence[str]) -> None:
    if design.shape[0] <= design.shape[1]:
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule=f"{design.shape[0]} participants cannot carry {design.shape[1]} coefficients",
                cure="leave out covariates",
            )
        )
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ModelError(
            Fault(
                code="CPI-M002",
                rule=f"the columns {phrase_list(names)} are collinear, or one of them is constant",
                cure="leave out covariates that repeat the group or each other",
            )
        )
