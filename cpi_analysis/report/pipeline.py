"""The whole analysis of a trial, from its tables to a report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.report import words
from cpi_analysis.report.document import Section
from cpi_analysis.report.measures import derive_in_steps, require_protocol
from cpi_analysis.report.report import Report
from cpi_analysis.results import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cpi_analysis.effectiveness import AnalysisSet
    from cpi_analysis.io.protocol import Protocol
    from cpi_analysis.io.trial import TrialData

#: Steps that the progress bar counts.
_STEPS = 7


def analyse(trial: TrialData, *, seed: int, progress: bool = False) -> Report:
    """Run every analysis that the trial's protocol asks for.

    Scores, costs, QALYs and fidelity are derived first; then come the outcome models, the
    economic evaluation and the reliability of fidelity. A part that the protocol does not name
    is left out, and the report says so. A part that it names and that cannot be done is an
    error: no report has a hole in it.

    Parameters
    ----------
    trial
        A trial with a protocol.
    seed
        Seed of the random numbers; a whole number, 0 or more. The same trial, seed and
        versions give the same report.
    progress
        Show a progress bar on the standard error stream.

    Returns
    -------
    Report
        Headlines, results, tables and figures; ``.save(folder)`` writes them.

    Raises
    ------
    DataError
        When the protocol is missing, or the data do not have what it needs.
    ModelError
        When an analysis cannot give a number that could be trusted.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> report = cpi.analyse(cpi.load_example_trial(), seed=1)
    >>> len(report.headlines)
    3
    """
    protocol = _check_request(trial, seed)
    with _count_steps(progress) as step:
        step("scores")
        measured = derive_in_steps(trial, protocol, step)
        sets = _build_sets(measured, protocol)
        step("outcomes")
        effect_section, effectiveness = _analyse_effectiveness(measured, sets, seed)
        step("economics")
        cost_section, economics = _analyse_economics(measured, protocol, seed)
        step("fidelity")
        fidelity_section, fidelity = _analyse_fidelity(measured, protocol)
        step("participants")
        first_section = _describe_participants(measured, protocol, sets[0])
        step("")
    return Report(
        trial=trial,
        measured=measured,
        seed=seed,
        sections=(first_section, effect_section, cost_section, fidelity_section),
        facts=_list_facts(measured, sets[0], seed),
        effectiveness=effectiveness,
        economics=economics,
        fidelity=fidelity,
    )


def _check_request(trial: TrialData, seed: int) -> Protocol:
    protocol = require_protocol(trial)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise DataError(
            Fault(
                code="CPI-E045",
                column="seed",
                rule="the seed is not a whole number of 0 or more",
                cure="give one, such as seed=1",
            )
        )
    return protocol


@contextmanager
def _count_steps(progress: bool) -> Iterator[Callable[[str], None]]:
    if not progress:
        yield lambda name: None
        return
    from tqdm import tqdm

    with tqdm(total=_STEPS - 1, desc="analysis", unit="step", leave=False) as bar:
        is_started = False

        def step(name: str) -> None:
            nonlocal is_started
            if is_started:
                bar.update()
            is_started = True
            bar.set_postfix_str(name)

        yield step


def _build_sets(trial: TrialData, protocol: Protocol) -> tuple[AnalysisSet, ...]:
    from cpi_analysis.report.effectiveness_section import build_sets

    return build_sets(trial, protocol)


def _analyse_effectiveness(
    trial: TrialData, sets: Sequence[AnalysisSet], seed: int
) -> tuple[Section, dict[str, Result]]:
    from cpi_analysis.report.effectiveness_section import build_effectiveness_section

    return build_effectiveness_section(trial, sets, seed=seed)


def _analyse_economics(
    trial: TrialData, protocol: Protocol, seed: int
) -> tuple[Section, dict[str, Result]]:
    from cpi_analysis.report import economics_section as room

    if protocol.economics is None:
        return _absent("economics", room.TITLE, room.QUESTION, "An economic evaluation"), {}
    return room.build_economics_section(trial, seed=seed)


def _analyse_fidelity(trial: TrialData, protocol: Protocol) -> tuple[Section, dict[str, Result]]:
    from cpi_analysis.report import fidelity_section as room

    if protocol.fidelity is None:
        return _absent("fidelity", room.TITLE, room.QUESTION, "Fidelity"), {}
    return room.build_fidelity_section(trial)


def _absent(key: str, title: str, question: str, part: str) -> Section:
    return Section(key=key, title=title, question=question, headline=words.absent(part))


def _describe_participants(trial: TrialData, protocol: Protocol, primary: AnalysisSet) -> Section:
    from cpi_analysis.report.participants import build_participants_section

    return build_participants_section(trial, protocol, primary)


def _list_facts(trial: TrialData, primary: AnalysisSet, seed: int) -> tuple[tuple[str, str], ...]:
    timepoints = trial.table("timepoints").sort_values("order")
    participants = trial.table("participants")
    months = ", ".join(f"{value:g}" for value in timepoints["months"].astype(float))
    target, reference = words.group_words(primary.contrast)
    return (
        ("Recruited", f"{len(participants):,} people"),
        ("Agencies", f"{participants['agency_id'].nunique()}"),
        ("Interviews", f"at {months} months"),
        ("Compared", f"{target} with {reference}"),
        ("Primary outcome", primary.label),
        ("Seed", str(seed)),
    )
