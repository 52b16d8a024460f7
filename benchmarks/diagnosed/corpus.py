"""Cases of `benchmarks/diagnosis.py` from a labelled corpus: a folder with cases.jsonl, data/ and score.py."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.diagnosed.cases import Case, Data
from models.seeds import seed_for

Line = Mapping[str, Any]


def read_cases(corpus: Path) -> list[Case]:
    """Reads the cases of a corpus."""
    lines = [json.loads(line) for line in (corpus / "cases.jsonl").read_text(encoding="utf-8").splitlines() if line]
    references = json.loads((corpus / "data/reference.json").read_text(encoding="utf-8"))
    return [_case(line, corpus, references[line["data"]]) for line in lines]


def _case(line: Line, corpus: Path, reference: Mapping[str, float]) -> Case:
    known = (line["expected_symptoms"] or [], line["reference_symptoms"], line["published_problems"] or [])
    return Case(
        id=line["id"],
        batch_size=line["batch_size"],
        epochs=line["epochs"],
        build=partial(build, line, -(-len(_read(corpus, line["data"]).x) // line["batch_size"])),
        data=partial(_read, corpus, line["data"]),
        chance=reference["chance"],
        reference=reference["ref_val_acc"],
        fault=line["fault"] or "",
        symptoms=frozenset(symptom for symptoms in known for symptom in symptoms),
        planted=frozenset(line["expected_symptoms"] or ()),
        faulty_layers=tuple(line["fault_dense_layers"] or ()),
        mendable=bool(line["fixes_that_worked"] or not line["fixes_tried"]),
        group=line["origin"],
    )


def _read(corpus: Path, name: str) -> Data:
    with np.load(corpus / "data" / f"{name}.npz") as file:
        return Data(*(file[key].astype("float32") for key in ("x", "y", "x_val", "y_val")))


def build(line: Line, num_steps: int, seed: int) -> keras.Model:
    """Builds and compiles the model of a case.

    Args:
        line: Of `cases.jsonl`.
        num_steps: Of an epoch, which are run as one: the same arithmetic with less of Python in between.
        seed: Of the initial weights.
    """
    model = keras.Sequential([keras.Input(tuple(line["input_shape"]))])
    for place, layer in enumerate(line["layers"]):
        model.add(_layer(dict(layer), seed, place))
    arguments = dict(line["optimizer"]["args"])
    arguments["learning_rate"] = arguments.pop("lr")
    optimizer = getattr(keras.optimizers, line["optimizer"]["name"])(**arguments)
    model.compile(optimizer, loss=line["loss"], metrics=["accuracy"], steps_per_execution=num_steps)
    return model


def _layer(arguments: dict[str, Any], seed: int, place: int) -> keras.Layer:
    kind = arguments.pop("type")
    if kind == "Scale":
        return keras.layers.Rescaling(arguments["value"] if "value" in arguments else arguments["scale"])
    for key in ("kernel_initializer", "bias_initializer"):
        arguments[key] = (
            _initializer(arguments.get(key), key, seed_for(seed, key, place)) if kind in ("Dense", "Conv2D") else None
        )
    arguments = {key: value for key, value in arguments.items() if value is not None}
    if kind == "Dropout":
        arguments["seed"] = seed_for(seed, "dropout", place)
    return getattr(keras.layers, kind)(**arguments)


def _initializer(written: Mapping[str, Any] | None, key: str, seed: int) -> keras.initializers.Initializer:
    written = written or {"class": "Zeros" if key == "bias_initializer" else "GlorotUniform", "config": {}}
    kind = getattr(keras.initializers, written["class"])
    plain = written["class"] in ("Zeros", "Ones", "Constant")
    return kind(**written["config"]) if plain else kind(**written["config"], seed=seed)
