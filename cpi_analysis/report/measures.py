"""From what was recorded to what is analysed: scores, costs, QALYs and fidelity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpi_analysis.errors import DataError, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from cpi_analysis.io.protocol import Protocol
    from cpi_analysis.io.trial import TrialData

_VALUE = ["participant_id", "timepoint", "measure"]


def derive_measures(trial: TrialData) -> TrialData:
    """Return the trial with every measure that its protocol needs.

    Three steps: the scores of the protocol's instruments from ``responses``, the measures of
    the economic plan (utility, cost, follow-up cost, QALY), and the fidelity score from
    ``fidelity_ratings``. :func:`cpi_analysis.analyse` does this itself; call it to fit a single
    model.

    Parameters
    ----------
    trial
        A trial with a protocol.

    Returns
    -------
    TrialData
        The same trial with more rows in ``measurements`` and ``measures``. Measures that are
        there already are kept, so that a second call changes nothing.

    Raises
    ------
    DataError
        CPI-E045 when ``trial`` is not a trial, E047 when it has no protocol, E013 when it holds
        other scores than its own answers give; else what the steps refuse.

    Examples
    --------
    >>> import cpi_analysis as cpi
    >>> from cpi_analysis.effectiveness import build_analysis_set
    >>> trial = cpi.derive_measures(cpi.load_example_trial())
    >>> build_analysis_set(trial, measure="rg_uk", timepoint="m9").n_agencies
    14
    """
    return derive_in_steps(trial, require_protocol(trial), lambda name: None)


def derive_in_steps(trial: TrialData, protocol: Protocol, step: Callable[[str], None]) -> TrialData:
    """Do the work of :func:`derive_measures`, telling ``step`` what comes next."""
    measured = _derive_scores(trial, protocol)
    step("costs and fidelity")
    if protocol.economics is not None:
        from cpi_analysis.economics.measures import derive_economic_measures

        measured = derive_economic_measures(measured)
    if protocol.fidelity is not None and not _has_fidelity(measured):
        from cpi_analysis.fidelity.scores import derive_fidelity_scores

        measured = derive_fidelity_scores(measured)
    return measured


def require_protocol(trial: TrialData) -> Protocol:
    """Return the protocol of a trial; refuse what is no trial or has no protocol."""
    from cpi_analysis.io.trial import TrialData

    if not isinstance(trial, TrialData):
        raise DataError(
            Fault(
                code="CPI-E045",
                column="trial",
                rule=f"the trial is a {type(trial).__name__}, not a loaded trial",
                cure='load it first: trial = cpi.load_trial("my_trial/study.toml")',
            )
        )
    if trial.protocol is None:
        raise DataError(
            Fault(
                code="CPI-E047",
                rule="the trial has no protocol, so nothing says what to analyse",
                cure="add [analysis] to the study file, or use trial.with_protocol(...)",
            )
        )
    return trial.protocol


def _derive_scores(trial: TrialData, protocol: Protocol) -> TrialData:
    from cpi_analysis.io.scoring import derive_scores

    wanted = tuple(name for name in protocol.instruments if not _is_scored(trial, protocol, name))
    asked = trial.with_protocol(protocol.model_copy(update={"instruments": wanted}))
    return derive_scores(asked).with_protocol(protocol)


def _is_scored(trial: TrialData, protocol: Protocol, name: str) -> bool:
    """Return whether the measurements hold exactly the scores that the answers give."""
    from cpi_analysis.io.instruments import load_instrument
    from cpi_analysis.io.scoring import compute_scores

    if not (trial.has_table("measurements") and trial.has_table("responses")):
        return False
    held = trial.table("measurements")
    key = load_instrument(name)
    if not held["measure"].isin([scale.measure for scale in key.scales]).any():
        return False
    rule = protocol.missing_rules.get(name)
    scores = compute_scores(trial.table("responses"), instrument=key, missing_rule=rule)
    both = scores.merge(held, on=_VALUE, how="left", suffixes=("", "_held"), indicator=True)
    is_same = both["value"].eq(both["value_held"]) | (
        both["value"].isna() & both["value_held"].isna()
    )
    return bool((is_same & (both["_merge"] == "both")).all())


def _has_fidelity(trial: TrialData) -> bool:
    from cpi_analysis.fidelity.plan import has_fidelity_plan, read_fidelity_key

    if not (trial.has_table("measurements") and has_fidelity_plan(trial)):
        return False
    key, held = read_fidelity_key(trial), trial.table("measurements")
    is_there = (held["measure"] == key.composite.measure) & (held["timepoint"] == key.plan.occasion)
    return bool(is_there.any())
