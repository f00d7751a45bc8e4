"""Adjusted means from a fitted mixed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pandas as pd

from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.mixed_models import MixedModelResult
from cpi_analysis.effectiveness.reference_grid import Grid, as_names, build_grid, label_levels
from cpi_analysis.effectiveness.wording import format_interval
from cpi_analysis.inference.contrasts import estimate_rows
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Weights = Literal["equal", "proportional"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MarginalMeansResult(Result):
    """Adjusted mean of the outcome for each combination of some columns.

    Parameters
    ----------
    by
        The columns.
    levels
        Their values, one row for each row of ``estimates``.
    coefficients
        Weights of the coefficients of the model in each mean.
    """

    title: ClassVar[str] = "Marginal means"

    by: tuple[str, ...]
    levels: pd.DataFrame
    coefficients: pd.DataFrame

    def summary(self) -> str:
        """Return the lowest and the highest mean, in one sentence."""
        table = self.estimates.sort_values("estimate")
        ends = [table.iloc[0].to_dict(), table.iloc[-1].to_dict()]
        low, high = (
            format_interval(row["estimate"], row["conf_low"], row["conf_high"])[0] for row in ends
        )
        return (
            f"The adjusted means by {', '.join(self.by)} go from {low} ({ends[0]['level']}) "
            f"to {high} ({ends[1]['level']})."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates
        draw_intervals(
            ax,
            labels=list(rows["level"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"Adjusted mean ({self.confidence_level:.0%} CI)",
            is_difference=False,
        )


def estimate_marginal_means(
    model: MixedModelResult,
    *,
    by: str | Sequence[str],
    at: Mapping[str, Sequence[Any]] | None = None,
    weights: Weights = "equal",
    confidence_level: float | None = None,
) -> MarginalMeansResult:
    """Estimate the adjusted means of a mixed model.

    Estimand: the mean of the outcome that the model expects of an average agency and person,
    for each combination of ``by``, when all other columns are the same.

    Parameters
    ----------
    model
        From :func:`fit_mixed_model`, or the ``.model`` of another result.
    by
        Columns of the formula whose combinations have a mean each.
    at
        Values at which columns are held. Without it numeric columns are held at their mean
        over the rows analysed; text, categories, truth values and numbers that are only two
        are groups, which are listed (in ``by``) or averaged over.
    weights
        Groups that are averaged over count the same (``"equal"``, as in a balanced trial), or
        as many as they are in the data (``"proportional"``).
    confidence_level
        Level of the intervals; None takes that of the model.

    Returns
    -------
    MarginalMeansResult
        ``level``, ``estimate``, ``std_error``, ``df``, ``conf_low``, ``conf_high`` and how
        many rows of the data have the combination.

    Raises
    ------
    DataError
        CPI-E024 the confidence level is not a share.
    ModelError
        CPI-M004 a column is not in the formula, or a numeric column of ``by`` has many values
        and no ``at``; M006 the formula is not finite there.

    Notes
    -----
    A mean is ``l'beta``, with the covariance and degrees of freedom (Kenward-Roger or
    Satterthwaite) of the model, for each ``l`` its own.

    References
    ----------
    Searle SR, Speed FM, Milliken GA (1980). Population marginal means in the linear model: an
    alternative to least squares means. The American Statistician 34, 216-221.

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
    >>> means = estimate_marginal_means(model, by="arm").tidy()
    >>> means["level"].tolist(), means["estimate"].round(3).tolist()
    (['cpi', 'usual'], [6.75, 4.375])
    """
    level = _choose_level(model, confidence_level)
    names = as_names(by)
    grid = build_grid(model.basis, names, at or {}, weights)
    tests = estimate_rows(model.basis.contrasts, grid.L, confidence_level=level)
    labels = label_levels(grid.levels)
    return MarginalMeansResult(
        estimates=pd.DataFrame(
            {
                "level": labels,
                "n_rows": grid.counts,
                "estimate": tests.estimate,
                "std_error": tests.std_error,
                "df": tests.df,
                "conf_low": tests.conf_low,
                "conf_high": tests.conf_high,
            }
        ),
        n_participants=model.n_participants,
        n_agencies=model.n_agencies,
        method=f"Means of {model.formula}, {model.method}",
        confidence_level=level,
        estimand=(
            f"Mean of {name_outcome(model)} by {', '.join(names)}"
            f"{f'; {grid.said}' if grid.said else ''}; in an average agency."
        ),
        notes=(*note_empty(grid, labels), *model.notes),
        by=names,
        levels=grid.levels,
        coefficients=pd.DataFrame(grid.L, index=labels, columns=model.basis.fixed.columns),
    )


def _choose_level(model: MixedModelResult, confidence_level: float | None) -> float:
    if confidence_level is None:
        return float(model.confidence_level or 0.95)
    check_confidence_level(confidence_level)
    return confidence_level


def name_outcome(model: MixedModelResult) -> str:
    """Return the left side of the formula."""
    return model.formula.partition("~")[0].strip()


def note_empty(grid: Grid, labels: Sequence[str]) -> tuple[str, ...]:
    """Return a note about combinations that nobody has."""
    empty = [label for label, count in zip(labels, grid.counts, strict=True) if not count]
    if not empty:
        return ()
    return (
        f"No row of the data has: {'; '.join(empty)}. There the mean is what the formula "
        "extends to, not what was seen.",
    )
