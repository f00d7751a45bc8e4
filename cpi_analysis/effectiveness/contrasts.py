"""Differences between adjusted means, and any other contrasts of a fitted mixed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.marginal_means import Weights, name_outcome, note_empty
from cpi_analysis.effectiveness.mixed_models import MixedModelResult
from cpi_analysis.effectiveness.reference_grid import as_names, build_grid, label_levels
from cpi_analysis.effectiveness.wording import format_p_value
from cpi_analysis.inference.contrasts import compute_joint_test, estimate_rows
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Adjustment = Literal["holm", "hochberg", "bonferroni", "none"]
Family = Literal["all", "stratum"]
UserContrasts = Mapping[str, Mapping[str, float]]

#: What statsmodels calls the adjustments.
ADJUSTMENTS = {"holm": "holm", "hochberg": "simes-hochberg", "bonferroni": "bonferroni"}
KINDS = ("pairwise", "reference")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ContrastResult(Result):
    """Contrasts with their tests, adjusted for their number, and a test of all at once.

    Parameters
    ----------
    joint
        ``stratum``, ``statistic``, ``df1``, ``df2`` and ``p_value`` of the test that all
        contrasts of a stratum are zero; the row ``all`` is the test of the whole table.
    coefficients
        Weights of the coefficients of the model in each contrast.
    """

    title: ClassVar[str] = "Contrasts"

    joint: pd.DataFrame
    coefficients: pd.DataFrame

    def summary(self) -> str:
        """Return how many intervals leave zero out, and the joint test, in one sentence."""
        rows, test = self.estimates, self.joint.iloc[-1].to_dict()
        apart = int(((rows["conf_low"] > 0) | (rows["conf_high"] < 0)).sum())
        return (
            f"{len(rows)} contrasts; {apart} with an interval that leaves out zero; all at once: "
            f"F({test['df1']:.0f}, {format_value(test['df2'], 'df')}) = "
            f"{format_value(test['statistic'])}, {format_p_value(test['p_value'])}."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates
        labels = rows["contrast"]
        if "stratum" in rows:
            labels = rows["stratum"] + ": " + labels
        draw_intervals(
            ax,
            labels=list(labels),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Difference ({self.confidence_level:.0%} CI)",
        )


class _Rows(NamedTuple):
    """Strata ("" for one), names and weights of the contrasts; what is said of the grid."""

    strata: list[str]
    names: list[str]
    L: NDArray[np.float64]
    said: str
    notes: tuple[str, ...]


def estimate_contrasts(
    model: MixedModelResult,
    *,
    by: str | Sequence[str] | None = None,
    contrasts: Literal["pairwise", "reference"] | UserContrasts = "pairwise",
    reference: str | None = None,
    within: str | Sequence[str] = (),
    at: Mapping[str, Sequence[Any]] | None = None,
    weights: Weights = "equal",
    adjust: Adjustment = "holm",
    family: Family = "all",
    confidence_level: float | None = None,
) -> ContrastResult:
    """Estimate contrasts of adjusted means, or of coefficients.

    Estimand: differences in the mean of the outcome between levels of ``by``, for people and
    agencies alike in all other columns.

    Parameters
    ----------
    model
        From :func:`fit_mixed_model`, or the ``.model`` of another result.
    by
        Columns whose levels are compared; None for contrasts of the coefficients themselves.
    contrasts
        ``"pairwise"``: every level minus every earlier one. ``"reference"``: every level minus
        ``reference``. Or a dict of contrasts, each a dict of weights: of levels as
        :func:`estimate_marginal_means` names them (``{"high vs rest": {"high": 1, "low": -0.5,
        "moderate": -0.5}}``), or, without ``by``, of terms of the model.
    reference
        The level that the others are compared with; None for the first.
    within
        Columns within whose combinations the levels are compared.
    at, weights
        See :func:`estimate_marginal_means`.
    adjust
        Adjustment of the p-values: ``"holm"``, ``"hochberg"``, ``"bonferroni"`` or ``"none"``.
    family
        The family of comparisons: ``"all"`` rows of this call, or each ``"stratum"`` of
        ``within`` for itself.
    confidence_level
        Level of the intervals, which are for each contrast alone; None takes the model's.

    Returns
    -------
    ContrastResult
        A row for each contrast, with its own degrees of freedom; ``.joint`` tests all at once.

    Raises
    ------
    DataError
        CPI-E024 the confidence level is not a share.
    ModelError
        CPI-M002 contrasts that compare nothing; M004 a column, level, term or choice that is
        not known; M006 the formula is not finite there.

    References
    ----------
    Holm S (1979). A simple sequentially rejective multiple test procedure. Scandinavian
    Journal of Statistics 6, 65-70. Kenward MG, Roger JH (1997), see
    :func:`cpi_analysis.inference.kenward_roger.adjust_kenward_roger`.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.effectiveness import fit_mixed_model
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": ["A", "A", "B", "B", "C", "C", "D", "D"],
    ...         "arm": ["cpi"] * 4 + ["usual"] * 4,
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 3.0, 4.0, 5.0, 5.5],
    ...     }
    ... )
    >>> model = fit_mixed_model(data, formula="outcome ~ arm", random={"agency_id": "1"})
    >>> result = estimate_contrasts(model, by="arm", contrasts="reference", reference="usual")
    >>> row = result.tidy().iloc[0]
    >>> row["contrast"], float(round(row["estimate"], 3)), float(round(row["df"], 3))
    ('cpi minus usual', 2.375, 2.0)
    """
    if confidence_level is not None:
        check_confidence_level(confidence_level)
    level = float((confidence_level or model.confidence_level) or 0.95)
    _check_choices(adjust, family)
    rows = (
        _combine_coefficients(model, contrasts)
        if by is None
        else _combine_means(
            model, as_names(by), contrasts, reference, as_names(within), at or {}, weights
        )
    )
    if not np.abs(rows.L).max(axis=1).all():
        raise fault("CPI-M002", "a contrast compares nothing", "leave it out")
    tests = estimate_rows(model.basis.contrasts, rows.L, confidence_level=level)
    table = pd.DataFrame({"stratum": rows.strata, "contrast": rows.names, **tests._asdict()})
    place = list(table.columns).index("p_value") + 1
    table.insert(place, "p_value_adjusted", _adjust(table, adjust, family))
    joint = _test_jointly(model, rows)
    if not any(rows.strata):
        table = table.drop(columns="stratum")
    return ContrastResult(
        estimates=table,
        n_participants=model.n_participants,
        n_agencies=model.n_agencies,
        method=(
            f"Contrasts of {model.formula}, {model.method}; {_say_family(table, adjust, family)}"
        ),
        confidence_level=level,
        estimand=(
            f"Differences in mean {name_outcome(model)}{f'; {rows.said}' if rows.said else ''}; "
            "in an average agency."
        ),
        notes=(*rows.notes, *model.notes),
        joint=joint,
        coefficients=pd.DataFrame(rows.L, index=rows.names, columns=model.basis.fixed.columns),
    )


def _check_choices(adjust: str, family: str) -> None:
    if adjust not in (*ADJUSTMENTS, "none"):
        raise fault(
            "CPI-M004",
            "the adjustment is not known",
            "choose one",
            allowed=", ".join([*ADJUSTMENTS, "none"]),
        )
    if family not in ("all", "stratum"):
        raise fault("CPI-M004", "the family is not known", "choose one", allowed="all, stratum")


def _combine_coefficients(model: MixedModelResult, contrasts: str | UserContrasts) -> _Rows:
    names = [str(name) for name in model.basis.fixed.columns]
    if isinstance(contrasts, str):
        raise fault(
            "CPI-M004",
            "without by there are no levels to compare",
            "give by=, or a dict of contrasts of the terms",
            allowed=", ".join(names),
        )
    L = _read_weights(contrasts, names, "term")
    return _Rows([""] * len(L), [str(name) for name in contrasts], L, "", ())


def _read_weights(contrasts: UserContrasts, names: Sequence[str], what: str) -> NDArray[np.float64]:
    given = [name for weights in contrasts.values() for name in weights]
    unknown = list(dict.fromkeys(str(name) for name in given if str(name) not in names))
    if unknown or not given:
        raise fault(
            "CPI-M004",
            f"the contrasts name no {what}, or one that is not known: {', '.join(unknown)}",
            f"give each {what} a weight: {{'name': {{'{what}': 1.0}}}}",
            allowed="; ".join(names),
        )
    L = np.zeros((len(contrasts), len(names)))
    for row, weights in enumerate(contrasts.values()):
        for name, weight in weights.items():
            L[row, list(names).index(str(name))] = float(weight)
    if not np.isfinite(L).all():
        raise fault("CPI-M006", "a weight of a contrast is not finite", "give numbers")
    return L


def _combine_means(
    model: MixedModelResult,
    by: tuple[str, ...],
    contrasts: str | UserContrasts,
    reference: str | None,
    within: tuple[str, ...],
    at: Mapping[str, Sequence[Any]],
    weights: str,
) -> _Rows:
    grid = build_grid(model.basis, (*within, *by), at, weights)
    labels = label_levels(grid.levels[list(by)])
    strata = label_levels(grid.levels[list(within)]) if within else [""] * len(labels)
    levels = list(dict.fromkeys(labels))
    M, names = _compare_levels(levels, contrasts, reference)
    parts = [
        M @ grid.L[[place for place, label in enumerate(strata) if label == stratum]]
        for stratum in dict.fromkeys(strata)
    ]
    return _Rows(
        [stratum for stratum in dict.fromkeys(strata) for _ in names],
        names * len(parts),
        np.vstack(parts),
        grid.said,
        note_empty(grid, _join(strata, labels)),
    )


def _join(strata: Sequence[str], labels: Sequence[str]) -> list[str]:
    return [", ".join(filter(None, pair)) for pair in zip(strata, labels, strict=True)]


def _compare_levels(
    levels: Sequence[str], contrasts: str | UserContrasts, reference: str | None
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the weights of the levels in each contrast, and their names."""
    if isinstance(contrasts, Mapping):
        return _read_weights(contrasts, levels, "level"), [str(name) for name in contrasts]
    if contrasts not in KINDS:
        raise fault(
            "CPI-M004",
            "the kind of contrast is not known",
            "choose one, or give a dict of weights",
            allowed=", ".join(KINDS),
        )
    if len(levels) < 2:
        raise fault("CPI-M004", "there is one level: nothing to compare", "name other columns")
    first = levels[0] if reference is None else str(reference)
    if first not in levels:
        raise fault(
            "CPI-M004", "the reference is not a level", "choose one", allowed="; ".join(levels)
        )
    base = levels.index(first)
    pairs = (
        [(b, a) for a in range(len(levels)) for b in range(a + 1, len(levels))]
        if contrasts == "pairwise"
        else [(b, base) for b in range(len(levels)) if b != base]
    )
    eye = np.eye(len(levels))
    M = np.array([eye[b] - eye[a] for b, a in pairs])
    return M, [f"{levels[b]} minus {levels[a]}" for b, a in pairs]


