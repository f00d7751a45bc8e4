# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is it worth its cost? The economic evaluation, step by step
#
# **The data of the built-in trial are synthetic**, shaped like what is public about the
# Connecting People pilot. No number from it is a result of that study, or of any other. Unit
# costs are illustrative. The groups were formed by a fidelity that was measured, not
# allocated, so nothing here says that a strategy is cost-effective.

# %%
import pandas as pd

import cpi_analysis as cpi
from cpi_analysis import economics

trial = cpi.derive_measures(cpi.load_example_trial())
THRESHOLDS = [20_000, 25_000, 30_000, 35_000]

# %% [markdown]
# ## Costs from services, utilities from answers
#
# Nothing is silent: the perspective, the price year and what happens to the recall window are
# arguments, and an EQ-5D value set has to be named.

# %%
costs = economics.compute_costs(
    trial.table("service_use"),
    trial.table("unit_costs"),
    perspective="nhs_pss",
    recall="as_recorded",
    price_year="2012/13",
)
costs

# %%
{
    name: economics.compute_eq5d_utility(["22222"], value_set=name).round(3).tolist()
    for name in ("UK_3L_A1", "UK_5L_2026")
}

# %% [markdown]
# ## One row per participant, and one plan of replicates
#
# Every outcome, scenario and subgroup uses the same replicates of the agencies, so that
# differences between analyses are paired.

# %%
people = economics.build_economic_set(trial)
table = people.data
settings = {
    "cost": "follow_up_cost",
    "effect": "effect",
    "arm": "exposure",
    "cluster": "agency_id",
    "target": "high",
    "reference": "low or moderate",
    "effect_label": "QALY",
    "thresholds": THRESHOLDS,
    "headline_threshold": 20_000,
}
covariates = {"cost": ["baseline_cost"], "effect": ["baseline_effect"]}
plan = economics.build_resampling_plan(
    table, cluster="agency_id", strata=None, replicates=5_000, seed=1
)
base = economics.estimate_incremental(table, **settings, covariates=covariates, plan=plan)
base

# %%
base.plot()

# %% [markdown]
# ## The same differences by every method

# %%
methods = ["rao_wu", "bayesian", "sur", "bivariate_multilevel"]
rows = []
for method in methods:
    chosen = {"plan": plan} if method in ("rao_wu", "bayesian") else {"seed": 1}
    found = economics.estimate_incremental(
        table, **settings, covariates=covariates, method=method, **chosen
    )
    rows.append(found.tidy().assign(method=method))
pd.concat(rows).query("threshold == 20_000")[["method", "estimate", "std_error", "df"]]

# %% [markdown]
# ## The trap: people are not the units
#
# A bootstrap of people takes everybody for independent. The package refuses it for data with
# agencies unless it is told to go on; the interval is then too narrow. In simulations with six
# agencies an arm it covers 62 to 91% instead of 95% (`docs/studies/economics_coverage.md`).

# %%
from cpi_analysis.errors import CPIAnalysisError

try:
    economics.estimate_incremental(table, **settings, method="people", seed=1)
except CPIAnalysisError as error:
    print(error)

# %% [markdown]
# ## The ratio, its quadrant, and the net benefit
#
# A ratio has a meaning in two of the four quadrants. The net benefit always has one.

# %%
economics.compute_icer(base).summary()

# %%
moved = base.tidy().set_index("quantity")["estimate"]
spread = base.covariance
economics.estimate_fieller_interval(
    delta_cost=moved["delta_cost"],
    delta_effect=moved["delta_effect"],
    variance_cost=spread[0, 0],
    variance_effect=spread[1, 1],
    covariance=spread[0, 1],
    df=base.df,
)

# %%
economics.compute_net_benefit(base, thresholds=[*range(0, 50_001, 5_000)]).plot()

# %% [markdown]
# ## Acceptability, and what better information would be worth

# %%
economics.compute_acceptability(base, thresholds=THRESHOLDS, curve_maximum=50_000).plot()

