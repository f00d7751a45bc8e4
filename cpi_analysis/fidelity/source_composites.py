"""Ways to make one score of several sources, and what each does to high and low."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from cpi_analysis.errors import ModelError
from cpi_analysis.fidelity.concordance import compute_concordance
from cpi_analysis.fidelity.icc import estimate_icc
from cpi_analysis.fidelity.kappa import estimate_kappa
from cpi_analysis.fidelity.scores import compute_composite
from cpi_analysis.inference.cluster_robust import fit_cluster_robust

Row = dict[str, object]
#: From whether fidelity is high, by target, to the contrast of an outcome.
Contrast = Callable[[pd.Series], Mapping[str, float]]

#: Fewer targets than this say nothing about a correlation.
FEW_TARGETS = 4
CONSENSUS, MEAN = "consensus", "mean"


def build_choices(scores: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the score of each target under each way to combine the sources.

    The mean of the sources; their median, which is what the majority says; the mean with one
    source left out; and each source alone. Combinations need two sources of a target.
    """
    sources = [str(name) for name in scores]
    median = scores.median(axis=1).where(scores.notna().sum(axis=1) >= min(2, len(sources)))
    choices = {MEAN: compute_composite(scores), CONSENSUS: median}
    if len(sources) > 2:
        for source in sources:
            rest = scores.drop(columns=source)
            choices[f"without {source}"] = compute_composite(rest)
    return {**choices, **{f"{source} alone": scores[source] for source in sources}}


def list_averaged(scores: pd.DataFrame) -> dict[str, list[str]]:
    """Return the sources that each mean is made of."""
    sources = [str(name) for name in scores]
    kept = {MEAN: sources}
    if len(sources) > 2:
        kept |= {f"without {s}": [other for other in sources if other != s] for s in sources}
    return kept


def build_pair_rows(
    scores: pd.DataFrame, agencies: pd.Series, starts: list[float], level: float
) -> list[Row]:
    """Return bias and agreement of every pair of sources, in targets that both rated."""
    rows: list[Row] = []
    for first, second in combinations([str(name) for name in scores], 2):
        both = scores[[first, second]].dropna()
        pair = {"pair": f"{first} − {second}", "n": len(both)}
        if len(both) < FEW_TARGETS or both.nunique().min() < 2:
            rows.append({"quantity": "bias", **pair, "estimate": np.nan})
            continue
        found = [
            _estimate_bias(both, agencies.reindex(both.index), level),
            *_estimate_pair_icc(both, level),
            _estimate_lin(both, level),
            *_estimate_band_agreement(both, agencies.reindex(both.index), starts, level),
        ]
        rows += [{**row, **pair} for row in found]
    return rows


