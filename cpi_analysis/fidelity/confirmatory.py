"""Confirmatory factor analysis of ordered or measured items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from cpi_analysis.fidelity.confirmatory_notes import describe_few_answers, describe_people
from cpi_analysis.fidelity.confirmatory_result import ConfirmatoryResult, build_result
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
        notes += describe_few_answers(answers)
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
    return build_result(
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
