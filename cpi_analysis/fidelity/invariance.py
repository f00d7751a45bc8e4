"""Measurement invariance: whether a questionnaire measures the same in different people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy.stats import chi2

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.fidelity.confirmatory_data import choose_people, parse_model
from cpi_analysis.fidelity.factor_structure import Array
from cpi_analysis.fidelity.factor_tables import FactorModel
from cpi_analysis.fidelity.invariance_fit import (
    Difference,
    LevelFit,
    OrderedGroup,
    fit_continuous_levels,
    fit_ordinal_levels,
)
from cpi_analysis.fidelity.polychoric_matrix import (
    estimate_covariance,
    estimate_influence,
    estimate_matrix,
)
from cpi_analysis.fidelity.polychoric_pairs import is_at_limit
from cpi_analysis.fidelity.refusals import refuse_choice, refuse_items
from cpi_analysis.fidelity.sample_gate import describe_sample_gate
from cpi_analysis.fidelity.thresholds import CodedItems, encode_items
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ESTIMATORS = ("wlsmv", "ml", "mlr")
_METHODS = {
    "wlsmv": "diagonally weighted least squares; thresholds, loadings and intercepts equal step by "
    "step (Wu and Estabrook); differences by Satorra's test",
    "ml": "maximum likelihood; loadings, intercepts and residual variances equal step by step; "
    "likelihood-ratio tests",
    "mlr": "maximum likelihood with robust tests; loadings, intercepts and residual variances "
    "equal step by step; Satorra–Bentler differences",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InvarianceResult(Result):
    """Levels of measurement invariance, each tested against the one before.

    Parameters
    ----------
    groups
        Their names, in order; the first is the reference.
    n_targets, n_items
        People and items.
    smallest_group
        People in the smallest group.
    is_verdict_possible
        Whether the groups are large enough for a verdict.
    estimator
        Which one.
    """

    title: ClassVar[str] = "Measurement invariance"

    groups: tuple[str, ...]
    n_targets: int
    n_items: int
    smallest_group: int
    is_verdict_possible: bool
    estimator: str

    def summary(self) -> str:
        """Return the changes of the comparative fit index in one sentence."""
        changes = [
            f"{row.held_equal} {round_half_up(float(row.cfi_change), 3)}"  # type: ignore[arg-type]
            for row in self.estimates.iloc[1:].itertuples()
        ]
        end = "" if self.is_verdict_possible else "; the sample allows no verdict"
        return (
            f"Change of CFI as more is held equal in {len(self.groups)} groups: "
            f"{', '.join(changes)}{end}."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        place = np.arange(len(self.estimates))
        ax.plot(place, self.estimates["cfi"], "o-", color="#1f5a96")
        ax.set_xticks(place, list(self.estimates["held_equal"]))
        ax.set_xlabel("Held equal, each with those before")
        ax.set_ylabel("Comparative fit index")


def estimate_invariance(
    items: pd.DataFrame,
    *,
    model: Mapping[str, Sequence[str]],
    group: str,
    estimator: str = "wlsmv",
    residual_correlations: Sequence[tuple[str, str]] = (),
) -> InvarianceResult:
    """Estimate how much of a factor model is the same in groups of different people.

    Parameters
    ----------
    items
        One row per person: the items, numeric, and the column of the groups.
    model
        Factor → its items.
    group
        Column of the groups. They must be different people: sources that rate the same workers are
        not groups.
    estimator
        ``wlsmv`` for ordered items (equal in turn: thresholds, loadings, intercepts); ``ml`` or
        ``mlr`` for measured ones (loadings, intercepts, residual variances).
    residual_correlations
        Pairs of items whose residuals correlate.

    Returns
    -------
    InvarianceResult
        One row per level (``held_equal``): ``chi_square`` (scaled, for ``wlsmv`` and ``mlr``),
        ``chi_square_df``, ``p_value``, ``cfi``, ``tli``, ``rmsea``, ``srmr``, and against the
        level before: ``difference``, ``difference_df``, ``difference_p_value``, ``cfi_change``,
        ``rmsea_change``.

    Raises
    ------
    DataError
        CPI-E011, E014, E045 and as :func:`fit_confirmatory_model`.
    ModelError
        CPI-M001 for fewer than two groups, CPI-M008 when a group lacks a category of an item, an
        item has two categories, or a group cannot be analysed.

    Notes
    -----
    People with a missing answer are left out. Means of factors can be compared once ``scalar``
    (``intercepts``) holds. A fall of the CFI by more than 0.01 is by custom read as a loss of
    invariance (Cheung & Rensvold 2002); that custom comes from measured items and large samples.

    References
    ----------
    Wu H, Estabrook R. Psychometrika 2016;81:1014-1045.
    Satorra A, Bentler PM. Psychometrika 2001;66:507-514.
    Cheung GW, Rensvold RB. Struct Equ Modeling 2002;9:233-255.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_invariance
    >>> rng = np.random.default_rng(1)
    >>> answers = rng.normal(size=(400, 1)) + rng.normal(size=(400, 4))
    >>> items = pd.DataFrame(answers, columns=list("abcd")).assign(sector=[1, 2] * 200)
    >>> result = estimate_invariance(
    ...     items, model={"f": list("abcd")}, group="sector", estimator="ml"
    ... )
    >>> result.tidy()["held_equal"].tolist()
    ['configural', 'metric', 'scalar', 'strict']
    """
    if estimator not in _ESTIMATORS:
        raise refuse_choice("estimator", estimator, _ESTIMATORS)
    parsed = parse_model(items, model, residual_correlations=residual_correlations)
    table, is_kept = choose_people(items, parsed, missing="listwise")
    codes, names = _number_groups(items.loc[is_kept], group)
    sizes = np.bincount(codes)
    if sizes.min() <= len(parsed.items):
        raise refuse_items(
            f"the smallest group has {sizes.min()} people, not more than items",
            "join groups beforehand, with a reason, or do not compare them",
        )
    answers = table[is_kept]
    if estimator == "wlsmv":
        levels, differences = _fit_ordered(answers, codes, names, parsed)
    else:
        values = answers.to_numpy(dtype=np.float64)
        parts = [values[codes == one] for one in range(len(names))]
        levels, differences = fit_continuous_levels(parsed, parts, is_robust=estimator == "mlr")
    gate = describe_sample_gate(int(sizes.min()), n_items=len(parsed.items))
    return InvarianceResult(
        estimates=_tabulate(levels, differences),
        n_participants=None,
        n_agencies=None,
        method=_METHODS[estimator],
        estimand="loss of fit when parameters of the factor model are equal in all groups",
        notes=(
            *(f"In the smallest group: {note}" for note in gate.notes),
            *_describe_groups(items.loc[is_kept], codes),
            *_describe_left_out(len(items), int(is_kept.sum())),
        ),
        groups=names,
        n_targets=int(sizes.sum()),
        n_items=len(parsed.items),
        smallest_group=int(sizes.min()),
        is_verdict_possible=gate.is_open,
        estimator=estimator,
    )


def _number_groups(items: pd.DataFrame, group: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if group not in items.columns:
        raise DataError(
            Fault(
                code="CPI-E011",
                table="items",
                column=group,
                rule="the column of the groups is not in the table",
                cure="name the column that holds the groups",
            )
        )
    codes, names = pd.factorize(items[group], sort=True)
    if (codes < 0).any():
        raise DataError(
            Fault(
                code="CPI-E014",
                table="items",
                column=group,
                rule="a person has no group",
                cure="fill in the group, or leave these people out and say so",
            )
        )
    if len(names) < 2:
        raise ModelError(
            Fault(
                code="CPI-M001",
                rule="there is one group, and nothing to compare it with",
                cure="name a column with two groups or more",
            )
        )
    return codes, tuple(map(str, names))


def _fit_ordered(
    answers: pd.DataFrame, codes: np.ndarray, names: tuple[str, ...], model: FactorModel
) -> tuple[list[LevelFit], list[Difference]]:
    whole = encode_items(answers)
    few = [name for name, count in zip(whole.names, whole.n_categories, strict=True) if count < 3]
    if few:
        raise refuse_items(
            f"{', '.join(few)} has two categories: thresholds and scales of groups cannot be told "
            "apart",
            "leave the item out, or compare groups by differential item functioning",
        )
    groups = [
        _summarise_group(answers[codes == one], whole, model, name)
        for one, name in enumerate(names)
    ]
    threshold_item = np.repeat(np.arange(len(model.items)), whole.n_categories - 1)
    return fit_ordinal_levels(model, groups, threshold_item)


def _summarise_group(
    answers: pd.DataFrame, whole: CodedItems, model: FactorModel, name: str
) -> OrderedGroup:
    coded = encode_items(answers)
    lost = [
        item
        for item, mine, all_of in zip(
            model.items, coded.n_categories, whole.n_categories, strict=True
        )
        if mine < all_of
    ]
    if lost:
        raise refuse_items(
            f"in group {name} nobody chose a category of {', '.join(lost)}, so its thresholds "
            "cannot be compared",
            "join rare categories in all groups beforehand, with a reason, or leave the item out",
        )
    matrix = estimate_matrix(coded.codes, coded.n_categories)
    if is_at_limit(matrix.rho).any():
        raise refuse_items(
            f"in group {name} a polychoric correlation ran into 1 or -1",
            "leave out an item that repeats another, or join rare categories beforehand",
        )
    gamma: Array = estimate_covariance(coded, estimate_influence(matrix, coded.n_categories))
    item = np.repeat(np.arange(len(model.items)), coded.n_categories - 1)
    number = np.concatenate([np.arange(one - 1) for one in coded.n_categories])
    n = len(coded.codes)
    return OrderedGroup(n, matrix.tables.thresholds[item, number], matrix.rho, gamma * n)


def _tabulate(levels: list[LevelFit], differences: list[Difference]) -> pd.DataFrame:
    rows = []
    for place, one in enumerate(levels):
        chi, near = one.test.comparative, one.test.approximation
        change = differences[place - 1] if place else Difference(np.nan, 0)
        before = levels[place - 1].test if place else None
        rows.append(
            {
                "held_equal": one.level,
                "n_parameters": one.structure.table.n_free,
                "chi_square": chi.statistic,
                "chi_square_df": chi.df,
                "p_value": chi.p_value,
                "cfi": chi.cfi,
                "tli": chi.tli,
                "rmsea": near.rmsea,
                "srmr": one.srmr,
                "difference": change.statistic,
                "difference_df": change.df if place else np.nan,
                "difference_p_value": (
                    float(chi2.sf(change.statistic, change.df)) if place else np.nan
                ),
                "cfi_change": np.nan if before is None else chi.cfi - before.comparative.cfi,
                "rmsea_change": (
                    np.nan if before is None else near.rmsea - before.approximation.rmsea
                ),
            }
        )
    return pd.DataFrame(rows)


def _describe_groups(items: pd.DataFrame, codes: np.ndarray) -> tuple[str, ...]:
    """Warn when people seem to be in more than one group."""
    people = pd.Series(codes).groupby(np.asarray(items.index.astype(str))).nunique()
    if (people > 1).any():
        return (
            f"{int((people > 1).sum())} labels of the index are in more than one group: groups "
            "must be different people. Ratings of the same workers by several sources are compared "
            "within workers (agreement, triangulation), not by invariance.",
        )
    return ("Groups are taken as different people; sources that rate the same workers are not.",)


def _describe_left_out(n_all: int, n_kept: int) -> tuple[str, ...]:
    if n_all == n_kept:
        return ()
    return (f"{n_all - n_kept} of {n_all} people left out because an answer is missing.",)
