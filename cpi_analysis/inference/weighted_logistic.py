"""A logistic model fitted under many sets of weights at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.weighted_regression import solve_systems

FloatArray = NDArray[np.float64]

#: Newton steps after which a fit has not converged: a quadratic method needs under ten.
MOST_STEPS = 40
#: Largest change of a coefficient of a standardised column in one step.
LONGEST_STEP = 2.0
#: A fit has converged when no coefficient changes by more.
TOLERANCE = 1e-10
#: A fitted probability nearer to 0 or 1 cannot be told from certainty: the groups are separated.
CERTAIN = 1e-8


def fit_weighted_logistic(
    design: FloatArray, response: FloatArray, weights: FloatArray
) -> FloatArray:
    """Return the fitted probabilities under each row of weights.

    Parameters
    ----------
    design
        Columns with an intercept, in units near one, shape (n, q).
    response
        0 or 1, shape (n,).
    weights
        Weights of the rows in each replicate, 0 or more, shape (replicates, n).

    Returns
    -------
    ndarray of shape (replicates, n)
        NaN in the rows without a maximum of the likelihood: the covariates separate the groups,
        or are collinear under these weights.

    Notes
    -----
    Newton's method: β ← β + (X'W diag(p(1 − p)) X)⁻¹ X'W (y − p). A replicate that has converged
    is left alone, so that it does not depend on the others.

    Examples
    --------
    >>> import numpy as np
    >>> fitted = fit_weighted_logistic(np.ones((4, 1)), np.array([1.0, 0, 0, 0]), np.ones((1, 4)))
    >>> float(fitted[0, 0].round(9))
    0.25
    """
    n, columns = design.shape
    products = np.ascontiguousarray((design[:, :, None] * design[:, None, :]).reshape(n, -1).T)
    transposed = np.ascontiguousarray(design.T)
    beta = np.zeros((len(weights), columns))
    is_open = np.ones(len(weights), dtype=bool)
    fitted = np.full(weights.shape, 0.5)
    for _ in range(MOST_STEPS):
        gram = np.einsum("rn,kn->rk", weights * fitted * (1 - fitted), products)
        score = np.einsum("rn,kn->rk", weights * (response - fitted), transposed)
        step = solve_systems(gram.reshape(-1, columns, columns), score)
        longest = np.abs(step).max(axis=1)
        # A step that cannot be computed leaves the replicate open, and so without a result.
        shrink = np.minimum(1.0, LONGEST_STEP / np.maximum(longest, LONGEST_STEP))
        step = np.where((is_open & np.isfinite(longest))[:, None], step * shrink[:, None], 0.0)
        beta += step
        linear = np.einsum("rk,nk->rn", beta, design)
        fitted = 1 / (1 + np.exp(-np.clip(linear, -500, 500)))
        is_open &= ~(longest < TOLERANCE)
        if not is_open.any():
            break
    is_certain = ((fitted < CERTAIN) | (fitted > 1 - CERTAIN)).any(axis=1)
    fitted[is_open | is_certain] = np.nan
    return fitted
