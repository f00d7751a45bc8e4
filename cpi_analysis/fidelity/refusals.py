"""Short ways to refuse data that no reliability or agreement can be computed from."""

from __future__ import annotations

from cpi_analysis.errors import DataError, Fault, ModelError


def refuse_items(rule: str, cure: str, *, allowed: str | None = None) -> ModelError:
    """Return the error for items or ratings that cannot be analysed (CPI-M008)."""
    return ModelError(Fault(code="CPI-M008", rule=rule, cure=cure, allowed=allowed))


def refuse_choice(argument: str, given: str, allowed: tuple[str, ...]) -> DataError:
    """Return the error for an argument that is not one of the allowed choices (CPI-E045)."""
    return DataError(
        Fault(
            code="CPI-E045",
            column=argument,
            rule=f"{argument} = {given!r} is not known",
            allowed=", ".join(allowed),
            cure="use one of the allowed choices",
        )
    )
