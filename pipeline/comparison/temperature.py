"""Temperature scaling: one number that makes a classifier as sure as it is right."""

import numpy as np
from scipy import optimize

from pipeline.comparison.weighted import per_example
from pipeline.metrics import Predicted
from pipeline.serving.scaling import scaled

LARGEST = 20.0
"""Temperatures are looked for between this and its inverse."""


def fit_temperature(validation: Predicted) -> float:
    """Finds the temperature that minimises the loss (Guo et al. 2017, "On Calibration of Modern Neural Networks").

    Args:
        validation: Labels and outputs of examples that are not those it is judged by; of classes.

    Returns:
        Above 1: the network was too sure.
    """
    found = optimize.minimize_scalar(
        lambda log: _loss(at_temperature(validation, float(np.exp(log)))),
        bounds=(-np.log(LARGEST), np.log(LARGEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def at_temperature(of: Predicted, temperature: float) -> Predicted:
    """The answers with their logits divided by a temperature: the same predictions, other probabilities."""
    return Predicted(of.task, of.labels, scaled(of.outputs, temperature))


def _loss(of: Predicted) -> float:
    return float(per_example("log_loss", of).mean())
