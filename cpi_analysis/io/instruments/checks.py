"""What must hold inside a scoring key or a value set; every check returns problems in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpi_analysis.io.instruments.model import Instrument, Item, Scale, ValueSet

# A declared end of a range may differ from the computed one by rounding of the arithmetic only.
RANGE_TOLERANCE = 1e-9
# Anchors are given with three decimals.
ANCHOR_TOLERANCE = 0.0005 + 1e-9


def fill_in(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key with the instrument's mark and source where an element has none.

    ``answers_from`` becomes the id, and ``items = "all"`` every item, where they are implied.
    """
    filled = dict(data)
    if isinstance(filled.get("id"), str):
        filled.setdefault("answers_from", filled["id"])
    inherited = _marks(filled)
    item_sets = [_inherit(part, inherited) for part in _dicts(filled.get("item_sets"))]
    all_items = [item for part in item_sets for item in part.get("ids", ()) or ()]
    scales = [_fill_scale(part, inherited, all_items) for part in _dicts(filled.get("scales"))]
    # A value of another type is left alone, so that the model can say what is wrong with it.
    if item_sets:
        filled["item_sets"] = item_sets
    if scales:
        filled["scales"] = scales
    return filled


def _marks(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name in ("status", "source")}


def _dicts(value: Any) -> list[dict[str, Any]]:
    parts = value if isinstance(value, list | tuple) else []
    return [dict(part) for part in parts] if all(isinstance(p, Mapping) for p in parts) else []


def _inherit(part: Mapping[str, Any], inherited: Mapping[str, Any]) -> dict[str, Any]:
    return {**inherited, **part}


def _fill_scale(
    part: Mapping[str, Any], inherited: Mapping[str, Any], all_items: list[str]
) -> dict[str, Any]:
    scale = _inherit(part, inherited)
    below = _marks(scale)
    if scale.get("items") == "all":
        scale["items"] = all_items
    for name in ("table", "missing"):
        if isinstance(scale.get(name), Mapping):
            scale[name] = _inherit(scale[name], below)
    if cuts := _dicts(scale.get("cuts")):
        scale["cuts"] = [_inherit(cut, below) for cut in cuts]
    return scale


def find_problems(instrument: Instrument) -> list[str]:
    """Return everything that is wrong between the elements of an instrument."""
    problems = list(_item_problems(instrument))
    items = {item.id: item for item in instrument.items}
    measures = Counter(scale.measure for scale in instrument.scales)
    for position, scale in enumerate(instrument.scales):
        path = f"scales[{position}]"
        if measures[scale.measure] > 1:
            problems.append(f"{path}.measure: {scale.measure} occurs more than once")
        unknown = [item for item in scale.items if item not in items]
        if unknown:
            problems.append(f"{path}.items: {', '.join(unknown)} is not among the items")
            continue
        found = list(_scale_problems(scale, [items[item] for item in scale.items]))
        problems += [f"{path}.{problem}" for problem in found]
    return problems + list(_partition_problems(instrument))


def _item_problems(instrument: Instrument) -> Iterator[str]:
    counts = Counter(instrument.item_ids)
    repeated = sorted(item for item, count in counts.items() if count > 1)
    if repeated:
        yield f"item_sets: {', '.join(repeated)} occurs more than once"
    if instrument.n_items is not None and len(counts) != instrument.n_items:
        yield f"n_items: {instrument.n_items} items are declared but {len(counts)} are listed"
    for position, part in enumerate(instrument.item_sets):
        if part.minimum >= part.maximum:
            yield f"item_sets[{position}]: minimum must be below maximum"
        strangers = [item for item in part.reversed if item not in part.ids]
        if strangers:
            yield f"item_sets[{position}].reversed: {', '.join(strangers)} is not among its ids"


def _scale_problems(scale: Scale, items: list[Item]) -> Iterator[str]:
    if len(set(scale.items)) < len(scale.items):
        yield "items: an item occurs more than once"
    if len({item.target_level for item in items}) > 1:
        yield "items: the items are about different target levels; make one scale for each"
    ranges = {(item.minimum, item.maximum) for item in items}
    if len(ranges) > 1 and scale.method == "mean":
        yield "method: a mean of items with different ranges of answers is not defined"
    if scale.missing.rule == "prorate":
        if problem := find_proration_problem(scale, items):
            yield f"missing: {problem}"
        if (scale.missing.minimum_answered or 0) > len(items):
            yield "missing.minimum_answered: it is above the number of items"
    if scale.method not in ("mean", "percent_of_range") and any(
        item.allows_not_applicable for item in items
    ):
        yield "method: items that may not apply need mean or percent_of_range"
    if [cut.at_least for cut in scale.cuts] != sorted({cut.at_least for cut in scale.cuts}):
        yield "cuts: at_least must increase"
    faults = [*_table_problems(scale, items), *_weight_problems(scale, items)]
    yield from faults or _range_problems(scale, items)


