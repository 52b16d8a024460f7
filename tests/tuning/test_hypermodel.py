"""A Keras Tuner script as it is: its model, and the space that it declares."""

import json

import pytest

from models.hypermodel import build_hypermodel, is_hypermodel
from pipeline.recipe.load import load_recipe
from tuning.discovery import discover
from tuning.space import Space

SCRIPT = """
import keras
import keras_tuner


def build_model(hp):
    model = keras.Sequential([keras.Input((30,))])
    for i in range(hp.Int("num_layers", 1, 2)):
        model.add(keras.layers.Dense(hp.Choice("units", [4, 8])))
    kind = hp.Choice("kind", ["plain", "dropped"])
    with hp.conditional_scope("kind", ["dropped"]):
        if kind == "dropped":
            model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5, step=0.1)))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    rate = hp.Float("lr", 1e-4, 1e-2, sampling="log")
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="binary_crossentropy")
    return model


class Model(keras_tuner.HyperModel):
    def build(self, hp):
        return build_model(hp)


def plain(features, units=4):
    return keras.layers.Dense(units)(features)
"""


SECOND_RATE = """
    with hp.conditional_scope("kind", ["plain"]):
        if kind == "plain":
            model.add(keras.layers.Dropout(hp.Float("rate", 0.0, 0.2)))
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "keras_tuner_script.py").write_text(SCRIPT)
    return tmp_path


def recipe(folder, entry="build_model", **arguments):
    path = folder / "moved.yaml"
    model = {"type": "custom", "entry": f"keras_tuner_script:{entry}", "add_output": False, "arguments": arguments}
    tree = {"name": "moved", "data": {"type": "breast_cancer"}, "model": model, "tune": {"trials": 3}}
    path.write_text(json.dumps(tree))
    return path


@pytest.mark.parametrize("entry", ["build_model", "Model"])
def test_the_space_is_the_one_that_the_script_declares(script, entry):
    path = recipe(script, entry)
    discover(path, script / "space.json", None)
    found = json.loads((script / "space.json").read_text())["space"]
    tree = load_recipe(path).model_dump(by_alias=True, mode="json", exclude_none=True)
    tree["tune"]["space"] = found
    space = Space.of(load_recipe(tree))
    assert set(space.parameters) == {
        f"model.arguments.{name}" for name in ("num_layers", "units", "kind", "rate", "lr")
    }
    rate = space.parameters["model.arguments.rate"]
    assert (rate.low, rate.high, rate.step) == (0.1, 0.5, 0.1)
    assert rate.when == {"model.arguments.kind": ["dropped"]}
    assert space.parameters["model.arguments.lr"].log
    made = space.recipe({"model.arguments.units": 8, "model.arguments.num_layers": 2})
    assert made.model.arguments == {"units": 8, "num_layers": 2}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("num_layers", "num.layers"), "'num.layers': expected a name without a dot"),
        (('sampling="log"', 'sampling="reverse_log"'), "'lr': expected sampling linear or log"),
        (
            ("    model.add(keras.layers.Dense(1,", SECOND_RATE + "    model.add(keras.layers.Dense(1,"),
            "'rate': expected one declaration",
        ),
    ],
)
def test_what_a_recipe_cannot_say_is_refused_by_name(script, changed, said):
    (script / "keras_tuner_script.py").write_text(SCRIPT.replace(*changed))
    discover(recipe(script), script / "space.json", None)
    assert said in json.loads((script / "space.json").read_text())["error"]


def test_the_model_has_the_values_of_the_recipe(script, monkeypatch):
    from models.config import CustomConfig
    from models.custom import load_function

    config = load_recipe(recipe(script, units=8, num_layers=2)).model
    assert isinstance(config, CustomConfig)
    function = load_function(config)
    assert is_hypermodel(function)
    assert not is_hypermodel(load_function(load_recipe(recipe(script, "plain")).model))
    model, hyperparameters = build_hypermodel(function, config.arguments)
    assert [layer.units for layer in model.layers] == [8, 8, 1]
    assert hyperparameters.values["kind"] == "plain"


@pytest.mark.slow
def test_a_moved_script_trains(script, monkeypatch):
    from pipeline.execution import run

    monkeypatch.chdir(script)
    path = recipe(script, units=8, kind="dropped", rate=0.2)
    trained = run(path, ["train.epochs=1", "tracking.system_metrics=false"], until="train")
    assert "Dropout" in (trained.folder("train") / "artifacts" / "model_summary.txt").read_text()
