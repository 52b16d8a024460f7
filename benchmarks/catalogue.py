"""What `benchmarks/techniques.py` measures: data sets with a plain recipe each, and techniques as changes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.keras_api import keras_api

Changes = Mapping[str, Any]
"""Dotted keys of a recipe to values."""

FOLDER = "mlruns/techniques"
"""Where derived data sets, stages and trainings lie."""


@dataclass(frozen=True)
class Base:
    """A data set with a plain recipe: no regularisation, a constant learning rate, no augmentation."""

    about: str
    """The data in words."""
    recipe: Mapping[str, Any]
    """The recipe as a tree, without `name` and `seed`."""
    score: str = "accuracy"
    """The metric that is compared (`pipeline/metrics.py`); larger is better."""


@dataclass(frozen=True)
class Technique:
    """One row: a change of the plain recipe."""

    name: str
    """The technique in words."""
    on: Changes
    """What the technique sets."""
    source: str
    """Where it comes from, or where its effect is described."""
    bases: tuple[str, ...]
    """Data sets that it is measured on."""
    both: Changes = field(default_factory=dict)
    """What is set with and without the technique: what it is a part of, or compared within."""


def written(base: Base, *changes: Changes) -> dict[str, Any]:
    """Lays changes over the plain recipe of a data set.

    Args:
        base: The data set.
        changes: Later ones win; a mapping replaces what it changes as a whole.

    Returns:
        The recipe as a tree, without `name` and `seed`.
    """
    tree = _copy(base.recipe)
    for key, value in (item for each in changes for item in each.items()):
        *sections, last = key.split(".")
        section = tree
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = _copy(value)
    return tree


def _copy(tree: Any) -> Any:
    return {key: _copy(value) for key, value in tree.items()} if isinstance(tree, Mapping) else tree


_CNN = {"type": "cnn", "filters": [16, 32], "units": 64}
_ADAM = {"type": "adam", "learning_rate": 2e-3}

BASES = {
    "digits": Base(
        "360 handwritten digits of 8×8 pixels (scikit-learn) to train on, 1,078 to score",
        {
            "data": {"type": "digits", "batch_size": 32, "split": {"by": "stratified", "validation": 0.6, "test": 0.2}},
            "model": _CNN,
            "train": {"epochs": 30, "optimizer": _ADAM},
        },
    ),
    "fashion": Base(
        "2,000 images of Fashion-MNIST of 28×28 pixels to train on, 2,000 to score",
        {
            "data": {
                "type": "npz",
                "path": f"{FOLDER}/fashion.npz",
                "batch_size": 64,
                "split": {"by": "stratified", "validation": 0.4, "test": 0.2},
            },
            "model": _CNN,
            "train": {"epochs": 15, "optimizer": _ADAM},
        },
    ),
    "coloured": Base(
        "360 digits, each in a colour drawn at random, to train on, 1,078 to score",
        {
            "data": {
                "type": "npz",
                "path": f"{FOLDER}/coloured.npz",
                "batch_size": 32,
                "split": {"by": "stratified", "validation": 0.6, "test": 0.2},
            },
            "model": _CNN,
            "train": {"epochs": 30, "optimizer": _ADAM},
        },
    ),
    "rare": Base(
        "digits of which 5 to 9 are ten times as rare as 0 to 4 (about 390 to train on and to score); score: macro F1",
        {
            "data": {
                "type": "npz",
                "path": f"{FOLDER}/rare.npz",
                "batch_size": 32,
                "split": {"by": "stratified", "validation": 0.4, "test": 0.2},
            },
            "model": _CNN,
            "train": {"epochs": 20, "optimizer": _ADAM},
        },
        score="f1_macro",
    ),
    "few": Base(
        "ten examples each of the digits 5 to 9 to train on, 746 to score",
        {
            "data": {"type": "npz", "path": f"{FOLDER}/few.npz", "batch_size": 10, "split": {"by": "source"}},
            "model": _CNN,
            "train": {"epochs": 30, "optimizer": _ADAM},
        },
    ),
    "few_recoloured": Base(
        "ten examples each of the digits 5 to 9, each in a random colour on a random one, to train on, 746 to score",
        {
            "data": {
                "type": "npz",
                "path": f"{FOLDER}/few_recoloured.npz",
                "batch_size": 10,
                "split": {"by": "source"},
            },
            "model": _CNN,
            "train": {"epochs": 60, "optimizer": _ADAM},
        },
    ),
    "docstrings": Base(
        "about 1,700 sentences of the docstrings of seven packages to train on, as many to score",
        {
            "data": {
                "type": "docstrings",
                "sentences_per_package": 600,
                "batch_size": 64,
                "split": {"by": "stratified", "validation": 0.4, "test": 0.2},
            },
            "preprocess": {"vocabulary_size": 5000},
            "model": {"type": "text", "embedding_dim": 32, "units": 32},
            "train": {"epochs": 12, "optimizer": _ADAM},
        },
    ),
    "cells": Base(
        "171 rows of measurements of cell nuclei (breast_cancer, scikit-learn) to train on, 284 to score",
        {
            "data": {
                "type": "breast_cancer",
                "batch_size": 32,
                "split": {"by": "stratified", "validation": 0.5, "test": 0.2},
            },
            "model": {"type": "mlp", "units": [64, 32]},
            "train": {"epochs": 30, "optimizer": _ADAM},
        },
    ),
}

_SMALL = ("digits",)
_IMAGES = ("digits", "fashion")
_DENSE = ("digits", "docstrings", "cells")
_ALL = ("digits", "fashion", "docstrings", "cells")

_RESNET = {"model": {"type": "resnet", "filters": [16, 32], "blocks": 2}}
_SELU = {"model.activation": "selu", "model.dropout": 0.1}
_SGD = {"train.optimizer": {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9}}
_GLOROT = "Glorot and Bengio 2010"

_REGULARISATION = (
    Technique("Dropout", {"model.dropout": 0.3}, "Srivastava et al. 2014", _ALL),
    Technique(
        "Spatial dropout, not plain",
        {"model.dropout_type": "spatial"},
        "Tompson et al. 2015",
        _IMAGES,
        {"model.dropout": 0.3},
    ),
    Technique(
        "Gaussian dropout, not plain",
        {"model.dropout_type": "gaussian"},
        "Srivastava et al. 2014",
        _SMALL,
        {"model.dropout": 0.3},
    ),
    Technique(
        "Alpha dropout, not plain",
        {"model.dropout_type": "alpha"},
        "Klambauer et al. 2017",
        _SMALL,
        _SELU,
    ),
    Technique("L2 penalty", {"model.l2": 1e-3}, "Krogh and Hertz 1991", _ALL),
    Technique("L1 penalty", {"model.l1": 1e-4}, "Tibshirani 1996", _DENSE),
    Technique(
        "Biases penalised too", {"model.penalize": ["bias"]}, "Goodfellow et al. 2016, 7.1", _SMALL, {"model.l2": 1e-3}
    ),
    Technique("Maximal norm of weights", {"model.max_norm": 2.0}, "Srivastava et al. 2014", _SMALL),
    Technique("Noise on the input", {"model.input_noise": 0.1}, "Bishop 1995", ("digits", "cells")),
    Technique(
        "Decoupled weight decay",
        {"train.optimizer": {"type": "adamw", "learning_rate": 2e-3, "weight_decay": 0.05}},
        "Loshchilov and Hutter 2019",
        _IMAGES,
    ),
    Technique(
        "Weight decay on biases too",
        {"train.weight_decay_on": "all"},
        "Goyal et al. 2017",
        _SMALL,
        {"train.optimizer": {"type": "adamw", "learning_rate": 2e-3, "weight_decay": 0.05}},
    ),
    Technique(
        "Label smoothing", {"train.label_smoothing": 0.1}, "Szegedy et al. 2016", ("digits", "fashion", "docstrings")
    ),
    Technique(
        "Early stopping",
        {"train.early_stopping": {"monitor": "val_loss", "patience": 4}},
        "Prechelt 1998",
        ("digits", "fashion", "docstrings"),
    ),
    Technique("Stochastic depth", {"model.stochastic_depth": 0.2}, "Huang et al. 2016", _SMALL, _RESNET),
)

_NORMALISATION = (
    Technique("Batch normalisation", {"model.normalization": "batch"}, "Ioffe and Szegedy 2015", _ALL),
    Technique("Layer normalisation", {"model.normalization": "layer"}, "Ba et al. 2016", _ALL),
    Technique("Group normalisation", {"model.normalization": "group"}, "Wu and He 2018", _IMAGES),
    Technique("No normalisation in a ResNet", {"model.normalization": "none"}, "He et al. 2016", _SMALL, _RESNET),
    Technique(
        "Eight groups, not 32", {"model.norm_groups": 8}, "Wu and He 2018", _SMALL, {"model.normalization": "group"}
    ),
)

_INITIALISERS = {
    "glorot_uniform": _GLOROT,
    "lecun_normal": "LeCun et al. 1998",
    "orthogonal": "Saxe et al. 2014",
    "random_normal": _GLOROT,
}

_INITIALISATION = (
    *(
        Technique(f"{name}, not He", {"model.kernel_initializer": name}, source, _SMALL)
        for name, source in _INITIALISERS.items()
    ),
    Technique(
        "Zeros in the output layer alone", {"model.initializers": {"output": "zeros"}}, "Zhang et al. 2019", _SMALL
    ),
    Technique("Output bias from class priors", {"model.output_bias": "priors"}, "Lin et al. 2017", ("rare",)),
    Technique("Zero-gamma", {"model.zero_gamma": True}, "Goyal et al. 2017", _SMALL, _RESNET),
)

_RATES = {"Adadelta": 1.0, "Adagrad": 2e-2, "Ftrl": 5e-2, "Lion": 3e-4, "Muon": 2e-2, "SGD": 5e-2, "Adafactor": 1e-2}
"""Learning rates of optimisers for which that of Adam is far off; each from its paper's range, none tuned here."""

