"""What each knob does to values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.blocks import Blocks
from models.errors import ModelError
from models.knobs import Knobs
from models.priors import priors
from models.spec import OutputSpec
from tests.models.test_contract import IMAGE, PRIORS, TABLE, TEXT, batch, network


def knobs(**keys) -> Knobs:
    return Knobs.model_validate(keys)


def applied(block: str, shape: tuple[int, ...], *, seed: int = 1, **keys) -> keras.Model:
    """One block by itself."""
    x = keras.Input(shape)
    return keras.Model(x, getattr(Blocks(knobs(**keys), seed), block)(x, "block"))


def trained_once(model: keras.Model, inputs, learning_rate: float) -> keras.Model:
    model.compile(keras.optimizers.SGD(learning_rate), "sparse_categorical_crossentropy")
    model.fit(batch(inputs), np.arange(6) % 3, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize(
    ("section", "inputs", "layers"),
    [
        ({"type": "mlp", "units": [5], "initializers": {"dense": "ones"}}, TABLE, {"dense_1": 1}),
        ({"type": "mlp", "units": [5], "initializers": {"output": "ones"}}, TABLE, {"output": 1}),
        (
            {"type": "cnn", "initializers": {"conv": {"type": "constant", "value": 0.5}, "dense": "ones"}},
            IMAGE,
            {"block_1_conv_1": 0.5, "block_2_conv_1": 0.5, "dense": 1},
        ),
        ({"type": "tabular", "initializers": {"embedding": "ones"}}, TABLE, {"embedding": 1}),
    ],
)
def test_each_kind_of_layer_has_its_initialiser_and_others_keep_theirs(section, inputs, layers) -> None:
    plain = network({key: value for key, value in section.items() if key != "initializers"}, inputs)
    for one, other in zip(network(section, inputs).layers, plain.layers, strict=True):
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            is_kernel = a.ndim > 1
            np.testing.assert_array_equal(a, layers[one.name] if is_kernel and one.name in layers else b)


def test_recurrent_kernels_are_orthogonal_or_as_said() -> None:
    def kernels(**keys):
        model = network({"type": "text", "encoder": "bigru", "recurrent_units": [4], **keys}, TEXT)
        return [w.numpy() for w in model.trainable_weights if w.path.endswith("recurrent_kernel")]

    for kernel in kernels(kernel_initializer="ones"):
        np.testing.assert_allclose(kernel @ kernel.T, np.eye(4), atol=1e-5)
    for kernel in kernels(initializers={"recurrent": "ones"}):
        np.testing.assert_array_equal(kernel, 1)


@pytest.mark.parametrize(
    ("kind", "axes"), [("batch", (0, 1, 2)), ("layer", (3,)), ("group", (1, 2, 3)), ("none", None)]
)
def test_normalisation_is_over_the_axes_of_its_name(kind, axes) -> None:
    x = np.random.default_rng(0).normal(3, 5, (8, 5, 4, 6)).astype("float32")
    normalized = applied("normalize", (5, 4, 6), normalization=kind, norm_groups=2)(x, training=True).numpy()
    if axes is None:
        np.testing.assert_array_equal(normalized, x)
        return
    if kind == "group":
        normalized = normalized.reshape(8, 5, 4, 2, 3)
        axes = (1, 2, 4)
    np.testing.assert_allclose(normalized.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(normalized.std(axes), 1, rtol=1e-2)


def test_one_group_of_a_dense_layer_is_layer_normalisation() -> None:
    x = np.random.default_rng(0).normal(size=(3, 64)).astype("float32")
    group, layer = (applied("normalize", (64,), normalization=kind)(x) for kind in ("group", "layer"))
    np.testing.assert_allclose(group, layer, atol=1e-5)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "none"),
        ({"batch_norm": True}, "batch"),
        ({"batch_norm": False}, "none"),
        ({"normalization": "group"}, "group"),
    ],
)
def test_batch_norm_is_short_for_normalisation(keys, expected) -> None:
    assert knobs(**keys).normalized_by() == expected


def test_only_batch_normalisation_replaces_the_bias_before_it() -> None:
    def has_bias(**keys) -> bool:
        return network({"type": "mlp", "units": [4], **keys}, TABLE).get_layer("dense_1").use_bias

    assert [has_bias(normalization=kind) for kind in ("none", "layer", "batch")] == [True, True, False]


def test_spatial_dropout_drops_whole_maps() -> None:
    model = applied("dropout", (2, 2, 40), dropout=0.4, dropout_type="spatial")
    maps = model(np.ones((100, 2, 2, 40), "float32"), training=True).numpy().reshape(100, 4, 40)
    assert (maps == maps[:, :1]).all()
    assert (maps == 0).mean() == pytest.approx(0.4, abs=0.03)


def test_gaussian_dropout_multiplies_by_noise_of_mean_one() -> None:
    model = applied("dropout", (1000,), dropout=0.2, dropout_type="gaussian")
    noise = model(np.full((10, 1000), 3, "float32"), training=True).numpy() / 3
    assert (noise.mean(), noise.std()) == (pytest.approx(1, abs=0.02), pytest.approx(0.5, abs=0.02))


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(0).normal(size=(20, 1000)).astype("float32")
    dropped = applied("dropout", (1000,), dropout=0.2, dropout_type="alpha", activation="selu")(x, training=True)
    kept = dropped.numpy()
    assert (kept.mean(), kept.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.03))
    _, counts = np.unique(kept, return_counts=True)
    assert counts.max() / kept.size == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("kind", ["plain", "spatial", "gaussian", "alpha"])
def test_dropout_is_a_function_of_the_seed_and_off_in_inference(kind) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 30)).astype("float32")

    def dropped(seed: int) -> list[np.ndarray]:
        model = applied("dropout", (3, 3, 30), seed=seed, dropout=0.5, dropout_type=kind)
        np.testing.assert_array_equal(model(x, training=False), x)
        return [model(x, training=True).numpy() for _ in range(2)]

    first, same, other = dropped(1), dropped(1), dropped(2)
    np.testing.assert_array_equal(first, same)
    assert (first[0] != first[1]).any()
    assert (first[0] != other[0]).any()


def test_input_noise_has_its_spread_in_training_alone() -> None:
    x = keras.Input((1000,), name="numbers")
    features = {"numbers": x, "categories": keras.Input((2,), dtype="int32")}
    noisy = Blocks(knobs(input_noise=0.3), 1).input_noise(features)
    assert noisy["categories"] is features["categories"]
    model, zeros = keras.Model(x, noisy["numbers"]), np.zeros((20, 1000), "float32")
    assert model(zeros, training=True).numpy().std() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_array_equal(model(zeros), zeros)
    with pytest.raises(ModelError, match=r"model.input_noise: expected images or numbers .* Received: tokens"):
        network({"type": "mlp", "input_noise": 0.3}, TEXT)


def test_input_noise_changes_what_a_network_sees_in_training() -> None:
    model = network({"type": "cnn", "filters": [4], "input_noise": 0.5}, IMAGE)
    assert (model(batch(IMAGE), training=True).numpy() != model(batch(IMAGE)).numpy()).any()


@pytest.mark.parametrize(
    ("penalize", "names"),
    [
        ([], {"kernel"}),
        (["bias"], {"kernel", "bias"}),
        (["norm"], {"kernel", "gamma", "beta"}),
        (["norm", "bias"], {"kernel", "bias", "gamma", "beta"}),
    ],
)
@pytest.mark.parametrize("family", ["cnn", "resnet", "convnext"])
def test_penalties_are_of_what_is_named(family, penalize, names) -> None:
    section = {"type": family, "filters": [4], "normalization": "layer", "l2": 0.1, "penalize": penalize}
    model = network(section, IMAGE)
    for weight in model.trainable_weights:
        weight.assign_add(tf.ones_like(weight))
    weights = [w.numpy() for w in model.trainable_weights if w.path.rsplit("/", 1)[-1] in names]
    assert float(sum(model.losses)) == pytest.approx(sum(0.1 * (w**2).sum() for w in weights), rel=1e-4)


def test_every_kernel_of_a_recurrent_layer_is_penalised() -> None:
    model = network({"type": "text", "encoder": "bilstm", "units": 0, "l1": 0.1}, TEXT)
    kernels = [w.numpy() for w in model.trainable_weights if w.path.endswith("kernel")]
    assert len(kernels) == len(model.losses) == 5
    assert float(sum(model.losses)) == pytest.approx(sum(0.1 * np.abs(k).sum() for k in kernels), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "inputs"),
    [
        ({"type": "cnn", "filters": [4]}, IMAGE),
        ({"type": "convnext", "filters": [4], "blocks": 1}, IMAGE),
        ({"type": "text", "encoder": "conv1d"}, TEXT),
        ({"type": "text", "encoder": "bilstm"}, TEXT),
        ({"type": "text", "encoder": "transformer", "embedding_dim": 8, "blocks": 1}, TEXT),
        ({"type": "tabular"}, TABLE),
    ],
)
def test_max_norm_bounds_what_enters_each_unit(section, inputs) -> None:
    def largest(**keys) -> float:
        model = trained_once(network({**section, **keys}, inputs), inputs, learning_rate=30.0)
        kernels = [w.numpy() for w in model.trainable_weights if w.path.endswith("kernel")]
        return max(_norms(kernel).max() for kernel in kernels)

    assert largest() > 0.5
    assert largest(max_norm=0.5) == pytest.approx(0.5, rel=1e-3)


def _norms(kernel: np.ndarray) -> np.ndarray:
    is_depthwise = kernel.ndim == 4 and kernel.shape[-1] == 1
    return np.sqrt((kernel**2).sum(axis=(0, 1) if is_depthwise else tuple(range(kernel.ndim - 1))))


def test_priors_count_the_labels() -> None:
    assert priors(np.array([0, 0, 1]), "multiclass", 3) == pytest.approx((3 / 6, 2 / 6, 1 / 6))
    assert priors(np.array([1, 1, 0]), "binary", 1) == pytest.approx((3 / 5,))
    assert priors(np.array([[1, 0], [1, 0], [0, 0.0]]), "multilabel", 2) == pytest.approx((3 / 5, 1 / 5))
    assert priors(np.array([[1.0, 5.0], [3.0, 5.0]]), "regression", 2) == pytest.approx((2, 5))


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel", "regression"])
def test_with_prior_bias_features_of_zero_give_the_priors(task) -> None:
    section = {"type": "mlp", "units": [4], "initializers": {"output": "zeros"}}
    said = network({**section, "output_bias": "priors"}, TABLE, task=task)(batch(TABLE)).numpy()
    np.testing.assert_allclose(said, np.tile(PRIORS, (6, 1)), rtol=1e-5)
    assert (network(section, TABLE, task=task).get_layer("output").bias.numpy() == 0).all()


def test_priors_must_be_at_hand() -> None:
    with pytest.raises(ModelError, match=r"model.output_bias: priors needs the labels"):
        Blocks(knobs(output_bias="priors"), 1).output(keras.Input((3,)), OutputSpec("multiclass", 3))
