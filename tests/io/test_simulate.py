"""The built-in trial: exact counts, the same bytes, and draws that agree with the truth.

The truth comes from arithmetic on the parameters, the draws from the simulation: the two do
not share code for the step that is compared (rounding, profiles, contacts).
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import pytest

from cpi_analysis.errors import DataError
from cpi_analysis.fidelity.scores import derive_fidelity_scores
from cpi_analysis.io.load import load_trial
from cpi_analysis.io.save import save_trial
from cpi_analysis.io.scoring import compute_scores
from cpi_analysis.io.simulate import (
    EXAMPLE_SEED,
    SimulationParameters,
    compute_truth,
    load_example_trial,
    simulate_trial,
)
from cpi_analysis.io.simulate.drawing import draw_tables
from cpi_analysis.io.simulate.draws import draw_gamma_pair, draw_two_waves, spread_total
from cpi_analysis.io.simulate.marks import list_marked
from cpi_analysis.io.trial import TrialData
from cpi_analysis.io.utilities import compute_utilities

# A mean over independent seeds lies within this many standard errors of the truth; a right
# simulation fails one such check in 15,000.
STANDARD_ERRORS = 4.0
SEEDS = 200
EQ5D = [
    "eq5d_mobility",
    "eq5d_self_care",
    "eq5d_usual_activities",
    "eq5d_pain",
    "eq5d_anxiety",
]


@pytest.fixture(scope="module")
def example() -> TrialData:
    return load_example_trial()


@pytest.fixture(scope="module")
def planned() -> TrialData:
    return simulate_trial(seed=1, design="planned")


def composite_fidelity(tables: dict[str, pd.DataFrame]) -> pd.Series:
    """Mean over sources of the percentage of range, by plain pandas."""
    ratings = tables["fidelity_ratings"]
    ratings = ratings[
        (ratings["target_level"] == "participant") & ~ratings["item"].str.startswith("cpi_b_")
    ]
    forms = ratings.groupby(["target_id", "source"])["rating"].agg(["mean", "count"])
    percent = (100 * (forms["mean"] - 1) / 4)[forms["count"] >= 0.8 * 27]
    by_person = percent.groupby("target_id").agg(["mean", "count"])
    return by_person.loc[by_person["count"] >= 2, "mean"]


def hash_trial(trial: TrialData) -> str:
    digest = hashlib.sha256()
    for name in trial.table_names:
        digest.update(trial.table(name).to_csv(index=False).encode())
    return digest.hexdigest()


def tables_of(trial: TrialData) -> dict[str, pd.DataFrame]:
    return {name: trial.table(name) for name in trial.table_names}


# ---------------------------------------------------------------- counts of the pilot [V]


@pytest.mark.parametrize("seed", [EXAMPLE_SEED, 1, 2, 77])
def test_counts_are_those_of_the_pilot(seed: int) -> None:
    tables = draw_tables(seed, SimulationParameters().as_run, SimulationParameters())
    assert len(tables["agencies"]) == 14
    groups = tables["participants"]["client_group"].value_counts().to_dict()
    assert groups == {"mental_health": 111, "learning_disability": 35, "older_adult": 9}
    visits = tables["visits"]
    assert len(visits) == 310
    held = visits[visits["status"] == "completed"]["timepoint"].value_counts().to_dict()
    assert held == {"baseline": 155, "m9": 117}
    composite = composite_fidelity(tables)
    assert len(composite) == 117
    assert int((composite >= 80).sum()) == 30
    assert np.abs(composite - 80).min() > 1e-9


def test_scored_fidelity_gives_the_same_bands(example: TrialData) -> None:
    values = derive_fidelity_scores(example).table("measurements")
    scores = values.query("measure == 'fidelity_percent'")["value"].dropna()
    assert (len(scores), int((scores >= 80).sum())) == (117, 30)


def test_agencies_are_uneven_and_fidelity_overlaps(example: TrialData) -> None:
    people = example.table("participants").merge(example.table("agencies"), on="agency_id")
    sizes = people["agency_id"].value_counts()
    assert (sizes.max(), sizes.min()) == (30, 2)
    high = composite_fidelity(tables_of(example)).ge(80).rename("high")
    share = people.merge(high, left_on="participant_id", right_index=True)
    by_sector = share.groupby("sector")["high"].mean()
    assert 0 < by_sector["statutory"] < by_sector["third_sector"] < 1


def test_planned_design(planned: TrialData) -> None:
    agencies = planned.table("agencies")
    assert agencies["arm"].value_counts().to_dict() == {"intervention": 6, "comparison": 6}
    assert (agencies["sector"] == "third_sector").sum() >= 3
    people = planned.table("participants").merge(agencies, on="agency_id")
    assert people["arm"].value_counts().to_dict() == {"intervention": 120, "comparison": 120}
    assert planned.table("timepoints")["months"].tolist() == [0.0, 12.0]
    rated = planned.table("fidelity_ratings").query("target_level == 'participant'")
    arms = people.set_index("participant_id")["arm"]
    assert set(arms[rated["target_id"].unique()]) == {"intervention"}
    assert planned.protocol is not None
    assert planned.protocol.contrast.variable == "arm"
    untrained = agencies[agencies["arm"] == "comparison"]
    assert untrained["trained_on"].isna().all()


def test_dates_lie_in_the_window_of_the_pilot(example: TrialData) -> None:
    visits = example.table("visits")
    days = visits["visited_on"].dropna()
    assert days.min() >= pd.Timestamp("2012-08-01")
    assert days.max() <= pd.Timestamp("2014-02-28")
    assert (days.dt.day_of_week < 5).all()
    first = visits.query("timepoint == 'baseline'")["visited_on"]
    # 84 first interviews by 19 March 2013 and 120 by the end of April [V].
    assert abs(int((first <= "2013-03-19").sum()) - 84) <= 3
    assert abs(int((first <= "2013-04-30").sum()) - 120) <= 3


# ---------------------------------------------------------------- same seed, same bytes


@pytest.mark.parametrize("design", ["as_run", "planned"])
def test_same_seed_gives_the_same_bytes(design: str) -> None:
    one, two, other = (
        simulate_trial(seed=seed, design=design)  # type: ignore[arg-type]
        for seed in (5, 5, 6)
    )
    assert hash_trial(one) == hash_trial(two)
    assert hash_trial(one) != hash_trial(other)


def test_a_change_of_costs_leaves_other_parts_alone() -> None:
    standard = SimulationParameters()
    changed = dataclasses.replace(standard, cost=dataclasses.replace(standard.cost, shape=2.0))
    before = draw_tables(3, standard.as_run, standard)
    after = draw_tables(3, changed.as_run, changed)
    assert not before["service_use"].equals(after["service_use"])
    for name in ("responses", "fidelity_ratings", "visits", "network_members"):
        pd.testing.assert_frame_equal(before[name], after[name])


@pytest.mark.parametrize("design", ["as_run", "planned"])
def test_a_saved_trial_loads_as_it_was(tmp_path, design: str) -> None:  # type: ignore[no-untyped-def]
    trial = simulate_trial(seed=9, design=design)  # type: ignore[arg-type]
    loaded = load_trial(save_trial(trial, tmp_path / "trial"))
    assert (loaded.title, loaded.is_synthetic) == (trial.title, True)
    assert loaded.protocol == trial.protocol
    assert loaded.assumptions == trial.assumptions
    assert loaded.table_names == trial.table_names
    for name in trial.table_names:
        pd.testing.assert_frame_equal(loaded.table(name), trial.table(name))


def test_saving_never_overwrites_and_leaves_no_draft(tmp_path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "trial"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        save_trial(simulate_trial(seed=1), folder)
    assert caught.value.codes == ("CPI-E048",)
    assert [path.name for path in tmp_path.rglob("*")] == ["trial", "mine.txt"]


# ---------------------------------------------------------------- what is declared


def test_the_trial_says_that_it_is_synthetic(example: TrialData) -> None:
    assert example.is_synthetic
    assert "synthetic" in example.title
    assert any("synthetic" in line for line in example.assumptions)


@pytest.mark.parametrize("design", ["as_run", "planned"])
def test_every_number_that_is_not_verified_is_declared(design: str) -> None:
    other = {"as_run": "planned.", "planned": "as_run."}[design]
    declared = "\n".join(SimulationParameters().assumptions(design))
    entries = list(list_marked(SimulationParameters()))
    assert len(entries) > 90
    for entry in entries:
        if entry.name.startswith(other):
            continue
        assert (str(entry) in declared) == (entry.mark != "V"), entry.name


def test_a_changed_number_becomes_an_assumption() -> None:
    standard = SimulationParameters()
    assert "cost.effect_gbp" not in "\n".join(standard.assumptions("as_run"))
    cost = dataclasses.replace(standard.cost, effect_gbp=-500.0)
    changed = dataclasses.replace(standard, cost=cost)
    assert "[A] cost.effect_gbp: -500.0" in "\n".join(changed.assumptions("as_run"))


def test_prices_say_where_they_come_from(example: TrialData) -> None:
    prices = example.table("unit_costs").set_index("service")
    assert prices["price_year"].unique().tolist() == ["2012/13"]
    # £128 in 2013/14, deflated from 290.5 to 287.3 by hand: 126.59.
    assert prices.loc["cmht_contact", "unit_cost_gbp"] == 126.59
    assert prices.index[prices["is_verified"].astype(bool)].tolist() == ["cmht_contact"]
    assert set(example.table("service_use")["service"]) == set(prices.index)


@pytest.mark.parametrize(
    "change",
    [{"followed_up": 200}, {"participants": 150}, {"high_fidelity": 118}],
)
def test_a_design_that_does_not_add_up_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(DataError) as caught:
        dataclasses.replace(SimulationParameters().as_run, **change)
    assert caught.value.codes == ("CPI-E045",)


def test_unknown_design_and_seed_are_refused_together() -> None:
    with pytest.raises(DataError) as caught:
        simulate_trial(seed=-1, design="crossover")  # type: ignore[arg-type]
    assert len(caught.value.faults) == 2


# ---------------------------------------------------------------- missing data


def test_missing_answers(example: TrialData) -> None:
    answers = example.table("responses")
    visits = example.table("visits").set_index(["participant_id", "timepoint"])["status"]
    held = visits.loc[pd.MultiIndex.from_frame(answers[["participant_id", "timepoint"]])]
    is_held = (held == "completed").to_numpy()
    assert answers.loc[~is_held, "answer"].isna().all()
    assert 0.02 <= answers.loc[is_held, "answer"].isna().mean() <= 0.05


def test_service_use_is_consistent(example: TrialData) -> None:
    use = example.table("service_use")
    unused = use[use["is_used"].eq(False).fillna(False).astype(bool)]
    assert (unused["contacts"] == 0).all()
    used = use[use["is_used"].fillna(False).astype(bool)]
    assert used["contacts"].isna().mean() == pytest.approx(0.01, abs=0.01)
    hourly = example.table("unit_costs").query("unit == 'hour'")["service"]
    assert used["minutes_per_contact"].notna().equals(used["service"].isin(hourly))


def test_barriers_may_not_apply(example: TrialData) -> None:
    ratings = example.table("fidelity_ratings")
    barriers = ratings[ratings["item"].str.startswith("cpi_b_")]
    missing = barriers[barriers["rating"].isna()]
    assert missing["missing_reason"].unique().tolist() == ["not_applicable"]
    assert len(missing) / len(barriers) == pytest.approx(0.15, abs=0.04)
    context = ratings[ratings["item"].str.startswith("cpi_a_")]
    assert context["target_level"].unique().tolist() == ["agency"]


# ---------------------------------------------------------------- parts, by hand


def test_spread_total_by_hand() -> None:
    # Two items of two steps, at heights 0, 1 and 0.5, 1.5: the order of steps is a, b, a, b.
    difficulty = np.tile([[0.0, 0.5]], (5, 1))
    answers = spread_total(np.arange(5), difficulty, steps=2)
    assert answers.tolist() == [[0, 0], [1, 0], [1, 1], [2, 1], [2, 2]]


def test_gamma_pair_has_the_moments_it_says() -> None:
    pairs = draw_gamma_pair(np.random.default_rng(1), 200_000, shape=4.0, stability=0.6)
    # Mean 1, variance 1/4, correlation .6; the standard errors are about .001 to .004.
    assert pairs.mean(axis=0) == pytest.approx([1.0, 1.0], abs=0.005)
    assert pairs.var(axis=0) == pytest.approx([0.25, 0.25], abs=0.01)
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.6, abs=0.01)


def test_two_waves_have_the_agency_share_and_stability() -> None:
    agencies = np.repeat(np.arange(4000), 10)
    waves = draw_two_waves(
        np.random.default_rng(2), len(agencies), agencies=agencies, share=0.2, stability=0.6
    )
    assert np.corrcoef(waves.T)[0, 1] == pytest.approx(0.6, abs=0.02)
    means = pd.Series(waves[:, 1]).groupby(agencies).mean()
    # The variance of means of ten is .2 + .8/10.
    assert means.var() == pytest.approx(0.28, abs=0.03)


def test_truth_fits_what_is_public() -> None:
    truth = compute_truth().set_index(["measure", "quantity"])["value"]
    assert 0.47 <= truth["rg_uk", "standardised_difference"] <= 0.52
    assert 0.56 <= truth["scope_inclusion", "standardised_difference"] <= 0.62
    assert truth["wemwbs", "adjusted_difference"] == pytest.approx(0.0, abs=1e-12)
    assert truth["total_cost", "adjusted_difference"] == pytest.approx(-1331.0)
    assert 0.55 <= truth["eq5d_utility", "mean_baseline"] <= 0.65
    # A paired t of 3.38 needs a dz of .31: change over SD of change, SD √(2 (1 − .6)) × 10.
    assert truth["wemwbs", "mean_change"] / (10 * np.sqrt(0.8)) > 0.31
    # Nine months, two interviews: the QALY difference is .75 / 2 of that in utility.
    utility = truth["eq5d_utility", "adjusted_difference"]
    assert truth["qaly", "adjusted_difference"] == pytest.approx(0.375 * utility)


# ---------------------------------------------------------------- recovery, over seeds


def without_missing(standard: SimulationParameters) -> SimulationParameters:
    """Nobody lost and nothing skipped: what is left is the draw itself."""
    everyone = dataclasses.replace(standard.as_run, followed_up=155, high_fidelity=40)
    missing = dataclasses.replace(standard.missing, item_share=1e-12, contacts_share=0.0)
    return dataclasses.replace(standard, as_run=everyone, missing=missing)


def summarise(tables: dict[str, pd.DataFrame]) -> dict[str, float]:
    """Adjusted difference (ordinary least squares) and baseline mean of every measure."""
    values = wide_values(tables)
    people = tables["participants"].merge(tables["agencies"], on="agency_id")
    people = people.set_index("participant_id")
    high = composite_fidelity(tables).ge(80).reindex(people.index).to_numpy(dtype=float)
    kinds = pd.get_dummies(people[["sector", "client_group"]], drop_first=True, dtype=float)
    found = {}
    for measure, table in values.items():
        table = table.reindex(people.index)
        columns = [np.ones(len(people)), high, table["baseline"], *kinds.to_numpy().T]
        slope, *_ = np.linalg.lstsq(np.column_stack(columns), table["m9"], rcond=None)
        found[f"{measure} difference"] = slope[1]
        found[f"{measure} baseline"] = table["baseline"].mean()
    found["fidelity share"] = estimate_share(
        composite_fidelity(tables).reindex(people.index), people["agency_id"]
    )
    return found


def wide_values(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    answers, found = tables["responses"], {}
    for instrument, measure in (
        ("rg_uk", "rg_uk"),
        ("scope_short", "scope_inclusion"),
        ("wemwbs", "wemwbs"),
    ):
        part = answers[answers["instrument"] == instrument]
        scores = compute_scores(part, instrument=instrument).query("measure == @measure")
        found[measure] = scores.pivot(index="participant_id", columns="timepoint", values="value")
    profiles = answers[answers["instrument"] == "eq5d_3l"].pivot(
        index=["participant_id", "timepoint"], columns="item", values="answer"
    )
    utility = compute_utilities(profiles[EQ5D].reset_index(drop=True), value_set="UK_3L_A1")
    found["eq5d_utility"] = pd.Series(utility, index=profiles.index).unstack()
    use = tables["service_use"].merge(tables["unit_costs"], on="service")
    use = use[use["perspective"] == "nhs_pss"]
    hours = use["minutes_per_contact"].fillna(60.0) / 60
    cost = use["contacts"] * hours * use["unit_cost_gbp"]
    found["total_cost"] = cost.groupby([use["participant_id"], use["timepoint"]]).sum().unstack()
    return found


def estimate_share(values: pd.Series, agency: pd.Series) -> float:
    """One-way analysis of variance: the share of variance between agencies."""
    groups = values.groupby(agency)
    sizes, total = groups.size(), len(values)
    between = (sizes * (groups.mean() - values.mean()) ** 2).sum() / (len(sizes) - 1)
    within = ((values - groups.transform("mean")) ** 2).sum() / (total - len(sizes))
    size = (total - (sizes**2).sum() / total) / (len(sizes) - 1)
    return float((between - within) / (between + (size - 1) * within))


@pytest.mark.slow
def test_the_truth_is_recovered_over_seeds() -> None:
    parameters = without_missing(SimulationParameters())
    found = pd.DataFrame(
        [summarise(draw_tables(seed, parameters.as_run, parameters)) for seed in range(SEEDS)]
    )
    mean, error = found.mean(), found.std() / np.sqrt(SEEDS)
    truth = compute_truth(parameters).set_index(["measure", "quantity"])["value"]
    for measure in ("rg_uk", "scope_inclusion", "wemwbs", "eq5d_utility", "total_cost"):
        for quantity, name in (
            ("adjusted_difference", f"{measure} difference"),
            ("mean_baseline", f"{measure} baseline"),
        ):
            gap = abs(mean[name] - truth[measure, quantity])
            assert gap < STANDARD_ERRORS * error[name], name
    assert 0.4 <= mean["fidelity share"] <= 0.6


@pytest.mark.slow
def test_spread_of_costs_is_as_derived() -> None:
    # A difference of £1,331 with an interval from £69 to £2,593 implies an SD between people,
    # adjusted, of £2,800 to £3,000 or a little more [D].
    parameters = without_missing(SimulationParameters())
    spreads = []
    for seed in range(60):
        cost = wide_values(draw_tables(seed, parameters.as_run, parameters))["total_cost"]
        fit = np.polynomial.Polynomial.fit(cost["baseline"], cost["m9"], 1)
        spreads.append(np.std(cost["m9"] - fit(cost["baseline"])))
    assert 2700 <= np.mean(spreads) <= 3100