_OPTIMISER_SOURCES = {
    "Adadelta": "Zeiler 2012",
    "Adafactor": "Shazeer and Stern 2018",
    "Adagrad": "Duchi et al. 2011",
    "AdamW": "Loshchilov and Hutter 2019",
    "Adamax": "Kingma and Ba 2015",
    "Ftrl": "McMahan et al. 2013",
    "Lamb": "You et al. 2020",
    "Lion": "Chen et al. 2023",
    "Muon": "Jordan et al. 2024",
    "Nadam": "Dozat 2016",
    "RMSprop": "Tieleman and Hinton 2012",
    "SGD": "Robbins and Monro 1951",
    "ScheduleFreeAdamW": "Defazio et al. 2024",
}

OPTIMISERS = tuple(sorted(keras_api()["optimizers"].keys() - {"Adam", "LossScaleOptimizer", "MultiOptimizer"}))
"""Those of Keras without that of the plain recipes and those that wrap others."""

_OPTIMISATION = (
    *(
        Technique(
            f"{name}, not Adam",
            {"train.optimizer": {"type": name.lower(), "learning_rate": _RATES.get(name, 2e-3)}},
            _OPTIMISER_SOURCES.get(name, "Keras"),
            _SMALL,
        )
        for name in OPTIMISERS
    ),
    Technique("Momentum, not Adam", _SGD, "Polyak 1964", _IMAGES),
    Technique("Clipping by value", {"train.clip": {"value": 0.1}}, "Mikolov 2012", _SMALL, _SGD),
    Technique("Clipping by norm", {"train.clip": {"norm": 0.5}}, "Pascanu et al. 2013", _SMALL, _SGD),
    Technique("Clipping by global norm", {"train.clip": {"global_norm": 1.0}}, "Pascanu et al. 2013", _SMALL, _SGD),
    Technique("Gradient accumulation", {"train.accumulate_steps": 4}, "Goyal et al. 2017", _SMALL),
    Technique(
        "Moving average of weights",
        {"train.averaging": {"type": "ema", "momentum": 0.98}},
        "Polyak and Juditsky 1992",
        _IMAGES,
    ),
    Technique("SWA", {"train.averaging": {"type": "swa"}}, "Izmailov et al. 2018", _IMAGES),
    Technique(
        "SWA at a rate of its own, after a falling one",
        {"train.averaging": {"type": "swa", "learning_rate": 1e-3}},
        "Izmailov et al. 2018",
        _SMALL,
        {"train.averaging": {"type": "swa"}, "train.schedule": {"type": "cosine"}},
    ),
    Technique("SAM", {"train.sam": {"rho": 0.05}}, "Foret et al. 2021", _IMAGES),
)

