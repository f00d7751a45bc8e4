"""The difference of an outcome between targets of high fidelity and the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.inference.cluster_robust import fit_cluster_robust
from cpi_analysis.inference.input_checks import check_table
from cpi_analysis.inference.single_cluster import check_several_clusters


def check_outcomes(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the table of outcomes by target, or raise.

    Raises
    ------
    DataError
        CPI-E045 it is not a table, E011 a column is missing, E013 a target occurs twice, E020
        a column is not numeric.
    """
    check_table(outcomes, "outcomes")
    table = outcomes
    rule = None
    if missing := [name for name in ("target_id", "outcome") if name not in table.columns]:
        code, column, rule = "CPI-E011", missing[0], "the column is missing"
        cure = "give target_id, outcome and, if the agency is not the trial's, agency_id"
    elif table["target_id"].duplicated().any():
        code, column, rule = "CPI-E013", "target_id", "a target occurs more than once"
        cure = "keep one row per target"
    else:
        others = [name for name in table if name not in ("target_id", "agency_id")]
        words = [str(n) for n in others if not pd.api.types.is_numeric_dtype(table[n])]
        if words:
            code, column, rule = "CPI-E020", words[0], "the column is not numeric"
            cure = "give the outcome and the covariates as numbers"
    if rule is not None:
        raise DataError(Fault(code=code, table="outcomes", column=column, rule=rule, cure=cure))
    return table.set_index("target_id")


def compute_contrast(
    is_high: pd.Series, outcomes: pd.DataFrame, agencies: pd.Series, *, confidence_level: float
) -> Mapping[str, float]:
    """Return the difference high minus the rest, with an interval robust to agencies.

    Least squares of the outcome on high fidelity and the other columns of the table, CR2
    standard error and Satterthwaite degrees of freedom.
    """
    covariates = [name for name in outcomes if name not in ("outcome", "agency_id")]
    data = outcomes[["outcome", *covariates]].assign(
        is_high=is_high.astype(float), agency=agencies.reindex(outcomes.index)
    )
    used = data.dropna()
    if used["is_high"].nunique() < 2:
        raise refuse_items("nobody, or everybody, is high", "move the cut-off")
    codes = pd.factorize(used["agency"], sort=True)[0]
    design = np.column_stack(
        [np.ones(len(used)), used[["is_high", *covariates]].to_numpy(dtype=np.float64)]
    )
    weights = np.zeros((1, design.shape[1]))
    weights[0, 1] = 1.0
    check_several_clusters(design, codes, weights, what="the difference between high and low")
    fit = fit_cluster_robust(used["outcome"].to_numpy(dtype=np.float64), design, codes)
    estimate, error = float(fit.beta[1]), float(fit.std_error[1])
    df = float(fit.compute_df(weights)[0])
    half = float(stats.t.isf((1 - confidence_level) / 2, df)) * error
    return {
        "estimate": estimate,
        "std_error": error,
        "df": df,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "p_value": float(2 * stats.t.sf(abs(estimate) / error, df)) if error > 0 else np.nan,
        "n": len(used),
    }
