"""One confirmatory factor model fitted to one group: estimates, tests and their corrections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpi_analysis.fidelity.factor_structure import (
    Array,
    Codes,
    Structure,
    compute_jacobian,
    compute_moments,
    fill_matrices,
)
from cpi_analysis.fidelity.factor_tables import (
    FactorModel,
    build_continuous_structure,
    build_independence_structure,
    build_ordinal_structure,
    build_saturated_structure,
)
from cpi_analysis.fidelity.fit_indices import ChiSquare, compute_srmr
from cpi_analysis.fidelity.least_squares_fit import (
    LeastSquaresFit,
    OrdinalMoments,
    fit_least_squares,
)
from cpi_analysis.fidelity.likelihood_fit import (
    LikelihoodFit,
    compute_model_information,
    fit_likelihood,
    moment_slice,
)
from cpi_analysis.fidelity.normal_likelihood import (
    PatternData,
    compute_gradient,
    compute_information,
    evaluate_normal,
    sum_up_patterns,
)
from cpi_analysis.fidelity.polychoric_matrix import fill_matrix
from cpi_analysis.fidelity.refusals import refuse_items
from cpi_analysis.fidelity.robust_tests import (
    compute_moment_sandwich,
    compute_moment_traces,
    compute_sandwich,
    correct_for_categories,
    correct_for_missing,
)


@dataclass(frozen=True)
class FitTest:
    """A test of the model with the indices that rest on it.

    Parameters
    ----------
    version
        ``standard``, ``scaled`` (corrected test) or ``robust`` (corrected indices).
    comparative
        For the test, the comparative fit index and the Tucker–Lewis index.
    approximation
        For the root mean square error of approximation.
    has_p_value
        Whether the statistic has about a chi-square distribution when the model holds.
    """

    version: str
    comparative: ChiSquare
    approximation: ChiSquare
    has_p_value: bool = True


@dataclass(frozen=True)
class ConfirmatoryFit:
    """Estimates and tests of a confirmatory factor model.

    Parameters
    ----------
    structure, theta, covariance
        The model, its free parameters and their sampling covariance.
    tests
        Standard, and scaled and robust where the estimator has them.
    srmr
        Standardised root mean square residual.
    observed, implied
        Covariances (correlations of ordered items) of the data and of the model.
    gradient
        Largest derivative of the criterion at the end of the search.
    n_people, n_parameters
        People analysed, and free parameters with the thresholds.
    moment_slope, moment_information
        Derivative of the criterion in the moments and its expected second derivative, for all
        people: for modification indices.
    log_likelihood, saturated_log_likelihood
        Of the model and of unrestricted moments; None for least squares.
    scaling_factor
        The statistic over the scaled one, before a shift; None without a correction.
    """

    structure: Structure
    theta: Array
    covariance: Array
    tests: tuple[FitTest, ...]
    srmr: float
    observed: Array
    implied: Array
    gradient: float
    n_people: int
    n_parameters: int
    moment_slope: Array
    moment_information: Array
    log_likelihood: float | None = None
    saturated_log_likelihood: float | None = None
    scaling_factor: float | None = None


def fit_ordinal(
    model: FactorModel, rho: Array, gamma: Array, n: int, *, n_thresholds: int, estimator: str
) -> ConfirmatoryFit:
    """Fit a model to polychoric correlations by diagonally weighted least squares.

    Parameters
    ----------
    model
        Items and factors.
    rho, gamma
        Correlations in the order of the upper triangle, and their sampling covariance times n.
    n, n_thresholds
        People, and thresholds (which the model reproduces).
    estimator
        ``wlsmv``, ``ulsmv`` or ``dwls``.
    """
    correlation = fill_matrix(rho, len(model.items))
    structure = build_ordinal_structure(model, correlation)
    check_degrees_of_freedom(structure)
    weights = np.ones(len(rho)) if estimator == "ulsmv" else 1 / np.diag(gamma)
    data = OrdinalMoments(n=n, values=rho, covariance=gamma, weights=weights)
    fit = fit_least_squares(structure, [data])
    implied = fill_matrix(compute_moments(structure, fit.theta)[0], len(model.items))
    tests, factor = _test_ordinal(structure, data, fit, implied, is_robust=estimator != "dwls")
    return ConfirmatoryFit(
        structure=structure,
        theta=fit.theta,
        covariance=fit.covariance if estimator != "dwls" else fit.bread / (n - 1),
        tests=tests,
        srmr=compute_srmr([correlation], [implied], [np.empty(0)], np.ones(1)),
        observed=correlation,
        implied=implied,
        gradient=fit.gradient,
        n_people=n,
        n_parameters=structure.table.n_free + n_thresholds,
        moment_slope=-(n - 1) * weights * (rho - compute_moments(structure, fit.theta)[0]),
        moment_information=(n - 1) * np.diag(weights),
        scaling_factor=factor,
    )


def _test_ordinal(
    structure: Structure,
    data: OrdinalMoments,
    fit: LeastSquaresFit,
    implied: Array,
    *,
    is_robust: bool,
) -> tuple[tuple[FitTest, ...], float | None]:
    rho, gamma, weights = data.values, data.covariance, data.weights
    n, df, baseline_df = data.n - 1, structure.df, len(rho)
    baseline = n * float(rho**2 @ weights)
    standard = ChiSquare(fit.chi_square, df, baseline, baseline_df, n)
    # Without weights the statistic is on no scale of its own.
    tests = [FitTest("standard", standard, standard, bool((weights != 1).any()))]
    if not is_robust or df == 0:
        return tuple(tests), None
    slope, shift = shift_statistic(fit.trace, fit.trace_square, df)
    weighted = weights[:, None] * gamma
    baseline_slope, baseline_shift = shift_statistic(
        float(np.trace(weighted)), float((weighted * weighted.T).sum()), baseline_df
    )
    scaled = ChiSquare(
        slope * fit.chi_square + shift,
        df,
        baseline_slope * baseline + baseline_shift,
        baseline_df,
        n,
    )
    tests.append(FitTest("scaled", scaled, scaled))
    jacobian = compute_jacobian(structure, fit.theta)[0]
    projection = np.eye(len(rho)) - jacobian @ fit.bread @ (jacobian.T * weights)
    corrected = correct_for_categories(
        fill_matrix(rho, structure.n_items), implied, gamma, projection, data.n, df
    )
    if corrected is not None:
        own, null = corrected
        robust = ChiSquare(
            own.statistic,
            df,
            null.statistic,
            baseline_df,
            n,
            factor=own.factor,
            baseline_factor=null.factor,
            reference=own.statistic / own.factor,
        )
        tests.append(FitTest("robust", robust, robust, False))
    return tuple(tests), 1 / slope


def shift_statistic(trace: float, trace_square: float, df: float) -> tuple[float, float]:
    """Return slope and shift that give a statistic the mean and variance of a chi-square.

    References
    ----------
    Asparouhov T, Muthén B. Simple second order chi-square correction. Mplus 2010.

    Examples
    --------
    >>> shift_statistic(10.0, 10.0, 10)
    (1.0, 0.0)
    """
    slope = float(np.sqrt(df / trace_square))
    return slope, float(df - slope * trace)


def fit_continuous(
    model: FactorModel,
    answers: Array,
    *,
    estimator: str,
    clusters: Codes | None = None,
    information: str | None = None,
) -> ConfirmatoryFit:
    """Fit a model to measured items by maximum likelihood.

    Parameters
    ----------
    model
        Items and factors.
    answers
        People × items; missing values are NaN.
    estimator
        ``ml``, ``mlr`` or ``mlm``.
    clusters
        Number of each person's cluster.
    information
        ``expected`` or ``observed`` for the standard errors of ``ml``.
    """
    data = sum_up_patterns(answers)
    has_means = not data.is_complete or clusters is not None
    saturated, saturated_value = fit_saturated(data, answers)
    structure = build_continuous_structure(model, *saturated, has_means=has_means)
    check_degrees_of_freedom(structure)
    fit = fit_likelihood(structure, [data])
    corrected = _Correction(structure, data, fit, saturated, clusters, estimator)
    covariance = corrected.covariance
    if covariance is None:
        is_expected = (information or _default_information(data)) == "expected"
        observed = compute_model_information(
            structure, [data], fit.theta, fit.terms, is_expected=is_expected
        )
        covariance = np.asarray(np.linalg.inv(observed))
    tests, factor = corrected.run(2 * (saturated_value - fit.log_likelihood))
    implied = fill_matrices(structure, fit.theta)[0]
    distance = saturated[0] - implied.mean() if has_means else np.empty(0)
    spread = np.sqrt(np.diag(saturated[1]))
    keep = moment_slice(structure)
    return ConfirmatoryFit(
        structure=structure,
        theta=fit.theta,
        covariance=covariance,
        tests=tests,
        srmr=compute_srmr(
            [saturated[1]],
            [implied.covariance()],
            [distance / spread if has_means else distance],
            np.ones(1),
        ),
        observed=saturated[1],
        implied=implied.covariance(),
        gradient=fit.gradient,
        n_people=len(answers),
        n_parameters=structure.table.n_free,
        moment_slope=compute_gradient(data, fit.terms[0])[keep],
        moment_information=compute_information(data, fit.terms[0], is_expected=True)[keep, keep],
        log_likelihood=fit.log_likelihood,
        saturated_log_likelihood=saturated_value,
        scaling_factor=factor,
    )


def _default_information(data: PatternData) -> str:
    # With missing values the expected information holds only if they are missing completely at
    # random.
    return "expected" if data.is_complete else "observed"


def fit_saturated(data: PatternData, answers: Array) -> tuple[tuple[Array, Array], float]:
    """Return the unrestricted means and covariances, and their log-likelihood.

    Raises
    ------
    ModelError
        CPI-M008 when the covariance of the items is singular.
    """
    if data.is_complete:
        moments = data.mean[0], data.covariance[0]
        if not _is_regular(moments[1]):
            raise refuse_items(
                "the covariance of the items is singular, so there is no likelihood",
                "leave out items that repeat others, or analyse fewer items: there must be more "
                "people than items",
            )
    else:
        start = np.diag(np.nanvar(answers, axis=0))
        n_items = answers.shape[1]
        structure = build_saturated_structure(
            n_items, [np.nanmean(answers, axis=0)], [start], has_means=True
        )
        fit = fit_likelihood(structure, [data])
        found = fill_matrices(structure, fit.theta)[0]
        moments = found.mean(), found.covariance()
    terms = evaluate_normal(data, *moments)
    if terms is None:
        raise refuse_items(
            "the covariance of the items is not positive definite",
            "leave out items that repeat others or that few people answered",
        )
    return moments, terms.log_likelihood


def _is_regular(covariance: Array) -> bool:
    spread = np.sqrt(np.diag(covariance))
    return bool(np.linalg.eigvalsh(covariance / np.outer(spread, spread))[0] > 1e-10)


class _Correction:
    """What an estimator does to the covariance of its estimates and to its test."""

    def __init__(
        self,
        structure: Structure,
        data: PatternData,
        fit: LikelihoodFit,
        saturated: tuple[Array, Array],
        clusters: Codes | None,
        estimator: str,
    ) -> None:
        self.structure, self.data, self.fit = structure, data, fit
        self.saturated = saturated
        self.clusters = None if clusters is None else [clusters]
        self.estimator = estimator
        mean, covariance = _separate_moments(data)
        self.independence = build_independence_structure(
            structure.n_items, [mean], [covariance], has_means=structure.has_means
        )
        self.baseline = fit_likelihood(self.independence, [data])
        self.covariance: Array | None = None
        self.trace = self.baseline_trace = 0.0
        if estimator == "mlr":
            self._use_scores()
        elif estimator == "mlm":
            self._use_fourth_moments()

    def _use_scores(self) -> None:
        own = compute_sandwich(self.structure, [self.data], self.fit, self.clusters)
        null = compute_sandwich(self.independence, [self.data], self.baseline, self.clusters)
        whole = compute_moment_traces(
            [self.data],
            [self.saturated],
            has_means=self.structure.has_means,
            clusters=self.clusters,
        )
        self.covariance = own.covariance
        self.trace, self.baseline_trace = whole - own.trace, whole - null.trace

    def _use_fourth_moments(self) -> None:
        own = compute_moment_sandwich(self.structure, [self.data], self.fit)
        null = compute_moment_sandwich(self.independence, [self.data], self.baseline)
        self.covariance = own.covariance
        self.trace, self.baseline_trace = own.trace, null.trace

    def run(self, statistic: float) -> tuple[tuple[FitTest, ...], float | None]:
        df, baseline_df = self.structure.df, self.independence.df
        n = float(self.data.n.sum())
        saturated = self.fit.log_likelihood + statistic / 2
        baseline = 2 * (saturated - self.baseline.log_likelihood)
        standard = ChiSquare(statistic, df, baseline, baseline_df, n)
        tests = [FitTest("standard", standard, standard)]
        factor = None
        if self.estimator != "ml" and df > 0:
            factor, baseline_factor = self.trace / df, self.baseline_trace / baseline_df
            scaled = ChiSquare(statistic / factor, df, baseline / baseline_factor, baseline_df, n)
            spread = ChiSquare(statistic, self.trace, baseline, baseline_df, n)
            tests.append(FitTest("scaled", scaled, spread))
            tests.append(self._robust(standard, factor, baseline_factor))
        elif not self.data.is_complete and df > 0:
            tests.append(self._robust(standard, 1.0, 1.0))
        return tuple(tests), factor

    def _robust(self, standard: ChiSquare, factor: float, baseline_factor: float) -> FitTest:
        statistic, baseline = standard.statistic, standard.baseline
        if not self.data.is_complete:
            is_robust = self.estimator == "mlr"
            own, null = (
                correct_for_missing(
                    structure, [self.data], fit, [self.saturated], is_robust=is_robust
                )
                for structure, fit in (
                    (self.structure, self.fit),
                    (self.independence, self.baseline),
                )
            )
            statistic, factor = own.statistic, own.factor
            baseline, baseline_factor = null.statistic, null.factor
        robust = ChiSquare(
            statistic,
            standard.df,
            baseline,
            standard.baseline_df,
            standard.n,
            factor=factor,
            baseline_factor=baseline_factor,
            reference=statistic / factor,
        )
        return FitTest("robust", robust, robust, False)


def _separate_moments(data: PatternData) -> tuple[Array, Array]:
    """Return the mean and variance of each item over those who have it."""
    seen = data.is_observed[data.pattern]
    count = seen.sum(axis=0)
    mean = data.values.sum(axis=0) / count
    return mean, np.where(seen, (data.values - mean) ** 2, 0.0).sum(axis=0) / count


def check_degrees_of_freedom(structure: Structure) -> None:
    """Raise CPI-M008 when the model has more parameters than the answers have moments."""
    if structure.df < 0:
        raise refuse_items(
            f"the model has {-structure.df} more parameters than the items have covariances",
            "give every factor three items or more (two, if factors correlate), and ask for fewer "
            "residual correlations",
        )