def _adjust(table: pd.DataFrame, adjust: str, family: str) -> NDArray[np.float64]:
    from statsmodels.stats.multitest import multipletests

    p_values = table["p_value"].to_numpy(dtype=np.float64)
    if adjust == "none":
        return p_values
    adjusted = np.empty(len(table))
    families = table["stratum"] if family == "stratum" else pd.Series("", index=table.index)
    for name in families.unique():
        part = (families == name).to_numpy()
        adjusted[part] = multipletests(p_values[part], method=ADJUSTMENTS[adjust])[1]
    return adjusted


def _test_jointly(model: MixedModelResult, rows: _Rows) -> pd.DataFrame:
    strata = [name for name in dict.fromkeys(rows.strata) if name]
    sets = [(name, [k for k, label in enumerate(rows.strata) if label == name]) for name in strata]
    sets.append(("all", list(range(len(rows.strata)))))
    tests = [compute_joint_test(model.basis.contrasts, rows.L[places]) for _, places in sets]
    table = pd.DataFrame(tests)
    table.insert(0, "stratum", [name for name, _ in sets])
    return table


def _say_family(table: pd.DataFrame, adjust: str, family: str) -> str:
    if adjust == "none":
        return "p-values are not adjusted for their number"
    whose = "each stratum" if family == "stratum" else f"these {len(table)} contrasts"
    return f"p-values adjusted by {adjust.capitalize()} over {whose}; intervals are not"
