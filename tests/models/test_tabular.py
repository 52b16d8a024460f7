import keras
import numpy as np
import pytest

from models.errors import ModelError
from models.spec import InputSpec
from tests.models.test_contract import TABLE, TEXT, network

NUMBERS = InputSpec("table", {"numbers": (3,)})


def test_each_category_of_each_column_has_an_embedding_of_its_own() -> None:
    model = network({"type": "tabular", "embedding_dim": 2}, TABLE)
    embeddings = model.get_layer("embedding").embeddings.numpy()
    assert embeddings.shape == (4 + 3, 2)
    flat = keras.Model(model.input, model.get_layer("columns").output)
    rows = {"numbers": np.array([[1, 2, 3]], "float32"), "categories": np.array([[3, 0]], "int32")}
    np.testing.assert_array_equal(flat(rows)[0], [1, 2, 3, *embeddings[3], *embeddings[4]])


def test_the_residual_backbone_has_its_blocks_in_order() -> None:
    model = network({"type": "tabular", "backbone": "resnet", "width": 6, "blocks": 1, "dropout": 0.1}, NUMBERS)
    block = ("batch_norm", "dense_1", "activation", "dropout_1", "dense_2", "dropout_2", "add")
    assert [layer.name for layer in model.layers][2:] == [
        *("first", *(f"block_1_{name}" for name in block)),
        *("last_batch_norm", "last_activation", "output"),
    ]
    assert model.get_layer("block_1_dense_1").units == 12


@pytest.mark.parametrize(
    ("keys", "inputs", "message"),
    [
        ({}, TEXT, r"model.type: tabular takes tables; this recipe's data is text"),
        ({"embedding_dim": 3}, NUMBERS, r"model.embedding_dim: has no effect, as this table has no categories"),
        ({"initializers": {"embedding": "ones"}}, NUMBERS, r"model.initializers.embedding: has no effect"),
    ],
)
def test_what_a_table_cannot_give_is_refused(keys, inputs, message) -> None:
    with pytest.raises(ModelError, match=message):
        network({"type": "tabular", **keys}, inputs)
