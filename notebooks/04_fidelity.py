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
# # Was it delivered as meant? A scale, from its items to a cut-off
#
# **The data below are synthetic**, and so is the questionnaire: the study's own items, answers
# and cut-off could not be found. No number here is a result of that study, or of any other.

# %%
import pandas as pd

import cpi_analysis as cpi
from cpi_analysis import fidelity

trial = cpi.derive_measures(cpi.load_example_trial())

# %% [markdown]
# ## Are the items about the right things?
#
# Experts rate how relevant each item is. The panel below is made up, to show the arithmetic.

# %%
panel = pd.DataFrame(
    {"item 1": [4, 4, 3, 4, 4, 3], "item 2": [4, 3, 4, 2, 4, 4], "item 3": [2, 3, 1, 4, 2, 3]},
    index=[f"expert {number}" for number in range(1, 7)],
)
fidelity.compute_content_validity(panel)

# %% [markdown]
# ## Items
#
# What workers answered about the partnership, one row per participant: how the answers are
# spread, floor and ceiling, and how each item goes with the others.

# %%
items = fidelity.build_fidelity_items(trial, source="worker", domain="cpi_p").dropna()
statistics = fidelity.compute_item_statistics(items, minimum=1, maximum=5)
statistics

# %%
statistics.plot()

# %% [markdown]
# ## The trap: a forgotten reversal
#
# Turn one item round, as if its wording ran the other way and nobody had noticed. Nothing
# stops: alpha only falls. The item statistics report the suspect; nothing is ever flipped
# silently.

# %%
turned = items.assign(**{items.columns[0]: 6 - items.iloc[:, 0]})
pd.DataFrame(
    {
        "as answered": fidelity.estimate_alpha(items).tidy().iloc[0],
        "one item turned": fidelity.estimate_alpha(turned).tidy().iloc[0],
    }
).loc[["estimate", "conf_low", "conf_high"]]

# %%
list(fidelity.compute_item_statistics(turned, minimum=1, maximum=5).notes)

# %% [markdown]
# ## Reliability
#
# Alpha takes for granted that the items measure one thing equally well. It comes with omega and
# a look at the dimensions; the interval by agencies is for people who are alike within them.

# %%
agencies = trial.table("participants").set_index("participant_id")["agency_id"]
fidelity.estimate_alpha(items, agencies=agencies.reindex(items.index), replicates=500, seed=1)

# %%
fidelity.estimate_omega(items, n_factors=1).tidy()

# %%
fidelity.estimate_ordinal_reliability(items).tidy()

# %% [markdown]
# ## Structure
#
# How many dimensions are there? Eigenvalues against those of answers with nothing in common.

# %%
both = items.join(
    fidelity.build_fidelity_items(trial, source="worker", domain="cpi_w"), how="inner"
)
both = both.dropna()
fidelity.estimate_parallel_analysis(both, seed=1, replicates=200).plot()

# %%
fidelity.fit_factor_model(both, n_factors=2)

# %% [markdown]
# With so few people no index of fit deserves a verdict, and the model says so first: in
# simulated samples of 75 to 100 skewed answers a true model was rejected in 14 to 68 of 100
# (`docs/studies/fidelity_fit_decisions.md`).

# %%
model = {"partnership": list(items), "cycle": [name for name in both if name not in items]}
structure = fidelity.fit_confirmatory_model(both, model=model, estimator="mlr")
structure.notes[0], structure.fit_indices.head(8)

# %%
structure.plot()

# %% [markdown]
# ## Where on the trait do the answers inform?

# %%
fidelity.fit_graded_response(items).plot()

# %%
thresholds = fidelity.fit_partial_credit(items)
thresholds.item_fit

# %%
fidelity.compute_item_curves(thresholds, item=items.columns[0]).plot()

# %% [markdown]
# ## Do the three sources agree?
#
# Every coefficient is in one table, so that nobody picks one after seeing them.

# %%
ratings = trial.table("fidelity_ratings").query(
    "item == 'cpi_p_1' and source in ['worker', 'participant']"
)
agreement = fidelity.estimate_agreement(
    ratings, target="target_id", rater="source", rating="rating", categories=[1, 2, 3, 4, 5]
)
agreement

# %%
scores = fidelity.build_source_scores(trial)
fidelity.compute_limits_of_agreement(
    scores.dropna(subset=["worker", "participant"]), first="worker", second="participant"
).plot()

# %%
fidelity.build_triangulation(trial)

# %% [markdown]
# How many items and sources would be needed for a coefficient of 0.80?

# %%
long = trial.table("fidelity_ratings").query(
    "target_level == 'participant' and source in ['worker', 'participant'] "
    "and item in @items.columns"
)
fidelity.estimate_generalizability(
    long, target="target_id", facets=["source", "item"], rating="rating"
)

# %% [markdown]
# ## Bands, and where to cut
#
# The continuous score stands beside the bands. A cut-off that is found and judged on the same
# people looks better than it is: the optimism is estimated by resampling agencies.

# %%
fidelity.build_fidelity_bands(trial).plot()

# %%
values = trial.table("measurements").query("timepoint == 'm9'")
wide = values.pivot(index="participant_id", columns="measure", values="value")
known = wide[["fidelity_percent", "rg_uk"]].dropna().join(agencies)
known["has_many_resources"] = (known["rg_uk"] >= known["rg_uk"].median()).astype(int)
fidelity.estimate_cutoff(
    known,
    score="fidelity_percent",
    criterion="has_many_resources",
    cluster="agency_id",
    replicates=200,
    seed=1,
)

# %% [markdown]
# ## What is known about the scale
#
# The COSMIN table rates only what was given to it; the rest is *?*.

# %%
fidelity.build_cosmin_table(
    content=fidelity.compute_content_validity(panel),
    consistency=fidelity.estimate_domain_reliability(trial),
    reliability=fidelity.estimate_source_agreement(trial),
)