# %%
economics.compute_value_of_information(base, thresholds=THRESHOLDS).tidy()

# %% [markdown]
# ## Scenarios on the same replicates

# %%
bare = economics.estimate_incremental(table, **settings, plan=plan)
economics.compute_scenarios(
    {"adjusted for baseline": base, "unadjusted": bare}, thresholds=[20_000], is_one_plan=True
)

# %% [markdown]
# ## Missing data
#
# Complete cases are one answer. Imputation uses everybody, by group and with effects of the
# agencies; Rubin's rules combine cost and effect together, on the agencies' degrees of freedom.

# %%
wide = (
    trial.table("measurements")
    .query("measure in ['eq5d_utility', 'total_cost']")
    .pivot(index="participant_id", columns=["measure", "timepoint"], values="value")
)
wide.columns = [f"{measure}_{timepoint}" for measure, timepoint in wide.columns]
known = (
    wide.reset_index()
    .merge(trial.table("participants")[["participant_id", "agency_id", "client_group"]])
    .merge(
        trial.table("measurements")
        .query("measure == 'fidelity_percent'")[["participant_id", "value"]]
        .dropna()
    )
)
known["group"] = (known["value"] >= trial.protocol.contrast.cutoff).astype(int)
drawn = economics.build_imputations(
    known,
    columns=[
        "eq5d_utility_baseline",
        "eq5d_utility_m9",
        "total_cost_baseline",
        "total_cost_m9",
    ],
    arm="group",
    cluster="agency_id",
    n_imputations=10,
    seed=1,
)
drawn.summary()

# %%
imputed = {
    "cost": "total_cost_m9",
    "effect": economics.compute_qaly_weights({"eq5d_utility_baseline": 0, "eq5d_utility_m9": 9}),
    "arm": "group",
    "cluster": "agency_id",
    "covariates": ["eq5d_utility_baseline", "total_cost_baseline"],
}
economics.estimate_imputed_incremental(drawn, **imputed, thresholds=[20_000], seed=1)

# %% [markdown]
# What if those who were not seen are worse off than the model expects? The line is where the
# net benefit is zero.

# %%
economics.estimate_missing_not_at_random(
    drawn, **imputed, threshold=20_000, effect_factors=[0.8, 0.9, 1.0, 1.1]
).plot()

# %% [markdown]
# ## How large should the main trial be?

# %%
variances = economics.estimate_design_parameters(
    table,
    cost="follow_up_cost",
    effect="effect",
    arm="exposure",
    cluster="agency_id",
    target="high",
    reference="low or moderate",
)
economics.compute_main_trial(
    variances,
    designs=pd.DataFrame({"n_agencies": [20, 40, 60], "people_per_agency": [15, 15, 15]}),
    thresholds=[20_000],
    delta_cost=-500.0,
    delta_effect=0.03,
)

# %% [markdown]
# ## Real data: the PBS cluster trial
#
# Its data are under the GPL and not part of this project; the cell runs where the file is.
# Among complete cases the ratio is £22,070 a QALY, as the reference analysis in R has it.

# %%
import os
from pathlib import Path

reference = Path(os.environ.get("CPI_REFERENCE", "../shared/reference"))
pbs_file = reference / "economics" / "pbs_wide.csv"
if pbs_file.exists():
    pbs = pd.read_csv(pbs_file).dropna(subset=["qaly", "cost", "e1", "c1"])
    shown = economics.compute_icer(
        economics.estimate_incremental(
            pbs, cost="cost", effect="qaly", arm="trt", cluster="site", seed=1, replicates=2_000
        )
    ).summary()
else:
    shown = "The PBS data are not on this machine."
shown

# %% [markdown]
# ## The checklist
#
# CHEERS 2022, as far as the protocol and the results fill it; the rest is for the authors.

# %%
economics.build_cheers_table(trial)[["item", "is_reported"]].head(12)
