"""The sentences of the report that do not depend on a number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cpi_analysis.io.protocol import Contrast, Protocol
    from cpi_analysis.io.trial import TrialData

#: Names such as m9, T1 and wave_2 say nothing to a reader; their months do.
_CODED_TIME = re.compile(r"[A-Za-z]+_?\d+")

BANNER = "SYNTHETIC DATA"
BANNER_TEXT = (
    "Drawn by a computer program to show the analysis. "
    "No number on this page is a result of any study."
)
#: What a headline starts with when the data are synthetic.
HEADLINE_PREFIX = "Synthetic data, not a result of any study: "
#: What follows a headline when nobody was allocated to the groups.
MEASURED_REMINDER = "Groups formed by measured fidelity, not allocated: no effect is claimed."


def in_words(code: str) -> str:
    """Return a code of the data as words: ``third_sector`` becomes ``third sector``."""
    return code.replace("_", " ").strip()


def make_speaker(trial: TrialData) -> Callable[[str], str]:
    """Return a function that puts the trial's codes into words.

    ``rg_uk@m9`` becomes the label of the measure at 9 months, a measure or column loses its
    underscores, and so do the groups. What is not a code of this trial stays as it is.
    """
    times = _times(trial)
    labels = {name: label_of(trial, name) for name in _measures(trial)}
    contrast = _protocol(trial).contrast
    groups = (contrast.target, contrast.reference)
    plain = {
        code: in_words(code) for code in (*groups, *_columns_and_categories(trial)) if "_" in code
    }
    plain |= {"delta_cost": "difference in cost", "delta_effect": "difference in effect"}
    plain |= {code: label for code, label in labels.items() if "_" in code}
    named = {**plain, **labels}
    reference = re.compile(rf"(?<![\w@]){_any_of(named)}@{_any_of(times)}(?!\w)")
    coded = [name for name in times if _CODED_TIME.fullmatch(name)]
    moment = re.compile(rf"(?<=\bat ){_any_of(coded)}(?!\w| \()")
    word = re.compile(rf"(?<![\w@]){_any_of(plain)}(?![\w@])")

    def speak_codes(sentence: str) -> str:
        if sentence in times:
            return times[sentence]
        sentence = reference.sub(lambda found: f"{named[found[1]]} at {times[found[2]]}", sentence)
        sentence = moment.sub(lambda found: times[found[1]], sentence)
        return word.sub(lambda found: plain[found[1]], sentence)

    return speak_codes


def _any_of(codes: Iterable[str]) -> str:
    """Return a pattern of the codes, the longest first; it never matches when there are none."""
    ordered = sorted(codes, key=len, reverse=True)
    return f"({'|'.join(map(re.escape, ordered)) or '(?!)'})"


def time_in_words(trial: TrialData, timepoint: str) -> str:
    """Return a timepoint as a reader says it: ``baseline``, or ``9 months``."""
    return _times(trial)[timepoint]


def _times(trial: TrialData) -> dict[str, str]:
    timepoints = trial.table("timepoints")
    months = timepoints["months"].astype("float64")
    return {
        name: name if name == "baseline" else f"{value:g} months"
        for name, value in zip(timepoints["timepoint"], months, strict=True)
    }


def _measures(trial: TrialData) -> list[str]:
    tables = [name for name in ("measures", "measurements") if trial.has_table(name)]
    return sorted({str(code) for name in tables for code in trial.table(name)["measure"].unique()})


def _columns_and_categories(trial: TrialData) -> list[str]:
    """Return the columns that describe people and agencies, and the categories in them."""
    names: set[str] = set()
    identifiers = ["participant_id", "agency_id", "worker_id"]
    for table in map(trial.table, ("participants", "agencies")):
        described = table.drop(columns=identifiers, errors="ignore")
        texts = described.select_dtypes(exclude=["number", "bool", "datetime"])
        names |= set(map(str, described))
        names |= {str(value) for name in texts for value in texts[name].dropna().unique()}
    return sorted(names)


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
    if is_measured(contrast):
        return tuple(  # type: ignore[return-value]
            name if "fidelity" in name else f"{name} fidelity" for name in (target, reference)
        )
    return target, reference


def is_measured(contrast: Contrast) -> bool:
    """Return whether the groups were formed by what was measured, not allocated."""
    return contrast.variable == "fidelity_band"


def remind(trial: TrialData) -> str:
    """Return what a headline that compares groups must not be read without, or nothing."""
    return f" {MEASURED_REMINDER}" if is_measured(_protocol(trial).contrast) else ""


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
        if is_measured(protocol.contrast)
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
        subject = (
            "A probability of the higher net benefit"
            if is_measured(protocol.contrast)
            else "A probability of being cost-effective"
        )
        lines.append(
            f"{subject} is read at a threshold: what a decision "
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
    if is_measured(protocol.contrast):
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
