"""Is the difference another in some subgroups: the interaction first, then the subgroups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.analysis_set import AnalysisSet, list_adjustments
from cpi_analysis.effectiveness.contrasts import estimate_contrasts
from cpi_analysis.effectiveness.design import fault, quote
from cpi_analysis.effectiveness.estimands import say_groups, state_estimand
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.mixed_models import (
    DegreesOfFreedom,
    MixedModelResult,
    fit_mixed_model,
)
from cpi_analysis.effectiveness.outcome_model import EXPOSURE
from cpi_analysis.effectiveness.reference_grid import is_factor, list_levels
from cpi_analysis.effectiveness.wording import format_interval, format_p_value
from cpi_analysis.inference.kenward_roger import Information
from cpi_analysis.io.variables import name_column
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INTERACTION, EFFECT = "interaction", "difference"
#: With fewer agencies than this in a group of a subgroup, its difference rests on the model.
FEW_AGENCIES = 3
SUBGROUP_NOTE = (
    "Read the subgroups with the test of the interaction: an interval that leaves out zero in "
    "one subgroup and not in another does not show that the difference differs between them. "
    "A trial of this size sees only large interactions."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ModeratorResult(Result):
    """Test of an interaction, and the difference within each subgroup.

    Parameters
    ----------
    moderator
        Column that forms the subgroups.
    model
        The fitted model, with every coefficient.
    """

    title: ClassVar[str] = "Moderator"

    moderator: str
    label: str
    model: MixedModelResult

    def summary(self) -> str:
        """Return the test of the interaction and the range of differences, in one sentence."""
        test = self.estimates.iloc[0].to_dict()
        rows = self.estimates.iloc[1:].sort_values("estimate")
        low, high = rows.iloc[0].to_dict(), rows.iloc[-1].to_dict()
        ends = [
            f"{format_interval(row['estimate'], row['conf_low'], row['conf_high'])[0]} "
            f"({row['level']})"
            for row in (low, high)
        ]
        return (
            f"{self.label}: the difference goes from {ends[0]} to {ends[1]} by {self.moderator}; "
            f"interaction F({test['df1']:.0f}, {format_value(test['df2'], 'df')}) = "
            f"{format_value(test['statistic'])}, {format_p_value(test['p_value'])}."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates.iloc[1:]
        draw_intervals(
            ax,
            labels=list(rows["level"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Difference by {self.moderator} ({self.confidence_level:.0%} CI)",
        )


def fit_moderator_model(
    analysis_set: AnalysisSet,
    *,
    moderator: str,
    df: DegreesOfFreedom = "kenward_roger",
    information: Information = "expected",
    confidence_level: float | None = None,
) -> ModeratorResult:
    """Estimate whether the difference between the groups depends on a characteristic.

    Estimand: the difference in mean outcome between the groups (target minus reference) for
    participants of each subgroup, and how these differences differ.

    Parameters
    ----------
    analysis_set
        From :func:`build_analysis_set`, with the moderator among its covariates.
    moderator
        A covariate known before the intervention, such as ``client_group`` or ``sector``. A
        number with more than two values is taken as linear; the difference is then shown at
        its mean and one standard deviation below and above.
    df, information
        See :func:`fit_mixed_model`.
    confidence_level
        Level of the intervals; None takes the protocol's.

    Returns
    -------
    ModeratorResult
        First the F test of the interaction, then a row for each subgroup: how many people of
        each group it has, in how many agencies, and the difference within it.

    Raises
    ------
    ModelError
        CPI-M001 a subgroup has people of one group only; M002 to M007 see
        :func:`fit_mixed_model`; M004 the moderator is not a covariate of the set.

    Notes
    -----
    ``outcome = a + d exposure + m moderator + i exposure x moderator + b baseline + ... +
    u[agency] + e``. The differences within subgroups come from this one model, so that they
    share its variances, and have the Kenward-Roger df of their own contrast.

    References
    ----------
    Assmann SF, Pocock SJ, Enos LE, Kasten LE (2000). Subgroup analysis and other (mis)uses of
    baseline data in clinical trials. The Lancet 355, 1064-1069.
    """
    level = analysis_set.confidence_level if confidence_level is None else confidence_level
    column = _find_moderator(analysis_set, moderator)
    places = _list_places(analysis_set.data, column)
    others = [name for name in list_adjustments(analysis_set) if name != column]
    formula = " + ".join([f"outcome ~ {EXPOSURE} * {quote(column)}", *map(quote, others)])
    fitted = fit_mixed_model(
        analysis_set.data,
        formula=formula,
        random={"agency_id": "1"},
        df=df,
        information=information,
        confidence_level=level,
    )
    label = f"{analysis_set.label} at {analysis_set.months:g} months"
    return ModeratorResult(
        estimates=pd.concat(
            [
                _test_interaction(fitted),
                _estimate_within(fitted, analysis_set.data, column, places),
            ],
            ignore_index=True,
        ),
        n_participants=fitted.n_participants,
        n_agencies=fitted.n_agencies,
        method=f"Interaction in a linear mixed model with an intercept per agency, {fitted.method}",
        confidence_level=level,
        estimand=state_estimand(
            analysis_set,
            summary=(
                f"Difference in mean {label} {say_groups(analysis_set.contrast)}, "
                f"at each value of {moderator}"
            ),
            without=(column,),
        ),
        notes=(
            SUBGROUP_NOTE,
            *_note_few(analysis_set.data, column, places),
            *analysis_set.notes,
            *fitted.notes,
        ),
        moderator=moderator,
        label=label,
        model=fitted,
    )


def _find_moderator(analysis_set: AnalysisSet, moderator: str) -> str:
    column = name_column(moderator)
    if column not in analysis_set.covariates:
        raise fault(
            "CPI-M004",
            f"the moderator {moderator} is not a covariate of the analysis set",
            "name it in covariates of build_analysis_set",
            allowed=", ".join(analysis_set.covariates) or "none",
        )
    return column


def _list_places(data: pd.DataFrame, column: str) -> list[tuple[str, Any]]:
    """Return labels and values at which the difference is shown."""
    values = data[column]
    if not is_factor(values):
        mean, spread = float(values.mean()), float(values.std(ddof=1))
        return [
            (f"{mean + shift * spread:.4g} ({said})", mean + shift * spread)
            for shift, said in ((-1, "1 SD below the mean"), (0, "mean"), (1, "1 SD above"))
        ]
    levels = list_levels(values)
    groups = data.groupby(column, observed=True)[EXPOSURE].nunique()
    lonely = [str(level) for level in levels if groups.get(level, 0) < 2]
    if lonely:
        raise fault(
            "CPI-M001",
            f"only one group of the comparison has anybody with: {', '.join(lonely)}",
            "merge such values with others before the analysis, or leave the moderator out",
            column=column,
        )
    return [(f"{level:g}" if isinstance(level, float) else str(level), level) for level in levels]


def _tabulate(
    fitted: MixedModelResult, data: pd.DataFrame, column: str, places: list[tuple[str, Any]]
) -> pd.DataFrame:
    """Return the test of the interaction, then the difference at each place."""
    within = _estimate_within(fitted, data, column, places)
    table = pd.concat([_test_interaction(fitted), within], ignore_index=True)
    return table[[*within.columns, "df1", "df2"]]


def _test_interaction(fitted: MixedModelResult) -> pd.DataFrame:
    terms = [
        str(name) for name in fitted.basis.fixed.columns if str(name).startswith(f"{EXPOSURE}:")
    ]
    result = estimate_contrasts(fitted, contrasts={term: {term: 1.0} for term in terms})
    joint = result.joint.iloc[-1].to_dict()
    row: dict[str, Any] = {
        "quantity": INTERACTION,
        "level": "all",
        "estimate": np.nan,
        "std_error": np.nan,
        "df": np.nan,
        "conf_low": np.nan,
        "conf_high": np.nan,
    }
    if len(terms) == 1:
        only = result.estimates.iloc[0]
        row |= {name: only[name] for name in ("estimate", "std_error", "df")}
        row |= {name: only[name] for name in ("conf_low", "conf_high")}
    row |= {name: joint[name] for name in ("statistic", "p_value", "df1", "df2")}
    return pd.DataFrame([row])


def _estimate_within(
    fitted: MixedModelResult, data: pd.DataFrame, column: str, places: list[tuple[str, Any]]
) -> pd.DataFrame:
    result = estimate_contrasts(
        fitted,
        by=EXPOSURE,
        within=column,
        at={column: [value for _, value in places]},
        adjust="none",
    )
    table = result.estimates.drop(columns=["stratum", "contrast", "p_value_adjusted"])
    table.insert(0, "quantity", EFFECT)
    table.insert(1, "level", [label for label, _ in places])
    if is_factor(data[column]):
        parts = [data[data[column] == value] for _, value in places]
        table.insert(2, "n_target", [int(part[EXPOSURE].sum()) for part in parts])
        table.insert(3, "n_reference", [int((1 - part[EXPOSURE]).sum()) for part in parts])
        table.insert(4, "n_agencies", [part["agency_id"].nunique() for part in parts])
    return table


def _note_few(data: pd.DataFrame, column: str, places: list[tuple[str, Any]]) -> tuple[str, ...]:
    if not is_factor(data[column]):
        return ()
    few = [
        label
        for label, value in places
        if data[data[column] == value].groupby(EXPOSURE)["agency_id"].nunique().min() < FEW_AGENCIES
    ]
    if not few:
        return ()
    return (
        f"Fewer than {FEW_AGENCIES} agencies in a group for: {', '.join(few)}. There the "
        "difference rests on the model more than on agencies compared.",
    )
