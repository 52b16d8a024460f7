"""Whether healthy recipes are left alone, before and while they train: `python -m benchmarks.diagnosis_controls`.

The built-in recipes and every family of models at ordinary settings, on the data that come with the project: images,
texts and tables, few examples, wrong labels, several labels at once, a rare class, values to predict, a pretrained part
that stays frozen, or is fine-tuned. Each is checked once and trained with several seeds; anything above a note on one
that learns is a false alarm. Of some it is unknown how well they could learn: these are counted apart.
"""

import argparse
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3"}

LEARNT = 0.7
"""Skill below which a training does not count as one that learns: the way from the constant answer to nearest
neighbours, as in the corpus of `diagnosis.py`."""

WRONG_LABELS = 0.2
"""Share of them, where some are."""

RARE_DIGIT, NUM_RARE = 8, 40
"""The digit that is told from all others where a class is rare, and how many there are of it."""

IMAGES = {"data": {"type": "digits"}, "preprocess": {"normalize": "unit"}}
TEXTS = {"data": {"type": "docstrings", "sentences_per_package": 500}, "preprocess": {"vocabulary_size": 5000}}
TABLE = {"data": {"type": "breast_cancer", "batch_size": 32}}
VALUES = {"data": {"type": "npz", "path": "values.npz", "batch_size": 32}}
FEW = {"data": {"type": "npz", "path": "few.npz", "batch_size": 32}, "preprocess": {"normalize": "unit"}}
NOISY = {"data": {"type": "npz", "path": "noisy.npz"}, "preprocess": {"normalize": "unit"}}
LABELS = {"data": {"type": "npz", "path": "labels.npz"}, "preprocess": {"normalize": "unit"}}
RARE = {"data": {"type": "npz", "path": "rare.npz"}, "preprocess": {"normalize": "unit"}}

CNN = {"type": "cnn", "filters": [16, 32], "units": 64}
FINE_TUNED = {"fine_tuning": {"epochs": 8, "learning_rate": 5e-4}}
LAYERS = [
    {"type": "Conv2D", "filters": 16, "kernel_size": 3, "activation": "relu"},
    {"type": "Flatten"},
    {"type": "Dense", "units": 32, "activation": "relu"},
]
NETWORK = """
import keras


def network(x):
    x = keras.layers.Conv2D(16, 3, activation="relu")(x)
    return keras.layers.Dense(32, activation="relu")(keras.layers.Flatten()(x))
"""


def _recipe(data: dict[str, Any], epochs: int, rate: float, *, more: Mapping[str, Any] = {}, **model: Any) -> Any:
    optimizer = {"type": "adam", "learning_rate": rate}
    return {**data, "model": model, "train": {"epochs": epochs, "optimizer": optimizer, **more}}


RECIPES: dict[str, str | dict[str, Any]] = {
    "digits": "digits",
    "breast_cancer": "breast_cancer",
    "docstrings": "docstrings",
    "digits_tune": "digits_tune",
    "cnn": _recipe(IMAGES, 15, 2e-3, **CNN),
    "cnn, few examples": _recipe(FEW, 40, 2e-3, **CNN, dropout=0.3),
    "cnn, wrong labels": _recipe(NOISY, 15, 2e-3, **CNN, dropout=0.3),
    "cnn, several labels": _recipe(LABELS, 15, 2e-3, **CNN),
    "cnn, a rare class": _recipe(RARE, 15, 2e-3, **CNN),
    "the same, weighted": _recipe(RARE, 15, 2e-3, **CNN, more={"class_weights": "balanced"}),
    "resnet": _recipe(IMAGES, 10, 2e-3, type="resnet", filters=[8, 16], blocks=1),
    "convnext": _recipe(IMAGES, 15, 2e-3, type="convnext", filters=[16, 32], blocks=1, kernel_size=3, patch_size=1),
    "mlp on images": _recipe(IMAGES, 20, 2e-3, type="mlp", units=[64, 32]),
    "layers": _recipe(IMAGES, 15, 2e-3, type="layers", layers=LAYERS),
    "custom": _recipe(IMAGES, 15, 2e-3, type="custom", entry="network:network"),
    "transfer": _recipe(IMAGES, 20, 5e-3, type="transfer", source="source.keras"),
    "transfer, fine-tuned": _recipe(IMAGES, 20, 5e-3, type="transfer", source="source.keras", more=FINE_TUNED),
    "mlp on a table": _recipe(TABLE, 30, 2e-3, type="mlp", units=[32]),
    "tabular mlp": _recipe(TABLE, 30, 2e-3, type="tabular", units=[32, 16]),
    "tabular resnet": _recipe(TABLE, 20, 2e-3, type="tabular", backbone="resnet", width=32),
    "values": _recipe(VALUES, 60, 5e-3, type="mlp", units=[32, 16]),
    "text, pooling": _recipe(TEXTS, 12, 5e-3, type="text", dropout=0.4),
    "text, conv1d": _recipe(TEXTS, 5, 2e-3, type="text", encoder="conv1d", dropout=0.4),
    "text, bilstm": _recipe(TEXTS, 5, 3e-3, type="text", encoder="bilstm", recurrent_units=[16], dropout=0.4),
    "text, bigru": _recipe(TEXTS, 5, 3e-3, type="text", encoder="bigru", recurrent_units=[16], dropout=0.4),
    "text, transformer": _recipe(TEXTS, 6, 2e-3, type="text", encoder="transformer", blocks=1, dropout=0.3),
}


