"""Hyperparameter search over recipes: spaces, oracles, trials in processes of their own, and what came of them."""
