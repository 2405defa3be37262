# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Training deep networks: the chapter as a notebook
#
# Each section has the technique, the study that asks whether it helps, and the study's picture. On the digits it takes a class
# about fifteen minutes on two cores, most of it the first two sections. This file is Python (`docs/chapter.py`):
# VS Code opens it as a notebook, `jupytext --to ipynb docs/chapter.py` makes one for Jupyter; start it in the project's folder.
#
# A cell that was run before only reads its study. An interrupted one goes on when it is run again.

# %%
import os

import regimens

# "smoke" takes seconds and its numbers mean nothing; "desk" takes minutes.
SETTING = {
    "data": "digits",
    "scale": os.environ.get("CHAPTER_SCALE", "desk"),
    "tracking": "none",
    "study__workers": "auto",
}

# %% [markdown]
# ## Vanishing and exploding gradients
#
# Backpropagation multiplies by a layer's weights once for each layer. With sigmoids and weights of standard deviation 0.05 the
# product shrinks: the first layers get no gradient and do not learn. Each line of the picture is one network, from
# its first layer to its last; a line that falls to the left has lost its signal there.

# %%
depth = regimens.run_study("depth", **SETTING)
depth.picture("Gradient flow")

# %% [markdown]
# ## Initialisation
#
# Glorot's and He's initialisers choose the variance of the weights such that the signal neither grows nor shrinks; which one
# fits depends on the activation: He for ReLU and its relatives, Glorot for sigmoid and tanh, LeCun for SELU. The map has a
# row for each initialiser and a column for each activation. Are the fitting pairs the best ones?

# %%
initializers = regimens.run_study("initializers", **SETTING)
initializers.picture("Activation by init")

# %% [markdown]
# ## Batch normalisation
#
# It brings each unit's inputs to mean 0 and variance 1 over the mini-batch, then learns a scale and an offset. Before or after
# the activation? And does layer normalisation, which looks at one example at a time, do as well?

# %%
normalization = regimens.run_study("normalization", **SETTING)
normalization

# %% [markdown]
# ## Gradient clipping
#
# A gradient that is longer than a bound is cut. By value it changes its direction, by norm it does not. Mind what the
# answer says of techniques that never acted: a clip that never clipped is no result.

# %%
clipping = regimens.run_study("clipping", **SETTING)
clipping

# %% [markdown]
# ## Transfer
#
# Task A is all classes but two; task B is to tell these two apart from 200 examples. Five networks are trained on A, then B is
# learnt from scratch and from each of them, with the copied layers frozen at first.

# %%
for seed in (1, 2, 3, 4, 5):
    regimens.train(
        experiment="task_a", data="digits", tracking="none", seed=seed, name=f"a-{seed}", paths__runs="models"
    )
transfer = regimens.run_study("transfer_ab", **SETTING)
transfer

# %% [markdown]
# ## Optimisers
#
# Momentum remembers earlier gradients; AdaGrad, RMSProp and Adam give each weight a rate of its own. A comparison at one
# learning rate would be a comparison of learning rates, so each optimiser gets its own, tuned with the same budget.

# %%
optimizers = regimens.run_study("optimizers", **SETTING)
optimizers

# %% [markdown]
# ## Learning-rate schedules
#
# A high rate learns fast and cannot settle, a low one settles where it is. Schedules begin high and end low. The picture shows
# the rate that each one really used.

# %%
schedules = regimens.run_study("schedules", **SETTING)
schedules.picture("Learning rate as used")

# %% [markdown]
# ## Regularisation
#
# Penalties on the weights, dropout, a bound on their norm, early stopping: each with its own strength. A network with little
# to memorise has little need of it: look at the gap between training and validation before you look for a winner.

# %%
regularizers = regimens.run_study("regularizers", **SETTING)
regularizers.picture("Gap and sparsity")

# %% [markdown]
# ## All together
#
# The chapter ends with two recipes: a default one (He initialisation, ELU, batch normalisation, Nadam, early stopping), and a
# self-normalising one (LeCun initialisation, SELU, alpha dropout). Which one is better here, and can so few digits tell?

# %%
recipes = regimens.run_study("recipes", **SETTING)
recipes

# %% [markdown]
# ## Use it
#
# The best final of a study is a network like any other.

# %%
from sklearn.datasets import load_digits

print(optimizers.answer)
print(optimizers.predictor.predict(load_digits().images[:10]))
