"""Rows of coefficients of agreement: estimate, standard error, interval, bootstrap range."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from cpi_analysis.fidelity.category_table import CategoryTable
from cpi_analysis.fidelity.chance_agreement import (
    Chance,
    build_brennan_prediger,
    build_conger,
    build_fleiss,
    build_gwet,
    build_krippendorff,
    build_weights,
    linearise_light,
)
from cpi_analysis.fidelity.linearisation import (
    Coefficient,
    FloatArray,
    Linearised,
    compute_std_error,
    linearise,
    resample,
)
from cpi_analysis.inference.input_checks import check_resampling

Row = dict[str, object]


class Precision(NamedTuple):
    """Level of the intervals, and the bootstrap when one was asked for."""

    confidence_level: float
    replicates: int | None = None
    seed: int | None = None


def ask_precision(confidence_level: float, replicates: int | None, seed: int | None) -> Precision:
    """Return how precision is shown; replicates and seed are given together or not at all."""
    if replicates is not None or seed is not None:
        check_resampling(replicates, seed)
    return Precision(confidence_level, replicates, seed)


def build_kappa_rows(table: CategoryTable, weights: str, precision: Precision) -> list[Row]:
    """Return the kappas and Gwet's coefficient with one kind of weights."""
    matrix = build_weights(table.values, weights)
    gwet = "gwet_ac1" if weights == "unweighted" else "gwet_ac2"
    chances = {
        "fleiss_kappa": build_fleiss(table, matrix),
        "brennan_prediger": build_brennan_prediger(table, matrix),
        gwet: build_gwet(table, matrix),
    }
    rows: list[Row] = []
    if is_crossed(table):
        is_pair = table.codes.shape[1] == 2
        name = "cohen_kappa" if is_pair else "conger_kappa"
        chances = {name: build_conger(table, matrix), **chances}
    for quantity, chance in chances.items():
        rows.append(_describe_chance(quantity, weights, chance, table, precision))
        if quantity == "conger_kappa":
            rows.append(_describe_light(table, weights, matrix, precision))
    return rows


def is_crossed(table: CategoryTable) -> bool:
    """Return whether every rater rated two targets, so that raters have shares of their own."""
    return bool(((table.codes >= 0).sum(axis=0) >= 2).all())


def build_alpha_row(table: CategoryTable, metric: str, precision: Precision) -> Row:
    """Return Krippendorff's alpha with one metric."""
    row: Row = {"quantity": "krippendorff_alpha", "metric": metric}
    if table.n_used < 2:
        return {**row, "estimate": np.nan, **_count(table)}
    alpha = build_krippendorff(table, metric)
    return {**row, **describe_coefficient(alpha.coefficient, alpha.features, table, precision)}


def build_percentage_row(table: CategoryTable, precision: Precision) -> Row:
    """Return the share of pairs of ratings of a target that are the same."""
    chance = build_fleiss(table, build_weights(table.values, "unweighted"))
    found = describe_coefficient(chance.observed, chance.features, table, precision)
    return {"quantity": "percentage_agreement", **found, "conf_low": max(_get(found), 0.0)}


def _get(found: Row) -> float:
    return float(found["conf_low"])  # type: ignore[arg-type]


def build_category_rows(table: CategoryTable) -> list[Row]:
    """Return prevalence index, bias index and specific agreement of each category.

    Notes
    -----
    With two raters and two categories they are Byrt's: ``|a - d| / n`` and ``|b - c| / n``.
    In general: prevalence ``|2 p - 1|`` with p the mean over raters of the share that they put
    into the category; bias, the largest difference of these shares between raters; specific
    agreement, how often another rater of the same target agrees with a rating of the category.

    References
    ----------
    Byrt T, Bishop J, Carlin JB (1993). Bias, prevalence and kappa. Journal of Clinical
    Epidemiology 46, 423-429.
    """
    counts = table.tally()
    sums = table.indicate().sum(axis=0)
    shares = sums / sums.sum(axis=1, keepdims=True)
    with_pair = counts[counts.sum(axis=1) >= 2]
    others = with_pair.sum(axis=1, keepdims=True) - 1
    asked = (with_pair * others).sum(axis=0)
    same = (with_pair * (with_pair - 1)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        specific = same / asked
    quantities = {
        "prevalence_index": np.abs(2 * shares.mean(axis=0) - 1),
        "bias_index": np.ptp(shares, axis=0),
        "specific_agreement": specific,
    }
    return [
        {"quantity": quantity, "category": label, "estimate": float(value), **_count(table)}
        for quantity, values in quantities.items()
        for label, value in zip(table.labels, values, strict=True)
    ]


def describe_coefficient(
    coefficient: Coefficient, features: FloatArray, table: CategoryTable, precision: Precision
) -> Row:
    """Return estimate, standard error, interval and bootstrap range of a coefficient."""
    row = _describe(linearise(coefficient, features), table, precision)
    if precision.replicates is None or precision.seed is None:
        return row
    draws = resample(
        coefficient,
        features,
        table.clusters,
        replicates=precision.replicates,
        seed=precision.seed,
    )
    tails = [(1 - precision.confidence_level) / 2, (1 + precision.confidence_level) / 2]
    low, high = np.quantile(draws[np.isfinite(draws)], tails)
    return {**row, "bootstrap_low": float(low), "bootstrap_high": float(high)}


def _describe(found: Linearised, table: CategoryTable, precision: Precision) -> Row:
    std_error = compute_std_error(found.influence, table.clusters)
    n_clusters = int(table.clusters.max()) + 1
    half = float(stats.t.isf((1 - precision.confidence_level) / 2, n_clusters - 1)) * std_error
    return {
        "estimate": found.value,
        "std_error": std_error,
        "conf_low": found.value - half,
        "conf_high": max(min(found.value + half, 1.0), found.value),
        **_count(table),
    }


def _count(table: CategoryTable) -> Row:
    return {"n": len(table.codes), "n_raters": table.codes.shape[1]}


def _describe_chance(
    quantity: str, weights: str, chance: Chance, table: CategoryTable, precision: Precision
) -> Row:
    sums = chance.features.sum(axis=0)
    expected = float(chance.expected(sums))
    row: Row = {
        "quantity": quantity,
        "weights": weights,
        "observed_agreement": float(chance.observed(sums)),
        "expected_agreement": expected,
    }
    if expected >= 1 - 1e-12:
        return {**row, "estimate": np.nan, **_count(table)}
    found = describe_coefficient(chance.coefficient, chance.features, table, precision)
    return {**row, **found}


def _describe_light(
    table: CategoryTable, weights: str, matrix: FloatArray, precision: Precision
) -> Row:
    row: Row = {"quantity": "light_kappa", "weights": weights}
    found = linearise_light(table, matrix)
    if found is None:
        return {**row, "estimate": np.nan, **_count(table)}
    return {**row, **_describe(found, table, precision)}