def _estimate_bias(both: pd.DataFrame, agencies: pd.Series, level: float) -> Row:
    from scipy import stats

    difference = (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy(dtype=np.float64)
    row: Row = {"quantity": "bias", "estimate": float(difference.mean())}
    codes = pd.factorize(agencies, sort=True)[0]
    if codes.max() < 1 or np.ptp(difference) == 0:
        return row
    fit = fit_cluster_robust(difference, np.ones((len(both), 1)), codes)
    error, df = float(fit.std_error[0]), float(fit.compute_df([[1.0]])[0])
    half = float(stats.t.isf((1 - level) / 2, df)) * error
    mean = float(difference.mean())
    return {**row, "std_error": error, "df": df, "conf_low": mean - half, "conf_high": mean + half}


def _to_long(both: pd.DataFrame) -> pd.DataFrame:
    return both.rename_axis("target").reset_index().melt("target", var_name="source")


def _estimate_pair_icc(both: pd.DataFrame, level: float) -> list[Row]:
    table = estimate_icc(
        _to_long(both),
        target="target",
        rater="source",
        rating="value",
        form="all",
        confidence_level=level,
    ).tidy()
    chosen = table[table["form"].isin(["ICC(A,1)", "ICC(C,1)"])]
    kept = ["form", "estimate", "conf_low", "conf_high"]
    return [
        {"quantity": "icc", **{str(name): value for name, value in row.items()}}
        for row in chosen[kept].to_dict("records")
    ]


def _estimate_lin(both: pd.DataFrame, level: float) -> Row:
    x, y = (both[name].to_numpy(dtype=np.float64) for name in both)
    lin = compute_concordance(x, y, confidence_level=level)
    return {
        "quantity": "concordance",
        "estimate": lin.estimate,
        "conf_low": lin.low,
        "conf_high": lin.high,
    }


def _estimate_band_agreement(
    both: pd.DataFrame, agencies: pd.Series, starts: list[float], level: float
) -> list[Row]:
    bands = pd.DataFrame(
        np.searchsorted(starts, both.to_numpy(dtype=np.float64), side="right"),
        index=both.index,
        columns=both.columns,
    )
    long = _to_long(bands).merge(agencies.rename("agency"), left_on="target", right_index=True)
    many = long["agency"].nunique() > 1
    rows: list[Row] = []
    for weights in ("unweighted", "quadratic"):
        try:
            table = estimate_kappa(
                long,
                target="target",
                rater="source",
                rating="value",
                weights=weights,
                categories=list(range(len(starts) + 1)),
                cluster="agency" if many else None,
                confidence_level=level,
            ).tidy()
        except ModelError:
            return rows
        kappa = table[table["quantity"] == "cohen_kappa"].iloc[0]
        if weights == "unweighted":
            agreed = float(kappa["observed_agreement"])
            rows.append({"quantity": "band_agreement", "estimate": agreed})
        names = ("estimate", "std_error", "conf_low", "conf_high")
        found = {name: float(kappa.get(name, np.nan)) for name in names}
        rows.append({"quantity": "band_kappa", "weights": weights, **found})
    return rows


def build_reliability_rows(scores: pd.DataFrame, level: float) -> list[Row]:
    """Return the reliability of the mean of the sources, and of each mean without one."""
    rows: list[Row] = []
    for choice, sources in list_averaged(scores).items():
        complete = scores[sources].dropna()
        if len(sources) < 2 or len(complete) < FEW_TARGETS:
            continue
        try:
            table = estimate_icc(
                _to_long(complete),
                target="target",
                rater="source",
                rating="value",
                form="all",
                confidence_level=level,
            ).tidy()
        except ModelError:
            continue
        chosen = table[table["form"].isin(["ICC(A,k)", "ICC(C,k)"])]
        kept = chosen[["form", "estimate", "conf_low", "conf_high", "n"]]
        rows += [
            {"quantity": "reliability", "choice": choice, **{str(k): v for k, v in row.items()}}
            for row in kept.to_dict("records")
        ]
    return rows


class Classification(NamedTuple):
    """Rows of the classification, and who is high under each choice (missing without a score)."""

    rows: list[Row]
    is_high: dict[str, pd.Series]


def classify(choices: Mapping[str, pd.Series], cutoff: float) -> Classification:
    """Return how many are high under each choice, and how many the mean puts elsewhere."""
    rows: list[Row] = []
    high = {name: (score >= cutoff).where(score.notna()) for name, score in choices.items()}
    for name, is_high in high.items():
        known = is_high.dropna().astype(bool)
        both = pd.DataFrame({"mean": high[MEAN], "this": is_high}).dropna().astype(bool)
        counts = {"choice": name, "n": len(known)}
        rows.append(
            {
                "quantity": "share_high",
                **counts,
                "estimate": float(known.mean()) if len(known) else np.nan,
            }
        )
        if name != MEAN:
            moved = float((both["mean"] != both["this"]).mean()) if len(both) else np.nan
            rows.append(
                {"quantity": "share_moved", "choice": name, "n": len(both), "estimate": moved}
            )
    return Classification(rows, high)


def build_contrast_rows(is_high: Mapping[str, pd.Series], contrast: Contrast) -> list[Row]:
    """Return the contrast of the outcome, high minus the rest, under each choice."""
    rows: list[Row] = []
    for name, flags in is_high.items():
        known = flags.dropna().astype(bool)
        row: Row = {"quantity": "outcome_contrast", "choice": name}
        try:
            rows.append({**row, **dict(contrast(known))})
        except ModelError as error:
            rows.append({**row, "estimate": np.nan, "reason": error.faults[0].rule})
    return rows