def find_proration_problem(scale: Scale, items: Sequence[Item]) -> str | None:
    """Return why the answered items cannot stand for the missing ones, or None."""
    if scale.method in ("table", "weighted_sum"):
        return "a score from a table or from weights needs every item"
    if scale.method == "sum" and len({(item.minimum, item.maximum) for item in items}) > 1:
        return "a sum of items with different ranges of answers cannot be prorated"
    return None


def _table_problems(scale: Scale, items: list[Item]) -> Iterator[str]:
    if (scale.table is None) == (scale.method == "table"):
        yield 'table: it is needed by method = "table", and by no other'
        return
    if scale.table is None:
        return
    raw = range(sum(item.minimum for item in items), sum(item.maximum for item in items) + 1)
    if scale.table.raw != tuple(raw):
        yield f"table.raw: it must list every whole number from {raw[0]} to {raw[-1]}, in order"
    if len(scale.table.score) != len(scale.table.raw):
        yield "table.score: it must have as many numbers as table.raw"


def _weight_problems(scale: Scale, items: list[Item]) -> Iterator[str]:
    if bool(scale.weights) != (scale.method == "weighted_sum"):
        yield 'weights: they are needed by method = "weighted_sum", and by no other'
        return
    if scale.method != "weighted_sum" and (scale.intercept != 0.0 or scale.slope != 1.0):
        yield 'intercept, slope: only method = "weighted_sum" uses them'
    if not scale.weights:
        return
    if set(scale.weights) != set(scale.items):
        odd = sorted(set(scale.weights) ^ set(scale.items))
        yield f"weights: {', '.join(odd)} must be in both items and weights"
        return
    for item in items:
        if len(scale.weights[item.id]) != len(item.levels):
            yield f"weights.{item.id}: one weight for each of {len(item.levels)} levels is needed"


def attainable_range(scale: Scale, items: list[Item]) -> tuple[float, float]:
    """Return the lowest and the highest score that complete answers can give."""
    low, high = sum(item.minimum for item in items), sum(item.maximum for item in items)
    if scale.method == "sum":
        return float(low), float(high)
    if scale.method == "mean":
        return low / len(items), high / len(items)
    if scale.method == "percent_of_range":
        return 0.0, 100.0
    if scale.table is not None:
        return min(scale.table.score), max(scale.table.score)
    ends = (
        scale.intercept + scale.slope * sum(min(scale.weights[item.id]) for item in items),
        scale.intercept + scale.slope * sum(max(scale.weights[item.id]) for item in items),
    )
    return min(ends), max(ends)


def _range_problems(scale: Scale, items: list[Item]) -> Iterator[str]:
    low, high = attainable_range(scale, items)
    if abs(scale.minimum - low) > RANGE_TOLERANCE or abs(scale.maximum - high) > RANGE_TOLERANCE:
        yield (
            f"minimum, maximum: {scale.minimum:g} to {scale.maximum:g} is declared but the items"
            f" give {low:.10g} to {high:.10g}"
        )


def _partition_problems(instrument: Instrument) -> Iterator[str]:
    """Subscales declared as parts of a total must share its items out among them."""
    totals = {scale.measure: scale for scale in instrument.scales}
    for name in dict.fromkeys(scale.part_of for scale in instrument.scales if scale.part_of):
        if name not in totals:
            yield f"scales.part_of: there is no scale with the measure {name}"
            continue
        parts = [scale for scale in instrument.scales if scale.part_of == name]
        counts = Counter(item for scale in parts for item in scale.items)
        shared = sorted(item for item, count in counts.items() if count > 1)
        if shared:
            yield f"scales.part_of: {', '.join(shared)} is in more than one part of {name}"
        if set(counts) != set(totals[name].items):
            yield (
                f"scales.part_of: the parts of {name} hold {len(counts)} items and the scale"
                f" has {len(totals[name].items)}; they must hold the same items"
            )


def find_value_set_problems(value_set: ValueSet) -> list[str]:
    """Return everything that is wrong inside a value set, its anchors included."""
    lengths = {len(weights) for weights in value_set.decrements.values()}
    if len(lengths) != 1 or not lengths <= {3, 5}:
        return ["decrements: every dimension needs 3 or 5 decrements, one for each level"]
    problems = [
        f"decrements.{dimension}: level 1 is no problems, so its decrement must be 0"
        for dimension, weights in value_set.decrements.items()
        if weights[0] != 0.0
    ]
    for state, utility in value_set.anchors.items():
        levels = tuple(int(level) for level in state if level.isdigit())
        fits = len(levels) == len(value_set.decrements) == len(state)
        if not fits or not all(1 <= level <= value_set.n_levels for level in levels):
            problems.append(f"anchors.{state}: it is not a profile of this value set")
        elif abs(value_set.utility_of(levels) - utility) > ANCHOR_TOLERANCE:
            problems.append(
                f"anchors.{state}: the decrements give {value_set.utility_of(levels):.4f}"
            )
    worst = (value_set.n_levels,) * len(value_set.decrements)
    if abs(value_set.utility_of(worst) - value_set.minimum) > ANCHOR_TOLERANCE:
        problems.append("minimum: it is not the utility of the worst profile")
    return problems
