"""How many factors: parallel analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.fidelity.item_correlations import ItemCorrelations, correlate_items
from cpi_analysis.fidelity.parallel_references import (
    draw_normal_eigenvalues,
    draw_permuted_eigenvalues,
    draw_polychoric_eigenvalues,
)
from cpi_analysis.fidelity.refusals import refuse_choice
from cpi_analysis.fidelity.sample_gate import SampleGate, describe_sample_gate
from cpi_analysis.fidelity.thresholds import encode_items
from cpi_analysis.inference.input_checks import check_resampling
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METHODS = {
    "normal": "Pearson correlations against independent normal answers",
    "permutation": "Pearson correlations against each item shuffled over people",
    "polychoric": "polychoric correlations against each item shuffled over people",
}
METHODS = tuple(_METHODS)

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ParallelAnalysisResult(Result):
    """Eigenvalues of the items beside those of answers that have nothing in common.

    Parameters
    ----------
    n_factors
        Suggested number: the leading eigenvalues above the quantile of their reference.
    n_factors_mean
        The same against the mean of the reference, which is the more generous rule.
    quantile
        Of the reference eigenvalues.
    replicates
        How many references were drawn.
    gate
        Whether the sample is large enough for a decision.
    n_targets, n_items
        People and items.
    """

    title: ClassVar[str] = "Parallel analysis"

    n_factors: int
    n_factors_mean: int
    quantile: float
    replicates: int
    gate: SampleGate
    n_targets: int
    n_items: int

    def summary(self) -> str:
        """Return the number of factors suggested by both rules."""
        text = (
            f"Parallel analysis of {self.n_items} items in {self.n_targets} people suggests "
            f"{self.n_factors} factor{'' if self.n_factors == 1 else 's'} "
            f"({self.quantile:.0%} quantile)"
        )
        if self.n_factors_mean != self.n_factors:
            text += f", or {self.n_factors_mean} by the mean"
        return f"{text}." if self.gate.is_open else f"{text}; the sample is too small to decide."

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        from cpi_analysis.fidelity.structural_figures import draw_scree

        draw_scree(ax, self.estimates, quantile=self.quantile)


def estimate_parallel_analysis(
    items: pd.DataFrame,
    *,
    seed: int,
    method: str = "permutation",
    replicates: int = 1000,
    quantile: float = 0.95,
) -> ParallelAnalysisResult:
    """Estimate how many factors stand out from answers that have nothing in common.

    Parameters
    ----------
    items
        People × items: one row per person, one numeric column per item; a missing answer is NaN.
    seed
        Seed of the reference answers.
    method
        ``normal``: Pearson correlations, reference of independent normal answers;
        ``permutation``: Pearson correlations, reference of the same answers with each item
        shuffled; ``polychoric``: the same with polychoric correlations, for few ordered
        categories.
    replicates
        Number of references.
    quantile
        Of the reference eigenvalues that an eigenvalue must exceed.

    Returns
    -------
    ParallelAnalysisResult
        One row per component: ``component``, ``estimate`` (eigenvalue), ``reference_mean``,
        ``reference_quantile``, ``is_retained``.

    Raises
    ------
    DataError
        CPI-E006, E020, E045 for the table or an unknown method; E021, E024, E047 for
        replicates, quantile or seed.
    ModelError
        CPI-M006 for infinite answers; CPI-M008 for a constant item or items without people in
        common.

    Notes
    -----
    Eigenvalues of the correlations with ones in the diagonal (components). They are kept from
    the first on, as long as each is above the quantile of the eigenvalue at the same place. The
    number is a suggestion: the meaning of the items and the fit of the model decide.

    References
    ----------
    Horn JL. Psychometrika 1965;30:179-185.
    Buja A, Eyuboglu N. Multivariate Behavioral Research 1992;27:509-540.
    Garrido LE, Abad FJ, Ponsoda V. Psychological Methods 2013;18:454-474.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_parallel_analysis
    >>> rng = np.random.default_rng(1)
    >>> items = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 5)))
    >>> estimate_parallel_analysis(items, seed=1, replicates=100).n_factors
    1
    """
    if method not in METHODS:
        raise refuse_choice("method", str(method), METHODS)
    check_resampling(replicates, seed)
    _check_quantile(quantile)
    kind = "polychoric" if method == "polychoric" else "pearson"
    found = correlate_items(items, correlation=kind)
    observed = np.linalg.eigvalsh(found.matrix)[::-1]
    drawn = _draw_references(items, found, method, replicates=replicates, seed=seed)
    mean = drawn.mean(axis=0)
    high = np.quantile(drawn, quantile, axis=0)
    n_factors, n_mean = _count_leading(observed > high), _count_leading(observed > mean)
    gate = describe_sample_gate(
        found.n_fewest,
        n_items=len(found.names),
        lost_categories=found.lost_categories,
        smallest_expected=found.smallest_expected,
    )
    number = np.arange(1, len(observed) + 1)
    return ParallelAnalysisResult(
        estimates=pd.DataFrame(
            {
                "component": number,
                "estimate": observed,
                "reference_mean": mean,
                "reference_quantile": high,
                "is_retained": number <= n_factors,
            }
        ),
        n_participants=None,
        n_agencies=None,
        method=f"eigenvalues of {_METHODS[method]}; {replicates} references, "
        f"{quantile:.0%} quantile",
        seed=seed,
        estimand="number of dimensions that the items share beyond chance",
        notes=(*gate.notes, *_describe_rules(n_factors, n_mean), *found.notes),
        n_factors=n_factors,
        n_factors_mean=n_mean,
        quantile=quantile,
        replicates=replicates,
        gate=gate,
        n_targets=found.n_people,
        n_items=len(found.names),
    )


def _draw_references(
    items: pd.DataFrame, found: ItemCorrelations, method: str, *, replicates: int, seed: int
) -> Array:
    if method == "polychoric":
        coded = encode_items(items)
        return draw_polychoric_eigenvalues(
            coded.codes, coded.n_categories, replicates=replicates, seed=seed
        )
    if method == "normal":
        return draw_normal_eigenvalues(
            found.n_fewest, len(found.names), replicates=replicates, seed=seed
        )
    answers = items.dropna(how="all").to_numpy(dtype=np.float64, na_value=np.nan)
    return draw_permuted_eigenvalues(answers, replicates=replicates, seed=seed)


def _count_leading(is_above: NDArray[np.bool_]) -> int:
    return int(len(is_above) if is_above.all() else np.argmin(is_above))


def _describe_rules(n_factors: int, n_mean: int) -> tuple[str, ...]:
    notes = []
    if n_factors == 0:
        notes.append("No eigenvalue stands out: the items share nothing that could be found here.")
    if n_mean != n_factors:
        notes.append(
            f"Against the mean of the references {n_mean} would be kept, against the quantile "
            f"{n_factors}: look at both solutions."
        )
    return tuple(notes)


def _check_quantile(quantile: float) -> None:
    if not 0 < quantile < 1:
        raise DataError(
            Fault(
                code="CPI-E024",
                column="quantile",
                rule="the quantile must be between 0 and 1, such as 0.95",
                cure="give a share",
                allowed="more than 0, less than 1",
            )
        )
