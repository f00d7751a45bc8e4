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
# # Does it work? The analysis of outcomes, step by step
#
# **The data below are synthetic.** They are drawn by a computer program, shaped like what is
# public about the Connecting People pilot: 14 agencies, 155 people, 117 seen again at nine
# months, and groups formed by the fidelity that was measured. No number here is a result of
# that study, or of any other.

# %%
import pandas as pd

import cpi_analysis as cpi
from cpi_analysis import effectiveness

trial = cpi.derive_measures(cpi.load_example_trial())

# %% [markdown]
# ## Who is analysed
#
# An analysis set says who is in, why anybody is not, and puts the baseline beside the outcome.

# %%
people = effectiveness.build_analysis_set(
    trial, measure="rg_uk", timepoint="m9", covariates=["sector", "client_group"]
)
people.flow

# %%
effectiveness.build_balance_table(
    people.data,
    exposure="exposure_target",
    covariates=["baseline", "sector", "client_group"],
    cluster="agency_id",
).plot()

# %% [markdown]
# ## The primary model
#
# Analysis of covariance with an intercept for each agency, by REML, with Kenward–Roger degrees
# of freedom. The estimand stands in the result, and so does what to distrust.

# %%
primary = effectiveness.fit_outcome_model(people)
primary

# %%
primary.model.tidy()

# %% [markdown]
# ## The trap: z where t is needed
#
# With few agencies the difference between two groups of agencies is known on about as many
# degrees of freedom as there are agencies, less two. Software that divides by the standard
# error and looks into the normal distribution is then wrong in the convenient direction. Here
# is a trial with 6 agencies in each arm, synthetic again:

# %%
planned = cpi.derive_measures(cpi.simulate_trial(seed=5, design="planned"))
arms = effectiveness.build_analysis_set(planned, measure="rg_uk", timepoint="m12")
model = effectiveness.fit_outcome_model(arms).model
row = model.tidy().query("term == 'exposure_target'").iloc[0]

from scipy import stats

pd.DataFrame(
    {
        "method": ["z (wrong with 12 agencies)", "Kenward–Roger t"],
        "df": [float("inf"), row["df"]],
        "p_value": [2 * stats.norm.sf(abs(row["statistic"])), row["p_value"]],
    }
)

# %% [markdown]
# Real data do the same. In the PBS cluster trial (23 sites) the difference in utility at twelve
# months, adjusted for baseline, has p = 0.048 by z and p = 0.063 by Kenward–Roger: one is called
# significant, the other is not. The data of PBS are under the GPL and not part of this project;
# the cell below runs where the file is.

# %%
import os
from pathlib import Path

reference = Path(os.environ.get("CPI_REFERENCE", "../shared/reference"))
pbs_file = reference / "economics" / "pbs_wide.csv"
if pbs_file.exists():
    sites = pd.read_csv(pbs_file).dropna(subset=["e3", "e1"])
    settings = {"formula": "e3 ~ trt + e1", "random": {"site": "1"}}
    shown = effectiveness.fit_mixed_model(sites, **settings).tidy()[["term", "df", "p_value"]]
    plain = effectiveness.fit_mixed_model(sites, **settings, df="satterthwaite").tidy()
    shown = shown.assign(p_value_by_z=2 * stats.norm.sf(plain["statistic"].abs()))
else:
    shown = "The PBS data are not on this machine."
shown

# %% [markdown]
# ## Do other methods agree?
#
# Each row is fit for few agencies. They answer the same question with other assumptions, so
# that a reader sees at once whether anything hangs on the method.

# %%
checks = effectiveness.build_cross_checks(
    arms.data,
    formula="outcome ~ exposure_target + baseline",
    term="exposure_target",
    cluster="agency_id",
    replicates=2000,
    seed=1,
)
checks

# %%
checks.plot()

# %% [markdown]
# ## Other models of the same trial
#
# A change score answers another question when groups differ at baseline (Lord's paradox), and
# the result says so. A constrained longitudinal model uses everybody with any interview, and
# takes for granted that the groups would be equal at baseline: right for a randomised trial, an
# assumption for groups that were formed by what was measured.

# %%
effectiveness.fit_outcome_model(arms, model="change_score").tidy()

# %%
both_interviews = effectiveness.build_longitudinal_set(planned, measure="rg_uk")
effectiveness.fit_longitudinal_model(both_interviews)

# %% [markdown]
# Does the difference depend on the sector? The interaction first, the groups after.

# %%
effectiveness.fit_moderator_model(people, moderator="sector")

# %% [markdown]
# Adjusted means and their contrasts, with Holm's adjustment over the family:

# %%
effectiveness.estimate_marginal_means(primary.model, by="client_group").plot()

# %%
effectiveness.estimate_contrasts(primary.model, by="client_group", adjust="holm").tidy()

# %% [markdown]
# Fidelity as a dose, within and between agencies. Descriptive: nobody allocated it.

# %%
dosed = effectiveness.build_analysis_set(
    trial, measure="rg_uk", timepoint="m9", covariates=["fidelity_percent@m9"]
)
effectiveness.fit_dose_response(dosed, dose="fidelity_percent@m9", step=10.0)

# %% [markdown]
# ## The analyses of the paper
#
# A paired t test ignores agencies; the mixed model stands beside it.

# %%
effectiveness.estimate_paired_change(people).tidy()

# %% [markdown]
# ## How large, and how alike are people of one agency?

# %%
effectiveness.estimate_effect_size(
    arms.data, outcome="outcome", exposure="exposure_target", cluster="agency_id"
)

# %%
effectiveness.estimate_icc(
    arms.data, formula="outcome ~ exposure_target + baseline", cluster="agency_id"
)

# %% [markdown]
# ## Does it hang on one agency? Does the model fit?

# %%
effectiveness.estimate_leave_one_out(primary.model, term="exposure_target").plot()

# %%
effectiveness.compute_residual_check(primary.model).plot()

# %%
effectiveness.build_singularity_report(primary.model).summary()

# %% [markdown]
# ## The next trial
#
# Size and power by simulation, with the same tests as above. The table for designs like this
# one, with 4,000 trials a row, is in `docs/studies/size_and_power.md`.

# %%
scenarios = effectiveness.build_power_scenarios(
    agencies=[(6, 6), (12, 12)],
    people_per_agency=[20],
    icc=[0.05],
    standardised_effect=[0.0, 0.4],
    retention=0.75,
    baseline_correlation=0.6,
)
effectiveness.simulate_power(scenarios, replicates=400, seed=1).plot()
