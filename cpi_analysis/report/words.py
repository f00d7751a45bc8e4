"""The sentences of the report that do not depend on a number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cpi_analysis.io.protocol import Contrast, Protocol
    from cpi_analysis.io.trial import TrialData

BANNER = "SYNTHETIC DATA"
BANNER_TEXT = (
    "Drawn by a computer program to show the analysis. "
    "No number on this page is a result of any study."
)
#: What a headline starts with when the data are synthetic.
HEADLINE_PREFIX = "Synthetic data, not a result of any study: "


def in_words(code: str) -> str:
    """Return a code of the data as words: ``third_sector`` becomes ``third sector``."""
    return code.replace("_", " ").strip()


def make_speaker(trial: TrialData) -> Callable[[str], str]:
    """Return a function that puts the trial's codes into words.

    The groups lose their underscores, and ``at m9`` becomes ``at 9 months``.
    """
    contrast = _protocol(trial).contrast
    exchanges = [
        (re.compile(rf"\b{re.escape(code)}\b"), in_words(code))
        for code in (contrast.target, contrast.reference)
        if "_" in code
    ]
    timepoints = trial.table("timepoints")
    for name, months in zip(timepoints["timepoint"], timepoints["months"], strict=True):
        if re.fullmatch(r"[a-z]+\d+", name):
            pattern = re.compile(rf"\bat {name}\b(?! \()")
            exchanges.append((pattern, f"at {float(months):g} months"))

    def speak_codes(sentence: str) -> str:
        for pattern, words in exchanges:
            sentence = pattern.sub(words, sentence)
        return sentence

    return speak_codes


def speak(trial: TrialData, sentence: str) -> str:
    """Return a sentence with the trial's codes in words and a capital first letter."""
    return capitalise(make_speaker(trial)(sentence))


def capitalise(sentence: str) -> str:
    """Return the sentence with a capital first letter, the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def label_of(trial: TrialData, measure: str) -> str:
    """Return the label of a measure in the trial's dictionary, else its name in words."""
    if trial.has_table("measures"):
        measures = trial.table("measures").set_index("measure")
        if measure in measures.index and isinstance(measures.at[measure, "label"], str):
            return str(measures.at[measure, "label"])
    return in_words(measure)


def group_words(contrast: Contrast) -> tuple[str, str]:
    """Return the target and the reference in words."""
    target, reference = in_words(contrast.target), in_words(contrast.reference)
    if contrast.variable == "fidelity_band":
        return tuple(  # type: ignore[return-value]
            name if "fidelity" in name else f"{name} fidelity" for name in (target, reference)
        )
    return target, reference


def contrast_of(trial: TrialData) -> str:
    """Return what every difference is, such as ``intervention minus comparison``."""
    protocol = _protocol(trial)
    return " minus ".join(group_words(protocol.contrast))


def lead(trial: TrialData) -> str:
    """Return the sentence under the title."""
    protocol = _protocol(trial)
    target, reference = group_words(protocol.contrast)
    parts = ["effectiveness"]
    parts += ["cost-effectiveness"] if protocol.economics else []
    parts += ["fidelity"] if protocol.fidelity else []
    listed = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}"
    basis = (
        "The groups are formed by fidelity as it was measured; they were not allocated."
        if protocol.contrast.variable == "fidelity_band"
        else "The groups are the arms of the agencies."
    )
    return f"{listed.capitalize()}: {target} compared with {reference}. {basis}"


def how_to_read(trial: TrialData) -> tuple[str, ...]:
    """Return the lines that a reader needs before the numbers."""
    protocol = _protocol(trial)
    level = f"{protocol.confidence_level * 100:.4g}%"
    lines = [
        f"Every difference is {contrast_of(trial)}. A negative difference in cost means that "
        "the first group cost less.",
        f"A {level} CI (confidence interval) is the range of true values that fit the data and "
        "the model well. A wide interval means that little is known, not that there is no "
        "difference.",
        "A p-value is not the probability that there is no difference, and 0.05 is not a border "
        "between true and false.",
        "People of one agency resemble each other, so the agencies count, not only the people: "
        "df (degrees of freedom) near the number of agencies means that they decide the "
        "precision.",
    ]
    if protocol.economics:
        lines.append(
            "A probability of being cost-effective is read at a threshold: what a decision "
            "maker would pay for one more unit of effect. It is not a p-value."
        )
    if protocol.fidelity:
        lines.append(
            "Reliability runs from 0 to 1. It says how well ratings tell people apart, not "
            "whether the ratings are true."
        )
    lines.append("Numbers are rounded here only; the CSV files hold them in full precision.")
    return tuple(lines)


def limits(trial: TrialData) -> tuple[str, ...]:
    """Return what the numbers cannot say."""
    protocol = _protocol(trial)
    lines = []
    if trial.is_synthetic:
        lines.append(
            "The data are synthetic. The numbers show what the program does; they are no "
            "evidence about the intervention."
        )
    if protocol.contrast.variable == "fidelity_band":
        lines.append(
            "Fidelity was measured, not allocated. People and agencies that reached it may "
            "differ in other ways, so a difference is an association and not an effect. Cutting "
            "a continuous score in two also loses precision."
        )
    lines += [
        "Each analysis uses the participants in whom everything that it needs was observed. It "
        "is right when what is missing depends only on what the model contains; nothing was "
        "imputed.",
        "Outcomes are analysed one by one. The first is the primary outcome; the others support "
        "it. Intervals and p-values are not adjusted for their number, except p (Holm).",
        "There are few agencies. The methods used allow for it, but estimates of the variation "
        "between agencies remain uncertain.",
        "Small counts are shown as they are. Check them against your rules of disclosure before "
        "you publish a table.",
    ]
    return tuple(lines)


def absent(part: str) -> str:
    """Return the sentence for a part that the protocol does not name."""
    return f"{part} is not part of this protocol, so it was left out."


def _protocol(trial: TrialData) -> Protocol:
    if trial.protocol is None:
        raise ValueError("the trial has no protocol")
    return trial.protocol
