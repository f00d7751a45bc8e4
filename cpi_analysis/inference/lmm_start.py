"""Where the fit of nested intercepts starts: at the optimum that the batch engine has found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cpi_analysis.inference.batch_mixed_model import fit_batch_mixed_model
from cpi_analysis.inference.batch_sums import summarise_batch
from cpi_analysis.inference.lmm_criterion import Method
from cpi_analysis.inference.lmm_structure import RandomTerm

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def start_nested(
    response: FloatArray,
    design: FloatArray,
    terms: Sequence[RandomTerm],
    residual_groups: IntArray,
    method: Method,
) -> FloatArray | None:
    """Return standard deviations relative to the residual's, one for each term, or None.

    Parameters
    ----------
    response, design, terms, residual_groups, method
        The model. None is returned unless its random part is one intercept, or two that are
        nested, with one residual variance; or when the batch engine has no fit.
    """
    is_plain = all((term.columns == 1.0).all() and term.columns.shape[1] == 1 for term in terms)
    if not is_plain or len(terms) > 2 or residual_groups.any():
        return None
    outer, inner = terms[0].groups, None
    is_swapped = False
    if len(terms) == 2:
        inner = terms[1].groups
        is_swapped = inner.max() < outer.max()
        if is_swapped:
            outer, inner = inner, outer
        if not _is_nested(outer, inner):
            return None
    fit = fit_batch_mixed_model(
        summarise_batch(response, design, outer, persons=inner), method=method
    )
    if not fit.converged[0]:
        return None
    theta = np.sqrt(fit.ratios[0])
    return np.asarray(theta[::-1] if is_swapped else theta)


def _is_nested(outer: IntArray, inner: IntArray) -> bool:
    """Return whether every inner group lies in one outer group."""
    home = np.zeros(int(inner.max()) + 1, dtype=np.intp)
    home[inner] = outer
    return bool((home[inner] == outer).all())
