"""Transfer learning: what trains when, at which rate, what it gains, what it says, what it refuses."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.datasets import load_digits

from benchmarks.technique_data import few_recoloured, zero_to_four_recoloured
from models.config import TransferConfig
from models.spec import OutputSpec
from models.transfer import build_transfer, pretrained_layers
from pipeline import plan, run
from pipeline.collect import collect
from pipeline.errors import UserError
from pipeline.journal import Journal, read_journal
from pipeline.preprocess import preprocess
from pipeline.recipe.augment import AugmentSection
from pipeline.recipe.data import DataConfig
from pipeline.recipe.errors import RecipeError
from pipeline.recipe.load import load_recipe
from pipeline.recipe.preprocess import PreprocessConfig
from pipeline.recipe.tracking import TrackingConfig
from pipeline.recipe.train import OptimizerConfig
from pipeline.serving.compose import load_model
from pipeline.training.optimizers import optimizer
from pipeline.transfer.base import load_base
from pipeline.transfer.phases import plan_phases, unfreeze
from pipeline.transfer.rates import depth_factors, scale_rates
from pipeline.transfer.source import find_source
from tests.small_runs import Registered, model, train_section, train_small

PER_CLASS = 10
CNN: dict[str, Any] = {"type": "cnn", "filters": [16, 32], "units": 32, "batch_norm": True}
LAYERS = ["block_1_conv_1", "block_1_conv_1_batch_norm", "block_2_conv_1", "block_2_conv_1_batch_norm"]
LAYERS += ["dense", "dense_batch_norm"]
RATE = {"learning_rate": 0.01}
COLOURED: dict[str, Any] = {"type": "cnn", "filters": [32, 64], "units": 64}
MARGIN = 0.2
"""Accuracy that transfer adds: about 0.58 instead of 0.34."""


def prepare(folder: Path, digits: range, per_class: int | None) -> Path:
    """Digits from an .npz file, collected and preprocessed; a few for training, of those left 100 for the test."""
    bunch = load_digits()
    chosen = np.flatnonzero(np.isin(bunch.target, digits))
    rank = np.array([np.sum(bunch.target[:i] == bunch.target[i]) for i in chosen])
    few = chosen[rank < (per_class or 120)]
    rest = chosen[rank >= (per_class or 120)]
    parts = {"train": few, "validation": rest[100:], "test": rest[:100]}
    images = (bunch.images * 255 / 16).astype(np.uint8)
    arrays = {f"x_{name}": images[part] for name, part in parts.items()}
    arrays |= {f"y_{name}": bunch.target[part] for name, part in parts.items()}
    return prepare_arrays(folder, arrays, by="source")


def prepare_arrays(folder: Path, arrays: Mapping[str, np.ndarray], **split: Any) -> Path:
    """Images and classes from an .npz file, collected and preprocessed."""
    np.savez(folder / "digits.npz", **arrays)
    section = {"type": "npz", "path": str(folder / "digits.npz"), "split": split}
    examples, prepared = folder / "examples", folder / "prepared"
    for each in (examples, prepared):
        each.mkdir()
    data = TypeAdapter(DataConfig).validate_python(section)
    collect(data, out=examples, journal=Journal(examples / "journal.jsonl"))
    journal = Journal(prepared / "journal.jsonl")
    preprocess(PreprocessConfig(), examples=examples / "development", out=prepared, journal=journal)
    return prepared


@pytest.fixture(scope="module")
def lower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a network trained on the digits 0 to 4."""
    folder = tmp_path_factory.mktemp("lower")
    prepared = prepare(folder, range(5), None)
    return train_small(prepared, folder / "trained", model(**CNN), train_section(epochs=8, optimizer=RATE))


