"""Tables and figures of coefficients whose exponential is a ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.effectiveness.cluster_robust import FEW_DF
from cpi_analysis.effectiveness.figures import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Reference = Literal["t", "z"]


def tabulate_coefficients(
    estimates: NDArray[np.float64],
    covariance: NDArray[np.float64],
    names: Sequence[str],
    df: NDArray[np.float64],
    level: float,
    *,
    without_ratio: Sequence[str] = (),
) -> pd.DataFrame:
    """Return coefficients against t (z where ``df`` is infinite), and their exponentials."""
    from scipy import stats

    std_error = np.sqrt(np.diag(covariance))
    statistic = estimates / std_error
    reach = stats.t.ppf((1 + level) / 2, df) * std_error
    has_ratio = ~np.isin(list(names), list(without_ratio))
    low, high = estimates - reach, estimates + reach

    def ratio(values: NDArray[np.float64]) -> NDArray[np.float64]:
        # A limit too large for a number is shown as infinite.
        with np.errstate(over="ignore"):
            return np.where(has_ratio, np.exp(values), np.nan)

    return pd.DataFrame(
        {
            "term": list(names),
            "estimate": estimates,
            "std_error": std_error,
            "df": df,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), df),
            "conf_low": low,
            "conf_high": high,
            "ratio": ratio(estimates),
            "ratio_low": ratio(low),
            "ratio_high": ratio(high),
        }
    )


def note_few_df(table: pd.DataFrame, n_agencies: int) -> list[str]:
    """Return a warning about coefficients with very few degrees of freedom, or nothing."""
    few = table.loc[table["df"] < FEW_DF, "term"]
    if few.empty:
        return []
    return [
        f"Fewer than {FEW_DF:g} degrees of freedom for {', '.join(few)}: {n_agencies} agencies are "
        "few for the columns that are constant within them."
    ]


def draw_ratios(ax: Axes, table: pd.DataFrame, title: str) -> None:
    """Draw one interval per ratio on a logarithmic axis, the first on top."""
    is_shown = table["ratio"].notna() & (table["term"] != "Intercept")
    rows = table[is_shown] if is_shown.any() else table
    columns = ("ratio", "ratio_low", "ratio_high")
    if not is_shown.any():
        columns = ("estimate", "conf_low", "conf_high")
    places = np.arange(len(rows))[::-1]
    middle, low, high = (rows[name].to_numpy(dtype=float) for name in columns)
    if is_shown.any():
        ax.set_xscale("log")
    ax.axvline(1.0 if is_shown.any() else 0.0, color="0.5", linewidth=1.0, linestyle="--", zorder=0)
    ax.hlines(places, low, high, color=BLUE, linewidth=2.0)
    ax.plot(middle, places, "s", color=BLUE, markersize=7.0)
    ax.set_yticks(places, list(rows["term"]))
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_xlabel(title)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
