"""Confirmatory factor analysis of ordered or measured items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from cpi_analysis.fidelity.confirmatory_data import (
    ORDINAL_ESTIMATORS,
    check_estimator,
    check_spread,
    choose_people,
    number_clusters,
    parse_model,
)
from cpi_analysis.fidelity.confirmatory_fit import ConfirmatoryFit, fit_continuous, fit_ordinal
from cpi_analysis.fidelity.confirmatory_notes import (
    describe_people,
    describe_search,
    describe_solution,
    find_heywood_items,
)
from cpi_analysis.fidelity.confirmatory_tables import (
    tabulate_discrimination,
    tabulate_estimates,
    tabulate_indices,
    tabulate_modifications,
    tabulate_reliability,
    tabulate_residuals,
)
from cpi_analysis.fidelity.factor_structure import Codes
from cpi_analysis.fidelity.factor_tables import FactorModel
from cpi_analysis.fidelity.polychoric_matrix import (
    check_overlap,
    count_empty_cells,
    estimate_covariance,
    estimate_influence,
    estimate_matrix,
    find_smallest_expected,
)
from cpi_analysis.fidelity.polychoric_pairs import compute_cell_probabilities, is_at_limit
from cpi_analysis.fidelity.refusals import refuse_choice, refuse_items
from cpi_analysis.fidelity.sample_gate import describe_sample_gate
from cpi_analysis.fidelity.thresholds import encode_items
from cpi_analysis.inference.input_checks import check_confidence_level
from cpi_analysis.results import Result, round_half_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METHODS = {
    "wlsmv": "diagonally weighted least squares on polychoric correlations, test with its mean and "
    "variance adjusted (WLSMV)",
    "ulsmv": "unweighted least squares on polychoric correlations, test with its mean and variance "
    "adjusted (ULSMV)",
    "dwls": "diagonally weighted least squares on polychoric correlations, no robust correction",
    "ml": "maximum likelihood for normal items",
    "mlr": "maximum likelihood, Huber–White standard errors, Yuan–Bentler test (MLR)",
    "mlm": "maximum likelihood, Satorra–Bentler standard errors and test (MLM)",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ConfirmatoryResult(Result):
    """A fitted confirmatory factor model.

    Parameters
    ----------
    estimator
        Which one.
    fit_indices
        One row per version (standard, scaled, robust): ``chi_square``, ``chi_square_df``,
        ``p_value``, ``cfi``, ``tli``, ``rmsea`` with its 90% interval, ``close_fit_p_value``,
        ``srmr`` and the baseline.
    thresholds
        Of ordered items: ``item``, ``threshold``, ``estimate``, ``std_error``; None otherwise.
    residuals
        Observed minus implied correlations, items × items.
    reliability
        Per factor: ``composite_reliability``, ``average_variance_extracted``.
    discrimination
        Per pair of factors: ``correlation``, ``heterotrait_monotrait``.
    modification_indices
        What each fixed loading or residual covariance would bring; None unless asked for.
    is_verdict_possible
        Whether the sample allows a verdict on fit.
    heywood_items
        Items of which the residual variance is not above 0.
    n_targets, n_items, n_parameters
        People, items and free parameters.
    people_per_parameter
        People for each free parameter.
    smallest_expected
        People expected in the emptiest cell of two items; None for measurements.
    chi_square, chi_square_df, p_value, cfi, tli, rmsea, rmsea_low, rmsea_high
        The version to report: the scaled test, and the robust indices if there are any.
    srmr
        Standardised root mean square residual.
    log_likelihood, aic, bic
        Of maximum likelihood; None otherwise.
    scaling_factor
        The statistic over the scaled one; None without a correction.
    gradient
        Largest derivative at the end of the search.
    """

    title: ClassVar[str] = "Confirmatory factor model"

    estimator: str
    fit_indices: pd.DataFrame
    thresholds: pd.DataFrame | None
    residuals: pd.DataFrame
    reliability: pd.DataFrame
    discrimination: pd.DataFrame
    modification_indices: pd.DataFrame | None
    is_verdict_possible: bool
    heywood_items: tuple[str, ...]
    n_targets: int
    n_items: int
    n_parameters: int
    people_per_parameter: float
    smallest_expected: float | None
    chi_square: float
    chi_square_df: float
    p_value: float
    cfi: float
    tli: float
    rmsea: float
    rmsea_low: float
    rmsea_high: float
    srmr: float
    log_likelihood: float | None
    aic: float | None
    bic: float | None
    scaling_factor: float | None
    gradient: float

    def summary(self) -> str:
        """Return the fit in one sentence, or that there is no verdict on it."""
        loadings = self.estimates.loc[
            self.estimates["parameter"] == "loading", "standardised"
        ].dropna()
        if loadings.empty:
            spread = "cannot be standardised"
        else:
            low, high = (round_half_up(float(one), 2) for one in (loadings.min(), loadings.max()))
            spread = f"go from {low} to {high}"
        head = f"Standardised loadings of {self.n_items} items in {self.n_targets} people {spread}"
        if not self.is_verdict_possible:
            return f"{head}; the sample allows no verdict on fit."
        if self.chi_square_df == 0:
            return f"{head}; the model has no degrees of freedom, so its fit cannot be tested."
        numbers = [
            round_half_up(value, decimals)
            for value, decimals in (
                (self.chi_square, 1),
                (self.cfi, 3),
                (self.rmsea, 3),
                (self.srmr, 3),
            )
        ]
        chi, cfi, rmsea, srmr = numbers
        return (
            f"{head}; chi-square {chi} on {self.chi_square_df:.0f} degrees of freedom, CFI {cfi}, "
            f"RMSEA {rmsea}, SRMR {srmr}."
        )

    def _facts(self) -> list[str]:
        return [
            f"{self.n_targets} people or targets",
            f"{self.n_items} items",
            f"{round_half_up(self.people_per_parameter, 1)} people per free parameter",
            *super()._facts(),
        ]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.path_figure import draw_paths

        draw_paths(ax, self.estimates)


def fit_confirmatory_model(
    items: pd.DataFrame,
    *,
    model: Mapping[str, Sequence[str]],
    estimator: str = "wlsmv",
    identification: str = "variance",
    residual_correlations: Sequence[tuple[str, str]] = (),
    missing: str = "listwise",
    cluster: str | None = None,
    information: str | None = None,
    categories: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    with_modification_indices: bool = False,
    confidence_level: float = 0.95,
) -> ConfirmatoryResult:
    """Fit a factor model in which it is said beforehand which item belongs to which factor.

    Parameters
    ----------
    items
        One row per person, one numeric column per item; further columns are not used.
    model
        Factor → its items. Factors correlate freely.
    estimator
        Ordered items: ``wlsmv``, ``ulsmv``, ``dwls`` (no robust correction). Measured items:
        ``ml``, ``mlr`` (robust to other distributions and, with ``cluster``, to agencies), ``mlm``.
    identification
        ``variance``: every factor has variance 1, its loadings sum to more than 0. ``marker``: the
        first loading of every factor is 1.
    residual_correlations
        Pairs of items whose residuals correlate.
    missing
        ``listwise``; ``pairwise`` for ordered items; ``fiml``, full-information maximum likelihood,
        for ``ml`` and ``mlr``.
    cluster
        Column with the agency of each person, for ``mlr``.
    information
        For the standard errors of ``ml``: ``expected`` (default for complete answers) or
        ``observed`` (default with ``fiml``).
    categories
        Answers that were on offer for ordered items, as for :func:`compute_polychoric`.
    with_modification_indices
        Whether to compute them.
    confidence_level
        Of the intervals of the estimates; that of the RMSEA is 90% by custom.

    Returns
    -------
    ConfirmatoryResult
        One row per loading, factor variance and covariance, residual variance and covariance (and
        intercept): ``parameter``, ``factor``, ``item``, ``other`` (the second of a covariance),
        ``estimate``, ``std_error``, ``statistic``, ``p_value``, interval, and ``standardised``
        with its interval. What is fixed has no standard error.

    Raises
    ------
    DataError
        CPI-E006, E011, E014, E020, E024, E036, E045 for the table and the settings.
    ModelError
        CPI-M001 when nobody or one agency is left, CPI-M005 when the search did not end at an
        optimum, CPI-M006 for infinite answers, CPI-M008 for items or models that cannot be
        analysed.

    Notes
    -----
    Σ = ΛΨΛ' + Θ. Maximum likelihood maximises the normal log-likelihood of every person's observed
    items. Least squares minimise (r − ρ(θ))' W (r − ρ(θ)) with polychoric r, W the inverse
    variances of r (identity for ``ulsmv``); tests and standard errors use the whole sampling
    covariance of r and n − 1. Below 100 people, or when a category was chosen by nobody, the
    result says so first and gives no verdict on fit. Sources that rate the same workers are not
    groups of different people; analyse them within workers.

    References
    ----------
    Muthén B. Psychometrika 1984;49:115-132.
    Yuan KH, Bentler PM. Sociol Methodol 2000;30:165-200.
    Asparouhov T, Muthén B. Simple second order chi-square correction. Mplus 2010.
    Savalei V. Multivariate Behav Res 2021;56:390-407.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import fit_confirmatory_model
    >>> rng = np.random.default_rng(1)
    >>> answers = rng.normal(size=(300, 1)) + rng.normal(size=(300, 4))
    >>> items = pd.DataFrame(np.digitize(answers, [-1.5, 0, 1.5]), columns=list("abcd"))
    >>> result = fit_confirmatory_model(items, model={"fidelity": list("abcd")})
    >>> result.tidy().query("parameter == 'loading'")["estimate"].round(2).tolist()
    [0.74, 0.67, 0.66, 0.69]
    """
    check_estimator(estimator, missing, cluster)
    check_confidence_level(confidence_level)
    if information not in (None, "expected", "observed"):
        raise refuse_choice("information", str(information), ("expected", "observed"))
    parsed = parse_model(
        items,
        model,
        residual_correlations=residual_correlations,
        identification=identification,
    )
    table, is_kept = choose_people(items, parsed, missing=missing)
    thresholds, expected = None, None
    lost: tuple[str, ...] = ()
    notes = describe_people(int(is_kept.sum()), len(items), missing)
    if estimator in ORDINAL_ESTIMATORS:
        ordinal = _fit_ordered(table[is_kept], parsed, estimator, categories)
        fit, thresholds, expected = ordinal.fit, ordinal.thresholds, ordinal.smallest_expected
        lost = ordinal.lost
        notes += ordinal.notes
        n_gate = ordinal.fewest
    else:
        answers = table[is_kept].to_numpy(dtype=np.float64, na_value=np.nan)
        check_spread(answers, parsed.items)
        clusters: Codes | None = None
        if cluster is not None:
            clusters = number_clusters(items, is_kept, cluster)
            notes.append(
                f"Standard errors and test allow for {int(clusters.max()) + 1} agencies; below "
                "30 or so the errors are too small."
            )
        fit = fit_continuous(
            parsed, answers, estimator=estimator, clusters=clusters, information=information
        )
        n_gate = fit.n_people
    gate = describe_sample_gate(
        n_gate,
        n_items=len(parsed.items),
        n_parameters=fit.n_parameters,
        lost_categories=lost,
        smallest_expected=expected,
    )
    return _build_result(
        parsed,
        fit,
        estimator=estimator,
        confidence_level=confidence_level,
        notes=(*gate.notes, *notes),
        is_verdict_possible=gate.is_open,
        thresholds=thresholds,
        smallest_expected=expected,
        with_modification_indices=with_modification_indices,
    )


@dataclass(frozen=True)
class _OrderedFit:
    fit: ConfirmatoryFit
    thresholds: pd.DataFrame
    smallest_expected: float
    lost: tuple[str, ...]
    fewest: int
    notes: list[str]


def _fit_ordered(
    table: pd.DataFrame,
    model: FactorModel,
    estimator: str,
    categories: Sequence[float] | Mapping[str, Sequence[float]] | None,
) -> _OrderedFit:
    coded = encode_items(table, categories=categories)
    matrix = estimate_matrix(coded.codes, coded.n_categories)
    check_overlap(matrix, coded.names)
    _refuse_limits(is_at_limit(matrix.rho), matrix.tables.first, matrix.tables.second, model)
    influence = estimate_influence(matrix, coded.n_categories)
    n = len(coded.codes)
    gamma = estimate_covariance(coded, influence) * n
    count = int((coded.n_categories - 1).sum())
    fit = fit_ordinal(
        model, matrix.rho, gamma[count:, count:], n, n_thresholds=count, estimator=estimator
    )
    item = np.repeat(np.arange(len(model.items)), coded.n_categories - 1)
    number = np.concatenate([np.arange(one - 1) for one in coded.n_categories])
    thresholds = pd.DataFrame(
        {
            "item": np.array(model.items, dtype=object)[item],
            "threshold": number + 1,
            "estimate": matrix.tables.thresholds[item, number],
            "std_error": np.sqrt(np.diag(gamma)[:count] / (n - 1)),
        }
    )
    probabilities = compute_cell_probabilities(matrix.tables, matrix.rho)
    smallest = float(find_smallest_expected(matrix, probabilities, coded.n_categories).min())
    pairs = matrix.tables.counts.sum(axis=(1, 2))
    notes = []
    empty = int((count_empty_cells(matrix, coded.n_categories) > 0).sum())
    if empty:
        notes.append(
            f"{empty} of {len(pairs)} tables of two items have an empty cell: they count as they "
            "are. Joining rare categories beforehand, with a reason, makes the fit steadier."
        )
    smallest_root = float(np.linalg.eigvalsh(fit.observed)[0])
    if smallest_root <= 1e-10:
        notes.append(
            f"The polychoric matrix is not positive definite (smallest eigenvalue "
            f"{smallest_root:.2g}): robust indices do not exist. Leave out items that repeat "
            "others, or collect more answers."
        )
    if pairs.min() < n:
        notes.append(
            f"Answers are missing: pairs of items rest on {int(pairs.min())} to "
            f"{int(pairs.max())} people."
        )
    return _OrderedFit(fit, thresholds, smallest, tuple(coded.lost), int(pairs.min()), notes)


def _refuse_limits(at_limit: np.ndarray, first: Codes, second: Codes, model: FactorModel) -> None:
    if at_limit.any():
        pair = int(np.flatnonzero(at_limit)[0])
        raise refuse_items(
            f"the polychoric correlation of {model.items[first[pair]]} and "
            f"{model.items[second[pair]]} ran into 1 or -1 and has no standard error",
            "leave out an item that repeats another, or join rare categories beforehand",
        )


def _build_result(
    model: FactorModel,
    fit: ConfirmatoryFit,
    *,
    estimator: str,
    confidence_level: float,
    notes: tuple[str, ...],
    is_verdict_possible: bool,
    thresholds: pd.DataFrame | None,
    smallest_expected: float | None,
    with_modification_indices: bool,
) -> ConfirmatoryResult:
    estimates = tabulate_estimates(model, fit, confidence_level)
    indices = tabulate_indices(fit)
    versions = [test.version for test in fit.tests]
    test = fit.tests[versions.index("scaled") if "scaled" in versions else 0].comparative
    best = fit.tests[-1]
    low, high = best.approximation.rmsea_interval()
    is_likelihood = fit.log_likelihood is not None
    deviance = -2 * fit.log_likelihood if fit.log_likelihood is not None else np.nan
    return ConfirmatoryResult(
        estimates=estimates,
        n_participants=None,
        n_agencies=None,
        method=f"{_METHODS[estimator]}; "
        + ("first loading of each factor 1" if model.is_marker else "factor variances 1"),
        confidence_level=confidence_level,
        estimand="loadings of the items on factors named beforehand, and the factors' covariances",
        notes=(*notes, *describe_solution(model, fit, estimates), describe_search(fit)),
        estimator=estimator,
        fit_indices=indices,
        thresholds=thresholds,
        residuals=tabulate_residuals(model, fit),
        reliability=tabulate_reliability(model, fit),
        discrimination=tabulate_discrimination(model, fit),
        modification_indices=(
            tabulate_modifications(model, fit) if with_modification_indices else None
        ),
        is_verdict_possible=is_verdict_possible,
        heywood_items=find_heywood_items(estimates),
        n_targets=fit.n_people,
        n_items=len(model.items),
        n_parameters=fit.n_parameters,
        people_per_parameter=fit.n_people / fit.n_parameters,
        smallest_expected=smallest_expected,
        chi_square=test.statistic,
        chi_square_df=test.df,
        p_value=test.p_value,
        cfi=best.comparative.cfi,
        tli=best.comparative.tli,
        rmsea=best.approximation.rmsea,
        rmsea_low=low,
        rmsea_high=high,
        srmr=fit.srmr,
        log_likelihood=fit.log_likelihood,
        aic=deviance + 2 * fit.n_parameters if is_likelihood else None,
        bic=deviance + np.log(fit.n_people) * fit.n_parameters if is_likelihood else None,
        scaling_factor=fit.scaling_factor,
        gradient=fit.gradient,
    )
