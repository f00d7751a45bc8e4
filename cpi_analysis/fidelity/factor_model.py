"""Exploratory factor analysis: extraction, rotation, fit, and everything that went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.fidelity.factor_extraction import (
    Extraction,
    extract_maximum_likelihood,
    extract_minres,
)
from cpi_analysis.fidelity.factor_fit import (
    FactorFit,
    compute_factor_fit,
    compute_log_likelihood,
)
from cpi_analysis.fidelity.item_correlations import ItemCorrelations, correlate_items
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.fidelity.rotation import (
    Rotation,
    draw_starts,
    leave_unrotated,
    order_factors,
    rotate_oblimin,
    rotate_promax,
    rotate_varimax,
)
from cpi_analysis.fidelity.sample_gate import SampleGate, describe_sample_gate
from cpi_analysis.inference.input_checks import check_resampling, is_whole
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXTRACTIONS = {"minres": extract_minres, "ml": extract_maximum_likelihood}
ROTATIONS = {"oblimin": rotate_oblimin, "promax": rotate_promax, "varimax": rotate_varimax}
#: A loading in size above this is named in no note, but below it an item belongs to no factor.
#: A convention.
SMALLEST_SALIENT = 0.30

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FactorModelResult(Result):
    """Loadings of an exploratory factor analysis.

    Parameters
    ----------
    loadings
        Items × factors; pattern loadings when the factors correlate.
    factor_correlation
        Factors × factors.
    communalities, uniquenesses
        Per item: the share of its variance that the factors explain, and the rest.
    heywood_items
        Items of which the uniqueness stopped at its lower bound.
    gate
        Whether the sample lets anybody judge the fit.
    n_targets, n_items, n_factors
        People with an answer, items, factors.
    df, statistic, p_value
        Chi-square of the fit, with Bartlett's factor.
    rmsea, rmsea_low, rmsea_high, tli, bic, rms_residual
        Fit indices; None where the matrix has no likelihood. The interval is one of 90%.
    log_likelihood
        Of the answers under maximum likelihood; None otherwise, or when answers are missing.
    """

    title: ClassVar[str] = "Exploratory factor analysis"

    loadings: pd.DataFrame
    factor_correlation: pd.DataFrame
    communalities: pd.Series
    uniquenesses: pd.Series
    heywood_items: tuple[str, ...]
    gate: SampleGate
    n_targets: int
    n_items: int
    n_factors: int
    df: int
    statistic: float | None
    p_value: float | None
    rmsea: float | None
    rmsea_low: float | None
    rmsea_high: float | None
    tli: float | None
    bic: float | None
    rms_residual: float
    log_likelihood: float | None

    def summary(self) -> str:
        """Return how much the factors explain, and whether fit may be judged."""
        share = round_half_up(100 * float(self.communalities.mean()), 0)
        factors = (
            "1 factor explains" if self.n_factors == 1 else f"{self.n_factors} factors explain"
        )
        text = f"{factors} {share}% of the variance of {self.n_items} items"
        if self.heywood_items:
            text += f", with a Heywood case ({', '.join(self.heywood_items)})"
        if not self.gate.is_open:
            return f"{text}; the sample is too small for a verdict on fit."
        if self.rmsea is None:
            return f"{text}; residual correlations are {round_half_up(self.rms_residual, 3)}."
        return f"{text}; RMSEA is {round_half_up(self.rmsea, 3)}."

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.structural_figures import draw_matrix

        draw_matrix(ax, self.loadings, label="Loading")


def fit_factor_model(
    items: pd.DataFrame,
    *,
    n_factors: int,
    extraction: str = "minres",
    rotation: str | None = "oblimin",
    correlation: str = "pearson",
    starts: int = 10,
    seed: int = 1,
) -> FactorModelResult:
    """Fit an exploratory factor model to the correlations of the items.

    Parameters
    ----------
    items
        People × items: one row per person, one numeric column per item; a missing answer is
        NaN, and each correlation rests on everybody who answered both items.
    n_factors
        Number of factors; see :func:`estimate_parallel_analysis`.
    extraction
        ``minres`` (least squares) or ``ml`` (maximum likelihood).
    rotation
        ``oblimin`` (direct quartimin) or ``promax``, whose factors may correlate; ``varimax``;
        None for none. Kaiser's weights are used by varimax and promax.
    correlation
        ``pearson``, or ``polychoric`` for ordered categories.
    starts
        Random starts of the extraction and of the rotation, besides the usual one.
    seed
        Of the random starts. It matters only where there are local optima, which is then said.

    Returns
    -------
    FactorModelResult
        One row per item and factor: ``item``, ``factor``, ``estimate`` (loading),
        ``communality``, ``uniqueness``. Factors are in the order of the variance that they
        explain, each with a positive sum of loadings.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 for the table or an unknown choice; E021, E024, E047 for
        ``n_factors``, ``starts`` or ``seed``.
    ModelError
        CPI-M005 when no start converged; CPI-M006 for infinite answers; CPI-M008 for a constant
        item, too many factors, or maximum likelihood of a matrix that is not positive definite.

    Notes
    -----
    R ≈ ΛΦΛ′ + Ψ. A uniqueness that stops at 0.005 is a Heywood case: it is named, and its item's
    loadings are not to be relied on. Chi-square, RMSEA and TLI need Pearson correlations that are
    positive definite; with polychoric correlations the chi-square of this discrepancy is not
    distributed as one, so only the residual correlations are given. With missing answers n is
    the smallest number of people of any pair.

    References
    ----------
    Harman HH, Jones WH. Psychometrika 1966;31:351-368. Jöreskog KG. Psychometrika
    1967;32:443-482. Jennrich RI. Psychometrika 2002;67:7-19.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import fit_factor_model
    >>> rng = np.random.default_rng(1)
    >>> answers = rng.normal(size=(200, 1)) + rng.normal(size=(200, 4))
    >>> items = pd.DataFrame(answers, columns=["a", "b", "c", "d"])
    >>> fit_factor_model(items, n_factors=1, rotation=None).loadings.shape
    (4, 1)
    """
    _check_choices(n_factors, extraction, rotation, starts, seed)
    found = correlate_items(items, correlation=correlation)
    _check_rank(found, extraction)
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.05, 0.95, (starts, len(found.names)))
    extracted = EXTRACTIONS[extraction](found.matrix, n_factors, starts=points)
    rotated = _rotate(extracted, rotation, draw_starts(rng, starts, n_factors))
    fit = compute_factor_fit(
        found.matrix,
        extracted.loadings,
        extracted.uniquenesses,
        n_people=found.n_fewest,
        has_likelihood=found.kind == "pearson" and found.is_positive_definite,
    )
    likelihood = None
    if extraction == "ml" and found.kind == "pearson" and found.is_complete:
        answers = items.dropna(how="all").to_numpy(dtype=np.float64)
        likelihood = compute_log_likelihood(answers, extracted.loadings, extracted.uniquenesses)
    return _assemble(
        found,
        extracted,
        rotated,
        fit,
        log_likelihood=likelihood,
        words=(extraction, rotation),
        seed=seed,
    )


def _rotate(extracted: Extraction, rotation: str | None, starts: Array) -> Rotation:
    if rotation is None:
        return order_factors(leave_unrotated(extracted.loadings))
    rotated = ROTATIONS[rotation](extracted.loadings, starts=starts)
    if not rotated.is_converged:
        raise ModelError(
            Fault(
                code="CPI-M005",
                rule=f"the {rotation} rotation did not converge",
                cure="ask for fewer factors, or for rotation=None or 'varimax'",
            )
        )
    return order_factors(rotated)


def _assemble(
    found: ItemCorrelations,
    extracted: Extraction,
    rotated: Rotation,
    fit: FactorFit,
    *,
    log_likelihood: float | None,
    words: tuple[str, str | None],
    seed: int,
) -> FactorModelResult:
    names, k = list(found.names), rotated.loadings.shape[1]
    factors = [f"factor_{number}" for number in range(1, k + 1)]
    communality = (rotated.loadings @ rotated.factor_correlation * rotated.loadings).sum(axis=1)
    gate = describe_sample_gate(
        found.n_fewest,
        n_items=len(names),
        n_parameters=len(names) * (k + 1) - k * (k - 1) // 2,
        lost_categories=found.lost_categories,
        smallest_expected=found.smallest_expected,
    )
    heywood = tuple(np.array(names, dtype=object)[extracted.is_at_bound])
    estimates = pd.DataFrame(
        {
            "item": np.repeat(np.array(names, dtype=object), k),
            "factor": factors * len(names),
            "estimate": rotated.loadings.ravel(),
            "communality": np.repeat(communality, k),
            "uniqueness": np.repeat(extracted.uniquenesses, k),
        }
    )
    return FactorModelResult(
        estimates=estimates,
        n_participants=None,
        n_agencies=None,
        method=_describe_method(found.kind, *words),
        seed=seed,
        estimand="regression weights of the standardised items on common factors of variance 1",
        notes=(
            *gate.notes,
            *_describe_heywood(heywood),
            *_describe_optima(extracted, rotated),
            *_describe_weak(names, rotated.loadings),
            *_describe_likelihood(found, words[0], log_likelihood),
            *found.notes,
        ),
        loadings=pd.DataFrame(rotated.loadings, index=names, columns=factors),
        factor_correlation=pd.DataFrame(rotated.factor_correlation, index=factors, columns=factors),
        communalities=pd.Series(communality, index=names),
        uniquenesses=pd.Series(extracted.uniquenesses, index=names),
        heywood_items=heywood,
        gate=gate,
        n_targets=found.n_people,
        n_items=len(names),
        n_factors=k,
        df=fit.df,
        statistic=fit.statistic,
        p_value=fit.p_value,
        rmsea=fit.rmsea,
        rmsea_low=fit.rmsea_low,
        rmsea_high=fit.rmsea_high,
        tli=fit.tli,
        bic=fit.bic,
        rms_residual=fit.rms_residual,
        log_likelihood=log_likelihood,
    )


def _describe_method(kind: str, extraction: str, rotation: str | None) -> str:
    how = {"minres": "minimum residuals", "ml": "maximum likelihood"}[extraction]
    turned = "no rotation" if rotation is None else f"{rotation} rotation"
    matrix = "Pearson" if kind == "pearson" else "polychoric"
    return f"{how} on {matrix} correlations; {turned}"


def _describe_heywood(heywood: tuple[str, ...]) -> tuple[str, ...]:
    if not heywood:
        return ()
    return (
        f"Heywood case: the uniqueness of {', '.join(heywood)} stopped at its lower bound, so the "
        "factors would explain the item entirely. Ask for fewer factors, leave the item out and "
        "say so, or collect more answers; these loadings are not to be relied on.",
    )


def _describe_optima(extracted: Extraction, rotated: Rotation) -> tuple[str, ...]:
    notes = []
    for what, one in (("extraction", extracted), ("rotation", rotated)):
        worse = one.n_starts - one.n_best
        if worse > 0:
            notes.append(
                f"The {what} has local optima: {one.n_best} of {one.n_starts} starts led to the "
                "best solution, which is the one shown. Another solution may fit nearly as well."
            )
    return tuple(notes)


def _describe_weak(names: list[str], loadings: Array) -> tuple[str, ...]:
    is_weak = np.abs(loadings).max(axis=1) < SMALLEST_SALIENT
    notes = []
    if is_weak.any():
        weak = ", ".join(name for name, flag in zip(names, is_weak, strict=True) if flag)
        notes.append(f"No loading of {weak} reaches {SMALLEST_SALIENT}: on no factor.")
    n_marks = (np.abs(loadings) >= SMALLEST_SALIENT).sum(axis=0)
    thin = [str(column + 1) for column, count in enumerate(n_marks) if count < 3]
    if thin:
        notes.append(
            f"Fewer than three items load on factor {', '.join(thin)}: it is not well defined."
        )
    return tuple(notes)


def _describe_likelihood(
    found: ItemCorrelations, extraction: str, log_likelihood: float | None
) -> tuple[str, ...]:
    if found.kind == "polychoric":
        return ("No chi-square: polychoric correlations have no likelihood of this kind.",)
    if extraction == "ml" and log_likelihood is None:
        return (
            "Answers are missing, so the matrix has no likelihood of its own: no log-likelihood, "
            f"and chi-square counts {found.n_fewest} people. For a likelihood give complete "
            "answers: items.dropna().",
        )
    return ()


def _check_rank(found: ItemCorrelations, extraction: str) -> None:
    if extraction == "ml" and not found.is_positive_definite:
        raise ModelError(
            Fault(
                code="CPI-M008",
                rule="the correlation matrix is not positive definite, so there is no likelihood",
                cure="use extraction='minres', or leave out items that repeat others; with fewer "
                "people than items no likelihood exists",
            )
        )


def _check_choices(
    n_factors: object, extraction: str, rotation: str | None, starts: object, seed: object
) -> None:
    if extraction not in EXTRACTIONS:
        raise refuse_choice("extraction", str(extraction), tuple(EXTRACTIONS))
    if rotation is not None and rotation not in ROTATIONS:
        raise refuse_choice("rotation", str(rotation), (*ROTATIONS, "None"))
    faults = [
        Fault(
            code="CPI-E021",
            column=name,
            rule=f"{name} is a whole number, {least} or more",
            cure="write it without decimals",
        )
        for name, value, least in (("n_factors", n_factors, 1), ("starts", starts, 0))
        if not is_whole(value) or int(value) < least  # type: ignore[call-overload]
    ]
    if faults:
        raise DataError(faults)
    check_resampling(2, seed)