@dataclass(frozen=True)
class Control:
    """What was said of one training."""

    recipe: str
    seed: int
    skill: float
    """NaN where it is unknown."""
    said: tuple[str, ...]
    """Symptoms above a note."""
    said_before: tuple[str, ...] | None = None
    """The same of the pre-flight; None: it was not asked with this seed."""

    def __str__(self) -> str:
        before = "" if self.said_before is None else f"; before: {', '.join(self.said_before) or 'nothing'}"
        return (
            f"{self.recipe:20} seed {self.seed}  skill {self.skill:5.2f}  {', '.join(self.said) or 'nothing'}{before}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each recipe (default: 3)")
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES), help="these recipes")
    args = parser.parse_args(arguments)
    done = []
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        _write_inputs()
        for name in args.only:
            for control in _controls(name, args.seeds):
                done.append(control)
                print(control, flush=True)
    print(*_summary(done), sep="\n")


def _controls(name: str, num_seeds: int) -> Iterator[Control]:
    from pipeline.checked import check_recipe
    from pipeline.execution import run
    from pipeline.recipe.load import load_recipe

    given = RECIPES[name]
    if isinstance(given, dict):
        Path("recipe.yaml").write_text(json.dumps({"name": "control", **given}), encoding="utf-8")
        given = "recipe.yaml"
    for seed in range(num_seeds):
        overrides = [f"seed={seed}"]
        before = None if seed else tuple(each.symptom for each in check_recipe(given, overrides).findings if each.rank)
        trained = run(load_recipe(given, overrides), until="train").folder("train")
        tree = json.loads((trained / "artifacts/diagnosis.json").read_text(encoding="utf-8"))
        said = tuple(each["symptom"] for each in tree["findings"] if each["severity"] != "note")
        skill = float("nan") if tree["skill"] is None else tree["skill"]
        yield Control(name, seed, skill, said, before)


def _write_inputs() -> None:
    """Writes what recipes name: arrays, a module, and a network to take a pretrained part from."""
    import numpy as np
    from sklearn.datasets import load_diabetes, load_digits

    from pipeline.execution import run

    rng = np.random.default_rng(0)
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8) * 255 / 16).astype("uint8")
    chosen = rng.permutation(len(labels))[:300]
    np.savez("few.npz", x=images[chosen], y=labels[chosen])
    wrong = np.where(rng.random(len(labels)) < WRONG_LABELS, rng.integers(10, size=len(labels)), labels)
    np.savez("noisy.npz", x=images, y=wrong)
    np.savez("labels.npz", x=images, y=np.stack([labels % 2 == 0, labels > 4, labels == 7], axis=1).astype("int64"))
    few_eights = (labels != RARE_DIGIT) | (np.cumsum(labels == RARE_DIGIT) <= NUM_RARE)
    np.savez("rare.npz", x=images[few_eights], y=(labels == RARE_DIGIT)[few_eights].astype("int64"))
    rows, values = load_diabetes(return_X_y=True)
    np.savez("values.npz", x=rows.astype("float32"), y=values.astype("float32"))
    Path("network.py").write_text(NETWORK, encoding="utf-8")
    source = run({"name": "source", **_recipe(IMAGES, 10, 2e-3, **CNN)}, until="train").folder("train")
    Path("source.keras").write_bytes((source / "network.keras").read_bytes())


def _summary(done: Sequence[Control]) -> Iterator[str]:
    """How many were called sick, of those that learnt and of the others."""
    from statsmodels.stats.proportion import proportion_confint

    groups = {
        "while they trained": [each for each in done if each.skill >= LEARNT],
        "of those whose skill is unknown": [each for each in done if math.isnan(each.skill)],
        f"of others, with a skill below {LEARNT}": [each for each in done if each.skill < LEARNT],
    }
    for name, some in groups.items():
        alarms = sum(bool(each.said) for each in some)
        low, high = proportion_confint(alarms, len(some), method="wilson") if some else (0.0, 1.0)
        yield f"{name}: {alarms} of {len(some)} were called sick [{low:.3f}, {high:.3f}]"
    checked = [each for each in done if each.said_before is not None]
    yield f"before the first step: {sum(bool(each.said_before) for each in checked)} of {len(checked)} recipes"


if __name__ == "__main__":
    main()
