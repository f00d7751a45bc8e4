"""The built-in trial: synthetic data with known truth.

No person's data are here. Counts that are public about the pilot study are matched exactly;
every other number is recalled or assumed, and the trial declares each in its ``assumptions``.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Literal

from cpi_analysis.errors import DataError, Fault
from cpi_analysis.io.simulate.drawing import draw_tables
from cpi_analysis.io.simulate.parameters import SimulationParameters
from cpi_analysis.io.simulate.truth import compute_truth
from cpi_analysis.io.trial import TrialData, build_trial

if TYPE_CHECKING:
    from cpi_analysis.io.study_file import StudyFile

__all__ = [
    "EXAMPLE_SEED",
    "SimulationParameters",
    "compute_truth",
    "load_example_trial",
    "simulate_trial",
]

#: Seed of the built-in trial: the day on which the pilot closed recruitment. It was fixed
#: before any result was seen.
EXAMPLE_SEED = 20130509
DESIGNS = ("as_run", "planned")


def simulate_trial(
    *,
    seed: int,
    design: Literal["as_run", "planned"] = "as_run",
    parameters: SimulationParameters | None = None,
) -> TrialData:
    """Draw a synthetic trial whose truth is known.

    Parameters
    ----------
    seed
        Whole number from 0; the same seed gives the same tables to the last bit.
    design
        ``as_run``: one group of 14 agencies and 155 people, of whom 117 are followed up at
        nine months, 30 of them with high fidelity. ``planned``: 6 + 6 agencies and 240 people,
        followed up at twelve months, with fidelity ratings in the intervention arm only.
    parameters
        Every number of the simulation; the standard ones when None.

    Returns
    -------
    TrialData
        With ``is_synthetic`` true, the protocol of the design, and one line in
        ``assumptions`` for every number that is not verified.

    Raises
    ------
    DataError
        CPI-E045 when the design is not known or its numbers do not agree.

    Notes
    -----
    Scores are normal totals, clustered in agencies and rounded into their range; the effect of
    the target group is added at follow-up, and items are then drawn to give the total. EQ-5D
    levels are cut from correlated normal variables. Contacts with services are Poisson around
    a gamma-distributed need. Ratings of fidelity are cut from true fidelity with the
    disagreement of sources; their common location is set so that exactly the declared number
    of people reach the cut-off. In ``as_run`` fidelity depends on sector and client group, and
    on nothing else that the outcomes depend on: adjusted comparisons are fair, crude ones are
    not. Loss to follow-up depends on baseline well-being and agency.

    The numbers and their marks ([V] verified, [D] derived, [R] recalled, [A] assumed) stand in
    :class:`SimulationParameters`. Only the counts of the designs, the follow-up times, the
    days of training, the difference of cost and the size and make-up of networks are verified;
    **everything else is recalled or assumed, and no result from these data is a result of the
    study.**

    Examples
    --------
    >>> from cpi_analysis.io.simulate import simulate_trial
    >>> trial = simulate_trial(seed=1)
    >>> len(trial.table("participants")), trial.is_synthetic
    (155, True)
    """
    parameters = parameters or SimulationParameters()
    _check_arguments(seed, design)
    study = _read_protocol(design)
    return build_trial(
        draw_tables(seed, parameters.design(design), parameters),
        title=study.study.title,
        is_synthetic=study.study.is_synthetic,
        protocol=study.analysis,
        assumptions=(
            *study.study.notes,
            f"Drawn by simulate_trial(seed={seed}, design={design!r}).",
            *parameters.assumptions(design),
        ),
    )


def load_example_trial() -> TrialData:
    """Return the built-in trial: ``simulate_trial`` as run, with a fixed seed.

    The data are synthetic: see :func:`simulate_trial` for what is verified and what assumed.

    Examples
    --------
    >>> from cpi_analysis.io.simulate import load_example_trial
    >>> load_example_trial().title
    'Built-in synthetic trial, shaped like the Connecting People pilot'
    """
    return simulate_trial(seed=EXAMPLE_SEED, design="as_run")


def _check_arguments(seed: int, design: str) -> None:
    faults = []
    if design not in DESIGNS:
        faults.append(
            Fault(
                code="CPI-E045",
                rule=f"the design {design!r} is not known",
                allowed=", ".join(DESIGNS),
                cure="choose one of the designs",
            )
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        faults.append(
            Fault(
                code="CPI-E045",
                rule="the seed must be a whole number from 0",
                cure="give a seed such as 1",
            )
        )
    if faults:
        raise DataError(faults)


def _read_protocol(design: str) -> StudyFile:
    import tomllib

    from cpi_analysis.io.study_file import check_study_settings

    file = resources.files("cpi_analysis.io.simulate").joinpath("protocols", f"{design}.toml")
    settings = tomllib.loads(file.read_text(encoding="utf-8"))
    return check_study_settings(settings, file=f"{design}.toml")
