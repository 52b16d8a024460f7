"""Small trainings that hold every kind of state between them."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.recipe.augment import AugmentSection
from pipeline.training.setup import TrainingSetup
from tests.small_runs import model, train_section

RANDOM = {"type": "mlp", "units": [12], "dropout": 0.3, "batch_norm": True}
PLAIN = {"type": "mlp", "units": [8]}
SEEDED = [
    {"type": "RandomTranslation", "height_factor": 0.1, "width_factor": 0.1},
    {"type": "Conv2D", "filters": 4, "kernel_size": 3},
    {"type": "SpatialDropout2D", "rate": 0.2},
    {"type": "Reshape", "target_shape": [6, 24]},
    {"type": "GRU", "units": 6, "dropout": 0.1, "recurrent_dropout": 0.1},
    {"type": "GaussianDropout", "rate": 0.1},
]
PLATEAU = {"monitor": "val_loss", "patience": 2, "factor": 0.5, "min_delta": 5.0, "cooldown": 2}
"""Lowers the rate after epochs 2 and 5: nothing is better by so much."""
STOPPING = {"monitor": "val_loss", "patience": 1, "min_delta": 0.1}
MOVES = [{"type": "rotate", "degrees": 10}, {"type": "noise"}, {"type": "cutout"}]

TRAININGS: dict[str, dict[str, Any]] = {
    "dropout, batch norm, adam, early stopping": {"model": RANDOM, "early_stopping": STOPPING},
    "plateau, sgd with momentum": {
        "model": PLAIN,
        "epochs": 6,
        "on_sick": "ignore",
        "reduce_on_plateau": PLATEAU,
        "optimizer": {"type": "sgd", "momentum": 0.9, "nesterov": True, "learning_rate": 0.05},
    },
    "gaussian dropout, input noise, nadam, plateau, early stopping": {
        "model": {**RANDOM, "dropout_type": "gaussian", "input_noise": 0.1},
        "epochs": 4,
        "reduce_on_plateau": {**PLATEAU, "patience": 1},
        "early_stopping": {**STOPPING, "patience": 2, "min_delta": 5.0},
        "optimizer": {"type": "nadam", "learning_rate": 0.01},
    },
    "alpha dropout, adagrad": {
        "model": {**PLAIN, "activation": "selu", "dropout": 0.1, "dropout_type": "alpha"},
        "optimizer": {"type": "adagrad", "learning_rate": 0.05},
    },
    "ema, early stopping, adafactor": {
        "model": RANDOM,
        "averaging": {"type": "ema", "momentum": 0.9},
        "early_stopping": STOPPING,
        "optimizer": {"type": "adafactor", "learning_rate": 0.05},
    },
    "ema of accumulated gradients, lion": {
        "model": PLAIN,
        "averaging": {"type": "ema", "momentum": 0.9},
        "accumulate_steps": 4,
        "optimizer": {"type": "lion", "learning_rate": 0.003},
    },
    "swa, batch norm": {"model": RANDOM, "averaging": {"type": "swa", "start": 0.5, "learning_rate": 0.01}},
    "sam, lamb": {"model": RANDOM, "sam": {"rho": 0.05}, "optimizer": {"type": "lamb", "learning_rate": 0.02}},
    "accumulation, cosine": {"model": PLAIN, "accumulate_steps": 3, "schedule": {"type": "cosine", "warmup_steps": 5}},
    "loss scaling, ema": {
        "model": RANDOM,
        "precision": "mixed_float16",
        "averaging": {"type": "ema"},
        "optimizer": {"type": "adam", "amsgrad": True, "learning_rate": 0.01},
    },
    "mixup, adadelta": {
        "model": RANDOM,
        "augment": [{"type": "mixup"}],
        "schedule": {"type": "exponential"},
        "optimizer": {"type": "adadelta", "learning_rate": 1.0},
    },
    "cutmix, adamax, label smoothing": {
        "model": PLAIN,
        "augment": [{"type": "cutmix"}],
        "label_smoothing": 0.1,
        "optimizer": {"type": "adamax", "learning_rate": 0.01},
    },
    "moved and noisy images, one cycle": {
        "model": PLAIN,
        "augment": MOVES,
        "schedule": {"type": "one_cycle"},
        "optimizer": {"type": "sgd", "momentum": 0.9},
    },
    "balanced sampling, restarts, ftrl": {
        "model": PLAIN,
        "sampling": "balanced",
        "schedule": {"type": "cosine_restarts", "first_steps": 7},
        "optimizer": {"type": "ftrl", "learning_rate": 0.05},
    },
    "class weights, step, adamw, diagnosis": {
        "model": RANDOM,
        "epochs": 6,
        "class_weights": "balanced",
        "schedule": {"type": "step", "every_steps": 6},
        "optimizer": {"type": "adamw", "weight_decay": 0.01},
    },
    "several steps in a call, polynomial": {
        "model": RANDOM,
        "steps_per_execution": 5,
        "schedule": {"type": "polynomial"},
    },
    "convolutions, spatial dropout, rmsprop": {
        "model": {
            "type": "cnn",
            "filters": [4],
            "units": 8,
            "batch_norm": True,
            "dropout": 0.2,
            "dropout_type": "spatial",
        },
        "optimizer": {"type": "rmsprop", "momentum": 0.5, "centered": True},
    },
    "stochastic depth, muon": {
        "model": {"type": "resnet", "filters": [4], "blocks": 2, "stochastic_depth": 0.5},
        "optimizer": {"type": "muon", "learning_rate": 0.01},
    },
    "seeded layers of keras, schedule-free adamw": {
        "model": {"type": "layers", "layers": SEEDED},
        "optimizer": {"type": "schedulefreeadamw", "learning_rate": 0.01},
    },
    "two devices": {"model": RANDOM, "strategy": "mirrored", "early_stopping": STOPPING},
    "transfer in two phases": {
        "model": {"type": "transfer", "source": "network.keras", "units": [8], "dropout": 0.2},
        "epochs": 2,
        "fine_tuning": {"epochs": 2, "learning_rate": 1e-3, "gradual_steps": 2},
        "early_stopping": {"monitor": "val_loss", "patience": 2},
    },
}
"""Name to the `train` section, with `model`, `augment` and `sampling` beside it; three epochs of ten steps, if none
are given; those of five and more are diagnosed."""


SAVED = {"every_steps": 1, "every_epochs": 1}
"""When: at every position that a training has."""

SOURCE = "convolutions, spatial dropout, rmsprop"
"""The training whose network transfer learning starts from."""


def setup_of(name: str, prepared: Path, source: Path | None = None) -> TrainingSetup:
    """The training of a name, on prepared digits, from a network where it transfers one; saved at every position."""
    section = dict(TRAININGS[name])
    network, augment = model(**section.pop("model")), section.pop("augment", [])
    sampling = section.pop("sampling", "natural")
    section = {"epochs": 3, "optimizer": {"learning_rate": 0.01}, "checkpoint": SAVED, **section}
    return TrainingSetup(
        section=train_section(**section),
        model=network,
        augment=TypeAdapter(AugmentSection).validate_python(augment),
        batch_size=30,
        sampling=sampling,
        seed=7,
        prepared=prepared,
        pretrained=source,
    )
