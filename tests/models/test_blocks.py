import keras
import numpy as np
import pytest

from models.blocks import Blocks
from models.errors import ModelError
from models.initializers import auto_initializer, seeded_initializer, with_seeds
from models.knobs import Knobs
from models.spec import OutputSpec
from tests.models.test_contract import IMAGE, TABLE, TEXT, batch, network


def test_penalties_are_of_all_kernels_and_of_nothing_else() -> None:
    model = network({"type": "cnn", "filters": [4], "batch_norm": True, "l1": 0.1, "l2": 0.01}, IMAGE)
    kernels = [w.numpy() for w in model.trainable_weights if w.path.endswith("kernel")]
    assert len(kernels) == len(model.losses) == 3
    expected = [0.1 * np.abs(k).sum() + 0.01 * (k**2).sum() for k in kernels]
    np.testing.assert_allclose(sorted(map(float, model.losses)), sorted(expected), rtol=1e-5)


def test_no_knobs_no_penalties() -> None:
    assert network({"type": "mlp"}, IMAGE).losses == []


def test_batch_norm_comes_before_the_activation_and_replaces_the_bias() -> None:
    model = network({"type": "mlp", "units": [5], "batch_norm": True}, TABLE)
    names = [layer.name for layer in model.layers]
    assert names[-4:] == ["dense_1", "dense_1_batch_norm", "dense_1_activation", "output"]
    assert not model.get_layer("dense_1").use_bias
    assert network({"type": "mlp", "units": [5]}, TABLE).get_layer("dense_1").use_bias


def test_dropout_drops_its_share_in_training_alone() -> None:
    x = keras.Input((1000,))
    dropped = keras.Model(x, Blocks(Knobs(dropout=0.3), seed=1).dropout(x, "dropout"))
    ones = np.ones((4, 1000), "float32")
    np.testing.assert_array_equal(dropped(ones), ones)
    trained = dropped(ones, training=True).numpy()
    assert (trained == 0).mean() == pytest.approx(0.3, abs=0.03)
    assert trained.mean() == pytest.approx(1, abs=0.05)


def test_layers_of_one_model_drop_differently() -> None:
    model = network({"type": "mlp", "units": [500, 500], "dropout": 0.5}, TABLE)
    ones = np.ones((1, 500), "float32")
    masks = [model.get_layer(f"dropout_{i}")(ones, training=True).numpy() for i in (1, 2)]
    assert (masks[0] != masks[1]).any()


def test_layers_of_equal_shape_start_differently() -> None:
    model = network({"type": "mlp", "units": [5, 5, 5]}, TABLE)
    assert (model.get_layer("dense_2").kernel.numpy() != model.get_layer("dense_3").kernel.numpy()).all()


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        *((name, "he_normal") for name in ("relu", "elu", "gelu", "silu", "leaky_relu")),
        *((name, "glorot_uniform") for name in ("tanh", "sigmoid", "softmax", "linear")),
        ("selu", "lecun_normal"),
    ],
)
def test_auto_chooses_the_initialiser_by_activation(activation: str, expected: str) -> None:
    assert auto_initializer(activation) == expected


@pytest.mark.parametrize(("activation", "gain"), [("relu", 2.0), ("selu", 1.0)])
def test_auto_gives_kernels_the_variance_of_its_source(activation: str, gain: float) -> None:
    model = network({"type": "mlp", "units": [400, 400], "activation": activation}, TABLE)
    kernel = model.get_layer("dense_2").kernel.numpy()
    assert kernel.var() == pytest.approx(gain / 400, rel=0.05)


def test_an_initialiser_of_the_recipe_replaces_auto_everywhere() -> None:
    model = network({"type": "mlp", "units": [4], "kernel_initializer": {"type": "constant", "value": 0.5}}, TABLE)
    for name in ("dense_1", "output"):
        np.testing.assert_array_equal(model.get_layer(name).kernel, 0.5)


def test_a_seed_of_the_recipe_is_kept() -> None:
    assert seeded_initializer({"type": "he_normal", "seed": 7}, 1).get_config()["seed"] == 7
    assert seeded_initializer("he_normal", 1).get_config()["seed"] is not None


def test_an_unknown_initialiser_is_a_mistake_of_the_recipe() -> None:
    with pytest.raises(ModelError, match=r"with its arguments\. Received: he_norml"):
        seeded_initializer("he_norml", 1)


def test_open_seeds_are_filled_by_their_place() -> None:
    filled = with_seeds({"a": {"seed": None}, "b": [{"seed": None}, {"seed": 3}], "c": 1}, 5)
    assert filled["b"][1] == {"seed": 3}
    assert filled["c"] == 1
    assert len({filled["a"]["seed"], filled["b"][0]["seed"], None}) == 3
    assert with_seeds({"a": {"seed": None}}, 6)["a"] != filled["a"]


@pytest.mark.parametrize(
    ("task", "activation"),
    [("binary", "sigmoid"), ("multiclass", "softmax"), ("multilabel", "sigmoid"), ("regression", "linear")],
)
def test_output_activation_is_that_of_the_task(task: str, activation: str) -> None:
    model = network({"type": "mlp", "units": [4]}, TABLE, task=task)  # type: ignore[arg-type]
    assert model.get_layer("output").activation.__name__ == activation
    with pytest.raises(ModelError, match=f"model.output_activation: expected auto or {activation} for a {task} task"):
        Blocks(Knobs(), 1).output(keras.Input((3,)), OutputSpec(task, 3), "wrong")  # type: ignore[arg-type]


def test_augmented_and_stored_images_are_one_image_to_the_network() -> None:
    model, stored = network({"type": "cnn", "filters": [4]}, IMAGE), batch(IMAGE)
    augmented = {"image": stored["image"].astype("float32")}
    np.testing.assert_array_equal(model(stored), model(augmented))
    np.testing.assert_array_equal(model.predict(stored, verbose=0), model.predict(augmented, verbose=0))
    assert (model({"image": augmented["image"] + 0.4}).numpy() != model(stored).numpy()).any()


@pytest.mark.parametrize("section", [{"type": "text"}, {"type": "mlp", "units": [5]}])
def test_padding_does_not_change_the_mean_over_tokens(section: dict) -> None:
    model = network(section, TEXT)
    short = np.array([[5, 6, 0, 0, 0, 0, 0]], "int32")
    twice = np.array([[5, 6, 5, 6, 0, 0, 0]], "int32")
    np.testing.assert_allclose(model({"tokens": short}), model({"tokens": twice}), rtol=1e-5)
