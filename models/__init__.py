"""Keras networks built from a recipe's `model` section."""
