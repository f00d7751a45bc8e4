"""Differential item functioning: whether groups of equal standing answer an item differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cpi_analysis.errors import DataError, Fault, ModelError
from cpi_analysis.fidelity.refusals import refuse_choice, refuse_items
from cpi_analysis.fidelity.thresholds import CodedItems, encode_items
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A change of Nagelkerke's R² below the first is negligible, above the second large.
#: Jodoin MG, Gierl MJ. Applied Measurement in Education 2001;14:329-349.
NEGLIGIBLE, LARGE = 0.035, 0.070
#: Level at which an item is pointed out after Holm's adjustment.
LEVEL = 0.05

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DifferentialItemFunctioningResult(Result):
    """Tests of each item for answers that differ between groups of equal standing.

    Parameters
    ----------
    group
        Name of the variable that makes the groups.
    n_targets, n_items
        People who answered every item and have a group; items.
    """

    title: ClassVar[str] = "Differential item functioning"

    group: str
    n_targets: int
    n_items: int

    def summary(self) -> str:
        """Return which items differ, in one sentence."""
        both = self.estimates[self.estimates["term"] == "both"]
        found = both.loc[
            (both["p_value_holm"] < LEVEL) & (both["r_squared_change"] >= NEGLIGIBLE), "item"
        ]
        told = ", ".join(found) if len(found) else "none"
        return (
            f"Items that groups of equal standing by {self.group} answer differently, beyond "
            f"chance and beyond the negligible: {told} (of {self.n_items})."
        )

    def _facts(self) -> list[str]:
        return [f"{self.n_targets} people or targets", f"{self.n_items} items", *super()._facts()]

    def _draw(self, ax: Axes) -> None:
        rows = self.estimates[self.estimates["term"] == "both"].iloc[::-1]
        ax.barh(rows["item"], rows["r_squared_change"], color="C0")
        for limit, word in ((NEGLIGIBLE, "moderate"), (LARGE, "large")):
            ax.axvline(limit, color="0.4", linestyle=":", linewidth=1)
            ax.text(limit, len(rows) - 0.4, word, fontsize=8, ha="left", va="bottom")
        ax.set_xlabel(f"change of Nagelkerke's R² by {self.group}")


def estimate_differential_item_functioning(
    items: pd.DataFrame, *, group: pd.Series | Sequence[object], matching: str
) -> DifferentialItemFunctioningResult:
    """Test each item for differential functioning by ordinal logistic regression.

    The estimand is, per item, how much more of the answer the group explains beyond the
    person's standing on the other items: a shift (uniform) or another slope (non-uniform).

    Parameters
    ----------
    items
        People × items, numeric, without reversed items; people with a missing answer are left
        out and counted.
    group
        Group of each person, in the order of ``items`` (a Series is aligned by its index).
    matching
        What equal standing means: ``rest`` (sum of the other items) or ``sum`` (of all items,
        which lets the item match itself).

    Returns
    -------
    DifferentialItemFunctioningResult
        Three rows per item: ``term`` ``uniform``, ``non-uniform``, ``both``; ``statistic``
        (likelihood ratio), ``df``, ``p_value``, ``p_value_holm`` (over the items),
        ``r_squared_change`` (Nagelkerke).

    Raises
    ------
    DataError
        CPI-E006, E020, E045 for the table or ``matching``, CPI-E011 when ``group`` does not fit.
    ModelError
        CPI-M001 with fewer than two groups, CPI-M005 when a model has no maximum, CPI-M006, M008
        for items that cannot be analysed.

    Notes
    -----
    With s the matching score and g the group: logit P(y ≤ k) = τₖ − βs, then − γg, then − δsg.
    People of one agency are taken as independent, so that the tests are liberal when agencies
    differ and groups go with agencies.

    References
    ----------
    Zumbo BD. A handbook on the theory and methods of differential item functioning. Ottawa 1999.
    Swaminathan H, Rogers HJ. Journal of Educational Measurement 1990;27:361-370.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpi_analysis.fidelity import estimate_differential_item_functioning
    >>> rng = np.random.default_rng(1)
    >>> trait = rng.normal(size=200)
    >>> items = pd.DataFrame({n: (trait + rng.normal(size=200) > 0) * 1 for n in "abcd"})
    >>> sex = pd.Series(np.arange(200) % 2, name="sex")
    >>> estimate_differential_item_functioning(items, group=sex, matching="rest").n_items
    4
    """
    if matching not in ("rest", "sum"):
        raise refuse_choice("matching", str(matching), ("rest", "sum"))
    name, labels = _align_group(items, group)
    is_used = items.notna().all(axis=1).to_numpy() & labels.notna().to_numpy()
    indicators = _code_group(labels[is_used], name)
    if is_used.sum() < 10:
        raise refuse_items(
            f"{int(is_used.sum())} people have every answer and a group: too few",
            "use items that more people answered",
        )
    coded = encode_items(items.loc[is_used])
    rows = _test_items(coded, indicators, matching)
    table = pd.DataFrame(rows)
    table["p_value_holm"] = table.groupby("term")["p_value"].transform(_adjust)
    return DifferentialItemFunctioningResult(
        estimates=table,
        n_participants=None,
        n_agencies=None,
        method="likelihood-ratio tests of proportional-odds models given the "
        + ("sum of the other items" if matching == "rest" else "sum of all items"),
        estimand="what the group explains of an answer beyond the person's standing",
        notes=_collect_notes(len(items) - int(is_used.sum()), len(items), matching),
        group=name,
        n_targets=int(is_used.sum()),
        n_items=len(coded.names),
    )


def _align_group(items: pd.DataFrame, group: pd.Series | Sequence[object]) -> tuple[str, pd.Series]:
    if isinstance(group, pd.Series):
        name = str(group.name) if group.name is not None else "group"
        if not items.index.isin(group.index).all() or group.index.has_duplicates:
            raise _refuse_group("the index of group does not hold each person of items once")
        return name, group.reindex(items.index)
    values = list(group)
    if len(values) != len(items):
        raise _refuse_group("group and items do not have the same number of people")
    return "group", pd.Series(values, index=items.index)


def _refuse_group(rule: str) -> DataError:
    return DataError(
        Fault(code="CPI-E011", column="group", rule=rule, cure="give one group for each person")
    )


def _code_group(labels: pd.Series, name: str) -> Array:
    codes, levels = pd.factorize(labels, sort=True)
    if len(levels) < 2:
        raise ModelError(
            Fault(
                code="CPI-M001",
                column=name,
                rule="people with every answer are all of one group",
                cure="compare groups that both have people with every answer",
            )
        )
    return np.eye(len(levels))[codes][:, 1:]


def _test_items(coded: CodedItems, indicators: Array, matching: str) -> list[dict[str, object]]:
    # The matching score counts the answers themselves, not the numbers of used categories.
    answers = np.column_stack(
        [values[codes] for values, codes in zip(coded.values, coded.codes.T, strict=True)]
    )
    total = answers.sum(axis=1)
    rows: list[dict[str, object]] = []
    for place, name in enumerate(coded.names):
        score = total - answers[:, place] if matching == "rest" else total
        score = (score - score.mean()) / score.std()
        codes = coded.codes[:, place]
        shift = np.column_stack([score, indicators])
        slope = np.column_stack([shift, indicators * score[:, None]])
        models = (score[:, None], shift, slope)
        logs = [_compute_null(codes), *(_fit(codes, design, name) for design in models)]
        share = _compute_nagelkerke(np.array(logs), len(codes))
        k = indicators.shape[1]
        for term, low, high, df in (
            ("uniform", 1, 2, k),
            ("non-uniform", 2, 3, k),
            ("both", 1, 3, 2 * k),
        ):
            statistic = max(2 * (logs[high] - logs[low]), 0.0)
            rows.append(
                {
                    "item": name,
                    "term": term,
                    "statistic": statistic,
                    "df": df,
                    "p_value": float(stats.chi2.sf(statistic, df)),
                    "r_squared_change": share[high] - share[low],
                }
            )
    return rows


def _compute_null(codes: NDArray[np.intp]) -> float:
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    return float(counts @ np.log(counts / counts.sum()))


def _fit(codes: NDArray[np.intp], design: Array, name: str) -> float:
    # statsmodels takes a second to import: only those who test items pay for it.
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    model = OrderedModel(codes, design, distr="logit")
    fit = model.fit(method="bfgs", disp=False, maxiter=1000, gtol=1e-7, skip_hessian=True)
    slope = np.abs(model.score(fit.params)).max() / len(codes)
    if not np.isfinite(fit.llf) or slope > 1e-5:
        raise ModelError(
            Fault(
                code="CPI-M005",
                column=name,
                rule="the proportional-odds model of the item has no maximum",
                cure="leave the item out: its answers may follow from the others, or a group may "
                "give only one answer",
            )
        )
    return float(fit.llf)


def _compute_nagelkerke(logs: Array, n: int) -> Array:
    share = -np.expm1(2 / n * (logs[0] - logs))
    return np.asarray(share / -np.expm1(2 / n * logs[0]))


def _adjust(p_values: pd.Series) -> Array:
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p_values, method="holm")[1])


def _collect_notes(n_left_out: int, n_people: int, matching: str) -> tuple[str, ...]:
    notes = []
    if n_left_out:
        notes.append(
            f"{n_left_out} of {n_people} people left out: an answer or the group is missing."
        )
    if matching == "sum":
        notes.append("The item is part of the sum it is matched by, which hides some of its bias.")
    notes.append(
        "People of one agency are taken as independent: where groups go with agencies the tests "
        "find too much."
    )
    notes.append(
        f"A change of Nagelkerke's R² below {NEGLIGIBLE} is called negligible and above {LARGE} "
        "large (Jodoin and Gierl 2001)."
    )
    return tuple(notes)
