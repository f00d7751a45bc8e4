"""The choices that a trial's protocol makes, read from a study file and never guessed."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cpi_analysis.inference.resampling import MINIMUM_REPLICATES
from cpi_analysis.io.instruments.model import MissingRule
from cpi_analysis.io.settings import StrictModel

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Contrast(StrictModel):
    """Which two groups are compared; every difference is ``target`` minus ``reference``.

    ``variable = "arm"`` compares the arms of the agencies. ``variable = "fidelity_band"``
    compares participants whose fidelity (``measure`` at ``timepoint``) reaches ``cutoff`` with
    those below it: an exposure that was measured, not allocated.
    """

    variable: Literal["arm", "fidelity_band"]
    target: str
    reference: str
    measure: str | None = None
    timepoint: str | None = None
    cutoff: float | None = None

    @model_validator(mode="after")
    def _band_needs_a_cutoff(self) -> Self:
        given = (self.measure, self.timepoint, self.cutoff)
        if self.variable == "fidelity_band" and None in given:
            raise ValueError("fidelity_band needs measure, timepoint and cutoff")
        if self.target == self.reference:
            raise ValueError("target and reference must differ")
        return self


class OutcomePlan(StrictModel):
    """One outcome model: which measure, when, adjusted for what, in whom.

    ``covariates`` are columns of participants or agencies, or ``measure@timepoint``. The
    baseline is ``measure@baseline`` of the same measure unless ``baseline`` names another, and
    ``baseline = "none"`` leaves it out.
    """

    measure: str
    timepoint: str
    baseline: str = "same"
    covariates: tuple[str, ...] = ()
    population: str = "observed"


class UtilityPlan(StrictModel):
    """Where utilities come from: a measure, or EQ-5D answers with a named value set."""

    measure: str | None = None
    instrument: str | None = None
    value_set: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.measure is None) == (self.instrument is None):
            raise ValueError("give either measure, or instrument with value_set")
        if self.instrument is not None and self.value_set is None:
            raise ValueError("an instrument needs a value_set: there is no default")
        return self


class CostPlan(StrictModel):
    """Where costs come from: a measure, or service use priced with unit costs."""

    measure: str | None = None
    from_service_use: bool = False
    perspective: str | None = None
    price_year: str | None = None
    recall: Literal["as_recorded", "scaled_to_interval"] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.measure is not None) == self.from_service_use:
            raise ValueError("give either measure, or from_service_use = true")
        if self.from_service_use and None in (self.perspective, self.price_year, self.recall):
            raise ValueError("from_service_use needs perspective, price_year and recall")
        return self


class EconomicPlan(StrictModel):
    """The economic evaluation: cost, effect, adjustment and thresholds.

    ``effect`` is ``"qaly"`` (area under the utility curve over ``utility_timepoints``) or the
    name of a measure at the last of ``cost_timepoints``. Costs are summed over
    ``cost_timepoints``. ``adjust_for_baseline`` adds baseline cost to the cost equation and
    baseline utility (or effect) to the effect equation. ``threshold_maximum`` is where the
    acceptability curve ends: at the largest of ``thresholds`` or beyond.
    """

    effect: str
    utility: UtilityPlan | None = None
    utility_timepoints: tuple[str, ...] = ()
    cost: CostPlan
    cost_timepoints: tuple[str, ...]
    adjust_for_baseline: bool
    covariates: tuple[str, ...] = ()
    thresholds: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]
    headline_threshold: float
    threshold_maximum: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    replicates: int = Field(ge=MINIMUM_REPLICATES)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if list(self.thresholds) != sorted(set(self.thresholds)):
            raise ValueError("thresholds must be in increasing order, each once")
        if self.headline_threshold not in self.thresholds:
            raise ValueError("headline_threshold must be one of thresholds")
        if self.threshold_maximum < self.thresholds[-1]:
            raise ValueError("threshold_maximum must reach the largest of thresholds")
        if self.effect == "qaly" and (self.utility is None or len(self.utility_timepoints) < 2):
            raise ValueError("a qaly needs utility and at least two utility_timepoints")
        return self


class FidelityPlan(StrictModel):
    """The fidelity questionnaire: its key, the occasion, and the sources that are compared."""

    instrument: str
    occasion: str
    sources: tuple[str, ...]
    target_level: Literal["participant", "worker", "agency"] = "participant"


class Protocol(StrictModel):
    """Every choice that the analysis of a trial needs.

    ``populations`` names sets of participants by what they must have observed, each entry
    ``measure@timepoint``: ``{"complete": ("qaly@m12", "total_cost@baseline")}``. The
    population ``observed`` is always there: whoever has the outcome and its covariates.
    ``missing_rules`` gives an instrument of ``instruments`` another rule for missing items than
    its scoring key has.
    """

    contrast: Contrast
    outcomes: tuple[OutcomePlan, ...]
    populations: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    instruments: tuple[str, ...] = ()
    missing_rules: dict[str, MissingRule] = Field(default_factory=dict)
    economics: EconomicPlan | None = None
    fidelity: FidelityPlan | None = None
    confidence_level: Fraction = 0.95

    @model_validator(mode="after")
    def _outcomes_named(self) -> Self:
        if not self.outcomes:
            raise ValueError("name at least one outcome; the first is the primary one")
        unknown = {plan.population for plan in self.outcomes} - {"observed", *self.populations}
        if unknown:
            raise ValueError(f"populations {sorted(unknown)} are not defined")
        unscored = set(self.missing_rules) - set(self.instruments)
        if unscored:
            raise ValueError(f"missing_rules: {sorted(unscored)} are not among instruments")
        return self
