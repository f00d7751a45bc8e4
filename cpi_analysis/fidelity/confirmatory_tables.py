"""Tables of a fitted confirmatory factor model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from cpi_analysis.fidelity.confirmatory_fit import ConfirmatoryFit
from cpi_analysis.fidelity.factor_structure import (
    IMAGINARY_STEP,
    Array,
    Codes,
    Matrices,
    Numbers,
    ParameterTable,
    Part,
    Structure,
    compute_jacobian,
    fill_matrices,
)
from cpi_analysis.fidelity.factor_tables import FactorModel
from cpi_analysis.fidelity.fit_indices import RMSEA_LEVEL

#: The rows of a table of estimates: part, row, column of every element shown.
_Rows = tuple[Codes, Codes, Codes]


def tabulate_estimates(
    model: FactorModel, fit: ConfirmatoryFit, confidence_level: float
) -> pd.DataFrame:
    """Return one row per loading, variance, covariance and intercept, with intervals.

    Residual variances of ordered items follow from the loadings; their standard errors, and
    those of the standardised solution, are by the delta method with exact derivatives.
    """
    part, row, column = rows = _list_rows(fit.structure)
    both = np.vstack(_evaluate_rows(fit.structure, fit.theta, rows))
    raw_error, standard_error = _delta_errors(fit, rows)
    z = norm.ppf((1 + confidence_level) / 2)
    estimate, standardised = both
    has_error = raw_error > 0
    statistic = np.divide(estimate, raw_error, out=np.full(len(part), np.nan), where=has_error)
    error = np.where(has_error, raw_error, np.nan)
    spread = np.where(standard_error > 0, standard_error, np.nan)
    names = [_name_row(model, *one) for one in zip(part, row, column, strict=True)]
    table = pd.DataFrame(names, columns=["parameter", "factor", "item", "other"])
    return table.assign(
        estimate=estimate,
        std_error=error,
        statistic=statistic,
        p_value=2 * norm.sf(np.abs(statistic)),
        conf_low=estimate - z * error,
        conf_high=estimate + z * error,
        standardised=standardised,
        standardised_low=standardised - z * spread,
        standardised_high=standardised + z * spread,
    )


def _list_rows(structure: Structure) -> _Rows:
    table = structure.table
    part, row, column = table.part, table.row, table.column
    if structure.is_ordinal:
        item = np.arange(structure.n_items)
        part = np.concatenate([part, np.full(len(item), int(Part.RESIDUAL))])
        row, column = np.concatenate([row, item]), np.concatenate([column, item])
    order = np.argsort(part, kind="stable")
    return part[order], row[order], column[order]


def _complete(structure: Structure, one: Matrices) -> tuple[Numbers, Numbers]:
    """Return residual covariances and item variances, which ordered items have by definition."""
    if not structure.is_ordinal:
        return one.residuals, np.diag(one.covariance())
    variances = one.scales**-2
    explained = np.diag(one.loadings @ one.factors @ one.loadings.T)
    return one.residuals + np.diag(variances - explained), variances


def _evaluate_rows(structure: Structure, theta: Numbers, rows: _Rows) -> tuple[Numbers, Numbers]:
    """Return the elements as they are and standardised."""
    part, row, column = rows
    one = fill_matrices(structure, theta)[0]
    residuals, variances = _complete(structure, one)
    # Of a negative variance the root does not exist; standardising then says nothing.
    item, factor = _root(variances), _root(np.diag(one.factors))
    rest = _root(np.diag(residuals))
    raw = np.zeros(len(part), theta.dtype)
    standard = raw.copy()
    with np.errstate(invalid="ignore"):
        choices = (
            (Part.LOADING, one.loadings, one.loadings * factor / item[:, None]),
            (Part.FACTOR, one.factors, one.factors / np.outer(factor, factor)),
            (Part.RESIDUAL, residuals, residuals / np.outer(rest, rest)),
            (Part.INTERCEPT, one.intercepts[:, None], (one.intercepts / item)[:, None]),
        )
    for kind, values, scaled in choices:
        here = part == kind
        raw[here] = values[row[here], column[here]]
        standard[here] = scaled[row[here], column[here]]
    is_variance = (part == Part.RESIDUAL) & (row == column)
    standard[is_variance] = raw[is_variance] / variances[row[is_variance]]
    return raw, standard


def _root(values: Numbers) -> Numbers:
    return np.asarray(np.sqrt(np.where(values.real > 0, values, np.nan)))


def _delta_errors(fit: ConfirmatoryFit, rows: _Rows) -> tuple[Array, Array]:
    slopes = np.zeros((2, len(rows[0]), len(fit.theta)))
    for number in range(len(fit.theta)):
        shifted = fit.theta.astype(np.complex128)
        shifted[number] += 1j * IMAGINARY_STEP
        moved = _evaluate_rows(fit.structure, shifted, rows)
        for which, values in enumerate(moved):
            slopes[which, :, number] = values.imag / IMAGINARY_STEP
    variances = np.einsum("wkq,qr,wkr->wk", slopes, fit.covariance, slopes, optimize=True)
    # A standardised loading of an item alone in its factor does not vary: rounding is not error.
    variances = np.where(variances > 1e-20, variances, 0.0)
    raw, standard = np.sqrt(variances)
    return raw, standard


def _name_row(model: FactorModel, part: int, row: int, column: int) -> tuple[str, str, str, str]:
    if part == Part.LOADING:
        return "loading", model.factors[column], model.items[row], ""
    if part == Part.FACTOR:
        kind = "factor variance" if row == column else "factor covariance"
        return kind, model.factors[row], "", "" if row == column else model.factors[column]
    if part == Part.RESIDUAL:
        kind = "residual variance" if row == column else "residual covariance"
        return kind, "", model.items[row], "" if row == column else model.items[column]
    return "intercept", "", model.items[row], ""


def tabulate_indices(fit: ConfirmatoryFit) -> pd.DataFrame:
    """Return the indices of fit, one row per version: standard, scaled, robust."""
    rows = []
    for test in fit.tests:
        chi, near = test.comparative, test.approximation
        low, high = near.rmsea_interval()
        # Robust indices correct the indices, not the test: their chi-square is not shown.
        has_test = test.version != "robust"
        rows.append(
            {
                "version": test.version,
                "chi_square": chi.statistic if has_test else np.nan,
                "chi_square_df": chi.df,
                "p_value": chi.p_value if test.has_p_value else np.nan,
                "cfi": chi.cfi,
                "tli": chi.tli,
                "rmsea": near.rmsea,
                "rmsea_low": low,
                "rmsea_high": high,
                "rmsea_level": RMSEA_LEVEL,
                "close_fit_p_value": near.close_fit_p_value(),
                "srmr": fit.srmr,
                "baseline_chi_square": chi.baseline if has_test else np.nan,
                "baseline_df": chi.baseline_df,
            }
        )
    return pd.DataFrame(rows)


def tabulate_residuals(model: FactorModel, fit: ConfirmatoryFit) -> pd.DataFrame:
    """Return observed minus implied correlations, items × items."""
    observed, implied = (
        one / np.sqrt(np.outer(np.diag(one), np.diag(one))) for one in (fit.observed, fit.implied)
    )
    return pd.DataFrame(observed - implied, index=list(model.items), columns=list(model.items))


def tabulate_reliability(model: FactorModel, fit: ConfirmatoryFit) -> pd.DataFrame:
    """Return, per factor, composite reliability and average variance extracted.

    Notes
    -----
    Composite reliability is (Σλ)²φ over the variance of the sum of the factor's items that the
    model implies (McDonald's omega of a set with one factor); average variance extracted is Σλ²φ
    over Σλ²φ + Σθ. Items that load on more than one factor make both NaN. Of ordered items they
    are those of the normal variables behind the answers, not of the sum score.
    """
    one = fill_matrices(fit.structure, fit.theta)[0]
    residuals, _ = _complete(fit.structure, one)
    is_shared = np.asarray(model.loads).sum(axis=1) > 1
    rows = []
    for factor, name in enumerate(model.factors):
        mine = np.flatnonzero(model.loads[:, factor])
        own = one.loadings[mine, factor]
        variance = one.factors[factor, factor]
        common = own.sum() ** 2 * variance
        error = residuals[np.ix_(mine, mine)]
        explained = float(own @ own * variance)
        is_simple = not is_shared[mine].any()
        rows.append(
            {
                "factor": name,
                "n_items": len(mine),
                "composite_reliability": common / (common + error.sum()) if is_simple else np.nan,
                "average_variance_extracted": (
                    explained / (explained + np.trace(error)) if is_simple else np.nan
                ),
            }
        )
    return pd.DataFrame(rows)


def tabulate_discrimination(model: FactorModel, fit: ConfirmatoryFit) -> pd.DataFrame:
    """Return, per pair of factors, their correlation and the heterotrait–monotrait ratio.

    Notes
    -----
    The ratio is the geometric mean of the absolute correlations between the items of two factors
    over the geometric mean of those within each, which does not need equal loadings: near 1, two
    factors are one.

    References
    ----------
    Roemer E, Schuberth F, Henseler J. Ind Manag Data Syst 2021;121:2637-2650.
    """
    spread = np.sqrt(np.diag(fit.observed))
    size = np.abs(fit.observed / np.outer(spread, spread))
    logs = np.log(np.maximum(size, np.finfo(np.float64).tiny))
    factors = fill_matrices(fit.structure, fit.theta)[0].factors
    rows = []
    for first, second in zip(*np.triu_indices(len(model.factors), 1), strict=True):
        left, right = (np.flatnonzero(model.loads[:, one]) for one in (first, second))
        within = [
            logs[np.ix_(mine, mine)][np.triu_indices(len(mine), 1)].mean() for mine in (left, right)
        ]
        rows.append(
            {
                "factor": model.factors[first],
                "other": model.factors[second],
                "correlation": factors[first, second]
                / np.sqrt(factors[first, first] * factors[second, second]),
                "heterotrait_monotrait": np.exp(logs[np.ix_(left, right)].mean() - np.mean(within)),
            }
        )
    columns = ["factor", "other", "correlation", "heterotrait_monotrait"]
    return pd.DataFrame(rows, columns=columns)


def tabulate_modifications(model: FactorModel, fit: ConfirmatoryFit) -> pd.DataFrame:
    """Return what each loading or residual covariance that is fixed at 0 would bring if freed.

    Notes
    -----
    Score test with the expected information: with g the derivative and V = I_ee − I_ef I_ff⁻¹
    I_fe of an extra parameter, the index is g² / V, about the fall of the unscaled chi-square, and
    the expected change is −g / V.

    References
    ----------
    Sörbom D. Psychometrika 1989;54:371-384.
    """
    extra, names = _list_extra(model, fit.structure)
    whole = _extend(fit.structure, extra)
    n_free = fit.structure.table.n_free
    jacobian = compute_jacobian(whole, np.concatenate([fit.theta, np.zeros(len(extra))]))[0]
    slope = jacobian[:, n_free:].T @ fit.moment_slope
    weighted = fit.moment_information @ jacobian
    information = jacobian.T @ weighted
    free, cross = information[:n_free, :n_free], information[:n_free, n_free:]
    left = np.diag(information)[n_free:] - (cross * np.linalg.solve(free, cross)).sum(axis=0)
    # Nothing is left of a parameter that the others already stand for.
    is_real = left > 1e-8 * np.diag(information)[n_free:]
    left = np.where(is_real, left, np.nan)
    change = -slope / left
    table = pd.DataFrame(names, columns=["parameter", "factor", "item", "other"])
    table = table.assign(
        modification_index=slope**2 / left,
        expected_change=change,
        standardised_change=change * _standard_units(fit, extra),
    )
    return table.sort_values("modification_index", ascending=False, ignore_index=True)


def _list_extra(
    model: FactorModel, structure: Structure
) -> tuple[list[tuple[Part, int, int]], list[tuple[str, str, str, str]]]:
    extra = [
        (Part.LOADING, item, factor)
        for item in range(len(model.items))
        for factor in range(len(model.factors))
        if not model.loads[item, factor]
    ]
    taken = set(model.residual_pairs)
    extra += [
        (Part.RESIDUAL, int(first), int(second))
        for first, second in zip(*np.triu_indices(len(model.items), 1), strict=True)
        if (int(first), int(second)) not in taken
    ]
    return extra, [_name_row(model, *one) for one in extra]


def _extend(structure: Structure, extra: list[tuple[Part, int, int]]) -> Structure:
    table, count = structure.table, len(extra)
    added = np.array(extra, dtype=np.intp).reshape(-1, 3)
    return Structure(
        n_items=structure.n_items,
        n_factors=structure.n_factors,
        n_groups=1,
        has_means=structure.has_means,
        is_ordinal=structure.is_ordinal,
        threshold_item=structure.threshold_item,
        table=ParameterTable(
            group=np.append(table.group, np.zeros(count, dtype=np.intp)),
            part=np.append(table.part, added[:, 0]),
            row=np.append(table.row, added[:, 1]),
            column=np.append(table.column, added[:, 2]),
            free=np.append(table.free, table.n_free + np.arange(count)),
            value=np.append(table.value, np.zeros(count)),
        ),
    )


def _standard_units(fit: ConfirmatoryFit, extra: list[tuple[Part, int, int]]) -> Array:
    one = fill_matrices(fit.structure, fit.theta)[0]
    residuals, variances = _complete(fit.structure, one)
    item, factor = np.sqrt(variances), np.sqrt(np.diag(one.factors))
    rest = _root(np.diag(residuals))
    return np.array(
        [
            factor[column] / item[row] if part == Part.LOADING else 1 / (rest[row] * rest[column])
            for part, row, column in extra
        ]
    )
