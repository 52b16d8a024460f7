"""Networks with a pretrained part: always in inference mode, cut where asked, saved and loaded whole."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import TypeAdapter

from models.config import TransferConfig
from models.errors import ModelError
from models.spec import OutputSpec
from models.transfer import build_transfer, pretrained_layers, split_network, truncate

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 6, 1)).astype("float32")


def source() -> keras.Model:
    image = keras.Input((8, 6, 1), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv", kernel_regularizer="l2")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.5, seed=1, name="drop")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(image, keras.layers.Dense(10, name="answer")(x), name="source")


def network(base: keras.Model, *, seed: int = 1, **section: Any) -> keras.Model:
    config = TypeAdapter(TransferConfig).validate_python({"type": "transfer", "source": "any.keras", **section})
    return build_transfer(config, base, None, OutputSpec("multiclass", 3), seed=seed, policy="float32")


def test_the_pretrained_part_is_in_inference_mode_in_training_too() -> None:
    model = network(truncate(source(), None))
    means = next(layer for layer in pretrained_layers(model) if layer.name == "norm").moving_mean
    before = means.numpy()
    in_training, in_inference = model({"image": IMAGES}, training=True), model({"image": IMAGES}, training=False)
    np.testing.assert_array_equal(in_training, in_inference)
    np.testing.assert_array_equal(means, before)


def test_features_are_those_of_the_layer_asked_for_and_maps_become_their_means() -> None:
    whole = source()
    maps = keras.Model(whole.input, whole.get_layer("conv").output)(IMAGES)
    np.testing.assert_allclose(truncate(whole, "conv")(IMAGES), np.mean(maps, axis=(1, 2)), rtol=1e-5)
    assert truncate(whole, None).output.shape == (None, 6 * 4 * 4)
    assert [layer.name for layer in pretrained_layers(network(truncate(whole, "conv")))] == ["conv"]


def test_a_layer_that_the_source_lacks_is_named() -> None:
    with pytest.raises(ModelError, match=r"model.until: expected a layer of the source: image, conv, norm.*'cnov'"):
        truncate(source(), "cnov")


def test_the_head_has_its_layers_with_dropout_before_each() -> None:
    model = network(truncate(source(), None), units=[5, 4], dropout=0.5, batch_norm=True)
    names = [layer.name for layer in model.layers]
    assert [name for name in names if name.startswith(("dense", "dropout", "output"))] == [
        "dropout_features",
        "dense_1",
        "dense_1_batch_norm",
        "dense_1_activation",
        "dropout_1",
        "dense_2",
        "dense_2_batch_norm",
        "dense_2_activation",
        "dropout_2",
        "output",
    ]
    assert not np.array_equal(model({"image": IMAGES}, training=True), model({"image": IMAGES}, training=True))


def test_head_on_features_is_the_network() -> None:
    model = network(truncate(source(), None), units=[5])
    extractor, head = split_network(model)
    features = extractor({"image": IMAGES})
    np.testing.assert_array_equal(head({"features": features}), model({"image": IMAGES}))
    assert {id(weight) for weight in head.weights} < {id(weight) for weight in model.weights}


def test_a_saved_network_loads_under_safe_mode_and_says_the_same(tmp_path: Path) -> None:
    model = network(truncate(source(), None), units=[5], dropout=0.2)
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded({"image": IMAGES}), model({"image": IMAGES}))
    np.testing.assert_array_equal(loaded({"image": IMAGES}, training=False), model({"image": IMAGES}))


def test_equal_seeds_give_equal_heads_and_others_differ() -> None:
    base = truncate(source(), None)
    one, same, other = (network(base, seed=seed).get_layer("output").get_weights()[0] for seed in (1, 1, 2))
    assert one.tobytes() == same.tobytes() != other.tobytes()
