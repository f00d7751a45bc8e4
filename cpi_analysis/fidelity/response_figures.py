"""Figures of models of answers: information, category curves, people beside items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TRAIT = "trait (standard normal)"


def draw_information(ax: Axes, information: pd.DataFrame) -> None:
    """Draw the information of every item, and of all together with its standard error."""
    wide = information.pivot(index="trait", columns="item", values="information")
    ax.plot(wide.index, wide, color="0.75", linewidth=0.9)
    total = wide.sum(axis=1)
    ax.plot(total.index, total, color="C0", label="all items")
    ax.plot([], [], color="0.75", linewidth=0.9, label="one item")
    ax.plot(total.index, 1 / np.sqrt(total), color="C1", linestyle="--", label="standard error")
    ax.set_ylim(bottom=0)
    ax.set_xlabel(_TRAIT)
    ax.set_ylabel("information")
    ax.legend(frameon=False)


def draw_category_curves(ax: Axes, curves: pd.DataFrame, *, title: str) -> None:
    """Draw the probability of each answer to one item."""
    for answer, rows in curves.groupby("answer"):
        ax.plot(rows["trait"], rows["proportion"], label=f"{answer:g}")
    ax.set_ylim(0, 1)
    ax.set_title(title)
    ax.set_xlabel("trait")
    ax.set_ylabel("probability of the answer")
    ax.legend(title="answer", frameon=False)


def draw_people_and_thresholds(ax: Axes, people: pd.Series, thresholds: pd.DataFrame) -> None:
    """Draw each item's thresholds above the distribution of the people, on one scale."""
    names = list(dict.fromkeys(thresholds["item"]))
    height = {name: len(names) - place for place, name in enumerate(names)}
    lines = thresholds["item"].map(height)
    ax.scatter(thresholds["estimate"], lines, marker="|", s=90, color="C0")
    for threshold, line, term in zip(
        thresholds["estimate"], lines, thresholds["term"], strict=True
    ):
        ax.annotate(
            str(term).split()[-1],
            (threshold, line),
            textcoords="offset points",
            xytext=(0, 6),
            ha="center",
            fontsize=7,
        )
    counts, edges = np.histogram(people.dropna(), bins=15)
    scaled = counts / max(counts.max(), 1) * max(len(names) / 3, 1.0)
    ax.bar(
        edges[:-1], scaled, width=np.diff(edges), align="edge", color="0.85", bottom=-scaled.max()
    )
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.set_yticks([height[name] for name in names] + [-scaled.max() / 2], [*names, "people"])
    ax.set_xlabel("trait in logits (mean threshold 0)")
