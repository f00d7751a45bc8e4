"""Write the study of size and power, or check the table that is committed.

``python tools/size_and_power.py --write`` simulates 4,000 trials for each row (a few minutes on
one core) and writes ``docs/studies/size_and_power.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from cpi_analysis.effectiveness import build_power_scenarios, simulate_power

PAGE = Path(__file__).resolve().parents[1] / "docs" / "studies" / "size_and_power.md"
REPLICATES, SEED = 4000, 20260101
ICCS = (0.0, 0.02, 0.05, 0.1, 0.2)
EFFECT = 0.5
FOLLOW_UP = 117 / 155

#: Name of the rows, agencies, people recruited per agency, and their coefficient of variation.
DESIGNS = (
    ("7 v 7", (7, 7), 17.0, 0.2),
    ("4 v 10", (4, 10), 17.0, 0.2),
    ("6 v 6, planned", (6, 6), 20.0, 0.2),
    ("7 v 7, as recruited", (7, 7), 155 / 14, 0.6),
    ("4 v 10, as recruited", (4, 10), 155 / 14, 0.6),
)
NEXT = {
    "agencies": [(7, 7), (10, 10), (15, 15), (20, 20)],
    "people_per_agency": [10, 20],
    "icc": [0.02, 0.05, 0.1],
    "standardised_effect": [0.3],
}
SHARED = {"retention": FOLLOW_UP, "baseline_correlation": 0.6}

NAMES = {
    "mixed model, Kenward–Roger": "Kenward–Roger",
    "least squares, CR2": "CR2",
    "t test of agency means": "agency means",
    "exchange of labels": "exchange of labels",
}

HEAD = f"""# Size and power with a dozen agencies

How often does each test find a difference between two groups of agencies when there is none
(size, which should be 5%), and when there is one of half a standard deviation (power)? Each row
is {REPLICATES:,} simulated trials, seed {SEED}; the Monte Carlo error of a size of 5% is 0.3
percentage points. `python tools/size_and_power.py --write` makes this page anew.

| rows | agencies | people recruited | size of agencies (coefficient of variation) |
|---|---|---|---|
| 7 v 7, 4 v 10 | 14 | 238 | 0.2 [A] |
| 6 v 6, planned | 12 | 240 | 0.2 [A] |
| as recruited | 14 | 155 | 0.6 [A]: very unequal |

117 of 155 people are followed up. The baseline is in every model; its correlation with the outcome
is 0.6 [A]. The ICC is that given the baseline. *Boundary* is the share of trials in which the
variance between agencies was estimated as zero. [A] marks what is assumed.

"""

MIDDLE = """Kenward–Roger exceeds its level nowhere by more than the error of the simulation. It is
conservative where agencies hardly differ: the variance is then at the boundary in half of the
trials, and stays in the degrees of freedom. CR2 and the tests of agency means, which stand beside
every primary result, keep closer to 5% there.

"""


def simulate_designs(replicates: int = REPLICATES) -> pd.DataFrame:
    """Return the rows of every design."""
    parts = []
    for name, agencies, people, size_cv in DESIGNS:
        scenarios = build_power_scenarios(
            agencies=[agencies],
            people_per_agency=[people],
            icc=ICCS,
            standardised_effect=(0.0, EFFECT),
            size_cv=size_cv,
            **SHARED,
        )
        table = simulate_power(scenarios, replicates=replicates, seed=SEED).tidy()
        parts.append(table.assign(design=name))
    return pd.concat(parts, ignore_index=True)


def simulate_next(replicates: int = REPLICATES) -> pd.DataFrame:
    """Return the rows of the next trial."""
    scenarios = build_power_scenarios(**NEXT, size_cv=0.4, **SHARED)
    return simulate_power(scenarios, replicates=replicates, seed=SEED).tidy()


def write_page(designs: pd.DataFrame, following: pd.DataFrame) -> str:
    """Return the page as text."""
    parts = [HEAD]
    for effect, title in ((0.0, "Size, %"), (EFFECT, f"Power at {EFFECT} standard deviations, %")):
        parts.append(f"## {title}\n\n")
        parts.append(f"| agencies | ICC | boundary | {' | '.join(NAMES.values())} |\n")
        parts.append("|---|---|---|" + "---|" * len(NAMES) + "\n")
        parts += _write_rows(designs[designs["standardised_effect"] == effect])
        parts.append("\n" if effect else f"\n{MIDDLE}")
    parts += _write_next(following)
    return "".join(parts)


def _write_rows(rows: pd.DataFrame) -> Iterator[str]:
    for (name, icc), part in rows.groupby(["design", "icc"], sort=False):
        shares = part.set_index("analysis")
        cells = [f"{100 * float(shares.loc[test, 'estimate']):.2f}" for test in NAMES]
        boundary = f"{100 * float(shares['share_singular'].iloc[0]):.0f}"
        yield f"| {name} | {icc:g} | {boundary} | {' | '.join(cells)} |\n"


def _write_next(rows: pd.DataFrame) -> Iterator[str]:
    mixed = rows[rows["analysis"] == "mixed model, Kenward–Roger"]
    yield "## The next trial: power for 0.3 standard deviations, %\n\n"
    yield (
        "Kenward–Roger; coefficient of variation of the sizes 0.4 [A], follow-up and baseline as "
        "above.\n\n"
    )
    yield "| agencies | people per agency | " + " | ".join(f"ICC {icc:g}" for icc in NEXT["icc"])
    yield " |\n|---|---|" + "---|" * len(NEXT["icc"]) + "\n"
    keys = ["agencies_target", "agencies_reference", "people_per_agency"]
    for (target, reference, people), part in mixed.groupby(keys, sort=False):
        cells = [f"{100 * share:.0f}" for share in part["estimate"]]
        yield f"| {target:g} v {reference:g} | {people:g} | {' | '.join(cells)} |\n"


def main() -> int:
    """Write the page, or say whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page")
    is_write = parser.parse_args().write
    page = write_page(simulate_designs(), simulate_next())
    if is_write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
        return 0
    return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page)


if __name__ == "__main__":
    raise SystemExit(main())
