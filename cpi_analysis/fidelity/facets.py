"""The effects of a generalisability study: which there are, and which part of error each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

IntArray = NDArray[np.intp]
RESIDUAL = "residual"


class Effect(NamedTuple):
    """A source of variance.

    Parameters
    ----------
    name
        Factors joined by colons.
    codes
        Level of each row.
    facets
        The facets by whose numbers the variance is divided when levels are averaged.
    is_universe
        Constant within a target: part of what is measured.
    is_relative
        Differs between targets: error in comparing targets. Other effects are error only when
        a score is taken as such.
    """

    name: str
    codes: IntArray
    facets: tuple[str, ...]
    is_universe: bool
    is_relative: bool


def list_default_effects(
    data: pd.DataFrame, target: str, facets: Sequence[str], groups: Sequence[str]
) -> list[str]:
    """Return factors and their two-way interactions that can be told apart from each other."""
    factors = [*groups, target, *facets]
    names = [*factors, *(f"{a}:{b}" for a, b in combinations(factors, 2) if b in facets)]
    kept: list[str] = []
    seen: list[IntArray] = []
    for name in names:
        codes = code_effect(data, name)
        n_levels = int(codes.max()) + 1
        if n_levels in (1, len(data)) or any(is_same(codes, other) for other in seen):
            continue
        kept.append(name)
        seen.append(codes)
    return kept


def code_effect(data: pd.DataFrame, name: str) -> IntArray:
    """Return the level of each row of a factor or an interaction ``a:b``."""
    keys = data[name.split(":")]
    return np.asarray(keys.groupby(list(keys.columns), sort=True, observed=True).ngroup())


def is_within(inner: IntArray, outer: IntArray) -> bool:
    """Return whether every level of ``inner`` lies in one level of ``outer``."""
    pairs = np.unique(np.column_stack([inner, outer]), axis=0)
    return len(pairs) == int(inner.max()) + 1


def is_same(one: IntArray, other: IntArray) -> bool:
    """Return whether two factors divide the rows alike."""
    return one.max() == other.max() and is_within(one, other)


def describe_effects(
    data: pd.DataFrame,
    names: Sequence[str],
    *,
    target: str,
    facets: Sequence[str],
    groups: Sequence[str],
) -> list[Effect]:
    """Return the effects with the residual last."""
    of_target = code_effect(data, target)
    belonging = {target, *groups}
    effects = []
    for name in names:
        codes = code_effect(data, name)
        factors = set(name.split(":"))
        is_universe = is_within(of_target, codes)
        # Raters of one target only are confounded with how they see that target.
        differs = bool(factors & belonging) or is_within(codes, of_target)
        averaged = _find_averaged(data, factors, facets, codes)
        effects.append(Effect(name, codes, averaged, is_universe, differs and not is_universe))
    rows = np.arange(len(data), dtype=np.intp)
    return [*effects, Effect(RESIDUAL, rows, tuple(facets), False, True)]


def _find_averaged(
    data: pd.DataFrame, factors: set[str], facets: Sequence[str], codes: IntArray
) -> tuple[str, ...]:
    """Return the facets in an effect, and those that its levels are nested in."""
    found = []
    for facet in facets:
        inside = code_effect(data, facet)
        is_nested = bool(factors & set(facets)) and is_within(codes, inside)
        if facet in factors or is_nested:
            found.append(facet)
    return tuple(found)


def count_levels(data: pd.DataFrame, target: str, facets: Sequence[str]) -> dict[str, float]:
    """Return how many levels of each facet a target met: the harmonic mean over targets.

    Levels of a facet that lies in another one are counted within a level of that one.
    """
    sizes = {}
    for facet in facets:
        within = [
            other
            for other in facets
            if other != facet and is_within(code_effect(data, facet), code_effect(data, other))
        ]
        counts = data.groupby([target, *within], observed=True)[facet].nunique()
        sizes[facet] = float(1 / (1 / counts).mean())
    return sizes


class DesignErrors(NamedTuple):
    """Variances of one design, and its coefficients."""

    universe: float
    relative: float
    absolute: float

    @property
    def generalizability(self) -> float:
        """Coefficient for comparing targets."""
        return _divide(self.universe, self.universe + self.relative)

    @property
    def dependability(self) -> float:
        """Coefficient for taking a score as such (phi)."""
        return _divide(self.universe, self.universe + self.absolute)


def _divide(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def compute_errors(
    effects: Sequence[Effect], variances: Sequence[float], sizes: Mapping[str, float]
) -> DesignErrors:
    """Return universe, relative and absolute error variance when levels are averaged.

    References
    ----------
    Brennan RL (2001). Generalizability Theory, chapters 4 and 5.
    """
    universe = relative = absolute = 0.0
    for effect, variance in zip(effects, variances, strict=True):
        if effect.is_universe:
            universe += variance
            continue
        part = variance / float(np.prod([sizes[facet] for facet in effect.facets]))
        absolute += part
        relative += part if effect.is_relative else 0.0
    return DesignErrors(universe, relative, absolute)


def find_needed(
    effects: Sequence[Effect],
    variances: Sequence[float],
    sizes: Mapping[str, float],
    *,
    facet: str,
    goal: float,
    is_absolute: bool,
) -> float:
    """Return the fewest levels of one facet that reach the goal, the others kept; or missing."""

    def reach(number: float) -> float:
        errors = compute_errors(effects, variances, {**sizes, facet: number})
        return errors.dependability if is_absolute else errors.generalizability

    if not reach(1e12) >= goal:
        return float("nan")
    number = 1
    while reach(number) < goal:
        number *= 2
    below = number // 2
    while number - below > 1:
        middle = (number + below) // 2
        number, below = (middle, below) if reach(middle) >= goal else (number, middle)
    return float(number)
