"""How much a result hangs on one agency: leave-one-out, Cook's distance and DFBETA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.design import fault
from cpi_analysis.effectiveness.figures import BLUE, draw_intervals
from cpi_analysis.effectiveness.mixed_models import MixedModelResult
from cpi_analysis.effectiveness.refit import Refit, refit_without_each
from cpi_analysis.effectiveness.wording import format_interval
from cpi_analysis.inference.contrasts import ContrastTests, estimate_rows
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LeaveOneOutResult(Result):
    """One coefficient, with everybody and without each agency.

    Parameters
    ----------
    term
        The coefficient.
    group
        The column of which a level was left out.
    """

    title: ClassVar[str] = "Leave one agency out"

    term: str
    group: str

    def summary(self) -> str:
        """Return the range of the estimates, in one sentence."""
        rows = self.estimates.dropna(subset=["estimate"])
        full, others = rows.iloc[0].to_dict(), rows.iloc[1:].sort_values("estimate")
        said = [
            f"{format_interval(row['estimate'], row['conf_low'], row['conf_high'])[0]} "
            f"(without {row['level']})"
            for row in (others.iloc[0].to_dict(), others.iloc[-1].to_dict())
        ]
        estimate = format_interval(full["estimate"], full["conf_low"], full["conf_high"])[0]
        return (
            f"{self.term} is {estimate} with all; without one {self.group} it goes from {said[0]} "
            f"to {said[1]}."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates.dropna(subset=["estimate"])
        draw_intervals(
            ax,
            labels=[f"without {level}" for level in rows["level"]],
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"{self.term} ({self.confidence_level:.0%} CI)",
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InfluenceResult(Result):
    """Influence of each agency on all coefficients.

    Parameters
    ----------
    group
        The column of the agencies.
    dfbetas
        A row per agency and a column per coefficient: how far the coefficient moves without
        the agency, in its standard errors.
    cutoff
        Above this a Cook's distance is pointed out: 4 over the number of agencies.
    """

    title: ClassVar[str] = "Influence"

    group: str
    dfbetas: pd.DataFrame
    cutoff: float

    def summary(self) -> str:
        """Return which agencies are influential, in one sentence."""
        rows = self.estimates[self.estimates["cooks_distance"] > self.cutoff]
        if rows.empty:
            return f"No {self.group} has a Cook's distance above {self.cutoff:.2f}."
        names = ", ".join(
            f"{row['level']} ({row['cooks_distance']:.2f})" for row in rows.to_dict("records")
        )
        return f"Cook's distance is above {self.cutoff:.2f} for {self.group}: {names}."

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates
        places = np.arange(len(rows))[::-1]
        ax.barh(places, rows["cooks_distance"].fillna(0.0), color=BLUE, height=0.5)
        ax.axvline(self.cutoff, color="0.5", linestyle="--", linewidth=1.0)
        ax.set_yticks(places, list(rows["level"]))
        ax.set_xlabel("Cook's distance")


def estimate_leave_one_out(
    model: MixedModelResult, *, term: str | None = None
) -> LeaveOneOutResult:
    """Estimate one coefficient again without each agency.

    Estimand: that of the model, in the agencies that stay.

    Parameters
    ----------
    model
        From :func:`fit_mixed_model`, or the ``.model`` of another result.
    term
        The coefficient; None takes the first after the intercept.

    Returns
    -------
    LeaveOneOutResult
        ``level`` left out (first ``nobody``), how many rows it has, and the coefficient
        without it, with its own small-sample inference and interval.

    Raises
    ------
    ModelError
        CPI-M001 fewer than four agencies, M004 the model has no such term.

    Notes
    -----
    The variances are estimated anew each time. Where the rest cannot be fitted, as when the
    only agency of a sector is left out, the row is empty and the notes say why.

    References
    ----------
    Nieuwenhuis R, te Grotenhuis M, Pelzer B (2012). influence.ME: tools for detecting
    influential data in mixed effects models. The R Journal 4(2), 38-47.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpi_analysis.effectiveness import fit_mixed_model
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": [name for name in "ABCDEF" for _ in range(2)],
    ...         "arm": [1] * 6 + [0] * 6,
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 6.0, 6.5, 3.0, 4.0, 5.0, 5.5, 2.0, 3.0],
    ...     }
    ... )
    >>> model = fit_mixed_model(data, formula="outcome ~ arm", random={"agency_id": "1"})
    >>> estimate_leave_one_out(model, term="arm").tidy()["estimate"].round(3).tolist()
    [2.833, 3.375, 2.125, 3.0, 2.708, 3.583, 2.208]
    """
    names = [str(name) for name in model.basis.fixed.columns]
    chosen = _choose_term(names, term)
    level = float(model.confidence_level or 0.95)
    row = np.eye(len(names))[names.index(chosen)]
    refits = refit_without_each(model)
    rows = [_as_row(NOBODY, 0, estimate_rows(model.basis.contrasts, row, confidence_level=level))]
    for one in refits:
        tests = (
            None
            if one.contrasts is None
            else estimate_rows(one.contrasts, row, confidence_level=level)
        )
        rows.append(_as_row(one.level, one.n_rows, tests))
    table = pd.DataFrame(rows)
    return LeaveOneOutResult(
        estimates=table,
        n_participants=model.n_participants,
        n_agencies=model.n_agencies,
        method=f"{model.formula} without each {_name_group(model)}, {model.method}",
        confidence_level=level,
        notes=(*_note_turns(table, _name_group(model)), *_note_missing(refits)),
        term=chosen,
        group=_name_group(model),
    )


def compute_influence(model: MixedModelResult) -> InfluenceResult:
    """Compute how much each agency moves the coefficients.

    Parameters
    ----------
    model
        From :func:`fit_mixed_model`, or the ``.model`` of another result.

    Returns
    -------
    InfluenceResult
        For each agency its rows, Cook's distance, and the largest DFBETA with its term.

    Raises
    ------
    ModelError
        CPI-M001 fewer than four agencies.

    Notes
    -----
    With ``d`` the coefficients less those without the agency, ``D = d' V^-1 d / p`` and
    ``DFBETA_k = d_k / se_k``, with ``V`` and ``se`` of the model with everybody, without and
    with the small-sample correction.

    References
    ----------
    Demidenko E, Stukel TA (2005). Influence analysis for linear mixed-effects models.
    Statistics in Medicine 24, 893-909.
    """
    full, names = model.basis.contrasts, [str(name) for name in model.basis.fixed.columns]
    std_error = np.sqrt(np.diag(full.covariance))
    refits = refit_without_each(model)
    rows, moved = [], []
    for one in refits:
        row: dict[str, Any] = {"level": one.level, "n_rows": one.n_rows}
        d = np.full(len(names), np.nan)
        if one.contrasts is not None:
            d = full.beta - one.contrasts.beta
            largest = int(np.argmax(np.abs(d / std_error)))
            row |= {
                "cooks_distance": float(d @ np.linalg.solve(full.phi, d)) / len(names),
                "term": names[largest],
                "dfbeta": float(d[largest] / std_error[largest]),
            }
        rows.append(row)
        moved.append(d / std_error)
    columns = ["level", "n_rows", "cooks_distance", "term", "dfbeta"]
    return InfluenceResult(
        estimates=pd.DataFrame(rows, columns=columns),
        n_participants=model.n_participants,
        n_agencies=model.n_agencies,
        method=f"Refits of {model.formula} without each {_name_group(model)}, {model.method}",
        notes=_note_missing(refits),
        group=_name_group(model),
        dfbetas=pd.DataFrame(moved, index=[one.level for one in refits], columns=names),
        cutoff=4 / len(refits),
    )


def _name_group(model: MixedModelResult) -> str:
    return str(model.basis.groups.columns[0])


def _choose_term(names: list[str], term: str | None) -> str:
    others = [name for name in names if name != "Intercept"]
    chosen = (others or names)[0] if term is None else term
    if chosen not in names:
        raise fault(
            "CPI-M004", f"the model has no term {chosen}", "name one", allowed=", ".join(names)
        )
    return chosen


def _as_row(level: str, n_rows: int, tests: ContrastTests | None) -> dict[str, Any]:
    columns = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")
    numbers = {
        name: np.nan if tests is None else float(getattr(tests, name)[0]) for name in columns
    }
    return {"level": level, "n_rows": n_rows, **numbers}


def _note_turns(table: pd.DataFrame, group: str) -> tuple[str, ...]:
    """Return which agencies decide whether the interval leaves zero out."""
    known = table.dropna(subset=["estimate"])
    apart = (known["conf_low"] > 0) | (known["conf_high"] < 0)
    turned = known.loc[apart != apart.iloc[0], "level"]
    if turned.empty:
        return ()
    now = "includes" if apart.iloc[0] else "leaves out"
    return (f"Without {group} {', '.join(turned)} the interval {now} no difference.",)


def _note_missing(refits: list[Refit]) -> tuple[str, ...]:
    return tuple(
        f"Without {one.level} the model cannot be fitted: {one.reason}."
        for one in refits
        if one.contrasts is None
    )