_SCHEDULES = (
    Technique("Cosine", {"train.schedule": {"type": "cosine"}}, "Loshchilov and Hutter 2017", _ALL),
    Technique(
        "Cosine with warm-up",
        {"train.schedule": {"type": "cosine", "warmup_epochs": 3}},
        "Goyal et al. 2017",
        _IMAGES,
    ),
    Technique(
        "Cosine with restarts",
        {"train.schedule": {"type": "cosine_restarts", "first_epochs": 5}},
        "Loshchilov and Hutter 2017",
        _IMAGES,
    ),
    Technique("One cycle", {"train.schedule": {"type": "one_cycle"}}, "Smith and Topin 2018", _IMAGES),
    Technique(
        "Momentum that moves in one cycle",
        {"train.schedule": {"type": "one_cycle", "momentum": [0.85, 0.95]}},
        "Smith and Topin 2018",
        _SMALL,
        {"train.schedule": {"type": "one_cycle"}},
    ),
    Technique("Exponential decay", {"train.schedule": {"type": "exponential", "decay": 0.9}}, "Keras", _SMALL),
    Technique("Linear decay", {"train.schedule": {"type": "polynomial"}}, "Li et al. 2020", _SMALL),
    Technique("Steps", {"train.schedule": {"type": "step", "every_epochs": 10}}, "He et al. 2016", _SMALL),
    Technique("Lower rate on a plateau", {"train.reduce_on_plateau": {"patience": 3}}, "Keras", _SMALL),
)


