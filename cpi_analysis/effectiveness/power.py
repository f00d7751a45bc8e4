"""Size and power of the tests, by simulating trials with few agencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.effectiveness.figures import BLUE
from cpi_analysis.errors import DataError, Fault
from cpi_analysis.inference.group_sums import fail
from cpi_analysis.inference.input_checks import check_resampling, check_table
from cpi_analysis.inference.parametric_bootstrap import MOST_FAILED
from cpi_analysis.inference.simulate_trials import Rejections, Scenario, count_rejections
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PRIMARY = "mixed model, Kenward–Roger"
#: Level of the intervals for the Monte Carlo error.
MONTE_CARLO_LEVEL = 0.95
#: Columns of a scenario: those without a default must be given.
REQUIRED = (
    "agencies_target",
    "agencies_reference",
    "people_per_agency",
    "icc",
    "standardised_effect",
)
DEFAULTS = {"size_cv": 0.0, "retention": 1.0, "baseline_correlation": 0.0}
#: Least and largest value of each column.
LIMITS = {
    "agencies_target": (2, 500),
    "agencies_reference": (2, 500),
    "people_per_agency": (2, 10_000),
    "icc": (0.0, 0.99),
    "standardised_effect": (-10.0, 10.0),
    "size_cv": (0.0, 3.0),
    "retention": (0.05, 1.0),
    "baseline_correlation": (-0.99, 0.99),
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PowerResult(Result):
    """How often tests reject no difference, in simulated trials.

    Parameters
    ----------
    significance_level
        Level of the tests.
    replicates
        Trials of each scenario.
    """

    title: ClassVar[str] = "Size and power"

    significance_level: float
    replicates: int

    def summary(self) -> str:
        """Return the range of the primary test, in one sentence."""
        rows = self.estimates[self.estimates["analysis"] == PRIMARY]
        is_null = rows["standardised_effect"] == 0
        null, other = rows[is_null], rows[~is_null]
        parts = [
            f"{word} {_say_range(part['estimate'])}"
            for word, part in (("size", null), ("power", other))
            if len(part)
        ]
        return (
            f"{PRIMARY} at {self.significance_level:g}: {' and '.join(parts)} in "
            f"{self.replicates:,} simulated trials of each scenario."
        )

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[self.estimates["analysis"] == PRIMARY]
        places = np.arange(len(rows))[::-1]
        share = rows["estimate"].to_numpy()
        ax.hlines(places, rows["conf_low"], rows["conf_high"], color=BLUE, linewidth=2.0)
        ax.plot(share, places, "s", color=BLUE)
        ax.axvline(self.significance_level, color="0.5", linestyle="--", linewidth=1.0)
        ax.set_yticks(places, [_name_scenario(row) for row in rows.to_dict("records")])
        ax.set_xlim(0, max(1.05 * float(rows["conf_high"].max()), 2 * self.significance_level))
        ax.set_xlabel(f"share of trials with p ≤ {self.significance_level:g} ({PRIMARY})")
        ax.spines[["top", "right", "left"]].set_visible(False)


def simulate_power(
    scenarios: pd.DataFrame,
    *,
    replicates: int,
    seed: int,
    significance_level: float = 0.05,
) -> PowerResult:
    """Simulate trials, and count how often each test finds a difference.

    Parameters
    ----------
    scenarios
        One row per trial to be simulated. Columns: ``agencies_target``,
        ``agencies_reference``; ``people_per_agency`` recruited (mean) and ``size_cv``, the
        standard deviation of that number over its mean (0 when absent); ``icc`` given the
        baseline; ``retention``, the share with an outcome (1); ``standardised_effect`` in standard
        deviations of the outcome, 0 for the size of the test; ``baseline_correlation`` of
        outcome and baseline (0, which leaves the baseline out of the models). See
        :func:`build_power_scenarios` for a grid.
    replicates, seed
        Trials of each scenario (4,000 give a Monte Carlo error of 0.3 percentage points at
        5%), and the seed. All scenarios share their random numbers.
    significance_level
        Level of the tests.

    Returns
    -------
    PowerResult
        A row per scenario and test: ``estimate``, the share of trials that reject, its Monte
        Carlo error and interval (Clopper and Pearson); people analysed per trial (mean), and
        the share of trials with an agency variance of zero.

    Raises
    ------
    DataError
        CPI-E011 a column is missing, E012 unknown, E020 a cell is not a number, E021 not a
        whole number, E024 outside its range, E045 not a table, E047 no seed.
    ModelError
        CPI-M005 more than 1% of the trials have no fit.

    Notes
    -----
    ``y = effect exposure + r baseline + u[agency] + e`` with variances ``(1 - r^2) icc`` and
    ``(1 - r^2)(1 - icc)``. Sizes, drop-out and baseline are drawn anew for every 100 trials.
    Tested are the mixed model with Kenward-Roger, least squares with CR2 and Satterthwaite df,
    the t test of agency means, and the exchange of labels.

    References
    ----------
    Morris TP, White IR, Crowther MJ (2019). Using simulation studies to evaluate statistical
    methods. Statistics in Medicine 38, 2074-2102.

    Examples
    --------
    >>> scenarios = build_power_scenarios(
    ...     agencies=[(7, 7)], people_per_agency=[11], icc=[0.05],
    ...     standardised_effect=[0.0, 1.0],
    ... )
    >>> table = simulate_power(scenarios, replicates=200, seed=1).tidy()
    >>> mixed = table[table["analysis"] == "mixed model, Kenward–Roger"]
    >>> bool(mixed["estimate"].iloc[0] < 0.15 < 0.8 < mixed["estimate"].iloc[1])
    True
    """
    check_table(scenarios, "scenarios")
    check_resampling(replicates, seed)
    _check_alpha(significance_level)
    table = _read_scenarios(scenarios)
    rows: list[dict[str, Any]] = []
    for row in table.to_dict("records"):
        found = count_rejections(
            _build_scenario(row), replicates=replicates, seed=seed, alpha=significance_level
        )
        if found.n_failed > MOST_FAILED * replicates:
            fail(
                "CPI-M005",
                f"{found.n_failed} of {replicates} simulated trials have no fit",
                "simulate larger agencies",
            )
        rows += _tabulate({str(name): value for name, value in row.items()}, found)
    return PowerResult(
        estimates=pd.DataFrame(rows),
        n_participants=None,
        n_agencies=None,
        method=f"simulation of {replicates:,} trials for each scenario, two-sided tests",
        seed=seed,
        confidence_level=MONTE_CARLO_LEVEL,
        notes=("The intervals are for the error of the simulation, not for the trial.",),
        significance_level=significance_level,
        replicates=replicates,
    )


def build_power_scenarios(
    *,
    agencies: Any,
    people_per_agency: Any,
    icc: Any,
    standardised_effect: Any,
    size_cv: float = 0.0,
    retention: float = 1.0,
    baseline_correlation: float = 0.0,
) -> pd.DataFrame:
    """Return every combination of some designs, as :func:`simulate_power` takes them.

    Parameters
    ----------
    agencies
        Pairs of the number of target and of reference agencies, such as ``[(7, 7), (10, 10)]``.
    people_per_agency, icc, standardised_effect
        Lists of values.
    size_cv, retention, baseline_correlation
        The same in every scenario.

    Returns
    -------
    pandas.DataFrame
        One row per combination; the last list varies fastest.

    Examples
    --------
    >>> len(build_power_scenarios(
    ...     agencies=[(7, 7), (12, 12)], people_per_agency=[10, 20], icc=[0.02, 0.05],
    ...     standardised_effect=[0.3],
    ... ))
    8
    """
    rows = [
        {
            "agencies_target": target,
            "agencies_reference": reference,
            "people_per_agency": people,
            "size_cv": size_cv,
            "icc": value,
            "retention": retention,
            "standardised_effect": size,
            "baseline_correlation": baseline_correlation,
        }
        for target, reference in agencies
        for people in people_per_agency
        for value in icc
        for size in standardised_effect
    ]
    return pd.DataFrame(rows)


def _check_alpha(significance_level: object) -> None:
    is_number = isinstance(significance_level, float) and 0 < significance_level < 1
    if not is_number:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="significance_level",
                rule="the level of a test must be between 0 and 1",
                cure="give a share: 0.05",
                allowed="more than 0, less than 1",
            )
        )


def _read_scenarios(scenarios: pd.DataFrame) -> pd.DataFrame:
    """Return the scenarios with every column, all checked."""
    known = (*REQUIRED, *DEFAULTS)
    faults = [
        Fault(
            code="CPI-E011",
            table="scenarios",
            column=name,
            rule="a scenario needs this column",
            cure="add it: see build_power_scenarios",
        )
        for name in REQUIRED
        if name not in scenarios.columns
    ]
    faults += [
        Fault(
            code="CPI-E012",
            table="scenarios",
            column=str(name),
            rule="this is not a column of a scenario",
            cure="drop or rename it",
            allowed=", ".join(known),
        )
        for name in scenarios.columns
        if name not in known
    ]
    if not len(scenarios):
        faults.append(
            Fault(
                code="CPI-E003",
                table="scenarios",
                rule="there is no scenario",
                cure="give one row per trial to be simulated",
            )
        )
    if faults:
        raise DataError(faults)
    table = scenarios.reset_index(drop=True).copy()
    for name, value in DEFAULTS.items():
        if name not in table.columns:
            table[name] = value
    table = table[list(LIMITS)]
    faults = [found for name in LIMITS for found in _check_column(table[name], name)]
    if faults:
        raise DataError(faults)
    return table


def _check_column(column: pd.Series[Any], name: str) -> list[Fault]:
    low, high = LIMITS[name]
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    is_number = np.isfinite(numbers)
    checks = [
        ("CPI-E020", ~is_number, "a cell is not a number"),
        ("CPI-E024", is_number & ((numbers < low) | (numbers > high)), "outside of its range"),
    ]
    if name.startswith("agencies"):
        broken = is_number & (numbers != np.rint(numbers))
        checks.append(("CPI-E021", broken, "agencies are whole numbers"))
    return [
        Fault(
            code=code,
            table="scenarios",
            column=name,
            rows=tuple(int(row) + 1 for row in np.flatnonzero(bad)),
            rule=rule,
            cure="correct the scenario",
            allowed=f"{low:g} to {high:g}",
        )
        for code, bad, rule in checks
        if bad.any()
    ]


def _build_scenario(row: dict[Any, Any]) -> Scenario:
    return Scenario(
        n_target=int(row["agencies_target"]),
        n_reference=int(row["agencies_reference"]),
        people=float(row["people_per_agency"]),
        size_cv=float(row["size_cv"]),
        icc=float(row["icc"]),
        retention=float(row["retention"]),
        effect=float(row["standardised_effect"]),
        baseline_correlation=float(row["baseline_correlation"]),
    )


def _tabulate(row: dict[str, Any], found: Rejections) -> list[dict[str, Any]]:
    from scipy import stats

    rows = []
    for name, count in found.rejected.items():
        # Trials without a fit have no Kenward-Roger test, and the other tests do.
        n = found.replicates - (found.n_failed if name == PRIMARY else 0)
        share = count / n
        exact = stats.binomtest(count, n).proportion_ci(MONTE_CARLO_LEVEL, method="exact")
        rows.append(
            row
            | {
                "analysis": name,
                "estimate": share,
                "std_error": float(np.sqrt(share * (1 - share) / n)),
                "conf_low": float(exact.low),
                "conf_high": float(exact.high),
                "people_analysed": found.n_people,
                "share_singular": found.n_singular / n if name == PRIMARY else np.nan,
            }
        )
    return rows


def _say_range(shares: pd.Series[float]) -> str:
    low, high = f"{shares.min():.1%}", f"{shares.max():.1%}"
    return low if low == high else f"{low} to {high}"


def _name_scenario(row: dict[Any, Any]) -> str:
    return (
        f"{row['agencies_target']:g} v {row['agencies_reference']:g} agencies, "
        f"ICC {row['icc']:g}, effect {row['standardised_effect']:g}"
    )
