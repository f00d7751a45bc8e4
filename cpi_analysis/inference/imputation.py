"""Imputation of several outcomes at once, with effects of agencies: plain functions of arrays.

Data sets that are alike in shape (imputations of one trial, replicates of a bootstrap) are drawn
side by side, so that hundreds of chains cost little more than one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Rounds of the sampler before values are taken.
ITERATIONS = 200
#: The prior of the covariance of agencies, on outcomes of unit variance: this share of it, held
#: as firmly as one observation per outcome and one more would.
PRIOR_SHARE = 0.05


@dataclass(frozen=True)
class ChainData:
    """Data sets drawn side by side.

    Parameters
    ----------
    outcomes
        Chains × people × outcomes; missing values are NaN.
    design
        Chains × people × predictors, complete.
    members
        Chains × agencies × people: 1 where the person belongs to the agency. A person of no
        agency is a place that is not used.
    has_agency_effects
        False for people who were not recruited through agencies: they then form one.
    """

    outcomes: Array
    design: Array
    members: Array
    has_agency_effects: bool = True

    @property
    def is_used(self) -> Flags:
        """Chains × people: whether the place holds a person."""
        return np.asarray(self.members.sum(axis=1) > 0)


@dataclass
class _State:
    """Where the chains stand: completed outcomes, and the effects and covariances behind them."""

    outcomes: Array
    effects: Array
    within: Array
    between: Array


def impute_outcomes(
    data: ChainData, generator: np.random.Generator, *, n_iterations: int = ITERATIONS
) -> tuple[Array, Array]:
    """Return the outcomes with each missing value drawn given everything that was observed.

    Parameters
    ----------
    data
        Data sets of one shape.
    generator
        Random numbers.
    n_iterations
        Rounds of the sampler.

    Returns
    -------
    completed
        Chains × people × outcomes; places that are not used are zero.
    trace
        Rounds × chains × outcomes: the mean of the missing values, to see whether the chains
        have mixed; zero where an outcome has none.

    Notes
    -----
    The model is yᵢ = xᵢB + b_g + eᵢ for person i of agency g, b ~ N(0, Ψ), e ~ N(0, Σ), with all
    outcomes together. Gibbs sampling draws in turn B (flat prior), the effects of agencies, Σ
    (Jeffreys' prior), Ψ (inverse Wishart with as many degrees of freedom as outcomes and one
    more, scale 0.05 of the outcomes' variances) and each missing outcome given the others.

    References
    ----------
    Schafer JL, Yucel RM. Journal of Computational and Graphical Statistics 2002;11:437-457.
    """
    scaled, centre, spread = _standardise(data)
    is_missing = np.isnan(scaled.outcomes)
    state = _start(scaled, is_missing)
    inverse, root = _factor_design(scaled)
    trace: Array = np.zeros((n_iterations, len(data.outcomes), data.outcomes.shape[2]))
    n_missing = np.maximum(is_missing.sum(axis=1), 1)
    for place in range(n_iterations):
        _advance(state, scaled, is_missing, inverse, root, generator)
        trace[place] = np.where(is_missing, state.outcomes, 0.0).sum(axis=1) / n_missing
    completed = state.outcomes * spread + centre
    observed = np.where(np.isnan(data.outcomes), completed, data.outcomes)
    return np.asarray(np.where(data.is_used[:, :, None], observed, 0.0), np.float64), trace


def compute_mixing(trace: Array) -> Array:
    """Return Gelman and Rubin's R̂ of the second half of several chains, per outcome.

    References
    ----------
    Gelman A, Rubin DB. Statistical Science 1992;7:457-472.
    """
    half = trace[len(trace) // 2 :]
    n = len(half)
    within = half.var(axis=0, ddof=1).mean(axis=0)
    between = half.mean(axis=0).var(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.sqrt((n - 1) / n + between / within)
    return np.asarray(np.where(within > 0, ratio, 1.0))


def _standardise(data: ChainData) -> tuple[ChainData, Array, Array]:
    is_known = ~np.isnan(data.outcomes) & data.is_used[:, :, None]
    count = is_known.sum(axis=1, keepdims=True)
    filled = np.where(is_known, data.outcomes, 0.0)
    centre = filled.sum(axis=1, keepdims=True) / count
    deviation = np.where(is_known, data.outcomes - centre, 0.0)
    spread = np.sqrt((deviation**2).sum(axis=1, keepdims=True) / count)
    outcomes = np.where(data.is_used[:, :, None], (data.outcomes - centre) / spread, 0.0)
    design = np.where(data.is_used[:, :, None], data.design, 0.0)
    return ChainData(outcomes, design, data.members, data.has_agency_effects), centre, spread


def _start(data: ChainData, is_missing: Flags) -> _State:
    n_chains, n_agencies, _ = data.members.shape
    n_outcomes = data.outcomes.shape[2]
    identity = np.broadcast_to(np.eye(n_outcomes), (n_chains, n_outcomes, n_outcomes))
    return _State(
        outcomes=np.where(is_missing, 0.0, data.outcomes),
        effects=np.zeros((n_chains, n_agencies, n_outcomes)),
        within=identity.copy(),
        between=identity * PRIOR_SHARE,
    )


def _factor_design(data: ChainData) -> tuple[Array, Array]:
    """Return (X′X)⁻¹ and its lower factor, per chain."""
    inverse = np.linalg.inv(data.design.transpose(0, 2, 1) @ data.design)
    return np.asarray(inverse, np.float64), np.asarray(np.linalg.cholesky(inverse), np.float64)


def _advance(
    state: _State,
    data: ChainData,
    is_missing: Flags,
    inverse: Array,
    root: Array,
    generator: np.random.Generator,
) -> None:
    """Draw every unknown once, in place."""
    shift = data.members.transpose(0, 2, 1) @ state.effects
    moment = data.design.transpose(0, 2, 1) @ (state.outcomes - shift)
    noise = generator.standard_normal(moment.shape)
    lower = np.linalg.cholesky(state.within)
    mean = data.design @ (inverse @ moment + root @ noise @ lower.transpose(0, 2, 1))
    if data.has_agency_effects:
        state.effects = _draw_effects(state, data, mean, generator)
        mean = mean + data.members.transpose(0, 2, 1) @ state.effects
    residual = (state.outcomes - mean) * data.is_used[:, :, None]
    n_people = data.is_used.sum(axis=1).astype(float)
    products = residual.transpose(0, 2, 1) @ residual
    state.within = _draw_inverse_wishart(n_people, products, generator)
    if data.has_agency_effects:
        _draw_between(state, generator)
    _draw_missing(state, mean, is_missing, generator)


def _draw_between(state: _State, generator: np.random.Generator) -> None:
    n_outcomes = state.effects.shape[2]
    spread = state.effects.transpose(0, 2, 1) @ state.effects
    prior = (n_outcomes + 1) * PRIOR_SHARE * np.eye(n_outcomes)
    df = np.full(len(spread), float(n_outcomes + 1 + state.effects.shape[1]))
    state.between = _draw_inverse_wishart(df, spread + prior, generator)


def _draw_effects(
    state: _State, data: ChainData, mean: Array, generator: np.random.Generator
) -> Array:
    precision = np.linalg.inv(state.within)
    prior = np.linalg.inv(state.between)
    sizes = data.members.sum(axis=2)
    posterior = sizes[:, :, None, None] * precision[:, None] + prior[:, None]
    total = data.members @ (state.outcomes - mean)
    covariance = np.linalg.inv(posterior)
    centre = (covariance @ (total @ precision)[..., None])[..., 0]
    noise = generator.standard_normal(centre.shape)
    return np.asarray(centre + (np.linalg.cholesky(covariance) @ noise[..., None])[..., 0])


def _draw_missing(
    state: _State, mean: Array, is_missing: Flags, generator: np.random.Generator
) -> None:
    precision = np.linalg.inv(state.within)
    for place in range(mean.shape[2]):
        holes = is_missing[:, :, place]
        deviation = state.outcomes - mean
        row = precision[:, place, :].copy()
        own = row[:, place].copy()
        row[:, place] = 0.0
        centre = mean[:, :, place] - (deviation @ row[:, :, None])[..., 0] / own[:, None]
        noise = generator.standard_normal(centre.shape) / np.sqrt(own)[:, None]
        state.outcomes[:, :, place] = np.where(holes, centre + noise, state.outcomes[:, :, place])


def _draw_inverse_wishart(df: Array, scale: Array, generator: np.random.Generator) -> Array:
    """Return one draw per chain, by Bartlett's decomposition of the Wishart of the inverse."""
    size = scale.shape[1]
    factor = np.tril(generator.standard_normal(scale.shape), -1)
    places = np.arange(size)
    factor[:, places, places] = np.sqrt(generator.chisquare(df[:, None] - places[None, :]))
    # Σ = L A⁻ᵀ A⁻¹ Lᵀ, with scale = L Lᵀ and A the lower factor of a standard Wishart.
    lower = np.linalg.cholesky(scale)
    half = np.linalg.solve(factor, lower.transpose(0, 2, 1))
    return np.asarray(half.transpose(0, 2, 1) @ half)
