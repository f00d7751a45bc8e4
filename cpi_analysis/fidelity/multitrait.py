"""Domains by sources: do sources agree on a domain more than domains go together in a source."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

#: The kinds of cells of a multitrait–multimethod matrix (Campbell and Fiske 1959).
RELIABILITY = "reliability"
CONVERGENT = "same domain, other source"
METHOD = "other domain, same source"
UNRELATED = "other domain, other source"


def build_multitrait_matrix(
    scores: dict[tuple[str, str], pd.Series], reliability: dict[tuple[str, str], float]
) -> pd.DataFrame:
    """Return one row per pair of measures, a domain by a source.

    Parameters
    ----------
    scores
        Score of each target, by (domain, source).
    reliability
        Alpha of each measure, where there is one.

    Returns
    -------
    DataFrame
        ``domain_1``, ``source_1``, ``domain_2``, ``source_2``, ``kind``, ``estimate``
        (Pearson's r of targets with both, alpha on the diagonal), ``n``.
    """
    names = list(scores)
    columns = [scores[name].rename(place) for place, name in enumerate(names)]
    wide = pd.concat(columns, axis=1).to_numpy(dtype=np.float64) if columns else np.empty((0, 0))
    known = np.isfinite(wide)
    rows = []
    for left, right in combinations_with_replacement(range(len(names)), 2):
        one, other = names[left], names[right]
        both = wide[known[:, left] & known[:, right]][:, [left, right]]
        if one == other:
            estimate = reliability.get(one, np.nan)
        elif len(both) < 4 or np.ptp(both, axis=0).min() == 0:
            estimate = np.nan
        else:
            estimate = float(np.corrcoef(both[:, 0], both[:, 1])[0, 1])
        rows.append(
            {
                "domain_1": one[0],
                "source_1": one[1],
                "domain_2": other[0],
                "source_2": other[1],
                "kind": _name_kind(one, other),
                "estimate": estimate,
                "n": len(both),
            }
        )
    return pd.DataFrame(rows)


def _name_kind(one: tuple[str, str], other: tuple[str, str]) -> str:
    if one == other:
        return RELIABILITY
    if one[0] == other[0]:
        return CONVERGENT
    return METHOD if one[1] == other[1] else UNRELATED


def summarise_matrix(matrix: pd.DataFrame) -> dict[str, float]:
    """Return the mean correlation of each kind, by Fisher's z."""
    means = {}
    for kind in (CONVERGENT, METHOD, UNRELATED):
        values = matrix.loc[matrix["kind"] == kind, "estimate"].dropna().to_numpy(float)
        z = np.arctanh(np.clip(values, -0.999999, 0.999999))
        means[kind] = float(np.tanh(z.mean())) if len(z) else float("nan")
    return means