def _augment(name: str, kind: str, source: str, bases: tuple[str, ...], **arguments: Any) -> Technique:
    return Technique(name, {"augment": [{"type": kind, **arguments}]}, source, bases)


_AUGMENTATION = (
    _augment("Shifts", "shift", "Simard et al. 2003", _IMAGES),
    _augment("Rotations", "rotate", "Simard et al. 2003", _IMAGES),
    _augment("Mirroring", "flip", "Krizhevsky et al. 2012", _IMAGES),
    _augment("Zoom", "zoom", "Simard et al. 2003", _SMALL),
    _augment("Shear", "shear", "Simard et al. 2003", _SMALL),
    _augment("Cropping and resizing", "crop_and_resize", "Szegedy et al. 2015", _IMAGES),
    _augment("Elastic distortion", "elastic", "Simard et al. 2003", _IMAGES, alpha=8.0, sigma=2.0),
    _augment("Contrast", "contrast", "Krizhevsky et al. 2012", _SMALL),
    _augment("Brightness", "brightness", "Krizhevsky et al. 2012", _SMALL),
    _augment("Noise on pixels", "noise", "Bishop 1995", _SMALL),
    _augment("Cutout", "cutout", "DeVries and Taylor 2017", _IMAGES),
    _augment("Hue", "hue", "Krizhevsky et al. 2012", ("coloured",), fraction=0.5),
    _augment("Saturation", "saturation", "Krizhevsky et al. 2012", ("coloured",), fraction=0.8),
    _augment("Solarising", "solarize", "Cubuk et al. 2019", _SMALL, probability=0.5),
    _augment("Posterising", "posterize", "Cubuk et al. 2019", _SMALL, bits=2, probability=0.5),
    _augment("Blur", "blur", "Chen et al. 2020", _SMALL),
    _augment("JPEG compression", "jpeg", "Hendrycks and Dietterich 2019", _SMALL),
    _augment("RandAugment", "rand_augment", "Cubuk et al. 2020", _IMAGES),
    _augment("TrivialAugment", "trivial_augment", "Müller and Hutter 2021", _IMAGES),
    _augment("AugMix", "aug_mix", "Hendrycks et al. 2020", _IMAGES),
    _augment("Mixup", "mixup", "Zhang et al. 2018", ("digits", "fashion", "cells")),
    _augment("CutMix", "cutmix", "Yun et al. 2019", _IMAGES),
    _augment("Word dropout", "word_dropout", "Iyyer et al. 2015", ("docstrings",)),
    Technique(
        "Swapped words, under convolutions",
        {"augment": [{"type": "word_swap"}]},
        "Wei and Zou 2019",
        ("docstrings",),
        {"model.encoder": "conv1d"},
    ),
    _augment("Masked spans", "span_mask", "Joshi et al. 2020", ("docstrings",)),
    _augment("Noise on numbers", "feature_noise", "Bishop 1995", ("cells",)),
    _augment("Swap noise", "swap_noise", "Jahrer 2017", ("cells",)),
)

