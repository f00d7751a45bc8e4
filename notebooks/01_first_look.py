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
# # A first look at a trial
#
# Three questions, three packages: does it work (`effectiveness`), is it worth its cost
# (`economics`), was it delivered as meant (`fidelity`).
#
# **The data below are synthetic.** They are drawn by a computer program, shaped like what is
# public about the Connecting People pilot. No number in this notebook is a result of that
# study, or of any other.

# %% [markdown]
# ## The whole study in three lines

# %%
import cpi_analysis as cpi

trial = cpi.load_example_trial()  # your own: cpi.load_trial("my_trial/study.toml")
report = cpi.analyse(trial, seed=1)
report

# %% [markdown]
# `report.save("out")` writes `report.html`, every table as CSV, every figure as SVG and PNG, and
# a manifest with the seed, the versions and the hashes of what went in and came out.

# %% [markdown]
# ## What is in the trial
#
# A trial is a set of checked tables. They are long: one row is one thing that happened.

# %%
trial.table_names

# %%
trial.table("agencies").groupby("sector").size()

# %%
trial.table("participants").groupby("client_group").size()

# %% [markdown]
# The protocol holds every choice that the analysis needs. Nothing is guessed, and every
# difference is target minus reference.

# %%
trial.protocol.contrast

# %% [markdown]
# Whatever is not verified in a public source is declared:

# %%
for line in trial.assumptions[:5]:
    print("-", line)

# %% [markdown]
# ## Does it work?
#
# One model for each outcome, with an intercept for each agency and degrees of freedom that
# know how few agencies there are.

# %%
report.tables["outcomes"]

# %%
report.draw("outcomes")

# %% [markdown]
# A result is a table with what is needed to judge it: the estimand, the method, who was left
# out and why. `.tidy()` gives the numbers in full precision.

# %%
report.effectiveness["outcome_rg_uk_m9"]

# %% [markdown]
# The groups are formed by a fidelity that was measured, not allocated. The difference
# describes them; it is no estimate of an effect of fidelity.

# %% [markdown]
# ## Is it worth its cost?

# %%
report.economics["incremental"]

# %%
report.draw("cost_effectiveness_plane")

# %%
report.draw("acceptability")

# %% [markdown]
# ## Was it delivered as meant, and can the ratings be trusted?

# %%
report.fidelity["agreement"]

# %%
report.draw("fidelity_reliability")

# %% [markdown]
# ## One step at a time
#
# `analyse` only puts the rooms together. Each can be used alone. A trial as it was loaded holds
# answers, services and ratings; `derive_measures` adds the scores, costs and fidelity that a
# model needs.

# %%
from cpi_analysis import effectiveness

measured = cpi.derive_measures(trial)
analysis_set = effectiveness.build_analysis_set(
    measured, measure="wemwbs", timepoint="m9", covariates=["sector", "client_group"]
)
analysis_set.flow

# %%
effectiveness.fit_outcome_model(analysis_set).tidy()
