"""One difference by several methods: what a reader should see beside every primary result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.agency_means import estimate_agency_means
from cpi_analysis.effectiveness.cluster_robust import estimate_cluster_robust
from cpi_analysis.effectiveness.figures import draw_intervals
from cpi_analysis.effectiveness.mixed_models import fit_mixed_model
from cpi_analysis.effectiveness.parametric_bootstrap import estimate_parametric_bootstrap
from cpi_analysis.effectiveness.wild_bootstrap import estimate_wild_bootstrap
from cpi_analysis.errors import ModelError
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: An estimate that is further than this many standard errors from the first is pointed out.
FAR_APART = 0.5
_COLUMNS = ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CrossCheckResult(Result):
    """One difference by several methods, the primary one first.

    Parameters
    ----------
    term
        The coefficient.
    disagreements
        How the methods differ, in words; empty when they agree.
    """

    title: ClassVar[str] = "Cross-checks"

    term: str
    disagreements: tuple[str, ...]

    def summary(self) -> str:
        """Return whether the methods agree, in one sentence."""
        n = len(self.estimates)
        if not self.disagreements:
            return f"The {n} methods agree about {self.term}."
        return f"The {n} methods do not agree about {self.term}: {'; '.join(self.disagreements)}."

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[np.isfinite(self.estimates["conf_low"] + self.estimates["conf_high"])]
        draw_intervals(
            ax,
            labels=list(rows["analysis"]),
            estimates=rows["estimate"].to_numpy(),
            low=rows["conf_low"].to_numpy(),
            high=rows["conf_high"].to_numpy(),
            title=f"{self.term} ({self.confidence_level:.0%} CI)",
        )


def build_cross_checks(
    data: pd.DataFrame,
    *,
    formula: str,
    term: str,
    cluster: str,
    replicates: int | None = None,
    seed: int | None = None,
    confidence_level: float = 0.95,
) -> CrossCheckResult:
    """Estimate one difference by every method that is fit for few agencies.

    Estimand: the difference that ``term`` stands for. The mixed model and least squares weigh
    participants, the comparison of agencies weighs agencies equally: they differ when effects
    go with the size of an agency.

    Parameters
    ----------
    data
        One row per participant.
    formula
        Outcome and columns, as in ``"outcome ~ exposure_target + baseline"``.
    term
        The coefficient, as the table of coefficients names it.
    cluster
        Column of the agencies.
    replicates, seed
        Of the parametric bootstrap, which is left out without them; 5,000 are plenty. Needed,
        too, with more than 16 agencies (wild bootstrap), or more than 100,000 labellings.
    confidence_level
        Level of the intervals.

    Returns
    -------
    CrossCheckResult
        A row for the mixed model with Kenward-Roger and with Satterthwaite df, its likelihood
        ratio against a parametric bootstrap, CR2, CR3, the wild bootstrap, the t test of agency
        means and the exchange of labels. A method that the data do not allow is left out, and
        ``notes`` say why.

    Raises
    ------
    DataError, ModelError
        When the mixed model itself, the primary analysis, cannot be fitted.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {
    ...         "agency_id": [name for name in "ABCDEF" for _ in range(2)],
    ...         "arm": [1] * 6 + [0] * 6,
    ...         "outcome": [5.0, 6.0, 7.0, 9.0, 6.0, 6.5, 3.0, 4.0, 5.0, 5.5, 2.0, 3.0],
    ...     }
    ... )
    >>> result = build_cross_checks(
    ...     data, formula="outcome ~ arm", term="arm", cluster="agency_id", replicates=500, seed=1
    ... )
    >>> len(result.tidy())
    8
    """
    shared: dict[str, Any] = {"formula": formula, "confidence_level": confidence_level}
    drawn: dict[str, Any] = {"term": term, "replicates": replicates, "seed": seed}
    random = {cluster: "1"}
    mixed = fit_mixed_model(data, random=random, **shared)
    rows = [_pick(mixed.estimates, term, "mixed model, Kenward–Roger")]
    notes = list(mixed.notes)
    steps: dict[str, Callable[[], Result]] = {
        "mixed model, Satterthwaite": lambda: fit_mixed_model(
            data, random=random, df="satterthwaite", **shared
        ),
        "mixed model, parametric bootstrap": lambda: estimate_parametric_bootstrap(
            data, random=random, **shared, **drawn
        ),
        "least squares, CR2": lambda: estimate_cluster_robust(data, cluster=cluster, **shared),
        "least squares, CR3": lambda: estimate_cluster_robust(
            data, cluster=cluster, kind="CR3", **shared
        ),
        "wild cluster bootstrap": lambda: estimate_wild_bootstrap(
            data, cluster=cluster, **shared, **drawn
        ),
        "agency means": lambda: estimate_agency_means(data, cluster=cluster, **shared, **drawn),
    }
    if seed is None or replicates is None:
        left_out = "mixed model, parametric bootstrap"
        del steps[left_out]
        notes.append(f"Not done: {left_out} (it needs replicates and a seed).")
    for name, step in steps.items():
        try:
            result = step()
        except ModelError as error:
            notes.append(f"Not done: {name} ({error.faults[0].rule}).")
            continue
        found = _rows_of(result, term, name)
        if pd.isna([row["p_value"] for row in found]).all():
            notes.append(f"Not done: {name} (one agency alone decides {term}).")
            continue
        rows += found
    table = pd.DataFrame(rows)
    return CrossCheckResult(
        estimates=table,
        n_participants=mixed.n_participants,
        n_agencies=mixed.n_agencies,
        method="the same model by several methods",
        seed=seed,
        confidence_level=confidence_level,
        notes=tuple(dict.fromkeys(notes)),
        term=term,
        disagreements=find_disagreements(table),
    )


def _rows_of(result: Result, term: str, name: str) -> list[dict[str, Any]]:
    table = result.estimates
    if "term" in table:
        return [_pick(table, term, name)]
    return [
        {"analysis": str(row["analysis"])} | {column: row[column] for column in _COLUMNS}
        for row in table.to_dict("records")
    ]


def _pick(table: pd.DataFrame, term: str, name: str) -> dict[str, Any]:
    found = table[table["term"] == term]
    if found.empty:
        from cpi_analysis.effectiveness.design import fault

        allowed = ", ".join(map(str, table["term"]))
        raise fault("CPI-M004", f"the model has no term {term}", "name one", allowed=allowed)
    row: Mapping[Any, Any] = found.iloc[0].to_dict()
    return {"analysis": name} | {column: row.get(column, np.nan) for column in _COLUMNS}


def find_disagreements(table: pd.DataFrame) -> tuple[str, ...]:
    """Return how rows differ from the first: whether zero is included, and how far apart."""
    first = table.iloc[0]
    words = []
    excludes = (table["conf_low"] > 0) | (table["conf_high"] < 0)
    odd = table.loc[excludes != excludes.iloc[0], "analysis"]
    if len(odd):
        mine = "excludes" if excludes.iloc[0] else "includes"
        others = "includes" if excludes.iloc[0] else "excludes"
        words.append(
            f"the interval of the {first['analysis']} {mine} no difference, that of "
            f"{', '.join(odd)} {others} it"
        )
    distance = (table["estimate"] - first["estimate"]).abs() / first["std_error"]
    far = table.loc[distance > FAR_APART, "analysis"]
    if len(far):
        words.append(
            f"the estimate of {', '.join(far)} is more than {FAR_APART:g} standard errors from "
            f"that of the {first['analysis']}"
        )
    return tuple(words)
