"""Every number of the built-in trial, with its mark and its meaning.

SD means the standard deviation between people of the same sector and client group.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cpi_analysis.io.simulate.marks import group, list_marked, number
from cpi_analysis.io.simulate.services import SERVICES, ServicePlan
from cpi_analysis.io.simulate.sites import AsRunDesign, PlannedDesign, StudyDesign


@dataclass(frozen=True, kw_only=True)
class ScoreModel:
    """One score: mean and SD at baseline, change in all, extra change of the target group."""

    mean: float
    sd: float
    change: float
    effect: float


@dataclass(frozen=True, kw_only=True)
class PeopleParameters:
    """Who takes part."""

    women: float = number(0.55, "A", "share of women")
    white: float = number(0.85, "A", "share of people of a white ethnic group")
    adult_age: float = number(42.0, "A", "mean age in years, mental health; SD 11, limits 18-64")
    learning_age: float = number(36.0, "A", "mean age, learning disability; SD 12, limits 18-64")
    older_age: float = number(72.0, "A", "mean age, older adults; SD 5, limits 65-90")
    people_per_worker: int = number(6, "A", "recruited people per worker; at least 2 workers")
    training_days: int = number(3, "V", "days of training of a worker")
    supervisor_days: int = number(2, "V", "further days of training of a supervisor")
    visit_jitter_days: int = number(14, "A", "largest shift of the follow-up from its due date")


@dataclass(frozen=True, kw_only=True)
class OutcomeParameters:
    """Scores, drawn as a total on the scale of the questionnaire and then spread over items."""

    rg_uk_mean: float = number(13.0, "A", "RG-UK at baseline, resources")
    rg_uk_sd: float = number(5.0, "A", "RG-UK, SD")
    rg_uk_change: float = number(0.5, "A", "RG-UK, change in all")
    rg_uk_effect: float = number(0.50, "D", "RG-UK, effect in SD; .47-.52 fits partial η² .05")
    scope_mean: float = number(2.9, "A", "SCOPE overall inclusion at baseline, points")
    scope_sd: float = number(1.0, "A", "SCOPE overall inclusion, SD")
    scope_change: float = number(0.1, "A", "SCOPE overall inclusion, change in all")
    scope_effect: float = number(0.60, "D", "SCOPE, effect in SD; .56-.62 fits partial η² .07")
    wemwbs_mean: float = number(41.0, "A", "WEMWBS at baseline, points")
    wemwbs_sd: float = number(10.0, "A", "WEMWBS, SD")
    wemwbs_change: float = number(4.5, "A", "WEMWBS, change in all; a paired dz of .31 or more [D]")
    wemwbs_effect: float = number(0.0, "A", "WEMWBS, effect in SD: none was stated")
    stability: float = number(0.6, "A", "correlation of a score between the two interviews")
    correlation: float = number(0.35, "A", "correlation between scores at one interview")
    agency_share: float = number(0.05, "A", "share of the variance of a score between agencies")
    third_sector_shift: float = number(0.2, "A", "third sector minus statutory, SD of a score")
    learning_shift: float = number(-0.2, "A", "learning disability minus mental health, SD")
    item_noise: float = number(0.8, "A", "SD of an item around the person, in steps of an answer")

    def score(self, name: str) -> ScoreModel:
        """Return the model of one of ``rg_uk``, ``scope`` or ``wemwbs``."""
        parts = ("mean", "sd", "change", "effect")
        return ScoreModel(**{part: float(getattr(self, f"{name}_{part}")) for part in parts})


@dataclass(frozen=True, kw_only=True)
class HealthParameters:
    """EQ-5D-3L answers: five ordinal items on one latent scale of problems with SD 1."""

    mobility: tuple[float, float] = number((0.36, 0.01), "A", "shares at level 2 or 3, level 3")
    self_care: tuple[float, float] = number((0.26, 0.015), "A", "shares at level 2 or 3, level 3")
    usual_activities: tuple[float, float] = number((0.55, 0.05), "A", "shares at 2 or 3, level 3")
    pain: tuple[float, float] = number((0.52, 0.08), "A", "shares at level 2 or 3, level 3")
    anxiety: tuple[float, float] = number((0.74, 0.10), "A", "shares at level 2 or 3, level 3")
    loading: float = number(0.7, "A", "correlation of an item with the latent scale")
    stability: float = number(0.7, "A", "correlation of latent problems between the interviews")
    item_stability: float = number(0.5, "A", "correlation of an item's own part between them")
    agency_share: float = number(0.05, "A", "share of the variance of problems between agencies")
    learning_shift: float = number(0.15, "A", "learning disability minus mental health, SD")
    older_shift: float = number(0.35, "A", "older adults minus mental health, SD")
    change: float = number(-0.05, "A", "change of problems in all, SD")
    effect: float = number(-0.15, "A", "effect on problems, SD: none was published")


@dataclass(frozen=True, kw_only=True)
class FidelityParameters:
    """Ratings: true fidelity of a person, plus source, domain and item, cut into 1 to 5."""

    cutoff: float = number(80.0, "A", "high is this percentage or more: a published convention [V]")
    third_sector_shift: float = number(0.8, "A", "third sector minus statutory, SD of fidelity")
    learning_shift: float = number(0.5, "A", "learning disability minus mental health, SD")
    agency_share: float = number(0.6, "A", "share of fidelity between agencies of one kind")
    source_sd: float = number(0.6, "A", "disagreement of a source about a person, SD of fidelity")
    domain_sd: float = number(0.4, "A", "a person's departure in one domain, SD of fidelity")
    item_sd: float = number(1.2, "A", "noise of one rating, SD of fidelity")
    difficulty_range: float = number(0.8, "A", "from the easiest to the hardest item")
    step: float = number(1.2, "A", "distance between two answers of an item, SD of fidelity")
    worker_bias: float = number(0.25, "A", "leniency of workers, SD of fidelity")
    participant_bias: float = number(0.15, "A", "leniency of participants, SD of fidelity")
    researcher_bias: float = number(-0.4, "A", "leniency of researchers, SD of fidelity")
    researcher_share: float = number(0.6, "A", "share of people whom a researcher observed")
    source_missing: float = number(0.04, "A", "share of forms never returned, if observed")
    item_missing: float = number(0.02, "A", "share of ratings skipped")
    not_applicable: float = number(0.15, "A", "share of barriers that do not apply to a person")


@dataclass(frozen=True, kw_only=True)
class CostParameters:
    """Service use: contacts are Poisson around a gamma-distributed need of the person."""

    effect_gbp: float = number(-1331.0, "V", "difference of service cost, high minus the rest")
    shape: float = number(4.5, "A", "shape of the gamma distribution of need")
    stability: float = number(0.6, "A", "correlation of need between the interviews")
    agency_share: float = number(0.03, "A", "squared coefficient of variation between agencies")
    older_ratio: float = number(1.1, "A", "service use of older adults to mental health")
    learning_ratio: float = number(1.15, "A", "service use of learning disability to mental health")
    third_sector_ratio: float = number(0.9, "A", "service use in the third sector to statutory")
    baseline_recall_months: int = number(6, "A", "months that service use covers at baseline")
    services: tuple[ServicePlan, ...] = group(SERVICES, "services, use and prices")


@dataclass(frozen=True, kw_only=True)
class MissingParameters:
    """What is not observed; it depends on observed things only."""

    item_share: float = number(0.03, "A", "share of items skipped at an interview that was held")
    item_person_sd: float = number(1.5, "A", "spread of skipping between people, logit")
    item_slope: float = number(-0.3, "A", "skipping per SD of baseline WEMWBS, logit")
    loss_slope: float = number(-0.4, "A", "loss to follow-up per SD of baseline WEMWBS, logit")
    loss_agency_sd: float = number(0.4, "A", "spread of loss to follow-up between agencies, logit")
    contacts_share: float = number(0.01, "A", "share of used services whose contacts are unknown")


@dataclass(frozen=True, kw_only=True)
class NetworkParameters:
    """People on the network map."""

    size: float = number(11.7, "V", "mean number of people (weighted mean of a review, psychosis)")
    kin: float = number(0.431, "V", "share of kin (same review)")
    friends: float = number(0.265, "V", "share of friends (same review)")
    service_contacts: float = number(0.12, "A", "share of people known through services only")
    dispersion: float = number(4.0, "A", "shape of the gamma distribution of size between people")
    stability: float = number(0.7, "A", "share of the map that is the same person at follow-up")


@dataclass(frozen=True, kw_only=True)
class SimulationParameters:
    """Every number that :func:`simulate_trial` uses; change one with ``dataclasses.replace``.

    Each number is declared with a mark: [V] verified in a public source, [D] derived from
    verified numbers, [R] recalled and not verified, [A] assumed.

    Examples
    --------
    >>> import dataclasses
    >>> from cpi_analysis.io.simulate import SimulationParameters
    >>> standard = SimulationParameters()
    >>> outcome = dataclasses.replace(standard.outcome, rg_uk_effect=0.0)
    >>> dataclasses.replace(standard, outcome=outcome).outcome.rg_uk_effect
    0.0
    """

    as_run: AsRunDesign = field(default_factory=AsRunDesign)
    planned: PlannedDesign = field(default_factory=PlannedDesign)
    people: PeopleParameters = field(default_factory=PeopleParameters)
    outcome: OutcomeParameters = field(default_factory=OutcomeParameters)
    health: HealthParameters = field(default_factory=HealthParameters)
    fidelity: FidelityParameters = field(default_factory=FidelityParameters)
    cost: CostParameters = field(default_factory=CostParameters)
    missing: MissingParameters = field(default_factory=MissingParameters)
    network: NetworkParameters = field(default_factory=NetworkParameters)

    def design(self, name: str) -> StudyDesign:
        """Return the design called ``as_run`` or ``planned``."""
        return self.as_run if name == "as_run" else self.planned

    def assumptions(self, design: str) -> tuple[str, ...]:
        """Return one line for each number that is not verified and that the design uses."""
        other = "planned." if design == "as_run" else "as_run."
        return tuple(
            str(entry)
            for entry in list_marked(self)
            if entry.mark != "V" and not entry.name.startswith(other)
        )
