"""Plumbline: from a recipe to a trained, evaluated and registered Keras model."""
