"""From a test to an interval: the null values that it does not reject."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: The interval is looked for within this many standard errors of the estimate.
WIDEST = 1000.0
#: Share of the distance to which a limit is found.
PRECISION = 1e-9


def find_limit(
    p_of: Callable[[float], float], *, estimate: float, step: float, level: float
) -> float:
    """Return where the p-value falls to ``level``, on one side of the estimate.

    Parameters
    ----------
    p_of
        p-value of each null value.
    estimate
        Where the p-value is 1.
    step
        A standard error, with the sign of the side.
    level
        p-value at which a null value is rejected.

    Returns
    -------
    float
        Infinite when no null value within 1,000 standard errors is rejected, which happens
        when there are too few patterns for so small a p-value.

    Examples
    --------
    >>> round(find_limit(lambda v: 1 - abs(v), estimate=0.0, step=0.3, level=0.05), 6)
    0.95
    """
    inside, outside = 0.0, 1.0
    while p_of(estimate + outside * step) > level:
        inside, outside = outside, outside * 2
        if outside > WIDEST:
            return float(np.copysign(np.inf, step))
    while outside - inside > PRECISION * outside:
        middle = (inside + outside) / 2
        if p_of(estimate + middle * step) > level:
            inside = middle
        else:
            outside = middle
    return float(estimate + inside * step)
