"""Cost and effect by mixed models: a second opinion on the resampled intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from cpi_analysis.economics.comparison import (
    GROUP_COLUMN,
    ComparisonSettings,
    Covariates,
    build_comparison,
)
from cpi_analysis.economics.wording import name_effect, phrase_interval, phrase_money
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.inference.kenward_roger import adjust_kenward_roger
from cpi_analysis.inference.mixed_model import fit_random_intercept
from cpi_analysis.results import Result, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IncrementalModelsResult(Result):
    """Differences in cost and effect from random-intercept models.

    Parameters
    ----------
    target, reference, effect_label
        What is compared, in words.
    """

    title: ClassVar[str] = "Cost and effect by mixed models"

    target: str
    reference: str
    effect_label: str

    def summary(self) -> str:
        """Return both differences with their intervals in words."""
        level = self.confidence_level or 0.95
        cost, effect = (self.estimates.iloc[row] for row in (0, 1))
        return (
            f"Mixed models, {self.target} minus {self.reference}: cost "
            f"{phrase_money(cost['estimate'])} "
            f"({phrase_interval(cost['conf_low'], cost['conf_high'], level, is_money=True)}), "
            f"{self.effect_label} {format_value(effect['estimate'])} "
            f"({phrase_interval(effect['conf_low'], effect['conf_high'], level, is_money=False)})."
        )

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.economics.figures import draw_estimates

        scaled = self.estimates[["estimate", "conf_low", "conf_high"]].div(
            self.estimates["std_error"], axis=0
        )
        draw_estimates(
            ax,
            ["Cost", self.effect_label],
            *(scaled[column].to_numpy() for column in ("estimate", "conf_low", "conf_high")),
        )
        ax.set_xlabel(f"{self.target} minus {self.reference}, in standard errors")


def fit_incremental_models(
    data: pd.DataFrame,
    *,
    cost: str,
    effect: str,
    arm: str,
    cluster: str,
    covariates: Covariates = (),
    confidence_level: float = 0.95,
    target: object = None,
    reference: object = None,
    effect_label: str | None = None,
) -> IncrementalModelsResult:
    """Fit a random-intercept model each to cost and effect, on the participants of both.

    Parameters
    ----------
    data, cost, effect, arm, cluster, covariates, target, reference, effect_label
        As in :func:`estimate_incremental`; ``cluster`` is required.
    confidence_level
        Level of the intervals.

    Returns
    -------
    IncrementalModelsResult
        Rows ``delta_cost`` and ``delta_effect`` with Kenward-Roger standard errors and degrees
        of freedom.

    Raises
    ------
    DataError, ModelError
        As in :func:`estimate_incremental` and the mixed-model core.

    Notes
    -----
    y_ij = β0 + β1 target_ij + x_ij'γ + u_i + e_ij by REML, for agency i and participant j. Costs
    are skewed: the model estimates their mean difference, and its interval relies on agencies
    being many enough for it to be nearly normal. The resampled interval relies on less.

    References
    ----------
    Kenward MG, Roger JH (1997). Biometrics 53:983-997.
    """
    check_confidence_level(confidence_level)
    comparison = build_comparison(
        data,
        cost=cost,
        effect=effect,
        arm=arm,
        cluster=cluster,
        covariates=covariates,
        settings=ComparisonSettings(target=target, reference=reference),
    )
    effect_label = effect_label or name_effect(effect)
    rows, notes = [], [*comparison.notes, *comparison.level_notes]
    for quantity, unit, values, design in (
        ("delta_cost", "GBP", comparison.cost, comparison.cost_design),
        ("delta_effect", effect_label, comparison.effect, comparison.effect_design),
    ):
        fit = fit_random_intercept(values, design, comparison.clusters)
        covariance, df = adjust_kenward_roger(fit)
        std_error = float(np.sqrt(covariance[GROUP_COLUMN, GROUP_COLUMN]))
        rows.append(
            _make_row(
                quantity,
                unit,
                float(fit.beta[GROUP_COLUMN]),
                std_error,
                float(df[GROUP_COLUMN]),
                confidence_level,
            )
        )
        if fit.is_singular:
            notes.append(
                f"{'Cost' if unit == 'GBP' else effect_label}: the variance between agencies was "
                "estimated as zero; the degrees of freedom keep its uncertainty."
            )
    return IncrementalModelsResult(
        estimates=pd.DataFrame(rows),
        n_participants=comparison.n_participants,
        n_agencies=comparison.n_clusters,
        method="random intercept for agencies by REML, one model each for cost and effect; "
        "Kenward-Roger standard errors and degrees of freedom",
        confidence_level=confidence_level,
        estimand=(
            f"difference in mean cost and mean {effect_label} per participant, "
            f"{comparison.target} minus {comparison.reference}, given the agency and at equal "
            "values of the covariates"
        ),
        notes=tuple(notes),
        target=comparison.target,
        reference=comparison.reference,
        effect_label=effect_label,
    )


def _make_row(
    quantity: str,
    unit: str,
    estimate: float,
    std_error: float,
    df: float,
    confidence_level: float,
) -> dict[str, object]:
    margin = float(stats.t.ppf((1 + confidence_level) / 2, df)) * std_error
    return {
        "quantity": quantity,
        "unit": unit,
        "estimate": estimate,
        "std_error": std_error,
        "df": df,
        "statistic": estimate / std_error,
        "p_value": 2 * float(stats.t.sf(abs(estimate / std_error), df)),
        "conf_low": estimate - margin,
        "conf_high": estimate + margin,
    }