@pytest.fixture(scope="module")
def upper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared digits 5 to 9, 10 of each for training."""
    return prepare(tmp_path_factory.mktemp("upper"), range(5, 10), PER_CLASS)


@pytest.fixture
def transfer(lower: Path, upper: Path, tmp_path: Path) -> Callable[..., Path]:
    """Trains on the upper digits from the network of the lower ones; `model` and `train` are their sections' keys."""

    def trained(name: str, *, train: dict[str, Any], network: dict[str, Any] | None = None, **changed: Any) -> Path:
        section = model(type="transfer", source=str(lower / "network.keras"), **(network or {}))
        changed = {"pretrained": lower / "network.keras", **changed}
        return train_small(upper, tmp_path / name, section, train_section(**{"optimizer": RATE, **train}), **changed)

    return trained


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    """Weights of the pretrained layers by `layer/weight`, and of the rest by their paths."""
    network = load_model(folder / "network.keras")
    if not any(layer.name == "pretrained" for layer in network.layers):
        return {f"{layer.name}/{w.name}": w.numpy() for layer in network.layers for w in layer.weights}
    inside = {f"{layer.name}/{w.name}": w.numpy() for layer in pretrained_layers(network) for w in layer.weights}
    outside = [w for layer in network.layers if layer.name != "pretrained" for w in layer.weights]
    return inside | {w.path: w.numpy() for w in outside}


def moved(before: Path, after: Path) -> set[str]:
    """Pretrained layers of which a weight differs."""
    old, new = weights_of(before), weights_of(after)
    changed = {name.split("/")[0] for name in new if name in old and not np.array_equal(old[name], new[name])}
    return changed & set(LAYERS)


