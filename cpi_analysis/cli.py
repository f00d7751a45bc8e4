"""The command line: it parses, calls the library, and says what happened.

Nothing heavy is imported until a command needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cpi_analysis
from cpi_analysis.errors import CPIAnalysisError

if TYPE_CHECKING:
    from cpi_analysis.io.trial import TrialData

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130

_SYNTHETIC = (
    "SYNTHETIC DATA: drawn by a computer program; no number below is a result of any study."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments
        What follows the program's name; None takes it from the process.

    Returns
    -------
    int
        0 when all went well, 1 after an unexpected error, 2 when the data or settings were
        refused, 130 after Ctrl-C.
    """
    _speak_any_encoding()
    options = _build_parser().parse_args(arguments)
    if "study" in options:
        _settle_study(options)
    try:
        return _COMMANDS[options.command](options)
    except CPIAnalysisError as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("Interrupted; nothing was written.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:
        if options.traceback:
            raise
        # Neither its text nor what led to it: both may show cells of the data.
        print(_say_unexpected(error), file=sys.stderr)
        return EXIT_UNEXPECTED


def _say_unexpected(error: Exception) -> str:
    return (
        f"An unexpected error stopped the program ({type(error).__name__}): a fault of "
        "cpi-analysis, not of your data.\n"
        "Please report it. `cpi-analysis --traceback ...` shows where it happened; what it "
        "prints may hold values of the data, so read it before you share it."
    )


def _speak_any_encoding() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cpi-analysis",
        description="Analyse a trial of the Connecting People Intervention.",
        epilog="Exit codes: 0 done, 1 unexpected error, 2 the data or settings were refused, "
        "130 interrupted.",
    )
    parser.add_argument(
        "--version", action="version", version=f"cpi-analysis {cpi_analysis.__version__}"
    )
    parser.add_argument(
        "--traceback",
        action="store_true",
        help="show where an unexpected error happened; this may print values of the data",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_reproduce(commands)
    _add_validate(commands)
    _add_simulate(commands)
    return parser


def _add_reproduce(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "reproduce",
        help="run the whole analysis and write the report",
        description="Run the whole analysis of a trial and write report.html, tables/, "
        "figures/ and manifest.json. Without a study, the built-in synthetic trial is used.",
    )
    _add_study(parser, "a study.toml, or a folder that holds one with its tables")
    _add_data(parser)
    parser.add_argument(
        "--out", metavar="FOLDER", default="results", help="where results go (default: results)"
    )
    _add_seed(parser, "seed of the random numbers (default: 1)")


def _add_validate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "validate",
        help="check a trial's files and list every fault",
        description="Check a trial's files. Prints an overview when they are sound, or every "
        "fault with its place and its cure; never a participant's value.",
    )
    _add_study(parser, "a study.toml, or a folder of tables")
    _add_data(parser)
    parser.set_defaults(needs_study=True)


def _add_simulate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "simulate",
        help="write a synthetic trial as files",
        description="Write a synthetic trial with known truth, in the package's own shape.",
    )
    parser.add_argument("--out", metavar="FOLDER", required=True, help="where the files go")
    _add_seed(parser, "seed of the random numbers (default: 1)")
    parser.add_argument(
        "--design",
        choices=("as_run", "planned"),
        default="as_run",
        help="as_run: groups by measured fidelity, 9 months (default); "
        "planned: two arms of 6 agencies, 12 months",
    )


def _add_study(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help=text)
    parser.add_argument("--study", metavar="PATH", help="the same, written as an option")
    parser.set_defaults(parser=parser)


def _settle_study(options: argparse.Namespace) -> None:
    """Put the study into ``options.study``, whichever way it was given."""
    if options.path is not None and options.study is not None:
        options.parser.error("give the study once: as PATH or as --study PATH")
    options.study = options.study if options.path is None else options.path
    if options.study is None and getattr(options, "needs_study", False):
        options.parser.error("give the study: PATH or --study PATH")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", metavar="PATH", help="the file or folder to read instead of the one in the study"
    )


def _add_seed(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--seed", type=_whole_number, default=1, metavar="N", help=text)


def _whole_number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number < 0:
        raise argparse.ArgumentTypeError("a seed is a whole number, 0 or more")
    return number


def _reproduce(options: argparse.Namespace) -> int:
    from cpi_analysis.report.pipeline import analyse
    from cpi_analysis.report.saving import check_replaceable

    # Asked before the analysis, so that nobody waits for a refusal.
    check_replaceable(Path(options.out))
    trial = _load(options.study, options.data)
    if trial.is_synthetic:
        print(_SYNTHETIC, flush=True)
    report = analyse(trial, seed=options.seed, progress=sys.stderr.isatty())
    folder = report.save(options.out)
    print(trial.title)
    for headline in report.headlines:
        print(f"  * {headline}")
    print(f"Report: {folder / 'report.html'}")
    print(
        f"Beside it: {len(report.tables)} tables (tables/), {len(report.figures)} figures "
        "(figures/), manifest.json"
    )
    return EXIT_OK


def _validate(options: argparse.Namespace) -> int:
    try:
        trial = _load(options.study, options.data)
    except CPIAnalysisError as error:
        return _print_faults(error)
    if trial.is_synthetic:
        print(_SYNTHETIC)
    print(f"ok: {trial.title}")
    for name in trial.table_names:
        rows = len(trial.table(name))
        print(f"  {name:<18} {rows:>8,} {'row' if rows == 1 else 'rows'}")
    if trial.load_notes:
        print("Notes of the load:")
        for note in trial.load_notes:
            print(f"  * {note}")
    if trial.protocol is None:
        print("  no protocol: give a study.toml with [analysis] before you reproduce")
    return EXIT_OK


def _simulate(options: argparse.Namespace) -> int:
    from cpi_analysis.io.save import save_trial
    from cpi_analysis.io.simulate import simulate_trial

    save_trial(simulate_trial(seed=options.seed, design=options.design), options.out)
    print(_SYNTHETIC)
    print(f"Trial: {Path(options.out).resolve()} (design {options.design}, seed {options.seed})")
    return EXIT_OK


def _load(study: str | None, data: str | None) -> TrialData:
    if study is not None:
        from cpi_analysis.io.load import load_trial

        return load_trial(study, data=data)
    if data is not None:
        from cpi_analysis.errors import DataError, Fault

        raise DataError(
            Fault(
                code="CPI-E047",
                rule="--data was given without a study",
                cure="name the study file that describes these data: PATH or --study PATH",
            )
        )
    from cpi_analysis.io.simulate import load_example_trial

    return load_example_trial()


def _print_faults(error: CPIAnalysisError) -> int:
    groups: dict[str, list[str]] = {}
    for fault in error.faults:
        place = fault.file or (f"table {fault.table}" if fault.table else "settings")
        groups.setdefault(place, []).append(str(fault))
    count = len(error.faults)
    print(f"{count} {'problem was' if count == 1 else 'problems were'} found", file=sys.stderr)
    for place, texts in groups.items():
        print(f"\n{place} ({len(texts)})", file=sys.stderr)
        for text in texts:
            print(text, file=sys.stderr)
    return EXIT_REFUSED


_COMMANDS = {"reproduce": _reproduce, "validate": _validate, "simulate": _simulate}