_IMBALANCE = (
    Technique("Class weights", {"train.class_weights": "balanced"}, "King and Zeng 2001", ("rare",)),
    Technique("Balanced sampling", {"data.sampling": "balanced"}, "Buda et al. 2018", ("rare",)),
    Technique("Focal loss", {"train.loss": "categorical_focal_crossentropy"}, "Lin et al. 2017", ("rare", "digits")),
)

_FAMILIES = (
    Technique("Dense layers, not convolutions", {"model": {"type": "mlp"}}, "LeCun et al. 1998", _IMAGES),
    Technique("ResNet", _RESNET, "He et al. 2016", _IMAGES),
    Technique("ConvNeXt", {"model": {"type": "convnext", "filters": [16, 32]}}, "Liu et al. 2022", _IMAGES),
    Technique(
        "Tabular network", {"model": {"type": "tabular", "units": [64, 32]}}, "Gorishniy et al. 2021", ("cells",)
    ),
    Technique(
        "Residual tabular network",
        {"model.backbone": "resnet"},
        "Gorishniy et al. 2021",
        ("cells",),
        {"model": {"type": "tabular"}},
    ),
    Technique("Convolutions over words", {"model.encoder": "conv1d"}, "Kim 2014", ("docstrings",)),
    Technique("LSTM in both directions", {"model.encoder": "bilstm"}, "Graves and Schmidhuber 2005", ("docstrings",)),
    Technique("GRU in both directions", {"model.encoder": "bigru"}, "Cho et al. 2014", ("docstrings",)),
    Technique("Transformer", {"model.encoder": "transformer"}, "Vaswani et al. 2017", ("docstrings",)),
    Technique("SELU, not ReLU", {"model.activation": "selu"}, "Klambauer et al. 2017", _SMALL),
    Technique("GELU, not ReLU", {"model.activation": "gelu"}, "Hendrycks and Gimpel 2016", _SMALL),
)

_TUNING = {"train.fine_tuning": {"epochs": 15, "learning_rate": 2e-4}}


def _pretrained(name: str) -> Changes:
    """Convolutions of a pretrained network under a dense layer and an output that are new, as in the plain recipe."""
    source = f"{FOLDER}/{name}.keras"
    return {"model": {"type": "transfer", "source": source, "until": "flatten", "units": [64]}}


_TRANSFER = tuple(
    technique
    for base, source, where in (
        ("few", "zero_to_four", ""),
        ("few_recoloured", "zero_to_four_recoloured", ", in colours"),
    )
    for technique in (
        Technique(
            f"Convolutions pretrained on 0 to 4, frozen{where}", _pretrained(source), "Yosinski et al. 2014", (base,)
        ),
        Technique(f"Fine-tuning after it{where}", _TUNING, "Yosinski et al. 2014", (base,), _pretrained(source)),
    )
)

_PRECISION = tuple(
    Technique(f"{name}, on a CPU", {"train.precision": name}, "Micikevicius et al. 2018", _SMALL)
    for name in ("mixed_bfloat16", "mixed_float16")
)

TECHNIQUES = (
    *_REGULARISATION,
    *_NORMALISATION,
    *_SCHEDULES,
    *_AUGMENTATION,
    *_IMBALANCE,
    *_FAMILIES,
    *_INITIALISATION,
    *_OPTIMISATION,
    *_TRANSFER,
    *_PRECISION,
)
"""Every row, in the order in which they are measured."""

NOT_TECHNIQUES = {
    "model": (
        *("filters", "kernel_size", "convolutions", "pool_size", "units", "blocks", "expansion", "width"),
        *("patch_size", "layer_scale", "embedding_dim", "recurrent_units", "num_heads"),
        *("source", "weights", "until", "entry", "arguments", "folder", "type: custom"),
        *("output_activation", "batch_norm", "layers", "add_output", "type: layers", "type: text", "type: cnn"),
    ),
    "train": (
        *("epochs", "metrics", "deterministic", "precision: float32", "strategy: mirrored"),
        *("budget", "batch_size", "steps_per_execution", "jit_compile", "threads", "checkpoint"),
        *("on_sick", "stop_after_epochs"),
    ),
}
"""Keys that are no techniques of their own: sizes, what follows from the task, short forms, other ways of writing, what
the base recipes have already, time, memory and speed."""