def history_of(folder: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((folder / "history.json").read_text())
    return tree


def said(folder: Path) -> str:
    return "\n".join(r["text"] for r in read_journal(folder / "journal.jsonl") if r["kind"] == "say")


@pytest.mark.slow
def test_transfer_beats_training_from_scratch_by_a_wide_margin(tmp_path: Path) -> None:
    """By MARGIN on average over 2 seeds, and by half of it in each: 10 examples a class, in random colours.

    From scratch has twice the epochs, and layer norm, which did best without augmentation (against none, batch norm,
    dropout; rates of 0.001 and 0.003); after 100 epochs it had 0.41 in one run, which leaves a gain of about 0.16.
    Neither side has augmentation: with that of colours (hue, solarising and others) a network from scratch learns what
    pretraining brings here, and did better than either (0.77 in one run). On grey digits transfer gains nothing.
    """
    (tmp_path / "lower").mkdir()
    (tmp_path / "upper").mkdir()
    lower = prepare_arrays(tmp_path / "lower", zero_to_four_recoloured(), by="stratified", validation=0.05, test=0.05)
    upper = prepare_arrays(tmp_path / "upper", few_recoloured(), by="source")
    scored = {name: np.load(upper / "validation" / f"{name}.npy") for name in ("image", "label")}
    for name, array in scored.items():
        # Scored once, after training: all of them after each epoch would take most of the time.
        np.save(upper / "validation" / f"{name}.npy", array[:PER_CLASS])
    cosine = {"type": "cosine"}
    pretraining = train_section(epochs=10, optimizer={"learning_rate": 3e-3}, schedule=cosine)
    base = train_small(lower, tmp_path / "base", model(**COLOURED), pretraining, batch_size=64) / "network.keras"
    head = model(type="transfer", source=str(base), until="flatten")
    sides = {
        "scratch": (
            model(**COLOURED, normalization="layer"),
            train_section(epochs=60, optimizer={"learning_rate": 3e-3}),
        ),
        "transfer": (head, train_section(epochs=30, optimizer=RATE)),
    }

    def accuracy(side: str, seed: int) -> float:
        network, section = sides[side]
        pretrained = base if side == "transfer" else None
        folder = tmp_path / f"{side}_{seed}"
        train_small(upper, folder, network, section, batch_size=PER_CLASS, seed=seed, pretrained=pretrained)
        outputs = load_model(folder / "network.keras").predict({"image": scored["image"]}, batch_size=256, verbose=0)
        return float(np.mean(outputs.argmax(axis=1) == scored["label"]))

    gains = [accuracy("transfer", seed) - accuracy("scratch", seed) for seed in range(2)]
    assert np.mean(gains) > MARGIN
    assert min(gains) > MARGIN / 2


@pytest.mark.slow
def test_the_head_alone_moves_in_the_first_phase(transfer: Callable[..., Path], lower: Path) -> None:
    folder = transfer("head", train={"epochs": 2})
    assert moved(lower, folder) == set()
    assert set(weights_of(folder)) == set(weights_of(lower))


@pytest.mark.slow
def test_features_in_store_give_what_images_give(transfer: Callable[..., Path]) -> None:
    stored = transfer("stored", train={"epochs": 3})
    # Noise of a millionth of a grey level, so that features count as random and are computed at each step.
    nothing = TypeAdapter(AugmentSection).validate_python([{"type": "noise", "stddev": 1e-9}])
    each_time = transfer("each_time", train={"epochs": 3}, augment=nothing)
    assert "computed once" in said(stored)
    assert "computed once" not in said(each_time)
    for one, other in zip(history_of(stored)["epochs"], history_of(each_time)["epochs"], strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    for name, weight in weights_of(stored).items():
        np.testing.assert_allclose(weight, weights_of(each_time)[name], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_features_on_disk_give_what_features_in_memory_give(transfer: Callable[..., Path]) -> None:
    memory, disk = (transfer(place, train={"epochs": 2}, memory=place) for place in ("memory", "disk"))
    assert "kept in memory" in said(memory)
    assert "kept on disk" in said(disk)
    assert (memory / "fingerprint").read_text() == (disk / "fingerprint").read_text()
    assert not (disk / "features").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fine_tuning", "unfrozen"),
    [
        ({}, LAYERS),
        ({"from_layer": "block_2_conv_1"}, LAYERS[2:]),
        ({"fraction": 0.3}, LAYERS[4:]),
    ],
)
def test_the_layers_asked_for_move_in_fine_tuning(
    transfer: Callable[..., Path], lower: Path, fine_tuning: dict[str, Any], unfrozen: list[str]
) -> None:
    section = {"epochs": 2, "learning_rate": 1e-3, **fine_tuning}
    folder = transfer("tuned", train={"epochs": 1, "fine_tuning": section})
    assert moved(lower, folder) == set(unfrozen)
    statistics = {name for name in weights_of(lower) if "moving" in name}
    assert statistics
    for name in statistics:
        np.testing.assert_array_equal(weights_of(lower)[name], weights_of(folder)[name])
    phases = json.loads((folder / "artifacts" / "transfer.json").read_text())["phases"]
    assert phases[1]["frozen"] == [name for name in LAYERS if name not in unfrozen]


@pytest.mark.slow
def test_epochs_and_rates_go_on_through_the_phases(transfer: Callable[..., Path]) -> None:
    folder = transfer("epochs", train={"epochs": 3, "fine_tuning": {"epochs": 2, "learning_rate": 1e-4}})
    history = history_of(folder)
    assert [epoch["epoch"] for epoch in history["epochs"]] == list(range(5))
    assert history["best_epoch"] == 4
    assert [epoch["learning_rate"] for epoch in history["epochs"]] == pytest.approx([0.01] * 3 + [1e-4] * 2)
    steps = [r["step"] for r in read_journal(folder / "journal.jsonl") if r["kind"] == "metrics"]
    assert steps == [*range(5), None]


@pytest.mark.slow
def test_the_best_weights_of_all_phases_are_kept(transfer: Callable[..., Path]) -> None:
    stopping = {"monitor": "val_loss", "patience": 1}
    ruinous = {"epochs": 2, "learning_rate": 0.5}
    train = {"epochs": 3, "early_stopping": stopping}
    head, ruined = transfer("head", train=train), transfer("ruined", train=train | {"fine_tuning": ruinous})
    assert history_of(ruined)["best_epoch"] == history_of(head)["best_epoch"]
    assert len(history_of(ruined)["epochs"]) > len(history_of(head)["epochs"])
    assert "no epoch better than epoch" in said(ruined)
    for name, weight in weights_of(head).items():
        np.testing.assert_array_equal(weight, weights_of(ruined)[name])


@pytest.mark.slow
def test_what_was_found_of_the_head_stays_found_in_fine_tuning(transfer: Callable[..., Path]) -> None:
    sick = {"epochs": 5, "optimizer": {"type": "sgd", "learning_rate": 1e-12}}
    tuning = {"epochs": 20, "learning_rate": 0.01, "fraction": 1.0}
    folder = transfer("told", train={**sick, "fine_tuning": tuning})
    found = {
        each["symptom"]: each for each in json.loads((folder / "artifacts/diagnosis.json").read_text())["findings"]
    }
    assert found["frozen_weights"]["severity"] == "critical"
    assert found["frozen_weights"]["called_epoch"] <= 5
    tags = [record["values"] for record in read_journal(folder / "journal.jsonl") if record["kind"] == "tags"]
    assert [each["diagnosis.status"] for each in tags if "diagnosis.status" in each] == ["sick", "sick"]


@pytest.mark.slow
def test_the_end_of_the_head_is_no_end_of_the_training(transfer: Callable[..., Path]) -> None:
    slow = {"epochs": 6, "optimizer": {"type": "sgd", "learning_rate": 0.1}}
    alone = transfer("alone", train=slow)
    tuning = {"epochs": 14, "learning_rate": 0.05, "fraction": 1.0}
    whole = transfer("whole", train={**slow, "fine_tuning": tuning})
    status = [json.loads((folder / "artifacts/diagnosis.json").read_text())["status"] for folder in (alone, whole)]
    assert status == ["sick", "healthy"]


@pytest.mark.slow
def test_a_head_that_is_stopped_as_sick_ends_the_training_and_a_resumed_one_likewise(
    transfer: Callable[..., Path],
) -> None:
    sick = {"epochs": 8, "optimizer": {"type": "sgd", "learning_rate": 1e-12}, "on_sick": "stop"}
    tuning = {"epochs": 5, "learning_rate": 0.01, "fraction": 1.0}
    folder = transfer("stopped", train={**sick, "fine_tuning": tuning})
    history = (folder / "history.json").read_text()
    assert len(json.loads(history)["epochs"]) < 8
    (folder / "history.json").unlink()
    (folder.parent / "again").mkdir()
    (folder / "checkpoints").rename(folder.parent / "again/checkpoints")
    again = transfer("again", train={**sick, "fine_tuning": tuning})
    assert (again / "history.json").read_text() == history


def test_gradual_unfreezing_adds_layers_from_the_top() -> None:
    section = train_section(epochs=4, fine_tuning={"epochs": 5, "gradual_steps": 2, "from_layer": "b"})
    phases = plan_phases(section, ["a", "b", "c", "d"])
    assert [(phase.name, phase.section.epochs, phase.num_unfrozen) for phase in phases] == [
        ("head", 4, 0),
        ("fine-tuning 1 of 2", 2, 2),
        ("fine-tuning 2 of 2", 3, 3),
    ]
    with pytest.raises(UserError, match=r"gradual_steps: expected no more than the layers to unfreeze, 1. Received: 2"):
        plan_phases(train_section(fine_tuning={"gradual_steps": 2, "fraction": 0.1}), ["a", "b"])
    with pytest.raises(UserError, match=r"from_layer: expected a pretrained layer with weights: a, b. Received: 'x'"):
        plan_phases(train_section(fine_tuning={"from_layer": "x"}), ["a", "b"])


@pytest.mark.slow
def test_gradual_steps_move_the_lower_layers_later(transfer: Callable[..., Path], lower: Path) -> None:
    section = {"epochs": 2, "learning_rate": 1e-3, "gradual_steps": 2}
    folder = transfer("gradual", train={"epochs": 1, "fine_tuning": section})
    assert moved(lower, folder) == set(LAYERS)
    phases = json.loads((folder / "artifacts" / "transfer.json").read_text())["phases"]
    assert [phase["frozen"] for phase in phases] == [LAYERS, LAYERS[:3], []]


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_each_layer_has_the_depth_factor_of_the_one_above_it(kind: str) -> None:
    layers = [keras.layers.Dense(3, use_bias=False, name=name) for name in ("low", "high")]
    network = keras.Sequential([keras.Input((3,)), *layers])
    arguments = {"weight_decay": 0.1} if kind == "adamw" else {}
    section = OptimizerConfig.model_validate({"type": kind, "learning_rate": 0.5, **arguments})
    built = optimizer(section, learning_rate=0.5, policy="float32")
    factors = depth_factors(layers, 0.5)
    scale_rates(built, factors)
    before = [weight.numpy() for weight in network.trainable_variables]
    built.apply([np.ones((3, 3), "float32")] * 2, network.trainable_variables)
    for value, weight, factor in zip(before, network.trainable_variables, (0.25, 0.5), strict=True):
        # The first step of Adam is of the length of its rate.
        decayed = value * (1 - 0.1 * 0.5 * factor) if arguments else value
        np.testing.assert_allclose(weight, decayed - 0.5 * factor, atol=1e-5)


@pytest.mark.slow
def test_depth_factors_slow_lower_layers_down(transfer: Callable[..., Path], lower: Path) -> None:
    def distance(folder: Path) -> np.ndarray:
        old, new = weights_of(lower), weights_of(folder)
        return np.array([np.abs(new[f"{name}/kernel"] - old[f"{name}/kernel"]).mean() for name in (LAYERS[0], "dense")])

    tuning = {"epochs": 1, "learning_rate": 1e-3}
    even = transfer("even", train={"epochs": 1, "fine_tuning": tuning})
    slow = transfer("slow", train={"epochs": 1, "fine_tuning": tuning | {"depth_factor": 0.5}})
    # Adam moves by its rate: of six layers the lowest has 1/64 of the head's, the fifth 1/4.
    np.testing.assert_allclose(distance(slow) / distance(even), [1 / 64, 1 / 4], rtol=0.35)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network_and_another_does_not(transfer: Callable[..., Path]) -> None:
    train = {"epochs": 1, "fine_tuning": {"epochs": 1}}
    runs = [transfer(name, train=train, seed=seed) for name, seed in (("one", 1), ("same", 1), ("other", 2))]
    one, same, other = ((folder / "fingerprint").read_text() for folder in runs)
    assert one == same != other


@pytest.mark.slow
def test_the_run_says_what_was_loaded_new_and_frozen(transfer: Callable[..., Path], lower: Path) -> None:
    folder = transfer(
        "told", train={"epochs": 1, "fine_tuning": {"epochs": 1, "fraction": 0.3}}, network={"units": [6]}
    )
    tree = json.loads((folder / "artifacts" / "transfer.json").read_text())
    assert [entry["layer"] for entry in tree["loaded"]] == LAYERS
    assert tree["left_out"] == ["output"]
    assert tree["new"] == [{"layer": "dense_1", "parameters": 198}, {"layer": "output", "parameters": 35}]
    lines = said(folder)
    assert "6 layers with" in lines
    assert "left out there: output" in lines
    assert "new: 2 layers with 233 parameters (dense_1, output)" in lines
    assert "fine-tuning: 1 epochs at most, frozen: 4 layers" in lines


@pytest.mark.slow
def test_the_saved_network_loads_in_a_fresh_process(transfer: Callable[..., Path], upper: Path) -> None:
    folder = transfer("saved", train={"epochs": 1, "fine_tuning": {"epochs": 1, "fraction": 0.3}})
    images = np.load(upper / "validation" / "image.npy")[:4]
    program = (
        "import sys, numpy as np; from pathlib import Path; from pipeline.serving.compose import load_model;"
        "network = load_model(Path(sys.argv[1])); images = np.load(sys.argv[2])[:4];"
        "print([network({'image': images.astype('float32')}).numpy().tolist(), len(network.trainable_variables)])"
    )
    arguments = [sys.executable, "-c", program, folder / "network.keras", upper / "validation" / "image.npy"]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    network = load_model(folder / "network.keras")
    outputs, num_trainable = json.loads(answer)
    # Another process may add up in another order, which moves the last digit of float32.
    np.testing.assert_allclose(outputs, network({"image": images.astype("float32")}), rtol=1e-6)
    assert num_trainable == len(network.trainable_variables)


@pytest.mark.slow
def test_transfer_from_a_transferred_network(transfer: Callable[..., Path]) -> None:
    first = transfer("first", train={"epochs": 1})
    second = transfer("second", train={"epochs": 1}, pretrained=first / "network.keras")
    assert history_of(second)["best_epoch"] == 0


def test_a_normalisation_that_the_source_would_not_see_is_refused(lower: Path, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    examples = lower.parent / "examples"
    section = PreprocessConfig(normalize="standard")
    preprocess(section, examples=examples / "development", out=prepared, journal=Journal(prepared / "journal.jsonl"))
    network = model(type="transfer", source=str(lower / "network.keras"))
    with pytest.raises(UserError, match=r"preprocess\.normalize: has no effect with .* brings its own normalisation"):
        train_small(prepared, tmp_path / "t", network, train_section(epochs=1), pretrained=lower / "network.keras")


@pytest.mark.slow
def test_the_registered_model_of_another_run_is_a_source(registered: Registered, tmp_path: Path) -> None:
    tracking = TrackingConfig(uri=registered.store.uri, directory=str(tmp_path))
    config = TransferConfig(type="transfer", source="models:/digits@champion")
    found, again = find_source(config, tracking), find_source(config, tracking)
    assert found == again
    base = load_base(config, found.path, (8, 8, 1))
    assert base.takes_prepared
    assert base.left_out == ("output",)
    with pytest.raises(UserError, match=r"takes image \(8, 8, 1\); this recipe's images are 28×28×3. Set preprocess"):
        load_base(config, found.path, (28, 28, 3))


@pytest.mark.slow
def test_a_run_is_a_source_by_name_and_by_id_and_its_content_counts(here: Path) -> None:
    small = ["model.filters=[8]", "model.units=16", "train.early_stopping=null", "tracking.system_metrics=false"]
    first = run("digits", ["train.epochs=2", *small], until="train")
    tree = {"name": "again", "data": {"type": "digits"}, "model": {"type": "transfer", "source": "digits"}}
    tree |= {"train": {"epochs": 1}, "tracking": {"system_metrics": False}}
    run(tree, until="train")
    by_id = plan(load_recipe(tree, [f"model.source={first.run_id}"]), until="train")
    assert [stage.action for stage in by_id] == ["reuse", "reuse", "reuse"]
    run("digits", ["train.epochs=3", *small], until="train")
    after = plan(load_recipe(tree), until="train")[-1]
    assert (after.action, after.reason) == ("run", "inputs: pretrained")


def test_the_fingerprint_of_a_source_is_of_its_content(lower: Path, tmp_path: Path) -> None:
    network = load_model(lower / "network.keras")
    tracking = TrackingConfig()

    def fingerprint(path: Path) -> str:
        network.save(path)
        return find_source(TransferConfig(type="transfer", source=str(path)), tracking).fingerprint

    first, same = fingerprint(tmp_path / "first.keras"), fingerprint(tmp_path / "same.keras")
    weights = network.get_layer("output").get_weights()
    network.get_layer("output").set_weights([weights[0] + 1, weights[1]])
    assert first == same != fingerprint(tmp_path / "other.keras")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.keras").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"model.source: expected a whole .keras file. Received: .*torn.keras"):
        find_source(TransferConfig(type="transfer", source=str(tmp_path / "torn.keras")), TrackingConfig())


@pytest.fixture(scope="module")
def mobile_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mobile.weights.h5"
    keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(path)
    return path


def test_a_network_of_keras_applications_takes_pixels_and_scales_them_itself(
    mobile_weights: Path, tmp_path: Path
) -> None:
    config = TransferConfig(
        type="transfer", source="keras.applications:MobileNetV2", weights=str(mobile_weights), until="block_1_expand"
    )
    found = find_source(config, TrackingConfig())
    assert found.fingerprint.startswith("keras.applications:MobileNetV2 ")
    base = load_base(config, found.path, (32, 32, 3))
    assert base.takes_prepared
    assert "block_16_project" in base.left_out
    base.network.save(tmp_path / "base.keras")
    images = np.full((1, 32, 32, 3), 255, "float32")
    np.testing.assert_array_equal(
        load_model(tmp_path / "base.keras")({"image": images}), base.network({"image": images})
    )
    scaled = base.network.get_layer("application_input")(images)
    np.testing.assert_array_equal(scaled, keras.applications.mobilenet_v2.preprocess_input(images.copy()))
    with pytest.raises(UserError, match=r"MobileNetV2 takes images in colour. Set preprocess.channels: 3"):
        load_base(config, found.path, (32, 32, 1))
    with pytest.raises(UserError, match=r"MobileNetV2 refuses images of \(8, 8, 3\)"):
        load_base(config, found.path, (8, 8, 3))


def test_weights_that_cannot_be_downloaded_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    config = TransferConfig(type="transfer", source="keras.applications:DenseNet121", until="conv1_relu")
    with pytest.raises(UserError, match=r"model.weights: DenseNet121 has no weights imagenet here.* local file"):
        load_base(config, None, (32, 32, 3))


def test_an_application_that_keras_lacks_is_named() -> None:
    config = TransferConfig(type="transfer", source="keras.applications:MobileNetV9")
    with pytest.raises(UserError, match=r"expected one of .*MobileNetV2.* Received: 'MobileNetV9'"):
        load_base(config, None, (32, 32, 3))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model={type: cnn}", "train.fine_tuning={}"], "train.fine_tuning: has no effect with `model.type: cnn`"),
        (["model.weights=imagenet"], "model.weights: has no effect with `source: .*any.keras`"),
        (["model.input_noise=0.1"], "model.input_noise: has no place before a frozen network"),
        (["model.source=some-run", "preprocess.normalize=standard"], "preprocess.normalize: has no effect with `model"),
        (["train.precision=mixed_float16"], "computes in the precision it was saved with; use auto or float32"),
        (["train.fine_tuning={from_layer: a, fraction: 0.5}"], "fine_tuning.fraction: given beside `from_layer`"),
        (["train.fine_tuning={epochs: 2, gradual_steps: 3}"], r"expected no more than train.fine_tuning.epochs \(2\)"),
        (
            ["train.fine_tuning={epochs: 2}", "train.schedule={type: cosine, warmup_epochs: 3}"],
            "fine_tuning: `schedule.warmup_epochs` does not fit a phase of 2 epochs",
        ),
        (["data={type: breast_cancer}"], "model.type: `transfer` takes image data"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(overrides: list[str], message: str) -> None:
    bare = {"name": "bare", "data": {"type": "digits"}, "model": {"type": "transfer", "source": "any.keras"}}
    with pytest.raises(RecipeError, match=message):
        load_recipe(bare, overrides)


def test_unfreezing_counts_layers_with_weights(lower: Path) -> None:
    config = TransferConfig(type="transfer", source="any.keras")
    base = load_base(config, lower / "network.keras", (8, 8, 1))
    network = build_transfer(config, base.network, None, OutputSpec("multiclass", 5), seed=1, policy="float32")
    for count in (0, 3, 6):
        unfreeze(network, count)
        trained = {w.path for w in network.trainable_variables if "output" not in w.path}
        assert len([layer for layer in pretrained_layers(network) if layer.trainable]) == count
        assert len(trained) == sum(len(layer.trainable_variables) for layer in pretrained_layers(network))
