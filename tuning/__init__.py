"""Hyperparameter search over recipes; the search itself is a later issue."""
